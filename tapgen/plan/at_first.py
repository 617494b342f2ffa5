"""Parameters that get their values once stacks of other parts are there (`AtFirst`).

Of two stacks that refer to each other, one has to be created without its reference. So
everything is planned first with what these parameters have until then: what is deployed,
in new stacks their first values. The last steps give them their values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from tapgen.model import Action, Observed, Override, StackSet, System, Target
from tapgen.plan import unread
from tapgen.plan.model import Omitted, Reference, Step, Value
from tapgen.plan.steps import groups
from tapgen.plan.values import (
    ChangingOutputs,
    resolve,
    varying_parameters,
    with_defaults,
)
from tapgen.plan.waves import interleave
from tapgen.template.parameters import complete

_Values = Mapping[Target, Mapping[str, Value]]


def before(system: System, observed: Mapping[str, Observed]) -> System:
    """Return a system with what its parameters have until all other parts are there."""
    stack_sets = (_before(s, observed.get(s.name)) for s in system.stack_sets)
    return replace(system, stack_sets=tuple(stack_sets))


def _before(s: StackSet, found: Observed | None) -> StackSet:
    if not s.at_first:
        return s
    first = {name: one.value for name, one in s.at_first.items()}
    others = tuple(
        replace(o, parameters={k: v for k, v in o.parameters.items() if k not in first})
        for o in s.overrides
    )
    own = (
        Override(had, t.region, t.account)
        for t in s.targets
        if (had := _deployed(found, t, first))
    )
    return replace(
        s,
        parameters={**s.parameters, **first},
        overrides=(*others, *own),
        at_first={},
    )


def _deployed(
    found: Observed | None, target: Target, names: Collection[str]
) -> dict[str, str]:
    """Return what a stack has for these parameters; nothing where there is no stack."""
    if found is None or target not in found.instances:
        return {}
    if found.instances[target].has_no_stack:
        return {}
    now = complete(found.values(target), found.template_of(target))
    return {name: now[name] for name in names if name in now}


def last_waves(
    system: System,
    until_then: System,
    observed: Mapping[str, Observed],
    touched: Mapping[str, ChangingOutputs],
    waves: Iterable[Sequence[Step]],
    omitted: Iterable[Omitted],
    shut: Collection[str] = (),
) -> tuple[list[tuple[Step, ...]], list[Omitted]]:
    """Return the waves that give parameters their values, and what they leave out.

    `until_then` is the system of `before`; `waves`, with `omitted`, are those that bring
    AWS there, and `touched` are the outputs that they may change.
    """
    steps = [step for wave in waves for step in wave]
    silent = unread.away(observed, shut)
    left = [*omitted]
    lacking = {(one.part, t) for one in left for t in one.targets}
    lacking |= {
        (s.part, t) for s in system.stack_sets for t in s.targets if t in silent
    }
    found: list[list[Step]] = []
    more: list[Omitted] = []
    for s in system.stack_sets:
        if s.at_first:
            last = _steps(system, s, until_then, observed, touched, steps)
            ready, waiting = _ready(s, last, lacking)
            done, unreadable = unread.split(ready, observed, silent, left, shut)
            found.append(done)
            more += [*waiting, *unreadable]
    return [*interleave(found, system.rollout.order)], more


def _steps(
    system: System,
    s: StackSet,
    until_then: System,
    observed: Mapping[str, Observed],
    touched: Mapping[str, ChangingOutputs],
    earlier: Sequence[Step],
) -> list[Step]:
    """The last steps of one stack set; `earlier` are all steps before."""
    there = {*observed[s.name].instances} if s.name in observed else set()
    moving = {t for step in earlier if step.part == s.part for t in step.targets}
    busy = {step.part for step in earlier}
    wanted = [t for t in s.targets if t in there or t in moving]
    now = _values(until_then.part(s.part), until_then, wanted, observed, touched)
    then = _values(s, system, wanted, observed, touched)
    differing = {
        t: [n for n in s.at_first if n in then[t] and then[t][n] != now[t][n]]
        for t in wanted
    }
    order, apart = system.rollout.order, system.rollout.stops_between_regions
    steps = []
    chosen = [t for t in wanted if differing[t]]
    for targets in groups(chosen, then, order, apart):
        names = dict.fromkeys(n for t in targets for n in differing[t])
        perhaps = all(
            isinstance(value := then[t][n], Reference) and value.now == now[t][n]
            for t in targets
            for n in differing[t]
        )
        waits = {n: [p for p in s.at_first[n].until if p in busy] for n in names}
        reasons = [
            (
                f"{n} waits for {', '.join(waits[n])}"
                if waits[n]
                else f"parameter {n} differs"
            )
            for n in names
        ]
        if perhaps:
            reasons = [f"if {then[targets[0]][n]} changes" for n in names]
        steps.append(
            Step(
                s.name,
                s.part,
                Action.UPDATE,
                targets,
                then[targets[0]],
                tuple(reasons),
                conditional=perhaps,
                varying=varying_parameters(then),
                at_last=True,
                before={t: now[t] for t in targets if t in moving},
            )
        )
    return steps


def _values(
    s: StackSet,
    system: System,
    targets: Iterable[Target],
    observed: Mapping[str, Observed],
    touched: Mapping[str, ChangingOutputs],
) -> _Values:
    parts = {other.part: other for other in system.stack_sets}
    resolved = {t: resolve(s, t, parts, observed, touched) for t in targets}
    return with_defaults(s, resolved)


def _ready(
    s: StackSet, steps: Iterable[Step], lacking: Collection[tuple[str, Target]]
) -> tuple[list[Step], list[Omitted]]:
    """Return the steps whose targets have all that they wait for in their accounts, and
    the targets that have not."""
    ready: list[Step] = []
    left: list[Omitted] = []
    for step in steps:
        why = {t: w for t in step.targets if (w := _waits(s, t, lacking))}
        for words in dict.fromkeys(why.values()):
            targets = tuple(t for t in step.targets if why.get(t) == words)
            left.append(Omitted(s.name, s.part, step.action, targets, words))
        targets = tuple(t for t in step.targets if t not in why)
        if targets:
            ready.append(replace(step, targets=targets))
    return ready, left


def _waits(s: StackSet, target: Target, lacking: Collection[tuple[str, Target]]) -> str:
    """Return what a target still waits for; empty where there is nothing."""
    for name, one in s.at_first.items():
        for part, place in sorted(lacking):
            if part in one.until and place.account == target.account:
                return f"{name} waits for {part} in {place}, which this plan leaves out"
    return ""
