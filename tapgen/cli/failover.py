"""`tapgen failover` and `tapgen failback`: move the writer and the traffic of a system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import suggest
from tapgen.cli.confirmation import confirm, require_typed
from tapgen.cli.operating import (
    CODES,
    Chosen,
    Planned,
    carry_out,
    confirm_option,
    naming_open_run,
    operating_options,
    reach_to_operate,
    yes_option,
)
from tapgen.cli.reach import Reached, command_line
from tapgen.cli.running import user

if TYPE_CHECKING:  # slow to import
    from tapgen.operate.databases import Moving

_FAILOVER = f"""\b
Examples:
  tapgen failover payments_dr --local --dry-run
  tapgen failover payments_dr --local
  tapgen failover payments_dr --lose-data --without-region us-east-1

Without --lose-data it is a planned switchover: no data is lost, and both regions must
answer. With it, the region that stays takes over by calls to that region only; what was
not copied is lost, and you type that you accept it.

{CODES}"""
_FAILBACK = f"""\b
Examples:
  tapgen failback payments_dr --local --dry-run
  tapgen failback payments_dr --local

{CODES}"""


@click.command("failover", epilog=_FAILOVER)
@operating_options
@click.option(
    "--to",
    metavar="ROLE",
    default="",
    shell_complete=suggest.roles,
    help="Region role or region to move to [the last region role].",
)
@click.option(
    "--lose-data",
    is_flag=True,
    help="Take over without the other region, and lose what was not copied.",
)
@confirm_option
@yes_option
def failover_command(
    chosen: Chosen, to: str, lose_data: bool, typed: str | None, yes: bool
) -> int:
    """Move the database that writes, and the traffic, of SYSTEM to its other region."""
    from tapgen.operate import databases

    if typed and not lose_data:
        raise click.UsageError(
            "--confirm is for what loses data; a planned switchover loses none: leave it "
            "out, or give --lose-data"
        )
    reached = reach_to_operate(chosen, yes)
    with naming_open_run(reached):
        moving = databases.failover(
            reached.system,
            reached.sets.aws,
            to=to,
            lose_data=lose_data,
            account=chosen.in_account,
        )

    def question() -> None:
        if moving.loses:
            require_typed(typed, moving.loses)
        else:
            confirm(yes, "Fail over?")

    return carry_out(reached, chosen, _planned(reached, moving), question)


@click.command("failback", epilog=_FAILBACK)
@operating_options
@yes_option
def failback_command(chosen: Chosen, yes: bool) -> int:
    """Move the database that writes, and the traffic, of SYSTEM back to its first region.

    No data is lost; both regions must answer.
    """
    from tapgen.operate import databases

    reached = reach_to_operate(chosen, yes)
    with naming_open_run(reached):
        moving = databases.failback(
            reached.system, reached.sets.aws, account=chosen.in_account
        )
    return carry_out(
        reached,
        chosen,
        _planned(reached, moving),
        lambda: confirm(yes, "Fail back?"),
    )


def _planned(reached: Reached, moving: Moving) -> Planned:
    from tapgen.operate import databases, notifying, programs

    steps = programs.steps(moving.moves, databases.unread)
    ending = notifying.of_move(reached.system, moving, user())
    return Planned(
        moving.command,
        (*steps, *ending.last),
        tuple(_lines(reached, moving)),
        _data(reached, moving),
        f"{moving.to.region} ({moving.to.role}) writes",
        "to see what a rollout takes into account now: "
        + command_line("plan", reached),
        otherwise=ending.otherwise,
    )


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
