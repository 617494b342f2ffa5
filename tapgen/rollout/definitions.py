"""Write definitions and overrides to a stack set, so that no target runs wrong values.

A step sends its own targets' values as stack-set parameters, one call for each distinct
set of values, and writes those that differ between targets as overrides afterwards:
`UpdateStackSet` gives the new parameters to the instances in its call only, and
leaves overrides alone. An older override that would hide a new value is removed first,
while the stack set has the overridden value for that target. So a new template never
meets an old value, nor an old template a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tapgen.aws import stacksets
from tapgen.aws.stacksets import Definition
from tapgen.model import HIDDEN, StackSet, Target
from tapgen.rollout.operations import Steps, start
from tapgen.rollout.state import Run
from tapgen.system import ownership
from tapgen.template.parameters import complete, parameters_of


def definition_of(run: Run, s: StackSet, values: Mapping[str, str]) -> Definition:
    """Return the definition of a stack set of the plan's system, with these values."""
    system, managed = run.plan.system, s.service_managed
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


def preferences(
    run: Run, targets: Iterable[Target], *, backwards: bool = False
) -> dict[str, Any]:
    """Return the operation preferences for these targets, in the system's region order."""
    rollout = run.plan.system.rollout
    regions = list(dict.fromkeys(t.region for t in targets))
    return stacksets.preferences(rollout.preferences, regions, backwards=backwards)


def define(
    run: Run, name: str, definition: Definition, targets: list[Target] | None
) -> Steps:
    """Write a definition, and update these targets with it; None means all."""
    where = list(targets) if targets else list(run.states[name].overrides)
    wanted = preferences(run, where)
    yield from start(run, run.sets.update, name, definition, targets, wanted)


def override(
    run: Run, name: str, targets: Iterable[Target], overrides: Mapping[str, str]
) -> Steps:
    """Give targets exactly these overrides."""
    given = list(targets)
    there = [t for t in given if not t.joins_later]
    for rectangle in stacksets.rectangles(there):
        yield from start(
            run,
            run.sets.override,
            name,
            rectangle,
            overrides,
            preferences(run, rectangle),
        )
    run.states[name].overrides.update({t: dict(overrides) for t in given})


def remove_stale_overrides(
    run: Run, name: str, targets: Iterable[Target], definition: Definition
) -> Steps:
    """Remove the overrides that would hide values of a new definition.

    `UpdateStackSet` leaves overrides alone. No stack changes: before an override is
    removed, the stack set gets its value, with the template that the target has.
    """
    state = run.states[name]
    wanted = complete(definition.parameters, definition.template)
    groups: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        had = state.overrides.get(target, {})
        stale = any(v not in (wanted.get(k), HIDDEN) for k, v in had.items())
        if stale and target in state.deployed:
            template, values = state.deployed[target]
            key = template, repr(sorted({**values, **had}.items()))
            groups.setdefault(key, []).append(target)
    for group in groups.values():
        had = state.overrides[group[0]]
        was = _as_deployed(run, name, definition, *state.deployed[group[0]], had)
        if (was.template, was.parameters) != (state.template, state.parameters):
            for rectangle in stacksets.rectangles(group):
                yield from define(run, name, was, rectangle)
            state.template = was.template
            state.parameters = {k: str(v) for k, v in was.parameters.items()}
        stale_names = {k for k, v in had.items() if v not in (wanted.get(k), HIDDEN)}
        remaining = {k: v for k, v in had.items() if k not in stale_names}
        yield from override(run, name, group, remaining)


def _as_deployed(
    run: Run,
    name: str,
    definition: Definition,
    template: str,
    parameters: Mapping[str, str],
    had: Mapping[str, str],
) -> Definition:
    """Return a definition that changes nothing for a target with this template, these
    parameters and overrides, also once the overrides are removed."""
    found = run.plan.observed.get(name)
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
