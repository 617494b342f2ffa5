"""What runs of a system there were, and what happened in one: read from the journals.

`runs` reads two events of a run that has ended, where its last one names what it changed,
and the whole journal elsewhere. `timeline` is a fold like `fold.fold`, with times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from tapgen.errors import RolloutError
from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.rollout import fold, lock
from tapgen.rollout.codec import decode
from tapgen.rollout.gating import acts, counts, gate_of
from tapgen.rollout.journal import Store, names
from tapgen.rollout.model import Failure
from tapgen.rollout.opening import Opened, read_run
from tapgen.rollout.program import Kind, Program, Step

OPEN = "open"
"""The result of a run that has not ended."""


@dataclass(frozen=True)
class Summary:
    """One run: who started what, when, and how it ended.

    `result` is that of `fold.End`, or open; `paused` says why no process advances an open
    one, and `back` that it restores. `until` is the time of its last event. `changed` are
    the stack sets that a call has changed, None where the journal cannot be read, and
    `performed` the acts of a procedure that were not undone.
    """

    run: str
    command: str
    who: str
    host: str
    since: str
    until: str
    result: str
    paused: str = ""
    plan: str = ""
    tapgen: str = ""
    supersedes: str = ""
    changed: tuple[str, ...] | None = ()
    performed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    back: bool = False

    @property
    def seconds(self) -> float:
        """How long it took from its first event to its last."""
        return _between(self.since, self.until)


@dataclass(frozen=True)
class Entry:
    """One thing that happened in a run, from `at` to `until` (empty: no end is known).

    `kind` is opened, resumed, wave, operation, gate, skipped, failed, turned, paused or
    closed. `action` is the API call of an operation, and `id` its operation id. `result`
    is that of a call or a gate, `evidence` what a gate found. `region` administers the
    stack set of an operation; empty for the administration region of the run.
    """

    at: str
    kind: str
    words: str = ""
    until: str = ""
    back: bool = False
    wave: int = 0
    stack_set: str = ""
    targets: tuple[Target, ...] | None = ()
    action: str = ""
    id: str = ""
    region: str = ""
    result: str = ""
    failures: tuple[Failure, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""
    host: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took; None where no end is known."""
        return _between(self.at, self.until) if self.until else None


def _between(start: str, end: str) -> float:
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return max(0.0, passed.total_seconds())


# -- the list --------------------------------------------------------------------------


def runs(store: Store, prefix: str, last: int) -> tuple[list[Summary], int]:
    """Return the newest runs of a system, the newest first, at most `last`; and how many
    older ones there are."""
    known = names(store, prefix)
    wanted = [*known.items()][-last:]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda one: _summary(store, prefix, *one), wanted)
        listed = list(found)
    return listed[::-1], len(known) - len(listed)


def _summary(store: Store, prefix: str, run: str, keys: Sequence[str]) -> Summary:
    first, end = (json.loads(store.get(k) or b"{}") for k in (keys[0], keys[-1]))
    if end.get("event") == "closed" and end.get("changed") is not None:
        return _described(
            run, first, end, tuple(end["changed"]), tuple(end.get("performed", ()))
        )
    try:
        state = _read(store, prefix, run).state
    except RolloutError:  # of another version of tapgen, or damaged
        return _described(run, first, end, None)
    performed = tuple(state.performed.values())
    return _described(run, first, end, tuple(state.changed), performed, state.back)


def _described(
    run: str,
    first: Mapping[str, Any],
    end: Mapping[str, Any],
    changed: tuple[str, ...] | None,
    performed: tuple[str, ...] = (),
    back: bool = False,
) -> Summary:
    ended = end.get("event") == "closed"
    paused = end.get("event") == "paused"
    return Summary(
        run,
        first.get("command", ""),
        first.get("who", ""),
        first.get("host", ""),
        first.get("at", ""),
        end.get("at", ""),
        end["end"] if ended else OPEN,
        end.get("why", "") if paused else "",
        first.get("plan", ""),
        first.get("tapgen", ""),
        first.get("supersedes", ""),
        changed,
        performed,
        tuple(end.get("left", ())),
        back and not ended,
    )


def _read(store: Store, prefix: str, run: str) -> Opened:
    return read_run(store, prefix, lock.Held(lock.Lock(run, "", "", ""), ""))


def read(store: Store, prefix: str, run: str) -> tuple[Summary, tuple[Entry, ...]]:
    """Return a run and what happened in it; a unique beginning or end names it, too.

    Raises RolloutError when there is no such run, or its journal cannot be read.
    """
    found = find(store, prefix, run)
    return summary(found), timeline(found.events, found.programs)


def find(store: Store, prefix: str, run: str) -> Opened:
    """Return a run by its name, or by a unique beginning or end of it; RolloutError as
    for `read`."""
    known = names(store, prefix)
    fitting = [n for n in known if n == run] or [
        n for n in known if n.startswith(run) or n.endswith(run)
    ]
    if len(fitting) != 1:
        what = f"fits {len(fitting)} runs" if fitting else "is no run of this system"
        newest = ", ".join([*known][:-4:-1]) or "none"
        raise RolloutError(
            f"{prefix}: {run} {what}; the newest are: {newest}; tapgen history lists them"
        )
    return _read(store, prefix, fitting[0])


def newest(store: Store, prefix: str) -> str | None:
    """Return the name of the newest run of a system; None where there is none."""
    return next(reversed([*names(store, prefix)]), None)


def summary(found: Opened) -> Summary:
    """Return what is listed of a run that was read whole."""
    events, state = found.events, found.state
    changed, performed = tuple(state.changed), tuple(state.performed.values())
    return _described(
        found.lock.run, events[0], events[-1], changed, performed, state.back
    )


