"""Runs of a system and what happened in them, as text and as JSON data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.markup import escape

from tapgen.model import Target
from tapgen.report.control import printable
from tapgen.report.counting import counted
from tapgen.report.targets import target_list
from tapgen.rollout import Failure
from tapgen.rollout.history import OPEN, Entry, Summary

_RESULTS = {
    "done": "[green]✓ done[/]",
    "restored": "[yellow]✓ restored[/]",
    "abandoned": "[red]✗ abandoned[/]",
    "superseded": "[yellow]- superseded[/]",
    OPEN: "[cyan]… open[/]",
    "held": "[green]✓ held[/]",
    "failed": "[red]✗ failed[/]",
    "refused": "[red]✗ refused[/]",
    "burnt": "[yellow]- never sent[/]",
    "": "[cyan]… no result[/]",
}


@printable
def runs(system: str, found: Sequence[Summary], older: int, more: str) -> str:
    """Return runs, the newest first; `older` counts those that are not shown, which the
    command `more` shows."""
    if not found:
        return f"{escape(system)}: no runs"
    lines = [f"{escape(system)}: {counted(len(found) + older, 'run')}"]
    for one in found:
        took = lasting(one.seconds)
        lines.append(f"[bold]{one.run}[/]  {_result(one)}")
        lines.append(
            f"  {_day(one.since)} {_clock(one.since)} UTC, {took}: {_who(one)}"
        )
        lines += [f"  {line}" for line in map(escape, facts(one))]
    if older:
        lines.append(f"{counted(older, 'older run')}: {escape(more)}")
    return "\n".join(lines)


def _result(one: Summary) -> str:
    notes = ["back"] * one.back + ([one.paused] if one.paused else [])
    words = f" ({', '.join(notes)})" if notes else ""
    return f"{_RESULTS.get(one.result, one.result)}{escape(words)}"


def _who(one: Summary) -> str:
    return escape(f"tapgen {one.command} by {one.who} on {one.host}")


def facts(one: Summary) -> Iterator[str]:
    """Yield what a run has changed, and which plan it carried out."""
    if one.changed is None:
        yield "changed: its journal cannot be read by this version of tapgen"
    elif one.changed or not one.performed:
        yield f"changed: {', '.join(one.changed) or 'nothing'}"
    if one.performed:
        yield f"performed: {'; '.join(one.performed)}"
    if one.left:
        yield f"changed and not restored: {', '.join(one.left)}"
    if one.supersedes:
        yield f"supersedes run {one.supersedes}"
    if one.plan:
        yield f"plan {one.plan.removeprefix('sha256:')[:12]}"


@printable
def run(one: Summary, entries: Iterable[Entry]) -> str:
    """Return one run with its timeline: times are in UTC."""
    lines = [*head(one), ""]
    day = _day(one.since)
    for entry in entries:
        if _day(entry.at) != day:
            day = _day(entry.at)
            lines.append(f"[dim]{day}[/]")
        first, *rest = entry_lines(entry)
        lines.append(f"[dim]{_clock(entry.at)}[/] {first}")
        lines += [f"         {line}" for line in rest]
    return "\n".join(lines)


def head(one: Summary) -> list[str]:
    """Return the first lines about a run, with markup."""
    version = f", tapgen {escape(one.tapgen)}" if one.tapgen else ""
    return [
        f"[bold]run {one.run}[/]  {_result(one)}",
        f"{_who(one)}{version}",
        f"{_day(one.since)} {_clock(one.since)} UTC, {lasting(one.seconds)}",
        *map(escape, facts(one)),
    ]


def entry_lines(one: Entry) -> list[str]:
    """Return the lines of a timeline about one entry, with markup."""
    took = "" if one.seconds is None else f" {lasting(one.seconds)}"
    if one.kind == "wave":
        return [f"[bold]{escape(one.words)}[/]{took and f' ({took.strip()})'}"]
    if one.kind in ("operation", "gate"):
        what = escape(called(one))
        found = one.evidence.get("words", "")
        words = f": {escape(found)}" if found else ""
        lines = [f"  {what}  {_RESULTS.get(one.result, one.result)}{took}{words}"]
        lines += [f"    {escape(line)}" for line in values(one)]
        return lines + ([] if found else _failures(one.failures))
    if one.kind in ("skipped", "failed"):
        head = f"  {escape(one.stack_set)}: {escape(one.words or one.kind)}"
        return [head, *_failures(one.failures)]
    words = f": {escape(one.words)}" if one.words else ""
    where = f" on {one.host}" if one.host else ""
    return [f"{one.kind}{words}, by {escape(one.who + where)}"]


def called(one: Entry) -> str:
    """Return the call or the gate, and its targets."""
    if one.kind == "gate":
        return f"gate {one.words}"
    words = [w for w in (one.action, one.stack_set, one.words) if w]
    if one.targets is None and one.id:
        words.append("in all its instances")
    elif one.targets:
        words.append(f"in {target_list(one.targets)}")
    return " ".join(words)


def values(one: Entry) -> Iterator[str]:
    """Yield the operation id, or the values of a gate."""
    if one.id:
        yield one.id
    for name, value in one.evidence.get("values", {}).items():
        if value not in ("", None, [], {}):
            yield f"{name}: {value}"


def _failures(failures: Iterable[Failure]) -> list[str]:
    return [f"    {escape(str(failure))}" for failure in failures]


def _day(at: str) -> str:
    return at[:10]


def _clock(at: str) -> str:
    return at[11:19]


def lasting(seconds: float) -> str:
    """Return a duration: `7 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


# -- data ------------------------------------------------------------------------------


def data(one: Summary) -> dict[str, Any]:
    """Return a run as JSON data."""
    return {
        "run": one.run,
        "command": one.command,
        "who": one.who,
        "host": one.host,
        "since": one.since,
        "until": one.until,
        "seconds": one.seconds,
        "result": one.result,
        "paused": one.paused,
        "back": one.back,
        "plan": one.plan,
        "tapgen": one.tapgen,
        "supersedes": one.supersedes,
        "changed": None if one.changed is None else list(one.changed),
        "performed": list(one.performed),
        "left": list(one.left),
    }


def entry_data(one: Entry) -> dict[str, Any]:
    """Return an entry of a timeline as JSON data; `targets` of null are all instances."""
    targets = one.targets
    return {
        "at": one.at,
        "until": one.until or None,
        "seconds": one.seconds,
        "kind": one.kind,
        "words": one.words,
        "back": one.back,
        "wave": one.wave or None,
        "stack_set": one.stack_set,
        "targets": None if targets is None else [_target(t) for t in targets],
        "action": one.action,
        "operation": one.id,
        "result": one.result or None,
        "failures": [_failure(f) for f in one.failures],
        "evidence": dict(one.evidence),
        "who": one.who,
        "host": one.host,
    }


def _target(target: Target) -> dict[str, str]:
    return {"account": target.account, "region": target.region}


def _failure(failure: Failure) -> dict[str, Any]:
    where = _target(failure.target) if failure.target else {}
    return {
        "stack_set": failure.stack_set,
        **where,
        "logical_id": failure.logical_id,
        "type": failure.type,
        "reason": failure.reason,
    }
