"""`tapgen explain`: why a run failed, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE, FAILED
from tapgen.cli.common import (
    aws_options,
    environment_option,
    output_option,
    print_json,
    stacksets_option,
    system_argument,
)
from tapgen.cli.open_run import chosen_run, nearest, what_is_open
from tapgen.cli.reach_runs import reach_runs

_EPILOG = """\b
Examples:
  tapgen explain secure_network --local
  tapgen explain secure_network 1a2b3c
  tapgen explain secure_network --output json
  tapgen explain secure-network-prod -r us-east-1

Without RUN it explains the open run, or else the newest one. A part of the name of a run
is enough: how it begins, or how it ends.

Exit codes: 0 explained, 1 error, or AWS did not answer all of it.
"""


@click.command("explain", epilog=_EPILOG)
@system_argument
@click.argument("run", required=False, metavar="[RUN]")
@environment_option
@stacksets_option
@aws_options
@output_option
def explain_command(
    system: str | None,
    run: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    **aws_choice: Any,
) -> int:
    """Explain why a run of SYSTEM failed: the cause first.

    The resource that failed, its reason, account, region and property, what to do, and
    what was cancelled or not started because of it. It reads the journal and AWS, so it
    works from any machine, while the run goes on, after it was killed, and after the stack
    is gone.
    """
    from tapgen.cli.progress import console
    from tapgen.report import explanation as report
    from tapgen.rollout import explain, history

    reached = reach_runs(system, environment, folder, aws_choice)
    near = nearest(reached)
    found = chosen_run(near, run, "explained")
    one = explain.explain(found, reached.sets, near.away)
    place = {"read_in": near.region, "away": [*near.away]}
    if output == "json":
        print_json({**report.data(one), **place})
    else:
        ways = what_is_open(reached, near)[1] if one.run.result == history.OPEN else []
        console().print(report.text(one, ways))
    return FAILED if one.unread else DONE
