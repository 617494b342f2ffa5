"""Journals in several regions: copied while they are written, continued elsewhere while the
administration region is away, and brought together when it is back."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen import plan, rollout
from tapgen.errors import AwsError, RolloutError
from tapgen.rollout import compile, history, journal, lock, places, reconcile, runner
from tapgen.rollout.execute import Ways
from tapgen.rollout.journal import Fenced
from tapgen.rollout.opening import opened
from tests import make
from tests.unit.rollout.fakes import Bucket, Cloud, Faults, Killed, kill
from tests.unit.rollout.test_kills import (
    FIRST,
    SECOND,
    SOAK,
    calls_of_a_run,
    observed,
    run,
    some,
    undisturbed,
)

HOME, NEAR, FAR = "us-east-1", "us-west-2", "eu-west-1"
EVENT = re.compile(r"runs/demo-test/[^/]+/\d{6}\.json")


class Clock:
    """S3's clock, which goes on while somebody sleeps."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


CLOCK = Clock()


def cloud_of(*regions: str) -> Cloud:
    cloud = Cloud(copies={region: Bucket() for region in regions})
    for bucket in cloud.copies.values():
        bucket.faults = Faults()  # a thread writes there: its calls have no order
    for bucket in cloud.buckets.values():
        bucket.now = lambda: CLOCK.now
    return cloud


def deployed(*regions: str) -> Cloud:
    cloud = cloud_of(*regions)
    assert start(cloud, FIRST).green
    return cloud


def ways(lines: list[str] | None = None, **more: Any) -> Ways:
    said = lines if lines is not None else []
    quick: dict[str, Any] = {"sleep": CLOCK.sleep, "patience": 0.0} | more
    return Ways(lambda event: said.append(event.message), **quick)


def start(
    cloud: Cloud,
    parts: Any,
    *,
    without: tuple[str, ...] = (),
    lines: list[str] | None = None,
    **more: Any,
) -> rollout.Outcome:
    """Run a plan as an operating procedure would: by a program of its own."""
    system = make.system(*parts)
    the_plan = plan.make(system, observed(cloud))

    def compiled(old: Any, store: Any) -> Any:
        return (*compile.program(the_plan, good={}), {})

    starter = rollout.Starter("Ada", without=without)
    chosen = ways(lines, **more)
    return runner.start(cloud, system, starter, chosen, compiled)  # type: ignore[arg-type]


def resume(
    cloud: Cloud, *without: str, lines: list[str] | None = None, back: bool = False
) -> rollout.Outcome | None:
    said = lines if lines is not None else []
    return rollout.resume(
        cloud,  # type: ignore[arg-type]
        "demo-test",
        lambda event: said.append(event.message),
        back=back,
        without=without,
        sleep=CLOCK.sleep,
        patience=0.0,
    )


def events(bucket: Bucket) -> dict[str, bytes]:
    return {k: v for k, v in bucket.objects.items() if EVENT.fullmatch(k)}


def kinds(bucket: Bucket, run: str) -> list[str]:
    return [
        json.loads(body)["event"]
        for key, body in sorted(events(bucket).items())
        if f"/{run}/" in key
    ]


def test_a_run_is_copied_while_it_is_written_with_its_lock() -> None:
    cloud = deployed(NEAR, FAR)

    for region, copy in cloud.copies.items():
        assert events(copy) == events(cloud.bucket) != {}
        copied = lock.read(copy, "demo-test", HOME)
        assert copied and copied.lock == lock.read(cloud.bucket, "demo-test").lock  # type: ignore[union-attr]
        assert not copied.lock.open, region
        assert not any("heartbeat" in key for key in copy.objects)


def test_a_copy_that_is_away_stops_no_run_once_it_was_typed_and_is_completed() -> None:
    cloud = deployed(NEAR)
    cloud.copies[NEAR].away = True

    with pytest.raises(RolloutError, match=f"--without-region {NEAR}"):
        start(cloud, SECOND)
    lines: list[str] = []
    assert start(cloud, SECOND, without=(NEAR,), lines=lines).green
    assert any(f"no complete copy in {NEAR}" in line for line in lines)
    assert cloud.copies[NEAR].waited == []

    cloud.copies[NEAR].away = False
    assert resume(cloud) is None
    assert events(cloud.copies[NEAR]) == events(cloud.bucket)


