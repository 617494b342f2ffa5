"""Names that a plan would give to a new resource while another one has them.

CloudFormation creates what is new in a stack before it deletes what is gone, and a name
that is taken fails the creation ("Name type", CloudFormation user guide: names must be
unique across all of your active stacks). So the waves are followed one by one: who has
which name before each of them. Others than the system's own stack sets may have it, too:
other systems and environments, and what an earlier `destroy` left (`Elsewhere`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from tapgen.aws.retained import RetainedResource
from tapgen.frozen import dataclass
from tapgen.model import Action, Observed, System, Target
from tapgen.plan.model import Step
from tapgen.system import names
from tapgen.system.names import Name
from tapgen.template import diff, evaluate, schemas


@dataclass(frozen=True)
class Elsewhere:
    """What is not the system's own: the stack sets of other systems and environments,
    and what earlier deletions of the system `left`."""

    stack_sets: Mapping[str, Observed] = field(default_factory=dict)
    left: tuple[RetainedResource, ...] = ()


@dataclass(frozen=True)
class _Holder:
    """A resource that has a name; `left` where its stack no longer owns it, `new` where
    the plan creates it."""

    stack_set: str
    target: Target
    logical_id: str
    left: bool = False
    new: bool = False


_Holders = dict[Name, _Holder]


def wanted(waves: Iterable[Sequence[Step]]) -> frozenset[Name]:
    """Return the names that resources get by these waves."""
    return frozenset(name for wave in waves for s in wave for name, _ in _added(s))


def taken(
    waves: Sequence[Sequence[Step]], observed: Mapping[str, Observed]
) -> list[str]:
    """Return a line for each resource that is created under a name that is taken."""
    return [_line(*found) for found in _collisions(waves, observed)]


def moved(
    waves: Sequence[Sequence[Step]], observed: Mapping[str, Observed]
) -> dict[str, set[str]]:
    """Return stack set -> those that have to be updated before it, since they give up a
    name that it takes."""
    updated = {
        (step.stack_set, target)
        for wave in waves
        for step in wave
        if step.action is Action.UPDATE
        for target in step.targets
    }
    found: dict[str, set[str]] = {}
    for _, new, old, goes in _collisions(waves, observed):
        updates = (old.stack_set, old.target) in updated
        if goes and updates and not old.left and old.stack_set != new.stack_set:
            found.setdefault(new.stack_set, set()).add(old.stack_set)
    return found


def taken_elsewhere(
    waves: Sequence[Sequence[Step]], system: System, elsewhere: Elsewhere
) -> list[str]:
    """Return a line for each resource that is created under a name of something that is
    not the system's own."""
    others = _deployed(elsewhere.stack_sets, wanted(waves))
    found: dict[str, None] = {}
    for name, new in (one for wave in waves for step in wave for one in _added(step)):
        if name in others:
            found[_line(name, new, others[name], goes=False)] = None
        for one in elsewhere.left:
            if one.policy != "Snapshot" and _has(one, name):
                found[_left_line(name, new, one, system)] = None
    return list(found)


def _has(left: RetainedResource, name: Name) -> bool:
    """Whether a retained resource has a name."""
    given = names.of_physical(left.type, left.physical_id)
    return names.given(left.type, given, left.target) == name


def _collisions(
    waves: Sequence[Sequence[Step]], observed: Mapping[str, Observed]
) -> Iterator[tuple[Name, _Holder, _Holder, bool]]:
    """Yield name, new and old resource, and whether the old one goes by these waves."""
    added = [[one for step in wave for one in _added(step)] for wave in waves]
    if not any(added):
        return
    holders = _deployed(observed, {name for some in added for name, _ in some})
    leaving = {
        (step.stack_set, t, change.logical_id)
        for wave in waves
        for step in wave
        for t, changes in step.changes.items()
        for change in changes
        if _freed(change, t, step.stack_set)
    }
    for wave, some in zip(waves, added, strict=True):
        before = dict(holders)
        for name, new in some:
            old = holders.setdefault(name, new)
            if _place(old) != _place(new):
                yield name, new, old, _place(old) in leaving
        for step in wave:
            _free(step, before, holders)


