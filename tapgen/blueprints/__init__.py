"""The shipped blueprints: from a config to a system.

They are imported only when asked for: a blueprint loads Troposphere, which is slow.
"""

from __future__ import annotations

from importlib import import_module

from tapgen.config import Blueprint

NAMES: tuple[str, ...] = ("secure_network", "serverless_api", "region_migration")
"""The names a config file may give as `blueprint`."""


def find(name: str) -> Blueprint | None:
    """The shipped blueprint of a name, None when there is none."""
    if name not in NAMES:
        return None
    found = import_module(f"tapgen.blueprints.{name}").BLUEPRINT
    assert isinstance(found, Blueprint)
    return found
