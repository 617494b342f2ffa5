"""Killed at every call, before and after it takes effect, there and back: a resumed run
leaves what an undisturbed one leaves, and starts nothing twice.

`make test` tries some of the calls, `make soak` all of them (TAPGEN_SOAK).
"""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.errors import AwsError, Expired, RolloutError, Unreachable
from tapgen.model import Output, Override, StackSet, Target
from tests import make
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud, Faults, Killed, kill

BOTH = (EAST, WEST)
# Values that differ between accounts: steps of two parts run side by side.
WIDE = (*BOTH, Target("222222222222", "us-east-1"))
CHANGING = ("create", "update", "override", "delete")
SOAK = "TAPGEN_SOAK" in os.environ


def part(
    name: str, east: str, west: str, *, version: str = "1", tag: str = "a", **more: Any
) -> StackSet:
    text = make.template(("Text", "Shared"), ("Arn",)).replace("Topic", f"T{version}")
    over = (Override({"Text": west}, region="us-west-2"),) if west != east else ()
    return make.stack_set(
        name,
        targets=more.pop("targets", BOTH),
        parameters={"Text": east, "Shared": "s" + version, **more},
        text=text,
        overrides=over,
        tags={"Owner": tag},
    )


def consumer(version: str = "1", targets: tuple[Target, ...] = WIDE) -> StackSet:
    text = make.template(("Arn",), ()).replace("Topic", f"C{version}")
    value = Output("data", "Arn")
    return make.stack_set("app", targets=targets, parameters={"Arn": value}, text=text)


def observed(cloud: Cloud) -> Any:
    return cloud.observe(list(cloud.sets))


def start(cloud: Cloud, *parts: StackSet, **ways: Any) -> rollout.Outcome:
    the_plan = plan.make(make.system(*parts), observed(cloud))
    return run(cloud, the_plan, **ways)


def run(cloud: Cloud, the_plan: plan.Plan, **ways: Any) -> rollout.Outcome:
    ways.setdefault("sleep", lambda seconds: None)
    return rollout.run(
        the_plan,
        cloud,  # type: ignore[arg-type]
        lambda event: None,
        **ways,
    )


def resume(cloud: Cloud, *, back: bool = False, **ways: Any) -> Any:
    return rollout.resume(
        cloud,  # type: ignore[arg-type]
        "demo-test",
        lambda event: None,
        back=back,
        sleep=lambda seconds: None,
        **ways,
    )


FIRST = (part("data", "a", "b", targets=WIDE), consumer(), part("old", "x", "x"))
SECOND = (
    part("data", "c", "d", version="2", tag="b", targets=WIDE),
    consumer("2"),
    part("new", "e", "f"),
)


def failing(name: str, target: Target, template: str, values: Any) -> bool:
    return name == "demo-test-app" and target == WEST and "C2" in template


def deployed() -> Cloud:
    """A cloud where the first version is deployed, with its calls not counted."""
    cloud = Cloud()
    assert start(cloud, *FIRST).green
    return cloud


def undisturbed(fails: bool = False) -> Cloud:
    cloud = deployed()
    cloud.failing = failing if fails else cloud.failing
    start(cloud, *SECOND)
    return cloud


def expire() -> None:
    raise Expired("cloudformation", "ExpiredToken", "they have expired")


def disturbed(
    number: int, after: bool, *, fails: bool = False, what: Any = kill
) -> tuple[Cloud, bool]:
    """A cloud whose run is killed at a call, or ends otherwise; whether it did."""
    cloud = deployed()
    cloud.failing = failing if fails else cloud.failing
    the_plan = plan.make(make.system(*SECOND), observed(cloud))
    cloud.faults = cloud.bucket.faults = Faults()
    faults = cloud.faults
    (faults.after if after else faults.before)[number] = what
    try:
        run(cloud, the_plan)
    except (Killed, Expired, rollout.Lost):
        faults.after.clear()
        faults.before.clear()
        return cloud, True
    return cloud, False


def calls_of_a_run(fails: bool = False) -> int:
    cloud, _ = disturbed(-1, False, fails=fails)
    return len(cloud.faults.calls)


def _finish(cloud: Cloud) -> None:
    """What an engineer does: resume; if nothing had begun, roll out again."""
    resume(cloud)
    runs = [key for key in cloud.bucket.objects if key.endswith("/000001.json")]
    if len(runs) == 1:  # that of the first version
        start(cloud, *SECOND)


def operations(cloud: Cloud) -> list[str]:
    """What was started, without ids."""
    return sorted(" ".join(one.split()[:2]) for one in cloud.started)


def some(numbers: int, seed: str) -> list[int]:
    """The calls to disturb, from 1: all of them in `make soak`."""
    every = range(1, numbers + 1)
    return [*every] if SOAK else sorted(random.Random(seed).sample(every, 25))


