"""Whether a table's path is one of its type's schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.template import schemas


def is_known(kind: str, path: str) -> bool:
    """Whether a type has a property; `*` stands for the items of a list. A type that
    lists no properties below one takes any."""
    schema: Mapping[str, Any] = {}
    for region in ("us-east-1", *sorted(schemas.regions())):
        schema = schemas.schema(kind, region) or {}
        if schema:
            break
    nodes: list[Mapping[str, Any]] = [schema]
    for step in path.split("/"):
        nodes = [below for node in nodes for below in _below(schema, node, step)]
    return bool(nodes)


def _below(
    schema: Mapping[str, Any], node: Mapping[str, Any], step: str
) -> Iterator[Mapping[str, Any]]:
    for form in _forms(schema, node):
        if step == "*" and isinstance(form.get("items"), Mapping):
            yield form["items"]
        elif step in form.get("properties", {}):
            yield form["properties"][step]
        elif form.get("type") in ("object", ["object", "string"]) and not form.get(
            "properties"
        ):
            yield {"type": "object"}


def _forms(
    schema: Mapping[str, Any], node: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        yield from _forms(schema, schema["definitions"][name])
        return
    yield node
    for key in ("anyOf", "oneOf", "allOf"):
        for inner in node.get(key, ()):
            yield from _forms(schema, inner)
