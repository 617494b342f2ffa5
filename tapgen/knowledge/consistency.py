"""Where DynamoDB offers multi-Region strong consistency (MRSC).

Such a global table is in exactly three regions: three replicas, or two replicas and a
witness, which holds changes and serves no requests. It has no time to live, no local
secondary indexes and no transactions, and its mode never changes.

Sources: DynamoDB developer guide, "How DynamoDB global tables work" (ten regions, in
three sets); AWS What's New of September 23, 2026, "DynamoDB global tables with
multi-Region strong consistency now supports additional AWS Regions and cross-continent
configurations" (five more regions, and any three of the fifteen).
"""

from __future__ import annotations

from collections.abc import Collection

REGIONS: tuple[tuple[str, ...], ...] = (
    ("us-east-1", "us-east-2", "us-west-2", "ca-central-1"),
    (
        *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"),
        *("eu-north-1", "eu-south-2"),
    ),
    (
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
        *("ap-south-1", "ap-southeast-1"),
    ),
)
"""The regions by continent. New ones go to the end of their row: a witness is chosen from
the front, and that of a deployed table cannot change."""

STRONG = frozenset(region for row in REGIONS for region in row)
"""All of them."""


def witness(replicas: Collection[str]) -> str:
    """Return the region of the witness for two replicas: one near the first of them.

    The replicas are in `STRONG`.
    """
    first = next(iter(replicas))
    (row,) = (row for row in REGIONS if first in row)
    return next(region for region in row if region not in replicas)
