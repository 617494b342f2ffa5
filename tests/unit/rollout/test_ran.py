"""A run read back from its journal: its plan, and which version its targets have."""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest

from tapgen import plan
from tapgen.model import digest
from tapgen.report import data, explanation
from tapgen.report import ran as report
from tapgen.report.page import Page, html
from tapgen.rollout import history, ran
from tapgen.rollout.versions import Fate
from tests import make
from tests.unit.rollout.fakes import Cloud, Killed
from tests.unit.rollout.test_gating import BEFORE, WANTED, command
from tests.unit.rollout.test_gating import run as gated
from tests.unit.rollout.test_kills import (
    FIRST,
    SECOND,
    SOAK,
    calls_of_a_run,
    deployed,
    disturbed,
    observed,
    resume,
    run,
    some,
)

PREFIX = "demo-test"
NOW = datetime(2026, 11, 30, 4, 5, tzinfo=UTC)
SYSTEM = make.system(*SECOND)


def read(cloud: Cloud, name: str | None = None, system: Any = SYSTEM) -> ran.Ran:
    """The newest run, or the one of this name."""
    name = name or history.newest(cloud.bucket, PREFIX)
    assert name
    found = history.find(cloud.bucket, PREFIX, name)
    sets: Any = cloud
    return ran.read(found, system, sets, worked=lambda *_: [])


def agreed(the_plan: plan.Plan) -> dict[str, Any]:
    shown = data.plan(the_plan)
    return {key: shown[key] for key in ("waves", "gates", "not_comparable")}


@pytest.mark.parametrize("wanted", [FIRST, SECOND, SECOND[:1], ()])
def test_a_plan_is_read_back_as_it_was_agreed(wanted: Any) -> None:
    """A creation, updates with values that come later, a stack set that goes, and all."""
    cloud = Cloud() if wanted is FIRST else deployed()
    system = make.system(*(wanted or SECOND))
    make_plan = plan.make if wanted else plan.destroy
    made = make_plan(system, observed(cloud))
    assert run(cloud, made).green

    one = read(cloud)

    assert one.plan
    assert agreed(one.plan) == agreed(made)
    assert report.data(one)["plan"]["waves"] == agreed(made)["waves"]


@pytest.mark.parametrize("fails", [False, True], ids=["there", "and back"])
def test_no_version_is_said_that_a_target_does_not_have(fails: bool) -> None:
    """Wherever the process is gone, and after somebody has resumed."""
    known = 0
    numbers = some(calls_of_a_run(fails), f"ran {fails}")
    for number in numbers if SOAK else numbers[::3]:
        cloud, _ = disturbed(number, after=number % 2 == 0, fails=fails)
        for again in (False, True):
            if again:
                resume(cloud)
            one = read(cloud)
            if one.view.run.command == "rollout" and one.plan and _second(one):
                known += _as_deployed(cloud, one)
    assert known > 40


def _second(one: ran.Ran) -> bool:
    """Whether this is the run of the second version: a run killed early has begun none."""
    assert one.plan
    return any(step.part == "new" for step in one.plan.steps)


def _as_deployed(cloud: Cloud, one: ran.Ran) -> int:
    """Compare versions with what stacks run; return how many are known."""
    known = 0
    for v in one.versions:
        instance = cloud.sets.get(v.stack_set)
        there = instance.instances.get(v.target) if instance else None
        runs = digest(there.stack[0]) if there and there.stack else ""
        if v.fate is Fate.UNKNOWN:
            assert runs in (v.before, v.after, "")
        else:
            assert runs == v.after, (v, one.view.run)
            known += 1
    return known


def test_a_run_in_short_has_gates_versions_and_how_it_goes_on() -> None:
    cloud = Cloud()
    gated(cloud, BEFORE)
    ended, _ = gated(cloud, WANTED, command("false"))

    one = read(cloud, ended.run, make.system(WANTED))
    text = report.text(one, ["more"])

    assert "✓ restored" in text and "gate false succeeds within 5m" in text
    assert "restored: data in 111111111111 in us-east-1" in text
    assert text.endswith("more")
    (gate,) = one.gates
    assert gate.result == "failed" and gate.evidence["verdict"] == "red"


def test_what_a_region_does_not_answer_is_said_and_not_asked() -> None:
    cloud = deployed()
    name = history.newest(cloud.bucket, PREFIX)
    assert name
    found, sets = history.find(cloud.bucket, PREFIX, name), cloud
    read_in: set[str] = set()

    def worked(_: Any, target: Any, *__: Any) -> list[Any]:
        read_in.add(target.region)
        return []

    away = {"us-west-2": "no route"}
    one = ran.read(found, SYSTEM, sets, away, worked=worked)  # type: ignore[arg-type]

    assert read_in == {"us-east-1"}
    words = "events of the stacks in us-west-2: us-west-2 does not answer (no route)"
    assert one.unread == (words,)
    assert f"not read:[/] {words}" in report.text(one)


def test_an_open_run_says_what_its_journal_does_not_have_yet() -> None:
    cloud = Cloud()
    cloud.faults.errors["results"] = [Killed()]
    with pytest.raises(Killed):
        gated(cloud, BEFORE)
    one = read(cloud, system=make.system(BEFORE))
    lines = [*explanation.pending(one.explanation)]
    shown = unescape(html(Page("Rollout", SYSTEM, NOW, "1", ran=one)))

    assert lines and one.view.run.result == "open"
    assert all(line in shown and line in report.text(one) for line in lines)
    assert "How far it is" in shown and "changed, as far as the journal says: " in shown
