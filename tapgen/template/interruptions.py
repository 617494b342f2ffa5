"""Find what a change interrupts: restarts, failovers and downtime.

Data in, data out. The table is `knowledge/interruptions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.knowledge.interruptions import (
    DYNAMIC,
    FIRST,
    INTERRUPTIONS,
    MILD,
    REPLACED,
    Interruption,
)
from tapgen.template.places import value_at
from tapgen.template.values import equal


def of_property(
    kind: str, path: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Interruption | None:
    """Return what changing a property in place interrupts, None for nothing."""
    for one in INTERRUPTIONS:
        if one.type == kind:
            for name in one.paths:
                if _overlap(path, name) and _counts(one, name, before, after):
                    return one
    return None


def is_mild(one: Interruption) -> bool:
    """Whether a service that is set up for it does not notice."""
    return one.effect in MILD


def of_replacement(kind: str) -> str:
    """Return what stops working when a resource of a type is replaced, in words; empty
    for nothing that is known."""
    return REPLACED.get(kind, "")


def comes_first(kind: str) -> bool:
    """Whether a type is a database or a load balancer."""
    return kind.startswith(FIRST)


def _counts(
    one: Interruption, name: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> bool:
    old, new = value_at(before, name), value_at(after, name)
    if equal(old, new):
        return False  # another part of what is around it differs
    if one.becomes and not any(equal(new, value) for value in one.becomes):
        return False
    if one.passes and not any(
        equal(side, value) for value in one.passes for side in (old, new)
    ):
        return False
    if one.static and _dynamic(str(after.get("Family")), old, new):
        return False
    return all(_has(after, *pair) for pair in one.given)


def _dynamic(family: str, *groups: Any) -> bool:
    """Whether all parameters of a group are known to take effect without a restart."""
    known = DYNAMIC.get(family.rstrip("0123456789."), frozenset())
    names = [{} if group is None else group for group in groups]
    return all(
        isinstance(group, Mapping) and {str(name).lower() for name in group} <= known
        for group in names
    )


def _has(properties: Mapping[str, Any], path: str, wanted: str) -> bool:
    value = value_at(properties, path)
    return value is not None and (not wanted or equal(value, wanted))


def _overlap(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")
