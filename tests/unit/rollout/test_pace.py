"""A run takes little longer than its operations."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.aws.stacksets import Operation, Result
from tapgen.model import OperationStatus
from tapgen.rollout import execute
from tapgen.rollout.opening import opened
from tests import make
from tests.unit.rollout.fakes import Cloud
from tests.unit.rollout.test_kills import observed, run

PARTS = 12


@dataclass
class Timed(Cloud):
    """A cloud whose operations take `duration` seconds by `now`, which sleeping advances,
    and reading results by `reading` seconds. `looks` are the times of polls."""

    duration: float = 0.0
    reading: float = 0.0
    now: float = 0.0
    ends: dict[str, float] = field(default_factory=dict)
    looks: list[float] = field(default_factory=list)

    def _start(self, verb: str, name: str, id: str, work: Any) -> None:
        super()._start(verb, name, id, work)
        self.ends.setdefault(id, self.now + self.duration)

    def results(self, name: str, operation_id: str) -> list[Result]:
        self.now += self.reading
        return super().results(name, operation_id)

    def operation(self, name: str, operation_id: str) -> Operation:
        self.looks.append(self.now)
        polls = self._find(name).polls
        if operation_id in polls:
            polls[operation_id] = 0 if self.now >= self.ends[operation_id] else 2
        return super().operation(name, operation_id)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def chain() -> list[Any]:
    """Stack sets that are deployed one after the other."""
    found = [make.stack_set("p0")]
    for number in range(1, PARTS):
        before = (f"p{number - 1}",)
        found.append(make.stack_set(f"p{number}", depends_on=before))
    return found


@pytest.mark.parametrize("duration", [30.0, 60.0, 300.0, 3600.0])
def test_a_run_takes_at_most_a_tenth_longer_than_its_operations(
    duration: float,
) -> None:
    random.seed(duration)  # pauses differ by chance, so that many clients do not meet
    cloud = Timed(duration=duration)
    the_plan = plan.make(make.system(*chain()), observed(cloud))

    ended = run(cloud, the_plan, sleep=cloud.sleep, clock=lambda: cloud.now)

    assert ended.green
    own = PARTS * duration
    assert len(cloud.ends) == PARTS
    assert cloud.now <= 1.1 * own


def test_a_long_run_keeps_no_calls_of_what_is_finished() -> None:
    cloud = Timed(duration=60.0)
    kept: list[int] = []

    def sleep(seconds: float) -> None:
        cloud.sleep(seconds)
        found = opened(cloud.bucket, "demo-test")
        assert found
        kept.append(sum(len(one.calls) for one in found.state.progress.values()))

    the_plan = plan.make(make.system(*chain()), observed(cloud))
    assert run(cloud, the_plan, sleep=sleep, clock=lambda: cloud.now).green

    calls_of_a_step = 2  # define the stack set, create its instances
    assert max(kept) == calls_of_a_step


def test_a_long_operation_at_many_targets_takes_few_calls_but_shows_a_failure_at_once() -> (
    None
):
    targets = [make.Target(f"{n:012}", "us-east-1") for n in range(1000)]
    cloud = Timed(duration=2400.0, reading=5.0)
    the_plan = plan.make(
        make.system(make.stack_set("p0", targets=targets)), observed(cloud)
    )

    assert run(cloud, the_plan, sleep=cloud.sleep, clock=lambda: cloud.now).green

    polls, results = (
        sum(call.startswith(kind) for call in cloud.faults.calls)
        for kind in ("operation ", "results ")
    )
    assert 0 < results * 10 <= polls + 20  # a hundred results in a call; first and last
    pauses = [after - before for before, after in itertools.pairwise(cloud.looks)]
    assert 15 < max(pauses) <= 15 * 1.2  # what reading takes is a part of the pause

    looks = execute.Looks()
    one = Operation("o", "p0", OperationStatus.RUNNING)
    assert looks.due(one)
    looks.looked(one, 1000)
    assert not looks.due(one)
    assert looks.due(replace(one, failed=1))
    looks.looked(one, 100)
    assert looks.due(one)
