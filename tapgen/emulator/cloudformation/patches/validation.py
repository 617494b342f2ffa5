"""Templates that AWS refuses before there is a stack.

ministack resolves a Ref to an undefined name to that name, and creates the stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)
from tapgen.emulator.cloudformation.patches.resource_types import refuse_unavailable
from tapgen.emulator.cloudformation.template_checks import (
    Parameters,
    Template,
    refuse_cycles,
    refuse_malformed,
    refuse_resources_in_conditions,
    refuse_unresolved,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.engine": {
        "_TransformFailed": None,
        "_extract_deps": ("resource_def", "all_resource_names"),
        "validate_template_support": ("template", "conditions", "params"),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Refuse resources without a type, unknown types, references to nothing, circles."""

    def validation(original: Any) -> Any:
        failed = loaded(f"{CFN}.engine")._TransformFailed

        def validate(
            template: Template,
            conditions: Mapping[str, bool],
            params: Parameters | None = None,
        ) -> None:
            # A template cannot be checked before its transform has expanded it.
            if not isinstance(template, failed) and not template.get("Transform"):
                refuse_malformed(template)
                refuse_unavailable(template, conditions)
                refuse_resources_in_conditions(template)
                refuse_unresolved(template, conditions)
                refuse_cycles(template, loaded(f"{CFN}.engine")._extract_deps)
            original(template, conditions, params)

        return validate

    replace_everywhere("validate_template_support", validation)
