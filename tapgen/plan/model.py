"""What a plan is, as data: waves of steps, each with its targets and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum
from functools import cached_property

from tapgen.frozen import dataclass
from tapgen.model import (
    HIDDEN,
    Action,
    Observed,
    ObservedInstance,
    Reading,
    System,
    Target,
    Upload,
    digest,
)
from tapgen.system import units
from tapgen.template import diff, effects


class Moves(IntEnum):
    """Whether an output gets another value, surest last."""

    NOT = 0
    PERHAPS = 1
    CERTAINLY = 2
    INTO_A_NEW_VPC = 3


@dataclass(frozen=True)
class Reference:
    """A value that is known after earlier steps: an output of the stacks at `sources`.

    `now` is its current value, None where a source does not exist yet or the output will
    certainly change. `moves` says what replaces it, if anything. `unread` are the sources
    that cannot be read, where nothing else says what their output is. `by_name` says that
    the target reads it from an SSM parameter.
    """

    part: str
    output: str
    sources: tuple[Target, ...]
    now: str | None = None
    moves: Moves = Moves.NOT
    unread: tuple[Target, ...] = ()
    by_name: bool = field(default=False, repr=False)

    def __str__(self) -> str:
        return f"{self.part}.{self.output}"


Value = str | Reference


@dataclass(frozen=True)
class Step:
    """One change of one stack set, at targets that share one set of parameter values.

    `first` marks the step that creates or updates the stack set before its instances;
    `redefine` one that changes the definition of all its instances; `settles` one after
    which the stack set is updated at the very end, because targets with other values are
    still there. A `conditional` step runs only if a value that it waits for has changed.
    `by_name` are, for each target, the parameters that take the name of an SSM parameter
    whose value this plan may change, or creates. Steps `at_last` give parameters the
    values that waited for other parts (`at_first`); `before` are the values that their
    targets have by then, where an earlier step of the plan brings them there.
    """

    stack_set: str
    part: str
    action: Action
    targets: tuple[Target, ...]
    values: Mapping[str, Value]
    reasons: tuple[str, ...]
    first: bool = False
    redefine: bool = False
    settles: bool = False
    conditional: bool = False
    varying: frozenset[str] = frozenset()
    by_name: Mapping[Target, Mapping[str, Reference]] = field(default_factory=dict)
    changes: Mapping[Target, tuple[diff.Resource, ...]] = field(default_factory=dict)
    drop: bool = False  # DELETE: deletes the stack set too
    whole: bool = False  # DELETE: all instances of their units in their regions
    at_last: bool = False
    before: Mapping[Target, Mapping[str, Value]] = field(default_factory=dict)

    @property
    def references(self) -> tuple[Reference, ...]:
        """The values that are not known before the step starts."""
        return tuple(v for v in self.values.values() if isinstance(v, Reference))

    @property
    def read_by_name(self) -> tuple[Reference, ...]:
        """What the targets read from SSM parameters that this plan may change."""
        found = (v for each in self.by_name.values() for v in each.values())
        return tuple(v for v in found if v.moves is not Moves.NOT)

    def foreseen(self, target: Target) -> Mapping[str, Value]:
        """Return the values of a target, with those behind names of SSM parameters."""
        return {**self.values, **self.by_name.get(target, {})}


@dataclass(frozen=True)
class Omitted:
    """What a plan leaves out because something cannot be read: `why` is a sentence."""

    stack_set: str
    part: str
    action: Action
    targets: tuple[Target, ...]
    why: str


@dataclass(frozen=True)
class Plan:
    """Waves of steps: a wave starts when the wave before it has succeeded."""

    system: System
    observed: Mapping[str, Observed]
    waves: tuple[tuple[Step, ...], ...]
    uploads: tuple[Upload, ...] = ()  # artifacts that their buckets lack
    blocked: tuple[str, ...] = ()  # problems that stop the rollout
    omitted: tuple[Omitted, ...] = ()
    # SSM parameters whose values cannot be compared: part, name, why.
    not_known: tuple[tuple[str, str, str], ...] = ()
    writers: tuple[str, ...] = ()  # global databases with another writer, as sentences
    sources: tuple[str, ...] = ()  # doubts about sources of new replicas, as sentences
    shifts: tuple[
        str, ...
    ] = ()  # traffic that is not as the stacks have it, as sentences

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for wave in self.waves for step in wave)

    def __bool__(self) -> bool:
        return bool(self.waves)

    @property
    def artifacts(self) -> tuple[Upload, ...]:
        """The artifacts that the steps need in the buckets of their targets, each once."""
        needed = (
            Upload(artifact, target)
            for step in self.steps
            if step.action is not Action.DELETE
            for artifact in self.system.part(step.part).artifacts.values()
            for target in step.targets
        )
        return tuple(dict.fromkeys(needed))

    @property
    def recorded_later(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Parts whose template differs in what CloudFormation does not apply by itself,
        and that have no step to record it, with the sections that differ."""
        busy = {step.stack_set for step in self.steps}
        if self.steps and all(s.action is Action.DELETE for s in self.steps):
            return ()
        return tuple(
            (s.part, effects.sections(found.template, s.template))
            for s in self.system.stack_sets
            if s.name not in busy
            and (found := self.observed.get(s.name))
            and found.instances
            and not diff.same(found.template, s.template)
        )

    @property
    def unread(self) -> tuple[tuple[str, Target, ObservedInstance], ...]:
        """The instances whose stacks cannot be read, by the name of their stack set."""
        return tuple(
            (name, target, instance)
            for name, found in sorted(self.observed.items())
            for target, instance in sorted(found.instances.items())
            if instance.reading is not Reading.READ
        )

    def untouched(self, stack_set: str) -> frozenset[Target]:
        """Return the instances of a stack set that no operation of this plan may touch."""
        silent = {
            target
            for name, target, instance in self.unread
            if name == stack_set and instance.reading is not Reading.REFUSED
        }
        left = {t for o in self.omitted if o.stack_set == stack_set for t in o.targets}
        return frozenset(silent | left)

    @property
    def suspended(self) -> tuple[tuple[str, Target], ...]:
        """The instances that are skipped because their accounts are suspended."""
        return tuple(
            (s.name, target)
            for s in self.system.stack_sets
            if s.name in self.observed
            for target in units.asleep(s, self.observed[s.name])
        )

    @property
    def not_comparable(self) -> tuple[str, ...]:
        """`part.parameter` of every NoEcho parameter: CloudFormation hides the deployed
        value, so a change cannot be detected. Empty where a plan only deletes."""
        if self.steps and all(s.action is Action.DELETE for s in self.steps):
            return ()
        return tuple(
            f"{s.part}.{name}"
            for s in self.system.stack_sets
            if (found := self.observed.get(s.name)) and found.instances
            for name in sorted({n for t in s.targets for n in s.values(t)})
            if any(found.values(t).get(name) == HIDDEN for t in found.instances)
        )

    def is_new(self, step: Step, target: Target) -> bool:
        """Whether a step makes the stack of a target, also where an instance is there
        that never got one."""
        if step.action is not Action.UPDATE:
            return step.action is Action.CREATE
        if target in step.before:
            return False
        return self.observed[step.stack_set].instances[target].has_no_stack

    def does(self, step: Step) -> Action:
        """Return what a step does: an update whose targets have no stacks creates."""
        new = [self.is_new(step, target) for target in step.targets]
        return Action.CREATE if new and all(new) else step.action

    def wave_of(self, reference: Reference) -> int | None:
        """Number, from 1, of the wave after which a value is known."""
        numbers = [
            number
            for number, wave in enumerate(self.waves, 1)
            for step in wave
            if step.part == reference.part and not step.at_last
            if {*step.targets} & {*reference.sources}
        ]
        return max(numbers, default=None)

    @cached_property
    def digest(self) -> str:
        """Hash of the plan: what is desired, what is deployed, and the steps. The same in
        every process, whatever order AWS lists things in."""
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
                    + ([i.template, dict(i.parameters or {})] if i.template else [])
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
