"""The shares by which AWS divides traffic: weights of records and of target groups, dials
of an accelerator, the percentage of a canary.

`of` and the ids of the sides are those of a `Shift`, with their texts filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from tapgen.aws.session import ATTEMPTS, Aws, ask
from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.model.shifts import ACCELERATOR, CANARY, DNS, TARGETS

ACCELERATORS = "us-west-2"
"""Where Global Accelerator answers, wherever its endpoints are.
https://docs.aws.amazon.com/global-accelerator/latest/api/Welcome.html
"""

ALIAS_SECONDS = 60
"""How long resolvers keep an answer of an alias, which has no TTL of its own: as long as
one of the load balancer that it leads to. Of other targets AWS does not say it.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-choosing-alias-non-alias.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/how-elastic-load-balancing-works.html
"""

STABLE = "stable"
"""The id of the side of a canary that is none; the other one is `CANARY`."""


@dataclass(frozen=True)
class Shares:
    """How traffic is divided: the share of each side by its id, as AWS counts it.

    `recorded` is what AWS answered, to be written back as it is. `checks` are the health
    checks by side, `unchecked` the sides that Route 53 takes for healthy whatever happens.
    Resolvers keep answers for `ttl` seconds.
    """

    shares: Mapping[str, float]
    recorded: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    unchecked: tuple[str, ...] = ()
    ttl: int = 0


def read(
    aws: Aws,
    target: Target,
    by: str,
    of: Mapping[str, str],
    ids: Iterable[str],
    attempts: int = ATTEMPTS,
) -> Shares:
    """Return how traffic is divided between sides. Raises AwsError, and LookupError where
    AWS has no such sides."""
    where = Target(target.account, ACCELERATORS) if by == ACCELERATOR else target
    client = aws.client(_SERVICES[by], where, attempts)
    return _READ[by](client, of, tuple(ids))


def are(aws: Aws, target: Target, payload: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether shares are as wanted, and what they are; with `Recorded` whether all
    else is what AWS answered then. A check of a procedure."""
    wanted: Mapping[str, float] = payload["Shares"]
    found = read(aws, target, payload["By"], payload["Of"], wanted)
    same = all(found.shares[id] == share for id, share in wanted.items())
    recorded = payload.get("Recorded")
    unchanged = recorded is None or without(recorded) == without(found.recorded)
    more = "" if unchanged else "; more than the shares has changed"
    return same and unchanged, _shown(found) + more


def are_ours(
    aws: Aws, target: Target, payload: Mapping[str, Any]
) -> tuple[bool, str, bool]:
    """Return whether shares are as a run may have left them, one of `States`, and all else
    as recorded: then nobody else has changed it. A check of a procedure."""
    states: Sequence[Mapping[str, float]] = payload["States"]
    found = read(aws, target, payload["By"], payload["Of"], states[0])
    unchanged = without(payload["Recorded"]) == without(found.recorded)
    if unchanged and dict(found.shares) in [dict(one) for one in states]:
        return True, _shown(found), False
    left = " or ".join(dict.fromkeys(_listed(one) for one in states))
    what = f"{_shown(found)}, not {left}" if unchanged else "more than its shares"
    return False, f"somebody else has changed what divides traffic ({what})", True


def servers(aws: Aws, target: Target, group: str) -> tuple[bool | None, str]:
    """Return whether a target group has a healthy target, None where its health checks are
    off, and how many it has. Raises AwsError.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    """
    client = aws.client(_SERVICES[TARGETS], target)
    found = ask(client, "describe_target_health", TargetGroupArn=group)
    states = [t["TargetHealth"]["State"] for t in found["TargetHealthDescriptions"]]
    healthy, unknown = states.count("healthy"), states.count("unavailable")
    if unknown and not healthy:
        return None, "its health checks are off"
    return healthy > 0, f"{healthy} of its {len(states)} targets are healthy"


def endpoints(aws: Aws, target: Target, group: str) -> tuple[bool | None, str]:
    """Return whether an endpoint group has a healthy endpoint, None where no health check
    of it has ended yet, and how many it has. Raises AwsError.

    https://docs.aws.amazon.com/global-accelerator/latest/api/API_EndpointDescription.html
    """
    client = aws.client(_SERVICES[ACCELERATOR], Target(target.account, ACCELERATORS))
    found = ask(client, "describe_endpoint_group", EndpointGroupArn=group)
    there = found["EndpointGroup"].get("EndpointDescriptions", ())
    states = [one.get("HealthState", "INITIAL") for one in there]
    healthy = states.count("HEALTHY")
    if not healthy and "INITIAL" in states:
        return None, "its endpoints have not been checked yet"
    return healthy > 0, f"{healthy} of its {len(states)} endpoints are healthy"


