"""Decide which operations lead from what is to what should be.

Pure: takes data, returns data. Whoever calls `make` has already read AWS.

Desired pairs (account, region) are held against observed pairs. What has to happen
to a stack set becomes steps, one for each distinct set of parameter values; steps
become waves, first by dependency, then by region order. Deleting comes last and
backwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tapgen import checks, diff, intrinsics, units
from tapgen.errors import PlanError
from tapgen.intrinsics import LATER, Evaluated
from tapgen.model import (
    HIDDEN,
    Action,
    InstanceStatus,
    Observed,
    Output,
    StackSet,
    System,
    Target,
    Upload,
    digest,
)


@dataclass(frozen=True)
class Reference:
    """A value that is known once earlier steps have run: outputs of these sources.

    `now` is what the sources say today, None where one of them is not there yet, or
    will say something else for certain.
    """

    part: str
    output: str
    sources: tuple[Target, ...]
    now: str | None = None

    def __str__(self) -> str:
        return f"{self.part}.{self.output}"


Value = str | Reference
# Target -> the outputs that may have another value, and whether that is certain.
_Touched = Mapping[Target, Mapping[str, bool]]


@dataclass(frozen=True)
class Step:
    """One stack set's work for targets that share one set of parameter values.

    `first` marks the step that writes the stack set itself before its instances;
    `redefine` one that changes what all its instances are made from. A `conditional`
    step runs only if a value it waits for turns out to differ.
    """

    stack_set: str
    part: str
    action: Action
    targets: tuple[Target, ...]
    values: Mapping[str, Value]
    reasons: tuple[str, ...]
    first: bool = False
    redefine: bool = False
    conditional: bool = False
    varying: frozenset[str] = frozenset()
    changes: Mapping[Target, tuple[diff.Resource, ...]] = field(default_factory=dict)
    drop: bool = False  # DELETE: the stack set itself goes too
    whole: bool = False  # DELETE: nothing stays of their units in their regions

    @property
    def references(self) -> tuple[Reference, ...]:
        """The values that are not known before the step starts."""
        return tuple(v for v in self.values.values() if isinstance(v, Reference))


@dataclass(frozen=True)
class Plan:
    """Waves of steps: a wave starts once the one before it is green."""

    system: System
    observed: Mapping[str, Observed]
    waves: tuple[tuple[Step, ...], ...]
    uploads: tuple[Upload, ...] = ()  # what is known not to be in its bucket yet

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for wave in self.waves for step in wave)

    def __bool__(self) -> bool:
        return bool(self.waves)

    @property
    def artifacts(self) -> tuple[Upload, ...]:
        """What the steps need in the buckets of their targets."""
        return tuple(
            Upload(artifact, target)
            for step in self.steps
            if step.action is not Action.DELETE
            for artifact in self.system.part(step.part).artifacts.values()
            for target in step.targets
        )

    @property
    def asleep(self) -> tuple[tuple[str, Target], ...]:
        """The instances that are left alone, as their accounts are suspended."""
        return tuple(
            (s.name, target)
            for s in self.system.stack_sets
            if s.name in self.observed
            for target in units.asleep(s, self.observed[s.name])
        )

    @property
    def not_comparable(self) -> tuple[str, ...]:
        """`part.parameter` of what is wanted and deployed with values that CloudFormation
        does not show (NoEcho): whether they changed nobody can tell. None of these where
        a plan only deletes."""
        if self.steps and all(s.action is Action.DELETE for s in self.steps):
            return ()
        return tuple(
            f"{s.part}.{name}"
            for s in self.system.stack_sets
            if (found := self.observed.get(s.name)) and found.instances
            for name in sorted({n for t in s.targets for n in s.values(t)})
            if any(found.values(t).get(name) == HIDDEN for t in found.instances)
        )

    def wave_of(self, reference: Reference) -> int | None:
        """Number, from 1, of the wave after which a value is known."""
        numbers = [
            number
            for number, wave in enumerate(self.waves, 1)
            for step in wave
            if step.part == reference.part and {*step.targets} & {*reference.sources}
        ]
        return max(numbers, default=None)

    @cached_property
    def digest(self) -> str:
        """Identifies this very plan: what is wanted, what was found, what is done. The
        same in every process, whatever order things were listed in."""
        wanted = [
            [s.name, s.template, sorted(map(str, s.targets)), repr(s.parameters)]
            + [s.permissions()]
            for s in self.system.stack_sets
        ]
        found = [
            [
                name,
                o.id,
                o.template,
                dict(o.parameters),
                sorted(
                    [str(t), i.status, dict(i.overrides)]
                    for t, i in o.instances.items()
                ),
            ]
            for name, o in sorted(self.observed.items())
        ]
        steps = [
            [
                [s.stack_set, str(s.action), list(map(str, s.targets)), list(s.reasons)]
                + [sorted((k, repr(v)) for k, v in s.values.items()), sorted(s.varying)]
                + [s.whole, [t.unit for t in s.targets]]
                for s in wave
            ]
            for wave in self.waves
        ]
        return digest([repr(self.system.rollout), wanted, found, steps])


def make(system: System, observed: Mapping[str, Observed]) -> Plan:
    """Return the plan that turns `observed` into `system` (resolved).

    `observed` holds, by name, the system's stack sets that exist, and those that
    tapgen made for it earlier and that it no longer has. Planning again after a
    finished rollout returns a plan without waves.

    Raises PlanError for references that cannot be answered, cycles, and stack sets
    of the same name that tapgen does not own.
    """
    by_part = {s.part: s for s in system.stack_sets}
    check(system)
    _check_ownership(system, observed)
    _check_permission_models(system, observed)
    busy = {name: o.running for name, o in observed.items() if o.running}
    if busy:
        name, operation = next(iter(busy.items()))
        raise PlanError(
            f"{name}: operation {operation} is still running; wait for it to end, "
            "then plan again"
        )
    levels = list(_levels(by_part))
    touched: dict[str, _Touched] = {}
    waves: list[tuple[Step, ...]] = []
    for level in levels:
        found = {
            part: _steps(system, by_part[part], observed, touched) for part in level
        }
        waves += _interleave(found.values(), system.rollout.order)
        for part, steps in found.items():
            s = by_part[part]
            touched[part] = _touched(s, observed.get(s.name), steps)
    deletions = _deletions(system, levels, observed)
    _refuse_protected(observed, deletions)
    waves += deletions
    told = [tuple(_told(s, by_part, observed) for s in wave) for wave in waves]
    return Plan(system, observed, tuple(told))


def refusals(made: Plan, allowed: Iterable[str] = ()) -> list[str]:
    """What a plan must not do unless the user names it, one sentence each.

    Replacing or deleting what holds data, and removing the last target of a stack set
    that holds data. `allowed` are logical ids (and parts, for a last target). What AWS
    would not do, updating INOPERABLE instances and changing what cannot be changed,
    nobody can allow.
    """
    names = set(allowed)
    found: dict[str, None] = dict.fromkeys([*_inoperable(made), *_not_possible(made)])
    going = {
        (step.stack_set, target)
        for step in made.steps
        if step.action is Action.DELETE
        for target in step.targets
    }
    for step in made.steps:
        where = _places(step.targets)
        if step.action is Action.DELETE and step.part not in names:
            left = [
                t
                for t in made.observed[step.stack_set].instances
                if not t.joins_later and (step.stack_set, t) not in going
            ]
            held = sorted(
                {c.logical_id for r in step.changes.values() for c in r if c.stateful}
            )
            if held and not left:
                text = (
                    f"{step.stack_set} in {where}: its last target would go, and it "
                    f"holds data ({', '.join(held)}); to remove all of the system use "
                    f"tapgen destroy, or say --allow-replacement {step.part}"
                )
                found[text] = None
            lost = {
                c.logical_id for r in step.changes.values() for c in r if c.loses_data
            }
            named = sorted(lost - names)
            if named and left:
                text = (
                    f"{step.stack_set} in {where}: {', '.join(named)} would be deleted "
                    "with what it holds; if that is meant, say "
                    + " ".join(f"--allow-replacement {name}" for name in named)
                )
                found[text] = None
        if step.action is Action.UPDATE and not step.conditional:
            found |= dict.fromkeys(_replacements(step, names))
    return list(found)


def _not_possible(made: Plan) -> Iterator[str]:
    """Changes that fail in AWS, and roll their stacks back."""
    for step in made.steps:
        if step.action is not Action.UPDATE or step.conditional:
            continue
        places: dict[tuple[str, str, str], list[Target]] = {}
        for target, changes in step.changes.items():
            for change in changes:
                names = ", ".join(change.refused)
                if names:
                    key = change.logical_id, change.type, names
                    places.setdefault(key, []).append(target)
        for (logical_id, kind, names), targets in places.items():
            yield (
                f"{step.stack_set} in {_places(targets)}: AWS refuses to "
                f"change {names} of {logical_id} ({kind}); leave it as it is, or give "
                "the resource another logical id, which makes a new one"
            )


def _replacements(step: Step, allowed: Collection[str]) -> Iterator[str]:
    """What an update must not do to resources that hold data, each once."""
    found: dict[str, list[Target]] = {}
    for target, changes in step.changes.items():
        for change in changes:
            if change.loses_data and change.logical_id not in allowed:
                text = (
                    f"{change.logical_id} ({change.type}) holds data and would be "
                    f"{change.fate}; if that is meant, say "
                    f"--allow-replacement {change.logical_id}"
                )
                found.setdefault(text, []).append(target)
    for text, targets in found.items():
        yield f"{step.stack_set} in {_places(targets)}: {text}"


_MOST_PLACES = 4  # targets that are named in a sentence


def _places(targets: Sequence[Target]) -> str:
    more = len(targets) - _MOST_PLACES
    named = ", ".join(map(str, targets[:_MOST_PLACES]))
    return f"{named} and {more} more" if more > 0 else named


def _inoperable(made: Plan) -> Iterator[str]:
    """CloudFormation leaves INOPERABLE instances out of every update."""
    for step in made.steps:
        if step.action is not Action.UPDATE:
            continue
        for target in step.targets:
            instance = made.observed[step.stack_set].instances[target]
            if instance.status is InstanceStatus.INOPERABLE:
                why = f" ({instance.reason})" if instance.reason else ""
                yield (
                    f"{step.stack_set} in {target} is INOPERABLE: deleting it "
                    f"failed{why}; mend the cause and run tapgen destroy, or detach it "
                    "with aws cloudformation delete-stack-instances --retain-stacks, "
                    "then roll out again"
                )


def destroy(system: System, observed: Mapping[str, Observed]) -> Plan:
    """Return the plan that deletes everything observed, backwards.

    Raises PlanError where deletion protection would stop it half-way, and for stack
    sets that tapgen does not own.
    """
    _check_ownership(system, observed)
    levels = list(_levels({s.part: s for s in system.stack_sets}))
    names = [[f"{system.prefix}-{part}" for part in level] for level in levels]
    ordered = [name for level in names for name in level]
    leftover = [name for name in observed if name not in ordered]
    waves = [
        tuple(
            _deletion(observed[n], tuple(observed[n].instances), "destroyed", drop=True)
            for n in level
            if n in observed
        )
        for level in [leftover, *reversed(names)]
    ]
    _refuse_protected(observed, waves)
    told = [tuple(_told(s, {}, observed) for s in wave) for wave in waves if wave]
    return Plan(system, observed, tuple(told))


def administration_role(system: System) -> str:
    """ARN of the administration role; it is repeated on every update."""
    partition = intrinsics.partition(system.admin.region)
    account = system.admin.account
    return f"arn:{partition}:iam::{account}:role/{system.administration_role}"


def parameters_of(template: str) -> dict[str, dict[str, Any]]:
    """The Parameters block of a template text; empty for a text that has none."""
    return _block(template, "Parameters")


def complete(values: Mapping[str, Any], template: str) -> dict[str, Any]:
    """Parameter values with the template's defaults filled in."""
    declared = parameters_of(template)
    defaults = {k: str(p["Default"]) for k, p in declared.items() if "Default" in p}
    return {**defaults, **values}


