"""Shared parts of the commands that carry out procedures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE
from tapgen.cli.common import Timings, print_json, say
from tapgen.cli.confirmation import require_account
from tapgen.cli.open_run import require_unopened, to_act, what_is_open
from tapgen.cli.reach import Reached, reach_system
from tapgen.cli.running import exit_code, next_lines, run_acts
from tapgen.errors import RolloutError, TapgenError
from tapgen.frozen import dataclass

if TYPE_CHECKING:  # slow to import
    from tapgen.rollout.program import Step

CODES = """\b
Exit codes: 0 done, 1 failed and nothing was changed, 3 partial: continue with tapgen
resume, or go back with tapgen resume --back, 64 wrong usage, 130 interrupted.
"""

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show every check and call, and change nothing."
)
in_account_option = click.option(
    "--in-account",
    metavar="ID",
    default="",
    help="Account to act in, where the system is in several.",
)
confirm_option = click.option(
    "--confirm",
    "typed",
    metavar="TEXT",
    help="What is lost, in the words that --dry-run shows; --yes is not enough.",
)
yes_option = click.option(
    "-y", "--yes", is_flag=True, help="Do not ask for confirmation."
)


@dataclass(frozen=True)
class Planned:
    """What a command is about to do: its steps, lines and data that say so, what is then
    done, and what to do next."""

    command: str
    steps: tuple[Step, ...]
    lines: tuple[str, ...]
    known: Mapping[str, Any]
    done: str
    next: str


def reach_to_operate(
    system: str | None,
    environment: str | None,
    folder: Path,
    assume_role: str | None,
    without: tuple[str, ...],
    unattended: bool,
    aws_choice: Mapping[str, Any],
) -> Reached:
    """Build a system and connect to AWS with the role that is to make the calls."""
    reached = reach_system(
        system,
        environment,
        folder,
        Timings(),
        aws_choice,
        leaving=True,
        without=without,
    )
    require_account(reached, unattended, aws_choice["account"])
    if assume_role:
        sets = replace(reached.sets, aws=reached.aws.assuming(assume_role))
        reached = replace(reached, sets=sets)
    return reached


@contextmanager
def naming_open_run(reached: Reached) -> Iterator[None]:
    """Where nothing can be planned, also name the open run: it may be why."""
    from tapgen.rollout import places

    try:
        yield
    except RolloutError as error:
        try:
            near = places.nearest(reached.sets, reached.system.prefix)
        except TapgenError:
            raise error from None
        _, lines = what_is_open(reached, near)
        raise RolloutError("\n  ".join([str(error), *lines])) from error


def carry_out(
    reached: Reached,
    planned: Planned,
    question: Callable[[], None],
    *,
    as_json: bool,
    dry: bool,
) -> int:
    """Show what is planned, ask, run it, and report how it ended; return the exit code."""
    from tapgen.cli.progress import console
    from tapgen.report import acts
    from tapgen.report import data as report
    from tapgen.report import text

    show = say if as_json else click.echo
    for line in planned.lines:
        show(line)
    if dry:
        for line in acts.lines(planned.steps):
            show(line)
        if as_json:
            steps = acts.data(planned.steps)
            print_json({**planned.known, "steps": steps, "outcome": None})
        return DONE
    require_unopened(reached, to_act(reached), planned.command)
    question()
    ended = run_acts(reached, planned.steps, planned.command)
    if isinstance(ended, int):
        return ended
    if ended.green:
        console(stderr=as_json).print(f"[green]✓ done:[/] {planned.done}")
        say(planned.next)
    else:
        lines = next_lines(reached, ended, planned.command)
        console(stderr=as_json).print(text.outcome(ended, **lines))
    if as_json:
        print_json({**planned.known, "outcome": report.outcome(ended)})
    return exit_code(ended)
