"""`tapgen rollout`: plan, confirm, run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE, FAILED, PARTIAL
from tapgen.cli.bootstrap import deploy_engine, run_bootstrap
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    print_json,
    progress_option,
    say,
    supersede_option,
    system_options,
    timings_option,
    without_option,
)
from tapgen.cli.confirmation import confirm, require_account, require_terminal_or
from tapgen.cli.engine import (
    engine_option,
    is_in_aws,
    require_engine,
    say_begun,
    start_in_aws,
    wait_option,
)
from tapgen.cli.lint import (
    breaks_policy,
    is_broken,
    lint_beside,
    lint_passes,
    policy_option,
)
from tapgen.cli.open_run import administered, require_room, stays_open
from tapgen.cli.page import html_option
from tapgen.cli.plan import (
    allow_option,
    exact_allowances,
    is_incomplete,
    make_plan,
    outlook_of,
    refused,
)
from tapgen.cli.reach import Reached, command_line, reach_system, undescribed
from tapgen.cli.running import (
    exit_code,
    next_lines,
    run_plan,
    starter_of,
    wait_for_running,
)
from tapgen.cli.watch import follow
from tapgen.errors import PlanError, RolloutError
from tapgen.frozen import dataclass

_EPILOG = """\b
Examples:
  tapgen rollout secure_network --local
  tapgen rollout secure_network -e staging --yes --account 111111111111
  tapgen rollout secure_network --local --yes --timings
  tapgen rollout secure_network --local --html rollout.html
  tapgen rollout --plan plan.json --local --yes
  tapgen rollout secure_network --supersede 20260301t101500123z-1a2b3c
  tapgen rollout secure_network --engine aws --yes --account 111111111111

