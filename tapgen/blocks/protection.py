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
from troposphere import GetAtt, Ref, Tags, Template, cloudtrail, config

from tapgen.blocks import explained, frame, monitoring, names, security, storage

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
    )
    frame.output(
        t, "LogBucketName", Ref("LogBucket"), description="Name of the log bucket"
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
    condition: str = "",
) -> Any:
    """Add a trail of all regions' management events, with digest files, and its log
    group, by whose filters alarms may follow what is done.

    It also records who reads and writes the objects of the `watched` buckets, by name. A
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
                        cloudtrail.DataResource(
                            Type="AWS::S3::Object",
                            Values=[
                                names.sub(f"{names.bucket_arn(each)}/")
                                for each in watched
                            ],
                        )
                    ],
                )
            ],
            Tags=Tags(Name=names.sub(name)),
            **({"Condition": condition} if condition else {}),
        )
    )


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
