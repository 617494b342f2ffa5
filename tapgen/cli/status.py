"""Commands that only read: status, limits and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from tapgen.cli import CHANGES, DONE, FAILED
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    print_json,
    say,
    system_options,
)
from tapgen.cli.open_run import Away, administered, what_is_open
from tapgen.cli.plan import outlook_of
from tapgen.cli.reach import reach_system, undescribed
from tapgen.report.control import shell_word, visible


@click.command(
    "status",
    epilog="\b\nExamples:\n  tapgen status secure_network --local\n"
    "  tapgen status secure_network --params\n"
    "  tapgen status secure_network -e staging --output json\n\n"
    "Exit codes: 0 every instance is CURRENT, 2 some are missing, not CURRENT or cannot be\n"
    "read, 1 error.",
)
@system_options
@aws_options
@output_option
@click.option(
    "--params",
    "with_parameters",
    is_flag=True,
    help="Show the parameters of each target, and where each value comes from.",
)
def status_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    with_parameters: bool,
    **aws_choice: Any,
) -> int:
    """Show every stack instance of SYSTEM: account, region, status, and what it means."""
    from tapgen.report import data, unread
    from tapgen.system import ownership

    reached = reach_system(
        system, environment, folder, Timings(), aws_choice, leaving=True
    )
    try:
        with administered(reached, "status") as near:
            observed = ownership.observe(reached.system, reached.sets)
            open_run, lines = what_is_open(reached, near)
            others, _ = undescribed(
                reached, deployed=bool(observed), everything=True, open_run=open_run
            )
            found = data.status(
                reached.system,
                observed,
                others,
                open_run,
                with_parameters=with_parameters,
            )
    except Away as away:
        if output == "json":
            print_json(away.known)
        raise
    if output == "json":
        print_json(found)
    else:
        _show(found, others, with_parameters)
    silent = unread.is_away(observed)
    if lines:
        say("; ".join(lines))
    for line in unread.of(observed) if silent else ():
        say(line)
    green = all(
        not s["missing"] and all(i["status"] == "CURRENT" for i in s["instances"])
        for s in found["stack_sets"]
    )
    return DONE if green and not silent else CHANGES


def _show(found: dict[str, Any], others: Iterable[Any], with_parameters: bool) -> None:
    from tapgen.cli.progress import console
    from tapgen.report import deployed_parameters, text
    from tapgen.report.undescribed import lines as undescribed_lines

    out = console()
    out.print(text.status(found, width=out.wraps_at))
    if with_parameters:
        for line in deployed_parameters.lines(found["stack_sets"]):
            out.print(line)
    for line in undescribed_lines(others):
        click.echo(line)
    for s in found["stack_sets"]:
        if s["running"]:
            click.echo(f"{s['name']}: operation {s['running']} is running")


@click.command(
    "limits",
    epilog="\b\nExamples:\n  tapgen limits secure_network --local\n"
    "  tapgen limits secure_network -e staging --output json\n\n"
    "Exit codes: 0 everything fits, 1 a quota does not fit, or error.",
)
@system_options
@aws_options
@output_option
def limits_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    **aws_choice: Any,
) -> int:
    """Show AWS quotas, what is used, and what a rollout of SYSTEM would add.

    Covers stack sets, stack instances, stacks, VPCs, Elastic IP addresses and IAM roles,
    and the size of the templates. Where AWS does not report a quota, tapgen uses the
    documented default and marks it.
    """
    from tapgen.cli.progress import console
    from tapgen.plan import forecast, make
    from tapgen.report import outlook
    from tapgen.system import ownership

    reached = reach_system(
        system, environment, folder, Timings(), aws_choice, leaving=True
    )
    with administered(reached, "limits"):
        plan = make(reached.system, ownership.observe(reached.system, reached.sets))
        rooms = outlook_of(reached, plan, everything=True).limits
    fits = [forecast.fit(s) for s in reached.system.stack_sets]
    if output == "json":
        print_json(outlook.limits_data(rooms, fits))
    else:
        out = console()
        out.print(outlook.limits(rooms, fits, width=out.wraps_at))
    return DONE if all(room.fits for room in rooms) else FAILED


@click.command(
    "outputs",
    epilog="\b\nExamples:\n  tapgen outputs secure_network --local\n"
    "  tapgen outputs secure_network --local --output json\n"
    '  eval "$(tapgen outputs secure_network --local --output env)"\n\n'
    "Exit codes: 0 done, 1 error, or the outputs of a target cannot be read.",
)
@system_options
@aws_options
@click.option(
    "--output",
    type=click.Choice(["text", "json", "env"]),
    default="text",
    show_default=True,
    help="Format of the result; env prints shell assignments PART_OUTPUT_REGION.",
)
def outputs_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    **aws_choice: Any,
) -> int:
    """Show the outputs of SYSTEM's stacks, by part, region and account."""
    from tapgen.report import data, unread
    from tapgen.system import ownership

    reached = reach_system(system, environment, folder, Timings(), aws_choice)
    with administered(reached, "outputs") as near:
        observed = ownership.observe(reached.system, reached.sets)
        lacking = [
            s.part
            for s in reached.system.stack_sets
            if s.name not in observed
            or set(s.targets) - set(observed[s.name].instances)
        ]
        open_run, lines = what_is_open(reached, near) if lacking else (None, [])
    found = data.outputs(reached.system, observed)
    missing = unread.of(observed)
    if open_run and "to" in open_run:
        missing = [
            f"cannot be read while the administration moves: {', '.join(lacking)}; "
            "their stacks run on",
            *missing,
            "; ".join(lines),
        ]
    for line in missing:
        say(line)
    code = FAILED if missing else DONE
    if output == "json":
        print_json(found)
        return code
    rows = list(_rows(found))
    several = len({account for _, _, account, _, _ in rows}) > 1
    for part, region, account, name, value in rows:
        where = [region, account] if several else [region]
        if output == "env":
            variable = re.sub(r"[^A-Za-z0-9]+", "_", "_".join([part, name, *where]))
            click.echo(f"{variable.upper()}={shell_word(value)}")
        else:
            click.echo(visible(f"{part}.{name}  {' '.join(where)}  {value}"))
    if not rows and not missing:
        there = any(o.instances for o in observed.values())
        why = "its templates have none" if there else "it is not deployed"
        click.echo(f"{reached.system.prefix} has no outputs: {why}", err=True)
    return code


def _rows(found: Any) -> Iterator[tuple[str, str, str, str, str]]:
    for part, regions in found.items():
        for region, accounts in regions.items():
            for account, values in accounts.items():
                for name, value in values.items():
                    yield part, region, account, name, value
