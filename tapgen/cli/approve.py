"""`tapgen approve`: answer the gate that a rollout waits at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE
from tapgen.cli.answers import answer_gates
from tapgen.cli.common import aws_options, say, system_options
from tapgen.cli.engine import waker
from tapgen.cli.open_run import nearest, to_act
from tapgen.cli.reach_runs import reach_runs
from tapgen.cli.running import user

_EPILOG = """\b
Examples:
  tapgen approve secure_network --local
  tapgen approve secure_network --reject --comment "the alarms are red"

Exit codes: 0 answered, 1 nothing waits for an approval, or error.
"""


@click.command("approve", epilog=_EPILOG)
@system_options
@aws_options
@click.option("--reject", is_flag=True, help="Reject: the rollout restores.")
@click.option("--comment", default="", metavar="TEXT", help="Why; for the journal.")
def approve_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    reject: bool,
    comment: str,
    **aws_choice: Any,
) -> int:
    """Approve that the open rollout of SYSTEM goes on, from any machine."""
    reached = reach_runs(system, environment, folder, aws_choice)
    to_act(reached)
    near = nearest(reached)
    found = near.opened()
    for line in answer_gates(near, approved=not reject, by=user(), comment=comment):
        say(line)
    waker(reached, found)()
    return DONE
