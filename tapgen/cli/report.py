"""`tapgen report`: what became of a run, for whoever was not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE, FAILED
from tapgen.cli.common import (
    aws_options,
    environment_option,
    output_option,
    print_json,
    say,
    stacksets_option,
    system_argument,
)
from tapgen.cli.open_run import chosen_run, nearest, what_is_open
from tapgen.cli.page import html_option
from tapgen.cli.reach import Reached, command_line
from tapgen.cli.reach_runs import reach_runs
from tapgen.errors import TapgenError

if TYPE_CHECKING:  # slow to import
    from tapgen.report.page import Page
    from tapgen.rollout.opening import Opened
    from tapgen.rollout.places import Near
    from tapgen.rollout.ran import Ran

_EPILOG = """\b
Examples:
  tapgen report secure_network --local
  tapgen report secure_network --local --html report.html
  tapgen report secure_network 1a2b3c --output json
  tapgen report secure-network-prod -r us-east-1

Without RUN it reports the open run, or else the newest one. A part of the name of a run
is enough: how it begins, or how it ends.

Exit codes: 0 reported, 1 error, or AWS did not answer all of it.
"""


@click.command("report", epilog=_EPILOG)
@system_argument
@click.argument("run", required=False, metavar="[RUN]")
@environment_option
@stacksets_option
@aws_options
@output_option
@html_option
def report_command(
    system: str | None,
    run: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    html: Path | None,
    **aws_choice: Any,
) -> int:
    """Report a run of SYSTEM: how it ended, why it failed, and what it has left.

    Its plan as it was agreed, its gates with their evidence, the version that each target
    has, when what happened, and the results of a drill. It reads the journal and AWS, so it
    works from any machine, also while the run goes on.
    """
    from tapgen.cli import page
    from tapgen.cli.progress import console
    from tapgen.report import ran as report

    reached = reach_runs(system, environment, folder, aws_choice)
    near = nearest(reached)
    one = read(reached, near, chosen_run(near, run, "reported"))
    if html:
        page.write(html, of_run(reached, one))
    if output == "json":
        place = {"read_in": near.region, "away": [*near.away]}
        print_json({**report.data(one), **place})
    else:
        more = f"{command_line('report', reached)} {one.view.run.run}"
        lines = [] if html else [f"as a page: {more} --html report.html"]
        console().print(report.text(one, lines))
    return FAILED if one.unread else DONE


def read(reached: Reached, near: Near, found: Opened) -> Ran:
    """Return all that the journal and AWS have of a run, and how it goes on."""
    from tapgen.operate import drilled
    from tapgen.rollout import history, ran

    blind = not near.waits_here(found)
    one = ran.read(found, reached.system, reached.sets, near.away, blind=blind)
    ways = what_is_open(reached, near)[1] if one.view.run.result == history.OPEN else []
    is_drill = found.state.opening.get("drill")
    drill = drilled.report(found, reached.system.regions) if is_drill else None
    return replace(one, drill=drill, ways=ways)


def of_run(reached: Reached, ran: Ran) -> Page:
    """Return the page of a run. Its picture is that of the system as its file describes it
    now, with what the plan of the run changed; there is none without that."""
    from tapgen.cli import page
    from tapgen.report.page import Planned
    from tapgen.system import topology

    planned = Planned(ran.plan, None, ran.allowed) if ran.plan else None
    return page.about(
        reached,
        ran.view.run.command.capitalize(),
        ran=ran,
        planned=planned,
        topology=topology.of(reached.system) if reached.built else None,
        unread=ran.unread,
    )


def as_html(reached: Reached, near: Near, found: Opened) -> str:
    """Return the page of a run as text."""
    from tapgen.report.page import html

    return html(of_run(reached, read(reached, near, found)))


def write(reached: Reached, path: Path, run: str | None) -> None:
    """Write the page of a run, or of the newest one, as the last thing that a command does.
    Where it cannot be written, say so: the exit code is that of the run."""
    from tapgen.cli import page

    try:
        near = nearest(reached)
        ran = read(reached, near, chosen_run(near, run, "reported"))
        page.write(path, of_run(reached, ran))
    except TapgenError as error:
        again = " ".join(filter(None, [command_line("report", reached), run]))
        say(f"{path}: the page was not written: {error}; later: {again} --html {path}")
