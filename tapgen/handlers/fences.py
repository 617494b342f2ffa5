"""Which regions are closed for payments, as the table says."""

from __future__ import annotations

from typing import Any

FENCE = "#fence"
"""The id of the items that close regions; no payment can have it."""


def closed(table: Any, role: str) -> bool:
    """Whether a region is closed, by an item written in whichever still works.

    The read is consistent. With strong consistency it fails where the region reaches no
    other one, and then it could take no payments either.
    """
    key = {"paymentId": FENCE, "timestamp": role}
    item = table.get_item(Key=key, ConsistentRead=True).get("Item") or {}
    return bool(item.get("closed"))
