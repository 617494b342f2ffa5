"""`tapgen graph`: the topology of a system as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE
from tapgen.cli.common import (
    Timings,
    aws_options,
    load,
    say,
    system_options,
    system_path,
)
from tapgen.errors import ConfigError, PlanError

_EPILOG = """\b
Examples:
  tapgen graph payments_dr --out payments_dr.svg
  tapgen graph payments_dr -e staging --output mermaid
  tapgen graph payments_dr --plan --local --out changes.svg
  tapgen graph payments_dr --plan plan.json --out changes.svg

Without --plan, and with a saved plan, nothing is read from AWS.
"""

_LIVE = "live"


@click.command("graph", epilog=_EPILOG)
@system_options
@aws_options
@click.option(
    "--plan",
    "planned",
    metavar="[FILE]",
    is_flag=False,
    flag_value=_LIVE,
    help="Mark what a rollout would change: by a new plan, or by the one saved in FILE.",
)
@click.option(
    "--output",
    type=click.Choice(["svg", "mermaid", "dot", "json"]),
    default="svg",
    show_default=True,
    help="Form of the picture.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write [standard output].",
)
def graph_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    planned: str | None,
    output: str,
    out: Path | None,
    **aws_choice: Any,
) -> int:
    """Draw SYSTEM: regions and accounts, stack sets, and what flows between them."""
    from tapgen.report import graph
    from tapgen.system import topology

    if planned is None:
        wanted = load(system_path(system, folder), environment).system
        plan = None
    elif planned == _LIVE:
        wanted, plan = _live(system, environment, folder, aws_choice)
    else:
        wanted, plan = _saved(Path(planned), system, environment, folder)
    found = topology.of(wanted)
    if output == "json":
        text = json.dumps(graph.data(found, plan), indent=2) + "\n"
    else:
        text = graph.text_form(output)(found, plan)
    if out is None:
        click.echo(text, nl=False)
        return DONE
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
    except OSError as error:
        raise ConfigError([f"{out}: cannot be written ({error.strerror})"]) from None
    say(f"wrote {out}")
    return DONE


def _live(
    system: str | None, environment: str | None, folder: Path, aws_choice: Any
) -> tuple[Any, Any]:
    """Return a system, resolved, and the data of its plan."""
    from tapgen.cli.open_run import administered
    from tapgen.cli.plan import make_plan
    from tapgen.cli.reach import reach_system
    from tapgen.report import data

    clock = Timings()
    reached = reach_system(system, environment, folder, clock, aws_choice)
    with administered(reached, "graph"):
        plan = make_plan(reached, clock)
    return reached.system, data.plan(plan)


def _saved(
    path: Path, system: str | None, environment: str | None, folder: Path
) -> tuple[Any, Any]:
    """Return the system of a saved plan as the plan has it, and the plan's data."""
    from tapgen.report import saved

    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise PlanError(
            f"--plan {path}: cannot be read ({why}); for a new plan, write --plan after "
            "the name of the system, or as the last option"
        ) from None
    found = saved.load(text, str(path))
    given = system or found.system, environment or found.environment
    loaded = load(system_path(given[0], folder), given[1])
    resolved = saved.resolved(found, loaded.system, str(path))
    return resolved, found.content["plan"]
