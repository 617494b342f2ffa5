"""Keys, roles, log buckets and vaults."""

from __future__ import annotations

from collections.abc import Mapping

from awacs import iam, s3, ssm
from awacs.aws import Statement, StringEquals
from troposphere import GetAtt, Ref, Template

from tapgen.blocks import (
    backup,
    database,
    flows,
    frame,
    monitoring,
    names,
    protection,
    security,
    servers,
    storage,
)
from tapgen.blueprints.region_migration.shape import (
    BACKUP,
    DATA,
    REPLICA,
    REPORTS,
    SECRET,
    WRITES,
    Shape,
    logs_bucket,
    name,
    source_bucket,
    start,
)

_BATCH = "batchoperations.s3.amazonaws.com"


def keys(shape: Shape) -> Template:
    """The key of the source region, and its alert topic."""
    return _keys(shape, "source")


def keys_target(shape: Shape) -> Template:
    """The key of the target region, and its alert topic."""
    return _keys(shape, "target")


def _keys(shape: Shape, role: str) -> Template:
    """The multi-Region key of the system in a region: the primary one at home, or its
    replica."""
    if role == shape.home:
        t = start(f"Encryption key and alert topic, {role} region", role=role)
        security.key(
            t,
            "Key",
            name=name("key", role),
            description="Encrypts the data of the system, in every region",
            policy=_key_users(),
            kinds=["key of disks"],
        )
    else:
        t = start("Replica of the encryption key, and alert topic", role=role)
        security.replica_key(
            t,
            "Key",
            name=name("key", role),
            description=f"Encrypts the data of the system in the {role} region",
            primary_arn=frame.primary_key(t, "PrimaryKeyArn"),
            policy=_key_users(),
        )
    _key_and_topic(t, role)
    return t


def _key_users() -> list[Statement]:
    """Allow services without a role of this system to use the key of a region."""
    groups = [name("*"), f"/aws/rds/instance/{name('*')}"]
    return [
        security.logs_statement(*groups),
        security.alarms_statement(),
        *security.scaling_statements(),
    ]


def _key_and_topic(t: Template, role: str) -> None:
    topic = monitoring.topic(
        t, "AlertTopic", name=name("alerts", role), key_arn=GetAtt("Key", "Arn")
    )
    frame.output(t, "KmsKeyArn", GetAtt("Key", "Arn"), description="ARN of the key")
    frame.output(
        t,
        "AlertTopicArn",
        Ref(topic),
        description="ARN of the topic that alarms notify",
    )


def roles(shape: Shape) -> Template:
    """All roles of services, in one part, because IAM is global."""
    t = start("IAM roles, one for each service", role=shape.home)
    source_bucket(t, shape)
    keys = {}
    if not shape.removed:
        keys["source"] = frame.other_key(
            t,
            "SourceKeyArn",
            "ARN of the key that the source bucket is encrypted with.",
        )
    keys["target"] = frame.other_key(
        t, "TargetKeyArn", "ARN of the key in the target region."
    )
    buckets = {
        role: storage.Bucket(
            {"source": shape.data, "target": REPLICA}[role],
            f"${{{frame.region_parameter(role)}}}",
            key,
        )
        for role, key in keys.items()
    }
    if not shape.removed:
        _replication_roles(t, buckets["source"], buckets["target"])
        _sync_role(t)
    _database_and_network_roles(t, shape)
    _instance_role(t, shape, buckets)
    backup.role(
        t,
        "BackupRole",
        name=name("backup"),
        restores_as=[GetAtt("InstanceRole", "Arn")],
    )
    for title, what in (
        ("ReplicationRole", "Role that S3 uses to replicate"),
        ("ReverseReplicationRole", "Role that S3 uses to replicate back"),
        (
            "BatchRole",
            "Role that S3 Batch Operations uses to replicate existing objects",
        ),
        ("SyncRole", "Role of the runbook that replicates existing objects"),
        ("MonitoringRole", "Role that RDS uses to publish operating system metrics"),
        ("FlowLogsRole", "Role that VPCs use to write flow logs"),
        ("BackupRole", "Role that AWS Backup uses"),
    ):
        if title in t.resources:
            frame.output(t, f"{title}Arn", GetAtt(title, "Arn"), description=what)
    frame.output(
        t,
        "InstanceProfileName",
        Ref("InstanceProfile"),
        description="Instance profile of the servers",
    )
    return t


