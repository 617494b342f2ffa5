"""Blueprints: from a config to a system. Those tapgen ships, and where others are.

They are imported only when asked for: a blueprint loads Troposphere, which is slow.

A package for each shipped system, `custom` for templates of your own, `external` for
blueprints of your own; `parts` assembles a system. May use `blocks/`, `config/`,
`system/`, `template/` and `aws/`. Begin reading at `parts.assemble`.
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
"""The blueprint of templates that the user has."""


def names() -> tuple[str, ...]:
    """The names a config file may give as `blueprint`, besides files."""
    from tapgen.blueprints import external

    return (*NAMES, CUSTOM, *external.installed())


def find(name: str, folder: Path | None = None) -> Blueprint | None:
    """The blueprint that a config file in `folder` names; None when there is none.

    That is a shipped one, `file.py:name` relative to the folder, or one that an
    installed package offers. Raises BlueprintError where that cannot be loaded.
    """
    if name in (*NAMES, CUSTOM):
        found = import_module(f"tapgen.blueprints.{name}").BLUEPRINT
        assert isinstance(found, Blueprint)
        return found
    from tapgen.blueprints import external

    if ".py:" in name or name.endswith(".py"):
        return external.of_file(name, folder or Path())
    return external.of_package(name)
