"""Read the conditions of policies by what their operators mean.

Data in, data out. Each test of a key becomes a set of values of that key (IAM user guide,
"IAM JSON policy elements: Condition operators"): keys ignore case; a missing key passes
what is negated, `IfExists` and `ForAllValues`, and nothing else; ARN operators take
wildcards in both forms; `Null` tests whether the key is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import ip_network
from typing import Any

from tapgen.frozen import dataclass
from tapgen.knowledge.policies import OPEN_TO_ALL
from tapgen.template.patterns import ANY, Pattern, joined, pattern, symbol
from tapgen.template.sets import (
    EVERYWHERE,
    Family,
    Line,
    Point,
    Range,
    Spans,
    Texts,
    Words,
    covered,
)
from tapgen.template.values import many, pieces, text

_OPERATOR = re.compile(r"(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?", re.I)
_V6 = 1 << 32  # IPv6 addresses are on the same line, after those of IPv4
_END = _V6 + (1 << 128)

_EVERY_IPV4 = Spans(((EVERYWHERE[0], (_V6, 0)),))

Dimension = tuple[str, str, str]
"""How many values a key has (`all`, `any` or one), the key, and what its values are."""
_Place = tuple[Dimension, int]


@dataclass(frozen=True)
class Test:
    """One test of a key: the operator, the key and the values as written, and the set of
    values that pass. The order of values makes no difference."""

    operator: str
    key: str
    values: frozenset[str]
    dimension: Dimension
    set: Words | Spans

    @cached_property
    def _index(self) -> Texts | Line:
        return _index((self.set,))

    def follows(self, others: Sequence[Test]) -> bool:
        """Whether whatever passes all of the others passes this."""
        return covered((_family(self._index, self.dimension, 0, others),))


def tests(condition: Any) -> tuple[Test, ...]:
    """Return the tests of the condition of a statement."""
    if not isinstance(condition, Mapping):
        return ()
    return tuple(
        _test(str(operator), str(key), many(values))
        for operator, keys in condition.items()
        for key, values in (keys if isinstance(keys, Mapping) else {"": keys}).items()
    )


class Index:
    """The tests of many statements, numbered."""

    def __init__(self, statements: Sequence[Sequence[Test]]) -> None:
        self._placed = [dict(_placed(tests)) for tests in statements]
        self._built: dict[_Place, Texts | Line] = {}
        self._known: dict[tuple[_Place, tuple[Test, ...]], Family] = {}
        self.unconditional = sum(1 << n for n, t in enumerate(statements) if not t)

    def families(self, numbers: Iterable[int], own: Sequence[Test]) -> Iterator[Family]:
        """Yield the families of the values that pass own tests, in each dimension that
        some of the statements have."""
        for place in {p: 0 for number in numbers for p in self._placed[number]}:
            here = tuple(test for test in own if test.dimension == place[0])
            if (place, here) not in self._known:
                self._known[place, here] = _family(self._index(place), *place, here)
            yield self._known[place, here]

    def _index(self, place: _Place) -> Texts | Line:
        if place not in self._built:
            sets = [tests.get(place) for tests in self._placed]
            self._built[place] = _index([one.set if one else None for one in sets])
        return self._built[place]


def address_ranges(value: str) -> tuple[Range, ...] | None:
    """Return an address or a range of them as places on a line; None for other text."""
    try:
        network = ip_network(value.strip(), strict=False)
    except ValueError:
        return None
    first = int(network.network_address) + (_V6 if network.version == 6 else 0)
    after = first + network.num_addresses
    low: Point = (first, 0) if first else EVERYWHERE[0]
    return ((low, (after, 0) if after < _END else EVERYWHERE[1]),)


def _placed(own: Sequence[Test]) -> Iterator[tuple[_Place, Test]]:
    """Yield the tests of a statement by dimension; a second one in the same is counted."""
    seen: dict[Dimension, int] = {}
    for test in own:
        place = seen.get(test.dimension, 0)
        seen[test.dimension] = place + 1
        yield (test.dimension, place), test


def _index(sets: Sequence[Words | Spans | None]) -> Texts | Line:
    if any(isinstance(one, Spans) for one in sets):
        return Line([one if isinstance(one, Spans) else None for one in sets])
    return Texts([one if isinstance(one, Words) else None for one in sets])


def _family(
    index: Texts | Line, dimension: Dimension, place: int, own: Sequence[Test]
) -> Family:
    sets = [test.set for test in own if test.dimension == dimension]
    if dimension[0] == "any" and sets:
        # Not the same value of the key has to pass all of the tests.
        sets = [sets[min(place, len(sets) - 1)]]
    found = (
        index.family([one for one in sets if isinstance(one, Words)])
        if isinstance(index, Texts)
        else index.family([one for one in sets if isinstance(one, Spans)])
    )
    if dimension[0] != "all":
        return found
    together = -1  # one request may have all of the values
    for member in found:
        together &= member
    return frozenset({together}) if found else found


def _test(operator: str, key: str, values: list[Any]) -> Test:
    match = _OPERATOR.fullmatch(operator)
    many_of, base, optional = match.groups() if match else ("", operator, "")
    quantity = {"forallvalues": "all", "foranyvalue": "any"}.get(
        (many_of or "").lower(), "one"
    )
    negated = "not" in base.lower()
    absent = bool(optional) or quantity == "all" or (negated and quantity != "any")
    line, found = _set(base.lower(), values, negated, absent)
    return Test(
        operator,
        key,
        frozenset(map(text, values)),
        (quantity, key.lower(), line),
        found,
    )


def _set(
    base: str, values: list[Any], negated: bool, absent: bool
) -> tuple[str, Words | Spans]:
    if base == "null":
        return "text", _missing(values)
    plain = base.replace("not", "", 1)
    if plain in _TEXT:
        wild, nocase = _TEXT[plain]
        found = tuple(pattern_of(v, wild=wild, nocase=nocase) for v in values)
        return "text", Words(found, negated, absent)
    for kind, read in _NUMBERS.items():
        if plain.startswith(kind):
            return kind, _spans(plain, values, read, negated, absent)
    literal = tuple(pattern_of(v, wild=False) for v in values)
    return base, Words(literal, negated, absent)


# Operator → whether its values have wildcards, and whether case makes no difference.
_TEXT = {
    "stringequals": (False, False),
    "stringequalsignorecase": (False, True),
    "stringlike": (True, False),
    "arnequals": (True, False),
    "arnlike": (True, False),
    "binaryequals": (False, False),
    "bool": (False, True),
}


def pattern_of(value: Any, *, wild: bool = True, nocase: bool = False) -> Pattern:
    """Return a value as a pattern; what only AWS can fill in is one symbol of it."""
    tokens: list[tuple[str, ...]] = []
    for piece in pieces(value) or [value]:
        known = text(piece)
        if isinstance(piece, (Mapping, list)):
            inside = known[2:-1] if known.startswith("${") else known
            tokens += symbol(inside)
        else:
            tokens += pattern(known, wild=wild, nocase=nocase)
    return joined(tokens)


def _missing(values: list[Any]) -> Words:
    wanted = {text(value).lower() for value in values}
    if wanted == {"true"}:
        return Words((), absent=True)
    if wanted == {"false"}:
        return Words((ANY,))
    return Words((ANY,), absent=True)


def _number(value: str) -> Point | None:
    try:
        return float(value), 0
    except ValueError:
        return None


def _date(value: str) -> Point | None:
    """Return a date as seconds: ISO 8601, or the seconds themselves."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return _number(value)
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return aware.timestamp(), 0


