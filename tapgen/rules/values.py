"""Reading evaluated values that may be unknown: nothing here ever raises.

A value is known text, a number, a list or a mapping; an intrinsic function that only
AWS can answer; `MISSING` where nothing is written; or `UNKNOWN` where something may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tapgen.template.evaluate import LATER

Path = tuple[str | int, ...]


class _Nothing(Enum):
    MISSING = "missing"
    UNKNOWN = "unknown"


MISSING = _Nothing.MISSING
UNKNOWN = _Nothing.UNKNOWN

_ARN = re.compile(r"arn:(aws[a-z-]*):([a-z0-9-]*):([a-z0-9-]*):([0-9a-z]*):(.*)", re.S)


def is_function(node: Any) -> bool:
    """Whether a node stands for something that only AWS, or a rollout, knows."""
    if not isinstance(node, Mapping) or len(node) != 1:
        return False
    ((name, _),) = node.items()
    return name in ("Ref", "Condition", LATER) or str(name).startswith("Fn::")


def get(node: Any, *steps: str | int) -> Any:
    """What is below a node: a value, a function, MISSING or UNKNOWN."""
    for step in steps:
        if isinstance(node, list) and isinstance(step, int):
            node = node[step] if step < len(node) else MISSING
        elif is_function(node) or not isinstance(node, Mapping):
            return MISSING if node is MISSING or node is None else UNKNOWN
        elif any(str(key).startswith("Fn::") for key in node):
            return UNKNOWN  # Fn::Transform or Fn::ForEach adds what it likes
        else:
            node = node.get(step, MISSING)
    return MISSING if node is None else node


def absent(node: Any, *steps: str | int) -> bool:
    """Whether there is certainly nothing."""
    return get(node, *steps) is MISSING


def present(node: Any, *steps: str | int) -> bool:
    """Whether there is certainly something."""
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
    """Known text, also of a number or a boolean; None for everything else."""
    found = get(node, *steps)
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, int | float):
        return str(found)
    if isinstance(found, str) and "{{resolve:" not in found:
        return found
    return None


def number(node: Any, *steps: str | int) -> float | None:
    """A known number, also when it is written as text."""
    try:
        return float(text(node, *steps) or "")
    except ValueError:
        return None


def truth(node: Any, *steps: str | int) -> bool | None:
    """A known boolean, also when it is written as text; False where nothing is."""
    found = get(node, *steps)
    if found is MISSING:
        return False
    return {"true": True, "false": False}.get((text(found) or "").lower())


def items(node: Any, *steps: str | int) -> list[Any]:
    """The elements of a list; none where it is not known."""
    found = get(node, *steps)
    return found if isinstance(found, list) else []


def settled(node: Any) -> bool:
    """Whether a list is known with all its elements."""
    return isinstance(node, list) and not any(map(is_function, node))


def walk(node: Any, path: Path = (), depth: int = 0) -> Iterator[tuple[Path, Any]]:
    """Every value below a node that is no mapping and no list, and every function."""
    if depth > 60:
        return
    if is_function(node) or not isinstance(node, Mapping | list):
        yield path, node
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from walk(item, (*path, index), depth + 1)
    else:
        for key, value in node.items():
            yield from walk(value, (*path, str(key)), depth + 1)


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN; an empty region or account says nothing."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def arn(node: Any) -> Arn | None:
    """The ARN a value is, also when its end is made from something unknown."""
    found = beginning(node)
    match = _ARN.match(found) if found else None
    return Arn(*match.groups()) if match else None


def beginning(node: Any) -> str | None:
    """Known text, or what an `Fn::Sub` or `Fn::Join` with unknown parts begins with."""
    known = text(node)
    if known is not None or not isinstance(node, Mapping):
        return known
    match node:
        case {"Fn::Sub": str(whole)} | {"Fn::Sub": [str(whole), _]}:
            return whole.partition("${")[0]
        case {"Fn::Join": ["", [str(first), *_]]}:
            return first
    return None
