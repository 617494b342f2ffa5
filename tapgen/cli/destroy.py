"""`tapgen destroy`: delete a system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tapgen.cli import FAILED, PARTIAL
from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    output_option,
    print_json,
    progress_option,
    supersede_option,
    system_options,
    without_option,
)
from tapgen.cli.confirmation import confirm, require_account, require_terminal_or
from tapgen.cli.open_run import administered, require_room, stays_open
from tapgen.cli.plan import refused
from tapgen.cli.reach import Reached, reach_system
from tapgen.cli.running import (
    exit_code,
    next_lines,
    run_plan,
    wait_for_running,
)

_EPILOG = """\b
Examples:
  tapgen destroy secure_network --local
  tapgen destroy secure_network --local --yes
  tapgen destroy secure_network --local --yes --delete-data secure-network-prod

Resources that templates retain (buckets, keys, log groups, snapshots) stay and are
listed. --delete-data deletes them too. It needs the name of the system with its suffix,
so that --yes alone never deletes data. KMS keys are scheduled for deletion in 30 days.

Exit codes: 0 done or nothing to do, 1 failed, 3 partial, 130 interrupted.
"""


@click.command("destroy", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@progress_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--delete-data",
    metavar="NAME",
    help="Also delete retained data; NAME is the system's name with its suffix.",
)
@assume_role_option
@supersede_option
@without_option
def destroy_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    yes: bool,
    delete_data: str | None,
    assume_role: str | None,
    supersede: str | None,
    without: tuple[str, ...],
    **aws_choice: Any,
) -> int:
    """Delete SYSTEM's stack sets in reverse order, and list the data that stays."""
    from tapgen import rollout
    from tapgen.accounts import roles
    from tapgen.aws import retained
    from tapgen.cli.progress import console
    from tapgen.plan import allowances, destroy, forecast, writers
    from tapgen.report import text, unread
    from tapgen.rollout import places, snapshot
    from tapgen.system import ownership

    require_terminal_or(yes)
    reached = reach_system(
        system,
        environment,
        folder,
        Timings(),
        aws_choice,
        leaving=True,
        without=without,
    )
    prefix = reached.system.prefix
    if delete_data not in (None, prefix):
        raise click.UsageError(
            f"--delete-data {delete_data}: the name is not that of this system; to delete "
            f"its data, give --delete-data {prefix}"
        )
    require_account(reached, yes, aws_choice["account"])
    place = snapshot.leftovers(prefix)
    with administered(reached, "destroy", acts=True) as near:
        require_room(reached, near, "destroy", supersede)
        wait_for_running(reached)
        observed = ownership.observe(reached.system, reached.sets)
        plan = writers.with_writers(destroy(reached.system, observed), reached.sets.aws)
        resources = retained.merge(
            retained.load(reached.sets.bucket.get(place) or b"[]"),
            retained.find(reached.sets.aws, observed),
        )
    out = console(stderr=output == "json")
    out.print(text.plan(plan))
    _show_retained(
        out, resources, "to be deleted with --delete-data" if delete_data else "kept"
    )
    if refused(plan, allowances.every_part(plan)):
        _print_data(output, plan, None, resources, {})
        return FAILED
    ended = rollout.Outcome()
    fates: dict[retained.RetainedResource, str] = {}
    if plan:
        confirm(yes, f"Delete {prefix}?")
        # Once the stacks are deleted, AWS does not list what they retained: store it.
        places.put(reached.sets, place, retained.dump(resources))
        ended = run_plan(
            reached,
            plan,
            command="destroy",
            supersede=supersede,
            forecast=forecast.of(plan),
        )
        if isinstance(ended, int):
            return ended
        lines = next_lines(reached, ended, "destroy")
        out.print(
            text.outcome(ended, **lines, verb="deleted", left_out=unread.left_out(plan))
        )
    if delete_data and ended.green and not plan.omitted:
        if not plan and resources:
            confirm(yes, f"Delete the retained data of {prefix}?")
        fates = _delete_retained(out, reached.aws.assuming(assume_role), resources)
        if resources:
            remaining = [x for x in resources if fates[x].startswith("not deleted")]
            places.put(reached.sets, place, retained.dump(remaining))
    elif plan and ended.green and not plan.omitted:
        out.print(
            "the roles of tapgen bootstrap stay: delete the stack "
            f"{roles.stack_name(reached.system)} in {reached.system.admin.region} "
            "of each target account if you do not deploy this system again"
        )
    _print_data(output, plan, ended, resources, fates)
    return _exit_code(reached, plan, ended, supersede)


def _exit_code(reached: Reached, plan: Any, ended: Any, supersede: str | None) -> int:
    if not plan and stays_open(reached, supersede):
        return FAILED
    if ended.green and plan.omitted:
        # An empty plan deletes nothing, and leaves all that does not answer.
        return PARTIAL if plan else FAILED
    return exit_code(ended)


def _print_data(
    output: str,
    plan: Any,
    ended: Any,
    resources: Sequence[Any],
    fates: Mapping[Any, str],
) -> None:
    """Print the result as JSON, if that is wanted; `ended` is None if nothing was done."""
    from tapgen.plan import allowances
    from tapgen.report import data

    if output != "json":
        return
    print_json(
        {
            "plan": data.plan(plan, allowances.every_part(plan)),
            "outcome": data.outcome(ended) if ended else None,
            "retained": [
                vars(left)
                | {"target": str(left.target), "fate": fates.get(left, "kept")}
                for left in resources
            ],
        }
    )


def _show_retained(out: Any, resources: Sequence[Any], verb: str) -> None:
    if resources:
        out.print(f"\nretained by the templates, {verb}:")
    for left in resources:
        out.print(f"  {left}", markup=False)


def _delete_retained(out: Any, aws: Any, resources: Sequence[Any]) -> dict[Any, str]:
    """Delete retained resources; return what happened to each, in words."""
    from tapgen.aws import retained

    fates = {}
    for left in resources:
        fates[left] = retained.delete(aws, left)
        out.print(f"  {fates[left]}: {left}", markup=False)
    return fates
