"""Which tags are active for cost allocation in an account.

Source: `ListCostAllocationTags` in the API reference of AWS Cost Explorer. Member accounts
of an organization cannot read it: only the payer account manages these tags
(https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/custom-tags.html).
"""

from __future__ import annotations

from collections.abc import Collection

from tapgen.aws.session import Aws, ask
from tapgen.model import Target

# Cost Explorer has one endpoint for each partition; each call costs 0.01 US dollars.
# https://docs.aws.amazon.com/cost-management/latest/userguide/ce-api.html
_AT_ONCE = 100  # TagKeys of one call


def active(aws: Aws, target: Target, keys: Collection[str]) -> frozenset[str]:
    """Return those of the tag keys that are active in the account of a target.

    A key that AWS does not list yet is not active: it lists one up to 24 hours after the
    first resource has it. Raises AwsError where the account cannot read it.
    """
    client = aws.client("ce", target)
    named = sorted(keys)[:_AT_ONCE]
    found = ask(client, "list_cost_allocation_tags", TagKeys=named, Status="Active")
    return frozenset(tag["TagKey"] for tag in found["CostAllocationTags"])
