"""The journal of a run: one object for each event, whose number is a fence.

An event is flat JSON at `runs/<system>-<suffix>/<run>/000042.json` in the artifact bucket
of the administration account and region, written only where none exists (`If-None-Match`,
S3 user guide, "Conditional writes"). Who resumes a run writes its next number first; a
process that slept finds that number taken and stops. Each event has the random id of its
writer, so that the repetition of a write whose answer was lost is no fence. Templates and
programs are objects beside the runs, by digest.

A run that goes on in another region, because this one is away, is a run with another name
there. Its first event says which one it `continues`, `after` which number, and has the next
number. So each object is written in one region only, and all others may copy it.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from tapgen.aws.artifact_bucket import Stored
from tapgen.errors import Conflict, RolloutError
from tapgen.model import digest

BEAT_SECONDS = 10.0
"""How often a process says that it is still there."""

LOOK_SECONDS = 3.0
"""How often a process looks whether somebody asks it to stop."""

SILENT_SECONDS = 30.0
"""How long after a beat the next one may come."""

PATIENCE_SECONDS = 90.0
"""How long after that another process may take the run over."""

FRESH_SECONDS = 30.0
"""How old an intent may be when its call is sent; an older one is checked again."""

Event = Mapping[str, Any]


class Store(Protocol):
    """What a journal needs of a bucket."""

    def put(self, key: str, body: bytes) -> Any: ...
    def get(self, key: str) -> bytes | None: ...
    def write(self, key: str, body: bytes, *, etag: str | None = None) -> str: ...
    def read(self, key: str) -> Stored | None: ...
    def has(self, key: str) -> bool: ...
    def keys(self, prefix: str) -> list[str]: ...


class Fenced(RolloutError):
    """Another process goes on with this run."""


def home(prefix: str) -> str:
    """Return the folder of all runs of a system; `prefix` is its name and suffix."""
    return f"runs/{prefix}"


def names(store: Store, prefix: str) -> dict[str, list[str]]:
    """Return the keys of the events of each run of a system, the oldest run first."""
    event = re.compile(re.escape(home(prefix)) + r"/([^/]+)/\d{6}\.json")
    found: dict[str, list[str]] = {}
    for key in sorted(store.keys(f"{home(prefix)}/")):
        match = event.fullmatch(key)
        if match:
            found.setdefault(match[1], []).append(key)
    return found


def new_run() -> str:
    """Return the name of a new run: its time and a random part, in order of time."""
    now = datetime.now(UTC)
    milliseconds = now.microsecond // 1000
    return f"{now:%Y%m%dt%H%M%S}{milliseconds:03}z-{secrets.token_hex(3)}"


def now_text() -> str:
    """Return the time of this machine, for people."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass
