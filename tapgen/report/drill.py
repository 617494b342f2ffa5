"""The report of a drill as lines, data and Markdown, and its tables for the page of its
run: what an auditor files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tapgen.model.drills import DrillReport, Measured, Verdict, percentile
from tapgen.report.control import visible

_PERCENTILES = (50, 95)
_ENOUGH = 20  # of fewer samples the 95th percentile (nearest rank) is the largest
_NOTHING = (Verdict.SILENT, Verdict.NONE)
_UNKNOWN = (Verdict.SILENT, Verdict.UNKNOWN)


def verdict(found: DrillReport) -> str:
    """Return how the drill ended, in words."""
    if not found.result:
        return "open: it was interrupted; continue it with tapgen resume"
    if found.result != "done":
        return f"failed, and ended as {found.result}"
    if found.passed:
        every = [one for one in found.measured if one.goal is not None]
        left = sum(one.verdict in _UNKNOWN for one in every)
        if not left:
            return f"passed: {_goals(len(every))} met"
        was = "was" if left == 1 else "were"
        return f"passed, but {left} of {len(every)} goals {was} not measured"
    if all(one.verdict in _NOTHING for one in found.measured):
        return "failed: no goal was measured"
    return "failed: not every goal was met"


def _goals(number: int) -> str:
    return "the only goal was" if number == 1 else f"all {number} goals were"


def is_whole(found: DrillReport) -> bool:
    """Whether the drill passed, and every goal was measured."""
    goals = (one for one in found.measured if one.goal is not None)
    return found.passed and not any(one.verdict in _UNKNOWN for one in goals)


def scope(found: DrillReport) -> str:
    """Return what the drill rehearses, and of which region."""
    role, region = next(iter(found.regions.items()), ("", ""))
    if found.scenario == "region-loss" and region:
        return f"{found.scenario}, as if {region} ({role}) were lost"
    return found.scenario


def unproven(found: DrillReport) -> Iterator[str]:
    """Yield what the drill says nothing about: what was not measured, and left out."""
    for one in found.measured:
        if one.verdict in _UNKNOWN:
            yield f"{one.measure.title}: {_why(one)}"
    yield from found.left_out


LOCAL = "On the embedded AWS: times say nothing about real AWS."

SAMPLES = (
    "A goal is met when 95 of 100 samples are within it; of fewer than 20, when all are. "
    "So p95 is shown from 20 samples on."
)


def lines(found: DrillReport) -> Iterator[str]:
    """Yield what there is to say at a terminal."""
    for one in found.measured:
        yield f"{one.verdict:<12} {one.measure.title}: {_result(one)}"
    for words in found.left_out:
        yield f"{'left out':<12} {words}"
    for words in found.failures:
        yield f"{'failed':<12} {words}"
    for words in found.left:
        yield f"{'left':<12} {words}"
    yield f"drill {found.scenario} {verdict(found)}"


def data(found: DrillReport) -> dict[str, Any]:
    """Return the report as data; times are in seconds, what did not come in time is null."""
    return {
        "format": 1,
        "system": found.system,
        "suffix": found.suffix,
        "scenario": found.scenario,
        "run": found.run,
        "result": found.result or "open",
        "passed": found.passed,
        "embedded_aws": found.local,
        "begun": found.begun,
        "ended": found.ended,
        "who": found.who,
        "host": found.host,
        "caller": found.caller,
        "account": found.account,
        "regions": dict(found.regions),
        "tapgen": found.tapgen,
        "goals": dict(found.goals),
        "measured": [_measured(one) for one in found.measured],
        "left_out": list(found.left_out),
        "done": [
            {"at": d.at, "what": d.words, "seen": d.seen, "back": d.back}
            | ({"failed": True} if d.failed else {})
            for d in found.done
        ],
        "failures": list(found.failures),
        "left": list(found.left),
    }


def _measured(one: Measured) -> dict[str, Any]:
    times = one.times
    return {
        "what": one.measure.title,
        "goal": one.measure.goal or None,
        "goal_seconds": one.goal,
        "verdict": str(one.verdict),
        "why": _why(one),
        "samples": [
            {"seconds": s.seconds, "at": s.at}
            | ({"interrupted": True} if s.broken else {})
            for s in one.samples
        ],
        "percentiles": {
            str(p): None if math.isinf(value := percentile(times, p)) else value
            for p in (*_PERCENTILES, 100)
            if times
        },
    }


def markdown(found: DrillReport) -> str:
    """Return the report as Markdown."""
    rows = [f"| {name} | {_cell(text)} |" for name, text in head(found)]
    text = [
        f"# Drill {found.scenario} of {found.system} ({found.suffix})",
        "",
        f"**{_sentence(verdict(found))}**",
        *(["", LOCAL] if found.local else []),
        "",
        "| | |",
        "| --- | --- |",
        *rows,
        "",
        "## Goals",
        "",
        "| Measured | Goal | Result | Verdict |",
        "| --- | --- | --- | --- |",
    ]
    text += [f"| {' | '.join(map(_cell, row))} |" for row in goals(found)]
    text += ["", SAMPLES]
    text += _section("Failures", [f"- {one}" for one in found.failures])
    text += _section("Changed and not taken back", [f"- {one}" for one in found.left])
    text += _section("What was not proven", [f"- {one}" for one in unproven(found)])
    text += ["", "## Samples", ""]
    text += [f"- {title}: {those}" for title, those in samples(found)]
    text += ["", "## What was done", "", "| When (UTC) | What | Seen |"]
    text += ["| --- | --- | --- |"]
    text += [f"| {' | '.join(map(_cell, row))} |" for row in done(found)]
    return "\n".join([*text, ""])


def head(found: DrillReport) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of a drill as a whole."""
    where = ", ".join(f"{region} ({role})" for role, region in found.regions.items())
    yield "Scenario", scope(found)
    yield "System", f"{found.system}, environment suffix {found.suffix}"
    yield "Account", found.account + " of the embedded AWS" * found.local
    yield "Regions", where
    yield "Begun", found.begun
    yield "Ended", found.ended
    yield "Carried out by", f"{found.who} on {found.host}"
    yield "Calls made as", found.caller
    yield "Run", f"{found.run} (tapgen {found.tapgen}); tapgen history has its journal"


