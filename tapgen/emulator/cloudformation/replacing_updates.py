"""Updates that replace a resource, or change it in place, other than its schema says.

ministack replaces a resource where a create-only property changes. AWS's handlers decide
by more: what the old value was, or another property. Whoever starts the embedded AWS
passes in the function that knows; where it does not, ministack's answer stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.provisioners": {
        "_replacing_change": ("resource_type", "old_props", "new_props"),
        "_property_recreation": ("resource_type", "name"),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

Replaces = Callable[[str, str, Mapping[str, Any], Mapping[str, Any]], bool | None]
"""Whether the change of a top-level property of a type, by name, replaces the resource,
from all its properties before and after; None where it does not know."""

_replaces: list[Replaces] = []


def unknown(*change: Any) -> None:
    """Leave everything to ministack."""


def apply(replaces: Replaces) -> None:
    """Decide by `replaces` from now on; calling it again changes only that."""
    wrapped = bool(_replaces)
    _replaces[:] = [replaces]
    if not wrapped:
        replace_everywhere("_replacing_change", _deciding)


def _deciding(original: Callable[..., bool]) -> Callable[..., bool]:
    def replacing(
        resource_type: str,
        old_props: Mapping[str, Any],
        new_props: Mapping[str, Any],
    ) -> bool:
        recreation = loaded(f"{CFN}.provisioners")._property_recreation
        for name in old_props.keys() | new_props.keys():
            if old_props.get(name) == new_props.get(name):
                continue
            found = _replaces[0](resource_type, name, old_props, new_props)
            if found is None:
                found = recreation(resource_type, name) == "Always"
            if found:
                return True
        return False

    return replacing
