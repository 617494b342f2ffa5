"""Loops over what a mapping has for the stack's region, account or partition.

ministack's transform `AWS::LanguageExtensions` has no pseudo parameters, so such a
collection fails with "Could not find a collection or could not be resolved". AWS's own
transform has those that a macro's request tells: the tests of its Kotlin code, which
aws/aws-sam-cli has as tests/unit/lib/cfn_language_extensions/compatibility, resolve
AWS::Region, AWS::AccountId and AWS::Partition, and leave AWS::StackName, AWS::StackId and
AWS::NotificationARNs open. Users loop over accounts so (aws-cloudformation/cfn-lint#3747).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.core.responses": {"get_account_id": (), "get_region": ()},
    f"{CFN}.engine": {
        "_transform_parameters": ("template", "provided_params", "previous_params")
    },
    f"{CFN}.language_extensions": {
        "_sub_value": ("argument", "bindings", "context"),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Give the transform the pseudo parameters that it has on AWS, also in Fn::Sub."""

    def parameters(original: Any) -> Any:
        def values(
            template: Any, provided_params: Any, previous_params: Any
        ) -> dict[str, Any]:
            here = loaded("ministack.core.responses")
            return {
                **original(template, provided_params, previous_params),
                "AWS::AccountId": here.get_account_id(),
                "AWS::Partition": "aws",
                "AWS::Region": here.get_region(),
                "AWS::URLSuffix": "amazonaws.com",
            }

        return values

    replace_everywhere("_transform_parameters", parameters)
    replace_everywhere("_sub_value", _filling)


def _filling(original: Any) -> Any:
    """Fill parameters into an `Fn::Sub` whose value the transform needs."""

    def value(argument: Any, bindings: Any, context: Any) -> Any:
        given = list(argument) if isinstance(argument, list) else [argument]
        own = given[1] if len(given) > 1 and isinstance(given[1], Mapping) else {}

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            known = name in context.parameters and name not in context.lists
            if not known or name in own or name in bindings:
                return match[0]
            return str(context.parameters[name])

        if isinstance(given[0], str):
            given[0] = re.sub(r"\$\{([A-Za-z0-9:]+)\}", fill, given[0])
        return original(given if len(given) > 1 else given[0], bindings, context)

    return value
