"""The administration moves to another region, killed at every call.

`make test` tries some of the calls, `make soak` all of them (TAPGEN_SOAK).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.aws.stacksets import Definition
from tapgen.errors import RolloutError
from tapgen.model import InstanceStatus, Observed, PermissionModel, System, Target
from tapgen.rollout import adoption, lock, moving, places
from tapgen.rollout.program import Kind, Verb
from tests import make
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud, Faults, Instance, Killed, kill
from tests.unit.rollout.test_kills import (
    FIRST,
    SECOND,
    observed,
    resume,
    some,
    start,
)

HOME, TO = EAST.region, WEST.region


@dataclass
class Named(Cloud):
    """A cloud whose stacks have ids by which `adopt` finds them again."""

    def describe(self, name: str, **more: Any) -> Observed | None:
        found = super().describe(name, **more)
        if found is None:
            return None
        named = {t: replace(i, stack_id=str(t)) for t, i in found.instances.items()}
        return replace(found, instances=named)


def both() -> Cloud:
    """Two regions with the first version deployed from one of them; each has the bucket of
    the other one as its copy."""
    cloud = Named()
    there = Named(
        admin=WEST,
        history=cloud.history,
        started=cloud.started,
        released=cloud.released,
    )
    cloud.regions, there.regions = {TO: there}, {HOME: cloud}
    cloud.copies, there.copies = {TO: there.bucket}, {HOME: cloud.bucket}
    assert start(cloud, *FIRST).green
    return cloud


def fault(cloud: Cloud, faults: Faults) -> Faults:
    """Count the calls of both regions, but not those of the threads that copy."""
    cloud.faults = cloud.bucket.faults = cloud.regions[TO].faults = faults
    return faults


def demo() -> System:
    return make.system(*FIRST)


def move(cloud: Cloud, seen: Any = None) -> rollout.Outcome:
    return moving.move(
        demo(),
        observed(cloud) if seen is None else seen,
        cloud,  # type: ignore[arg-type]
        TO,
        lambda event: None,
        sleep=lambda seconds: None,
    )


def calls_of_a_move() -> int:
    cloud = both()
    faults = fault(cloud, Faults())
    assert move(cloud).green
    return len(faults.calls)


def deployed(cloud: Cloud) -> Any:
    """What a move leaves as it was, by region; roles are those of the region."""
    return {one.admin.region: one.everything() for one in (cloud, cloud.regions[TO])}


def test_a_move_keeps_definitions_overrides_and_what_stacks_run() -> None:
    cloud = both()
    before, ran = cloud.everything(), {k: [*v] for k, v in cloud.history.items()}

    ended = move(cloud)

    there = cloud.regions[TO]
    assert ended.green and {*ended.done} == {*before}
    assert there.everything() == before and not cloud.sets
    assert cloud.history == ran and not any(cloud.released.values())
    roles = {one.definition.administration_role for one in there.sets.values()}
    assert roles == {f"arn:aws:iam::111111111111:role/tapgen-administration-{TO}"}
    held = lock.read(there.bucket, "demo-test")
    assert held and held.lock.administered == TO and not held.lock.open
    made = plan.make(moving.elsewhere(demo(), TO), observed(there))
    assert not made
    with pytest.raises(RolloutError, match=f"set admin.region: {TO}"):
        places.nearest(cloud, "demo-test")  # type: ignore[arg-type]
    assert places.nearest(there, "demo-test").is_home  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_killed_move_goes_on_where_it_was(after: bool) -> None:
    wanted = both()
    move(wanted)
    for number in some(calls_of_a_move(), f"move {after}"):
        cloud = both()
        faults = fault(cloud, Faults())
        (faults.after if after else faults.before)[number] = kill
        try:
            move(cloud)
        except Killed:
            pass
        faults.before.clear()
        faults.after.clear()
        if cloud.sets or not _is_handed_over(cloud):
            resume(cloud)
        if cloud.sets:  # nothing had begun
            move(cloud)
        assert deployed(cloud) == deployed(wanted), number
        assert cloud.history == wanted.history, number
        assert not any(cloud.released.values()), number
        held = lock.read(cloud.regions[TO].bucket, "demo-test")
        assert held and held.lock.administered == TO and not held.lock.open, number


def _is_handed_over(cloud: Cloud) -> bool:
    """Whether the config has to name the new region: the run has ended."""
    try:
        places.nearest(cloud, "demo-test")  # type: ignore[arg-type]
    except RolloutError:
        return True
    return False


def test_a_move_is_not_turned_back_abandoned_or_replaced() -> None:
    cloud = both()
    faults = fault(cloud, Faults())
    faults.before[calls_of_a_move() // 2] = kill
    with pytest.raises(Killed):
        move(cloud)
    faults.before.clear()

    with pytest.raises(RolloutError, match="cannot be turned back"):
        resume(cloud, back=True)
    with pytest.raises(RolloutError, match="cannot be abandoned"):
        rollout.abandon(
            cloud, "demo-test", lambda event: None  # type: ignore[arg-type]
        )
    with pytest.raises(RolloutError, match="moves the administration from"):
        places.nearest(cloud.regions[TO], "demo-test")  # type: ignore[arg-type]
    with pytest.raises(lock.Taken, match="can only go on\n  continue it"):
        move(cloud)
    assert resume(cloud).green


def test_what_has_changed_since_it_was_shown_is_not_moved() -> None:
    cloud = both()
    seen = observed(cloud)
    assert start(cloud, *SECOND).green

    with pytest.raises(RolloutError, match="has changed since"):
        move(cloud, seen)
    assert not cloud.regions[TO].sets and move(cloud).green


def test_an_import_that_fails_is_done_again_without_what_it_has_done() -> None:
    stacks = {
        Target("1" * 12, f"region-{n}"): f"{'1' * 12}/region-{n}" for n in range(23)
    }
    cloud = Cloud()
    cloud.create("demo-test-a", Definition("{}", {}))
    adopt, align = adoption.lane("demo-test-a", "a", stacks, {}, "")

    first = adoption.calls(adopt, cloud)  # type: ignore[arg-type]

    assert [len(call.stacks) for call in first] == [10, 10, 3]
    assert {call.verb for call in first} == {Verb.IMPORT} and align.kind is Kind.ALIGN
    found = cloud.sets["demo-test-a"].instances
    for target in sorted(stacks)[:15]:
        found[target] = Instance({}, InstanceStatus.CURRENT)
    again = adoption.calls(adopt, cloud)  # type: ignore[arg-type]
    assert [call.targets for call in again] == [tuple(sorted(stacks)[15:])]


def test_what_aws_would_not_import_is_refused_before_anything_is_let_go() -> None:
    cloud = both()
    good = observed(cloud)
    name, one = next(iter(good.items()))
    secret = json.dumps({"Parameters": {"Key": {"Type": "String", "NoEcho": True}}})
    target, instance = next(iter(one.instances.items()))
    half = replace(instance, status=InstanceStatus.OUTDATED)

    def refused(found: Observed, there: Any = {}) -> list[str]:
        return moving.refusals({name: found}, there, TO)

    assert refused(one) == []
    assert (
        "must be CURRENT"
        in refused(replace(one, instances={**one.instances, target: half}))[0]
    )
    assert "NoEcho parameter Key" in refused(replace(one, template=secret))[0]
    managed = PermissionModel.SERVICE_MANAGED
    assert "AWS Organizations" in refused(replace(one, permission_model=managed))[0]
    assert f"exists in {TO} already" in refused(one, {name: one})[0]
