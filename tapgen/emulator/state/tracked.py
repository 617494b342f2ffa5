"""Dictionaries that track which records may have changed (dirty tracking).

With them `persist` need not compare all records. ministack's stores become such
dictionaries (`track`). The services that tapgen adds have their records in them, each in
a variable of its module, where `added_stores` finds them.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

ADDED = "tapgen.emulator."
"""The prefix of the names of modules with services that tapgen adds."""

Accesses = set[tuple["Tracked", Any]]
_accesses: contextvars.ContextVar[Accesses | None] = contextvars.ContextVar(
    "tapgen_accesses", default=None
)


class Tracked(dict[Any, Any]):
    """A dictionary whose `dirty` has the keys of all values that may have changed.

    That is every value that was returned, as the caller may change it. Work that goes on
    after a `recording` block, on other threads too, is recorded there as well.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.dirty: set[Any] = set(self)

    def mark_dirty(self, key: Any) -> None:
        """Mark one key as dirty."""
        self.dirty.add(key)
        accesses = _accesses.get()
        if accesses is not None:
            accesses.add((self, key))

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other or dict.__eq__(self, other)

    def __reduce__(self) -> Any:  # a copy is an ordinary dictionary
        return dict, (dict(dict.items(self)),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        import copy

        return copy.deepcopy(dict(dict.items(self)), memo)

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        self.mark_dirty(key)
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            return default
        self.mark_dirty(key)
        return super().get(key, default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.mark_dirty(key)

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self.mark_dirty(key)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self.mark_dirty(key)
        return super().setdefault(key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        self.mark_dirty(key)
        return super().pop(key, *default)

    def popitem(self) -> tuple[Any, Any]:
        key, value = super().popitem()
        self.mark_dirty(key)
        return key, value

    def update(self, *arguments: Any, **values: Any) -> None:
        given = dict(*arguments, **values)
        super().update(given)
        self.mark_all_dirty(given)

    def clear(self) -> None:
        self.mark_all_dirty(list(self))
        super().clear()

    def values(self) -> Any:
        self.mark_all_dirty(list(self))
        return super().values()

    def items(self) -> Any:
        self.mark_all_dirty(list(self))
        return super().items()

    def mark_all_dirty(self, keys: Iterable[Any]) -> None:
        """Mark several keys as dirty."""
        for key in keys:
            self.mark_dirty(key)


@contextmanager
def recording() -> Iterator[Accesses]:
    """Record which records are accessed in the block and by what it starts."""
    accesses: Accesses = set()
    token = _accesses.set(accesses)
    try:
        yield accesses
    finally:
        _accesses.reset(token)


def record_accesses() -> Accesses:
    """Record which records the current task, and what it starts, accesses from now on."""
    accesses: Accesses = set()
    _accesses.set(accesses)
    return accesses


def track(store: Any) -> Tracked:
    """Make one of ministack's stores tracked; all of it is dirty at first."""
    if not isinstance(store._data, Tracked):
        store._data = Tracked(store._data)
    tracked: Tracked = store._data
    return tracked


def stores_in(prefix: str, kinds: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the stores of loaded modules with a prefix, by module and variable name.

    A store that another module imports comes twice.
    """
    for module in [name for name in sys.modules if name.startswith(prefix)]:
        for variable, value in list(vars(sys.modules[module]).items()):
            if isinstance(value, kinds):
                yield f"{module}:{variable}", value


def added_stores() -> Iterator[tuple[str, Tracked]]:
    """Yield the stores of the services that tapgen adds."""
    return stores_in(ADDED, (Tracked,))


def reset_added_stores() -> None:
    """Delete all records of the services that tapgen adds."""
    for _, store in added_stores():
        store.clear()