def _added(step: Step) -> Iterator[tuple[Name, _Holder]]:
    """Yield the names that resources get by a step."""
    if step.action is Action.DELETE:
        return
    named: dict[int, list[diff.Resource]] = {}  # of changes that targets share
    for target, changes in step.changes.items():
        if id(changes) not in named:
            # Whether a resource gets another name does not depend on the target.
            named[id(changes)] = [
                c for c in changes if _gets_a_name(c, target, step.stack_set)
            ]
        for change in named[id(changes)]:
            if name := _after(change, target, step.stack_set):
                holder = _Holder(step.stack_set, target, change.logical_id, new=True)
                yield name, holder


def _gets_a_name(change: diff.Resource, target: Target, stack_set: str) -> bool:
    """Whether a resource has a name after a change that it did not have before."""
    new = _after(change, target, stack_set)
    return new is not None and new != _before(change, target, stack_set)


def _before(change: diff.Resource, target: Target, stack_set: str) -> Name | None:
    """Return the name that a resource has before a change."""
    if change.verb is diff.Verb.ADD:
        return None
    return names.of(change.type, change.before or {}, target, stack_set)


def _after(change: diff.Resource, target: Target, stack_set: str) -> Name | None:
    """Return the name that a resource has after a change."""
    if change.verb is diff.Verb.REMOVE:
        return None
    return names.of(change.type, change.after or {}, target, stack_set)


def _freed(change: diff.Resource, target: Target, stack_set: str) -> Name | None:
    """Return the name that a resource no longer has after a change."""
    if change.verb is diff.Verb.ADD:
        return None
    old = _before(change, target, stack_set)
    return old if old != _after(change, target, stack_set) else None


def _deployed(observed: Mapping[str, Observed], wanted: Collection[Name]) -> _Holders:
    holders: _Holders = {}
    for stack_set, found in observed.items():
        for target in found.instances:
            if target.joins_later:
                continue
            template, values = found.template_of(target), found.values(target)
            resources = evaluate.evaluate(template, values, target).resources
            for logical_id, resource in resources.items():
                properties = resource.get("Properties", {})
                if not isinstance(properties, Mapping):
                    continue
                kind = str(resource.get("Type"))
                name = names.of(kind, properties, target, stack_set)
                if name and name in wanted:
                    holders[name] = _Holder(stack_set, target, logical_id)
    return holders


def _free(step: Step, before: _Holders, holders: _Holders) -> None:
    """Note which names are free, or of what is left, after a step."""
    for target, changes in step.changes.items():
        for change in changes:
            name = _freed(change, target, step.stack_set)
            mine = (step.stack_set, target, change.logical_id)
            if name and name in before and _place(before[name]) == mine:
                if change.retained:
                    holders[name] = _Holder(*mine, left=True)
                elif _place(holders[name]) == mine:
                    del holders[name]


def _place(holder: _Holder) -> tuple[str, Target, str]:
    return holder.stack_set, holder.target, holder.logical_id


def _line(name: Name, new: _Holder, old: _Holder, goes: bool) -> str:
    if old.left:
        has = "keeps, as it is retained"
    else:
        has = "gets, too" if old.new else "still has"
    owner = f"{old.logical_id} of {old.stack_set} in {old.target}"
    return f"{_start(name, new)}, which {owner} {has}; {_advice(name, new, old, goes)}"


def _left_line(name: Name, new: _Holder, old: RetainedResource, system: System) -> str:
    return (
        f"{_start(name, new)}, which {old.logical_id} of {old.stack_set} in "
        f"{old.target} has kept since an earlier tapgen destroy, as it is retained; "
        f"delete it with tapgen destroy --delete-data {system.prefix} (which also "
        "forgets what is gone by now), import it with CloudFormation, or choose another "
        "suffix or name"
    )


def _start(name: Name, new: _Holder) -> str:
    """Return the beginning of a line: what would be created."""
    what = f"{new.stack_set} in {new.target}: {new.logical_id} ({name.type})"
    if not name.name:
        return f"{what} would be created, of which there is only one in a region"
    return f"{what} would be created with the name {name.short}"


def _advice(name: Name, new: _Holder, old: _Holder, goes: bool) -> str:
    other = "choose another name, for example with ${AWS::Region} or another suffix"
    if not name.name:
        other = "create it in one stack set only"
    same = (old.stack_set, old.target) == (new.stack_set, new.target)
    if same and not old.new:
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
