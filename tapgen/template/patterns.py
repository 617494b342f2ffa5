"""Compare texts with wildcards as languages: which texts match all, some or none.

Data in, data out. `*` matches any number of characters and `?` exactly one (IAM user
guide, "IAM JSON policy elements: Resource"). What stands in `${}` is one symbol that only
AWS can fill in, and equals only itself; `${*}`, `${?}` and `${$}` are the characters
themselves (IAM user guide, "IAM policy elements: Variables and tags").

Whether all texts of a pattern match one of others is decided on texts in which each
wildcard stands for a character that occurs in no pattern: whatever matches such a text
does so by its own wildcards, and so matches any other character in that place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

Token = tuple[str, ...]
"""The symbols that one place of a pattern takes; `ONE` and `MANY` are the wildcards."""
Pattern = tuple[Token, ...]

ONE: Token = ()
MANY: Token = ("",)
ANY: Pattern = (MANY,)
FRESH = "\0"
"""A character that no pattern contains."""

_SYMBOL = re.compile(r"\$\{[^{}]*\}|.", re.DOTALL)
_MOST = 20_000  # states times patterns that a search may visit


@lru_cache(maxsize=1 << 16)
def pattern(text: str, *, wild: bool = True, nocase: bool = False) -> Pattern:
    """Return the pattern of a text; without `wild`, `*` and `?` are characters."""
    return joined(map(lambda s: _token(s, wild, nocase), _SYMBOL.findall(text)))


def joined(tokens: Iterable[Token]) -> Pattern:
    """Return the pattern of tokens: of neighbouring wildcards, each `ONE` comes first."""
    found: list[Token] = []
    for token in tokens:
        last = found[-1] if found else None
        if last == MANY and token == ONE:
            found.insert(-1, ONE)
        elif not (last == MANY and token == MANY):
            found.append(token)
    return tuple(found)


def symbol(text: str) -> Pattern:
    """Return the pattern of a value that only AWS can fill in."""
    return ((f"${{{text}}}",),)


def is_literal(one: Pattern) -> bool:
    """Whether a pattern matches a single text."""
    return all(len(token) == 1 and token != MANY for token in one)


def within(one: Pattern, others: Sequence[Pattern]) -> bool:
    """Whether every text of a pattern matches one of the others."""
    if one in others:
        return True
    if one and all(other and not _meet(one[0], other[0]) for other in others):
        return False
    automaton = Automaton(tuple(others))
    found = automaton.endings(one)
    return found is not None and 0 not in found


def overlap(one: Pattern, other: Pattern) -> bool:
    """Whether some text matches both patterns."""
    return bool(Automaton((other,)).met(one))


def _meet(one: Token, other: Token) -> bool:
    wild = (ONE, MANY)
    return one in wild or other in wild or bool({*one} & {*other})


def _token(symbol: str, wild: bool, nocase: bool) -> Token:
    if wild and symbol in "*?":
        return MANY if symbol == "*" else ONE
    if symbol in ("${*}", "${?}", "${$}"):
        symbol = symbol[2]
    cases = {symbol.lower(), symbol.upper()} if nocase else {symbol}
    return tuple(sorted(cases)) if len(symbol) == 1 else (symbol,)


class Automaton:
    """Several patterns at once: the places reached in them are the bits of a number."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = patterns
        self._takes: dict[str, int] = {}
        self._ones = self._many = self._ends = 0
        self._start = 0
        self._number: dict[int, int] = {}  # place of an end -> number of the pattern
        place = 0
        for number, one in enumerate(patterns):
            self._start |= 1 << place
            for token in one:
                self._add(token, 1 << place)
                place += 1
            self._ends |= 1 << place
            self._number[place] = number
            place += 1
        self._start = self._closed(self._start)
        characters = (bits for s, bits in self._takes.items() if len(s) == 1)
        self._characters = _union(characters) | self._ones
        self._anything = _union(self._takes.values()) | self._ones
        self._symbols = (FRESH, *self._takes)

    def _add(self, token: Token, bit: int) -> None:
        if token == ONE:
            self._ones |= bit
        elif token == MANY:
            self._many |= bit
        else:
            for symbol in token:
                self._takes[symbol] = self._takes.get(symbol, 0) | bit

    def endings(
        self, one: Pattern, *, exclusive: bool = False
    ) -> frozenset[int] | None:
        """Return for each text of a pattern which patterns match it: as bits, in the order
        of the patterns. None if these are too many.

        Wildcards stand for a fresh character, and only the sets are returned that contain
        no other. Where it matters that a pattern does not match, `exclusive`, wildcards
        stand for every character and all sets are returned.
        """
        letters = self._symbols if exclusive else (FRESH,)
        limit = max(64, _MOST // (len(self.patterns) + 1))
        states = {self._start}
        start = 0
        while start < len(one) and len(one[start]) == 1 and one[start] != MANY:
            start += 1
        if start:  # most patterns begin with a text, which needs no sets
            states = {self._after(token[0] for token in one[:start])}
        for token in one[start:]:
            if token == MANY:
                found = self._star(states, letters, limit)
                if found is None:
                    return None
                states = found
            else:
                states = {self._step(s, c) for s in states for c in token or letters}
            if not exclusive:
                states = _least(states)
            if len(states) > limit:
                return None
        return frozenset(map(self._matched, states))

    def _after(self, symbols: Iterable[str]) -> int:
        state = self._start
        for symbol in symbols:
            state = self._step(state, symbol)
            if not state:
                break
        return state

    def met(self, one: Pattern) -> int:
        """Return which patterns match some text of a pattern, as bits."""
        state = self._start
        for token in one:
            if token == MANY:
                before = -1
                while state != before:
                    before = state
                    state |= self._moved(state, self._anything)
            elif token == ONE:
                state = self._moved(state, self._characters)
            else:
                state = _union(self._step(state, symbol) for symbol in token)
            if not state:
                break
        return self._matched(state)

    def _star(
        self, states: Iterable[int], letters: Sequence[str], limit: int
    ) -> set[int] | None:
        found, queue = set(states), list(states)
        while queue:
            state = queue.pop()
            for letter in letters:
                after = self._step(state, letter)
                if after not in found:
                    found.add(after)
                    queue.append(after)
            if len(found) > limit:
                return None
        return found

    def _step(self, state: int, symbol: str) -> int:
        takes = self._takes.get(symbol, 0)
        if self._ones and len(symbol) == 1:
            takes |= self._ones
        return self._moved(state, takes)

    def _moved(self, state: int, takes: int) -> int:
        stays = state & self._many
        moved = (state & takes) << 1
        return self._closed(moved | stays) if moved or stays else 0

    def _closed(self, state: int) -> int:
        return state | ((state & self._many) << 1)

    def _matched(self, state: int) -> int:
        return sum(1 << self._number[place] for place in bits(state & self._ends))


def bits(number: int) -> Iterator[int]:
    """Yield the places of the bits that are set."""
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low


def _union(numbers: Iterable[int]) -> int:
    found = 0
    for number in numbers:
        found |= number
    return found


def _least(states: set[int]) -> set[int]:
    """Return the states that contain no other."""
    if len(states) < 2:
        return states
    found: list[int] = []
    for state in sorted(states, key=int.bit_count):
        if not any(one & state == one for one in found):
            found.append(state)
    return set(found)
