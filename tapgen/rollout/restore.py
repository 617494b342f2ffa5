"""The rollback: restore the last good definition of stack sets that were changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from tapgen.aws import stacksets
from tapgen.aws.stacksets import Definition
from tapgen.errors import AwsError, NotFound
from tapgen.model import (
    InstanceDetailedStatus,
    Observed,
    ObservedInstance,
    PermissionModel,
    Target,
)
from tapgen.rollout import snapshot
from tapgen.rollout.definitions import define, override, remove_stale_overrides
from tapgen.rollout.instances import await_current
from tapgen.rollout.model import Fate, InstanceFate
from tapgen.rollout.operations import Running, Steps, run_together
from tapgen.rollout.state import Run, StackSetState
from tapgen.template import diff


def store_before(run: Run, name: str) -> None:
    """Store the last good definition of a stack set before it is changed."""
    found = run.plan.observed.get(name)
    if found and name not in run.touched and snapshot.is_good(found):
        _store(run, found)


def store_after(run: Run) -> None:
    """Store the good definitions at the end, for when the next rollout finds others."""
    for name in dict.fromkeys(run.touched):
        found = None if name in run.dropped else run.sets.describe(name)
        if found and snapshot.is_good(found):
            _store(run, found)


def _store(run: Run, found: Observed) -> None:
    place = snapshot.key(run.plan.system, found.name)
    run.sets.bucket.put(place, snapshot.dump(found))


def _last_good(run: Run, name: str) -> Observed | None:
    """Return the definition to restore; that of a deleted stack set of the same name
    does not count."""
    found = run.plan.observed.get(name)
    if found is None or snapshot.is_good(found):
        return found
    body = run.sets.bucket.get(snapshot.key(run.plan.system, name))
    stored = snapshot.load(body) if body else None
    return stored if stored and stored.id == found.id else None


def restore(run: Run) -> tuple[str, ...]:
    """Restore the last good definitions, newest change first; return the restored names.

    Stack sets and instances that this rollout created stay, so that the next one
    continues there.
    """
    if run.plan.system.rollout.on_failure != "rollback":
        return ()
    restored = []
    for name in dict.fromkeys(reversed(run.touched)):
        good = None if name in run.dropped else _last_good(run, name)
        if good is None:
            continue
        run.emit("restoring", "restoring the last good version", stack_set=name)
        before = len(run.failures)
        run_together(run, [Running(name, _restore_one(run, good))])
        if len(run.failures) == before and not run.stopping():
            restored.append(name)
            run.emit("restored", _restored_how(run, good), stack_set=name)
    return tuple(restored)


def fates(run: Run, restored: Iterable[str]) -> tuple[InstanceFate, ...]:
    """Return what became of each instance that was touched; `restored` are the stack sets
    whose last good definition was written again."""
    found = []
    for name in dict.fromkeys(run.touched):
        before = run.plan.observed.get(name)
        had = set(before.instances) if before else set()
        now = _instances_now(run, name)
        fate = Fate.LEFT
        if name in restored:
            fate = Fate.RENEWED if _replaced(run, name) else Fate.RESTORED
        for target in sorted(had | {*now}):
            if target not in now:
                found.append(InstanceFate(name, target, Fate.REMOVED))
            elif target not in had:
                found.append(InstanceFate(name, target, Fate.NEW))
            elif name in restored or (name, target) in run.begun:
                found.append(InstanceFate(name, target, fate))
    return tuple(found)


def _instances_now(run: Run, name: str) -> Collection[Target]:
    """The instances of a stack set; those that should be there if AWS does not say."""
    try:
        return run.sets.listed(name)
    except NotFound:
        return ()
    except AwsError:
        return run.states[name].overrides


def sorted_out(
    run: Run, instances: Iterable[InstanceFate]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the stack sets that are as they were, and those that are not."""
    kinds: dict[str, set[Fate]] = {name: set() for name in run.touched}
    for one in instances:
        kinds[one.stack_set].add(one.fate)
    good = {Fate.RESTORED, Fate.RENEWED}
    whole = tuple(n for n in reversed(kinds) if kinds[n] and kinds[n] <= good)
    return whole, tuple(n for n in kinds if n not in whole)


