"""`tapgen promote`: make a read replica a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from tapgen.cli.confirmation import require_typed
from tapgen.cli.operating import (
    CODES,
    Chosen,
    Planned,
    carry_out,
    confirm_option,
    naming_open_run,
    operating_options,
    reach_to_operate,
)
from tapgen.cli.reach import Reached, command_line
from tapgen.cli.running import user
from tapgen.cli.settings_lines import lines as settings_lines

if TYPE_CHECKING:  # slow to import
    from tapgen.model import System
    from tapgen.operate.replicas import Promotion

_EPILOG = f"""\b
Examples:
  tapgen promote secure_network --local --dry-run
  tapgen promote secure_network --local --confirm 'promote sn-prod-db-dr for good'
  tapgen promote secure_network --lose-data --without-region us-east-1

First stop what writes to the source: writes during a promotion are lost. A promoted
replica never follows its source again.

{CODES}"""


@click.command("promote", epilog=_EPILOG)
@operating_options
@click.option(
    "--lose-data",
    is_flag=True,
    help="Promote without asking the source, and lose what was not received.",
)
@confirm_option
def promote_command(chosen: Chosen, lose_data: bool, typed: str | None) -> int:
    """Promote the read replica of SYSTEM, and lead the name of the database to it."""
    from tapgen.cli.migrate import standing
    from tapgen.operate import replicas
    from tapgen.rollout.journal import new_run

    reached = reach_to_operate(chosen, False)
    with naming_open_run(reached):
        found = replicas.promote(
            reached.system,
            reached.sets.aws,
            new_run(),
            lose_data=lose_data,
            account=chosen.in_account,
            standing=lambda: standing(reached, chosen.in_account),
        )
    return carry_out(
        reached,
        chosen,
        _planned(reached, found, lose_data),
        lambda: require_typed(typed, found.loses),
    )


def _planned(reached: Reached, found: Promotion, lose_data: bool) -> Planned:
    from tapgen.operate import notifying

    system, place = reached.system, found.place
    ending = notifying.of_promotion(system, found, user())
    loses = (
        "what the replica has not received is lost"
        if lose_data
        else "it is promoted once it has received nearly all; writes after that are lost"
    )
    return Planned(
        "promote",
        (*found.steps, *ending.last),
        (
            f"{system.prefix}: promote {found.replica} in {place.region} ({place.role}), "
            f"account {place.target.account}",
            f"  replication lag: {found.lag}",
            *_of_migration(system, found),
            f"  {loses}, and it never follows its source again; to accept that: --confirm "
            f"'{found.loses}'",
        ),
        {
            "system": system.name,
            "suffix": system.suffix,
            "command": "promote",
            "account": place.target.account,
            "to": {"role": place.role, "region": place.region},
            "replica": found.replica,
            "lag_s": found.lag.value,
            "lag_at": found.lag.at.isoformat() if found.lag.at else None,
            "loses": found.loses,
        },
        f"{found.replica} is promoted",
        "\n".join(_afterwards(reached, found)),
        otherwise=ending.otherwise,
    )


def _of_migration(system: System, found: Promotion) -> Iterator[str]:
    if not found.settings:
        return
    yield (
        "  only SQL says whether it has replayed the last LSN of its source: see "
        f"docs/{system.blueprint}.md"
    )
    if found.snapshot:
        yield f"  a snapshot is there: {found.snapshot}"


def _afterwards(reached: Reached, found: Promotion) -> Iterator[str]:
    system = reached.system
    yield (
        "tapgen cannot write to the database to try it; do so from its network, with SQL "
        "that a replica refuses: CREATE TEMP TABLE smoke (n int)"
    )
    if not found.settings:
        yield (
            f"now bring the file of {system.name} in line with it, before the next rollout: "
            f"docs/{system.blueprint}.md says how"
        )
        return
    yield from settings_lines(reached, found.settings)
    yield (
        f"a rollout of that changes nothing of the database; then {command_line('migrate', reached)} "
        "next says what comes next"
    )
