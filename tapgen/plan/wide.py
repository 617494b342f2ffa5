"""The waves of a plan if outputs were handed on by name (`by: ssm`): how many there would be.

A value that differs between accounts makes a step for each of them, and StackSets runs
the operations of one stack set one after the other. A name is the same everywhere.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tapgen.model import SAME, Action, Output, StackSet
from tapgen.plan.model import Plan, Step
from tapgen.plan.waves import dependency_levels, differs_by_account, interleave

Waves = list[tuple[Step, ...]]


def by_name(plan: Plan) -> tuple[tuple[str, ...], Waves]:
    """Return the parameters (`part.Name`) that could get names, and the waves that there
    would be; nothing where there would be as many."""
    deploying: dict[str, list[Step]] = {}
    others = [
        w for w in plan.waves if all(s.action is Action.DELETE or s.at_last for s in w)
    ]
    for step in plan.steps:
        if step.action is not Action.DELETE and not step.at_last:
            deploying.setdefault(step.part, []).append(step)
    if not differs_by_account(deploying):
        return (), []
    parts = {s.part: s for s in plan.system.stack_sets}
    named = {part: _named(parts[part], steps) for part, steps in deploying.items()}
    apart = plan.system.rollout.stops_between_regions
    joined = {
        part: _joined(steps, named[part], apart) for part, steps in deploying.items()
    }
    waves = others
    for level in dependency_levels(parts):
        steps = [joined[part] for part in level if part in joined]
        waves += interleave(steps, plan.system.rollout.order)
    if len(waves) >= len(plan.waves):
        return (), []
    names = (f"{part}.{name}" for part, found in named.items() for name in found)
    return tuple(sorted(names)), waves


def _named(s: StackSet, steps: Iterable[Step]) -> set[str]:
    """The parameters whose values differ and come from the same account and region."""
    found: set[str] = set()
    for step in steps:
        for name, value in s.values(step.targets[0]).items():
            if name in step.varying and isinstance(value, Output):
                if (value.region, value.account, value.all) == (SAME, SAME, False):
                    found.add(name)
    return found


def _joined(steps: Sequence[Step], named: set[str], apart: bool) -> list[Step]:
    """Steps that differ only in these values as one."""
    groups: dict[str, list[Step]] = {}
    for step in steps:
        others = sorted((k, repr(v)) for k, v in step.values.items() if k not in named)
        region = step.targets[0].region if apart else ""
        groups.setdefault(f"{step.action} {others} {region}", []).append(step)
    return [
        replace(
            group[0],
            targets=tuple(t for step in group for t in step.targets),
            changes={t: c for step in group for t, c in step.changes.items()},
        )
        for group in groups.values()
    ]
