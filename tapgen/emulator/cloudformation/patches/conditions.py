"""Conditions with pseudo parameters, Join, Sub, Split and FindInMap.

ministack resolves only Ref to a parameter and Fn::Select in a condition: with anything
else the condition is false, without an error.
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
from tapgen.emulator.cloudformation.template_checks import (
    Parameters,
    Template,
    evaluated,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.changesets": {
        "_resolve_props_for_diff": ("template", "params", "stack_name", "stack_id")
    },
    f"{CFN}.engine": {
        "_evaluate_conditions": ("template", "params"),
        "_resolve_refs": (
            "value",
            "resources",
            "params",
            "conditions",
            "mappings",
            "stack_name",
            "stack_id",
        ),
    },
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None},
    f"{CFN}.helpers": {"_p": ("params", "key", "default")},
    f"{CFN}.stacks": {"_deploy_stack_async": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

_stack_name: contextvars.ContextVar[str] = contextvars.ContextVar(
    "tapgen_stack_name", default=""
)


def apply() -> None:
    """Evaluate conditions with every function and pseudo parameter that AWS allows."""
    _evaluate_all()
    _remember_stack_names()


def _evaluate_all() -> None:
    def evaluate(template: Template, params: Parameters) -> dict[str, bool]:
        def resolve(value: Any, known: Mapping[str, bool], mappings: Any) -> Any:
            return loaded(f"{CFN}.engine")._resolve_refs(
                value, {}, params, known, mappings, _stack_name.get(), ""
            )

        return evaluated(template, resolve)

    def in_force(original: Any) -> Any:
        def resolve(
            template: Template, params: Parameters, stack_name: str, stack_id: str
        ) -> dict[str, Any]:
            resolved: dict[str, Any] = original(template, params, stack_name, stack_id)
            if resolved:
                holds = evaluate(template, params)
                resolved["Resources"] = {
                    name: resource
                    for name, resource in resolved["Resources"].items()
                    if holds.get(resource.get("Condition", ""), True)
                }
            return resolved

        return resolve

    replace_everywhere("_evaluate_conditions", lambda original: evaluate)
    # A change set would list resources whose condition is false.
    replace_everywhere("_resolve_props_for_diff", in_force)


def _remember_stack_names() -> None:
    # Conditions are evaluated without the stack's name, which AWS::StackName needs.
    def deploy(original: Any) -> Any:
        async def deploy_stack(stack_name: str, *args: Any, **kwargs: Any) -> None:
            _stack_name.set(stack_name)
            await original(stack_name, *args, **kwargs)

        return deploy_stack

    replace_everywhere("_deploy_stack_async", deploy)
    handlers = loaded(f"{CFN}.handlers")._ACTION_HANDLERS
    for action in ("CreateStack", "UpdateStack", "CreateChangeSet"):
        handlers[action] = _naming_stack(handlers[action])


def _naming_stack(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def named(params: Any) -> Any:
        name = loaded(f"{CFN}.helpers")._p(params, "StackName")
        parts = name.split("/")
        token = _stack_name.set(parts[1] if len(parts) > 1 else name)
        try:
            return handler(params)
        finally:
            _stack_name.reset(token)

    return named