@pytest.mark.parametrize("fails", [False, True], ids=["there", "and back"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_killed_run_that_is_resumed_ends_like_an_undisturbed_one(
    fails: bool, after: bool
) -> None:
    wanted = undisturbed(fails)
    for number in some(calls_of_a_run(fails), f"{fails} {after}"):
        cloud, _ = disturbed(number, after, fails=fails)
        _finish(cloud)
        assert cloud.everything() == wanted.everything(), number
        assert cloud.history == wanted.history, number
        assert operations(cloud) == operations(wanted), number
        assert resume(cloud) is None


@pytest.mark.parametrize("fails", [False, True], ids=["there", "and back"])
def test_credentials_that_expire_at_any_call_leave_a_run_that_is_resumed(
    fails: bool,
) -> None:
    wanted = undisturbed(fails)
    for number in some(calls_of_a_run(fails), f"expired {fails}"):
        cloud, _ = disturbed(number, False, fails=fails, what=expire)
        _finish(cloud)
        assert cloud.everything() == wanted.everything(), number
        assert cloud.history == wanted.history, number
        assert operations(cloud) == operations(wanted), number
        assert resume(cloud) is None


@dataclass
class Storm(Faults):
    """30 % of the calls of an open run are throttled, 5 % of the answers lost, and now
    and then the service fails ten times in a row."""

    chance: random.Random = field(default_factory=random.Random)
    rages: bool = False
    broken: int = 0

    def enter(self, name: str, writes: bool = False) -> int:
        number = super().enter(name, writes)
        self.broken = self.broken - 1 if self.broken else 10 * self._happens(0.01)
        if self.broken:
            raise AwsError("cloudformation", "InternalFailure", "status 500")
        if self._happens(0.3):
            raise AwsError("cloudformation", "Throttling", "Rate exceeded")
        return number

    def leave(self, number: int) -> None:
        super().leave(number)
        self.rages |= self.calls[number - 1].endswith("/000001.json")
        if self._happens(0.05):
            raise Unreachable("cloudformation", "ConnectionClosedError", "reset")

    def _happens(self, share: float) -> bool:
        return self.rages and self.chance.random() < share


@pytest.mark.parametrize("fails", [False, True], ids=["there", "and back"])
def test_throttling_lost_answers_and_failures_of_the_service_only_take_time(
    fails: bool,
) -> None:
    wanted = undisturbed(fails)
    for seed in range(200 if SOAK else 10):
        cloud = deployed()
        cloud.failing = failing if fails else cloud.failing
        the_plan = plan.make(make.system(*SECOND), observed(cloud))
        cloud.faults = cloud.bucket.faults = Storm(chance=random.Random(seed))

        ended = run(cloud, the_plan)

        assert not ended.open, seed
        cloud.faults = cloud.bucket.faults = Faults()
        assert cloud.everything() == wanted.everything(), seed
        assert cloud.history == wanted.history, seed
        assert operations(cloud) == operations(wanted), seed


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_killed_run_that_is_turned_round_leaves_what_was_there(after: bool) -> None:
    """What is being deleted stays deleted, and what is new stays."""
    before = deployed().everything()
    for number in some(calls_of_a_run(), f"back {after}"):
        cloud, _ = disturbed(number, after)
        ended = resume(cloud, back=True)
        now = cloud.everything()
        if ended is not None and ended.back:
            old = cloud.sets.get("demo-test-old")
            left = [n for n in before if n != "demo-test-old" or old and old.instances]
            assert {name: now[name] for name in left} == {
                name: before[name] for name in left
            }, number
        assert resume(cloud) is None


def test_killed_again_and_again_a_run_ends_at_last() -> None:
    wanted = undisturbed(fails=True)
    for seed in range(200 if SOAK else 10):
        chance = random.Random(seed)
        cloud, was = disturbed(chance.randrange(20, 120), bool(seed % 2), fails=True)
        for _ in range(50):
            cloud.faults.calls.clear()
            where = cloud.faults.after if chance.random() < 0.5 else cloud.faults.before
            where[chance.randrange(1, 60)] = kill
            try:
                _finish(cloud)
                break
            except Killed:
                cloud.faults.after.clear()
                cloud.faults.before.clear()
        cloud.faults.after.clear()
        cloud.faults.before.clear()
        _finish(cloud)
        assert cloud.everything() == wanted.everything(), seed
        assert cloud.history == wanted.history, seed


@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_process_that_slept_while_another_went_on_stops_and_changes_nothing(
    after: bool, back: bool
) -> None:
    """It wakes up at any call; what the other process left stays as it is.

    A call that is on its way already is not stopped: AWS refuses it once its signature
    is five minutes old (IAM user guide, "Signature Version 4").
    """
    for number in some(calls_of_a_run(), f"sleep {after} {back}"):
        cloud = deployed()
        the_plan = plan.make(make.system(*SECOND), observed(cloud))
        cloud.faults = cloud.bucket.faults = Faults()
        seen: list[Any] = []
        hours = [0.0]

        def sleep() -> None:
            """The lid is closed for long enough, and somebody else resumes."""
            faults = cloud.faults
            hours[0] += 1
            if not after and faults.calls[-1].split()[0] in CHANGING:
                return
            cloud.faults = cloud.bucket.faults = Faults()
            seen.append(resume(cloud, back=back))
            seen.append(cloud.everything())
            cloud.faults = cloud.bucket.faults = faults

        where = cloud.faults.after if after else cloud.faults.before
        where[number] = sleep
        try:
            run(cloud, the_plan, clock=lambda: 3600.0 * hours[0])
        except RolloutError:
            pass
        if seen and seen[0] is not None:
            assert cloud.everything() == seen[1], number
            assert resume(cloud) is None


def test_of_twenty_starters_one_wins() -> None:
    cloud = deployed()
    the_plan = plan.make(make.system(*SECOND), observed(cloud))
    ready = threading.Barrier(20)

    def starter(number: int) -> str:
        ready.wait()
        try:
            return "green" if run(cloud, the_plan).green else "red"
        except RolloutError as error:
            return str(error)

    with ThreadPoolExecutor(20) as pool:
        ended = list(pool.map(starter, range(20)))

    assert ended.count("green") == 1
    assert "red" not in ended
    assert operations(cloud) == operations(undisturbed())
