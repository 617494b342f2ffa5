"""Deletions: the stack sets and instances that a system no longer has, in reverse order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tapgen.errors import PlanError
from tapgen.model import (
    Action,
    Observed,
    System,
    Target,
)
from tapgen.plan.model import Step
from tapgen.system import units
from tapgen.template import evaluate
from tapgen.template.parameters import complete


def refuse_protected(
    observed: Mapping[str, Observed], waves: Iterable[Iterable[Step]]
) -> None:
    """Raise PlanError for deletion protection: it would fail the deletion of the stack and
    leave the instance INOPERABLE."""
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
        for logical_id, resource in evaluate.written_out(
            found.template, found.values(target), target
        )
        .get("Resources", {})
        .items()
        if _is_protected(resource, complete(found.values(target), found.template))
    ]
    if protected:
        raise PlanError(
            "deletion protection is on and would fail the deletion halfway; turn it off "
            "in the config, roll that out, then delete:\n" + "\n".join(protected)
        )


def _is_protected(resource: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    properties = resource.get("Properties", {})
    retained = str(resource.get("DeletionPolicy", "")).startswith("Retain")
    for name in ("DeletionProtection", "DeletionProtectionEnabled"):
        value = properties.get(name)
        if isinstance(value, dict):
            value = values.get(str(value.get("Ref")))
        if str(value).lower() == "true" and not retained:
            return True
    return False


def deletions_for(
    system: System, levels: Sequence[Sequence[str]], observed: Mapping[str, Observed]
) -> list[tuple[Step, ...]]:
    """Return the waves that delete stack sets, then instances, that the system no longer
    has."""
    by_part = {s.part: s for s in system.stack_sets}
    names = {s.name for s in system.stack_sets}
    gone = tuple(
        delete_step(o, tuple(o.instances), "no longer in the system", drop=True)
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
                    delete_step(found, targets, "no longer a target", whole=as_a_whole)
                    for targets, as_a_whole in zip(
                        units.retreat(s, found, surplus), (True, False), strict=True
                    )
                    if targets
                ]
        if wave:
            waves.append(tuple(wave))
    return waves


def delete_step(
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
