"""Compare policies: what one grants that another does not.

Data in, data out: policy documents with intrinsic functions evaluated as far as
possible. The comparison follows IAM (IAM user guide, "IAM JSON policy elements
reference"): lists are sets, actions ignore case, `*` and `?` match any characters. A
value that only AWS can fill in equals only itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from tapgen.template.values import text

ANYBODY = "*"
_Condition = tuple[str, str, frozenset[str]]


@dataclass(frozen=True)
class _Names:
    """One name, or everything except some."""

    names: tuple[str, ...]
    others: bool = False

    def covers(self, other: _Names) -> bool:
        """Whether these include everything of the other."""
        if self.others and other.others:
            return all(_match_any(other.names, mine) for mine in self.names)
        if self.others:
            return not any(
                _match_any([mine], theirs) or _match_any([theirs], mine)
                for mine, theirs in product(self.names, other.names)
            )
        if other.others:
            return "*" in self.names
        return all(_match_any(self.names, theirs) for theirs in other.names)

    def __str__(self) -> str:
        names = ", ".join(self.names)
        return f"all but {names}" if self.others else names


@dataclass(frozen=True)
class _Grant:
    """One principal, action and resource of a statement, with its conditions."""

    principal: _Names
    action: _Names
    resource: _Names
    conditions: frozenset[_Condition]

    def covers(self, other: _Grant) -> bool:
        """Whether this grants (or denies) at least what the other does."""
        return self.reaches(other) and not self.stricter(other)

    def reaches(self, other: _Grant) -> bool:
        """Whether this covers the other, whatever the conditions."""
        return (
            self.principal.covers(other.principal)
            and _lower(self.action).covers(_lower(other.action))
            and self.resource.covers(other.resource)
        )

    def stricter(self, other: _Grant) -> list[_Condition]:
        """Return the conditions of this that the other lacks or has less strictly."""
        return sorted(
            mine
            for mine in self.conditions
            if not any(_implies(theirs, mine) for theirs in other.conditions)
        )

    @property
    def public(self) -> bool:
        """Whether anybody at all can use this grant."""
        anybody = self.principal.others or ANYBODY in self.principal.names
        return anybody and not self.conditions


def widened(before: Iterable[Any], after: Iterable[Any]) -> Iterator[tuple[bool, str]]:
    """Yield what policy documents newly grant, in words; with each, whether to anybody.

    Another order, and what another statement granted before, makes no difference. A
    condition that is dropped or accepts more values is reported as that.
    """
    had, has = list(before), list(after)
    grouped: dict[tuple[bool, str, str], list[str]] = {}
    for public, how, grant in (
        *_newly_allowed(_grants(had, "Allow"), _grants(has, "Allow")),
        *_no_longer_denied(_grants(had, "Deny"), _grants(has, "Deny")),
    ):
        key = public, how, _where(grant, public=public)
        grouped.setdefault(key, []).append(str(grant.action))
    for (public, how, where), actions in grouped.items():
        yield public, f"{how} {', '.join(dict.fromkeys(actions))}{where}"


def many(value: Any) -> list[Any]:
    """Return the items of a list, of a single value as a list of one, or none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _newly_allowed(
    before: Sequence[_Grant], after: Iterable[_Grant]
) -> Iterator[tuple[bool, str, _Grant]]:
    for grant in after:
        if any(had.covers(grant) for had in before):
            continue
        lost = [had.stricter(grant) for had in before if had.reaches(grant)]
        how = _weaker(min(lost, key=len), grant) if lost else ""
        if grant.public:
            yield True, f"{how}anybody is allowed", grant
        else:
            yield False, how.rstrip() or "newly allows", grant


def _no_longer_denied(
    before: Iterable[_Grant], after: Sequence[_Grant]
) -> Iterator[tuple[bool, str, _Grant]]:
    for grant in before:
        if any(has.covers(grant) for has in after):
            continue
        narrower = any(has.reaches(grant) for has in after)
        yield False, f"no longer {'always ' if narrower else ''}denies", grant


def _weaker(lost: Sequence[_Condition], grant: _Grant) -> str:
    """Return whether a condition was dropped or weakened, in words."""
    present = {(operator, key.lower()) for operator, key, _ in grant.conditions}
    gone = [f"{o} {key}" for o, key, _ in lost if (o, key.lower()) not in present]
    if gone:
        return f"condition dropped ({', '.join(gone)}): "
    places = {(operator, key.lower()) for operator, key, _ in lost}
    now = [
        f"{operator} {key} is now {', '.join(sorted(values))}"
        for operator, key, values in sorted(
            grant.conditions, key=lambda one: (one[0], one[1])
        )
        if (operator, key.lower()) in places
    ]
    return f"condition weakened ({'; '.join(now)}): "


def _where(grant: _Grant, *, public: bool) -> str:
    resource = str(grant.resource)
    who = "" if public else str(grant.principal)
    return (f" on {resource}" if resource else "") + (f" for {who}" if who else "")


def _grants(documents: Iterable[Any], effect: str) -> list[_Grant]:
    return [
        _Grant(principal, action, resource, _conditions(statement.get("Condition")))
        for document in documents
        if isinstance(document, Mapping)
        for statement in many(document.get("Statement"))
        if isinstance(statement, Mapping)
        and str(statement.get("Effect", "Allow")) == effect
        for principal in _principals(statement)
        for action in _names(statement, "Action")
        for resource in _names(statement, "Resource")
    ]


def _principals(statement: Mapping[str, Any]) -> list[_Names]:
    def named(value: Any) -> list[str]:
        groups = value.values() if _by_kind(value) else [value]
        return [text(one) for group in groups for one in many(group)]

    excluded = named(statement.get("NotPrincipal"))
    if excluded:
        return [_Names(tuple(excluded), others=True)]
    return [_Names((name,)) for name in named(statement.get("Principal")) or [""]]


def _by_kind(value: Any) -> bool:
    kinds = {"AWS", "Service", "Federated", "CanonicalUser"}
    return isinstance(value, Mapping) and bool(kinds & value.keys())


def _names(statement: Mapping[str, Any], name: str) -> list[_Names]:
    excluded = tuple(map(text, many(statement.get(f"Not{name}"))))
    if excluded:
        return [_Names(excluded, others=True)]
    return [_Names((text(value),)) for value in many(statement.get(name)) or [""]]


def _lower(names: _Names) -> _Names:
    return _Names(tuple(name.lower() for name in names.names), names.others)


def _conditions(found: Any) -> frozenset[_Condition]:
    if not isinstance(found, Mapping):
        return frozenset()
    return frozenset(
        (
            str(operator),
            str(key),
            frozenset(text(value) for value in many(values)),
        )
        for operator, tests in found.items()
        for key, values in (
            tests if isinstance(tests, Mapping) else {"": tests}
        ).items()
    )


def _implies(theirs: _Condition, mine: _Condition) -> bool:
    """Whether their condition implies mine: the same test with fewer values, or with
    more where none may match."""
    (operator, key, few), (other, other_key, much) = theirs, mine
    if (operator, key.lower()) != (other, other_key.lower()):
        return False  # keys ignore case
    if "Not" in operator:
        return few >= much
    if "Like" in operator or "Arn" in operator:
        return all(_match_any(much, value) for value in few)
    return few <= much


def _match_any(patterns: Iterable[str], value: str) -> bool:
    return any(p == value or bool(_regex(p).fullmatch(value)) for p in patterns)


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(c) or re.escape(c) for c in pattern), re.DOTALL)
