"""Compare two values place by place: mappings by key, lists by the names of their items.

Data in, data out. The order of items that have names makes no difference, nor does that
of what IAM treats as a set, and texts that contain JSON are compared inside.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tapgen.template.values import LATER, MAX_DEPTH, equal

Path = tuple[str | int, ...]
Difference = tuple[Path, Any, Any]
"""A place, with the value before and after; None stands for an absent one."""

# Keys that identify items of a list, whatever their order.
_NAMES = ("Key", "Sid", "Id", "PolicyName", "Name", "AttributeName", "IndexName")
# Where IAM accepts a string for a list of one, and the order of a list is irrelevant.
_ONE_OR_MANY = {"Action", "NotAction", "Resource", "NotResource", "AWS", "Service"}


def differences(path: Path, old: Any, new: Any) -> Iterator[Difference]:
    """Yield the places in which two values differ, below a path."""
    if equal(old, new):
        return
    if path and path[-1] in _ONE_OR_MANY and _same_set(_many(old), _many(new)):
        return
    inside = _inside(old, new)
    if inside:
        yield from differences(path, *inside)
        return
    if any(isinstance(side, Mapping) and LATER in side for side in (old, new)):
        yield path, old, new
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*map(str, old), *map(str, new)}):
            yield from differences((*path, key), old.get(key), new.get(key))
        return
    if isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(path, old, new)
        return
    yield path, old, new


def _list_differences(
    path: Path, old: list[Any], new: list[Any]
) -> Iterator[Difference]:
    """Compare item by item where they can be matched, else the lists as a whole."""
    before, after = _named(old), _named(new)
    if before is not None and after is not None:
        for key in dict.fromkeys([*before, *after]):
            place = (*path, f"={key}")
            yield from differences(place, before.get(key), after.get(key))
    elif len(old) == len(new) and not _shifted(old, new):
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            yield from differences((*path, index), was, now)
    else:
        yield path, old, new


def _inside(old: Any, new: Any) -> tuple[Any, Any] | None:
    """Return the data of two JSON texts that differ; None for anything else."""
    match old, new:
        case {"Fn::Sub": str(before)}, {"Fn::Sub": str(after)}:
            return _inside(before, after)
        case {"Fn::Sub": [str(before), names]}, {"Fn::Sub": [str(after), others]}:
            return _inside(before, after) if equal(names, others) else None
    if not (isinstance(old, str) and isinstance(new, str)):
        return None
    held = _held(old), _held(new)
    if held[0] is None or held[1] is None or equal(*held):
        return None
    return held


def _held(text: str) -> Any:
    """Return the object or list in a JSON text; None for other or too deep ones."""
    try:
        held = json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return None
    return held if _is_shallow(held, MAX_DEPTH) else None


def _is_shallow(node: Any, depth: int) -> bool:
    if not isinstance(node, (Mapping, list)):
        return True
    inner = node.values() if isinstance(node, Mapping) else node
    return depth > 0 and all(_is_shallow(item, depth - 1) for item in inner)


def _shifted(old: Sequence[Any], new: Sequence[Any]) -> bool:
    """Whether items of a list have moved, so that comparing them by place would show more
    differences than there are."""
    keys = [[json.dumps(i, sort_keys=True, default=str) for i in x] for x in (old, new)]
    moved = sum(before != after for before, after in zip(*keys, strict=True))
    return bool(moved > sum((Counter(keys[1]) - Counter(keys[0])).values()))


def _named(items: Sequence[Any]) -> dict[str, Any] | None:
    """Return the items by their names; None unless each has a unique one."""
    for name in _NAMES:
        found = [i.get(name) if isinstance(i, Mapping) else None for i in items]
        if all(isinstance(f, str) for f in found) and len({*found}) == len(items):
            return {str(f): item for f, item in zip(found, items, strict=True)}
    return None


def _same_set(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = (sorted(items, key=_text) for items in (old, new))
    return equal(old, new)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _many(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]
