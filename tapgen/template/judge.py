"""Judge one difference: what it does to its resource, and what may be shown of it.

A `Verdict` comes from the resource schemas: `createOnlyProperties` replace,
`conditionalCreateOnlyProperties` may replace (CloudFormation resource provider schema);
`replacements` knows when, `interruptions` what a change in place interrupts. A value that
AWS decides later may turn out to be the same: then nothing is certain.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from tapgen.frozen import dataclass
from tapgen.template import interruptions, replacements, schemas
from tapgen.template.changes import ORDER, Property, Resource, Verdict
from tapgen.template.values import (
    LATER,
    equal,
    is_open,
    later,
    may_vanish,
    surely_differ,
    uses,
)

# A dynamic reference, and nothing else.
_REFERENCE = re.compile(r"\{\{resolve:[^{}]*\}\}")

# Stands for a secret: it stays hidden, and a change of it is still visible.
SECRET = "(hidden)"
OTHER_SECRET = "(hidden, another value)"

_BY_RULE = {
    True: Verdict.REPLACES,
    False: Verdict.IN_PLACE,
    None: Verdict.MAY_REPLACE,
}


@dataclass(frozen=True)
class Judge:
    """Judges the differences of one resource by its properties before and after, and its
    new UpdatePolicy."""

    kind: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    policy: Any
    _known: dict[str, Verdict] = field(default_factory=dict)

    def of(self, place: Property, sure: bool = True) -> Property:
        """Return a difference with its verdict and what it interrupts. Its values are
        certainly others if `sure`."""
        path = "/".join(part for part in place.path if isinstance(part, str))
        verdict = self._verdict(place, path)
        if verdict is Verdict.REPLACES and not sure:
            verdict = Verdict.MAY_REPLACE
        one = interruptions.of_property(self.kind, path, self.before, self.after)
        effect = str(one.effect) if one and verdict is not Verdict.REPLACES else ""
        return replace(place, verdict=verdict, interruption=effect)

    def _verdict(self, place: Property, path: str) -> Verdict:
        name = replacements.corrected(self.kind, path)
        if not name:
            return _by_schema(self.kind, place)
        if name not in self._known:
            sides = self.before, self.after
            found = replacements.replaces(self.kind, name, *sides, self.policy)
            self._known[name] = _BY_RULE[found]
        return self._known[name]


def weighed(change: Resource) -> Resource:
    """Return the change with the gravest verdict of its properties."""
    found = [p.verdict for p in change.properties]
    gravest = max(found, key=ORDER.index, default=Verdict.IN_PLACE)
    return replace(change, verdict=gravest)


@dataclass(frozen=True)
class Known:
    """What is known of values that only AWS fills in: those known later that are others
    than today (`moved`), the resources that are new, and all that there are."""

    moved: Collection[str] = ()
    added: Collection[str] = ()
    resources: Collection[str] = ()

    def surely_differ(self, old: Any, new: Any) -> bool:
        """Whether two values that differ in a template differ in AWS."""
        if old is None or new is None:
            return not may_vanish(new if old is None else old)
        if surely_differ(old, new) or any(name in self.moved for name in later(new)):
            return True
        match old, new:
            case {"Ref": str(one)}, {"Ref": str(other)}:
                return {one, other} <= {*self.resources}
        named = ((name.partition(".")[0], whole) for name, whole in uses(new))
        return any(whole and name in self.added for name, whole in named)


def steps(path: Iterable[str | int]) -> tuple[str, ...]:
    """Return the names of properties in a path, without the items of lists."""
    return tuple(p for p in path if isinstance(p, str) and p[:1] != "=")


def overlap(path: str, other: str) -> bool:
    """Whether one of two paths is, or is in, the other."""
    return path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")


# -- schemas -------------------------------------------------------------------------


def _by_schema(kind: str, place: Property) -> Verdict:
    if schemas.schema(kind) is None:
        return Verdict.MAY_REPLACE  # a type with an unknown schema
    found = [_create_only(place, one) for one in schemas.create_only(kind)]
    if True in found:
        return Verdict.REPLACES
    perhaps = schemas.conditional_create_only(kind)
    if None in found or any(_create_only(place, one) is not False for one in perhaps):
        return Verdict.MAY_REPLACE
    return Verdict.IN_PLACE


def _create_only(place: Property, pattern: str) -> bool | None:
    """Whether a difference concerns a create-only property; None where it may. The
    property may be around it, and differ elsewhere."""
    names, wanted = steps(place.path), [p for p in pattern.split("/") if p != "*"]
    common = min(len(names), len(wanted))
    if list(names[:common]) != wanted[:common]:
        return False
    below = wanted[common:]
    if not below:
        return True
    if any(LATER in side for side in (place.old, place.new) if _is_mapping(side)):
        return None
    old, new = _below(place.old, below), _below(place.new, below)
    if equal(old, new):
        return False
    # Items that come or go are no change of one.
    in_list = isinstance(place.path[-1], int) or str(place.path[-1])[:1] == "="
    is_item = in_list and None in (place.old, place.new)
    return None if is_item or "*" in pattern or is_open([old, new]) else True


def _below(node: Any, names: Sequence[str]) -> list[Any]:
    """Return the values of a property in a value, one for each item of a list."""
    if isinstance(node, list):
        return [found for item in node for found in _below(item, names)]
    if not names:
        return [] if node is None else [node]
    return _below(node.get(names[0]), names[1:]) if _is_mapping(node) else []


def _is_mapping(node: Any) -> bool:
    return isinstance(node, Mapping)


# -- secrets -------------------------------------------------------------------------


def masked(kind: str, place: Property) -> Property:
    """Return a difference without the secrets in it."""
    again = SECRET if place.old is None else OTHER_SECRET
    keys = steps(place.path)
    return replace(
        place,
        old=_without_secrets(kind, keys, place.old, SECRET),
        new=_without_secrets(kind, keys, place.new, again),
    )


def _without_secrets(kind: str, keys: Sequence[str], value: Any, mark: str) -> Any:
    """Return the value with secrets replaced by a mark; references to secrets stay."""
    if isinstance(value, list):
        return [_without_secrets(kind, keys, item, mark) for item in value]
    if isinstance(value, Mapping):
        if value.get(LATER) in (SECRET, OTHER_SECRET):
            return value[LATER]
        return {
            name: _without_secrets(kind, _keys_below(keys, str(name)), inner, mark)
            for name, inner in value.items()
        }
    if isinstance(value, str) and schemas.is_secret(kind, keys):
        return value if _REFERENCE.fullmatch(value) else mark
    return value


def _keys_below(keys: Sequence[str], name: str) -> Sequence[str]:
    """Return the property keys below a key of a mapping. Functions are no properties, and
    the names that they refer to are no secrets."""
    if name == "Ref" or name == "Fn::GetAtt":
        return ()
    return keys if name.startswith("Fn::") else (*keys, name)
