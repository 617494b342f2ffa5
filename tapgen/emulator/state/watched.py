"""Dictionaries that note which records are looked at.

So `persist` need not compare all records to know what may have changed. ministack's
stores are made so, and the services that tapgen adds keep what they hold in them, each
in a variable of its module: that is where `added` finds them.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

ADDED = "tapgen.emulator."
"""Where the names of modules begin that hold services tapgen adds."""

Seen = set[tuple["Watched", Any]]
_seen: contextvars.ContextVar[Seen | None] = contextvars.ContextVar(
    "tapgen_seen", default=None
)


class Watched(dict[Any, Any]):
    """A dictionary that notes in `touched` which of its values may have changed.

    That is every value that was given out: whoever has it may change it. Work that
    outlasts a `seeing` block, on other threads too, is noted there as well.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.touched: set[Any] = set(self)

    def touch(self, key: Any) -> None:
        """Note one key."""
        self.touched.add(key)
        seen = _seen.get()
        if seen is not None:
            seen.add((self, key))

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
        self.touch(key)
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            return default
        self.touch(key)
        return super().get(key, default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.touch(key)

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self.touch(key)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self.touch(key)
        return super().setdefault(key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        self.touch(key)
        return super().pop(key, *default)

    def popitem(self) -> tuple[Any, Any]:
        key, value = super().popitem()
        self.touch(key)
        return key, value

    def update(self, *arguments: Any, **values: Any) -> None:
        given = dict(*arguments, **values)
        super().update(given)
        self.touch_all(given)

    def clear(self) -> None:
        self.touch_all(list(self))
        super().clear()

    def values(self) -> Any:
        self.touch_all(list(self))
        return super().values()

    def items(self) -> Any:
        self.touch_all(list(self))
        return super().items()

    def touch_all(self, keys: Iterable[Any]) -> None:
        """Note many keys."""
        for key in keys:
            self.touch(key)


@contextmanager
def seeing() -> Iterator[Seen]:
    """Within it, and in what is begun there, the records looked at are gathered."""
    seen: Seen = set()
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


def see() -> Seen:
    """Gather what the current task, and what it begins, looks at from now on."""
    seen: Seen = set()
    _seen.set(seen)
    return seen


def watch(store: Any) -> Watched:
    """Have one of ministack's stores note what is looked at; all of it at first."""
    if not isinstance(store._data, Watched):
        store._data = Watched(store._data)
    watched: Watched = store._data
    return watched


def of(prefix: str, kinds: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    """The stores of modules whose names begin so, by the name of module and variable.

    Only of modules that are loaded. One that is imported by another module comes twice.
    """
    for module in [name for name in sys.modules if name.startswith(prefix)]:
        for variable, value in list(vars(sys.modules[module]).items()):
            if isinstance(value, kinds):
                yield f"{module}:{variable}", value


def added() -> Iterator[tuple[str, Watched]]:
    """The stores of the services that tapgen adds: every one in a module's variable."""
    return of(ADDED, (Watched,))


def reset_added() -> None:
    """Forget what the services that tapgen adds hold."""
    for _, store in added():
        store.clear()
