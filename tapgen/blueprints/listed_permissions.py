"""Actions that resource schemas list, less those that shipped systems never need.

A schema lists the actions of every property of its type. The role of a shipped system
leaves out the actions of properties that none of its resources has.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache

from tapgen.blueprints.scope import Scope
from tapgen.knowledge.unused_permissions import UNUSED
from tapgen.template import schemas


def listed_actions(types: Sequence[str], scope: Scope) -> frozenset[str]:
    """Return the actions in the types' schemas; a shipped system omits `UNUSED`."""
    listed = schemas.permissions(types)
    if not scope.code:
        return listed
    used = frozenset().union(*map(_used, types))
    return frozenset(action for action in listed if action.lower() in used)


@cache
def _used(type_name: str) -> frozenset[str]:
    """The actions in a type's schema that are not `UNUSED`, in lower case."""
    return frozenset(
        action.lower()
        for action in schemas.permissions([type_name])
        if not any(
            fnmatchcase(action, pattern)
            for patterns in UNUSED.get(type_name, {}).values()
            for pattern in patterns
        )
    )
