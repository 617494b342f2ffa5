"""SSM parameters of which a plan cannot know whether their values have changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tapgen.model import Action, Observed, Output, Reading, StackSet, System, Target
from tapgen.plan.model import Step
from tapgen.plan.values import evaluated_sides
from tapgen.template import diff, parameter_store

_PARAMETER = "AWS::SSM::Parameter"

# Part, name of the SSM parameter, and why nothing is known.
NotKnown = tuple[str, str, str]


def not_known(
    system: System, observed: Mapping[str, Observed], steps: Iterable[Step]
) -> tuple[NotKnown, ...]:
    """Return the SSM parameters that the deployed stacks read, and whose values cannot be
    compared; each once for a part."""
    steps = [step for step in steps if step.action is not Action.DELETE]
    found: dict[NotKnown, None] = {}
    readers = [s for s in system.stack_sets if parameter_store.reads(s.template)]
    changing = frozenset(_changing(system, observed, steps) if readers else ())
    for s in readers:
        if known := observed.get(s.name):
            for target in s.targets:
                for name, why in _of_types(s, known, target, changing):
                    found[s.part, name, why] = None
    for step in steps:
        s = system.part(step.part)
        for name, why in _dynamic(s, observed.get(s.name), step):
            found[s.part, name, why] = None
    return tuple(sorted(found))


def _of_types(
    s: StackSet,
    known: Observed,
    target: Target,
    changing: frozenset[tuple[str, Target]],
) -> Iterator[tuple[str, str]]:
    """Yield the names in parameters of SSM types of one instance, and why."""
    instance = known.instances.get(target)
    if instance is None or instance.has_no_stack or target.joins_later:
        return
    if instance.reading is not Reading.READ:
        return  # the plan says so of the whole stack
    had = parameter_store.names(known.template_of(target), known.values(target))
    given = s.values(target)
    for parameter, name in parameter_store.names(s.template, s.sent(target)).items():
        if isinstance(given.get(parameter), Output) and (name, target) in changing:
            continue  # the plan follows the output that it has
        if (name, target) in changing:
            yield name, "this plan changes it, plan again afterwards"
        elif name in instance.unknown:
            yield name, instance.unknown[name]
        elif had.get(parameter) == name and parameter not in instance.resolved:
            yield name, "CloudFormation does not return what the stack has"


def _dynamic(
    s: StackSet, known: Observed | None, step: Step
) -> Iterator[tuple[str, str]]:
    """Yield the names in dynamic references without a version that an update reads."""
    if known is None or step.action is not Action.UPDATE:
        return
    if "{{resolve:ssm" not in s.template:
        return
    for target in step.targets:
        if step.changes.get(target):
            old, new = evaluated_sides(known, s, target, step.foreseen(target))
            had = {*parameter_store.latest(old.resources)}
            for name in had.intersection(parameter_store.latest(new.resources)):
                yield name, "a dynamic reference without a version"


def _changing(
    system: System, observed: Mapping[str, Observed], steps: Iterable[Step]
) -> Iterator[tuple[str, Target]]:
    """Yield the SSM parameters that the plan itself creates or changes, and where."""
    for step in steps:
        for target, changes in step.changes.items():
            mine = {
                c.logical_id
                for c in changes
                if c.type == _PARAMETER and c.verb is not diff.Verb.REMOVE
            }
            if mine:
                found = observed.get(step.stack_set)
                s = system.part(step.part)
                new = evaluated_sides(found, s, target, step.foreseen(target))[1]
                for logical_id in mine:
                    body = new.resources.get(logical_id, {}).get("Properties", {})
                    if isinstance(body, Mapping) and isinstance(body.get("Name"), str):
                        yield body["Name"], target
