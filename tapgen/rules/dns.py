"""Route 53 records and health checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tapgen.rules.base import DOCS, TEMPLATE_REFERENCE, Found, ResourceRule
from tapgen.rules.values import (
    MISSING,
    absent,
    get,
    items,
    number,
    present,
    text,
    truth,
)
from tapgen.rules.view import Resource

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
