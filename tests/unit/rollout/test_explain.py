"""Why a run failed: from its journal, and from AWS where no process has seen the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.errors import AwsError
from tapgen.model import CommandGate, RolloutSettings
from tapgen.report import explanation as report
from tapgen.rollout import history
from tapgen.rollout.explain import Explanation, explain
from tests import make
from tests.unit.rollout.fakes import Cloud, Killed
from tests.unit.rollout.test_gating import BEFORE, WANTED, run

PREFIX = "demo-test"
LATER = make.stack_set("later", depends_on=("data",))


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def explained(cloud: Cloud, **away: str) -> Explanation:
    sets: Any = cloud
    name = history.newest(cloud.bucket, PREFIX)
    assert name
    return explain(history.find(cloud.bucket, PREFIX, name), sets, away)


def roll_out(cloud: Cloud) -> None:
    """Two stack sets, the second of which waits for the first; fail in the first."""
    cloud.failing = lambda name, target, template, values: True
    system = make.system(BEFORE, LATER)
    system = replace(system, rollout=RolloutSettings(on_failure="stop"))
    sets: Any = cloud
    the_plan = plan.make(system, {})
    rollout.run(the_plan, sets, lambda event: None, sleep=lambda seconds: None)


def test_the_cause_comes_first_then_what_was_not_started(cloud: Cloud) -> None:
    roll_out(cloud)

    found = explained(cloud)

    assert {c.failure.reason for c in found.causes} == {"it broke"}
    assert {c.kind for c in found.causes} == {"operation"}
    left = [(c.kind, c.wave, c.stack_set) for c in found.consequences]
    assert left == [("not started", 2, LATER.name)]
    lines = report.text(found).splitlines()
    assert "failed:" in lines[1]
    assert lines.index("because of it:") > 1
    assert report.data(found)["causes"][0]["operation"].startswith("tapgen-")


def test_a_killed_run_is_explained_by_what_aws_says(cloud: Cloud) -> None:
    cloud.failing = lambda name, target, template, values: True
    cloud.faults.errors["results"] = [Killed()]
    with pytest.raises(Killed):
        run(cloud, BEFORE)

    found = explained(cloud)

    assert [c.failure.reason for c in found.causes] == ["it broke"]
    assert [(p.status, p.operation != "") for p in found.pending] == [("FAILED", True)]
    assert found.unread == ()


@pytest.mark.parametrize("away", [{}, {"us-east-1": "connection refused"}])
def test_what_aws_does_not_answer_is_not_taken_for_nothing(
    cloud: Cloud, away: dict[str, str]
) -> None:
    cloud.faults.errors["results"] = [Killed()]
    with pytest.raises(Killed):
        run(cloud, BEFORE)
    denied = AwsError("cloudformation:DescribeStackSetOperation", "Denied", "no")
    cloud.faults.errors["operation"] = [denied]

    found = explained(cloud, **away)

    assert found.causes == ()
    (line,) = found.unread
    assert ("connection refused" if away else "no") in line
    assert "not everything could be read" in report.text(found)


def test_a_gate_is_a_cause_and_a_good_run_has_none(cloud: Cloud) -> None:
    run(cloud, BEFORE)
    assert "nothing has failed" in report.text(explained(cloud))

    run(cloud, WANTED, CommandGate(command=("false",), after="wave"))

    found = explained(cloud)
    assert [c.kind for c in found.causes] == ["gate"]
    assert "tapgen history" in report.text(found)


def test_failures_that_a_resume_has_overcome_are_only_counted(cloud: Cloud) -> None:
    roll_out(cloud)
    cloud.failing = lambda name, target, template, values: values.get("Size") is None
    sets: Any = cloud
    nothing: Any = lambda _: None  # noqa: E731
    rollout.resume(sets, PREFIX, nothing, sleep=nothing)

    found = explained(cloud)

    assert {c.failure.stack_set for c in found.causes} == {LATER.name}
    assert found.earlier > 0
