"""`tapgen stop`: stop the open run of a system from elsewhere, or close it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE
from tapgen.cli.common import (
    aws_options,
    say,
    system_options,
    without_option,
)
from tapgen.cli.confirmation import confirm, require_account, require_terminal_or
from tapgen.cli.engine import waker
from tapgen.cli.open_run import goes_back, nearest, to_act
from tapgen.cli.reach import Reached, command_line
from tapgen.cli.reach_runs import reach_runs
from tapgen.cli.running import abandon_run, discard_change_sets, user
from tapgen.errors import RolloutError

_EPILOG = """\b
Examples:
  tapgen stop secure_network --local
  tapgen stop secure_network --abandon
  tapgen stop secure_network --abandon --without-region us-west-2

Exit codes: 0 stopped, closed, or no run is open, 1 error, 130 interrupted (the request to
stop stays).
"""


@click.command("stop", epilog=_EPILOG)
@system_options
@aws_options
@click.option(
    "--abandon", is_flag=True, help="Close the run; what it has changed stays."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@without_option
def stop_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    abandon: bool,
    yes: bool,
    without: tuple[str, ...],
    **aws_choice: Any,
) -> int:
    """Stop the open rollout or destroy of SYSTEM, from any machine.

    It starts nothing new, running operations finish, and the run stays open, as after
    Ctrl-C. With --abandon the run ends; nothing is restored.
    """
    if abandon:
        require_terminal_or(yes)
    reached = reach_runs(
        system,
        environment,
        folder,
        aws_choice,
        without=without,
    )
    if abandon:
        require_account(reached, yes, aws_choice["account"])
    to_act(reached)
    near = nearest(reached)
    found = near.opened()
    if found and not near.waits_here(found):
        raise RolloutError(
            f"run {found.lock.run} of {found.lock.who} on {found.lock.host} cannot be "
            f"stopped now: it is advanced in {near.home}, which does not answer; a process "
            "that has no answer either leaves it open by itself (rollout.patience)"
        )
    if found is None and not near.is_home:
        raise RolloutError(near.unknown)
    if found is None:
        say(f"no run of {reached.system.prefix} is open")
        return DONE
    if abandon:
        changed = [n for n in found.state.changed if n not in found.state.restored]
        what = ", ".join([*changed, *found.state.performed.values()]) or "nothing"
        say(f"run {found.lock.run} has changed and not restored: {what}")
        confirm(yes, "Close it, and leave everything as it is?")
    if not _stopped(reached, found):
        return DONE
    if not abandon:
        line = command_line("resume", reached)
        undo = f"; undo it with: {line} --back" if goes_back(found) else ""
        say(f"continue it with: {line}{undo}")
        return DONE
    return _abandoned(reached, found.lock.run, found.lock.command)


def _open_run(reached: Reached) -> Any:
    from tapgen.rollout import places

    return places.nearest(reached.sets, reached.system.prefix).opened()


def _stopped(reached: Reached, found: Any) -> bool:
    """Stop a run, and report how it is left; return whether it is still open."""
    from tapgen.rollout import opening
    from tapgen.rollout.execute import Ways

    run, end = f"run {found.lock.run}", None
    if opening.is_advanced(found):
        say(f"stopping {run} of {found.lock.who} on {found.lock.host} …")
        ways = Ways(lambda event: None, poll_seconds=reached.poll_seconds)
        end = opening.stop(found, user(), ways, waker(reached, found))
    if end and end["event"] == "closed":
        say(f"{run} has ended: {end['end']}")
        return False
    how = f"is stopped: {end['why']}" if end else "is open, and no process continues it"
    say(f"{run} {how}")
    return True


def _abandoned(reached: Reached, run: str, command: str) -> int:
    left = abandon_run(reached)
    if isinstance(left, int):
        return left
    if command == "drift":
        discard_change_sets(reached, run)
    if _open_run(reached) is not None:
        raise RolloutError(f"run {run} is open again; somebody else has started one")
    what = f"; changed and not restored: {', '.join(left)}" if left else ""
    plan = command_line("plan", reached)
    say(f"run {run} is closed{what}; what differs from the file: {plan}")
    return DONE
