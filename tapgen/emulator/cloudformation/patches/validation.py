"""Templates that AWS refuses before there is a stack.

ministack resolves a Ref to an undefined name to that name, and creates the stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.read_templates import (
    known,
    note,
    reading,
)
from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)
from tapgen.emulator.cloudformation.patches.resource_types import refuse_unavailable
from tapgen.emulator.cloudformation.template_checks import (
    Parameters,
    Template,
    null_in,
    refuse_cycles,
    refuse_malformed,
    refuse_resources_in_conditions,
    refuse_unknown_keys,
    refuse_unresolved,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.engine": {
        "_TransformFailed": None,
        "_extract_deps": ("resource_def", "all_resource_names"),
        "_parse_template": ("template_body",),
        "validate_template_support": ("template", "conditions", "params"),
    },
    f"{CFN}.provisioners": {
        "_check_nested_stack_capabilities": ("parent_stack_name", "template")
    },
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Refuse nulls, unknown keys and types, references to nothing, and circles."""

    def validation(original: Any) -> Any:
        failed = loaded(f"{CFN}.engine")._TransformFailed

        def validate(
            template: Template,
            conditions: Mapping[str, bool],
            params: Parameters | None = None,
        ) -> None:
            # A template cannot be checked before its transform has expanded it.
            checked = isinstance(template, failed) or template.get("Transform")
            fact = "valid", frozenset(conditions.items())
            if known(template, fact):
                # Only this depends on the region.
                refuse_unavailable(template, conditions)
                return
            if not checked:
                refuse_malformed(template)
                refuse_unknown_keys(template)
                refuse_unavailable(template, conditions)
                refuse_resources_in_conditions(template)
                refuse_unresolved(template, conditions)
                refuse_cycles(template, loaded(f"{CFN}.engine")._extract_deps)
            original(template, conditions, params)
            if not checked and not template.get("Rules"):
                note(template, fact)

        return validate

    replace_everywhere("validate_template_support", validation)
    _refuse_nulls()


def _refuse_nulls() -> None:
    """Refuse a template with a null in AWS's words, before anything reads it.

    A handler puts "Template format error: " before whatever parsing raises, and AWS
    does not: the template with its refusal travels on to the validation. A nested stack
    has no validation of its own.
    """
    failed = loaded(f"{CFN}.engine")._TransformFailed

    def parsing(original: Any) -> Any:
        def parse(template_body: str) -> Any:
            template = original(template_body)
            reading(template, template_body)
            refusal = None if known(template, "no null") else null_in(template)
            if refusal is None:
                note(template, "no null")
                return template
            declared = template.get("Parameters")
            names = declared if isinstance(declared, Mapping) else {}
            parameters = {name: {"Type": "String", "Default": ""} for name in names}
            return failed({"Parameters": parameters, "Resources": {}}, refusal)

        return parse

    replace_everywhere("_parse_template", parsing)

    def checking(original: Any) -> Any:
        def check(parent_stack_name: str, template: Template) -> None:
            if isinstance(template, failed):
                raise ValueError(template.error)
            original(parent_stack_name, template)

        return check

    replace_everywhere("_check_nested_stack_capabilities", checking)
