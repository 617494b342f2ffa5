"""A plan is run: operations are waited for, adopted and never started twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.errors import AwsError, Busy, RolloutError, Unreachable
from tapgen.model import (
    InstanceStatus,
    Observed,
    Override,
    RolloutSettings,
    StackSet,
    Target,
)
from tapgen.report import text
from tapgen.rollout import calls, kinds, lock, snapshot
from tests import make
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud, Instance

WANTED = make.stack_set(parameters={"Size": "2"})
BEFORE = make.stack_set(parameters={"Size": "1"})
NAME = WANTED.name
EXISTS = "OperationIdAlreadyExistsException"


def error(code: str, kind: Callable[..., AwsError] = AwsError) -> AwsError:
    return kind("cloudformation:UpdateStackSet", code, "in the way")


def run(
    cloud: Cloud, wanted: Any = WANTED, *, on_failure: str = "rollback", **ways: Any
) -> tuple[rollout.Outcome, list[rollout.Event]]:
    events: list[rollout.Event] = []
    system = make.system(wanted)
    system = replace(system, rollout=RolloutSettings(on_failure=on_failure))
    the_plan = plan.make(system, cloud.observe([NAME]))
    ended = rollout.run(
        the_plan,
        cloud,  # type: ignore[arg-type]
        events.append,
        sleep=lambda seconds: None,
        **ways,
    )
    return ended, events


@pytest.fixture
def cloud() -> Cloud:
    """A cloud where the stack set is deployed, with no operation counted."""
    cloud = Cloud()
    assert run(cloud, BEFORE)[0].green
    cloud.started.clear()
    return cloud


def breaks(size: str) -> Callable[..., bool]:
    def failing(
        name: str, target: Target, text: str, values: Mapping[str, str]
    ) -> bool:
        return values["Size"] == size

    return failing


def test_another_operation_is_waited_out_and_reported_once(cloud: Cloud) -> None:
    busy = [error("OperationInProgressException", Busy) for _ in range(3)]
    cloud.faults.errors["update"] = [*busy]

    ended, events = run(cloud)

    assert ended.green
    assert len(cloud.started) == 1
    assert [e.kind for e in events].count("waiting") == 1


@pytest.mark.parametrize("code", [EXISTS, "StaleRequestException"])
def test_an_operation_that_aws_has_already_is_adopted(cloud: Cloud, code: str) -> None:
    """The answer to the first request was lost, and a retry is refused."""
    number = len(cloud.faults.calls)
    taken = Cloud.update

    class Twice(Cloud):
        def update(self, *args: Any, **more: Any) -> None:
            taken(self, *args, **more)
            raise error(code)

    twice = Twice(cloud.faults, cloud.sets, bucket=cloud.bucket)
    ended, _ = run(twice)

    assert ended.green
    assert len(twice.started) == 1
    assert len(cloud.faults.calls) > number


def test_any_other_refusal_fails_in_awss_words_and_changes_nothing(
    cloud: Cloud,
) -> None:
    before = cloud.everything()
    cloud.faults.errors["update"] = [error("ValidationError")]

    ended, _ = run(cloud)

    assert "in the way (ValidationError)" in ended.failures[0].reason
    assert cloud.everything() == before
    assert not ended.partial
    assert not ended.open


def test_a_failure_restores_what_was_there(cloud: Cloud) -> None:
    before = cloud.everything()
    cloud.failing = breaks("2")

    ended, events = run(cloud)

    assert ended.failures[0].reason == "it broke"
    assert ended.restored == (NAME,)
    assert not ended.partial
    assert cloud.everything() == before
    assert [e.kind for e in events][-1] == "restored"


def test_a_failure_keeps_what_a_stack_got_behind_its_stack_set(cloud: Cloud) -> None:
    """As a database that a procedure has promoted: no way back makes it a replica."""

    class Read(Cloud):
        def observe(self, names: Iterable[str], **_: Any) -> dict[str, Observed]:
            found = super().observe(names)
            instances = {
                target: replace(
                    one, parameters=self.sets[NAME].instances[target].stack[1]
                )
                for target, one in found[NAME].instances.items()
            }
            return {NAME: replace(found[NAME], instances=instances)}

    cloud = Read(**vars(cloud))
    instance = cloud.sets[NAME].instances[EAST]
    template, values = instance.stack
    instance.stack = template, {**values, "Size": "7"}
    before = {t: i.stack for t, i in cloud.sets[NAME].instances.items()}
    cloud.failing = breaks("2")

    ended, _ = run(cloud)

    assert ended.restored == (NAME,)
    assert {t: i.stack for t, i in cloud.sets[NAME].instances.items()} == before


def test_green_means_current_not_only_succeeded(cloud: Cloud) -> None:
    class Outdated(Cloud):
        def listed(self, name: str, in_units: bool = False) -> Any:
            return {EAST: make.instance(InstanceStatus.OUTDATED, reason="why")}

    ended, _ = run(Outdated(cloud.faults, cloud.sets, bucket=cloud.bucket))

    assert "is OUTDATED, not CURRENT: why" in ended.failures[0].reason


def test_a_change_since_the_plan_is_refused_before_anything_runs(cloud: Cloud) -> None:
    the_plan = plan.make(make.system(WANTED), cloud.observe([NAME]))
    cloud.sets[NAME].parameters["Size"] = "7"

    with pytest.raises(RolloutError, match="changed since the plan was made"):
        rollout.run(the_plan, cloud, lambda event: None)  # type: ignore[arg-type]

    assert cloud.started == []
    assert run(cloud)[0].green, "the lock is free"


def test_operation_ids_are_legal_and_short_enough(cloud: Cloud) -> None:
    run(cloud)

    id = cloud.started[0].split()[-1]

    assert len(id) <= 128
    assert id.replace("-", "").isalnum()
    assert calls.operation_id("20260101t000000z-abcdef", 7).endswith("abcdef-7")


def test_the_same_change_of_only_tags_works_any_number_of_times(cloud: Cloud) -> None:
    for number in range(25):
        tagged = make.stack_set(
            parameters={"Size": "1"}, tags={"Owner": str(number % 2)}
        )

        assert run(cloud, tagged)[0].green, number

    assert len({one.split()[-1] for one in cloud.started}) == 25


@pytest.mark.parametrize(
    "calls", ["results", "operation", "write runs/demo-test/2", "list", "update"]
)
@pytest.mark.parametrize("code", ["Throttling", "ServiceUnavailable", "InternalError"])
def test_no_answer_now_and_then_is_no_failure(
    cloud: Cloud, calls: str, code: str
) -> None:
    cloud.faults.errors[calls] = [error(code) for _ in range(4)]

    ended, events = run(cloud)

    assert ended.green
    assert len(cloud.started) == 1
    assert not cloud.faults.errors[calls]


def test_while_aws_is_away_the_run_waits_and_reports_it_once(cloud: Cloud) -> None:
    away = [error("ConnectTimeoutError", Unreachable) for _ in range(9)]
    cloud.faults.errors["operation"] = [*away]

    ended, events = run(cloud)

    assert ended.green
    waiting = [e.message for e in events if e.kind == "waiting"]
    assert len(waiting) == 1
    assert "no answer from AWS" in waiting[0]


def test_a_run_that_is_throttled_says_why_it_is_slow(cloud: Cloud) -> None:
    cloud.throttled = {"s3, the caller in A": 3, "cloudformation, the caller in B": 9}

    _, events = run(cloud)

    waiting = [e.message for e in events if e.kind == "waiting"]
    assert waiting == [
        "AWS has throttled 12 calls of tapgen, most of them of cloudformation, the caller "
        "in B; they are repeated, more slowly"
    ]


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException"])
def test_credentials_that_end_leave_the_run_open_and_say_how_to_go_on(
    cloud: Cloud, code: str
) -> None:
    cloud.faults.errors["results"] = [error(code)]

    with pytest.raises(rollout.Lost, match=f"{code}.*stays open") as caught:
        run(cloud)

    assert caught.value.begun == (NAME,)
    ended = resume(cloud)
    assert ended and ended.green
    assert len(cloud.started) == 1


def test_aws_that_stays_away_leaves_the_run_open(cloud: Cloud) -> None:
    away = [error("EndpointConnectionError", Unreachable) for _ in range(99)]
    cloud.faults.errors["operation"] = [*away]

    with pytest.raises(rollout.Lost, match="stays open"):
        run(cloud, patience=30.0)

    cloud.faults.errors.clear()
    ended = resume(cloud)
    assert ended and ended.green


def resume(cloud: Cloud, **more: Any) -> rollout.Outcome | None:
    return rollout.resume(
        cloud,  # type: ignore[arg-type]
        "demo-test",
        lambda event: None,
        sleep=lambda seconds: None,
        **more,
    )


def test_an_interrupt_while_waiting_for_another_operation_stops_the_rollout(
    cloud: Cloud,
) -> None:
    busy = [error("OperationInProgressException", Busy) for _ in range(99)]
    cloud.faults.errors["update"] = [*busy]

    ended, _ = run(cloud, stopping=lambda: len(cloud.faults.errors["update"]) < 95)

    assert ended.interrupted
    assert ended.open
    assert cloud.started == []
    cloud.faults.errors.clear()
    again = resume(cloud)
    assert again and again.green


def test_a_second_interrupt_ends_at_once_and_reports_what_was_begun(
    cloud: Cloud,
) -> None:
    cloud.faults.errors["results"] = [KeyboardInterrupt()]

    with pytest.raises(
        rollout.Lost, match=f"stopped at once; stack sets begun: {NAME}"
    ):
        run(cloud)


def test_an_interrupt_finishes_what_runs_and_leaves_the_run_open(cloud: Cloud) -> None:
    ended, _ = run(cloud, stopping=lambda: bool(cloud.started))

    assert ended.interrupted
    assert ended.open
    with pytest.raises(RolloutError, match="is open since(?s:(?!it goes on).)*$"):
        run(cloud, make.stack_set(parameters={"Size": "3"}))
    again = resume(cloud)
    assert again and again.green
    assert len(cloud.started) == 1
    assert resume(cloud) is None


def test_with_on_failure_stop_a_mended_target_is_tried_again(cloud: Cloud) -> None:
    cloud.failing = breaks("2")
    ended, _ = run(cloud, on_failure="stop")
    assert ended.partial
    assert ended.open
    still = resume(cloud)
    assert still and still.failures

    cloud.failing = Cloud.failing
    again = resume(cloud)

    assert again and again.green
    assert cloud.sets[NAME].instances[EAST].stack[1] == {"Size": "2"}  # type: ignore[index]


@pytest.mark.parametrize("on_failure", ["stop", "rollback"])
def test_a_run_may_be_turned_round(cloud: Cloud, on_failure: str) -> None:
    before = cloud.everything()
    run(cloud, on_failure=on_failure, stopping=lambda: bool(cloud.started))

    ended = resume(cloud, back=True)

    assert ended and ended.back
    assert ended.restored == (NAME,)
    assert not ended.open
    assert cloud.everything() == before


@pytest.mark.parametrize("command", kinds.COMMANDS)
def test_only_a_run_that_can_be_taken_back_is_offered_and_accepted_to_be(
    command: str, cloud: Cloud
) -> None:
    kind = kinds.of(command)
    starter = rollout.Starter(command=command)
    stopping = {"stopping": lambda: bool(cloud.started)}
    ended, _ = run(cloud, on_failure="stop", starter=starter, **stopping)
    assert ended.open and ended.goes_back == kind.goes_back

    with pytest.raises(lock.Taken) as refused:
        run(cloud, starter=starter)
    assert ("--back" in str(refused.value)) == kind.goes_back
    assert ("--supersede" in str(refused.value)) == kind.has_plan
    assert ("--abandon" in str(refused.value)) != (kind.goes_back or kind.only_on)

    before = cloud.everything()
    if not kind.goes_back:
        with pytest.raises(RolloutError, match="cannot be turned back") as turned:
            resume(cloud, back=True)
        assert kind.no_way_back in str(turned.value)
        assert "--back" not in str(turned.value)
        assert cloud.everything() == before
        assert resume(cloud).green
    elif command != kinds.IMPORT:  # its stacks are let go: test_importing
        assert resume(cloud, back=True).restored == (NAME,)


def test_what_was_not_restored_is_not_called_so() -> None:
    """A rollout that creates has nothing to restore: what is new stays."""
    cloud = Cloud()
    ended, _ = run(cloud, on_failure="stop", stopping=lambda: bool(cloud.started))
    assert ended.interrupted

    turned = resume(cloud, back=True)

    assert turned.left == (NAME,) and turned.partial and not turned.restored
    shown = text.outcome(turned, look="look", resume="resume")
    assert "✓" not in shown and "nothing was restored" in shown
    assert NAME in shown


def test_a_restore_that_fails_is_tried_again(cloud: Cloud) -> None:
    before = cloud.everything()
    cloud.failing = lambda *args: True
    ended, _ = run(cloud)
    assert ended.open
    assert ended.back
    assert [f.reason for f in ended.failures] == ["it broke"]  # the same there and back

    cloud.failing = Cloud.failing
    again = resume(cloud)

    assert again and again.restored == (NAME,)
    assert [f.reason for f in again.failures] == ["it broke"]
    assert cloud.everything() == before


def test_a_run_ends_where_no_role_lets_it_in_and_all_else_is_restored(
    cloud: Cloud,
) -> None:
    cloud.words = (
        "Account 111111111111 should have 'x-execution' role with trust relationship "
        "to Role 'x-administration'."
    )
    cloud.failing = lambda *args: True

    ended, _ = run(cloud)

    assert not ended.open and ended.restored == (NAME,)
    assert len(ended.failures) == 1  # the same there and back
    cloud.failing = Cloud.failing
    again, _ = run(cloud)
    assert again.green


def test_an_account_that_shuts_roles_out_keeps_no_other_from_being_restored(
    cloud: Cloud,
) -> None:
    """Values of one target each are restored one after the other, and what all share last:
    a failure in between must not be the end."""
    both = {"targets": (EAST, WEST)}

    def of(east: str, west: str, size: str) -> StackSet:
        over = Override({"Size": west}, region="us-west-2")
        text = make.template(("Size", "All"))
        values = {"Size": east, "All": size}
        return make.stack_set(parameters=values, overrides=(over,), text=text, **both)

    assert run(cloud, of("1", "2", "3"))[0].green
    before = cloud.everything()
    cloud.words = (
        "Account 111111111111 should have 'x-execution' role with trust relationship "
        "to Role 'x-administration'."
    )
    cloud.failing = lambda name, target, *rest: target == WEST

    ended, _ = run(cloud, of("4", "5", "6"))

    assert not ended.open and ended.restored == (NAME,)
    tolerated = [p.get("FailureTolerancePercentage", 0) for p in cloud.preferences]
    assert tolerated[-1] == 100 and tolerated[0] == 0
    (_, values, *_), (_, old, *_) = cloud.everything()[NAME], before[NAME]
    assert values == old
    found = cloud.sets[NAME].instances
    assert found[EAST].status is InstanceStatus.CURRENT
    assert {str(t): i.stack for t, i in found.items()} == {
        target: stack for target, (_, _, stack) in before[NAME][-1].items()
    }
    # Nor does a target that the run has not come to, and that is shut by now.
    cloud.failing = Cloud.failing
    assert run(cloud, of("4", "5", "6"))[0].green
    cloud.failing = lambda *args: True
    ended, _ = run(cloud, of("7", "5", "6"))
    assert not ended.open and ended.restored == (NAME,)


def test_a_snapshot_of_an_earlier_stack_set_is_not_restored(cloud: Cloud) -> None:
    cloud.sets[NAME].instances[EAST].status = InstanceStatus.OUTDATED
    stored = snapshot.dump(make.observed(WANTED, id=f"{NAME}:0"))
    cloud.bucket.objects[snapshot.key("demo-test", NAME)] = stored
    cloud.failing = breaks("2")

    ended, _ = run(cloud)

    assert snapshot.load(stored).parameters["Size"] == "2"
    assert cloud.sets[NAME].parameters == {"Size": "1"}
    assert ended.restored == (NAME,)


def test_a_new_run_may_replace_an_open_one_and_keeps_its_last_good_state(
    cloud: Cloud,
) -> None:
    before = cloud.everything()
    first, _ = run(cloud, stopping=lambda: bool(cloud.started))
    starter = rollout.Starter(supersede=first.run)
    cloud.failing = breaks("3")

    ended, _ = run(cloud, make.stack_set(parameters={"Size": "3"}), starter=starter)

    assert ended.restored == (NAME,)
    assert not ended.open
    assert cloud.everything() == before


def test_only_the_open_run_can_be_replaced(cloud: Cloud) -> None:
    with pytest.raises(RolloutError, match="is not open; leave --supersede out"):
        run(cloud, starter=rollout.Starter(supersede="20200101t000000z-000000"))

    first, _ = run(cloud, stopping=lambda: bool(cloud.started))
    with pytest.raises(RolloutError, match=f"--supersede {first.run}"):
        run(cloud, starter=rollout.Starter(supersede="20200101t000000z-000000"))


def test_an_instance_without_a_stack_is_created_by_a_second_try(cloud: Cloud) -> None:
    cloud.sets[NAME].instances[EAST] = Instance({})

    ended, _ = run(cloud)

    assert ended.green
