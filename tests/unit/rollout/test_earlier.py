"""A rollback leads to what an earlier run found or left, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.errors import RolloutError
from tapgen.model import HIDDEN, Action, Output
from tapgen.rollout import earlier
from tests import make
from tests.make import EAST
from tests.unit.rollout.fakes import Cloud
from tests.unit.rollout.test_kills import (
    BOTH,
    Killed,
    consumer,
    observed,
    part,
    resume,
    run,
    start,
)

PREFIX = "demo-test"
OLD = (
    part("data", "a", "b"),
    consumer(targets=BOTH),
    part("old", "x", "x", targets=(EAST,)),
)
NEW = (
    part("data", "c", "c", version="2", tag="b"),
    consumer("2", targets=BOTH),
    part("more", "1", "1"),
)


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud()
    assert start(cloud, *OLD).green
    return cloud


def plan_back(cloud: Cloud, *now: Any, to: str | None = None) -> plan.Plan:
    then = earlier.find(cloud.bucket, PREFIX, to)
    system = earlier.system_of(make.system(*now), then)
    return earlier.with_unknown(plan.make(system, observed(cloud)), then)


def as_told(cloud: Cloud) -> dict[str, Any]:
    """Definitions, tags, overrides and stacks, without the values of the stack set
    itself that every target overrides."""
    return {
        name: (template, tags, capabilities, instances)
        for name, (template, _, tags, capabilities, instances) in (
            cloud.everything().items()
        )
    }


def test_a_rollback_restores_templates_values_overrides_tags_and_stack_sets(
    cloud: Cloud,
) -> None:
    before = as_told(cloud)
    assert start(cloud, *NEW).green
    assert as_told(cloud) != before

    assert run(cloud, plan_back(cloud, *NEW)).green

    assert as_told(cloud) == before
    assert not plan_back(cloud, *NEW, to=earlier.runs(cloud.bucket, PREFIX)[-1])


def test_a_second_rollback_undoes_the_first(cloud: Cloud) -> None:
    assert start(cloud, *NEW).green
    after = as_told(cloud)
    assert run(cloud, plan_back(cloud, *NEW)).green

    assert run(cloud, plan_back(cloud, *NEW)).green

    assert as_told(cloud) == after


def test_a_run_that_changed_nothing_is_passed_over(cloud: Cloud) -> None:
    assert start(cloud, *NEW).green
    wanted = plan_back(cloud, *NEW).digest
    cloud.faults.errors["update"] = [RolloutError("no")]
    assert not start(cloud, part("data", "d", "d"), *NEW[1:]).green

    assert plan_back(cloud, *NEW).digest == wanted


def test_a_run_that_restored_everything_is_passed_over(cloud: Cloud) -> None:
    assert start(cloud, *NEW).green
    wanted = plan_back(cloud, *NEW).digest
    cloud.failing = lambda name, target, template, values: values.get("Text") == "d"
    ended = start(cloud, part("data", "d", "d"), *NEW[1:])
    cloud.failing = lambda name, target, template, values: False

    assert not ended.green and ended.restored and not ended.open
    assert plan_back(cloud, *NEW).digest == wanted


def test_a_rollback_after_a_deletion_creates_all_again(cloud: Cloud) -> None:
    before = as_told(cloud)
    gone = plan.destroy(make.system(*OLD), observed(cloud))
    assert run(cloud, gone).green

    assert run(cloud, plan_back(cloud, *OLD)).green

    assert as_told(cloud) == before


def test_to_a_run_leads_to_what_it_left(cloud: Cloud) -> None:
    first = earlier.runs(cloud.bucket, PREFIX)[0]
    before = as_told(cloud)
    for version in "23":
        assert start(cloud, part("data", version, "b", version=version), *OLD[1:]).green

    assert run(cloud, plan_back(cloud, *NEW, to=first)).green

    assert as_told(cloud) == before


def test_a_value_from_an_output_comes_from_it_again(cloud: Cloud) -> None:
    """Going back may create the provider anew: its old output would be a dead letter."""
    assert start(cloud, OLD[0], part("old", "x", "x")).green  # deletes the consumer

    back = plan_back(cloud, OLD[0])

    of_app = back.system.part("app").values(EAST)
    assert of_app["Arn"] == Output("data", "Arn", EAST.region, EAST.account)
    assert {step.action for step in back.steps if step.part == "app"} == {Action.CREATE}


def test_a_hidden_value_of_a_stack_set_that_is_gone_refuses_the_plan(
    cloud: Cloud,
) -> None:
    assert start(cloud, *OLD[:2]).green  # deletes the third
    then = earlier.find(cloud.bucket, PREFIX)
    old = then.stack_sets["demo-test-old"]
    hidden = replace(old, parameters={"Text": HIDDEN, "Shared": "s1"})
    then = replace(then, stack_sets={**then.stack_sets, old.name: hidden})
    back = plan.make(earlier.system_of(make.system(*OLD), then), observed(cloud))

    (line,) = earlier.with_unknown(back, then).blocked

    assert "value of Text (NoEcho)" in line


def test_a_run_that_left_no_state_is_refused_with_what_it_is(cloud: Cloud) -> None:
    cloud.faults.errors["update"] = [Killed()]
    with pytest.raises(Killed):
        start(cloud, *NEW)
    broken = earlier.runs(cloud.bucket, PREFIX)[0]
    with pytest.raises(RolloutError, match=f"run {broken} is open"):
        earlier.find(cloud.bucket, PREFIX, broken)
    assert resume(cloud).green

    with pytest.raises(RolloutError, match="run nope does not exist; the newest runs"):
        earlier.find(cloud.bucket, PREFIX, "nope")
    with pytest.raises(RolloutError, match="nothing was deployed before run"):
        fresh = Cloud()
        start(fresh, *OLD)
        earlier.find(fresh.bucket, PREFIX)
    with pytest.raises(RolloutError, match="no run has changed anything"):
        earlier.find(Cloud().bucket, PREFIX)


def test_a_restored_run_leads_to_what_it_restored(cloud: Cloud) -> None:
    wanted = part("data", "c", "c", version="2")
    cloud.failing = lambda name, target, template, values: values.get("Text") == "c"
    assert not start(cloud, wanted, *OLD[1:]).green
    cloud.failing = lambda name, target, template, values: False
    restored = earlier.runs(cloud.bucket, PREFIX)[0]

    assert not plan_back(cloud, *OLD, to=restored)
