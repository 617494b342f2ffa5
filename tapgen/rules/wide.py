"""Resources of one template or of a whole system, with what their values come from.

A `WideRule` is written once. For one template it sees the template at each of its
targets; for a system it sees all stack sets, with the values that they take from each
other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import StackSet
from tapgen.rules.base import Found, Rule, in_properties
from tapgen.rules.system_view import SystemView
from tapgen.rules.values import Path, arn, text
from tapgen.rules.view import Place, Resource, View

FoundAt = tuple[Resource, Path, str]
"""A resource, a path below its properties, and the message for it."""

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.([A-Za-z0-9.]+))?\}")


@dataclass(frozen=True)
class World:
    """Everything that a wide rule sees: places, each with its stack set in a system."""

    places: tuple[tuple[StackSet | None, Place], ...]
    system: SystemView | None = None

    def resources(self, *types: str) -> Iterator[Resource]:
        """Yield every resource of these types that is certainly created."""
        for _, place in self.places:
            yield from (it for it in place.of(*types) if it.certain)

    def origin(self, it: Resource, node: Any) -> tuple[Resource, str] | None:
        """Return the resource that a value comes from, and its attribute: by reference,
        or as the only reference in a text."""
        return self._origin(it.place, node)

    def _origin(self, place: Place, node: Any) -> tuple[Resource, str] | None:
        node = _only_reference(node)
        output = self.system.output(node) if self.system else None
        if output:
            return self._origin(*output[1:])
        match node:
            case {"Ref": str(name)}:
                attribute = ""
            case {"Fn::GetAtt": [str(name), *rest]}:
                attribute = ".".join(map(str, rest))
            case _:
                return None
        attributes = place.evaluated.resources.get(name)
        if attributes is None:
            return None
        return Resource(name, str(attributes.get("Type")), attributes, place), attribute

    def named(self, it: Resource, node: Any, kind: str, key: str) -> Resource | None:
        """Return the resource of a type that a value is about: by reference, or by the
        ARN or the name in its property `key`."""
        found = self.origin(it, node)
        if found:
            return found[0] if found[0].type == kind else None
        address, name = arn(node), text(node)
        if address:
            name = re.split("[:/]", address.resource, maxsplit=1)[-1]
        region = address.region if address else it.place.region
        for other in self.resources(kind):
            if name and _same_name(text(other.properties, key), name):
                if other.place.region == region and _one_account(other, it):
                    return other
        return None

    def stack_set(self, place: Place) -> StackSet | None:
        """Return the stack set of a place, where the whole system is seen."""
        return next((s for s, p in self.places if p is place), None)


def _same_name(name: str | None, other: str) -> bool:
    return name is not None and name.lower() == other.lower()


def _one_account(one: Resource, other: Resource) -> bool:
    return one.place.account == other.place.account


def _only_reference(node: Any) -> Any:
    """Return the only reference in an `Fn::Sub` or `Fn::Join`, else the node."""
    match node:
        case {"Fn::Sub": str(whole)} if len(_PLACEHOLDER.findall(whole)) == 1:
            name, attribute = _PLACEHOLDER.findall(whole)[0]
            return {"Fn::GetAtt": [name, attribute]} if attribute else {"Ref": name}
        case {"Fn::Sub": [str(whole), {**given}]} if len(given) == 1:
            # Evaluated: what is known is in the text already.
            names = [name for name, _ in _PLACEHOLDER.findall(whole)]
            return next(iter(given.values())) if names == [*given] else node
        case {"Fn::Join": [_, [*parts]]}:
            open_ones = [part for part in parts if isinstance(part, Mapping)]
            return open_ones[0] if len(open_ones) == 1 else node
    return node


class WideRule(Rule):
    """A rule about resources and what they refer to, also in other stack sets."""

    def check(self, view: View) -> Iterator[Found]:
        world = World(tuple((None, place) for place in view.places))
        for it, path, message in self.check_world(world):
            yield in_properties(it, *path), message

    def check_world(self, world: World) -> Iterator[FoundAt]:
        """Yield everything that is wrong."""
        yield from ()


def of_system(it: SystemView) -> World:
    """Return what a wide rule sees of a system."""
    return World(tuple(it.places), it)
