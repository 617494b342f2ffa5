"""Gates in a run: it goes on when they hold, restores when they do not, and writes why."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.errors import RolloutError
from tapgen.model import (
    AlarmGate,
    ApprovalGate,
    CommandGate,
    Gate,
    RolloutSettings,
    VerifyGate,
)
from tapgen.rollout import gating, opening
from tapgen.rollout.journal import Journal
from tests import make
from tests.unit.rollout.fakes import Cloud

BEFORE = make.stack_set(parameters={"Size": "1"})
WANTED = make.stack_set(parameters={"Size": "2"})
NAME = WANTED.name
APPROVE = ApprovalGate(after="wave")


def command(*words: str) -> CommandGate:
    return CommandGate(command=words, after="wave")


def run(
    cloud: Cloud, wanted: Any, *gates: Gate, **ways: Any
) -> tuple[rollout.Outcome, list[str]]:
    settings = RolloutSettings(gates=gates)
    system = replace(make.system(wanted), rollout=settings)
    lines: list[str] = []
    ways.setdefault("sleep", lambda seconds: None)
    screen = ways.pop("screen", lambda event: None)

    def on_event(event: rollout.Event) -> None:
        lines.append(f"{event.kind}: {event.message}")
        screen(event)

    ended = rollout.run(
        plan.make(system, cloud.observe([NAME])),
        cloud,  # type: ignore[arg-type]
        on_event,
        **ways,
    )
    return ended, lines


def resume(cloud: Cloud) -> rollout.Outcome | None:
    sets: Any = cloud
    nothing: Any = lambda _: None  # noqa: E731
    return rollout.resume(sets, "demo-test", nothing, sleep=nothing)


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud()
    assert run(cloud, BEFORE)[0].green
    return cloud


def evidence(cloud: Cloud, run: str) -> list[dict[str, Any]]:
    """The evidence of gates in the journal of a run."""
    events = [
        json.loads(body)
        for key, body in sorted(cloud.bucket.objects.items())
        if f"/{run}/0" in key
    ]
    return [event["evidence"] for event in events if "evidence" in event]


@dataclass
class Slept:
    """A clock for which sleeping takes no time."""

    seconds: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def wall(self) -> float:
        return time.time() + self.seconds


def answering(cloud: Cloud, clock: Slept, *, approved: bool) -> Callable[[float], None]:
    """A sleep during which somebody answers."""

    def sleep(seconds: float) -> None:
        found = opening.opened(cloud.bucket, "demo-test")
        waiting = gating.waiting(found.state) if found else []
        for id, _ in waiting:
            assert found
            store, folder = cloud.bucket, found.journal.folder
            if gating.approval(store, folder, id) is None:
                gating.answer(found.journal, id, approved=approved, by="Ada")
        clock.sleep(seconds)

    return sleep


def test_a_gate_that_holds_lets_the_run_go_on_and_is_evidence(cloud: Cloud) -> None:
    ended, lines = run(cloud, WANTED, command("true"))

    assert ended.green
    (found,) = evidence(cloud, ended.run)
    assert found["verdict"] == "green"
    assert [line for line in lines if line.startswith("gate: true")]
    assert "wave: wave 1 of 1: data" in lines


def test_a_gate_that_turns_red_restores_and_is_evidence(cloud: Cloud) -> None:
    before = cloud.everything()

    ended, _ = run(cloud, WANTED, command("false"))

    assert ended.restored == (NAME,)
    assert "gate false succeeds within 5m" in str(ended.failures[0])
    assert cloud.everything() == before
    assert [found["verdict"] for found in evidence(cloud, ended.run)] == ["red"]


def test_a_command_gets_the_facts_of_its_run(cloud: Cloud) -> None:
    words = 'test "$TAPGEN_SYSTEM $TAPGEN_WAVE $TAPGEN_PARTS" = "demo 1 data"'

    assert run(cloud, WANTED, command("sh", "-c", words))[0].green


@pytest.mark.parametrize(
    ("first", "then", "wanted"),
    [("OK", "OK", "green"), ("OK", "ALARM", "red"), ("ALARM", "ALARM", "green")],
)
def test_what_a_run_has_deployed_is_verified_before_it_goes_on(
    cloud: Cloud, first: str, then: str, wanted: str
) -> None:
    clock = Slept()
    cloud.alarms["errors"] = first

    def deployed(event: rollout.Event) -> None:
        if event.kind == "done":
            cloud.alarms["errors"] = then

    # It looks once: by the real clock, whatever the time of the run is.
    gate = VerifyGate(timeout=0, after="wave")
    ways = {"screen": deployed, "sleep": clock.sleep, "wall": clock.wall}
    ended, _ = run(cloud, WANTED, gate, **ways)

    (found,) = evidence(cloud, ended.run)
    assert found["verdict"] == wanted and ended.green == (wanted == "green")
    left_out = "1 left out that went off before the run" in found["words"]
    assert left_out == (first == "ALARM")
    if wanted == "red":
        assert ended.restored == (NAME,)
        assert "data in 111111111111/us-east-1: alarm errors is in ALARM" in str(
            ended.failures
        )


@pytest.mark.parametrize("approved", [True, False])
def test_a_run_waits_for_an_approval_and_obeys_it(cloud: Cloud, approved: bool) -> None:
    before = cloud.everything()

    clock = Slept()
    sleep = answering(cloud, clock, approved=approved)
    ended, lines = run(cloud, WANTED, APPROVE, sleep=sleep, wall=clock.wall)

    assert ended.green == approved
    if not approved:
        assert ended.restored == (NAME,)
        assert cloud.everything() == before


def test_an_approval_may_come_while_nobody_runs_the_run(cloud: Cloud) -> None:
    def waits() -> bool:
        found = opening.opened(cloud.bucket, "demo-test")
        return bool(found and gating.waiting(found.state))

    ended, lines = run(cloud, WANTED, APPROVE, stopping=waits)
    assert ended.interrupted
    assert ended.open
    answering(cloud, Slept(), approved=True)(0)

    again = resume(cloud)

    assert again and again.green
    (found,) = evidence(cloud, ended.run)
    assert found["values"]["by"] == "Ada"


def test_nobody_approves_in_time_and_the_run_restores(cloud: Cloud) -> None:
    ended, _ = run(cloud, WANTED, replace(APPROVE, timeout=0.0))

    assert ended.restored == (NAME,)
    assert "nobody approved" in str(ended.failures[0])


def test_the_first_answer_counts(cloud: Cloud) -> None:
    answers: list[str] = []

    def sleep(seconds: float) -> None:
        found = opening.opened(cloud.bucket, "demo-test")
        for id, _ in gating.waiting(found.state) if found else []:
            assert found
            gating.answer(found.journal, id, approved=False, by="Ada")
            with pytest.raises(RolloutError, match="already rejected by Ada"):
                gating.answer(found.journal, id, approved=True, by="Bob")
            answers.append(id)

    def stopping() -> bool:
        return bool(answers)

    ended, _ = run(cloud, WANTED, APPROVE, sleep=sleep, stopping=stopping)

    assert ended.interrupted
    again = resume(cloud)
    assert again and again.restored == (NAME,)


def bakes(folder: Path) -> Gate:
    return AlarmGate(names=("errors",), bake=3600.0, after="wave")


def runs(folder: Path) -> Gate:
    """Runs long the first time only."""
    file = folder / "began"
    return command("sh", "-c", f"test -e {file} || (touch {file}; sleep 60)")


def asks(folder: Path) -> Gate:
    return APPROVE


@pytest.mark.parametrize("elsewhere", [True, False], ids=["elsewhere", "Ctrl-C"])
@pytest.mark.parametrize("made", [bakes, runs, asks])
def test_who_stops_a_run_need_not_wait_for_its_gate(
    cloud: Cloud, tmp_path: Path, made: Callable[[Path], Gate], elsewhere: bool
) -> None:
    """It stays open, and a resumed one looks at the gate again."""
    cloud.alarms = {"errors": "OK"}
    seconds = itertools.count(step=60)

    def wish() -> bool:
        found = opening.opened(cloud.bucket, "demo-test")
        last = found.events[-1] if found else {}
        if not found or last["event"] != "began" or not last["step"].startswith("2."):
            return False  # the gate is the second wave of the program
        if made is runs and not (tmp_path / "began").exists():
            return False
        if elsewhere:
            journal = Journal(cloud.bucket, "demo-test", found.lock.run, "Bob", "desk")
            journal.ask_to_stop(found.events[-1]["writer"])
        return not elsewhere

    ended, lines = run(
        cloud,
        WANTED,
        made(tmp_path),
        stopping=wish,
        clock=lambda: float(next(seconds)),
    )

    assert (ended.interrupted, ended.open) == (True, True)
    there = opening.opened(cloud.bucket, "demo-test")
    assert there and there.progress == "gate after wave 1 of 1, interrupted"
    assert not evidence(cloud, ended.run)
    cloud.alarms = {"errors": "ALARM"}
    if made is asks:
        answering(cloud, Slept(), approved=False)(0)
    again = resume(cloud)
    assert again and (again.green if made is runs else again.restored == (NAME,))
    (found,) = evidence(cloud, ended.run)
    assert found["verdict"] == ("green" if made is runs else "red")
