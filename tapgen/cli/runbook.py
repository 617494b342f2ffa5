"""`tapgen runbook`: the procedures of a deployed system, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE, FAILED
from tapgen.cli.common import Timings, aws_options, say, system_options
from tapgen.cli.operating import in_account_option
from tapgen.cli.reach import Reached, command_line, reach_system

_EPILOG = """\b
Examples:
  tapgen runbook payments_dr --local > runbook.md
  tapgen runbook secure_network -e staging --out runbooks/staging.md

Write it again after a rollout that changes names, and keep it where you can read it while
a region is lost.
"""

# Blueprint, procedure and region role -> the command that does the same.
_COMMANDS = {
    ("payments_dr", "failover", "dr"): "failover --lose-data",
    ("payments_dr", "failover", "primary"): "failover --to primary --lose-data",
    ("payments_dr", "failback", "primary"): "failback",
    ("secure_network", "failover", "dr"): "promote --lose-data",
}


@click.command("runbook", epilog=_EPILOG)
@system_options
@aws_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write [standard output].",
)
@in_account_option
def runbook_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    out: Path | None,
    in_account: str,
    **aws_choice: Any,
) -> int:
    """Write the procedures of SYSTEM as Markdown, with its names, and calls by hand."""
    from tapgen.operate import chapters
    from tapgen.report.runbook import Chapter, markdown

    reached = reach_system(
        system, environment, folder, Timings(), aws_choice, leaving=True
    )
    found = [
        Chapter(
            one.name,
            one.description,
            here.role,
            here.region,
            steps,
            _command(reached, one.name, here.role),
            chapters.notes(one),
        )
        for one, here, steps in chapters.of(
            reached.system, reached.sets.aws, in_account
        )
    ]
    if not found:
        say(
            f"error: {reached.system.prefix}: there are no procedures for a system with "
            "these settings, so there is nothing to write"
        )
        return FAILED
    text = markdown(f"Runbook of {reached.system.prefix}", found)
    if out is None:
        click.echo(text, nl=False)
        return DONE
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    say(f"wrote {out}")
    return DONE


def _command(reached: Reached, name: str, role: str) -> str:
    found = _COMMANDS.get((reached.system.blueprint, name, role), "")
    command, *options = found.split() or [""]
    if not command:
        return ""
    return " ".join([command_line(command, reached), *options])
