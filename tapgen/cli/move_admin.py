"""`tapgen move-admin`: administer a system from another region, without touching a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE, FAILED, INTERRUPTED, PARTIAL, suggest
from tapgen.cli.bootstrap import run_bootstrap
from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    output_option,
    print_json,
    progress_option,
    say,
    system_options,
    without_option,
)
from tapgen.cli.confirmation import confirm, require_account, require_terminal_or
from tapgen.cli.open_run import Away, administered, require_room
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.cli.running import run_move, wait_for_running

_EPILOG = """\b
Examples:
  tapgen move-admin payments_dr --to us-west-2 --local --dry-run
  tapgen move-admin payments_dr --to us-west-2 --local
  tapgen resume payments_dr --local

No resource is changed. Stacks run on while they belong to no stack set, for a moment each.
The present region has to answer: a stack belongs to one stack set at
most, and only the region of that stack set can let it go. So move before you need it.

Exit codes: 0 done, nothing to do, or shown by --dry-run, 1 failed, 3 partial, 130
interrupted.
"""

_ONLY_THERE = (
    "the administration cannot be moved now: a stack belongs to one stack set at most, and "
    'only {home} can let the stacks of {prefix} go (CloudFormation user guide, "Import '
    'stacks into CloudFormation StackSets")\n'
    "  what a region that answers has goes on; tapgen procedures that need no stack sets go "
    "on as well; a change that cannot wait is made at the stack itself in its region, with "
    "aws cloudformation update-stack, and the next rollout replaces it"
)


@click.command("move-admin", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@progress_option
@click.option(
    "--to",
    metavar="REGION",
    required=True,
    shell_complete=suggest.regions,
    help="The new administration region: one with a copy of the journal.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and end.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@assume_role_option
@without_option
def move_admin_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    to: str,
    dry_run: bool,
    yes: bool,
    assume_role: str | None,
    without: tuple[str, ...],
    **aws_choice: Any,
) -> int:
    """Administer SYSTEM from another region; its stacks run on as they are.

    Every stack set is created in the new region, lets its stacks go in the present one, and
    imports them. The journal and the lock move with them. Afterwards, set admin.region in
    the config: until then, every command is refused.
    """
    reached = reach_system(
        system,
        environment,
        folder,
        Timings(),
        aws_choice,
        leaving=True,
        without=without,
    )
    require_account(reached, yes or dry_run, aws_choice["account"])
    home, prefix = reached.system.admin.region, reached.system.prefix
    if to != home:
        _require_copy(reached, to)
    if not dry_run:
        require_terminal_or(yes)
    observed, refused = _look(reached, to)
    if to == home and observed:
        say(f"{prefix} is administered in {to} already; nothing to do")
        if output == "json":
            print_json(_data(home, to, observed, [], None))
        return DONE
    for line in _lines(home, to, observed, refused):
        say(line) if output == "json" else click.echo(line)
    if refused or dry_run or not observed:
        if output == "json":
            print_json(_data(home, to, observed, refused, None))
        return FAILED if refused or not observed else DONE
    confirm(yes, f"Move the administration of {prefix} to {to}?")
    moved = replace(reached, system=_elsewhere(reached, to))
    run_bootstrap(moved, assume_role)
    ended = run_move(reached, observed, to)
    if isinstance(ended, int):
        return ended
    if output == "json":
        print_json(_data(home, to, observed, refused, ended))
    return finish(reached, ended, to)


def _require_copy(reached: Reached, to: str) -> None:
    """Raise UsageError for a region that has no copy of the journal."""
    places = [target.region for target in reached.system.journal_copies]
    if to in places:
        return
    known = ", ".join(places)
    why = (
        f"give one with a copy of the journal: {known}"
        if known
        else "the system has no region with a copy of the journal; a system has copies in "
        "the regions of its other roles"
    )
    raise click.UsageError(f"--to {to}: {why}")


def _elsewhere(reached: Reached, to: str) -> Any:
    from tapgen.rollout import moving

    return moving.elsewhere(reached.system, to)


def _look(reached: Reached, to: str) -> tuple[dict[str, Any], list[str]]:
    """Return the deployed stack sets, and why they cannot be moved.

    Raises Away, with what AWS allows then, where the present region does not answer.
    """
    from tapgen.rollout import moving
    from tapgen.system import ownership

    home, prefix = reached.system.admin.region, reached.system.prefix
    try:
        with administered(reached, f"move-admin --to {to}", acts=True) as near:
            require_room(reached, near, "move-admin", None)
            wait_for_running(reached)
            observed = ownership.observe(reached.system, reached.sets)
    except Away as error:
        words = _ONLY_THERE.format(home=home, prefix=prefix)
        raise Away(f"{error}\n  {words}", error.known) from error
    there = {} if to == home else reached.sets.at(to).definitions(observed)
    return observed, moving.refusals(observed, there, to) if to != home else []


def _lines(
    home: str, to: str, observed: Mapping[str, Any], refused: list[str]
) -> list[str]:
    if not observed:
        return [
            f"no stack set of this system is in {home}, the admin.region of the config; to "
            "move, let the config have the region that administers the system now"
        ]
    lines = [
        f"administration: {home} becomes {to}; no resource is changed",
        f"made first, where it is missing: the administration role of {to}, an artifact "
        "bucket there, and execution roles that trust it",
    ]
    for name, found in observed.items():
        places = ", ".join(map(str, sorted(found.instances)))
        lines.append(f"  {name}: {places or 'no stacks'}")
    return lines + [f"refused: {line}" for line in refused]


def _data(
    home: str, to: str, observed: Mapping[str, Any], refused: list[str], ended: Any
) -> dict[str, Any]:
    from tapgen.report import data

    return {
        "from": home,
        "to": to,
        "stack_sets": [
            {
                "name": name,
                "stacks": {str(t): one.stack_id for t, one in found.instances.items()},
            }
            for name, found in observed.items()
        ],
        "refused": refused,
        "outcome": data.outcome(ended) if ended else None,
    }


def finish(reached: Reached, ended: Any, to: str) -> int:
    """Say how a move has ended, and what to do next; return the exit code."""
    if ended.green:
        say(moved_words(reached, to))
        return DONE
    for failure in ended.failures:
        say(f"error: {failure}")
    say(
        "stacks that were let go run on, and belong to no stack set until the move has "
        f"ended; continue it: {command_line('resume', reached)}"
    )
    if ended.interrupted:
        return INTERRUPTED
    return PARTIAL if ended.left else FAILED


def moved_words(reached: Reached, to: str) -> str:
    """Return what to do once the administration has moved."""
    path = reached.loaded.config.path if reached.built else "its config"
    return (
        f"{reached.system.prefix} is administered in {to} now; set admin.region: {to} in "
        f"{path}, then check: {command_line('plan', reached)}"
    )
