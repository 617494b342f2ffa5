"""Compare two templates, resource by resource and property by property.

Data in, data out. Key order and formatting make no difference; what a template
computes at run time (conditions, intrinsics) is compared as written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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


def _resources(text: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        found = json.loads(text).get("Resources", {})
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


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
