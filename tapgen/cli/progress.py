"""Progress of a run, in the form that `--progress` chooses: a live table on a terminal,
else lines; errors only; JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.live import Live
from rich.markup import escape, render
from rich.table import Table
from rich.text import Text

from tapgen.cli.common import PROGRESS
from tapgen.model import Target
from tapgen.report.control import visible
from tapgen.report.counting import counted
from tapgen.report.text import MARKS
from tapgen.report.wrapping import folds, hanging
from tapgen.rollout import Event

Place = tuple[str, Target]
"""The name of a stack set, and a target of it."""

_IN_TABLE = ("start", "target", "done")
"""Kinds of events that a live table shows without a line of their own."""

_MOST_ROWS = 40
"""How many rows a live table has at most: of more, targets are counted, as they are where
a row is wider than the terminal."""

_ACCOUNT, _LONGEST_MARK = 12, 11
"""Characters of an account's number, and of the longest mark in a table."""

_FIRST = ("FAILED", "RUNNING", "CANCELLED", "PENDING", "SUCCEEDED")
"""The order in which targets are counted, by status."""

_ALARMING = ("failed", "warning", "conflict", "waiting", "stopping", "restoring")
"""Kinds of events that are shown also where only errors are wanted."""


def console(*, stderr: bool = False) -> VisibleConsole:
    """Return a console for results or, with `stderr`, for progress.

    It honours NO_COLOR and FORCE_COLOR, and wraps lines only in a terminal.
    """
    stream = sys.stderr if stderr else sys.stdout
    wraps = stream.isatty()
    return VisibleConsole(wraps, stderr=stderr, width=None if wraps else 10_000)


class VisibleConsole(Console):
    """A console that prints control characters as escapes and, if it `wraps`, breaks lines
    of text between words where they are longer than it is wide."""

    def __init__(self, wraps: bool, **options: Any) -> None:
        super().__init__(highlight=False, soft_wrap=True, emoji=False, **options)
        self._wraps = wraps

    @property
    def size(self) -> ConsoleDimensions:
        # Rich takes a dumb terminal, as in Emacs, for 80 columns wide.
        if self.is_dumb_terminal and not self._width:
            width, height = shutil.get_terminal_size()
            return ConsoleDimensions(width, height)
        return super().size

    @size.setter
    def size(self, new: tuple[int, int]) -> None:
        self._width, self._height = new

    def print(self, *objects: Any, **options: Any) -> None:
        shown = (self._shown(one) if isinstance(one, str) else one for one in objects)
        super().print(*shown, **options)

    @property
    def wraps_at(self) -> int | None:
        """The width that lines are to fit, None where none is too long."""
        return self.width if self._wraps else None

    def _shown(self, text: str) -> str | Text:
        width = self.wraps_at
        if width is None:
            return visible(text)
        lines = self.render_str(visible(text)).split(allow_blank=True)
        return Text("\n").join(
            Text(" " * (hanging(line.plain, width) if start else 0)) + line[start:end]
            for line in lines
            for start, end in folds(line.plain, width, cell_len)
        )


@contextmanager
def progress(places: Iterable[Place]) -> Iterator[Screen]:
    """Show a screen that takes the events of a rollout at these places."""
    out = console(stderr=True)
    if form(out) == "bar":
        screen: Screen = LiveTable(out, places)
        with Live(get_renderable=screen.table, console=out, refresh_per_second=8):
            yield screen
    else:
        yield plain(out)


def form(out: Console) -> str:
    """Return the form of progress that was chosen; a table needs a terminal."""
    context = click.get_current_context(silent=True)
    chosen = context.meta.get(PROGRESS) if context else None
    if chosen in (None, "bar"):
        live = out.is_terminal and not out.is_dumb_terminal
        live = live and bool(chosen or not os.environ.get("CI"))
        return "bar" if live else "lines"
    return str(chosen)


def plain(out: Console) -> Screen:
    """Return the screen of every form but the table."""
    return {"errors-only": Errors, "json": Objects}.get(form(out), Screen)(out)


