"""Steps of procedures as steps of a runbook, and as the data of a manifest."""

from __future__ import annotations

import pytest

from tapgen.model.procedures import (
    WRITER,
    Argument,
    Call,
    Check,
    Pause,
    Procedure,
    Script,
    Step,
    procedure_data,
    saved,
)
from tapgen.procedures import automation
from tests.systems import look

READ = Call("rds", "DescribeX", {"Id": "1"})
NOW = Check("Before", READ, "$.Y", ("ok",))
LATER = Check("After", READ, "$.Y", ("ok", "done"), seconds=60)
STEP = Step(
    "Do",
    Call("rds", "DoX", {"Id": saved("Other", "Id")}),
    before=(NOW,),
    after=(LATER, Script("Loop", "writer", {"Id": "1"}, attempts=3)),
    undo=Call("rds", "UndoX", {}),
    saves={"Id": "$.Id"},
)


def source(handler: str) -> str:
    return f"# {handler}"


def test_a_step_is_its_checks_its_call_and_its_read_backs_in_order() -> None:
    before, done, after, loop = automation.steps(STEP, source)
    assert [s["name"] for s in (before, done, after, loop)] == [
        *("Before", "Do", "After", "Loop")
    ]
    assert before["action"] == "aws:assertAwsResourceProperty"
    assert before["onFailure"] == "Abort"
    assert done["inputs"] == {"Service": "rds", "Api": "DoX", "Id": "{{ Other.Id }}"}
    assert done["outputs"] == [{"Name": "Id", "Selector": "$.Id", "Type": "String"}]
    assert (after["action"], after["timeoutSeconds"]) == (
        "aws:waitForAwsResourceProperty",
        60,
    )
    assert after["inputs"]["DesiredValues"] == ["ok", "done"]
    assert (loop["inputs"]["Script"], loop["maxAttempts"]) == ("# writer", 3)
    # Systems Manager lets a script run for ten minutes, and no longer.
    assert loop["timeoutSeconds"] == 600
    (sleep,) = automation.steps(Step("Wait", Pause(5)), source)
    assert sleep["inputs"] == {"Duration": "PT5M"}


def test_a_manifest_says_what_a_procedure_does_and_what_undoes_it() -> None:
    argument = Argument("Sure", "Say yes", ("yes",))
    far = Step("Far", Pause(1), region=WRITER, roles=("dr",))
    steps = (STEP, far, Step("See", after=(LATER,)))
    found = procedure_data(Procedure("p", "d", "part", ("dr",), steps, (argument,)))
    assert found["arguments"] == [
        {"name": "Sure", "description": "Say yes", "allowed": ["yes"]}
    ]
    first, second, third = found["steps"]
    assert first["call"]["action"] == "DoX"
    assert first["undo"] == {"service": "rds", "action": "UndoX", "arguments": {}}
    assert [one["name"] for one in first["after"]] == ["After", "Loop"]
    assert second["pause"] == {"minutes": 1}
    assert (second["region"], second["roles"]) == ("writer", ["dr"])
    assert set(third) == {"name", "after", "region"}


# Steps whose change is seen otherwise → how.
SEEN_OTHERWISE = {
    (
        "failover",
        "PutSwitch",
    ): "by the step SeeTraffic, last: payments need no database",
    ("drill", "RingLagAlarm"): "by people, and by the end of the alarm",
    ("failback", "ReleaseTraffic"): "the script waits for the alarm of the switch",
    ("release", "ReleaseTraffic"): "the script waits for the alarm of the switch",
}


@pytest.mark.parametrize("name", ["payments_dr", "region_migration"])
def test_each_change_is_read_back_and_says_what_undoes_it(name: str) -> None:
    procedures = look.shipped(name).procedures
    assert procedures
    for procedure in procedures:
        for step in procedure.steps:
            where = procedure.name, step.name
            if step.act is not None:
                assert bool(step.after) != (where in SEEN_OTHERWISE), where
            if isinstance(step.act, Call | Script):
                assert step.undo, where
