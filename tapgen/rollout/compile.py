"""Compile a plan into a program; pure. Nothing else that runs programs knows plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tapgen import plan as plans
from tapgen.aws.stacksets import Definition
from tapgen.model import (
    Action,
    Observed,
    StackSet,
    Target,
    Upload,
    digest,
    gate_data,
)
from tapgen.plan import Plan
from tapgen.plan.gates import gates as gates_of
from tapgen.rollout.program import (
    Call,
    Kind,
    Lane,
    Program,
    Reference,
    Step,
    Template,
    Value,
    Verb,
)
from tapgen.rollout.restore import by_digest
from tapgen.system import ownership, units
from tapgen.template import diff, parameter_store
from tapgen.template.parameters import complete, parameters_of


def program(
    plan: Plan,
    *,
    good: Mapping[str, Observed] = {},
    uploads: Iterable[Upload] = (),
    inherited: Sequence[str] = (),
    burnt: Sequence[tuple[str, str]] = (),
) -> tuple[Program, dict[str, str]]:
    """Return the program of a plan, and the texts of its templates by digest.

    `good` are the last good definitions of stack sets that are half-way, `uploads` the
    artifacts that are missing; `inherited` and `burnt` come from superseded runs.
    """
    texts: dict[str, str] = {}
    start = {name: by_digest(found, texts) for name, found in plan.observed.items()}
    last = {name: by_digest(found, texts) for name, found in good.items()}
    for s in plan.system.stack_sets:
        texts.setdefault(digest(s.template), s.template)
    reads = _reads(plan)
    waves = _with_gates(plan, [tuple(_lanes(plan, wave, reads)) for wave in plan.waves])
    compiled = Program(
        waves=tuple(w for w in (_uploads(uploads), *waves, _settling(plan)) if w),
        start=start,
        good=last,
        outputs=_outputs(plan, reads),
        templates={name: _template(text) for name, text in texts.items()},
        preferences=plan.system.rollout.preferences,
        on_failure=plan.system.rollout.on_failure,
        replaced=_replaced(plan),
        inherited=tuple(inherited),
        burnt=tuple(burnt),
    )
    return compiled, texts


def _with_gates(
    plan: Plan, waves: Sequence[tuple[Lane, ...]]
) -> list[tuple[Lane, ...]]:
    """The waves, each followed by one of its gates, which are checked side by side."""
    found = []
    for wave, after in zip(waves, gates_of(plan), strict=True):
        checks = tuple((Step(Kind.GATE, gate=gate_data(gate)),) for gate in after)
        found += [wave, checks]
    return found


def _template(text: str) -> Template:
    reads_ssm = parameter_store.reads(text)
    return Template(tuple(parameters_of(text)), complete({}, text), reads_ssm)


def _reads(plan: Plan) -> dict[str, set[str]]:
    """The outputs of each part that steps refer to."""
    found: dict[str, set[str]] = {}
    for step in plan.steps:
        for reference in (*step.references, *step.read_by_name):
            found.setdefault(reference.part, set()).add(reference.output)
    return found


def _outputs(
    plan: Plan, reads: Mapping[str, set[str]]
) -> dict[str, dict[Target, dict[str, str]]]:
    """The outputs that there are and that steps refer to."""
    parts = {s.name: s.part for s in plan.system.stack_sets}
    found: dict[str, dict[Target, dict[str, str]]] = {}
    for name, observed in plan.observed.items():
        part = parts.get(name, "")
        for target, instance in observed.instances.items():
            if part in reads and instance.outputs is not None:
                wanted = {k: v for k, v in instance.outputs.items() if k in reads[part]}
                found.setdefault(part, {})[target] = wanted
    return found


def _replaced(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The resources of each stack set that are replaced for certain."""
    found: dict[str, set[str]] = {}
    for step in plan.steps:
        for changes in step.changes.values():
            for change in changes:
                if change.verdict is diff.Verdict.REPLACES:
                    found.setdefault(step.stack_set, set()).add(change.logical_id)
    return {name: tuple(sorted(ids)) for name, ids in found.items()}


def _uploads(uploads: Iterable[Upload]) -> tuple[Lane, ...]:
    """One step for each artifact, for all buckets that lack it."""
    found: dict[str, list[Upload]] = {}
    for upload in uploads:
        found.setdefault(upload.artifact.key, []).append(upload)
    lanes = []
    for key, wanted in found.items():
        targets = tuple(dict.fromkeys(u.target for u in wanted))
        more = f" and {len(targets) - 1} more" if len(targets) > 1 else ""
        call = Call(Verb.UPLOAD, targets=targets, key=key)
        words = f"artifact {wanted[0]}{more}"
        lanes.append((Step(Kind.UPLOAD, calls=(call,), words=words),))
    return tuple(lanes)