@contextmanager
def change_set_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many of `total` change sets are read.

    On a terminal one line shows the number; elsewhere a line is printed at the start.
    """
    out = console(stderr=True)
    text = f"creating change sets for {counted(total, 'stack instance')}"
    if not out.is_terminal:
        out.print(f"{text} …")
    with out.status(f"{text} …") as status:
        yield lambda done: status.update(f"{text}: {done} done …")


class Screen:
    """Plain lines, one for each event."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self.started = time.monotonic()

    def __call__(self, event: Event) -> None:
        self.line(event)

    def line(self, event: Event) -> None:
        seconds = f"[dim]{time.monotonic() - self.started:7.1f} s[/]"
        if event.kind == "wave":
            self._print(f"{seconds} [bold]{escape(event.message)}[/]")
            return
        if event.kind == "failed":
            self._print(f"{seconds}   {MARKS['FAILED']}  {escape(event.message)}")
            return
        if event.status == "FAILED":  # the line of "failed" reports it, with its cause
            return
        what = MARKS.get(event.status, escape(event.kind))
        place = f"{what} {event.stack_set} {event.target or ''}".rstrip()
        words = "  ".join(filter(None, (place, escape(event.message))))
        self._print(f"{seconds}   {words}")

    def _print(self, text: str) -> None:
        if self.out.is_terminal:
            self.out.print(text)
            return
        # Without styles and wrapping it is the same text, in a quarter of the time: a
        # rollout to a thousand targets prints two thousand lines.
        self.out.file.write(f"{render(visible(text), emoji=False).plain}\n")
        self.out.file.flush()

    def table(self) -> Table:
        return Table()


class Errors(Screen):
    """A line for what fails, and for what somebody has to do or know."""

    def line(self, event: Event) -> None:
        asks = event.kind == "gate" and event.status in ("WAITING", "FAILED")
        if event.kind in _ALARMING or asks:
            super().line(event)


class Objects(Screen):
    """A JSON object for each event, in a line of its own."""

    def line(self, event: Event) -> None:
        facts = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": round(time.monotonic() - self.started, 3),
            "kind": event.kind,
            "message": event.message,
            "stack_set": event.stack_set or None,
            "account": event.target.account if event.target else None,
            "region": event.target.region if event.target else None,
            "status": event.status or None,
        }
        self.out.file.write(f"{json.dumps(facts)}\n")
        self.out.file.flush()


class LiveTable(Screen):
    """A live table: a row for each stack set and account, a column for each region.

    Important events are also printed as lines above it.
    """

    def __init__(self, out: Console, places: Iterable[Place]) -> None:
        super().__init__(out)
        self.cells = dict.fromkeys(places, "PENDING")
        targets = sorted({target for _, target in self.cells})
        self.regions = list(dict.fromkeys(t.region for t in targets))
        longest = max((len(name) for name, _ in self.cells), default=0)
        marks = [max(len(region), _LONGEST_MARK) for region in self.regions]
        self._width = longest + sum(1 + width for width in (_ACCOUNT, *marks))

    def __call__(self, event: Event) -> None:
        if event.target and event.status:
            self.cells[event.stack_set, event.target] = event.status
        if event.kind == "skipped":
            for name, target in self.cells:
                if name == event.stack_set:
                    self.cells[name, target] = "SUCCEEDED"
        if event.kind not in _IN_TABLE:
            self.line(event)

    def table(self) -> Table:
        rows = dict.fromkeys((name, t.account) for name, t in self.cells)
        if len(rows) > _MOST_ROWS or self._width > self.out.width:
            return self._counts()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("stack set", "account", *self.regions):
            table.add_column(column)
        for name, account in rows:
            cells = [
                self.cells.get((name, Target(account, region)), "")
                for region in self.regions
            ]
            table.add_row(visible(name), account, *(MARKS.get(c, "") for c in cells))
        return table

    def _counts(self) -> Table:
        """A row for each stack set and status, with the number of targets; failures
        first."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("stack set", "status", "targets"):
            table.add_column(column, overflow="fold")
        numbers = Counter((status, name) for (name, _), status in self.cells.items())
        for status in _FIRST:
            for (of, name), number in numbers.items():
                if of == status:
                    table.add_row(visible(name), MARKS.get(of, ""), f"{number:,}")
        return table
