"""What a rollout shows while it runs: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from tapgen.model import Target
from tapgen.plan import Plan
from tapgen.report.text import MARKS
from tapgen.rollout import Event

_LOUD = (
    "upload",
    "wave",
    "failed",
    "waiting",
    "restoring",
    "restored",
    "stopping",
    "skipped",
)


def console(*, stderr: bool = False) -> Console:
    """A console for results (or, on standard error, for progress).

    Honours NO_COLOR and FORCE_COLOR; does not wrap what is piped into a file.
    """
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() else 10_000
    return Console(
        stderr=stderr, highlight=False, soft_wrap=True, width=wide, emoji=False
    )


@contextmanager
def progress(made: Plan) -> Iterator[Screen]:
    """A screen that `rollout.run` can tell its events to."""
    out = console(stderr=True)
    if out.is_terminal and not os.environ.get("CI"):
        screen: Screen = LiveTable(made, out)
        with Live(get_renderable=screen.table, console=out, refresh_per_second=8):
            yield screen
    else:
        yield Screen(made, out)


@contextmanager
def asking(total: int) -> Iterator[Callable[[int], None]]:
    """What takes how many of `total` change sets are read: a line that stays in place
    on a terminal, else one at the beginning."""
    out = console(stderr=True)
    text = f"asking AWS about {total} stack instance{'' if total == 1 else 's'}"
    if not out.is_terminal:
        out.print(f"{text} …")
    with out.status(f"{text} …") as status:
        yield lambda done: status.update(f"{text}: {done} answered …")


class Screen:
    """Plain lines, one for each thing that happens."""

    def __init__(self, made: Plan, out: Console) -> None:
        self.out = out
        self.started = time.monotonic()

    def __call__(self, event: Event) -> None:
        self.line(event)

    def line(self, event: Event) -> None:
        seconds = f"[dim]{time.monotonic() - self.started:7.1f} s[/]"
        if event.kind == "wave":
            self.out.print(f"{seconds} [bold]{escape(event.message)}[/]")
            return
        if event.kind == "failed":
            self.out.print(f"{seconds}   {MARKS['FAILED']}  {escape(event.message)}")
            return
        if event.status == "FAILED":  # told by the line above, with its cause
            return
        what = MARKS.get(event.status, escape(event.kind))
        where = f" {event.target}" if event.target else ""
        note = f"  {escape(event.message)}" if event.message else ""
        self.out.print(f"{seconds}   {what} {event.stack_set}{where}{note}")

    def table(self) -> Table:
        return Table()


class LiveTable(Screen):
    """A table that stays in place: a row for each stack set and account, a column for
    each region; what deserves a line is printed above it."""

    def __init__(self, made: Plan, out: Console) -> None:
        super().__init__(made, out)
        targets = sorted({t for step in made.steps for t in step.targets})
        self.regions = list(dict.fromkeys(t.region for t in targets))
        self.cells = {
            (step.stack_set, t): "PENDING" for step in made.steps for t in step.targets
        }

    def __call__(self, event: Event) -> None:
        if event.target and event.status:
            self.cells[event.stack_set, event.target] = event.status
        if event.kind == "skipped":
            for name, target in self.cells:
                if name == event.stack_set:
                    self.cells[name, target] = "SUCCEEDED"
        if event.kind in _LOUD:
            self.line(event)

    def table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("stack set", "account", *self.regions):
            table.add_column(column)
        rows = dict.fromkeys((name, t.account) for name, t in self.cells)
        for name, account in rows:
            cells = [
                self.cells.get((name, Target(account, region)), "")
                for region in self.regions
            ]
            table.add_row(name, account, *(MARKS.get(c, "") for c in cells))
        return table
