"""Run a plan wave by wave, and put back what was there when a wave fails.

Obeys the plan and nothing else. Progress is told by calling `on_event`; time comes
in as `sleep`. One poller watches all running operations.

Values: a step sends its own targets' values as stack-set parameters, one call for
each distinct set of values, and writes those that differ between targets as overrides
afterwards, so that no target runs another's value (`UpdateStackSet` gives the new
parameters to the instances it is told to update, and leaves overrides alone). Where an override of before stands between a target and a new value,
it is taken away first, while the stack set says for that target what the override said:
so a new template never meets an old value, nor an old template a new one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from tapgen.aws import stacksets
from tapgen.aws.stacksets import Definition, Operation, Result, StackSets
from tapgen.errors import AwsError, Busy, RolloutError, Unreachable
from tapgen.model import (
    HIDDEN,
    Action,
    InstanceDetailedStatus,
    InstanceStatus,
    Observed,
    ObservedInstance,
    PermissionModel,
    ResultStatus,
    StackSet,
    Target,
)
from tapgen.plan import Plan, Reference, Step
from tapgen.rollout import snapshot, uploads
from tapgen.system import ownership, units
from tapgen.template import diff
from tapgen.template.parameters import complete, parameters_of

BUSY_SECONDS = 3600
"""How long a rollout waits for an operation that is not its own."""

MISSES = 5
"""How many looks at AWS in a row may fail before a rollout gives up looking."""

LOOKS = 30
"""How often instances are read again until they are CURRENT: lists are eventually
consistent (API reference, ListStackInstances)."""

ATTEMPTS = 20
"""How many operation ids are tried before something is badly wrong."""


@dataclass(frozen=True)
class Event:
    """One thing that happened; `kind` is one of the words below.

    upload, wave, start, target, done, skipped, failed, waiting, restoring, restored, stopping
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
    unsettled: Definition | None = None  # written, but not to every instance
    # What single targets were last made of, where that is known: template, parameters.
    made_of: dict[Target, tuple[str, Mapping[str, str]]] = field(default_factory=dict)


# What a step yields: an operation to wait for, or None while it cannot start one yet.
Steps = Generator[Operation | None, None, None]


