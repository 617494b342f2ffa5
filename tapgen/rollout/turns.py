"""Advance a run turn by turn, as the engine in AWS does.

A turn is a process like any other: it reads the journal, does what is to be done, and may be
killed anywhere. It ends where it would only wait, and says for how long. What an
uninterrupted process would remember meanwhile is an object beside the journal, which is
overwritten: how often a probe has failed in a row, and how long AWS has not answered. If it
is lost, these counts begin anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tapgen.aws.stacksets import StackSets
from tapgen.frozen import dataclass
from tapgen.rollout import fold, gates, gating, lock, runner
from tapgen.rollout.execute import Engine, Ways
from tapgen.rollout.gates import Verdict
from tapgen.rollout.instances import Await
from tapgen.rollout.journal import Fenced, Store
from tapgen.rollout.model import Event, Outcome, Yielded
from tapgen.rollout.opening import Opened, read_run
from tapgen.rollout.program import Kind
from tapgen.rollout.remote import Remote

STAY_SECONDS = 5.0
"""How long a turn waits in all, before it ends instead: waiting between turns costs nothing,
and the next turn has to read the journal again."""

MARGIN_SECONDS = 90.0
"""How much of its time a turn leaves: as long as a call may take until its answer."""

SHARE = 0.1
"""How long a turn waits for the next one: this share of the time since anything happened."""

AT_A_GATE = 20
"""How many of the longest pauses a run waits at a gate that a person has to open; an answer
begins a turn at once."""


@dataclass(frozen=True)
class Turn:
    """How a turn ended: the run goes on after `seconds`, has ended or is paused (`over`, the
    last word on it), or belongs to somebody else (both None)."""

    seconds: int | None = None
    over: str | None = None
    outcome: Outcome | None = None
    waiting: tuple[str, ...] = ()


def held(store: Store, prefix: str, run: str, engine: str) -> Opened | None:
    """Return the run of a system where the engine with this ARN holds it, whether it is
    open or has ended; None where somebody else has it."""
    known = lock.read(store, prefix)
    if known is None or (known.lock.run, known.lock.engine) != (run, engine):
        return None
    return read_run(store, prefix, known)


def over(found: Opened) -> str | None:
    """Return how a run ended, or `paused`; None where it goes on."""
    if found.state.end:
        return str(found.state.end)
    return "paused" if found.state.paused or not found.state.number else None


def pause(since: float, longest: float) -> float:
    """Return how long to wait for the next turn, where nothing has happened for so many
    seconds; `longest` is the longest pause between two polls of a process."""
    return min(max(since * SHARE, longest), 4 * longest)


def advance(
    sets: StackSets,
    remote: Remote,
    found: Opened,
    on_event: Callable[[Event], None],
    *,
    left: Callable[[], float],
    stay: float | None = None,
    **ways: Any,
) -> Turn:
    """Advance a run that the engine in AWS holds, as long as there is something to do and
    `left()` seconds of the turn are enough. `stay` is how long it may wait in all, some
    pauses between polls where it is not given. Raises Lost and RolloutError as `runner.resume` does.
    """
    if stay is None:
        stay = min(STAY_SECONDS, 4 * remote.poll_seconds[1])
    time = _Time(left, stay, ways.get("sleep"))
    chosen = Ways(
        on_event,
        **{
            "content": runner.no_artifact,
            "poll_seconds": remote.poll_seconds,
            "patience": remote.patience,
            **ways,
            "sleep": time.sleep,
            "stopping": time.require,
        },
    )
    engine = runner.taken_on(sets, found, chosen)
    _recall(engine, engine.journal.remembered())
    try:
        ended = runner.to_the_end(engine, found.held, lambda: None)
    except Fenced:
        now = held(sets.bucket, found.journal.prefix, found.lock.run, found.lock.engine)
        if now is None or now.lock.holder != found.lock.holder:
            return Turn()  # somebody has taken the run over
        return Turn(math.ceil(remote.poll_seconds[1]))  # another turn goes on with it
    except Yielded:
        return _rest(engine, remote)
    return Turn(over=str(engine.state.end or "paused"), outcome=ended)


class _Time:
    """The time of a turn: it ends where it would wait for long, or no time is left."""

    def __init__(
        self,
        left: Callable[[], float],
        stay: float,
        sleep: Callable[[float], None] | None,
    ) -> None:
        self.left, self.stay, self.waits = left, stay, sleep or Ways.sleep

    def sleep(self, seconds: float) -> None:
        self.require()
        if seconds > self.stay or self.left() < MARGIN_SECONDS + seconds:
            raise Yielded(seconds)
        self.stay -= seconds
        self.waits(seconds)

    def require(self) -> bool:
        """Raise Yielded where no time is left; else nobody asks the run to stop."""
        if self.left() < MARGIN_SECONDS:
            raise Yielded(0.0)
        return False


def _rest(engine: Engine, remote: Remote) -> Turn:
    """End a turn: store what the next one needs, and say when that begins."""
    runner.finish(engine)
    engine.journal.remember(_memory(engine))
    at_gates = {id for id, _ in gating.waiting(engine.state)}
    acts = fold.todo(engine.state)
    longest = remote.poll_seconds[1]
    if acts and all(one.id in at_gates for one in acts):
        seconds = AT_A_GATE * longest
    else:
        seconds = pause(_since(engine), longest)
    now = datetime.fromtimestamp(engine.ways.wall(), UTC)
    for id, seen in engine.evidence.items():
        if seen.again and id not in at_gates:
            seconds = min(seconds, seen.again - (now - seen.at).total_seconds())
    whole = max(1, math.ceil(seconds))
    engine.journal.rest(whole)
    return Turn(whole, waiting=tuple(sorted(at_gates)))


def _since(engine: Engine) -> float:
    """How many seconds ago something has happened in the run."""
    at = engine.state.last.get("at")
    if not at:
        return 0.0
    return max(0.0, engine.ways.wall() - datetime.fromisoformat(at).timestamp())


def _memory(engine: Engine) -> dict[str, Any]:
    """What the next turn goes on with, as JSON data."""
    return {
        "evidence": {
            id: seen.data()
            for id, seen in engine.evidence.items()
            if seen.verdict is Verdict.WAIT
        },
        "reads": {id: one.reads for id, one in engine.awaits.items() if one.reads},
        "busy": engine.busy,
        "refused": engine.refused,
        "away": (None if engine.away is None else engine.ways.wall() - _away(engine)),
    }


def _away(engine: Engine) -> float:
    """For how many seconds AWS has not answered."""
    return max(engine.away or 0.0, engine.journal.clock() - engine.away_since)


def _recall(engine: Engine, known: Mapping[str, Any]) -> None:
    """Go on with what the turn before has seen, as far as its steps are not over."""
    open_ = {id for id, p in engine.state.progress.items() if not p.over}
    for id, data in known.get("evidence", {}).items():
        if id in open_:
            engine.evidence[id] = gates.evidence_from(data)
    for id, reads in known.get("reads", {}).items():
        if id in open_ and engine.state.progress[id].step.kind is not Kind.GATE:
            engine.awaits[id] = Await(engine.state.progress[id].step, reads)
    for id, waited in known.get("busy", {}).items():
        if id in open_ and engine.state.progress[id].intent:
            engine.busy[id] = waited
    engine.refused = known.get("refused", 0)
    if known.get("away"):
        engine.away = max(0.0, engine.ways.wall() - known["away"])
        engine.away_since = engine.journal.clock() - engine.away
