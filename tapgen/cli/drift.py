"""`tapgen drift`: what was changed by hand, everywhere, and the way back to the templates."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import CHANGES, DONE
from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    output_option,
    print_json,
    progress_option,
    say,
    system_options,
)
from tapgen.cli.confirmation import confirm, require_account, require_terminal_or
from tapgen.cli.open_run import administered, require_unopened
from tapgen.cli.reach import Reached, reach_system
from tapgen.cli.running import exit_code, next_lines, run_reverts
from tapgen.errors import AwsError
from tapgen.model import Target
from tapgen.report.counting import counted

if TYPE_CHECKING:  # slow to import
    from tapgen.aws.change_sets import Proposal
    from tapgen.plan.drift import Survey

_EPILOG = """\b
Examples:
  tapgen drift secure_network --local
  tapgen drift secure_network --output json
  tapgen drift secure_network --local --revert --yes
  tapgen drift secure_network --revert --assume-role Deployer

--revert creates a drift-aware change set for each drifted stack, shows what they change,
asks, and executes them. A change set that would replace or delete a resource is not
executed. StackSets cannot revert drift: an update of a stack set with the template that it
has leaves resources as they are.

Exit codes: 0 no drift, or all of it is reverted, 2 drift was found and stays, or something
could not be checked, 1 error, 3 partial, 130 interrupted.
"""


@click.command("drift", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@progress_option
@click.option(
    "--revert", is_flag=True, help="Bring what has drifted back to the templates."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@assume_role_option
def drift_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    revert: bool,
    yes: bool,
    assume_role: str | None,
    **aws_choice: Any,
) -> int:
    """Detect drift in all stack sets of SYSTEM, and show what was changed by hand.

    The same drift of many instances is shown once. What drift detection is known to report
    by mistake is listed apart, with the reason. Detection changes nothing.
    """
    from tapgen.cli.progress import console
    from tapgen.report import drifting

    if revert:
        require_terminal_or(yes)
    reached = reach_system(
        system, environment, folder, Timings(), aws_choice, leaving=True
    )
    if assume_role:
        sets = replace(reached.sets, aws=reached.aws.assuming(assume_role))
        reached = replace(reached, sets=sets)
    out = console(stderr=output == "json")
    with administered(reached, "drift", acts=revert) as near:
        if revert:
            require_account(reached, yes, aws_choice["account"])
            require_unopened(reached, near, "drift")
        found = _survey(reached)
        out.print(drifting.text(found))
        if not (revert and found.drifted):
            if output == "json":
                print_json({**drifting.data(found), "revert": None})
            return DONE if found.clean else CHANGES
        _require_role(reached, found, assume_role)
        return _revert(reached, found, yes=yes, as_json=output == "json")


def _survey(reached: Reached) -> Survey:
    """Detect drift in what is deployed of the system, and return what was found."""
    from tapgen.plan import drift
    from tapgen.system import ownership

    parts = {s.name: s.part for s in reached.system.stack_sets}
    there = ownership.definitions(reached.system, reached.sets)
    if there:
        say(f"detecting drift of {counted(len(there), 'stack set')} …")
    poll_seconds = reached.poll_seconds[0]
    unchecked = drift.detect(
        reached.sets, there, say, brief=True, poll_seconds=poll_seconds
    )
    return drift.survey(reached.sets, {name: parts[name] for name in there}, unchecked)


def _require_role(reached: Reached, found: Survey, role: str | None) -> None:
    """Raise UsageError where a change set would be executed in another account: the role
    of tapgen there may read, and never execute one."""
    own = reached.aws.account
    others = sorted({d.target.account for d in found.drifted} - {own})
    if others and not role:
        raise click.UsageError(
            f"--revert changes resources in {', '.join(others)}, where tapgen's own role "
            "may only read: name a role that may execute change sets and change these "
            "resources with --assume-role NAME"
        )


def _revert(reached: Reached, found: Survey, *, yes: bool, as_json: bool) -> int:
    """Show what change sets would revert, ask, and execute them; return the exit code."""
    from tapgen.aws import change_sets
    from tapgen.cli.progress import console
    from tapgen.report import data as report
    from tapgen.report import drifting, text

    out = console(stderr=as_json)
    proposals, left = _propose(reached, found)
    ended: Any = None
    try:
        out.print(drifting.proposals(proposals, left))
        if proposals:
            confirm(yes, "Revert this?")
            ended = run_reverts(reached, proposals)
    finally:
        if ended is None or isinstance(ended, int) or not ended.open:
            for one in proposals:
                with suppress(AwsError):  # it was executed
                    change_sets.discard(reached.sets.aws, one.target, one.id)
    if isinstance(ended, int):
        return ended
    after = found
    if ended is not None and ended.green:
        after = _survey(reached)
        out.print(drifting.text(after))
    elif ended is not None:
        out.print(text.outcome(ended, **next_lines(reached, ended, "drift --revert")))
    if as_json:
        outcome = report.outcome(ended) if ended else None
        facts = {**drifting.proposals_data(proposals, left), "outcome": outcome}
        print_json({**drifting.data(after), "revert": facts})
    if ended is not None and not ended.green:
        return exit_code(ended)
    return DONE if after.clean else CHANGES


def _propose(
    reached: Reached, found: Survey
) -> tuple[list[Proposal], Mapping[Target, list[str]]]:
    """Return a change set for each drifted stack that can be executed, and what is not
    reverted, by target."""
    from tapgen.aws import change_sets
    from tapgen.operate import reverting
    from tapgen.system import ownership

    definitions = ownership.definitions(reached.system, reached.sets)
    stacks = {d.stack_id: (d.stack_set, d.target) for d in found.drifted}
    left: dict[Target, list[str]] = {}
    proposals = []
    for stack_id, (name, target) in stacks.items():
        mine = {d.logical_id for d in found.drifted if d.stack_id == stack_id}
        allowed = definitions[name].capabilities
        try:
            one = change_sets.propose_revert(
                reached.sets.aws, target, stack_id, name, allowed
            )
        except AwsError as error:
            left.setdefault(target, []).append(f"{name}: {error}")
            continue
        why = reverting.why_not(one)
        if why:
            left.setdefault(target, []).append(f"{name}: {why}")
            with suppress(AwsError):
                change_sets.discard(reached.sets.aws, one.target, one.id)
            continue
        proposals.append(one)
        for missing in sorted(mine - {c.logical_id for c in one.changes}):
            text = (
                f"{name}: CloudFormation does not revert {missing}; change it by hand"
            )
            left.setdefault(target, []).append(text)
    return proposals, left
