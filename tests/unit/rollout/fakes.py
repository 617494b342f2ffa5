"""StackSets and S3 in memory, with what AWS promises: for runs that are killed anywhere.

Every call goes through `Faults`, which can kill the process, or let it wait, before or
after the call takes effect.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tapgen.aws.artifact_bucket import Stored
from tapgen.aws.remembered import Memory
from tapgen.aws.stacksets import Definition, Operation, Result
from tapgen.errors import AwsError, Busy, Conflict, NotFound, Unreachable
from tapgen.model import (
    HIDDEN,
    NO_STACK,
    AutoDeployment,
    InstanceDetailedStatus,
    InstanceStatus,
    Observed,
    ObservedInstance,
    OperationStatus,
    ResultStatus,
    Target,
)
from tests import make

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@dataclass
class Faults:
    """Counts calls. `before` and `after` map the number of a call to what happens before
    it, and once it has taken effect; `errors` the first words of calls to what they
    raise, one after the other."""

    before: dict[int, Callable[[], None]] = field(default_factory=dict)
    after: dict[int, Callable[[], None]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    errors: dict[str, list[BaseException]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)  # calls are made side by side

    def enter(self, name: str, writes: bool = False) -> int:
        with self.lock:
            self.calls.append(name)
            number = len(self.calls)
            if writes:
                self.writes.append(number)
        self.before.get(number, _nothing)()
        for words, waiting in self.errors.items():
            if name.startswith(words) and waiting:
                raise waiting.pop(0)
        return number

    def leave(self, number: int) -> None:
        self.after.get(number, _nothing)()


def _nothing() -> None:
    pass


def kill() -> None:
    raise Killed


@dataclass
class Bucket:
    """Objects with conditional writes; `now` is S3's clock. `away` says that its region
    does not answer, and its `name` is then in the error; `waited` has the calls that were
    made with patience all the same; `written` has all that conditional writes have ever made.
    """

    faults: Faults = field(default_factory=Faults)
    objects: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    now: Callable[[], float] = lambda: 0.0
    lock: Any = field(default_factory=threading.Lock)
    away: bool = False
    name: str = ""
    written: list[tuple[str, bytes]] = field(default_factory=list)
    patient: bool = True
    waited: list[str] = field(default_factory=list)

    def _enter(self, name: str, writes: bool = False) -> int:
        number = self.faults.enter(name, writes)
        if self.away:
            self.waited += [name] * self.patient
            words = f"no route to {self.name}" if self.name else "no route"
            raise Unreachable("s3", "EndpointConnectionError", words)
        return number

    @property
    def hasty(self) -> Bucket:
        return replace(self, patient=False)

    def exists(self) -> bool:
        self._enter("exists")
        return True

    def put(self, key: str, body: bytes, *, kind: str = "") -> str:
        number = self._enter(f"put {key}", writes=True)
        self._set(key, body)
        self.faults.leave(number)
        return key

    def _set(self, key: str, body: bytes) -> None:
        self.objects[key], self.times[key] = body, self.now()

    def write(self, key: str, body: bytes, *, etag: str | None = None) -> str:
        number = self._enter(f"write {key}", writes=True)
        with self.lock:
            there = self.objects.get(key)
            if (there is None) != (etag is None) or (
                there is not None and _etag(there) != etag
            ):
                raise Conflict("s3:PutObject", "PreconditionFailed", "no")
            self._set(key, body)
            self.written.append((key, body))
        self.faults.leave(number)
        return _etag(body)

    def get(self, key: str) -> bytes | None:
        self._enter(f"get {key}")
        return self.objects.get(key)

    def read(self, key: str) -> Stored | None:
        self._enter(f"read {key}")
        body = self.objects.get(key)
        if body is None:
            return None
        return Stored(body, _etag(body), self.now() - self.times[key])

    def has(self, key: str) -> bool:
        self._enter(f"has {key}")
        return key in self.objects

    def keys(self, prefix: str) -> list[str]:
        self._enter(f"keys {prefix}")
        return sorted(k for k in [*self.objects] if k.startswith(prefix))


def _etag(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()  # noqa: S324


@dataclass
class Instance:
    """A stack instance; `stack` is what its stack runs: template and values."""

    overrides: dict[str, str]
    status: InstanceStatus = InstanceStatus.OUTDATED
    detailed: InstanceDetailedStatus = InstanceDetailedStatus.PENDING
    stack: tuple[str, dict[str, str]] | None = None


@dataclass
class StackSet:
    definition: Definition
    parameters: dict[str, str]
    instances: dict[Target, Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    results: dict[str, list[Result]] = field(default_factory=dict)


@dataclass
class Cloud:
    """The stack sets of one account; an operation takes one poll more than `slow`.

    `failing` decides whether deploying these values to a target fails. `history` has
    everything that each stack ever ran, `started` the operations that were started,
    `preferences` those of updates.
    """

    faults: Faults = field(default_factory=Faults)
    sets: dict[str, StackSet] = field(default_factory=dict)
    failing: Callable[[str, Target, str, Mapping[str, str]], bool] = (
        lambda name, target, template, values: False
    )
    history: dict[tuple[str, Target], list[tuple[str, dict[str, str]]]] = field(
        default_factory=dict
    )
    started: list[str] = field(default_factory=list)
    preferences: list[Mapping[str, Any]] = field(default_factory=list)
    words: str = "it broke"
    slow: int = 1
    bucket: Bucket = field(default_factory=Bucket)
    copies: dict[str, Bucket] = field(default_factory=dict)
    admin: Target = make.EAST
    alarms: dict[str, str] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    throttled: dict[str, int] = field(default_factory=dict)
    regions: dict[str, Cloud] = field(default_factory=dict)
    released: dict[Target, dict[str, Instance]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bucket.faults = self.faults

    def at(self, region: str) -> Cloud:
        """The stack sets of another region: `regions` has them."""
        return self.regions.get(region, self) if region else self

    @property
    def aws(self) -> Any:
        """Clients of CloudWatch, which know `alarms`, and of stacks that have all of them;
        how often `throttled`."""
        model = SimpleNamespace(service_name="cloudwatch")
        names = {"describe_alarms": "", "describe_alarm_history": ""}
        names["list_stack_resources"] = ""
        client = SimpleNamespace(
            meta=SimpleNamespace(
                service_model=model,
                method_to_api_mapping=names,
                region_name="us-east-1",
            ),
            describe_alarms=self.describe_alarms,
            describe_alarm_history=lambda **_: {},
            list_stack_resources=self.list_stack_resources,
        )
        return SimpleNamespace(
            client=lambda service, target: client, throttled=lambda: self.throttled
        )

    def describe_alarms(self, AlarmNames: Sequence[str], **more: Any) -> Any:
        self.faults.enter("alarms")
        found = [
            {"AlarmName": name, "StateValue": state, "StateUpdatedTimestamp": _LONG_AGO}
            for name, state in self.alarms.items()
            if name in AlarmNames
        ]
        return {"MetricAlarms": found}

    def list_stack_resources(self, StackName: str) -> Any:
        known = {"ResourceType": "AWS::CloudWatch::Alarm", "ResourceStatus": "COMPLETE"}
        found = [
            {**known, "LogicalResourceId": name, "PhysicalResourceId": name}
            for name in self.alarms
        ]
        return {"StackResourceSummaries": found}

    @property
    def buckets(self) -> dict[str, Bucket]:
        return {self.admin.region: self.bucket, **self.copies}

    # -- reads ---------------------------------------------------------------------

    def _find(self, name: str) -> StackSet:
        if name not in self.sets:
            raise NotFound("cloudformation", "StackSetNotFoundException", name)
        return self.sets[name]

    def exists(self, name: str) -> bool:
        self.faults.enter(f"exists {name}")
        return name in self.sets

    def observe(self, names: Iterable[str], **_: Any) -> dict[str, Observed]:
        found = {name: self.describe(name) for name in names}
        return {name: o for name, o in found.items() if o}

    def describe(self, name: str, **_: Any) -> Observed | None:
        self.faults.enter(f"describe {name}")
        found = self.sets.get(name)
        if found is None:
            return None
        wanted = found.definition
        return Observed(
            name=name,
            template=wanted.template,
            parameters=dict(found.parameters),
            instances={t: _seen(i) for t, i in found.instances.items()},
            capabilities=tuple(wanted.capabilities),
            tags=dict(wanted.tags or {}),
            description=wanted.description,
            execution_role=wanted.execution_role,
            administration_role=wanted.administration_role,
            id=f"{name}:1",
            permission_model=wanted.permission_model,
            auto_deployment=wanted.auto_deployment or AutoDeployment(),
        )

    def listed(
        self, name: str, in_units: bool = False
    ) -> dict[Target, ObservedInstance]:
        self.faults.enter(f"list {name}")
        return {t: _seen(i) for t, i in self._find(name).instances.items()}

    def instance(self, name: str, target: Target) -> ObservedInstance | None:
        self.faults.enter(f"instance {name}")
        found = self._find(name).instances.get(target)
        return _seen(found) if found else None

    def outputs(self, target: Target, stack_id: str | None) -> Mapping[str, str]:
        self.faults.enter(f"outputs {target}")
        return _outputs(stack_id or "")

    def operation(self, name: str, operation_id: str) -> Operation:
        self.faults.enter(f"operation {name}")
        found = self._find(name)
        if operation_id not in found.operations:
            raise NotFound("cloudformation", "OperationNotFoundException", "none")
        found.polls[operation_id] = left = found.polls[operation_id] - 1
        operation = found.operations[operation_id]
        if left >= 0:
            return Operation(operation_id, name, OperationStatus.RUNNING)
        return operation

    def results(self, name: str, operation_id: str) -> list[Result]:
        self.faults.enter(f"results {name}")
        found = self._find(name).results
        if operation_id not in found:
            raise NotFound("cloudformation", "OperationNotFoundException", "none")
        return found[operation_id]

    def failure(self, operation: Operation, result: Result) -> None:
        return None

    # -- operations ----------------------------------------------------------------

    def create(self, name: str, definition: Definition) -> None:
        number = self.faults.enter(f"create {name}", writes=True)
        if name not in self.sets:
            self.started.append(f"create {name}")
            self.sets[name] = StackSet(definition, _values(definition, {}))
        self.faults.leave(number)

    def delete(self, name: str) -> None:
        number = self.faults.enter(f"delete {name}", writes=True)
        if self._find(name).instances:
            raise AwsError("cloudformation", "StackSetNotEmptyException", "not empty")
        self.started.append(f"delete {name}")
        del self.sets[name]
        self.faults.leave(number)

    def update(
        self,
        name: str,
        definition: Definition,
        targets: Sequence[Target] | None,
        preferences: Mapping[str, Any],
        operation_id: str,
    ) -> None:
        self.preferences.append(preferences)

        def work(found: StackSet) -> Iterable[Target]:
            found.parameters = _values(definition, found.parameters)
            found.definition = definition
            for instance in found.instances.values():
                instance.status = InstanceStatus.OUTDATED
            return found.instances if targets is None else targets

        self._start("update", name, operation_id, work)

    def override(
        self,
        name: str,
        targets: Sequence[Target],
        overrides: Mapping[str, str],
        preferences: Mapping[str, Any],
        operation_id: str,
    ) -> None:
        def work(found: StackSet) -> Iterable[Target]:
            for target in targets:
                found.instances[target].overrides = dict(overrides)
            return targets

        self._start("override", name, operation_id, work)

    def create_instances(
        self,
        name: str,
        targets: Sequence[Target],
        overrides: Mapping[str, str],
        preferences: Mapping[str, Any],
        operation_id: str,
    ) -> None:
        def work(found: StackSet) -> Iterable[Target]:
            for target in targets:
                found.instances.setdefault(target, Instance(dict(overrides)))
            return targets

        self._start("create", name, operation_id, work)

    def delete_instances(
        self,
        name: str,
        targets: Sequence[Target],
        preferences: Mapping[str, Any],
        operation_id: str,
        whole: bool = False,
        retain: bool = False,
    ) -> None:
        def work(found: StackSet) -> Iterable[Target]:
            for target in targets:
                had = found.instances.pop(target, None)
                if retain and had:
                    self.released.setdefault(target, {})[name] = had
            return ()

        self._start("delete", name, operation_id, work)

    def adopt(
        self,
        name: str,
        stacks: Sequence[str],
        preferences: Mapping[str, Any],
        operation_id: str,
    ) -> None:
        """Take over stacks that were released, `account/region` of this stack set each.
        Each value of a stack becomes an override, as it may in AWS."""

        def work(found: StackSet) -> Iterable[Target]:
            for target in [Target(*id.split("/")) for id in stacks]:
                had = self.released[target].pop(name)  # else it belongs to a stack set
                assert had.stack and had.stack[0] == found.definition.template
                found.instances[target] = replace(had, overrides=dict(had.stack[1]))
            return ()

        self._start("adopt", name, operation_id, work)

    def _start(
        self,
        verb: str,
        name: str,
        id: str,
        work: Callable[[StackSet], Iterable[Target]],
    ) -> None:
        number = self.faults.enter(f"{verb} instances {name}", writes=True)
        found = self._find(name)
        if id in found.operations:
            if next(reversed(found.operations)) != id:
                raise AwsError("cloudformation", "StaleRequestException", "stale")
            return
        last = next(reversed(found.operations), None)
        if last and found.polls[last] >= 0:
            found.polls[last] -= 1  # it goes on, also where nobody looks
            raise Busy("cloudformation", "OperationInProgressException", last)
        self.started.append(f"{verb} {name} {id}")
        targets = list(work(found))
        results = [self._deploy(name, found, target) for target in targets]
        failed = sum(r.status is ResultStatus.FAILED for r in results)
        status = OperationStatus.FAILED if failed else OperationStatus.SUCCEEDED
        found.operations[id] = Operation(id, name, status, failed=failed)
        found.polls[id] = self.slow
        found.results[id] = results
        self.faults.leave(number)

    def _deploy(self, name: str, found: StackSet, target: Target) -> Result:
        instance = found.instances[target]
        template = found.definition.template
        values = {**found.parameters, **instance.overrides}
        before = self.history.setdefault((name, target), [])
        if self.failing(name, target, template, values):
            instance.detailed = InstanceDetailedStatus.FAILED
            instance.status = InstanceStatus.OUTDATED
            return Result(target, ResultStatus.FAILED, self.words)
        if not before or before[-1] != (template, values):
            before.append((template, values))
        instance.stack = template, values
        instance.status = InstanceStatus.CURRENT
        instance.detailed = InstanceDetailedStatus.SUCCEEDED
        return Result(target, ResultStatus.SUCCEEDED)

    # -- for tests -----------------------------------------------------------------

    def everything(self) -> dict[str, Any]:
        """All that a run may leave behind: definitions, base values, tags, instances,
        overrides and what each stack runs."""
        return {
            name: (
                found.definition.template,
                found.parameters,
                dict(found.definition.tags or {}),
                tuple(found.definition.capabilities),
                {
                    str(t): (i.overrides, i.status, i.stack)
                    for t, i in sorted(found.instances.items())
                },
            )
            for name, found in sorted(self.sets.items())
        }


def _values(definition: Definition, before: Mapping[str, str]) -> dict[str, str]:
    return {
        k: before[k] if v is None or v == HIDDEN else v
        for k, v in definition.parameters.items()
    }


def _seen(instance: Instance) -> ObservedInstance:
    """As the stack set reports it, and with its stack where that is in doubt."""
    current = instance.status is InstanceStatus.CURRENT
    stack = instance.stack
    number = "" if stack is None else repr(sorted(stack[1].items()))
    return ObservedInstance(
        instance.status,
        instance.detailed,
        stack_id=number or None,
        overrides=dict(instance.overrides),
        outputs=_outputs(number),
        last_operation="tapgen-x",
        template=None if current else stack[0] if stack else NO_STACK,
        parameters=None if current else stack[1] if stack else {},
    )


def _outputs(stack_id: str) -> dict[str, str]:
    return {
        "Arn": "arn:" + hashlib.md5(stack_id.encode()).hexdigest()[:6]
    }  # noqa: S324
