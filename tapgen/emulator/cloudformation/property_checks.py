"""What is wrong with the properties of a resource, by its registry schema.

The words are CloudFormation's: aws/aws-cdk-cli#1463 has those of a required property,
public logs of `cdk deploy` those of an enum, and ministack has measured the others.
What depends on another resource is `UNKNOWN` and passes. Patterns and lengths pass, too:
no report has AWS's words for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
Problem = tuple[str, str]
"""A path below the resource (`Properties/Cors/AllowMethods/1`), and what is wrong."""


class Unknown:
    """A value that is only known when the stack is deployed."""


UNKNOWN = Unknown()

_KINDS = {"array": "JSONArray", "object": "JSONObject"}
_SCALARS = {
    "string": "String",
    "number": "Number",
    "integer": "Integer",
    "boolean": "Boolean",
}


def problems(schema: Schema, properties: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what a schema does not allow in the properties of a resource."""
    yield from _object(schema, schema, properties, "Properties")


def known(
    value: Any, refers: Callable[[Any], bool], resolve: Callable[[Any], Any]
) -> Any:
    """Return a value of a template with `UNKNOWN` for what refers to a resource.

    `refers` says whether a value does; `resolve` resolves one that does not.
    """
    if not refers(value):
        resolved = resolve(value)
        return UNKNOWN if _is_dynamic(resolved) else resolved
    if isinstance(value, list):
        return [known(item, refers, resolve) for item in value]
    if isinstance(value, Mapping) and not _is_function(value):
        return {k: known(item, refers, resolve) for k, item in value.items()}
    return UNKNOWN


def _is_function(value: Mapping[str, Any]) -> bool:
    name = next(iter(value), "")
    return len(value) == 1 and (name in ("Ref", "Condition") or name.startswith("Fn::"))


def _is_dynamic(value: Any) -> bool:
    return isinstance(value, str) and "{{resolve:" in value


def followed(root: Schema, node: Any) -> Schema:
    """Return a schema, behind its reference to a definition."""
    seen = 0
    while isinstance(node, Mapping) and "$ref" in node and seen < 10:
        found: Any = root
        for step in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found.get(step, {}) if isinstance(found, Mapping) else {}
        node, seen = found, seen + 1
    return node if isinstance(node, Mapping) else {}


def _value(root: Schema, node: Any, value: Any, path: str) -> Iterator[Problem]:
    node = followed(root, node)
    if value is UNKNOWN or _is_dynamic(value):
        return
    wrong = _wrong_kind(node, value)
    if wrong:
        name = path.rpartition("/")[2]
        yield path, f"Property [{name}] expected type: {wrong}, found: {_kind(value)}"
    elif isinstance(value, Mapping):
        yield from _object(root, node, value, path)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _value(root, node.get("items", {}), item, f"{path}/{number}")
    elif "enum" in node and _text(value) not in map(_text, node["enum"]):
        allowed = ", ".join(map(_text, node["enum"]))
        yield path, (
            f"{_text(value)} is not a valid enum value. Supported values: [{allowed}]"
        )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "JSONArray"
    # Numbers and booleans of a template reach the check as strings.
    return "JSONObject" if isinstance(value, Mapping) else "String"


def _wrong_kind(node: Schema, value: Any) -> str:
    """The kind that a schema wants where the value has another; empty where it fits."""
    given = node.get("type", ())
    kinds = [given] if isinstance(given, str) else list(given)
    if not kinds:
        return ""
    if isinstance(value, list):
        fits = "array" in kinds
    elif isinstance(value, Mapping):
        fits = "object" in kinds
    else:
        # A document may also be given as text.
        free = "object" in kinds and not node.get("properties")
        fits = free or any(kind in _SCALARS for kind in kinds)
    return "" if fits else {**_KINDS, **_SCALARS}.get(kinds[0], kinds[0])


def _object(
    root: Schema, node: Schema, value: Mapping[str, Any], path: str
) -> Iterator[Problem]:
    declared: Mapping[str, Any] = node.get("properties") or {}
    patterns: Mapping[str, Any] = node.get("patternProperties") or {}
    closed = node.get("additionalProperties") is False and declared
    for name in node.get("required", ()):
        if name not in value:
            yield path, f"Required property [{name}] not found"
    for name, inner in value.items():
        below = declared.get(name)
        if below is None:
            below = next((p for key, p in patterns.items() if _fits(key, name)), None)
        if below is not None:
            yield from _value(root, below, inner, f"{path}/{name}")
        elif closed and not _in_a_branch(root, node, name):
            yield path, f"Unsupported property [{name}]"


def _fits(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # of Java
        return True


def _in_a_branch(root: Schema, node: Schema, name: str) -> bool:
    """Whether one of several alternatives of a schema has the property."""
    branches = [b for key in ("oneOf", "anyOf", "allOf") for b in node.get(key, ())]
    return any(name in (followed(root, b).get("properties") or {}) for b in branches)
