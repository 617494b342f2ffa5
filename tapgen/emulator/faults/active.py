"""The faults that are set, and which of them hits a call or a resource."""

from __future__ import annotations

import itertools
import random
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from tapgen.emulator.faults.model import GLOBAL, GLOBAL_REGION, Fault, FaultError
from tapgen.emulator.wire import protocols
from tapgen.emulator.wire.inner import Place
from tapgen.emulator.wire.protocols import Call

# The stack of a stack set, or a stack nested in one.
_STACK_OF_SET = re.compile(
    r"StackSet-(?P<name>.+?)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-.+)?"
)
# The service in a resource type -> in signatures, where lower case is not enough.
_TYPE_SERVICE = {
    "cloudwatch": "monitoring",
    "elasticloadbalancingv2": "elasticloadbalancing",
    "efs": "elasticfilesystem",
    "opensearchservice": "es",
    "stepfunctions": "states",
}


@dataclass
class _ActiveFault:
    """A fault with its counts."""

    id: str
    fault: Fault
    chance: random.Random
    matched: int = 0
    fired: int = 0

    @property
    def spent(self) -> bool:
        return 0 < self.fault.times <= self.fired

    def fires(self) -> bool:
        """Count one match; return whether the fault fires."""
        self.matched += 1
        if self.spent or self.matched < self.fault.nth:
            return False
        if self.chance.random() >= self.fault.probability:
            return False
        self.fired += 1
        return True

    def shown(self) -> dict[str, Any]:
        fault = {k: v for k, v in asdict(self.fault).items() if v not in (None, {})}
        return {"id": self.id, **fault, "matched": self.matched, "fired": self.fired}


class Faults:
    """The faults that are set; safe to use from any thread."""

    def __init__(self) -> None:
        self._active: list[_ActiveFault] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._active)

    def add(self, faults: Iterable[Fault]) -> list[str]:
        """Set faults; return their ids."""
        with self._lock:
            added = [
                _ActiveFault(str(next(self._numbers)), fault, random.Random(fault.seed))
                for fault in faults
            ]
            self._active += added
        return [active.id for active in added]

    def shown(self) -> list[dict[str, Any]]:
        """Every fault, with how often it `matched` and `fired`."""
        with self._lock:
            return [active.shown() for active in self._active]

    def clear(self, id_: str | None = None) -> int:
        """Remove one fault, or all; return how many. FaultError for an unknown id."""
        with self._lock:
            left = [active for active in self._active if id_ not in (None, active.id)]
            if id_ is not None and len(left) == len(self._active):
                has = ", ".join(active.id for active in self._active) or "none"
                raise FaultError(f"there is no fault {id_}; there are: {has}")
            removed = len(self._active) - len(left)
            self._active = left
            return removed

    def is_set(self, fault: Fault) -> bool:
        """Whether a fault that hit something has not been removed since: then what it
        delays goes on at once."""
        return any(active.fault is fault for active in self._active)

    def on_call(self, call: Call, *, of_function: bool = False) -> list[Fault]:
        """Return the faults that hit a call: delays, then at most one other.

        `of_function` says that the process of a function makes it, which can be killed.
        """
        at = {
            "action": call.action,
            "account": call.account,
            "region": call.region,
            "stack_set": call.stack_set,
        }

        def concerns(fault: Fault) -> bool:
            if fault.on_resources or fault.effect == "kill" and not of_function:
                return False
            return _meets(fault, at, call.services)

        return self._firing(concerns)

    def on_resource(
        self, place: Place, stack: str, logical_id: str, type_: str, action: str
    ) -> list[Fault]:
        """Return the faults that hit a resource that a stack creates, updates or deletes."""
        found = _STACK_OF_SET.fullmatch(stack)
        at = {
            "action": action,
            "account": place.account,
            "region": place.region,
            "stack_set": found["name"] if found else "",
            "logical_id": logical_id,
            "type": type_,
        }
        service = service_of(type_)
        names = frozenset({service, *protocols.SIGNED_AS.get(service, ())})

        def concerns(fault: Fault) -> bool:
            if action == "delete" and "action" not in fault.match:
                return False  # a rollback deletes too
            wanted = fault.on_resources or fault.effect == "unavailable"
            return wanted and _meets(fault, at, names)

        return self._firing(concerns)

    def on_internal(self, place: Place, service: str) -> Fault | None:
        """Return the fault that keeps CloudFormation itself from reaching a service."""
        region = GLOBAL_REGION if service in GLOBAL else place.region
        at = {"action": "", "account": place.account, "region": region}

        def concerns(fault: Fault) -> bool:
            gone = fault.effect == "unavailable" and "stack_set" not in fault.match
            return gone and _meets(fault, at, frozenset({service}))

        return next(iter(self._firing(concerns)), None)

    def may_delay(self, type_: str) -> bool:
        """Whether a fault may delay a resource type; it is then created on a thread."""
        with self._lock:
            return any(
                active.fault.effect == "delay"
                and active.fault.on_resources
                and not active.spent
                and fnmatchcase(type_, active.fault.match.get("type", "*"))
                for active in self._active
            )

    def _firing(self, concerns: Callable[[Fault], bool]) -> list[Fault]:
        delays: list[Fault] = []
        others: list[Fault] = []
        with self._lock:
            for active in self._active:
                if not concerns(active.fault):
                    continue
                if active.fault.effect == "delay":
                    delays += [active.fault] * active.fires()
                elif not others:
                    others += [active.fault] * active.fires()
        return delays + others


def _meets(fault: Fault, at: Mapping[str, str], services: frozenset[str]) -> bool:
    for name, pattern in fault.match.items():
        if name == "service":
            if pattern not in services:
                return False
        elif not fnmatchcase(at.get(name, ""), pattern):
            return False
    return True


def service_of(type_: str) -> str:
    """Return the service of a resource type, as requests to it are signed."""
    parts = type_.split("::")
    name = parts[1].lower() if len(parts) == 3 else ""
    return _TYPE_SERVICE.get(name, name)


# Reading
