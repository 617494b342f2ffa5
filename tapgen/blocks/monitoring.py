"""Topics, alarms, log groups, metric filters and dashboards.

    topic = monitoring.topic(
        t, "AlertTopic", name=name("alerts", "primary"), key_arn=Ref("KmsKeyArn")
    )
    monitoring.alarm(
        t,
        "LateAlarm",
        name=name("late", "primary"),
        description="Messages wait for longer than five minutes",
        namespace="AWS/SQS",
        metric="ApproximateAgeOfOldestMessage",
        dimensions={"QueueName": Ref("Queue")},
        statistic="Maximum",
        period=60,
        datapoints=(3, 5),
        comparison=">",
        threshold=300,
        missing="notBreaching",
        topic_arn=Ref(topic),
    )

Alarms leave no property to a default; log groups are encrypted and expire.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from awacs import kms
from awacs import logs as log_actions
from awacs import sns as actions
from awacs.aws import Statement, StringEquals
from troposphere import Equals, Not, Ref, Sub, Tags, Template, cloudwatch, logs, sns

from tapgen.blocks import frame, names, security

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""The retention periods that CloudWatch Logs supports, in days."""


def plain_topic(t: Template, title: str, *, name: str, key_arn: Any) -> Any:
    """Add an encrypted topic; only roles of this account may publish to it."""
    return t.add_resource(
        sns.Topic(
            title,
            TopicName=names.sub(name),
            # Not alias/aws/sns: its policy cannot allow alarms.
            KmsMasterKeyId=key_arn,
            Tags=Tags(Name=names.sub(name)),
        )
    )


def topic(
    t: Template,
    title: str,
    *,
    name: str,
    key_arn: Any,
    publishers: Sequence[security.Publisher] = (),
) -> Any:
    """Add a topic to which alarms of this account and region may publish.

    `publishers` may publish, too. The parameter `AlertEmail` subscribes one address, or
    none if it is empty.
    """
    resource = plain_topic(t, title, name=name, key_arn=key_arn)
    publish = [
        security.statement(
            f"Publish{publisher.what}",
            [actions.Publish],
            [Ref(resource)],
            *publisher.conditions,
            service=publisher.service,
        )
        for publisher in (security.ALARMS, *publishers)
    ]
    t.add_resource(
        sns.TopicPolicy(
            f"{title}Policy",
            Topics=[Ref(resource)],
            PolicyDocument=security.document(*publish),
        )
    )
    email = frame.parameter(
        t,
        "AlertEmail",
        description="Email address that receives alarms; empty for none.",
        Default="",
        pattern=r"^$|^[^@\s]+@[^@\s]+\.[^@\s]+$",
        constraint="an e-mail address, or nothing",
    )
    t.add_condition("HasAlertEmail", Not(Equals(email, "")))
    t.add_resource(
        sns.SubscriptionResource(
            f"{title}Email",
            Condition="HasAlertEmail",
            TopicArn=Ref(resource),
            Protocol="email",
            Endpoint=email,
        )
    )
    return resource


def publish_to(
    topic_arns: Sequence[str], key_arns: Sequence[Any], regions: Sequence[str]
) -> list[Statement]:
    """Allow publishing to encrypted topics in some regions."""
    via = [names.sub(f"sns.{region}.${{AWS::URLSuffix}}") for region in regions]
    return [
        security.statement("PublishToTopics", [actions.Publish], topic_arns),
        security.statement(
            "EncryptMessages",
            [kms.Decrypt, kms.GenerateDataKey],
            key_arns,
            StringEquals({"kms:ViaService": via}),
        ),
    ]


def alarm(
    t: Template,
    title: str,
    *,
    name: str,
    description: str,
    namespace: Any,
    metric: str,
    dimensions: Mapping[str, Any] | Sequence[Any],
    statistic: str,
    period: int,
    datapoints: tuple[int, int],
    comparison: str,
    threshold: Any,
    missing: str,
    topic_arn: Any,
    condition: str = "",
) -> Any:
    """Add an alarm with all properties given.

    `period` is in seconds, `datapoints` are (how many must breach, of how many),
    `statistic` is Average, Sum … or a percentile such as p99, `comparison` is one of >
    >= < <=, `dimensions` are values by name, or as they stand in a template, and
    `missing` is the treatment of missing data: `breaching`, `notBreaching`, `ignore` or
    `missing`.
    """
    breaching, evaluated = datapoints
    percentile = statistic.startswith("p")
    return t.add_resource(
        cloudwatch.Alarm(
            title,
            AlarmName=names.sub(name),
            AlarmDescription=description,
            ActionsEnabled=True,
            Namespace=namespace,
            MetricName=metric,
            Dimensions=(
                [
                    cloudwatch.MetricDimension(Name=key, Value=value)
                    for key, value in dimensions.items()
                ]
                if isinstance(dimensions, Mapping)
                else [*dimensions]
            ),
            **{"ExtendedStatistic" if percentile else "Statistic": statistic},
            Period=period,
            EvaluationPeriods=evaluated,
            DatapointsToAlarm=breaching,
            ComparisonOperator=_COMPARISONS[comparison],
            Threshold=threshold,
            TreatMissingData=missing,
            AlarmActions=[topic_arn],
            OKActions=[topic_arn],
            **({"Condition": condition} if condition else {}),
        )
    )


