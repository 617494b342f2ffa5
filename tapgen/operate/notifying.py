"""The last step of what an operator does: read the name back, and notify the topic of the
system. It fails no run, and says what it could not do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tapgen.model import System, Target
from tapgen.model.procedures import Act
from tapgen.model.shifts import DNS
from tapgen.operate.databases import Moving
from tapgen.operate.dividing import Shifting, shown
from tapgen.operate.replicas import Promotion
from tapgen.rollout.program import Call, Kind, Step, Verb
from tapgen.template import evaluate
from tapgen.template.values import mapping

TOPIC = "AlertTopicArn"
"""The output of a part that is the topic to notify in its region."""

_PERMISSIONS = (
    *("kms:Decrypt", "kms:GenerateDataKey"),
    *("route53:TestDNSAnswer", "sns:Publish"),
)
"""Whoever publishes to an encrypted topic uses its key.
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
"""


def names(system: System) -> tuple[Mapping[str, str], ...]:
    """Return the public names of a system and their zones: those that its file sets."""
    found = []
    for one in system.stack_sets:
        zone, name = (one.parameters.get(key) for key in ("HostedZoneId", "DomainName"))
        if isinstance(zone, str) and isinstance(name, str) and zone and name:
            found.append({"Zone": zone, "Name": name})
    return tuple(found)


@dataclass(frozen=True)
class Notice:
    """What is said about what was done in a target, and who did it."""

    system: System
    target: Target
    who: str
    subject: str
    lines: tuple[str, ...] = ()


def last(
    notice: Notice, read_back: Sequence[Mapping[str, str]] = ()
) -> tuple[Step, ...]:
    """Return the step that notifies of what is done then, and reads names back; none where
    the system has no topic there and no such name."""
    act = _act("Notify", notice, read_back)
    if act is None:
        return ()
    return (Step(Kind.ACT, calls=(Call(Verb.PERFORM, act=act),), words=str(act)),)


def on_the_way_back(steps: Sequence[Step], notice: Notice) -> tuple[Step, ...]:
    """Return steps whose first act that is undone notifies of that: it is undone last."""
    act = _act("NotifyOfWayBack", notice, ())
    first = next((n for n, step in enumerate(steps) if step.undo), None)
    if act is None or first is None:
        return tuple(steps)
    undo = (*steps[first].undo, Call(Verb.PERFORM, act=act))
    return (*steps[:first], replace(steps[first], undo=undo), *steps[first + 1 :])


def of_move(system: System, moving: Moving, who: str) -> tuple[Step, ...]:
    """Return the last step of a failover or failback: in the region that writes then."""
    found, region = moving.survey, moving.to.region
    accepted = f"; accepted: {moving.loses}" if moving.loses else ""
    before = (
        f"account {moving.to.target.account}; before, {found.writer} wrote, and the "
        f"replication lag in {region} was: {found.lag}{accepted}"
    )
    away = (f"{one} did not answer: {why}" for one, why in found.away.items())
    subject = f"done: {moving.command} to {region} ({moving.to.role})"
    notice = Notice(system, moving.to.target, who, subject, (before, *away))
    return last(notice, names(system))


def of_promotion(system: System, found: Promotion, who: str) -> tuple[Step, ...]:
    """Return the last step of a promotion."""
    place = found.place
    before = (
        f"account {place.target.account}; it never follows its source again; the "
        f"replication lag before was: {found.lag}; accepted: {found.loses}"
    )
    subject = f"done: promote {found.replica} in {place.region} ({place.role})"
    return last(Notice(system, place.target, who, subject, (before,)))


def of_shift(system: System, found: Shifting, who: str) -> Shifting:
    """Return a shift that notifies in the region of the side that gets more, and, where it
    is taken back, in that of the other side."""
    where = found.where
    target = where.target
    regions = {
        s.name: system.regions[s.role] if s.role else target.region
        for s in where.shift.shares
    }
    (other,) = regions.keys() - {found.to}

    def notice(side: str, subject: str, line: str) -> Notice:
        there = replace(target, region=regions[side])
        return Notice(system, there, who, subject, (f"{target}: {line}",))

    before, after = shown(found.starts), shown(found.ends)
    done = notice(found.to, f"done: {found.what}", f"{before} before, now {after}")
    back = notice(
        other, f"taken back: {found.what}", f"{before} as before, not {after}"
    )
    read_back = []
    if where.shift.by == DNS:
        read_back = [{"Zone": where.of["HostedZoneId"], "Name": where.of["Name"]}]
    steps = on_the_way_back(found.steps, back)
    return replace(found, steps=(*steps, *last(done, read_back)))


def permissions(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return the IAM actions that notifying takes; none where no step does."""
    acts = [call.act for step in steps for call in step.calls]
    return _PERMISSIONS if any(a and a.script == "notify" for a in acts) else ()


def _act(
    name: str, notice: Notice, read_back: Sequence[Mapping[str, str]]
) -> Act | None:
    system = notice.system
    topic = next(_topics(system, notice.target), None)
    if not topic and not read_back:
        return None
    subject = f"{system.prefix}: {notice.subject}"
    how = f"by {notice.who}; call by call: tapgen history {system.name}"
    given: dict[str, Any] = {
        "Topic": topic,
        "Names": [dict(one) for one in read_back],
        "Subject": subject,
        "Lines": [subject, *notice.lines, how],
    }
    return Act(name, notice.target, arguments=given, script="notify")


def _topics(system: System, target: Target) -> Iterator[dict[str, str]]:
    for one in system.stack_sets:
        if target in one.targets and TOPIC in mapping(
            evaluate.parsed(one.template).get("Outputs")
        ):
            yield {"StackSet": one.name, "Output": TOPIC}