def _replication_roles(
    t: Template, source: storage.Bucket, target: storage.Bucket
) -> None:
    """Add three roles: for replicating new objects, there and back, and existing ones."""
    storage.replication_role(
        t,
        "ReplicationRole",
        name=name("replication"),
        description="Lets S3 copy objects to the target region",
        source=source,
        destination=target,
    )
    storage.replication_role(
        t,
        "ReverseReplicationRole",
        name=name("replication-back"),
        description="Lets S3 copy objects back to the source region",
        source=target,
        destination=source,
    )
    security.service_role(
        t,
        "BatchRole",
        name=name("batch-replication"),
        service=_BATCH,
        description="Lets S3 Batch Operations replicate what was there before",
        allow=source.replicate_existing(storage.Bucket(logs_bucket("source")), REPORTS),
        # As in the guide: nothing says that S3 Batch Operations names the source.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-iam-role-policies.html
        when=(),
    )


def _sync_role(t: Template) -> None:
    """Add the role of the runbook that waits for a batch job.

    A runbook without a role has a session of its caller, which ends after twelve hours; a
    job of many objects takes longer.
    https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-working-executing.html
    """
    security.service_role(
        t,
        "SyncRole",
        name=name("sync"),
        service="ssm.amazonaws.com",
        description="Lets the runbook sync start a batch job, and wait for it",
        allow=[
            # A job has no name before it is created; the role passed to it limits its
            # actions.
            security.statement(
                "CreateJobWhereNoResourceCanBeNamed",
                [s3.CreateJob],
                ["*"],
                StringEquals({"aws:RequestedRegion": Ref("SourceRegion")}),
            ),
            security.statement(
                "WatchJobs",
                [s3.DescribeJob],
                [names.arn("s3", "job/*", region="${SourceRegion}")],
            ),
            security.statement(
                "PassBatchRole",
                [iam.PassRole],
                [GetAtt("BatchRole", "Arn")],
                StringEquals({"iam:PassedToService": _BATCH}),
            ),
        ],
    )


def _database_and_network_roles(t: Template, shape: Shape) -> None:
    database.monitoring_role(t, "MonitoringRole", name=name("db-monitoring"))
    flows.role(
        t,
        "FlowLogsRole",
        name=name("flow-logs"),
        groups={
            name("flow", role): f"${{{frame.region_parameter(role)}}}"
            for role in shape.roles
        },
    )


def _instance_role(
    t: Template, shape: Shape, buckets: Mapping[str, storage.Bucket]
) -> None:
    """Add the servers' role, the same for both regions."""
    keys = {role: bucket.key_arn for role, bucket in buckets.items()}
    secret, secret_keys = SECRET, keys
    if not shape.builds_source:
        # With Secrets Manager's own key, reading the secret includes decrypting it.
        secret_key = frame.other_key(
            t,
            "SecretKeyArn",
            "ARN of the key of the secret's copy in the target region.",
        )
        secret_keys = {"target": secret_key}
        secret = "${DatabaseSecretName}"
        frame.wired(
            t,
            "DatabaseSecretName",
            "Name of the database's secret; it has a copy in the target region.",
            r"^[\w/+=.@-]+$",
            "the name of a secret",
        )
    allow = []
    for role in shape.roles:
        bucket = buckets[role]
        what, region = role.title(), f"${{{frame.region_parameter(role)}}}"
        allow += [*bucket.read(f"Read{what}"), *bucket.write(f"Write{what}")]
        allow += [
            _renamed(statement, what)
            for statement in (
                *database.read_secret(secret, region=region, key_arn=secret_keys[role]),
                *monitoring.write_logs(
                    [names.arn("logs", f"log-group:{name('app', role)}", region=region)]
                ),
                security.statement(
                    "ReadSwitch",
                    [ssm.GetParameter],
                    [names.arn("ssm", f"parameter{WRITES}", region=region)],
                ),
            )
        ]
    exports = storage.Bucket(BACKUP, "${TargetRegion}", keys["target"])
    security.service_role(
        t,
        "InstanceRole",
        name=name("instance"),
        service="ec2.${AWS::URLSuffix}",
        description="What the servers may do",
        allow=[*allow, *exports.write("WriteExports")],
        # Session Manager, instead of SSH from anywhere.
        managed=["AmazonSSMManagedInstanceCore"],
        # EC2 sends no source when it assumes a role for an instance.
        when=(),
    )
    security.instance_profile(
        t, "InstanceProfile", name=name("instance"), role=t.resources["InstanceRole"]
    )


