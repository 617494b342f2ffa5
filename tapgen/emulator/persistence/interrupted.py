"""Work that a kill interrupted: set its stacks and operations to a final status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.stacksets.model import Instance, Operation, Registry, StackSet, now
from tapgen.emulator.stacksets.stacks import NAME_LIMIT, UUID
from tapgen.emulator.wire.inner import Place

REASON = "The embedded AWS stopped while this was in progress"
_STACK = "AWS::CloudFormation::Stack"
# The status after an interruption. A stack whose update was interrupted can be updated
# again; until then its resources may be of either version.
_LEFT = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_IN_PROGRESS": "IMPORT_ROLLBACK_COMPLETE",
    "IMPORT_ROLLBACK_IN_PROGRESS": "IMPORT_ROLLBACK_COMPLETE",
}
_INCOMPLETE = ("CREATE_FAILED", "ROLLBACK_FAILED", "ROLLBACK_COMPLETE")

Stacks = Mapping[tuple[str, str, str], dict[str, Any]]
"""ministack's stacks by account, region and name."""


def end_stacks(stacks: Stacks) -> None:
    """Give every stack in progress a status from which it can be changed again."""
    events: Any = import_module("ministack.services.cloudformation.stacks")
    scope: Any = import_module("ministack.core.responses").request_scope
    for (account, region, name), stack in list(stacks.items()):
        left = _LEFT.get(stack.get("StackStatus", ""))
        if left is None:
            continue
        stack["StackStatus"], stack["StackStatusReason"] = left, REASON
        id_ = stack["StackId"]
        with scope(account, region):
            events._add_event(id_, name, name, _STACK, left, REASON, id_)


def end_operations(
    registry: Registry, stacks: Stacks
) -> list[tuple[StackSet, Instance]]:
    """End every unfinished operation; return the instances with an incomplete stack.

    Those stacks are to be deleted, as StackSets does when a create fails.
    """
    incomplete = []
    for stack_set in registry.all():
        ended = [o for o in stack_set.operations.values() if o.unfinished]
        if not ended:
            continue
        named = registry.get(stack_set.owner, stack_set.name)  # marks it dirty
        assert named is stack_set
        stack_set.active = []
        for operation in ended:
            for instance in _end(stack_set, operation):
                _find_stack(stack_set, instance, stacks)
                if _status(instance, stacks) in _INCOMPLETE:
                    incomplete.append((stack_set, instance))
    return incomplete


def _end(stack_set: StackSet, operation: Operation) -> Iterator[Instance]:
    """End an operation; yield the instances that it was working on."""
    began = operation.status != "QUEUED"
    operation.status = "FAILED" if operation.status == "RUNNING" else "STOPPED"
    operation.reason, operation.ended = REASON, now()
    operation.done.set()
    for place, result in operation.results.items() if began else ():
        instance = stack_set.instances.get(place)
        if result.status == "RUNNING":
            result.status, result.reason = "FAILED", REASON
            operation.failed += 1
            if instance is not None:
                instance.settle("OUTDATED", "FAILED", REASON)
                yield instance
        elif result.status == "PENDING":
            result.status, result.reason = "CANCELLED", REASON
            if instance is not None:
                instance.settle(instance.status, "CANCELLED", REASON)


def _find_stack(stack_set: StackSet, instance: Instance, stacks: Stacks) -> None:
    """Give an instance the stack that was created for it just before the kill."""
    if instance.exists:
        return
    taken = {i.stack_name for i in stack_set.instances.values() if i.exists}
    start = f"StackSet-{stack_set.name}"[: NAME_LIMIT - UUID - 1] + "-"
    for (account, region, name), stack in stacks.items():
        if Place(account, region) != instance.place or name in taken:
            continue
        alive = stack.get("StackStatus") != "DELETE_COMPLETE"
        # What follows is a UUID: another stack set's name may begin like this one.
        if alive and name.startswith(start) and len(name) == len(start) + 36:
            instance.stack_name, instance.stack_id = name, stack["StackId"]
            instance.exists = True


def _status(instance: Instance, stacks: Stacks) -> str:
    key = (instance.place.account, instance.place.region, instance.stack_name)
    return str((stacks.get(key) or {}).get("StackStatus"))
