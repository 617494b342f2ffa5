"""Data: table, buckets and database, each in both regions."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Tags, Template

from tapgen.blocks import (
    aurora,
    backup,
)
from tapgen.blocks import database as postgres
from tapgen.blocks import frame, names, storage, table
from tapgen.blueprints.payments_dr.shape import (
    BACKED_UP,
    DATA,
    GLOBAL_DATABASE,
    IS_STRONG,
    PAYMENTS,
    REPLICA,
    ROLES,
    RULE,
    SECRET,
    Shape,
    consistency,
    database,
    describe,
    key_parameters,
    name,
)

INDEXES = {
    "by-customer": table.Key("customerId", "timestamp"),
    "by-status": table.Key("status", "timestamp"),
}


def _backed_up(*resources: Any) -> None:
    """Add the tag for AWS Backup."""
    for resource in resources:
        had = resource.properties.get("Tags", Tags())
        resource.Tags = had + Tags({backup.TAG: names.sub(BACKED_UP)})


# --- Table ----------------------------------------------------------------------------


def payments_table() -> Template:
    """The table of the payments; the primary region's stack creates both replicas."""
    t = frame.start(
        "Global table of payments, replicated between both regions", role="primary"
    )
    describe(t)
    keys = key_parameters(t)
    consistency(t, IS_STRONG)
    witness = frame.parameter(
        t,
        "WitnessRegion",
        description="Region of the witness, with strong consistency; otherwise empty.",
        pattern=f"^$|{frame.REGION_PATTERN}",
        constraint="a region, such as us-west-2, or nothing",
    )
    payments = table.global_table(
        t,
        "Payments",
        name=PAYMENTS,
        key=table.Key("paymentId", "timestamp"),
        indexes=INDEXES,
        replicas=[
            table.Replica(Ref(frame.region_parameter(role)), role, key)
            for role, key in zip(ROLES, keys, strict=True)
        ],
        deletion_protection=frame.deletion_protection(t, "the table"),
        purpose="payments",
        strong=table.Strong(IS_STRONG, witness),
    )
    for role, replica in zip(ROLES, payments.Replicas, strict=True):
        # Each replica needs its own tags: it inherits none.
        replica.Tags += Tags(
            {
                "Environment": Ref(names.SUFFIX),
                "Region": replica.Region,
                "DR-Role": role,
            }
        )
    _backed_up(*payments.Replicas)
    frame.output(t, "TableName", Ref(payments), description="Table of the payments")
    frame.output(t, "TableArn", GetAtt(payments, "Arn"), description="ARN of the table")
    frame.output(
        t,
        "StreamArn",
        GetAtt(payments, "StreamArn"),
        description="ARN of the table's stream",
    )
    return t


# --- Buckets --------------------------------------------------------------------------

_FORTH = (DATA, REPLICA)
_BACK = (REPLICA, DATA)


def _replication_alarms(
    t: Template, role: str, *, received: tuple[str, str], sent: tuple[str, str]
) -> None:
    """Add alarms on late and failed replication in this region."""
    topic = Ref("AlertTopicArn")
    storage.latency_alarm(
        t,
        "ReplicationLatencyAlarm",
        name=name("replication-latency", role),
        replicated=storage.replicated(*received, RULE),
        topic_arn=topic,
    )
    storage.failed_alarm(
        t,
        "ReplicationFailedAlarm",
        name=name("replication-failed", role),
        replicated=storage.replicated(*sent, RULE),
        topic_arn=topic,
    )


def _bucket(t: Template, role: str, *, always: bool) -> None:
    """Add the bucket of a region, which replicates to the other one.

    From the recovery region it replicates only with the parameter `ReverseReplication`:
    the destination must exist, and the bucket in the primary region is created after this
    one. S3 does not replicate replicas, so no object goes in circles.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html
    """
    key = frame.key_arn(t)
    frame.alert_topic(t)
    log_bucket = frame.log_bucket(t)
    days = storage.noncurrent_days(t)
    replica_key = frame.other_key(
        t,
        "DestinationKeyArn",
        "ARN of the key in the other region that encrypts the copies.",
    )
    source, to = _FORTH if role == "primary" else _BACK
    replication = storage.replication(
        t,
        destination=names.sub(names.bucket_arn(to)),
        key_arn=replica_key,
        rule=RULE,
        when="" if always else "IsBothWays",
        both_ways="IsBothWays",
    )
    frame.flag(
        t,
        "ReverseReplication",
        description="Whether S3 also replicates from the recovery to the primary region.",
        condition="IsBothWays",
    )
    storage.bucket(
        t,
        "DataBucket",
        name=source,
        purpose="receipts",
        key_arn=key,
        log_to=log_bucket,
        lifecycle=storage.lifecycle(
            noncurrent_days=days, transitions=[("INTELLIGENT_TIERING", 30)]
        ),
        replication=replication,
    )
    frame.output(
        t, "BucketName", Ref("DataBucket"), description="Bucket of this region"
    )
    frame.output(
        t, "BucketArn", GetAtt("DataBucket", "Arn"), description="ARN of the bucket"
    )


