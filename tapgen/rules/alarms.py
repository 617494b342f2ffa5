"""CloudWatch alarms, and rules for events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tapgen.rules.base import DOCS, Found, ResourceRule, deployed_to
from tapgen.rules.values import (
    MISSING,
    Path,
    arn,
    get,
    items,
    number,
    settled,
    text,
)
from tapgen.rules.view import Resource

_GUIDE = f"{DOCS}AmazonCloudWatch/latest/monitoring/"
_ALARM = """\
Resources:
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: {namespace}
      MetricName: {metric}
      Dimensions: {dimensions}
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 3
      Threshold: 1
      ComparisonOperator: GreaterThanThreshold
{more}\
"""


def _example(
    more: str = "",
    namespace: str = "AWS/Lambda",
    metric: str = "Errors",
    dimensions: str = "[{Name: FunctionName, Value: orders}]",
) -> str:
    return _ALARM.format(
        more=more, namespace=namespace, metric=metric, dimensions=dimensions
    )


class MorePointsThanPeriods(ResourceRule):
    id = "E9556"
    shortdesc = "DatapointsToAlarm is greater than EvaluationPeriods"
    description = (
        "DatapointsToAlarm must be at most EvaluationPeriods; PutMetricAlarm rejects"
        " a greater number."
    )
    source_url = f"{_GUIDE}alarm-evaluation.html"
    at = "Resources/Alarm/Properties/DatapointsToAlarm"
    bad = _example("      DatapointsToAlarm: 5\n")
    good = _example("      DatapointsToAlarm: 2\n")
    types = ("AWS::CloudWatch::Alarm",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        points = number(it.properties, "DatapointsToAlarm")
        periods = number(it.properties, "EvaluationPeriods")
        if points is not None and periods is not None and points > periods:
            yield ("DatapointsToAlarm",), (
                f"DatapointsToAlarm is {points:g}, but EvaluationPeriods is"
                f" {periods:g}"
            )


class ActionElsewhere(ResourceRule):
    id = "E9557"
    shortdesc = "An alarm has an action in another region"
    description = (
        "An alarm notifies topics and runs actions of its own region only;"
        " PutMetricAlarm rejects an ARN of another region. Create a topic in each"
        " region; its subscriptions can be in any region."
    )
    source_url = f"{_GUIDE}AlarmThatSendsEmail.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", "eu-west-1")
    at = "Resources/Alarm/Properties/AlarmActions/0"
    bad = _example(
        "      AlarmActions: ['arn:aws:sns:us-east-1:111122223333:alerts']\n"
    )
    good = _example(
        "      AlarmActions: [!Sub 'arn:aws:sns:${AWS::Region}:111122223333:alerts']\n"
    )
    types = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        for name in ("AlarmActions", "OKActions", "InsufficientDataActions"):
            for index, action in enumerate(items(it.properties, name)):
                found = arn(action)
                if found and found.region not in ("", it.place.region):
                    yield (name, index), (
                        f"the action is in {found.region}, but the alarm is in"
                        f" {it.place.region}; use an action in the same region"
                    )


class EventElsewhere(ResourceRule):
    id = "W9598"
    shortdesc = "An event rule matches events that are sent in us-east-1 only"
    description = (
        "IAM, Organizations, Account Management and Route 53 are global services: they"
        " send their events to the default event bus of us-east-1 only. In another"
        " region the rule matches nothing, unless a rule in us-east-1 forwards the"
        " events to this region. Create it in a stack set that targets us-east-1."
    )
    source_url = (
        "https://repost.aws/knowledge-center/use-eventbridge-rule-across-regions"
    )
    needs_targets = True
    deployment = deployed_to("eu-west-1")
    at = "Resources/NewUsers/Properties/EventPattern/source"
    bad = """\
Resources:
  NewUsers:
    Type: AWS::Events::Rule
    Properties:
      EventPattern:
        source: [aws.iam]
        detail-type: [AWS API Call via CloudTrail]
        detail: {eventName: [CreateUser]}
