"""Outlook: what to expect of a plan, as text, Markdown and JSON data.

A saved plan contains none of it: estimates, quotas and drift do not make a plan stale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from rich.markup import escape

from tapgen.costs.change import Difference
from tapgen.frozen import dataclass
from tapgen.model import Target, Undescribed, Unsearched
from tapgen.plan.change_set_answers import Answer, Key
from tapgen.plan.drift import Drift, Drifted
from tapgen.plan.durations import Span
from tapgen.plan.forecast import Fit, Forecast, Move, Slowest, StepForecast
from tapgen.plan.headroom import Demand, Headroom
from tapgen.report import change_sets, costs, undescribed
from tapgen.report.columns import columns
from tapgen.report.control import printable
from tapgen.report.counting import counted
from tapgen.report.targets import target_list

_MOST_PARAMETERS = 4  # named in a line
_OPEN = "before this plan"
_EXCEEDS = "exceeds a quota"
_MAX_VALUE = 60  # characters of a value shown in a line


@dataclass(frozen=True)
class Outlook:
    """The forecast of a plan and, as read from AWS, its quota headroom, the drift of what
    it updates, AWS's change sets, and stack sets of the system that its file does not
    describe. `left_out` are quotas, and `not_read` is the number of stacks, that were not
    read. `open_run` is the run that comes before this plan, as data, and `first` the same
    in lines, with how to go on. `cost` is what the plan changes in costs."""

    forecast: Forecast
    limits: tuple[Headroom, ...] = ()
    drift: Drift = Drift()
    answers: Mapping[Key, Answer] = field(default_factory=dict)
    undescribed: tuple[Undescribed | Unsearched, ...] = ()
    left_out: tuple[Demand, ...] = ()
    not_read: int = 0
    unsearched: tuple[str, ...] = ()
    open_run: Mapping[str, Any] | None = None
    first: Sequence[str] = ()
    cost: Difference = Difference()


@dataclass(frozen=True)
class Concern:
    """Something to read before the waves: `what` below a `title`, with more `lines`."""

    title: str
    what: str
    lines: tuple[str, ...] = ()


def concerns(outlook: Outlook) -> Iterator[Concern]:
    """Yield what comes before the waves, as `first` shows it at a terminal."""
    if outlook.first:
        words, *more = outlook.first
        yield Concern(_OPEN, words, tuple(more))
    for room in outlook.limits:
        if not room.fits:
            yield Concern(_EXCEEDS, _too_much(room))
    title = _by_hand_title(outlook.drift)
    for what, places in _drifted(outlook.drift).items():
        yield Concern(title, what, (target_list(places),))
    for line in undescribed.lines(outlook.undescribed):
        yield Concern(undescribed.TITLE, line)
    for move in outlook.forecast.moves:
        yield Concern("moves", _moved(move), tuple(_data_of(move)))
    for text, targets in change_sets.disagreements(outlook.answers):
        yield Concern(change_sets.TITLE, text, (target_list(targets),))


def remarks(outlook: Outlook, *, details: bool = False) -> list[str]:
    """Return what follows the waves, as sentences: headroom, drift, pace and time."""
    lines = [*_fits(outlook, details), *_not_read(outlook)]
    lines += [*_checked(outlook.drift), *_paces(outlook)]
    lines += [f"warning: {text}" for text in outlook.forecast.warnings]
    lines += filter(None, [costs.difference(outlook.cost)])
    if time := _time(outlook):
        lines.append(time)
    return [*lines, *_faster(outlook.forecast)]


# -- text ----------------------------------------------------------------------------


def alone(outlook: Outlook | None) -> Iterator[str]:
    """Yield what counts where a plan changes nothing: drift, if that of everything was
    read, stack sets that the file does not describe, and what was not read."""
    if outlook and outlook.drift.whole:
        yield from _found(outlook.drift)
        yield from _checked(outlook.drift)
    if outlook:
        yield from _open(outlook)
        yield from _undescribed(outlook)
        yield from _not_read(outlook)


def _open(outlook: Outlook) -> Iterator[str]:
    """The run that comes first."""
    if outlook.first:
        words, *more = outlook.first
        yield f"\n[bold red]{_OPEN}[/]"
        yield f"  [red]![/] {escape(words)}"
        yield from (f"      {escape(line)}" for line in more)


def _undescribed(outlook: Outlook) -> Iterator[str]:
    if outlook.undescribed:
        yield f"\n[bold red]{undescribed.TITLE}[/]"
    for line in undescribed.lines(outlook.undescribed):
        yield f"  [red]![/] {escape(line)}"


def _not_read(outlook: Outlook) -> Iterator[str]:
    """What was left out because there is much of it, and who reads it."""
    if outlook.not_read:
        yield (
            f"not read: {counted(outlook.not_read, 'stack')} whose outputs nobody takes; "
            "tapgen status shows those deleted by hand, plan --detect-drift those changed"
        )
    if outlook.unsearched:
        yield (
            f"not searched: {counted(len(outlook.unsearched), 'region')} of the file "
            "without an artifact bucket of tapgen; tapgen status looks there, too, for "
            "stack sets that the file does not describe"
        )
    names: dict[str, list[Demand]] = {}
    for demand in outlook.left_out:
        names.setdefault(demand.quota.name, []).append(demand)
    for name, demands in names.items():
        most = max(demands, key=lambda d: d.adds / d.quota.default)
        yield (
            f"not read: the quota of {name} in {counted(len(demands), 'place')}, where "
            f"this plan adds at most {most.adds:,} (AWS default {most.quota.default:,}); "
            "tapgen limits reads it"
        )


def _found(drift: Drift) -> Iterator[str]:
    drifted = _drifted(drift)
    if drifted:
        yield f"\n[bold red]{_by_hand_title(drift)}[/]"
    for what, places in drifted.items():
        yield f"  [red]![/] {escape(what)}"
        yield f"      {target_list(places)}"


def first(outlook: Outlook) -> Iterator[str]:
    """Yield the lines before the waves: what comes first, and what may be unintended."""
    yield from _open(outlook)
    short = [h for h in outlook.limits if not h.fits]
    if short:
        yield f"\n[bold red]{_EXCEEDS}[/]"
    yield from (f"  [red]![/] {escape(_too_much(h))}" for h in short)
    yield from _found(outlook.drift)
    yield from _undescribed(outlook)
    if outlook.forecast.moves:
        yield "\n[bold red]moves[/]"
    for move in outlook.forecast.moves:
        yield f"  [red]![/] {escape(_moved(move))}"
        yield from (f"      {escape(line)}" for line in _data_of(move))
    yield from change_sets.first(outlook.answers)


def last(outlook: Outlook, *, details: bool = False) -> Iterator[str]:
    """Yield the lines after the waves: headroom, drift, pace and time."""
    yield from change_sets.last(outlook.answers)
    yield from map(escape, remarks(outlook, details=details))


def markdown_alone(outlook: Outlook | None) -> Iterator[str]:
    """Yield, for a comment on a pull request, what counts where a plan changes nothing."""
    if outlook and outlook.first:
        yield f"\n**⚠️ {_OPEN}**\n"
        yield f"- {'; '.join(outlook.first)}"
    if outlook and outlook.undescribed:
        yield f"\n**⚠️ {undescribed.TITLE}**\n"
        yield from (f"- {line}" for line in undescribed.lines(outlook.undescribed))


def markdown(outlook: Outlook) -> Iterator[str]:
    """Yield the same for a comment on a pull request."""
    yield from markdown_alone(outlook)
    short = [h for h in outlook.limits if not h.fits]
    if short:
        yield f"\n**⚠️ {_EXCEEDS}**\n"
    yield from (f"- {_too_much(h)}" for h in short)
    drifted = _drifted(outlook.drift)
    if drifted:
        yield f"\n**⚠️ {_by_hand_title(outlook.drift)}**\n"
    for what, places in drifted.items():
        code = what.replace("`", "'").replace("\n", " ")
        yield f"- `{code}` in {target_list(places)}"
    if outlook.forecast.moves:
        yield "\n**⚠️ moves**\n"
    for move in outlook.forecast.moves:
        yield f"- {'; '.join([_moved(move), *_data_of(move)])}"
    yield from change_sets.markdown(outlook.answers)
    lines = [*_fits(outlook, False), *_not_read(outlook)]
    lines += [*_checked(outlook.drift), *_paces(outlook)]
    lines += [f"⚠️ {text}" for text in outlook.forecast.warnings]
    lines += filter(None, [costs.difference(outlook.cost)])
    if time := _time(outlook):
        lines.append(time)
    lines += _faster(outlook.forecast)
    yield "\n" + "\n".join(f"- {line}" for line in lines)


def _too_much(headroom: Headroom) -> str:
    quota = headroom.demand.quota
    return (
        f"{headroom}; request an increase (Service Quotas, {quota.service} {quota.code}) "
        "before the rollout, which else fails halfway"
    )


def _drifted(drift: Drift) -> dict[str, list[Target]]:
    """What drifted → where."""
    found: dict[str, list[Target]] = {}
    for one in drift.found:
        found.setdefault(_by_hand(one), []).append(one.target)
    for part, target in drift.unread:
        what = f"{part}: drifted; the details could not be read"
        found.setdefault(what, []).append(target)
    return found


def _by_hand_title(drift: Drift) -> str:
    lost = drift.unread or any(one.is_lost for one in drift.found)
    return (
        "drift that this plan may overwrite" if lost else "drift that this plan leaves"
    )


def _by_hand(one: Drifted) -> str:
    what = f"{one.part}.{one.logical_id} ({one.type})"
    difference = one.difference
    if difference is None:
        return f"{what} was deleted by hand; {one.fate}"
    path = difference.path.strip("/").replace("/", ".")
    now = "absent" if difference.kind == "REMOVE" else shortened(difference.actual)
    was = "no value" if difference.kind == "ADD" else shortened(difference.expected)
    return f"{what}: {path} is {now}, the template has {was}; {one.fate}"


def shortened(text: str) -> str:
    """Return a value in one line of a bearable length."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_VALUE else f"{line[: _MAX_VALUE - 1]}…"


