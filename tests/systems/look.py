"""Helpers that read the templates of a system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tapgen import blueprints, config, lint
from tapgen.config.record import Record
from tapgen.model import Finding, Severity, System

ROOT = Path(__file__).parents[2]
LINTED = ROOT / ".tapgen" / "lint"
"""What `make lint` has found, by all that it depends on: what is the same is not checked
again."""


def shipped(
    name: str,
    environment: str | None = None,
    *,
    settings: dict[str, Any] | None = None,
    **keys: Any,
) -> System:
    """Return the system of a shipped config file, with some settings or keys changed."""
    path = ROOT / "stacksets" / f"{name}.yaml"
    loaded = config.load(path, blueprints.find, environment)
    if settings:
        keys["settings"] = changed(loaded, settings)
    return built(replace(loaded, **keys))


def changed(loaded: config.Config, settings: dict[str, Any]) -> Any:
    """Return the settings of a config with others in their place."""
    blueprint = blueprints.find(loaded.blueprint)
    assert blueprint is not None
    return blueprint.model().model_validate({**plain(loaded.settings), **settings})


def plain(value: Any) -> Any:
    """Return settings as data."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Record):
        return {name: plain(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value


def built(loaded: config.Config) -> System:
    blueprint = blueprints.find(loaded.blueprint)
    assert blueprint is not None
    return blueprint.build(loaded)


def load(
    folder: Path, name: str, settings: dict[str, Any], **more: Any
) -> config.Config:
    """Return the config of a file with these settings and keys; None omits a setting."""
    file = folder / f"{name}.yaml"
    given = {k: v for k, v in settings.items() if v is not None}
    content = {"blueprint": name, "suffix": "prod", "settings": given, **more}
    file.write_text(json.dumps(content))  # JSON is YAML
    return config.load(file, blueprints.find)


def found_by_lint(*systems: System) -> list[Finding]:
    """Return what lint finds in systems, but for what is only information."""
    found = lint.check_all(systems, ROOT / "templates_out", processes=1, cache=LINTED)
    return [f for f in found if f.severity is not Severity.INFORMATIONAL]


def body(system: System, part: str) -> dict[str, Any]:
    """Return the template of a part."""
    loaded = json.loads(system.part(part).template)
    assert isinstance(loaded, dict)
    return loaded


def every(system: System, *types: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(part, logical id) -> resource, of these types in all templates."""
    return {
        (s.part, logical_id): resource
        for s in system.stack_sets
        for logical_id, resource in json.loads(s.template)["Resources"].items()
        if not types or resource["Type"] in types
    }


def only(system: System, part: str, type_name: str) -> dict[str, Any]:
    """Return the properties of the only resource of a type in a part."""
    (found,) = (r for (p, _), r in every(system, type_name).items() if p == part)
    properties = found["Properties"]
    assert isinstance(properties, dict)
    return properties


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a part of a template."""
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from texts(inner)
        case list():
            for inner in value:
                yield from texts(inner)


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every policy statement in a part of a template."""
    match value:
        case {"Effect": _, "Action": _}:
            yield value
        case dict():
            for inner in value.values():
                yield from statements(inner)
        case list():
            for inner in value:
                yield from statements(inner)


def granted(system: System, part: str, title: str) -> dict[str, dict[str, Any]]:
    """Return Sid -> statement of a role or a managed policy."""
    resource = body(system, part)["Resources"][title]["Properties"]
    policies = resource.get("Policies", resource.get("PolicyDocument"))
    return {s["Sid"]: s for s in statements(policies)}


def service(statement: dict[str, Any]) -> str:
    """Return the service principal of a statement, as text."""
    principal = statement.get("Principal", {})
    found = principal.get("Service", "") if isinstance(principal, dict) else ""
    return "".join(texts(found))
