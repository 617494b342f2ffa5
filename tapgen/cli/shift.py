"""`tapgen shift`: move traffic from one side to another, share by share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE, suggest
from tapgen.cli.common import print_json, say
from tapgen.cli.confirmation import confirm
from tapgen.cli.operating import (
    Chosen,
    Planned,
    carry_out,
    naming_open_run,
    operating_options,
    reach_to_operate,
    yes_option,
)
from tapgen.cli.reach import Reached, command_line
from tapgen.cli.running import user
from tapgen.cli.settings_lines import lines as settings_lines

if TYPE_CHECKING:  # slow to import
    from tapgen.operate.dividing import Shifting, Where

WAYS = ("dns", "canary", "targets", "accelerator")
_EPILOG = """\b
Examples:
  tapgen shift region_migration --by dns --to target --dry-run
  tapgen shift region_migration --by accelerator --to target --steps 10,50,100 --bake 10m
  tapgen shift region_migration --by targets --in-region source --to green
  tapgen shift region_migration --by dns --rollback
  tapgen shift serverless_api --in-region source --promote

No alarm may be in ALARM before where that side is, unless --despite-alarm names it. After each
step the alarms of the system and the health check of the side that gets more are watched. If one turns red, the recorded shares are restored, without a question. At the end
the settings are printed that make the file agree.

