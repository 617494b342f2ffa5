"""Turn a step into calls, once the values that it waits for are known.

No target ever runs another one's values. A step sends its own targets' values as
stack-set parameters, one call for each distinct set of values, and writes those that
differ between targets as overrides afterwards: `UpdateStackSet` gives the new parameters
to the instances in its call only, and leaves overrides alone. An older override that
would hide a new value is removed first, while the stack set has the overridden value for
that target. So a new template never meets an old value, nor an old template a new one.

Pure: what is deployed comes in as `StackSetState`, which `after` advances call by call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from tapgen.aws import stacksets
from tapgen.aws.stacksets import Definition, rectangles
from tapgen.errors import RolloutError
from tapgen.frozen import dataclass
from tapgen.model import HIDDEN, Preferences, Target
from tapgen.rollout.program import (
    Call,
    Kind,
    Program,
    Reference,
    Step,
    Template,
    Value,
    Verb,
)

Outputs = Mapping[str, Mapping[Target, Mapping[str, str]]]


@dataclass
class StackSetState:
    """A stack set's definition and overrides, as far as calls have changed them.

    `deployed` are template and parameters that a target was last deployed with, where
    known, `pending` the definition that still has to be written to every instance.
    Templates are digests.
    """

    template: str
    parameters: dict[str, str]
    overrides: dict[Target, dict[str, str]] = field(default_factory=dict)
    deployed: dict[Target, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    pending: Definition | None = None

    def copy(self) -> StackSetState:
        return replace(
            self, overrides=dict(self.overrides), deployed=dict(self.deployed)
        )


def after(state: StackSetState | None, call: Call) -> StackSetState | None:
    """Return the state of a stack set once a call has succeeded; it may be the same
    object, changed. None when the stack set is deleted."""
    if call.verb is Verb.DELETE_STACK_SET:
        return None
    if call.verb is Verb.CONTINUE_ROLLBACK:
        return state
    if call.verb is Verb.CREATE_STACK_SET:
        assert call.definition
        return StackSetState(call.definition.template, _given(call.definition))
    if state is None:
        return None
    where = state.overrides if call.targets is None else call.targets
    if call.verb is Verb.DEFINE:
        assert call.definition
        state.template = call.definition.template
        state.parameters = _given(call.definition)
        now = state.template, state.parameters
        state.deployed.update({target: now for target in where})
    elif call.verb is Verb.DELETE_INSTANCES:
        for target in where:
            state.overrides.pop(target, None)
    else:
        state.overrides.update({t: dict(call.overrides) for t in where})
        given = state.template, state.parameters
        state.deployed.update({target: given for target in where})
    return state


def _given(definition: Definition) -> dict[str, str]:
    return {k: v for k, v in definition.parameters.items() if v is not None}


@dataclass(frozen=True)
class Expanded:
    """The calls of a step, and the definition that is still to be written at the end;
    `skipped` says that nothing changes."""

    calls: tuple[Call, ...] = ()
    pending: Definition | None = None
    skipped: bool = False


@dataclass
class Draft:
    """Calls on one stack set, and what it will be once they have succeeded."""

    name: str
    state: StackSetState | None
    templates: Mapping[str, Template]
    preferences: Preferences
    calls: list[Call] = field(default_factory=list)

    def add(self, call: Call) -> None:
        """Add a call that is no operation."""
        self.calls.append(call)
        self.state = after(self.state, call)

    def operate(
        self,
        verb: Verb,
        targets: Iterable[Target] | None,
        *,
        backwards: bool = False,
        **more: Any,
    ) -> None:
        """Add an operation at targets that are a full product; None means all."""
        assert self.state
        where = self.state.overrides if targets is None else list(targets)
        regions = list(dict.fromkeys(t.region for t in where))
        wanted = stacksets.preferences(self.preferences, regions, backwards=backwards)
        self.add(
            Call(
                verb,
                self.name,
                None if targets is None else tuple(where),
                preferences=wanted,
                **more,
            )
        )

    def define(self, definition: Definition, targets: Iterable[Target] | None) -> None:
        """Write a definition, and update these targets with it; None means all."""
        self.operate(Verb.DEFINE, targets, definition=definition)

    def override(self, targets: Iterable[Target], values: Mapping[str, str]) -> None:
        """Give targets exactly these overrides."""
        there = [t for t in targets if not t.joins_later]
        for rectangle in rectangles(there):
            self.operate(Verb.OVERRIDE, rectangle, overrides=dict(values))

    def deploy(self, definition: Definition, targets: Iterable[Target] | None) -> None:
        """Write a definition, and bring it to these targets; None means all.

        Where they are no full product, a definition given again would leave the first
        ones OUTDATED (API reference, UpdateStackSet, `Accounts`). Overrides, which stay
        as they are, bring it to the others.
        """
        if targets is None:
            self.define(definition, None)
            return
        first, *others = rectangles(targets)
        self.define(definition, first)
        assert self.state
        groups: dict[str, list[Target]] = {}
        for target in (t for rectangle in others for t in rectangle):
            had = self.state.overrides.get(target, {})
            groups.setdefault(repr(sorted(had.items())), []).append(target)
        for group in groups.values():
            self.override(group, self.state.overrides.get(group[0], {}))

    def complete(self, values: Mapping[str, Any], template: str) -> dict[str, Any]:
        """Return values with the template's defaults filled in."""
        known = self.templates.get(template, Template())
        return {**known.defaults, **values}

    def remove_stale_overrides(
        self,
        targets: Iterable[Target],
        definition: Definition,
        capabilities: Sequence[str],
    ) -> None:
        """Remove the overrides that would hide values of a new definition.

        No stack changes: before an override is removed, the stack set gets its value,
        with the template that the target has. `capabilities` are those that were
        deployed.
        """
        state = self.state
        assert state
        wanted = self.complete(definition.parameters, definition.template)
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
            was = self._as_deployed(definition, group[0], capabilities)
            now = state.template, state.parameters
            if (was.template, was.parameters) != now:
                for rectangle in rectangles(group):
                    self.define(was, rectangle)
            remaining = {k: v for k, v in had.items() if v in (wanted.get(k), HIDDEN)}
            self.override(group, remaining)

    def _as_deployed(
        self, definition: Definition, target: Target, capabilities: Sequence[str]
    ) -> Definition:
        """Return a definition that changes nothing for a target with its template,
        parameters and overrides, also once the overrides are removed."""
        assert self.state
        template, parameters = self.state.deployed[target]
        had = self.state.overrides[target]
        values = {**self.complete(parameters, template), **had}
        declared = self.templates.get(template, Template()).declared
        return replace(
            definition,
            template=template,
            parameters={k: v for k, v in values.items() if k in declared},
            capabilities=tuple(sorted({*definition.capabilities, *capabilities})),
        )


