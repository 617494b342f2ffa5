"""The order of steps: by dependency first, then by region order.

Parts go level by level. Where values differ between accounts, a part has a step for
each of them, one after the other, and a level would wait for all of them. Then each step
waits only for what it needs itself: a target gets its second stack set while another one
gets its first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from tapgen.errors import PlanError
from tapgen.model import Output, StackSet, Target
from tapgen.plan.model import Step
from tapgen.plan.steps import rank
from tapgen.system import checks


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


def differs_by_account(found: Mapping[str, Sequence[Step]]) -> bool:
    """Whether a part has several steps in one region."""
    return any(
        len(steps) > len({step.targets[0].region for step in steps})
        for steps in found.values()
    )


def by_target(
    found: Mapping[str, Sequence[Step]],
    by_part: Mapping[str, StackSet],
    order: Sequence[str],
) -> Iterator[tuple[Step, ...]]:
    """Yield the steps of all parts in waves, each as soon as what it needs is there, and
    not before steps in earlier regions that could go with it."""
    queues = {
        part: [(step, _needs(step, by_part)) for step in steps]
        for part, steps in found.items()
    }
    left = {
        part: {t for s in steps for t in s.targets} for part, steps in found.items()
    }
    while any(queues.values()):
        ready = [
            queue[0][0]
            for queue in queues.values()
            if queue
            and not any(
                targets & left.get(p, set()) for p, targets in queue[0][1].items()
            )
        ]
        earliest = min(rank(step.targets[0].region, order) for step in ready)
        wave = [s for s in ready if rank(s.targets[0].region, order) == earliest]
        for step in wave:
            queues[step.part].pop(0)
        for step in wave:
            left[step.part] -= {*step.targets}
        yield tuple(wave)


def _needs(step: Step, by_part: Mapping[str, StackSet]) -> dict[str, set[Target]]:
    """Return where a step needs which other parts: all of those that it depends on by
    name, and the targets whose outputs it takes."""
    s = by_part[step.part]
    needs = {part: {*by_part[part].targets} for part in s.depends_on}
    for target in step.targets:
        for value in s.values(target).values():
            if isinstance(value, Output) and value.part not in s.depends_on:
                sources = checks.sources(value, target, by_part[value.part])
                needs.setdefault(value.part, set()).update(sources)
    return needs
