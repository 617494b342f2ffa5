"""Whatever hangs is named with its safe way out, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.aws.stuck import StackState
from tapgen.model import (
    InstanceDetailedStatus,
    InstanceStatus,
    Observed,
    ObservedInstance,
    Reading,
    Target,
)
from tapgen.plan import repairs
from tapgen.plan.repairs import Way
from tests.make import EAST, WEST

GOOD = ObservedInstance(InstanceStatus.CURRENT, None, stack_id="s")


def observed(instance: ObservedInstance) -> dict[str, Observed]:
    instances = {EAST: instance, WEST: GOOD}
    tags = {"tapgen:part": "data"}
    return {
        "demo-test-data": Observed("demo-test-data", "{}", {}, instances, tags=tags)
    }


def find(
    status: str = "",
    instance: ObservedInstance = GOOD,
    closed: tuple[str, ...] = (),
    failed: Any = (),
) -> list[repairs.Repair]:
    states = {
        ("demo-test-data", EAST): StackState(status, failed),
        ("demo-test-data", WEST): StackState("UPDATE_COMPLETE"),
    }
    if not status:  # it could not be read
        del states["demo-test-data", EAST]
    return repairs.find(observed(instance), states, closed)


INOPERABLE = ObservedInstance(InstanceStatus.INOPERABLE, None, stack_id="s")
OUTDATED = ObservedInstance(InstanceStatus.OUTDATED, None, stack_id="s")
ASLEEP = ObservedInstance(
    InstanceStatus.OUTDATED, InstanceDetailedStatus.SKIPPED_SUSPENDED_ACCOUNT
)
GONE = ObservedInstance(
    InstanceStatus.CURRENT, None, stack_id="s", reading=Reading.GONE
)


@pytest.mark.parametrize(
    ("status", "instance", "way"),
    [
        ("UPDATE_ROLLBACK_FAILED", OUTDATED, Way.CONTINUE),
        ("UPDATE_ROLLBACK_FAILED", GOOD, Way.CONTINUE),
        ("DELETE_FAILED", INOPERABLE, Way.RELEASE),
        ("DELETE_FAILED", OUTDATED, Way.RELEASE),
        ("ROLLBACK_FAILED", OUTDATED, Way.RELEASE),
        ("", INOPERABLE, Way.RELEASE),
        ("ROLLBACK_COMPLETE", OUTDATED, Way.EMPTY),
        ("", GONE, Way.FORGET),
        ("DELETE_COMPLETE", GOOD, Way.FORGET),
        ("", ASLEEP, Way.LEAVE),
    ],
)
def test_each_has_its_way_out(
    status: str, instance: ObservedInstance, way: Way
) -> None:
    (one,) = find(status, instance)

    assert (one.target, one.way, one.part) == (EAST, way, "data")
    assert status in one.why or way is Way.FORGET


@pytest.mark.parametrize(
    "status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS"]
)
@pytest.mark.parametrize("instance", [GOOD, OUTDATED])
def test_what_the_next_rollout_updates_needs_no_repair(
    status: str, instance: ObservedInstance
) -> None:
    assert not find(status, instance)


def test_instances_of_a_closed_account_are_released() -> None:
    found = find(closed=(EAST.account,))

    assert {one.way for one in found} == {Way.LEAVE}
    assert {one.target for one in found} == {EAST, WEST}


def test_resources_are_skipped_by_name_everywhere_or_at_one_target() -> None:
    found = find("UPDATE_ROLLBACK_FAILED", failed=(("A", "no"), ("B", "")))

    (one,), problems = repairs.skipping(found, ["data.A", f"data.B@{EAST}"])
    assert (one.skip, problems) == (("A", "B"), [])
    _, problems = repairs.skipping(found, ["A", f"data.A@{WEST}", "data.B"])
    assert len(problems) == 2
    assert "those that did are data.A, data.B" in problems[0]


def test_a_user_names_what_is_repaired() -> None:
    found = find("DELETE_FAILED", OUTDATED) + find(closed=(EAST.account,))
    east, west = str(EAST), str(WEST)

    def chosen(*names: str) -> list[str]:
        some, problems = repairs.only(found, names)
        return [str(one.target) for one in some] or problems

    assert chosen() == chosen("data") == [east, east, west]
    assert chosen(west) == chosen(f"data@{west}", west) == chosen("us-west-2") == [west]
    (line,) = chosen("logs")
    assert line.startswith("logs: nothing that hangs has this name")
    assert f"data@{west}" in line


def test_a_unit_that_waits_for_accounts_is_no_instance() -> None:
    waiting = Target("ou-1", "us-east-1", "ou-1")
    one = Observed("a", "{}", {}, {waiting: INOPERABLE})

    assert not repairs.find({"a": one}, {})
