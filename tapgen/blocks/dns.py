"""Route 53: health checks, and records that move traffic between regions.

    check = dns.https_check(
        t, "PrimaryCheck", name=name("api", "primary"), host=Ref("PrimaryApiHost"),
        path=Ref("HealthPath"),
    )
    dns.failover(
        t, "PrimaryRecord", zone=zone, domain=domain, identifier="primary",
        first=True, to=dns.Alias(Ref("PrimaryHost"), Ref("PrimaryZone")), check=check,
    )

Checks and records are global, and their control plane is in us-east-1. Failover must
therefore depend on health checks, never on a change of records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import Equals, Ref, Tags, Template, route53

from tapgen.blocks import context, frame, monitoring, names
from tapgen.frozen import dataclass

DOMAIN_PATTERN = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}"
ZONE_PATTERN = "Z[A-Z0-9]{1,31}"
HOST_PATTERN = r"^[a-z0-9][a-z0-9.-]+$"
MOST_WEIGHT = 255

CHECKER_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
"""The regions of the checkers: three of eight, the minimum.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html
"""

METRICS_REGION = "us-east-1"
"""The only region in which Route 53 publishes the state of health checks."""


@dataclass(frozen=True)
class Alias:
    """The target of an alias record: its host name and hosted zone id."""

    host: Any
    zone: Any


def https_check(
    t: Template,
    title: str,
    *,
    name: str,
    host: Any,
    path: Any,
    regions: Sequence[str] | None = None,
    interval: int = 30,
    inverted: bool = False,
) -> Any:
    """Add an HTTPS check of a public host; it fails after three failed requests.

    `interval` is 10 or 30 seconds, for each of the checkers' regions. Changing the
    interval or the type replaces the check. If `inverted`, it is healthy while the host
    does not answer.
    """
    assert interval in (10, 30), interval
    optional: dict[str, Any] = {} if regions is None else {"Regions": list(regions)}
    if inverted:
        optional["Inverted"] = True
    return _check(
        t,
        title,
        name,
        Type="HTTPS",
        FullyQualifiedDomainName=host,
        Port=443,
        ResourcePath=path,
        EnableSNI=True,
        MeasureLatency=True,
        RequestInterval=interval,
        FailureThreshold=3,
        **optional,
    )


def alarm_check(
    t: Template,
    title: str,
    *,
    name: str,
    alarm: str,
    region: Any,
    without_data: str,
    inverted: bool = False,
) -> Any:
    """Add a check on the metric of an alarm (by name, text for `Fn::Sub`).

    For resources that no checker can reach: databases, or an operator's switch. The
    alarm must use a plain statistic: Route 53 supports neither percentiles nor metric
    math.

    Route 53 evaluates the alarm's metric and threshold itself. It ignores the alarm's
    state (setting it by hand changes nothing) and its treatment of missing data.
    `without_data` is the status for missing data: `Healthy`, `Unhealthy` or
    `LastKnownStatus`, which is healthy for a check that has never received data.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
    """
    return _check(
        t,
        title,
        name,
        Type="CLOUDWATCH_METRIC",
        AlarmIdentifier=route53.AlarmIdentifier(Name=names.sub(alarm), Region=region),
        InsufficientDataHealthStatus=without_data,
        Inverted=inverted,
    )


def calculated_check(
    t: Template, title: str, *, name: str, checks: Sequence[Any], healthy: int
) -> Any:
    """Add a check that is healthy while at least `healthy` of other checks are."""
    return _check(
        t,
        title,
        name,
        Type="CALCULATED",
        ChildHealthChecks=[Ref(check) for check in checks],
        HealthThreshold=healthy,
    )


def _check(t: Template, title: str, name: str, **config: Any) -> Any:
    return t.add_resource(
        route53.HealthCheck(
            title,
            HealthCheckConfig=route53.HealthCheckConfig(**config),
            HealthCheckTags=Tags(Name=names.sub(name)),
        )
    )


def in_metrics_region(t: Template) -> str:
    """Add the condition that the stack is in the region of the metrics; return its
    name."""
    t.add_condition("HasHealthMetrics", Equals(Ref("AWS::Region"), METRICS_REGION))
    return "HasHealthMetrics"


def check_alarm(
    t: Template, title: str, *, check: Any, name: str, topic_arn: Any, condition: str
) -> None:
    """Add an alarm on a failing check; `condition` is that of `in_metrics_region`."""
    monitoring.alarm(
        t,
        title,
        name=name,
        description="A health check fails, or says nothing",
        namespace="AWS/Route53",
        metric="HealthCheckStatus",
        dimensions={"HealthCheckId": Ref(check)},
        statistic="Minimum",
        period=60,
        datapoints=(2, 2),
        comparison="<",
        threshold=1,
        missing="breaching",
        topic_arn=topic_arn,
        condition=condition,
    )


def domain(t: Template, *, optional: bool = False, what: str = "API") -> Ref:
    """Add the parameter for the domain name of the records."""
    return frame.parameter(
        t,
        "DomainName",
        description=f"Domain name of the {what}"
        + ("; empty for none." if optional else "."),
        pattern=("^$|" if optional else "") + f"^{DOMAIN_PATTERN}$",
        constraint="a domain in lower case, such as api.example.com",
        **({"Default": ""} if optional else {}),
    )


def zone(t: Template, *, optional: bool = False) -> Ref:
    """Add the parameter for the hosted zone of the records, which must exist."""
    return frame.parameter(
        t,
        "HostedZoneId",
        description="Id of the hosted zone of the domain name"
        + ("; empty for none." if optional else "."),
        pattern=("^$|" if optional else "") + f"^{ZONE_PATTERN}$",
        constraint="the id of a hosted zone, such as Z0123456789ABCDEFGHIJ",
        **({"Default": ""} if optional else {}),
    )


def host(t: Template, title: str, description: str, *, optional: bool = False) -> Ref:
    """Add the parameter for a host name from another part of the system."""
    pattern, more = HOST_PATTERN, {}
    if optional:
        pattern, more = f"^$|{HOST_PATTERN}", {"Default": ""}
    return frame.wired(t, title, description, pattern, "a host name", **more)


def alias(t: Template, role: str) -> Alias:
    """Add the parameters for the target of a region's alias record.

    They take the outputs of `api_domain.domain_outputs`; both are empty without a
    domain.
    """
    title, region = f"{role.title()}DomainTarget", frame.role_label(role)
    return Alias(
        host(
            t,
            title,
            f"Host of the custom domain in the {region} region; empty for none.",
            optional=True,
        ),
        frame.wired(
            t,
            f"{title}Zone",
            f"Hosted zone id of that host in the {region} region; empty for none.",
            f"^$|^{ZONE_PATTERN}$",
            "the id of a hosted zone, or nothing",
            Default="",
        ),
    )


def weight(t: Template, name: str, *, description: str) -> Ref:
    """Add the parameter for the weight of a record."""
    return frame.parameter(
        t,
        name,
        type="Number",
        description=description,
        MinValue=0,
        MaxValue=MOST_WEIGHT,
    )


def weighted(
    t: Template,
    title: str,
    *,
    zone: Any,
    domain: Any,
    identifier: str,
    weight: Any,
    to: Alias,
    check: Any = None,
    evaluated: bool = False,
    condition: str = "",
) -> Any:
    """Add a weighted alias record, which serves while its check is healthy, if it has one,
    and if `evaluated`, what it leads to is, too.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-weighted-alias.html

    A load balancer is healthy if each of its target groups that has targets has a healthy
    one. Route 53 knows this without requests, so a region from which traffic has gone
    away is not taken for healthy because nothing fails there any more.
    https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html

    The share is the weight divided by the sum of weights. If all records with a weight are
    unhealthy, Route 53 answers with those of weight 0.
    """
    return _record(
        t,
        title,
        zone,
        domain,
        identifier,
        to,
        check,
        condition,
        evaluated=evaluated,
        Weight=weight,
    )


def failover(
    t: Template,
    title: str,
    *,
    zone: Any,
    domain: Any,
    identifier: str,
    first: bool,
    to: Alias,
    check: Any = None,
    condition: str = "",
) -> Any:
    """Add one of two failover records: the primary one, or the secondary one.

    The primary record needs a check; the secondary one answers in any case.
    """
    assert check is not None or not first, "the first record needs a check"
    order = "PRIMARY" if first else "SECONDARY"
    return _record(
        t, title, zone, domain, identifier, to, check, condition, Failover=order
    )


def aliases(t: Template, title: str, *, zone: Any, domain: Any, to: Alias) -> None:
    """Add the alias records of a name without routing, for IPv4 and IPv6."""
    for kind in ("A", "AAAA"):
        t.add_resource(
            route53.RecordSetType(
                f"{title}{kind.title()}",
                HostedZoneId=zone,
                Name=domain,
                Type=kind,
                AliasTarget=route53.AliasTarget(
                    DNSName=to.host, HostedZoneId=to.zone, EvaluateTargetHealth=False
                ),
            )
        )


def private_zone(t: Template, title: str, *, name: Any, vpcs: Sequence[Any]) -> Any:
    """Add a private hosted zone for these VPCs (their ids, each with its region)."""
    return t.add_resource(
        route53.HostedZone(
            title,
            Metadata=context.metadata("private zone"),
            Name=name,
            VPCs=[
                route53.HostedZoneVPCs(VPCId=vpc_id, VPCRegion=region)
                for vpc_id, region in vpcs
            ],
            HostedZoneTags=Tags(Name=name),
        )
    )


def weighted_name(
    t: Template,
    title: str,
    *,
    zone: Any,
    domain: Any,
    identifier: str,
    weight: Any,
    host: Any,
    ttl: int,
) -> Any:
    """Add a weighted CNAME record for a host, without a check.

    For targets that must only move on request, such as the writer of a database: a
    check would send its clients to a replica. `ttl` is in seconds.
    """
    return t.add_resource(
        route53.RecordSetType(
            title,
            HostedZoneId=zone,
            Name=domain,
            Type="CNAME",
            TTL=str(ttl),
            SetIdentifier=identifier,
            Weight=weight,
            ResourceRecords=[host],
        )
    )


def failover_name(
    t: Template,
    title: str,
    *,
    zone: Any,
    domain: Any,
    first: bool,
    identifier: str,
    host: Any,
    ttl: int,
    check: Any = None,
) -> Any:
    """Add one of two CNAME records that fail over: the primary one, or the secondary
    one.

    Private zones allow this, too. The primary record needs a check; the secondary one
    answers in any case. `ttl` is in seconds.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-private-hosted-zones.html
    """
    assert check is not None or not first, "the first record needs a check"
    return t.add_resource(
        route53.RecordSetType(
            title,
            HostedZoneId=zone,
            Name=domain,
            Type="CNAME",
            TTL=str(ttl),
            SetIdentifier=identifier,
            Failover="PRIMARY" if first else "SECONDARY",
            ResourceRecords=[host],
            **({} if check is None else {"HealthCheckId": Ref(check)}),
        )
    )


def _record(
    t: Template,
    title: str,
    zone: Any,
    domain: Any,
    identifier: str,
    to: Alias,
    check: Any,
    condition: str,
    evaluated: bool = False,
    **routing: Any,
) -> Any:
    if check is not None:
        routing["HealthCheckId"] = Ref(check)
    if condition:
        routing["Condition"] = condition
    return t.add_resource(
        route53.RecordSetType(
            title,
            HostedZoneId=zone,
            Name=domain,
            Type="A",
            SetIdentifier=identifier,
            AliasTarget=route53.AliasTarget(
                DNSName=to.host,
                HostedZoneId=to.zone,
                # For an API, it would only show whether the region has API Gateway.
                EvaluateTargetHealth=evaluated,
            ),
            **routing,
        )
    )
