"""Values that a parameter may get only after others have been rolled out.

A blueprint says so for steps whose order matters more than what they change: a replica is
promoted only while writes are paused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tapgen.model import Observed, Precondition, StackSet, System, Target


def unmet(system: System, observed: Mapping[str, Observed]) -> list[str]:
    """Return a sentence for each value that would come too early.

    What is not deployed yet has no order.
    """
    by_part = {s.part: s for s in system.stack_sets}
    found: dict[str, None] = {}
    for one in system.preconditions:
        stack_set = by_part[one.part]
        places = list(_gets(stack_set, observed.get(stack_set.name), one))
        if places:
            for part, parameter, value in one.needs:
                deployed = observed.get(by_part[part].name)
                for target, now in _others(deployed, parameter, value):
                    found[
                        f"{stack_set.name} in {places[0]}: {one.parameter} would become"
                        f" {one.value}, while {parameter} of {part} in {target} is still"
                        f" {now}; {one.advice}"
                    ] = None
    return list(found)


def _gets(
    wanted: StackSet, deployed: Observed | None, one: Precondition
) -> Iterator[Target]:
    """The targets where the parameter has another value now."""
    for target in wanted.targets:
        if deployed is None or target not in deployed.instances:
            continue
        now = deployed.values(target).get(one.parameter)
        then = wanted.values(target).get(one.parameter)
        if then == one.value and now is not None and now != one.value:
            yield target


def _others(
    deployed: Observed | None, parameter: str, value: str
) -> Iterator[tuple[Target, str]]:
    """Where a parameter is deployed with another value, and which."""
    for target in deployed.instances if deployed else ():
        assert deployed is not None
        now = deployed.values(target).get(parameter)
        if now is not None and now != value:
            yield target, now
