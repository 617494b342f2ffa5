"""A run as it is now, as text and as JSON data: failures first, then a matrix of accounts
and regions where it fits, and targets in groups where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.markup import escape, render

from tapgen.model import Target
from tapgen.plan.durations import Span
from tapgen.report import history
from tapgen.report.control import printable
from tapgen.report.counting import counted
from tapgen.report.outlook import duration
from tapgen.report.targets import target_list
from tapgen.report.text import MARKS
from tapgen.rollout.watching import Cell, Life, Stage, Status, View, life_words

MOST_ROWS = 24
"""How many rows a matrix has at most: with more, targets are grouped."""

_MARKS = {**MARKS, "UNREAD": "[red]? no answer[/]"}
_ORDER = (
    Status.FAILED,
    Status.UNREAD,
    Status.RUNNING,
    Status.CANCELLED,
    Status.PENDING,
    Status.SUCCEEDED,
)
_LIVES = {Life.GOES_ON: "cyan", Life.ENDED: "bold"}


@printable
def text(
    view: View, *, width: int = 80, rows: int = MOST_ROWS, ways: Iterable[str] = ()
) -> str:
    """Return a run at one moment in lines of at most `width` characters where names allow
    it; `ways` are lines with how to go on."""
    one = view.run
    style = _LIVES.get(view.life, "yellow")
    lines = [
        f"[bold]run {one.run}[/] of tapgen {escape(one.command)}",
        f"by {escape(one.who)} on {escape(one.host)}",
        f"[{style}]{escape(life_words(view))}[/]",
        escape(view.progress),
        _time(view),
    ]
    lines += _failures(view)
    matrix = _matrix(view, width, rows)
    lines += matrix if matrix is not None else _groups(view)
    lines += _others(view)
    lines += [f"[yellow]not read:[/] {escape(line)}" for line in view.unread]
    return "\n".join([*lines, *map(escape, ways)])


def _time(view: View) -> str:
    took = history.lasting(view.seconds)
    if view.life is Life.ENDED:
        return f"it took {took}"
    if view.expected is None:
        return f"{took} so far; nothing says how long it should take"
    source = (
        f"{counted(view.earlier, 'earlier run')}" if view.earlier else "the estimate"
    )
    return f"{took} so far, of {_span(view.expected)} (by {source})"


def _span(seconds: tuple[float, float]) -> str:
    low, high = seconds
    if high < 60 or high - low < 30:
        return f"about {history.lasting(high)}"
    return duration(Span(low, high))


def _failures(view: View) -> Iterator[str]:
    """What has failed, the same reason once."""
    found: dict[tuple[str, str], list[Target]] = {}
    for _, cell in view.cells:
        if cell.status is Status.FAILED:
            found.setdefault((cell.stack_set, cell.reason), []).append(cell.target)
    for (name, reason), targets in found.items():
        yield f"[red]✗ failed:[/] {escape(name)} in {target_list(targets)}"
        if reason:
            yield f"    {escape(reason)}"
    for stage in view.stages:
        if stage.reason:
            yield f"[red]✗ failed:[/] {escape(stage.reason)}"


Row = tuple[int, str, str]
"""Wave, part and account."""


def _matrix(view: View, width: int, rows: int) -> list[str] | None:
    """A row for each wave, stack set and account, a column for each region; None where it
    has more rows, or is wider."""
    regions = list(dict.fromkeys(c.target.region for _, c in view.cells))
    table: dict[Row, dict[str, str]] = {}
    for stage, cell in view.cells:
        name = cell.stack_set.removeprefix(f"{view.prefix}-")
        row = stage.wave, name, cell.target.account
        table.setdefault(row, {})[cell.target.region] = _mark(stage, cell, view)
        if len(table) > rows:
            return None
    if not table:
        return []
    head = ["wave", "part", "account", *regions]
    body = [
        [str(wave), escape(name), account, *(cells.get(r, "") for r in regions)]
        for (wave, name, account), cells in table.items()
    ]
    widths = [max(map(_width, column)) for column in zip(head, *body, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > width:
        return None
    lines = [
        "  ".join(_padded(c, w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in (head, *body)
    ]
    return [f"[bold]{lines[0]}[/]", *lines[1:]]


def _width(markup: str) -> int:
    return cell_len(render(markup).plain)


def _padded(markup: str, width: int) -> str:
    return markup + " " * (width - _width(markup))


def _mark(stage: Stage, cell: Cell, view: View) -> str:
    """The status of a target, with what its stack works on."""
    mark = _MARKS[cell.status]
    if cell.status is not Status.RUNNING or not cell.resource:
        return mark
    return f"{mark} {escape(cell.resource.partition(' (')[0])}"


def _groups(view: View) -> Iterator[str]:
    """Targets of a stack set with the same status together, failures first. What waits or
    is done is counted only."""
    found: dict[tuple[Status, int, str], list[Cell]] = {}
    for stage, cell in view.cells:
        name = cell.stack_set.removeprefix(f"{view.prefix}-")
        key = cell.status, stage.wave, name
        found.setdefault(key, []).append(cell)
    order = sorted(found, key=lambda k: (_ORDER.index(k[0]), k[1]))
    for status, wave, name in order:
        cells = found[status, wave, name]
        number = counted(len(cells), "target")
        yield f"{_MARKS[status]}  {escape(name)} (wave {wave}): {number}"
        if status not in (Status.PENDING, Status.SUCCEEDED):
            yield f"    {target_list([c.target for c in cells])}"
        yield from _works(cells)


def _works(cells: Iterable[Cell]) -> Iterator[str]:
    """What the stacks of a group work on, the same resource once."""
    found: dict[str, list[Target]] = {}
    for cell in cells:
        if cell.resource:
            found.setdefault(cell.resource, []).append(cell.target)
    for resource, targets in found.items():
        yield f"    [cyan]…[/] {escape(resource)} in {target_list(targets)}"


def _others(view: View) -> Iterator[str]:
    """Steps without targets: gates, acts of procedures, uploads; and how long the steps
    that are under way take."""
    seen = " when last seen" if view.life in (Life.DEAD, Life.PAUSED) else ""
    for stage in view.stages:
        running = stage.status is Status.RUNNING
        name = stage.stack_set.removeprefix(f"{view.prefix}-")
        took = f"{history.lasting(stage.seconds)}" if stage.seconds is not None else ""
        of = f" of {_span(stage.expected)}" if stage.expected and running else ""
        if stage.cells:
            if running and took:
                yield f"{escape(name)}: {escape(stage.kind)}, {took}{of}{seen}"
        elif stage.words and not stage.reason:
            mark = "[yellow]… waits[/]" if stage.waits else _MARKS[stage.status]
            words = f" ({took}{of}{seen if running else ''})" if took else ""
            yield f"{mark}  {escape(stage.words)}{words}"


def data(view: View, now: datetime | None = None) -> dict[str, Any]:
    """Return a run at one moment as JSON data; times are in seconds."""
    return {
        "run": history.data(view.run),
        "life": str(view.life),
        "progress": view.progress,
        "seconds": round(view.seconds, 1),
        "expected": _bounds(view.expected),
        "earlier_runs": view.earlier,
        "silent_seconds": round(view.silent, 1),
        "steps": [
            {
                "id": stage.id,
                "wave": stage.wave,
                "kind": stage.kind,
                "words": stage.words,
                "status": str(stage.status),
                "waits_for_approval": stage.waits,
                "stack_set": stage.stack_set or None,
                "reason": stage.reason or None,
                "seconds": stage.seconds,
                "expected": _bounds(stage.expected),
                "targets": [_cell(cell) for cell in stage.cells],
            }
            for stage in view.stages
        ],
        "unread": list(view.unread),
    }


def _bounds(seconds: Sequence[float] | None) -> dict[str, float] | None:
    return {"low": seconds[0], "high": seconds[1]} if seconds else None


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "account": cell.target.account,
        "region": cell.target.region,
        "status": str(cell.status),
        "reason": cell.reason or None,
        "resource": cell.resource or None,
        "resource_since": cell.since or None,
    }
