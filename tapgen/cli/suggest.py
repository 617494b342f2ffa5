"""What a shell completes: systems, environments, stack sets and regions of this folder.

It reads file names, and the manifests that `tapgen templates` has written: no AWS, and
nothing that is slow to import. What cannot be read is not suggested.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

TEMPLATES_FOLDER = Path("templates_out")

Suggest = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def suggest(found: Callable[[click.Context], Iterable[str]]) -> Suggest:
    """Return the completion with the words that a function finds."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        given = context.params.get(parameter.name or "") or ()
        return [
            CompletionItem(word)
            for word in dict.fromkeys(found(context))
            if word.startswith(incomplete) and word not in given
        ]

    return complete


def _folder(context: click.Context) -> Path:
    return Path(context.params.get("folder") or "stacksets")


def _systems(context: click.Context) -> list[str]:
    try:
        return sorted(path.stem for path in _folder(context).glob("*.yaml"))
    except OSError:
        return []


def _system(context: click.Context) -> Path | None:
    """The file of the system that is given, or of the only one."""
    given = context.params.get("system") or context.params.get("systems")
    # click reads no arguments where the last word is an option without its value.
    names = [given] if isinstance(given, str) else [*(given or context.args)]
    known = _systems(context)
    if not names and len(known) != 1:
        return None
    name = names[0] if names else known[0]
    is_path = name.endswith((".yaml", ".yml")) or os.sep in name
    return Path(name) if is_path else _folder(context) / f"{name}.yaml"


def _environments(context: click.Context) -> tuple[str, ...]:
    from tapgen import config
    from tapgen.errors import ConfigError

    path = _system(context)
    try:
        return config.environments(path) if path else ()
    except ConfigError:
        return ()


def _manifest(context: click.Context) -> Any:
    """The manifest of the system and environment that are given; empty without one."""
    path = _system(context)
    if path is None:
        return {}
    environment = context.params.get("environment")
    name = f"manifest.{environment}.json" if environment else "manifest.json"
    try:
        return json.loads((TEMPLATES_FOLDER / path.stem / name).read_bytes())
    except (OSError, ValueError):
        return {}


def _stack_sets(context: click.Context) -> list[str]:
    return [one["part"] for one in _manifest(context).get("stack_sets", ())]


def _regions(context: click.Context) -> list[str]:
    from tapgen.knowledge.regions import PARTITION_OF

    own = _manifest(context).get("regions", {})
    return [*own.values()] or sorted(PARTITION_OF)


def _roles(context: click.Context) -> list[str]:
    return [*_manifest(context).get("regions", {})]


systems = suggest(_systems)
environments = suggest(_environments)
stack_sets = suggest(_stack_sets)
regions = suggest(_regions)
roles = suggest(_roles)


def systems_and_files(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a system; a path, where no system begins so."""
    found = systems(context, parameter, incomplete)
    return found or [CompletionItem(incomplete, type="file")]
