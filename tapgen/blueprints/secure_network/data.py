"""Data: replicated buckets, PostgreSQL and its replica."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Template

from tapgen.blocks import database, frame, names, storage
from tapgen.blueprints.secure_network import runbooks
from tapgen.blueprints.secure_network.shape import (
    BACK,
    BACKUP,
    DATA,
    REPLICA,
    RULE,
    SECRET,
    Shape,
    access_log_bucket,
    describe,
    name,
)

_FORTH = storage.replicated(DATA, REPLICA, RULE)
_BACK = storage.replicated(REPLICA, DATA, RULE)


def storage_dr(shape: Shape) -> Template:
    """The destination bucket of the replication, and the backup bucket."""
    t = frame.start(
        "Destination bucket of the replication, and backup bucket", role="dr"
    )
    describe(t)
    key = frame.key_arn(t)
    topic = frame.alert_topic(t)
    log_bucket = access_log_bucket(t, shape)
    days = storage.noncurrent_days(t)
    back = _back(t) if shape.ideal else None
    storage.bucket(
        t,
        "DestinationBucket",
        name=REPLICA,
        purpose="data",
        key_arn=key,
        log_to=log_bucket,
        lifecycle=storage.lifecycle(
            noncurrent_days=days, transitions=_data_transitions(shape)
        ),
        replication=back,
        kinds=[] if back else ["copy"],
    )
    frame.output(
        t,
        "DestinationBucketName",
        Ref("DestinationBucket"),
        description="Bucket that objects are replicated to",
    )
    frame.output(
        t,
        "DestinationBucketArn",
        GetAtt("DestinationBucket", "Arn"),
        description="ARN of the bucket",
    )
    if shape.ideal:
        # Not in the primary region: backups must survive its loss.
        storage.bucket(
            t,
            "BackupBucket",
            name=BACKUP,
            purpose="backup",
            key_arn=key,
            log_to=log_bucket,
            lifecycle=storage.lifecycle(
                noncurrent_days=days,
                transitions=[("GLACIER_IR", 30), ("DEEP_ARCHIVE", 180)],
            ),
            kinds=["backup bucket"],
        )
        frame.output(
            t,
            "BackupBucketName",
            Ref("BackupBucket"),
            description="Bucket for exports and dumps",
        )
    storage.latency_alarm(
        t,
        "ReplicationLatencyAlarm",
        name=name("replication-latency", "dr"),
        replicated=_FORTH,
        topic_arn=topic,
    )
    if shape.ideal:
        storage.failed_alarm(
            t,
            "ReplicationFailedAlarm",
            name=name("replication-failed", "dr"),
            replicated=_BACK,
            topic_arn=topic,
        )
    return t


def _back(t: Template) -> storage.Replication:
    """Return the replication to the primary region, of what is written in this one.

    Only with `ReverseReplication`: the destination must exist, and that bucket is created
    after this one. S3 does not replicate replicas, so no object goes in circles.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html
    """
    _both_ways(t)
    return storage.replication(
        t,
        destination=names.sub(names.bucket_arn(DATA)),
        key_arn=frame.other_key(
            t,
            "SourceKeyArn",
            "ARN of the key in the primary region that encrypts the copies.",
        ),
        rule=RULE,
        when=_BOTH_WAYS,
        both_ways=_BOTH_WAYS,
    )


_BOTH_WAYS = "IsBothWays"


def _both_ways(t: Template) -> None:
    frame.flag(
        t,
        "ReverseReplication",
        description="Whether S3 also replicates from the recovery to the primary region.",
        condition=_BOTH_WAYS,
    )


def _data_transitions(shape: Shape) -> list[tuple[str, int]]:
    return [("INTELLIGENT_TIERING", 30)] if shape.ideal else []


def storage_primary(shape: Shape) -> Template:
    """The source bucket of the replication."""
    t = frame.start("Data bucket with replication", role="primary")
    describe(t)
    key = frame.key_arn(t)
    topic = frame.alert_topic(t)
    log_bucket = access_log_bucket(t, shape)
    days = storage.noncurrent_days(t)
    destination = frame.arn(
        t,
        "DestinationBucketArn",
        "ARN of the bucket to replicate to; it must exist.",
        frame.BUCKET_ARN_PATTERN,
        "bucket",
    )
    replica_key = frame.other_key(
        t,
        "DestinationKeyArn",
        "ARN of the key in the recovery region that encrypts the replicas.",
    )
    if shape.ideal:
        _both_ways(t)
    replication = storage.replication(
        t,
        destination=destination,
        key_arn=replica_key,
        rule=RULE,
        both_ways=_BOTH_WAYS if shape.ideal else "",
    )
    storage.bucket(
        t,
        "DataBucket",
        name=DATA,
        purpose="data",
        key_arn=key,
        log_to=log_bucket,
        lifecycle=storage.lifecycle(
            noncurrent_days=days, transitions=_data_transitions(shape)
        ),
        replication=replication,
    )
    storage.failed_alarm(
        t,
        "ReplicationFailedAlarm",
        name=name("replication-failed", "primary"),
        replicated=_FORTH,
        topic_arn=topic,
    )
    if shape.ideal:
        storage.latency_alarm(
            t,
            "ReplicationLatencyAlarm",
            name=name("replication-latency", "primary"),
            replicated=_BACK,
            topic_arn=topic,
        )
    frame.output(
        t,
        "PrimaryBucketName",
        Ref("DataBucket"),
        description="Bucket that holds the data",
    )
    frame.output(
        t,
        "PrimaryBucketArn",
        GetAtt("DataBucket", "Arn"),
        description="ARN of the bucket",
    )
    return t


def _database_place(t: Template, role: str, thing: str = "db") -> database.Place:
    return database.place(
        t,
        identifier=name(thing, role),
        parameter_group_name=name(thing.replace("db", "postgres${Major}"), role),
    )


def _watch(t: Template, role: str, thing: str = "db") -> None:
    database.watch(
        t, identifier=name(thing, role), alarm_name=name(f"{thing}-%s", role)
    )


def database_primary(shape: Shape) -> Template:
    """PostgreSQL in two zones, with the password in Secrets Manager."""
    t = frame.start("PostgreSQL database", role="primary")
    describe(t)
    place = _database_place(t, "primary")
    replica_key = frame.other_key(
        t,
        "DestinationKeyArn",
        "ARN of the key in the recovery region that encrypts the copy of the secret.",
    )
    sizes = database.size_parameters(t)
    secret = database.secret(
        t,
        "DatabaseSecret",
        name=SECRET,
        key_arn=place.key_arn,
        replica_region=Ref("DrRegion"),
        replica_key_arn=replica_key,
    )
    instance = database.postgres(
        t,
        "Database",
        place=place,
        secret=secret,
        **database.database_parameters(t),
        **sizes,
    )
    _watch(t, "primary")
    database.slot_alarm(
        t,
        "ReplicaBehindAlarm",
        identifier=name("db", "primary"),
        name=name("db-slot-lag", "primary"),
        topic_arn=Ref("AlertTopicArn"),
    )
    frame.outputs(
        t,
        ("DatabaseIdentifier", Ref(instance), "Identifier of the instance"),
        ("DatabaseArn", GetAtt(instance, "DBInstanceArn"), "ARN of the instance"),
        (
            "DatabaseEndpoint",
            GetAtt(instance, "Endpoint.Address"),
            "Host name of the instance",
        ),
        ("DatabasePort", GetAtt(instance, "Endpoint.Port"), "Port of the instance"),
        ("DatabaseSecretArn", Ref(secret), "Secret with user name and password"),
    )
    return t


def database_dr(shape: Shape) -> Template:
    """The read replica in the recovery region, until it is promoted
    (`database.promotion`)."""
    t = frame.start("PostgreSQL read replica", role="dr")
    describe(t)
    instance = _replica(t, "dr", "db", source_region="PrimaryRegion")
    runbooks.switch(t)
    _replica_outputs(t, instance)
    return t


def database_back(shape: Shape) -> Template:
    """The read replica in the primary region of the database that was promoted in the
    recovery region, until it is promoted in turn: the way back."""
    t = frame.start("PostgreSQL read replica, for the way back", role="primary")
    describe(t)
    instance = _replica(t, "primary", BACK, source_region="DrRegion")
    _replica_outputs(t, instance)
    return t


def _replica(t: Template, role: str, thing: str, *, source_region: str) -> Any:
    place = _database_place(t, role, thing)
    source = frame.arn(
        t,
        "SourceDatabaseArn",
        "ARN of the instance to replicate.",
        database.ARN_PATTERN,
        "database instance",
    )
    instance = database.replica(
        t,
        "Replica",
        place=place,
        # Removing it with the promotion would replace the instance.
        source_region=Ref(source_region),
        **database.promotion(t, source),
        **database.size_parameters(t),
    )
    _watch(t, role, thing)
    database.lag_alarm(
        t,
        "ReplicaLagAlarm",
        identifier=name(thing, role),
        name=name(f"{thing}-lag", role),
        topic_arn=Ref("AlertTopicArn"),
        # A promoted instance publishes no lag, so the alarm would never end.
        condition=database.IS_REPLICA,
    )
    return instance


def _replica_outputs(t: Template, instance: Any) -> None:
    frame.outputs(
        t,
        ("ReplicaIdentifier", Ref(instance), "Identifier of the replica"),
        ("ReplicaArn", GetAtt(instance, "DBInstanceArn"), "ARN of the replica"),
        (
            "ReplicaEndpoint",
            GetAtt(instance, "Endpoint.Address"),
            "Host name of the instance",
        ),
        ("ReplicaStackId", Ref("AWS::StackId"), "This stack, which promotes it"),
    )
