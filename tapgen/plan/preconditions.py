"""Values that a parameter may get only after others have been rolled out.

A blueprint says so for steps whose order matters more than what they change: a replica is
promoted only while writes are paused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from tapgen.model import Observed, Precondition, StackSet, System, Target
from tapgen.plan.waves import reaches


def first(system: System, observed: Mapping[str, Observed]) -> dict[str, list[str]]:
    """Return stack set → those that the same plan changes and that must come before it."""
    by_part = {s.part: s for s in system.stack_sets}
    found: dict[str, list[str]] = {}
    for one in system.preconditions:
        then = by_part[one.part]
        if one.ordered and any(_gets(then, observed.get(then.name), one)):
            for part, parameter, value in one.needs:
                brings = all(
                    by_part[part].values(t).get(parameter) == value
                    for t in by_part[part].targets
                )
                if brings:
                    found.setdefault(then.name, []).append(by_part[part].name)
    return found


def unmet(
    system: System,
    observed: Mapping[str, Observed],
    requires: Mapping[str, Collection[str]] = {},
) -> list[str]:
    """Return a sentence for each value that would come too early.

    What is not deployed yet has no order, but may be refused (`created`). `requires` are the parts that each part waits
    for, where the plan has another order than the templates.
    """
    ahead = first(system, observed) if requires else {}
    by_part = {s.part: s for s in system.stack_sets}
    found: dict[str, None] = {}
    for one in system.preconditions:
        stack_set = by_part[one.part]
        places = list(_gets(stack_set, observed.get(stack_set.name), one))
        if places and not one.needs:
            found[f"{stack_set.name} in {places[0]}: {_what(one)}; {one.advice}"] = None
        if places:
            for part, parameter, value in one.needs:
                name = by_part[part].name
                waits = name in ahead.get(stack_set.name, ())
                if waits and reaches(requires, one.part, part):
                    continue
                deployed = observed.get(name)
                for target, now in _others(deployed, parameter, value):
                    found[
                        f"{stack_set.name} in {places[0]}: {_what(one)}, while"
                        f" {parameter} of {part} in {target} is still {now};"
                        f" {one.advice}"
                    ] = None
    return list(found)


def _gets(
    wanted: StackSet, deployed: Observed | None, one: Precondition
) -> Iterator[Target]:
    """The targets where the parameter has another value now, that go, or that are created
    with it."""
    if not one.parameter:
        for target in deployed.instances if deployed else ():
            if target.region == one.region and target not in wanted.targets:
                yield target
        return
    for target in wanted.targets:
        there = deployed is not None and target in deployed.instances
        if one.region not in ("", target.region) or there is one.created:
            continue
        if one.created:
            if wanted.values(target).get(one.parameter) == one.value:
                yield target
            continue
        assert deployed
        now = deployed.values(target).get(one.parameter)
        then = wanted.values(target).get(one.parameter)
        if then == one.value and now is not None and now != one.value:
            yield target


def _what(one: Precondition) -> str:
    if not one.parameter:
        return "it would be removed"
    if one.created:
        return f"it would be created with {one.parameter} {one.value}"
    return f"{one.parameter} would become {one.value}"


def _others(
    deployed: Observed | None, parameter: str, value: str
) -> Iterator[tuple[Target, str]]:
    """Where a parameter is deployed with another value, and which."""
    for target in deployed.instances if deployed else ():
        assert deployed is not None
        now = deployed.values(target).get(parameter)
        if now is not None and now != value:
            yield target, now
