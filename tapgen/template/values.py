"""Evaluated values: compare them, and find what only AWS can fill in.

A value that cannot be computed without AWS is the intrinsic function it was written
with, with everything inside it evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_DEPTH = 100
"""The depth below which a template is left as written; AWS's own limit is lower."""

LATER = "Tapgen::Later"
"""The key of a dictionary that stands for a value known only during a rollout."""

PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")
"""A placeholder of `Fn::Sub`, with what is in it."""


def equal(left: Any, right: Any) -> bool:
    """Whether two evaluated values are equal to CloudFormation.

    `true` equals `"true"`, 5 equals "5", and text joined by `Fn::Sub` equals the same
    text joined by `Fn::Join`.
    """
    texts = _pieces(left), _pieces(right)
    if texts[0] or texts[1]:
        left, right = texts[0] or [left], texts[1] or [right]
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            equal(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(scalar(left) == scalar(right))


def _pieces(node: Any) -> list[Any]:
    """Return the pieces of a text that AWS has to join: literals, and values that only
    AWS can fill in, in order. Empty for anything else."""
    match node:
        case {"Fn::Sub": str(text), **more} if not more:
            return _merged(_parts(text, {}))
        case {"Fn::Sub": [str(text), Mapping() as local], **more} if not more:
            return _merged(_parts(text, local))
        case {"Fn::Join": [str(between), list(items)], **more} if not more:
            parts = [part for item in items for part in (between, item)]
            return _merged(parts[1:])
    return []


def _parts(text: str, local: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the parts of a text; placeholders as the functions that they stand for."""
    for number, part in enumerate(PLACEHOLDER.split(text)):
        if number % 2 == 0:
            yield part.replace("${!", "${")
        elif part in local:
            yield local[part]
        else:
            name, dot, attribute = part.partition(".")
            yield {"Fn::GetAtt": [name, attribute]} if dot else {"Ref": name}


def _merged(parts: Iterable[Any]) -> list[Any]:
    """Flatten texts inside texts, and join neighbouring literals."""
    pieces: list[Any] = []
    for part in (p for whole in parts for p in _pieces(whole) or [whole]):
        part = scalar(part)
        if isinstance(part, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += part
        elif part != "":
            pieces.append(part)
    return pieces


def is_open(node: Any) -> bool:
    """Whether a value contains something that only AWS can fill in."""
    if isinstance(node, list):
        return any(map(is_open, node))
    if not isinstance(node, Mapping):
        return False
    names = ("Ref", "Condition", LATER)
    if len(node) == 1 and any(k in names or str(k).startswith("Fn::") for k in node):
        return True
    return any(map(is_open, node.values()))


def references(node: Any) -> Iterator[str]:
    """Yield every `resource` (a Ref) and `resource.attribute` (a GetAtt) in an evaluated
    value."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, Mapping):
        if isinstance(node.get("Ref"), str):
            yield node["Ref"]
        elif isinstance(node.get("Fn::GetAtt"), (str, list)):
            found = node["Fn::GetAtt"]
            yield found if isinstance(found, str) else ".".join(map(str, found))
        elif isinstance(node.get("Fn::Sub"), str):
            yield from PLACEHOLDER.findall(node["Fn::Sub"])
        else:
            for value in node.values():
                yield from references(value)


def later(node: Any) -> Iterator[str]:
    """Yield the name of every value in an evaluated one that is known only later."""
    if isinstance(node, list):
        for item in node:
            yield from later(item)
    elif isinstance(node, Mapping):
        if isinstance(node.get(LATER), str):
            yield node[LATER]
        else:
            yield from later(list(node.values()))


def scalar(value: Any) -> Any:
    """Return numbers and booleans as CloudFormation's text, anything else as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def mapping(value: Any) -> Mapping[str, Any]:
    """Return the value, or an empty mapping for one that is not a mapping."""
    return value if isinstance(value, Mapping) else {}
