"""Lists of targets in few words."""

from __future__ import annotations

from collections.abc import Sequence

from tapgen.model import Target

MOST_ACCOUNTS = 4
"""Accounts with the same regions that are named in a line, at most."""


def target_list(places: Sequence[Target]) -> str:
    """Return `account in region, region` for each account; many with the same regions as a
    count and the first few."""
    regions: dict[str, list[str]] = {}
    for target in places:
        joins = f"accounts that join {target.unit}"
        who = joins if target.joins_later else target.account
        regions.setdefault(who, []).append(target.region)
    grouped: dict[tuple[str, ...], list[str]] = {}
    for who, where in regions.items():
        grouped.setdefault(tuple(where), []).append(who)
    words: list[str] = []
    for where_all, accounts in grouped.items():
        inside = ", ".join(where_all)
        if len(accounts) > MOST_ACCOUNTS:
            first = ", ".join(accounts[:MOST_ACCOUNTS])
            more = len(accounts) - MOST_ACCOUNTS
            words.append(f"{len(accounts)} accounts in {inside} ({first} + {more})")
        else:
            words += [f"{account} in {inside}" for account in accounts]
    return "; ".join(words)
