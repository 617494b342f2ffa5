"""What a template says about itself: why a resource is as it is, and what may change.

AWS's Metadata Context, below `com.aws.cloudformation.Context` in the Metadata of a
template or of a resource. `mutable` says how freely a resource may change, `mutability`
the same for single properties, which has precedence. CloudFormation stores it and does
nothing with it; a plan of tapgen honours it. `tapgen/data/metadata_context.json` is AWS's
schema for it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-metadata.html#aws-attribute-metadata-context-schema
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import CONTEXT, ChangeSafety
from tapgen.template.values import LATER, many, mapping

_ORDER = list(ChangeSafety)


@dataclass(frozen=True)
class Mark:
    """What a template says about a change: its level, the properties that it concerns
    (none: the resource as a whole), and the reasons that are given."""

    level: ChangeSafety
    properties: tuple[str, ...]
    why: str
    must: tuple[str, ...]


def marks(
    old: Mapping[str, Any], new: Mapping[str, Any] | None, changed: Iterable[str]
) -> tuple[Mark, ...]:
    """Return the marks on a change of a resource, the strictest first.

    `changed` are the names of what changes; `new` is None where the resource is removed,
    which is a change to everything. What either template says counts, the stricter level
    first: nothing can change together with its mark unseen. A level that is none of
    AWS's, or that only AWS can evaluate, counts as review-required, and the mark says so.
    """
    sides = [_Context(old), *([_Context(new)] if new is not None else [])]
    names = changed if new is not None else _named(sides)
    found: dict[tuple[ChangeSafety, int], list[str]] = {}
    for name in dict.fromkeys(names):
        levels = [(side.level(name), number) for number, side in enumerate(sides)]
        level, number = min(levels, key=lambda one: _ORDER.index(one[0]))
        if level is not ChangeSafety.FREE:
            found.setdefault((level, number), []).append(name)
    return tuple(
        sides[number].mark(level, found[level, number])
        for level, number in sorted(found, key=lambda key: _ORDER.index(key[0]))
    )


def loosened(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what another template lets change more freely than before, in words."""
    before, after = _Context(old), _Context(new)
    return tuple(
        f"{name or 'the resource'} was {was}, and becomes {now}"
        for name in _named((before, after))
        for was, now in [(before.level(name), after.level(name))]
        if _ORDER.index(now) > _ORDER.index(was)
    )


class _Context:
    """The context of one resource."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        given = mapping(resource.get("Metadata")).get(CONTEXT, {})
        self.given = mapping(given)
        self.levels = mapping(self.given.get("mutability", {}))
        parts = given, self.given.get("mutability", {})
        self.readable = all(isinstance(p, Mapping) and LATER not in p for p in parts)

    def level(self, name: str) -> ChangeSafety:
        """Return the level of a property, or for an empty name that of the others."""
        given = self._given(name)
        return (
            ChangeSafety(given)
            if self.readable and given in _ORDER
            else ChangeSafety.REVIEW
        )

    def mark(self, level: ChangeSafety, names: Sequence[str]) -> Mark:
        """Return the mark on a change of these properties."""
        why, must = self.given.get("why"), self.given.get("must")
        unclear = not self.readable or any(self._given(n) not in _ORDER for n in names)
        words = [_UNCLEAR] * unclear + ([why] if isinstance(why, str) else [])
        return Mark(
            level,
            tuple(filter(None, names)),
            "; ".join(words),
            tuple(m for m in many(must) if isinstance(m, str)),
        )

    def _given(self, name: str) -> Any:
        return self.levels.get(name, self.given.get("mutable", ChangeSafety.FREE))


_UNCLEAR = "its template gives a level that cannot be read"


def _named(contexts: Iterable[_Context]) -> Iterator[str]:
    """The properties with a level of their own, then the empty name for all others."""
    yield from dict.fromkeys(name for c in contexts for name in c.levels)
    yield ""
