"""Run a plan wave by wave, and put back what was there when a wave fails.

Obeys the plan and nothing else. Progress is told by calling `on_event`; time comes
in as `sleep`. One poller watches all running operations.

Values: a step sends its own targets' values as stack-set parameters, one call for
each distinct set of values, and writes those that differ between targets as overrides
afterwards, so that no target runs another's value (`UpdateStackSet` gives the new
parameters to the instances it is told to update, and leaves overrides alone).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tapgen import diff, plan, snapshot
from tapgen.aws import stacksets
from tapgen.aws.stacksets import Definition, Operation, Result, StackSets
from tapgen.errors import AwsError, Busy, RolloutError, Unreachable
from tapgen.model import (
    Action,
    InstanceStatus,
    Observed,
    ResultStatus,
    StackSet,
    System,
    Target,
)
from tapgen.plan import Plan, Reference, Step

BUSY_SECONDS = 3600
"""How long a rollout waits for an operation that is not its own."""


@dataclass(frozen=True)
class Event:
    """One thing that happened; `kind` is one of the words below.

    wave, start, target, done, skipped, failed, waiting, restoring, restored, stopping
    """

    kind: str
    message: str
    stack_set: str = ""
    target: Target | None = None
    status: str = ""


@dataclass(frozen=True)
class Failure:
    """Why a target failed: the first failed resource, else the operation's reason."""

    stack_set: str
    target: Target | None
    reason: str
    logical_id: str = ""
    type: str = ""

    def __str__(self) -> str:
        where = f"{self.stack_set} in {self.target}" if self.target else self.stack_set
        what = f"{self.logical_id} ({self.type}): " if self.logical_id else ""
        return f"{where}: {what}{self.reason}"


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended.

    `done` lists the stack sets whose steps are green, `restored` those put back,
    `left` those that a failed or interrupted rollout changed and did not put back.
    """

    failures: tuple[Failure, ...] = ()
    interrupted: bool = False
    done: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def green(self) -> bool:
        return not self.failures and not self.interrupted

    @property
    def partial(self) -> bool:
        """Something was changed, and neither finished nor put back."""
        return not self.green and bool(self.left)


@dataclass
class _State:
    """What a stack set is known to be now, as steps change it."""

    template: str
    parameters: dict[str, str]
    overrides: dict[Target, dict[str, str]]


Steps = Generator[Operation, None, None]


@dataclass
class _Run:
    """One rollout's life."""

    plan: Plan
    sets: StackSets
    on_event: Callable[[Event], None]
    sleep: Callable[[float], None]
    stopping: Callable[[], bool]
    poll_seconds: tuple[float, float]
    outputs: dict[tuple[str, Target], Mapping[str, str]] = field(default_factory=dict)
    states: dict[str, _State] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    seen: dict[tuple[str, Target], ResultStatus] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def tell(self, kind: str, message: str, **more: Any) -> None:
        self.on_event(Event(kind, message, **more))

    # -- waves -----------------------------------------------------------------------

    def run(self) -> Outcome:
        self._remember()
        interrupted = False
        for number, wave in enumerate(self.plan.waves, 1):
            if self.stopping():
                interrupted = True
                break
            names = ", ".join(dict.fromkeys(step.part for step in wave))
            self.tell("wave", f"wave {number} of {len(self.plan.waves)}: {names}")
            interrupted = self._wave(wave)
            if self.failures or interrupted:
                break
        restored = self._restore() if self.failures else ()
        changed = dict.fromkeys(self.touched)
        green = not self.failures and not interrupted
        left = () if green else tuple(n for n in changed if n not in restored)
        return Outcome(
            tuple(self.failures), interrupted, tuple(self.done), restored, left
        )

    def _wave(self, wave: Sequence[Step]) -> bool:
        """Run the steps of a wave together; True when interrupted."""
        running: list[tuple[str, Steps, Operation | None]] = [
            (step.stack_set, self._step(step), None) for step in wave
        ]
        wait = self.poll_seconds[0]
        interrupted = False
        while running:
            interrupted = interrupted or self.stopping()
            still: list[tuple[str, Steps, Operation | None]] = []
            for name, steps, operation in running:
                going = self._advance(name, steps, operation, halt=interrupted)
                if going:
                    still.append((name, steps, going))
            moved = len(still) < len(running)
            running = still
            if running:
                wait = (
                    self.poll_seconds[0]
                    if moved
                    else min(wait * 1.3, self.poll_seconds[1])
                )
                self.sleep(wait * random.uniform(0.8, 1.2))
        return interrupted

    def _advance(
        self, name: str, steps: Steps, operation: Operation | None, *, halt: bool
    ) -> Operation | None:
        """Look after one step: the operation it now waits for, None when it ended."""
        if operation:
            operation = self.sets.operation(name, operation.id)
            self._show_results(name, operation)
            if not operation.ended:
                return operation
            if not operation.green:
                self._collect(operation)
                return None
        if halt:
            return None
        try:
            return next(steps)
        except StopIteration:
            return None
        except Unreachable:
            raise
        except (AwsError, RolloutError) as error:
            self._fail(Failure(name, None, str(error)))
            return None

    def _show_results(self, name: str, operation: Operation) -> None:
        for result in self.sets.results(name, operation.id):
            key = (operation.id, result.target)
            if self.seen.get(key) != result.status:
                self.seen[key] = result.status
                # Why it failed is told once, with the resource behind it.
                failed = result.status is ResultStatus.FAILED
                self.tell(
                    "target",
                    "" if failed else result.reason,
                    stack_set=name,
                    target=result.target,
                    status=str(result.status),
                )

    # -- steps -----------------------------------------------------------------------

    def _step(self, step: Step) -> Steps:
        """Run one step, giving each operation to wait for."""
        values = self._values(step)
        if step.conditional and not self._differs(step, values):
            self.tell("skipped", "nothing changes", stack_set=step.stack_set)
            return
        self._snapshot(step.stack_set)
        self.touched.append(step.stack_set)
        words = f"{str(step.action).lower()}: {'; '.join(step.reasons)}"
        self.tell("start", words, stack_set=step.stack_set)
        if step.action is Action.DELETE:
            yield from self._delete(step)
        elif step.action is Action.CREATE:
            yield from self._create(step, values)
        else:
            yield from self._update(step, values)
        if step.action is not Action.DELETE:
            self._green(step)
        if step.stack_set not in self.done:
            self.done.append(step.stack_set)
        self.tell("done", "green", stack_set=step.stack_set)

    def _create(self, step: Step, values: Mapping[str, str]) -> Steps:
        name = step.stack_set
        s = self.plan.system.part(step.part)
        if step.first and name not in self.plan.observed:
            self.sets.create(name, self._definition(s, values))
        elif step.first:
            definition = self._definition(s, values)
            yield self._start(self.sets.update, name, definition, None, {})
        if step.first:
            self.states[name] = _State(s.template, dict(values), {})
        state = self.states[name]
        base = plan.complete(state.parameters, state.template)
        overrides = {
            k: v for k, v in values.items() if k in step.varying or base.get(k) != v
        }
        for targets in stacksets.rectangles(step.targets):
            yield self._start(
                self.sets.create_instances,
                name,
                targets,
                overrides,
                self._preferences(targets),
            )
        state.overrides.update({t: dict(overrides) for t in step.targets})

    def _update(self, step: Step, values: Mapping[str, str]) -> Steps:
        name = step.stack_set
        s = self.plan.system.part(step.part)
        state = self.states[name]
        overrides = {k: v for k, v in values.items() if k in step.varying}
        if not self._redefines(s, step, state, values):
            # Only what differs between targets changes (or an instance is repaired):
            # the definition stays, and with it every other instance.
            yield from self._override(step, overrides)
            return
        definition = self._definition(s, values)
        everywhere = set(step.targets) == set(state.overrides)
        groups: list[list[Target] | None] = [
            *([None] if everywhere else stacksets.rectangles(step.targets))
        ]
        for targets in groups:
            yield self._define(name, definition, targets)
        state.template, state.parameters = s.template, dict(values)
        stale = any(
            {**values, **state.overrides[t]} != {**values, **overrides}
            or not set(step.varying) <= set(state.overrides[t])
            for t in step.targets
        )
        if stale:
            yield from self._override(step, overrides)
        if step.settle and not everywhere:
            yield self._define(name, definition, None)

    def _define(
        self, name: str, definition: Definition, targets: list[Target] | None
    ) -> Operation:
        where = list(targets) if targets else list(self.states[name].overrides)
        preferences = self._preferences(where)
        return self._start(self.sets.update, name, definition, targets, preferences)

    def _override(self, step: Step, overrides: Mapping[str, str]) -> Steps:
        for targets in stacksets.rectangles(step.targets):
            yield self._start(
                self.sets.override,
                step.stack_set,
                targets,
                overrides,
                self._preferences(targets),
            )
        state = self.states[step.stack_set]
        state.overrides.update({t: dict(overrides) for t in step.targets})

    def _delete(self, step: Step) -> Steps:
        name = step.stack_set
        for targets in stacksets.rectangles(step.targets):
            yield self._start(
                self.sets.delete_instances,
                name,
                targets,
                self._preferences(targets, backwards=True),
            )
        if step.drop:
            self.sets.delete(name)

    def _redefines(
        self, s: StackSet, step: Step, state: _State, values: Mapping[str, str]
    ) -> bool:
        """Whether the stack set's own definition changes, not only overrides."""
        found = self.plan.observed[s.name]
        base = plan.complete(state.parameters, state.template)
        return (
            not diff.same(state.template, s.template)
            or any(found.tags.get(k) != v for k, v in s.tags.items())
            or any(k not in s.tags and not k.startswith("tapgen:") for k in found.tags)
            or any(
                k not in step.varying and base.get(k) not in (v, stacksets.HIDDEN)
                for k, v in values.items()
            )
        )

    def _definition(self, s: StackSet, values: Mapping[str, str]) -> Definition:
        system = self.plan.system
        return Definition(
            template=s.template,
            parameters=dict(values),
            capabilities=s.capabilities,
            tags={**s.tags, **ownership(system, s.part)},
            description=f"{system.name} ({system.suffix}): {s.part}; made by tapgen",
            administration_role=administration_role(self.sets, system),
            execution_role=system.execution_role,
        )

    def _preferences(
        self, targets: Iterable[Target], *, backwards: bool = False
    ) -> dict[str, Any]:
        rollout = self.plan.system.rollout
        regions = list(dict.fromkeys(t.region for t in targets))
        return stacksets.preferences(rollout.preferences, regions, backwards=backwards)

    # -- values ----------------------------------------------------------------------

    def _remember(self) -> None:
        """Take over what the plan saw: definitions, overrides, outputs."""
        parts = {s.name: s.part for s in self.plan.system.stack_sets}
        for name, found in self.plan.observed.items():
            overrides = {t: dict(i.overrides) for t, i in found.instances.items()}
            self.states[name] = _State(
                found.template, dict(found.parameters), overrides
            )
            for target, instance in found.instances.items():
                if name in parts and instance.outputs is not None:
                    self.outputs[parts[name], target] = instance.outputs

    def _values(self, step: Step) -> dict[str, str]:
        """A step's values, with what earlier steps put out filled in."""
        return {
            name: self._read(value) if isinstance(value, Reference) else value
            for name, value in step.values.items()
        }

    def _read(self, reference: Reference) -> str:
        found = []
        for source in reference.sources:
            outputs = self.outputs.get((reference.part, source))
            if outputs is None or reference.output not in outputs:
                has = ", ".join(sorted(outputs or ())) or "no readable outputs"
                raise RolloutError(
                    f"output {reference} of {source} is missing (its stack has {has}); "
                    "check that tapgen bootstrap ran for that account"
                )
            found.append(outputs[reference.output])
        return ",".join(found)

    def _differs(self, step: Step, values: Mapping[str, str]) -> bool:
        state = self.states[step.stack_set]
        return any(
            {
                **plan.complete(state.parameters, state.template),
                **state.overrides[t],
            }.get(k)
            != v
            for t in step.targets
            for k, v in values.items()
        )

    def _green(self, step: Step) -> None:
        """Check that the step's targets are CURRENT, and take their outputs."""
        instances = self.sets.instances(step.stack_set)
        for target in step.targets:
            instance = instances.get(target)
            if instance is None or instance.status is not InstanceStatus.CURRENT:
                status = instance.status if instance else "missing"
                why = (instance.reason if instance else None) or "no reason given"
                raise RolloutError(f"{target} is {status}, not CURRENT: {why}")
            self.outputs[step.part, target] = instance.outputs or {}

    # -- operations ------------------------------------------------------------------

    def _start(self, call: Callable[..., None], name: str, *args: Any) -> Operation:
        """Start an operation under an id that a second try would use again.

        An id that is taken belongs to an earlier run of this very plan: if that
        operation still runs it is ours to wait for, else the next id is tried. While
        another operation holds the stack set, it is waited out.
        """
        number = self.numbers[name] = self.numbers.get(name, 0) + 1
        waited = 0.0
        attempt = 1
        while True:
            id = operation_id(self.plan, name, number, attempt)
            try:
                call(name, *args, operation_id=id)
                return self.sets.operation(name, id)
            except Busy as error:
                if waited >= BUSY_SECONDS:
                    raise
                if not waited:
                    self.tell("waiting", error.message, stack_set=name)
                self.sleep(self.poll_seconds[1])
                waited += self.poll_seconds[1]
            except AwsError as error:
                if error.code == "OperationIdAlreadyExistsException":
                    earlier = self.sets.operation(name, id)
                    if not earlier.ended:
                        return earlier
                elif error.code != "StaleRequestException":
                    raise
                attempt += 1

    def _collect(self, operation: Operation) -> None:
        """Turn a failed operation into its causes; cancelled targets are none."""
        name = operation.stack_set
        failed = [
            r
            for r in self.sets.results(name, operation.id)
            if r.status is ResultStatus.FAILED
        ]
        for result in failed:
            self._fail(self._explain(name, result))
        if not failed:
            reason = operation.reason or "no target tells why"
            self._fail(Failure(name, None, f"operation {operation.status}: {reason}"))

    def _explain(self, name: str, result: Result) -> Failure:
        found = self.sets.failure(name, result)
        if not found:
            return Failure(name, result.target, result.reason or "no reason given")
        return Failure(name, result.target, found.reason, found.logical_id, found.type)

    def _fail(self, failure: Failure) -> None:
        self.failures.append(failure)
        self.tell(
            "failed", str(failure), stack_set=failure.stack_set, target=failure.target
        )

    # -- the way back ----------------------------------------------------------------

    def _snapshot(self, name: str) -> None:
        """Store the last good definition of a stack set before it is changed."""
        found = self.plan.observed.get(name)
        if found and name not in self.touched and snapshot.is_good(found):
            place = snapshot.key(self.plan.system, name)
            self.sets.store.put(place, snapshot.dump(found))

    def _last_good(self, name: str) -> Observed | None:
        found = self.plan.observed.get(name)
        if found is None or snapshot.is_good(found):
            return found
        body = self.sets.store.get(snapshot.key(self.plan.system, name))
        return snapshot.load(body) if body else None

    def _restore(self) -> tuple[str, ...]:
        """Put back the last good definitions, newest change first.

        Stack sets that this rollout made stay, so that the next one goes on there.
        """
        if self.plan.system.rollout.on_failure != "rollback":
            return ()
        restored = []
        deleted = {s.stack_set for s in self.plan.steps if s.action is Action.DELETE}
        for name in dict.fromkeys(reversed(self.touched)):
            good = None if name in deleted else self._last_good(name)
            if good is None:
                continue
            self.tell("restoring", "putting back the last good version", stack_set=name)
            if self._restored(good):
                restored.append(name)
                self.tell("restored", "as it was", stack_set=name)
        return tuple(restored)

    def _restored(self, good: Observed) -> bool:
        before = len(self.failures)
        steps = self._put_back(good)
        operation: Operation | None = None
        while True:
            operation = self._advance(good.name, steps, operation, halt=False)
            if operation is None:
                return len(self.failures) == before
            self.sleep(self.poll_seconds[0])

    def _put_back(self, good: Observed) -> Steps:
        name = good.name
        definition = Definition(
            template=good.template,
            parameters=dict(good.parameters),
            capabilities=good.capabilities,
            tags=good.tags,
            description=good.description,
            administration_role=good.administration_role,
            execution_role=good.execution_role,
        )
        yield self._define(name, definition, None)
        now = self.sets.instances(name)
        for target, instance in good.instances.items():
            found = now.get(target)
            if found and dict(found.overrides) != dict(instance.overrides):
                yield self._start(
                    self.sets.override,
                    name,
                    [target],
                    instance.overrides,
                    self._preferences([target]),
                )


