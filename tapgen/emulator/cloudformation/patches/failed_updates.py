"""Resources whose update failed, and stacks that hang because of them.

On AWS such a resource is UPDATE_FAILED, with the reason, until an operation brings it up
to date or a user skips it: "You can specify only resources that are in the UPDATE_FAILED
state because a rollback failed", and skipped ones get UPDATE_COMPLETE (API reference,
ContinueUpdateRollback). ministack tells it in the events only. It also has other words
for a stack that takes no update ("Stack:<ARN> is in UPDATE_ROLLBACK_FAILED state and can
not be updated.", org-formation/org-formation-cli issue 455).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
    wrap_action,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_stacks": None},
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{CFN}.helpers": {
        "_error": ("code", "message", "status"),
        "_p": ("params", "key", "default"),
    },
    f"{CFN}.stacks": {
        "_add_event": (
            *("stack_id", "stack_name", "logical_id", "resource_type", "status"),
            *("reason", "physical_id", "detailed_status"),
        ),
        "_revert_update": (
            *("stack_id", "stack_name", "logical_id", "rtype", "physical_id"),
            *("applied_props", "previous_props", "attrs", "record"),
        ),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

_FAILED, _COMPLETE = "UPDATE_FAILED", "UPDATE_COMPLETE"
_TAKE_NO_UPDATE = (
    *("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED"),
    "DELETE_FAILED",
)


def apply() -> None:
    """Let resources have the status that their last event has."""
    replace_everywhere("_add_event", _telling)
    replace_everywhere("_revert_update", _reverting)
    wrap_action("UpdateStack", _refusing)


def _telling(original: Callable[..., None]) -> Callable[..., None]:
    def add_event(
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        status: str,
        reason: str = "",
        *more: Any,
        **named: Any,
    ) -> None:
        original(
            *(stack_id, stack_name, logical_id, resource_type, status, reason),
            *more,
            **named,
        )
        if status in (_FAILED, _COMPLETE):
            stack = loaded(CFN)._stacks.get(stack_name) or {}
            _mark(stack.get("_resources", {}).get(logical_id), status, reason)

    return add_event


def _mark(record: Any, status: str, reason: str) -> None:
    """Write the end of an update into what is known of a resource."""
    if record is None:
        return
    record["ResourceStatus"] = status
    record["ResourceStatusReason"] = reason if status == _FAILED else ""


def _reverting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Mark what cannot be sent back: the stack gets those records again only later."""

    async def revert(*args: Any, **named: Any) -> None:
        record = named.get("record", args[8] if len(args) > 8 else None)
        try:
            await original(*args, **named)
        except Exception as error:
            _mark(record, _FAILED, str(error))
            raise
        _mark(record, _COMPLETE, "")

    return revert


def _refusing(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def update(params: Any) -> Any:
        helpers = loaded(f"{CFN}.helpers")
        name = helpers._p(params, "StackName")
        stack = loaded(f"{CFN}.handlers")._resolve_stack(name) or {}
        status = stack.get("StackStatus", "")
        if status in _TAKE_NO_UPDATE or status.endswith("_IN_PROGRESS"):
            text = (
                f"Stack:{stack['StackId']} is in {status} state and can not be updated."
            )
            return helpers._error("ValidationError", text)
        return handler(params)

    return update
