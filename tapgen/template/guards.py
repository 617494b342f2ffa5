"""Find guards that a change takes away: alarms, trails, locks, filters and backups.

Data in, data out. The tables are in `knowledge/guards.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.knowledge.guards import GUARDS, LISTINGS, SETTINGS, WIDE, Listing, Setting
from tapgen.template.places import Pair, pairs, value_at
from tapgen.template.values import equal, text

_MOST = 3  # items of a list that are named


def of_removal(kind: str) -> str:
    """Return what is lost with a resource of a type; empty for what guards nothing."""
    return GUARDS.get(kind, "")


def is_wide(kind: str) -> bool:
    """Whether a type guards a whole account, and not only its own stack."""
    return kind in WIDE


def lost(
    kind: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what no longer guards a resource that stays, in words."""
    for setting in SETTINGS:
        if not setting.types or kind in setting.types:
            yield from _turned_off(setting, before, after)
    for listing in LISTINGS:
        if kind in listing.types and not _is_dropped_around(kind, listing, after):
            yield from _gone(listing, before, after)


def _turned_off(
    one: Setting, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[str]:
    for pair in pairs(before, after, one.path, one.key):
        if (
            one.item
            and pair.item != one.item
            or pair.item is not None
            and not pair.both
        ):
            continue
        if _guards(one, pair.old) and not _guards(one, pair.new):
            end = "is dropped" if pair.new is None and not one.on else "is turned off"
            if one.on not in ((), ("true",)) and pair.new is not None:
                end = f"becomes {text(pair.new)}"
            words = f": {one.words}" if one.words else ""
            yield f"{_name(one, pair)} {end}{words}"


def _name(one: Setting, pair: Pair) -> str:
    return one.item or pair.name


def _guards(one: Setting, value: Any) -> bool:
    if value is None:
        return one.absent
    return not one.on or any(equal(value, wanted) for wanted in one.on)


def _gone(
    one: Listing, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[str]:
    old, new = _items(before, one), _items(after, one)
    if new is None and value_at(after, one.path) is not None:
        return  # not a list: known later
    names = [name for name in old or () if name not in (new or ())]
    if names:
        more = len(names) - _MOST
        rest = f" and {more} more" if more > 0 else ""
        name = one.path.rpartition("/")[2]
        yield f"{name}: {one.words} {', '.join(names[:_MOST])}{rest}"


def _items(properties: Mapping[str, Any], one: Listing) -> list[str] | None:
    found = value_at(properties, one.path)
    if not isinstance(found, list):
        return None
    names = (
        item.get(one.key) if one.key and isinstance(item, Mapping) else item
        for item in found
    )
    return [text(name) for name in names if name is not None]


def _is_dropped_around(kind: str, one: Listing, after: Mapping[str, Any]) -> bool:
    """Whether all that a list belongs to is dropped, which is a setting of its own."""
    around = one.path.rpartition("/")[0]
    known = any(kind in s.types and s.path == around for s in SETTINGS)
    return known and value_at(after, around) is None
