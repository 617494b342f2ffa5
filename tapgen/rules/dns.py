"""Route 53 records and health checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    Found,
    ResourceRule,
    deployed_to,
)
from tapgen.rules.values import (
    MISSING,
    Path,
    absent,
    get,
    is_function,
    items,
    number,
    present,
    text,
    truth,
)
from tapgen.rules.view import Resource
from tapgen.rules.wide import FoundAt, WideRule, World

_POLICIES = (
    "CidrRoutingConfig",
    "Failover",
    "GeoLocation",
    "GeoProximityLocation",
    "MultiValueAnswer",
    "Region",
    "Weight",
)
_RECORD = """\
Resources:
  Record:
    Type: AWS::Route53::RecordSet
    Properties:
      HostedZoneId: Z0123456789ABCDEFGHIJ
      Name: api.example.com
      Type: CNAME
      TTL: '60'
      ResourceRecords: [blue.example.com]
{more}\
"""
_CHECK = """\
Resources:
  Check:
    Type: AWS::Route53::HealthCheck
    Properties:
      HealthCheckConfig:
        Type: HTTPS
        FullyQualifiedDomainName: api.example.com
        RequestInterval: {interval}
"""


def _example(more: str) -> str:
    return _RECORD.format(more=more)


class _RecordRule(ResourceRule):
    """A rule about each record of record sets and record set groups."""

    types = ("AWS::Route53::RecordSet", "AWS::Route53::RecordSetGroup")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        if it.type == "AWS::Route53::RecordSet":
            yield from self.check_record(it.properties)
        for index, record in enumerate(items(it.properties, "RecordSets")):
            for path, message in self.check_record(record):
                yield ("RecordSets", index, *path), message

    def check_record(self, record: Any) -> Iterator[Found]:
        yield from ()


class PolicyWithoutIdentifier(_RecordRule):
    id = "E9545"
    shortdesc = "A weighted, failover or latency record has no SetIdentifier"
    description = (
        "SetIdentifier distinguishes records of the same name and type. Route 53"
        " rejects a record with a routing policy and without SetIdentifier, and a"
        " record with SetIdentifier and without a routing policy."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-route53-recordset.html"
    at = "Resources/Record/Properties/Weight"
    bad = _example("      Weight: 10\n")
    good = _example("      Weight: 10\n      SetIdentifier: blue\n")

    def check_record(self, record: Any) -> Iterator[Found]:
        used = [name for name in _POLICIES if present(record, name)]
        if used and absent(record, "SetIdentifier"):
            yield (used[0],), f"{used[0]} needs a SetIdentifier"
        possible = [name for name in _POLICIES if not absent(record, name)]
        if present(record, "SetIdentifier") and not possible:
            yield ("SetIdentifier",), (
                f"SetIdentifier needs a routing policy: one of {', '.join(_POLICIES)}"
            )


class WeightTooLarge(_RecordRule):
    id = "E9546"
    shortdesc = "A weight is not from 0 to 255"
    description = (
        "Route 53 accepts whole weights from 0 to 255 and rejects any other record."
        " Percentages and the weights of load balancers (up to 999) are different"
        " scales."
    )
    source_url = (
        f"{DOCS}Route53/latest/DeveloperGuide/resource-record-sets-values-weighted.html"
    )
    at = "Resources/Record/Properties/Weight"
    bad = _example("      Weight: 300\n      SetIdentifier: blue\n")
    good = _example("      Weight: 255\n      SetIdentifier: blue\n")

    def check_record(self, record: Any) -> Iterator[Found]:
        weight = number(record, "Weight")
        if weight is not None and not 0 <= weight <= 255:
            yield ("Weight",), f"weight {weight:g} is not from 0 to 255"


class CheckInterval(ResourceRule):
    id = "E9547"
    shortdesc = "The interval of a health check is neither 10 nor 30 seconds"
    description = (
        "Route 53 checks every 30 seconds, or every 10 seconds at a higher price. The"
        " resource schema accepts every value between, but Route 53 does not. Changing"
        " the interval later replaces the health check."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}"
        "aws-properties-route53-healthcheck-healthcheckconfig.html"
    )
    at = "Resources/Check/Properties/HealthCheckConfig/RequestInterval"
    bad = _CHECK.format(interval=15)
    good = _CHECK.format(interval=10)
    types = ("AWS::Route53::HealthCheck",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        steps = ("HealthCheckConfig", "RequestInterval")
        seconds = number(it.properties, *steps)
        if seconds is not None and seconds not in (10, 30):
            yield steps, f"{seconds:g} seconds; Route 53 accepts 10 or 30"


class CheckOfUnsupportedAlarm(ResourceRule):
    id = "E9548"
    shortdesc = "A health check uses an alarm that Route 53 does not support"
    description = (
        "Route 53 evaluates the metric of the alarm itself. It supports"
        " standard-resolution metrics with Average, Minimum, Maximum, Sum or"
        " SampleCount. It rejects percentiles, metric math, periods below 60 seconds"
        " and composite alarms."
    )
    source_url = (
        f"{DOCS}Route53/latest/DeveloperGuide/health-checks-creating-values.html"
    )
    at = "Resources/Check/Properties/HealthCheckConfig/AlarmIdentifier/Name"
    _pair = """\
