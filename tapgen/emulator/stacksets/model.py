"""Records of the StackSets engine: stack sets, their instances and operations.

Statuses are CloudFormation's own words (`cloudformation/2010-05-15` of botocore).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from tapgen.emulator.wire.inner import Place
from tapgen.emulator.wire.query_protocol import modelled

DEFAULT_ADMINISTRATION_ROLE = "AWSCloudFormationStackSetAdministrationRole"
DEFAULT_EXECUTION_ROLE = "AWSCloudFormationStackSetExecutionRole"
UNFINISHED = ("QUEUED", "RUNNING", "STOPPING")


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(timezone.utc)


@dataclass
class Instance:
    """One stack instance: a place of a stack set, with or without a stack.

    `exists` says whether the stack is there; `stack_id` stays after a failed create,
    whose stack is deleted, because its events are still read by that id.
    """

    place: Place
    overrides: dict[str, str]
    status: str = "OUTDATED"
    detailed: str = "PENDING"
    reason: str | None = None
    stack_name: str = ""
    stack_id: str | None = None
    exists: bool = False
    operation: str | None = None
    unit: str | None = None  # organizational unit
    drift: str = "NOT_CHECKED"
    drift_checked: datetime | None = None
    drifts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def settle(self, status: str, detailed: str, reason: str | None = None) -> None:
        """Take the outcome of an operation."""
        self.status, self.detailed, self.reason = status, detailed, reason


@dataclass
class Result:
    """The result of an operation at one place."""

    place: Place
    unit: str | None = None
    status: str = "PENDING"
    reason: str | None = None
    gate: Mapping[str, str] | None = None
    started: datetime | None = None
    ended: datetime | None = None

    def as_of(self, when: datetime) -> Result:
        """This result the way it was at a time."""
        if self.ended is not None and self.ended <= when:
            return self
        running = self.started is not None and self.started <= when
        return Result(self.place, self.unit, "RUNNING" if running else "PENDING")


@dataclass(frozen=True)
class Preferences:
    """Operation preferences, as sent (`StackSetOperationPreferences`)."""

    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parallel(self) -> bool:
        """Whether the operation works on all regions at once."""
        return self.given.get("RegionConcurrencyType") == "PARALLEL"

    @property
    def soft(self) -> bool:
        """Whether failures leave the concurrency as it is."""
        return self.given.get("ConcurrencyMode") == "SOFT_FAILURE_TOLERANCE"

    def tolerance(self, accounts: int) -> int:
        """How many of a region's accounts may fail; percentages are rounded down."""
        count = self.given.get("FailureToleranceCount")
        share = self.given.get("FailureTolerancePercentage", 0)
        return int(count) if count is not None else accounts * int(share) // 100

    def concurrency(self, accounts: int) -> int:
        """How many of a region's accounts are worked on at once; at least one."""
        count = self.given.get("MaxConcurrentCount")
        if count is not None:
            return int(count)
        share = self.given.get("MaxConcurrentPercentage")
        return 1 if share is None else max(1, accounts * int(share) // 100)

    def order(self, regions: Iterable[str]) -> list[str]:
        """Return `regions` in the requested order; those not named come last."""
        present = dict.fromkeys(regions)
        first = [r for r in self.given.get("RegionOrder", ()) if r in present]
        return list(dict.fromkeys([*first, *present]))


@dataclass
class Operation:
    """A stack set operation and its results.

    `request` is a fingerprint of the request, to recognise it when it is sent again.
    """

    id: str
    action: str
    request: str
    preferences: Preferences
    places: tuple[Place, ...] = ()
    whole: bool = False  # changes the stack set itself
    status: str = "RUNNING"
    reason: str | None = None
    retain: bool | None = None
    targets: Mapping[str, Any] | None = None
    administration_role: str | None = None
    execution_role: str | None = None
    created: datetime = field(default_factory=now)
    started: datetime | None = None
    stopping: datetime | None = None
    ended: datetime | None = None
    failed: int = 0
    results: dict[Place, Result] = field(default_factory=dict)
    drift: dict[str, Any] | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def unfinished(self) -> bool:
        """Whether it is queued, running or stopping."""
        return self.status in UNFINISHED

    def as_of(self, when: datetime) -> Operation | None:
        """This operation the way it was at a time; None when it was not there yet."""
        if self.created > when:
            return None
        if self.ended is not None and self.ended <= when:
            return self
        status = "RUNNING"
        if self.stopping is not None and self.stopping <= when:
            status = "STOPPING"
        elif self.started is None or self.started > when:
            status = "QUEUED"
        return replace(self, status=status, ended=None, reason=None, failed=0)

    def conflicts(self, other: Operation) -> bool:
        """Whether the two must not run at the same time."""
        if self.whole or other.whole:
            return True
        return not set(self.places).isdisjoint(other.places)


@dataclass
class StackSet:
    """A stack set of one account in one region."""

    name: str
    owner: Place
    template: str
    parameters: dict[str, str]
    no_echo: frozenset[str] = frozenset()
    description: str | None = None
    capabilities: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    administration_role: str | None = None  # ARN; None stands for the default
    execution_role: str = DEFAULT_EXECUTION_ROLE
    permission_model: str = "SELF_MANAGED"
    auto_deployment: dict[str, Any] | None = None
    managed: bool = False
    token: str | None = None
    request: str = ""
    uuid: str = field(default_factory=lambda: str(uuid4()))
    status: str = "ACTIVE"
    instances: dict[Place, Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    active: list[Operation] = field(default_factory=list)
    deployments: dict[str, list[str]] = field(default_factory=dict)  # unit -> regions
    drift: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        """`name:uuid`."""
        return f"{self.name}:{self.uuid}"

    @property
    def arn(self) -> str:
        """The ARN, in the owner's region and account."""
        place = f"{self.owner.region}:{self.owner.account}"
        return f"arn:aws:cloudformation:{place}:stackset/{self.id}"

    @property
    def administration_role_arn(self) -> str:
        """The ARN of the role that assumes the execution roles."""
        default = f"arn:aws:iam::{self.owner.account}:role/"
        return self.administration_role or default + DEFAULT_ADMINISTRATION_ROLE

    def instance(self, place: Place) -> Instance:
        """The stack instance at a place; StackInstanceNotFoundException."""
        if place not in self.instances:
            raise modelled(
                "StackInstanceNotFoundException",
                f"Stack instance not found for StackSet: {self.id}, "
                f"account: {place.account}, region: {place.region}",
            )
        return self.instances[place]

    def operation(self, id_: str) -> Operation:
        """An operation by its id; OperationNotFoundException."""
        if id_ not in self.operations:
            raise modelled(
                "OperationNotFoundException",
                f"Operation {id_} not found for StackSet {self.id}",
            )
        return self.operations[id_]

    def values(self, instance: Instance) -> dict[str, str]:
        """The parameter values of one instance: the set's, then its overrides."""
        values = dict(self.parameters)
        # An override stays after its parameter is gone; CloudFormation would refuse it.
        values.update((k, v) for k, v in instance.overrides.items() if k in values)
        return values


class Registry:
    """All stack sets there are."""

    def __init__(self) -> None:
        self._active: dict[tuple[Place, str], StackSet] = {}
        self._deleted: dict[str, StackSet] = {}

    def add(self, stack_set: StackSet) -> None:
        """Take in a new stack set."""
        self._active[stack_set.owner, stack_set.name] = stack_set

    def named(self, owner: Place, name: str) -> StackSet | None:
        """The active stack set of that name."""
        return self._active.get((owner, name))

    def get(self, owner: Place, name: str) -> StackSet:
        """An active stack set by name or id; StackSetNotFoundException."""
        found = self._active.get((owner, name.partition(":")[0]))
        if found is None or name not in (found.name, found.id):
            message = f"StackSet {name} not found"
            raise modelled("StackSetNotFoundException", message)
        return found

    def delete(self, stack_set: StackSet) -> None:
        """Mark a stack set DELETED; its name is free again."""
        stack_set.status = "DELETED"
        del self._active[stack_set.owner, stack_set.name]
        self._deleted[stack_set.id] = stack_set

    def of(self, owner: Place) -> list[StackSet]:
        """The stack sets of an account in a region, deleted ones last."""
        every = [*self._active.values(), *self._deleted.values()]
        return [s for s in every if s.owner == owner]

    def all(self) -> list[StackSet]:
        """Every active stack set of every account."""
        return list(self._active.values())

    def clear(self) -> None:
        """Forget everything."""
        self._active.clear()
        self._deleted.clear()
