"""Numbers and booleans that are given as text, as the values of parameters always are,
and text that is given as `true` or 1.

CloudFormation gives each handler what the registry schema of its type says
(https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html).
ministack's handlers get the text, and some of them count with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.resource_work import (
    DELETE,
    UPDATE,
    Work,
    listen,
)
from tapgen.emulator.cloudformation.property_checks import followed

_STACK = "AWS::CloudFormation::Stack"
Schema = Mapping[str, Any]
Shape = Callable[[str, str], Schema | None]
_shapes: list[Shape] = []
_forms: dict[str, _Form] = {}


def apply(shape: Shape) -> None:
    """Let handlers have the types of schemas; calling it again changes only `shape`."""
    _shapes[:] = [shape]
    _forms.clear()
    listen(_fitting)


def _fitting(work: Work) -> Work:
    if work.operation == DELETE:
        return work
    after, before = fitted(work.kind, work.properties), work.previous
    if work.operation == UPDATE:
        before = fitted(work.kind, before)
    return work._replace(properties=after, previous=before)


def fitted(kind: str, properties: Any) -> Any:
    """Return properties with the numbers and booleans of the type's schema."""
    found = _fitted(_form(kind), properties)
    if kind == _STACK and isinstance(found.get("Parameters"), Mapping):
        # cfn-lint's schema allows more than text here; CloudFormation makes text of it.
        given = {k: _as_text(v) for k, v in found["Parameters"].items()}
        found = {**found, "Parameters": given}
    return found


def _as_text(value: Any) -> Any:
    if not isinstance(value, bool | int | float):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Form(dict[str | None, "_Form | None"]):
    """A part of a schema: the form of each property that templates have named so far,
    and of its items under None. None for what takes any value."""

    def __init__(self, root: Schema, node: Any) -> None:
        super().__init__()
        self._root, self._node = root, followed(root, node)
        self.type = str(self._node.get("type"))
        self.of_text = _SCALARS.get(self.type, str)

    def __missing__(self, name: str | None) -> _Form | None:
        inner = self._node.get("properties") or {}
        node = self._node.get("items") if name is None else inner.get(name)
        self[name] = _Form(self._root, node) if node else None
        return self[name]


def _form(kind: str) -> _Form:
    if kind not in _forms:
        schema = _shapes[0](kind, "us-east-1") or {}
        _forms[kind] = _Form(schema, schema)
    return _forms[kind]


def _fitted(form: _Form | None, value: Any) -> Any:
    if form is None:
        return value
    if isinstance(value, str):
        try:
            return form.of_text(value)
        except (KeyError, ValueError):
            return value  # a handler refuses it
    if isinstance(value, dict):
        return {k: _fitted(form[k], v) for k, v in value.items()}
    if isinstance(value, list):
        return [_fitted(form[None], one) for one in value]
    return _as_text(value) if form.type == "string" else value


def _number(text: str) -> float:
    return float(text) if {*text.lower()} & {*".e"} else int(text)


_SCALARS: Mapping[str, Callable[[str], Any]] = {
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "integer": int,
    "number": _number,
}