Exit codes: 0 done, nothing to do, or left to AWS, 1 failed and nothing remains changed,
3 partial (some stack sets changed, others did not), 130 interrupted.
"""


@click.command("rollout", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@progress_option
@timings_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--details", is_flag=True, help="List every parameter and resource.")
@allow_option
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Run exactly this saved plan; refused if anything has changed since.",
)
@supersede_option
@without_option
@engine_option
@wait_option
@policy_option
@html_option
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
    supersede: str | None,
    without: tuple[str, ...],
    engine: str | None,
    wait: bool,
    policy: str | None,
    html: Path | None,
    **aws_choice: Any,
) -> int:
    """Deploy SYSTEM: show the plan, ask for confirmation, run it wave by wave.

    On a failure tapgen reports the resource that failed first and restores the changed
    stack sets (rollout.on_failure: rollback). What was interrupted stays open: continue
    it with tapgen resume. With --engine aws it goes on in AWS, and this process ends.
    """
    from tapgen.report import saved

    require_terminal_or(yes)
    clock = Timings()
    saved_plan = saved.load(_read(plan_file), str(plan_file)) if plan_file else None
    if saved_plan:
        system, environment = system or saved_plan.system, saved_plan.environment
        allowed = saved_plan.allowed
    reached = reach_system(
        system, environment, folder, clock, aws_choice, without=without
    )
    require_account(reached, yes, aws_choice["account"])
    if is_broken(breaks_policy(policy, reached.system)):
        return FAILED
    with (
        lint_beside(reached.system) as checked,
        administered(reached, "rollout", acts=True) as near,
    ):
        require_room(reached, near, "rollout", supersede)
        in_aws = is_in_aws(reached, engine)
        shut = require_bootstrap(reached, clock, engine=in_aws)
        there = require_engine(reached) if in_aws else None
        wait_for_running(reached)
        read_stacks = saved_plan.read_stacks if saved_plan else False
        plan = make_plan(reached, clock, read_stacks=read_stacks, shut=shut)
        if saved_plan:
            saved.check(saved_plan, plan, str(plan_file))
        others, unsearched = undescribed(reached, deployed=bool(plan.observed))
        ahead = replace(
            outlook_of(reached, plan), undescribed=others, unsearched=unsearched
        )
        code = Rollout(
            reached,
            plan,
            exact_allowances(plan, allowed),
            as_json=output == "json",
            yes=yes,
            details=details,
            supersede=supersede,
            checked=checked,
            html=html,
            engine=there,
            wait=wait,
        ).carry_out(ahead, clock)
    if timings:
        clock.show()
    return code


@dataclass(frozen=True)
class Rollout:
    """A plan that a command shows, lets the user confirm, and runs. `facts` are what its
    result as JSON has besides the plan and the outcome; `checked` waits for who checks the
    templates meanwhile. `html` is where the page goes, if one is wanted: that of the run,
    or of the plan where it is not run, or not here. `engine` is the one in AWS, None for
    this process, and `wait` says to follow the run there."""

    reached: Reached
    plan: Any
    allowed: tuple[str, ...]
    as_json: bool
    yes: bool
    details: bool
    supersede: str | None
    command: str = "rollout"
    question: str = "Roll this out?"
    facts: Mapping[str, Any] = field(default_factory=dict)
    checked: Callable[[], None] = lambda: None
    html: Path | None = None
    engine: Any = None
    wait: bool = False

    def carry_out(self, ahead: Any, clock: Timings, *, linted: bool = False) -> int:
        """Show the plan with its outlook, confirm, run it, show how it ended; return the
        exit code. The templates are checked first, unless they are `linted`."""
        from tapgen.cli import report
        from tapgen.cli.progress import console
        from tapgen.plan import refusals
        from tapgen.report import text, unread

        plan, out = self.plan, console(stderr=self.as_json)
        out.print(text.plan(plan, details=self.details, outlook=ahead))
        if refused(plan, self.allowed) or not plan:
            self._print(None)
            self._write_plan(ahead)
            unknown = not plan and is_incomplete(plan)
            unknown |= not plan and stays_open(self.reached, self.supersede)
            return FAILED if refusals(plan, self.allowed) or unknown else DONE
        if not linted:
            with clock.stage("lint"):
                self.checked()
                if not lint_passes(plan.system, {s.stack_set for s in plan.steps}):
                    return FAILED
        confirm(self.yes, self.question)
        if self.engine:
            return self._leave_to_aws(ahead)
        with clock.stage(self.command):
            ended = run_plan(
                self.reached,
                plan,
                command=self.command,
                supersede=self.supersede,
                allowed=self.allowed,
                forecast=ahead.forecast if ahead else None,
            )
        if self.html:
            run = None if isinstance(ended, int) else ended.run
            report.write(self.reached, self.html, run)
        if isinstance(ended, int):
            return ended
        lines = next_lines(self.reached, ended, self.command)
        out.print(text.outcome(ended, **lines, left_out=unread.left_out(plan)))
        self._print(ended)
        return PARTIAL if ended.green and plan.omitted else exit_code(ended)

    def _write_plan(self, ahead: Any) -> None:
        """Write the page of a plan that is not run, if one is wanted."""
        from tapgen.cli import page
        from tapgen.report.page import Planned

        if self.html:
            planned = Planned(self.plan, ahead, self.allowed)
            page.write(self.html, page.about(self.reached, "Plan", planned=planned))

    def _leave_to_aws(self, ahead: Any) -> int:
        """Start the run in AWS, and follow it where that is wanted; return the exit code."""
        forecast = ahead.forecast if ahead else None
        supersede, allowed = self.supersede, self.allowed
        starter = starter_of(self.reached, self.command, supersede, allowed, forecast)
        begun = start_in_aws(self.reached, self.plan, self.engine, starter)
        if isinstance(begun, int):
            return begun
        run, execution = begun
        self._write_plan(ahead)
        if not self.wait:
            say_begun(self.reached, run, execution)
        self._print(None, {"run": run, "execution": execution})
        return follow(self.reached, run, beside=self.as_json) if self.wait else DONE

    def _print(self, ended: Any, more: Mapping[str, Any] = {}) -> None:
        """Print the result as JSON, if that is wanted; None where nothing was run."""
        from tapgen.report import data

        if self.as_json:
            plan = data.plan(self.plan, self.allowed)
            outcome = data.outcome(ended) if ended else None
            print_json({**self.facts, "plan": plan, "outcome": outcome, **more})


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: cannot be read ({error})") from None


def require_bootstrap(
    reached: Reached, clock: Timings, *, engine: bool = False
) -> frozenset[str]:
    """Return the accounts that lack roles or a bucket, so that the others go on; with
    --local, create them, and the `engine` where that is wanted. Raises RolloutError where nothing can be deployed.
    """
    from tapgen.accounts import bootstrap

    with clock.stage("bootstrap"):
        if reached.local:
            run_bootstrap(reached, None)
            if engine:
                deploy_engine(reached, None)
            return frozenset()
        code = reached.loaded.blueprint.code
        missing = bootstrap.unready(reached.sets.aws, reached.system, code)
    for line in missing.unread:
        say(line)
    lines = [*missing.everywhere]
    lines += [line for some in missing.accounts.values() for line in some]
    if lines:
        lines.append(f"run: {command_line('bootstrap', reached)}")
    if missing.stops(reached.system):
        raise RolloutError("\n".join(lines))
    for line in lines:
        say(line)
    return frozenset(missing.accounts)
