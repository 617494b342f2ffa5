"""A run is stopped from elsewhere, and closed as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.errors import RolloutError
from tapgen.rollout import history, opening
from tapgen.rollout.execute import Ways
from tapgen.rollout.journal import Journal
from tests import make
from tests.unit.rollout.fakes import Cloud, Faults, Killed
from tests.unit.rollout.test_gating import BEFORE, NAME, WANTED, command, run

PREFIX = "demo-test"
NOBODY: Any = Ways(lambda event: None, sleep=lambda seconds: None)


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud()
    assert run(cloud, BEFORE)[0].green
    return cloud


def found(cloud: Cloud) -> opening.Opened:
    there = opening.opened(cloud.bucket, PREFIX)
    assert there
    return there


def resume(cloud: Cloud) -> rollout.Outcome:
    sets: Any = cloud
    ended = rollout.resume(sets, PREFIX, lambda event: None, sleep=lambda seconds: None)
    assert ended
    return ended


def abandon(cloud: Cloud) -> tuple[str, ...] | None:
    sets: Any = cloud
    return rollout.abandon(sets, PREFIX, lambda event: None, sleep=lambda seconds: None)


class Elsewhere:
    """Asks the run to stop while it sleeps; its clock goes on by a minute each time."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.time = cloud, 0.0

    def sleep(self, seconds: float) -> None:
        self.time += 60
        there = found(self.cloud)
        journal = Journal(self.cloud.bucket, PREFIX, there.lock.run, "Bob", "desktop")
        journal.ask_to_stop(there.events[-1]["writer"])

    def clock(self) -> float:
        return self.time


def stopped(cloud: Cloud) -> tuple[rollout.Outcome, list[str]]:
    elsewhere = Elsewhere(cloud)
    return run(
        cloud,
        WANTED,
        command("true"),
        sleep=elsewhere.sleep,
        clock=elsewhere.clock,
    )


def test_a_run_that_is_asked_to_stop_finishes_its_operation_and_stays_open(
    cloud: Cloud,
) -> None:
    ended, lines = stopped(cloud)

    assert (ended.interrupted, ended.open) == (True, True)
    assert "stopping: Bob on desktop stops this run; running operations finish" in lines
    last = found(cloud).events[-1]
    assert (last["event"], last["why"]) == ("paused", "interrupted")
    assert last["by"] == "Bob on desktop"
    results = [e["result"] for e in found(cloud).events if e["event"] == "result"]
    assert results == ["done"]


def test_nothing_is_begun_or_reported_as_begun_after_the_wish_to_stop() -> None:
    cloud = Cloud()
    two = make.system(make.stack_set("data"), make.stack_set("more"))
    kinds: list[str] = []
    sets: Any = cloud

    ended = rollout.run(
        plan.make(two, {}),
        sets,
        lambda event: kinds.append(event.kind),
        stopping=lambda: "start" in kinds,
        sleep=lambda seconds: None,
    )

    assert (ended.interrupted, kinds.count("start")) == (True, 1)
    begun = [e["step"] for e in found(cloud).events if e["event"] == "began"]
    assert len(begun) == 1
    assert resume(cloud).green


def test_a_resumed_run_does_not_obey_the_earlier_wish(cloud: Cloud) -> None:
    stopped(cloud)

    assert resume(cloud).green


def test_the_timeline_says_who_stopped_a_run(cloud: Cloud) -> None:
    ended, _ = stopped(cloud)

    _, entries = history.read(cloud.bucket, PREFIX, ended.run)
    assert (entries[-1].kind, entries[-1].who) == ("paused", "Bob on desktop")


def killed(cloud: Cloud) -> None:
    cloud.faults.errors["results"] = [Killed()]
    with pytest.raises(Killed):
        run(cloud, WANTED)
    cloud.faults = cloud.bucket.faults = Faults()


def on_another_machine(cloud: Cloud) -> None:
    key = f"runs/{PREFIX}/open.json"
    lines = json.loads(cloud.bucket.objects[key]) | {"host": "desktop", "process": 0}
    cloud.bucket.objects[key] = json.dumps(lines).encode()


def test_who_stops_a_run_waits_until_its_process_has_paused_it(cloud: Cloud) -> None:
    killed(cloud)
    on_another_machine(cloud)
    there = found(cloud)
    other = found(cloud).journal
    other.writer = there.events[-1]["writer"]

    def sleep(seconds: float) -> None:
        assert other.stop_request()
        other.append("paused", why="interrupted")

    assert opening.is_advanced(there)
    refused = str(opening.already_open(there, "tapgen demo", "rollout"))
    assert "it goes on; stop it first: tapgen stop demo" in refused
    event = opening.stop(there, "Bob", Ways(lambda event: None, sleep=sleep))

    assert event and event["event"] == "paused"


@pytest.mark.parametrize(
    "event, facts, words",
    [
        ("paused", {"why": "interrupted"}, "has just been paused on .*again"),
        ("closed", {"end": "done"}, "has just ended on .*again"),
        ("resumed", {}, "is still run by"),
    ],
)
def test_who_waits_for_silence_hears_what_the_process_does_meanwhile(
    cloud: Cloud, event: str, facts: dict[str, str], words: str
) -> None:
    killed(cloud)
    on_another_machine(cloud)
    there, other = found(cloud), found(cloud).journal

    def sleep(seconds: float) -> None:
        other.append(event, **facts)

    with pytest.raises(RolloutError, match=words):
        opening.wait_for_silence(there, Ways(lambda event: None, sleep=sleep))


def test_a_process_that_takes_over_meanwhile_is_asked_as_well(cloud: Cloud) -> None:
    killed(cloud)
    on_another_machine(cloud)
    there, other = found(cloud), found(cloud).journal
    asked = []

    def sleep(seconds: float) -> None:
        if not asked:
            other.append("resumed")
            asked.append(1)
        elif other.stop_request():
            other.append("closed", end="done")

    event = opening.stop(there, "Bob", Ways(lambda event: None, sleep=sleep))

    assert event and event["event"] == "closed"


def test_nobody_waits_for_a_process_that_is_gone(cloud: Cloud) -> None:
    killed(cloud)
    assert not opening.is_advanced(found(cloud))  # it was this process
    on_another_machine(cloud)
    cloud.bucket.now = lambda: 1000.0

    assert not opening.is_advanced(found(cloud))
    assert opening.stop(found(cloud), "Bob", NOBODY) is None


def test_an_abandoned_run_waits_for_its_operation_and_leaves_its_changes(
    cloud: Cloud,
) -> None:
    killed(cloud)

    assert abandon(cloud) == (NAME,)

    assert opening.opened(cloud.bucket, PREFIX) is None
    listed, _ = history.runs(cloud.bucket, PREFIX, 9)
    (last,) = [one for one in listed if one.result != "done"]
    assert (last.result, last.left) == ("abandoned", (NAME,))
    assert cloud.sets[NAME].parameters == {"Size": "2"}
    assert run(cloud, BEFORE)[0].green


def test_a_call_that_was_never_sent_is_given_up(cloud: Cloud) -> None:
    cloud.faults.errors["update"] = [Killed()]
    with pytest.raises(Killed):
        run(cloud, WANTED)

    assert abandon(cloud) == ()
    assert cloud.sets[NAME].parameters == {"Size": "1"}
    assert abandon(cloud) is None
