"""What a plan leaves out because a target cannot be read, so that the others go on.

No answer from AWS is never an empty answer. A step does not touch a target whose region
or account does not answer, or whose stack was deleted other than through its stack set;
it does not pass on a value that cannot be read; and nothing is deleted meanwhile, since a
user of it may live where nobody can look. StackSets itself reaches accounts that refuse
only tapgen's own role: these targets stay in the plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from tapgen.model import Action, Observed, Reading, Target
from tapgen.plan.model import Omitted, Reference, Step

_SHUT = "the account lacks roles or permissions, which tapgen bootstrap creates"


def away(
    observed: Mapping[str, Observed], shut: Collection[str] = ()
) -> frozenset[Target]:
    """Return the targets that do not answer, or are in accounts that are `shut`."""
    return frozenset(
        target
        for found in observed.values()
        for target, instance in found.instances.items()
        if instance.reading is Reading.AWAY or target.account in shut
    )


def split(
    steps: Iterable[Step],
    observed: Mapping[str, Observed],
    silent: Collection[Target],
    earlier: Iterable[Omitted] = (),
    shut: Collection[str] = (),
) -> tuple[list[Step], list[Omitted]]:
    """Return the steps that can be done now, and what they leave out; `silent` are the
    targets that are `away`, `earlier` is what the steps before them left out, `shut` are
    accounts that lack their roles."""
    missing = {
        (one.part, target)
        for one in earlier
        if one.action is Action.CREATE
        for target in one.targets
    }
    done: list[Step] = []
    left: list[Omitted] = []
    first = False
    for step in steps:
        reasons = {
            target: why
            for target in step.targets
            if (
                why := (_SHUT if target.account in shut else "")
                or _why(step, target, observed, silent)
                or _lacks(step, target, missing)
            )
        }
        for why in dict.fromkeys(reasons.values()):
            targets = tuple(t for t in step.targets if reasons.get(t) == why)
            left.append(Omitted(step.stack_set, step.part, step.action, targets, why))
        first = first or step.first
        targets = tuple(t for t in step.targets if t not in reasons)
        if targets:
            # The first step that is left creates the stack set.
            done.append(replace(step, targets=targets, first=first))
            first = False
    return done, left


def split_waves(
    waves: Sequence[Sequence[Step]],
    observed: Mapping[str, Observed],
    shut: Collection[str] = (),
) -> tuple[list[tuple[Step, ...]], list[Omitted]]:
    """Return the deletions that can be done now, and what they leave out."""
    done: list[tuple[Step, ...]] = []
    left: list[Omitted] = []
    silent = away(observed, shut) if waves else frozenset[Target]()
    for wave in waves:
        steps, more = split(wave, observed, silent, shut=shut)
        left += more
        done += [tuple(steps)] if steps else []
    return done, left


def without_silent(
    waves: Iterable[Sequence[Step]], observed: Mapping[str, Observed]
) -> tuple[list[tuple[Step, ...]], list[Omitted]]:
    """Return the deletions of a whole system without the targets that do not answer, and
    what is left out. What they use goes all the same: they are to go as well."""
    silent = away(observed)
    done: list[tuple[Step, ...]] = []
    left: list[Omitted] = []
    for wave in waves:
        steps = []
        for step in wave:
            there = tuple(t for t in step.targets if t not in silent)
            gone = tuple(t for t in step.targets if t in silent)
            if gone:
                why = "the target does not answer"
                left.append(Omitted(step.stack_set, step.part, step.action, gone, why))
            if there or not gone:
                steps.append(replace(step, targets=there, drop=step.drop and not gone))
        done += [tuple(steps)] if steps else []
    return done, left


def stuck(left: Iterable[Omitted]) -> list[str]:
    """Return why a plan must not run that leaves out deletions that have to come first."""
    return [
        f"{one.stack_set}: has to be deleted before other changes, but {one.why}; "
        "roll out when every target answers"
        for one in left
    ]


def _why(
    step: Step,
    target: Target,
    observed: Mapping[str, Observed],
    silent: Collection[Target],
) -> str:
    """Return why a step cannot be done at a target; empty where it can."""
    if target in silent:
        return "the target does not answer"
    if step.action is Action.DELETE and silent:
        return "nothing is deleted while another target does not answer"
    found = observed.get(step.stack_set)
    instance = found.instances.get(target) if found else None
    if instance and instance.reading is Reading.GONE and step.action is Action.UPDATE:
        return "its stack was deleted other than through the stack set"
    return ""


def _lacks(step: Step, target: Target, missing: Collection[tuple[str, Target]]) -> str:
    """Return the value that a step needs at a target and cannot get; empty where there is
    none. What a target reads by name need not be read here."""
    for value in step.foreseen(target).values():
        if not isinstance(value, Reference):
            continue
        if value.unread and not value.by_name:
            places = ", ".join(map(str, value.unread))
            return f"it needs {value} of {places}, which cannot be read"
        if any((value.part, source) in missing for source in value.sources):
            return f"it needs {value}, which this plan leaves out"
    return ""