_NUMBERS: dict[str, Callable[[str], Point | None]] = {
    "ipaddress": lambda value: None,
    "numeric": _number,
    "date": _date,
}


def _spans(
    base: str,
    values: list[Any],
    read: Callable[[str], Point | None],
    negated: bool,
    absent: bool,
) -> Spans:
    ranges: list[Range] = []
    unknown: set[str] = set()
    for value in map(text, values):
        if base == "ipaddress":
            found = address_ranges(value)
        else:
            point = read(value)
            found = point and (_range(base, point),)
        if found is None:
            unknown.add(value if base.endswith("equals") else f"{base} {value}")
        else:
            ranges += found
    return Spans(tuple(ranges), frozenset(unknown), negated, absent)


def _range(base: str, point: Point) -> Range:
    here, after = point, (point[0], 1)
    if base.endswith("lessthanequals"):
        return EVERYWHERE[0], after
    if base.endswith("lessthan"):
        return EVERYWHERE[0], here
    if base.endswith("greaterthanequals"):
        return here, EVERYWHERE[1]
    if base.endswith("greaterthan"):
        return after, EVERYWHERE[1]
    return here, after


def limits(test: Test) -> bool:
    """Whether a test limits who may use what is granted to anybody: it takes some values
    of a key that callers do not choose, and no missing one."""
    open_to_all = OPEN_TO_ALL.get(test.key.lower())
    if open_to_all is not None:
        return bool(open_to_all) and not {v.lower() for v in test.values} <= open_to_all
    if test.set.absent or test.set.negated:
        return False
    if isinstance(test.set, Words):
        return not test.set.everything
    return not covered((Line((test.set,)).family((_EVERY_IPV4,), missing=False),))
