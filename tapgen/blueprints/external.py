"""Blueprints that tapgen does not ship: from a file beside the config, or a package.

Either is a `Blueprint`, or just its `build(config) -> System`. Then the module may
define the rest: `Settings` (a pydantic model), `ROLES` (region roles, the first is the
primary one), `CODE` (the prefix of resource names).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from tapgen.blueprints import python
from tapgen.config import Blueprint, Config
from tapgen.errors import BlueprintError
from tapgen.model import System

GROUP = "tapgen.blueprints"
"""The entry point group for blueprints of installed packages."""

ATTRIBUTES = ("build", "BLUEPRINT")
"""The attributes to look for in a file given without `:name`."""


def installed() -> tuple[str, ...]:
    """Return the names of the blueprints of installed packages."""
    return tuple(sorted({point.name for point in metadata.entry_points(group=GROUP)}))


def of_package(name: str) -> Blueprint | None:
    """Return the blueprint of an installed package; None if there is none.

    Raises BlueprintError if it cannot be loaded, or several packages provide it.
    """
    points = list(metadata.entry_points(group=GROUP, name=name))
    if not points:
        return None
    if len({point.value for point in points}) > 1:
        values = ", ".join(sorted(point.value for point in points))
        raise BlueprintError(f"several packages provide it: {values}; uninstall one")
    point, *_ = points
    with python.reported(where=f"entry point {name} = {point.value}"):
        found = point.load()
    module = sys.modules[point.module]
    file = Path(module.__file__) if module.__file__ else None
    return _blueprint(found, name, vars(module), file)


def of_file(reference: str, folder: Path) -> Blueprint:
    """Return the blueprint `file.py:name`, the file relative to `folder`.

    Raises BlueprintError if there is none, and for every error in the file.
    """
    found, file = python.load(reference, folder, ATTRIBUTES)
    with python.reported(file):
        module = vars(python.module(file))
    return _blueprint(found, reference, module, file)


def _blueprint(
    found: Any, name: str, module: dict[str, Any], file: Path | None
) -> Blueprint:
    if not isinstance(found, Blueprint):
        if not callable(found) or isinstance(found, type):
            raise BlueprintError(
                f"{file}: {type(found).__name__} is not a blueprint; name a function "
                "build(config), or a tapgen.config.Blueprint"
            )
        build: Callable[[Config], System] = found
        found = Blueprint(
            name,
            code=_given(module, "CODE", str, "", file),
            roles=_given(module, "ROLES", tuple, (), file),
            settings=_settings(module, file),
            build=build,
        )
    blueprint: Blueprint = found
    return replace(blueprint, name=name, build=_reporting(blueprint.build, file))


def _given(
    module: dict[str, Any], name: str, kind: type, default: Any, file: Path | None
) -> Any:
    value = module.get(name, default)
    if not isinstance(value, kind):
        given = type(value).__name__
        raise BlueprintError(f"{file}: {name} is a {given}; give a {kind.__name__}")
    return value


def _settings(module: dict[str, Any], file: Path | None) -> type[BaseModel]:
    none = create_model("Settings", __config__=ConfigDict(extra="forbid"))
    found = module.get("Settings", none)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise BlueprintError(f"{file}: Settings is not a pydantic.BaseModel")
    return found


def _reporting(
    build: Callable[[Config], System], file: Path | None
) -> Callable[[Config], System]:
    """Wrap `build` to report its errors with the author's file and line."""

    def reporting(config: Config) -> System:
        with python.reported(file, where=config.system):
            system = build(config)
        if not isinstance(system, System):
            given = type(system).__name__
            raise BlueprintError(
                f"{config.system}: {file}: build returned {given}; return a System, "
                "for example from tapgen.blueprints.parts.assemble"
            )
        return system

    return reporting
