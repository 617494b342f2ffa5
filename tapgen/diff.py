"""Compare two templates, resource by resource and property by property.

Data in, data out. Key order and formatting make no difference; what a template
computes at run time (conditions, intrinsics) is compared as written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tapgen import schemas

Path = tuple[str | int, ...]


class Verb(StrEnum):
    """What happens to a resource."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True)
class Property:
    """One place of a resource that differs; None stands for absent."""

    path: Path
    old: Any
    new: Any


@dataclass(frozen=True)
class Resource:
    """One resource that differs. Of added and removed ones, no properties are told."""

    verb: Verb
    logical_id: str
    type: str
    properties: tuple[Property, ...] = ()


def resources(old: str, new: str) -> tuple[Resource, ...]:
    """What differs between the resources of two template texts, by logical id.

    A text that is no JSON object counts as a template without resources.
    """
    before, after = _resources(old), _resources(new)
    return tuple(
        change
        for logical_id in sorted({*before, *after})
        if (
            change := _resource(
                logical_id, before.get(logical_id), after.get(logical_id)
            )
        )
    )


def same(old: str, new: str) -> bool:
    """Whether two template texts say the same."""
    try:
        return bool(json.loads(old) == json.loads(new))
    except ValueError:
        return old == new


def moving_outputs(old: str, new: str, parameters: Iterable[str]) -> frozenset[str]:
    """The outputs of `new` whose values may differ from those of `old`, when these
    parameters get other values.

    A resource's Ref and its identifiers (`…Arn`, `…Id`) change only when it is
    replaced, that is when a create-only property changes; other attributes may change
    with any property. What cannot be told counts as moving.
    """
    before, after = block(old, "Outputs"), block(new, "Outputs")
    moving = _Moving(old, new, frozenset(parameters))
    return frozenset(
        name
        for name, output in after.items()
        if before.get(name) != output or moving.touches(output)
    )


class _Moving:
    """Which parameters, conditions and resource attributes may have other values."""

    def __init__(self, old: str, new: str, parameters: frozenset[str]) -> None:
        before = block(old, "Parameters")
        declared = block(new, "Parameters")
        self.plain = set(parameters) | {
            name for name, p in declared.items() if before.get(name) != p
        }
        self.resources = _resources(new)
        self.changed: dict[str, set[str]] = {}
        for change in resources(old, new):
            tops = {str(p.path[1]) for p in change.properties if len(p.path) > 1}
            other = any(p.path[0] != "Properties" for p in change.properties)
            # An attribute of the resource, as its condition, may do anything to it.
            whole = other or change.verb is not Verb.CHANGE
            self.changed[change.logical_id] = tops | ({"*"} if whole else set())
        self._conditions(block(old, "Conditions"), block(new, "Conditions"))
        self._mappings = block(old, "Mappings") != block(new, "Mappings")
        while self._spread():
            pass

    def _conditions(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Conditions move with the parameters and conditions they name."""
        moving = {name for name in new if old.get(name) != new[name]}
        for _ in new:
            moving |= {
                name for name, body in new.items() if self.plain & {*_names(body)}
            } | {name for name, body in new.items() if moving & {*_names(body)}}
        self.plain |= moving

    def _spread(self) -> bool:
        """Carry changes on to the resources that refer to what changed."""
        grown = False
        for logical_id, resource in self.resources.items():
            properties = resource.get("Properties", {})
            known = self.changed.get(logical_id, set())
            found = {k for k, v in properties.items() if self.touches(v)} - known
            if resource.get("Condition") in self.plain and "*" not in known:
                found.add("*")
            if found:
                self.changed[logical_id] = known | found
                grown = True
        return grown

    def touches(self, node: Any) -> bool:
        """Whether a value computed by this expression may change."""
        if isinstance(node, dict) and "Fn::FindInMap" in node and self._mappings:
            return True
        return any(self._moves(name) for name in _names(node))

    def _moves(self, name: str) -> bool:
        if name in self.plain:
            return True
        logical_id, _, attribute = name.partition(".")
        changed = self.changed.get(logical_id)
        if not changed:
            return False
        return self._replaces(logical_id, changed) or not _is_identifier(attribute)

    def _replaces(self, logical_id: str, changed: set[str]) -> bool:
        kind = str(self.resources.get(logical_id, {}).get("Type"))
        if "*" in changed or schemas.schema(kind) is None:
            return True
        paths = schemas.create_only(kind) | schemas.conditional_create_only(kind)
        return bool(changed & {path.partition("/")[0] for path in paths})


def _is_identifier(attribute: str) -> bool:
    return attribute == "" or attribute.endswith(("Arn", "Id"))


def _names(node: Any) -> Iterator[str]:
    """Every parameter, condition, resource or `resource.attribute` an expression names."""
    if isinstance(node, list):
        for item in node:
            yield from _names(item)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in ("Ref", "Condition") and isinstance(value, str):
            yield value
        elif key == "Fn::GetAtt":
            yield value if isinstance(value, str) else ".".join(map(str, value))
        elif key == "Fn::Sub":
            text, local = value if isinstance(value, list) else (value, {})
            yield from (n for n in _placeholders(text) if n not in local)
            yield from _names(list(local.values()))
        elif key == "Fn::If":
            yield str(value[0])
            yield from _names(value[1:])
        else:
            yield from _names(value)


def _placeholders(text: str) -> list[str]:
    return re.findall(r"\$\{([^!}][^}]*)\}", text)


def block(text: str, name: str) -> Mapping[str, Any]:
    """One top-level block of a template text; empty when there is none to read."""
    try:
        found = json.loads(text).get(name, {})
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def _resources(text: str) -> Mapping[str, Mapping[str, Any]]:
    return block(text, "Resources")


def _resource(
    logical_id: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Resource | None:
    if old is None and new is not None:
        return Resource(Verb.ADD, logical_id, new.get("Type", "?"))
    if new is None and old is not None:
        return Resource(Verb.REMOVE, logical_id, old.get("Type", "?"))
    assert old is not None and new is not None
    found = tuple(_differences((), old, new))
    if not found:
        return None
    return Resource(Verb.CHANGE, logical_id, new.get("Type", "?"), found)


def _differences(path: Path, old: Any, new: Any) -> Iterator[Property]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences((*path, key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences((*path, index), before, after)
    elif old != new:
        yield Property(path, old, new)
