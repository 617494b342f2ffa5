"""The physical names that templates give their resources, and where each is unique.

A name that only AWS can fill in is left out: nothing certain can be said about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tapgen.knowledge.names import ACCOUNT_WIDE, BELOW, IAM, SAME, WORLD
from tapgen.model import Target
from tapgen.template import scope
from tapgen.template.places import value_at
from tapgen.template.refusals import custom_name


@dataclass(frozen=True, order=True)
class Name:
    """A name of a type, in the scope in which no other resource may have it."""

    type: str
    name: str
    scope: str


def of(
    kind: str, properties: Mapping[str, Any], target: Target, stack_set: str
) -> Name | None:
    """Return the name that a template gives a resource; None where it gives none, or
    where only AWS knows it."""
    everywhere = {**IAM, **ACCOUNT_WIDE, **WORLD}.get(kind)
    custom = None if everywhere else custom_name(kind)
    if everywhere:
        paths = ["/".join(everywhere)]
    elif custom:
        paths = custom.property.split("|")
    else:
        return None
    given = [value_at(properties, path) for path in paths]
    if not all(isinstance(v, str) and v and "{{" not in v for v in given):
        return None
    name = "|".join(given)
    if kind in WORLD:
        # A bucket in the namespace of its account and region (BucketNamespace).
        own = properties.get("BucketNamespace")
        where = scope.partition(target.region) if own is None else str(target)
    elif everywhere:
        where = target.account
    else:
        where = f"{target} {_below(kind, properties, stack_set)}".rstrip()
    return Name(SAME.get(kind, kind), name, where)


def _below(kind: str, properties: Mapping[str, Any], stack_set: str) -> str:
    """Return what the name is unique below; a reference means another thing in each
    stack set."""
    if kind not in BELOW:
        return ""
    value = properties.get(BELOW[kind])
    return value if isinstance(value, str) else f"{stack_set} {value!r}"
