"""Finds what could be account numbers of payment cards in texts, and masks it."""

from __future__ import annotations

import re
import unicodedata

# The number of digits in an account number (ISO/IEC 7812-1; networks use 13 to 19).
_LENGTHS = range(13, 20)
# Digits in groups, with at most three other signs, and no letter, between two groups.
_GROUPS = re.compile(r"\d+(?:[\W_]{1,3}\d+)*")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")


def in_account_number(digits: int) -> bool:
    """Whether an account number may have this many digits."""
    return digits in _LENGTHS


def account_numbers(text: str) -> list[str]:
    """Return what could be account numbers in a text, as they stand there.

    That is 13 to 19 digits that pass the check of card numbers (Luhn), with any
    separators, also beside letters. Signs without width do not hide one. Such a number
    begins and ends where a group of digits does: not in the middle of a longer number.
    A UUID holds none: of those that happen to hold many digits, one in ten would pass.
    """
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf")
    seen = _UUID.sub("uuid", seen)
    found = []
    for run in _GROUPS.finditer(seen):
        groups = [m.span() for m in re.finditer(r"\d+", run[0])]
        for first, (begin, _) in enumerate(groups):
            for _, end in groups[first:]:
                part = run[0][begin:end]
                digits_ = [int(c) for c in part if c.isdecimal()]
                if len(digits_) in _LENGTHS and luhn(digits_):
                    found.append(part)
    return found


def luhn(number: list[int]) -> bool:
    """Whether digits pass the check of card numbers (ISO/IEC 7812-1, annex B)."""
    number = number[::-1]
    doubled = (sum(divmod(2 * d, 10)) for d in number[1::2])
    return (sum(number[::2]) + sum(doubled)) % 10 == 0


def masked(identifier: str) -> str:
    """An id as logs show it: what could be an account number without its digits."""
    for number in account_numbers(identifier):
        identifier = identifier.replace(number, "*" * len(number))
    return identifier
