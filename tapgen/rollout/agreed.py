"""The plan of a run, read back from its journal: what was agreed when it began.

The reverse of `compile`: steps, templates and gates are those of the program, and what
they change is compared again with what was deployed then. A program does not have all of
a plan: values that stacks read from Parameter Store by name are not in it, nor that a
subnet is one of a new VPC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tapgen import plan as plans
from tapgen.model import Action, Observed, StackSet, System, Target, gate_from
from tapgen.plan.model import Moves
from tapgen.plan.planner import with_changes
from tapgen.rollout.opening import Opened
from tapgen.rollout.planned import with_texts
from tapgen.rollout.program import Kind, Program, Reference, Step

_ACTIONS = {
    Kind.CREATE: Action.CREATE,
    Kind.UPDATE: Action.UPDATE,
    Kind.DELETE: Action.DELETE,
}
_AT_ONCE = 8
"""Templates that are read from the journal at a time."""


def plan(found: Opened, system: System) -> plans.Plan | None:
    """Return the plan of a run of a system (resolved), as far as the journal has it; None
    where the run carried out none, such as a drill. What else the system has is as it is
    now."""
    program = found.state.there
    if not any(step.kind in _ACTIONS for step in program.steps.values()):
        return None
    text = _texts(program, found.journal.object)
    start = {name: with_texts(one, text) for name, one in program.start.items()}
    sets = {s.part: s for s in _stack_sets(program, system, text)}
    given: Given = {}
    waves = [
        tuple(
            with_changes(step, sets, start)
            for lane in wave
            for step in _steps(lane, program, given)
        )
        for wave in program.waves
    ]
    gates = dict.fromkeys(
        gate_from(s.gate) for s in program.steps.values() if s.kind is Kind.GATE
    )
    then = replace(
        system,
        stack_sets=tuple(sets.values()),
        rollout=replace(
            system.rollout,
            gates=tuple(gates),
            preferences=program.preferences,
            on_failure=program.on_failure,
        ),
        shifts=(),
    )
    return plans.Plan(then, start, tuple(wave for wave in waves if wave))


def _texts(program: Program, read: Callable[[str], str]) -> Callable[[str], str]:
    """Return what gives the text of each template of a program by its digest."""
    wanted = {s.definition.template for s in program.steps.values() if s.definition}
    for one in program.start.values():
        own = {i.template for i in one.instances.values() if i.template}
        wanted |= {one.template, *own}
    names = sorted(name for name in wanted if name.startswith("sha256:"))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        known = dict(zip(names, pool.map(read, names), strict=True))
    return known.__getitem__


def _stack_sets(
    program: Program, system: System, text: Callable[[str], str]
) -> Iterator[StackSet]:
    """Yield the stack sets that the program creates or updates, with all their targets."""
    roles = {s.part: s.role for s in system.stack_sets}
    found: dict[str, list[Step]] = {}
    for step in program.steps.values():
        if step.definition and step.kind in _ACTIONS:
            found.setdefault(step.part, []).append(step)
    for part, steps in found.items():
        definition, name = steps[-1].definition, steps[-1].stack_set
        assert definition is not None
        there = program.start.get(name, _NOTHING).instances
        targets = dict.fromkeys([*there, *(t for s in steps for t in s.targets)])
        own = {k: v for k, v in steps[-1].own.items() if isinstance(v, str)}
        yield StackSet(
            name,
            part,
            text(definition.template),
            roles.get(part, "every"),
            tuple(sorted(targets)),
            parameters=own,
            capabilities=tuple(definition.capabilities),
        )


_NOTHING = Observed("", "{}", {}, {})


Given = dict[tuple[str, Target], Mapping[str, plans.Value]]
"""The values that earlier steps bring to targets of stack sets."""


def _steps(
    lane: Iterable[Step], program: Program, given: Given
) -> Iterator[plans.Step]:
    """Yield the steps of a plan that a lane carries out, and add what they bring to what is
    `given`. What deletes a stack set after its instances is one with what deletes these.
    """
    deleting: set[str] = set()
    for step in lane:
        action = _ACTIONS.get(step.kind)
        if action is None or (step.stack_set in deleting and not step.targets):
            continue
        if action is Action.DELETE:
            deleting.add(step.stack_set)
        values, name = dict(_values(step, program)), step.stack_set
        here = {(name, t): t for t in step.targets}
        before = {t: given[place] for place, t in here.items() if place in given}
        given |= dict.fromkeys(here, values)
        yield plans.Step(
            step.stack_set,
            step.part,
            action,
            step.targets,
            values,
            step.reasons,
            first=step.first,
            redefine=step.redefine,
            settles=step.settles,
            conditional=step.conditional,
            varying=step.varying,
            drop=step.drop,
            whole=step.whole,
            at_last=bool(before),
            before=before,
        )


def _values(step: Step, program: Program) -> Iterator[tuple[str, plans.Value]]:
    for name, value in step.values.items():
        if isinstance(value, Reference):
            surely = f"{value} will change" in step.reasons
            now = None if surely else _now(value, program.outputs.get(value.part, {}))
            moves = Moves.CERTAINLY if surely else Moves.PERHAPS
            yield name, plans.Reference(
                value.part, value.output, value.sources, now, moves
            )
        else:
            yield name, value


def _now(value: Reference, outputs: Mapping[Target, Mapping[str, str]]) -> str | None:
    """The value of an output before the run; None where a source had none."""
    found = [outputs.get(t, {}).get(value.output) for t in value.sources]
    return None if None in found else ",".join(v for v in found if v is not None)
