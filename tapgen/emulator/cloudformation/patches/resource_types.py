"""Resource types that do not exist, or not in the region of the stack.

ministack knows only the types that it has handlers for. `resources` passes in a
function that knows all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, replace_everywhere
from tapgen.emulator.cloudformation.template_checks import Template

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.provisioners": {
        "_delete_resource": (
            "resource_type",
            "physical_id",
            "props",
            "stack_name",
            "logical_id",
        ),
        "_provision_resource": ("resource_type", "logical_id", "props", "stack_name"),
        "_update_resource": (
            "resource_type",
            "physical_id",
            "old_props",
            "new_props",
            "stack_name",
            "logical_id",
            "old_attrs",
        ),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

_unknown_types: list[Callable[[frozenset[str]], frozenset[str]]] = []


def apply() -> None:
    """Look up each type before a resource of it is created, updated or deleted.

    A stack restored after a restart may have types that no template has named yet, and
    so may a nested one.
    """

    def looking_up(original: Any) -> Any:
        def known(resource_type: str, *args: Any, **kwargs: Any) -> Any:
            for unknown in _unknown_types:
                unknown(frozenset({resource_type}))
            return original(resource_type, *args, **kwargs)

        return known

    replace_everywhere("_delete_resource", looking_up)
    replace_everywhere("_provision_resource", looking_up)
    replace_everywhere("_update_resource", looking_up)


def refuse_types(unknown: Callable[[frozenset[str]], frozenset[str]]) -> None:
    """Let `unknown` return the resource types of a template that are not available.

    It is called in the account and region of the stack, before anything is created.
    """
    _unknown_types[:] = [unknown]


def refuse_unavailable(template: Template, conditions: Mapping[str, bool]) -> None:
    """Raise ValueError when a template uses types that are not available."""
    used = frozenset(
        definition["Type"]
        for definition in (template.get("Resources") or {}).values()
        if conditions.get(definition.get("Condition", ""), True)
    )
    missing = frozenset().union(*(unknown(used) for unknown in _unknown_types))
    if missing:
        raise ValueError(
            "Template format error: Unrecognized resource types: "
            f"[{', '.join(sorted(missing))}]"
        )