def _renamed(statement: Statement, suffix: str) -> Statement:
    """Return the statement with its own Sid, as another region has the same one."""
    statement.properties["Sid"] += suffix
    return statement


def logs(shape: Shape) -> Template:
    """The log bucket of a region: access logs, and batch replication reports."""
    t = start("Bucket for access logs and reports", role=frame.EVERY)
    bucket = storage.Bucket(logs_bucket(names.THIS_ROLE))
    protection.log_bucket(
        t,
        name=bucket.name,
        days_parameter="AccessLogDays",
        what="access logs",
        policy=[
            *protection.access_log_statements(bucket, [DATA, REPLICA, BACKUP]),
            *servers.access_log_statements(bucket),
        ],
    )
    return t


def vaults(shape: Shape) -> Template:
    """The backup vault of a region, created before the plans, which copy between
    vaults."""
    t = start("Backup vault", role=frame.EVERY)
    vault = backup.vault(
        t,
        "Vault",
        name=name("vault", names.THIS_ROLE),
        key_arn=frame.key_arn(t),
        least_days=1,
    )
    frame.output(t, "VaultName", Ref(vault), description="Backup vault")
    frame.output(
        t, "VaultArn", GetAtt(vault, "BackupVaultArn"), description="ARN of the vault"
    )
    return t


def backups(shape: Shape) -> Template:
    """The daily backups of a region, copied to the other one while the system has it."""
    t = start("Daily backups, copied to the other region", role=shape.spread)
    vault = frame.wired(
        t,
        "VaultName",
        "Vault of this region.",
        r"^[\w-]{2,50}$",
        "the name of a backup vault",
    )
    other = None
    if not shape.removed:
        other = backup.vault_parameter(
            t,
            "OtherVaultArn",
            description="ARN of the vault that backups are copied to.",
        )
    role = frame.role_arn(t, "BackupRoleArn", "ARN of the role that AWS Backup uses.")
    days = {
        title: frame.parameter(
            t, title, type="Number", description=text, MinValue=1, MaxValue=3650
        )
        for title, text in (
            ("BackupRetentionDays", "Days that a backup is kept."),
            ("CopyRetentionDays", "Days that the copy in the other region is kept."),
        )
        if other is not None or title != "CopyRetentionDays"
    }
    plan = backup.plan(
        t,
        "Plan",
        name=name("daily"),
        vault_name=vault,
        copy_to=other,
        days=days["BackupRetentionDays"],
        copy_days=days.get("CopyRetentionDays"),
    )
    backup.selection(
        t,
        "Tagged",
        plan=plan,
        name=name("tagged"),
        role_arn=role,
        tag=names.sub(name("daily")),
    )
    backup.failed_alarms(
        t,
        vault=vault,
        name=name("%s-failed", shape.role),
        topic_arn=frame.alert_topic(t),
    )
    frame.output(t, "PlanId", Ref(plan), description="Backup plan")
    return t
