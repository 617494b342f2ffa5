"""PostgreSQL: an instance with point-in-time restore, and its read replica.

    place = database.place(
        t, identifier=name("db", "primary"), parameter_group_name=name("postgres${Major}")
    )
    secret = database.secret(
        t, "Secret", name=name("db-owner"), key_arn=place.key_arn,
        replica_region=Ref("DrRegion"), replica_key_arn=Ref("ReplicaKeyArn"),
    )
    database.postgres(
        t, "Database", place=place, secret=secret, **database.database_parameters(t),
        **database.size_parameters(t),
    )

Secrets Manager generates the password, and the template only refers to it. RDS does not
support its own managed password for an instance with replicas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from awacs import kms
from awacs import secretsmanager as actions
from awacs.aws import Statement, StringEquals
from troposphere import (
    And,
    Condition,
    Equals,
    If,
    Not,
    NoValue,
    Or,
    Ref,
    Select,
    Split,
    Sub,
    Tags,
    Template,
    rds,
    secretsmanager,
)

from tapgen.blocks import (
    context,
    explained,
    frame,
    monitoring,
    names,
    network,
    security,
)
from tapgen.frozen import dataclass

PORT = 5432
MOST_STORAGE_GIB = 65536
MOST_CONNECTIONS = 262_143
"""The bound of PostgreSQL's own max_connections (MAX_BACKENDS in its source)."""
OWNER = "dbowner"
"""The name of the user that owns the database."""

ARN_PATTERN = r"^arn:aws[a-z-]*:rds:[a-z0-9-]+:\d{12}:db:[a-z][a-z0-9-]*$"

CERTIFICATE_AUTHORITY = "rds-ca-rsa2048-g1"

# In UTC. AWS Backup starts nothing in these hours or in the hour before: `backup.plan`
# is after them.
BACKUP_WINDOW = "02:00-03:00"
_MAINTENANCE_WINDOW = "sun:03:30-sun:04:30"

# TLS is required, and connections are logged. No statement is, nor the values that an
# error quotes in its detail: they are the data. Performance Insights shows slow ones.
# https://www.postgresql.org/docs/current/runtime-config-logging.html
_PARAMETERS = {
    "rds.force_ssl": "1",
    "log_connections": "1",
    "log_disconnections": "1",
    "log_error_verbosity": "terse",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_statement": "none",
}


@dataclass(frozen=True)
class Engine:
    """The names, parameters and logs of a database engine.

    `version` are the arguments of the parameter for its version.
    """

    family: str
    version: Mapping[str, str]
    subnets: str
    group: type[Any]
    log_prefix: str
    logs: tuple[str, ...]


POSTGRES = Engine(
    family="postgres",
    version={
        "name": "PostgresVersion",
        "label": "PostgreSQL version",
        "description": "PostgreSQL version; with a major one RDS applies minor ones itself.",
        "pattern": r"^\d{2}(\.\d{1,2})?$",
        "constraint": "a version such as 17 or 17.6",
    },
    subnets="Isolated subnets, in two zones at least.",
    group=rds.DBParameterGroup,
    log_prefix="/aws/rds/instance",
    logs=("postgresql", "upgrade"),
)


@dataclass(frozen=True)
class Place:
    """The network, key and roles of a database; all are template values.

    `log_groups` are the logical ids of the log groups that must exist before it, `tags`
    its tags besides the name.
    """

    identifier: str
    key_arn: Any
    version: Any
    subnet_group: Any
    security_group_id: Any
    parameter_group: Any
    monitoring_role_arn: Any
    log_groups: tuple[str, ...]
    tags: Mapping[str, Any] = field(default_factory=dict)


