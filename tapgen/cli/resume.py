"""`tapgen resume`: go on with the open run of a system, forward or back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE, FAILED, PARTIAL
from tapgen.cli.common import (
    assume_role_option,
    aws_options,
    output_option,
    print_json,
    progress_option,
    say,
    system_options,
    without_option,
)
from tapgen.cli.confirmation import require_account
from tapgen.cli.engine import (
    AWS,
    engine_option,
    execution_again,
    resume_in_aws,
    say_begun,
    wait_option,
)
from tapgen.cli.move_admin import finish
from tapgen.cli.open_run import away, say_not_needed, to_act
from tapgen.cli.reach import Reached, command_line
from tapgen.cli.reach_runs import reach_runs
from tapgen.cli.running import (
    discard_change_sets,
    exit_code,
    next_lines,
    resume_run,
)
from tapgen.cli.watch import follow

if TYPE_CHECKING:  # slow to import
    from tapgen.rollout.opening import Opened

_EPILOG = """\b
Examples:
  tapgen resume secure_network --local
  tapgen resume secure_network --local --back
  tapgen resume secure_network --engine aws

The plan that was agreed to counts, whatever the config says now: it is in the journal of
the run, in the artifact bucket of the administration account. So any machine can resume
that has access to AWS, also where the config has mistakes; artifacts that were not uploaded
yet need the config. --back restores what was deployed before, or takes
back what a procedure or an import has done. A run that nothing takes back refuses it: a
deletion, a repair, a move of the administration, and one that reverts drift.

Exit codes: 0 done, restored, or nothing to resume, 1 failed and nothing remains changed, or
a drill missed a goal, 3 partial, 130 interrupted.
"""


_AGAIN = {"drift": "drift --revert"}
"""What starts a run of a command again, where the command alone does not."""

_VERBS = {"destroy": "deleted", "import": "imported", "repair": "repaired"}
"""What a run of a command has done to stack sets; other runs have deployed them."""


@click.command("resume", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@progress_option
@click.option("--back", is_flag=True, help="Take back what the run has done.")
@assume_role_option
@without_option
@engine_option
@wait_option
def resume_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    back: bool,
    assume_role: str | None,
    without: tuple[str, ...],
    engine: str | None,
    wait: bool,
    **aws_choice: Any,
) -> int:
    """Continue the open run of SYSTEM: a rollout, a deletion, a failover.

    It was interrupted, lost its connection or its credentials, or a target failed that
    has been mended. It goes on in the direction that it had.
    """
    from tapgen.rollout import kinds
    from tapgen.rollout.places import require_typed

    reached = reach_runs(system, environment, folder, aws_choice, without=without)
    require_account(reached, True, aws_choice["account"])
    if assume_role:
        sets = replace(reached.sets, aws=reached.aws.assuming(assume_role))
        reached = replace(reached, sets=sets)
    near = to_act(reached)
    found = near.opened()
    operates = found is not None and kinds.of(found.lock.command).makes_calls
    if not near.is_home and not operates:
        error = away(reached, near, "resume")
        say(f"error: {error}")
        if output == "json":
            print_json(error.known)
        return PARTIAL if found and found.state.changed else FAILED
    if near.is_home:
        say_not_needed(reached)
    else:
        require_typed(near.away, without)
        say(near.words)
    if found and (engine or (AWS if found.lock.engine else "local")) == AWS:
        return _in_aws(reached, found, back, wait=wait, as_json=output == "json")
    from_engine = engine == "local"
    ended = resume_run(reached, found, back, from_engine)
    if isinstance(ended, int):
        return ended
    return _report(reached, ended, found, operates, as_json=output == "json")


def _in_aws(
    reached: Reached, found: Opened, back: bool, *, wait: bool, as_json: bool
) -> int:
    """Leave the run to the engine in AWS; return the exit code."""
    from tapgen.rollout import opening

    if found.lock.engine and opening.is_advanced(found) and not back:
        execution = execution_again(reached, found)
        if execution is None:
            return FAILED
        begun: Any = found.lock.run, execution
    else:
        begun = resume_in_aws(reached, found, back)
        if isinstance(begun, int):
            if as_json and begun == DONE:
                print_json({"outcome": None})
            return begun
        if not wait:
            say_begun(reached, *begun)
    if as_json and not wait:
        print_json({"outcome": None, "run": begun[0], "execution": begun[1] or None})
    return follow(reached, begun[0], as_json=as_json) if wait else DONE


def _report(
    reached: Reached,
    ended: Any,
    found: Opened | None,
    operates: bool,
    *,
    as_json: bool,
) -> int:
    """Report how the run `found` ended, None for no run; return the exit code."""
    from tapgen.cli.progress import console
    from tapgen.report import data, text

    if ended is None:
        line = command_line("rollout", reached)
        say(f"no run of {reached.system.prefix} is open; start one with: {line}")
        if as_json:
            print_json({"outcome": None})
        return DONE
    known = {"outcome": data.outcome(ended)}
    if found and found.lock.command == "drill":
        from tapgen.cli import drill

        return drill.finish(reached, ended, as_json=as_json, known=known)
    if as_json:
        print_json(known)
    if to := found.state.opening.get("to", "") if found else "":
        return finish(reached, ended, to)
    command = found.lock.command if found else "rollout"
    lines = next_lines(reached, ended, _AGAIN.get(command, command))
    shown = text.outcome(ended, **lines, verb=_VERBS.get(command, "deployed"))
    if operates and ended.green and not ended.back:
        shown = f"[green]✓ done:[/] {command}"
    console(stderr=as_json).print(shown)
    if found and not ended.open:
        _what_next(reached, found, ended.back)
    return exit_code(ended)


def _what_next(reached: Reached, found: Opened, back: bool) -> None:
    """Say what a run that has ended leaves to look at."""
    from tapgen.rollout import kinds

    command = found.lock.command
    if command == "drift":
        discard_change_sets(reached, found.lock.run)
        say(f"what has drifted now: {command_line('drift', reached)}")
    if command == kinds.IMPORT and back:
        say("the config and the templates that tapgen import has written stay")
    if command == "shift":
        line = command_line("plan", reached)
        say(f"whether a rollout would move traffic back: {line} says so")