def run(
    made: Plan,
    sets: StackSets,
    on_event: Callable[[Event], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
    poll_seconds: tuple[float, float] = (2.0, 15.0),
) -> Outcome:
    """Run a plan to its end, to its first failure, or until `stopping()` says so.

    What is in flight is always waited for. After a failure the last good definitions
    are restored, unless the system's `on_failure` says `stop`. `poll_seconds` are the
    shortest and longest pause between two looks at AWS.

    Raises RolloutError when AWS has changed since the plan was made, or cannot be
    reached any more; what was started then goes on by itself.
    """
    _unchanged(made, sets)
    life = _Run(made, sets, on_event, sleep, stopping, poll_seconds)
    try:
        return life.run()
    except Unreachable as error:
        begun = ", ".join(dict.fromkeys(life.touched)) or "nothing"
        raise RolloutError(
            f"lost AWS while rolling out ({error}); begun: {begun}; operations that "
            "were started go on by themselves: look with tapgen status, then run "
            "tapgen rollout again, which goes on from what it finds"
        ) from error


def ownership(system: System, part: str) -> dict[str, str]:
    """The tags by which tapgen knows its own stack sets."""
    return {
        "tapgen:system": system.name,
        "tapgen:suffix": system.suffix,
        "tapgen:part": part,
    }


def observe(system: System, sets: StackSets) -> dict[str, Observed]:
    """The system's stack sets as they are, and those it made and no longer has."""
    wanted = {s.name for s in system.stack_sets}
    found = sets.observe(sorted({*wanted, *sets.names(f"{system.prefix}-")}))
    mine = ownership(system, "")
    return {
        name: o
        for name, o in found.items()
        if name in wanted
        or all(o.tags.get(k) == v for k, v in mine.items() if k != "tapgen:part")
    }


def administration_role(sets: StackSets, system: System) -> str:
    """ARN of the administration role, to be repeated on every update."""
    partition = sets.aws.session.get_partition_for_region(system.admin.region)
    return (
        f"arn:{partition}:iam::{system.admin.account}:role/{system.administration_role}"
    )


def operation_id(made: Plan, name: str, number: int, attempt: int) -> str:
    """Name an operation so that asking twice starts it once.

    At most 128 letters, digits and hyphens (API reference, OperationId).
    """
    plan_id = made.digest.partition(":")[2][:12]
    return f"tapgen-{plan_id}-{name}"[:110] + f"-{number}-{attempt}"


def _unchanged(made: Plan, sets: StackSets) -> None:
    """Refuse when what the plan saw is not there any more."""
    names = {step.stack_set for step in made.steps}
    now = sets.observe(sorted(names))
    for name in sorted(names):
        before, after = made.observed.get(name), now.get(name)
        if _facts(before) != _facts(after):
            raise RolloutError(
                f"{name} has changed since the plan was made; plan again"
            )


def _facts(found: Observed | None) -> Any:
    if found is None:
        return None
    instances = {
        t: (i.status, dict(i.overrides), i.stack_id) for t, i in found.instances.items()
    }
    return found.template, dict(found.parameters), dict(found.tags), instances
