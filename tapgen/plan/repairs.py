"""What hangs in a system, and the safe way out of each; pure.

No way out deletes a resource: an instance that StackSets cannot change any more is
removed from its stack set, and its stack stays ("Troubleshooting CloudFormation
StackSets", user guide: INOPERABLE, RetainStacks). Only the empty stack that a failed
creation leaves (ROLLBACK_COMPLETE) goes with its instance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum

from tapgen.aws.stuck import GONE, StackState
from tapgen.frozen import dataclass
from tapgen.model import (
    InstanceDetailedStatus,
    InstanceStatus,
    Observed,
    ObservedInstance,
    Reading,
    Target,
)


class Way(StrEnum):
    """How an instance is repaired."""

    CONTINUE = "continue the rollback of its stack"
    LEAVE = (
        "remove the instance from the stack set; take the account out of the file, else "
        "the next rollout creates it again"
    )
    RELEASE = "remove the instance from the stack set; its stack stays as it is"
    FORGET = "remove the instance from the stack set; the next rollout creates it again"
    EMPTY = (
        "delete the instance with its empty stack; the next rollout creates it again"
    )

    @property
    def keeps_stack(self) -> bool:
        """Whether a stack stays that no stack set has any more."""
        return self is Way.RELEASE

    @property
    def keeps_resources(self) -> bool:
        """Whether resources may stay that no stack has any more."""
        return self in (Way.FORGET, Way.EMPTY)


@dataclass(frozen=True)
class Repair:
    """An instance that hangs: `why`, and the way out. `failed` are the resources that
    the rollback of its stack could not restore, with reasons, `skip` those to leave."""

    stack_set: str
    part: str
    target: Target
    why: str
    way: Way
    stack_id: str = ""
    failed: tuple[tuple[str, str], ...] = ()
    skip: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """The names by which a resource can be skipped, and its logical id."""
        plain = {f"{self.part}.{id}": id for id, _ in self.failed}
        return plain | {f"{name}@{self.target}": id for name, id in plain.items()}

    @property
    def place(self) -> str:
        """The stack set and the target, as a user names both."""
        return f"{self.part}@{self.target}"

    @property
    def places(self) -> frozenset[str]:
        """The names by which it can be chosen: stack set, target, account, region."""
        here = self.target
        return frozenset(
            (
                self.part,
                self.stack_set,
                str(here),
                here.account,
                here.region,
                self.place,
            )
        )


def find(
    observed: Mapping[str, Observed],
    states: Mapping[tuple[str, Target], StackState],
    closed: Collection[str] = (),
) -> list[Repair]:
    """Return what hangs, by stack set and target; `states` are those of the stacks
    that could be read, `closed` the accounts that are suspended or closed."""
    found = []
    for name, one in sorted(observed.items()):
        part = one.tags.get("tapgen:part", name)
        for target, instance in sorted(one.instances.items()):
            if target.joins_later:
                continue
            wrong = _wrong(instance, states.get((name, target)), target, closed)
            if wrong:
                why, way, failed = wrong
                stack = instance.stack_id or ""
                found.append(Repair(name, part, target, why, way, stack, failed))
    return found


_Wrong = tuple[str, Way, tuple[tuple[str, str], ...]]


def _wrong(
    instance: ObservedInstance,
    state: StackState | None,
    target: Target,
    closed: Collection[str],
) -> _Wrong | None:
    asleep = InstanceDetailedStatus.SKIPPED_SUSPENDED_ACCOUNT
    if target.account in closed or instance.detailed_status is asleep:
        return f"account {target.account} is suspended or closed", Way.LEAVE, ()
    status = state.status if state else ""
    missing = status == GONE and instance.status is InstanceStatus.CURRENT
    if missing or instance.reading is Reading.GONE:
        return "its stack was deleted other than through the stack set", Way.FORGET, ()
    failed = state.failed if state else ()
    if status == "UPDATE_ROLLBACK_FAILED":
        return f"its stack hangs in {status}", Way.CONTINUE, failed
    if instance.status is InstanceStatus.INOPERABLE:
        more = f", its stack is in {status}" if status else ""
        return f"INOPERABLE{more}{_reasons(instance, failed)}", Way.RELEASE, ()
    if status in ("DELETE_FAILED", "ROLLBACK_FAILED", "CREATE_FAILED"):
        return f"its stack is in {status}{_reasons(instance, failed)}", Way.RELEASE, ()
    if status == "ROLLBACK_COMPLETE":
        return f"its stack is in {status}, its creation failed", Way.EMPTY, ()
    return None


def _reasons(instance: ObservedInstance, failed: Iterable[tuple[str, str]]) -> str:
    lines = [f"{id}: {why}" if why else id for id, why in failed]
    text = "; ".join(lines) or instance.reason or ""
    return f" ({text})" if text else ""


def only(
    found: Iterable[Repair], names: Iterable[str]
) -> tuple[list[Repair], list[str]]:
    """Return the repairs that a user names, all of them without a name, and a line for
    each name that is that of none."""
    repairs, given = list(found), list(dict.fromkeys(names))
    has = ", ".join(one.place for one in repairs) or "nothing"
    problems = [
        f"{name}: nothing that hangs has this name; what hangs is {has}"
        for name in given
        if not any(name in one.places for one in repairs)
    ]
    chosen = [one for one in repairs if not given or one.places.intersection(given)]
    return chosen, problems


def skipping(
    found: Iterable[Repair], names: Iterable[str]
) -> tuple[list[Repair], list[str]]:
    """Return the repairs with the resources that a user names to be skipped, and a line
    for each name that is none of a resource whose rollback failed."""
    repairs, given = list(found), list(dict.fromkeys(names))
    known = {name for one in repairs for name in one.names if "@" not in name}
    has = ", ".join(sorted(known)) or "none"
    problems = [
        f"{name}: no resource of this name failed in a rollback that hangs; those that "
        f"did are {has}"
        for name in given
        if not any(name in one.names for one in repairs)
    ]
    return [
        replace(one, skip=tuple(one.names[n] for n in given if n in one.names))
        for one in repairs
    ], problems