def _checked(drift: Drift) -> Iterator[str]:
    """Which of the instances to update were checked for drift."""
    if not drift.instances:
        return
    total = drift.instances
    known = total - len(drift.unchecked)
    which = "" if drift.whole else " to update"
    words = f"drift: {known} of {counted(total, 'instance')}{which} checked"
    if drift.oldest and known:
        words += f", oldest check {drift.oldest:%Y-%m-%d %H:%M} UTC"
    if not drift.found and not drift.unread and known:
        words += ", no drift found"
    yield (
        words if known == total else f"{words}; to check first, run plan --detect-drift"
    )


def _moved(move: Move) -> str:
    where = f"from {target_list(move.left)} to {target_list(move.entered)}"
    how = (
        "deleted here first, away until it is created there"
        if move.away
        else "created there, deleted here"
    )
    return f"{move.part} moves {where}: {how}"


def _data_of(move: Move) -> Iterator[str]:
    if move.retained:
        yield f"retained in the old target, with its data: {', '.join(move.retained)}"
    if move.deleted:
        yield f"deleted with its data: {', '.join(move.deleted)}"


def _fits(outlook: Outlook, details: bool) -> Iterator[str]:
    """Quotas and templates that are near a limit; with `details` all of them."""
    for room in outlook.limits:
        if room.fits and (room.tight or details):
            yield f"quota: {room}"
    for fit in outlook.forecast.fits:
        shown = [m for m in fit.measures if m.tight or details]
        if shown:
            how = "; sent through the artifact bucket" if fit.by_url and details else ""
            yield f"template of {fit.part}: {', '.join(map(str, shown))}{how}"