def _replaced(run: Run, name: str) -> set[str]:
    """The resources of a stack set that the rollout replaces for certain."""
    return {
        change.logical_id
        for step in run.plan.steps
        if step.stack_set == name
        for changes in step.changes.values()
        for change in changes
        if change.verdict is diff.Verdict.REPLACES
    }


def _restored_how(run: Run, good: Observed) -> str:
    """Describe a restored stack set: which resources may be new ones, and whether
    automatic deployment could not be restored.

    AWS changes automatic deployment for all instances at once only, so it stays while
    there are instances that this rollout created.
    """
    replaced = _replaced(run, good.name)
    if replaced:
        return (
            "to the last good version, but perhaps with new resources "
            f"({_few(replaced)}), since undoing a replacement creates a new one; the next "
            "rollout updates what refers to them"
        )
    wanted = {s.name: s.service_managed for s in run.plan.system.stack_sets}
    managed = wanted.get(good.name)
    grown = set(run.states[good.name].overrides) - set(good.instances)
    if not grown or not managed or managed.auto_deployment == good.auto_deployment:
        return "to the last good version"
    now = "on" if managed.auto_deployment.enabled else "off"
    return (
        f"to the last good version, but automatic deployment may be {now}: AWS changes "
        "it for all instances at once only, and new instances stay"
    )


def _few(names: Iterable[str]) -> str:
    first, *others = sorted(names)
    return f"{first} and {len(others)} more" if others else first


def _restore_one(run: Run, good: Observed) -> Steps:
    name = good.name
    in_units = good.permission_model is PermissionModel.SERVICE_MANAGED
    definition = Definition(
        template=good.template,
        parameters=dict(good.parameters),
        capabilities=good.capabilities,
        tags=good.tags,
        description=good.description,
        administration_role=good.administration_role,
        execution_role=good.execution_role,
        permission_model=good.permission_model,
        auto_deployment=good.auto_deployment if in_units else None,
    )
    now = run.sets.instances(name)
    # An account may have moved to another unit since it was deployed to.
    wanted_now = {
        t: t for s in run.plan.system.stack_sets if s.name == name for t in s.targets
    }
    there = good.instances.keys() - run.plan.untouched(name)
    known = [wanted_now.get(t, t) for t in now if t in there]
    changed: dict[str, list[Target]] = {}
    for target in known:
        wanted = good.instances[target].overrides
        if dict(now[target].overrides) != dict(wanted):
            changed.setdefault(repr(sorted(wanted.items())), []).append(target)
    for group in changed.values():
        yield from _restore_overrides(run, good, definition, group, now)
    groups = [None] if len(known) == len(now) else stacksets.rectangles(known)
    for targets in groups:
        yield from define(run, name, definition, targets)
    await_current(run, name, known)


def _restore_overrides(
    run: Run,
    good: Observed,
    definition: Definition,
    group: Sequence[Target],
    now: Mapping[Target, ObservedInstance],
) -> Steps:
    """Restore targets whose overrides were the same before and have changed: first
    their own values with their own template, then their overrides."""
    name = good.name
    overrides = good.instances[group[0]].overrides
    own = replace(definition, parameters={**good.parameters, **overrides})
    found = run.sets.describe(name)
    if found:
        run.states[name] = StackSetState(
            found.template,
            dict(found.parameters),
            {t: dict(i.overrides) for t, i in now.items()},
            deployed=run.states[name].deployed,
        )
    # A failed target has what it had, whatever its overrides say: leave it alone.
    succeeded = InstanceDetailedStatus.SUCCEEDED
    whole = [t for t in group if now[t].detailed_status is succeeded]
    yield from remove_stale_overrides(run, name, whole, own)
    for rectangle in stacksets.rectangles(group):
        yield from define(run, name, own, rectangle)
    yield from override(run, name, group, overrides)
