"""What was verified of a system that is deployed."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from tapgen.frozen import dataclass
from tapgen.model.targets import Target


class Verified(StrEnum):
    """What was found of one thing that should be so; from good to bad."""

    HOLDS = "holds"
    EXPECTED = "expected"  # there is nothing to see yet, and there need not be
    UNKNOWN = "unknown"  # it cannot be read, or there is nothing to see yet
    FAILS = "fails"


WORSE = (*Verified,)
"""Verdicts, the worst last."""


@dataclass(frozen=True, order=True)
class Found:
    """What was found of an instance, output, alarm or health check (`kind`) in a target."""

    target: Target
    part: str
    kind: str
    name: str
    verdict: Verified
    words: str


def worst(found: Iterable[Found]) -> Verified:
    """Return the worst verdict."""
    return max((f.verdict for f in found), key=WORSE.index, default=Verified.HOLDS)