def test_who_looks_reads_the_nearest_copy_and_says_which() -> None:
    cloud = deployed(NEAR, FAR)
    cloud.bucket.away = cloud.copies[NEAR].away = True

    near = places.nearest(cloud, "demo-test")  # type: ignore[arg-type]

    assert near.region == FAR and [*near.away] == [HOME, NEAR]
    assert f"copy of the journal in {FAR}" in near.words and "no route" in near.words
    (run,), older = history.runs(near.store, "demo-test", 5)
    assert run.result == "done" and older == 0
    cloud.copies[FAR].away = True
    with pytest.raises(RolloutError, match="no region that has its journal answers"):
        places.nearest(cloud, "demo-test")  # type: ignore[arg-type]


def test_whoever_looks_hears_at_once_that_the_only_journal_does_not_answer() -> None:
    cloud = deployed()
    places.require_answer(cloud, "demo-test")  # type: ignore[arg-type]
    cloud.bucket.away = True
    with pytest.raises(RolloutError, match="no region that has its journal answers"):
        places.require_answer(cloud, "demo-test")  # type: ignore[arg-type]


def test_no_answer_is_overridden_and_a_refusal_is_not() -> None:
    cloud = deployed(NEAR)
    cloud.bucket.faults.errors["read"] = [
        AwsError("s3:GetObject", "AccessDenied", "no")
    ]

    with pytest.raises(AwsError, match="AccessDenied"):
        start(cloud, SECOND, without=(HOME,))


def interrupted(cloud: Cloud) -> str:
    """A run that was killed in its second operation; its name."""
    faults = cloud.faults = cloud.bucket.faults = Faults()
    begun = len(cloud.started)

    def die() -> None:
        if len(cloud.started) > begun + 1:
            kill()

    faults.after = Always(die)
    with pytest.raises(Killed):
        start(cloud, SECOND)
    faults.after = {}
    there = opened(cloud.bucket, "demo-test")
    assert there
    return there.lock.run


