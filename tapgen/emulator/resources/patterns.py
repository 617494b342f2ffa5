"""A text that matches a regular expression, as plain as the expression allows."""

from __future__ import annotations

import hashlib
import importlib
import itertools
import re
import string
import warnings
from collections.abc import Callable, Iterator
from typing import Any

_MOST_PARTS = 10_000  # repeats within repeats grow without measure
_PLAIN = string.digits + string.ascii_lowercase
_LETTERS = _PLAIN + string.ascii_uppercase + string.punctuation + " "
_CATEGORIES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_NOT_DIGIT": string.ascii_letters + string.punctuation,
    "CATEGORY_WORD": string.ascii_letters + string.digits + "_",
    "CATEGORY_NOT_WORD": string.punctuation.replace("_", "") + " ",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_SPACE": string.ascii_letters + string.digits + string.punctuation,
}


def matching(pattern: str, seed: str) -> str | None:
    """A text that `pattern` matches; equal seeds give equal texts.

    None where the pattern is of another dialect, or uses what is not supported here (a
    lookahead, a back-reference). A repeat is written up to eight times.
    """
    # Python's own parser of expressions; private, the same from 3.11 to 3.13.
    parser = importlib.import_module("re._parser")
    try:
        with warnings.catch_warnings():
            # Python warns of sets that it may read otherwise one day.
            warnings.simplefilter("ignore", FutureWarning)
            text = _Writer(_numbers(seed)).sequence(parser.parse(pattern))
            return text if re.search(pattern, text) else None
    except (re.error, OverflowError, RecursionError):
        return None


def _numbers(seed: str) -> Iterator[int]:
    """Endless numbers that look random."""
    for count in itertools.count():
        yield int(hashlib.sha256(f"{seed}/{count}".encode()).hexdigest(), 16)


class _Writer:
    """Writes a text for the parts of a parsed expression."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._written = 0
        self._parts: dict[str, Callable[[Any], str]] = {
            "LITERAL": chr,
            "NOT_LITERAL": lambda code: self._one(_LETTERS.replace(chr(code), "")),
            "ANY": lambda _: self._one(_PLAIN),
            "IN": lambda members: self._one(_allowed(members)),
            "BRANCH": lambda found: self.sequence(found[1][0]),
            "SUBPATTERN": lambda found: self.sequence(found[-1]),
            "MAX_REPEAT": self._repeat,
            "MIN_REPEAT": self._repeat,
            "POSSESSIVE_REPEAT": self._repeat,
        }

    def sequence(self, tree: Any) -> str:
        # Places (^, $, \b) and lookarounds write nothing; the result is checked.
        text = ""
        for kind, found in tree:
            self._written += 1
            if self._written > _MOST_PARTS:
                raise OverflowError("too long to be of use")
            write = self._parts.get(str(kind))
            text += write(found) if write else ""
        return text

    def _one(self, allowed: str) -> str:
        plain = [c for c in allowed if c in _PLAIN] or list(allowed)
        return plain[next(self._numbers) % len(plain)] if plain else ""

    def _repeat(self, found: Any) -> str:
        least, most, tree = found
        times = max(int(least), min(int(most), 8))
        return "".join(self.sequence(tree) for _ in range(times))


def _allowed(members: Any) -> str:
    """The characters of a set."""
    found, negated = "", False
    for kind, value in members:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found += chr(value)
            case "RANGE":
                found += "".join(map(chr, range(value[0], min(value[1], 0x17F) + 1)))
            case "CATEGORY":
                found += _CATEGORIES.get(str(value), "")
    return "".join(c for c in _LETTERS if c not in found) if negated else found
