"""Changes that a plan refuses: data loss that is not allowed, and what AWS refuses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from tapgen.model import (
    Action,
    ChangeSafety,
    InstanceDetailedStatus,
    InstanceStatus,
    Target,
)
from tapgen.plan.allowances import is_allowed
from tapgen.plan.deletions import protected
from tapgen.plan.model import Plan, Step
from tapgen.template.diff import Resource
from tapgen.template.refusals import Refused


def refusals(plan: Plan, allowed: Iterable[str] = ()) -> list[str]:
    """Return the changes of a plan that are not allowed, one sentence each.

    Replacing or deleting a stateful resource, changing what its template says must never
    change, and removing the last target of a stack set with stateful resources. `allowed` are exact names (`allowances.exact`). What AWS
    refuses cannot be allowed: updates of instances that hang, and of properties that
    cannot change, and deleting protected resources; nor can what is `blocked`.
    """
    names = set(allowed)
    found: dict[str, None] = dict.fromkeys(
        [
            *plan.blocked,
            *_hanging(plan),
            *_not_possible(plan),
            *_protected(plan),
            *_not_taken_over(plan),
        ]
    )
    going = {
        (step.stack_set, target)
        for step in plan.steps
        if step.action is Action.DELETE
        for target in step.targets
    }
    for step in plan.steps:
        if step.action is Action.DELETE:
            left = [
                t
                for t in plan.observed[step.stack_set].instances
                if not t.joins_later and (step.stack_set, t) not in going
            ]
            kind = _deletions if left else _last_targets
            found |= dict.fromkeys(kind(plan, step, names))
        elif step.action is Action.UPDATE and not step.conditional:
            blocked = any(b.startswith(f"{step.stack_set} in ") for b in plan.blocked)
            found |= dict.fromkeys(_replacements(step, names, blocked))
            found |= dict.fromkeys(_never(step, names, blocked))
    return list(found)


def _protected(plan: Plan) -> Iterator[str]:
    """Deletion protection: it would fail the deletion halfway."""
    goes = bool(plan.steps) and all(
        s.action is Action.DELETE and s.drop for s in plan.steps
    )
    then = "then delete" if goes else "then make this change"
    for step in plan.steps:
        places = list(protected(plan.observed, step))
        if places:
            more = len(places) - _MOST_PLACES
            named = ", ".join(places[:_MOST_PLACES])
            yield (
                f"{step.stack_set}: deletion protection is on and would fail the "
                f"deletion halfway: {named}{f' and {more} more' if more > 0 else ''}; turn "
                f"it off in the config, roll that out where the stacks are now, {then}"
            )


def _not_taken_over(plan: Plan) -> Iterator[str]:
    """Stacks whose import has failed: whoever asked for it wished to keep them."""
    for step in plan.steps:
        if step.action is not Action.DELETE:
            continue
        instances = plan.observed[step.stack_set].instances
        failed = [
            t
            for t in step.targets
            if t in instances
            and instances[t].detailed_status is InstanceDetailedStatus.FAILED_IMPORT
        ]
        if failed:
            yield (
                f"{step.stack_set} in {_places(failed)}: the import of a stack has failed, "
                "and deleting its instance would delete the stack; let it go first: aws "
                f"cloudformation delete-stack-instances --stack-set-name {step.stack_set} "
                "--retain-stacks --accounts … --regions …"
            )


def _last_targets(plan: Plan, step: Step, allowed: Collection[str]) -> Iterator[str]:
    """Stacks that hold data and are the last ones of their stack set."""
    held: dict[str, None] = {}
    places = []
    for target in step.targets:
        stateful = [c.logical_id for c in step.changes.get(target, ()) if c.stateful]
        if stateful and not is_allowed(allowed, step.part, "", target):
            held |= dict.fromkeys(stateful)
            places.append(target)
    if not held:
        return
    start = f"{step.stack_set} in {_places(places)}"
    data = ", ".join(sorted(held))
    moves = [s for s in plan.steps if s.stack_set == step.stack_set and s is not step]
    if not any(s.action is not Action.DELETE for s in moves):
        yield (
            f"{start}: its last target would be deleted, and "
            f"it holds data ({data}); to delete the whole system run "
            f"tapgen destroy, to allow only this pass --allow-replacement {step.part}"
        )
        return
    two_steps = (
        "; to avoid the outage, roll out the new template at the present targets first, "
        "and move it afterwards"
        if any(s.first for s in moves)
        else ""
    )
    yield (
        f"{start}: all its targets would be deleted, and their data ({data}) does not move "
        f"to the new ones; to allow that, pass --allow-replacement {step.part}"
        f"{two_steps}"
    )


def _deletions(plan: Plan, step: Step, allowed: Collection[str]) -> Iterator[str]:
    """Stateful resources that are deleted, where the stack set keeps other targets."""
    found: dict[str, list[Target]] = {}
    for target, changes in step.changes.items():
        if is_allowed(allowed, step.part, "", target):
            continue
        for change in changes:
            name = change.logical_id
            if change.loses_data and not is_allowed(allowed, step.part, name, target):
                found.setdefault(name, []).append(target)
    if found:
        targets = dict.fromkeys(t for places in found.values() for t in places)
        yield (
            f"{step.stack_set} in {_places([*targets])}: {', '.join(sorted(found))} "
            "would be deleted with its data; to allow that, pass "
            + " ".join(
                f"--allow-replacement {step.part}.{name}" for name in sorted(found)
            )
        )


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


def _replacements(step: Step, allowed: Collection[str], blocked: bool) -> Iterator[str]:
    """Replacements and deletions of stateful resources by an update, each once. Where the
    stack set is `blocked`, to allow them would not help, and is not offered."""
    found: dict[str, list[Target]] = {}
    for target, changes in step.changes.items():
        for change in changes:
            name = change.logical_id
            if change.loses_data and not is_allowed(allowed, step.part, name, target):
                text = (
                    f"{change.logical_id} ({change.type}) holds data and would be "
                    f"{change.fate}"
                )
                text += _way(step.part, name, blocked)
                found.setdefault(text, []).append(target)
    for text, targets in found.items():
        yield f"{step.stack_set} in {_places(targets)}: {text}"


def _way(part: str, name: str, blocked: bool) -> str:
    """What to do about a replacement or deletion that is refused."""
    if blocked:
        return "; first see the other refusal of this stack set, which says what to do"
    return f"; to allow that, pass --allow-replacement {part}.{name}"


def _never(step: Step, allowed: Collection[str], blocked: bool) -> Iterator[str]:
    """Changes of what the template, the deployed or the new one, says must never change,
    each once; `blocked` as above. A whole stack that goes is refused for its data only.
    """
    found: dict[str, list[Target]] = {}
    for target, changes in step.changes.items():
        for change in changes:
            name = change.logical_id
            if not change.must_never_be or is_allowed(allowed, step.part, name, target):
                continue
            text = (
                f"{name} ({change.type}) would be {change.fate}, and its template says "
                f"{'; '.join(_must_not(change))}"
            )
            text += _way(step.part, name, blocked)
            found.setdefault(text, []).append(target)
    for text, targets in found.items():
        yield f"{step.stack_set} in {_places(targets)}: {text}"


def _must_not(change: Resource) -> Iterator[str]:
    for mark in change.marks:
        if mark.level is ChangeSafety.NEVER:
            what = ", ".join(mark.properties) or "it"
            why = mark.why or "; ".join(mark.must)
            yield f"that {what} must never change{f' ({why})' if why else ''}"


_MOST_PLACES = 4  # targets that are named in a sentence


def _places(targets: Sequence[Target]) -> str:
    more = len(targets) - _MOST_PLACES
    named = ", ".join(map(str, targets[:_MOST_PLACES]))
    return f"{named} and {more} more" if more > 0 else named


def _hanging(plan: Plan) -> Iterator[str]:
    """INOPERABLE instances, which StackSets skips in every update, and stacks whose
    rollback failed, which CloudFormation does not update (user guide, "Troubleshooting",
    "Update rollback failed")."""
    for step in plan.steps:
        if step.action is not Action.UPDATE:
            continue
        for target in step.targets:
            if target in step.before:
                continue
            instance = plan.observed[step.stack_set].instances[target]
            if instance.status is InstanceStatus.INOPERABLE:
                why = f" ({instance.reason})" if instance.reason else ""
                failed = (
                    instance.detailed_status is InstanceDetailedStatus.FAILED_IMPORT
                )
                what = "importing its stack" if failed else "deleting it"
                yield (
                    f"{step.stack_set} in {target} is INOPERABLE: {what} "
                    f"failed{why}, and no update reaches it; tapgen repair removes it from "
                    "its stack set, then roll out again"
                )
            elif instance.stack_status == "UPDATE_ROLLBACK_FAILED":
                yield (
                    f"{step.stack_set} in {target} hangs in {instance.stack_status}: "
                    "CloudFormation does not update its stack; tapgen repair lets its "
                    "rollback continue, then roll out again"
                )
