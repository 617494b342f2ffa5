"""Repairs run like a rollout: with journal and lock, resumed after a kill."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from tapgen.errors import RolloutError
from tapgen.model import Target
from tapgen.plan.repairs import Repair, Way
from tapgen.rollout import Outcome, opening, repairing
from tests import make
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud, Killed, kill
from tests.unit.rollout.test_kills import part, resume, start

NAME = "demo-test-data"
NAMES = {
    "describe_stacks": "DescribeStacks",
    "describe_stack_events": "DescribeStackEvents",
    "continue_update_rollback": "ContinueUpdateRollback",
}


LOCKED = {
    "ResourceStatus": "UPDATE_FAILED",
    "LogicalResourceId": "Queue",
    "ResourceStatusReason": "not authorized",
}


@dataclass
class Hanging(Cloud):
    """A cloud whose stacks have a status each; `mended` lets a rollback succeed."""

    stacks: dict[str, str] = field(default_factory=dict)
    continued: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    retained: list[bool] = field(default_factory=list)
    mended: bool = True

    @property
    def aws(self) -> Any:
        model = SimpleNamespace(service_name="cloudformation")
        client = SimpleNamespace(
            meta=SimpleNamespace(
                service_model=model,
                method_to_api_mapping=NAMES,
                region_name="us-east-1",
            ),
            describe_stacks=self.describe_stacks,
            describe_stack_events=lambda **_: {"StackEvents": [LOCKED]},
            continue_update_rollback=self.continue_update_rollback,
        )
        return SimpleNamespace(
            client=lambda service, target: client, throttled=lambda: {}
        )

    def describe_stacks(self, StackName: str) -> Any:
        return {"Stacks": [{"StackStatus": self.stacks[StackName]}]}

    def continue_update_rollback(
        self,
        StackName: str,
        ClientRequestToken: str,
        ResourcesToSkip: tuple[str, ...] = (),
    ) -> None:
        number = self.faults.enter(f"continue {StackName}", writes=True)
        self.continued.append((StackName, tuple(ResourcesToSkip)))
        ended = "UPDATE_ROLLBACK_" + ("COMPLETE" if self.mended else "FAILED")
        self.stacks[StackName] = ended
        self.faults.leave(number)

    def delete_instances(self, *args: Any, retain: bool = False, **more: Any) -> None:
        self.retained.append(retain)
        super().delete_instances(*args, **more)


def hangs(target: Target, way: Way, **more: Any) -> Repair:
    return Repair(NAME, "data", target, "it hangs", way, f"stack-{target}", **more)


def repair(cloud: Cloud, *found: Repair) -> Outcome:
    return repairing.repair(
        found,
        make.system(part("data", "a", "b")),
        cloud,  # type: ignore[arg-type]
        lambda event: None,
        sleep=lambda seconds: None,
    )


@pytest.fixture
def cloud() -> Hanging:
    cloud = Hanging()
    assert start(cloud, part("data", "a", "b")).green
    cloud.stacks = {f"stack-{t}": "UPDATE_ROLLBACK_FAILED" for t in (EAST, WEST)}
    return cloud


def test_a_rollback_goes_on_without_the_skipped_resources(cloud: Hanging) -> None:
    assert repair(cloud, hangs(EAST, Way.CONTINUE, skip=("A", "B"))).green

    assert cloud.continued == [(f"stack-{EAST}", ("A", "B"))]


@pytest.mark.parametrize(
    ("way", "kept"),
    [(way, way is not Way.EMPTY) for way in Way if way is not Way.CONTINUE],
)
def test_an_instance_goes_and_only_an_empty_stack_with_it(
    cloud: Hanging, way: Way, kept: bool
) -> None:
    assert repair(cloud, hangs(EAST, way)).green

    assert cloud.retained == [kept]
    assert [*cloud.sets[NAME].instances] == [WEST]


def test_a_repair_that_fails_ends_and_restores_nothing(cloud: Hanging) -> None:
    cloud.mended = False
    before = cloud.everything()

    ended = repair(cloud, hangs(EAST, Way.CONTINUE), hangs(WEST, Way.RELEASE))

    reason = ended.failures[0].reason
    assert "hangs in UPDATE_ROLLBACK_FAILED again (Queue: not authorized)" in reason
    assert "--assume-role" in reason
    assert not ended.open
    assert [*cloud.sets[NAME].instances] == [EAST]
    assert cloud.sets[NAME].definition.template == before[NAME][0]
    assert opening.opened(cloud.bucket, "demo-test") is None


def test_a_repair_that_was_killed_is_resumed_and_done_once(cloud: Hanging) -> None:
    found = hangs(EAST, Way.CONTINUE), hangs(WEST, Way.FORGET)
    calls = len(cloud.faults.calls)
    calm = Hanging()
    assert start(calm, part("data", "a", "b")).green
    calm.stacks = dict(cloud.stacks)
    assert repair(calm, *found).green
    number = calm.faults.calls.index(f"continue stack-{EAST}") + 1
    assert number > calls
    cloud.faults.after[number] = kill

    with pytest.raises(Killed):
        repair(cloud, *found)
    with pytest.raises(RolloutError, match="of tapgen repair is open"):
        start(cloud, part("data", "c", "c"))
    assert resume(cloud).green

    assert len(cloud.continued) == 1
    assert [*cloud.sets[NAME].instances] == [EAST]
