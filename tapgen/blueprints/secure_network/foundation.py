"""Keys, roles, the bucket for logs, and the audit trail."""

from __future__ import annotations

from awacs.aws import Statement
from troposphere import GetAtt, If, Ref, Template

from tapgen.blocks import (
    database,
    flows,
    frame,
    monitoring,
    names,
    protection,
    security,
    storage,
)
from tapgen.blueprints.secure_network.shape import (
    AUDIT,
    BACKUP,
    DATA,
    METRICS,
    REPLICA,
    SECRET,
    TRAIL,
    Shape,
    access_log_bucket,
    logs_bucket,
    name,
)

# AWS Config checks that nothing in the account weakens the system.
CHECKS = {
    "DefaultSecurityGroupClosed": (
        "VPC_DEFAULT_SECURITY_GROUP_CLOSED",
        "The default security group of a VPC lets nothing in or out",
    ),
    "SshClosed": (
        "INCOMING_SSH_DISABLED",
        "No security group lets SSH in from everywhere",
    ),
    "BucketsTakeTlsOnly": (
        "S3_BUCKET_SSL_REQUESTS_ONLY",
        "Every bucket refuses plain HTTP",
    ),
    "DatabasesEncrypted": (
        "RDS_STORAGE_ENCRYPTED",
        "Every database encrypts its storage",
    ),
}


def keys(shape: Shape) -> Template:
    """The multi-Region key of the system, and the alert topic of the region."""
    t = frame.start("Encryption key and alert topic, primary region", role="primary")
    key = security.key(
        t,
        "Key",
        name=name("key", "primary"),
        description="Encrypts the data of the system, in every region",
        policy=[
            *_key_users(shape),
            *(security.trail_statements(TRAIL) if shape.ideal else ()),
        ],
    )
    topic = monitoring.topic(
        t, "AlertTopic", name=name("alerts", "primary"), key_arn=GetAtt(key, "Arn")
    )
    frame.output(t, "KmsKeyId", Ref(key), description="Id of the key")
    frame.output(t, "KmsKeyArn", GetAtt(key, "Arn"), description="ARN of the key")
    frame.output(
        t,
        "AlertTopicArn",
        Ref(topic),
        description="ARN of the topic that alarms notify",
    )
    return t


def keys_dr(shape: Shape) -> Template:
    """The replica of the key in the recovery region, and its alert topic.

    A key works only in its own region, so a single one cannot encrypt both buckets.
    """
    t = frame.start("Replica of the encryption key, and alert topic", role="dr")
    primary = frame.parameter(
        t,
        "PrimaryKeyArn",
        group=frame.WIRING,
        label="Primary key",
        description="ARN of the multi-Region key that this one is a replica of.",
        pattern=frame.KEY_ARN_PATTERN.replace("(mrk-)?", "mrk-"),
        constraint="the ARN of a multi-Region key",
    )
    key = security.replica_key(
        t,
        "Key",
        name=name("key", "dr"),
        description="Encrypts the data of the system in the recovery region",
        primary_arn=primary,
        policy=_key_users(shape),
    )
    topic = monitoring.topic(
        t, "AlertTopic", name=name("alerts", "dr"), key_arn=GetAtt(key, "Arn")
    )
    frame.output(
        t,
        "DestinationKmsKeyArn",
        GetAtt(key, "Arn"),
        description="ARN of the key in the recovery region",
    )
    frame.output(
        t,
        "AlertTopicArn",
        Ref(topic),
        description="ARN of the topic that alarms notify",
    )
    return t


def _key_users(shape: Shape) -> list[Statement]:
    """Allow services to use the key of a region."""
    groups = [name("*")]
    if shape.ideal:
        groups.append(f"/aws/rds/instance/{name('*')}")
    return [security.logs_statement(*groups), security.alarms_statement()]


def roles(shape: Shape) -> Template:
    """All roles of the system, in one part, because IAM is global."""
    t = frame.start("IAM roles, one for each service", role=frame.GLOBAL)
    source_key = frame.other_key(
        t, "SourceKeyArn", "ARN of the key in the primary region."
    )
    destination_key = frame.other_key(
        t, "DestinationKeyArn", "ARN of the key in the recovery region."
    )
    source = storage.Bucket(DATA, "${PrimaryRegion}", source_key)
    destination = storage.Bucket(REPLICA, "${DrRegion}", destination_key)
    role = storage.replication_role(
        t,
        "ReplicationRole",
        name=name("replication"),
        description="Lets S3 copy objects to the recovery region",
        source=source,
        destination=destination,
    )
    frame.output(
        t,
        "ReplicationRoleArn",
        GetAtt(role, "Arn"),
        description="Role that S3 uses to replicate",
    )
    if shape.ideal:
        role = storage.replication_role(
            t,
            "ReverseReplicationRole",
            name=name("replication-back"),
            description="Lets S3 copy objects back to the primary region",
            source=destination,
            destination=source,
        )
        frame.output(
            t,
            "ReverseReplicationRoleArn",
            GetAtt(role, "Arn"),
            description="Role that S3 uses to replicate back",
        )
        _service_roles(t, shape)
        backup = storage.Bucket(BACKUP, "${DrRegion}", destination_key)
        _instance_role(t, source, destination, backup)
    return t


