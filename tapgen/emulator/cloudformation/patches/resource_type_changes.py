"""Another type under the same logical id: refused at the call, as AWS does.

ministack deletes the resource and makes one of the other type. UpdateStack on AWS answers
"Update of resource type is not permitted. The new template modifies resource type of the
following resources: […]" (aws-quickstart/quickstart-amazon-eks#141).
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.engine": {
        "validate_template_support": ("template", "conditions", "params"),
    },
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{CFN}.helpers": {"_p": ("params", "key", "default")},
}
"""Private names of ministack used here, as `private_names` describes them."""

_updated: contextvars.ContextVar[Any] = contextvars.ContextVar(
    "tapgen_updated_stack", default=None
)


def apply() -> None:
    """Refuse UpdateStack where a resource would get another type."""
    handlers = loaded(f"{CFN}.handlers")._ACTION_HANDLERS
    handlers["UpdateStack"] = _known(handlers["UpdateStack"])
    replace_everywhere("validate_template_support", _refusing)


def _known(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Remember the stack that is updated while the template is validated."""

    def update(params: Any) -> Any:
        name = loaded(f"{CFN}.helpers")._p(params, "StackName")
        stack = loaded(f"{CFN}.handlers")._resolve_stack(name) if name else None
        token = _updated.set(stack)
        try:
            return handler(params)
        finally:
            _updated.reset(token)

    return update


def _refusing(original: Callable[..., None]) -> Callable[..., None]:
    def validate(
        template: Any, conditions: Mapping[str, bool], params: Any = None
    ) -> None:
        original(template, conditions, params)
        changed = list(_changed(_updated.get() or {}, template, conditions))
        if changed:
            raise ValueError(
                "Update of resource type is not permitted. The new template modifies "
                f"resource type of the following resources: [{', '.join(changed)}]"
            )

    return validate


def _changed(stack: Any, template: Any, conditions: Mapping[str, bool]) -> list[str]:
    """The resources that are there, and stay with another type."""
    old = (stack.get("_template") or {}).get("Resources") or {}
    new = template.get("Resources") or {}
    return [
        logical_id
        for logical_id in stack.get("_resources") or {}
        if logical_id in old
        and logical_id in new
        and old[logical_id].get("Type") != new[logical_id].get("Type")
        and conditions.get(new[logical_id].get("Condition"), True)
    ]
