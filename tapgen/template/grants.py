"""Compare policies: what one grants that another does not.

Data in, data out: policy documents with intrinsic functions evaluated as far as
possible. The comparison follows IAM (IAM user guide, "IAM JSON policy elements
reference"): lists are sets, actions ignore case, `patterns` has the wildcards and
`conditions` the operators. A statement is a box of principals, actions, resources and
values of condition keys; several statements may cover another together. A value that
only AWS can fill in equals only itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Any

from tapgen.frozen import dataclass
from tapgen.template import conditions
from tapgen.template.conditions import Test, pattern_of
from tapgen.template.patterns import ANY, Pattern, bits
from tapgen.template.sets import Family, Texts, Words, combined, covered
from tapgen.template.values import many, text

ANYBODY = "*"
_ROOT = re.compile(r"arn:[\w-]+:iam::(\d{12}):root")
_MOST = 50  # statements whose conditions are compared to describe a difference


@dataclass(frozen=True)
class _Part:
    """Principals, actions or resources of a statement: some, or all but some."""

    names: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    others: bool = False

    def cells(self) -> Iterator[_Part]:
        """Yield the names one by one; what excludes some is a single cell."""
        if self.others:
            yield self
            return
        for name, pattern in zip(self.names, self.patterns, strict=True):
            yield _Part((name,), (pattern,))

    @cached_property
    def words(self) -> Words:
        """The texts of this part."""
        return Words(self.patterns, self.others)

    def __str__(self) -> str:
        names = ", ".join(self.names)
        return f"all but {names}" if self.others else names


@dataclass(frozen=True)
class _Statement:
    """A statement, or a part of one with a single principal, action and resource."""

    principal: _Part
    action: _Part
    resource: _Part
    tests: tuple[Test, ...]

    def cells(self) -> Iterator[_Statement]:
        """Yield the statement for each of its principals, actions and resources."""
        resources = tuple(self.resource.cells())
        parts = product(self.principal.cells(), self.action.cells(), resources)
        return (_Statement(*one, self.tests) for one in parts)

    @property
    def public(self) -> bool:
        """Whether anybody at all can use this grant."""
        anybody = self.principal.others or self.principal.words.everything
        return anybody and not any(map(conditions.limits, self.tests))


class _Policy:
    """Statements, to compare others with."""

    def __init__(self, statements: Iterable[_Statement]) -> None:
        self.statements = list(statements)

    @cached_property
    def _parts(self) -> list[Texts]:
        return [
            Texts([one.principal.words for one in self.statements]),
            Texts([one.action.words for one in self.statements]),
            Texts([one.resource.words for one in self.statements]),
        ]

    @cached_property
    def _conditions(self) -> conditions.Index:
        return conditions.Index([one.tests for one in self.statements])

    @cached_property
    def _cells(self) -> frozenset[_Statement]:
        return frozenset(self.cells())

    def cells(self) -> Iterator[_Statement]:
        """Yield each statement for each of its principals, actions and resources."""
        return (cell for statement in self.statements for cell in statement.cells())

    def covers(self, cell: _Statement) -> bool:
        """Whether the statements together grant (or deny) all of a cell."""
        if cell in self._cells:
            return True
        found = combined(self._families(cell))
        if found is None or 0 in found:
            return False
        if all(one & self._conditions.unconditional for one in found):
            return True
        some = 0
        for one in found:
            some |= one
        return covered([found, *self._conditions.families(bits(some), cell.tests)])

    def lost(self, cell: _Statement) -> list[Test] | None:
        """Return the fewest conditions of a statement that a cell lacks or has less
        strictly, where it is the same otherwise; None where no statement is."""
        reached = -1
        for family in self._families(cell):
            for one in family:
                reached &= one
        found = sorted(
            (self._unmet(n, cell) for n, _ in zip(bits(reached), range(_MOST))),
            key=len,
        )
        return sorted(found[0], key=_place) if found else None

    def _unmet(self, number: int, cell: _Statement) -> list[Test]:
        tests = self.statements[number].tests
        return [test for test in tests if not test.follows(cell.tests)]

    def _families(self, cell: _Statement) -> list[Family]:
        parts = cell.principal, cell.action, cell.resource
        return [
            index.family((part.words,), missing=False)
            for index, part in zip(self._parts, parts, strict=True)
        ]


def widened(before: Iterable[Any], after: Iterable[Any]) -> Iterator[tuple[bool, str]]:
    """Yield what policy documents newly grant, in words; with each, whether to anybody.

    Another order, and what another statement granted before, makes no difference, nor
    does what is denied all the same. A condition that is dropped or accepts more values
    is reported as that.
    """
    allowed, denied = _by_effect(before)
    allows, denies = _by_effect(after)
    grouped: dict[tuple[bool, str, str], list[str]] = {}
    for public, how, cell in (
        *_newly_allowed(allowed, allows, denies),
        *_no_longer_denied(denied, denies),
    ):
        key = public, how, _where(cell, public=public)
        grouped.setdefault(key, []).append(str(cell.action))
    for (public, how, where), actions in grouped.items():
        yield public, f"{how} {', '.join(dict.fromkeys(actions))}{where}"


def _by_effect(documents: Iterable[Any]) -> tuple[_Policy, _Policy]:
    """Return what documents allow, and what they deny."""
    found = list(documents)
    allowed, denied = (_Policy(_statements(found, e)) for e in ("Allow", "Deny"))
    return allowed, denied


def _newly_allowed(
    before: _Policy, after: _Policy, denies: _Policy
) -> Iterator[tuple[bool, str, _Statement]]:
    settled = before
    if denies.statements:
        settled = _Policy([*before.statements, *denies.statements])
    for cell in after.cells():
        if settled.covers(cell):
            continue
        lost = before.lost(cell)
        how = "" if lost is None else _weaker(lost, cell)
        if cell.public:
            yield True, f"{how}anybody is allowed", cell
        else:
            yield False, how.rstrip() or "newly allows", cell


def _no_longer_denied(
    before: _Policy, after: _Policy
) -> Iterator[tuple[bool, str, _Statement]]:
    for cell in before.cells():
        if not after.covers(cell):
            narrower = after.lost(cell) is not None
            yield False, f"no longer {'always ' if narrower else ''}denies", cell


def _weaker(lost: Sequence[Test], cell: _Statement) -> str:
    """Return whether a condition was dropped or weakened, in words."""
    present = {_place(test) for test in cell.tests}
    gone = [f"{one.operator} {one.key}" for one in lost if _place(one) not in present]
    if gone:
        return f"condition dropped ({', '.join(gone)}): "
    places = set(map(_place, lost))
    now = [
        f"{test.operator} {test.key} is now {', '.join(sorted(test.values))}"
        for test in sorted(cell.tests, key=_place)
        if _place(test) in places
    ]
    return f"condition weakened ({'; '.join(now)}): "


def _place(test: Test) -> tuple[str, str]:
    return test.operator, test.key.lower()  # keys ignore case


def _where(cell: _Statement, *, public: bool) -> str:
    resource = str(cell.resource)
    who = "" if public else str(cell.principal)
    return (f" on {resource}" if resource else "") + (f" for {who}" if who else "")


def _statements(documents: Iterable[Any], effect: str) -> Iterator[_Statement]:
    for document in documents:
        if not isinstance(document, Mapping):
            continue
        for one in many(document.get("Statement")):
            if isinstance(one, Mapping) and text(one.get("Effect", "Allow")) == effect:
                yield _Statement(
                    _principal(one),
                    _part(one, "Action", nocase=True),
                    _part(one, "Resource"),
                    conditions.tests(one.get("Condition")),
                )


def _principal(statement: Mapping[str, Any]) -> _Part:
    others = statement.get("NotPrincipal") is not None
    found = dict(_named(statement.get("NotPrincipal" if others else "Principal")))
    if not found:
        return _Part(("",), ((),))
    return _Part(tuple(found), tuple(found.values()), others)


def _named(value: Any) -> Iterator[tuple[str, Pattern]]:
    """Yield principals, each with the kind of it in its pattern."""
    kinds = {"AWS", "Service", "Federated", "CanonicalUser"}
    by_kind = isinstance(value, Mapping) and kinds & value.keys()
    for kind, group in value.items() if by_kind else [("", value)]:
        for one in many(group):
            name = text(one)
            root = _ROOT.fullmatch(name)
            if name == ANYBODY:
                yield name, ANY
                continue
            service = not kind and re.fullmatch(r"[\w.-]+\.amazonaws\.com[.\w]*", name)
            where = ("Service" if service else kind or "AWS") + ":"
            plain = pattern_of(root[1] if root else one, wild=False)
            yield name, (*pattern_of(where), *plain)


def _part(statement: Mapping[str, Any], name: str, *, nocase: bool = False) -> _Part:
    others = statement.get(f"Not{name}") is not None
    values = many(statement.get(f"Not{name}" if others else name))
    if not values:
        return _Part(("",), ((),))
    found = {
        text(value): pattern_of(text(value).lower() if nocase else value)
        for value in values
    }
    return _Part(tuple(found), tuple(found.values()), others)