def _block(template: str, name: str) -> dict[str, Any]:
    return dict(diff.block(template, name))


# -- checks ------------------------------------------------------------------------------


def check(system: System) -> None:
    """Raise PlanError with every mistake that needs no look at AWS."""
    problems = checks.problems(system)
    if problems:
        raise PlanError("\n".join(problems))


def _check_ownership(system: System, observed: Mapping[str, Observed]) -> None:
    """A stack set of the same name that somebody else made is not touched."""
    for name, found in observed.items():
        owner = found.tags.get("tapgen:system")
        if owner != system.name:
            made = (
                f"belongs to tapgen system {owner!r}"
                if owner
                else "was not made by tapgen"
            )
            raise PlanError(
                f"{name}: a stack set of this name exists and {made}; choose another "
                "suffix, or delete or rename it"
            )


def _check_permission_models(system: System, observed: Mapping[str, Observed]) -> None:
    """Refuse what AWS does not do, and what would do nothing without a word."""
    problems: list[str] = []
    for s in system.stack_sets:
        found = observed.get(s.name)
        if found and found.permission_model is not s.permission_model:
            problems.append(
                f"{s.name}: is {found.permission_model} and would be "
                f"{s.permission_model}, which AWS does not change while there are "
                "instances; destroy it, then roll out again"
            )
        problems += units.problems(s)
    if problems:
        raise PlanError("\n".join(problems))


