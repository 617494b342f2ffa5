"""`tapgen init`: the YAML file of a shipped system."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from tapgen.cli import DONE, near
from tapgen.cli.common import (
    stacksets_option,
)
from tapgen.cli.schema import schema_text
from tapgen.errors import ConfigError


@click.command("init", epilog="\b\nExample:\n  tapgen init secure_network")
@click.argument("blueprint", required=False, metavar="BLUEPRINT")
@stacksets_option
def init_command(blueprint: str | None, folder: Path) -> int:
    """Write stacksets/BLUEPRINT.yaml, and the JSON Schema for editors.

    An existing YAML file is never overwritten.
    """
    from tapgen import blueprints

    has = ", ".join(blueprints.NAMES)
    if blueprint is None:
        raise click.UsageError(
            f"name a blueprint: {has}; for templates of your own, tapgen new writes a start"
        )
    if blueprint not in blueprints.NAMES:
        hint = near(blueprint, blueprints.NAMES)
        raise click.UsageError(f"no blueprint {blueprint!r}; there are {has}{hint}")
    path = folder / f"{blueprint}.yaml"
    if path.exists():
        raise ConfigError([f"{path}: already exists; edit it, or remove it first"])
    text = resources.files("tapgen").joinpath(f"data/{blueprint}.yaml").read_text()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tapgen.schema.json").write_text(schema_text())
        path.write_text(text)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written ({error.strerror})"]) from error
    click.echo(f"wrote {path}; next: tapgen rollout {blueprint} --local")
    return DONE
