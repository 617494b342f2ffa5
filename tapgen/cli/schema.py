"""`tapgen schema`: the JSON Schema of a system's YAML file."""

from __future__ import annotations

import click

from tapgen.cli import DONE


@click.command(
    "schema", epilog="\b\nExample:\n  tapgen schema > stacksets/tapgen.schema.json"
)
def schema_command() -> int:
    """Print the JSON Schema of a system's YAML file, for editors."""
    click.echo(schema_text(), nl=False)
    return DONE


def schema_text() -> str:
    """Return the JSON Schema of a system's YAML file, with all blueprints' settings."""
    import json

    from tapgen import blueprints, config

    known = [b for b in map(blueprints.find, blueprints.names()) if b]
    return json.dumps(config.json_schema(known), indent=2) + "\n"
