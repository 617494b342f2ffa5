"""Bucket names that are taken: the bucket fails, not the stack before it.

With ministack a taken bucket name fails the stack before its first resource, and only
DescribeEvents reports the reason. Here the bucket itself fails ("<name> already exists"):
a stack instance's status reason then names the resource.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.emulator.cloudformation.patches.replacing import CFN, replace_everywhere

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.provisioners": {"s3_bucket_name_conflict": ("name",)}
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Leave the check of bucket names to the bucket."""
    replace_everywhere("s3_bucket_name_conflict", lambda original: lambda name: None)
