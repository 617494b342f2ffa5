"""Bring the journals of all regions together, once a region that was away has returned.

Events and objects are never changed, and each is written in one region only. So what one
region has and another one has not is copied, in both directions, and it does not matter who
does it, how often, or where it is killed. Then the lock in the administration region names
every run that is open, the oldest first:

- A run that acted in another region is fenced there by the event `moved`; it goes on here.
- A run that another one has continued ends here as superseded, if nothing was written here
  since. Otherwise both stay open, each with its own journal, and `reconcile` names them:
  only a person can say what is right.

A journal that the administration region has lost comes back from the copies in the same
way (`recover`). What is beside the journals changes, and is written in the administration
region only: that is copied to the others, and back only where it is missing.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from tapgen.aws.session import is_away
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError, Conflict, RolloutError
from tapgen.frozen import dataclass
from tapgen.rollout import lock, snapshot
from tapgen.rollout.execute import Ways
from tapgen.rollout.fold import End
from tapgen.rollout.journal import Fenced, Journal, Store, home, names
from tapgen.rollout.opening import Opened, read_run, wait_for_silence
from tapgen.rollout.places import require_typed


@dataclass(frozen=True)
class Sides:
    """The journals of a system in the administration region and in another one."""

    prefix: str
    region: str
    store: Store
    other: str
    copy: Store


def sides(sets: StackSets, prefix: str) -> list[Sides]:
    """Return the administration region beside each region that has a copy."""
    home = sets.admin.region
    return [
        Sides(prefix, home, sets.bucket, region, bucket)
        for region, bucket in sets.buckets.items()
        if region != home
    ]


def missing(
    prefix: str, here: Iterable[str], there: Collection[str]
) -> list[list[str]]:
    """Return the keys to copy, in the order that keeps every journal readable: first all
    objects, then those of each run, which may be copied side by side."""
    pattern = re.compile(
        re.escape(home(prefix)) + r"/(?P<run>[^/]+)/(\d{6}\.json|approval-.+\.json|\w+)"
    )
    objects: list[str] = []
    runs: dict[str, list[str]] = {}
    for key in sorted({*here} - {*there}):
        found = pattern.fullmatch(key)
        if found and found["run"] == "objects":
            objects.append(key)
        elif found and key.endswith(".json") and found[2] not in _FLEETING:
            runs.setdefault(found["run"], []).append(key)
    return [objects, *runs.values()]


_FLEETING = ("heartbeat.json", "stop.json", "turn.json")


def _bring(prefix: str, source: Store, target: Store) -> int:
    """Copy what a place has not; return how much it was."""
    start = f"{home(prefix)}/"
    objects, *runs = missing(prefix, source.keys(start), target.keys(start))

    def copy(key: str) -> int:
        body = source.get(key)
        if body is None:
            raise RolloutError(f"{key} of the journal has gone while it was copied")
        try:
            target.write(key, body)
        except Conflict:  # a process has just written it, too
            if target.get(key) != body:
                raise RolloutError(
                    f"{key} of the journal differs between two regions; both are kept, "
                    "and nothing is started; compare them, and delete the wrong one"
                ) from None
        return 1

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(copy, objects))
        return done + sum(pool.map(lambda run: sum(map(copy, run)), runs))


def complete(sides: Sides) -> int:
    """Give both sides all events and objects, and the copy its lock; return how many of
    them were missing there."""
    held = lock.read(sides.store, sides.prefix)
    _bring(sides.prefix, sides.copy, sides.store)
    count = _bring(sides.prefix, sides.store, sides.copy)
    _bring_beside(sides)
    if held:
        sides.copy.put(lock.key(sides.prefix, sides.region), lock.dump(held.lock))
    return count


def _bring_beside(sides: Sides) -> None:
    """Copy last good definitions, and lists of what deletions have left."""
    prefix, here, there = sides.prefix, sides.store, sides.copy
    for start in (
        snapshot.key(prefix, "").removesuffix(".json"),
        snapshot.leftovers(prefix),
    ):
        for key in {*here.keys(start), *there.keys(start)}:
            own, copied = here.get(key), there.get(key)
            if own is None and copied is not None:
                here.put(key, copied)
            elif own is not None and own != copied:
                there.put(key, own)


def recover(sets: StackSets, prefix: str) -> str:
    """Bring the journal back that the administration region has lost, from all copies that
    answer, and its lock last; return what a person has to know."""
    home, found = sets.admin.region, list[lock.Lock]()
    for one in sides(sets, prefix):
        try:
            copied = lock.read(one.copy, prefix, home)
            complete(one)
        except AwsError as error:
            if not is_away(error):
                raise
            continue
        found += [copied.lock] if copied else []
    if not found:
        raise RolloutError(
            f"{prefix}: no copy of the journal of {home} answers any more"
        )
    newest = max(found, key=lambda one: (one.run, not one.open))
    # A copy of the lock may be older than the events that were copied.
    runs = {run for run in names(sets.bucket, prefix) if run > newest.run}
    runs |= {*newest.also, newest.run}
    left = [run for run in sorted(runs) if _is_open(sets.bucket, prefix, run)]
    wanted = replace(
        newest,
        run=left[0] if left else newest.run,
        also=tuple(left[1:]),
        open=bool(left),
    )
    try:
        lock.take(sets.bucket, prefix, wanted, None)
    except lock.Taken:
        pass  # somebody else has just done the same
    return (
        f"the artifact bucket in {home} had no journal of {prefix} any more; it is there "
        "again, as it was copied: the last events before the loss may be missing"
    )


def is_complete(sides: Sides) -> bool:
    """Whether the copy has all that a run has written which has ended: its lock is
    copied last."""
    held = lock.read(sides.store, sides.prefix)
    copied = lock.read(sides.copy, sides.prefix, sides.region)
    if held is None:
        return copied is None
    return bool(copied and copied.lock == held.lock and not held.lock.open)


def reconcile(
    sets: StackSets, prefix: str, ways: Ways, who: str, without: Iterable[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """Reconcile the journals of a system; return what a person has to know, in lines, and
    why a region was left out.

    A region that does not answer is left out, if it is among those that somebody has
    typed, `without`. Raises RolloutError otherwise, and while a run acts in another region.
    """
    away, lacking = dict[str, str](), dict[str, str]()
    found: list[tuple[Sides, lock.Held | None]] = []
    for one in sides(sets, prefix):
        bucket = sets.buckets[one.other]
        try:
            if bucket.hasty.exists():
                found.append((one, lock.read(bucket, prefix)))
            else:
                lacking[one.other] = "it has no artifact bucket; run tapgen bootstrap"
        except AwsError as error:
            if not is_away(error):
                raise
            away[one.other] = str(error)
    require_typed(away, without)
    acted = [(one, held) for one, held in found if held and not held.lock.moved]
    for one, held in acted:
        _fence(one, held, ways, who)
        complete(one)
    lines = list(_settle(sets.bucket, prefix, [held for _, held in acted], who))
    for one, held in acted:
        over = replace(held.lock, open=False, moved=True)
        lock.take(one.copy, prefix, over, held)
    for one, _ in found:
        if acted or not is_complete(one):
            complete(one)
    return lines, {**away, **lacking}


def _fence(sides: Sides, held: lock.Held, ways: Ways, who: str) -> None:
    """Let no process go on with the run that acted in another region; raises RolloutError
    while one does."""
    found = read_run(sides.copy, sides.prefix, held)
    if found.state.end or is_moved(found):
        return
    wait_for_silence(found, ways)
    journal = found.journal
    journal.who, journal.host = who, platform.node()
    if found.state.number:
        journal.append("moved", to=sides.region)
    else:
        journal.number = held.lock.after
        journal.append("closed", end=End.ABANDONED, command=held.lock.command)


def is_moved(found: Opened) -> bool:
    """Whether a run goes on in the administration region."""
    return bool(found.events) and found.events[-1]["event"] == "moved"


def _settle(
    store: Store, prefix: str, acted: Collection[lock.Held], who: str
) -> Iterator[str]:
    """Name in the lock every run that is open; yield what a person has to know."""
    if not acted:
        return
    before = lock.read(store, prefix)
    known = {held.lock.run: replace(held.lock, without=()) for held in acted}
    for held in acted:
        yield from _continued(store, prefix, held, who)
    runs = {*known}
    if before:
        runs |= {*before.lock.also, *([before.lock.run] if before.lock.open else ())}
    left = [run for run in sorted(runs) if _is_open(store, prefix, run)]
    newest = max(known)
    # Copies that lack what has come are known by another lock (`is_complete`).
    base = known.get(left[0]) if left else None
    base = base or (before.lock if before else known[newest])
    wanted = replace(
        base,
        run=left[0] if left else base.run,
        also=tuple(left[1:]),
        open=bool(left),
        brought=newest,
    )
    if before is None or wanted != before.lock:
        lock.take(store, prefix, wanted, before)
    if len(left) > 1:
        yield (
            f"{prefix}: {len(left)} runs are open: {', '.join(left)}; look at each with "
            "tapgen history, then end one after the other: tapgen resume and tapgen stop "
            "--abandon take the first one"
        )


def _is_open(store: Store, prefix: str, run: str) -> bool:
    found = read_run(store, prefix, lock.Held(lock.Lock(run, "", "", ""), ""))
    return bool(found.events) and not found.state.end


def _continued(store: Store, prefix: str, held: lock.Held, who: str) -> Iterator[str]:
    """End the run that another one has continued, unless it went on here as well."""
    branch = held.lock.run
    first = _first(store, prefix, branch)
    if "continues" not in first:
        return
    base, after = first["continues"], int(first["after"])
    journal = Journal(store, prefix, base, who, platform.node(), number=after)
    try:
        journal.append("closed", end=End.SUPERSEDED, superseded_by=branch)
    except Fenced:
        there, *_ = journal.newer()
        if there.get("superseded_by") != branch:
            yield (
                f"{prefix}: run {base} went on at {there['at']} ({there['event']}, by "
                f"{there['who']} on {there['host']}), while {held.lock.who} on "
                f"{held.lock.host} continued it as {branch}, without "
                f"{', '.join(held.lock.without)}"
            )


def _first(store: Store, prefix: str, run: str) -> Mapping[str, Any]:
    """The first event of a run itself: not of the one that it continues."""
    first, *_ = Journal(store, prefix, run).own() or [{}]
    return first