"""
    good = bad.replace("aws.iam", "aws.ec2").replace("CreateUser", "CreateVpc")
    types = ("AWS::Events::Rule",)
    _global = frozenset({"aws.account", "aws.iam", "aws.organizations", "aws.route53"})

    def check_resource(self, it: Resource) -> Iterator[Found]:
        region, bus = it.place.region, get(it.properties, "EventBusName")
        if region == "us-east-1" or region.startswith(("cn-", "us-gov-")):
            return
        sources = items(it.properties, "EventPattern", "source")
        texts = [text(source) for source in sources]
        if bus in (MISSING, "default") and texts and self._global.issuperset(texts):
            yield ("EventPattern", "source"), (
                f"events of {', '.join(map(str, texts))} are sent in us-east-1, not in"
                f" {region}; create the rule in us-east-1"
            )


class MetricElsewhere(ResourceRule):
    id = "E9558"
    shortdesc = "An alarm uses a metric that exists in us-east-1 only"
    description = (
        "The metrics of Route 53 health checks, CloudFront and billing are in"
        " us-east-1, and an alarm reads only metrics of its own region. In another"
        " region, the alarm stays in INSUFFICIENT_DATA. Create it in a stack set that"
        " targets us-east-1."
    )
    source_url = f"{DOCS}Route53/latest/DeveloperGuide/monitoring-health-checks.html"
    needs_targets = True
    deployment = deployed_to("eu-west-1")
    at = "Resources/Alarm/Properties/Namespace"
    bad = _example(
        namespace="AWS/Route53",
        metric="HealthCheckStatus",
        dimensions="[{Name: HealthCheckId, Value: abc}]",
    )
    good = _example()
    types = ("AWS::CloudWatch::Alarm",)
    _namespaces = ("AWS/Billing", "AWS/CloudFront", "AWS/Route53")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        region = it.place.region
        if region == "us-east-1" or region.startswith(("cn-", "us-gov-")):
            return
        places: list[tuple[Path, str | None]] = [
            (("Namespace",), text(it.properties, "Namespace"))
        ]
        for index, query in enumerate(items(it.properties, "Metrics")):
            steps = ("MetricStat", "Metric", "Namespace")
            places.append((("Metrics", index, *steps), text(query, *steps)))
        for path, namespace in places:
            if namespace in self._namespaces:
                yield path, f"metrics of {namespace} are in us-east-1, not in {region}"


# Metrics that exist only with certain dimensions, which alarms often lack.
_DIMENSIONS: Mapping[tuple[str, str], frozenset[str]] = {
    ("AWS/ApplicationELB", "HealthyHostCount"): frozenset(
        {"TargetGroup", "LoadBalancer"}
    ),
    ("AWS/ApplicationELB", "UnHealthyHostCount"): frozenset(
        {"TargetGroup", "LoadBalancer"}
    ),
    ("AWS/DynamoDB", "ReplicationLatency"): frozenset({"TableName", "ReceivingRegion"}),
    ("AWS/DynamoDB", "SuccessfulRequestLatency"): frozenset({"TableName", "Operation"}),
    ("AWS/DynamoDB", "ThrottledRequests"): frozenset({"TableName", "Operation"}),
    ("AWS/S3", "BucketSizeBytes"): frozenset({"BucketName", "StorageType"}),
    ("AWS/S3", "NumberOfObjects"): frozenset({"BucketName", "StorageType"}),
    **{
        ("AWS/S3", name): frozenset({"SourceBucket", "DestinationBucket", "RuleId"})
        for name in (
            "BytesPendingReplication",
            "OperationsFailedReplication",
            "OperationsPendingReplication",
            "ReplicationLatency",
        )
    },
}


class DimensionMissing(ResourceRule):
    id = "W9559"
    shortdesc = "An alarm lacks a dimension of its metric"
    description = (
        "CloudWatch stores a metric under the exact dimensions that it is published"
        " with. An alarm with fewer dimensions reads a metric that never has data, and"
        " never goes off. Add the missing dimension."
    )
    source_url = f"{DOCS}amazondynamodb/latest/developerguide/metrics-dimensions.html"
    at = "Resources/Alarm/Properties/Dimensions"
    _throttles = {"namespace": "AWS/DynamoDB", "metric": "ThrottledRequests"}
    bad = _example(**_throttles, dimensions="[{Name: TableName, Value: orders}]")
    good = _example(
        **_throttles,
        dimensions="[{Name: TableName, Value: orders}, {Name: Operation, Value: GetItem}]",
    )
    types = ("AWS::CloudWatch::Alarm",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        yield from self._metric((), it.properties)
        for index, query in enumerate(items(it.properties, "Metrics")):
            steps = ("MetricStat", "Metric")
            yield from self._metric(("Metrics", index, *steps), get(query, *steps))

    @staticmethod
    def _metric(path: tuple[str | int, ...], metric: object) -> Iterator[Found]:
        named = (text(metric, "Namespace") or "", text(metric, "MetricName") or "")
        dimensions = get(metric, "Dimensions")
        if not settled(dimensions) or named not in _DIMENSIONS:
            return
        names = {text(dimension, "Name") for dimension in dimensions}
        missing = sorted(_DIMENSIONS[named] - {n for n in names if n})
        if missing and None not in names:
            yield (*path, "Dimensions"), (
                f"{named[1]} also has dimension {', '.join(missing)}; without it, the"
                " alarm never has data"
            )
