"""Plans, outcomes and observed systems as JSON data: the contract of `--output json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tapgen.model import (
    HIDDEN,
    Observed,
    ObservedInstance,
    Reading,
    System,
    Target,
    Undescribed,
    Unsearched,
    gate_data,
)
from tapgen.plan import (
    Plan,
    Reference,
    Step,
    Value,
    gates,
    refusals,
)
from tapgen.report import deployed_parameters, meanings, parameters, undescribed
from tapgen.rollout import Failure, Outcome
from tapgen.rollout.advice import advice
from tapgen.template import risk
from tapgen.template.diff import Entry, Resource, show
from tapgen.template.evaluate import no_echo
from tapgen.template.parameters import parameters_of


def plan(the_plan: Plan, allowed: Iterable[str] = ()) -> dict[str, Any]:
    """Return a plan: waves of steps, each with targets, values, reasons and resources, and
    the gates after each wave."""
    return {
        "system": the_plan.system.name,
        "suffix": the_plan.system.suffix,
        "environment": the_plan.system.environment,
        "admin": _target(the_plan.system.admin),
        "digest": the_plan.digest,
        "changes": bool(the_plan),
        "refusals": refusals(the_plan, allowed),
        "uploads": [
            {
                "path": u.artifact.path,
                "key": u.artifact.key,
                "bytes": u.artifact.bytes,
                **_target(u.target),
            }
            for u in the_plan.uploads
        ],
        "suspended": [
            {"stack_set": name, **_target(target)}
            for name, target in the_plan.suspended
        ],
        "not_comparable": list(the_plan.not_comparable),
        "not_known": [
            {"part": part, "ssm_parameter": name, "why": why}
            for part, name, why in the_plan.not_known
        ],
        "writers": list(the_plan.writers),
        "sources": list(the_plan.sources),
        "shifts": list(the_plan.shifts),
        "recorded_later": [
            {"part": part, "sections": list(sections)}
            for part, sections in the_plan.recorded_later
        ],
        "unread": [
            {"stack_set": name, **_target(target), **_unread(instance)}
            for name, target, instance in the_plan.unread
        ],
        "omitted": [
            {
                "stack_set": one.stack_set,
                "action": str(one.action),
                "targets": [_target(target) for target in one.targets],
                "reason": one.why,
            }
            for one in the_plan.omitted
        ],
        "waves": [[_step(the_plan, step) for step in wave] for wave in the_plan.waves],
        "gates": [
            [{**gate_data(gate), "words": str(gate)} for gate in after]
            for after in gates.gates(the_plan)
        ],
    }


def outcome(ended: Outcome) -> dict[str, Any]:
    """Return how a rollout ended."""
    return {
        "green": ended.green,
        "partial": ended.partial,
        "interrupted": ended.interrupted,
        "run": ended.run,
        "open": ended.open,
        "back": ended.back,
        "done": list(ended.done),
        "restored": list(ended.restored),
        "left": list(ended.left),
        "instances": [
            {"stack_set": i.stack_set, **_target(i.target), "fate": str(i.fate)}
            for i in ended.instances
        ],
        "failures": [_failure(f) for f in ended.failures],
    }


def status(
    system: System,
    observed: Mapping[str, Observed],
    others: Iterable[Undescribed | Unsearched] = (),
    open_run: Mapping[str, Any] | None = None,
    *,
    with_parameters: bool = False,
) -> dict[str, Any]:
    """Return every stack set of a system with its instances and its missing targets, the
    `open_run`, and the `others` that its file does not describe."""
    wanted = {s.name: s for s in system.stack_sets}
    waves = meanings.waves(open_run)
    placed = {name: frozenset(s.targets) for name, s in wanted.items()}

    def deployed(name: str, target: Target, one: ObservedInstance) -> dict[str, Any]:
        wave = waves.get((name, target.account, target.region))
        found = _target(target) | _instance(one)
        found["meaning"] = meanings.of_instance(one.status, one.detailed_status, wave)
        if with_parameters:
            part = wanted[name] if target in placed.get(name, ()) else None
            rows = deployed_parameters.of(part, observed[name], target, one)
            found["parameters"] = [deployed_parameters.data(row) for row in rows]
        return found

    return {
        "system": system.name,
        "suffix": system.suffix,
        "admin": _target(system.admin),
        "undescribed": undescribed.data(others),
        "stack_sets": [
            {
                "name": name,
                "part": part_of(system, name, observed),
                "exists": name in observed,
                "running": observed[name].running if name in observed else None,
                "busy_with": observed[name].busy_with if name in observed else "",
                "instances": [
                    deployed(name, t, i) for t, i in _instances(observed, name)
                ],
                "missing": [
                    {
                        **_target(t),
                        "meaning": meanings.of_missing(
                            waves.get((name, t.account, t.region))
                        ),
                    }
                    for t in (wanted[name].targets if name in wanted else ())
                    if name not in observed or t not in observed[name].instances
                ],
            }
            for name in [*wanted, *(n for n in observed if n not in wanted)]
        ],
        "unread": unread(observed),
        "open_run": open_run,
    }


def unread(observed: Mapping[str, Observed]) -> list[dict[str, Any]]:
    """Return the instances whose stacks cannot be read, and why."""
    return [
        {"stack_set": name, **_target(target), **_unread(instance)}
        for name in sorted(observed)
        for target, instance in _instances(observed, name)
        if instance.reading is not Reading.READ
    ]


def outputs(
    system: System, observed: Mapping[str, Observed]
) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    """Return part → region → account → output name → value."""
    by_part: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for name in observed:
        part = part_of(system, name, observed)
        for target, instance in _instances(observed, name):
            regions = by_part.setdefault(part, {})
            if instance.reading is Reading.READ:  # else they are unknown, not empty
                found = dict(sorted((instance.outputs or {}).items()))
                regions.setdefault(target.region, {})[target.account] = found
    return by_part


def part_of(system: System, name: str, observed: Mapping[str, Observed]) -> str:
    """Return the part of a stack set, also when the system no longer has it."""
    for s in system.stack_sets:
        if s.name == name:
            return s.part
    return observed[name].tags.get("tapgen:part", name)


def _instances(
    observed: Mapping[str, Observed], name: str
) -> list[tuple[Target, ObservedInstance]]:
    return sorted(observed[name].instances.items()) if name in observed else []


def _unread(instance: ObservedInstance) -> dict[str, Any]:
    return {"reading": str(instance.reading), "reason": instance.unread}


def _instance(instance: ObservedInstance) -> dict[str, Any]:
    return {
        "reading": str(instance.reading),
        "status": str(instance.status),
        "detailed_status": instance.detailed_status and str(instance.detailed_status),
        "stack_id": instance.stack_id,
        "reason": instance.reason,
        "drift_status": instance.drift_status,
        "parameter_overrides": dict(instance.overrides),
    }


def _step(the_plan: Plan, step: Step) -> dict[str, Any]:
    # Targets may share their changes.
    shared = {id(changes): changes for changes in step.changes.values()}
    said = {one: [resource(c) for c in changes] for one, changes in shared.items()}
    return {
        "stack_set": step.stack_set,
        "part": step.part,
        "action": str(step.action),
        "targets": [_target(t) for t in step.targets],
        "conditional": step.conditional,
        **({"whole_units": True} if step.whole else {}),
        "reasons": list(step.reasons),
        "parameters": _parameters(the_plan, step),
        "parameter_changes": _parameter_changes(the_plan, step),
        "resources": [
            {
                **_target(target),
                "new": the_plan.is_new(step, target),
                "changes": said[id(changes)],
            }
            for target, changes in step.changes.items()
        ],
    }


def _parameters(the_plan: Plan, step: Step) -> dict[str, Any]:
    """A step's values; those of NoEcho parameters are always hidden."""
    template = the_plan.system.part(step.part).template if step.values else "{}"
    declared = parameters_of(template)
    return {
        name: HIDDEN if no_echo(declared.get(name, {})) else _value(the_plan, value)
        for name, value in sorted(step.values.items())
    }


