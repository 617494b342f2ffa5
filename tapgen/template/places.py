"""Find properties by their paths: `Replicas/*/PointInTimeRecoverySpecification`.

Data in, data out. Paths are below `Properties`, joined with `/`; `*` stands for the
items of a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.frozen import dataclass


@dataclass(frozen=True)
class Pair:
    """A property before and after, as a reader names it. `item` identifies the item of a
    list that it belongs to, which is there before and after if `both`."""

    name: str
    old: Any
    new: Any
    item: str | None = None
    both: bool = True


def value_at(properties: Any, path: str) -> Any:
    """Return the value at a path without `*`; None where there is none."""
    found: Any = properties
    for name in path.split("/"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def pairs(before: Any, after: Any, path: str, key: str = "") -> Iterator[Pair]:
    """Yield a property before and after: one for each item where the path has a `*`.

    Items are matched by the value of their property `key`, else by their place.
    """
    head, star, rest = path.partition("/*/")
    if not star:
        name = path.rpartition("/")[2]
        yield Pair(name, value_at(before, path), value_at(after, path))
        return
    old, new = _items(before, head, key), _items(after, head, key)
    for item in dict.fromkeys([*old, *new]):
        both = item in old and item in new
        name = f"{rest.rpartition('/')[2]} of {item}"
        was, now = (value_at(side.get(item), rest) for side in (old, new))
        yield Pair(name, was, now, item, both)


def _items(properties: Any, path: str, key: str) -> dict[str, Any]:
    found = value_at(properties, path)
    items = found if isinstance(found, list) else [found] if found else []
    return {
        str(item.get(key, number)): item
        for number, item in enumerate(items)
        if isinstance(item, Mapping)
    }


def values_at(properties: Any, path: str) -> Iterator[Any]:
    """Yield the values at a path: one for each item where the path has a `*`."""
    head, star, rest = path.partition("/*")
    found = value_at(properties, head)
    if not star:
        if found is not None:
            yield found
        return
    for item in found if isinstance(found, list) else [found] if found else []:
        if rest:
            yield from values_at(item, rest.removeprefix("/"))
        else:
            yield item
