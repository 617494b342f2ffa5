"""A rollout as data: waves of steps, the calls that they become, and the way to JSON.

`compile.program` makes a program of a plan, `restore.way_back` one that undoes it. A
program has all that running it takes, so that another process, another machine or a
function can do it; templates are named by digest and stored beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from tapgen.aws.stacksets import Definition
from tapgen.frozen import dataclass
from tapgen.model import (
    HIDDEN,
    HealthGate,
    InstanceStatus,
    Observed,
    ObservedInstance,
    Preferences,
    Target,
    VerifyGate,
)
from tapgen.model.procedures import Act, with_saved
from tapgen.rollout.codec import decode, encode

FORMAT = 1
"""The version of programs and events."""

WITH_ACTS = 2
"""The version of programs with acts and checks, so that a tapgen that does not know them
refuses to go on with one."""

WITH_MEASURES = 3
"""The version of programs that measure, or that wait for what is taken back."""

WITH_ANSWERS = 4
"""The version of programs that need answers of their calls, or watch health checks."""


WITH_VERIFICATION = 5
"""The version of programs with gates that verify what is deployed."""

WITH_NOTICES = 6
"""The version of programs that notify at their end, however they end."""

NEWEST = WITH_NOTICES

HOW = "{how}"
"""What stands for how a run ended in the subject of what tells so."""

_NEWER_SCRIPTS = {"notify": WITH_NOTICES}
"""Scripts of acts that are newer than acts: a tapgen that does not know one of them must
refuse to go on before the first step, and not in the one that runs it."""


@dataclass(frozen=True)
class Reference:
    """A value that is known after earlier steps: an output of the stacks at `sources`."""

    part: str
    output: str
    sources: tuple[Target, ...]

    def __str__(self) -> str:
        return f"{self.part}.{self.output}"


Value = str | Reference


class Verb(StrEnum):
    """The calls that change something."""

    UPLOAD = "Upload"
    CREATE_STACK_SET = "CreateStackSet"
    DEFINE = "UpdateStackSet"
    OVERRIDE = "UpdateStackInstances"
    CREATE_INSTANCES = "CreateStackInstances"
    DELETE_INSTANCES = "DeleteStackInstances"
    DELETE_STACK_SET = "DeleteStackSet"
    CONTINUE_ROLLBACK = "ContinueUpdateRollback"
    IMPORT = "ImportStacksToStackSet"
    PERFORM = "Perform"

    @property
    def is_operation(self) -> bool:
        """Whether the call starts an operation, which has an id and takes a while."""
        return self not in (
            Verb.UPLOAD,
            Verb.CREATE_STACK_SET,
            Verb.DELETE_STACK_SET,
            Verb.CONTINUE_ROLLBACK,
            Verb.PERFORM,
        )


@dataclass(frozen=True)
class Call:
    """One call that changes something, with all that is sent.

    `targets` of None are all instances. The template of `definition` is its digest.
    `key` is the artifact of an upload, or the id of the stack whose update goes on rolling
    back without the resources in `skip`. `retain` keeps the stacks of deleted instances.
    `stacks` are the ids of stacks to import. `region` is where the stack set is
    administered, empty for the administration region of the run.
    `act` is that of a procedure, and `proof` the check that says whether it is done: without
    one it is made again after an answer was lost, which must do no harm. `before` must hold
    each time right before it is sent, so that nothing of somebody else is written over.
    """

    verb: Verb
    stack_set: str = ""
    targets: tuple[Target, ...] | None = None
    definition: Definition | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    preferences: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False
    key: str = ""
    retain: bool = False
    skip: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()
    region: str = ""
    act: Act | None = None
    proof: Act | None = None
    before: Act | None = None

    @property
    def needs_answer(self) -> bool:
        """Whether later steps need what is saved of the answer."""
        return self.act is not None and bool(self.act.saves)

    def with_saved(self, known: Mapping[str, str]) -> Call:
        """Return the call with what earlier ones have saved of their answers."""
        if self.act is None:
            return self
        return replace(self, act=with_saved(self.act, known))


class Kind(StrEnum):
    """What a step does."""

    UPLOAD = "upload"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    SETTLE = "settle"
    RESTORE = "restore"
    GATE = "gate"
    REPAIR = "repair"
    PREPARE = "prepare"
    RELEASE = "release"
    ADOPT = "adopt"
    ALIGN = "align"
    ACT = "act"
    CHECK = "check"

    @property
    def deploys(self) -> bool:
        """Whether a step of this kind changes a stack set."""
        return self not in (Kind.UPLOAD, Kind.GATE, Kind.ACT, Kind.CHECK)


ADOPTING = frozenset({Kind.PREPARE, Kind.RELEASE, Kind.ADOPT, Kind.ALIGN})
"""What `adoption` makes of stacks that exist: their calls are what AWS lacks when the step
begins, also when it begins again."""


@dataclass(frozen=True)
class Step:
    """One step of a lane; `expand` turns it into calls once its values are known.

    Most fields are those of a plan's step. `definition` has no parameters; `values` are
    those of the targets, `own` those that the stack set is to have in the end. `reads`
    are the outputs that later steps need, `follows` says that stacks follow accounts.
    `untouched` instances are never changed, those `asleep` are in suspended accounts.
    `had` are the outputs that its targets read from SSM parameters, by part, as they read
    them last: a conditional step also runs where one has changed.
    `gate` is the data of a gate. `calls` are those of uploads, repairs and the way back, which need no expanding. `last` is
    the step after which the stack set is reported as done. `stacks` are the ids of stacks
    that exist, `overrides` the values that they are to keep, and `region` is as of a `Call`.
    An act of a procedure is taken back by the calls in `undo`; `remains` says what no call
    takes back, and `undoes` is the id of the act that a step of the way back undoes. `check`
    is what a check looks at, and `again` is performed as long as it does not hold.
    `measures` are the keys of what the step measures, or begins or ends to measure.
    `before_undo` must hold before the act is taken back, `after_undo` afterwards; `undo_first`
    takes it back before what was done after it.
    """

    kind: Kind
    stack_set: str = ""
    part: str = ""
    targets: tuple[Target, ...] = ()
    reasons: tuple[str, ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)
    own: Mapping[str, Value] = field(default_factory=dict)
    definition: Definition | None = None
    varying: frozenset[str] = frozenset()
    first: bool = False
    redefine: bool = False
    settles: bool = False
    conditional: bool = False
    had: Mapping[str, Mapping[Target, Mapping[str, str]]] = field(default_factory=dict)
    drop: bool = False
    whole: bool = False
    reads: tuple[str, ...] = ()
    follows: bool = False
    untouched: frozenset[Target] = frozenset()
    asleep: frozenset[Target] = frozenset()
    calls: tuple[Call, ...] = ()
    words: str = ""
    gate: Mapping[str, Any] = field(default_factory=dict)
    last: bool = False
    stacks: Mapping[Target, str] = field(default_factory=dict)
    overrides: Mapping[Target, Mapping[str, str]] = field(default_factory=dict)
    region: str = ""
    check: Act | None = None
    again: Act | None = None
    undo: tuple[Call, ...] = ()
    remains: str = ""
    undoes: str = ""
    measures: tuple[str, ...] = ()
    before_undo: Act | None = None
    after_undo: Act | None = None
    undo_first: bool = False

    @property
    def version(self) -> int:
        """The version of a program that has such a step."""
        scripts = [c.act.script for c in (*self.calls, *self.undo) if c.act]
        if newer := [_NEWER_SCRIPTS[s] for s in scripts if s in _NEWER_SCRIPTS]:
            return max(newer)
        if self.gate.get("kind") == VerifyGate.kind:
            return WITH_VERIFICATION
        answers = any(c.needs_answer or c.before for c in (*self.calls, *self.undo))
        if answers or self.gate.get("kind") == HealthGate.kind:
            return WITH_ANSWERS
        if self.measures or self.before_undo or self.after_undo:
            return WITH_MEASURES
        return WITH_ACTS if self.kind in (Kind.ACT, Kind.CHECK) else FORMAT


@dataclass(frozen=True)
class Template:
    """What running a program has to know of a template: the names of its parameters, and
    their defaults; whether its stacks read Parameter Store when they are updated."""

    declared: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    reads_ssm: bool = False


Lane = tuple[Step, ...]


@dataclass(frozen=True)
class Program:
    """Waves of lanes of steps: a wave starts when the wave before it has succeeded, its
    lanes run side by side, the steps of a lane one after the other.

    `start` is what was deployed when the plan was made, `good` the stack sets that are
    restored to something else, because they were half-way already; templates in both are
    digests. `outputs` are those that steps refer to. `replaced` are the resources that
    the program replaces for certain. `inherited` are stack sets that superseded runs
    have changed. `burnt` are the calls of superseded runs that were announced and never
    seen: stack set and operation id. `watched` are stack sets that the program leaves alone,
    and whose alarms its gates watch. `otherwise` is performed where the run ends otherwise
    than done, and something of it was performed. `on_failure` is `rollback`, `stop`, `end`, or `hold`:
    stop, and end where no act was performed.
    """

    waves: tuple[tuple[Lane, ...], ...]
    start: Mapping[str, Observed] = field(default_factory=dict)
    good: Mapping[str, Observed] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[Target, Mapping[str, str]]] = field(
        default_factory=dict
    )
    templates: Mapping[str, Template] = field(default_factory=dict)
    preferences: Preferences = Preferences()
    on_failure: str = "rollback"
    replaced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inherited: tuple[str, ...] = ()
    burnt: tuple[tuple[str, str], ...] = ()
    watched: tuple[str, ...] = ()
    otherwise: Act | None = None

    @cached_property
    def steps(self) -> dict[str, Step]:
        """Each step by its id: wave, lane and number, from 1."""
        return {
            id: step
            for number in range(len(self.waves))
            for lane in self.lanes(number)
            for id, step in lane
        }

    def lanes(self, wave: int) -> list[list[tuple[str, Step]]]:
        """Return the lanes of a wave (from 0): steps with their ids."""
        return [
            [(f"{wave + 1}.{n}.{m}", step) for m, step in enumerate(lane, 1)]
            for n, lane in enumerate(self.waves[wave], 1)
        ]

    def good_before(self, stack_set: str) -> Observed | None:
        """Return the last good state of a stack set, None if it did not exist.

        What a stack got behind its stack set's back, such as by a promotion, is among the
        overrides of its instance: restoring the stack set alone would take it back."""
        found = self.good.get(stack_set) or self.start.get(stack_set)
        if found is None:
            return None
        known = self.templates.get(found.template, Template())
        instances = {
            target: replace(one, overrides={**one.overrides, **own})
            for target, one in found.instances.items()
            if (own := _own_values(found, one, known))
        }
        return replace(found, instances={**found.instances, **instances})


def _own_values(
    found: Observed, one: ObservedInstance, known: Template
) -> dict[str, str]:
    """The values of a stack, where it was read, that its stack set does not give it."""
    if one.status is not InstanceStatus.CURRENT or not one.parameters:
        return {}
    given = {**known.defaults, **found.parameters, **one.overrides}
    return {
        name: value
        for name, value in one.parameters.items()
        if name in known.declared
        and value != HIDDEN
        and given.get(name) not in (value, HIDDEN)
    }


def dump(program: Program) -> dict[str, Any]:
    """Return a program as JSON data."""
    version = max((s.version for s in program.steps.values()), default=FORMAT)
    if program.otherwise:
        version = max(version, WITH_NOTICES)
    return {"format": version, **encode(program)}


def load(data: Mapping[str, Any]) -> Program:
    """Read what `dump` returned."""
    return decode(Program, {k: v for k, v in data.items() if k != "format"})