Resources:
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: AWS/Lambda
      MetricName: Duration
      {statistic}
      Period: 60
      EvaluationPeriods: 1
      Threshold: 1000
      ComparisonOperator: GreaterThanThreshold
  Check:
    Type: AWS::Route53::HealthCheck
    Properties:
      HealthCheckConfig:
        Type: CLOUDWATCH_METRIC
        AlarmIdentifier: {{Name: !Ref Alarm, Region: us-east-1}}
        InsufficientDataHealthStatus: LastKnownStatus
"""
    bad = _pair.format(statistic="ExtendedStatistic: p99")
    good = _pair.format(statistic="Statistic: Maximum")
    types = ("AWS::Route53::HealthCheck",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        steps = ("HealthCheckConfig", "AlarmIdentifier", "Name")
        named = get(it.properties, *steps)
        for alarm in it.place.of(
            "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
        ):
            known = text(alarm.properties, "AlarmName")
            if named == {"Ref": alarm.id} or (known and known == text(named)):
                reason = _unsupported(alarm)
                if reason:
                    yield steps, (
                        f"alarm {alarm.id} has {reason}, which Route 53 does not"
                        " support"
                    )


def _unsupported(alarm: Resource) -> str:
    properties = alarm.properties
    if alarm.type == "AWS::CloudWatch::CompositeAlarm":
        return "a rule over other alarms"
    if present(properties, "ExtendedStatistic"):
        return "an extended statistic"
    if present(properties, "Metrics"):
        return "metric math"
    period = number(properties, "Period")
    if period is not None and period < 60:
        return f"a period of {period:g} seconds"
    return ""


class FailoverWithoutCheck(_RecordRule):
    id = "W9549"
    shortdesc = "The primary failover record has no health check"
    description = (
        "Without HealthCheckId, or EvaluateTargetHealth on an alias, Route 53 always"
        " considers the primary record healthy and never returns the secondary record."
        " Add one of them."
    )
    source_url = (
        f"{DOCS}Route53/latest/DeveloperGuide/resource-record-sets-values-failover.html"
    )
    at = "Resources/Record/Properties/Failover"
    _failover = "      Failover: PRIMARY\n      SetIdentifier: primary\n"
    bad = _example(_failover)
    good = _example(
        _failover + "      HealthCheckId: 01234567-89ab-cdef-0123-456789abcdef\n"
    )

    def check_record(self, record: Any) -> Iterator[Found]:
        if text(record, "Failover") != "PRIMARY" or not absent(record, "HealthCheckId"):
            return
        alias = get(record, "AliasTarget")
        if alias is MISSING or truth(alias, "EvaluateTargetHealth") is False:
            yield ("Failover",), (
                "a primary record without HealthCheckId or EvaluateTargetHealth never"
                " fails over"
            )


class SamePolicyTwice(WideRule):
    id = "E9605"
    shortdesc = "Two records of one name have the same place in their routing policy"
    description = (
        "Records of one name and type share one routing policy, with one primary and"
        " one secondary record, or one record for each region or location. Route 53"
        " rejects a second one, whatever its SetIdentifier, and records with another"
        " policy or with none. In a stack set, give each region its own role by a"
        " condition, a parameter with an override, or a mapping."
    )
    source_url = (
        f"{DOCS}Route53/latest/DeveloperGuide/resource-record-sets-values-failover.html"
    )
    needs_targets = True
    deployment = deployed_to("us-east-1", "us-west-2")
    at = "Resources/Record/Properties/Failover"
    _check = "      HealthCheckId: 01234567-89ab-cdef-0123-456789abcdef\n"
    _set = _check + "      SetIdentifier: !Ref AWS::Region\n"
    bad = _example("      Failover: PRIMARY\n" + _set)
    good = "Conditions:\n  Home: !Equals [!Ref AWS::Region, us-east-1]\n" + _example(
        "      Failover: !If [Home, PRIMARY, SECONDARY]\n" + _set
    )

    def check_world(self, world: World) -> Iterator[FoundAt]:
        first: dict[tuple[object, ...], tuple[Resource, object]] = {}
        policies: dict[tuple[object, ...], tuple[Resource, str]] = {}
        for it in world.resources(*_RecordRule.types):
            for path, record in _records(it):
                whose, used = _whose(world, it, record), _used(record)
                if whose is None or used is None:
                    continue
                name, value = used
                other, theirs = policies.setdefault(whose, (it, name))
                step = (*path, name) if name else path
                if theirs != name:
                    yield it, step, (
                        f"{other.id} {_at(other)} has the same name and type with"
                        f" {theirs or 'no routing policy'}; Route 53 accepts one"
                        " routing policy for a name"
                    )
                elif name in _ONE_EACH:
                    before, record_before = first.setdefault(
                        (*whose, name, value), (it, record)
                    )
                    if record_before is not record:
                        yield it, step, (
                            f"{before.id} {_at(before)} already has {name} {value} for"
                            " this name and type; Route 53 accepts one"
                        )


# Policies with one record for each value.
_ONE_EACH = ("Failover", "GeoLocation", "Region")


def _records(it: Resource) -> Iterator[tuple[Path, Any]]:
    if it.type == "AWS::Route53::RecordSet":
        yield (), it.properties
    for index, record in enumerate(items(it.properties, "RecordSets")):
        yield ("RecordSets", index), record


def _whose(world: World, it: Resource, record: Any) -> tuple[object, ...] | None:
    """Return the zone, name and type of a record; None if one is not known."""
    zone: object = None
    for holder in (record, it.properties):
        identifier = get(holder, "HostedZoneId")
        named = text(holder, "HostedZoneName")
        origin = world.origin(it, identifier)
        if origin:
            zone = zone or origin[0].identity
        zone = zone or text(identifier) or (named and _zone(world, it, named))
        if zone is None and is_function(identifier):
            # Unknown, but the same: an export in its region, all else in its template.
            shared = "Fn::ImportValue" in identifier
            where = it.place.target if shared else id(it.place)
            zone = (where, repr(identifier))
    name, kind = text(record, "Name"), text(record, "Type")
    return (zone, _plain(name), kind) if zone and name and kind else None


def _zone(world: World, it: Resource, name: str) -> object:
    """Return the hosted zone that a name means: Route 53 accepts a name where only one
    zone of the account has it, so it is that of the system, if it has one."""
    same = [
        zone.identity
        for zone in world.resources("AWS::Route53::HostedZone")
        if zone.place.account == it.place.account
        and _plain(text(zone.properties, "Name") or "") == _plain(name)
    ]
    return same[0] if len(same) == 1 else _plain(name)


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _used(record: Any) -> tuple[str, str] | None:
    """Return the routing policy of a record with its value; None if it is not known."""
    possible = [name for name in _POLICIES if not absent(record, name)]
    if not possible:
        return "", ""
    value = get(record, possible[0])
    if len(possible) > 1 or not present(record, possible[0]) or is_function(value):
        return None
    return possible[0], str(value)


def _at(it: Resource) -> str:
    return f"in {it.place.region}" if it.place.region else "in this template"


class ThresholdAboveChildren(ResourceRule):
    id = "E9606"
    shortdesc = "A calculated health check needs more healthy children than it has"
    description = (
        "If HealthThreshold is greater than the number of ChildHealthChecks, Route 53"
        " always considers the health check unhealthy; with 0, always healthy. The"
        " records that use it never fail over, or always. Set a threshold from 1 to the"
        " number of children, also where a condition leaves children out."
    )
    source_url = f"{DOCS}Route53/latest/APIReference/API_HealthCheckConfig.html"
    at = "Resources/Check/Properties/HealthCheckConfig/HealthThreshold"
    _calculated = """\
Resources:
  Check:
    Type: AWS::Route53::HealthCheck
    Properties:
      HealthCheckConfig:
        Type: CALCULATED
        HealthThreshold: {threshold}
        ChildHealthChecks:
          - 01234567-89ab-cdef-0123-456789abcdef
          - 01234567-89ab-cdef-0123-456789abcdee
"""
    bad = _calculated.format(threshold=3)
    good = _calculated.format(threshold=2)
    types = ("AWS::Route53::HealthCheck",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        config = get(it.properties, "HealthCheckConfig")
        threshold = number(config, "HealthThreshold")
        children = get(config, "ChildHealthChecks")
        if text(config, "Type") != "CALCULATED" or threshold is None:
            return
        steps = ("HealthCheckConfig", "HealthThreshold")
        if threshold == 0:
            yield steps, "with a threshold of 0, the health check is always healthy"
        elif isinstance(children, list) and threshold > len(children):
            where = f" in {it.place.region}" if it.place.target else ""
            yield steps, (
                f"{threshold:g} of {len(children)} children have to be healthy{where},"
                " so the health check is always unhealthy"
            )