def storage_dr() -> Template:
    """The destination bucket, created before the source bucket."""
    t = frame.start("Bucket for receipts, recovery region", role="dr")
    describe(t)
    _bucket(t, "dr", always=False)
    _replication_alarms(t, "dr", received=_FORTH, sent=_BACK)
    _backed_up(t.resources["DataBucket"])
    return t


def storage_primary() -> Template:
    """The source bucket of the replication."""
    t = frame.start("Bucket for receipts, primary region", role="primary")
    describe(t)
    _bucket(t, "primary", always=True)
    _replication_alarms(t, "primary", received=_BACK, sent=_FORTH)
    _backed_up(t.resources["DataBucket"])
    return t


# --- Database -------------------------------------------------------------------------


def _cluster_parameters(t: Template) -> dict[str, Any]:
    return {
        "backup_days": postgres.backup_days(t),
        "deletion_protection": frame.deletion_protection(t, "the database"),
    }


def _place(t: Template, role: str) -> postgres.Place:
    return postgres.place(
        t,
        identifier=database(role),
        parameter_group_name=name("aurora${Major}", role),
        engine=aurora.ENGINE,
    )


def _instances(t: Template, shape: Shape, cluster: Any, place: postgres.Place) -> Any:
    """Add the instances of a cluster; return the first one."""
    return aurora.instances(
        t,
        cluster=cluster,
        place=place,
        number=shape.instances,
        instance_class=postgres.instance_class(t, "instances"),
    )[0]


def _cluster_outputs(t: Template, cluster: Any, role: str) -> None:
    aurora.alarms(
        t,
        identifier=database(role),
        alarm_name=name("db-%s", role),
        topic_arn=frame.alert_topic(t),
    )
    frame.outputs(
        t,
        ("ClusterId", Ref(cluster), "Identifier of the cluster"),
        ("ClusterArn", GetAtt(cluster, "DBClusterArn"), "ARN of the cluster"),
        (
            "ReaderEndpoint",
            GetAtt(cluster, "ReadEndpoint.Address"),
            "Host name of the reader endpoint",
        ),
    )


def database_primary(shape: Shape) -> Template:
    """The primary cluster, its secret, and the global database."""
    t = frame.start("Aurora PostgreSQL cluster and global database", role="primary")
    describe(t)
    place = _place(t, "primary")
    secret = postgres.secret(
        t,
        "DatabaseSecret",
        name=SECRET,
        key_arn=place.key_arn,
        replica_region=Ref("DrRegion"),
        replica_key_arn=frame.other_key(
            t,
            "DestinationKeyArn",
            "ARN of the key in the recovery region that encrypts the copy of the secret.",
        ),
    )
    settings = _cluster_parameters(t)
    cluster = aurora.primary(
        t,
        "Cluster",
        place=place,
        secret=secret,
        database=postgres.database_name(t),
        **settings,
    )
    _backed_up(cluster)
    writer = _instances(t, shape, cluster, place)
    around = aurora.global_cluster(
        t,
        "GlobalDatabase",
        name=GLOBAL_DATABASE,
        source=cluster,
        writer=writer,
        deletion_protection=settings["deletion_protection"],
    )
    _cluster_outputs(t, cluster, "primary")
    frame.outputs(
        t,
        ("GlobalClusterId", Ref(around), "Identifier of the global database"),
        (
            "WriterEndpoint",
            GetAtt(cluster, "Endpoint.Address"),
            "Host name of the writer endpoint, while this region is the writer",
        ),
        ("DatabaseSecretArn", Ref(secret), "Secret with user name and password"),
    )
    return t


def database_dr(shape: Shape) -> Template:
    """The secondary cluster, which can take over."""
    t = frame.start("Aurora PostgreSQL cluster, recovery region", role="dr")
    describe(t)
    place = _place(t, "dr")
    cluster = aurora.secondary(
        t,
        "Cluster",
        place=place,
        global_cluster_id=frame.parameter(
            t,
            "GlobalClusterId",
            group=frame.WIRING,
            label="Global database",
            description="Identifier of the global database to join.",
            pattern=r"^[a-z][a-z0-9-]{0,62}$",
            constraint="the identifier of a global database",
        ),
        **_cluster_parameters(t),
    )
    _backed_up(cluster)
    _instances(t, shape, cluster, place)
    _cluster_outputs(t, cluster, "dr")
    aurora.silence_alarm(
        t,
        measured=aurora.lag_dimensions(
            t, identifier=database("dr"), source=Ref("PrimaryRegion")
        ),
        name=name("db-silent", "dr"),
        topic_arn=Ref("AlertTopicArn"),
    )
    return t
