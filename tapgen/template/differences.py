"""Compare two values place by place: mappings by key, lists by the names of their items.

Data in, data out. The order of a list counts where `Ordered` says so, and never among
pairs of a name and a value, nor in what IAM treats as a set. Texts that contain JSON are
compared inside.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from tapgen.frozen import dataclass
from tapgen.template.values import LATER, MAX_DEPTH, equal, is_function, normal

Path = tuple[str | int, ...]
Difference = tuple[Path, Any, Any]
"""A place, with the value before and after; None stands for an absent one. Where only
the order of named items differs, the values are their names."""

Ordered = Callable[[Path], bool]
"""Whether the order of the list at a place counts."""

# Keys that identify items of a list.
_NAMES = ("Key", "Sid", "Id", "PolicyName", "Name", "AttributeName", "IndexName")
# Items that have a name and one of these are pairs: their list is a mapping.
_VALUES = {"Value", "Values", "AttributeValue"}
_BESIDE_VALUES = {"Type", "PropagateAtLaunch"}
# Where IAM accepts a string for a list of one, and the order of a list is irrelevant.
_ONE_OR_MANY = {"Action", "NotAction", "Resource", "NotResource", "AWS", "Service"}
# A policy's statements and tags are sets (IAM user guide, "Policy evaluation logic").
_SETS = {"Statement", "Tags"}
# Items that have one of these, each another one, say their place themselves.
_PLACES = ("Order", "Priority")


def differences(
    path: Path, old: Any, new: Any, ordered: Ordered = lambda path: True
) -> Iterator[Difference]:
    """Yield the places in which two values differ, below a path."""
    yield from _Comparison(ordered).of(path, old, new)


def around(path: Path, old: Any, new: Any) -> tuple[Any, Any]:
    """Return the outermost function around a place in both values, or what is there."""
    for part in path:
        if is_function(old) or is_function(new):
            break
        old, new = _step(old, part), _step(new, part)
    return old, new


def _step(node: Any, part: str | int) -> Any:
    if isinstance(node, Mapping):
        return node.get(part)
    if not isinstance(node, list):
        return None
    if isinstance(part, int):
        return node[part] if part < len(node) else None
    return (_named(node) or {}).get(part[1:])


@dataclass(frozen=True)
class _Comparison:
    """One comparison, with a number for each value: the same one for equal values."""

    ordered: Ordered
    numbers: dict[str, int] = field(default_factory=dict)
    known: dict[int, tuple[Any, int]] = field(default_factory=dict)

    def number(self, node: Any) -> int:
        """Return the number of a value; that of a part is computed once."""
        found = self.known.get(id(node))
        if found is None:
            found = node, self._numbered(node)
            self.known[id(node)] = found
        return found[1]

    def _numbered(self, node: Any) -> int:
        if isinstance(node, Mapping) and not is_function(node):
            parts: Any = {str(k): self.number(v) for k, v in node.items()}
        elif isinstance(node, list):
            parts = list(map(self.number, node))
        else:
            parts = [None, normal(node)]
        return self.numbers.setdefault(_text(parts), len(self.numbers))

    def same(self, old: Any, new: Any) -> bool:
        if isinstance(old, (Mapping, list)) and isinstance(new, (Mapping, list)):
            return self.number(old) == self.number(new)
        return equal(old, new)

    def of(self, path: Path, old: Any, new: Any) -> Iterator[Difference]:
        if self.same(old, new):
            return
        if (
            path
            and path[-1] in _ONE_OR_MANY
            and self._same_items(_many(old), _many(new))
        ):
            return
        inside = _inside(old, new)
        if inside:
            yield from self.of(path, *inside)
        elif any(isinstance(side, Mapping) and LATER in side for side in (old, new)):
            yield path, old, new
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            for key in sorted({*map(str, old), *map(str, new)}):
                yield from self.of((*path, key), old.get(key), new.get(key))
        elif isinstance(old, list) and isinstance(new, list):
            yield from self._lists(path, old, new)
        else:
            yield path, old, new

    def _lists(
        self, path: Path, old: list[Any], new: list[Any]
    ) -> Iterator[Difference]:
        """Compare item by item where they can be matched, else the lists as a whole."""
        before, after = _named(old), _named(new)
        if before is not None and after is not None:
            for key in dict.fromkeys([*before, *after]):
                place = (*path, f"={key}")
                yield from self.of(place, before.get(key), after.get(key))
            was, now = [n for n in before if n in after], [
                n for n in after if n in before
            ]
            if was != now and self._is_ordered(path, old, new):
                yield path, was, now
        elif self._same_items(old, new) and not self._is_ordered(path, old, new):
            return
        elif len(old) == len(new) and not self._shifted(old, new):
            for index, (was, now) in enumerate(zip(old, new, strict=True)):
                yield from self.of((*path, index), was, now)
        else:
            yield path, old, new

    def _is_ordered(self, path: Path, old: list[Any], new: list[Any]) -> bool:
        if path and path[-1] in _SETS or _pairs([*old, *new]):
            return False
        return not (_have_places(old) and _have_places(new)) and self.ordered(path)

    def _same_items(self, old: Any, new: Any) -> bool:
        if not (isinstance(old, list) and isinstance(new, list)):
            return self.same(old, new)
        return Counter(map(self.number, old)) == Counter(map(self.number, new))

    def _shifted(self, old: Sequence[Any], new: Sequence[Any]) -> bool:
        """Whether items of a list have moved, so that comparing them by place would show
        more differences than there are."""
        was, now = list(map(self.number, old)), list(map(self.number, new))
        moved = sum(before != after for before, after in zip(was, now, strict=True))
        return bool(moved > sum((Counter(now) - Counter(was)).values()))


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


def _named(items: Sequence[Any]) -> dict[str, Any] | None:
    """Return the items by their names; None unless each has a unique one."""
    for name in _NAMES:
        found = [i.get(name) if isinstance(i, Mapping) else None for i in items]
        if all(isinstance(f, str) for f in found) and len({*found}) == len(items):
            return {str(f): item for f, item in zip(found, items, strict=True)}
    return None


def _pairs(items: Sequence[Any]) -> bool:
    """Whether items are pairs of a name and a value."""
    allowed = {*_NAMES, *_VALUES, *_BESIDE_VALUES}
    return all(
        isinstance(item, Mapping)
        and bool(_VALUES & item.keys())
        and item.keys() <= allowed
        for item in items
    )


def _have_places(items: Sequence[Any]) -> bool:
    """Whether each item says where it stands among the others."""
    for name in _PLACES:
        found = [i.get(name) if isinstance(i, Mapping) else None for i in items]
        if None not in found and len({*map(_text, found)}) == len(items):
            return True
    return False


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _many(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]
