"""`tapgen history`: the runs of a system, and what happened in one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE
from tapgen.cli.common import (
    aws_options,
    environment_option,
    output_option,
    print_json,
    stacksets_option,
    system_argument,
)
from tapgen.cli.open_run import nearest
from tapgen.cli.reach import command_line
from tapgen.cli.reach_runs import reach_runs

_EPILOG = """\b
Examples:
  tapgen history secure_network --local
  tapgen history secure_network 20260301t101500123z-1a2b3c
  tapgen history secure_network 1a2b3c
  tapgen history secure_network --output json
  tapgen history secure-network-prod -r us-east-1

A part of the name of a run is enough: how it begins, or how it ends.

Exit codes: 0 shown, 1 error.
"""


@click.command("history", epilog=_EPILOG)
@system_argument
@click.argument("run", required=False, metavar="[RUN]")
@environment_option
@stacksets_option
@aws_options
@output_option
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="NUMBER",
    help="List at most this many runs.",
)
def history_command(
    system: str | None,
    run: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    last: int,
    **aws_choice: Any,
) -> int:
    """List the rollouts and deletions of SYSTEM, or show the timeline of RUN.

    Who, when, which plan, the result and the changed stack sets; for a RUN its waves,
    operations, durations, and gates with their evidence.
    """
    from tapgen.cli.progress import console
    from tapgen.report import history as report
    from tapgen.rollout import history

    reached = reach_runs(system, environment, folder, aws_choice)
    prefix = reached.system.prefix
    near = nearest(reached)
    bucket = near.store
    place = {"read_in": near.region, "away": [*near.away]}
    if run is not None:
        one, entries = history.read(bucket, prefix, run)
        if output == "json":
            timeline = [report.entry_data(entry) for entry in entries]
            print_json({"run": report.data(one), "timeline": timeline, **place})
        else:
            console().print(report.run(one, entries))
        return DONE
    found, older = history.runs(bucket, prefix, last)
    if output == "json":
        listed = [report.data(one) for one in found]
        print_json({"runs": listed, "older": older, **place})
    else:
        more = f"{command_line('history', reached)} --last {len(found) + older}"
        console().print(report.runs(prefix, found, older, more))
    return DONE
