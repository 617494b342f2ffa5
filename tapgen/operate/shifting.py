"""Move traffic from one side to another, share by share, and back by itself.

What was recorded before is written back where a gate turns red. A run changes nothing that a template holds but the shares: until
the file of the system has them, `unpersisted` says so in each plan.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from tapgen.aws import health_checks, shares
from tapgen.aws.alarms import Alarm
from tapgen.aws.session import Aws
from tapgen.aws.shares import Shares
from tapgen.errors import AwsError, Denied, RolloutError
from tapgen.model import Observed, Output, Shift, System, Target
from tapgen.model.procedures import Procedure
from tapgen.model.shifts import ACCELERATOR, CANARY, DNS, TARGETS
from tapgen.operate import canaries, filling, outputs
from tapgen.operate.dividing import (
    COMMAND,
    Shifting,
    Where,
    as_recorded,
    gate,
    located_by,
    moved,
    read,
)
from tapgen.operate.filling import Place, Read
from tapgen.operate.ringing import Ringing
from tapgen.rollout import program
from tapgen.rollout.journal import Store, names
from tapgen.rollout.program import Kind, Program

STEPS = (5, 25, 50, 100)
_HASTY = 2  # attempts
# -- forward ---------------------------------------------------------------------------


def forward(
    system: System,
    aws: Aws,
    where: Where,
    to: str,
    steps: Sequence[int] = STEPS,
    bake: float = 300.0,
    *,
    ringing: Ringing = Ringing(),
    despite: Collection[str] = (),
) -> Shifting:
    """Return how traffic moves to the side `to`, in steps of percent, each of which is
    watched for `bake` seconds, and for twice as long as resolvers keep answers.

    `ringing` says which alarms are in ALARM already; those `despite` which it moves all
    the same, by name. There are no steps where that side has as much already. Raises
    RolloutError where it is not well, and AwsError.
    """
    shift = where.shift
    sides = {s.name for s in shift.shares}
    if to not in sides:
        known = " or ".join(s.name for s in shift.shares)
        raise RolloutError(
            f"{system.name}: --to {to or 'NAME'} is missing or unknown; give {known}"
        )
    (other,) = sides - {to}
    red = tuple(map(str, ringing.red))
    found = read(aws, where)
    now = {name: found.shares[id] for name, id in where.ids.items()}
    reached = progress(shift, now, to)
    wanted = [p for p in steps if p > reached]
    if not wanted:
        if max(steps) < reached:
            raise RolloutError(
                f"{system.name}: {to} has {reached:g} % already, and {max(steps)} is less; "
                f"give higher steps, or take traffic away with --to {other} or --rollback"
            )
        return Shifting(where, found, to, now, (), red=red)
    warnings = [*_alarmed(system, where, to, ringing, despite)]
    warnings += _warnings(aws, where, found, to, other)
    watched = gate(where, found, to, bake if aws.local else max(bake, 2 * found.ttl))
    if aws.local and found.ttl:
        warnings.append(
            "the embedded AWS has no resolvers: on AWS a step waits for "
            f"{2 * found.ttl} s at least, twice as long as they keep answers"
        )
    # The alarms that nobody was told of may have gone off since, while a question waited.
    planned = [gate(where, found, to, 0), *_before(system, aws, where, to)]
    planned.append(as_recorded(where, found))
    path = [now]
    for percent in wanted:
        path.append(divided(shift, path[-1], to, other, percent))
    touched: set[str] = set()
    for number, percent in enumerate(wanted):
        planned += moved(where, found, path, number, to, str(percent), touched)
        planned.append(watched)
    now = path[-1]
    return Shifting(where, found, to, now, tuple(planned), tuple(warnings), red=red)


def promotion(
    system: System,
    aws: Aws,
    where: Where,
    steps: Sequence[int] = STEPS,
    bake: float = 300.0,
    *,
    ringing: Ringing = Ringing(),
    despite: Collection[str] = (),
) -> Shifting:
    """Return how a canary becomes what all requests get; arguments and errors as for
    `forward`. There are no steps where it is promoted."""
    to, _ = canaries.sides(where)
    warnings = tuple(_alarmed(system, where, to, ringing, despite))
    there = forward(
        system, aws, where, to, steps, bake, ringing=ringing, despite=despite
    )
    found = canaries.promotion(where, aws, there, bake)
    known = tuple(w for w in warnings if w not in found.warnings)
    return replace(found, warnings=(*found.warnings, *known))


def progress(shift: Shift, now: Mapping[str, float], to: str) -> float:
    """Return how much of the traffic a side has, in percent.

    Where all weights are 0, both sides get the same.
    https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html
    A dial limits what a region takes, and another one takes the rest: it has what it may
    take, as far as the other one leaves it.
    https://docs.aws.amazon.com/global-accelerator/latest/dg/about-endpoint-groups-traffic-dial.html
    """
    (other,) = now.keys() - {to}
    if shift.by == ACCELERATOR:
        return min(now[to], 100 - now[other])
    total = sum(now.values())
    return 100 * now[to] / total if total else 50


def divided(
    shift: Shift, now: Mapping[str, float], to: str, other: str, percent: int
) -> dict[str, float]:
    """Return the shares of both sides once one has so much. No dial of the side that gets
    more is turned down, and none of the other side up."""
    if shift.by == ACCELERATOR:
        return {to: max(now[to], percent), other: min(now[other], 100 - percent)}
    return {to: percent, other: 100 - percent}


_SERVING = {TARGETS: shares.servers, ACCELERATOR: shares.endpoints}
"""What says whether anything behind a side is healthy; records have health checks."""


def _alarmed(
    system: System, where: Where, to: str, ringing: Ringing, despite: Collection[str]
) -> Iterator[str]:
    """Yield what to know of alarms before; RolloutError where one is in ALARM already in the
    region of the side that gets more. To leave a canary, no alarm is in the way."""
    (side,) = (s for s in where.shift.shares if s.name == to)
    region = system.regions[side.role] if side.role else where.target.region
    here = [a for a in ringing.red if a.target.region == region]
    refused = [a for a in here if a.name not in despite]
    if refused and side.id != shares.STABLE:
        names = dict.fromkeys(a.name for a in refused)
        raise RolloutError(
            f"{system.prefix}: nothing was shifted: {to} is in {region}, where "
            + "; ".join(map(_since, refused))
            + f". See tapgen verify {system.name}; to shift all the same, with gates that "
            "leave these alarms out: "
            + " ".join(f"--despite-alarm {name}" for name in names)
        )
    for alarm in ringing.red:
        yield (
            f"{_since(alarm)}: the gates leave it out, so they do not see whether this "
            "shift makes it worse"
        )
    for place, why in ringing.unread.items():
        yield (
            f"nobody knows which alarms of {place} are in ALARM: {why}; the shift does not "
            "begin until AWS says so"
        )


def _since(alarm: Alarm) -> str:
    why = f" ({alarm.reason})" if alarm.reason else ""
    return f"{alarm} is in ALARM since {alarm.changed:%F %T}{why}"


def _warnings(
    aws: Aws, where: Where, found: Shares, to: str, other: str
) -> Iterator[str]:
    """Yield what to know before; RolloutError where the side that gets more is not well."""
    id = where.ids[to]
    if id in found.checks:
        health = health_checks.health(aws, where.target, found.checks[id])
        if health.well is False:
            raise RolloutError(
                f"{where.shift.part} in {where.target}: {to} is not healthy: {health.words}; "
                "nothing was shifted"
            )
        if health.well is None:
            yield f"nobody knows yet whether {to} is healthy: {health.words}"
    if where.shift.by in _SERVING:
        well, words = _SERVING[where.shift.by](aws, where.target, id)
        if well is False and not aws.local:
            raise RolloutError(
                f"{where.shift.part} in {where.target}: {to} is not healthy: {words}; "
                "nothing was shifted"
            )
        if well is False:
            yield f"{to}: {words}; the embedded AWS has no servers, on AWS nothing would be shifted"
        if well is None:
            yield f"nobody knows whether {to} is healthy: {words}"
    for name in (to, other):
        if where.ids[name] in found.unchecked:
            yield f"{name} has no health check: Route 53 always takes it for healthy"


def compiled(shifting: Shifting, system: System) -> Program:
    """Return the program of a shift: what fails in it is taken back by itself."""
    return Program(
        tuple(((step,),) for step in shifting.steps),
        watched=tuple(s.name for s in system.stack_sets),
        on_failure="hold" if shifting.back else "rollback",
    )


def permissions(shifting: Shifting) -> tuple[str, ...]:
    """Return the IAM actions that a shift takes, beside those of its journal."""
    found = {*_NEEDS[shifting.where.shift.by]}
    gates = [s.gate for s in shifting.steps if s.gate]
    if gates:
        found |= {*_WATCHING}
    if any(gate.get("checks") for gate in gates):
        found |= {*_CHECKING}
    looks = [s.check for s in shifting.steps if s.check and not s.check.script]
    found |= {f"{a.service}:{a.action}" for a in looks if a.service == "ssm"}
    acts = [call.act for s in shifting.steps for call in s.calls]
    if any(a and a.service == "lambda" for a in acts):
        found |= {"lambda:GetAlias", "lambda:UpdateAlias"}
    return tuple(sorted(found))


_READING = ("cloudformation:DescribeStacks",)
_WATCHING = (
    *("cloudformation:ListStackInstances", "cloudformation:ListStackResources"),
    *("cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory"),
)
_CHECKING = ("route53:GetHealthCheck", "route53:GetHealthCheckStatus")
_NEEDS: Mapping[str, tuple[str, ...]] = {
    DNS: (
        *_READING,
        *("route53:ListResourceRecordSets", "route53:ChangeResourceRecordSets"),
        "route53:GetChange",
    ),
    ACCELERATOR: (
        *_READING,
        *("globalaccelerator:DescribeEndpointGroup",),
        *("globalaccelerator:UpdateEndpointGroup",),
        *("globalaccelerator:DescribeAccelerator",),
    ),
    TARGETS: (
        *_READING,
        *("elasticloadbalancing:DescribeListeners",),
        *("elasticloadbalancing:ModifyListener",),
        *("elasticloadbalancing:DescribeTargetHealth",),
    ),
    CANARY: (*_READING, "apigateway:GET", "apigateway:PATCH"),
}
"""The IAM actions of each way: those of load balancers and of API Gateway have other names
than their calls.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html
"""


def _before(system: System, aws: Aws, where: Where, to: str) -> Iterator[program.Step]:
    """Yield the checks of the side that gets more, in its region."""
    (side,) = (s for s in where.shift.shares if s.name == to)
    procedure = Procedure(COMMAND, "", where.shift.part, (side.role,), ())
    for check in side.before:
        target = replace(where.target, region=system.regions[side.role])
        here = Place(system, side.role, target)
        found = filling.act(here, procedure, check, outputs.reader(system, aws))
        yield program.Step(Kind.CHECK, check=found, words=str(found))


# -- back ------------------------------------------------------------------------------


def backward(system: System, aws: Aws, where: Where, store: Store) -> Shifting:
    """Return the way back to what the last shift had recorded, as it was.

    Raises RolloutError where there was none, where it was taken back already, or where
    more than the shares has changed since; and AwsError.
    """
    run, fact = _last(system, where, store)
    found = read(aws, where)
    was = Shares(fact["shares"], fact["recorded"])
    if fact.get("back"):
        raise RolloutError(
            f"{system.prefix}: run {run} has taken the shift of run {fact['back']} back "
            "already; shift again with --to"
        )
    if shares.without(was.recorded) != shares.without(found.recorded):
        raise RolloutError(
            f"{system.prefix}: what divides traffic has changed in more than its shares "
            f"since run {run} recorded it, and writing that back would undo the rest; "
            f"shift with --to instead"
        )
    to = next(n for n in where.ids if n != fact["to"])
    ends = {name: was.shares[id] for name, id in where.ids.items()}
    if canaries.PROMOTED in fact:
        back = canaries.backward(aws, where, run, fact, found, was)
        first = [as_recorded(where, found)] if back else []
        return Shifting(where, found, to, ends, (*first, *back), back=run)
    if dict(found.shares) == dict(was.shares):
        return Shifting(where, found, to, ends, (), back=run)
    now = {name: found.shares[id] for name, id in where.ids.items()}
    steps = moved(where, found, [now, ends], 0, to, "Back", set())
    return Shifting(
        where, found, to, ends, (as_recorded(where, found), *steps), back=run
    )


def _last(system: System, where: Where, store: Store) -> tuple[str, Mapping[str, Any]]:
    """Return the last shift in this way at this place that has moved traffic, and its run:
    one that was done, or given up half-way."""
    known = names(store, system.prefix)
    for run, keys in reversed(known.items()):
        first, last = (json.loads(store.get(k) or b"{}") for k in (keys[0], keys[-1]))
        fact = first.get(COMMAND, {})
        here = (where.shift.by, where.shift.part, str(where.target))
        if (fact.get("by"), fact.get("part"), fact.get("target")) != here:
            continue
        if last.get("end") == "done" or _was_left(last, fact):
            return run, fact
    raise RolloutError(
        f"{system.prefix}: no shift of {where.shift.what} was done that could be taken "
        "back; see tapgen history"
    )


def _was_left(last: Mapping[str, Any], fact: Mapping[str, Any]) -> bool:
    """Whether a run was given up with traffic moved. One that took another back does not
    count: what that one has recorded is still the way back."""
    given_up = last.get("end") == "abandoned" and bool(last.get("performed"))
    return given_up and not fact.get("back")


# -- what the file says ----------------------------------------------------------------


def settings(shifting: Shifting) -> dict[str, Any]:
    """Return the settings that make the file agree with a shift, by path."""
    shift = shifting.where.shift
    found: dict[str, Any] = {
        s.setting: int(shifting.ends[s.name]) for s in shift.shares if s.setting
    }
    if canaries.PROMOTED in shifting.more and shift.release:
        found[shift.release.setting] = {}
    return found


def is_persisted(system: System, shifting: Shifting) -> bool:
    """Whether the file has what a shift ends with."""
    shift, target = shifting.where.shift, shifting.where.target
    values = system.part(shift.part).values(target)
    if canaries.PROMOTED in shifting.more and shift.release:
        if values.get(shift.release.version) or values.get(shift.release.deployed):
            return False
    return all(
        values.get(s.parameter) == f"{shifting.ends[s.name]:g}"
        for s in shift.shares
        if s.parameter
    )


def unpersisted(
    system: System, aws: Aws, observed: Mapping[str, Observed]
) -> tuple[str, ...]:
    """Return where AWS divides traffic in other ways than the stacks do, as sentences: a
    rollout that changes these resources would move it back. What cannot be read is said.
    """
    wanted = [(s, t) for s in system.shifts for t in _deployed(system, s, observed)]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda one: _differs(system, aws, observed, *one), wanted)
        return tuple(line for line in found if line)


def _deployed(
    system: System, shift: Shift, observed: Mapping[str, Observed]
) -> Iterator[Target]:
    region = system.regions[shift.role] if shift.role else ""
    there = observed.get(system.part(shift.part).name)
    for target in there.instances if there else ():
        if region in ("", target.region):
            yield target


def _differs(
    system: System,
    aws: Aws,
    observed: Mapping[str, Observed],
    shift: Shift,
    target: Target,
) -> str:
    part = system.part(shift.part)
    try:
        where = located_by(system, shift, target, _reader(system, aws, observed))
        # A plan does not wait for a lost region.
        found = read(aws, where, _HASTY)
        values = observed[part.name].values(target)
        other = canaries.differs(where, aws, values, _HASTY)
    except (AwsError, RolloutError) as error:
        help = "; tapgen bootstrap gives the role that reads" * isinstance(
            error, Denied
        )
        return (
            f"{part.name} in {target}: cannot be read how traffic is divided ({error}), so "
            f"nobody knows whether a rollout moves it{help}"
        )
    given = {s.name: values.get(s.parameter, "") for s in shift.shares if s.parameter}
    now = {s.name: f"{found.shares[where.ids[s.name]]:g}" for s in shift.shares}
    has = [f"{name} {share}" for name, share in now.items()]
    deployed = [f"{name} {value}" for name, value in given.items()]
    lines = [f"{s.setting}: {now[s.name]}" for s in shift.shares if s.setting]
    if all(now[name] == value for name, value in given.items()) and not other.now:
        return ""
    if other.now and shift.release:
        has, deployed = [*has, other.now], [*deployed, other.said]
        lines.append(f"{shift.release.setting}: {{}}")
    return (
        f"{part.name} in {target}: {shift.what} go {', '.join(has)}, not as its stack says "
        f"({', '.join(deployed)}); a rollout that changes these resources moves traffic "
        f"back: write {', '.join(lines)} into the file, or shift back"
    )


def _reader(system: System, aws: Aws, observed: Mapping[str, Observed]) -> Read:
    """Read outputs from what a plan has read, and from AWS where it has not."""
    from_aws = outputs.reader(system, aws)

    def read(value: Output, target: Target) -> str:
        region = system.regions.get(value.region, value.region)
        where = replace(target, region=target.region if region == "same" else region)
        there = observed.get(system.part(value.part).name)
        instance = there.instances.get(where) if there else None
        known = (instance.outputs or {}) if instance else {}
        return known.get(value.output) or from_aws(value, target)

    return read