class Journal:
    """The events of one run, as one process reads and writes them.

    `number` is that of the last known event. `who` and `host` are written with each
    event, so that a fenced process can say who goes on. `overtaken` says who acts in
    another region, without this one. `holder` is the id that all turns of the engine in
    AWS have in common; each is a `writer` of its own, so that one that comes late is fenced.
    """

    store: Store
    prefix: str
    run: str
    who: str = ""
    host: str = ""
    number: int = 0
    writer: str = field(default_factory=lambda: secrets.token_hex(8))
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    overtaken: Callable[[], Event | None] = lambda: None
    holder: str = ""
    _beaten: float = float("-inf")
    _looked: float = float("-inf")

    @property
    def folder(self) -> str:
        return f"{home(self.prefix)}/{self.run}"

    def _key(self, number: int) -> str:
        return f"{self.folder}/{number:06}.json"

    def append(self, kind: str, **facts: Any) -> dict[str, Any]:
        """Write the next event and return it; raises Fenced when its number is taken."""
        number = self.number + 1
        event = {
            "event": kind,
            "number": number,
            "at": now_text(),
            "writer": self.writer,
            "who": self.who,
            "host": self.host,
            **facts,
        }
        try:
            self.store.write(self._key(number), json.dumps(event).encode())
        except Conflict:
            there = self._event(number)
            if there is None or there["writer"] != self.writer:
                raise self._fenced(there) from None
            event = there
        self.number = number
        return event

    def require_unfenced(self) -> None:
        """Raise Fenced when another process has written the next event."""
        there = self._event(self.number + 1)
        if there is not None:
            raise self._fenced(there)

    def _event(self, number: int) -> dict[str, Any] | None:
        body = self.store.get(self._key(number))
        return dict(json.loads(body)) if body else None

    def _fenced(self, there: Event | None) -> Fenced:
        known = there or {}
        return Fenced(
            f"run {self.run}: {known.get('who', 'somebody')} on "
            f"{known.get('host', 'another machine')} went on with it at "
            f"{known.get('at', 'an unknown time')}; this process stops here, and starts "
            "nothing more"
        )

    def events(self) -> list[dict[str, Any]]:
        """Read all events there are, in order, and go on after the last; with those of
        the run that this one continues."""
        own = self.own()
        if not own or "continues" not in own[0]:
            return own
        base = Journal(self.store, self.prefix, own[0]["continues"]).events()
        return [e for e in base if e["number"] <= own[0]["after"]] + own

    def own(self) -> list[dict[str, Any]]:
        """Read the events of this run itself, and go on after the last."""
        names = self.store.keys(f"{self.folder}/0")
        with ThreadPoolExecutor(8) as pool:
            bodies = list(pool.map(self.store.get, names))
        found = [dict(json.loads(body)) for body in bodies if body]
        self.number = int(found[-1]["number"]) if found else 0
        return found

    def newer(self) -> list[dict[str, Any]]:
        """Read the events after the last known one, and go on after them."""
        found = []
        while event := self._event(self.number + 1):
            found.append(event)
            self.number += 1
        return found

    # -- the wish of somebody else ----------------------------------------------

    @property
    def _stop(self) -> str:
        return f"{self.folder}/stop.json"

    def ask_to_stop(self, writer: str) -> None:
        """Ask the process with this id, and no later one, to start nothing new; or the
        engine in AWS, by the id of its turns."""
        body = {"writer": writer, "by": self.who, "host": self.host, "at": now_text()}
        self.store.put(self._stop, json.dumps(body).encode())

    def stop_request(self) -> Event | None:
        """Return who asks this process to stop, or acts in another region without this
        one, at most every few seconds; None when nobody does."""
        if self.clock() - self._looked < LOOK_SECONDS:
            return None
        self._looked = self.clock()
        if acting := self.overtaken():
            return acting
        body = self.store.get(self._stop)
        found: Event | None = json.loads(body) if body else None
        mine = (self.writer, self.holder)
        return found if found and found["writer"] in mine else None

    # -- the sign of life -------------------------------------------------------

    @property
    def _pulse(self) -> str:
        return f"{self.folder}/heartbeat.json"

    def beat(self) -> None:
        """Say, at most every ten seconds, how soon the next sign of life comes."""
        if self.clock() - self._beaten < BEAT_SECONDS:
            return
        body = {"writer": self.writer, "seconds": SILENT_SECONDS}
        self.store.put(self._pulse, json.dumps(body).encode())
        self._beaten = self.clock()

    def rest(self, seconds: float, **facts: Any) -> None:
        """Say that no process advances the run for so many seconds, and then one does."""
        body = {
            "writer": self.writer,
            "seconds": seconds + SILENT_SECONDS,
            "idle": True,
        }
        self.store.put(self._pulse, json.dumps({**body, **facts}).encode())

    def pulse(self) -> Event:
        """Return the last sign of life as it was written; empty where there is none."""
        return dict(json.loads(self.store.get(self._pulse) or b"{}"))

    @property
    def _memory(self) -> str:
        return f"{self.folder}/turn.json"

    def remember(self, facts: Event) -> None:
        """Store what the next turn of the engine in AWS goes on with."""
        self.store.put(self._memory, json.dumps(facts).encode())

    def remembered(self) -> Event:
        """Return what the turn before has stored; empty where there was none."""
        return dict(json.loads(self.store.get(self._memory) or b"{}"))

    def silence(self) -> tuple[float, float]:
        """Return how many seconds ago the run's process gave a sign of life, by S3's
        clock, and how many seconds it still has before it may be taken for dead."""
        found = self.store.read(self._pulse) or self.store.read(self._key(1))
        if found is None:
            return 0.0, 0.0
        seconds = float(json.loads(found.body).get("seconds", SILENT_SECONDS))
        return found.age, max(0.0, seconds + PATIENCE_SECONDS - found.age)

    # -- what is stored beside the events ------------------------------------------

    def store_object(self, text: str) -> str:
        """Store a text by its digest, once; return the digest."""
        name = digest(text)
        key = self._object(name)
        if not self.store.has(key):
            self.store.put(key, text.encode())
        return name

    def object(self, name: str) -> str:
        """Return the text of a digest; RolloutError when it is missing or another."""
        body = self.store.get(self._object(name))
        if body is None or digest(body.decode()) != name:
            raise RolloutError(
                f"run {self.run}: object {name} of its journal is missing or damaged; "
                "plan again with tapgen rollout --supersede"
            )
        return body.decode()

    def _object(self, name: str) -> str:
        return f"{home(self.prefix)}/objects/{name.partition(':')[2]}"
