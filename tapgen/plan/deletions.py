"""Deletions: the stack sets and instances that a system no longer has, in reverse order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tapgen.knowledge.deletion_protection import (
    ATTRIBUTES,
    OF_TYPES,
    ON,
    PARTS,
    PROPERTIES,
)
from tapgen.model import (
    Action,
    Observed,
    System,
    Target,
)
from tapgen.plan.model import Step
from tapgen.plan.steps import moves_away
from tapgen.system import units
from tapgen.template import evaluate
from tapgen.template.values import mapping


def protected(observed: Mapping[str, Observed], step: Step) -> Iterator[str]:
    """Yield `logical id in target` of each resource with deletion protection: it would
    fail the deletion of the stack and leave the instance INOPERABLE."""
    if step.action is not Action.DELETE:
        return
    found = observed[step.stack_set]
    for target in step.targets:
        if target.joins_later:
            continue
        template, values = found.template_of(target), found.values(target)
        resources = evaluate.evaluate(template, values, target).resources
        for logical_id, resource in resources.items():
            if _is_protected(resource):
                yield f"{logical_id} in {target}"


def _is_protected(resource: Mapping[str, Any]) -> bool:
    if str(resource.get("DeletionPolicy", "")).startswith("Retain"):
        return False
    return any(str(value).lower() in ON for value in _protections(resource))


def _protections(resource: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the values of what may protect a resource."""
    kind = str(resource.get("Type"))
    properties = mapping(resource.get("Properties"))
    for name in (*PROPERTIES, OF_TYPES.get(kind, "")):
        yield properties.get(name)
    if kind in ATTRIBUTES:
        listed, key, wanted, value = ATTRIBUTES[kind]
        for item in _items(properties.get(listed)):
            if item.get(key) == wanted:
                yield item.get(value)
    if kind in PARTS:
        listed, value = PARTS[kind]
        for item in _items(properties.get(listed)):
            yield item.get(value)


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [mapping(item) for item in value] if isinstance(value, list) else []


def in_order(
    system: System, observed: Mapping[str, Observed], waves: Iterable[tuple[Step, ...]]
) -> tuple[list[tuple[Step, ...]], list[tuple[Step, ...]]]:
    """The waves of deletions that come before everything else, and those that come last.

    Before: those of stack sets that have to be gone before they come elsewhere
    (`steps.moves_away`), with what uses these, in the same order.
    """
    away = {
        s.part for s in system.stack_sets if moves_away(system, s, observed.get(s.name))
    }
    early = set(away)
    while more := {
        s.part
        for s in system.stack_sets
        if s.requires() & early and s.part not in early
    }:
        early |= more
    parts = {s.part for s in system.stack_sets}
    first, last = [], []
    for wave in waves:
        soon = [s for s in wave if away and (s.part in early or s.part not in parts)]
        first.append(tuple(_reasoned(s, away) for s in soon))
        last.append(tuple(s for s in wave if s not in soon))
    return [w for w in first if w], [w for w in last if w]


def _reasoned(step: Step, away: Collection[str]) -> Step:
    """A deletion that comes first, with why."""
    why = (
        "deleted first, since its template, roles or capabilities change as well and "
        "no target may run what is for others"
        if step.part in away
        else f"deleted first, as it uses {', '.join(sorted(away))}"
    )
    return replace(step, reasons=(*step.reasons, why))


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
