"""Let a stack set take over stacks that exist, in steps that can be done again.

`lane` makes the steps: the stack set is created without stacks (prepare), the one that has
them lets them go (release), they are imported (adopt), and each gets back the overrides
that it had (align). `calls` says what of a step AWS still lacks: so a step that failed or
was interrupted does the rest of its work, and nothing twice.

What AWS asks for and does (CloudFormation user guide, "Import stacks into CloudFormation
StackSets", https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-import.html):

- A stack belongs to one stack set at most. So it is let go first; between the two it runs
  as before, and belongs to none.
- Its template is that of the stack set, and it has no NoEcho parameters.
- Importing changes no stack. Its values stay, and what differs from the stack set's becomes
  an override; it was seen that values then stay which the stack set changes
  (https://github.com/aws-solutions/aws-control-tower-customizations/issues/212). So the
  overrides are read afterwards, and set to those that are wanted, where they differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.aws.stacksets import IMPORTED, Definition, StackSets, rectangles
from tapgen.errors import RolloutError
from tapgen.model import InstanceDetailedStatus, Target
from tapgen.rollout.program import Call, Kind, Lane, Step, Verb

_EVERYWHERE: Mapping[str, Any] = {
    "RegionConcurrencyType": "PARALLEL",
    "MaxConcurrentPercentage": 100,
    "FailureTolerancePercentage": 100,
}
"""No stack changes, so one that fails need not keep the others waiting."""


def founding(name: str, part: str, definition: Definition, region: str) -> Step:
    """Return the step that creates a stack set without stacks, in a region."""
    words = f"an empty stack set in {region}"
    return Step(
        Kind.PREPARE,
        name,
        part,
        definition=definition,
        region=region,
        reasons=(words,),
    )


def lane(
    name: str,
    part: str,
    stacks: Mapping[Target, str],
    overrides: Mapping[Target, Mapping[str, str]],
    region: str,
    *,
    released: bool = False,
) -> Lane:
    """Return the steps by which a stack set in a region takes over stacks, given by their
    ids, and gives them exactly these overrides.

    With `released`, the stack set of the same name in the run's own region lets them go
    first, and is deleted.
    """
    targets = tuple(sorted(stacks))
    had = {target: dict(overrides.get(target, {})) for target in targets}
    count = f"{len(targets)} stack{'s' * (len(targets) != 1)}"
    known = dict(stacks)
    reasons = (f"{count}, which run on as they are",)
    release = Step(Kind.RELEASE, name, part, stacks=known, reasons=reasons)
    adopt = Step(
        Kind.ADOPT,
        name,
        part,
        stacks=known,
        region=region,
        reasons=(f"{count} in {region}",),
    )
    align = Step(
        Kind.ALIGN,
        name,
        part,
        targets=targets,
        overrides=had,
        region=region,
        words=f"administered in {region}",
        last=True,
    )
    return (release, adopt, align) if released else (adopt, align)


def calls(step: Step, sets: StackSets) -> tuple[Call, ...]:
    """Return the calls of a step that AWS has not done yet; `sets` are those of its region.

    Raises RolloutError where the stack set has other instances than the step knows of.
    """
    return tuple(_CALLS[step.kind](step, sets))


def _prepare(step: Step, sets: StackSets) -> Iterator[Call]:
    if not sets.exists(step.stack_set):
        yield Call(
            Verb.CREATE_STACK_SET,
            step.stack_set,
            definition=step.definition,
            region=step.region,
        )


def _release(step: Step, sets: StackSets) -> Iterator[Call]:
    name = step.stack_set
    if not sets.exists(name):
        return
    left = sorted(sets.listed(name))
    if others := [str(t) for t in left if t not in step.stacks]:
        raise RolloutError(
            f"{name} has got instances since this run began: {', '.join(others)}; delete "
            "them from the stack set and retain their stacks, then resume"
        )
    for some in rectangles(left):
        yield Call(
            Verb.DELETE_INSTANCES,
            name,
            tuple(some),
            preferences=_EVERYWHERE,
            retain=True,
            region=step.region,
        )
    yield Call(Verb.DELETE_STACK_SET, name, region=step.region)


def _adopt(step: Step, sets: StackSets) -> Iterator[Call]:
    failed = InstanceDetailedStatus.FAILED_IMPORT
    there = {
        target
        for target, one in sets.listed(step.stack_set).items()
        if one.detailed_status is not failed
    }
    missing = sorted(target for target in step.stacks if target not in there)
    for first in range(0, len(missing), IMPORTED):
        some = missing[first : first + IMPORTED]
        yield Call(
            Verb.IMPORT,
            step.stack_set,
            tuple(some),
            preferences=_EVERYWHERE,
            stacks=tuple(step.stacks[target] for target in some),
            region=step.region,
        )


def _align(step: Step, sets: StackSets) -> Iterator[Call]:
    groups: dict[str, list[Target]] = {}
    for target, wanted in sorted(step.overrides.items()):
        found = sets.instance(step.stack_set, target)
        if found is None or dict(found.overrides) != dict(wanted):
            groups.setdefault(repr(sorted(wanted.items())), []).append(target)
    for group in groups.values():
        for some in rectangles(group):
            yield Call(
                Verb.OVERRIDE,
                step.stack_set,
                tuple(some),
                overrides=dict(step.overrides[group[0]]),
                preferences=_EVERYWHERE,
                region=step.region,
            )


_CALLS = {
    Kind.PREPARE: _prepare,
    Kind.RELEASE: _release,
    Kind.ADOPT: _adopt,
    Kind.ALIGN: _align,
}
