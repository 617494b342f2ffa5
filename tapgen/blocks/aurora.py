"""Aurora PostgreSQL in two regions: a primary cluster, and its replica.

A global database consists of a primary cluster with a password, the `GlobalCluster`
around it, and a secondary cluster in another region without user, password or database
of its own. Aurora replicates the storage, usually within a second. A switchover or
failover changes the writing cluster without CloudFormation.

    place = database.place(
        t, identifier=..., parameter_group_name="...-${Major}", engine=aurora.ENGINE
    )
    cluster = aurora.primary(t, "Cluster", place=place, secret=secret, **more)
    writer, *_ = aurora.instances(
        t, cluster=cluster, place=place, number=2, instance_class=...
    )
    aurora.global_cluster(
        t, "GlobalCluster", name=..., source=cluster, writer=writer, **more
    )

and in the other region `aurora.secondary`, with the id of the global cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from awacs import rds as actions
from awacs.aws import Statement
from troposphere import (
    Equals,
    GetAtt,
    If,
    Not,
    NoValue,
    Ref,
    Tags,
    Template,
    cloudwatch,
    rds,
)

from tapgen.blocks import (
    context,
    database,
    explained,
    frame,
    monitoring,
    names,
    security,
)
from tapgen.blocks.database import Place, attach, login

PORT = database.PORT

ENGINE = database.Engine(
    family="aurora-postgresql",
    version={
        "name": "AuroraVersion",
        "label": "Aurora PostgreSQL version",
        "description": "Full Aurora PostgreSQL version, the same in both regions.",
        "pattern": r"^\d{2}\.\d{1,2}$",
        "constraint": "a full version such as 16.8",
    },
    subnets="Isolated subnets, one in each zone.",
    group=rds.DBClusterParameterGroup,
    log_prefix="/aws/rds/cluster",
    logs=("postgresql",),
)

LAG_METRIC = "AuroraGlobalDBReplicationLag"
"""The replication lag of a secondary in milliseconds, published in its own region."""

LAG_DIMENSIONS = ("cluster", "source_region", "both")
"""The dimensions of the lag metric. AWS documents the metric but not its dimensions:
its examples use the cluster, or the source region."""


def _common(place: Place, backup_days: Any, deletion_protection: Any) -> dict[str, Any]:
    """The properties that the clusters of both regions share."""
    return {
        "DependsOn": list(place.log_groups),
        "Metadata": context.metadata("cluster"),
        # For a secondary, too: if the primary is lost, it holds the only copy.
        "DeletionPolicy": "Snapshot",
        "UpdateReplacePolicy": "Snapshot",
        "DBClusterIdentifier": names.sub(place.identifier),
        "Engine": ENGINE.family,
        "EngineVersion": place.version,
        "Port": PORT,
        "DBSubnetGroupName": place.subnet_group,
        "DBClusterParameterGroupName": place.parameter_group,
        "VpcSecurityGroupIds": [place.security_group_id],
        "StorageEncrypted": True,
        "KmsKeyId": place.key_arn,
        "BackupRetentionPeriod": backup_days,
        "PreferredBackupWindow": "02:00-03:00",
        "PreferredMaintenanceWindow": "sun:03:30-sun:04:30",
        "CopyTagsToSnapshot": True,
        "DeletionProtection": deletion_protection,
        "EnableCloudwatchLogsExports": list(ENGINE.logs),
        "EnableIAMDatabaseAuthentication": True,
        "Tags": Tags(Name=names.sub(place.identifier)),
    }


def primary(
    t: Template,
    title: str,
    *,
    place: Place,
    secret: Any,
    database: Any,
    backup_days: Any,
    deletion_protection: Any,
) -> Any:
    """Add the primary cluster, and write its address into the secret.

    The password is a reference to Secrets Manager. RDS does not support its own managed
    password for members of a global database.
    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html#rds-secrets-manager-limitations
    """
    cluster = t.add_resource(
        rds.DBCluster(
            title,
            **_common(place, backup_days, deletion_protection),
            DatabaseName=database,
            **login(secret),
        )
    )
    attach(t, secret, cluster)
    return cluster


def global_cluster(
    t: Template,
    title: str,
    *,
    name: str,
    source: Any,
    writer: Any,
    deletion_protection: Any,
) -> Any:
    """Add the global database around an existing cluster, once its writer runs: the
    primary cluster of a global database has an instance.
    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-getting-started.html

    It takes engine, version and encryption from the cluster. It holds no data of its
    own, and is deleted with its stack unless deletion protection is on.
    """
    return t.add_resource(
        rds.GlobalCluster(
            title,
            DependsOn=[writer.title],
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            Metadata=context.metadata("global database"),
            GlobalClusterIdentifier=names.sub(name),
            SourceDBClusterIdentifier=GetAtt(source, "DBClusterArn"),
            DeletionProtection=deletion_protection,
            Tags=Tags(Name=names.sub(name)),
        )
    )


def secondary(
    t: Template,
    title: str,
    *,
    place: Place,
    global_cluster_id: Any,
    backup_days: Any,
    deletion_protection: Any,
) -> Any:
    """Add the secondary cluster of a global database.

    User, password and database are replicated; RDS does not accept them here. The
    cluster has the version of the primary, and the key of its own region.
    """
    return t.add_resource(
        rds.DBCluster(
            title,
            **_common(place, backup_days, deletion_protection),
            GlobalClusterIdentifier=global_cluster_id,
        )
    )


def instances(
    t: Template, *, cluster: Any, place: Place, number: int, instance_class: Any
) -> list[Any]:
    """Add the instances of a cluster: the first writes, the second takes over.

    With fewer than two, the loss of one is an outage. They are upgraded only with their
    cluster: a switchover needs the same version in both regions.
    """
    if number < 2:
        raise ValueError(f"{number} instance(s) cannot take over; give 2 at least")
    return [
        t.add_resource(
            rds.DBInstance(
                f"{cluster.title}Instance{rank}",
                Metadata=explained.metadata("member of a cluster"),
                # The cluster keeps the data; an instance has none to snapshot.
                DeletionPolicy="Delete",
                UpdateReplacePolicy="Delete",
                DBInstanceIdentifier=names.sub(f"{place.identifier}-{rank}"),
                DBClusterIdentifier=Ref(cluster),
                DBInstanceClass=instance_class,
                Engine=ENGINE.family,
                PromotionTier=min(rank - 1, 15),
                PubliclyAccessible=False,
                AutoMinorVersionUpgrade=False,
                CACertificateIdentifier=database.CERTIFICATE_AUTHORITY,
                EnablePerformanceInsights=True,
                PerformanceInsightsKMSKeyId=place.key_arn,
                PerformanceInsightsRetentionPeriod=7,
                MonitoringInterval=60,
                MonitoringRoleArn=place.monitoring_role_arn,
                Tags=Tags(Name=names.sub(f"{place.identifier}-{rank}")),
            )
        )
        for rank in range(1, number + 1)
    ]


def move(global_cluster_arn: str, cluster_arns: Sequence[str]) -> list[Statement]:
    """Allow a switchover or failover to another region."""
    arns = [global_cluster_arn, *cluster_arns]
    return [
        security.statement(
            "MoveDatabase",
            [actions.FailoverGlobalCluster, actions.SwitchoverGlobalCluster],
            arns,
        ),
        security.statement(
            "SeeDatabase",
            [actions.DescribeDBClusters, actions.DescribeGlobalClusters],
            arns,
        ),
    ]


def describe(global_cluster_arn: str, cluster_arns: Sequence[str]) -> list[Statement]:
    """Allow reading which region writes."""
    return [
        security.statement(
            "DescribeDatabase", [actions.DescribeDBClusters], cluster_arns
        ),
        security.statement(
            "DescribeGlobalDatabase",
            [actions.DescribeGlobalClusters],
            [global_cluster_arn],
        ),
    ]


def alarms(t: Template, *, identifier: str, alarm_name: str, topic_arn: Any) -> None:
    """Add the alarms of a cluster: availability, CPU and memory.

    `alarm_name` has a `%s` for the metric. A health check can use the availability
    alarm: missing data counts as unavailable, and it has a plain statistic, because
    Route 53 does not support percentiles.
    """
    shared: dict[str, Any] = {
        "namespace": "AWS/RDS",
        "dimensions": {"DBClusterIdentifier": names.sub(identifier)},
        "period": 60,
        "topic_arn": topic_arn,
    }
    monitoring.alarm(
        t,
        "DatabaseAliveAlarm",
        name=alarm_name % "alive",
        description="For three minutes no instance of the cluster has said that it is"
        " running",
        metric="EngineUptime",
        statistic="Average",
        datapoints=(3, 3),
        comparison="<",
        threshold=1,
        missing="breaching",
        **shared,
    )
    monitoring.alarm(
        t,
        "DatabaseCpuAlarm",
        name=alarm_name % "cpu",
        description="For fifteen minutes the database has been more than 80 % busy",
        metric="CPUUtilization",
        statistic="Average",
        datapoints=(15, 15),
        comparison=">",
        threshold=80,
        missing="missing",
        **shared,
    )
    monitoring.alarm(
        t,
        "DatabaseMemoryAlarm",
        name=alarm_name % "memory",
        description="Less than 256 MiB of memory have been free for five minutes",
        metric="FreeableMemory",
        statistic="Minimum",
        datapoints=(5, 5),
        comparison="<",
        threshold=256 * 2**20,
        missing="missing",
        **shared,
    )


def lag_dimensions(t: Template, *, identifier: str, source: Any) -> list[Any]:
    """Return the dimensions of the lag metric; a parameter selects which ones.

    `source` is the region of the primary cluster.
    """
    by = frame.parameter(
        t,
        "LagDimensions",
        description="Dimensions of the replication lag metric.",
        AllowedValues=[*LAG_DIMENSIONS],
    )
    cluster, region, _ = LAG_DIMENSIONS
    found = []
    for condition, key, value, other in (
        ("LagHasCluster", "DBClusterIdentifier", names.sub(identifier), region),
        ("LagHasSource", "SourceRegion", source, cluster),
    ):
        t.add_condition(condition, Not(Equals(by, other)))
        dimension = cloudwatch.MetricDimension(Name=key, Value=value)
        found.append(If(condition, dimension, NoValue))
    return found


def lag_alarm(
    t: Template, *, measured: list[Any], name: str, threshold: Any, topic_arn: Any
) -> Any:
    """Add the alarm on the replication lag of a cluster.

    `threshold` is in milliseconds, `measured` the result of `lag_dimensions`. Add it in
    both regions, because a failover swaps their roles. The writing cluster publishes no
    lag, so missing data does not breach.
    """
    return monitoring.alarm(
        t,
        "ReplicationLagAlarm",
        name=name,
        description="The database copy is further behind than agreed",
        namespace="AWS/RDS",
        metric=LAG_METRIC,
        dimensions=measured,
        statistic="Maximum",
        period=60,
        datapoints=(3, 5),
        comparison=">",
        threshold=threshold,
        missing="notBreaching",
        topic_arn=topic_arn,
    )


def silence_alarm(
    t: Template, *, measured: list[Any], name: str, topic_arn: Any
) -> Any:
    """Add the alarm on a secondary that publishes no lag at all.

    When replication stops, so does the metric.
    """
    return monitoring.alarm(
        t,
        "ReplicationSilentAlarm",
        name=name,
        description="For ten minutes the database copy has not said how far behind it"
        " is: replication may have stopped, or this region writes after a switchover",
        namespace="AWS/RDS",
        metric=LAG_METRIC,
        dimensions=measured,
        statistic="Minimum",
        period=60,
        datapoints=(10, 10),
        comparison="<",
        # A lag is never negative: only missing data breaches this.
        threshold=0,
        missing="breaching",
        topic_arn=topic_arn,
    )