def _refuse_protected(
    observed: Mapping[str, Observed], waves: Iterable[Iterable[Step]]
) -> None:
    """A protected resource fails its stack's deletion, and leaves it INOPERABLE."""
    going = [
        (observed[s.stack_set], t)
        for w in waves
        for s in w
        for t in s.targets
        if not t.joins_later
    ]
    protected = [
        f"{found.name}: {logical_id} in {target}"
        for found, target in going
        for logical_id, resource in intrinsics.written_out(
            found.template, found.values(target), target
        )
        .get("Resources", {})
        .items()
        if _is_protected(resource, complete(found.values(target), found.template))
    ]
    if protected:
        raise PlanError(
            "deletion protection is on, so deleting would stop half-way; turn it off "
            "in the settings, roll that out, then destroy:\n" + "\n".join(protected)
        )


def _is_protected(resource: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    properties = resource.get("Properties", {})
    kept = str(resource.get("DeletionPolicy", "")).startswith("Retain")
    for name in ("DeletionProtection", "DeletionProtectionEnabled"):
        value = properties.get(name)
        if isinstance(value, dict):
            value = values.get(str(value.get("Ref")))
        if str(value).lower() == "true" and not kept:
            return True
    return False


def _levels(by_part: Mapping[str, StackSet]) -> Iterator[list[str]]:
    """Parts in groups, each depending only on earlier groups."""
    sorter = TopologicalSorter({p: sorted(s.requires()) for p, s in by_part.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise PlanError(f"stack sets wait for each other: {circle}") from None
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=list(by_part).index)
        yield ready
        sorter.done(*ready)


# -- steps -------------------------------------------------------------------------------


def _steps(
    system: System,
    s: StackSet,
    observed: Mapping[str, Observed],
    touched: Mapping[str, _Touched],
) -> list[Step]:
    """The updates, then the creations one stack set needs, in the order to run them."""
    found = observed.get(s.name)
    parts = {other.part: other for other in system.stack_sets}
    order = system.rollout.order
    wanted = sorted(s.targets, key=lambda t: (_rank(t.region, order), t))
    values = _spelled_out(
        s, {t: _resolve(s, t, parts, observed, touched) for t in wanted}
    )
    there = [t for t in wanted if found and t in found.instances]
    missing = [t for t in wanted if t not in there]
    varying = _varying(values)
    unshared = list(units.unshared(s, varying))
    if unshared:
        raise PlanError("\n".join(unshared))
    steps: list[Step] = []
    if found:
        steps += _updates(system, s, found, there, values, varying)
    redefine = found is None or (
        not there
        and bool(
            _definition_reasons(system, s, found)
            or _shared_reasons(s, found, values, varying)
        )
    )
    for number, targets in enumerate(_groups(missing, values, order)):
        steps.append(
            Step(
                s.name,
                s.part,
                Action.CREATE,
                targets,
                values[targets[0]],
                ("not there yet",),
                first=redefine and number == 0,
                varying=varying,
            )
        )
    return steps


def _spelled_out(
    s: StackSet, values: Mapping[Target, Mapping[str, Value]]
) -> dict[Target, dict[str, Value]]:
    """The values with the default of a parameter where only other targets give one: a
    target that says nothing has what the stack set has, which another's may become."""
    given = {name for own in values.values() for name in own}
    defaults = {k: v for k, v in complete({}, s.template).items() if k in given}
    return {target: {**defaults, **own} for target, own in values.items()}


def _varying(values: Mapping[Target, Mapping[str, Value]]) -> frozenset[str]:
    """The parameters that do not have one value at all targets."""
    seen: dict[str, set[str]] = {}
    for given in values.values():
        for name, value in given.items():
            seen.setdefault(name, set()).add(repr(value))
    return frozenset(name for name, different in seen.items() if len(different) > 1)


def _updates(
    system: System,
    s: StackSet,
    found: Observed,
    there: Sequence[Target],
    values: Mapping[Target, Mapping[str, Value]],
    varying: frozenset[str],
) -> list[Step]:
    everywhere = _definition_reasons(system, s, found)
    if units.follows(s):
        # Accounts that join take what the stack set itself has.
        everywhere += _shared_reasons(s, found, values, varying)
    reasons = {
        t: (*everywhere, *_target_reasons(s, found, t, values[t])) for t in there
    }
    certain = {t for t in there if reasons[t]}
    maybe = {t for t in there if not reasons[t] and _waits(values[t])}
    steps = []
    chosen = [t for t in there if t in certain or t in maybe]
    for targets in _groups(chosen, values, ()):
        why = dict.fromkeys(r for t in targets for r in reasons[t])
        conditional = not certain.intersection(targets)
        if conditional:
            waiting = {str(v): None for v in values[targets[0]].values() if _pending(v)}
            why = {f"if {name} changes": None for name in waiting}
        steps.append(
            Step(
                s.name,
                s.part,
                Action.UPDATE,
                targets,
                values[targets[0]],
                tuple(why),
                conditional=conditional,
                redefine=bool(everywhere),
                varying=varying,
            )
        )
    return steps


def _definition_reasons(
    system: System, s: StackSet, found: Observed
) -> tuple[str, ...]:
    """Why every instance of the stack set has to be updated."""
    reasons = []
    if not diff.same(found.template, s.template):
        reasons.append("template differs")
    for key, value in s.tags.items():
        if found.tags.get(key) != value:
            reasons.append(f"tag {key} differs")
    if s.service_managed is None:
        roles = (
            ("administration", found.administration_role, administration_role(system)),
            ("execution", found.execution_role, system.execution_role),
        )
        reasons += [f"{kind} role differs" for kind, was, now in roles if was != now]
    elif found.auto_deployment != s.service_managed.auto_deployment:
        reasons.append("automatic deployment differs")
    if set(found.capabilities) != set(s.capabilities):
        reasons.append("capabilities differ")
    gone = [k for k in found.tags if k not in s.tags and not k.startswith("tapgen:")]
    reasons += [f"tag {key} is no longer wanted" for key in gone]
    return tuple(reasons)


def _shared_reasons(
    s: StackSet,
    found: Observed,
    values: Mapping[Target, Mapping[str, Value]],
    varying: frozenset[str],
) -> tuple[str, ...]:
    """Why the values that all targets share have to be written to the stack set."""
    now = complete(found.parameters, found.template)
    defaults = complete({}, s.template)
    given = next(iter(values.values()), {})
    wanted = complete(units.own_values(s, given, varying, defaults), s.template)
    return tuple(
        f"parameter {name} of the stack set differs"
        for name, value in wanted.items()
        if (units.follows(s) or name not in varying)
        and not _pending(value)
        and now.get(name) not in (value, HIDDEN)
    )


def _target_reasons(
    s: StackSet, found: Observed, target: Target, values: Mapping[str, Value]
) -> tuple[str, ...]:
    """Why this very instance has to be updated."""
    if target.joins_later:
        return ()  # there is no stack yet
    instance = found.instances[target]
    reasons = []
    if instance.status is not InstanceStatus.CURRENT:
        reasons.append(f"{instance.status} ({instance.detailed_status or 'unknown'})")
    now = complete(found.values(target), found.template)
    for name, value in complete(values, s.template).items():
        if now.get(name) == HIDDEN:
            continue
        if isinstance(value, Reference):
            if value.now is None:
                reasons.append(f"{value} will be another")
        elif now.get(name) != value:
            reasons.append(f"parameter {name} differs")
    return tuple(reasons)


def _pending(value: Value) -> bool:
    return isinstance(value, Reference)


def _waits(values: Mapping[str, Value]) -> bool:
    return any(_pending(v) for v in values.values())


def _resolve(
    s: StackSet,
    target: Target,
    parts: Mapping[str, StackSet],
    observed: Mapping[str, Observed],
    touched: Mapping[str, _Touched],
) -> dict[str, Value]:
    """The values of one target: outputs of instances that this plan does not touch
    are read, the others stay references."""
    made: dict[str, Value] = {}
    for name, value in s.values(target).items():
        if not isinstance(value, Output):
            made[name] = value
            continue
        source = parts[value.part]
        sources = checks.sources(value, target, source.targets)
        found = observed.get(source.name)
        now = _read(found, value.output, sources) if found else None
        moves = [
            touched[value.part][t][value.output]
            for t in sources
            if value.output in touched[value.part].get(t, {})
        ]
        known = now is not None and not moves
        reference = Reference(
            value.part, value.output, sources, None if any(moves) else now
        )
        made[name] = now if known and now is not None else reference
    return made


def _touched(s: StackSet, found: Observed | None, steps: Iterable[Step]) -> _Touched:
    """The outputs that these steps may change, for each target they touch."""
    every = dict.fromkeys(intrinsics.whole(s).get("Outputs", {}), False)
    touched: dict[Target, Mapping[str, bool]] = {}
    for step in steps:
        for target in step.targets:
            touched[target] = every
            instance = found.instances.get(target) if found else None
            if found and instance and instance.status is InstanceStatus.CURRENT:
                old, new = _evaluated(found, s, target, step.values)
                changes = diff.compare(old, new)
                certain = diff.replaced_outputs(new, changes)
                moving = diff.moving_outputs(old, new, changes) | certain
                touched[target] = {name: name in certain for name in moving}
    return touched


def _told(
    step: Step, by_part: Mapping[str, StackSet], observed: Mapping[str, Observed]
) -> Step:
    """The step with what it does to the resources of each target."""
    found = observed.get(step.stack_set)
    s = None if step.action is Action.DELETE else by_part[step.part]
    changes = {
        target: diff.compare(*_evaluated(found, s, target, step.values))
        for target in step.targets
        if not target.joins_later  # there is no stack, and none is made
    }
    return replace(step, changes=changes)


def _evaluated(
    found: Observed | None,
    s: StackSet | None,
    target: Target,
    values: Mapping[str, Value],
) -> tuple[Evaluated, Evaluated]:
    """The deployed and the wanted template as this target has them.

    Where a value is not known yet, what its source says today stands in for it.
    """
    deployed = found and target in found.instances
    old = found.template if found and deployed else "{}"
    before = found.values(target) if found and deployed else {}
    wanted = {n: _foreseen(v) for n, v in values.items()}
    return diff.sides((old, before), (s.template if s else "{}", wanted), target)


def _foreseen(value: Value) -> Any:
    if isinstance(value, Reference):
        return {LATER: str(value)} if value.now is None else value.now
    return value


def _read(found: Observed, output: str, sources: Iterable[Target]) -> str | None:
    values = []
    for source in sources:
        instance = found.instances.get(source)
        if instance is None or not instance.outputs or output not in instance.outputs:
            return None
        values.append(instance.outputs[output])
    return ",".join(values)


def _groups(
    targets: Sequence[Target],
    values: Mapping[Target, Mapping[str, Value]],
    order: Sequence[str],
) -> list[tuple[Target, ...]]:
    """Targets with the same values together, in region order."""
    groups: dict[str, list[Target]] = {}
    for target in sorted(targets, key=lambda t: _rank(t.region, order)):
        key = repr(sorted((k, repr(v)) for k, v in values[target].items()))
        groups.setdefault(key, []).append(target)
    return [tuple(group) for group in groups.values()]


def _rank(region: str, order: Sequence[str]) -> int:
    return order.index(region) if region in order else len(order)


# -- waves -------------------------------------------------------------------------------


def _interleave(
    found: Iterable[Sequence[Step]], order: Sequence[str]
) -> Iterator[tuple[Step, ...]]:
    """The steps of one level in waves: those whose first region is the canary run
    before those of later regions, and one stack set's steps run one after the other."""
    queues = [list(steps) for steps in found if steps]
    while queues:
        heads = [queue[0] for queue in queues]
        earliest = min(_rank(step.targets[0].region, order) for step in heads)
        wave = []
        for queue in queues:
            if _rank(queue[0].targets[0].region, order) == earliest:
                wave.append(queue.pop(0))
        yield tuple(wave)
        queues = [queue for queue in queues if queue]


def _deletions(
    system: System, levels: Sequence[Sequence[str]], observed: Mapping[str, Observed]
) -> list[tuple[Step, ...]]:
    """Stack sets that the system no longer has, then instances it no longer has."""
    by_part = {s.part: s for s in system.stack_sets}
    names = {s.name for s in system.stack_sets}
    gone = tuple(
        _deletion(o, tuple(o.instances), "no longer in the system", drop=True)
        for name, o in sorted(observed.items())
        if name not in names
    )
    waves = [gone] if gone else []
    for level in reversed(levels):
        wave = []
        for part in level:
            s = by_part[part]
            found = observed.get(s.name)
            if not found:
                continue
            staying = {*s.targets, *units.asleep(s, found)}
            surplus = sorted(set(found.instances) - staying)
            if surplus:
                wave += [
                    _deletion(found, targets, "no longer a target", whole=as_a_whole)
                    for targets, as_a_whole in zip(
                        units.retreat(s, found, surplus), (True, False), strict=True
                    )
                    if targets
                ]
        if wave:
            waves.append(tuple(wave))
    return waves


def _deletion(
    found: Observed,
    targets: tuple[Target, ...],
    reason: str,
    *,
    drop: bool = False,
    whole: bool = False,
) -> Step:
    part = found.tags.get("tapgen:part", found.name)
    delete = Action.DELETE
    return Step(
        found.name, part, delete, targets, {}, (reason,), drop=drop, whole=whole
    )
