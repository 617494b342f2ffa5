"""Templates that lead to the stack there is: "No updates are to be performed".

ministack updates a stack whenever the text of its template differs. CloudFormation looks
at what comes of it: "During a stack update, you cannot update the Description section by
itself. You can update it only when you include changes that add, modify, or delete
resources" (user guide; the same of Metadata and Conditions). Nor does it update for a
resource whose condition is false (aws-cloudformation/cloudformation-coverage-roadmap
#2027). It does for outputs, for an attribute of a resource such as Metadata, and for the
stack's settings (localstack/localstack, api/test_update_stack.py, recorded on AWS).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.answers import CHANGES
from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.engine": {
        "_evaluate_conditions": ("template", "params"),
        "_has_dynamic_references": ("template",),
        "_resolve_refs": (
            *("value", "resources", "params", "conditions", "mappings"),
            *("stack_name", "stack_id"),
        ),
    },
    f"{CFN}.handlers": {
        "_stack_has_no_updates": (
            *("stack", "template", "param_values", "tags"),
            *("use_previous_template", "tags_given"),
        )
    },
    f"{CFN}.stacks": {"_stack_tags_changed": ("stack", "tags", "tags_given")},
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Compare what templates lead to, as well as their texts."""

    def by_effect(original: Any) -> Any:
        def has_no_updates(
            stack: Any,
            template: Any,
            param_values: Any,
            tags: Any,
            use_previous_template: bool = False,
            tags_given: bool = False,
        ) -> bool:
            given = stack, template, param_values, tags
            if CHANGES.get():
                return False
            if original(*given, use_previous_template, tags_given):
                return True
            if loaded(f"{CFN}.stacks")._stack_tags_changed(stack, tags, tags_given):
                return False
            if loaded(f"{CFN}.engine")._has_dynamic_references(template):
                return False
            return _leads_to(stack, template, param_values)

        return has_no_updates

    replace_everywhere("_stack_has_no_updates", by_effect)


def _leads_to(stack: Any, template: Any, values: Any) -> bool:
    """Whether a template with these values leads to the stack there is."""
    current = stack.get("_resolved_params", {})
    for name in {*values, *current}:
        if name in values and name in current:
            if values[name].get("Value") != current[name].get("Value"):
                return False
    try:
        return bool(
            _effect(stack, stack.get("_template", {}), current)
            == _effect(stack, template, values)
        )
    except Exception:
        return False  # something that only deploying it resolves


def _effect(stack: Any, template: Any, values: Any) -> Any:
    """The resources and outputs that there are, with the values that they get."""
    engine = loaded(f"{CFN}.engine")
    conditions = engine._evaluate_conditions(template, values)

    def there(section: str) -> Any:
        found = {
            name: {k: v for k, v in one.items() if k != "Condition"}
            for name, one in (template.get(section) or {}).items()
            if conditions.get(one.get("Condition"), True)
        }
        return engine._resolve_refs(
            copy.deepcopy(found),
            stack.get("_resources", {}),
            values,
            conditions,
            template.get("Mappings", {}),
            stack["StackName"],
            stack["StackId"],
        )

    return there("Resources"), there("Outputs")
