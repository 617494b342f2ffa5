"""Numbers with their noun: `1 instance`, `2 instances`."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, which gets an `s` unless the number is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
