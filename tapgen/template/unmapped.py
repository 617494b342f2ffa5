"""Look-ups in a template's mappings that certainly happen and find nothing.

CloudFormation fails such a stack, often after other regions have changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.frozen import dataclass
from tapgen.template.scope import Scope
from tapgen.template.values import MAX_DEPTH, mapping


@dataclass(frozen=True)
class Unmapped:
    """A look-up in `Mappings` that finds nothing, and its place.

    `keys` are the keys of the look-up, the mapping first; `has` those that exist beside
    the missing one.
    """

    path: tuple[str | int, ...]
    keys: tuple[str, ...]
    missing: str
    has: tuple[str, ...]

    def __str__(self) -> str:
        shown = self.has[:8] + (("…",) if len(self.has) > 8 else ())
        return (
            f"Fn::FindInMap [{', '.join(self.keys)}] finds no {self.missing!r}, only"
            f" {', '.join(shown) or 'nothing'}; add it to the mapping, or set a"
            " DefaultValue"
        )


def unmapped(
    scope: Scope, resources: Mapping[str, Any], outputs: Mapping[str, Any]
) -> Iterator[Unmapped]:
    """Yield the failing look-ups in resources and outputs that certainly exist, and in
    all conditions: CloudFormation evaluates these before it creates anything."""
    for name, condition in scope.conditions.items():
        yield from _lookups(scope, scope.resolve(condition), ("Conditions", str(name)))
    for section, evaluated in (("Resources", resources), ("Outputs", outputs)):
        declared = mapping(scope.body.get(section))
        for name, node in evaluated.items():
            when = mapping(declared.get(name)).get("Condition")
            if when is None or (
                isinstance(when, str) and scope.condition(when) is True
            ):
                yield from _lookups(scope, node, (section, name))


def _lookups(
    scope: Scope, node: Any, path: tuple[str | int, ...]
) -> Iterator[Unmapped]:
    if len(path) > MAX_DEPTH:
        return
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _lookups(scope, item, (*path, index))
    elif isinstance(node, Mapping) and "Fn::If" not in node:
        # An Fn::If that is still here has an unknown condition.
        keys = node.get("Fn::FindInMap")
        if isinstance(keys, list) and len(keys) == 3:
            yield from _missing_key(scope, keys, path)
        for key, value in node.items():
            if key != "Metadata":
                yield from _lookups(scope, value, (*path, str(key)))


def _missing_key(
    scope: Scope, keys: list[Any], path: tuple[str | int, ...]
) -> Iterator[Unmapped]:
    """Yield the first of three known keys that is missing, where the rest is known."""
    found: Any = scope.body.get("Mappings")
    if not all(isinstance(key, str) for key in keys):
        return
    for key in keys:
        if not isinstance(found, Mapping) or any(
            str(k).startswith("Fn::") for k in found
        ):
            return
        if key not in found:
            has = tuple(sorted(map(str, found)))
            yield Unmapped(path, tuple(map(str, keys)), key, has)
            return
        found = found[key]