def _lanes(
    plan: Plan, wave: Iterable[plans.Step], reads: Mapping[str, set[str]]
) -> list[Lane]:
    """The steps of a wave by their stack sets, which run side by side."""
    found: dict[str, list[Step]] = {}
    for step in wave:
        found.setdefault(step.stack_set, []).extend(_steps(plan, step, reads))
    return [
        tuple(replace(s, last=s is steps[-1]) for s in steps)
        for steps in found.values()
    ]


_KINDS = {
    Action.CREATE: Kind.CREATE,
    Action.UPDATE: Kind.UPDATE,
    Action.DELETE: Kind.DELETE,
}


def _steps(plan: Plan, step: plans.Step, reads: Mapping[str, set[str]]) -> list[Step]:
    parts = {s.name: s for s in plan.system.stack_sets}
    name = step.stack_set
    base = Step(
        _KINDS[step.action],
        name,
        step.part,
        targets=step.targets,
        reasons=step.reasons,
        varying=step.varying,
        first=step.first,
        redefine=step.redefine,
        settles=step.settles,
        conditional=step.conditional,
        had=_had(plan, step),
        drop=step.drop,
        whole=step.whole,
        untouched=plan.untouched(name),
        asleep=frozenset(t for of, t in plan.suspended if of == name),
    )
    if step.action is Action.DELETE:
        if not step.drop:
            return [base]
        deleting = [base] if step.targets else []
        reasons = () if step.targets else step.reasons
        return [*deleting, replace(base, targets=(), reasons=reasons)]
    s = parts[name]
    own = units.own_values(s, step.values, step.varying, complete({}, s.template))
    return [
        replace(
            base,
            values=_values(step.values),
            own=_values(own),
            definition=_definition(plan, s),
            reads=tuple(sorted(reads.get(step.part, ()))),
            follows=units.follows(s),
        )
    ]


def _had(plan: Plan, step: plans.Step) -> dict[str, dict[Target, dict[str, str]]]:
    """What the targets of a conditional step have read from SSM parameters."""
    found: dict[str, dict[Target, dict[str, str]]] = {}
    for target, references in step.by_name.items() if step.conditional else ():
        resolved = plan.observed[step.stack_set].instances[target].resolved
        for name, value in references.items():
            # Where nobody knows what the stack has, it reads the parameter again.
            had = resolved.get(name) or value.now or ""
            found.setdefault(value.part, {}).setdefault(target, {})[value.output] = had
    return found


def _values(values: Mapping[str, plans.Value]) -> dict[str, Value]:
    return {
        name: (
            Reference(value.part, value.output, value.sources)
            if isinstance(value, plans.Reference)
            else value
        )
        for name, value in values.items()
    }


def _definition(plan: Plan, s: StackSet) -> Definition:
    """The definition of a stack set of the plan's system, without parameters."""
    system, managed = plan.system, s.service_managed
    return Definition(
        template=digest(s.template),
        parameters={},
        capabilities=s.capabilities,
        tags={**s.tags, **ownership.ownership_tags(system, s.part)},
        description=f"{system.name} ({system.suffix}): {s.part}; made by tapgen",
        administration_role=(
            None if managed else ownership.administration_role(system)
        ),
        execution_role=None if managed else system.execution_role,
        permission_model=s.permission_model,
        auto_deployment=managed.auto_deployment if managed else None,
    )


def _settling(plan: Plan) -> tuple[Lane, ...]:
    """A step for each stack set that is changed and stays: it brings the instances up to
    date that no step updates."""
    lanes: dict[str, Lane] = {}
    gone = {step.stack_set for step in plan.steps if step.drop}
    for step in plan.steps:
        name = step.stack_set
        if name in gone or step.action is Action.DELETE and name not in plan.observed:
            continue
        lanes[name] = (
            Step(
                Kind.SETTLE,
                name,
                step.part,
                untouched=plan.untouched(name),
                asleep=frozenset(t for of, t in plan.suspended if of == name),
                follows=any(
                    units.follows(s) for s in plan.system.stack_sets if s.name == name
                ),
            ),
        )
    return tuple(lanes.values())
