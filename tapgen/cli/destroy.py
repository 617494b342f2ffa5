"""`tapgen destroy`: delete a system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    output_option,
    print_json,
    system_options,
)
from tapgen.cli.confirmation import confirm, require_account, require_terminal_or
from tapgen.cli.reach import command_line, reach_system
from tapgen.cli.running import exit_code, run_plan, wait_for_running

_EPILOG = """\b
Examples:
  tapgen destroy secure_network --local
  tapgen destroy secure_network --local --yes
  tapgen destroy secure_network --local --yes --delete-data secure-network-prod

What templates retain (buckets, keys, log groups, snapshots) is kept and listed.
--delete-data deletes that too: it wants the name it prints, so that nobody deletes
data by a habit of typing --yes. Kept keys are scheduled for deletion, 30 days ahead.

Exit codes: 0 done or nothing to do, 1 failed, 3 partial, 130 interrupted.
"""


@click.command("destroy", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--delete-data",
    metavar="NAME",
    help="Also delete retained data; NAME is the system's name and suffix.",
)
@assume_role_option
def destroy_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    yes: bool,
    delete_data: str | None,
    assume_role: str | None,
    **aws_choice: Any,
) -> int:
    """Delete SYSTEM's stack sets, waves backwards; says what is kept."""
    from tapgen import plan, rollout
    from tapgen.accounts import bootstrap
    from tapgen.aws import retained
    from tapgen.cli.progress import console
    from tapgen.report import data, text
    from tapgen.system import ownership

    require_terminal_or(yes)
    reached = reach_system(
        system, environment, folder, Timings(), aws_choice, leaving=True
    )
    prefix = reached.system.prefix
    if delete_data not in (None, prefix):
        raise click.UsageError(
            f"--delete-data {delete_data}: to delete the data of this system, say "
            f"--delete-data {prefix}"
        )
    require_account(reached, yes, aws_choice["account"])
    wait_for_running(reached)
    observed = ownership.observe(reached.system, reached.sets)
    made = plan.destroy(reached.system, observed)
    out = console(stderr=output == "json")
    out.print(text.plan(made))
    store, place = reached.sets.bucket, f"leftovers/{prefix}.json"
    kept = retained.merge(
        retained.load(store.get(place) or b"[]"),
        retained.find(reached.sets.aws, observed),
    )
    _show_retained(
        out, kept, "to be deleted with --delete-data" if delete_data else "kept"
    )
    ended = rollout.Outcome()
    fates: dict[retained.RetainedResource, str] = {}
    if made:
        confirm(yes, f"Delete {prefix}?")
        # Once the stacks are gone nobody knows what they retained: note it before.
        store.put(place, retained.dump(kept))
        ended = run_plan(reached, made)
        if isinstance(ended, int):
            return ended
        look, resume = command_line("status", reached), command_line("destroy", reached)
        out.print(text.outcome(ended, look=look, resume=resume))
    if delete_data and ended.green:
        if not made and kept:
            confirm(yes, f"Delete what is left of {prefix}?")
        fates = _delete_retained(out, reached.aws.assuming(assume_role), kept)
        if kept:
            left_over = [x for x in kept if fates[x].startswith("not deleted")]
            store.put(place, retained.dump(left_over))
    elif made and ended.green:
        out.print(
            "what bootstrap made stays: delete the stack "
            f"{bootstrap.roles_stack(reached.system)} in {reached.system.admin.region} "
            "of each target account when the system will not come back"
        )
    if output == "json":
        print_json(
            {
                "plan": data.plan(made),
                "outcome": data.outcome(ended),
                "retained": [
                    vars(left)
                    | {"target": str(left.target), "fate": fates.get(left, "kept")}
                    for left in kept
                ],
            }
        )
    return exit_code(ended)


def _show_retained(out: Any, kept: Sequence[Any], verb: str) -> None:
    if kept:
        out.print(f"\nretained by the templates, {verb}:")
    for left in kept:
        out.print(f"  {left}", markup=False)


def _delete_retained(out: Any, aws: Any, kept: Sequence[Any]) -> dict[Any, str]:
    """Delete what was retained; what happened to each, in words."""
    from tapgen.aws import retained

    fates = {}
    for left in kept:
        fates[left] = retained.delete(aws, left)
        out.print(f"  {fates[left]}: {left}", markup=False)
    return fates