def _parameter_changes(the_plan: Plan, step: Step) -> list[dict[str, Any]]:
    """The values that an update changes, with all old values of its instances. Values of
    NoEcho parameters are hidden; outputs of earlier waves are in `parameters`."""
    return [
        {
            "name": one.name,
            "old": [HIDDEN] if one.hidden else sorted(one.old, key=str),
            "new": HIDDEN if one.hidden else one.value,
            "default": one.default,
        }
        for one in parameters.of(the_plan, step)
        if one.differs and not isinstance(one.value, Reference)
    ]


def _value(the_plan: Plan, value: Value) -> Any:
    if isinstance(value, Reference):
        wave = the_plan.wave_of(value)
        return {"output": str(value), "known_after_wave": wave, "now": value.now}
    return value


def entry(one: Entry) -> dict[str, Any]:
    """Return a difference outside of the resources."""
    path = f"{one.section}.{show(one.path)}"
    return {"path": path, "old": one.old, "new": one.new}


def resource(change: Resource) -> dict[str, Any]:
    """Return the change of one resource, with verdicts and risks."""
    return {
        "action": str(change.verb),
        "logical_id": change.logical_id,
        "type": change.type,
        "verdict": str(change.verdict),
        "stateful": change.stateful,
        "kept": change.retained,
        "risks": [
            {"kind": str(one.kind), "detail": one.detail} for one in risk.of(change)
        ],
        "refusals": [
            {
                "properties": list(one.properties),
                "words": one.words,
                "advice": one.advice,
                "source": one.source,
            }
            for one in change.refusals
        ],
        "context": [
            {
                "level": str(mark.level),
                "properties": list(mark.properties),
                "why": mark.why or None,
                "must": list(mark.must),
            }
            for mark in change.marks
        ],
        "properties": [
            {
                "path": show(p.path),
                "old": p.old,
                "new": p.new,
                "verdict": str(p.verdict),
                "interruption": p.interruption or None,
            }
            for p in change.properties
        ],
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "stack_set": failure.stack_set,
        "target": failure.target and _target(failure.target),
        "logical_id": failure.logical_id,
        "type": failure.type,
        "reason": failure.reason,
        "advice": advice(failure.reason),
    }


def _target(target: Target) -> dict[str, str]:
    place = {"account": target.account, "region": target.region}
    return place | ({"organizational_unit": target.unit} if target.unit else {})
