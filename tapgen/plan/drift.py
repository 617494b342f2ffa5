"""Drift of the instances that a plan updates, and what the plan does to it; and that of
all that is deployed.

`detect` runs CloudFormation's drift detection; `of` is pure: it compares the drift found
with a plan; `survey` needs no plan.

Source: "Detect unmanaged configuration changes in stack sets" and "Detect unmanaged
configuration changes to stacks and resources" in CloudFormation's user guide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import StrEnum

from tapgen.aws import change_sets, stacks
from tapgen.aws.stacks import Difference, DriftedResource
from tapgen.aws.stacksets import Operation, StackSets
from tapgen.errors import AwsError, Busy, NotFound, RolloutError
from tapgen.frozen import dataclass
from tapgen.knowledge.drift import FalsePositive, false_positive
from tapgen.model import (
    Action,
    ObservedInstance,
    OperationStatus,
    Reading,
    ResultStatus,
    Target,
)
from tapgen.plan.model import Plan, Step
from tapgen.template import diff
from tapgen.template.differences import Path

PATIENCE = 3600
"""Seconds for which `detect` waits for operations of others."""

DRIFTED = "DRIFTED"

_AT_ONCE = 8

Proposal = change_sets.Proposal
"""A change set that reverts the drift of a stack."""


class Fate(StrEnum):
    """What a plan does to a drifted property or resource, as the end of a sentence,
    worst first."""

    FAILS = "this plan updates it and will fail: recreate or replace it first"
    OVERWRITTEN = "this plan overwrites it"
    GONE = "this plan removes or replaces the resource"
    PERHAPS = "may be overwritten: this plan updates other properties of the resource"
    STAYS = "stays: this plan does not touch it"


@dataclass(frozen=True)
class Drifted:
    """One drifted property of a resource; `difference` is None for a deleted resource."""

    part: str
    stack_set: str
    target: Target
    logical_id: str
    type: str
    difference: Difference | None
    fate: Fate

    @property
    def is_lost(self) -> bool:
        """Whether the plan may overwrite the drift, or fail on it."""
        return self.fate is not Fate.STAYS


@dataclass(frozen=True)
class Drift:
    """Drift of the instances that a plan updates, with `whole` of all that stay.

    `unread` are drifted instances whose details could not be read, `unchecked` those
    without a successful drift detection. `oldest` is the time of the oldest detection.
    """

    found: tuple[Drifted, ...] = ()
    unread: tuple[tuple[str, Target], ...] = ()
    unchecked: tuple[tuple[str, Target], ...] = ()
    instances: int = 0
    oldest: datetime | None = None
    whole: bool = False


def everywhere(plan: Plan) -> Iterator[tuple[Step, Target, ObservedInstance]]:
    """Yield the instances that a plan updates or leaves as they are, with the step that
    does it, or one that changes nothing."""
    seen: set[tuple[str, Target]] = set()
    for one in concerned(plan):
        seen.add((one[0].stack_set, one[1]))
        yield one
    steps = {(s.stack_set, t): s for s in plan.steps for t in s.targets}
    for wanted in plan.system.stack_sets:
        found = plan.observed.get(wanted.name)
        for target, instance in found.instances.items() if found else ():
            key = wanted.name, target
            nothing = Step(
                wanted.name,
                wanted.part,
                Action.UPDATE,
                (target,),
                instance.overrides,
                (),
            )
            step = steps.get(key, nothing)
            readable = instance.reading in (Reading.READ, Reading.REFUSED)
            known = readable and not target.joins_later and key not in seen
            if known and step.action is Action.UPDATE:
                yield step, target, instance


def concerned(plan: Plan) -> Iterator[tuple[Step, Target, ObservedInstance]]:
    """Yield the instances that a plan certainly updates: it may overwrite their drift."""
    for step in plan.steps:
        if step.action is Action.UPDATE and not step.conditional:
            found = plan.observed.get(step.stack_set)
            instances = found.instances if found else {}
            for target in step.targets:
                if not target.joins_later and target not in step.before:
                    yield step, target, instances[target]


def read(sets: StackSets, plan: Plan, *, whole: bool = False) -> Drift:
    """Return the drift of the instances that a plan updates, with `whole` of all that
    stay, as the last detection found it."""
    found: dict[tuple[str, Target], list[DriftedResource] | None] = {}
    for step, target, instance in (everywhere if whole else concerned)(plan):
        if instance.drift_status == DRIFTED and instance.stack_id:
            try:
                drifts = stacks.drifts(sets.aws, target, instance.stack_id)
            except AwsError:  # no access, as before bootstrap
                found[step.stack_set, target] = None
            else:
                found[step.stack_set, target] = drifts
    return of(plan, found, whole=whole)


def of(
    plan: Plan,
    found: Mapping[tuple[str, Target], Iterable[DriftedResource] | None],
    *,
    whole: bool = False,
) -> Drift:
    """Return drift with what a plan does to it. `found` has the drifted resources by
    stack set and target, None where they could not be read."""
    drifted: list[Drifted] = []
    unread, unchecked, times = [], [], []
    instances = list((everywhere if whole else concerned)(plan))
    for step, target, instance in instances:
        if instance.drift_checked:
            times.append(instance.drift_checked)
        if instance.drift_status not in (DRIFTED, "IN_SYNC"):
            unchecked.append((step.part, target))
        elif instance.drift_status == DRIFTED:
            resources = found.get((step.stack_set, target))
            if resources is None:
                unread.append((step.part, target))
            retags = _retags(plan, step)
            drifted += (
                d for r in resources or () for d in _of(step, target, r, retags)
            )
    order = list(Fate)
    return Drift(
        tuple(sorted(drifted, key=lambda d: order.index(d.fate))),
        tuple(unread),
        tuple(unchecked),
        len(instances),
        min(times, default=None),
        whole,
    )


def _retags(plan: Plan, step: Step) -> bool:
    """Whether the stack set's tags change: CloudFormation applies them to every resource
    that supports tags."""
    found = plan.observed[step.stack_set].tags
    ours = {k: v for k, v in found.items() if not k.startswith("tapgen:")}
    return ours != dict(plan.system.part(step.part).tags)


def known(type: str, difference: Difference) -> FalsePositive | None:
    """Return the known false positive that a difference is; None where it is drift."""
    return false_positive(type, difference.path, difference.kind, difference.actual)


def _of(
    step: Step, target: Target, resource: DriftedResource, retags: bool
) -> Iterator[Drifted]:
    """Everything that drifted on a resource, except what AWS reports by mistake."""
    changes = {c.logical_id: c for c in step.changes.get(target, ())}
    change = changes.get(resource.logical_id)
    real = (d for d in resource.differences if known(resource.type, d) is None)
    for difference in (None,) if resource.deleted else real:
        yield Drifted(
            step.part,
            step.stack_set,
            target,
            resource.logical_id,
            resource.type,
            difference,
            _fate(change, difference, retags),
        )


def _fate(
    change: diff.Resource | None, difference: Difference | None, retags: bool
) -> Fate:
    if change is None:
        return Fate.PERHAPS if retags else Fate.STAYS
    if change.verb is diff.Verb.REMOVE or change.verdict is diff.Verdict.REPLACES:
        return Fate.GONE
    if difference is None:
        return Fate.FAILS
    touched = any(_meets(p.path, difference.path) for p in change.properties)
    return Fate.OVERWRITTEN if touched else Fate.PERHAPS


def _meets(planned: Path, drifted: str) -> bool:
    """Whether a planned property contains a drifted one, or lies in it. Lists count as a
    whole: the two number their items differently."""
    ours = _names(map(str, planned), "=")
    theirs = _names(drifted.strip("/").split("/"))
    return all(a == b for a, b in zip(ours, theirs, strict=False))


def _names(path: Iterable[str], item: str = "") -> list[str]:
    """A path down to the first item of a list."""
    names = []
    for part in path:
        if part.isdigit() or (item and part.startswith(item)):
            break
        names.append(part)
    return names


# -- everything that is deployed ---------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """A drifted property of a resource of a deployed stack; `difference` is None for a
    deleted resource. `explained` is the known false positive that it is."""

    part: str
    stack_set: str
    target: Target
    stack_id: str
    logical_id: str
    type: str
    difference: Difference | None
    explained: FalsePositive | None = None


@dataclass(frozen=True)
class Survey:
    """The drift of all instances of a system, as the last detection found it.

    `unread` are drifted instances whose details AWS did not give, and why; `unknown` resources that
    could not be checked, by name, and why; `unchecked` instances without a successful
    detection now, and why. `oldest` is the time of the oldest one.
    """

    found: tuple[Found, ...] = ()
    instances: int = 0
    unread: tuple[tuple[str, Target, str], ...] = ()
    unknown: tuple[tuple[str, Target, str], ...] = ()
    unchecked: tuple[tuple[str, Target, str], ...] = ()
    oldest: datetime | None = None

    @property
    def drifted(self) -> tuple[Found, ...]:
        """What is drift, without known false positives."""
        return tuple(one for one in self.found if one.explained is None)

    @property
    def explained(self) -> tuple[Found, ...]:
        """Known false positives."""
        return tuple(one for one in self.found if one.explained is not None)

    @property
    def clean(self) -> bool:
        """Whether all was checked, and nothing has drifted."""
        return not (self.drifted or self.unread or self.unknown or self.unchecked)


Unchecked = Mapping[tuple[str, Target | None], str]
"""Why instances of stack sets could not be checked; all of one where the target is None."""


def survey(
    sets: StackSets, parts: Mapping[str, str], unchecked: Unchecked = {}
) -> Survey:
    """Return the drift of all instances of stack sets, which map to their parts; those
    that do not exist are left out. What `detect` could not check now is `unchecked`,
    whatever an earlier detection has found.

    Where a detection fails for some resources, it has found the drift of the others
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackDriftDetectionStatus.html).
    """
    places: list[tuple[str, Target, ObservedInstance]] = []
    for name in parts:
        try:
            places += [(name, t, one) for t, one in sets.listed(name).items()]
        except NotFound:
            continue
    why = {
        (name, target): reason
        for name, target, one in places
        if (reason := _why_unchecked(name, target, one, unchecked))
    }
    drifted = [
        one
        for one in places
        if one[2].drift_status == DRIFTED or (one[2].stack_id and one[:2] in why)
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        details = list(pool.map(lambda one: _details(sets, *one), drifted))
    checked = [
        one.drift_checked
        for name, target, one in places
        if one.drift_checked and (name, target) not in why
    ]
    answers = list(zip(drifted, details, strict=True))
    resources = [
        (name, target, one, resource)
        for (name, target, one), answer in answers
        if not isinstance(answer, str)
        for resource in answer
    ]
    return Survey(
        tuple(found for one in resources for found in _found(parts, *one)),
        len(places),
        tuple(
            (parts[name], target, answer)
            for (name, target, _), answer in answers
            if isinstance(answer, str) and (name, target) not in why
        ),
        tuple(
            (f"{parts[name]}.{r.logical_id} ({r.type})", target, r.unknown)
            for name, target, _, r in resources
            if r.unknown
        ),
        tuple((parts[name], target, reason) for (name, target), reason in why.items()),
        min(checked, default=None),
    )


def _why_unchecked(
    name: str, target: Target, instance: ObservedInstance, unchecked: Unchecked
) -> str:
    """Return why an instance has not been checked; empty where it has."""
    why = unchecked.get((name, target)) or unchecked.get((name, None), "")
    if instance.drift_status in (DRIFTED, "IN_SYNC"):
        return why
    return why or f"its drift status is {instance.drift_status or 'not known'}"


def _details(
    sets: StackSets, name: str, target: Target, instance: ObservedInstance
) -> list[DriftedResource] | str:
    """The resources that drifted in an instance, or why AWS does not say."""
    if not instance.stack_id:
        return "its stack is not known"
    try:
        return stacks.drifts(sets.aws, target, instance.stack_id)
    except AwsError as error:
        return str(error)


def _found(
    parts: Mapping[str, str],
    name: str,
    target: Target,
    instance: ObservedInstance,
    resource: DriftedResource,
) -> Iterator[Found]:
    for difference in (None,) if resource.deleted else resource.differences:
        yield Found(
            parts[name],
            name,
            target,
            instance.stack_id or "",
            resource.logical_id,
            resource.type,
            difference,
            known(resource.type, difference) if difference else None,
        )


# -- detecting -------------------------------------------------------------------------


def detect(
    sets: StackSets,
    names: Iterable[str],
    report: Callable[[str], None],
    *,
    brief: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    poll_seconds: float = 5,
) -> Unchecked:
    """Run drift detection on stack sets in parallel, and wait for it to end; return what
    could not be checked.

    Changes nothing. `report` takes a line of progress, with `brief` only of what waits.
    Raises RolloutError when another operation holds a stack set for an hour.
    """
    unchecked: dict[tuple[str, Target | None], str] = {}
    waiting = list(dict.fromkeys(names))
    running: dict[str, Operation] = {}
    waited = 0.0

    def progress(line: str) -> None:
        if not brief:
            report(line)

    while waiting or running:
        for name in list(waiting):
            started = _start(sets, name, waited, report)
            if started:
                progress(f"{name}: detecting drift …")
                waiting.remove(name)
                running[name] = started
        for name, operation in list(running.items()):
            running[name] = sets.operation(name, operation.id)
            if running[name].ended:
                failed = _failed(sets, running.pop(name))
                unchecked |= {(name, target): why for target, why in failed.items()}
                for line in _ended(name, failed):
                    progress(line)
        if waiting or running:
            sleep(poll_seconds)
            waited += poll_seconds
    return unchecked


def _start(
    sets: StackSets, name: str, waited: float, report: Callable[[str], None]
) -> Operation | None:
    """Start a detection; None while another operation holds the stack set."""
    try:
        started = sets.detect_drift(name)
    except Busy as error:
        if waited >= PATIENCE:
            raise RolloutError(
                f"{name}: drift cannot be detected while another operation runs "
                f"({error.message}); try again when it has ended"
            ) from error
        if not waited:
            report(f"{name}: waiting for another operation to end …")
        return None
    return started


def _failed(sets: StackSets, ended: Operation) -> dict[Target | None, str]:
    """Why the targets of a detection could not be checked; None stands for all of them."""
    failed: dict[Target | None, str] = {
        r.target: r.reason or str(r.status)
        for r in sets.results(ended.stack_set, ended.id)
        if r.status is not ResultStatus.SUCCEEDED
    }
    if not failed and not ended.green:
        failed[None] = ended.reason or f"the operation {ended.status}"
    return failed


def _ended(name: str, failed: Mapping[Target | None, str]) -> Iterator[str]:
    """How a detection ended, in lines of progress."""
    for target, why in failed.items():
        where = f" in {target}" if target else ""
        yield f"{name}{where}: could not be checked ({why})"
    if not failed:
        yield f"{name}: drift detection {OperationStatus.SUCCEEDED}"
