"""Numbers and booleans that are given as text, as the values of parameters always are,
and text that is given as `true` or 1.

CloudFormation gives each handler what the registry schema of its type says
(https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html).
ministack's handlers get the text, and some of them count with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tapgen.emulator.cloudformation.property_checks import followed
from tapgen.emulator.cloudformation.patches.resource_work import (
    DELETE,
    UPDATE,
    Work,
    listen,
)

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
    return replace(work, properties=after, previous=before)


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


class _Form:
    """A part of a schema, with the parts below it that templates have named so far."""

    def __init__(self, root: Schema, node: Any) -> None:
        self._root, self._node = root, followed(root, node)
        self._below: dict[str | None, _Form | None] = {}
        self.type = str(self._node.get("type"))

    def below(self, name: str | None) -> _Form | None:
        """The form of a property, of the items where `name` is None; None for any."""
        if name not in self._below:
            properties = self._node.get("properties") or {}
            node = properties.get(name) if name is not None else self._node.get("items")
            self._below[name] = _Form(self._root, node) if node else None
        return self._below[name]


def _form(kind: str) -> _Form:
    if kind not in _forms:
        schema = _shapes[0](kind, "us-east-1") or {}
        _forms[kind] = _Form(schema, schema)
    return _forms[kind]


def _fitted(form: _Form | None, value: Any) -> Any:
    if form is None:
        return value
    if isinstance(value, dict):
        return {k: _fitted(form.below(k), v) for k, v in value.items()}
    if isinstance(value, list):
        return [_fitted(form.below(None), one) for one in value]
    if form.type == "string":
        return _as_text(value)
    if not isinstance(value, str):
        return value
    try:
        return _SCALARS.get(form.type, str)(value)
    except (KeyError, ValueError):
        return value  # a handler refuses it


def _number(text: str) -> float:
    return float(text) if {*text.lower()} & {*".e"} else int(text)


_SCALARS: Mapping[str, Callable[[str], Any]] = {
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "integer": int,
    "number": _number,
}
