"""Data: replicated buckets, PostgreSQL and its promotable replica."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, If, NoValue, Ref, Template

from tapgen.blocks import database, frame, names, storage
from tapgen.blueprints.region_migration.shape import (
    BACKED_UP,
    BACKUP,
    DATA,
    REPLICA,
    RULE,
    SECRET,
    Shape,
    describe,
    name,
    source_bucket,
    start,
)


def replication_metrics(shape: Shape, back: bool = False) -> dict[str, Any]:
    """Return the dimensions of S3's replication metrics, `back` from the target."""
    ends = (REPLICA, shape.data) if back else (shape.data, REPLICA)
    return storage.replicated(*ends, RULE)


def _both_ways(t: Template) -> None:
    frame.flag(
        t,
        "ReverseReplication",
        description="Whether S3 also replicates from the target to the source region.",
        condition="IsBothWays",
    )


def storage_target(shape: Shape) -> Template:
    """The bucket that is migrated to, and the one for exports and dumps.

    With `ReverseReplication` it replicates to the bucket that is migrated, which must
    exist: what servers of the target write is in both regions as long as there is a way
    back. S3 does not replicate replicas.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html
    """
    t = start("Bucket that is migrated to, and backup bucket", role="target")
    describe(t)
    source_bucket(t, shape)
    if not shape.removed:
        _both_ways(t)
    key = frame.key_arn(t)
    topic = None if shape.removed else frame.alert_topic(t)
    logs = frame.log_bucket(t)
    days = storage.noncurrent_days(t)
    storage.bucket(
        t,
        "TargetBucket",
        name=REPLICA,
        purpose="data",
        key_arn=key,
        log_to=logs,
        lifecycle=storage.lifecycle(noncurrent_days=days),
        replication=None if shape.removed else _back(t, shape),
        tags=BACKED_UP,
    )
    storage.bucket(
        t,
        "BackupBucket",
        name=BACKUP,
        purpose="backup",
        key_arn=key,
        log_to=logs,
        lifecycle=storage.lifecycle(
            noncurrent_days=days,
            transitions=[("STANDARD_IA", 30), ("GLACIER", 90)],
            expire_days=frame.parameter(
                t,
                "BackupBucketDays",
                type="Number",
                description="Days that objects in the backup bucket are kept.",
                MinValue=120,
                MaxValue=3650,
            ),
        ),
        kinds=["backup bucket"],
    )
    if topic is not None:
        _replication_alarms(t, shape, topic)
    frame.outputs(
        t,
        ("TargetBucketName", Ref("TargetBucket"), "Bucket that is migrated to"),
        ("TargetBucketArn", GetAtt("TargetBucket", "Arn"), "ARN of the bucket"),
        ("BackupBucketName", Ref("BackupBucket"), "Bucket for exports and dumps"),
    )
    return t


def _back(t: Template, shape: Shape) -> storage.Replication:
    """Return the replication from the target to the source."""
    return storage.replication(
        t,
        destination=names.sub(names.bucket_arn(shape.data)),
        key_arn=frame.other_key(
            t,
            "SourceKeyArn",
            "ARN of the key that the source bucket is encrypted with.",
        ),
        rule=RULE,
        when="IsBothWays",
        both_ways="IsBothWays",
    )


def _replication_alarms(t: Template, shape: Shape, topic: Any) -> None:
    storage.latency_alarm(
        t,
        "ReplicationLatencyAlarm",
        name=name("replication-latency", "target"),
        replicated=replication_metrics(shape),
        topic_arn=topic,
    )
    storage.failed_alarm(
        t,
        "ReplicationFailedAlarm",
        name=name("replication-failed", "target"),
        replicated=replication_metrics(shape, back=True),
        topic_arn=topic,
    )


def storage_source(shape: Shape) -> Template:
    """The bucket that is migrated; for an existing bucket only its alarms."""
    t = start("Bucket that is migrated", role="source")
    describe(t)
    source_bucket(t, shape)
    topic = frame.alert_topic(t)
    if shape.builds_source:
        _data_bucket(t)
    storage.failed_alarm(
        t,
        "ReplicationFailedAlarm",
        name=name("replication-failed", "source"),
        replicated=replication_metrics(shape),
        topic_arn=topic,
    )
    storage.latency_alarm(
        t,
        "ReplicationLatencyAlarm",
        name=name("replication-latency", "source"),
        replicated=replication_metrics(shape, back=True),
        topic_arn=topic,
    )
    frame.output(
        t,
        "SourceBucketName",
        Ref("DataBucket") if shape.builds_source else Ref("SourceBucketName"),
        description="Bucket that is migrated",
    )
    return t