# -- one run ---------------------------------------------------------------------------


def timeline(
    events: Iterable[Mapping[str, Any]], programs: Mapping[str, Program]
) -> tuple[Entry, ...]:
    """Return what happened in a run, in the order in which it began."""
    state, found = fold.State(), _Found()
    for event in events:
        _KINDS.get(event["event"], _whole)(found, state, event)
        state.apply(event, programs)
    return tuple(found.entries)


_WAVE = ("wave", "")


@dataclass
class _Found:
    """Entries, and the place of the wave, of operations and of gates among them."""

    entries: list[Entry] = field(default_factory=list)
    at: dict[tuple[str, str], int] = field(default_factory=dict)
    wave: int = -1

    def add(self, entry: Entry, key: tuple[str, str] = ("", "")) -> None:
        self.at[key] = len(self.entries)
        self.entries.append(entry)

    def change(self, key: tuple[str, str], **facts: Any) -> bool:
        """Change the last entry of a key; False where there is none."""
        if key not in self.at:
            return False
        place = self.at[key]
        self.entries[place] = replace(self.entries[place], **facts)
        return True


def _whole(found: _Found, state: fold.State, event: Mapping[str, Any]) -> None:
    """An event about the whole run."""
    kind = event["event"]
    words = {
        "opened": event.get("command", ""),
        "turned": f"restoring from here: {event.get('why', '')}",
        "paused": event.get("why", ""),
        "closed": str(event.get("end", "")),
        "resumed": _direction(state, event),
    }
    people = {"who": event["who"], "host": event["host"]}
    if "by" in event:  # asked for from elsewhere
        people = {"who": event["by"], "host": ""}
    back = state.back or kind == "turned"
    found.add(Entry(event["at"], kind, words.get(kind, ""), back=back, **people))
    found.at.pop(_WAVE, None)


def _direction(state: fold.State, event: Mapping[str, Any]) -> str:
    command = event.get("command", "resume")
    if command != "resume":
        return f"taken over by tapgen {command}"
    return "back" if event.get("back") or state.back else "forward"


def _step(state: fold.State, event: Mapping[str, Any]) -> Step:
    return state.program.steps[event["step"]]


def _began(found: _Found, state: fold.State, event: Mapping[str, Any]) -> None:
    step = _step(state, event)
    number = int(event["step"].split(".")[0]) - 1
    at, back = event["at"], state.back
    if counts(state.program.waves[number]):
        wave = sum(map(counts, state.program.waves[: number + 1]))
        if found.wave != number or _WAVE not in found.at:
            words = _wave(state, number)
            found.add(Entry(at, "wave", words, back=back, wave=wave), _WAVE)
            found.wave = number
    else:
        found.at.pop(_WAVE, None)
    if step.kind is Kind.GATE:
        entry = Entry(at, "gate", str(gate_of(step)), back=back)
        found.add(entry, ("step", event["step"]))
    elif event.get("skipped") and step.kind is not Kind.SETTLE:
        found.add(_entry(event, "skipped", step, words="no changes", back=back))


def _wave(state: fold.State, number: int) -> str:
    """The parts of a wave, and its number among those that count."""
    waves = state.program.waves
    steps = [s for lane in waves[number] for s in lane]
    here, total = sum(map(counts, waves[: number + 1])), sum(map(counts, waves))
    if steps[0].kind is Kind.ACT:
        return f"step {here} of {total}: {acts(steps)}"
    parts = ", ".join(dict.fromkeys(s.part or s.stack_set for s in steps))
    word = "restoring" if state.back else "wave"
    return f"{word} {here} of {total}: {parts}"


def _entry(event: Mapping[str, Any], kind: str, step: Step, **more: Any) -> Entry:
    return Entry(
        event["at"], kind, stack_set=step.stack_set, targets=step.targets, **more
    )


def _intent(found: _Found, state: fold.State, event: Mapping[str, Any]) -> None:
    call = state.progress[event["step"]].call
    entry = Entry(
        event["at"],
        "operation",
        call.key,
        back=state.back,
        stack_set=call.stack_set,
        targets=call.targets,
        action=call.act.what if call.act else str(call.verb),
        id=event["operation"] if call.verb.is_operation else "",
        region=call.region,
    )
    found.add(entry, ("operation", event["operation"]))


def _result(found: _Found, state: fold.State, event: Mapping[str, Any]) -> None:
    key = ("operation", str(state.progress[event["step"]].intent))
    result = str(event["result"])
    found.change(key, until=event["at"], result=result, failures=_failures(event))
    found.change(_WAVE, until=event["at"])


def _finished(found: _Found, state: fold.State, event: Mapping[str, Any]) -> None:
    _end_gate(found, event, "held")
    found.change(_WAVE, until=event["at"])


def _failed(found: _Found, state: fold.State, event: Mapping[str, Any]) -> None:
    if not _end_gate(found, event, "failed", failures=_failures(event)):
        failures = _failures(event)
        step = _step(state, event)
        found.add(_entry(event, "failed", step, failures=failures, back=state.back))
        found.change(_WAVE, until=event["at"])


def _end_gate(
    found: _Found, event: Mapping[str, Any], result: str, **more: Any
) -> bool:
    key = ("step", event["step"])
    evidence = event.get("evidence", {})
    changed = found.change(
        key, until=event["at"], result=result, evidence=evidence, **more
    )
    found.at.pop(key, None)
    return changed


def _failures(event: Mapping[str, Any]) -> tuple[Failure, ...]:
    return tuple(decode(Failure, one) for one in event.get("failures", []))


_KINDS: Mapping[str, Any] = {
    "began": _began,
    "intent": _intent,
    "result": _result,
    "finished": _finished,
    "failed": _failed,
}
