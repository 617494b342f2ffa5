"""Sets of values along one dimension, and which of many sets contain them.

Data in, data out. A dimension is what one part of a policy or of a network rule speaks
of: actions, resources, the values of a condition key, addresses, ports. `Words` and
`Spans` are sets of values in it, `Texts` and `Line` many of them, numbered.

A family says of the values of a set which of the numbered sets contain them: each member
is the numbers of those that contain one value, as bits. So a box of several dimensions is
within others together exactly if, whichever member is taken in each dimension, a number
is in all of them (`covered`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from math import inf

from tapgen.frozen import dataclass
from tapgen.template.patterns import (
    ANY,
    Automaton,
    Pattern,
    bits,
    is_literal,
    within,
)

Family = frozenset[int]
Point = tuple[float, int]
"""A place on a line: before a value (0) or after it (1)."""
Range = tuple[Point, Point]

EVERYWHERE: Range = ((-inf, 0), (inf, 0))
_MOST = 1024  # members of a family that are combined
_SEARCHED = 64  # patterns among which texts that match none are searched


@dataclass(frozen=True)
class Words:
    """Texts: those that match one of the patterns, or if `negated` those that match none.
    `absent` says whether a missing value belongs to the set."""

    patterns: tuple[Pattern, ...]
    negated: bool = False
    absent: bool = False

    @property
    def everything(self) -> bool:
        """Whether every text belongs to the set."""
        return self.negated and not self.patterns or ANY in self.patterns


@dataclass(frozen=True)
class Spans:
    """Places on a line: in one of the ranges, or if `negated` in none. `unknown` are ranges
    that only AWS can fill in."""

    ranges: tuple[Range, ...]
    unknown: frozenset[str] = frozenset()
    negated: bool = False
    absent: bool = False


def covered(families: Iterable[Family], enough: int = -1) -> bool:
    """Whether, whichever member is taken of each family, all of them have a number in
    common that is among `enough`. Not so where there are too many to try."""
    ordered = sorted(families, key=len)
    least = enough
    for family in ordered:  # one try, which mostly finds a gap where there is one
        least = min((least & one for one in family), key=int.bit_count, default=least)
    if not least and all(ordered):
        return False
    if not ordered:
        return bool(enough)
    found = combined(ordered[:-1])
    last = sorted(ordered[-1], key=int.bit_count)
    return found is not None and all(a & b & enough for b in last for a in found)


def combined(families: Iterable[Family]) -> Family | None:
    """Return what the members of families have in common, whichever is taken of each;
    None if these are too many."""
    found: Family = frozenset({-1})
    for family in sorted(families, key=len):
        if 0 in found:
            break
        found = frozenset(a & b for a in found for b in family)
        if len(found) > _MOST:
            return None
    return found


class Texts:
    """Many sets of texts, numbered; None is the set of everything, absent values too."""

    def __init__(self, sets: Sequence[Words | None]) -> None:
        self._free = _numbers(one is None for one in sets)
        self._negated = _numbers(one is not None and one.negated for one in sets)
        absent = _numbers(one is not None and one.absent for one in sets)
        self._absent = self._free | absent
        self._positive = ~(self._free | self._negated)
        self._owners: dict[Pattern, int] = {}
        for number, one in enumerate(sets):
            for pattern in one.patterns if one else ():
                self._owners[pattern] = self._owners.get(pattern, 0) | 1 << number
        self._sets = sets
        self._automaton = Automaton(tuple(self._owners))
        wild = tuple(one for one in self._owners if not is_literal(one))
        self._wild = Automaton(wild)  # a single text needs no search among texts
        self._by_place = tuple(self._owners.values())
        self._known: dict[tuple[Pattern, tuple[Pattern, ...]], Family] = {}

    def family(self, sets: Sequence[Words], missing: bool = True) -> Family:
        """Return the family of the values that are in all of the sets; with `missing`, a
        value may be absent."""
        found: set[int] = set()
        if missing and all(one.absent for one in sets):
            found.add(self._absent)
        outside = tuple(p for one in sets if one.negated for p in one.patterns)
        wanted = [one.patterns for one in sets if not one.negated]
        others = [Texts(tuple(Words((p,)) for p in more)) for more in wanted[1:]]
        for pattern in wanted[0] if wanted else (ANY,):
            if all(any(t.family((Words((pattern,)),), False)) for t in others):
                found |= self._of(pattern, outside)
        return frozenset(found)

    def _of(self, pattern: Pattern, outside: tuple[Pattern, ...]) -> Family:
        key = pattern, outside
        if key not in self._known:
            self._known[key] = self._computed(pattern, outside)
        return self._known[key]

    def _computed(self, pattern: Pattern, outside: tuple[Pattern, ...]) -> Family:
        if is_literal(pattern):
            if outside and within(pattern, outside):
                return frozenset()
            (places,) = self._wild.endings(pattern) or (0,)
            matched = self._owners.get(pattern, 0)
            for place in bits(places):
                matched |= self._owners[self._wild.patterns[place]]
            return frozenset({self._matched(matched)})
        if outside or self._negated:
            met = self._automaton.met(pattern)
            if outside or self._matching(met) & self._negated:
                return self._searched(pattern, outside, met)
        found = self._automaton.endings(pattern)
        if found is None:
            return frozenset({self._certain(pattern, outside)})
        return frozenset(map(self._containing, found))

    def _searched(
        self, pattern: Pattern, outside: tuple[Pattern, ...], met: int
    ) -> Family:
        """Return the family of a pattern among sets that exclude something: any character
        may make a difference."""
        every = self._automaton.patterns
        places = list(bits(met))
        part = Automaton((*(every[place] for place in places), *outside))
        few = len(part.patterns) <= _SEARCHED
        found = part.endings(pattern, exclusive=True) if few else None
        if found is None:
            return frozenset({self._certain(pattern, outside)})
        inside = (1 << len(places)) - 1
        return frozenset(
            self._containing(sum(1 << places[n] for n in bits(one)))
            for one in found
            if not one & ~inside
        )

    def _certain(self, pattern: Pattern, outside: tuple[Pattern, ...]) -> int:
        """Return the numbers of the sets that contain all of a pattern for sure."""
        met = self._automaton.met(pattern)
        found = self._free | self._negated
        for place in bits(met):
            one = self._automaton.patterns[place]
            if self._by_place[place] & self._negated and not within(one, outside):
                found &= ~self._by_place[place]
        for number in bits(self._matching(met) & self._positive):
            if within(pattern, self._patterns(number)):
                found |= 1 << number
        return found

    def _patterns(self, number: int) -> tuple[Pattern, ...]:
        one = self._sets[number]
        return one.patterns if one else ()

    def _matching(self, places: int) -> int:
        found = 0
        for place in bits(places):
            found |= self._by_place[place]
        return found

    def _containing(self, places: int) -> int:
        return self._matched(self._matching(places))

    def _matched(self, matched: int) -> int:
        """Return the sets that contain a text, of those that have a pattern for it."""
        negated = self._negated & ~matched
        return self._free | (self._positive & matched) | negated


class Line:
    """Many sets of places on a line, numbered; None is everything, absent values too."""

    def __init__(self, sets: Sequence[Spans | None]) -> None:
        self._free = _numbers(one is None for one in sets)
        absent = _numbers(one is not None and one.absent for one in sets)
        self._absent = self._free | absent
        self._named: dict[str, int] = {}
        self._excluded: dict[str, int] = {}
        events: dict[Point, int] = {}
        for number, one in enumerate(sets):
            if one is None:
                continue
            named = self._excluded if one.negated else self._named
            for name in one.unknown:
                named[name] = named.get(name, 0) | 1 << number
            for low, high in _parts(one):
                events[low] = events.get(low, 0) ^ 1 << number
                events[high] = events.get(high, 0) ^ 1 << number
        self._bounds = [EVERYWHERE[0], *sorted(events.keys() - set(EVERYWHERE))]
        self._containing: list[int] = []
        here = self._free
        for bound in self._bounds:
            here ^= events.get(bound, 0)
            self._containing.append(here)

    def family(self, sets: Sequence[Spans], missing: bool = True) -> Family:
        """Return the family of the places that are in all of the sets."""
        found: set[int] = set()
        if missing and all(one.absent for one in sets):
            found.add(self._absent)
        parts = [EVERYWHERE]
        for one in sets:
            parts = list(_meeting(parts, _parts(one)))
        for low, high in parts:
            found |= {*self._between(low, high)}
        for name in {n for one in sets if not one.negated for n in one.unknown}:
            named, not_in = self._named.get(name, 0), self._excluded.get(name, 0)
            found |= {(one | named) & ~not_in for one in set(self._containing)}
        return frozenset(found)

    def _between(self, low: Point, high: Point) -> list[int]:
        first = bisect_right(self._bounds, low) - 1
        return self._containing[first : bisect_left(self._bounds, high)]


def _numbers(flags: Iterable[bool]) -> int:
    found = 0
    for number, flag in enumerate(flags):
        if flag:
            found |= 1 << number
    return found


def _parts(one: Spans) -> list[Range]:
    """Return the ranges of a set, in order and apart."""
    found: list[Range] = []
    for low, high in sorted(one.ranges):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        elif low < high:
            found.append((low, high))
    if not one.negated:
        return found
    bounds = [EVERYWHERE[0], *(p for part in found for p in part), EVERYWHERE[1]]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return [(low, high) for low, high in pairs if low < high]


def _meeting(some: Sequence[Range], others: Sequence[Range]) -> Iterator[Range]:
    for low, high in some:
        for other_low, other_high in others:
            first, last = max(low, other_low), min(high, other_high)
            if first < last:
                yield first, last
