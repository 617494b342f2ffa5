"""Audit: log bucket, CloudTrail trail, AWS Config recorder and rules.

    logs = storage.Bucket(name("logs", names.THIS_ROLE, unique=True))
    protection.log_bucket(
        t, name=logs.name, days_parameter="AuditRetentionDays", what="access logs",
        policy=[
            *protection.access_log_statements(logs, [name("data", unique=True)]),
            *protection.trail_statements(logs, names.arn("cloudtrail", "trail/x")),
        ],
    )
    protection.trail(
        t, "Trail", name=name("trail"), bucket_name=Ref("LogBucket"), key_arn=Ref("Key"),
        watched=[name("data", unique=True)],
    )

The bucket's policy allows each service to deliver logs from one source only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from awacs import logs as log_actions
from awacs import s3 as actions
from awacs.aws import ArnLike, Statement, StringEquals
from troposphere import GetAtt, If, NoValue, Ref, Tags, Template, cloudtrail, config

from tapgen.blocks import explained, frame, monitoring, names, security, storage
from tapgen.frozen import dataclass

TRAIL_PREFIX = "trail"
CONFIG_PREFIX = "config"
ACCESS_PREFIX = "access"


def log_bucket(
    t: Template,
    *,
    name: str,
    days_parameter: str,
    what: str,
    policy: Sequence[Statement],
) -> None:
    """Add the log bucket of a region, and its name as an output.

    It uses S3-managed keys: S3 and load balancers deliver access logs to no other
    bucket, and a trail encrypts its files itself. `days_parameter` is the name of the
    parameter for the retention of `what`.
    """
    days = frame.parameter(
        t,
        days_parameter,
        type="Number",
        description=f"Days that {what} are kept.",
        MinValue=91,
        MaxValue=3650,
    )
    storage.bucket(
        t,
        "LogBucket",
        name=name,
        purpose="logs",
        key_arn=None,
        lifecycle=storage.lifecycle(
            noncurrent_days=30,
            transitions=[("STANDARD_IA", 30), ("GLACIER_IR", 90)],
            expire_days=days,
        ),
        policy=policy,
        kinds=["log bucket"],
        why="log bucket",
    )
    frame.output(
        t, "LogBucketName", Ref("LogBucket"), description="Name of the log bucket"
    )


def audit_bucket(
    t: Template,
    *,
    name: str,
    days_parameter: str,
    log_to: Any,
    policy: Sequence[Statement],
) -> None:
    """Add the bucket that a trail is written to once, and its name as an output.

    It is apart from the log bucket: S3 delivers access logs to no bucket with Object
    Lock, and AWS Config delivers to none with a default retention. The trail encrypts
    its files itself, its digest files have S3-managed keys.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
    https://docs.aws.amazon.com/config/latest/developerguide/manage-delivery-channel.html
    """
    days = frame.parameter(
        t,
        days_parameter,
        type="Number",
        description="Days that the files of the trail are kept.",
        MinValue=91,
        MaxValue=3650,
    )
    lock = storage.Lock(
        frame.parameter(
            t,
            "LockMode",
            description="GOVERNANCE: a permission ends the lock; COMPLIANCE: nothing does.",
            AllowedValues=["GOVERNANCE", "COMPLIANCE"],
        ),
        frame.parameter(
            t,
            "LockDays",
            type="Number",
            description="Days that nobody can delete or overwrite a file, from its upload.",
            MinValue=1,
            MaxValue=3650,
        ),
    )
    storage.bucket(
        t,
        "AuditBucket",
        name=name,
        purpose="audit",
        key_arn=None,
        log_to=log_to,
        lifecycle=storage.lifecycle(
            noncurrent_days=30,
            transitions=[("STANDARD_IA", 30), ("GLACIER_IR", 90)],
            expire_days=days,
        ),
        lock=lock,
        policy=policy,
        kinds=["audit bucket"],
        why="audit bucket",
    )
    frame.output(
        t, "AuditBucketName", Ref("AuditBucket"), description="Bucket of the trail"
    )


def access_log_statements(
    bucket: storage.Bucket, sources: list[str]
) -> list[Statement]:
    """Allow S3 to deliver the access logs of the buckets with these names.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    arns = [names.sub(names.bucket_arn(source)) for source in sources]
    return [
        security.statement(
            "DeliverAccessLogs",
            [actions.PutObject],
            [f"{bucket.arn}/{ACCESS_PREFIX}/*"],
            security.own_account(),
            ArnLike({"aws:SourceArn": arns}),
            service="logging.s3.amazonaws.com",
        )
    ]


