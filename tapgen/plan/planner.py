"""Plan the operations that lead from the deployed state to the desired one.

Pure: takes data, returns data. Whoever calls `make` has already read AWS.

Desired targets are compared with observed ones. The changes of a stack set become
steps, one for each distinct set of parameter values; steps become waves, first by
dependency, then by region order. Deletions come last, in reverse order. Users of what
goes away come before it (`users`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from tapgen.errors import PlanError
from tapgen.model import Action, Observed, StackSet, System, Target
from tapgen.plan import at_first, lookups, unread, users
from tapgen.plan.deletions import delete_step, deletions_for, in_order
from tapgen.plan.model import Omitted, Plan, Step
from tapgen.plan.names import moved, taken
from tapgen.plan.preconditions import first, unmet
from tapgen.plan.steps import steps_for
from tapgen.plan.values import (
    ChangingOutputs,
    changing_outputs,
    evaluated_sides,
    grouped,
    moved_values,
)
from tapgen.plan.waves import (
    by_target,
    dependency_levels,
    differs_by_account,
    interleave,
    levels_of,
)
from tapgen.system import checks, ledger, units
from tapgen.template import diff


def make(
    system: System, observed: Mapping[str, Observed], shut: Collection[str] = ()
) -> Plan:
    """Return the plan that turns `observed` into `system` (resolved).

    `observed` has, by name, the system's stack sets that exist, and those that tapgen
    created for it earlier and that it no longer has. After a finished rollout the plan
    has no waves. Accounts that are `shut`, as they lack their roles, are left out.

    What stops one thing (a stack set of the same name that tapgen does not own, one
    that is busy, or one that cannot become what it should) is `blocked`: the plan is
    refused, and still shows all the rest. Raises PlanError for references that cannot be
    resolved, and cycles.
    """
    check(system)
    observed, blocked = _without_others(system, observed)
    until_then = at_first.before(system, observed)
    by_part = {s.part: s for s in until_then.stack_sets}
    blocked += _impossible(system, observed)
    blocked += [
        f"{name}: {o.busy_with or f'operation {o.running} runs'}; wait for it to end, "
        "then plan again"
        for name, o in observed.items()
        if o.running
    ]
    levels = list(dependency_levels(by_part))
    waves, touched, problems, omitted = _waves(until_then, observed, levels, shut)
    uses = ledger.uses(observed)
    steps = [step for wave in waves for step in wave]
    complete = _complete(waves, by_part, observed)
    moves: dict[str, list[str]] = {
        taker: [*givers] for taker, givers in moved(complete, observed).items()
    }
    for later, earlier in first(system, observed).items():
        moves.setdefault(later, []).extend(earlier)
    order = users.ordered(until_then, observed, uses, steps, touched, moves)
    if order:
        after_users = list(levels_of(order.requires))
        waves, touched, problems, omitted = _waves(
            until_then, observed, after_users, shut, reordered=True
        )
        complete = _complete(waves, by_part, observed)
        blocked += order.blocked
    blocked += unmet(system, observed, order.requires if order else {})
    deletions = users.deletions_in_order(deletions_for(system, levels, observed), uses)
    end, waiting = at_first.last_waves(
        system, until_then, observed, touched, waves, omitted, shut
    )
    ahead, last = in_order(system, observed, deletions)
    early, last = users.early_and_late(last, order.leaving if order else frozenset())
    before, left = unread.split_waves([*ahead, *early], observed, shut)
    after, more = unread.split_waves(last, observed, shut)
    complete_waves = [
        *_complete(before, by_part, observed),
        *complete,
        *_complete(end, {s.part: s for s in system.stack_sets}, observed),
        *_complete(after, by_part, observed),
    ]
    blocked += [*problems, *unread.stuck(left), *taken(complete_waves, observed)]
    return Plan(
        system,
        observed,
        tuple(complete_waves),
        blocked=tuple(blocked),
        omitted=(*omitted, *waiting, *left, *more),
        not_known=lookups.not_known(
            system, observed, [step for wave in complete_waves for step in wave]
        ),
    )


def _waves(
    system: System,
    observed: Mapping[str, Observed],
    levels: Iterable[Sequence[str]],
    shut: Collection[str],
    reordered: bool = False,
) -> tuple[
    list[tuple[Step, ...]], dict[str, ChangingOutputs], list[str], list[Omitted]
]:
    """Return the waves of creations and updates of these groups of parts, the outputs
    that they may change, problems, and what is left out. A part gets the outputs of a
    later group as they are now."""
    by_part = {s.part: s for s in system.stack_sets}
    touched: dict[str, ChangingOutputs] = {part: {} for part in by_part}
    waves: list[tuple[Step, ...]] = []
    every: dict[str, list[Step]] = {}
    blocked: list[str] = []
    omitted: list[Omitted] = []
    silent = unread.away(observed, shut)
    for level in levels:
        found: dict[str, list[Step]] = {}
        for part in level:
            steps, problems = steps_for(system, by_part[part], observed, touched)
            blocked += problems
            found[part], left = unread.split(steps, observed, silent, omitted, shut)
            omitted += left
        waves += interleave(found.values(), system.rollout.order)
        every |= found
        for part, steps in found.items():
            s = by_part[part]
            touched[part] = changing_outputs(s, observed.get(s.name), steps)
    if not system.rollout.gates and not reordered and differs_by_account(every):
        waves = [*by_target(every, by_part, system.rollout.order)]
    return waves, touched, blocked, omitted


def destroy(system: System, observed: Mapping[str, Observed]) -> Plan:
    """Return the plan that deletes everything observed, in reverse order.

    A stack set that another system or another tool created stays, and the plan is
    refused. Instances that do not answer are left out, with their stack sets.
    """
    observed, blocked = _without_others(system, observed)
    levels = list(dependency_levels({s.part: s for s in system.stack_sets}))
    names = [[f"{system.prefix}-{part}" for part in level] for level in levels]
    ordered = [name for level in names for name in level]
    leftover = [name for name in observed if name not in ordered]
    waves = [
        tuple(
            delete_step(
                observed[n], tuple(observed[n].instances), "tapgen destroy", drop=True
            )
            for n in level
            if n in observed
        )
        for level in [leftover, *reversed(names)]
    ]
    waves = users.deletions_in_order(waves, ledger.uses(observed))
    waves, left = unread.without_silent(waves, observed)
    complete_waves = _complete(waves, {}, observed)
    return Plan(
        system,
        observed,
        tuple(complete_waves),
        blocked=tuple(blocked),
        omitted=tuple(left),
    )


def check(system: System) -> None:
    """Raise PlanError with every mistake that can be found without reading AWS."""
    problems = checks.problems(system)
    if problems:
        raise PlanError("\n".join(problems))


def _without_others(
    system: System, observed: Mapping[str, Observed]
) -> tuple[dict[str, Observed], list[str]]:
    """Return the stack sets of this system, and a line for each one of the same name that
    tapgen did not create: the plan leaves those alone."""
    ours, problems = {}, []
    for name, found in observed.items():
        owner = found.tags.get("tapgen:system")
        if owner == system.name:
            ours[name] = found
            continue
        origin = (
            f"belongs to tapgen system {owner!r}"
            if owner
            else "was not created by tapgen"
        )
        problems.append(
            f"{name}: a stack set of this name exists and {origin}; choose another "
            "suffix, or delete that stack set"
        )
    return ours, problems


def _impossible(system: System, observed: Mapping[str, Observed]) -> list[str]:
    """Return a line for each change of the permission model, and for units that cannot be
    deployed to."""
    problems: list[str] = []
    for s in system.stack_sets:
        found = observed.get(s.name)
        if found and found.permission_model is not s.permission_model:
            problems.append(
                f"{s.name}: is {found.permission_model} and the config wants "
                f"{s.permission_model}, which AWS cannot change while the stack set has "
                "instances; destroy it, then roll out again"
            )
        problems += units.problems(s)
    return problems


def _complete(
    waves: Iterable[Iterable[Step]],
    by_part: Mapping[str, StackSet],
    observed: Mapping[str, Observed],
) -> list[tuple[Step, ...]]:
    """Return the waves with the resource changes of their steps."""
    return [
        tuple(with_changes(step, by_part, observed) for step in wave) for wave in waves
    ]


def with_changes(
    step: Step, by_part: Mapping[str, StackSet], observed: Mapping[str, Observed]
) -> Step:
    """The step with its resource changes at each target."""
    found = observed.get(step.stack_set)
    s = None if step.action is Action.DELETE else by_part[step.part]
    changes: dict[Target, tuple[diff.Resource, ...]] = {}
    for targets in grouped(found, s, step):
        sides = evaluated_sides(
            found,
            s,
            targets[0],
            step.foreseen(targets[0]),
            step.before.get(targets[0]),
        )
        one = diff.compare(*sides, moved_values(step))
        # Where accounts join later no stack exists, and none is created.
        changes |= {target: one for target in targets if not target.joins_later}
    return replace(step, changes=changes)
