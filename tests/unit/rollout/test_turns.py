"""Runs that the engine in AWS advances turn by turn: killed in any turn, taken over, and
asked to stop, they leave what an undisturbed run leaves."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tapgen import plan
from tapgen.errors import RolloutError, Unreachable
from tapgen.rollout import lock, opening, planned, runner, turns
from tapgen.rollout.execute import Ways
from tapgen.rollout.journal import Journal
from tapgen.rollout.model import Lost
from tapgen.rollout.remote import Remote, remote_of
from tests import make
from tests.unit.rollout.fakes import Cloud, Faults, Killed, kill
from tests.unit.rollout.test_kills import (
    SECOND,
    SOAK,
    deployed,
    failing,
    observed,
    operations,
    resume,
    undisturbed,
)

ARN = "arn:aws:states:us-east-1:111111111111:stateMachine:tapgen-engine"
REMOTE = Remote(ARN, "tapgen-demo-test-operator")


class Away(Faults):
    """CloudFormation does not answer; S3 has faults of its own."""

    def enter(self, name: str, writes: bool = False) -> int:
        raise Unreachable("cloudformation", "EndpointConnectionError", "no route")


def handed_over(fails: bool = False) -> tuple[Cloud, str]:
    """A cloud with a run that the engine in AWS holds, and the name of the run."""
    cloud = deployed()
    cloud.failing = failing if fails else cloud.failing
    the_plan = plan.make(make.system(*SECOND), observed(cloud))
    run, number = planned.run_in_aws(
        the_plan,
        cloud,  # type: ignore[arg-type]
        lambda event: None,
        REMOTE,
    )
    assert number == 1
    cloud.faults = cloud.bucket.faults = Faults()
    return cloud, run


def turn(cloud: Cloud, run: str, **more: Any) -> turns.Turn:
    """One turn of the engine, which waits for nothing."""
    found = turns.held(cloud.bucket, "demo-test", run, ARN)
    if found is None:
        return turns.Turn()
    if known := turns.over(found):
        return turns.Turn(over=known)
    remote = remote_of(found.events)
    assert remote == REMOTE
    return turns.advance(
        cloud,  # type: ignore[arg-type]
        remote,
        found,
        lambda event: None,
        **{"left": lambda: 900.0, "stay": 0.0, **more},
    )


def to_the_end(cloud: Cloud, run: str, turns_: int = 500) -> turns.Turn:
    for _ in range(turns_):
        ended = turn(cloud, run)
        if ended.seconds is None:
            return ended
    raise AssertionError(f"not ended after {turns_} turns")


def require_like(cloud: Cloud, wanted: Cloud, what: Any) -> None:
    assert cloud.everything() == wanted.everything(), what
    assert cloud.history == wanted.history, what
    assert operations(cloud) == operations(wanted), what
    # Killed right before it gives the lock back, it leaves one of a run that has ended.
    assert opening.opened(cloud.bucket, "demo-test") is None, what


@pytest.mark.parametrize("fails", [False, True], ids=["there", "and back"])
def test_a_run_that_is_killed_in_any_turn_ends_like_an_undisturbed_one(
    fails: bool,
) -> None:
    wanted = undisturbed(fails)
    cloud, run = handed_over(fails)
    ended = to_the_end(cloud, run)
    # What the run has created stays, so it does not end as restored.
    assert ended.over == ("abandoned" if fails else "done")
    require_like(cloud, wanted, "undisturbed")
    every = len(cloud.faults.calls)
    chance = random.Random(f"turns {fails}")
    numbers = range(1, every + 1)
    numbers = numbers if SOAK else sorted(chance.sample(numbers, 8))
    for number in numbers:
        cloud, run = handed_over(fails)
        where = cloud.faults.after if chance.random() < 0.5 else cloud.faults.before
        where[number] = kill
        try:
            to_the_end(cloud, run)
        except Killed:
            pass
        cloud.faults.after.clear()
        cloud.faults.before.clear()
        assert to_the_end(cloud, run).over == ended.over, number
        require_like(cloud, wanted, number)


def test_a_turn_that_comes_late_is_fenced_and_changes_nothing() -> None:
    """Lambda may call twice: the second call goes on at any moment of the first."""
    wanted = undisturbed()
    cloud, run = handed_over()
    to_the_end(cloud, run)
    every = len(cloud.faults.calls)
    for number in sorted(random.Random("late").sample(range(1, every), 8)):
        cloud, run = handed_over()
        seen: list[turns.Turn] = []
        cloud.faults.before[number] = lambda: seen.append(to_the_end(cloud, run))
        while not seen:
            if turn(cloud, run).seconds is None:
                break
        ended = turn(cloud, run)
        assert ended.over == "done", (number, ended)
        require_like(cloud, wanted, number)


def test_the_run_goes_from_the_engine_to_a_terminal_and_back() -> None:
    """After any number of turns; a turn that comes later changes nothing."""
    wanted = undisturbed()
    for number in range(0, 14, 3):
        cloud, run = handed_over()
        for _ in range(number):
            turn(cloud, run)
        stops = iter([False] * 10 + [True] * 1000)
        resume(cloud, from_engine=True, stopping=lambda: next(stops))
        assert turn(cloud, run) == turns.Turn()
        again = runner.resume_in_aws(
            cloud,  # type: ignore[arg-type]
            "demo-test",
            lambda event: None,
            REMOTE,
        )
        if again:  # it has not ended at the terminal
            assert again[0] == run
            assert to_the_end(cloud, run).over == "done"
        require_like(cloud, wanted, number)


def test_who_resumes_takes_nothing_from_an_engine_that_goes_on() -> None:
    cloud, run = handed_over()
    assert turn(cloud, run).seconds
    with pytest.raises(RolloutError, match="is advanced in AWS .*--engine local"):
        resume(cloud)
    found = opening.opened(cloud.bucket, "demo-test")
    assert found and opening.is_advanced(found)
    assert to_the_end(cloud, run).over == "done"


def test_a_turn_that_begins_while_its_run_is_taken_over_is_outlasted() -> None:
    """Where it has the next number, who has taken the run goes on after it."""
    wanted = undisturbed()
    for number in range(1, 30, 2):
        cloud, run = handed_over()
        turn(cloud, run)
        before = len(cloud.faults.calls)
        cloud.faults.before[before + number] = lambda: turn(cloud, run) and None
        assert resume(cloud, from_engine=True).green, number
        require_like(cloud, wanted, number)


def test_who_was_quicker_to_take_a_run_from_the_engine_keeps_it() -> None:
    cloud, run = handed_over()
    turn(cloud, run)

    def take() -> None:
        held = lock.read(cloud.bucket, "demo-test")
        assert held and held.lock.engine
        quick = lock.Lock(run, "bob", "elsewhere", held.lock.since, process=1)
        lock.take(cloud.bucket, "demo-test", quick, held)

    # The lock is read again once the engine is silent: then it is bob's.
    reads = [n for n, call in enumerate(lock_reads(), 1) if call]
    cloud.faults.before[len(cloud.faults.calls) + reads[-1]] = take
    with pytest.raises(lock.Taken, match="started by bob on elsewhere"):
        resume(cloud, from_engine=True)


def lock_reads() -> list[bool]:
    """Which of the calls until a run is taken from the engine read its lock."""
    cloud, run = handed_over()
    turn(cloud, run)
    before = len(cloud.faults.calls)
    resume(cloud, from_engine=True)
    calls = cloud.faults.calls[before:]
    taken = calls.index("write runs/demo-test/open.json")
    return [one == "read runs/demo-test/open.json" for one in calls[:taken]]


def test_the_engine_gets_a_run_that_goes_back_once_it_has_turned() -> None:
    """Killed before, whoever turned it leaves nothing that the engine would go on with, in
    the direction that the run had."""
    number = 1
    while True:
        cloud, run = handed_over()
        for _ in range(5):
            turn(cloud, run)
        length = len(Journal(cloud.bucket, "demo-test", run).events())
        cloud.bucket.now = lambda: 1000.0  # nobody has advanced it for long
        number += 3
        cloud.faults.before[len(cloud.faults.calls) + number] = kill
        try:
            back_in_aws(cloud)
            break
        except Killed:
            cloud.faults.before.clear()
            found = turns.held(cloud.bucket, "demo-test", run, ARN)
            began = found is not None and len(found.events) > length
            assert not began or (found and found.state.back), number
    cloud.faults.before.clear()
    found = opening.opened(cloud.bucket, "demo-test")
    assert found and opening.is_advanced(found)  # by the turn that comes
    assert to_the_end(cloud, run).over == "abandoned"


def back_in_aws(cloud: Cloud) -> Any:
    return runner.resume_in_aws(
        cloud,  # type: ignore[arg-type]
        "demo-test",
        lambda event: None,
        REMOTE,
        back=True,
        sleep=lambda seconds: None,
    )


def test_the_engine_is_asked_to_stop_by_whichever_turn_comes_next() -> None:
    cloud, run = handed_over()
    turn(cloud, run)
    found = opening.opened(cloud.bucket, "demo-test")
    assert found
    event = opening.stop(
        found,
        "bob",
        Ways(lambda event: None),
        wake=lambda: to_the_end(cloud, run) and None,
    )
    assert event and (event["event"], event["why"]) == ("paused", "interrupted")
    assert turn(cloud, run) == turns.Turn(over="paused")
    # An earlier wish to stop does not reach the engine that gets the run again.
    runner.resume_in_aws(
        cloud,  # type: ignore[arg-type]
        "demo-test",
        lambda event: None,
        REMOTE,
    )
    assert to_the_end(cloud, run).over == "done"
    require_like(cloud, undisturbed(), "stopped")


def test_a_turn_ends_before_its_time_does() -> None:
    cloud, run = handed_over()
    before = len(cloud.started)
    ended = turn(cloud, run, left=lambda: turns.MARGIN_SECONDS - 1)
    assert ended.seconds and len(cloud.started) == before


def test_a_service_that_stays_away_fails_the_execution_at_last() -> None:
    """Its patience is that of the run, however many turns that takes."""
    cloud, run = handed_over()
    turn(cloud, run)
    now = [1e9]
    cloud.faults = Away()
    with pytest.raises(Lost):
        for _ in range(100):
            ended = turn(cloud, run, wall=lambda: now[0], clock=lambda: now[0])
            assert ended.seconds
            now[0] += ended.seconds
    assert 600 <= now[0] - 1e9 < 900
