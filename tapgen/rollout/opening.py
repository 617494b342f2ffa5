"""The open run of a system, read from its lock and its journal."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tapgen.errors import RolloutError
from tapgen.frozen import dataclass
from tapgen.rollout import lock
from tapgen.rollout.execute import Ways
from tapgen.rollout.fold import State, fold
from tapgen.rollout.gating import counts
from tapgen.rollout.journal import Journal, Store
from tapgen.rollout.model import Event
from tapgen.rollout.program import FORMAT, NEWEST, Kind, Program, load


@dataclass(frozen=True)
class Opened:
    """An open run: its lock, its events, and what they add up to."""

    held: lock.Held
    journal: Journal
    events: tuple[Mapping[str, Any], ...]
    programs: dict[str, Program]
    state: State

    @property
    def lock(self) -> lock.Lock:
        return self.held.lock

    @property
    def progress(self) -> str:
        """How far the run is, in a few words."""
        state = self.state
        if not state.number:
            return "nothing has begun"
        waves = state.program.waves
        done = len([w for w in waves[: state.at] if counts(w)])
        every = len([w for w in waves if counts(w)])
        if state.back and not every:
            return "restoring: there is nothing to restore"
        what = "restoring: stack set" if state.back else "wave"
        here = f"{what} {min(done + 1, max(every, 1))} of {every}"
        if any(
            p.step.kind is Kind.GATE and not p.over for p in state.progress.values()
        ):
            here = f"gate after wave {done} of {every}"
        paused = f", {state.paused}" if state.paused else ""
        return f"{here}{paused}"


def opened(store: Store, prefix: str, of: str = "") -> Opened | None:
    """Return the open run of a system, the oldest if there are several; None when there
    is none. `of` is a region: then it is the one that the copy of its lock names."""
    held = lock.read(store, prefix, of)
    if held is None:
        return None
    runs = [held.lock.run] if held.lock.open else []
    runs += held.lock.also
    for place, run in enumerate(runs, 1):
        one = replace(held.lock, run=run, open=True, also=tuple(runs[place:]))
        found = read_run(store, prefix, replace(held, lock=one))
        if not found.state.end:
            return found if run == held.lock.run else _named(found)
    return None


def _named(found: Opened) -> Opened:
    """A run that the lock does not describe, with what its first event says."""
    first = found.events[0] if found.events else {}
    facts = {k: first[k] for k in ("who", "host", "command") if k in first}
    known = replace(found.lock, since=first.get("at", ""), process=0, boot="", **facts)
    return replace(found, held=replace(found.held, lock=known))


def read_run(store: Store, prefix: str, held: lock.Held) -> Opened:
    """Return a run of a system from its journal, whether it is open or has ended."""
    journal = Journal(store, prefix, held.lock.run)
    events = journal.events()
    programs = dict[str, Program]()
    _load(journal, events, programs)
    return Opened(held, journal, tuple(events), programs, fold(events, programs))


def refresh(found: Opened) -> Opened:
    """Return a run with what has happened since it was read: its new events, and who
    advances it now."""
    journal = found.journal
    newer = catch_up(journal, found.state, found.programs)
    held = lock.read(journal.store, journal.prefix)
    if held is None or held.lock.run != found.lock.run:
        held = found.held
    return replace(found, held=held, events=(*found.events, *newer))


def catch_up(
    journal: Journal, state: State, programs: dict[str, Program]
) -> list[Mapping[str, Any]]:
    """Apply what others have written into a journal since it was read; return it."""
    newer = journal.newer()
    _load(journal, newer, programs)
    for event in newer:
        state.apply(event, programs)
    return [*newer]


def _load(
    journal: Journal,
    events: Iterable[Mapping[str, Any]],
    programs: dict[str, Program],
) -> None:
    """Add the programs that events name; RolloutError for one of another format."""
    for event in events:
        name = event.get("program")
        if name and name not in programs:
            data = json.loads(journal.object(name))
            if data.get("format") not in range(FORMAT, NEWEST + 1):
                raise RolloutError(
                    f"run {journal.run}: its journal has format {data.get('format')}, this "
                    f"tapgen reads format {FORMAT} to {NEWEST}; resume it with tapgen "
                    f"{event.get('tapgen', 'of the version that started it')}"
                )
            programs[name] = load(data)


# The last events of a process, in words.
_OVER = {"paused": "been paused", "closed": "ended"}


def wait_for_silence(found: Opened, ways: Ways, *, from_engine: bool = False) -> None:
    """Wait until it is certain enough that no process advances a run any more.

    A process that has paused or ended, or that ran on this machine and is gone, needs no
    waiting. Raises RolloutError as soon as the process gives a sign of life, or pauses or
    ends the run: what was read of it is no longer all. A run that the engine in AWS
    advances is taken over between two of its turns, `from_engine` only.
    """
    if found.lock.is_dead or found.state.paused:
        return
    silent, left = found.journal.silence()
    if found.lock.engine and left > 0:
        if not from_engine:
            raise RolloutError(
                f"run {found.lock.run} is advanced in AWS ({found.lock.engine}); stop it "
                "with tapgen stop, or go on with it here with tapgen resume --engine local"
            )
        if not found.journal.pulse().get("idle", True):
            text = (
                f"run {found.lock.run}: waiting for the end of the engine's turn in AWS"
            )
            ways.on_event(Event("waiting", text))
        while left > 0 and not found.journal.pulse().get("idle", True):
            ways.sleep(ways.poll_seconds[0])
            left = found.journal.silence()[1]
        return
    reported = False
    while left > 0:
        if not reported:
            text = (
                f"run {found.lock.run} may still be run by {found.lock.who} on "
                f"{found.lock.host}: its last sign of life was {silent:.0f} s ago; it is "
                f"taken over in {left:.0f} s"
            )
            ways.on_event(Event("waiting", text))
            reported = True
        ways.sleep(min(left, 5.0))
        now, left = found.journal.silence()
        newer = [*found.journal.newer()]
        if newer and newer[-1]["event"] in _OVER:
            raise RolloutError(
                f"run {found.lock.run} has just {_OVER[newer[-1]['event']]} on "
                f"{newer[-1]['host']}; give this command again"
            )
        if newer or now < silent:
            raise RolloutError(
                f"run {found.lock.run} is still run by {found.lock.who} on "
                f"{found.lock.host}; let it end there, or stop it with tapgen stop"
            )
        silent = now


def is_advanced(found: Opened) -> bool:
    """Whether a process may still advance the run."""
    if found.lock.is_dead or found.state.paused:
        return False
    return found.journal.silence()[1] > 0


def already_open(found: Opened, line: str, command: str) -> lock.Taken:
    """Return the error that `command` cannot start another run, with the ways on; `line`
    is the system as commands name it."""
    text = lock.refusal(
        found.journal.prefix,
        found.lock,
        found.progress,
        line,
        command,
        found.state.back,
        is_advanced(found),
    )
    return lock.Taken(found.lock, text)


def stop(
    found: Opened, by: str, ways: Ways, wake: Callable[[], None] = lambda: None
) -> Mapping[str, Any] | None:
    """Ask whoever advances a run to stop, and wait until it has; return the event with
    which the run was paused or ended, None when its process is gone. `wake` begins a turn
    of the engine in AWS, where that holds the run."""
    journal = found.journal
    journal.who, journal.host = by, platform.node()
    writer = found.events[-1]["writer"] if found.events else ""
    writer = found.lock.holder or writer
    if writer:
        journal.ask_to_stop(writer)
    wake()
    while True:
        for event in journal.newer():
            if event["event"] in ("paused", "closed"):
                return event
            if found.lock.holder and event["event"] != "resumed":
                continue  # each turn of the engine in AWS writes as another
            if event["writer"] != writer:  # it has just begun, or was taken over
                writer = event["writer"]
                journal.ask_to_stop(writer)
        if found.lock.is_dead or journal.silence()[1] <= 0:
            return None
        ways.sleep(ways.poll_seconds[0])