def _paces(outlook: Outlook) -> Iterator[str]:
    """The pace of the steps, steps with the same pace in one line."""
    grouped: dict[str, list[str]] = {}
    for step in outlook.forecast.steps:
        grouped.setdefault(step.words, []).append(step.step.part)
    for words, parts in grouped.items():
        whose = f" of {', '.join(dict.fromkeys(parts))}" if len(grouped) > 1 else ""
        yield f"pace{whose}: {words}"


def _time(outlook: Outlook) -> str:
    forecast = outlook.forecast
    if not forecast.waves:
        return ""
    line = f"estimated time on AWS: {duration(forecast.span)}"
    if forecast.slowest:
        number, slowest = forecast.slowest
        line += f"; slowest: {slowest} in wave {number}"
    return line


def _faster(forecast: Forecast) -> Iterator[str]:
    """The waves that there would be if outputs were handed on by name."""
    if found := forecast.by_name:
        names = ", ".join(found.parameters[:_MOST_PARAMETERS])
        more = len(found.parameters) - _MOST_PARAMETERS
        names += f" and {more} more" if more > 0 else ""
        yield (
            f"values that differ between accounts make {len(forecast.waves)} waves; "
            f"by: ssm at {names} makes it {found.waves}, {duration(found.span)}"
        )