def _service_roles(t: Template, shape: Shape) -> None:
    role = flows.role(
        t,
        "FlowLogsRole",
        name=name("flow-logs"),
        groups={
            name("flow", role): f"${{{frame.region_parameter(role)}}}"
            for role in ("primary", "dr")
        },
    )
    frame.output(
        t,
        "FlowLogsRoleArn",
        GetAtt(role, "Arn"),
        description="Role that VPCs use to write flow logs",
    )
    role = protection.trail_role(t, "TrailRole", name=name("trail"), group=TRAIL)
    frame.output(
        t,
        "TrailRoleArn",
        GetAtt(role, "Arn"),
        description="Role that CloudTrail uses to write its log group",
    )
    role = database.monitoring_role(t, "MonitoringRole", name=name("db-monitoring"))
    frame.output(
        t,
        "MonitoringRoleArn",
        GetAtt(role, "Arn"),
        description="Role that RDS uses to publish operating system metrics",
    )
    if shape.baseline:
        buckets = [storage.Bucket(logs_bucket(role)) for role in ("primary", "dr")]
        role = security.service_role(
            t,
            "ConfigRole",
            name=name("config"),
            service="config.amazonaws.com",
            description="Lets AWS Config read and record configurations",
            allow=protection.record_to(buckets),
            managed=["service-role/AWS_ConfigRole"],
        )
        frame.output(
            t,
            "ConfigRoleArn",
            GetAtt(role, "Arn"),
            description="Role that AWS Config uses to record",
        )


def _instance_role(
    t: Template, data: storage.Bucket, replica: storage.Bucket, backup: storage.Bucket
) -> None:
    """The role of the application's instances, in both regions.

    After a failover they use the bucket and the secret's copy in the recovery region,
    with the key of that region.
    """
    app_logs = [
        names.arn("logs", f"log-group:{name('app', role)}", region=f"${{{region}}}")
        for role, region in (("primary", "PrimaryRegion"), ("dr", "DrRegion"))
    ]
    role = security.service_role(
        t,
        "InstanceRole",
        name=name("instance"),
        service="ec2.${AWS::URLSuffix}",
        description="What the instances of the application may do",
        allow=[
            *data.read("ReadData"),
            *data.write("WriteData"),
            *replica.read("ReadReplica"),
            *replica.write("WriteReplica"),
            *backup.write("WriteBackup"),
            *database.read_secret(
                SECRET, region="${PrimaryRegion}", key_arn=Ref("SourceKeyArn")
            ),
            *database.read_secret(
                SECRET,
                region="${DrRegion}",
                key_arn=Ref("DestinationKeyArn"),
                sid="SecretCopy",
            ),
            *monitoring.write_logs(app_logs),
        ],
        # Session Manager, instead of SSH from anywhere.
        managed=["AmazonSSMManagedInstanceCore"],
        # EC2 sends no source when it assumes a role for an instance.
        when=(),
    )
    profile = security.instance_profile(
        t, "InstanceProfile", name=name("instance"), role=role
    )
    frame.output(
        t,
        "InstanceProfileName",
        Ref(profile),
        description="Instance profile for the application's instances",
    )


def logs(shape: Shape) -> Template:
    """The log bucket of a region: access logs, trail, configuration history."""
    t = frame.start("Bucket for access and audit logs", role=frame.EVERY)
    bucket = storage.Bucket(logs_bucket(names.THIS_ROLE))
    trail = names.arn("cloudtrail", f"trail/{TRAIL}", region="${PrimaryRegion}")
    protection.log_bucket(
        t,
        name=bucket.name,
        days_parameter="AuditRetentionDays",
        what="access and audit logs",
        policy=[
            *protection.access_log_statements(bucket, [DATA, REPLICA, BACKUP, AUDIT]),
            # Where the trail was written to before it had a bucket of its own: it goes
            # back there if the rollout that moves it does.
            *protection.trail_statements(bucket, trail),
        ],
    )
    return t


def audit_bucket(shape: Shape) -> Template:
    """The bucket that the trail is written to once."""
    t = frame.start("Write-once bucket of the trail", role="primary")
    bucket = storage.Bucket(AUDIT)
    trail = names.arn("cloudtrail", f"trail/{TRAIL}", region="${PrimaryRegion}")
    protection.audit_bucket(
        t,
        name=bucket.name,
        days_parameter="AuditRetentionDays",
        log_to=access_log_bucket(t, shape),
        policy=protection.trail_statements(bucket, trail),
    )
    return t


def audit(shape: Shape) -> Template:
    """One trail for all regions; in each region a recorder and rules."""
    t = frame.start("CloudTrail and AWS Config", role=frame.EVERY)
    frame.is_primary(t)
    topic = frame.alert_topic(t)
    protection.trail(
        t,
        "Trail",
        name=TRAIL,
        bucket_name=frame.wired(
            t,
            "AuditBucketName",
            "Name of the bucket that the trail is written to.",
            frame.BUCKET_PATTERN,
            "the name of a bucket",
        ),
        key_arn=frame.key_arn(t),
        watched=[DATA, REPLICA, BACKUP],
        condition=frame.IS_PRIMARY,
    )
    protection.watch_trail(
        t,
        t.resources["TrailLogs"],
        group_name=TRAIL,
        alarm_name=name("audit-%s", "primary"),
        metrics=METRICS,
        topic_arn=topic,
        condition=frame.IS_PRIMARY,
    )
    recorder = None
    if shape.baseline:
        recorder = protection.recorder(
            t,
            "Recorder",
            name=name("recorder", names.THIS_ROLE),
            role_arn=frame.role_arn(
                t, "ConfigRoleArn", "ARN of the role that AWS Config uses to record."
            ),
            bucket_name=frame.log_bucket(t),
            # IAM is global: recording it in one region avoids paying twice.
            global_types=If(frame.IS_PRIMARY, True, False),
        )
    protection.rules(t, checks=CHECKS, name=name("%s", names.THIS_ROLE), after=recorder)
    frame.output(
        t,
        "TrailArn",
        GetAtt("Trail", "Arn"),
        description="ARN of the trail",
        condition=frame.IS_PRIMARY,
    )
    return t
