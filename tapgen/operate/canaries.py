"""Promote a canary, or give it up, in one region.

To promote it, the canary first gets all requests, step by step. Then the alias and the
deployment that the other requests get are made those of the canary, while nobody uses them,
and the canary gets nothing any more. No request sees a mixture, and afterwards AWS has what
a rollout of the file without the canary makes: CloudFormation moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tapgen.aws import releases
from tapgen.aws.releases import Served
from tapgen.aws.session import Aws
from tapgen.errors import AwsError, RolloutError
from tapgen.model import System
from tapgen.model.procedures import Act
from tapgen.model.shifts import CANARY
from tapgen.operate.dividing import (
    Shifting,
    Where,
    as_recorded,
    gate,
    located,
    moved,
    read,
)
from tapgen.rollout.program import Call, Kind, Step, Verb

PROMOTED = "promoted"
"""The key of what a promotion has changed beside shares, in the facts of its run."""


@dataclass(frozen=True)
class _Change:
    """What the requests outside a canary get, before and after."""

    before: Served
    after: Served


def promotion(where: Where, aws: Aws, forward: Shifting, bake: float) -> Shifting:
    """Return how a canary becomes what all requests get, once it has all requests by the
    steps of `forward`; they are watched for `bake` seconds more.

    There are no steps where it is promoted. Raises RolloutError where `forward` ends with
    fewer requests, and AwsError.
    """
    canary, stable = sides(where)
    if forward.ends[canary] != 100:
        raise RolloutError(
            "a canary is promoted once it has all requests; let --steps end with 100"
        )
    change, found = _change(aws, where), forward.found
    ends = {canary: 0.0, stable: 100.0}
    if change.before == change.after:
        left = abandonment(aws, where)
        return replace(left, to=canary, more=_facts(change))
    first = forward.steps or (as_recorded(where, found),)
    full = {canary: 100.0, stable: 0.0}
    last = replace(found, shares={where.ids[n]: share for n, share in full.items()})
    planned = (
        *first,
        *_released(where, change, "Promote"),
        *moved(where, last, [full, ends], 0, canary, "Promoted", set()),
        gate(where, found, canary, bake),
    )
    said = f"all requests will get {change.after} instead of {change.before}"
    return replace(
        forward,
        ends=ends,
        steps=planned,
        warnings=(said, *forward.warnings),
        more=_facts(change),
    )


def abandonment(aws: Aws, where: Where) -> Shifting:
    """Return how a canary gets no requests any more, at once; no alarm is in the way.
    Raises RolloutError and AwsError."""
    canary, stable = sides(where)
    found = read(aws, where)
    now = {name: found.shares[id] for name, id in where.ids.items()}
    ends = {canary: 0.0, stable: 100.0}
    steps = [*moved(where, found, [now, ends], 0, stable, "Abandon", set())]
    first = [as_recorded(where, found)] if steps else []
    return Shifting(where, found, stable, ends, (*first, *steps))


def backward(
    aws: Aws, where: Where, run: str, fact: Mapping[str, Any], found: Any, was: Any
) -> tuple[Step, ...]:
    """Return the steps that take a promotion back, as `shifting.backward` does for shares.

    Raises RolloutError where something else is served by now, and AwsError.
    """
    known = fact[PROMOTED]
    change = _Change(Served(**known["before"]), Served(**known["after"]))
    now = releases.served(aws, where.target, where.served)
    ours = (change.before, change.after)
    if now.version not in [o.version for o in ours] or now.deployment not in [
        o.deployment for o in ours
    ]:
        raise RolloutError(
            f"{where.shift.part} in {where.target} serves {now}, neither what was before run "
            f"{run} ({change.before}) nor what it has promoted ({change.after}); go on with "
            "the file instead"
        )
    canary, stable = sides(where)
    full = {canary: 100.0, stable: 0.0}
    path = [
        {name: found.shares[id] for name, id in where.ids.items()},
        full,
        {name: was.shares[id] for name, id in where.ids.items()},
    ]
    return (
        *moved(where, found, path, 0, canary, "First", set()),
        *_released(where, _Change(change.after, change.before), "Restore"),
        *moved(where, found, path, 1, stable, "Back", set()),
    )


def unpromoted(system: System, aws: Aws, where: Where) -> Iterator[str]:
    """Yield the other regions in which the canary is not promoted, as sentences."""
    for shift in system.shifts:
        if shift.by != CANARY or shift.role == where.shift.role:
            continue
        region = system.regions[shift.role]
        try:
            there = located(system, aws, shift, where.target.account)
            change = _change(aws, there)
        except (AwsError, RolloutError) as error:
            yield (
                f"nobody knows whether the canary is promoted in {region} ({shift.role}): "
                f"{error}"
            )
            continue
        if change.before != change.after:
            yield f"in {region} ({shift.role}) the canary is not promoted"


@dataclass(frozen=True)
class Other:
    """What requests outside a canary get `now`, and what the stack `said`, where that is
    something else; empty where it is not."""

    now: str = ""
    said: str = ""


def differs(where: Where, aws: Aws, values: Mapping[str, str], attempts: int) -> Other:
    """Return what requests outside a canary get otherwise than the values of its stack say,
    as after a promotion. Raises AwsError."""
    release = where.shift.release
    if release is None:
        return Other()
    found = releases.served(aws, where.target, where.served, attempts)
    pairs = (
        ("version", found.version, values.get(release.version, "")),
        ("deployment", found.deployment, values.get(release.deployed, "")),
    )
    others = [(kind, now, said) for kind, now, said in pairs if said and now != said]
    return Other(
        ", ".join(f"{kind} {now}" for kind, now, _ in others),
        ", ".join(f"{kind} {said}" for kind, _, said in others),
    )


def sides(where: Where) -> tuple[str, str]:
    """Return the names of the canary, and of the other side."""
    (canary,) = (name for name, id in where.ids.items() if id == CANARY)
    (stable,) = where.ids.keys() - {canary}
    return canary, stable


def _change(aws: Aws, where: Where) -> _Change:
    release = where.shift.release
    if release is None:
        raise RolloutError(
            f"{where.shift.part}: nothing says what its canary releases, so only the file "
            "promotes it"
        )
    newest = releases.version(
        aws, where.target, where.served["FunctionName"], release.canary
    )
    before = releases.served(aws, where.target, where.served)
    return _Change(before, Served(newest, where.newest))


def _facts(change: _Change) -> Mapping[str, Any]:
    return {PROMOTED: {"before": vars(change.before), "after": vars(change.after)}}


def _released(where: Where, change: _Change, name: str) -> Iterator[Step]:
    """Yield the acts that give the requests outside the canary something else, each only
    where it changes something; each is undone by what was before.

    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html
    https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
    """
    before, after = change.before, change.after
    if before.version != after.version:
        yield _turned(where, change, f"{name}Version", _alias, "version")
    if before.deployment != after.deployment:
        yield _turned(where, change, f"{name}Deployment", _stage, "deployment")


def _turned(
    where: Where,
    change: _Change,
    name: str,
    act: Callable[[Where, str, str], Act],
    kind: str,
) -> Step:
    """Return an act that changes a kind of what is served: the version or the deployment.
    It is made only where nobody else has changed either."""
    before, after = vars(change.before), vars(change.after)
    either = {k: [*dict.fromkeys((before[k], after[k]))] for k in before}

    def call(name: str, value: str) -> Call:
        return Call(
            Verb.PERFORM,
            act=act(where, name, value),
            proof=_served(where, name, {**either, kind: [value]}),
            before=_served(where, f"{name}IsOurs", either),
        )

    done = call(name, after[kind])
    return Step(
        Kind.ACT,
        part=where.shift.part,
        calls=(done,),
        words=str(done.act),
        undo=(call(f"Undo{name}", before[kind]),),
    )


def _alias(where: Where, name: str, version: str) -> Act:
    given = {k: where.served[k] for k in ("FunctionName", "Name")}
    more = {"FunctionVersion": version}
    return Act(name, where.target, "lambda", "UpdateAlias", {**given, **more})


def _stage(where: Where, name: str, deployment: str) -> Act:
    given = {k: where.served[k] for k in ("restApiId", "stageName")}
    patch = {"op": "replace", "path": "/deploymentId", "value": deployment}
    more = {"patchOperations": [patch]}
    return Act(name, where.target, "apigateway", "UpdateStage", {**given, **more})


def _served(where: Where, name: str, wanted: Mapping[str, Sequence[str]]) -> Act:
    payload = {
        "Of": dict(where.served),
        "Versions": wanted["version"],
        "Deployments": wanted["deployment"],
    }
    return Act(name, where.target, arguments=payload, script="served")
