"""Handlers that may not call what they need: the resource fails, as on AWS.

Whoever starts the embedded AWS passes in the function that knows the calls of handlers.
Only what StackSets do as an execution role is checked; see `permissions.enforcing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)
from tapgen.emulator.permissions.enforcing import ENFORCEMENT, Call, handler_words

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_stacks": None},
    f"{CFN}.provisioners": {
        "_delete_resource": (
            *("resource_type", "physical_id", "props", "stack_name", "logical_id"),
        ),
        "_provision_resource": ("resource_type", "logical_id", "props", "stack_name"),
        "_replacing_change": ("resource_type", "old_props", "new_props"),
        "_update_resource": (
            *("resource_type", "physical_id", "old_props", "new_props"),
            *("stack_name", "logical_id", "old_attrs"),
        ),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

Given = Mapping[str, Any]
Place = tuple[str, str]
Wanted = Callable[[str], bool]
Calls = Callable[
    [str, str, Given, Given, str, Place, Mapping[str, str], Wanted], Iterable[Call]
]
"""Gives the calls of a handler: of a type, to create, update or delete a resource with
these properties (and those before), with its name, at an account and region, in a stack
with these tags; only those of wanted actions."""

_calls: list[Calls] = []


def nothing(*resource: Any) -> Iterable[Call]:
    """Know no calls."""
    return ()


def apply(calls: Calls) -> None:
    """Check `calls` from now on; calling it again changes only that."""
    wrapped = bool(_calls)
    _calls[:] = [calls]
    if not wrapped:
        replace_everywhere("_provision_resource", _creating)
        replace_everywhere("_update_resource", _updating)
        replace_everywhere("_delete_resource", _deleting)


def _creating(original: Callable[..., Any]) -> Callable[..., Any]:
    def provision(
        resource_type: str, logical_id: str, props: Any, stack_name: str
    ) -> Any:
        if ENFORCEMENT.actor:
            named = loaded(f"{CFN}.provisioners")._physical_name
            name = named(stack_name, logical_id, max_len=63)
            _check(resource_type, "create", props, {}, name, stack_name)
        return original(resource_type, logical_id, props, stack_name)

    return provision


def _updating(original: Callable[..., Any]) -> Callable[..., Any]:
    def update(
        resource_type: str,
        physical_id: str,
        old_props: Any,
        new_props: Any,
        stack_name: str,
        logical_id: str | None = None,
        old_attrs: Any = None,
    ) -> Any:
        if ENFORCEMENT.actor and old_props != new_props:
            replaces = loaded(f"{CFN}.provisioners")._replacing_change
            # The replacement is created, and its predecessor deleted, by themselves.
            if not replaces(resource_type, old_props, new_props):
                changed = (new_props, old_props, physical_id, stack_name)
                _check(resource_type, "update", *changed)
        return original(
            *(resource_type, physical_id, old_props, new_props),
            *(stack_name, logical_id, old_attrs),
        )

    return update


def _deleting(original: Callable[..., Any]) -> Callable[..., Any]:
    def delete(
        resource_type: str,
        physical_id: str,
        props: Any,
        stack_name: str | None = None,
        logical_id: str | None = None,
    ) -> Any:
        if ENFORCEMENT.actor:
            _check(resource_type, "delete", props, {}, physical_id, stack_name or "")
        return original(resource_type, physical_id, props, stack_name, logical_id)

    return delete


def _check(
    kind: str, operation: str, properties: Any, previous: Any, name: str, stack: str
) -> None:
    """Raise ValueError when the handler may not make one of its calls."""
    responses = loaded("ministack.core.responses")
    record = loaded(CFN)._stacks.get(stack) or {}
    tags = {str(t["Key"]): str(t["Value"]) for t in record.get("Tags") or ()}
    given = properties if isinstance(properties, Mapping) else {}
    before = previous if isinstance(previous, Mapping) else {}
    place = (responses.get_account_id(), responses.get_region())
    wanted = ENFORCEMENT.in_question()
    refused = ENFORCEMENT.refusal(
        _calls[0](kind, operation, given, before, name, place, tags, wanted)
    )
    if refused:
        raise ValueError(handler_words(kind, *refused))
