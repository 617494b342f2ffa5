"""Numbers and booleans that are given as text, as the values of parameters always are,
and text that is given as `true` or 1.

CloudFormation gives each handler what the registry schema of its type says
(https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html).
ministack's handlers get the text, and some of them count with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, replace_everywhere
from tapgen.emulator.cloudformation.property_checks import followed

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.provisioners": {
        "_provision_resource": ("resource_type", "logical_id", "props", "stack_name"),
        "_update_resource": (
            *("resource_type", "physical_id", "old_props", "new_props"),
            *("stack_name", "logical_id", "old_attrs"),
        ),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

_STACK = "AWS::CloudFormation::Stack"
Schema = Mapping[str, Any]
Shape = Callable[[str, str], Schema | None]
_shapes: list[Shape] = []


def apply(shape: Shape) -> None:
    """Let handlers have the types of schemas; calling it again changes only `shape`."""
    wrapped = bool(_shapes)
    _shapes[:] = [shape]
    if not wrapped:
        replace_everywhere("_provision_resource", _creating)
        replace_everywhere("_update_resource", _updating)


def _creating(original: Callable[..., Any]) -> Callable[..., Any]:
    def provision(
        resource_type: str, logical_id: str, props: Any, stack_name: str
    ) -> Any:
        return original(
            resource_type, logical_id, fitted(resource_type, props), stack_name
        )

    return provision


def _updating(original: Callable[..., Any]) -> Callable[..., Any]:
    def update(
        resource_type: str,
        physical_id: str,
        old_props: Any,
        new_props: Any,
        stack_name: str,
        logical_id: str | None = None,
        old_attrs: Any = None,
    ) -> Any:
        return original(
            *(resource_type, physical_id),
            *(fitted(resource_type, old_props), fitted(resource_type, new_props)),
            *(stack_name, logical_id, old_attrs),
        )

    return update


def fitted(kind: str, properties: Any) -> Any:
    """Return properties with the numbers and booleans of the type's schema."""
    schema = _shapes[0](kind, "us-east-1") or {}
    found = _fitted(schema, schema, properties)
    if kind == _STACK and isinstance(found.get("Parameters"), Mapping):
        # cfn-lint's schema allows more than text here; CloudFormation makes text of it.
        given = {k: _as_text(v) for k, v in found["Parameters"].items()}
        found = {**found, "Parameters": given}
    return found


def _as_text(value: Any) -> Any:
    if not isinstance(value, bool | int | float):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fitted(root: Schema, node: Any, value: Any) -> Any:
    node = followed(root, node)
    if isinstance(value, Mapping):
        inner = node.get("properties") or {}
        return {k: _fitted(root, inner.get(k), v) for k, v in value.items()}
    if isinstance(value, list):
        return [_fitted(root, node.get("items"), one) for one in value]
    kind = str(node.get("type"))
    if kind == "string":
        return _as_text(value)
    if not isinstance(value, str):
        return value
    try:
        return _SCALARS.get(kind, str)(value)
    except (KeyError, ValueError):
        return value  # a handler refuses it


def _number(text: str) -> float:
    return float(text) if {*text.lower()} & {*".e"} else int(text)


_SCALARS: Mapping[str, Callable[[str], Any]] = {
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "integer": int,
    "number": _number,
}
