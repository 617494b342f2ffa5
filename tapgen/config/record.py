"""What the generated checkers of configs use: a class for values that are right.

A checker raises ValueError as soon as anything is not as it should be. `translate` then
asks pydantic, which says what.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Wrong(ValueError):
    """Something is not as the model has it."""


class Record:
    """The values of a part of a config, by name; equal where all of them are."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Names and values, as from pydantic."""
        return ((name, getattr(self, name)) for name in self.__slots__)

    def __repr__(self) -> str:
        values = (f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({', '.join(values)})"


class Given:
    """What a validator gets to see of the other fields, as from pydantic."""

    def __init__(self, found: Record) -> None:
        names = (n for n in found.__slots__ if hasattr(found, n))
        self.data = {name: getattr(found, name) for name in names}


def check_text(value: Any) -> None:
    """Raise ValueError for anything but text, and for half of a surrogate pair."""
    if type(value) is not str:
        raise Wrong
    if not value.isascii():
        value.encode()
