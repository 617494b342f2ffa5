"""Parameters that get their values once other parts are there, in plans and reports;
`tests/unit/rollout/test_at_first.py` rolls them out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tapgen import plan
from tapgen.model import (
    Action,
    Artifact,
    AtFirst,
    AutoDeployment,
    Output,
    Reading,
    ServiceManaged,
    StackSet,
)
from tapgen.plan import change_set_answers, drift, forecast
from tapgen.report import data, markdown, text
from tapgen.system import checks
from tests import make
from tests.make import EAST, WEST

FIRST = {"Back": AtFirst("no", ("data",))}


def copy(**more: Any) -> StackSet:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Back"}}}
    parameters = {"Back": more.pop("back", "yes")}
    body = make.template(parameters, ("Arn",), {"Topic": topic})
    given = {"text": body, "targets": (WEST,), "at_first": FIRST, **more}
    return make.stack_set("copy", parameters=parameters, **given)


FOLLOWING = ServiceManaged(("ou-1",), auto_deployment=AutoDeployment(True))
DATA = make.stack_set(depends_on=("copy",))


def test_a_new_stack_gets_its_value_last_and_the_plan_shows_that() -> None:
    found = plan.make(make.system(copy(), DATA), {})

    first, _, (last,) = found.waves
    assert first[0].values == {"Back": "no"}
    assert (last.action, last.values) == (Action.UPDATE, {"Back": "yes"})
    (change,) = last.changes[WEST]
    assert (change.logical_id, change.properties[0].old) == ("Topic", "no")
    shown = text.plan(found)
    assert "Back waits for data" in shown
    assert "Back: no → yes" in shown and "1 stack instance to update" in shown
    assert "Back waits for data" in markdown.plan(found)
    (step,) = json.loads(json.dumps(data.plan(found)))["waves"][2]
    assert step["resources"][0]["new"] is False
    assert step["parameter_changes"][0]["old"] == ["no"]
    assert forecast.of(found).span.high > 0 and not plan.refusals(found)


def test_what_two_steps_of_a_target_need_is_uploaded_once() -> None:
    code = Artifact("code", Path("code"), "ab.zip", 1, "", "")
    found = plan.make(make.system(copy(artifacts={"Code": code}), DATA), {})

    assert [(u.artifact, u.target) for u in found.artifacts] == [(code, WEST)]


def test_its_stack_is_reviewed_once_and_has_no_drift_yet() -> None:
    found = plan.make(make.system(copy(), DATA), {})

    asked, _ = change_set_answers.questions(found)

    assert asked["demo-test-copy", WEST].values == {"Back": "no"}
    merged, _ = change_set_answers.merge(found, {})
    assert merged.waves == found.waves
    assert not [*drift.concerned(found)]


def test_a_deployed_stack_gets_its_value_in_its_only_update() -> None:
    closed = replace(copy(), parameters={"Back": "no"})
    observed = {s.name: make.observed(s) for s in (closed, DATA)}

    found = plan.make(make.system(copy(), DATA), observed)

    (step,) = found.steps
    assert step.reasons == ("parameter Back differs",) and step.changes[WEST]
    assert not plan.make(make.system(closed, DATA), observed)


def test_an_output_of_the_other_part_is_a_value_that_comes_last() -> None:
    arn = Output("data", "Arn", "us-east-1")

    found = plan.make(make.system(copy(back=arn), DATA), {})

    *_, (last,) = found.waves
    (reference,) = last.references
    assert (reference.sources, found.wave_of(reference)) == ((EAST,), 2)


def test_it_waits_no_longer_than_the_plan_for_what_does_not_answer() -> None:
    closed = replace(copy(), parameters={"Back": "no"})
    away = make.observed(DATA)
    silent = replace(away.instances[EAST], reading=Reading.AWAY, outputs=None)
    observed = {
        closed.name: make.observed(closed),
        DATA.name: replace(away, instances={EAST: silent}),
    }

    found = plan.make(make.system(copy(), DATA), observed)

    assert not found.steps
    assert [(o.part, o.targets, o.why) for o in found.omitted] == [
        (
            "copy",
            (WEST,),
            f"Back waits for data in {EAST}, which this plan leaves out",
        )
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"at_first": {"Back": AtFirst("no", ("dta",))}}, "waits for dta; give parts"),
        ({"at_first": {"Back": AtFirst("no", ())}}, "waits for no part; give parts"),
        ({"at_first": {"Bakc": AtFirst("no", ("data",))}}, "none for every target"),
        ({"service_managed": ServiceManaged(("ou-1",))}, ""),
        ({"service_managed": FOLLOWING}, "an account that joins gets one value"),
        ({"text": "Ref"}, "decides the output Arn, so it must not have"),
        ({"text": "NoEcho"}, "is NoEcho, so AWS does not show"),
        ({"text": "AllowedValues"}, "copy.Back: at first: 'no' is not among"),
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any], words: str) -> None:
    declared: dict[str, Any] = {"Type": "String"}
    value: Any = "x"
    if wrong.get("text") == "Ref":
        value = {"Ref": "Back"}
    elif wrong.get("text") == "NoEcho":
        declared["NoEcho"] = True
    elif wrong.get("text") == "AllowedValues":
        declared["AllowedValues"] = ["yes"]
    body = {
        "Parameters": {"Back": declared},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Arn": {"Value": value}},
    }

    said = checks.problems(
        make.system(copy(**{**wrong, "text": json.dumps(body)}), DATA)
    )

    assert any(words in line for line in said) if words else not said, said
