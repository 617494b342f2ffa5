"""Blueprints, which build a system from a config: shipped ones, and how to find others.

They are imported on demand, because a blueprint loads Troposphere, which is slow.

A package for each shipped system, `custom` for templates of your own, `external` for
blueprints of your own; `parts` assembles a system. May use `blocks/`, `config/`,
`system/` and `template/`. Begin reading at `parts.assemble`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tapgen.config import Blueprint

NAMES: tuple[str, ...] = (
    "secure_network",
    "serverless_api",
    "region_migration",
    "payments_dr",
)
"""The systems that tapgen ships."""

CUSTOM = "custom"
"""The blueprint for the user's own templates."""


def names() -> tuple[str, ...]:
    """Return the names that a config file may give as `blueprint`, besides files."""
    from tapgen.blueprints import external

    return (*NAMES, CUSTOM, *external.installed())


def find(name: str, folder: Path | None = None) -> Blueprint | None:
    """Return the blueprint that a config file in `folder` names; None if there is none.

    It is a shipped one, `file.py:name` relative to the folder, or one of an installed
    package. Raises BlueprintError if it cannot be loaded.
    """
    if name in (*NAMES, CUSTOM):
        found = import_module(f"tapgen.blueprints.{name}").BLUEPRINT
        assert isinstance(found, Blueprint)
        return found
    from tapgen.blueprints import external

    if ".py:" in name or name.endswith(".py"):
        return external.of_file(name, folder or Path())
    return external.of_package(name)
