"""A plan is run: operations are waited for, adopted and never started twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.aws.stacksets import Operation
from tapgen.errors import AwsError, Busy, RolloutError
from tapgen.model import InstanceStatus, Observed, OperationStatus, Target
from tapgen.rollout import operations, snapshot
from tests import make
from tests.make import EAST


@dataclass
class FakeSets:
    """Stack sets with an answer for each update, which record the operation ids."""

    answers: list[Exception | None]
    found: Observed
    taken: dict[str, OperationStatus] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)

    @property
    def aws(self) -> Any:
        session = SimpleNamespace(get_partition_for_region=lambda region: "aws")
        return SimpleNamespace(session=session)

    @property
    def bucket(self) -> Any:
        return SimpleNamespace(put=self.stored.__setitem__, get=self.stored.get)

    def observe(self, names: list[str]) -> dict[str, Observed]:
        return {self.found.name: self.found}

    def instances(self, name: str) -> Any:
        return self.listed(name)

    def listed(self, name: str, in_units: bool = False) -> Any:
        return {t: make.instance(InstanceStatus.CURRENT) for t in self.found.instances}

    def outputs(self, target: Target, stack_id: str | None) -> Any:
        return {"Arn": "arn"}

    def update(self, name: str, *rest: Any, operation_id: str) -> None:
        self.ids.append(operation_id)
        answer = self.answers.pop(0)
        if answer:
            raise answer

    def operation(self, name: str, operation_id: str) -> Operation:
        status = self.taken.get(operation_id, OperationStatus.SUCCEEDED)
        self.taken[operation_id] = OperationStatus.SUCCEEDED
        return Operation(operation_id, name, status)

    def describe(self, name: str) -> Observed | None:
        return self.found

    def results(self, name: str, operation_id: str) -> list[Any]:
        return []


def error(code: str, kind: Callable[..., AwsError] = AwsError) -> AwsError:
    return kind("cloudformation:UpdateStackSet", code, "in the way")


def run(sets: FakeSets, wanted: Any) -> tuple[rollout.Outcome, list[rollout.Event]]:
    events: list[rollout.Event] = []
    the_plan = plan.make(make.system(wanted), {wanted.name: sets.found})
    ended = rollout.run(
        the_plan, sets, events.append, sleep=lambda seconds: None  # type: ignore[arg-type]
    )
    return ended, events


WANTED = make.stack_set(parameters={"Size": "2"})
FOUND = make.observed(WANTED, parameters={"Size": "1"})
EXISTS = "OperationIdAlreadyExistsException"


def test_another_operation_is_waited_out_and_reported_once() -> None:
    busy = [error("OperationInProgressException", Busy) for _ in range(3)]
    sets = FakeSets([*busy, None], FOUND)

    ended, events = run(sets, WANTED)

    assert ended.green
    assert len(set(sets.ids)) == 1, "waiting must not change the id"
    assert [e.kind for e in events].count("waiting") == 1


def test_an_operation_of_ours_that_runs_already_is_adopted() -> None:
    sets = FakeSets([error(EXISTS)], FOUND)
    the_plan = plan.make(make.system(WANTED), {WANTED.name: FOUND})
    first = operations.operation_id(the_plan, WANTED.name, 1, 1)
    sets.taken[first] = OperationStatus.RUNNING

    ended, _ = run(sets, WANTED)

    assert ended.green
    assert sets.ids == [first]


@pytest.mark.parametrize("code", [EXISTS, "StaleRequestException"])
def test_an_id_that_is_used_up_is_never_tried_again(code: str) -> None:
    sets = FakeSets([error(code), None], FOUND)

    ended, _ = run(sets, WANTED)

    assert ended.green
    assert len(set(sets.ids)) == 2


def test_any_other_refusal_fails_the_rollout_in_awss_words() -> None:
    sets = FakeSets([error("ValidationError"), None], FOUND)

    ended, _ = run(sets, WANTED)

    assert "in the way (ValidationError)" in ended.failures[0].reason
    assert ended.restored == (WANTED.name,)


def test_green_means_current_not_only_succeeded() -> None:
    class Outdated(FakeSets):
        def listed(self, name: str, in_units: bool = False) -> Any:
            return {EAST: make.instance(InstanceStatus.OUTDATED, reason="why")}

    ended, _ = run(Outdated([None, None], FOUND), WANTED)

    assert "is OUTDATED, not CURRENT: why" in ended.failures[0].reason


def test_a_change_since_the_plan_is_refused_before_anything_runs() -> None:
    sets = FakeSets([None], FOUND)
    the_plan = plan.make(make.system(WANTED), {WANTED.name: FOUND})
    sets.found = make.observed(WANTED, parameters={"Size": "7"})

    with pytest.raises(RolloutError, match="changed since the plan was made"):
        rollout.run(the_plan, sets, lambda event: None)  # type: ignore[arg-type]

    assert sets.ids == []


def test_operation_ids_are_legal_and_short_enough() -> None:
    long = make.stack_set("x" * 120)
    the_plan = plan.make(make.system(long), {})

    name = operations.operation_id(the_plan, long.name, 12, 3)

    assert len(name) <= 128
    assert name.replace("-", "").isalnum()


def test_a_read_that_fails_now_and_then_is_no_failure() -> None:
    class Flaky(FakeSets):
        reads = 0

        def results(self, name: str, operation_id: str) -> list[Any]:
            self.reads += 1
            if self.reads < 4:
                raise error("Throttling")
            return []

    ended, _ = run(Flaky([None], FOUND), WANTED)

    assert ended.green


def test_a_read_that_keeps_failing_reports_what_was_begun() -> None:
    class Blind(FakeSets):
        def results(self, name: str, operation_id: str) -> list[Any]:
            raise error("ExpiredToken")

    with pytest.raises(rollout.Lost, match="ExpiredToken") as caught:
        run(Blind([None], FOUND), WANTED)

    assert caught.value.begun == (WANTED.name,)


def test_ids_that_are_all_used_up_end_in_a_failure() -> None:
    sets = FakeSets([error("StaleRequestException")] * 100, FOUND)

    ended, _ = run(sets, WANTED)

    assert not ended.green
    assert len(sets.ids) < 60


def test_an_interrupt_while_waiting_for_another_operation_stops_the_rollout() -> None:
    busy = [error("OperationInProgressException", Busy) for _ in range(99)]
    sets = FakeSets([*busy], FOUND)
    the_plan = plan.make(make.system(WANTED), {WANTED.name: FOUND})

    ended = rollout.run(
        the_plan,
        sets,  # type: ignore[arg-type]
        lambda event: None,
        sleep=lambda seconds: None,
        stopping=lambda: len(sets.ids) > 3,
    )

    assert ended.interrupted
    assert len(sets.ids) < 8


def test_a_second_interrupt_ends_at_once_and_reports_what_was_begun() -> None:
    class Impatient(FakeSets):
        def results(self, name: str, operation_id: str) -> list[Any]:
            raise KeyboardInterrupt

    with pytest.raises(
        rollout.Lost, match="stopped at once; stack sets begun: demo-test-data"
    ):
        run(Impatient([None], FOUND), WANTED)


def test_a_snapshot_of_an_earlier_stack_set_is_not_restored() -> None:
    bad = make.observed(
        WANTED,
        parameters={"Size": "1"},
        instances={EAST: make.instance(InstanceStatus.OUTDATED)},
    )
    stored = snapshot.dump(make.observed(WANTED, id="demo-test-data:0"))
    sets = FakeSets([error("ValidationError"), None], bad)
    the_plan = plan.make(make.system(WANTED), {WANTED.name: bad})
    sets.stored[snapshot.key(the_plan.system, WANTED.name)] = stored

    ended, _ = run(sets, WANTED)

    assert ended.restored == ()
    assert ended.left == (WANTED.name,)
