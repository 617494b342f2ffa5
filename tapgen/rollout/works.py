"""What the stacks of a run have done with their resources, and when: from the events of the
stacks, which the journal does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from tapgen.aws import stacks
from tapgen.aws.stacks import Worked
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError, NotFound
from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.rollout.history import Summary

MOST_STACKS = 40
"""Stacks whose events are read, at most."""

_AT_ONCE = 8
_SKEW = timedelta(seconds=30)
"""How far the clocks of AWS and of the machine that ran may be apart."""


@dataclass(frozen=True)
class StackWork:
    """What the stack of a target has done in a run."""

    stack_set: str
    target: Target
    resources: tuple[Worked, ...]


@dataclass(frozen=True)
class Works:
    """The stacks of a run that were read; `left_out` were not, as there are too many, and
    `unread` says what AWS did not answer."""

    stacks: tuple[StackWork, ...] = ()
    left_out: int = 0
    unread: tuple[str, ...] = ()


def of_run(
    run: Summary,
    places: Iterable[tuple[str, Target]],
    known: Mapping[tuple[str, Target], str],
    sets: StackSets,
    away: Mapping[str, str],
    worked: Callable[..., list[Worked]] = stacks.worked,
) -> Works:
    """Return what the stacks of stack sets have done in a run, the first ones of many.
    `known` are ids of stacks, of which AWS also has those that are deleted. The regions
    `away` are not asked. `worked` says what one stack has done."""
    wanted = list(dict.fromkeys(p for p in places if not p[1].joins_later))
    wanted.sort(key=lambda place: place not in known)  # what has failed comes first
    since = datetime.fromisoformat(run.since) - _SKEW
    until = datetime.fromisoformat(run.until) + _SKEW
    unread: list[str] = []

    def read(place: tuple[str, Target]) -> StackWork | None:
        name, target = place
        if why := away.get(target.region):
            gone = f"{target.region} does not answer ({why})"
            unread.append(f"events of the stacks in {target.region}: {gone}")
            return None
        try:
            stack_id = known.get(place) or _stack_id(sets, away, name, target)
            if not stack_id:  # it was deleted, and its id is not known any more
                return None
            found = worked(sets.aws, target, stack_id, since, until)
        except NotFound:
            return None
        except AwsError as error:
            unread.append(f"events of the stack of {name} in {target}: {error}")
            return None
        return StackWork(name, target, tuple(found)) if found else None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(read, wanted[:MOST_STACKS]))
    return Works(
        tuple(one for one in found if one),
        max(0, len(wanted) - MOST_STACKS),
        tuple(sorted({*unread})),
    )


def _stack_id(
    sets: StackSets, away: Mapping[str, str], name: str, target: Target
) -> str | None:
    """The id of the stack of a stack set: where the administration region does not answer,
    that of the stack with its name."""
    if sets.admin.region in away:
        return stacks.of_stack_set(sets.aws, target, name)
    instance = sets.instance(name, target)
    return instance.stack_id if instance else None
