"""Live properties of alarms, topics, queues and log groups."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from tapgen.emulator.live.reading import Covering, Live, Properties, document
from tapgen.emulator.resources.calls import call

# The same names in templates and in DescribeAlarms.
_ALARM = frozenset(
    {
        "ActionsEnabled",
        "AlarmActions",
        "AlarmDescription",
        "AlarmName",
        "ComparisonOperator",
        "DatapointsToAlarm",
        "Dimensions",
        "EvaluateLowSampleCountPercentile",
        "EvaluationPeriods",
        "ExtendedStatistic",
        "InsufficientDataActions",
        "MetricName",
        "Metrics",
        "Namespace",
        "OKActions",
        "Period",
        "Statistic",
        "Threshold",
        "ThresholdMetricId",
        "TreatMissingData",
        "Unit",
    }
)
_TOPIC = frozenset(
    {
        "ContentBasedDeduplication",
        "DisplayName",
        "FifoTopic",
        "KmsMasterKeyId",
        "SignatureVersion",
        "TracingConfig",
    }
)
_QUEUE = frozenset(
    {
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "DelaySeconds",
        "FifoQueue",
        "FifoThroughputLimit",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    }
)


def _alarm(name: str, properties: Properties) -> Live | None:
    # In the protocol of `call`, ministack's DescribeAlarms leaves out much.
    alarms = import_module("ministack.services.cloudwatch")._alarms
    found = alarms.get(name)
    return None if found is None else {k: v for k, v in found.items() if k in _ALARM}


def _own(type_name: str, id_: str, properties: Properties) -> Live | None:
    """What ministack reads itself, such as names and tags."""
    drift = import_module("ministack.services.cloudformation.drift")
    own = {
        "AWS::Logs::LogGroup": drift._read_log_group,
        "AWS::SNS::Topic": drift._read_sns_topic,
        "AWS::SQS::Queue": drift._read_sqs_queue,
    }
    found: Live | None = own[type_name](id_, properties)
    return found


def _topic(arn: str, properties: Properties) -> Live | None:
    own = _own("AWS::SNS::Topic", arn, properties)
    if own is None:
        return None
    found = call("sns", "GetTopicAttributes", TopicArn=arn)["Attributes"]
    live = {k: v for k, v in found.items() if k in _TOPIC and v != ""}
    return {**own, **live}


def _queue(url: str, properties: Properties) -> Live | None:
    own = _own("AWS::SQS::Queue", url, properties)
    if own is None:
        return None
    answer = call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    live = {k: v for k, v in answer["Attributes"].items() if k in _QUEUE and v != ""}
    for name in ("RedrivePolicy", "RedriveAllowPolicy"):
        if name in live:
            live[name] = document(live[name])
    return {**own, **live}


def _log_group(name: str, properties: Properties) -> Live | None:
    own = _own("AWS::Logs::LogGroup", name, properties)
    if own is None:
        return None
    answer = call("logs", "DescribeLogGroups", logGroupNamePrefix=name)
    for group in answer["logGroups"]:
        if group["logGroupName"] == name and group.get("kmsKeyId"):
            own["KmsKeyId"] = group["kmsKeyId"]
    return own


READERS: Mapping[str, Covering] = {
    "AWS::CloudWatch::Alarm": (_alarm, _ALARM),
    "AWS::Logs::LogGroup": (
        _log_group,
        frozenset(
            {"KmsKeyId", "LogGroupClass", "LogGroupName", "RetentionInDays", "Tags"}
        ),
    ),
    "AWS::SNS::Topic": (_topic, _TOPIC | {"Tags", "TopicName"}),
    "AWS::SQS::Queue": (_queue, _QUEUE | {"QueueName", "Tags"}),
}
