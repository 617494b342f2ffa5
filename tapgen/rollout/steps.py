"""The steps of a plan: create, update or delete a stack set's instances."""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.aws import stacksets
from tapgen.errors import RolloutError
from tapgen.model import HIDDEN, Action
from tapgen.plan import Step
from tapgen.rollout import restore
from tapgen.rollout.definitions import (
    define,
    definition_of,
    override,
    preferences,
    remove_stale_overrides,
)
from tapgen.rollout.instances import await_current, await_gone, finish
from tapgen.rollout.operations import Steps, start
from tapgen.rollout.state import Run, StackSetState
from tapgen.rollout.values import (
    changes_any_value,
    changes_shared_value,
    own_values,
    step_values,
)
from tapgen.template.parameters import complete


def run_step(run: Run, step: Step) -> Steps:
    """Run one step; yields each operation to wait for."""
    values = step_values(run, step)
    if step.conditional and not changes_any_value(run, step, values):
        run.emit("skipped", "no changes", stack_set=step.stack_set)
        return
    restore.store_before(run, step.stack_set)
    run.touched.append(step.stack_set)
    run.begun |= {(step.stack_set, target) for target in step.targets}
    words = f"{str(step.action).lower()}: {'; '.join(step.reasons)}"
    run.emit("start", words, stack_set=step.stack_set)
    if step.action is Action.DELETE:
        yield from _delete(run, step)
    elif step.action is Action.CREATE:
        yield from _create(run, step, values)
    else:
        yield from _update(run, step, values)
    if step.action is not Action.DELETE:
        finish(run, step)
    if step.stack_set not in run.done:
        run.done.append(step.stack_set)
    result = "deleted" if step.action is Action.DELETE else "deployed"
    run.emit("done", result, stack_set=step.stack_set)


def _create(run: Run, step: Step, values: Mapping[str, str]) -> Steps:
    name = step.stack_set
    s = run.plan.system.part(step.part)
    own = own_values(s, step, values)
    definition = definition_of(run, s, own)
    if step.first and name not in run.plan.observed:
        run.sets.create(name, definition)
        run.states[name] = StackSetState(s.template, own, {})
    elif step.first:
        _require_empty(run, name)
        yield from define(run, name, definition, None)
        run.states[name] = StackSetState(s.template, own, {})
    state = run.states[name]
    base = complete(state.parameters, state.template)
    if step.settles:
        # Until then the stack set has what the targets have that are still there.
        state.pending = definition_of(run, s, own)
    # A value that is not given is the template's default, whatever the stack set has.
    defaults = {
        k: v
        for k, v in complete({}, s.template).items()
        if k not in values and base.get(k, v) not in (v, HIDDEN)
    }
    overrides = defaults | {
        k: v for k, v in values.items() if k in step.varying or base.get(k) != v
    }
    for targets in stacksets.rectangles(step.targets):
        state.overrides.update({t: dict(overrides) for t in targets})
        yield from start(
            run,
            run.sets.create_instances,
            name,
            targets,
            overrides,
            preferences(run, targets),
        )


def _require_empty(run: Run, name: str) -> None:
    """Raise RolloutError where instances would get a definition that is not theirs.

    UpdateStackSet without Accounts and Regions updates all instances.
    """
    asleep = {target for of, target in run.plan.suspended if of == name}
    left = [t for t in run.states[name].overrides if t not in asleep]
    if left:
        places = ", ".join(map(str, left))
        raise RolloutError(
            f"{name}: {places} would get values of other targets; delete it first"
        )


def _update(run: Run, step: Step, values: Mapping[str, str]) -> Steps:
    name = step.stack_set
    s = run.plan.system.part(step.part)
    state = run.states[name]
    overrides = {k: v for k, v in values.items() if k in step.varying}
    if not step.redefine and not changes_shared_value(step, state, values):
        # Only what differs between targets changes (or an instance is repaired):
        # the definition stays, and with it every other instance.
        yield from override(run, name, step.targets, overrides)
        return
    definition = definition_of(run, s, values)
    everywhere = set(step.targets) == set(state.overrides)
    # Not before every target has overrides: it must not run these values.
    own = own_values(s, step, values)
    final = everywhere and own == values
    state.pending = None if final else definition_of(run, s, own)
    yield from remove_stale_overrides(run, name, step.targets, definition)
    if everywhere:
        yield from define(run, name, definition, None)
    else:
        for targets in stacksets.rectangles(step.targets):
            yield from define(run, name, definition, targets)
    state.template, state.parameters = s.template, dict(values)
    deployed = s.template, dict(values)
    state.deployed.update({target: deployed for target in step.targets})
    stale = any(
        {**values, **state.overrides[t]} != {**values, **overrides}
        or not set(step.varying) <= set(state.overrides[t])
        for t in step.targets
    )
    if stale:
        yield from override(run, name, step.targets, overrides)


def _delete(run: Run, step: Step) -> Steps:
    name = step.stack_set
    if step.drop:
        run.dropped.add(name)
    # A target that waits for accounts has no stack: deleting the stack set removes it.
    there = [t for t in step.targets if not (step.drop and t.joins_later)]
    for targets in stacksets.rectangles(there):
        yield from start(
            run,
            run.sets.delete_instances,
            name,
            targets,
            preferences(run, targets, backwards=True),
            whole=step.whole,
        )
        for target in targets:
            run.states[name].overrides.pop(target, None)
    if any(t.unit for t in there):
        await_gone(run, name, [t for t in there if not t.joins_later])
    if step.drop:
        run.sets.delete(name)


def update_all(run: Run, name: str) -> Steps:
    """Write a stack set's pending definition to all its instances."""
    definition = run.states[name].pending
    assert definition
    untouched = run.plan.untouched(name)
    there = [t for t in run.states[name].overrides if t not in untouched]
    for targets in stacksets.rectangles(there) if untouched else [None]:
        yield from define(run, name, definition, targets)
    run.states[name].parameters = {
        k: v for k, v in definition.parameters.items() if v is not None
    }
    asleep = {target for of, target in run.plan.suspended if of == name}
    awake = [t for t in there if t not in asleep]
    await_current(run, name, awake)
