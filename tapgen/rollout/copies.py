"""Copies of a journal in other regions, made while it is written.

What is written into the bucket of the administration region is written into those of the
copies as well, in the same order, by a thread for each: no call waits for a copy. So a copy
has the first events of a run, and may lack the last ones. A region that does not take a
copy gets no more of this process, and `reconcile` completes its copy later.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tapgen.aws.artifact_bucket import Stored
from tapgen.errors import Conflict
from tapgen.rollout import lock
from tapgen.rollout.journal import Store

WAITING = 1000
"""How many objects may wait to be copied, before a region counts as too slow."""

FINISH_SECONDS = 20.0
"""How long the end of a run waits for what is still to be copied."""

# Signs of life and wishes are of no use later.
_PASSING = re.compile(r".*/(heartbeat|stop|turn)\.json")


SLOW = "it takes copies too slowly"

END: Literal[False] = False

Item = tuple[str, bytes] | None
"""What a copy gets: an object, or None to look who acts there."""


@dataclass
class Copy:
    """One copy: where it is, and what keeps it from being complete.

    `acting` is the lock of a run that acts there, as it was last seen.
    """

    region: str
    store: Store
    prefix: str
    behind: str = ""
    acting: lock.Lock | None = None
    waiting: deque[Item] = field(default_factory=deque)
    works: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, item: Item) -> None:
        """Copy an object soon, unless an earlier one could not be copied."""
        with self.changed:
            if len(self.waiting) >= WAITING:
                self.behind = SLOW
            if self.behind:
                return
            self.waiting.append(item)
            if not self.works:
                self.works = True
                threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while (item := self._next()) is not END:
            try:
                self._do(item)
            except Exception as error:  # whatever it is, the run goes on without it
                self.behind = str(error)

    def _next(self) -> Item | Literal[False]:
        """The next object; END where nothing waits, and the thread ends with it."""
        with self.changed:
            if self.waiting and not self.behind:
                return self.waiting.popleft()
            self.waiting.clear()
            self.works = False
            self.changed.notify_all()
            return END

    def wait(self, until: float) -> None:
        """Wait until nothing is to be copied, at most until a monotonic time."""
        with self.changed:
            left = max(0.0, until - time.monotonic())
            if not self.changed.wait_for(lambda: not self.works, left):
                self.behind = SLOW

    def _do(self, item: Item) -> None:
        if item is not None:
            self.store.put(*item)
            return
        found = lock.read(self.store, self.prefix)
        self.acting = found.lock if found and found.lock.open else None


@dataclass
class Copied:
    """The bucket of the administration region `region`, whose writes are copied."""

    home: Store
    region: str
    prefix: str
    copies: tuple[Copy, ...]

    def put(self, key: str, body: bytes) -> Any:
        answer = self.home.put(key, body)
        self._pass_on(key, body)
        return answer

    def write(self, key: str, body: bytes, *, etag: str | None = None) -> str:
        try:
            written = self.home.write(key, body, etag=etag)
        except Conflict:  # perhaps it was written, and only the answer was lost
            for copy in self.copies:
                copy.behind = copy.behind or "an answer of AWS was lost"
            raise
        self._pass_on(key, body)
        return written

    def get(self, key: str) -> bytes | None:
        return self.home.get(key)

    def read(self, key: str) -> Stored | None:
        return self.home.read(key)

    def has(self, key: str) -> bool:
        return self.home.has(key)

    def keys(self, prefix: str) -> list[str]:
        return self.home.keys(prefix)

    def _pass_on(self, key: str, body: bytes) -> None:
        item: Item = key, body
        if _PASSING.fullmatch(key):
            item = None
        elif key == lock.key(self.prefix):
            item = lock.key(self.prefix, self.region), body
        for copy in self.copies:
            copy.add(item)

    def overtaken(self) -> Mapping[str, Any] | None:
        """Return who acts without this region, as a request to stop; None when nobody
        was seen to."""
        for copy in self.copies:
            if copy.acting:
                who, at = copy.acting, f", which acts in {copy.region} without"
                host = f"{who.host}{at} {', '.join(who.without)}"
                return {"by": who.who, "host": host}
        return None

    def finish(self, seconds: float = FINISH_SECONDS) -> dict[str, str]:
        """Wait for what is still to be copied; return why a region has not got all, by
        region."""
        until = time.monotonic() + seconds
        for copy in self.copies:
            copy.wait(until)
        return {copy.region: copy.behind for copy in self.copies if copy.behind}
