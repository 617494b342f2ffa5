"""The last of what an operator does: read the name back, and notify the topic of the
system, whether it is done, taken back or given up. It fails no run, and says what it could
not do."""

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
from tapgen.rollout.program import HOW, Call, Kind, Step, Verb
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
    what: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ending:
    """How a run tells of its end: by its last step where it is done, by `otherwise` where
    it is taken back or given up. Nothing where the system has no topic there, and no name
    is read back."""

    last: tuple[Step, ...] = ()
    otherwise: Act | None = None


def ending(
    notice: Notice,
    read_back: Sequence[Mapping[str, str]] = (),
    elsewhere: Target | None = None,
) -> Ending:
    """Return how a run tells of its end, and that it reads names back then. `elsewhere` is
    where to tell that it is not done, if not where to tell that it is."""
    act = _act("Notify", notice, "done", read_back)
    if act is None:
        return Ending()
    last = Step(Kind.ACT, calls=(Call(Verb.PERFORM, act=act),), words=str(act))
    back = replace(notice, target=elsewhere or notice.target)
    return Ending((last,), _act("NotifyOfOtherEnd", back, HOW, read_back))


def of_move(system: System, moving: Moving, who: str) -> Ending:
    """Return how a failover or failback tells of its end: in the region that was to write."""
    found, region = moving.survey, moving.to.region
    accepted = f"; accepted: {moving.loses}" if moving.loses else ""
    before = (
        f"account {moving.to.target.account}; before, {found.writer} wrote, and the "
        f"replication lag in {region} was: {found.lag}{accepted}"
    )
    away = (f"{one} did not answer: {why}" for one, why in found.away.items())
    what = f"{moving.command} to {region} ({moving.to.role})"
    notice = Notice(system, moving.to.target, who, what, (before, *away))
    return ending(notice, names(system))


def of_promotion(system: System, found: Promotion, who: str) -> Ending:
    """Return how a promotion tells of its end."""
    place = found.place
    before = (
        f"account {place.target.account}; once promoted, it never follows its source "
        f"again; the replication lag before was: {found.lag}; accepted: {found.loses}"
    )
    what = f"promote {found.replica} in {place.region} ({place.role})"
    return ending(Notice(system, place.target, who, what, (before,)))


def of_shift(system: System, found: Shifting, who: str) -> Ending:
    """Return how a shift tells of its end: in the region of the side that gets more, and
    where it is not done, in that of the other side."""
    where = found.where
    target = where.target
    regions = {
        s.name: system.regions[s.role] if s.role else target.region
        for s in where.shift.shares
    }
    (other,) = regions.keys() - {found.to}

    there, elsewhere = (replace(target, region=regions[s]) for s in (found.to, other))
    line = f"{target}: {shown(found.starts)} before, to be {shown(found.ends)}"
    read_back = []
    if where.shift.by == DNS:
        read_back = [{"Zone": where.of["HostedZoneId"], "Name": where.of["Name"]}]
    notice = Notice(system, there, who, found.what, (line,))
    return ending(notice, read_back, elsewhere)


def permissions(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return the IAM actions that notifying takes; none where no step does."""
    acts = [call.act for step in steps for call in step.calls]
    return _PERMISSIONS if any(a and a.script == "notify" for a in acts) else ()


def _act(
    name: str, notice: Notice, how: str, read_back: Sequence[Mapping[str, str]]
) -> Act | None:
    system = notice.system
    topic = next(_topics(system, notice.target), None)
    if not topic and not read_back:
        return None
    subject = f"{system.prefix}: {how}: {notice.what}"
    # How it ended in full is known at its end, and somebody else may have ended it.
    first, by = ([], "begun by") if how == HOW else ([subject], "by")
    who = f"{by} {notice.who}; call by call: tapgen history {system.name}"
    given: dict[str, Any] = {
        "Topic": topic,
        "Names": [dict(one) for one in read_back],
        "Subject": subject,
        "Lines": [*first, *notice.lines, who],
    }
    return Act(name, notice.target, arguments=given, script="notify")


def _topics(system: System, target: Target) -> Iterator[dict[str, str]]:
    for one in system.stack_sets:
        if target in one.targets and TOPIC in mapping(
            evaluate.parsed(one.template).get("Outputs")
        ):
            yield {"StackSet": one.name, "Output": TOPIC}
