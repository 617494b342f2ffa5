"""The clock of the embedded AWS, which rehearsals and tests can move.

It shows the real time until it is moved. Then it stands still until it is moved again:
what a rehearsal does in between takes no time on it, however slow the machine is. What
AWS does by itself, as time goes by, is done when the clock is moved (see `behaviours`);
with the real time nothing of it happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

LONGEST = 366 * 24 * 3600.0
"""How far the clock can be moved at once, in seconds."""

_WATCHERS: list[Callable[[], None]] = []


class _Clock:
    """The module `time`, for ministack's modules, with the time of this clock."""

    at: float | None = None

    def time(self) -> float:
        return time.time() if self.at is None else self.at

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


_CLOCK = _Clock()


def now() -> float:
    """The time of this clock, in seconds since 1970."""
    return _CLOCK.time()


def stands() -> bool:
    """Whether the clock was moved, and so stands still."""
    return _CLOCK.at is not None


def shown() -> str:
    """The time, as in 2026-01-31T12:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now()))


def forward(seconds: float) -> None:
    """Move the clock, and let everything happen that is due by then.

    ValueError unless `seconds` is from 0 to LONGEST.
    """
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"the clock goes forward by 0 to {LONGEST:.0f} seconds")
    _CLOCK.at = now() + seconds
    _happen()


def real() -> None:
    """Show the real time again; what has begun ends at once."""
    _CLOCK.at = None
    _happen()


def watch(due: Callable[[], None]) -> None:
    """Call `due` whenever the clock was moved or shows the real time again."""
    _WATCHERS.append(due)


def drive(module: str) -> None:
    """Let a module of ministack, which imports `time`, use this clock."""
    vars(import_module(module))["time"] = _CLOCK


def _happen() -> None:
    for due in _WATCHERS:
        due()


def everywhere(store: Any) -> Iterator[tuple[str, Any]]:
    """Each key and record of a store of ministack, in its own account and region."""
    for account, region, key in [*store._data]:
        with _scope(account, region):
            record = store.get(key)
            if record is not None:
                yield key, record


@contextmanager
def _scope(account: str, region: str) -> Iterator[None]:
    with import_module("ministack.core.responses").request_scope(account, region):
        yield
