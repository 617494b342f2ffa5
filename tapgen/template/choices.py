"""Decide what only AWS decides: the sides of each `Fn::If` whose condition is unknown.

Data in, data out. A world is one outcome of all such conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar

from tapgen.template.values import MAX_DEPTH

_MOST = 4  # conditions that are decided, else there are too many worlds
_NOTHING = {"Ref": "AWS::NoValue"}

Found = TypeVar("Found", bound=tuple[Any, str])
World = Mapping[str, bool]


def in_any_world(
    before: Any, after: Any, found: Callable[[Any, Any], Iterable[Found]]
) -> list[tuple[Found, str]]:
    """Return what is found in any world, with the conditions that it hangs on, in words;
    these are empty for what is found whatever AWS decides."""
    names = sorted({*_undecided(before), *_undecided(after)})[:_MOST]
    worlds = [
        dict(zip(names, outcome, strict=True))
        for outcome in product((True, False), repeat=len(names))
    ]
    seen: dict[Found, list[World]] = {}
    for world in worlds:
        for one in dict.fromkeys(found(decided(before, world), decided(after, world))):
            seen.setdefault(one, []).append(world)
    return [
        (one, "" if len(where) == len(worlds) else _words(names, where))
        for one, where in seen.items()
    ]


def decided(node: Any, world: World) -> Any:
    """Return a value as it is in a world; None for what is left out."""
    found = _decided(node, world)
    return None if found == _NOTHING else found


def _decided(node: Any, world: World) -> Any:
    match node:
        case {"Fn::If": [str(name), yes, no]} if name in world:
            return _decided(yes if world[name] else no, world)
        case {"Fn::If": [name, yes, no]}:
            return {"Fn::If": [name, _decided(yes, world), _decided(no, world)]}
        case Mapping():
            found = {key: _decided(value, world) for key, value in node.items()}
            return {key: value for key, value in found.items() if value != _NOTHING}
        case list():
            items = [_decided(item, world) for item in node]
            return [item for item in items if item != _NOTHING]
    return node


def _undecided(node: Any, depth: int = 0) -> Iterator[str]:
    if depth > MAX_DEPTH:
        return
    if isinstance(node, Mapping):
        match node.get("Fn::If"):
            case [str(name), _, _]:
                yield name
        for value in node.values():
            yield from _undecided(value, depth + 1)
    elif isinstance(node, list):
        for item in node:
            yield from _undecided(item, depth + 1)


def _words(names: Sequence[str], where: Sequence[World]) -> str:
    same = [name for name in names if len({world[name] for world in where}) == 1]
    if not same:
        return f"the conditions {', '.join(names)} decide"
    outcomes = (f"{name} is {'true' if where[0][name] else 'false'}" for name in same)
    return f"if the condition {' and '.join(outcomes)}"
