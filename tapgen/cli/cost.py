"""`tapgen cost`: what a system costs in a month."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import click

from tapgen.cli import DONE, near, suggest
from tapgen.cli.common import (
    load,
    output_option,
    print_json,
    system_options,
    system_path,
)
from tapgen.errors import ConfigError

_EPILOG = """\b
Examples:
  tapgen cost payments_dr
  tapgen cost payments_dr -e staging --details
  tapgen cost payments_dr --prices price-lists/
  tapgen cost payments_dr --part database --region us-east-1
  tapgen cost payments_dr --output json

Nothing is read from AWS. What is not known is listed, and counts nowhere as 0.

Exit codes: 0 estimated, also where something is unknown; 1 error.
"""


@click.command("cost", epilog=_EPILOG)
@system_options
@click.option(
    "--part",
    "parts",
    metavar="NAME",
    multiple=True,
    shell_complete=suggest.stack_sets,
    help="Only this stack set; may be repeated.",
)
@click.option(
    "-r",
    "--region",
    "regions",
    metavar="REGION",
    multiple=True,
    shell_complete=suggest.regions,
    help="Only what is charged in this region; may be repeated.",
)
@click.option(
    "--prices",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Price list of AWS's, or a folder of them [tapgen's own table].",
)
@click.option(
    "--details", is_flag=True, help="List every charge, and where it is from."
)
@output_option
def cost_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    parts: tuple[str, ...],
    regions: tuple[str, ...],
    prices: Path | None,
    details: bool,
    output: str,
) -> int:
    """Estimate what SYSTEM costs in a month, by stack set and region."""
    from tapgen.cli.progress import console
    from tapgen.costs import estimate, price_lists
    from tapgen.report import costs

    wanted = load(system_path(system, folder), environment).system
    _allowed("--part", parts, [s.part for s in wanted.stack_sets], wanted.name)
    lists = price_lists.lists(prices) if prices else None
    whole = estimate.of(wanted, lists)
    of_targets = {t.region for s in wanted.stack_sets for t in s.targets}
    charged = {line.region for line in whole.lines}
    _allowed("--region", regions, sorted(of_targets | charged), wanted.name)
    found = estimate.only(whole, parts, regions)
    if output == "json":
        print_json(costs.data(found, wanted))
    else:
        console().print(costs.text(found, wanted, details=details))
    return DONE


def _allowed(
    option: str, given: Iterable[str], names: Collection[str], system: str
) -> None:
    """Raise ConfigError for a value that is none of a system's names."""
    for name in given:
        if name not in names:
            has = ", ".join(names)
            raise ConfigError(
                [f"{option} {name}: {system} has {has}{near(name, names)}"]
            )