class Always(dict[int, Callable[[], None]]):
    """Do something after every call."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work

    def get(self, number: int, default: Any = None) -> Any:
        return self.work


def test_a_run_goes_on_elsewhere_and_its_journal_comes_home() -> None:
    cloud = deployed(NEAR)
    run = interrupted(cloud)
    reconcile.reconcile(cloud, "demo-test", ways(), "Ada")  # type: ignore[arg-type]
    cloud.bucket.away = True

    with pytest.raises(RolloutError, match=f"--without-region {HOME}"):
        resume(cloud)
    ended = resume(cloud, HOME)

    assert ended and ended.green
    cloud.bucket.away = False
    lines: list[str] = []
    assert resume(cloud, lines=lines) is None and not lines
    assert kinds(cloud.bucket, run)[-1] == "closed"  # superseded by the other
    assert events(cloud.copies[NEAR]) == events(cloud.bucket)
    listed, _ = history.runs(cloud.bucket, "demo-test", 5)
    assert [one.result for one in listed] == ["done", "superseded", "done"]
    assert not plan.make(make.system(*SECOND), observed(cloud))


def test_two_who_went_on_on_both_sides_are_named_and_both_stay_open() -> None:
    cloud = deployed(NEAR)
    run = interrupted(cloud)
    reconcile.reconcile(cloud, "demo-test", ways(), "Ada")  # type: ignore[arg-type]
    before = {**cloud.copies[NEAR].objects}
    there = runner._journal(cloud.bucket, "demo-test", run, "Bob", "desktop", ways())
    there.events()
    there.append("paused", why="interrupted")
    cloud.bucket.away = True
    elsewhere = cloud.copies[NEAR].faults = Faults()
    elsewhere.errors = {"write runs/demo-test/2": [], "get": []}
    cloud.copies[NEAR].objects = before
    elsewhere.after = Always(lambda: kill() if len(elsewhere.writes) > 3 else None)
    with pytest.raises(Killed):
        resume(cloud, HOME)
    elsewhere.after, cloud.bucket.away = {}, False

    lines: list[str] = []
    found, _ = reconcile.reconcile(cloud, "demo-test", ways(), "Ada")  # type: ignore[arg-type]

    branch = lock.read(cloud.bucket, "demo-test")
    assert branch and branch.lock.run == run and len(branch.lock.also) == 1
    assert "by Bob on desktop" in found[0] and f"without {HOME}" in found[0]
    assert "2 runs are open" in found[1]
    with pytest.raises(RolloutError, match="besides run"):
        system = make.system(*SECOND)
        starter = rollout.Starter(supersede=run)
        runner.start(cloud, system, starter, ways(), lambda old, store: 1 / 0)  # type: ignore
    first = resume(cloud, lines=lines)
    assert first and first.green
    left = rollout.abandon(cloud, "demo-test", lambda event: None)  # type: ignore
    assert left == ("demo-test-data", "demo-test-new") and resume(cloud) is None
    assert not plan.make(make.system(*SECOND), observed(cloud))


def test_a_sleeper_on_either_side_is_fenced() -> None:
    cloud = deployed(NEAR)
    home_faults = cloud.faults = cloud.bucket.faults = Faults()
    begun = len(cloud.started)

    def elsewhere() -> None:
        """Somebody else's day, while this process sleeps."""
        if len(cloud.started) == begun:
            return
        home_faults.before = {}
        reconcile.reconcile(cloud, "demo-test", ways(), "Bob")  # type: ignore[arg-type]
        cloud.bucket.away = True
        faults = cloud.copies[NEAR].faults = Faults()
        faults.before = Always(lambda: back_home(faults))
        with pytest.raises(Fenced, match="went on with it"):
            resume(cloud, HOME)

    def back_home(faults: Faults) -> None:
        """The same, of the one who went on elsewhere."""
        if not any("heartbeat" in call for call in faults.calls):
            return
        faults.before, cloud.bucket.away = {}, False
        ended = resume(cloud)
        assert ended and ended.green

    home_faults.before = Always(elsewhere)
    with pytest.raises(Fenced, match="went on with it"):
        start(cloud, SECOND)

    assert not plan.make(make.system(*SECOND), observed(cloud))
    assert events(cloud.copies[NEAR]) == events(cloud.bucket)


def test_who_types_a_region_that_answers_again_starts_nothing() -> None:
    cloud = deployed(NEAR)
    faults = cloud.copies[NEAR].faults = Faults()

    def back() -> None:
        cloud.bucket.away = not any("write" in call for call in faults.calls)

    faults.after = Always(back)
    cloud.bucket.away = True
    with pytest.raises(RolloutError, match=f"{HOME} answers again"):
        start(cloud, SECOND, without=(HOME,))
    faults.after = {}

    assert start(cloud, SECOND).green
    assert len(journal.names(cloud.bucket, "demo-test")) == 2


def test_who_starts_at_home_sees_who_has_just_begun_elsewhere() -> None:
    cloud = deployed(NEAR)
    copy = cloud.copies[NEAR]

    def elsewhere() -> None:
        if any("write runs/demo-test/open" in c for c in cloud.faults.calls):
            cloud.faults.after = {}
            acting = lock.new("run", "Bob", "failover", [HOME])
            lock.take(copy, "demo-test", acting, None)

    cloud.faults = cloud.bucket.faults = Faults(after=Always(elsewhere))
    with pytest.raises(RolloutError, match=f"acts in {NEAR} without {HOME}"):
        start(cloud, SECOND)
    held = lock.read(cloud.bucket, "demo-test")
    assert held and not held.lock.open


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_a_journal_that_its_region_has_lost_comes_back_from_the_copy(lag: int) -> None:
    """Killed at any call, then the bucket is lost, and the copy lacks the last events: what
    is done twice has the same result, else what was there is restored."""
    wanted = undisturbed()
    for number in some(calls_of_a_run(), f"lost {lag}"):
        cloud = deployed(NEAR)
        the_plan = plan.make(make.system(*SECOND), observed(cloud))
        cloud.faults = cloud.bucket.faults = Faults(before={number: kill})
        with suppress(Killed):
            run(cloud, the_plan)
        cloud.faults = cloud.bucket.faults = Faults()
        wait_for_threads()
        copy = cloud.copies[NEAR]
        lost = opened(cloud.bucket, "demo-test")
        missing = sorted(k for k in events(copy) if lost and lost.lock.run in k)
        for key in missing[1:][-lag:] if lag else ():
            del copy.objects[key]
        cloud.bucket.objects.clear()

        near = places.nearest(cloud, "demo-test")  # type: ignore[arg-type]
        assert near.lost and "has no journal of demo-test any more" in near.words
        lines: list[str] = []
        ended = resume(cloud, lines=lines)
        if ended is None or ended.back:
            start(cloud, SECOND)

        assert "it is there again" in lines[0]
        assert cloud.everything() == wanted.everything(), number
        if ended is None or not ended.back:
            assert cloud.history == wanted.history, number
        assert opened(cloud.bucket, "demo-test") is None
        snapshots = [k for k in cloud.bucket.objects if k.startswith("snapshots/")]
        assert snapshots and {*snapshots} == {k for k in copy.objects if "snaps" in k}


