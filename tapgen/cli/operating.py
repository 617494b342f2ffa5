"""Shared parts of the commands that carry out procedures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE
from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    options,
    output_option,
    print_json,
    progress_option,
    say,
    system_options,
    without_option,
)
from tapgen.cli.confirmation import require_account
from tapgen.cli.open_run import require_unopened, to_act, what_is_open
from tapgen.cli.reach import Reached, reach_system
from tapgen.cli.running import exit_code, next_lines, run_acts
from tapgen.errors import RolloutError, TapgenError
from tapgen.frozen import dataclass

if TYPE_CHECKING:  # slow to import
    from tapgen.model.procedures import Act
    from tapgen.rollout.program import Program, Step

CODES = """\b
Exit codes: 0 done, 1 failed and nothing was changed, 3 partial: continue with tapgen
resume, or go back with tapgen resume --back, 64 wrong usage, 130 interrupted.
"""

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
class Chosen:
    """What the options say that all these commands have; `aws` is for `reach_system`."""

    system: str | None
    environment: str | None
    folder: Path
    output: str
    dry_run: bool
    in_account: str
    assume_role: str | None
    without: tuple[str, ...]
    aws: Mapping[str, Any]

    @property
    def as_json(self) -> bool:
        return self.output == "json"


_AWS = ("local", "profile", "region", "account")
_COMMON = (
    *("system", "environment", "folder", "output"),
    *("dry_run", "in_account", "assume_role"),
)


def _operating(
    *decorators: Callable[[Any], Any],
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return a decorator that adds options; the command gets them as `Chosen`."""

    def add(command: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(command)
        def chosen(**given: Any) -> int:
            aws = {name: given.pop(name) for name in _AWS}
            common = {name: given.pop(name) for name in _COMMON}
            without = given.pop("without", ())
            return command(Chosen(**common, without=without, aws=aws), **given)

        return options(*decorators)(chosen)

    return add


_OPTIONS = (
    system_options,
    aws_options,
    output_option,
    progress_option,
    click.option(
        "--dry-run",
        is_flag=True,
        help="Show every check and call, and change nothing.",
    ),
    in_account_option,
    assume_role_option,
)
drill_options = _operating(*_OPTIONS)
operating_options = _operating(*_OPTIONS, without_option)
"""The options that all these commands have; a drill needs every region."""


@dataclass(frozen=True)
class Planned:
    """What a command is about to do: its steps, lines and data that say so, what is then
    done, and what to do next. `otherwise` tells of a run that is not done. Without a
    `program`, the steps are run as a procedure; `facts` go into the journal. `returned` says
    what is so again where the run has taken itself back. `permissions` are the IAM actions
    that it takes, for a dry run."""

    command: str
    steps: tuple[Step, ...]
    lines: tuple[str, ...]
    known: Mapping[str, Any]
    done: str
    next: str
    program: Program | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    returned: str = ""
    permissions: tuple[str, ...] = ()
    otherwise: Act | None = None


def reach_to_operate(chosen: Chosen, unattended: bool) -> Reached:
    """Build a system and connect to AWS with the role that is to make the calls."""
    reached = reach_system(
        chosen.system,
        chosen.environment,
        chosen.folder,
        Timings(),
        chosen.aws,
        leaving=True,
        without=chosen.without,
    )
    unattended = unattended or chosen.dry_run
    require_account(reached, unattended, chosen.aws["account"])
    if chosen.assume_role:
        sets = replace(reached.sets, aws=reached.aws.assuming(chosen.assume_role))
        reached = replace(reached, sets=sets)
    return reached


@contextmanager
def naming_open_run(reached: Reached) -> Iterator[None]:
    """Where nothing can be planned, also name the open run: it may be why. With `--output
    json`, the reason is printed as JSON, too."""
    try:
        yield
    except TapgenError as error:
        lines = _open_run(reached) if isinstance(error, RolloutError) else []
        text = "\n  ".join([str(error), *lines])
        if click.get_current_context().params.get("output") == "json":
            print_json({"error": text, "outcome": None})
        if not isinstance(error, RolloutError):
            raise
        raise RolloutError(text) from error


def _open_run(reached: Reached) -> list[str]:
    """The open run, in lines; none where journals cannot be read."""
    from tapgen.rollout import places

    try:
        near = places.nearest(reached.sets, reached.system.prefix)
    except TapgenError:
        return []
    return what_is_open(reached, near)[1]


def carry_out(
    reached: Reached, chosen: Chosen, planned: Planned, question: Callable[[], None]
) -> int:
    """Show what is planned, ask, run it, and report how it ended; return the exit code."""
    from tapgen.cli.progress import console
    from tapgen.report import data as report
    from tapgen.report import text

    as_json = chosen.as_json
    show = say if as_json else click.echo
    for line in planned.lines:
        show(line)
    if chosen.dry_run:
        return _dry_run(planned, show, as_json)
    require_unopened(reached, to_act(reached), planned.command)
    question()
    what = planned.program or planned.steps
    ended = run_acts(
        reached,
        what,
        planned.command,
        facts=planned.facts,
        otherwise=planned.otherwise,
    )
    if isinstance(ended, int):
        return ended
    if ended.green:
        console(stderr=as_json).print(f"[green]✓ done:[/] {planned.done}")
        say(planned.next)
    else:
        lines = next_lines(reached, ended, planned.command)
        console(stderr=as_json).print(text.outcome(ended, **lines))
        if planned.returned and ended.back and not ended.open and not ended.left:
            say(planned.returned if ended.undone else "nothing was changed")
    if as_json:
        print_json({**planned.known, "outcome": report.outcome(ended)})
    return exit_code(ended)


def _dry_run(planned: Planned, show: Callable[[str], None], as_json: bool) -> int:
    """Show every check and call, and what it takes to make them."""
    from tapgen.report import acts

    for line in acts.lines(planned.steps):
        show(line)
    if planned.otherwise:
        show(f"where it is taken back or given up: {planned.otherwise}")
    needs = planned.permissions
    if needs:
        show(f"permissions: {', '.join(needs)}")
    if as_json:
        more = {"permissions": needs} if needs else {}
        steps = acts.data(planned.steps)
        print_json({**planned.known, "steps": steps, **more, "outcome": None})
    return DONE