def place(
    t: Template,
    *,
    identifier: str,
    parameter_group_name: str,
    engine: Engine = POSTGRES,
    tags: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Place:
    """Add the resources that a database needs, and the parameters for them.

    `settings` are parameters of the engine besides the common ones.

    `parameter_group_name` has `${Major}` for the major version: a new major version
    gets a new group, which a fixed name would prevent. The parameters are key and
    retention, subnets, security group, monitoring role and version.
    """
    key_arn, days = frame.key_arn(t), monitoring.retention(t)
    subnet_ids = network.subnet_ids(t, engine.subnets)
    group_id = network.group_id(t, "Security group of the database.")
    role = frame.wired(
        t,
        "MonitoringRoleArn",
        "ARN of the role that RDS uses to publish operating system metrics.",
        frame.ROLE_ARN_PATTERN,
        "the ARN of a role",
        label="Monitoring role",
    )
    subnet_group = t.add_resource(
        rds.DBSubnetGroup(
            "SubnetGroup",
            DBSubnetGroupName=names.sub(identifier),
            DBSubnetGroupDescription="Isolated subnets of the VPC",
            SubnetIds=subnet_ids,
            Tags=Tags(Name=names.sub(identifier)),
        )
    )
    version = frame.parameter(t, **engine.version)
    given = {**_PARAMETERS, **(settings or {})}
    group = _parameter_group(
        t, engine, identifier, parameter_group_name, version, given
    )
    return Place(
        identifier=identifier,
        key_arn=key_arn,
        version=version,
        subnet_group=Ref(subnet_group),
        security_group_id=group_id,
        parameter_group=Ref(group),
        monitoring_role_arn=role,
        log_groups=tuple(
            # Otherwise RDS creates these itself, unencrypted and without expiry.
            monitoring.log_group(
                t,
                f"{log.title()}Logs",
                name=f"{engine.log_prefix}/{identifier}/{log}",
                key_arn=key_arn,
                retention_days=days,
            ).title
            for log in engine.logs
        ),
        tags=tags or {},
    )


def _parameter_group(
    t: Template,
    engine: Engine,
    identifier: str,
    name: str,
    version: Ref,
    settings: Mapping[str, Any],
) -> Any:
    major = Select(0, Split(".", version))
    kind = engine.group.__name__  # DBParameterGroup, DBClusterParameterGroup
    return t.add_resource(
        engine.group(
            kind.removeprefix("DB"),
            **_explained(engine),
            **{f"{kind}Name": Sub(name, Major=major)},
            # Another description would replace the group, whose name is fixed: this is
            # what it did until slow statements were no longer logged.
            Description="TLS only; connections and slow statements logged",
            Family=Sub(f"{engine.family}${{Major}}", Major=major),
            Parameters=settings,
            Tags=Tags(Name=names.sub(identifier)),
        )
    )


def _explained(engine: Engine) -> dict[str, Any]:
    # The rule takes every type that begins with AWS::RDS::DBCluster.
    is_cluster = engine.group is rds.DBClusterParameterGroup
    return {"Metadata": explained.metadata("parameter group")} if is_cluster else {}


def secret(
    t: Template,
    title: str,
    *,
    name: str,
    key_arn: Any,
    replica_region: Any | None,
    replica_key_arn: Any = None,
) -> Any:
    """Add the owner's user name and password, with a copy in another region, if any.

    Only this template may contain the secret: its copy has the same name in the other
    region.
    """
    return t.add_resource(
        secretsmanager.Secret(
            title,
            Metadata=explained.metadata("database secret")
            | context.metadata("database secret"),
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            Name=names.sub(name),
            Description="User name and password of the database's owner",
            KmsKeyId=key_arn,
            GenerateSecretString=secretsmanager.GenerateSecretString(
                SecretStringTemplate=f'{{"username":"{OWNER}"}}',
                GenerateStringKey="password",
                PasswordLength=32,
                # RDS does not accept these in a password.
                ExcludeCharacters="\"@/\\' ",
            ),
            **(
                {}
                if replica_region is None
                else {
                    "ReplicaRegions": [
                        secretsmanager.ReplicaRegion(
                            Region=replica_region, KmsKeyId=replica_key_arn
                        )
                    ]
                }
            ),
            Tags=Tags(Name=names.sub(name)),
        )
    )


def read_secret(
    name: str, *, region: str, key_arn: Any, sid: str = "Secret"
) -> list[Statement]:
    """Allow reading the secret with a name, in one region.

    Secrets Manager adds a hyphen and six random characters to the name in the ARN.
    """
    arn = names.arn("secretsmanager", f"secret:{name}-??????", region=region)
    via = names.sub(f"secretsmanager.{region}.${{AWS::URLSuffix}}")
    return [
        security.statement(
            f"Read{sid}", [actions.DescribeSecret, actions.GetSecretValue], [arn]
        ),
        security.statement(
            f"Decrypt{sid}",
            [kms.Decrypt],
            [key_arn],
            StringEquals({"kms:ViaService": via}),
        ),
    ]


def instance_class(t: Template, what: str) -> Ref:
    """Add the parameter for the instance class; `what` names the instances."""
    return frame.parameter(
        t,
        "InstanceClass",
        description=f"Class of the DB {what}.",
        pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$",
        constraint="a class such as db.r6g.large",
    )


def database_name(t: Template) -> Ref:
    """Add the parameter for the name of the initial database."""
    return frame.parameter(
        t,
        "DatabaseName",
        description="Name of the initial database.",
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        constraint="a lower-case letter, then letters, digits and underscores",
    )


def backup_days(t: Template) -> Ref:
    """Add the parameter for the retention of automated backups."""
    return frame.parameter(
        t,
        "BackupDays",
        type="Number",
        description="Days that automated backups of the database are kept.",
        MinValue=7,
        MaxValue=35,
    )


def monitoring_role(t: Template, title: str, *, name: str) -> Any:
    """Add the role that RDS uses to publish operating system metrics, with AWS's
    policy."""
    return security.service_role(
        t,
        title,
        name=name,
        service="monitoring.rds.amazonaws.com",
        description="Lets RDS publish operating system metrics",
        managed=["service-role/AmazonRDSEnhancedMonitoringRole"],
    )


def size_parameters(t: Template) -> dict[str, Ref]:
    """Add the parameters that an instance and its replica share, by argument."""
    return {
        "instance_class": instance_class(t, "instance"),
        "max_storage": frame.parameter(
            t,
            "MaxStorageGiB",
            label="Largest storage (GiB)",
            type="Number",
            description="Maximum size in GiB for storage autoscaling.",
            MinValue=22,
            MaxValue=MOST_STORAGE_GIB,
        ),
        "deletion_protection": frame.deletion_protection(
            t, "the instance", service="RDS"
        ),
    }


def database_parameters(t: Template) -> dict[str, Ref]:
    """Add the parameters of an instance that is not a replica, by argument."""
    return {
        "database": database_name(t),
        "storage": frame.parameter(
            t,
            "StorageGiB",
            label="Storage (GiB)",
            type="Number",
            description="Size of the storage in GiB.",
            MinValue=20,
            MaxValue=MOST_STORAGE_GIB,
        ),
        **keeping_parameters(t),
    }


def keeping_parameters(t: Template) -> dict[str, Ref]:
    """Add the parameters for backups and the standby, by argument."""
    return {
        "backup_days": backup_days(t),
        "multi_az": frame.parameter(
            t,
            "MultiAz",
            description="Whether a standby in another zone takes over (Multi-AZ).",
            AllowedValues=["true", "false"],
        ),
    }


def login(secret: Any) -> dict[str, Any]:
    """Return the properties that take user and password from a secret, or from the one
    with a name (text for `Fn::Sub`) in this region."""
    of = secret if isinstance(secret, str) else f"${{{secret.title}}}"
    resolved = f"{{{{resolve:secretsmanager:{of}:SecretString:%s}}}}"
    return {
        "MasterUsername": Sub(resolved % "username"),
        "MasterUserPassword": Sub(resolved % "password"),
    }


def attach(t: Template, secret: Any, to: Any) -> None:
    """Write the address of an instance or a cluster into its secret."""
    t.add_resource(
        secretsmanager.SecretTargetAttachment(
            f"{secret.title}Attachment",
            SecretId=Ref(secret),
            TargetId=Ref(to),
            TargetType=to.resource_type,
        )
    )


def _common(place: Place) -> dict[str, Any]:
    """The properties that an instance and a replica share.

    The deletion policies take a snapshot. CloudFormation skips it for a replica; a
    promoted instance may hold the only copy of the data.
    """
    return {
        "DependsOn": list(place.log_groups),
        "DeletionPolicy": "Snapshot",
        "UpdateReplacePolicy": "Snapshot",
        "DBInstanceIdentifier": names.sub(place.identifier),
        "DBSubnetGroupName": place.subnet_group,
        "VPCSecurityGroups": [place.security_group_id],
        "DBParameterGroupName": place.parameter_group,
        "KmsKeyId": place.key_arn,
        "PubliclyAccessible": False,
        "StorageType": "gp3",
        "CACertificateIdentifier": CERTIFICATE_AUTHORITY,
        "AutoMinorVersionUpgrade": True,
        "PreferredMaintenanceWindow": _MAINTENANCE_WINDOW,
        "CopyTagsToSnapshot": True,
        "EnableCloudwatchLogsExports": list(POSTGRES.logs),
        "EnableIAMDatabaseAuthentication": True,
        "EnablePerformanceInsights": True,
        "PerformanceInsightsKMSKeyId": place.key_arn,
        "PerformanceInsightsRetentionPeriod": 7,
        "MonitoringInterval": 60,
        "MonitoringRoleArn": place.monitoring_role_arn,
        "Tags": Tags(Name=names.sub(place.identifier), **place.tags),
    }


def postgres(
    t: Template,
    title: str,
    *,
    place: Place,
    secret: Any,
    database: Any,
    instance_class: Any,
    storage: Any,
    max_storage: Any,
    backup_days: Any,
    multi_az: Any,
    deletion_protection: Any,
) -> Any:
    """Add a PostgreSQL instance, and write its address into the secret, unless that is
    given by name: it is then a copy, which nobody can write.

    Automated backups allow a restore to any second of the last `backup_days`; a replica
    requires them on its source.
    """
    instance = t.add_resource(
        rds.DBInstance(
            title,
            Metadata=context.metadata("database"),
            **_common(place),
            Engine="postgres",
            EngineVersion=place.version,
            DBInstanceClass=instance_class,
            DBName=database,
            **login(secret),
            StorageEncrypted=True,
            AllocatedStorage=storage,
            MaxAllocatedStorage=max_storage,
            MultiAZ=multi_az,
            BackupRetentionPeriod=backup_days,
            PreferredBackupWindow=BACKUP_WINDOW,
            DeletionProtection=deletion_protection,
        )
    )
    if not isinstance(secret, str):
        attach(t, secret, instance)
    return instance


def replica(
    t: Template,
    title: str,
    *,
    place: Place,
    source_arn: Any,
    source_region: Any,
    instance_class: Any,
    max_storage: Any,
    deletion_protection: Any,
    promoted: Mapping[str, Any] | None = None,
) -> Any:
    """Add a read replica of an instance in another region.

    `promoted` are properties for the time after the promotion, such as backups: each
    must be `AWS::NoValue` until then.

    Properties that it takes from its source must be absent: engine, user, database,
    size, backups and encryption. The key of its own region must be present. Removing
    `SourceDBInstanceIdentifier` promotes it. CloudFormation passes backup retention and
    backup window on to the promotion, and applies other changes afterwards
    (`promoteReadReplica` in
    https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-rds).
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-rds-dbinstance.html
    """
    instance = rds.DBInstance(
        title,
        Metadata=explained.metadata("read replica") | context.metadata("read replica"),
        **_common(place),
        SourceDBInstanceIdentifier=source_arn,
        SourceRegion=source_region,
        DBInstanceClass=instance_class,
        MaxAllocatedStorage=max_storage,
        DeletionProtection=deletion_protection,
        **(promoted or {}),
    )
    # Troposphere requires Engine and StorageEncrypted, which a replica must not have.
    instance.no_validation()
    return t.add_resource(instance)


IS_REPLICA = "IsReplica"
"""The condition of `promotion` that a replica has not been promoted."""


def promotion(t: Template, source_arn: Any) -> dict[str, Any]:
    """Add the parameters that promote a replica of `source_arn` in place; return its
    properties.

    `Promoted` removes the replication source and adds backups, which RDS turns on with
    the promotion, so that there is no time without them. `Standby`, in a later update,
    adds a standby, which takes longer than writes should wait. The instance, its name and
    its host name stay the same throughout.
    """
    for title, text in (
        ("Promoted", "Whether the replica is promoted; this cannot be undone."),
        ("Standby", "Whether the promoted instance has a standby, as MultiAz says."),
    ):
        frame.parameter(
            t, title, description=text, AllowedValues=["true", "false"], Default="false"
        )
    promoted, standby = (Equals(Ref(p), "true") for p in ("Promoted", "Standby"))
    t.add_condition(IS_REPLICA, Not(promoted))
    t.add_condition("HasStandby", And(Not(Condition(IS_REPLICA)), standby))
    t.add_rule(
        "StandbyAfterPromotion",
        {
            "Assertions": [
                {
                    "Assert": Or(promoted, Not(standby)),
                    "AssertDescription": (
                        "Standby is for a promoted replica: set Promoted first, in an"
                        " update of its own"
                    ),
                }
            ]
        },
    )
    keeping = keeping_parameters(t)
    return {
        "source_arn": If(IS_REPLICA, source_arn, NoValue),
        "promoted": {
            "BackupRetentionPeriod": If(IS_REPLICA, NoValue, keeping["backup_days"]),
            "MultiAZ": If("HasStandby", keeping["multi_az"], NoValue),
            "PreferredBackupWindow": If(IS_REPLICA, NoValue, BACKUP_WINDOW),
        },
    }


def watch(t: Template, *, identifier: str, alarm_name: str) -> None:
    """Add the alarms of an instance, and the parameters for limits and topic."""
    free = frame.parameter(
        t,
        "FreeStorageLimit",
        type="Number",
        description="Alarm when free storage falls below this many bytes.",
        MinValue=1,
        MaxValue=MOST_STORAGE_GIB * 2**30,
    )
    connections = frame.parameter(
        t,
        "ConnectionsLimit",
        type="Number",
        description="Alarm when there are more connections than this.",
        MinValue=1,
        MaxValue=MOST_CONNECTIONS,
    )
    alarms(
        t,
        identifier=identifier,
        alarm_name=alarm_name,
        topic_arn=frame.alert_topic(t),
        free_storage=free,
        connections=connections,
    )


LAG_SECONDS = 600
"""The lag of a replica that triggers its alarm. The metric is the age of the last
transaction that was replayed, so on an idle source it climbs to five minutes, where RDS
writes one itself, and begins again.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.Replication.ReadReplicas.Monitor.html
"""

SLOT_BYTES = 256 * 2**20
"""What a source keeps for its slowest replica before an alarm: four segments of WAL."""


def lag_alarm(
    t: Template,
    title: str,
    *,
    identifier: str,
    name: str,
    topic_arn: Any,
    condition: str = "",
) -> None:
    """Add the alarm on a replica that lags far behind, or publishes no data.

    It tells that replication has stopped. How much is missing, `slot_alarm` tells at the
    source, also while nobody writes.
    """
    monitoring.alarm(
        t,
        title,
        name=name,
        description="The replica is more than ten minutes behind, or says nothing",
        namespace="AWS/RDS",
        metric="ReplicaLag",
        dimensions={"DBInstanceIdentifier": names.sub(identifier)},
        statistic="Maximum",
        period=60,
        datapoints=(5, 5),
        comparison=">",
        threshold=LAG_SECONDS,
        # When replication stops, so does the metric.
        missing="breaching",
        topic_arn=topic_arn,
        condition=condition,
    )


def slot_alarm(
    t: Template, title: str, *, identifier: str, name: str, topic_arn: Any
) -> None:
    """Add the alarm on a source that keeps much for a replica that does not fetch it.

    It is in bytes of WAL, so an idle source does not trigger it. What is kept could fill
    the storage of the source.
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html
    """
    monitoring.alarm(
        t,
        title,
        name=name,
        description="A replica has not fetched 256 MiB of what this database wrote",
        namespace="AWS/RDS",
        metric="OldestReplicationSlotLag",
        dimensions={"DBInstanceIdentifier": names.sub(identifier)},
        statistic="Maximum",
        period=60,
        datapoints=(5, 5),
        comparison=">",
        threshold=SLOT_BYTES,
        # Without a replica there is no slot.
        missing="notBreaching",
        topic_arn=topic_arn,
    )


def alarms(
    t: Template,
    *,
    identifier: str,
    alarm_name: str,
    topic_arn: Any,
    free_storage: Any,
    connections: Any,
) -> None:
    """Add the alarms of an instance: CPU, free storage, connections.

    `alarm_name` has a `%s` for the metric. Missing data breaches.
    """
    watched: Sequence[tuple[str, str, str, str, Any, str]] = (
        ("Cpu", "CPUUtilization", "cpu", ">", 80, "more than 80 % busy"),
        (
            "FreeStorage",
            "FreeStorageSpace",
            "storage",
            "<",
            free_storage,
            "nearly out of storage",
        ),
        (
            "Connections",
            "DatabaseConnections",
            "connections",
            ">",
            connections,
            "taking more connections than planned for",
        ),
    )
    for title, metric, thing, comparison, threshold, what in watched:
        monitoring.alarm(
            t,
            f"{title}Alarm",
            name=alarm_name % thing,
            description=f"For fifteen minutes the database has been {what}",
            namespace="AWS/RDS",
            metric=metric,
            dimensions={"DBInstanceIdentifier": names.sub(identifier)},
            statistic="Average",
            period=300,
            datapoints=(3, 3),
            comparison=comparison,
            threshold=threshold,
            missing="missing",
            topic_arn=topic_arn,
        )
