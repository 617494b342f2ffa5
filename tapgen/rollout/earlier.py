"""The system as it was before or after an earlier run, read from the journals.

`tapgen rollback` plans back to it like a rollout: the templates, targets, values, tags
and capabilities of then, in the accounts and with the settings of now. What refers to an
output refers to it again, since going back may create what provides it anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from tapgen.aws.stacksets import Definition
from tapgen.errors import RolloutError
from tapgen.frozen import dataclass
from tapgen.model import (
    HIDDEN,
    AtFirst,
    InstanceStatus,
    Observed,
    ObservedInstance,
    Output,
    Override,
    PermissionModel,
    ServiceManaged,
    StackSet,
    System,
    Target,
    Value,
)
from tapgen.plan import Plan
from tapgen.rollout import kinds
from tapgen.rollout.fold import End, Result, State
from tapgen.rollout.journal import Store, home
from tapgen.rollout.lock import Held, Lock
from tapgen.rollout.opening import Opened, read_run
from tapgen.rollout.planned import with_texts
from tapgen.rollout.program import Reference
from tapgen.template import evaluate, parameter_store
from tapgen.template.parameters import parameters_of


@dataclass(frozen=True)
class Earlier:
    """The stack sets of a system as they were, by name, with the texts of templates.

    `words` say when that was. `references` are the values that were outputs of other
    stack sets, by stack set, target and parameter.
    """

    words: str
    stack_sets: Mapping[str, Observed]
    references: Mapping[tuple[str, Target, str], Reference]


def runs(store: Store, prefix: str) -> list[str]:
    """Return the names of all runs of a system, the newest first."""
    start = f"{home(prefix)}/"
    names = {key.removeprefix(start) for key in store.keys(start)}
    found = {name.partition("/")[0] for name in names if name.endswith("/000001.json")}
    return sorted(found, reverse=True)


def find(store: Store, prefix: str, run: str | None = None) -> Earlier:
    """Return the system as `run` left it; by default as it was before the last run that
    changed something.

    Raises RolloutError when there is no such run, or it left nothing to go back to.
    """
    names = runs(store, prefix)
    if run is not None and run not in names:
        has = ", ".join(names[:5]) or "none"
        raise RolloutError(
            f"{prefix}: run {run} does not exist; the newest runs are {has}"
        )
    older: list[Opened] = []
    chosen: tuple[str, Mapping[str, Observed], Opened] | None = None
    for name in names[names.index(run) if run else 0 :]:
        found = read_run(store, prefix, Held(Lock(name, "", "", ""), ""))
        older.append(found)
        if chosen is None:
            chosen = _left_by(prefix, found) if run else _before(found)
        elif len(older) > _RUNS_READ:
            break
    if chosen is None:
        raise RolloutError(
            f"{prefix}: no run has changed anything yet, so there is nothing to go back to"
        )
    words, stack_sets, of = chosen
    if run is None and of.state.opening.get("command") == kinds.IMPORT:
        raise RolloutError(
            f"{prefix}: {words}, its stacks belonged to no stack set; to let them go again, "
            "delete the instances and retain their stacks (aws cloudformation "
            "delete-stack-instances --retain-stacks): tapgen destroy would delete them"
        )
    if not any(o.instances for o in stack_sets.values()):
        raise RolloutError(
            f"{prefix}: nothing was deployed {words}; to delete the system, run tapgen "
            "destroy"
        )
    return Earlier(
        words,
        {name: with_texts(o, of.journal.object) for name, o in stack_sets.items()},
        dict(_references(reversed(older))),
    )


_RUNS_READ = 20
"""In how many earlier runs the sources of values are looked for."""


def _words(found: Opened) -> str:
    first = found.events[0]
    return (
        f"run {found.state.run} (tapgen {first.get('command', 'rollout')} by "
        f"{first.get('who', 'somebody')}, {first.get('at', 'at an unknown time')})"
    )


def _before(found: Opened) -> tuple[str, Mapping[str, Observed], Opened] | None:
    """What a run found, half-way stack sets as they last were; None where it changed
    nothing, restored everything, or repaired only."""
    state = found.state
    repaired = state.opening.get("command") == "repair"
    if not state.changed or repaired or state.end is End.RESTORED:
        return None
    good = {**state.there.start, **state.there.good}
    return f"before {_words(found)}", good, found


def _left_by(prefix: str, found: Opened) -> tuple[str, Mapping[str, Observed], Opened]:
    """What a run left; RolloutError where it is half-way or did not restore all."""
    state = found.state
    if state.opening.get("command") == "repair":
        raise RolloutError(
            f"{prefix}: run {state.run} is a repair, which deploys nothing; name a rollout"
        )
    if state.end is End.RESTORED or state.end and not state.changed:
        return f"before {_words(found)}, which restored it", state.there.start, found
    if state.end is not End.DONE:
        ended = f"ended {state.end}" if state.end else "is open"
        raise RolloutError(
            f"{prefix}: run {state.run} {ended}, so it left no state to go back to; name "
            "one that is done or restored"
        )
    return f"after {_words(found)}", left_by(found), found


def left_by(found: Opened) -> dict[str, Observed]:
    """Return the stack sets that a run has left which is done, templates as digests."""
    state, given = State(), dict[str, Definition]()
    for event in found.events:
        if event["event"] == "result" and event["result"] == Result.DONE:
            call = state.progress[event["step"]].call
            if call.definition:
                given[call.stack_set] = call.definition
        state.apply(event, found.programs)
    left = {}
    for name, now in state.states.items():
        before = state.there.start.get(name)
        instances = {
            t: ObservedInstance(InstanceStatus.CURRENT, None, overrides=dict(values))
            for t, values in now.overrides.items()
        }
        seen = before or Observed(name, now.template, {}, {})
        seen = replace(
            seen,
            template=now.template,
            parameters=dict(now.parameters),
            instances=instances,
        )
        left[name] = _defined(seen, given[name]) if name in given else seen
    return left


def _defined(found: Observed, by: Definition) -> Observed:
    return replace(
        found,
        capabilities=tuple(by.capabilities),
        tags=found.tags if by.tags is None else dict(by.tags),
        permission_model=by.permission_model,
        auto_deployment=by.auto_deployment or found.auto_deployment,
    )


def _references(
    oldest_first: Iterable[Opened],
) -> Iterator[tuple[tuple[str, Target, str], Reference]]:
    for found in oldest_first:
        for step in found.state.there.steps.values():
            for parameter, value in step.values.items():
                if isinstance(value, Reference):
                    for target in step.targets:
                        yield (step.stack_set, target, parameter), value


# -- the system ----------------------------------------------------------------------


def system_of(now: System, then: Earlier) -> System:
    """Return a system (resolved) with its stack sets as they were."""
    parts = {o.tags.get("tapgen:part", ""): o for o in then.stack_sets.values()}
    known = {s.part: s for s in now.stack_sets}
    outputs = {
        part: frozenset(evaluate.whole(o).get("Outputs", {}))
        for part, o in parts.items()
    }
    sets = []
    for part, found in sorted(parts.items()):
        if found.instances or part in known:
            sets.append(_stack_set(known.get(part), part, found, then, outputs))
    gates = tuple(
        gate
        for gate in now.rollout.gates
        if gate.after in parts or gate.after not in known
    )
    return replace(
        now, stack_sets=tuple(sets), rollout=replace(now.rollout, gates=gates)
    )


def _stack_set(
    known: StackSet | None,
    part: str,
    found: Observed,
    then: Earlier,
    outputs: Mapping[str, frozenset[str]],
) -> StackSet:
    targets = tuple(sorted(found.instances))
    overrides = []
    for target in targets:
        values = _values(known, found, target, then, outputs)
        own = {k: v for k, v in values.items() if found.parameters.get(k) != v}
        if own:
            overrides.append(Override(own, target.region, target.account))
    wanted = set(outputs) - {part}
    return StackSet(
        name=found.name,
        part=part,
        template=found.template,
        role=known.role if known else "every",
        targets=targets,
        parameters=dict(found.parameters),
        overrides=tuple(overrides),
        at_first=_at_first(known, found, wanted),
        depends_on=tuple(sorted(set(known.depends_on) & wanted)) if known else (),
        capabilities=found.capabilities,
        tags={k: v for k, v in found.tags.items() if not k.startswith("tapgen:")},
        service_managed=_managed(known, found),
    )


def _at_first(
    known: StackSet | None, found: Observed, parts: Collection[str]
) -> dict[str, AtFirst]:
    """What parameters of the template of then have in new stacks."""
    declared = parameters_of(found.template)
    return {
        name: replace(one, until=tuple(p for p in one.until if p in parts))
        for name, one in (known.at_first if known else {}).items()
        if name in declared
    }


def _values(
    known: StackSet | None,
    found: Observed,
    target: Target,
    then: Earlier,
    outputs: Mapping[str, frozenset[str]],
) -> dict[str, Value]:
    """The values of one target: those that come from outputs come from them again."""
    given: Mapping[str, Value] = {}
    if known and target in known.targets:
        given = known.values(target)
    values: dict[str, Value] = dict(found.values(target))
    by_name = parameter_store.names(found.template, found.values(target))
    for name in values:
        wired = given.get(name)
        journalled = then.references.get((found.name, target, name))
        if not isinstance(wired, Output) and journalled:
            wired = _output(journalled)
        if isinstance(wired, Output) and wired.output in outputs.get(wired.part, ()):
            # By name where the template of then takes the name of an SSM parameter.
            values[name] = replace(wired, by_name=name in by_name)
    return values


def _output(reference: Reference) -> Output | None:
    """The output that a reference of a program stands for; None where it joins several."""
    if len(reference.sources) != 1:
        return None
    source = reference.sources[0]
    return Output(reference.part, reference.output, source.region, source.account)


def _managed(known: StackSet | None, found: Observed) -> ServiceManaged | None:
    if found.permission_model is not PermissionModel.SERVICE_MANAGED:
        return None
    units = tuple(sorted({t.unit for t in found.instances if t.unit}))
    before = known.service_managed if known else None
    managed = before or ServiceManaged(units)
    return replace(
        managed, organizational_units=units, auto_deployment=found.auto_deployment
    )


def with_unknown(plan: Plan, then: Earlier) -> Plan:
    """Return the plan, refused where AWS hides a value that it would have to give."""
    more = tuple(
        f"{name}: nobody knows the value of {parameter} (NoEcho), and the stack set does "
        "not exist any more; deploy it with tapgen rollout"
        for name, found in sorted(then.stack_sets.items())
        if name not in plan.observed
        for parameter, value in sorted(found.parameters.items())
        if value == HIDDEN
    )
    return replace(plan, blocked=(*plan.blocked, *more))
