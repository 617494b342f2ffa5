"""Names that a plan would give to a new resource while another one has them.

CloudFormation creates what is new in a stack before it deletes what is gone, and a name
that is taken fails the creation ("Name type", CloudFormation user guide: names must be
unique across all of your active stacks). So the waves are followed one by one: who has
which name before each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tapgen.model import Action, Observed, Target
from tapgen.plan.model import Step
from tapgen.system import names
from tapgen.system.names import Name
from tapgen.template import diff, evaluate, schemas


@dataclass(frozen=True)
class _Holder:
    """A resource that has a name; `left` where its stack no longer owns it."""

    stack_set: str
    target: Target
    logical_id: str
    left: bool = False


_Holders = dict[Name, _Holder]


def taken(
    waves: Sequence[Sequence[Step]], observed: Mapping[str, Observed]
) -> list[str]:
    """Return a line for each resource that is created under a name that is taken."""
    wanted = {name for wave in waves for s in wave for name, _ in _added(s)}
    if not wanted:
        return []
    holders = _deployed(observed, wanted)
    leaving = {
        (step.stack_set, t, change.logical_id): number
        for number, wave in enumerate(waves)
        for step in wave
        for t, changes in step.changes.items()
        for change in changes
        if change.verb is diff.Verb.REMOVE
    }
    found: dict[str, None] = {}
    for wave in waves:
        for step in wave:
            for name, new in _added(step):
                old = holders.get(name)
                if old and old != new:
                    goes = (old.stack_set, old.target, old.logical_id) in leaving
                    found[_line(name, new, old, goes)] = None
        for step in wave:
            _apply(step, holders)
    return list(found)


def _added(step: Step) -> Iterator[tuple[Name, _Holder]]:
    for target, changes in step.changes.items():
        for change in changes:
            if change.verb is diff.Verb.ADD and step.action is not Action.DELETE:
                name = names.of(change.type, change.after, target, step.stack_set)
                if name:
                    yield name, _Holder(step.stack_set, target, change.logical_id)


def _deployed(observed: Mapping[str, Observed], wanted: set[Name]) -> _Holders:
    holders: _Holders = {}
    for stack_set, found in observed.items():
        for target in found.instances:
            if target.joins_later:
                continue
            template, values = found.template_of(target), found.values(target)
            resources = evaluate.evaluate(template, values, target).resources
            for logical_id, resource in resources.items():
                properties = resource.get("Properties")
                if not isinstance(properties, Mapping):
                    continue
                kind = str(resource.get("Type"))
                name = names.of(kind, properties, target, stack_set)
                if name in wanted:
                    holders[name] = _Holder(stack_set, target, logical_id)
    return holders


def _apply(step: Step, holders: _Holders) -> None:
    """Note who has which name after a step."""
    for target, changes in step.changes.items():
        for change in changes:
            if change.verb is not diff.Verb.REMOVE:
                continue
            name = names.of(change.type, change.before, target, step.stack_set)
            mine = _Holder(step.stack_set, target, change.logical_id)
            if name and holders.get(name) == mine:
                if change.retained:
                    holders[name] = _Holder(*_place(mine), left=True)
                else:
                    del holders[name]
    for name, new in _added(step):
        holders.setdefault(name, new)


def _place(holder: _Holder) -> tuple[str, Target, str]:
    return holder.stack_set, holder.target, holder.logical_id


def _line(name: Name, new: _Holder, old: _Holder, goes: bool) -> str:
    return (
        f"{new.stack_set} in {new.target}: {new.logical_id} ({name.type}) would be created "
        f"with the name {name.short}, which {old.logical_id} of {old.stack_set} in "
        f"{old.target} {'still has' if not old.left else 'keeps, as it is retained'}; "
        f"{_advice(name, new, old, goes)}"
    )


def _advice(name: Name, new: _Holder, old: _Holder, goes: bool) -> str:
    other = "choose another name, for example with ${AWS::Region} or another suffix"
    same = (old.stack_set, old.target) == (new.stack_set, new.target)
    if same:
        return f"keep the logical id {old.logical_id}, or {other}"
    if not goes:
        return other
    in_place = old.target == new.target
    if old.left or schemas.is_stateful(name.type):
        take_over = (
            ", or take over the old resource in two rollouts: retain it with "
            "DeletionPolicy, remove it, then import it where it is to be"
        )
        return other + (take_over if in_place else "")
    return (
        f"{other}, or move it in two rollouts: first remove it from {old.stack_set}"
        f"{'' if in_place else f' in {old.target.region}'}, then add it again"
    )
