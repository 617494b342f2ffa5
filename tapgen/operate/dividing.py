"""Where AWS divides traffic, and the steps that divide it otherwise.

What AWS answered before is recorded in the program of the run, and written back as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tapgen.aws import shares
from tapgen.aws.session import ATTEMPTS, Aws
from tapgen.aws.shares import ACCELERATORS, Shares
from tapgen.errors import RolloutError
from tapgen.model import HealthGate, Output, Shift, System, Target, gate_data
from tapgen.model.procedures import Act, Procedure, saved
from tapgen.model.shifts import ACCELERATOR, CANARY, DNS, TARGETS
from tapgen.operate import outputs
from tapgen.operate.filling import Place, Read, Texts
from tapgen.rollout import program
from tapgen.rollout.program import Kind, Verb

COMMAND = "shift"
LONGEST_CHANGE = 1800
"""How long a change of records or dials is waited for, in seconds: AWS names no longest
time. Its own waiter gives up after as long.
https://docs.aws.amazon.com/boto3/latest/reference/services/route53/waiter/ResourceRecordSetsChanged.html
"""


@dataclass(frozen=True)
class Where:
    """Where AWS keeps the shares of a shift: the arguments of its readings, and the id of
    each side by its name. Of a canary with a release, `served` are the arguments that read
    what all other requests get, and `newest` is the deployment that they get in the end.
    """

    shift: Shift
    target: Target
    of: Mapping[str, str]
    ids: Mapping[str, str]
    served: Mapping[str, str] = field(default_factory=dict)
    newest: str = ""


@dataclass(frozen=True)
class Shifting:
    """A shift of traffic: what is recorded, the steps, and the shares afterwards, by name.

    `back` is the run whose shift it takes back; empty for a shift forward. `warnings` say
    what a person should know before. `more` are facts of the run beside the shares, `red`
    the alarms that were in ALARM when the person was told: gates leave out these only.
    """

    where: Where
    found: Shares
    to: str
    ends: Mapping[str, float]
    steps: tuple[program.Step, ...]
    warnings: tuple[str, ...] = ()
    back: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    red: tuple[str, ...] = ()

    @property
    def starts(self) -> dict[str, float]:
        """The shares that were recorded, by name."""
        return {n: self.found.shares[id] for n, id in self.where.ids.items()}

    @property
    def what(self) -> str:
        """What it does, and by what."""
        shift = self.where.shift
        if self.back:
            return f"take the shift of run {self.back} back, by {shift.by}"
        if self.more:
            return f"promote the canary for {shift.what}"
        return f"shift {shift.what} to {self.to}, by {shift.by}"

    @property
    def facts(self) -> dict[str, Any]:
        """What the first event of its run says, for the way back."""
        shift = self.where.shift
        recorded = {"shares": dict(self.found.shares), "recorded": self.found.recorded}
        return {
            "alarms_before": sorted(self.red),
            COMMAND: {
                "by": shift.by,
                "part": shift.part,
                "target": str(self.where.target),
                "to": self.to,
                **recorded,
                **({"back": self.back} if self.back else {}),
                **self.more,
            },
        }


def shown(shares: Mapping[str, float]) -> str:
    """Return shares in words."""
    return ", ".join(f"{name} {share:g}" for name, share in shares.items())


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
    return located_by(
        system, shift, _target(system, shift, account), outputs.reader(system, aws)
    )


def located_by(system: System, shift: Shift, target: Target, read: Read) -> Where:
    """Return where the shares of a shift at a target are, with outputs as `read` has them."""
    procedure = Procedure(COMMAND, "", shift.part, (shift.role,), ())
    texts = Texts(Place(system, shift.role, target), procedure, read)

    def value(given: str | Output) -> str:
        if isinstance(given, Output):
            return read(given, target)
        return str(texts.filled(given))

    of = {name: value(given) for name, given in shift.of.items()}
    ids = {s.name: value(s.id) for s in shift.shares}
    release = shift.release
    if release is None:
        return Where(shift, target, of, ids)
    alias = {"FunctionName": value(release.function), "Name": release.live}
    return Where(shift, target, of, ids, {**of, **alias}, value(release.deployment))


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


def gate(where: Where, found: Shares, to: str, bake: float) -> program.Step:
    """Return the gate after a step: alarms, and the health check of a side."""
    target, check = where.target, found.checks.get(where.ids[to])
    wanted = HealthGate(
        account=target.account,
        region=target.region,
        checks=(check,) if check else (),
        bake=bake,
    )
    return program.Step(Kind.GATE, gate=gate_data(wanted))


def as_recorded(where: Where, found: Shares) -> program.Step:
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


def moved(
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