def _data_bucket(t: Template) -> None:
    _both_ways(t)
    key = frame.key_arn(t)
    logs = frame.log_bucket(t)
    days = storage.noncurrent_days(t)
    storage.bucket(
        t,
        "DataBucket",
        name=DATA,
        purpose="data",
        key_arn=key,
        log_to=logs,
        lifecycle=storage.lifecycle(noncurrent_days=days),
        replication=storage.replication(
            t,
            destination=frame.arn(
                t,
                "TargetBucketArn",
                "ARN of the bucket to migrate to; it must exist.",
                frame.BUCKET_ARN_PATTERN,
                "bucket",
            ),
            key_arn=frame.other_key(
                t,
                "TargetKeyArn",
                "ARN of the key in the target region that encrypts the copies.",
            ),
            rule=RULE,
            both_ways="IsBothWays",
        ),
        tags=BACKED_UP,
    )


def _place(t: Template, role: str, **settings: Any) -> database.Place:
    return database.place(
        t,
        identifier=name("db", role),
        parameter_group_name=name("postgres${Major}", role),
        tags=BACKED_UP,
        settings=settings,
    )


def _finish(t: Template, instance: Any, role: str) -> None:
    database.watch(t, identifier=name("db", role), alarm_name=name("db-%s", role))
    frame.outputs(
        t,
        ("RdsIdentifier", Ref(instance), "Identifier of the instance"),
        ("RdsArn", GetAtt(instance, "DBInstanceArn"), "ARN of the instance"),
        (
            "RdsEndpoint",
            GetAtt(instance, "Endpoint.Address"),
            "Host name of the instance",
        ),
        ("RdsPort", GetAtt(instance, "Endpoint.Port"), "Port of the instance"),
    )


def secret_of(shape: Shape) -> Template:
    """The database's secret in the target region, which survives the migration, with a
    copy of the same name in the source region while that has the database."""
    t = start("Secret of the database, with a copy in the source region", role="target")
    describe(t)
    copied: dict[str, Any] = {"replica_region": None}
    if not shape.removed:
        copied = {
            "replica_region": Ref("SourceRegion"),
            "replica_key_arn": frame.other_key(
                t,
                "SourceKeyArn",
                "ARN of the key in the source region that encrypts the copy.",
            ),
        }
    secret = database.secret(
        t, "DatabaseSecret", name=SECRET, key_arn=frame.key_arn(t), **copied
    )
    frame.output(
        t, "SecretArn", Ref(secret), description="Secret with user name and password"
    )
    return t


def _secret_here(t: Template, key_arn: Any) -> Any:
    """Add the secret beside the database, with its copy in the target region."""
    secret = database.secret(
        t,
        "DatabaseSecret",
        name=SECRET,
        key_arn=key_arn,
        replica_region=Ref("TargetRegion"),
        replica_key_arn=frame.other_key(
            t,
            "TargetKeyArn",
            "ARN of the key in the target region that encrypts the copy of the secret.",
        ),
    )
    frame.output(
        t, "SecretArn", Ref(secret), description="Secret with user name and password"
    )
    return secret


def database_source(shape: Shape) -> Template:
    """PostgreSQL in the source region, with the password in Secrets Manager.

    `ReadOnly` fences it: the server refuses writes also of an application that does not
    read the write switch. The parameter is dynamic, and open sessions get it, too, with
    their next transaction. It is a default: a session that sets it for itself can write.
    Replication goes on.
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
    https://www.postgresql.org/docs/current/config-setting.html
    """
    t = start("PostgreSQL in the source region", role="source")
    describe(t)
    frame.flag(
        t,
        "ReadOnly",
        description="Whether the database refuses writes, which is its default.",
        condition="IsReadOnly",
    )
    place = _place(
        t, "source", default_transaction_read_only=If("IsReadOnly", "1", "0")
    )
    at_home = shape.home == "source"
    secret = _secret_here(t, place.key_arn) if at_home else SECRET
    instance = database.postgres(
        t,
        "Database",
        place=place,
        secret=secret,
        **database.database_parameters(t),
        **database.size_parameters(t),
    )
    _finish(t, instance, "source")
    return t


def database_target(shape: Shape) -> Template:
    """The read replica in the target region, which becomes the new database.

    Two parameters promote it in place (`database.promotion`).
    """
    t = start(
        "PostgreSQL in the target region, a replica until promoted", role="target"
    )
    describe(t)
    place = _place(t, "target")
    source: Any = NoValue
    if not shape.removed:
        source = frame.arn(
            t,
            "SourceDbArn",
            "ARN of the instance to replicate.",
            database.ARN_PATTERN,
            "database instance",
        )
    instance = database.replica(
        t,
        "Database",
        place=place,
        # Removing it with the promotion would replace the instance.
        source_region=Ref("SourceRegion"),
        **database.promotion(t, source),
        **database.size_parameters(t),
    )
    _finish(t, instance, "target")
    database.lag_alarm(
        t,
        "ReplicaLagAlarm",
        identifier=name("db", "target"),
        name=name("db-lag", "target"),
        topic_arn=Ref("AlertTopicArn"),
        # A promoted instance publishes no lag, so the alarm would never end.
        condition=database.IS_REPLICA,
    )
    return t
