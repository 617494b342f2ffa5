"""`tapgen rollback`: plan back to an earlier run, confirm, run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    progress_option,
    say,
    supersede_option,
    system_options,
    without_option,
)
from tapgen.cli.confirmation import require_account, require_terminal_or
from tapgen.cli.engine import engine_option, is_in_aws, require_engine, wait_option
from tapgen.cli.open_run import administered, require_room
from tapgen.cli.plan import allow_option, exact_allowances, make_plan, outlook_of
from tapgen.cli.reach import command_line, reach_system
from tapgen.cli.rollout import Rollout, require_bootstrap
from tapgen.cli.running import wait_for_running

_EPILOG = """\b
Examples:
  tapgen rollback secure_network --local
  tapgen rollback secure_network -e prod --to 20260301t101500123z-1a2b3c

Without --to, the plan leads back to what was deployed before the last run that changed
something. A second rollback undoes the first. The next tapgen rollout deploys the
file again, so change the file first.

Exit codes: 0 done or nothing to do, 1 failed and nothing remains changed,
3 partial (some stack sets changed, others did not), 130 interrupted.
"""


@click.command("rollback", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@progress_option
@click.option("--to", metavar="RUN", help="Go back to what this run left.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--details", is_flag=True, help="List every parameter and resource.")
@allow_option
@supersede_option
@without_option
@engine_option
@wait_option
def rollback_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    to: str | None,
    yes: bool,
    details: bool,
    allowed: tuple[str, ...],
    supersede: str | None,
    without: tuple[str, ...],
    engine: str | None,
    wait: bool,
    **aws_choice: Any,
) -> int:
    """Take SYSTEM back to the templates, targets, values and tags of an earlier run.

    The plan is shown and confirmed like that of a rollout, with what it replaces and
    deletes, and runs in the same way.
    """
    from tapgen.cli.progress import console
    from tapgen.rollout import earlier

    require_terminal_or(yes)
    clock = Timings()
    reached = reach_system(
        system, environment, folder, clock, aws_choice, leaving=True, without=without
    )
    require_account(reached, yes, aws_choice["account"])
    as_json = output == "json"
    with administered(reached, "rollback", acts=True) as near:
        require_room(reached, near, "rollback", supersede)
        then = earlier.find(near.store, near.prefix, to)
        in_aws = is_in_aws(reached, engine)
        shut = require_bootstrap(reached, clock, engine=in_aws)
        there = require_engine(reached) if in_aws else None
        wait_for_running(reached)
        back = replace(reached, system=earlier.system_of(reached.system, then))
        plan = earlier.with_unknown(make_plan(back, clock, shut=shut), then)
        console(stderr=as_json).print(f"back to the state {then.words}")
        code = Rollout(
            back,
            plan,
            exact_allowances(plan, allowed),
            as_json=as_json,
            yes=yes,
            details=details,
            supersede=supersede,
            command="rollback",
            question="Roll back?",
            facts={"state": then.words},
            engine=there,
            wait=wait,
        ).carry_out(outlook_of(back, plan), clock, linted=True)
    if code == DONE and plan:
        line = command_line("plan", reached)
        say(f"to see in what the file differs from what is deployed now: {line}")
    return code