def expand(
    step: Step, program: Program, state: StackSetState | None, outputs: Outputs
) -> Expanded:
    """Return the calls of a step; RolloutError when it cannot be done."""
    if step.kind in (Kind.RESTORE, Kind.REPAIR) or not step.kind.deploys:
        return Expanded(step.calls)
    draft = Draft(
        step.stack_set,
        state.copy() if state else None,
        program.templates,
        program.preferences,
    )
    if step.kind is Kind.SETTLE:
        _settle(step, draft)
        return Expanded(tuple(draft.calls), skipped=not draft.calls)
    if step.kind is Kind.DELETE:
        _delete(step, draft)
        return Expanded(tuple(draft.calls), state.pending if state else None)
    values = resolved(step.values, outputs)
    if step.conditional and not (
        _changes_any_value(step, draft, values) or _reads_another(step, outputs)
    ):
        return Expanded(pending=state.pending if state else None, skipped=True)
    own = resolved(step.own, outputs)
    if step.kind is Kind.CREATE:
        pending = _create(step, draft, values, own)
    else:
        pending = _update(step, program, draft, values, own)
    return Expanded(tuple(draft.calls), pending)


def resolved(values: Mapping[str, Value], outputs: Outputs) -> dict[str, str]:
    """Return values with the outputs of earlier steps filled in."""
    return {
        name: _read(value, outputs) if isinstance(value, Reference) else value
        for name, value in values.items()
    }


def _read(reference: Reference, outputs: Outputs) -> str:
    found = []
    for source in reference.sources:
        has = outputs.get(reference.part, {}).get(source)
        if has is None or reference.output not in has:
            shown = ", ".join(sorted(has or ())) or "no readable outputs"
            raise RolloutError(
                f"output {reference} of {source} is missing (its stack has {shown}); "
                "check that tapgen bootstrap ran for that account"
            )
        found.append(has[reference.output])
    return ",".join(found)


def _with(step: Step, values: Mapping[str, str]) -> Definition:
    assert step.definition
    return replace(step.definition, parameters=dict(values))


