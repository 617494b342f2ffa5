"""What CloudFormation is about to do with a resource, for those who have a say in it.

ministack creates, updates and deletes resources in three functions. They are wrapped
here, once. Each listener sees what is about to happen, in the order in which they were
added; it may give other properties, or raise ValueError, and then nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.provisioners": {
        "_delete_resource": (
            *("resource_type", "physical_id", "props", "stack_name", "logical_id"),
        ),
        "_provision_resource": ("resource_type", "logical_id", "props", "stack_name"),
        "_update_resource": (
            *("resource_type", "physical_id", "old_props", "new_props"),
            *("stack_name", "logical_id", "old_attrs"),
        ),
    },
    "ministack.core.responses": {"get_account_id": (), "get_region": ()},
}
"""Private names of ministack used here, as `private_names` describes them."""

CREATE, UPDATE, DELETE = "create", "update", "delete"


class Work(NamedTuple):
    """A resource, and what happens to it: `operation` is CREATE, UPDATE or DELETE.

    `properties` are those that it gets, or has when it is deleted; `previous` are those
    before an update. A new resource has no physical id yet.
    """

    operation: str
    kind: str
    stack: str
    logical_id: str
    properties: Any
    previous: Any = None
    physical_id: str = ""


Listener = Callable[[Work], Work]
"""Gives the work that is done; ValueError, with AWS's words, where it is refused."""

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Ask a listener from now on; one that is already asked keeps its place."""
    if not _listeners:
        replace_everywhere("_provision_resource", _creating)
        replace_everywhere("_update_resource", _updating)
        replace_everywhere("_delete_resource", _deleting)
    if listener not in _listeners:
        _listeners.append(listener)


def place() -> tuple[str, str]:
    """Return the account and region in which CloudFormation works now."""
    responses = loaded("ministack.core.responses")
    return responses.get_account_id(), responses.get_region()


def _agreed(work: Work) -> Work:
    for listener in _listeners:
        work = listener(work)
    return work


def _creating(original: Callable[..., Any]) -> Callable[..., Any]:
    def provision(
        resource_type: str, logical_id: str, props: Any, stack_name: str
    ) -> Any:
        work = _agreed(Work(CREATE, resource_type, stack_name, logical_id, props))
        return original(resource_type, logical_id, work.properties, stack_name)

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
        named = resource_type, stack_name, logical_id or ""
        work = _agreed(Work(UPDATE, *named, new_props, old_props, physical_id))
        return original(
            *(resource_type, physical_id, work.previous, work.properties),
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
        named = resource_type, stack_name or "", logical_id or ""
        work = _agreed(Work(DELETE, *named, props, physical_id=physical_id))
        return original(
            resource_type, physical_id, work.properties, stack_name, logical_id
        )

    return delete
