"""How freely something in a template may change: the words of AWS's Metadata Context.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-metadata.html#aws-attribute-metadata-context-schema
"""

from __future__ import annotations

from enum import StrEnum

CONTEXT = "com.aws.cloudformation.Context"
"""The key in the Metadata of a template or of a resource."""


class ChangeSafety(StrEnum):
    """How freely a resource or a property may change, the strictest first: AWS's order."""

    NEVER = "must-never-change"
    CONSTRAINED = "change-with-constraints"
    REVIEW = "review-required"
    FREE = "free-to-tune"