def _create(
    step: Step, draft: Draft, values: Mapping[str, str], own: Mapping[str, str]
) -> Definition | None:
    definition = _with(step, own)
    template = definition.template
    if step.first and draft.state is None:
        draft.add(Call(Verb.CREATE_STACK_SET, step.stack_set, definition=definition))
    elif step.first:
        _require_empty(step, draft)
        draft.define(definition, None)
    state = draft.state
    assert state
    base = draft.complete(state.parameters, state.template)
    # Until then the stack set has what the targets have that are still there.
    pending = definition if step.settles else state.pending
    # A value that is not given is the template's default, whatever the stack set has.
    defaults = {
        k: v
        for k, v in draft.complete({}, template).items()
        if k not in values and base.get(k, v) not in (v, HIDDEN)
    }
    overrides = defaults | {
        k: v for k, v in values.items() if k in step.varying or base.get(k) != v
    }
    for targets in rectangles(step.targets):
        draft.operate(Verb.CREATE_INSTANCES, targets, overrides=overrides)
    return pending


def _require_empty(step: Step, draft: Draft) -> None:
    """Raise RolloutError where instances would get a definition that is not theirs.

    UpdateStackSet without Accounts and Regions updates all instances.
    """
    assert draft.state
    left = [t for t in draft.state.overrides if t not in step.asleep]
    if left:
        places = ", ".join(map(str, left))
        raise RolloutError(
            f"{step.stack_set}: {places} would get values of other targets; delete it "
            "first"
        )


def _update(
    step: Step,
    program: Program,
    draft: Draft,
    values: Mapping[str, str],
    own: Mapping[str, str],
) -> Definition | None:
    state = draft.state
    assert state
    overrides = {k: v for k, v in values.items() if k in step.varying}
    if not step.redefine and not _changes_shared_value(step, draft, values):
        # Only what differs between targets changes (or an instance is repaired):
        # the definition stays, and with it every other instance.
        draft.override(step.targets, overrides)
        return state.pending
    definition = _with(step, values)
    everywhere = set(step.targets) == set(state.overrides)
    # Not before every target has overrides: it must not run these values.
    final = everywhere and own == values
    found = program.start.get(step.stack_set)
    deployed = found.capabilities if found else ()
    draft.remove_stale_overrides(step.targets, definition, deployed)
    first, *others = [step.targets] if everywhere else rectangles(step.targets)
    draft.define(definition, None if everywhere else first)
    stale = any(
        {**values, **state.overrides[t]} != {**values, **overrides}
        or not set(step.varying) <= set(state.overrides[t])
        for t in first
    )
    if stale:
        draft.override(first, overrides)
    for targets in others:  # as in `Draft.deploy`
        draft.override(targets, overrides)
    return None if final else _with(step, own)


def _delete(step: Step, draft: Draft) -> None:
    """Delete instances, or with `drop` and without targets the stack set."""
    # A target that waits for accounts has no stack: deleting the stack set removes it.
    there = [t for t in step.targets if not (step.drop and t.joins_later)]
    for targets in rectangles(there):
        draft.operate(Verb.DELETE_INSTANCES, targets, backwards=True, whole=step.whole)
    if step.drop and not step.targets:
        draft.add(Call(Verb.DELETE_STACK_SET, step.stack_set))


def _settle(step: Step, draft: Draft) -> None:
    """Write the pending definition to all instances: writing a definition for some of
    them has marked all OUTDATED, also those that no step updates."""
    state = draft.state
    if state is None or state.pending is None:
        return
    there = [t for t in state.overrides if t not in step.untouched]
    if there or not step.untouched:
        draft.deploy(state.pending, there if step.untouched else None)


def _changes_any_value(step: Step, draft: Draft, values: Mapping[str, str]) -> bool:
    """Whether a target of the step does not have these values yet."""
    state = draft.state
    assert state
    base = draft.complete(state.parameters, state.template)
    return any(
        {**base, **state.overrides[t]}.get(k) not in (v, HIDDEN)
        for t in step.targets
        for k, v in values.items()
    )


def _reads_another(step: Step, outputs: Outputs) -> bool:
    """Whether an SSM parameter has another value than when a target read it."""
    return any(
        outputs.get(part, {}).get(target, {}).get(output) != value
        for part, places in step.had.items()
        for target, had in places.items()
        for output, value in had.items()
    )


def _changes_shared_value(step: Step, draft: Draft, values: Mapping[str, str]) -> bool:
    """Whether a value changes that all targets share."""
    state = draft.state
    assert state
    base = draft.complete(state.parameters, state.template)
    return any(
        k not in step.varying and base.get(k) not in (v, HIDDEN)
        for k, v in values.items()
    )
