"""Changes that a plan refuses: data loss that is not allowed, and what AWS refuses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from tapgen.model import (
    Action,
    InstanceStatus,
    Target,
)
from tapgen.plan.model import Plan, Step
from tapgen.template.refusals import Refused


def refusals(plan: Plan, allowed: Iterable[str] = ()) -> list[str]:
    """Return the changes of a plan that are not allowed, one sentence each.

    Replacing or deleting a stateful resource, and removing the last target of a stack set
    with stateful resources. `allowed` are logical ids (and parts, for a last target).
    What AWS refuses cannot be allowed: updates of INOPERABLE instances, and of properties
    that cannot change.
    """
    names = set(allowed)
    found: dict[str, None] = dict.fromkeys([*_inoperable(plan), *_not_possible(plan)])
    going = {
        (step.stack_set, target)
        for step in plan.steps
        if step.action is Action.DELETE
        for target in step.targets
    }
    for step in plan.steps:
        where = _places(step.targets)
        if step.action is Action.DELETE and step.part not in names:
            left = [
                t
                for t in plan.observed[step.stack_set].instances
                if not t.joins_later and (step.stack_set, t) not in going
            ]
            held = sorted(
                {c.logical_id for r in step.changes.values() for c in r if c.stateful}
            )
            if held and not left:
                text = (
                    f"{step.stack_set} in {where}: its last target would be deleted, and "
                    f"it holds data ({', '.join(held)}); to delete the whole system run "
                    f"tapgen destroy, to allow only this pass --allow-replacement {step.part}"
                )
                found[text] = None
            lost = {
                c.logical_id for r in step.changes.values() for c in r if c.loses_data
            }
            named = sorted(lost - names)
            if named and left:
                text = (
                    f"{step.stack_set} in {where}: {', '.join(named)} would be deleted "
                    "with its data; to allow that, pass "
                    + " ".join(f"--allow-replacement {name}" for name in named)
                )
                found[text] = None
        if step.action is Action.UPDATE and not step.conditional:
            found |= dict.fromkeys(_replacements(step, names))
    return list(found)


def _not_possible(plan: Plan) -> Iterator[str]:
    """Updates that AWS refuses, which would roll their stacks back."""
    for step in plan.steps:
        if step.action is not Action.UPDATE or step.conditional:
            continue
        places: dict[tuple[str, str, Refused], list[Target]] = {}
        for target, changes in step.changes.items():
            for change in changes:
                for one in change.refusals:
                    key = change.logical_id, change.type, one
                    places.setdefault(key, []).append(target)
        for (logical_id, kind, one), targets in places.items():
            what = f"change {', '.join(one.properties)} of" if one.paths else "change"
            yield (
                f"{step.stack_set} in {_places(targets)}: AWS refuses to {what} "
                f'{logical_id} ({kind}): "{one.words}"; {one.advice}'
            )


def _replacements(step: Step, allowed: Collection[str]) -> Iterator[str]:
    """Replacements and deletions of stateful resources by an update, each once."""
    found: dict[str, list[Target]] = {}
    for target, changes in step.changes.items():
        for change in changes:
            if change.loses_data and change.logical_id not in allowed:
                text = (
                    f"{change.logical_id} ({change.type}) holds data and would be "
                    f"{change.fate}; to allow that, pass "
                    f"--allow-replacement {change.logical_id}"
                )
                found.setdefault(text, []).append(target)
    for text, targets in found.items():
        yield f"{step.stack_set} in {_places(targets)}: {text}"


_MOST_PLACES = 4  # targets that are named in a sentence


def _places(targets: Sequence[Target]) -> str:
    more = len(targets) - _MOST_PLACES
    named = ", ".join(map(str, targets[:_MOST_PLACES]))
    return f"{named} and {more} more" if more > 0 else named


def _inoperable(plan: Plan) -> Iterator[str]:
    """INOPERABLE instances, which CloudFormation skips in every update."""
    for step in plan.steps:
        if step.action is not Action.UPDATE:
            continue
        for target in step.targets:
            instance = plan.observed[step.stack_set].instances[target]
            if instance.status is InstanceStatus.INOPERABLE:
                why = f" ({instance.reason})" if instance.reason else ""
                yield (
                    f"{step.stack_set} in {target} is INOPERABLE: deleting it "
                    f"failed{why}; fix the cause and run tapgen destroy, or detach it with "
                    "aws cloudformation delete-stack-instances --retain-stacks, then roll "
                    "out again"
                )