def trail_statements(bucket: storage.Bucket, trail_arn: str) -> list[Statement]:
    """Allow one trail to deliver to the bucket, and CloudTrail to check the permission.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    source = {"aws:SourceArn": names.sub(trail_arn)}
    return [
        security.statement(
            "CheckForTrail",
            [actions.GetBucketAcl],
            [bucket.arn],
            StringEquals(source),
            service="cloudtrail.amazonaws.com",
        ),
        security.statement(
            "DeliverTrail",
            [actions.PutObject],
            [f"{bucket.arn}/{TRAIL_PREFIX}/AWSLogs/${{AWS::AccountId}}/*"],
            StringEquals({**source, "s3:x-amz-acl": "bucket-owner-full-control"}),
            service="cloudtrail.amazonaws.com",
        ),
    ]


def record_to(buckets: list[storage.Bucket]) -> list[Statement]:
    """Allow AWS Config to deliver to buckets."""
    prefix = f"{CONFIG_PREFIX}/AWSLogs/${{AWS::AccountId}}/Config/*"
    return [
        security.statement(
            "CheckBucket",
            [actions.GetBucketAcl, actions.ListBucket],
            [bucket.arn for bucket in buckets],
        ),
        security.statement(
            "DeliverRecords",
            [actions.PutObject],
            [f"{bucket.arn}/{prefix}" for bucket in buckets],
            StringEquals({"s3:x-amz-acl": "bucket-owner-full-control"}),
        ),
    ]


def trail(
    t: Template,
    title: str,
    *,
    name: str,
    bucket_name: Any,
    key_arn: Any,
    watched: Sequence[str],
    tables: Sequence[str] = (),
    condition: str = "",
) -> Any:
    """Add a trail of all regions' management events, with digest files, and its log
    group, by whose filters alarms may follow what is done.

    It also records who reads and writes the objects of the `watched` buckets, by name,
    and the items of `tables`, by ARN, where the parameter that they add asks for it. A
    second trail in another region would record every event twice, at extra cost. The
    parameters are the role that writes the log group (`trail_role`) and its retention.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/send-cloudtrail-events-to-cloudwatch-logs.html
    """
    group = monitoring.log_group(
        t,
        f"{title}Logs",
        name=name,
        key_arn=key_arn,
        retention_days=monitoring.retention(t),
        condition=condition,
    )
    role_arn = frame.role_arn(
        t,
        "TrailRoleArn",
        "ARN of the role that CloudTrail uses to write its log group.",
    )
    return t.add_resource(
        cloudtrail.Trail(
            title,
            Metadata=explained.metadata("trail"),
            TrailName=names.sub(name),
            S3BucketName=bucket_name,
            S3KeyPrefix=TRAIL_PREFIX,
            KMSKeyId=key_arn,
            IsLogging=True,
            IsMultiRegionTrail=True,
            IncludeGlobalServiceEvents=True,
            EnableLogFileValidation=True,
            CloudWatchLogsLogGroupArn=GetAtt(group, "Arn"),
            CloudWatchLogsRoleArn=role_arn,
            EventSelectors=[
                cloudtrail.EventSelector(
                    IncludeManagementEvents=True,
                    ReadWriteType="All",
                    DataResources=[
                        _events_of(
                            "AWS::S3::Object",
                            [f"{names.bucket_arn(each)}/" for each in watched],
                        ),
                        *_table_events(t, tables),
                    ],
                )
            ],
            Tags=Tags(Name=names.sub(name)),
            **({"Condition": condition} if condition else {}),
        )
    )


@dataclass(frozen=True)
class Watched:
    """Events of a trail that somebody should look at: a pattern of CloudWatch Logs."""

    thing: str
    description: str
    pattern: str


def _any_of(source: str, *events: str) -> str:
    """Return the pattern of some events of a service."""
    named = " || ".join(f"($.eventName = {event})" for event in events)
    return f"{{ ($.eventSource = {source}.amazonaws.com) && ({named}) }}"


# The controls CloudWatch.1, 4, 5, 7 and 8 of Security Hub, from the benchmark of CIS:
# https://docs.aws.amazon.com/securityhub/latest/userguide/cloudwatch-controls.html
WATCHED = (
    Watched(
        "root",
        "Somebody has used the root user of the account",
        '{ ($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS)'
        ' && ($.eventType != "AwsServiceEvent") }',
    ),
    Watched(
        "trail",
        "Somebody has changed a trail, or stopped one",
        _any_of(
            "cloudtrail",
            *("CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging"),
            *("StopLogging", "PutEventSelectors"),
        ),
    ),
    Watched(
        "keys",
        "Somebody has disabled a key, changed who may use it, or scheduled its deletion",
        _any_of("kms", "DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion"),
    ),
    Watched(
        "policies",
        "Somebody has changed permissions in IAM",
        _any_of(
            "iam",
            *("CreatePolicy", "CreatePolicyVersion", "DeletePolicy"),
            *("DeletePolicyVersion", "SetDefaultPolicyVersion"),
            *(
                f"{verb}{whose}Policy"
                for verb in ("Attach", "Detach", "Put", "Delete")
                for whose in ("Group", "Role", "User")
            ),
        ),
    ),
    Watched(
        "buckets",
        "Somebody has changed who may use a bucket, or how long it keeps objects",
        _any_of(
            "s3",
            *("PutBucketAcl", "PutBucketPolicy", "DeleteBucketPolicy"),
            *("PutBucketLifecycle", "DeleteBucketLifecycle"),
            *("PutBucketReplication", "DeleteBucketReplication"),
        ),
    ),
)
"""What alarms follow in a trail's log group."""


