"""`tapgen list`: the systems of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE, FAILED
from tapgen.cli.common import (
    load_all,
    output_option,
    print_json,
    say,
    stacksets_option,
    system_names,
)
from tapgen.cli.files import name_clashes
from tapgen.errors import TapgenError
from tapgen.report.counting import counted


@click.command("list", epilog="\b\nExample:\n  tapgen list --output json")
@stacksets_option
@output_option
def list_command(folder: Path, output: str) -> int:
    """List the systems with their blueprints, environments and regions."""
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    read: list[tuple[Path, str, str]] = []
    for name in system_names(folder):
        try:
            loaded, *others = load_all(folder / f"{name}.yaml")
        except TapgenError as error:
            problems += str(error).splitlines()
            continue
        code = loaded.blueprint.code
        read += [(o.config.path, code, o.config.suffix) for o in (loaded, *others)]
        found.append(
            {
                "system": name,
                "blueprint": loaded.config.blueprint,
                "suffix": loaded.config.suffix,
                "regions": dict(loaded.config.regions),
                "environments": [o.config.environment for o in others],
                "stack_sets": [s.name for s in loaded.system.stack_sets],
            }
        )
    problems += name_clashes(read)
    for problem in problems:
        say(f"error: {problem}")
    if output == "json":
        print_json(found)
        return FAILED if problems else DONE
    for row in found:
        regions = ", ".join(f"{k} {v}" for k, v in row["regions"].items())
        environments = ", ".join(row["environments"]) or "none"
        click.echo(
            f"{row['system']}  blueprint {row['blueprint']}, suffix {row['suffix']}"
        )
        click.echo(f"  regions: {regions}; environments: {environments}")
        click.echo(f"  {counted(len(row['stack_sets']), 'stack set')}")
    if not found and not problems:
        say(f"{folder}/ has no systems; write one with tapgen init")
    return FAILED if problems else DONE