_COMPARISONS = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}


def switch(
    t: Template,
    title: str,
    *,
    name: str,
    description: str,
    namespace: Any,
    metric: str,
    topic_arn: Any,
    condition: str = "",
) -> Any:
    """Add an alarm that is on while the last value of its metric is 1, which an operator
    writes: without data it stays as it is, and it needs no other region."""
    return alarm(
        t,
        title,
        name=name,
        description=description,
        namespace=namespace,
        metric=metric,
        dimensions={},
        statistic="Maximum",
        period=60,
        datapoints=(1, 1),
        comparison=">=",
        threshold=1,
        missing="ignore",
        topic_arn=topic_arn,
        condition=condition,
    )


def retention(t: Template) -> Ref:
    """Add the parameter for the retention of log groups."""
    return frame.parameter(
        t,
        "LogRetentionDays",
        type="Number",
        description="Days that log groups keep their events.",
        AllowedValues=list(RETENTION_DAYS),
    )


def log_group(
    t: Template,
    title: str,
    *,
    name: str,
    key_arn: Any,
    retention_days: Any,
    condition: str = "",
) -> Any:
    """Add an encrypted log group; `key_arn` must be an ARN, not an alias."""
    return t.add_resource(
        logs.LogGroup(
            title,
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            LogGroupName=names.sub(name),
            KmsKeyId=key_arn,
            RetentionInDays=retention_days,
            **({"Condition": condition} if condition else {}),
        )
    )


def write_logs(log_group_arns: Sequence[str]) -> list[Statement]:
    """Allow writing to log groups, given by ARN without `:*`."""
    return [
        security.statement(
            "WriteLogStreams",
            [
                log_actions.CreateLogStream,
                log_actions.DescribeLogStreams,
                log_actions.PutLogEvents,
            ],
            [f"{arn}:*" for arn in log_group_arns],
        ),
    ]


def metric_filter(
    t: Template,
    title: str,
    *,
    log_group: Any,
    pattern: str,
    namespace: Any,
    metric: str,
    value: str,
    condition: str = "",
) -> Any:
    """Add a metric that counts log events; it is 0 without a match."""
    return t.add_resource(
        logs.MetricFilter(
            title,
            **({"Condition": condition} if condition else {}),
            LogGroupName=Ref(log_group),
            FilterPattern=pattern,
            MetricTransformations=[
                logs.MetricTransformation(
                    MetricNamespace=namespace,
                    MetricName=metric,
                    MetricValue=value,
                    DefaultValue=0,
                )
            ],
        )
    )


def application_log(
    t: Template, *, name: str, alarm_name: str = "", metrics: str = ""
) -> Any:
    """Add the log group of an application, and return it.

    With `metrics`, the namespace of the metric, it also counts errors and adds an alarm
    on them. It adds the parameters for key, retention and alert topic.
    """
    group = log_group(
        t,
        "AppLogGroup",
        name=name,
        key_arn=frame.key_arn(t),
        retention_days=retention(t),
    )
    if metrics:
        counted: dict[str, Any] = {
            "namespace": names.sub(metrics),
            "metric": "AppErrors",
        }
        metric_filter(
            t,
            "AppErrors",
            log_group=group,
            pattern="?ERROR ?FATAL",
            value="1",
            **counted,
        )
        alarm(
            t,
            "AppErrorsAlarm",
            name=alarm_name,
            description="The application logs errors, three minutes out of five",
            dimensions={},
            statistic="Sum",
            period=60,
            datapoints=(3, 5),
            comparison=">",
            threshold=0,
            missing="notBreaching",
            topic_arn=frame.alert_topic(t),
            **counted,
        )
    return group


def graph(
    title: str,
    metrics: Sequence[Sequence[Any]],
    *,
    region: str,
    statistic: str,
    period: int,
) -> dict[str, Any]:
    """Return a dashboard widget: metrics over time, with an explicit region."""
    return {
        "type": "metric",
        "width": 12,
        "height": 6,
        "properties": {
            "title": title,
            "view": "timeSeries",
            "region": region,
            "stat": statistic,
            "period": period,
            "metrics": [list(m) for m in metrics],
        },
    }


def dashboard(
    t: Template,
    title: str,
    *,
    name: str,
    widgets: Sequence[Mapping[str, Any]],
    **values: Any,
) -> Any:
    """Add a dashboard of graphs, two in a row; `values` fill `${…}` in their texts.

    The name must contain the region role: dashboard names are unique in an account.
    """
    placed = [
        {**widget, "x": 12 * (i % 2), "y": 6 * (i // 2)}
        for i, widget in enumerate(widgets)
    ]
    body = json.dumps({"widgets": placed}, separators=(",", ":"))
    return t.add_resource(
        cloudwatch.Dashboard(
            title,
            DashboardName=names.sub(name),
            DashboardBody=Sub(body, **values) if values else Sub(body),
        )
    )
