"""Read evaluated values that may be unknown; nothing here ever raises.

A value is known text, a number, a list or a mapping; an intrinsic function that only
AWS can evaluate; `MISSING` if nothing is written; or `UNKNOWN` if something may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import takewhile
from typing import Any

from tapgen.frozen import dataclass
from tapgen.template.values import LATER

Path = tuple[str | int, ...]
"""Keys and indexes from a node downwards."""

Steps = tuple[str, ...]
"""Keys from a node downwards; `*` is every element of a list."""


class _Nothing(Enum):
    MISSING = "missing"
    UNKNOWN = "unknown"


MISSING = _Nothing.MISSING
UNKNOWN = _Nothing.UNKNOWN

_ARN = re.compile(r"arn:(aws[a-z-]*):([a-z0-9-]*):([a-z0-9-]*):([0-9a-z]*):(.*)", re.S)


def is_function(node: Any) -> bool:
    """Return whether a node is an intrinsic function or the marker of a later value."""
    # Most nodes are text, for which the question after a mapping takes longest.
    if isinstance(node, str) or not isinstance(node, Mapping) or len(node) != 1:
        return False
    ((name, _),) = node.items()
    return name in ("Ref", "Condition", LATER) or str(name).startswith("Fn::")


def get(node: Any, *steps: str | int) -> Any:
    """Return what is below a node: a value, a function, MISSING or UNKNOWN."""
    for step in steps:
        if isinstance(node, list) and isinstance(step, int):
            node = node[step] if step < len(node) else MISSING
        elif is_function(node) or not isinstance(node, Mapping):
            return MISSING if node is MISSING or node is None else UNKNOWN
        elif any(str(key).startswith("Fn::") for key in node):
            return UNKNOWN  # Fn::Transform or Fn::ForEach may add anything
        else:
            node = node.get(step, MISSING)
    return MISSING if node is None else node


def absent(node: Any, *steps: str | int) -> bool:
    """Return whether there is certainly nothing."""
    return get(node, *steps) is MISSING


def present(node: Any, *steps: str | int) -> bool:
    """Return whether there is certainly something."""
    found = get(node, *steps)
    return not (found is MISSING or found is UNKNOWN or _may_vanish(found))


def _may_vanish(node: Any) -> bool:
    if not isinstance(node, Mapping) or "Fn::If" not in node:
        return False
    sides = node["Fn::If"][1:] if isinstance(node["Fn::If"], list) else [None]
    return any(
        side is None or side == {"Ref": "AWS::NoValue"} or _may_vanish(side)
        for side in sides
    )


def text(node: Any, *steps: str | int) -> str | None:
    """Return known text, also of a number or a boolean; None for everything else."""
    found = get(node, *steps)
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, int | float):
        return str(found)
    if isinstance(found, str) and "{{resolve:" not in found:
        return found
    return None


def number(node: Any, *steps: str | int) -> float | None:
    """Return a known number, also if it is written as text; None if unknown."""
    try:
        return float(text(node, *steps) or "")
    except ValueError:
        return None


def truth(node: Any, *steps: str | int) -> bool | None:
    """Return a known boolean, also if written as text; False if nothing is there."""
    found = get(node, *steps)
    if found is MISSING:
        return False
    return {"true": True, "false": False}.get((text(found) or "").lower())


def items(node: Any, *steps: str | int) -> list[Any]:
    """Return the elements of a list; none if it is not known."""
    found = get(node, *steps)
    return found if isinstance(found, list) else []


def reached(
    node: object, steps: Steps, done: Path = ()
) -> Iterator[tuple[Path, object]]:
    """Yield the values at some steps below a node, with their paths."""
    for index, step in enumerate(steps):
        if step == "*":
            for number, item in enumerate(items(node)):
                yield from reached(item, steps[index + 1 :], (*done, number))
            return
        node = get(node, step)
        done = (*done, step)
    yield done, node


def settled(node: Any) -> bool:
    """Return whether a list is known with all its elements."""
    return isinstance(node, list) and not any(map(is_function, node))


def walk(node: Any, path: Path = (), depth: int = 0) -> Iterator[tuple[Path, Any]]:
    """Yield the scalars and functions below a node, with their paths."""
    if depth > 60:
        return
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from walk(item, (*path, index), depth + 1)
    elif isinstance(node, str) or is_function(node) or not isinstance(node, Mapping):
        yield path, node
    else:
        for key, value in node.items():
            yield from walk(value, (*path, str(key)), depth + 1)


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN; region and account may be empty."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def arn(node: Any) -> Arn | None:
    """Return the ARN of a value, also if its end is not known."""
    found = beginning(node)
    match = _ARN.match(found) if found else None
    return Arn(*match.groups()) if match else None


def beginning(node: Any) -> str | None:
    """Return known text, or the known beginning of an `Fn::Sub` or `Fn::Join`."""
    known = text(node)
    if known is not None or not isinstance(node, Mapping):
        return known
    match node:
        case {"Fn::Sub": str(whole)} | {"Fn::Sub": [str(whole), _]}:
            return whole.partition("${")[0]
        case {"Fn::Join": [str(between), [str(first), *rest]]}:
            known_parts = [first, *takewhile(lambda part: isinstance(part, str), rest)]
            end = between if len(known_parts) <= len(rest) else ""
            return between.join(known_parts) + end
    return None
