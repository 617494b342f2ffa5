"""The properties that name a resource and that no other of its type may share.

Data in, data out. The table is `knowledge/custom_names.py`.
"""

from __future__ import annotations

from functools import cache

from tapgen.knowledge.custom_names import NAMES, CustomName
from tapgen.template import schemas


@cache
def custom_name(type_name: str) -> CustomName | None:
    """Return the properties that name a resource of a type, joined with `|`; None where AWS
    makes the name up, or allows one name twice."""
    if type_name in NAMES:
        return NAMES[type_name]
    names = schemas.identifier(type_name)
    if not names or not set(names) <= schemas.create_only(type_name):
        return None
    return CustomName(
        "|".join(names), f"registry schema of {type_name}, primaryIdentifier"
    )
