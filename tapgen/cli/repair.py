"""`tapgen repair`: show what hangs and the safe way out of each, confirm, do it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE, FAILED, INTERRUPTED, suggest
from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    output_option,
    print_json,
    progress_option,
    say,
    supersede_option,
    system_options,
    without_option,
)
from tapgen.cli.confirmation import confirm, require_account
from tapgen.cli.open_run import administered, require_room, stays_open
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.cli.running import run_repairs, wait_for_running

_EPILOG = """\b
Examples:
  tapgen repair secure_network --local
  tapgen repair secure_network --only storage
  tapgen repair secure_network --skip storage.DataBucket

A stack in UPDATE_ROLLBACK_FAILED goes on rolling back with the permissions of the role
that calls. --assume-role names one that may change its resources.

Exit codes: 0 done or nothing to do, 1 something is not repaired or cannot be read, 130
interrupted.
"""


@click.command("repair", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@progress_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--only",
    metavar="NAME",
    multiple=True,
    shell_complete=suggest.stack_sets,
    help="Repair only this: a PART, an ACCOUNT/REGION, or PART@ACCOUNT/REGION; more "
    "than once for several.",
)
@click.option(
    "--skip",
    "skipped",
    metavar="NAME",
    multiple=True,
    help="Leave a resource as it is when a rollback continues: PART.LOGICAL_ID, with "
    "@ACCOUNT/REGION only there.",
)
@assume_role_option
@supersede_option
@without_option
def repair_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    yes: bool,
    only: tuple[str, ...],
    skipped: tuple[str, ...],
    assume_role: str | None,
    supersede: str | None,
    without: tuple[str, ...],
    **aws_choice: Any,
) -> int:
    """Repair the stack instances of SYSTEM that hang, each in its safe way.

    No resource is deleted. Instances that StackSets cannot change any more are removed
    from their stack sets, and the next rollout creates them again.
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
    require_account(reached, yes, aws_choice["account"])
    if assume_role:
        sets = replace(reached.sets, aws=reached.aws.assuming(assume_role))
        reached = replace(reached, sets=sets)
    with administered(reached, "repair", acts=True) as near:
        require_room(reached, near, "repair", supersede)
        wait_for_running(reached)
        hanging, unread = _hanging(reached)
    repairs = _chosen(hanging, only, skipped)
    for line in _lines(repairs, unread):
        say(line) if output == "json" else click.echo(line)
    found = {"repairs": [_data(one) for one in repairs], "unread": unread}
    if not repairs:
        if output == "json":
            print_json({**found, "failures": []})
        stays = stays_open(reached, supersede)  # said also where some are unread
        return FAILED if unread or stays else DONE
    confirm(yes, "Repair this?")
    ended = run_repairs(reached, repairs, supersede)
    if isinstance(ended, int):
        return ended
    failures = [str(failure) for failure in ended.failures]
    if output == "json":
        print_json({**found, "failures": failures})
    if ended.interrupted:
        say(f"continue with: {command_line('resume', reached)}")
        return INTERRUPTED
    left = "; what is not repaired is as it was" if failures else ""
    say(f"then bring all up to date: {command_line('rollout', reached)}{left}")
    return FAILED if failures or unread else DONE


def _chosen(
    found: Sequence[Any], only: Sequence[str], skipped: Sequence[str]
) -> list[Any]:
    """Return what is to be repaired, with the resources to skip; UsageError for a wrong
    name."""
    from tapgen.plan import repairs

    chosen, wrong = repairs.only(found, only)
    chosen, problems = repairs.skipping(chosen, skipped)
    lines = [f"--only {line}" for line in wrong] + [f"--skip {one}" for one in problems]
    if lines:
        raise click.UsageError("\n".join(lines))
    return chosen


def _hanging(reached: Reached) -> tuple[list[Any], list[str]]:
    """Return what hangs, with its way out, and a line for each stack that cannot be read,
    so that nobody knows whether it hangs."""
    from tapgen.aws import stuck
    from tapgen.aws.stuck import StackState
    from tapgen.errors import AwsError
    from tapgen.model import InstanceDetailedStatus, Reading
    from tapgen.plan import repairs
    from tapgen.system import ownership

    observed = ownership.observe(reached.system, reached.sets)

    def read(target: Any, one: Any) -> StackState | str:
        if one.reading in (Reading.AWAY, Reading.REFUSED):
            return str(one.unread)
        try:
            return stuck.state(reached.sets.aws, target, one.stack_id)
        except AwsError as error:
            return str(error)

    places = {
        (name, target): one
        for name, found in observed.items()
        for target, one in found.instances.items()
        if not target.joins_later
    }
    stacks = {place: one for place, one in places.items() if one.stack_id}
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda place: read(place[1], stacks[place]), stacks)
        found = dict(zip(stacks, answers, strict=True))
    asleep = InstanceDetailedStatus.SKIPPED_SUSPENDED_ACCOUNT
    silent = {
        p[1].account for p, one in places.items() if one.detailed_status is asleep
    }
    silent |= {p[1].account for p, answer in found.items() if isinstance(answer, str)}
    closed = stuck.closed(reached.aws, reached.system.admin, silent)
    states = {p: one for p, one in found.items() if isinstance(one, StackState)}
    unread = [
        f"{name} in {target}: its stack cannot be read: {answer}"
        for (name, target), answer in found.items()
        if isinstance(answer, str) and target.account not in closed
    ]
    return repairs.find(observed, states, closed), unread


def _lines(found: Sequence[Any], unread: Sequence[str]) -> list[str]:
    lines = list(unread)
    if not found:
        rest = "nothing else hangs" if unread else "nothing hangs"
        lines.append(f"{rest}: no instance needs a repair")
    for one in found:
        lines.append(f"{one.stack_set} in {one.target}: {one.why}")
        lines.append(f"  {one.way}")
        for id, reason in one.failed:
            lines.append(f"    {id} failed: {reason or 'no reason given'}")
        if one.skip:
            lines.append(f"    skipped, left as they are: {', '.join(one.skip)}")
        elif one.failed:
            names = " ".join(f"--skip {one.part}.{id}" for id, _ in one.failed)
            lines.append(f"    if the rollback fails again, leave them: {names}")
        if one.way.keeps_stack and one.stack_id:
            lines.append(f"    delete or import the stack by hand: {one.stack_id}")
        elif one.way.keeps_resources:
            lines.append(
                "    what the deletion retained keeps its names: delete or rename it first"
            )
    return lines


def _data(one: Any) -> dict[str, Any]:
    return {
        "stack_set": one.stack_set,
        "part": one.part,
        "account": one.target.account,
        "region": one.target.region,
        "why": one.why,
        "way": one.way.name.lower(),
        "stack": one.stack_id,
        "failed": [{"logical_id": id, "reason": why} for id, why in one.failed],
        "skip": list(one.skip),
    }
