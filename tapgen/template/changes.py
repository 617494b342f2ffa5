"""What differs between two evaluated templates: the data that `diff` returns."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import ChangeSafety
from tapgen.template import schemas
from tapgen.template.context import Mark
from tapgen.template.differences import Path
from tapgen.template.refusals import Refused


class Verb(StrEnum):
    """The change to a resource."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


class Verdict(StrEnum):
    """The effect of an update on a resource, mildest first."""

    IN_PLACE = "in place"
    MAY_REPLACE = "may replace"
    REPLACES = "replaces"
    REFUSED = "AWS refuses this update"


_REPLACING = (Verdict.MAY_REPLACE, Verdict.REPLACES)

ORDER = list(Verdict)
"""The verdicts, the gravest last."""


@dataclass(frozen=True)
class Property:
    """One difference in a resource; None stands for an absent value.

    `of` is the attribute of the resource that differs, such as Metadata; mostly its
    Properties, which the path is below.
    """

    path: Path
    old: Any
    new: Any
    verdict: Verdict = Verdict.IN_PLACE
    interruption: str = ""  # what the change in place interrupts, in a phrase
    of: str = "Properties"


@dataclass(frozen=True)
class Resource:
    """One resource that differs.

    Added and removed ones have no `properties`. `retained` is true where its policies
    retain (or snapshot) what a removal or replacement would delete. `after` are the
    evaluated properties it will have, `before` those it has.
    """

    verb: Verb
    logical_id: str
    type: str
    properties: tuple[Property, ...] = ()
    verdict: Verdict = Verdict.IN_PLACE
    retained: bool = False
    before: Any = None
    after: Any = None
    refusals: tuple[Refused, ...] = ()
    unpublished: tuple[str, ...] = ()  # snapshots of it that stay the same
    marks: tuple[Mark, ...] = ()  # what the templates say about such a change
    loosened: tuple[str, ...] = ()  # what they said, and no longer say

    @property
    def stateful(self) -> bool:
        """Whether the resource holds data."""
        return schemas.is_stateful(self.type)

    @property
    def loses_data(self) -> bool:
        """Whether the change may delete data or leave it behind. A removed resource that
        its policy retains loses nothing."""
        if not self.stateful or self.verb is Verb.ADD:
            return False
        if self.verb is Verb.REMOVE:
            return not self.retained
        return self.verdict in _REPLACING

    @property
    def must_never_be(self) -> bool:
        """Whether a template says that what changes must never change."""
        return any(mark.level is ChangeSafety.NEVER for mark in self.marks)

    @property
    def fate(self) -> str:
        """What happens to the resource, as the end of a sentence."""
        if self.verb is Verb.REMOVE:
            return "deleted"
        word = {
            Verdict.REPLACES: "replaced",
            Verdict.MAY_REPLACE: "perhaps replaced",
            Verdict.REFUSED: "changed in a way that AWS refuses",
        }
        return word.get(self.verdict, "changed in place")
