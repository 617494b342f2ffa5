"""Aurora PostgreSQL over two regions: one cluster writes, its copy waits to take over.

A global database is made of a cluster with a password, the `GlobalCluster` around it,
and a cluster in another region that joins it and brings nothing of its own: no user, no
password, no database. Storage copies itself, usually within a second; which of the two
writes can be changed without CloudFormation.

    home = aurora.home(t, identifier=..., parameter_group_name="...-${Major}", ...)
    cluster = aurora.primary(t, "Cluster", home=home, secret=secret, ...)
    aurora.instances(t, cluster=cluster, home=home, number=2, instance_class=...)
    aurora.global_cluster(t, "GlobalCluster", name=..., source=cluster, ...)

and in the other region `aurora.secondary`, with the id of the global cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from troposphere import (
    GetAtt,
    Ref,
    Select,
    Split,
    Sub,
    Tags,
    Template,
    rds,
    secretsmanager,
)

from tapgen.blocks import database, frame, monitoring, names

ENGINE = "aurora-postgresql"
PORT = database.PORT

LOGS = ("postgresql",)
"""What a cluster writes to CloudWatch Logs."""

LAG_METRIC = "AuroraGlobalDBReplicationLag"
"""How far a secondary is behind, in milliseconds; published where the secondary is."""

# As for a single instance: no connection without TLS; who connects and what takes more
# than a second is logged.
_PARAMETERS = {
    "rds.force_ssl": "1",
    "log_connections": "1",
    "log_disconnections": "1",
    "log_min_duration_statement": "1000",
}


@dataclass(frozen=True)
class Home:
    """Where a cluster lives and what it is guarded with; all are template values.

    `log_groups` are the logical ids of the log groups that must exist before it.
    """

    identifier: str
    key_arn: Any
    version: Any
    subnet_group: Any
    security_group_id: Any
    parameter_group: Any
    monitoring_role_arn: Any
    log_groups: tuple[str, ...]


def home(
    t: Template,
    *,
    identifier: str,
    parameter_group_name: str,
    key_arn: Any,
    retention_days: Any,
) -> Home:
    """Add what a cluster needs around it, and the parameters for it.

    `parameter_group_name` has `${Major}` for the major version: a new version gets a
    new group, which one of a fixed name could not make way for.
    """
    around = database.surroundings(
        t, name=identifier, subnets="Isolated subnets, one in each zone."
    )
    version = frame.parameter(
        t,
        "AuroraVersion",
        label="Aurora PostgreSQL version",
        description="Full version, the same in both regions.",
        pattern=r"^\d{2}\.\d{1,2}$",
        constraint="a full version such as 16.8",
    )
    major = Select(0, Split(".", version))
    parameters = t.add_resource(
        rds.DBClusterParameterGroup(
            "ClusterParameterGroup",
            DBClusterParameterGroupName=Sub(parameter_group_name, Major=major),
            Description="TLS only; connections and slow statements logged",
            Family=Sub(f"{ENGINE}${{Major}}", Major=major),
            Parameters=_PARAMETERS,
            Tags=Tags(Name=names.sub(identifier)),
        )
    )
    groups = [
        # RDS would make these itself, neither encrypted nor ever expiring.
        monitoring.log_group(
            t,
            f"{log.title()}Logs",
            name=f"/aws/rds/cluster/{identifier}/{log}",
            key_arn=key_arn,
            retention_days=retention_days,
        ).title
        for log in LOGS
    ]
    return Home(
        identifier=identifier,
        key_arn=key_arn,
        version=version,
        subnet_group=around.subnet_group,
        security_group_id=around.security_group_id,
        parameter_group=Ref(parameters),
        monitoring_role_arn=around.monitoring_role_arn,
        log_groups=tuple(groups),
    )


def _common(home: Home, backup_days: Any, deletion_protection: Any) -> dict[str, Any]:
    """What the clusters of both regions have alike."""
    return {
        "DependsOn": list(home.log_groups),
        # Of a secondary too: once the primary is lost it holds the only copy.
        "DeletionPolicy": "Snapshot",
        "UpdateReplacePolicy": "Snapshot",
        "DBClusterIdentifier": names.sub(home.identifier),
        "Engine": ENGINE,
        "EngineVersion": home.version,
        "Port": PORT,
        "DBSubnetGroupName": home.subnet_group,
        "DBClusterParameterGroupName": home.parameter_group,
        "VpcSecurityGroupIds": [home.security_group_id],
        "StorageEncrypted": True,
        "KmsKeyId": home.key_arn,
        "BackupRetentionPeriod": backup_days,
        "PreferredBackupWindow": "02:00-03:00",
        "PreferredMaintenanceWindow": "sun:03:30-sun:04:30",
        "CopyTagsToSnapshot": True,
        "DeletionProtection": deletion_protection,
        "EnableCloudwatchLogsExports": list(LOGS),
        "EnableIAMDatabaseAuthentication": True,
        "Tags": Tags(Name=names.sub(home.identifier)),
    }


def primary(
    t: Template,
    title: str,
    *,
    home: Home,
    secret: Any,
    database: Any,
    backup_days: Any,
    deletion_protection: Any,
) -> Any:
    """Add the cluster that writes at first, and its address to the secret.

    Its password is referred to in Secrets Manager. RDS's own managed password would be
    simpler, but RDS refuses it for a member of a global database.
    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html#rds-secrets-manager-limitations
    """
    login = f"{{{{resolve:secretsmanager:${{{secret.title}}}:SecretString:%s}}}}"
    cluster = t.add_resource(
        rds.DBCluster(
            title,
            **_common(home, backup_days, deletion_protection),
            DatabaseName=database,
            MasterUsername=Sub(login % "username"),
            MasterUserPassword=Sub(login % "password"),
        )
    )
    t.add_resource(
        secretsmanager.SecretTargetAttachment(
            f"{secret.title}Attachment",
            SecretId=Ref(secret),
            TargetId=Ref(cluster),
            TargetType="AWS::RDS::DBCluster",
        )
    )
    return cluster


def global_cluster(
    t: Template, title: str, *, name: str, source: Any, deletion_protection: Any
) -> Any:
    """Add the global database around a cluster, from which it has everything.

    Engine, version and encryption may not be given beside a source. It holds no data of
    its own, and goes with its stack unless protected.
    """
    return t.add_resource(
        rds.GlobalCluster(
            title,
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
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
    home: Home,
    global_cluster_id: Any,
    backup_days: Any,
    deletion_protection: Any,
) -> Any:
    """Add a cluster that copies the primary one of a global database.

    User, password and database come with the data; RDS refuses them here. It has the
    same version as the primary, and its own region's key.
    """
    return t.add_resource(
        rds.DBCluster(
            title,
            **_common(home, backup_days, deletion_protection),
            GlobalClusterIdentifier=global_cluster_id,
        )
    )


def instances(
    t: Template, *, cluster: Any, home: Home, number: int, instance_class: Any
) -> list[Any]:
    """Add the instances of a cluster: the first writes, the next one takes over.

    Two at least, or the loss of one is an outage. They upgrade with their cluster only:
    versions that differ between regions stand in the way of a switchover.
    """
    if number < 2:
        raise ValueError(f"{number} instance(s) cannot take over; give 2 at least")
    return [
        t.add_resource(
            rds.DBInstance(
                f"{cluster.title}Instance{place}",
                # The cluster keeps the data; an instance has none to snapshot.
                DeletionPolicy="Delete",
                UpdateReplacePolicy="Delete",
                DBInstanceIdentifier=names.sub(f"{home.identifier}-{place}"),
                DBClusterIdentifier=Ref(cluster),
                DBInstanceClass=instance_class,
                Engine=ENGINE,
                PromotionTier=min(place - 1, 15),
                PubliclyAccessible=False,
                AutoMinorVersionUpgrade=False,
                CACertificateIdentifier=database.CERTIFICATE_AUTHORITY,
                EnablePerformanceInsights=True,
                PerformanceInsightsKMSKeyId=home.key_arn,
                PerformanceInsightsRetentionPeriod=7,
                MonitoringInterval=60,
                MonitoringRoleArn=home.monitoring_role_arn,
                Tags=Tags(Name=names.sub(f"{home.identifier}-{place}")),
            )
        )
        for place in range(1, number + 1)
    ]


def alarms(t: Template, *, identifier: str, alarm_name: str, topic_arn: Any) -> None:
    """Add the alarms of a cluster: whether it lives, its processor and memory.

    `alarm_name` has `%s` for what is watched. The one on life is what a health check
    can watch: no data counts as dead, and it uses a plain statistic, since Route 53
    takes no percentile.
    """
    watched: Sequence[tuple[str, str, str, str, str, Any, tuple[int, int], str, str]]
    watched = (
        (
            *("Alive", "EngineUptime", "alive", "Average"),
            *("<", 1, (3, 3), "breaching"),
            "For three minutes no instance of the cluster has said that it is running",
        ),
        (
            *("Cpu", "CPUUtilization", "cpu", "Average"),
            *(">", 80, (15, 15), "missing"),
            "For fifteen minutes the database has been more than 80 % busy",
        ),
        (
            *("Memory", "FreeableMemory", "memory", "Minimum"),
            *("<", 256 * 2**20, (5, 5), "missing"),
            "Less than 256 MiB of memory have been free for five minutes",
        ),
    )
    for (
        title,
        metric,
        thing,
        statistic,
        comparison,
        limit,
        of,
        missing,
        what,
    ) in watched:
        monitoring.alarm(
            t,
            f"Database{title}Alarm",
            name=alarm_name % thing,
            description=what,
            namespace="AWS/RDS",
            metric=metric,
            dimensions={"DBClusterIdentifier": names.sub(identifier)},
            statistic=statistic,
            period=60,
            datapoints=of,
            comparison=comparison,
            threshold=limit,
            missing=missing,
            topic_arn=topic_arn,
        )


def lag_alarm(
    t: Template, *, identifier: str, name: str, threshold: Any, topic_arn: Any
) -> Any:
    """Add the alarm on how far a cluster is behind the one that writes.

    `threshold` is in milliseconds. Meant for both regions, since they change places:
    the one that writes publishes nothing, which is no reason to ring.
    """
    return monitoring.alarm(
        t,
        "ReplicationLagAlarm",
        name=name,
        description="The database copy is further behind than agreed",
        namespace="AWS/RDS",
        metric=LAG_METRIC,
        dimensions={"DBClusterIdentifier": names.sub(identifier)},
        statistic="Maximum",
        period=60,
        datapoints=(3, 5),
        comparison=">",
        threshold=threshold,
        missing="notBreaching",
        topic_arn=topic_arn,
    )


def silence_alarm(t: Template, *, identifier: str, name: str, topic_arn: Any) -> Any:
    """Add the alarm on a secondary that publishes no lag at all.

    Replication that stopped also stops telling how far behind it is.
    """
    return monitoring.alarm(
        t,
        "ReplicationSilentAlarm",
        name=name,
        description="For ten minutes the database copy has not said how far behind it"
        " is: replication may have stopped, or this region writes after a switchover",
        namespace="AWS/RDS",
        metric=LAG_METRIC,
        dimensions={"DBClusterIdentifier": names.sub(identifier)},
        statistic="Minimum",
        period=60,
        datapoints=(10, 10),
        comparison="<",
        # A lag is never negative: only silence breaches this.
        threshold=0,
        missing="breaching",
        topic_arn=topic_arn,
    )
