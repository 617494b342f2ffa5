"""Advice about a failure, from the reason that AWS reports.

A failure without advice is shown as it is: a wrong hint costs more than none.
"""

from __future__ import annotations

import re

from tapgen.knowledge.failures import FAILURES, PROPERTIES


def advice(reason: str) -> str | None:
    """Return what a user can do about this reason; None when that is unknown."""
    for known in FAILURES:
        found = re.search(known.pattern, reason, re.IGNORECASE)
        if found:
            return known.advice.format_map(found.groupdict())
    return None


def property_of(reason: str) -> str:
    """Return the path of the property that a reason names, joined with `/`; empty where
    it names none."""
    for pattern in PROPERTIES:
        if found := re.search(pattern, reason):
            return str(found["property"])
    return ""