@dataclass
class _Running:
    """A step in a wave, with the operation it waits for."""

    name: str
    steps: Steps
    operation: Operation | None = None
    over: bool = False


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
    dropped: set[str] = field(default_factory=set)
    misses: int = 0

    def tell(self, kind: str, message: str, **more: Any) -> None:
        self.on_event(Event(kind, message, **more))

    # -- waves -----------------------------------------------------------------------

    def run(self) -> Outcome:
        self._remember()
        interrupted = False
        for number, wave in enumerate(self.plan.waves, 1):
            names = ", ".join(dict.fromkeys(step.part for step in wave))
            self.tell("wave", f"wave {number} of {len(self.plan.waves)}: {names}")
            steps = [_Running(step.stack_set, self._step(step)) for step in wave]
            interrupted = self._together(steps)
            if self.failures or interrupted:
                break
        else:
            interrupted = self._settle()
        green = not self.failures and not interrupted
        restored = self._restore() if self.failures else ()
        if green:
            self._note_good()
        return Outcome(
            tuple(self.failures),
            interrupted,
            tuple(self.done),
            restored,
            () if green else self._left(restored),
        )

    def _settle(self) -> bool:
        """Bring every instance of the stack sets whose definition changed up to date:
        writing a definition marks all instances OUTDATED, also those left alone."""
        names = [n for n in dict.fromkeys(self.touched) if n not in self.dropped]
        waiting = [n for n in names if self.states[n].unsettled]
        if waiting:
            self.tell("wave", f"settling: {', '.join(waiting)}")
        return self._together([_Running(n, self._settled(n)) for n in waiting])

    def _settled(self, name: str) -> Steps:
        definition = self.states[name].unsettled
        assert definition
        yield from self._define(name, definition, None)
        self.states[name].parameters = {
            k: v for k, v in definition.parameters.items() if v is not None
        }
        asleep = {target for of, target in self.plan.asleep if of == name}
        awake = [t for t in self.states[name].overrides if t not in asleep]
        self._await_current(name, awake)

    def _left(self, restored: tuple[str, ...]) -> tuple[str, ...]:
        """What was changed and not put back; of what was put back, what has targets
        that were not there before."""
        left = []
        for name in dict.fromkeys(self.touched):
            before = self.plan.observed.get(name)
            now = set(self.states[name].overrides) if name in self.states else set()
            grown = before is None or bool(now - set(before.instances))
            if name not in restored or grown:
                left.append(name)
        return tuple(left)

    def _together(self, steps: Sequence[_Running]) -> bool:
        """Run steps side by side; True when interrupted before all were through."""
        running = list(steps)
        wait = self.poll_seconds[0]
        while running:
            for step in running:
                self._advance(step)
            moved = any(step.over for step in running)
            running = [step for step in running if not step.over]
            if running:
                longer = min(wait * 1.3, self.poll_seconds[1])
                wait = self.poll_seconds[0] if moved else longer
                self.sleep(wait * random.uniform(0.8, 1.2))
        return self.stopping()

    def _advance(self, step: _Running) -> None:
        """Look after one step: follow its operation, then let it go on."""
        if step.operation and not self._ended(step):
            return
        if step.over or self.stopping():
            step.over = True
            return
        try:
            step.operation = next(step.steps)
        except StopIteration:
            step.over = True
        except Unreachable:
            raise
        except (AwsError, RolloutError) as error:
            self._fail(Failure(step.name, None, str(error)))
            step.over = True

    def _ended(self, step: _Running) -> bool:
        """Whether the step's operation has ended; a look that fails is no answer."""
        assert step.operation
        try:
            step.operation = self.sets.operation(step.name, step.operation.id)
            self._show_results(step.name, step.operation)
        except AwsError:
            self.misses += 1
            if self.misses > MISSES:
                raise
            return False
        self.misses = 0
        if not step.operation.ended:
            return False
        if not step.operation.green:
            self._collect(step.operation)
            step.over = True
        return True

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
        own = self._own_values(s, step, values)
        definition = self._definition(s, own)
        if step.first and name not in self.plan.observed:
            self.sets.create(name, definition)
            self.states[name] = _State(s.template, own, {})
        elif step.first:
            yield from self._define(name, definition, None)
            self.states[name] = _State(s.template, own, {})
        state = self.states[name]
        base = complete(state.parameters, state.template)
        overrides = {
            k: v for k, v in values.items() if k in step.varying or base.get(k) != v
        }
        for targets in stacksets.rectangles(step.targets):
            state.overrides.update({t: dict(overrides) for t in targets})
            yield from self._start(
                self.sets.create_instances,
                name,
                targets,
                overrides,
                self._preferences(targets),
            )

    def _update(self, step: Step, values: Mapping[str, str]) -> Steps:
        name = step.stack_set
        s = self.plan.system.part(step.part)
        state = self.states[name]
        overrides = {k: v for k, v in values.items() if k in step.varying}
        if not step.redefine and not self._redefines(step, state, values):
            # Only what differs between targets changes (or an instance is repaired):
            # the definition stays, and with it every other instance.
            yield from self._override(step, overrides)
            return
        definition = self._definition(s, values)
        everywhere = set(step.targets) == set(state.overrides)
        # Not before every target has overrides: it must not run these values.
        own = self._own_values(s, step, values)
        settled = everywhere and own == values
        state.unsettled = None if settled else self._definition(s, own)
        yield from self._uncover(name, step.targets, definition)
        if everywhere:
            yield from self._define(name, definition, None)
        else:
            for targets in stacksets.rectangles(step.targets):
                yield from self._define(name, definition, targets)
        state.template, state.parameters = s.template, dict(values)
        made = s.template, dict(values)
        state.made_of.update({target: made for target in step.targets})
        stale = any(
            {**values, **state.overrides[t]} != {**values, **overrides}
            or not set(step.varying) <= set(state.overrides[t])
            for t in step.targets
        )
        if stale:
            yield from self._override(step, overrides)

    def _uncover(
        self, name: str, targets: Iterable[Target], definition: Definition
    ) -> Steps:
        """Take away the overrides of targets that would outlive a new definition, as
        `UpdateStackSet` leaves them alone. No stack changes: what an override said, the
        stack set says for its targets, by the template that they have."""
        state = self.states[name]
        wanted = complete(definition.parameters, definition.template)
        alike: dict[tuple[str, str], list[Target]] = {}
        for target in targets:
            had = state.overrides.get(target, {})
            stale = any(v not in (wanted.get(k), HIDDEN) for k, v in had.items())
            if stale and target in state.made_of:
                template, values = state.made_of[target]
                key = template, repr(sorted({**values, **had}.items()))
                alike.setdefault(key, []).append(target)
        for group in alike.values():
            had = state.overrides[group[0]]
            was = self._as_it_is(name, definition, *state.made_of[group[0]], had)
            if (was.template, was.parameters) != (state.template, state.parameters):
                for rectangle in stacksets.rectangles(group):
                    yield from self._define(name, was, rectangle)
                state.template = was.template
                state.parameters = {k: str(v) for k, v in was.parameters.items()}
            stale_names = {
                k for k, v in had.items() if v not in (wanted.get(k), HIDDEN)
            }
            kept = {k: v for k, v in had.items() if k not in stale_names}
            yield from self._give_overrides(name, group, kept)

    def _as_it_is(
        self,
        name: str,
        definition: Definition,
        template: str,
        parameters: Mapping[str, str],
        had: Mapping[str, str],
    ) -> Definition:
        """A definition that changes nothing for a target of this template, with these
        parameters and overrides, and that goes on saying so without the latter."""
        found = self.plan.observed.get(name)
        values = {**complete(parameters, template), **had}
        declared = parameters_of(template)
        return replace(
            definition,
            template=template,
            parameters={k: v for k, v in values.items() if k in declared},
            capabilities=sorted(
                {*definition.capabilities, *(found.capabilities if found else ())}
            ),
        )

    def _own_values(
        self, s: StackSet, step: Step, values: Mapping[str, str]
    ) -> dict[str, str]:
        """The values the stack set itself is to have in the end."""
        defaults = complete({}, s.template)
        return units.own_values(s, values, step.varying, defaults)

    def _define(
        self, name: str, definition: Definition, targets: list[Target] | None
    ) -> Steps:
        where = list(targets) if targets else list(self.states[name].overrides)
        preferences = self._preferences(where)
        yield from self._start(self.sets.update, name, definition, targets, preferences)

    def _override(self, step: Step, overrides: Mapping[str, str]) -> Steps:
        yield from self._give_overrides(step.stack_set, step.targets, overrides)

    def _give_overrides(
        self, name: str, targets: Iterable[Target], overrides: Mapping[str, str]
    ) -> Steps:
        """Give targets exactly these overrides."""
        given = list(targets)
        there = [t for t in given if not t.joins_later]
        for rectangle in stacksets.rectangles(there):
            yield from self._start(
                self.sets.override,
                name,
                rectangle,
                overrides,
                self._preferences(rectangle),
            )
        self.states[name].overrides.update({t: dict(overrides) for t in given})

    def _delete(self, step: Step) -> Steps:
        name = step.stack_set
        if step.drop:
            self.dropped.add(name)
        # With the stack set goes what waits for accounts: there is no stack to delete.
        there = [t for t in step.targets if not (step.drop and t.joins_later)]
        for targets in stacksets.rectangles(there):
            yield from self._start(
                self.sets.delete_instances,
                name,
                targets,
                self._preferences(targets, backwards=True),
                whole=step.whole,
            )
            for target in targets:
                self.states[name].overrides.pop(target, None)
        if any(t.unit for t in there):
            self._await_gone(name, [t for t in there if not t.joins_later])
        if step.drop:
            self.sets.delete(name)

    def _await_gone(self, name: str, targets: Sequence[Target]) -> None:
        """Raise for accounts in which nothing was deleted: an operation succeeds without
        a word about those that are suspended, or have left the organization."""
        for _ in range(LOOKS):
            there = self.sets.listed(name)
            left = [target for target in targets if target in there]
            if not left:
                return
            self.sleep(self.poll_seconds[0])
        accounts = " ".join(dict.fromkeys(t.account for t in left))
        regions = " ".join(dict.fromkeys(t.region for t in left))
        raise RolloutError(
            f"{', '.join(map(str, left))} is still there: an account that is suspended or "
            "has left the organization cannot be reached; let go of its stack with aws "
            f"cloudformation delete-stack-instances --stack-set-name {name} "
            "--deployment-targets OrganizationalUnitIds=<root>,AccountFilterType="
            f"INTERSECTION,Accounts={accounts.replace(' ', ',')} --regions {regions} "
            "--retain-stacks"
        )

    def _redefines(self, step: Step, state: _State, values: Mapping[str, str]) -> bool:
        """Whether a value changes that all targets share."""
        base = complete(state.parameters, state.template)
        return any(
            k not in step.varying and base.get(k) not in (v, HIDDEN)
            for k, v in values.items()
        )

    def _definition(self, s: StackSet, values: Mapping[str, str]) -> Definition:
        system, managed = self.plan.system, s.service_managed
        return Definition(
            template=s.template,
            parameters=dict(values),
            capabilities=s.capabilities,
            tags={**s.tags, **ownership.ownership_tags(system, s.part)},
            description=f"{system.name} ({system.suffix}): {s.part}; made by tapgen",
            administration_role=(
                None if managed else ownership.administration_role(system)
            ),
            execution_role=None if managed else system.execution_role,
            permission_model=s.permission_model,
            auto_deployment=managed.auto_deployment if managed else None,
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
                found.template,
                dict(found.parameters),
                overrides,
                made_of={
                    target: (found.template, found.parameters)
                    for target, instance in found.instances.items()
                    if instance.status is InstanceStatus.CURRENT
                },
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
        base = complete(state.parameters, state.template)
        return any(
            {**base, **state.overrides[t]}.get(k) not in (v, HIDDEN)
            for t in step.targets
            for k, v in values.items()
        )

    def _await_current(self, name: str, targets: Sequence[Target]) -> Any:
        """The instances once all targets are CURRENT; raises when they do not become
        that. Where stacks follow accounts, one that has left is no failure, nor is one
        that has joined a unit which waited for it."""
        for _ in range(LOOKS):
            instances = self.sets.listed(name, any(t.joins_later for t in targets))
            reached = {(t.unit, t.region) for t in instances}
            wrong = [
                t
                for t in targets
                if (
                    instances[t].status is not InstanceStatus.CURRENT
                    if t in instances
                    else not (t.joins_later and (t.unit, t.region) in reached)
                )
            ]
            if not wrong:
                return instances
            self.sleep(self.poll_seconds[0])
        if self._follows(name) and not any(t in instances for t in wrong):
            return instances
        instance = instances.get(wrong[0])
        status = instance.status if instance else "missing"
        why = (instance.reason if instance else None) or "no reason given"
        raise RolloutError(f"{wrong[0]} is {status}, not CURRENT: {why}")

    def _follows(self, name: str) -> bool:
        wanted = {s.name: s for s in self.plan.system.stack_sets}
        return name in wanted and units.follows(wanted[name])

    def _green(self, step: Step) -> None:
        """Check that the step's targets are CURRENT, and take their outputs."""
        instances = self._await_current(step.stack_set, step.targets)
        if '"Outputs"' not in self.plan.system.part(step.part).template:
            return

        def look(target: Target) -> Mapping[str, str]:
            return self.sets.outputs(target, instances[target].stack_id) or {}

        there = [t for t in step.targets if t in instances]
        with ThreadPoolExecutor(8) as pool:
            for target, found in zip(there, pool.map(look, there), strict=True):
                self.outputs[step.part, target] = found

    # -- operations ------------------------------------------------------------------

    def _start(
        self, call: Callable[..., None], name: str, *args: Any, **more: Any
    ) -> Steps:
        """Start an operation under an id that a second try would use again, and yield
        it; yield None while another operation holds the stack set.

        An id that is taken belongs to an earlier run of this very plan: if that
        operation still runs it is ours to wait for, else the next id is tried.
        """
        number = self.numbers[name] = self.numbers.get(name, 0) + 1
        waited = 0.0
        attempt = 1
        while True:
            id = operation_id(self.plan, name, number, attempt)
            try:
                call(name, *args, operation_id=id, **more)
                yield self.sets.operation(name, id)
                return
            except Busy as error:
                if waited >= BUSY_SECONDS:
                    raise
                if not waited:
                    self.tell("waiting", error.message, stack_set=name)
                waited += self.poll_seconds[0]
            except AwsError as error:
                taken = error.code == "OperationIdAlreadyExistsException"
                if not taken and error.code != "StaleRequestException":
                    raise
                if attempt >= ATTEMPTS:
                    raise
                earlier = self.sets.operation(name, id) if taken else None
                if earlier and not earlier.ended:
                    yield earlier
                    return
                attempt += 1
            yield None

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
            self._store(found)

    def _note_good(self) -> None:
        """Store what is good now, so that it is known also when the next rollout finds
        something else."""
        for name in dict.fromkeys(self.touched):
            found = None if name in self.dropped else self.sets.describe(name)
            if found and snapshot.is_good(found):
                self._store(found)

    def _store(self, found: Observed) -> None:
        place = snapshot.key(self.plan.system, found.name)
        self.sets.store.put(place, snapshot.dump(found))

    def _last_good(self, name: str) -> Observed | None:
        """The definition to go back to; one of an earlier stack set of the same name
        is none."""
        found = self.plan.observed.get(name)
        if found is None or snapshot.is_good(found):
            return found
        body = self.sets.store.get(snapshot.key(self.plan.system, name))
        stored = snapshot.load(body) if body else None
        return stored if stored and stored.id == found.id else None

    def _restore(self) -> tuple[str, ...]:
        """Put back the last good definitions, newest change first.

        Stack sets and instances that this rollout made stay, so that the next one goes
        on there.
        """
        if self.plan.system.rollout.on_failure != "rollback":
            return ()
        restored = []
        for name in dict.fromkeys(reversed(self.touched)):
            good = None if name in self.dropped else self._last_good(name)
            if good is None:
                continue
            self.tell("restoring", "putting back the last good version", stack_set=name)
            before = len(self.failures)
            self._together([_Running(name, self._put_back(good))])
            if len(self.failures) == before and not self.stopping():
                restored.append(name)
                self.tell("restored", self._as_it_was(good), stack_set=name)
        return tuple(restored)

    def _as_it_was(self, good: Observed) -> str:
        """What was put back: with which new resources, and without what AWS changes for
        all instances at once only, while there are some that this rollout made."""
        replaced = {
            change.logical_id
            for step in self.plan.steps
            if step.stack_set == good.name
            for changes in step.changes.values()
            for change in changes
            if change.verdict is diff.Verdict.REPLACES
        }
        if replaced:
            return (
                f"as it was, but perhaps with other resources ({_few(replaced)}): "
                "replacing them back makes new ones, which the next rollout tells to "
                "those that refer to them"
            )
        wanted = {s.name: s.service_managed for s in self.plan.system.stack_sets}
        managed = wanted.get(good.name)
        grown = set(self.states[good.name].overrides) - set(good.instances)
        if not grown or not managed or managed.auto_deployment == good.auto_deployment:
            return "as it was"
        now = "on" if managed.auto_deployment.enabled else "off"
        return (
            f"as it was, but automatic deployment, which may be {now} now: it changes "
            "with all instances at once only, and those that are new stay"
        )

    def _put_back(self, good: Observed) -> Steps:
        name = good.name
        in_units = good.permission_model is PermissionModel.SERVICE_MANAGED
        definition = Definition(
            template=good.template,
            parameters=dict(good.parameters),
            capabilities=good.capabilities,
            tags=good.tags,
            description=good.description,
            administration_role=good.administration_role,
            execution_role=good.execution_role,
            permission_model=good.permission_model,
            auto_deployment=good.auto_deployment if in_units else None,
        )
        now = self.sets.instances(name)
        # An account may have moved to another unit since it was deployed to.
        wanted_now = {
            t: t
            for s in self.plan.system.stack_sets
            if s.name == name
            for t in s.targets
        }
        known = [wanted_now.get(t, t) for t in now if t in good.instances]
        moved: dict[str, list[Target]] = {}
        for target in known:
            wanted = good.instances[target].overrides
            if dict(now[target].overrides) != dict(wanted):
                moved.setdefault(repr(sorted(wanted.items())), []).append(target)
        for group in moved.values():
            yield from self._bring_back(good, definition, group, now)
        groups = [None] if len(known) == len(now) else stacksets.rectangles(known)
        for targets in groups:
            yield from self._define(name, definition, targets)
        self._await_current(name, known)

    def _bring_back(
        self,
        good: Observed,
        definition: Definition,
        group: Sequence[Target],
        now: Mapping[Target, ObservedInstance],
    ) -> Steps:
        """Targets that had the same overrides, which they no longer have: their own
        values with their own template, and their overrides after that."""
        name = good.name
        overrides = good.instances[group[0]].overrides
        own = replace(definition, parameters={**good.parameters, **overrides})
        found = self.sets.describe(name)
        if found:
            self.states[name] = _State(
                found.template,
                dict(found.parameters),
                {t: dict(i.overrides) for t, i in now.items()},
                made_of=self.states[name].made_of,
            )
        # What failed has what it had, whatever its overrides say: it is not touched.
        fine = InstanceDetailedStatus.SUCCEEDED
        whole = [t for t in group if now[t].detailed_status is fine]
        yield from self._uncover(name, whole, own)
        for rectangle in stacksets.rectangles(group):
            yield from self._define(name, own, rectangle)
        yield from self._give_overrides(name, group, overrides)


def _few(names: Iterable[str]) -> str:
    first, *others = sorted(names)
    return f"{first} and {len(others)} more" if others else first


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

    Raises RolloutError when AWS has changed since the plan was made, and Lost when it
    cannot be reached any more or a second interrupt leaves at once; what was started
    then goes on by itself.
    """
    _unchanged(made, sets)
    uploads.put(
        sets.aws, made.artifacts, lambda u: on_event(Event("upload", f"artifact {u}"))
    )
    life = _Run(made, sets, on_event, sleep, stopping, poll_seconds)
    try:
        return life.run()
    except AwsError as error:
        raise Lost(dict.fromkeys(life.touched), error) from error
    except KeyboardInterrupt:
        raise Lost(dict.fromkeys(life.touched), None) from None


class Lost(RolloutError):
    """A rollout was left while operations may run; `begun` are the stack sets."""

    def __init__(self, begun: Iterable[str], error: AwsError | None) -> None:
        self.begun = tuple(begun)
        self.interrupted = error is None
        why = f"lost AWS while rolling out ({error})" if error else "left at once"
        names = ", ".join(self.begun) or "nothing"
        super().__init__(
            f"{why}; begun: {names}; operations that were started go on by themselves: "
            "look with tapgen status, then run tapgen rollout again, which goes on from "
            "what it finds"
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
