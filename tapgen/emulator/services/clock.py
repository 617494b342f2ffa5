"""The clock of the embedded AWS, which rehearsals and tests can move.

It shows the real time until it is moved. Then it stands still until it is moved again:
what a rehearsal does in between takes no time on it, however slow the machine is. What
AWS does by itself, as time goes by, is done when the clock is moved (see `behaviours`);
with the real time it is done at once, or not at all.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tapgen.emulator.state.tracked import Tracked

LONGEST = 366 * 24 * 3600.0
"""How far the clock can be moved at once, in seconds."""

_WATCHERS: list[Callable[[], None]] = []


@dataclass(frozen=True)
class Work:
    """Something that AWS does later: how, and whether it is possible now."""

    do: Callable[[Any], None]
    possible: Callable[[Any], bool]


_WORK: dict[str, Work] = {}
# What is to be done: time, account, region, kind of work, and what it is about.
_LATER = Tracked()
_numbers = itertools.count(1)
_one_by_one = threading.RLock()


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
    tick()


def real() -> None:
    """Show the real time again; what has begun ends at once."""
    _CLOCK.at = None
    tick()


def watch(due: Callable[[], None]) -> None:
    """Call `due` whenever the clock was moved or shows the real time again."""
    _WATCHERS.append(due)


def drive(module: str) -> None:
    """Let a module of ministack, which imports `time`, use this clock."""
    vars(import_module(module))["time"] = _CLOCK


def work(kind: str, do: Callable[[Any], None], possible: Callable[[Any], bool]) -> None:
    """Make a kind of work known, for `after`."""
    _WORK[kind] = Work(do, possible)


def after(seconds: float, kind: str, about: Any) -> None:
    """Do a kind of work, in the account and region of now: at once with the real time, else
    when the clock has gone forward by `seconds`. What is not possible yet waits."""
    responses = import_module("ministack.core.responses")
    place = (responses.get_account_id(), responses.get_region())
    with _one_by_one:
        _LATER[_number()] = (now() + seconds, *place, kind, about)
    if not stands():
        _catch_up()


def waits() -> bool:
    """Whether there is work to do later."""
    return bool(_LATER)


def tick() -> None:
    """Let everything happen that is due by now, and possible."""
    _catch_up()
    for due in _WATCHERS:
        due()


def _number() -> int:
    """A key that no work has: restored work has its own."""
    return next(n for n in _numbers if n not in _LATER)


def _catch_up() -> None:
    with _one_by_one:
        for key, later in sorted(dict.items(_LATER), key=lambda each: each[1][0]):
            at, account, region, kind, about = later
            with _scope(account, region):
                if (stands() and at > now()) or not _WORK[kind].possible(about):
                    continue
                del _LATER[key]
                _WORK[kind].do(about)


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
