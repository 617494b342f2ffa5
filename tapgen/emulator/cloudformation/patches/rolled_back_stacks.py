"""Stacks whose creation was rolled back: they can only be deleted.

ministack creates another stack over them, which hides that nobody deleted them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_stacks": None},
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None},
    f"{CFN}.helpers": {
        "_error": ("code", "message", "status"),
        "_p": ("params", "key", "default"),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Refuse CreateStack for the name of a stack in ROLLBACK_COMPLETE."""
    handlers = loaded(f"{CFN}.handlers")._ACTION_HANDLERS
    handlers["CreateStack"] = _refusing(handlers["CreateStack"])


def _refusing(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def create(params: Any) -> Any:
        helpers = loaded(f"{CFN}.helpers")
        name = helpers._p(params, "StackName")
        stack = loaded(CFN)._stacks.get(name) or {}
        if stack.get("StackStatus") == "ROLLBACK_COMPLETE":
            message = f"Stack [{name}] already exists"
            return helpers._error("AlreadyExistsException", message)
        return handler(params)

    return create