def without(value: Any) -> Any:
    """What AWS answered, but for the shares, and for the order of lists."""
    match value:
        case Mapping():
            names = sorted(k for k in value if k not in _SHARES)
            return {k: without(value[k]) for k in names}
        case list() | tuple():
            return sorted(map(without, value), key=repr)
    return value


_SHARES = frozenset({"Weight", "Dials", "percentTraffic"})


def _shown(found: Shares) -> str:
    return _listed(found.shares)


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{id.rpartition('/')[2]}: {n:g}" for id, n in shares.items())


def _records(client: Any, of: Mapping[str, str], ids: tuple[str, ...]) -> Shares:
    listed = ask(
        client,
        "list_resource_record_sets",
        HostedZoneId=of["HostedZoneId"],
        StartRecordName=of["Name"],
    )["ResourceRecordSets"]
    name = of["Name"].rstrip(".") + "."
    here = [one for one in listed if one["Name"] == name and "Weight" in one]
    sets = {one["SetIdentifier"]: one for one in here}
    if {*sets} != {*ids} or len(sets) != len(here):
        has = ", ".join(one["SetIdentifier"] for one in here) or "none"
        raise LookupError(
            f"{of['Name']} has the weighted records {has}, not {' and '.join(ids)}"
        )
    chosen = [sets[id] for id in ids]
    return Shares(
        {id: sets[id]["Weight"] for id in ids},
        {"ResourceRecordSets": chosen},
        {id: sets[id]["HealthCheckId"] for id in ids if "HealthCheckId" in sets[id]},
        tuple(id for id in ids if not _is_checked(sets[id])),
        max(one.get("TTL", ALIAS_SECONDS) for one in chosen),
    )


def _is_checked(record: Mapping[str, Any]) -> bool:
    evaluated = record.get("AliasTarget", {}).get("EvaluateTargetHealth", False)
    return "HealthCheckId" in record or evaluated


def _dials(client: Any, of: Mapping[str, str], ids: tuple[str, ...]) -> Shares:
    found = {
        arn: ask(client, "describe_endpoint_group", EndpointGroupArn=arn) for arn in ids
    }
    # A group that was made without a dial has one of 100.
    # https://docs.aws.amazon.com/global-accelerator/latest/api/API_EndpointGroup.html
    dials = {
        arn: one["EndpointGroup"].get("TrafficDialPercentage", 100.0)
        for arn, one in found.items()
    }
    return Shares(dials, {"Dials": dials})


def _weights(client: Any, of: Mapping[str, str], ids: tuple[str, ...]) -> Shares:
    arn = of["ListenerArn"]
    listener = ask(client, "describe_listeners", ListenerArns=[arn])["Listeners"][0]
    actions = listener["DefaultActions"]
    groups = {
        one["TargetGroupArn"]: one.get("Weight", 1)
        for action in actions
        for one in action.get("ForwardConfig", {}).get("TargetGroups", ())
    }
    if {*groups} != {*ids}:
        has = ", ".join(groups) or "none"
        raise LookupError(f"{arn} forwards to {has}, not to {' and '.join(ids)}")
    return Shares({id: groups[id] for id in ids}, {"DefaultActions": actions})


def _canary(client: Any, of: Mapping[str, str], ids: tuple[str, ...]) -> Shares:
    settings = ask(client, "get_stage", **of).get("canarySettings")
    if settings is None:
        raise LookupError(
            f"stage {of['stageName']} of API {of['restApiId']} has no canary"
        )
    share = float(settings.get("percentTraffic", 0))
    return Shares({CANARY: share, STABLE: 100 - share}, {"percentTraffic": share})


_SERVICES: Mapping[str, str] = {
    DNS: "route53",
    ACCELERATOR: "globalaccelerator",
    TARGETS: "elbv2",
    CANARY: "apigateway",
}
_READ: Mapping[str, Callable[..., Shares]] = {
    DNS: _records,
    ACCELERATOR: _dials,
    TARGETS: _weights,
    CANARY: _canary,
}
