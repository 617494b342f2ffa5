"""What all readers share: reading only what a template sets, in its form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from tapgen.emulator.resources.calls import CallError, call
from tapgen.emulator.resources.kinds import is_absence

Properties = Mapping[str, Any]
Live = dict[str, Any]
Reader = Callable[[str, Properties], Live | None]
"""Physical id and template properties to live properties; None when it is gone."""
Covering = tuple[Reader, frozenset[str]]


def guarded(read: Reader) -> Reader:
    """Return `read` for drift detection: None for absence, values in the template's form.

    "CloudFormation only determines drift for property values that are explicitly set":
    what a service adds by itself below a property that is set is left out too.
    """

    def reading(physical_id: str, properties: Properties) -> Live | None:
        try:
            live = read(physical_id, properties)
        except CallError as error:
            if is_absence(error):
                return None
            raise
        if live is None:
            return None
        return {k: projected(properties.get(k), v) for k, v in live.items()}

    return reading


def projected(expected: Any, actual: Any) -> Any:
    """`actual` in the form of `expected`, without what `expected` does not set.

    Elements that a list has beyond the expected ones stay: they were added.
    """
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return {k: projected(v, actual[k]) for k, v in expected.items() if k in actual}
    if isinstance(expected, list) and isinstance(actual, list):
        return _projected_list(expected, actual)
    return expected if _same(expected, actual) else actual


def _projected_list(expected: list[Any], actual: list[Any]) -> list[Any]:
    """Each actual element fitted to the expected one that it is most like."""
    left = list(actual)
    found = []
    for wanted in expected:
        fits = [projected(wanted, item) for item in left]
        if wanted in fits:
            at = fits.index(wanted)
            found.append(fits[at])
            del left[at]
    for wanted in [w for w in expected if w not in found]:
        likeness = [_likeness(wanted, item) for item in left]
        if likeness and max(likeness) > 0:
            item = left.pop(likeness.index(max(likeness)))
            found.append(projected(wanted, item))
    return [*found, *left]


def _likeness(expected: Any, actual: Any) -> int:
    if not isinstance(expected, Mapping) or not isinstance(actual, Mapping):
        return 0
    return sum(k in actual and _same(v, actual[k]) for k, v in expected.items())


def _same(expected: Any, actual: Any) -> bool:
    """Whether two values are one, written as templates and services write them."""
    if isinstance(expected, (Mapping, list)) or isinstance(actual, (Mapping, list)):
        return bool(expected == actual)
    try:
        return float(str(expected)) == float(str(actual))
    except ValueError:
        return str(expected).lower() == str(actual).lower()


def document(value: Any) -> Any:
    """A policy document, which services return as text; IAM quotes it."""
    if not isinstance(value, str):
        return value
    return json.loads(unquote(value) if value.startswith("%") else value)


def tags(found: Iterable[Mapping[str, Any]], key: str = "Key") -> list[dict[str, str]]:
    """Tags of a service as a template has them."""
    value = key.replace("Key", "Value")
    return [{"Key": tag[key], "Value": tag[value]} for tag in found]


def optional(service: str, operation: str, /, **parameters: Any) -> Live:
    """The answer to a call; empty when the setting was never configured.

    CallError when the resource itself is gone.
    """
    try:
        return call(service, operation, **parameters)
    except CallError as error:
        if error.code in ("NoSuchBucket", "ResourceNotFoundException"):
            raise
        if is_absence(error) or "NotFound" in error.message:
            return {}
        raise


def is_set(properties: Properties, *names: str) -> bool:
    """Whether a template sets one of some properties."""
    return any(name in properties for name in names)


def others(type_name: str) -> Iterator[Properties]:
    """The properties of all resources of a type in the stacks of this place.

    Some resources become part of others: a rule of a security group, a role's policy.
    They are not drift of the resource that they are part of.
    """
    stacks: Any = import_module("ministack.services.cloudformation")._stacks
    for stack in stacks.values():
        for record in (stack.get("_resources") or {}).values():
            if record.get("ResourceType") == type_name:
                yield record.get("Properties") or {}