def duration(span: Span) -> str:
    """Return a span in readable numbers: `about 25–60 min`, low rounded down, high up."""
    low, high = span.low / 60, span.high / 60
    if high <= 1:
        return "about a minute"
    if high > 120:
        hours = f"{math.ceil(high / 6) / 10:g} h"
        if low >= 60:
            return f"about {math.floor(low / 6) / 10:g}–{hours}"
        return f"about {5 * math.floor(low / 5)} min to {hours}"
    step = 5 if high > 20 else 1
    least, most = step * math.floor(low / step), step * math.ceil(high / step)
    return f"about {least}–{most} min" if least else f"up to {most} min"


# -- data ----------------------------------------------------------------------------


def data(outlook: Outlook) -> dict[str, Any]:
    """Return what `plan --output json` has besides the plan itself."""
    forecast = outlook.forecast
    return {
        "open_run": outlook.open_run,
        "estimate": {
            **_span(forecast.span),
            "longest": _longest(forecast.slowest),
            "note": "of real AWS, from tapgen's own table",
        },
        "cost": costs.difference_data(outlook.cost),
        "pace": [[_pace(step) for step in wave] for wave in forecast.waves],
        "by_name": _by_name(forecast),
        "warnings": list(forecast.warnings),
        "moves": [_move(move) for move in forecast.moves],
        "templates": [_fit(fit) for fit in forecast.fits],
        "limits": [_headroom(room) for room in outlook.limits],
        "drift": _drift(outlook.drift),
        "change_sets": change_sets.data(outlook.answers),
        "undescribed": undescribed.data(outlook.undescribed),
        "not_read": {
            "stacks": outlook.not_read,
            "quotas": [_demand(one) for one in outlook.left_out],
            "regions": [*outlook.unsearched],
        },
    }


def _demand(demand: Demand) -> dict[str, Any]:
    return {
        "quota": demand.quota.name,
        **_target(demand.target),
        "adds": demand.adds,
        "default": demand.quota.default,
    }


def _by_name(forecast: Forecast) -> dict[str, Any] | None:
    found = forecast.by_name
    if found is None:
        return None
    return {
        "parameters": list(found.parameters),
        "waves": found.waves,
        "estimate": _span(found.span),
    }


def _drift(drift: Drift) -> dict[str, Any]:
    return {
        "instances": drift.instances,
        "oldest_check": drift.oldest and drift.oldest.isoformat(),
        "unchecked": [{"part": part, **_target(t)} for part, t in drift.unchecked],
        "unread": [{"part": part, **_target(t)} for part, t in drift.unread],
        "found": [_drifted_data(one) for one in drift.found],
    }


def _drifted_data(one: Drifted) -> dict[str, Any]:
    difference = one.difference
    return {
        "part": one.part,
        "stack_set": one.stack_set,
        **_target(one.target),
        "logical_id": one.logical_id,
        "type": one.type,
        "deleted": difference is None,
        "property": difference.path if difference else None,
        "expected": difference.expected if difference else None,
        "actual": difference.actual if difference else None,
        "difference": difference.kind if difference else None,
        "plan": one.fate.name.lower(),
    }