def wait_for_threads() -> None:
    """Wait until nothing is copied any more."""
    for thread in threading.enumerate():
        if "_work" in thread.name:
            thread.join()


def lose(cloud: Cloud) -> None:
    """Let the administration region lose all of which a copy has something."""
    wait_for_threads()
    copied = {k for b in cloud.copies.values() if not b.away for k in b.objects}
    if f"runs/demo-test/open.{HOME}.json" in copied:
        copied.add("runs/demo-test/open.json")
        for key in copied & {*cloud.bucket.objects}:
            del cloud.bucket.objects[key]


ACTIONS = st.sampled_from(["start", "resume", "back", "lose", "home", "near", "far"])


@settings(max_examples=400 if SOAK else 25, deadline=None)
@given(st.lists(st.tuples(ACTIONS, st.integers(0, 60)), min_size=1, max_size=8))
def test_whatever_happens_no_event_is_lost_and_every_run_comes_to_an_end(
    days: list[tuple[str, int]],
) -> None:
    """Regions go away and return, or lose their journal, runs start and go on on any side,
    and processes are killed anywhere, also while the journals are brought together."""
    cloud = deployed(NEAR, FAR)
    buckets = {HOME: cloud.bucket, **cloud.copies}
    named = {"home": HOME, "near": NEAR, "far": FAR}
    for number, (action, call) in enumerate(days):
        lost = "runs/demo-test/open.json" not in cloud.bucket.objects
        if lost and action in ("near", "far"):
            continue  # whoever loses a journal and all its copies has none
        if action in named:
            bucket = buckets[named[action]]
            bucket.away = not bucket.away
            continue
        if action == "lose":
            lose(cloud)
            continue
        gone = tuple(region for region, b in buckets.items() if b.away)
        _killed(cloud, call, action, gone, SECOND if number % 2 else FIRST)
    for bucket in buckets.values():
        bucket.away = False
    for _ in range(10):
        resume(cloud)
    found = opened(cloud.bucket, "demo-test")
    assert found is None

    all_events = events(cloud.bucket)
    for bucket in buckets.values():
        assert events(bucket) == all_events
        for key, body in bucket.written:
            assert not EVENT.fullmatch(key) or all_events[key] == body
    listed, _ = history.runs(cloud.bucket, "demo-test", 50)
    assert history.OPEN not in [one.result for one in listed]
    before = [dict(b.objects) for b in buckets.values()]
    assert resume(cloud) is None
    assert [b.objects for b in buckets.values()] == before


def _killed(
    cloud: Cloud, call: int, action: str, gone: tuple[str, ...], parts: Any
) -> None:
    """Do something, killed at a call of the first place that answers, or not at all."""
    place = next((b for b in cloud.buckets.values() if not b.away), None)
    shared = Faults(before={call: kill})
    cloud.faults = shared if place is cloud.bucket else Faults()
    for bucket in cloud.buckets.values():
        bucket.faults = shared if bucket is place else Faults()
    try:
        if action == "start":
            start(cloud, parts, without=gone)
        else:
            resume(cloud, *gone, back=action == "back")
    except (Killed, RolloutError, rollout.Lost):
        pass
    finally:
        wait_for_threads()
        cloud.faults = Faults()
        for bucket in cloud.buckets.values():
            bucket.faults = Faults()
