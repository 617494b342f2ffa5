"""Find changes that reach nobody, as users get a snapshot that stays the same.

Data in, data out. The table is `knowledge/snapshots.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.knowledge.snapshots import SNAPSHOTS, Snapshot
from tapgen.template.values import mapping, references

Changes = Mapping[str, frozenset[str]]
"""Changed, added and removed resources by logical id, with the names of their changed
properties: none for added and removed ones."""


def unpublished(
    changes: Changes,
    fresh: frozenset[str],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each changed resource that has snapshots, all of which stay the same, with
    these. `fresh` are the logical ids that are created or replaced; `before` and `after`
    the resources by logical id."""
    for logical_id, names in changes.items():
        resource = mapping(after.get(logical_id) or before.get(logical_id))
        for one in SNAPSHOTS:
            source = _source(one, logical_id, resource, names)
            found = list(_snapshots(one, source, after)) if source else []
            if found and not fresh.intersection(found):
                yield logical_id, tuple(found)


def _source(
    one: Snapshot, logical_id: str, resource: Mapping[str, Any], names: frozenset[str]
) -> str:
    """Return the logical id that snapshots with this change refer to; empty if it needs
    none."""
    kind = str(resource.get("Type"))
    if kind == one.of:
        return logical_id if names - one.live else ""
    if kind in one.parts:
        value = mapping(resource.get("Properties")).get(one.source)
        return next(references(value), "").partition(".")[0]
    return ""


def _snapshots(one: Snapshot, source: str, after: Mapping[str, Any]) -> Iterator[str]:
    for logical_id, resource in after.items():
        if mapping(resource).get("Type") != one.type:
            continue
        properties = mapping(mapping(resource).get("Properties"))
        direct = {r.partition(".")[0] for r in references(properties.get(one.source))}
        others = {name: v for name, v in properties.items() if name != one.source}
        follows = any(r.partition(".")[0] == source for r in references(others))
        if source in direct and not follows:
            yield logical_id
