"""Move traffic from one side to another, share by share, and back by itself.

What AWS answered before is recorded in the program of the run, and written back as it is
where a gate turns red. A run changes nothing that a template holds but the shares: until
the file of the system has them, `unpersisted` says so in each plan.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from tapgen.aws import health_checks, shares
from tapgen.aws.alarms import Alarm
from tapgen.aws.session import ATTEMPTS, Aws
from tapgen.aws.shares import ACCELERATORS, Shares
from tapgen.errors import AwsError, Denied, RolloutError
from tapgen.model import (
    HealthGate,
    Observed,
    Output,
    Shift,
    System,
    Target,
    gate_data,
)
from tapgen.model.procedures import Act, Procedure, saved
from tapgen.model.shifts import ACCELERATOR, CANARY, DNS, TARGETS
from tapgen.operate import filling, outputs
from tapgen.operate.filling import Place, Read, Texts
from tapgen.operate.ringing import Ringing
from tapgen.rollout import program
from tapgen.rollout.journal import Store, names
from tapgen.rollout.program import Kind, Program, Verb

COMMAND = "shift"
STEPS = (5, 25, 50, 100)
_HASTY = 2  # attempts
LONGEST_CHANGE = 1800
"""How long a change of records or dials is waited for, in seconds: AWS names no longest
time. Its own waiter gives up after as long.
https://docs.aws.amazon.com/boto3/latest/reference/services/route53/waiter/ResourceRecordSetsChanged.html
"""


@dataclass(frozen=True)
class Where:
    """Where AWS keeps the shares of a shift: the arguments of its readings, and the id of
    each side by its name."""

    shift: Shift
    target: Target
    of: Mapping[str, str]
    ids: Mapping[str, str]


@dataclass(frozen=True)
class Shifting:
    """A shift of traffic: what is recorded, the steps, and the shares afterwards, by name.

    `back` is the run whose shift it takes back; empty for a shift forward. `warnings` say
    what a person should know before.
    """

    where: Where
    found: Shares
    to: str
    ends: Mapping[str, float]
    steps: tuple[program.Step, ...]
    warnings: tuple[str, ...] = ()
    back: str = ""

    @property
    def starts(self) -> dict[str, float]:
        """The shares that were recorded, by name."""
        return {n: self.found.shares[id] for n, id in self.where.ids.items()}

    @property
    def facts(self) -> dict[str, Any]:
        """What the first event of its run says, for the way back."""
        shift = self.where.shift
        recorded = {"shares": dict(self.found.shares), "recorded": self.found.recorded}
        return {
            COMMAND: {
                "by": shift.by,
                "part": shift.part,
                "target": str(self.where.target),
                "to": self.to,
                **recorded,
                **({"back": self.back} if self.back else {}),
            }
        }


def chosen(system: System, by: str = "", role: str = "") -> Shift:
    """Return the way to shift traffic that was asked for, or the only one.

    Raises RolloutError where there is none, or several.
    """
    known = system.shifts
    if not known:
        raise RolloutError(
            f"{system.name}: nothing in its file divides traffic (no weighted names, "
            "target groups, dials or canary), so there is nothing to shift; see "
            f"docs/{system.blueprint}.md"
        )
    ways = ", ".join(dict.fromkeys(f"{s.by} ({s.what})" for s in known))
    found = [s for s in known if by in ("", s.by)]
    if not found:
        raise RolloutError(f"{system.name}: it has no --by {by}; it has {ways}")
    if len({s.by for s in found}) > 1:
        raise RolloutError(
            f"{system.name}: traffic can be shifted in several ways; choose one with --by: "
            f"{ways}"
        )
    if role:
        found = [s for s in found if role in (s.role, system.regions.get(s.role))]
    if len(found) != 1:
        roles = [
            f"{s.role} ({system.regions[s.role]})" for s in known if s.by in ("", by)
        ]
        what = f"--in-region {role} is none of its regions" if role else "name a region"
        raise RolloutError(
            f"{system.name}: {what}; give --in-region with one of: {', '.join(roles)}"
        )
    return found[0]


def located(system: System, aws: Aws, shift: Shift, account: str = "") -> Where:
    """Return where the shares of a shift are. Raises RolloutError and AwsError."""
    return _located(
        system, shift, _target(system, shift, account), outputs.reader(system, aws)
    )


def _located(system: System, shift: Shift, target: Target, read: Read) -> Where:
    procedure = Procedure(COMMAND, "", shift.part, (shift.role,), ())
    texts = Texts(Place(system, shift.role, target), procedure, read)

    def value(given: str | Output) -> str:
        if isinstance(given, Output):
            return read(given, target)
        return str(texts.filled(given))

    of = {name: value(given) for name, given in shift.of.items()}
    return Where(shift, target, of, {s.name: value(s.id) for s in shift.shares})


def _target(system: System, shift: Shift, account: str) -> Target:
    region = system.regions[shift.role] if shift.role else ""
    every = [t for t in system.part(shift.part).targets if region in ("", t.region)]
    found = [t for t in every if account in ("", t.account)]
    if len(found) == 1:
        return found[0]
    accounts = ", ".join(t.account for t in every) or "none"
    given = f"; {account} is none of them" if account else ""
    raise RolloutError(
        f"{system.prefix}: traffic is shifted in one account, and {shift.part} is in "
        f"{accounts}{given}; name one with --in-account"
    )


def read(aws: Aws, where: Where, attempts: int = ATTEMPTS) -> Shares:
    """Return how traffic is divided now. Raises AwsError, and RolloutError where AWS has
    other sides."""
    try:
        return shares.read(
            aws,
            where.target,
            where.shift.by,
            where.of,
            where.ids.values(),
            attempts,
        )
    except LookupError as error:
        raise RolloutError(
            f"{where.shift.part} in {where.target}: {error}; roll the system out, or see "
            "what has changed with tapgen status"
        ) from error


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
        return Shifting(where, found, to, now, ())
    warnings = [*_alarmed(system, where, to, ringing, despite)]
    warnings += _warnings(aws, where, found, to, other)
    gate = _gate(where, found, to, bake if aws.local else max(bake, 2 * found.ttl))
    if aws.local and found.ttl:
        warnings.append(
            "the embedded AWS has no resolvers: on AWS a step waits for "
            f"{2 * found.ttl} s at least, twice as long as they keep answers"
        )
    planned = [*_before(system, aws, where, to), _as_recorded(where, found)]
    path = [now]
    for percent in wanted:
        path.append(divided(shift, path[-1], to, other, percent))
    touched: set[str] = set()
    for number, percent in enumerate(wanted):
        planned += _moved(where, found, path, number, to, str(percent), touched)
        planned.append(gate)
    now = path[-1]
    return Shifting(where, found, to, now, tuple(planned), tuple(warnings))


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


def _gate(where: Where, found: Shares, to: str, bake: float) -> program.Step:
    target, check = where.target, found.checks.get(where.ids[to])
    gate = HealthGate(
        account=target.account,
        region=target.region,
        checks=(check,) if check else (),
        bake=bake,
    )
    return program.Step(Kind.GATE, gate=gate_data(gate))


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


# -- steps -----------------------------------------------------------------------------


def _before(system: System, aws: Aws, where: Where, to: str) -> Iterator[program.Step]:
    """Yield the checks of the side that gets more, in its region."""
    (side,) = (s for s in where.shift.shares if s.name == to)
    procedure = Procedure(COMMAND, "", where.shift.part, (side.role,), ())
    for check in side.before:
        target = replace(where.target, region=system.regions[side.role])
        here = Place(system, side.role, target)
        found = filling.act(here, procedure, check, outputs.reader(system, aws))
        yield program.Step(Kind.CHECK, check=found, words=str(found))


def _as_recorded(where: Where, found: Shares) -> program.Step:
    """Nobody has changed anything since it was recorded: what is written back is as old."""
    check = _check("AsRecorded", where, found.shares, found.recorded)
    return program.Step(Kind.CHECK, check=check, words=str(check))


def _check(
    name: str,
    where: Where,
    wanted: Mapping[str, float],
    recorded: Mapping[str, Any] | None = None,
) -> Act:
    payload = {"By": where.shift.by, "Of": dict(where.of), "Shares": dict(wanted)}
    if recorded is not None:
        payload["Recorded"] = recorded
    return Act(name, where.target, arguments=payload, script="shares")


def _moved(
    where: Where,
    found: Shares,
    path: Sequence[Mapping[str, float]],
    at: int,
    to: str,
    name: str,
    touched: set[str],
) -> Iterator[program.Step]:
    """Yield the steps from the shares at a place of the path to those after it. The first
    call that changes something is undone by what was recorded; those after it need no
    undoing. A dial is a call of its own, only where it changes: the one of the side that
    gets more is turned first. The other calls write both sides."""
    by_id = [{id: one[side] for side, id in where.ids.items()} for one in path]
    now, after = by_id[at], by_id[at + 1]
    changed = [id for id in after if after[id] != now[id]]
    groups: list[list[str]] = [[*after]] if changed else []
    if where.shift.by == ACCELERATOR:
        first = where.ids[to]
        groups = [[id] for id in sorted(changed, key=lambda id: id != first)]
    for number, ids in enumerate(groups):
        called = f"Shift{name}" + ("Rest" if number else "")
        left = [{id: one[id] for id in ids} for one in by_id]
        undo: tuple[program.Call, ...] = ()
        settled: Act | None = None
        if not touched & {*ids}:
            was = {id: found.shares[id] for id in ids}
            undo = (_call(where, found, f"Undo{called}", was, left),)
            settled = next(_waits(where, f"Undo{called}"), None)
        touched |= {*ids}
        call = _call(where, found, called, left[at + 1], left[at : at + 2])
        yield program.Step(
            Kind.ACT,
            part=where.shift.part,
            calls=(call,),
            words=str(call.act),
            undo=undo,
            after_undo=settled,
        )
        for wait in _waits(where, called):
            yield program.Step(Kind.CHECK, check=wait, words=str(wait))


def _call(
    where: Where,
    found: Shares,
    name: str,
    wanted: Mapping[str, float],
    left: Sequence[Mapping[str, float]],
) -> program.Call:
    """Return the call that writes shares, with the reading that says whether they are. It
    is made only where they are as this run has left them and all else as recorded: what
    somebody else has changed meanwhile would be lost."""
    act = _CALLS[where.shift.by](where, found, name, wanted)
    states = [dict(one) for one in left]
    payload: dict[str, Any] = {
        "By": where.shift.by,
        "Of": dict(where.of),
        "States": states,
        "Recorded": found.recorded,
    }
    ours = Act(f"{name}IsOurs", where.target, arguments=payload, script="shares ours")
    proof = _check(name, where, wanted)
    return program.Call(Verb.PERFORM, act=act, proof=proof, before=ours)


def _records(
    where: Where, found: Shares, name: str, wanted: Mapping[str, float]
) -> Act:
    """Both records in one batch, which Route 53 makes as a whole or not at all.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
    """
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {**one, "Weight": int(wanted[one["SetIdentifier"]])},
        }
        for one in found.recorded["ResourceRecordSets"]
    ]
    given = {
        "HostedZoneId": where.of["HostedZoneId"],
        "ChangeBatch": {"Comment": f"tapgen {COMMAND}", "Changes": changes},
    }
    act = Act(name, where.target, "route53", "ChangeResourceRecordSets", given)
    return replace(act, saves={"ChangeId": "$.ChangeInfo.Id"})


def _dial(where: Where, found: Shares, name: str, wanted: Mapping[str, float]) -> Act:
    ((arn, dial),) = wanted.items()
    given = {"EndpointGroupArn": arn, "TrafficDialPercentage": float(dial)}
    target = replace(where.target, region=ACCELERATORS)
    return Act(name, target, "globalaccelerator", "UpdateEndpointGroup", given)


def _forward(
    where: Where, found: Shares, name: str, wanted: Mapping[str, float]
) -> Act:
    """The actions as they were, stickiness included, with other weights."""

    def weighed(action: Mapping[str, Any]) -> Mapping[str, Any]:
        forward = action.get("ForwardConfig")
        if not forward:
            return action
        groups = [
            {**one, "Weight": int(wanted[one["TargetGroupArn"]])}
            for one in forward["TargetGroups"]
        ]
        return {**action, "ForwardConfig": {**forward, "TargetGroups": groups}}

    given = {
        "ListenerArn": where.of["ListenerArn"],
        "DefaultActions": [weighed(one) for one in found.recorded["DefaultActions"]],
    }
    return Act(name, where.target, "elbv2", "ModifyListener", given)


def _percent(
    where: Where, found: Shares, name: str, wanted: Mapping[str, float]
) -> Act:
    """https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html"""
    patch = {
        "op": "replace",
        "path": "/canarySettings/percentTraffic",
        "value": f"{wanted[CANARY]:g}",
    }
    given = {**where.of, "patchOperations": [patch]}
    return Act(name, where.target, "apigateway", "UpdateStage", given)


_CALLS = {
    DNS: _records,
    ACCELERATOR: _dial,
    TARGETS: _forward,
    CANARY: _percent,
}


def _waits(where: Where, name: str) -> Iterator[Act]:
    """Yield what is waited for after a call: that all name servers, or all locations of the
    accelerator, have the change. The other calls are done with their answer."""
    if where.shift.by == DNS:
        given = {"Id": saved(name, "ChangeId")}
        yield Act(
            f"{name}IsInSync",
            where.target,
            "route53",
            "GetChange",
            given,
            selector="$.ChangeInfo.Status",
            wanted=("INSYNC",),
            seconds=LONGEST_CHANGE,
        )
    if where.shift.by == ACCELERATOR:
        arn, *_ = where.ids.values()
        given = {"AcceleratorArn": arn.partition("/listener/")[0]}
        yield Act(
            f"{name}IsDeployed",
            replace(where.target, region=ACCELERATORS),
            "globalaccelerator",
            "DescribeAccelerator",
            given,
            selector="$.Accelerator.Status",
            wanted=("DEPLOYED",),
            seconds=LONGEST_CHANGE,
        )


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
    if dict(found.shares) == dict(was.shares):
        return Shifting(where, found, to, ends, (), back=run)
    now = {name: found.shares[id] for name, id in where.ids.items()}
    moved = _moved(where, found, [now, ends], 0, to, "Back", set())
    return Shifting(
        where, found, to, ends, (_as_recorded(where, found), *moved), back=run
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


def settings(shifting: Shifting) -> dict[str, int]:
    """Return the settings that make the file agree with a shift, by path."""
    shift = shifting.where.shift
    return {s.setting: int(shifting.ends[s.name]) for s in shift.shares if s.setting}


def is_persisted(system: System, shifting: Shifting) -> bool:
    """Whether the file has the shares that a shift ends with."""
    shift, target = shifting.where.shift, shifting.where.target
    values = system.part(shift.part).values(target)
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
        where = _located(system, shift, target, _reader(system, aws, observed))
        found = read(aws, where, _HASTY)  # a plan does not wait for a lost region
    except (AwsError, RolloutError) as error:
        help = "; tapgen bootstrap gives the role that reads" * isinstance(
            error, Denied
        )
        return (
            f"{part.name} in {target}: cannot be read how traffic is divided ({error}), so "
            f"nobody knows whether a rollout moves it{help}"
        )
    values = observed[part.name].values(target)
    given = {s.name: values.get(s.parameter, "") for s in shift.shares if s.parameter}
    now = {s.name: f"{found.shares[where.ids[s.name]]:g}" for s in shift.shares}
    if all(now[name] == value for name, value in given.items()):
        return ""
    has = ", ".join(f"{name} {share}" for name, share in now.items())
    deployed = ", ".join(f"{name} {value}" for name, value in given.items())
    lines = ", ".join(f"{s.setting}: {now[s.name]}" for s in shift.shares if s.setting)
    return (
        f"{part.name} in {target}: {shift.what} go {has}, not as its stack says "
        f"({deployed}); a rollout that changes these resources moves traffic back: write "
        f"{lines} into the file, or shift back"
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
