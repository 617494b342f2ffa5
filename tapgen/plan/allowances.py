"""What a user can allow a plan to do, and by which exact name.

`PART.LogicalId` names a resource that would be replaced or deleted with what it holds, or
changed although its template says that it must never change, `PART` the stacks of a part that go; with `@account/region` only there. A bare logical id
is taken where only one part has it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from tapgen.frozen import dataclass
from tapgen.model import Action, Target
from tapgen.plan.model import Plan, Step


@dataclass(frozen=True, order=True)
class Thing:
    """Something in a plan that needs to be allowed: a resource, or with an empty
    `logical_id` the stacks of a part that go."""

    part: str
    logical_id: str
    target: Target

    @property
    def name(self) -> str:
        """The exact name at every target."""
        return f"{self.part}.{self.logical_id}" if self.logical_id else self.part

    @property
    def names(self) -> tuple[str, ...]:
        """Every exact name that stands for this thing."""
        return self.name, f"{self.name}@{self.target}"


def things(plan: Plan) -> tuple[Thing, ...]:
    """Everything in a plan that can be allowed."""
    return tuple(dict.fromkeys(t for step in plan.steps for t in _of(step)))


def _of(step: Step) -> Iterator[Thing]:
    if step.action is Action.CREATE or step.conditional:
        return
    for target in step.targets:
        if step.action is Action.DELETE and not target.joins_later:
            yield Thing(step.part, "", target)
        for change in step.changes.get(target, ()):
            updated = step.action is Action.UPDATE
            if change.loses_data or updated and change.must_never_be:
                yield Thing(step.part, change.logical_id, target)


def exact(plan: Plan, given: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The exact names for what a user gave, and a line for each name that is none of
    anything in the plan, or that is not clear."""
    known = things(plan)
    names: dict[str, None] = {}
    problems = []
    for name in dict.fromkeys(given):
        meant = _meant(name, known)
        if len(meant) == 1:
            names |= dict.fromkeys(meant)
        elif meant:
            problems.append(
                f"{name!r} can mean {' or '.join(sorted(meant))}; give one of these"
            )
        else:
            problems.append(f"{name!r} is nothing that this plan {_listed(known)}")
    return tuple(names), tuple(problems)


def _meant(name: str, known: Collection[Thing]) -> set[str]:
    """The exact names that a name may stand for: itself, or those of one part each."""
    if any(name in thing.names for thing in known):
        return {name}
    bare, at, place = name.partition("@")
    return {
        f"{thing.name}{at}{place}"
        for thing in known
        if thing.logical_id == bare and place in ("", str(thing.target))
    }


_MOST_NAMES = 20


def _listed(known: Collection[Thing]) -> str:
    names = sorted({thing.name for thing in known})
    if not names:
        return "replaces or deletes with data; leave the option out"
    more = len(names) - _MOST_NAMES
    text = ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    return f"replaces or deletes; it has {text}, each also with @ACCOUNT/REGION"


def every_part(plan: Plan) -> tuple[str, ...]:
    """The names that let all stacks go which a plan deletes."""
    return tuple(dict.fromkeys(thing.part for thing in things(plan)))


def is_allowed(
    allowed: Collection[str], part: str, logical_id: str, target: Target
) -> bool:
    """Whether exact names allow what happens to a resource at a target, or with an empty
    `logical_id` that the stack there goes."""
    return any(name in allowed for name in Thing(part, logical_id, target).names)
