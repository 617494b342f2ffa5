"""The values that the stacks of a system would read from Parameter Store now."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tapgen.aws import parameter_store
from tapgen.aws.stacksets import StackSets
from tapgen.model import Observed, ObservedInstance, Reading, System, Target
from tapgen.template.parameter_store import names, reads


def look_up(
    system: System, sets: StackSets, found: Mapping[str, Observed]
) -> dict[str, Observed]:
    """Return the stack sets with the current values of what their templates should read,
    at every instance whose stack answers: one call for each place, or none."""
    wanted = {
        (s.name, target): {*names(s.template, s.sent(target)).values()}
        for s in system.stack_sets
        if s.name in found and reads(s.template)
        for target in s.targets
        if _answers(found[s.name].instances.get(target), target)
    }
    places: dict[Target, set[str]] = {}
    for (_, target), some in wanted.items():
        if some:
            places.setdefault(replace(target, unit=None), set()).update(some)
    if not places:
        return dict(found)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda place: parameter_store.values(sets.aws, *place), places.items()
        )
        known = dict(zip(places, answers, strict=True))
    looked_up: dict[str, dict[Target, ObservedInstance]] = {}
    for (name, target), some in wanted.items():
        if some:
            now, why = known[replace(target, unit=None)]
            looked_up.setdefault(name, {})[target] = replace(
                found[name].instances[target],
                current={k: v for k, v in now.items() if k in some},
                unknown={k: v for k, v in why.items() if k in some},
            )
    return {
        name: replace(o, instances={**o.instances, **looked_up.get(name, {})})
        for name, o in found.items()
    }


def _answers(instance: ObservedInstance | None, target: Target) -> bool:
    return (
        instance is not None
        and instance.reading is Reading.READ
        and not instance.has_no_stack
        and not target.joins_later
    )
