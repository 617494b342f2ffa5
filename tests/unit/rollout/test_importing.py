"""Stack sets take over stacks that exist, killed at every call.

`make test` tries some of the calls, `make soak` all of them (TAPGEN_SOAK).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.errors import RolloutError
from tapgen.model import InstanceStatus, Override
from tapgen.rollout import earlier, importing, lock
from tests import make
from tests.unit.rollout.fakes import Cloud, Faults, Instance, Killed, kill
from tests.unit.rollout.test_kills import observed, part, resume, some
from tests.unit.rollout.test_moving import Named

# The first target of one of them has a value of its own, as the last one of the other.
FIRST = (Override({"Text": "own"}, region="us-east-1"),)
PARTS = (part("data", "a", "b"), replace(part("old", "x", "x"), overrides=FIRST))
STACKS = {s.part: {t: f"{t.account}/{t.region}" for t in s.targets} for s in PARTS}


def stacks() -> Cloud:
    """A cloud with stacks that belong to no stack set."""
    cloud = Named()
    for s in PARTS:
        for target in s.targets:
            values = {k: str(v) for k, v in s.values(target).items()}
            runs = s.template, values
            one = Instance({}, InstanceStatus.CURRENT, stack=runs)
            cloud.released.setdefault(target, {})[s.name] = one
    return cloud


def run(cloud: Cloud) -> rollout.Outcome:
    return importing.run(
        make.system(*PARTS),
        STACKS,
        {s.part: s.template for s in PARTS},
        cloud,  # type: ignore[arg-type]
        lambda event: None,
        starter=rollout.Starter("tester", "import"),
        sleep=lambda seconds: None,
    )


def left(cloud: Cloud) -> Any:
    return {
        name: (
            found.definition.template,
            {t: (i.status, i.stack) for t, i in sorted(found.instances.items())},
        )
        for name, found in sorted(cloud.sets.items())
    }


def running(cloud: Cloud) -> Any:
    """What stacks that belong to no stack set run."""
    return {
        t: {name: (i.status, i.stack) for name, i in found.items()}
        for t, found in cloud.released.items()
    }


def test_an_import_changes_no_stack_and_leaves_an_empty_plan() -> None:
    cloud = stacks()

    ended = run(cloud)

    assert ended.green and {*ended.done} == {s.name for s in PARTS}
    assert not any(cloud.released.values()) and not cloud.history
    assert not [line for line in cloud.started if line.split()[0] == "update"]
    assert not plan.make(make.system(*PARTS), observed(cloud))
    for s in PARTS:
        assert cloud.sets[s.name].definition.parameters == s.parameters
    with pytest.raises(RolloutError, match="tapgen destroy would delete them"):
        earlier.find(cloud.bucket, "demo-test")


def test_an_open_import_is_continued_and_not_replaced() -> None:
    cloud = stacks()
    cloud.faults.errors["adopt"] = [Killed()]
    with pytest.raises(Killed):
        run(cloud)

    with pytest.raises(lock.Taken, match="continue it: tapgen resume") as refused:
        run(cloud)

    assert "--supersede" not in str(refused.value)
    assert resume(cloud).green


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_killed_import_goes_on_where_it_was(after: bool) -> None:
    wanted = stacks()
    faults = wanted.faults = wanted.bucket.faults = Faults()
    run(wanted)
    for number in some(len(faults.calls), f"import {after}"):
        cloud = stacks()
        faults = cloud.faults = cloud.bucket.faults = Faults()
        (faults.after if after else faults.before)[number] = kill
        try:
            run(cloud)
        except Killed:
            pass
        faults.before.clear()
        faults.after.clear()
        if resume(cloud) is None and not cloud.sets:
            run(cloud)  # nothing had begun
        assert left(cloud) == left(wanted), number
        assert not any(cloud.released.values()), number


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_import_that_is_taken_back_leaves_every_stack_as_it_was(after: bool) -> None:
    """Killed anywhere, and once more on the way back: no stack is lost or updated, and
    none belongs to a stack set."""
    calls = stacks()
    faults = calls.faults = calls.bucket.faults = Faults()
    run(calls)
    for number in some(len(faults.calls), f"back {after}"):
        cloud = stacks()
        faults = cloud.faults = cloud.bucket.faults = Faults()
        (faults.after if after else faults.before)[number] = kill
        try:
            run(cloud)
        except Killed:
            pass
        faults.before.clear()
        faults.after.clear()
        (faults.before if after else faults.after)[len(faults.calls) + number] = kill
        try:
            ended = resume(cloud, back=True)
        except Killed:
            ended = resume(cloud, back=True)  # once more: it may not have turned yet
        faults.before.clear()
        faults.after.clear()
        assert resume(cloud) is None
        if ended is None:
            continue  # it had ended, or nothing had begun
        assert ended.green and ended.back and not ended.left, number
        assert not cloud.sets and not cloud.history, number
        assert running(cloud) == running(stacks()), number
