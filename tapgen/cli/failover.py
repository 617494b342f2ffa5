"""`tapgen failover` and `tapgen failback`: move the writer and the traffic of a system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE
from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    output_option,
    print_json,
    say,
    system_options,
    without_option,
)
from tapgen.cli.confirmation import confirm, require_account, require_typed
from tapgen.cli.open_run import require_unopened, to_act
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.cli.running import exit_code, next_lines, run_acts

if TYPE_CHECKING:  # slow to import
    from tapgen.operate.databases import Moving

_CODES = """\b
Exit codes: 0 done, 1 failed and nothing was changed, 3 partial: continue with tapgen
resume, or go back with tapgen resume --back, 64 wrong usage, 130 interrupted.
"""
_FAILOVER = f"""\b
Examples:
  tapgen failover payments_dr --local --dry-run
  tapgen failover payments_dr --local
  tapgen failover payments_dr --lose-data --without-region us-east-1

Without --lose-data it is a planned switchover: no data is lost, and both regions must
answer. With it, the region that stays takes over by calls to that region only; what was
not copied is lost, and you type that you accept it.

{_CODES}"""
_FAILBACK = f"""\b
Examples:
  tapgen failback payments_dr --local --dry-run
  tapgen failback payments_dr --local

{_CODES}"""

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show every check and call, and change nothing."
)
in_account_option = click.option(
    "--in-account",
    metavar="ID",
    default="",
    help="Account to act in, where the system is in several.",
)
yes_option = click.option(
    "-y", "--yes", is_flag=True, help="Do not ask for confirmation."
)


@click.command("failover", epilog=_FAILOVER)
@system_options
@aws_options
@output_option
@click.option(
    "--to",
    metavar="ROLE",
    default="",
    help="Region role or region to move to [the last region role].",
)
@click.option(
    "--lose-data",
    is_flag=True,
    help="Take over without the other region, and lose what was not copied.",
)
@click.option(
    "--confirm",
    "typed",
    metavar="TEXT",
    help="What is lost, in the words that --dry-run shows; --yes is not enough.",
)
@yes_option
@dry_run_option
@in_account_option
@assume_role_option
@without_option
def failover_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    to: str,
    lose_data: bool,
    typed: str | None,
    yes: bool,
    dry_run: bool,
    in_account: str,
    assume_role: str | None,
    without: tuple[str, ...],
    **aws_choice: Any,
) -> int:
    """Move the database that writes, and the traffic, of SYSTEM to its other region."""
    from tapgen.operate import databases

    if typed and not lose_data:
        raise click.UsageError(
            "--confirm is for what loses data; a planned switchover loses none: leave it "
            "out, or give --lose-data"
        )
    reached = _reach(
        system, environment, folder, assume_role, without, yes or dry_run, aws_choice
    )
    moving = databases.failover(
        reached.system,
        reached.sets.aws,
        to=to,
        lose_data=lose_data,
        account=in_account,
    )

    def question() -> None:
        if moving.loses:
            require_typed(typed, moving.loses)
        else:
            confirm(yes, "Fail over?")

    return _carry_out(reached, moving, question, as_json=output == "json", dry=dry_run)


@click.command("failback", epilog=_FAILBACK)
@system_options
@aws_options
@output_option
@yes_option
@dry_run_option
@in_account_option
@assume_role_option
@without_option
def failback_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    yes: bool,
    dry_run: bool,
    in_account: str,
    assume_role: str | None,
    without: tuple[str, ...],
    **aws_choice: Any,
) -> int:
    """Move the database that writes, and the traffic, of SYSTEM back to its first region.

    No data is lost; both regions must answer.
    """
    from tapgen.operate import databases

    reached = _reach(
        system, environment, folder, assume_role, without, yes or dry_run, aws_choice
    )
    moving = databases.failback(reached.system, reached.sets.aws, account=in_account)
    return _carry_out(
        reached,
        moving,
        lambda: confirm(yes, "Fail back?"),
        as_json=output == "json",
        dry=dry_run,
    )


def _reach(
    system: str | None,
    environment: str | None,
    folder: Path,
    assume_role: str | None,
    without: tuple[str, ...],
    yes: bool,
    aws_choice: dict[str, Any],
) -> Reached:
    reached = reach_system(
        system,
        environment,
        folder,
        Timings(),
        aws_choice,
        leaving=True,
        without=without,
    )
    require_account(reached, yes, aws_choice["account"])
    if assume_role:
        sets = replace(reached.sets, aws=reached.aws.assuming(assume_role))
        reached = replace(reached, sets=sets)
    return reached


def _carry_out(
    reached: Reached,
    moving: Moving,
    question: Callable[[], None],
    *,
    as_json: bool,
    dry: bool,
) -> int:
    """Show a move, ask, run it, and report how it ended."""
    from tapgen.cli.progress import console
    from tapgen.operate import databases, programs
    from tapgen.report import acts
    from tapgen.report import data as report
    from tapgen.report import text

    steps = programs.steps(moving.moves, databases.unread)
    known = _data(reached, moving)
    show = say if as_json else click.echo
    for line in _lines(reached, moving):
        show(line)
    if dry:
        for line in acts.lines(steps):
            show(line)
        if as_json:
            print_json({**known, "steps": acts.data(steps), "outcome": None})
        return DONE
    require_unopened(reached, to_act(reached), moving.command)
    question()
    ended = run_acts(reached, steps, moving.command)
    if isinstance(ended, int):
        return ended
    if ended.green:
        done = f"[green]✓ done:[/] {moving.to.region} ({moving.to.role}) writes"
        console(stderr=as_json).print(done)
        say(f"to see what a rollout takes into account now: {_line('plan', reached)}")
    else:
        lines = next_lines(reached, ended, moving.command)
        console(stderr=as_json).print(text.outcome(ended, **lines))
    if as_json:
        print_json({**known, "outcome": report.outcome(ended)})
    return exit_code(ended)


def _line(command: str, reached: Reached) -> str:
    return command_line(command, reached)


def _lines(reached: Reached, moving: Moving) -> list[str]:
    found, regions = moving.survey, reached.system.regions
    way = f"from {regions[moving.origin]} ({moving.origin}) " * (
        moving.origin != moving.to.role
    )
    lines = [
        f"{reached.system.prefix}: {moving.command} {way}to {moving.to.region} "
        f"({moving.to.role}), account {moving.to.target.account}",
        f"  {found.writer} writes now",
        f"  replication lag in {moving.to.region}: {found.lag}",
    ]
    lines += [f"  {r} does not answer: {why}" for r, why in found.away.items()]
    if moving.loses:
        about = (
            "nobody knows how many"
            if found.lag.value is None
            else f"about those of the last {found.lag.value:.0f} ms"
        )
        lines.append(
            f"  writes of the database that were not copied are lost: {about}; to accept "
            f"that: --confirm '{moving.loses}'"
        )
    elif found.lag.value is None:
        lines.append(
            "  a planned move loses nothing, and takes as long as the copy needs to catch up"
        )
    return lines


def _data(reached: Reached, moving: Moving) -> dict[str, Any]:
    found = moving.survey
    return {
        "system": reached.system.name,
        "suffix": reached.system.suffix,
        "command": moving.command,
        "account": moving.to.target.account,
        "from": {
            "role": moving.origin,
            "region": reached.system.regions[moving.origin],
        },
        "to": {"role": moving.to.role, "region": moving.to.region},
        "writer": found.writer,
        "away": dict(found.away),
        "lag_ms": found.lag.value,
        "lag_at": found.lag.at.isoformat() if found.lag.at else None,
        "loses": moving.loses,
    }
