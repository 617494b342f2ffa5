"""The overrides of stack instances as they were last read, so that they are read once.

`ListStackInstances` has all of an instance but its overrides; those take a
`DescribeStackInstance` for each. Only operations of StackSets change them, and each leaves
its id at the instance ("LastOperationId: the last unique ID of a StackSet operation
performed on a stack instance", API reference, StackInstanceSummary). So overrides that
were read with the same stack and the same last operation are those of now.

Lists may lag behind (API reference, ListStackSetOperations: "eventually consistent
reads"). Therefore nothing counts that was read while an operation ran, and nothing is
taken from memory while one runs, nor for two minutes after one that nobody here has seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, Protocol

from tapgen.frozen import dataclass
from tapgen.model import InstanceDetailedStatus, InstanceStatus, ObservedInstance

FORMAT = 1


def key(name: str) -> str:
    """Return the key of what a run has left of a stack set in the artifact bucket."""
    return f"overrides/{name}.json"


LAG = 120
"""Seconds for which lists may not show yet what an operation has changed."""

_SETTLED = (None, InstanceDetailedStatus.SUCCEEDED)


class Store(Protocol):
    """Where memory is kept from one command to the next; neither raises."""

    def read(self, name: str) -> bytes | None:
        """Return what was written under a name."""

    def write(self, name: str, body: bytes) -> None:
        """Keep it."""


@dataclass(frozen=True)
class Newest:
    """The newest operation of a stack set: its id, empty where there is none, whether it
    or another one runs, and when it ended."""

    id: str = ""
    runs: bool = False
    ended: datetime | None = None

    def is_fresh(self, now: datetime) -> bool:
        """Whether lists may not show yet what it changed."""
        if not self.id:
            return False
        return self.ended is None or abs((now - self.ended).total_seconds()) < LAG


Key = tuple[str, str]  # stack id, id of the last operation


@dataclass
class _OfOne:
    """What is known of one stack set; `seen` is its newest operation at that time."""

    id: str
    seen: str
    overrides: dict[Key, Mapping[str, str]]


@dataclass
class Memory:
    """Overrides by stack set, for one administration account and region."""

    store: Store | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _known: dict[str, _OfOne | None] = field(default_factory=dict)

    def of(
        self, name: str, id: str, newest: Newest
    ) -> Callable[[ObservedInstance], Mapping[str, str] | None]:
        """Return a function that gives the overrides of an instance as it is listed, and
        None where they have to be read. `id` is that of the stack set."""
        found = self._load(name)
        if found is None or found.id != id or newest.runs:
            return lambda instance: None
        if newest.id != found.seen and newest.is_fresh(self.now()):
            return lambda instance: None
        overrides = found.overrides
        return lambda instance: overrides.get(_key(instance))

    def keep(
        self,
        name: str,
        id: str,
        newest: Newest,
        instances: Mapping[Any, ObservedInstance],
    ) -> None:
        """Remember the overrides of a stack set whose newest operation was this one
        before and after they were read."""
        overrides = {
            _key(one): one.overrides
            for one in instances.values()
            if one.stack_id
            and one.last_operation
            and one.status is InstanceStatus.CURRENT
            and one.detailed_status in _SETTLED
        }
        now = _OfOne(id, newest.id, overrides)
        if newest.runs or now == self._load(name):
            return
        self._known[name] = now
        if self.store is not None:
            self.store.write(name, _dump(now))

    def body(self, name: str) -> bytes | None:
        """Return what is known of a stack set, for a `Store` elsewhere."""
        found = self._known.get(name)
        return _dump(found) if found else None

    def _load(self, name: str) -> _OfOne | None:
        if name not in self._known:
            body = None if self.store is None else self.store.read(name)
            self._known[name] = _parse(body) if body else None
        return self._known[name]


def _key(instance: ObservedInstance) -> Key:
    return instance.stack_id or "", instance.last_operation or ""


def _dump(known: _OfOne) -> bytes:
    found = [[*key, dict(values)] for key, values in known.overrides.items()]
    data = {"format": FORMAT, "id": known.id, "seen": known.seen, "overrides": found}
    return json.dumps(data, separators=(",", ":")).encode()


def _parse(body: bytes) -> _OfOne | None:
    """Read what `_dump` wrote; None for anything else: then it is read from AWS."""
    try:
        data = json.loads(body)
        if data["format"] != FORMAT:
            return None
        overrides: dict[Key, Mapping[str, str]] = {
            (str(stack), str(last)): {str(k): str(v) for k, v in values.items()}
            for stack, last, values in data["overrides"]
        }
        return _OfOne(str(data["id"]), str(data["seen"]), overrides)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
