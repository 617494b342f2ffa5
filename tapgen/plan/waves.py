"""The order of steps: by dependency first, then by region order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from tapgen.errors import PlanError
from tapgen.model import (
    StackSet,
)
from tapgen.plan.model import Step
from tapgen.plan.steps import rank


def dependency_levels(by_part: Mapping[str, StackSet]) -> Iterator[list[str]]:
    """Yield groups of parts, each depending only on earlier groups."""
    return levels_of({part: s.requires() for part, s in by_part.items()})


def levels_of(requires: Mapping[str, Collection[str]]) -> Iterator[list[str]]:
    """Yield groups of parts, each requiring only parts of earlier groups."""
    sorter = TopologicalSorter({p: sorted(names) for p, names in requires.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise PlanError(f"circular dependency of stack sets: {circle}") from None
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=list(requires).index)
        yield ready
        sorter.done(*ready)


def reaches(requires: Mapping[str, Collection[str]], start: str, goal: str) -> bool:
    """Whether `start` requires `goal`, directly or through others, or is it."""
    seen, ahead = {start}, [start]
    while ahead:
        if (here := ahead.pop()) == goal:
            return True
        more = set(requires.get(here, ())) - seen
        seen |= more
        ahead += more
    return False


def interleave(
    found: Iterable[Sequence[Step]], order: Sequence[str]
) -> Iterator[tuple[Step, ...]]:
    """Yield the steps of one level in waves: canary region first, later regions after it,
    and the steps of one stack set one after the other."""
    queues = [list(steps) for steps in found if steps]
    while queues:
        heads = [queue[0] for queue in queues]
        earliest = min(rank(step.targets[0].region, order) for step in heads)
        wave = []
        for queue in queues:
            if rank(queue[0].targets[0].region, order) == earliest:
                wave.append(queue.pop(0))
        yield tuple(wave)
        queues = [queue for queue in queues if queue]
