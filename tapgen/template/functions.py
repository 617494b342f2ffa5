"""The intrinsic functions that tapgen evaluates, each with what it needs of a scope.

A function whose arguments are not all known returns itself, with the arguments
evaluated. Their arguments: CloudFormation user guide, "Intrinsic function reference".
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tapgen.template.values import (
    PLACEHOLDER,
    equal,
    is_open,
    mapping,
    may_vanish,
    scalar,
    substituted,
)

NO_VALUE = object()
"""The value of `AWS::NoValue`: whatever has it is left out."""

# What stands for it in an argument, where nothing can be left out.
_NOTHING = {"Ref": "AWS::NoValue"}


class Scope(Protocol):
    """The template in which a function is evaluated.

    `lost` becomes true where a look-up in the mappings finds nothing.
    """

    body: Mapping[str, Any]
    lost: bool

    def value(self, node: Any) -> Any:
        """Return the evaluated node, `NO_VALUE` included."""

    def decided(self, node: Any) -> Any:
        """Return the evaluated node without marks, None for AWS::NoValue."""

    def lookup(self, name: str) -> Any:
        """Return a parameter's or pseudo parameter's value; None for anything else."""

    def attribute(self, logical_id: Any, attribute: Any) -> Any:
        """Return an attribute of a resource, or `Fn::GetAtt` where only AWS knows it."""

    def named(self, names: Any) -> Any:
        """Return a name of this template as known from outside."""

    def condition(self, name: str) -> bool | None:
        """Return the outcome of a condition; None where it is unknown."""


def _ref(scope: Scope, name: Any) -> Any:
    if not isinstance(name, str):
        name = _decided(scope, name)  # the language extensions allow it
    found = scope.lookup(name) if isinstance(name, str) else None
    return {"Ref": name} if found is None else found


def _get_att(scope: Scope, argument: Any) -> Any:
    if isinstance(argument, str):
        argument = argument.split(".", 1)
    found = _decided(scope, argument)
    match found:
        case [str(), str()]:
            return scope.attribute(*found)
    return {"Fn::GetAtt": found}


def _sub(scope: Scope, argument: Any) -> Any:
    text: Any = argument
    local: Mapping[str, Any] = {}
    if isinstance(argument, list) and len(argument) == 2:
        text, local = argument[0], mapping(argument[1])
    if not isinstance(text, str):
        return {"Fn::Sub": argument}
    own: dict[str, Any] = {}
    for name in dict.fromkeys(PLACEHOLDER.findall(text)):
        found = _known(scope, local[name]) if name in local else scope.lookup(name)
        if name in local or found is not None:
            own[name] = _NOTHING if found is NO_VALUE else found
    return substituted(text, own)


def _join(scope: Scope, argument: Any) -> Any:
    items = _known(scope, argument)
    match items:
        case [between, [*parts]]:
            texts = [scalar(item) for item in (between, *parts)]
            if all(isinstance(text, str) for text in texts):
                return texts[0].join(texts[1:])
            if isinstance(texts[0], str):
                return {"Fn::Join": [texts[0], parts]}
    return {"Fn::Join": items}


def _select(scope: Scope, argument: Any) -> Any:
    items = _known(scope, argument)
    match items:
        case [index, [*choices]]:
            number = _index(scope.decided(index))
            # What AWS may leave out moves all that follows.
            if 0 <= number < len(choices) and not any(
                map(may_vanish, choices[: number + 1])
            ):
                return choices[number]
    return {"Fn::Select": items}


def _index(value: Any) -> int:
    """Return an index as a number; -1 for one that is not known."""
    text = scalar(value)
    known = isinstance(text, str) and re.fullmatch("[0-9]{1,9}", text)
    return int(text) if known else -1


def _split(scope: Scope, argument: Any) -> Any:
    items = _known(scope, argument)
    match items:
        case [between, text]:
            between, text = scalar(scope.decided(between)), scalar(text)
            if isinstance(text, str) and isinstance(between, str) and between:
                return text.split(between)
    return {"Fn::Split": items}


def _find_in_map(scope: Scope, argument: Any) -> Any:
    given = argument if isinstance(argument, list) else []
    keys = [scalar(scope.decided(key)) for key in given[:3]]
    found = scope.body.get("Mappings")
    for key in keys:
        known = isinstance(found, Mapping) and isinstance(key, str)
        found = found.get(key) if known and isinstance(found, Mapping) else None
    if found is not None and len(keys) == 3:
        return found
    match given[3:]:
        case [{"DefaultValue": default}]:
            if len(keys) == 3 and all(isinstance(key, str) for key in keys):
                return scope.value(default)
    scope.lost = True
    return {"Fn::FindInMap": _known(scope, argument)}


def _if(scope: Scope, argument: Any) -> Any:
    if not (isinstance(argument, list) and len(argument) == 3):
        return {"Fn::If": argument}
    name, yes, no = argument
    outcome = scope.condition(name) if isinstance(name, str) else None
    if outcome is not None:
        return scope.value(yes if outcome else no)
    sides = [scope.value(yes), scope.value(no)]
    if equal(*sides):
        return sides[0]
    known = [_NOTHING if side is NO_VALUE else side for side in sides]
    return {"Fn::If": [scope.named(name), *known]}


def _cidr(scope: Scope, argument: Any) -> Any:
    items = _decided(scope, argument)
    try:
        block, count, bits = items
        network = ipaddress.ip_network(str(block))
        subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
        # CloudFormation makes 256 at most.
        return [str(next(subnets)) for _ in range(min(int(count), 256))]
    except (TypeError, ValueError, StopIteration):
        return {"Fn::Cidr": items}


def _length(scope: Scope, argument: Any) -> Any:
    items = _known(scope, argument)
    if isinstance(items, list) and not any(map(may_vanish, items)):
        return len(items)
    return {"Fn::Length": items}


def _to_json(scope: Scope, argument: Any) -> Any:
    value = _decided(scope, argument)
    if is_open(value):
        return {"Fn::ToJsonString": value}
    return json.dumps(value, separators=(",", ":"))


def _known(scope: Scope, node: Any) -> Any:
    """Evaluate a node; AWS::NoValue stays a reference."""
    value = scope.value(node)
    return _NOTHING if value is NO_VALUE else value


def _decided(scope: Scope, node: Any) -> Any:
    """Evaluate a node without marks; AWS::NoValue stays a reference."""
    value = scope.decided(node)
    return _NOTHING if value is None and node is not None else value


FUNCTIONS: Mapping[str, Callable[[Scope, Any], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::If": _if,
    "Fn::Cidr": _cidr,
    "Fn::Length": _length,
    "Fn::ToJsonString": _to_json,
}
"""Name of a function → how it is evaluated, from the scope and its argument."""
