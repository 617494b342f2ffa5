"""`tapgen rollout`: plan, confirm, run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE, FAILED
from tapgen.cli.bootstrap import run_bootstrap
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    print_json,
    system_options,
    timings_option,
)
from tapgen.cli.confirmation import confirm, require_account, require_terminal_or
from tapgen.cli.lint import lint_passes
from tapgen.cli.plan import allow_option, make_plan, outlook_of, refused
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.cli.running import exit_code, run_plan, wait_for_running
from tapgen.errors import PlanError, RolloutError

_EPILOG = """\b
Examples:
  tapgen rollout secure_network --local
  tapgen rollout secure_network -e staging --yes --account 111111111111
  tapgen rollout secure_network --local --yes --timings
  tapgen rollout --plan plan.json --local --yes

Exit codes: 0 done or nothing to do, 1 failed and nothing is left half done,
3 partial (some stack sets changed, others not), 130 interrupted.
"""


@click.command("rollout", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@timings_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--details", is_flag=True, help="List every parameter and resource.")
@allow_option
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Do exactly what this saved plan says, or nothing.",
)
def rollout_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    timings: bool,
    yes: bool,
    details: bool,
    allowed: tuple[str, ...],
    plan_file: Path | None,
    **aws_choice: Any,
) -> int:
    """Roll SYSTEM out: show the plan, ask, then run it wave by wave.

    A failure is explained by the resource that failed first, and what was changed is
    put back (rollout.on_failure: rollback). Running it again goes on from there.
    """
    from tapgen.cli.progress import console
    from tapgen.report import data, saved, text

    require_terminal_or(yes)
    clock = Timings()
    agreed = saved.load(_read(plan_file), str(plan_file)) if plan_file else None
    if agreed:
        system, environment = system or agreed.system, agreed.environment
        allowed = agreed.allowed
    reached = reach_system(system, environment, folder, clock, aws_choice)
    require_account(reached, yes, aws_choice["account"])
    _require_bootstrap(reached, clock)
    wait_for_running(reached)
    made = make_plan(reached, clock)
    if agreed:
        saved.check(agreed, made, str(plan_file))
    console(stderr=output == "json").print(
        text.plan(made, details=details, outlook=outlook_of(reached, made))
    )
    if not made:
        if output == "json":
            print_json({"plan": data.plan(made), "outcome": None})
        return DONE
    if refused(made, allowed):
        return FAILED
    with clock.stage("lint"):
        if not lint_passes(made.system, {step.stack_set for step in made.steps}):
            return FAILED
    confirm(yes, "Roll this out?")
    with clock.stage("rollout"):
        ended = run_plan(reached, made)
    if isinstance(ended, int):
        return ended
    console(stderr=output == "json").print(
        text.outcome(
            ended,
            look=command_line("status", reached),
            resume=command_line("rollout", reached),
        )
    )
    if output == "json":
        print_json({"plan": data.plan(made), "outcome": data.outcome(ended)})
    if timings:
        clock.show()
    return exit_code(ended)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: cannot be read ({error})") from None


def _require_bootstrap(reached: Reached, clock: Timings) -> None:
    """Refuse when roles or bucket are missing; on the embedded AWS, make them."""
    from tapgen.accounts import bootstrap

    with clock.stage("bootstrap"):
        if reached.local:
            run_bootstrap(reached, None)
            return
        code = reached.loaded.blueprint.code
        missing = bootstrap.ready(reached.aws, reached.system, code)
    if missing:
        lines = [*missing, f"run: {command_line('bootstrap', reached)}"]
        raise RolloutError("\n".join(lines))
