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

from tapgen.template.values import PLACEHOLDER, is_open, mapping, scalar

NO_VALUE = object()
"""The value of `AWS::NoValue`: whatever has it is left out."""


class Scope(Protocol):
    """The template in which a function is evaluated.

    `lost` becomes true where a look-up in the mappings finds nothing.
    """

    body: Mapping[str, Any]
    lost: bool

    def value(self, node: Any) -> Any:
        """Return the evaluated node, `NO_VALUE` included."""

    def lookup(self, name: str) -> Any:
        """Return a parameter's or pseudo parameter's value; None for anything else."""

    def condition(self, name: str) -> bool | None:
        """Return the outcome of a condition; None where it is unknown."""


def _ref(scope: Scope, name: Any) -> Any:
    if not isinstance(name, str):
        name = scope.value(name)  # the language extensions allow it
    found = scope.lookup(name) if isinstance(name, str) else None
    return {"Ref": name} if found is None else found


def _get_att(scope: Scope, argument: Any) -> Any:
    if isinstance(argument, str):
        argument = argument.split(".", 1)
    return {"Fn::GetAtt": scope.value(argument)}


def _sub(scope: Scope, argument: Any) -> Any:
    text: Any = argument
    local: Mapping[str, Any] = {}
    if isinstance(argument, list) and len(argument) == 2:
        text, local = argument[0], mapping(argument[1])
    if not isinstance(text, str):
        return {"Fn::Sub": argument}
    own = {key: scope.value(value) for key, value in local.items()}
    left: dict[str, Any] = {}

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        value = own[name] if name in own else scope.lookup(name)
        if isinstance(value, Mapping) and "Ref" in value and name in own:
            return f"${{{value['Ref']}}}"
        if value is None or is_open(value) or isinstance(value, list):
            if name in own:
                left[name] = own[name]
            elif value is not None:
                left[name] = value
            return match[0]
        return str(scalar(value))

    done = PLACEHOLDER.sub(fill, text)
    if left:
        return {"Fn::Sub": [done, left]}
    if PLACEHOLDER.search(done):
        return {"Fn::Sub": done}
    return done.replace("${!", "${")


def _join(scope: Scope, argument: Any) -> Any:
    items = scope.value(argument)
    if not (isinstance(items, list) and len(items) == 2 and isinstance(items[1], list)):
        return {"Fn::Join": items}
    delimiter, parts = items
    if any(isinstance(part, (Mapping, list)) for part in parts):
        return {"Fn::Join": items}
    return str(delimiter).join(map(scalar, parts))


def _select(scope: Scope, argument: Any) -> Any:
    items = scope.value(argument)
    if isinstance(items, list) and len(items) == 2 and isinstance(items[1], list):
        index, choices = items
        if str(index).isdigit() and int(index) < len(choices):
            return choices[int(index)]
    return {"Fn::Select": items}


def _split(scope: Scope, argument: Any) -> Any:
    items = scope.value(argument)
    if isinstance(items, list) and len(items) == 2:
        delimiter, text = items
        if isinstance(text, str) and delimiter:
            return list(text.split(str(delimiter)))
    return {"Fn::Split": items}


def _find_in_map(scope: Scope, argument: Any) -> Any:
    items = scope.value(argument)
    found = scope.body.get("Mappings")
    if isinstance(items, list):
        for key in items[:3]:
            known = isinstance(found, Mapping) and isinstance(key, str)
            found = found.get(key) if known and isinstance(found, Mapping) else None
        if found is not None and len(items) >= 3:
            return found
        match items:
            case [str(), str(), str(), {"DefaultValue": default}]:
                return default
    scope.lost = True
    return {"Fn::FindInMap": items}


def _if(scope: Scope, argument: Any) -> Any:
    if not (isinstance(argument, list) and len(argument) == 3):
        return {"Fn::If": argument}
    name, yes, no = argument
    outcome = scope.condition(name) if isinstance(name, str) else None
    if outcome is None:
        sides = [scope.value(yes), scope.value(no)]
        sides = [{"Ref": "AWS::NoValue"} if s is NO_VALUE else s for s in sides]
        return {"Fn::If": [name, *sides]}
    return scope.value(yes if outcome else no)


def _cidr(scope: Scope, argument: Any) -> Any:
    items = scope.value(argument)
    try:
        block, count, bits = items
        network = ipaddress.ip_network(str(block))
        subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
        # CloudFormation makes 256 at most.
        return [str(next(subnets)) for _ in range(min(int(count), 256))]
    except (TypeError, ValueError, StopIteration):
        return {"Fn::Cidr": items}


def _length(scope: Scope, argument: Any) -> Any:
    items = scope.value(argument)
    return len(items) if isinstance(items, list) else {"Fn::Length": items}


def _to_json(scope: Scope, argument: Any) -> Any:
    value = scope.value(argument)
    if is_open(value):
        return {"Fn::ToJsonString": value}
    return json.dumps(value, separators=(",", ":"))


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
