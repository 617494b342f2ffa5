"""A run as its page shows it: how it ended, why it failed, its gates, which version each
target has, and when what happened.

Times are drawn as bars of 1,000 units from the beginning of the run to its end. Places
that went through the same operations are one row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.report import drill, explanation, history
from tapgen.report.counting import counted
from tapgen.report.page.places import Places, Where
from tapgen.report.ran import short, versions
from tapgen.rollout.advice import advice
from tapgen.rollout.explain import Cause
from tapgen.rollout.history import OPEN, Entry
from tapgen.rollout.ran import Ran
from tapgen.rollout.versions import Fate
from tapgen.rollout.watching import life_words

_WIDTH = 1000
_THINNEST = 4
"""Units that a bar has at least, so that it can be seen."""

_TONES = {"done": "good", "held": "good", "failed": "grave", "refused": "grave"}


@dataclass(frozen=True)
class Bar:
    """A bar of a timeline: where it begins, how long it is, how it ended, in words."""

    x: int
    width: int
    tone: str
    words: str


@dataclass(frozen=True)
class Row:
    """One thing that happened: when, what, where, how long, and how it ended."""

    kind: str
    at: str
    what: str
    where: Where | None
    took: str
    result: str
    tone: str
    lines: tuple[str, ...]
    bar: Bar | None


@dataclass(frozen=True)
class Failed:
    """Why something failed, and what to do."""

    what: str
    part: str
    where: Where | None
    reason: str
    property: str
    advice: str
    at: str
    operation: str


@dataclass(frozen=True)
class Lane:
    """The operations that places went through, in `words` and as tracks of bars that do not
    overlap."""

    where: Where
    words: str
    tracks: tuple[tuple[Bar, ...], ...]


@dataclass(frozen=True)
class Stack:
    """When a stack worked on which of its resources."""

    title: str
    size: str
    rows: tuple[tuple[str, str, str, str, str, Bar], ...]


@dataclass(frozen=True)
class Run:
    """A run in a minute, and then in full."""

    id: str
    ended: str
    tone: str
    facts: tuple[str, ...]
    failed: tuple[Failed, ...]
    nothing: str
    consequences: tuple[str, ...]
    pending: tuple[str, ...]
    fates: tuple[str, ...]
    regions: tuple[tuple[str, tuple[int, ...]], ...]
    versions: tuple[tuple[str, str, Where, str, str], ...]
    gates: tuple[Row, ...]
    rows: tuple[Row, ...]
    lanes: tuple[Lane, ...]
    stacks: tuple[Stack, ...]
    since: str
    until: str


def shown(ran: Ran, places: Places) -> Run:
    """Return a run as a page shows it."""
    run = ran.view.run
    time = _Time(run.since, run.until)
    fates = Counter((v.target.region, v.fate) for v in ran.versions)
    used = [fate for fate in Fate if any(f is fate for _, f in fates)]
    regions = sorted({region for region, _ in fates})
    return Run(
        run.run,
        _ended(ran),
        _tone(ran),
        tuple(_facts(ran)),
        tuple(_failed(ran, places)),
        explanation.nothing(ran.explanation),
        tuple(explanation.consequences(ran.explanation.consequences)),
        tuple(explanation.pending(ran.explanation)),
        tuple(map(str, used)),
        tuple((r, tuple(fates[r, fate] for fate in used)) for r in regions),
        tuple(_versions(ran, places)),
        tuple(_row(ran, one, places, time, whole=True) for one in ran.gates),
        tuple(_row(ran, one, places, time) for one in ran.entries),
        tuple(_lanes(ran, places, time)),
        tuple(_stacks(ran, time)),
        _moment(run.since),
        _moment(run.until),
    )


def targets(ran: Ran) -> list[Target]:
    """Return every target that a run names."""
    found = [t for one in ran.entries for t in one.targets or ()]
    found += [v.target for v in ran.versions]
    found += [c.failure.target for c in ran.explanation.causes if c.failure.target]
    return [*found, *(cell.target for _, cell in ran.view.cells)]


def _ended(ran: Ran) -> str:
    run = ran.view.run
    if ran.drill and ran.drill.result:
        return drill.verdict(ran.drill)
    if run.result != OPEN:
        return run.result
    back = "restoring, " if run.back else ""
    return f"{back}{life_words(ran.view)}"


def _tone(ran: Ran) -> str:
    run = ran.view.run
    if ran.drill and ran.drill.result and not ran.drill.passed:
        return "grave"
    if ran.drill and ran.drill.result and not drill.is_whole(ran.drill):
        return "warn"
    return "good" if run.result == "done" else "grave" if run.result != OPEN else ""


def _facts(ran: Ran) -> Iterator[str]:
    run = ran.view.run
    if ran.drill and ran.drill.local:
        yield drill.LOCAL
    yield f"tapgen {run.command} by {run.who} on {run.host}"
    took = history.lasting(run.seconds)
    yield f"{_moment(run.since)} to {_moment(run.until)} UTC, {took}"
    if run.result == OPEN:
        yield ran.view.progress
    for line in history.facts(run):
        line = line.replace(f"{ran.view.prefix}-", "")
        if run.result == OPEN:  # what has no result yet may have changed something
            line = line.replace("changed: ", "changed, as far as the journal says: ", 1)
        yield line
    yield f"run {run.run}" + (f", tapgen {run.tapgen}" if run.tapgen else "")
    if ran.drill:
        yield f"scenario: {drill.scope(ran.drill)}"
    yield from ran.ways


def _failed(ran: Ran, places: Places) -> Iterator[Failed]:
    prefix = f"{ran.view.prefix}-"
    for cause, targets in explanation.grouped(ran.explanation.causes):
        failure = cause.failure
        yield Failed(
            _title(cause),
            failure.stack_set.removeprefix(prefix),
            places.where(targets) if targets else None,
            failure.reason,
            cause.property,
            advice(failure.reason) or "",
            _moment(cause.at),
            cause.operation,
        )


def _title(cause: Cause) -> str:
    what = explanation.what_failed(cause)
    return f"while restoring: {what}" if cause.back else what


def _versions(ran: Ran, places: Places) -> Iterator[tuple[str, str, Where, str, str]]:
    prefix = f"{ran.view.prefix}-"
    for (name, fate, before, after), targets in versions(ran.versions).items():
        now = "not known" if fate is Fate.UNKNOWN else short(after)
        where = places.where(targets)
        yield name.removeprefix(prefix), str(fate), where, short(before), now


# -- times -----------------------------------------------------------------------------


class _Time:
    """The time from the beginning of a run to its end, as units of a bar."""

    def __init__(self, since: str, until: str) -> None:
        self.since = datetime.fromisoformat(since)
        self.until = until
        whole = datetime.fromisoformat(until) - self.since
        self.seconds = max(whole.total_seconds(), 0.001)

    def bar(self, at: str, until: str, tone: str, words: str) -> Bar:
        """Return the bar of something; without an end it goes on."""
        start, end = self._units(at), self._units(until or self.until)
        start = min(start, _WIDTH - _THINNEST)
        return Bar(start, max(end - start, _THINNEST), tone, words)

    def _units(self, at: str) -> int:
        passed = (datetime.fromisoformat(at) - self.since).total_seconds()
        return round(min(max(passed / self.seconds, 0.0), 1.0) * _WIDTH)


def _moment(at: str) -> str:
    return f"{at[:10]} {at[11:19]}"


def _result(one: Entry) -> str:
    if one.kind not in ("operation", "gate"):
        return ""
    return one.result or "no result"


def _bar(ran: Ran, one: Entry, time: _Time) -> Bar:
    what = history.called(one).replace(f"{ran.view.prefix}-", "")
    took = "" if one.seconds is None else f", {history.lasting(one.seconds)}"
    result = _result(one)
    tone = _TONES.get(result, "") + (" back" if one.back else "")
    words = f"{one.at[11:19]} {what}{took}{result and f': {result}'}"
    return time.bar(one.at, one.until, tone.strip(), words)


def _row(ran: Ran, one: Entry, places: Places, time: _Time, whole: bool = False) -> Row:
    drawn = one.kind in ("operation", "gate", "wave")
    return Row(
        one.kind,
        one.at[11:19],
        _words(ran, one),
        places.where(one.targets) if one.targets else None,
        "" if one.seconds is None else history.lasting(one.seconds),
        _result(one),
        _TONES.get(one.result, ""),
        tuple(_lines(one, whole)),
        _bar(ran, one, time) if drawn else None,
    )


def _words(ran: Ran, one: Entry) -> str:
    part = one.stack_set.removeprefix(f"{ran.view.prefix}-")
    if one.kind == "operation":
        return " ".join(filter(None, [one.action, part, one.words]))
    if one.kind in ("skipped", "failed"):
        return f"{part}: {one.words or one.kind}"
    if one.kind in ("wave", "gate"):
        return one.words
    who = f", by {one.who}" + (f" on {one.host}" if one.host else "")
    return f"{one.kind}{one.words and f': {one.words}'}{who if one.who else ''}"


def _lines(one: Entry, whole: bool) -> Iterator[str]:
    if one.targets is None and one.id:
        yield "in all its instances"
    if one.evidence.get("words"):
        yield str(one.evidence["words"])
    if whole or one.kind != "gate":  # gates have a table of their own
        yield from history.values(one)
    if not one.evidence.get("words"):
        yield from map(str, one.failures)


def _lanes(ran: Ran, places: Places, time: _Time) -> Iterator[Lane]:
    """Rows by account and region, of all operations that a place went through."""
    everywhere: dict[str, list[Target]] = {}
    for _, cell in ran.view.cells:
        everywhere.setdefault(cell.stack_set, []).append(cell.target)
    for v in ran.versions:
        everywhere.setdefault(v.stack_set, []).append(v.target)
    through: dict[tuple[str, str], list[int]] = {}
    first: dict[tuple[str, str], Target] = {}
    for number, one in enumerate(ran.entries):
        if one.kind != "operation":
            continue
        targets: Iterable[Target] = one.targets or ()
        if one.targets is None:
            targets = everywhere.get(one.stack_set, ())
        for place, target in {(t.region, t.account): t for t in targets}.items():
            through.setdefault(place, []).append(number)
            first.setdefault(place, target)
    same: dict[tuple[int, ...], list[Target]] = {}
    for place in sorted(through):
        same.setdefault(tuple(through[place]), []).append(first[place])
    bars: Mapping[int, Bar] = {
        number: _bar(ran, ran.entries[number], time)
        for numbers in same
        for number in numbers
    }
    for numbers, targets in same.items():
        mine = [bars[n] for n in numbers]
        words = f"{counted(len(mine), 'operation')}: "
        words += "; ".join(bar.words for bar in mine[:_MOST_NAMED])
        words += f"; and {len(mine) - _MOST_NAMED} more" * (len(mine) > _MOST_NAMED)
        yield Lane(places.where(targets), words, tuple(_tracks(mine)))


_MOST_NAMED = 20
"""Operations of a row that a screen reader reads, at most: they are listed below, too."""

_TRACKS = 6


def _tracks(bars: Iterable[Bar]) -> Iterator[tuple[Bar, ...]]:
    """Yield bars in as many tracks as they overlap, six at most."""
    tracks: list[list[Bar]] = []
    for bar in sorted(bars, key=lambda b: (b.x, -b.width)):
        free = (t for t in tracks if t[-1].x + t[-1].width <= bar.x)
        track = next(free, None)
        if track is None and len(tracks) < _TRACKS:
            tracks.append(track := [])
        if track is None:  # the one that is free the soonest
            track = min(tracks, key=lambda t: t[-1].x + t[-1].width)
        track.append(bar)
    yield from map(tuple, tracks)


def _stacks(ran: Ran, time: _Time) -> Iterator[Stack]:
    prefix = f"{ran.view.prefix}-"
    for one in ran.works.stacks:
        rows = []
        for r in one.resources:
            tone = "grave" if r.status.endswith("FAILED") else ""
            passed = datetime.fromisoformat(r.until) - datetime.fromisoformat(r.since)
            took = history.lasting(passed.total_seconds())
            words = f"{r.logical_id}: {r.status}, {took}"
            bar = time.bar(r.since, r.until, tone, words)
            at = r.since[11:19]
            rows.append((at, r.logical_id, r.type, r.status, took, bar))
        title = f"{one.stack_set.removeprefix(prefix)} in {one.target}"
        yield Stack(title, counted(len(rows), "resource"), tuple(rows))


# -- drills ----------------------------------------------------------------------------


_TOGETHER = "\u00a0"


def drilled(ran: Ran) -> dict[str, Any] | None:
    """Return the goals of a drill with what was measured, and its lists; None where the
    run is no drill."""
    found = ran.drill
    if found is None:
        return None
    return {
        "head": [*drill.head(found)],
        "goals": [
            (what, verdict, goal.replace(" ", _TOGETHER), result)
            for what, goal, result, verdict in drill.goals(found)
        ],
        "note": drill.SAMPLES,
        "samples": [*drill.samples(found)],
        "done": [*drill.done(found)],
        "unproven": [*drill.unproven(found)],
    }
