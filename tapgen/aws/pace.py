"""How fast one caller may ask one service in one region.

AWS throttles by account and region ("Request throttling" of the service guides), so each
such caller has a pace of its own: unlimited until AWS asks to slow down.

An account's quota is shared: calls may be throttled however slowly they are made, because
others use it up. So the pause shrinks as quickly as it grows. Where the quota is ours alone,
about every second call is throttled then; where a third of all calls is throttled whatever
we do, a call waits for a few tenths of a second, and not for the longest pause every time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_FIRST = 0.1  # seconds between two calls after the first throttling
_LONGEST = 5.0
_QUICKER = 0.5  # of the pause is left after each call that was not throttled
_SHORTEST = 0.005  # shorter pauses limit nothing: a call takes longer


@dataclass
class Pace:
    """The pause between two calls. It doubles when a call was throttled and halves with
    each that was not; calls from several threads take turns. `throttled` counts."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    throttled: int = 0
    _pause: float = 0.0
    _next: float = 0.0
    _slowed: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def wait(self) -> None:
        """Wait for this call's turn."""
        if not self._pause:
            return
        with self._lock:
            now = self.clock()
            turn = max(now, self._next)
            self._next = turn + self._pause
        if turn > now:
            self.sleep(turn - now)

    def slow_down(self) -> None:
        """Note that a call was throttled. Calls that were under way together count once."""
        with self._lock:
            self.throttled += 1
            now = self.clock()
            if self._pause and now < self._slowed + self._pause:
                return
            self._pause = min(max(self._pause * 2, _FIRST), _LONGEST)
            self._slowed = now
            self._next = max(self._next, now + self._pause)

    def quicken(self) -> None:
        """Note that a call was not throttled."""
        if not self._pause:
            return
        with self._lock:
            shorter = self._pause * _QUICKER
            self._pause = shorter if shorter > _SHORTEST else 0.0