def watch_trail(
    t: Template,
    group: Any,
    *,
    group_name: str,
    alarm_name: str,
    metrics: str,
    topic_arn: Any,
    condition: str = "",
) -> None:
    """Add an alarm on each of `WATCHED`, and one on a trail that has fallen silent.

    `alarm_name` has a `%s` for what is watched, `metrics` is a namespace.
    """
    for watched in WATCHED:
        title = f"Audit{watched.thing.title()}"
        counted: dict[str, Any] = {"namespace": names.sub(metrics), "metric": title}
        monitoring.metric_filter(
            t,
            title,
            log_group=group,
            pattern=watched.pattern,
            value="1",
            condition=condition,
            **counted,
        )
        monitoring.alarm(
            t,
            f"{title}Alarm",
            name=alarm_name % watched.thing,
            description=f"{watched.description}: look for it in the trail",
            dimensions={},
            statistic="Sum",
            period=300,
            datapoints=(1, 1),
            comparison=">",
            threshold=0,
            missing="notBreaching",
            topic_arn=topic_arn,
            condition=condition,
            **counted,
        )
    monitoring.alarm(
        t,
        "AuditSilenceAlarm",
        name=alarm_name % "silence",
        description="For two hours the trail has written nothing to its log group",
        namespace="AWS/Logs",
        metric="IncomingLogEvents",
        dimensions={"LogGroupName": names.sub(group_name)},
        statistic="Sum",
        period=3600,
        datapoints=(2, 2),
        comparison="<",
        threshold=1,
        # A group without events has no metric.
        missing="breaching",
        topic_arn=topic_arn,
        condition=condition,
    )


def _events_of(kind: str, arns: Sequence[str]) -> Any:
    return cloudtrail.DataResource(Type=kind, Values=[names.sub(arn) for arn in arns])


def _table_events(t: Template, tables: Sequence[str]) -> list[Any]:
    if not tables:
        return []
    frame.flag(
        t,
        "TableEvents",
        description="Whether the trail records each call that reads or writes items, at"
        " extra cost.",
        condition="HasTableEvents",
    )
    return [If("HasTableEvents", _events_of("AWS::DynamoDB::Table", tables), NoValue)]


def trail_role(t: Template, title: str, *, name: str, group: str) -> Any:
    """Add the role that CloudTrail uses to write its log group in the primary region.

    CloudTrail takes it without a condition: no page says that it names the trail then.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-required-policy-for-cloudwatch-logs.html
    """
    streams = f"log-group:{group}:log-stream:${{AWS::AccountId}}_CloudTrail_*"
    write = [log_actions.CreateLogStream, log_actions.PutLogEvents]
    arn = names.arn("logs", streams, region="${PrimaryRegion}")
    return security.service_role(
        t,
        title,
        name=name,
        service="cloudtrail.amazonaws.com",
        description="Lets CloudTrail write the events of the trail to its log group",
        allow=[security.statement("WriteEvents", write, [arn])],
        when=(),
    )


def recorder(
    t: Template,
    title: str,
    *,
    name: str,
    role_arn: Any,
    bucket_name: Any,
    global_types: Any,
) -> Any:
    """Add the recorder and the delivery channel of AWS Config.

    A region has one of each. With `global_types` it also records IAM, which only one
    region should. Each waits for the other, so neither may depend on the other.
    """
    recorder = t.add_resource(
        config.ConfigurationRecorder(
            title,
            Name=names.sub(name),
            RoleARN=role_arn,
            RecordingGroup=config.RecordingGroup(
                AllSupported=True, IncludeGlobalResourceTypes=global_types
            ),
        )
    )
    t.add_resource(
        config.DeliveryChannel(
            f"{title}Channel",
            Name=names.sub(name),
            S3BucketName=bucket_name,
            S3KeyPrefix=CONFIG_PREFIX,
            ConfigSnapshotDeliveryProperties=config.ConfigSnapshotDeliveryProperties(
                DeliveryFrequency="TwentyFour_Hours"
            ),
        )
    )
    return recorder


def rules(
    t: Template,
    *,
    checks: Mapping[str, tuple[str, str]],
    name: str,
    after: Any | None,
) -> None:
    """Add rules of AWS Config: logical id -> (AWS's identifier, description).

    `name` has a `%s` for the rule. `after` is the recorder, if this template creates
    it: Config accepts rules only when it records.
    """
    for title, (identifier, description) in checks.items():
        t.add_resource(
            config.ConfigRule(
                title,
                ConfigRuleName=names.sub(name % identifier.lower().replace("_", "-")),
                Description=description,
                Source=config.Source(Owner="AWS", SourceIdentifier=identifier),
                **({"DependsOn": [after.title]} if after is not None else {}),
            )
        )