def goals(found: DrillReport) -> Iterator[tuple[str, str, str, str]]:
    """Yield what was measured: its goal, the result and the verdict."""
    for one in found.measured:
        yield one.measure.title, _goal(one), _result(one), str(one.verdict)


def samples(found: DrillReport) -> Iterator[tuple[str, str]]:
    """Yield what was measured with all its samples."""
    for one in found.measured:
        yield one.measure.title, _samples(one)


def done(found: DrillReport) -> Iterator[tuple[str, str, str]]:
    """Yield what was done: when, what, and what was seen."""
    for one in found.done:
        yield one.at, _mark(one.back, one.failed) + one.words, one.seen


def _goal(one: Measured) -> str:
    if one.goal is None:
        return "–"
    return f"at most {_time(one.goal)}"


def _result(one: Measured) -> str:
    times = one.times
    if not times:
        return _why(one)
    if len(times) == 1:
        return f"{_time(times[0])} (1 sample)"
    shown = _PERCENTILES[: None if len(times) >= _ENOUGH else 1]
    parts = [f"p{p} {_time(percentile(times, p))}" for p in shown]
    return f"{', '.join(parts)}, max {_time(times[-1])} ({len(times)} samples)"


def _why(one: Measured) -> str:
    if one.times:
        return ""
    if any(s.broken for s in one.samples):
        return "not known: the drill was interrupted meanwhile"
    said = one.why or one.measure.silent
    return f"not measured: {said}" if said else "not measured"


def _samples(one: Measured) -> str:
    found = [
        ("none in time" if s.seconds is None else _time(s.seconds))
        + " (interrupted)" * s.broken
        for s in one.samples
    ]
    return ", ".join(found) or _why(one)


def _time(seconds: float) -> str:
    if math.isinf(seconds):
        return "not in time"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{round(seconds, 1):g} s"
    return f"{round(seconds / 60, 1):g} min"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _mark(back: bool, failed: bool) -> str:
    return "taking back: " * back + "FAILED: " * failed


def _section(title: str, listed: list[str]) -> list[str]:
    return ["", f"## {title}", "", *listed] if listed else []


def _cell(text: str) -> str:
    return visible(text).replace("|", "\\|")
