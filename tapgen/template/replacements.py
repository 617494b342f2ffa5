"""Decide whether a change replaces its resource, where the schema leaves that open.

Data in, data out. The corrections are in `knowledge/replacements.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.knowledge.replacements import CORRECTIONS, Correction, Rule
from tapgen.template.places import value_at
from tapgen.template.values import equal, is_open

Replaces = bool | None
"""Whether a change replaces its resource; None where that is known only in AWS."""


def correction(kind: str, path: str) -> Correction | None:
    """Return the correction for a property of a type, or for one around or in it."""
    for one in CORRECTIONS:
        if one.type == kind and any(_overlap(path, other) for other in one.paths):
            return one
    return None


def never(kind: str, path: str) -> bool:
    """Whether no change of a property replaces its resource, whatever the schema says."""
    known = correction(kind, path)
    return known is not None and known.rule is Rule.NEVER


def corrected(kind: str, path: str) -> str:
    """Return the path of the correction for a property of a type, empty for none."""
    one = correction(kind, path)
    return next(p for p in one.paths if _overlap(path, p)) if one else ""


def of_update(
    kind: str, name: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Replaces:
    """Whether an update that changes a top-level property replaces the resource, with all
    values known; None where no correction decides it by the properties alone."""
    path = corrected(kind, name)
    one = correction(kind, name)
    if one is None or one.update_policy or one.only_with:
        return None
    return replaces(kind, path, before, after, None)


def replaces(
    kind: str,
    name: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    policy: Any,
) -> Replaces:
    """Whether a change of the property of a correction (`corrected`) replaces the
    resource. `before` and `after` are all its properties, `policy` is its new
    UpdatePolicy."""
    one = correction(kind, name)
    assert one is not None
    old, new = _value(before, name), _value(after, name)
    if one.given and value_at(before, one.given) is None:
        return False
    if one.update_policy and equal(value_at(policy, one.update_policy), True):
        return False
    if one.only_with and not equal(value_at(policy, one.only_with), True):
        return False
    if any(_holds(after, *pair) for pair in one.unless):
        return False
    if _is_upgrade(one, old, new):
        return False
    found = _by_rule(one.rule, old, new)
    return None if found is False and not one.sure else found


def _by_rule(rule: Rule, old: Any, new: Any) -> Replaces:
    match rule:
        case Rule.NEVER:
            return False
        case Rule.UNLESS_REMOVED:
            return _surely(new is not None, old, new)
        case Rule.UNLESS_ADDED:
            return _surely(old is not None, old, new)
        case Rule.WHEN_ADDED:
            return None if new is None else old is None
        case Rule.WHEN_REMOVED:
            return new is None
        case Rule.WHEN_ADDED_OR_REMOVED:
            return old is None or new is None
        case Rule.ALWAYS:
            return _surely(True, old, new)


def _surely(found: bool, old: Any, new: Any) -> Replaces:
    """Return what is found, if the values certainly differ."""
    if found and (is_open(old) or is_open(new)):
        return None
    return found


def _value(properties: Mapping[str, Any], name: str) -> Any:
    """Return a property; None for one that is empty or false, as the handlers do."""
    value = value_at(properties, name)
    return None if value in ("", []) or equal(value, False) else value


def _holds(after: Mapping[str, Any], path: str, wanted: str) -> bool:
    value = value_at(after, path)
    return value is not None and (not wanted or equal(value, wanted))


def _is_upgrade(one: Correction, old: Any, new: Any) -> bool:
    pairs = [(str(old).lower(), str(new).lower())]
    same = bool(one.upgrades) and isinstance(old, str) and pairs[0][0] == pairs[0][1]
    return same or any(pair in one.upgrades for pair in pairs)


def _overlap(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")
