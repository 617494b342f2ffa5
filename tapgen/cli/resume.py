"""`tapgen resume`: go on with the open run of a system, forward or back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE, FAILED, PARTIAL
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    print_json,
    say,
    system_options,
    without_option,
)
from tapgen.cli.confirmation import require_account
from tapgen.cli.move_admin import finish
from tapgen.cli.open_run import away, say_not_needed, to_act
from tapgen.cli.reach import command_line, reach_system
from tapgen.cli.running import exit_code, next_lines, resume_run

_EPILOG = """\b
Examples:
  tapgen resume secure_network --local
  tapgen resume secure_network --local --back

The plan that was agreed to counts, whatever the config says now: it is in the journal of
the run, in the artifact bucket of the administration account. So any machine can resume
that has the config and access to AWS. --back restores what was deployed before.

Exit codes: 0 done, restored, or nothing to resume, 1 failed and nothing remains changed,
3 partial, 130 interrupted.
"""


@click.command("resume", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@click.option("--back", is_flag=True, help="Restore what was deployed before the run.")
@without_option
def resume_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    back: bool,
    without: tuple[str, ...],
    **aws_choice: Any,
) -> int:
    """Continue the open rollout or destroy of SYSTEM.

    It was interrupted, lost its connection or its credentials, or a target failed that
    has been mended. It goes on in the direction that it had.
    """
    from tapgen.cli.progress import console
    from tapgen.report import data, text

    reached = reach_system(
        system,
        environment,
        folder,
        Timings(),
        aws_choice,
        leaving=True,
        without=without,
    )
    require_account(reached, True, aws_choice["account"])
    near = to_act(reached)
    if not near.is_home:
        error = away(reached, near, "resume")
        say(f"error: {error}")
        if output == "json":
            print_json(error.known)
        found = near.opened()
        return PARTIAL if found and found.state.changed else FAILED
    say_not_needed(reached)
    found = near.opened()
    to = found.state.opening.get("to", "") if found else ""
    ended = resume_run(reached, back)
    if isinstance(ended, int):
        return ended
    if ended is None:
        line = command_line("rollout", reached)
        say(f"no run of {reached.system.prefix} is open; start one with: {line}")
        if output == "json":
            print_json({"outcome": None})
        return DONE
    if to:
        if output == "json":
            print_json({"outcome": data.outcome(ended)})
        return finish(reached, ended, to)
    lines = next_lines(reached, ended, "rollout")
    console(stderr=output == "json").print(text.outcome(ended, **lines))
    if output == "json":
        print_json({"outcome": data.outcome(ended)})
    return exit_code(ended)
