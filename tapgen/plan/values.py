"""The parameter values of each target: given, read from outputs, or known later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tapgen.model import (
    NO_STACK,
    InstanceStatus,
    Observed,
    ObservedInstance,
    Output,
    Reading,
    StackSet,
    Target,
)
from tapgen.plan.model import Moves, Reference, Step, Value
from tapgen.system import checks
from tapgen.template import diff, evaluate, parameter_store
from tapgen.template.evaluate import Evaluated
from tapgen.template.parameters import complete
from tapgen.template.values import FOUND, LATER

# Target -> the outputs that may have another value, and how certain that is.
ChangingOutputs = Mapping[Target, Mapping[str, Moves]]


def with_defaults(
    s: StackSet, values: Mapping[Target, Mapping[str, Value]]
) -> dict[Target, Mapping[str, Value]]:
    """Return the values, with the template's default where only other targets set a
    parameter: without a value of its own a target would get that of the stack set."""
    given = {name for own in _different(values) for name in own}
    defaults = {k: v for k, v in complete({}, s.template).items() if k in given}
    if all(name in own for own in _different(values) for name in defaults):
        return dict(values)
    return {target: {**defaults, **own} for target, own in values.items()}


def _different(
    values: Mapping[Target, Mapping[str, Value]],
) -> Iterable[Mapping[str, Value]]:
    """Return the values of all targets, once where targets share them (`every`)."""
    return {id(own): own for own in values.values()}.values()


def varying_parameters(values: Mapping[Target, Mapping[str, Value]]) -> frozenset[str]:
    """Return the parameters whose values differ between targets."""
    seen: dict[str, set[str]] = {}
    for given in _different(values):
        for name, value in given.items():
            seen.setdefault(name, set()).add(repr(value))
    return frozenset(name for name, different in seen.items() if len(different) > 1)


def is_pending(value: Value) -> bool:
    return isinstance(value, Reference)


def has_pending(values: Mapping[str, Value]) -> bool:
    return any(is_pending(v) for v in values.values())


def every(
    s: StackSet,
    targets: Sequence[Target],
    parts: Mapping[str, StackSet],
    observed: Mapping[str, Observed],
    touched: Mapping[str, ChangingOutputs],
) -> dict[Target, Mapping[str, Value]]:
    """Return the values of targets (`resolve`), the same object where they are the same
    for all."""
    if s.is_uniform and targets:
        same = resolve(s, targets[0], parts, observed, touched)
        return dict.fromkeys(targets, same)
    return {t: resolve(s, t, parts, observed, touched) for t in targets}


def resolve(
    s: StackSet,
    target: Target,
    parts: Mapping[str, StackSet],
    observed: Mapping[str, Observed],
    touched: Mapping[str, ChangingOutputs],
) -> dict[str, Value]:
    """Return the values of one target: outputs that this plan does not change as values,
    the others as references."""
    resolved: dict[str, Value] = {}
    for name, value in s.sent(target).items():
        if not isinstance(value, Output):
            resolved[name] = value
            continue
        found = observed.get(parts[value.part].name)
        reference = _reference(value, target, parts[value.part], found, touched)
        deployed = _deployed(observed.get(s.name), target, name)
        moves = reference.moves is not Moves.NOT
        if reference.unread and not moves and deployed is not None:
            # Unknown is not "changed": the target keeps what it runs.
            resolved[name] = deployed
        else:
            known = None if moves else reference.now
            resolved[name] = reference if known is None else known
    return resolved


def by_name(
    s: StackSet,
    target: Target,
    parts: Mapping[str, StackSet],
    observed: Mapping[str, Observed],
    touched: Mapping[str, ChangingOutputs],
) -> dict[str, Reference]:
    """Return what one target will read from the SSM parameters that this plan may change
    or creates; the others are read from Parameter Store (`looked_up_again`)."""
    found = observed.get(s.name)
    instance = found.instances.get(target) if found else None
    foreseen = {}
    for name, value in s.values(target).items():
        if isinstance(value, Output) and value.by_name and not target.joins_later:
            source = parts[value.part]
            there = observed.get(source.name)
            reference = _reference(value, target, source, there, touched)
            written = instance and value.ssm_name(s.prefix) in instance.current
            if reference.moves is not Moves.NOT or not written:
                foreseen[name] = replace(reference, by_name=True)
    return foreseen


def _reference(
    value: Output,
    target: Target,
    source: StackSet,
    found: Observed | None,
    touched: Mapping[str, ChangingOutputs],
) -> Reference:
    """Return an output as it is, and as this plan may change it."""
    sources = checks.sources(value, target, source)
    now = _read(found, value.output, sources) if found else None
    moves = [
        touched[value.part][t][value.output]
        for t in sources
        if value.output in touched[value.part].get(t, {})
    ]
    together = _together(moves, len(sources))
    return Reference(
        value.part,
        value.output,
        sources,
        None if together > Moves.PERHAPS else now,
        together,
        _unread(found, sources),
    )


def _unread(found: Observed | None, sources: Iterable[Target]) -> tuple[Target, ...]:
    """Return the sources that exist and cannot be read."""
    instances = found.instances if found else {}
    there = [(t, instances[t]) for t in sources if t in instances]
    return tuple(t for t, i in there if i.reading is not Reading.READ)


def _deployed(found: Observed | None, target: Target, name: str) -> str | None:
    """Return the value that an instance has for a parameter; None where it has none."""
    if not found or target not in found.instances or target.joins_later:
        return None
    return found.values(target).get(name)


def _together(moves: Sequence[Moves], sources: int) -> Moves:
    """Return how a value moves that is joined from the outputs of several sources."""
    most = max(moves, default=Moves.NOT)
    everywhere = len(moves) == sources and min(moves, default=Moves.NOT) is most
    return most if everywhere else min(most, Moves.CERTAINLY)


def changing_outputs(
    s: StackSet, found: Observed | None, steps: Iterable[Step]
) -> ChangingOutputs:
    """Return the outputs that these steps may change, for each of their targets."""
    every = dict.fromkeys(evaluate.whole(s).get("Outputs", {}), Moves.PERHAPS)
    touched: dict[Target, Mapping[str, Moves]] = {}
    for step in steps:
        for targets in grouped(found, s, step):
            first = targets[0]
            known = found is not None and _is_known(found, first)
            one = _moving(found, s, first, step) if known else every
            touched.update(dict.fromkeys(targets, one))
    return touched


def _moving(
    found: Observed | None, s: StackSet, target: Target, step: Step
) -> dict[str, Moves]:
    """Return the outputs that a step may change at a target."""
    old, new = evaluated_sides(found, s, target, step.foreseen(target))
    changes = diff.compare(old, new, moved_values(step))
    certain = diff.replaced_outputs(new, changes)
    moving = diff.moving_outputs(old, new, changes) | certain
    return {
        **dict.fromkeys(moving, Moves.PERHAPS),
        **dict.fromkeys(certain, Moves.CERTAINLY),
        **dict.fromkeys(diff.outputs_of_new_vpcs(new, changes), Moves.INTO_A_NEW_VPC),
    }


def grouped(
    found: Observed | None, s: StackSet | None, step: Step
) -> Iterable[Sequence[Target]]:
    """Return the targets of a step in groups whose evaluated templates are the same: they
    have the same templates and values in the same region, and no template has the account.
    """
    instances = found.instances if found else {}
    there = {t: instances.get(t) for t in step.targets}
    templates = {s.template if s else "", found.template if found else ""}
    templates |= {one.template for one in there.values() if one and one.template}
    named = any("AWS::AccountId" in text for text in templates)
    groups: dict[Any, list[Target]] = {}
    for target, one in there.items():
        place = target.region, target.account if named else ""
        named_values = repr((step.by_name.get(target), step.before.get(target)))
        key = place, named_values, one and _what_it_runs(one)
        groups.setdefault(key, []).append(target)
    return groups.values()


def _what_it_runs(instance: ObservedInstance) -> Any:
    """Return all that an evaluation depends on, but for the stack set and the place."""
    values = (
        instance.overrides,
        instance.parameters,
        instance.resolved,
        instance.current,
    )
    frozen = (None if one is None else frozenset(one.items()) for one in values)
    return instance.status, instance.template, *frozen


def _is_known(found: Observed, target: Target) -> bool:
    """Whether it is known what a target runs, so that the new can be compared to it."""
    instance = found.instances.get(target)
    return instance is not None and (
        instance.status is InstanceStatus.CURRENT or instance.template is not None
    )


def evaluated_sides(
    found: Observed | None,
    s: StackSet | None,
    target: Target,
    values: Mapping[str, Value],
    given: Mapping[str, Value] | None = None,
) -> tuple[Evaluated, Evaluated]:
    """Return the deployed and the desired template, evaluated for this target.

    A value that is not known yet is evaluated with its current value. The values of SSM
    parameters are those that the stack has read, and those that it would read now.
    With `given` the target already has the desired template, with these values.
    """
    if given is not None and s is not None:
        by_then, wanted = (
            {n: _foreseen(v) for n, v in each.items()} for each in (given, values)
        )
        return diff.sides((s.template, by_then), (s.template, wanted), target)
    deployed = found and target in found.instances
    old = found.template_of(target) if found and deployed else NO_STACK
    before = found.values(target) if found and deployed else {}
    wanted = {n: _foreseen(v) for n, v in values.items()}
    new = s.template if s else "{}"
    if found and deployed:
        instance = found.instances[target]
        before, wanted = parameter_store.sides(
            (old, before), (new, wanted), instance.resolved, instance.current
        )
    return diff.sides((old, before), (new, wanted), target)


def looked_up_again(
    found: Observed, s: StackSet, target: Target, values: Mapping[str, Value]
) -> list[str]:
    """Return the SSM parameters whose new values an update of this instance applies."""
    if not parameter_store.reads(s.template):
        return []
    instance = found.instances[target]
    changed = parameter_store.changed(
        (found.template_of(target), found.values(target)),
        (s.template, values),
        instance.resolved,
        instance.current,
    )
    if not changed:
        return []
    old, new = evaluated_sides(found, s, target, values)
    if (old.resources, old.outputs) == (new.resources, new.outputs):
        return []
    ssm = parameter_store.names(s.template, values)
    return sorted({ssm[name] for name in changed})


def moved_values(step: Step) -> dict[str, bool]:
    """Return the values known later that are certainly others than today, and whether
    they are subnets of a VPC that is new."""
    return {
        str(value): value.moves is Moves.INTO_A_NEW_VPC
        for value in (*step.values.values(), *step.read_by_name)
        if isinstance(value, Reference) and value.moves > Moves.PERHAPS
    }


def _foreseen(value: Value) -> Any:
    if not isinstance(value, Reference):
        return value
    if value.now is None:
        return {LATER: str(value)}
    return {FOUND: value.now} if value.by_name else value.now


def _read(found: Observed, output: str, sources: Iterable[Target]) -> str | None:
    values = []
    for source in sources:
        instance = found.instances.get(source)
        if instance is None or not instance.outputs or output not in instance.outputs:
            return None
        values.append(instance.outputs[output])
    return ",".join(values)
