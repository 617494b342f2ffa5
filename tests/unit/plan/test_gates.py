"""Where a plan checks its gates, and how it shows them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tapgen import plan
from tapgen.model import (
    PREFERENCES,
    Action,
    AlarmGate,
    ApprovalGate,
    CommandGate,
    Gate,
    Observed,
    Output,
    ProbeGate,
    RolloutSettings,
    StackSet,
    Strategy,
    System,
    Target,
    gate_data,
    gate_from,
)
from tapgen.plan import forecast, gates
from tapgen.report import data, markdown, text
from tapgen.system import checks
from tests import make
from tests.make import EAST, WEST

ALARMS = AlarmGate()
EVERY = CommandGate(command=("./test.sh", "prod"), after="wave")
AFTER_DATA = ApprovalGate(after="data")
BOTH = (EAST, WEST)


def system(*parts: StackSet, given: tuple[Gate, ...], strategy: str = "safe") -> System:
    chosen = Strategy(strategy)
    settings = RolloutSettings(
        PREFERENCES[chosen], chosen, ("us-west-2", "us-east-1"), gates=given
    )
    return replace(make.system(*parts), rollout=settings)


def two_parts(
    given: tuple[Gate, ...], observed: dict[str, Observed] | None = None, **more: str
) -> plan.Plan:
    first = make.stack_set("data", targets=BOTH)
    second = make.stack_set(
        "dns", targets=BOTH, parameters={"Arn": Output("data", "Arn")}
    )
    return plan.make(system(first, second, given=given, **more), observed or {})


def places(the_plan: plan.Plan) -> list[tuple[str, str]]:
    """(part, region) of each wave."""
    return [
        (wave[0].part, " ".join(t.region for t in wave[0].targets))
        for wave in the_plan.waves
    ]


def test_without_gates_a_step_has_all_regions_and_nothing_follows() -> None:
    the_plan = two_parts(())

    assert places(the_plan)[0] == ("data", "us-west-2 us-east-1")
    assert gates.gates(the_plan) == ((),) * len(the_plan.waves)


def test_a_gate_after_a_region_lets_each_region_be_a_wave_of_its_own() -> None:
    the_plan = two_parts((ALARMS,))

    assert places(the_plan) == [
        ("data", "us-west-2"),
        ("data", "us-east-1"),
        ("dns", "us-west-2"),
        ("dns", "us-east-1"),
    ]
    assert gates.gates(the_plan) == ((ALARMS,),) * 4
    assert [step.first for step in the_plan.steps] == [True, False, True, False]


def test_an_update_of_all_regions_is_divided_as_well() -> None:
    part = make.stack_set(targets=BOTH)
    found = make.observed(part)
    changed = replace(part, template=make.template(resources={"B": make_bucket()}))

    the_plan = plan.make(system(changed, given=(ALARMS,)), {found.name: found})

    assert [s.action for s in the_plan.steps] == [Action.UPDATE] * 2
    assert places(the_plan) == [("data", "us-west-2"), ("data", "us-east-1")]


def make_bucket() -> dict[str, str]:
    return {"Type": "AWS::S3::Bucket"}


def test_regions_in_parallel_stay_together_and_the_gate_follows() -> None:
    the_plan = two_parts((ALARMS,), strategy="fast")

    assert places(the_plan)[0] == ("data", "us-west-2 us-east-1")
    # Between the two waves the regions stay the same.
    assert gates.gates(the_plan)[-1] == (ALARMS,)


def test_a_gate_after_a_part_comes_once_when_all_of_it_is_deployed() -> None:
    assert gates.gates(two_parts((AFTER_DATA, EVERY))) == (
        (EVERY,),
        (AFTER_DATA, EVERY),
        (EVERY,),
        (EVERY,),
    )


def test_a_gate_after_a_part_divides_no_step() -> None:
    assert places(two_parts((AFTER_DATA,)))[0] == ("data", "us-west-2 us-east-1")


def test_two_waves_in_one_region_have_one_gate_after_the_region() -> None:
    parts = [make.stack_set("data"), make.stack_set("dns", depends_on=("data",))]

    the_plan = plan.make(system(*parts, given=(ALARMS,)), {})

    assert gates.gates(the_plan) == ((), (ALARMS,))


def test_waves_that_only_delete_have_no_gates() -> None:
    part = make.stack_set(targets=BOTH)
    stays = replace(part, targets=(EAST,))
    found = make.observed(part)

    the_plan = plan.make(system(stays, given=(EVERY,)), {found.name: found})
    gone = plan.destroy(system(part, given=(EVERY,)), {found.name: found})

    for one in (the_plan, gone):
        last = one.waves[-1]
        assert all(step.action is Action.DELETE for step in last)
        assert gates.gates(one)[-1] == ()


def test_a_plan_shows_its_gates_in_the_waves() -> None:
    probe = ProbeGate(url="https://a.example/", body="[ok]", under=0.5, after="wave")
    the_plan = two_parts((ALARMS, probe))

    shown = text.plan(the_plan)
    assert "gate: all alarms quiet for 10m" in shown
    assert "gate: https://a.example/ answers 200 with '\\[ok]' in under 500ms" in shown
    assert "| gate: all alarms quiet for 10m" in markdown.plan(the_plan)
    described = data.plan(the_plan)
    assert len(described["gates"]) == len(described["waves"])
    assert described["gates"][0][0] == {
        "kind": "alarms",
        "names": [],
        "bake": 600.0,
        "after": "region",
        "words": "all alarms quiet for 10m",
    }


def test_gates_of_waves_shown_together_are_named_once() -> None:
    regions = ["us-west-2", "us-east-1", "eu-west-1", "eu-west-2", "eu-west-3"]
    part = make.stack_set(targets=[Target(make.ACCOUNT, r) for r in regions])

    shown = text.plan(plan.make(system(part, given=(ALARMS,)), {}))

    assert shown.count("gate after each wave: all alarms") == 1


def test_the_estimate_has_the_time_of_the_bake() -> None:
    with_gates = forecast.of(two_parts((AlarmGate(bake=60, after="dns"), EVERY))).span
    without = forecast.of(two_parts((EVERY,))).span

    assert (with_gates.low, with_gates.high) == (without.low + 60, without.high + 60)


def test_gates_are_part_of_what_a_plan_agrees_to() -> None:
    assert two_parts((EVERY,)).digest != two_parts(()).digest


@pytest.mark.parametrize(
    "gate",
    [
        AlarmGate(names=("a", "b"), bake=30, after="wave"),
        ProbeGate(url="https://a.example/", status=301, body="x", under=0.25),
        EVERY,
        AFTER_DATA,
    ],
)
def test_a_gate_survives_json(gate: Gate) -> None:
    assert gate_from(gate_data(gate)) == gate


def test_a_gate_after_an_unknown_part_is_a_mistake() -> None:
    (found,) = checks.problems(
        system(make.stack_set(), given=(ALARMS, ApprovalGate(after="nte")))
    )

    assert found == (
        "rollout.gates[1].after: 'nte' is not a part of demo; give one of wave, region, "
        "data"
    )