def _mark(room: Headroom) -> str:
    if room.unknown:
        return "? unknown"
    return "✓" if room.fits else "✗ exceeded"


@printable
def limits(
    rooms: Sequence[Headroom], fits: Sequence[Fit], *, width: int | None = None
) -> str:
    """Return all headroom as a table, exceeded quotas first, and the templates. Of quotas
    that each stack set has for itself, the fullest. `width` is that of a terminal."""
    rows = [("quota", "where", "used", "adds", "limit", "")]
    each = [room for room in rooms if room.demand.stack_set]
    fullest_set = max(each, key=lambda room: room.total, default=None)
    for room in rooms:
        if room.fits and room.demand.stack_set and room is not fullest_set:
            continue
        quota = room.demand.quota
        rows.append(
            (
                quota.name,
                room.where,
                "?" if room.used is None else f"{room.used:,}",
                f"+{room.demand.adds:,}",
                f"{room.limit:,}{'' if room.read else '*'}",
                _mark(room),
            )
        )
    lines = columns(rows, width, headings=2)
    if not all(room.read for room in rooms):
        lines.append("* AWS default: the account's quota could not be read")
    fullest = [max(fit.measures, key=lambda m: m.percent) for fit in fits]
    lines += ["", "templates, by their tightest limit"]
    lines += [f"  {escape(f.part)}: {m}" for f, m in zip(fits, fullest, strict=True)]
    return "\n".join(lines)


def limits_data(rooms: Sequence[Headroom], fits: Sequence[Fit]) -> dict[str, Any]:
    """Return what `limits --output json` has."""
    return {
        "fits": all(room.fits for room in rooms),
        "limits": [_headroom(room) for room in rooms],
        "templates": [_fit(fit) for fit in fits],
    }


def _headroom(room: Headroom) -> dict[str, Any]:
    demand = room.demand
    return {
        "quota": demand.quota.name,
        "service": demand.quota.service,
        "code": demand.quota.code,
        "account": demand.target.account,
        "region": demand.target.region if demand.quota.regional else None,
        "stack_set": demand.stack_set or None,
        "used": room.used,
        "adds": demand.adds,
        "limit": room.limit,
        "limit_read": room.read,
        "fits": room.fits,
    }


def _span(span: Span) -> dict[str, int]:
    return {"low_seconds": round(span.low), "high_seconds": round(span.high)}


def _longest(slowest: tuple[int, Slowest] | None) -> dict[str, Any] | None:
    if slowest is None:
        return None
    wave, what = slowest
    return {
        "wave": wave,
        "part": what.part,
        "logical_id": what.logical_id,
        "type": what.type,
        **_span(what.span),
    }


def _pace(step: StepForecast) -> dict[str, Any]:
    return {
        "stack_set": step.step.stack_set,
        "part": step.step.part,
        "action": str(step.step.action),
        **_span(step.span),
        "at_once": step.at_once,
        "region_concurrency": "SEQUENTIAL" if step.sequential else "PARALLEL",
        "stops": step.stops,
        "regions": [
            {
                "region": region,
                "accounts": pace.accounts,
                "concurrency": pace.at_once,
                "max_concurrent": pace.requested,
                "failure_tolerance": pace.tolerance,
                "worst_case_failures": pace.worst,
            }
            for region, pace in step.paces.items()
        ],
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "part": move.part,
        "stack_set": move.stack_set,
        "from": [_target(t) for t in move.left],
        "to": [_target(t) for t in move.entered],
        "data_stays": list(move.retained),
        "data_deleted": list(move.deleted),
        "away": move.away,
    }


def _fit(fit: Fit) -> dict[str, Any]:
    return {
        "part": fit.part,
        "stack_set": fit.stack_set,
        "through_bucket": fit.by_url,
        **{m.name: {"used": m.used, "limit": m.limit} for m in fit.measures},
    }


def _target(target: Target) -> dict[str, str]:
    return {"account": target.account, "region": target.region}
