"""Nested stacks that fail as on AWS.

When a nested stack cannot be created, ministack leaves its resources behind, and gives
the reason of the resource for that of the stack, also when it cannot be updated. A nested
stack that cannot be deleted is shown as deleted, and what its template retains is deleted.
"""

from __future__ import annotations

import contextvars
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_CFN = "ministack.services.cloudformation"
_STACK = "AWS::CloudFormation::Stack"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _CFN: {"_stacks": None},
    f"{_CFN}.provisioners": {
        "_RESOURCE_HANDLERS": None,
        "_cfn_nested_stack_create": ("logical_id", "props", "stack_name"),
        "_cfn_nested_stack_delete": ("physical_id", "props"),
        "_nested_stack_lookup_name": ("physical_id_or_arn",),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

_RETAINED = ("Retain", "RetainExceptOnCreate")

# The resources of nested stacks whose deletion has begun and not ended: stack and
# logical id.
_unfinished: contextvars.ContextVar[list[tuple[str, str]] | None] = (
    contextvars.ContextVar("tapgen_unfinished", default=None)
)


def apply() -> None:
    """Put the patches in place, over those of `provisioning`."""
    provisioners: Any = import_module(f"{_CFN}.provisioners")
    handler = provisioners._RESOURCE_HANDLERS[_STACK]
    delete = _reporting_failures(provisioners, handler["delete"])
    handler["delete"] = _retaining(provisioners, delete, _RETAINED)
    handler["create"] = _cleaning_up(
        handler["create"], _retaining(provisioners, delete, _RETAINED[:1])
    )
    handler["update"] = _explaining(provisioners, handler["update"])
    original = provisioners._delete_resource

    def delete_resource(*arguments: Any) -> Any:
        unfinished = _unfinished.get()
        if unfinished is None:
            return original(*arguments)
        unfinished.append(arguments[3:5])
        done = original(*arguments)
        unfinished.remove(arguments[3:5])
        return done

    # A nested delete goes on after a resource that fails, without reporting it.
    provisioners._delete_resource = delete_resource


def _stacks() -> Any:
    return import_module(_CFN)._stacks


def _cleaning_up(
    create: Callable[..., Any], delete: Callable[[str, Any], None]
) -> Callable[..., Any]:
    """A create that deletes its stack when it fails."""

    def create_nested(logical_id: str, props: Any, stack_name: str) -> Any:
        known = {name for name, _ in _stacks().items()}
        try:
            return create(logical_id, props, stack_name)
        except Exception as error:  # whatever a resource fails with
            for name, stack in list(_stacks().items()):
                if name in known or stack.get("_parent_stack_name") != stack_name:
                    continue
                message = (
                    f"Embedded stack {stack['StackId']} was not successfully created: "
                    f"{_summary(stack['StackStatusReason'])}"
                )
                if not (_stacks().get(stack_name) or {}).get("DisableRollback"):
                    delete(name, props)
                raise ValueError(message) from error
            raise

    return create_nested


def _explaining(provisioners: Any, update: Callable[..., Any]) -> Callable[..., Any]:
    """An update whose failure is named as AWS does."""

    def update_nested(physical_id: str, *given: Any) -> Any:
        try:
            return update(physical_id, *given)
        except Exception as error:  # whatever a resource fails with
            name = provisioners._nested_stack_lookup_name(physical_id)
            stack = _stacks().get(name) or {}
            reason = _summary(stack.get("StackStatusReason", ""), "update")
            raise ValueError(
                f"Embedded stack {physical_id} was not successfully updated: "
                f"{reason or error}"
            ) from error

    return update_nested


def _retaining(
    provisioners: Any, delete: Callable[[str, Any], None], policies: tuple[str, ...]
) -> Callable[[str, Any], None]:
    """A delete that leaves what the template of the nested stack retains (CloudFormation
    template reference, "DeletionPolicy attribute")."""

    def delete_nested(physical_id: str, props: Any) -> None:
        name = provisioners._nested_stack_lookup_name(physical_id)
        stack = _stacks().get(name) or {}
        declared = (stack.get("_template") or {}).get("Resources", {})
        stack["_resources"] = {
            logical_id: resource
            for logical_id, resource in stack.get("_resources", {}).items()
            if declared.get(logical_id, {}).get("DeletionPolicy") not in policies
        }
        delete(physical_id, props)

    return delete_nested


def _summary(reason: str, verb: str = "create") -> str:
    """AWS's reason of the stack, where ministack has the reason of the resource."""
    found = re.match(r"Resource (\w+) failed: ", reason)
    if found is None:
        return reason
    return f"The following resource(s) failed to {verb}: [{found[1]}]. "


def _reporting_failures(
    provisioners: Any, delete: Callable[[str, Any], None]
) -> Callable[[str, Any], None]:
    """A delete that retains and reports what it could not delete."""

    def delete_nested(physical_id: str, props: Any) -> None:
        name = provisioners._nested_stack_lookup_name(physical_id)
        stack = _stacks().get(name) or {}
        resources = dict(stack.get("_resources", {}))
        unfinished: list[tuple[str, str]] = []
        token = _unfinished.set(unfinished)
        try:
            delete(physical_id, props)
        finally:
            _unfinished.reset(token)
        left = [id_ for of, id_ in unfinished if of == name]
        if not left:
            return
        stack["StackStatus"] = "DELETE_FAILED"
        stack["StackStatusReason"] = (
            f"The following resource(s) failed to delete: [{', '.join(left)}]. "
        )
        stack["_resources"] = {
            id_: {**resources[id_], "ResourceStatus": "DELETE_FAILED"} for id_ in left
        }
        raise ValueError(
            f"Embedded stack {stack['StackId']} was not successfully deleted: "
            f"{stack['StackStatusReason']}"
        )

    return delete_nested