\b
Exit codes: 0 done or nothing to do, 1 failed and all shares are as they were, 3 partial:
continue with tapgen resume, or go back with tapgen resume --back, 64 wrong usage, 130
interrupted.
"""


def _steps(
    context: click.Context, option: click.Parameter, text: str
) -> tuple[int, ...]:
    words = text.split(",")
    found = [int(word) for word in words if re.fullmatch(r"[0-9]{1,3}", word)]
    if len(found) != len(words) or found != sorted({*found}) or not 0 < found[0]:
        found = []
    if not found or found[-1] > 100:
        raise click.BadParameter(
            f"{text!r} is no list of rising percentages from 1 to 100; give one such as "
            "5,25,50,100"
        )
    return tuple(found)


def _bake(context: click.Context, option: click.Parameter, text: str) -> float:
    from tapgen.config.patterns import DURATION, seconds

    if not re.fullmatch(DURATION, text):
        raise click.BadParameter(
            f"{text!r} is no duration; give one such as 30s or 10m"
        )
    return seconds(text)


@click.command("shift", epilog=_EPILOG)
@operating_options
@click.option(
    "--to", metavar="NAME", default="", help="The side that gets more traffic."
)
@click.option(
    "--steps",
    metavar="PERCENT,…",
    default="5,25,50,100",
    show_default=True,
    callback=_steps,
    help="What it gets, step by step, in percent.",
)
@click.option(
    "--bake",
    metavar="DURATION",
    default="5m",
    show_default=True,
    callback=_bake,
    help="How long each step is watched; with DNS at least twice the TTL.",
)
@click.option(
    "--by",
    type=click.Choice(WAYS),
    help="What divides the traffic [the only way that the system has].",
)
@click.option(
    "--in-region",
    "role",
    metavar="ROLE",
    default="",
    shell_complete=suggest.roles,
    help="Region role or region, where each region has its own shares.",
)
@click.option(
    "--rollback", is_flag=True, help="Restore the shares from before the last shift."
)
@click.option(
    "--promote",
    is_flag=True,
    help="Give the canary all requests by --steps, then make it what all requests get.",
)
@click.option(
    "--abandon", is_flag=True, help="Give the canary no requests any more, at once."
)
@click.option(
    "--despite-alarm",
    "despite",
    metavar="NAME",
    multiple=True,
    help="An alarm that is in ALARM already; the gates leave it out.",
)
@yes_option
def shift_command(
    chosen: Chosen,
    to: str,
    steps: tuple[int, ...],
    bake: float,
    by: str | None,
    role: str,
    rollback: bool,
    promote: bool,
    abandon: bool,
    despite: tuple[str, ...],
    yes: bool,
) -> int:
    """Move traffic of SYSTEM to another side: DNS weights, dials, target groups, a canary."""
    from tapgen.operate import canaries, dividing, ringing, shifting
    from tapgen.rollout import places

    if [bool(to), rollback, promote, abandon].count(True) != 1:
        raise click.UsageError(
            "give one of --to NAME, the side that gets more traffic, --rollback, --promote "
            "and --abandon"
        )
    if promote or abandon:
        by = _of_canaries(by, steps)
    reached = reach_to_operate(chosen, yes)
    system, aws = reached.system, reached.sets.aws

    def found(where: Where) -> Shifting:
        if rollback:
            store = places.nearest(reached.sets, system.prefix).store
            return shifting.backward(system, aws, where, store)
        if abandon:
            return canaries.abandonment(aws, where)
        how: dict[str, Any] = {
            "ringing": ringing.look(reached.sets, system),
            "despite": despite,
        }
        if promote:
            return shifting.promotion(system, aws, where, steps, bake, **how)
        return shifting.forward(system, aws, where, to, steps, bake, **how)

    with naming_open_run(reached):
        way = dividing.chosen(system, by or "", role)
        shift = found(dividing.located(system, aws, way, chosen.in_account))
    planned = _planned(reached, shift)
    if not shift.steps:
        say("\n".join([*planned.lines, "nothing to do"]))
        if chosen.as_json:
            print_json({**planned.known, "outcome": None})
        return DONE
    question = "Restore these shares?" if rollback else "Shift traffic?"
    if promote:
        question = "Promote the canary?"
    return carry_out(reached, chosen, planned, lambda: confirm(yes, question))


def _of_canaries(by: str | None, steps: tuple[int, ...]) -> str:
    """Return the way of --promote and --abandon; UsageError where it is another one."""
    if by not in (None, "canary"):
        raise click.UsageError(
            f"--promote and --abandon are for a canary, not for --by {by}"
        )
    if steps[-1] != 100:
        raise click.UsageError(
            "a canary is promoted once it has all requests: let --steps end with 100"
        )
    return "canary"


def _planned(reached: Reached, found: Shifting) -> Planned:
    from tapgen.operate import dividing, notifying, shifting

    needs, ending = {*shifting.permissions(found)}, notifying.Ending()
    if found.steps:
        ending = notifying.of_shift(reached.system, found, user())
        found = replace(found, steps=(*found.steps, *ending.last))
        needs |= {*notifying.permissions(found.steps)}
    return Planned(
        dividing.COMMAND,
        found.steps,
        tuple(_lines(reached, found)),
        _data(reached, found),
        f"{found.where.shift.what}: {dividing.shown(found.ends)}",
        "\n".join(_afterwards(reached, found)),
        shifting.compiled(found, reached.system) if found.steps else None,
        found.facts,
        f"all shares are as they were: {dividing.shown(found.starts)}",
        tuple(sorted(needs)),
        ending.otherwise,
    )


def _lines(reached: Reached, found: Shifting) -> Iterator[str]:
    from tapgen.operate.dividing import shown

    where = found.where
    yield f"{reached.system.prefix}: {found.what}, {where.target}"
    yield f"  now: {shown(found.starts)}; then: {shown(found.ends)}"
    yield from (f"  warning: {text}" for text in found.warnings)
    if where.shift.by == "dns" and 0 in found.ends.values():
        yield (
            "  a record with weight 0 still answers when every other one is unhealthy: keep "
            "what is behind it until you are sure"
        )


def _afterwards(reached: Reached, found: Shifting) -> Iterator[str]:
    """Which lines of the file make it agree, so that no rollout moves traffic back."""
    from tapgen.operate import canaries, shifting

    others: list[str] = []
    if found.more:
        others += canaries.unpromoted(reached.system, reached.sets.aws, found.where)
    if others:
        yield from others
        yield "promote it there before you change the file, which is for all regions; then"
    if shifting.is_persisted(reached.system, found):
        yield f"{reached.loaded.config.path} has these shares already"
        return
    yield from settings_lines(reached, shifting.settings(found))
    yield (
        "until then, a rollout that changes these resources moves traffic back: "
        + command_line("plan", reached)
        + " says so"
    )


def _data(reached: Reached, found: Shifting) -> dict[str, Any]:
    from tapgen.operate import dividing, shifting

    where = found.where
    return {
        "system": reached.system.name,
        "suffix": reached.system.suffix,
        "command": dividing.COMMAND,
        "by": where.shift.by,
        "part": where.shift.part,
        "account": where.target.account,
        "region": where.target.region,
        "to": found.to,
        "takes_back": found.back,
        "before": found.starts,
        "after": dict(found.ends),
        "warnings": list(found.warnings),
        "settings": shifting.settings(found),
    }
