"""The JSON Schema of a config file, for completion and checks in editors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from tapgen.config.model import Blueprint
from tapgen.config.patterns import ENVIRONMENT
from tapgen.config.shape import FileShape, Region

Json = dict[str, Any]


def json_schema(blueprints: Iterable[Blueprint]) -> Json:
    """Return the schema (draft 2020-12) of a config file for one of some blueprints.

    It is laxer than `load` where JSON Schema cannot express a rule, such as regions
    that differ. The same blueprints give the same schema, in the same order.
    """
    kinds = sorted(blueprints, key=lambda kind: kind.name)
    shape = FileShape.model_json_schema(ref_template="#/$defs/{model}")
    names = [kind.name for kind in kinds]
    if names:
        # The blueprints of this installation, or one in a file.
        known = [{"enum": names}, {"pattern": r"\.py:"}]
        shape["properties"]["blueprint"] |= {"anyOf": known, "examples": names}
    whole: Json = {**shape.pop("$defs"), "file": shape}
    for kind in kinds:
        whole |= _settings(kind)
    objects = {name for name, schema in whole.items() if "properties" in schema}
    whole |= {f"{name}.overlay": _overlay(whole[name], objects) for name in objects}
    file, overlay = whole.pop("file"), whole.pop("file.overlay")
    file["properties"]["environments"] = {
        "title": "Environments",
        "description": "The values that differ in each environment, by its name "
        "(`-e NAME`): mappings are merged, other values are replaced.",
        "type": "object",
        "default": {},
        "examples": [{"staging": {"suffix": "stg"}}],
        "propertyNames": {"pattern": ENVIRONMENT},
        "additionalProperties": overlay,
    }
    file |= {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tapgen config file",
        **({"allOf": [_of(kind) for kind in kinds]} if kinds else {}),
        "$defs": dict(sorted(whole.items())),
    }
    return dict(sorted(file.items()))


def _settings(kind: Blueprint) -> Json:
    """Return the definitions of a blueprint's settings, under names of their own."""
    prefix = f"{kind.name}."
    schema = kind.model().model_json_schema(
        ref_template="#/$defs/" + prefix + "{model}"
    )
    defs = {prefix + name: inner for name, inner in schema.pop("$defs", {}).items()}
    return {prefix + "settings": schema, **defs}


def _overlay(schema: Json, objects: set[str]) -> Json:
    """Return the schema of an overlay over a valid base: nothing is required.

    Lists are replaced as a whole, so the schema of their items stays as it is.
    """
    overlay: Json = {}
    for key, value in schema.items():
        if key in ("properties", "patternProperties"):
            value = {name: _overlay(inner, objects) for name, inner in value.items()}
        elif key in ("anyOf", "oneOf", "allOf"):
            value = [_overlay(inner, objects) for inner in value]
        elif key == "additionalProperties" and isinstance(value, dict):
            value = _overlay(value, objects)
        elif key == "$ref" and value.removeprefix("#/$defs/") in objects:
            value += ".overlay"
        if key not in ("required", "minProperties", "default"):
            overlay[key] = value
    return overlay


def _of(kind: Blueprint) -> Json:
    """Return the schema that applies to a file with this blueprint."""
    region = TypeAdapter(Region).json_schema()
    regions: Json = {
        "properties": {role: dict(region) for role in kind.roles},
        "additionalProperties": False if kind.roles else dict(region),
    }
    settings = f"#/$defs/{kind.name}.settings"
    fields = kind.model().model_fields.values()
    required = ["stack_sets"] if kind.stack_sets else ["regions"]
    required += ["settings"] if any(field.is_required() for field in fields) else []
    no_stack_sets: Json = {} if kind.stack_sets else {"stack_sets": False}
    overlay = {
        "properties": {
            "regions": regions,
            "settings": {"$ref": f"{settings}.overlay"},
            **no_stack_sets,
        }
    }
    return {
        "if": {
            "properties": {"blueprint": {"const": kind.name}},
            "required": ["blueprint"],
        },
        "then": {
            "properties": {
                "regions": {**regions, "required": list(kind.roles)},
                "settings": {"$ref": settings},
                "environments": {"additionalProperties": overlay},
                **no_stack_sets,
            },
            "required": required,
        },
    }
