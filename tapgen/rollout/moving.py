"""Move the administration of a system to another region: its stack sets, their lock and
their journal.

A stack set is administered in the region in which it was created (CloudFormation user
guide, "StackSets concepts"), so another one takes over its stacks (`adoption`). All stack
sets are created first: what the new region refuses is known before a stack is let go.
Only the region that has a stack set can let its stacks go, and a stack belongs to one stack
set at most ("Import stacks into CloudFormation StackSets"). So the administration cannot be
moved out of a region that does not answer; a run that has begun goes on when it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tapgen.aws.stacksets import Definition, StackSets
from tapgen.model import (
    InstanceStatus,
    Observed,
    PermissionModel,
    System,
    digest,
)
from tapgen.rollout import adoption
from tapgen.rollout.execute import Ways
from tapgen.rollout.kinds import MOVE
from tapgen.rollout.model import Event, Outcome
from tapgen.rollout.planned import require_unchanged
from tapgen.rollout.program import Lane, Program
from tapgen.rollout.restore import by_digest
from tapgen.rollout.runner import Compiled, Starter, start
from tapgen.system import ownership
from tapgen.template import parameters


def elsewhere(system: System, region: str) -> System:
    """Return the system as it is administered in another region."""
    return replace(system, admin=replace(system.admin, region=region))


def refusals(
    observed: Mapping[str, Observed], there: Mapping[str, Observed], to: str
) -> list[str]:
    """Return why the administration cannot be moved to a region, a line for each reason;
    `there` are the stack sets of these names in it."""
    found = [
        line for name, one in sorted(observed.items()) for line in _refusals(name, one)
    ]
    return found + [
        f"{name} exists in {to} already; delete it there first (aws cloudformation "
        f"delete-stack-set --region {to} --stack-set-name {name})"
        for name in sorted(there)
    ]


def _refusals(name: str, found: Observed) -> Iterator[str]:
    if found.permission_model is PermissionModel.SERVICE_MANAGED:
        yield (
            f"{name} is deployed by AWS Organizations; tapgen moves stack sets with roles "
            "of their own only"
        )
        return
    wrong = [
        f"{target} ({one.status}{'' if one.stack_id else ', no stack'})"
        for target, one in sorted(found.instances.items())
        if one.status is not InstanceStatus.CURRENT or not one.stack_id
    ]
    if wrong:
        yield (
            f"{name}: {', '.join(wrong)} must be CURRENT, since AWS imports stacks with the "
            "template of the stack set only; roll out or repair first"
        )
    declared = parameters.parameters_of(found.template)
    hidden = sorted(
        n for n, p in declared.items() if str(p.get("NoEcho")).lower() == "true"
    )
    if hidden:
        yield (
            f"{name} has the NoEcho parameter {', '.join(hidden)}: AWS does not import such "
            "stacks; take the value from a secret or from Parameter Store instead"
        )


def program(
    system: System, observed: Mapping[str, Observed], to: str
) -> tuple[Program, dict[str, str]]:
    """Return the program that moves stack sets to a region, and the texts of their
    templates by digest."""
    texts: dict[str, str] = {}
    start = {name: by_digest(found, texts) for name, found in observed.items()}
    parts = {s.name: s.part for s in system.stack_sets}
    role = ownership.administration_role(elsewhere(system, to))
    founding: list[Lane] = []
    moving: list[Lane] = []
    for name, found in observed.items():
        part = parts.get(name) or found.tags.get("tapgen:part", name)
        definition = Definition(
            template=digest(found.template),
            parameters=dict(found.parameters),
            capabilities=found.capabilities,
            tags=dict(found.tags),
            description=found.description,
            administration_role=role,
            execution_role=found.execution_role,
        )
        founding.append((adoption.founding(name, part, definition, to),))
        stacks = {t: one.stack_id for t, one in found.instances.items() if one.stack_id}
        overrides = {t: one.overrides for t, one in found.instances.items()}
        moving.append(adoption.lane(name, part, stacks, overrides, to, released=True))
    waves = (tuple(founding), tuple(moving)) if observed else ()
    return Program(waves, start=start, on_failure="stop"), texts


def move(
    system: System,
    observed: Mapping[str, Observed],
    sets: StackSets,
    to: str,
    on_event: Callable[[Event], None],
    *,
    starter: Starter = Starter(command=MOVE),
    **ways: Any,
) -> Outcome:
    """Move the administration of a system to a region that has a copy of its journal.

    Raises what `runner.run` raises, also where a stack set is not as it was `observed`
    any more. A move is never turned back: it goes on, with
    `runner.resume`, until it has ended.
    """
    starter = replace(starter, command=MOVE, facts={**starter.facts, "to": to})

    def compiled(old: object, store: object) -> Compiled:
        since = "it was read; give the command again"
        require_unchanged(observed, observed, sets, since)
        return *program(system, observed, to), {}

    return start(sets, system, starter, Ways(on_event, **ways), compiled)
