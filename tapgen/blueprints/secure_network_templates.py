"""The templates of secure_network, one function each.

They depend on the `Shape` alone: everything that differs between environments or
regions is a parameter, so that the bytes are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from awacs import logs as log_actions
from awacs.aws import ArnLike, Statement
from troposphere import GetAtt, If, Ref, Select, Template

from tapgen.blocks import (
    database,
    frame,
    monitoring,
    names,
    network,
    protection,
    security,
    storage,
)

CODE = "sn"
name = partial(names.name, CODE)

# What other templates must find before or without it being there, by name.
DATA = name("data", "primary", unique=True)
REPLICA = name("data", "dr", unique=True)
BACKUP = name("backup", "dr", unique=True)
TRAIL = name("trail", "primary")
SECRET = name("db-owner", "primary")


def logs_bucket(role: str) -> str:
    """The name of the bucket for logs of a region role."""
    return name("logs", role, unique=True)


METRICS = name("metrics")
"""The namespace of the metrics that this system counts from its logs."""

RULE = "everything"
"""The id of the replication rule, a dimension of its metrics."""

WEB_PORTS = (80, 443)

# What AWS Config checks: that nothing in the account undoes what is built here.
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

# The default format of a flow log record, by field.
_REJECTED = (
    "[version, account, interface, source, destination, sourceport, destinationport,"
    ' protocol, packets, bytes, start, end, action="REJECT", status]'
)


@dataclass(frozen=True)
class Shape:
    """What a template depends on: profile, number of zones, account baseline.

    `baseline` is whether the system also makes what an account may have only once.
    """

    ideal: bool
    zones: int
    baseline: bool

    @property
    def spread(self) -> str:
        """The region role of parts that only the ideal profile has everywhere."""
        return frame.EVERY if self.ideal else "primary"

    @property
    def role(self) -> str:
        """How such a part calls its region role in names."""
        return names.THIS_ROLE if self.ideal else "primary"


def keys(shape: Shape) -> Template:
    """The multi-Region key of the system, and where the alarms of the region go."""
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
    frame.output(t, "AlertTopicArn", Ref(topic), description="Topic that alarms notify")
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
    frame.output(t, "AlertTopicArn", Ref(topic), description="Topic that alarms notify")
    return t


def _key_users(shape: Shape) -> list[Statement]:
    """The services that use the key of a region by themselves."""
    groups = [name("*")]
    if shape.ideal:
        groups.append(f"/aws/rds/instance/{name('*')}")
    return [security.logs_statement(*groups), security.alarms_statement()]


def _arn_parameter(
    t: Template, title: str, description: str, pattern: str, what: str
) -> Ref:
    """A parameter for an ARN that another part of the system gives."""
    return frame.parameter(
        t,
        title,
        group=frame.WIRING,
        description=description,
        pattern=pattern,
        constraint=f"the ARN of a {what}",
    )


def roles(shape: Shape) -> Template:
    """Every role of the system: IAM is global, so they are made once."""
    t = frame.start("IAM roles, one for each service", role=frame.GLOBAL)
    source_key = _arn_parameter(
        t,
        "SourceKeyArn",
        "ARN of the key in the primary region.",
        frame.KEY_ARN_PATTERN,
        "key",
    )
    destination_key = _arn_parameter(
        t,
        "DestinationKeyArn",
        "ARN of the key in the recovery region.",
        frame.KEY_ARN_PATTERN,
        "key",
    )
    source = storage.Bucket(DATA, "${PrimaryRegion}", source_key)
    destination = storage.Bucket(REPLICA, "${DrRegion}", destination_key)
    role = security.service_role(
        t,
        "ReplicationRole",
        name=name("replication"),
        service="s3.amazonaws.com",
        description="Lets S3 copy objects to the recovery region",
        allow=[*source.replicate_from(), *destination.replicate_to()],
        when=[
            security.own_account(),
            ArnLike({"aws:SourceArn": names.sub(source.arn)}),
        ],
    )
    frame.output(
        t,
        "ReplicationRoleArn",
        GetAtt(role, "Arn"),
        description="Role by which S3 replicates",
    )
    if shape.ideal:
        _service_roles(t, shape)
        _instance_role(
            t, source, storage.Bucket(BACKUP, "${DrRegion}", destination_key)
        )
    return t


def _service_roles(t: Template, shape: Shape) -> None:
    flow_logs = [
        names.arn("logs", f"log-group:{name('flow', role)}", region=f"${{{region}}}")
        for role, region in (("primary", "PrimaryRegion"), ("dr", "DrRegion"))
    ]
    every_group = [
        names.arn("logs", "log-group:*", region=f"${{{region}}}")
        for region in ("PrimaryRegion", "DrRegion")
    ]
    role = security.service_role(
        t,
        "FlowLogsRole",
        name=name("flow-logs"),
        service="vpc-flow-logs.amazonaws.com",
        description="Lets the VPCs write their flow logs",
        allow=[
            *monitoring.write_logs(flow_logs),
            # Listing is by region: it takes no single log group as its resource.
            security.statement(
                "FindLogGroups", [log_actions.DescribeLogGroups], every_group
            ),
        ],
    )
    frame.output(
        t,
        "FlowLogsRoleArn",
        GetAtt(role, "Arn"),
        description="Role by which VPCs write flow logs",
    )
    role = security.service_role(
        t,
        "MonitoringRole",
        name=name("db-monitoring"),
        service="monitoring.rds.amazonaws.com",
        description="Lets RDS publish operating system metrics",
        managed=["service-role/AmazonRDSEnhancedMonitoringRole"],
    )
    frame.output(
        t,
        "MonitoringRoleArn",
        GetAtt(role, "Arn"),
        description="Role by which RDS publishes operating system metrics",
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
            description="Role by which AWS Config records",
        )


def _instance_role(t: Template, data: storage.Bucket, backup: storage.Bucket) -> None:
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
            *backup.write("WriteBackup"),
            *database.read_secret(
                SECRET, region="${PrimaryRegion}", key_arn=Ref("SourceKeyArn")
            ),
            *monitoring.write_logs(app_logs),
        ],
        # Session Manager, instead of SSH from anywhere.
        managed=["AmazonSSMManagedInstanceCore"],
        # EC2 gives no source when it assumes a role for an instance.
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
    """The bucket that takes the logs of a region: access, trail, configuration."""
    t = frame.start("Bucket for access and audit logs", role=frame.EVERY)
    days = frame.parameter(
        t,
        "AuditRetentionDays",
        type="Number",
        description="Days that access and audit logs are kept.",
        MinValue=91,
        MaxValue=3650,
    )
    bucket = storage.Bucket(logs_bucket(names.THIS_ROLE))
    trail = names.arn("cloudtrail", f"trail/{TRAIL}", region="${PrimaryRegion}")
    storage.bucket(
        t,
        "LogBucket",
        name=bucket.name,
        purpose="logs",
        # S3 delivers access logs only to a bucket with its own keys; the trail brings
        # its own encryption.
        key_arn=None,
        lifecycle=storage.lifecycle(
            noncurrent_days=30,
            transitions=[("STANDARD_IA", 30), ("GLACIER_IR", 90)],
            expire_days=days,
        ),
        policy=[
            *protection.access_log_statements(bucket, [DATA, REPLICA, BACKUP]),
            *protection.trail_statements(bucket, trail),
        ],
    )
    frame.output(
        t, "LogBucketName", Ref("LogBucket"), description="Bucket that takes the logs"
    )
    return t


def vpc(shape: Shape) -> Template:
    """The VPC and its security groups."""
    t = frame.start("VPC, subnets and security groups", role=shape.spread)
    made = network.vpc(t, "Vpc", name=name("vpc", shape.role), zones=shape.zones)
    public, public_routes = network.public_tier(
        t,
        made,
        # In the ideal profile only load balancers are here, with addresses of their own.
        public_addresses=not shape.ideal,
    )
    if shape.ideal:
        web = _tiers_of_groups(t, made)
        _tiers_of_subnets(t, made, public, public_routes)
        _flow_log(t, made)
    else:
        web = _web_group(
            t,
            made,
            "primary",
            [network.rule(None, to=network.ANYWHERE, description="Anything out")],
        )
        _private_logs(t, made, public, web)
    frame.output(t, "VpcId", made.id, description="The VPC")
    frame.output(
        t,
        "SubnetIds",
        network.ids(public),
        description="Public subnets, comma-separated",
    )
    frame.output(
        t,
        "SecurityGroupId",
        GetAtt(web, "GroupId"),
        description="Security group of the web tier",
    )
    return t


def _web_group(t: Template, made: network.Vpc, role: str, egress: Sequence[Any]) -> Any:
    allowed = frame.parameter(
        t,
        "AllowedCidr",
        label="Allowed addresses",
        description="Addresses that may reach the web tier.",
        pattern=frame.CIDR_PATTERN,
        constraint="an IPv4 range such as 203.0.113.0/24",
    )
    return network.security_group(
        t,
        "WebSecurityGroup",
        vpc=made,
        name=name("web", role),
        description="Web tier: HTTP and HTTPS from the allowed addresses",
        ingress=[
            network.rule(port, to=allowed, description="From the allowed addresses")
            for port in WEB_PORTS
        ],
        egress=egress,
    )


def _private_logs(
    t: Template, made: network.Vpc, public: Sequence[Any], web: Any
) -> None:
    """CloudWatch Logs inside the VPC.

    It is also the only thing in a VPC with neither NAT nor a role for flow logs that
    publishes a count of dropped packets.
    """
    endpoint = network.interface_endpoint(
        t, "LogsEndpoint", vpc=made, service="logs", subnets=public, group=web
    )
    network.from_group(
        t,
        "WebToLogsEndpoint",
        group=web,
        source=web,
        port=443,
        description="Members reach the endpoint, which is one of them",
    )
    frame.output(
        t,
        "LogsEndpointId",
        Ref(endpoint),
        description="Endpoint of CloudWatch Logs inside the VPC",
    )


def _tiers_of_groups(t: Template, made: network.Vpc) -> Any:
    """Security groups, each letting in only the one before it.

    Ways out name the next group in the group itself; ways in are resources of their
    own, so that no two groups wait for each other.
    """
    role = names.THIS_ROLE
    port = frame.parameter(
        t,
        "AppPort",
        type="Number",
        description="Port that the application tier listens on.",
        MinValue=1024,
        MaxValue=65535,
    )
    services = network.rule(443, to=network.ANYWHERE, description="HTTPS out")
    db = network.security_group(
        t,
        "DatabaseSecurityGroup",
        vpc=made,
        name=name("database", role),
        description="Database tier: PostgreSQL from the application, nothing out",
        egress=[],
    )
    app = network.security_group(
        t,
        "AppSecurityGroup",
        vpc=made,
        name=name("app", role),
        description="Application tier: from the web tier only",
        egress=[
            services,
            network.rule(database.PORT, to_group=db, description="To the database"),
        ],
    )
    web = _web_group(
        t,
        made,
        role,
        [services, network.rule(port, to_group=app, description="To the application")],
    )
    ssh = network.security_group(
        t,
        "SshSecurityGroup",
        vpc=made,
        name=name("ssh", role),
        description="Bastion: reached over Session Manager, so nothing in",
        egress=[
            services,
            network.rule(22, to_group=app, description="SSH to the application"),
        ],
    )
    for title, group, source, number, description in (
        ("WebToApp", app, web, port, "From the web tier"),
        ("SshToApp", app, ssh, 22, "SSH from the bastion only"),
        ("AppToDatabase", db, app, database.PORT, "From the application tier"),
    ):
        network.from_group(
            t, title, group=group, source=source, port=number, description=description
        )
    for title, group, tier in (
        ("AppSecurityGroupId", app, "application tier"),
        ("DatabaseSecurityGroupId", db, "database tier"),
        ("SshSecurityGroupId", ssh, "bastion"),
    ):
        frame.output(
            t,
            title,
            GetAtt(group, "GroupId"),
            description=f"Security group of the {tier}",
        )
    return web


def _tiers_of_subnets(
    t: Template, made: network.Vpc, public: Sequence[Any], public_routes: Any
) -> None:
    private, private_routes, gateways = network.private_tier(t, made, public=public)
    isolated, isolated_routes = network.isolated_tier(t, made)
    network.gateway_endpoint(
        t,
        "S3Endpoint",
        vpc=made,
        service="s3",
        tables=[public_routes, *private_routes, isolated_routes],
    )
    topic = frame.alert_topic(t)
    for number, gateway in enumerate(gateways, 1):
        for title, metric, thing, threshold, datapoints, description in (
            (
                "Drops",
                "PacketsDropCount",
                "nat-drops",
                100,
                (3, 3),
                "The NAT gateway has been dropping packets for fifteen minutes",
            ),
            (
                "Ports",
                "ErrorPortAllocation",
                "nat-ports",
                0,
                (1, 1),
                "The NAT gateway has no port left for another connection",
            ),
        ):
            monitoring.alarm(
                t,
                f"Nat{title}Alarm{number}",
                name=name(f"{thing}-{number}", names.THIS_ROLE),
                description=description,
                namespace="AWS/NATGateway",
                metric=metric,
                dimensions={"NatGatewayId": Ref(gateway)},
                statistic="Sum",
                period=300,
                datapoints=datapoints,
                comparison=">",
                threshold=threshold,
                missing="notBreaching",
                topic_arn=topic,
            )
    for title, resources, what in (
        ("PrivateSubnetIds", private, "Private subnets"),
        ("IsolatedSubnetIds", isolated, "Isolated subnets"),
        ("NatGatewayIds", gateways, "NAT gateways"),
    ):
        frame.output(
            t, title, network.ids(resources), description=f"{what}, comma-separated"
        )


def _flow_log(t: Template, made: network.Vpc) -> None:
    role = _arn_parameter(
        t,
        "FlowLogsRoleArn",
        "ARN of the role by which the VPC writes its flow log.",
        frame.ROLE_ARN_PATTERN,
        "role",
    )
    threshold = frame.parameter(
        t,
        "RejectedPacketsAlarm",
        type="Number",
        description="Packets refused in five minutes that raise an alarm.",
        MinValue=1,
    )
    group = monitoring.log_group(
        t,
        "FlowLogGroup",
        name=name("flow", names.THIS_ROLE),
        key_arn=frame.key_arn(t),
        retention_days=monitoring.retention(t),
    )
    network.flow_log(t, "FlowLog", vpc=made, log_group=group, role_arn=role)
    monitoring.metric_filter(
        t,
        "RejectedPackets",
        log_group=group,
        pattern=_REJECTED,
        namespace=names.sub(METRICS),
        metric="RejectedPackets",
        value="$packets",
    )
    monitoring.alarm(
        t,
        "RejectedPacketsRaised",
        name=name("rejected-packets", names.THIS_ROLE),
        description="Security groups or network ACLs refuse unusually many packets",
        namespace=names.sub(METRICS),
        metric="RejectedPackets",
        dimensions={},
        statistic="Sum",
        period=300,
        datapoints=(3, 3),
        comparison=">",
        threshold=threshold,
        missing="notBreaching",
        topic_arn=Ref("AlertTopicArn"),
    )
    frame.output(
        t, "FlowLogGroupName", Ref(group), description="Log group of the flow log"
    )


def _noncurrent_days(t: Template) -> Ref:
    return frame.parameter(
        t,
        "NoncurrentVersionDays",
        type="Number",
        description="Days that replaced and deleted objects can still be brought back.",
        MinValue=1,
        MaxValue=3650,
    )


def _log_bucket(t: Template, shape: Shape) -> Ref | None:
    if not shape.ideal:
        return None
    return frame.parameter(
        t,
        "LogBucketName",
        group=frame.WIRING,
        label="Log bucket",
        description="Bucket of this region that takes access logs.",
        pattern=frame.BUCKET_PATTERN,
        constraint="the name of a bucket",
    )


_REPLICATION = {
    "SourceBucket": names.sub(DATA),
    "DestinationBucket": names.sub(REPLICA),
    "RuleId": RULE,
}


def storage_dr(shape: Shape) -> Template:
    """The bucket that is replicated to, and the one for backups."""
    t = frame.start("Destination of the replication, and backups", role="dr")
    key = frame.key_arn(t)
    topic = frame.alert_topic(t)
    log_bucket = _log_bucket(t, shape)
    days = _noncurrent_days(t)
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
        description="ARN of that bucket",
    )
    if shape.ideal:
        # Away from the primary region: a backup that goes down with it is none.
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
        )
        frame.output(
            t,
            "BackupBucketName",
            Ref("BackupBucket"),
            description="Bucket for exports and dumps",
        )
    # S3 publishes how far behind a replica is in the region of the destination, and
    # what failed in that of the source.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
    monitoring.alarm(
        t,
        "ReplicationLatencyAlarm",
        name=name("replication-latency", "dr"),
        description="The replica is more than fifteen minutes behind its source",
        namespace="AWS/S3",
        metric="ReplicationLatency",
        dimensions=_REPLICATION,
        statistic="Maximum",
        period=300,
        datapoints=(3, 3),
        comparison=">",
        threshold=storage.REPLICATION_MINUTES * 60,
        missing="notBreaching",
        topic_arn=topic,
    )
    return t


def _data_transitions(shape: Shape) -> list[tuple[str, int]]:
    return [("INTELLIGENT_TIERING", 30)] if shape.ideal else []


def storage_primary(shape: Shape) -> Template:
    """The bucket that is replicated from."""
    t = frame.start("Data bucket with replication", role="primary")
    key = frame.key_arn(t)
    topic = frame.alert_topic(t)
    log_bucket = _log_bucket(t, shape)
    days = _noncurrent_days(t)
    destination = _arn_parameter(
        t,
        "DestinationBucketArn",
        "ARN of the bucket to replicate to; it must exist.",
        r"^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]+$",
        "bucket",
    )
    replica_key = _arn_parameter(
        t,
        "DestinationKeyArn",
        "ARN of the key, in the recovery region, that replicas get.",
        frame.KEY_ARN_PATTERN,
        "key",
    )
    role = _arn_parameter(
        t,
        "ReplicationRoleArn",
        "ARN of the role by which S3 replicates.",
        frame.ROLE_ARN_PATTERN,
        "role",
    )
    frame.flag(
        t,
        "ReplicationTimeControl",
        description="Whether S3 promises to replicate within 15 minutes, at a price.",
        condition="HasTimeControl",
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
        replication=storage.Replication(
            destination=destination,
            key_arn=replica_key,
            role_arn=role,
            rule=RULE,
            time_control="HasTimeControl",
        ),
    )
    monitoring.alarm(
        t,
        "ReplicationFailedAlarm",
        name=name("replication-failed", "primary"),
        description="S3 could not replicate an object: look at its ReplicationStatus",
        namespace="AWS/S3",
        metric="OperationsFailedReplication",
        dimensions=_REPLICATION,
        statistic="Sum",
        period=300,
        datapoints=(1, 1),
        comparison=">",
        threshold=0,
        missing="notBreaching",
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
        description="ARN of that bucket",
    )
    return t


def _database_settings(t: Template) -> dict[str, Ref]:
    """The parameters that the database and its replica share, by property."""
    found = {
        "instance_class": frame.parameter(
            t,
            "InstanceClass",
            description="Class of the instance.",
            pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$",
            constraint="a class such as db.r6g.large",
        ),
        "max_storage": frame.parameter(
            t,
            "MaxStorageGiB",
            label="Largest storage (GiB)",
            type="Number",
            description="Size in GiB that the storage may grow to by itself.",
            MinValue=22,
            MaxValue=65536,
        ),
        "deletion_protection": frame.parameter(
            t,
            "DeletionProtection",
            description="Whether RDS refuses to delete the instance.",
            AllowedValues=["true", "false"],
        ),
    }
    return found


def _database_alarms(t: Template, identifier: str, role: str) -> None:
    free = frame.parameter(
        t,
        "FreeStorageLimit",
        type="Number",
        description="Bytes of free storage below which an alarm is raised.",
        MinValue=1,
    )
    connections = frame.parameter(
        t,
        "ConnectionsLimit",
        type="Number",
        description="Connections above which an alarm is raised.",
        MinValue=1,
    )
    database.alarms(
        t,
        identifier=identifier,
        alarm_name=name("db-%s", role),
        topic_arn=frame.alert_topic(t),
        free_storage=free,
        connections=connections,
    )


def _database_place(t: Template, role: str) -> database.Place:
    return database.place(
        t,
        identifier=name("db", role),
        name=name("db", role),
        parameter_group_name=name("postgres${Major}", role),
        key_arn=frame.key_arn(t),
        retention_days=monitoring.retention(t),
    )


def database_primary(shape: Shape) -> Template:
    """PostgreSQL in two zones, with the password in Secrets Manager."""
    t = frame.start("PostgreSQL", role="primary")
    place = _database_place(t, "primary")
    replica_key = _arn_parameter(
        t,
        "DestinationKeyArn",
        "ARN of the key, in the recovery region, for the copy of the secret.",
        frame.KEY_ARN_PATTERN,
        "key",
    )
    settings = _database_settings(t)
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
        database=frame.parameter(
            t,
            "DatabaseName",
            description="Name of the database that is made at first.",
            pattern=r"^[a-z][a-z0-9_]{0,62}$",
            constraint="a lower-case letter, then letters, digits and underscores",
        ),
        storage=frame.parameter(
            t,
            "StorageGiB",
            label="Storage (GiB)",
            type="Number",
            description="Size of the storage in GiB.",
            MinValue=20,
            MaxValue=65536,
        ),
        backup_days=frame.parameter(
            t,
            "BackupDays",
            type="Number",
            description="Days back to which the database can be restored.",
            MinValue=7,
            MaxValue=35,
        ),
        multi_az=frame.parameter(
            t,
            "MultiAz",
            description="Whether a standby in another zone takes over.",
            AllowedValues=["true", "false"],
        ),
        **settings,
    )
    _database_alarms(t, name("db", "primary"), "primary")
    for title, value, what in (
        ("DatabaseIdentifier", Ref(instance), "Identifier of the instance"),
        ("DatabaseArn", GetAtt(instance, "DBInstanceArn"), "ARN of the instance"),
        ("DatabaseEndpoint", GetAtt(instance, "Endpoint.Address"), "Host name"),
        ("DatabasePort", GetAtt(instance, "Endpoint.Port"), "Port"),
        ("DatabaseSecretArn", Ref(secret), "Secret with user name and password"),
    ):
        frame.output(t, title, value, description=what)
    return t


def database_dr(shape: Shape) -> Template:
    """The read replica in the recovery region, ready to be promoted."""
    t = frame.start("PostgreSQL read replica", role="dr")
    place = _database_place(t, "dr")
    source = _arn_parameter(
        t,
        "SourceDatabaseArn",
        "ARN of the instance to replicate.",
        r"^arn:aws[a-z-]*:rds:[a-z0-9-]+:\d{12}:db:[a-z][a-z0-9-]*$",
        "database instance",
    )
    instance = database.replica(
        t,
        "Replica",
        place=place,
        source_arn=source,
        source_region=Ref("PrimaryRegion"),
        **_database_settings(t),
    )
    _database_alarms(t, name("db", "dr"), "dr")
    monitoring.alarm(
        t,
        "ReplicaLagAlarm",
        name=name("db-lag", "dr"),
        description="The replica is more than a minute behind, or says nothing",
        namespace="AWS/RDS",
        metric="ReplicaLag",
        dimensions={"DBInstanceIdentifier": names.sub(name("db", "dr"))},
        statistic="Maximum",
        period=60,
        datapoints=(5, 5),
        comparison=">",
        threshold=60,
        # A replica that stopped replicating stops publishing, too.
        missing="breaching",
        topic_arn=Ref("AlertTopicArn"),
    )
    for title, value, what in (
        ("ReplicaIdentifier", Ref(instance), "Identifier of the replica"),
        ("ReplicaArn", GetAtt(instance, "DBInstanceArn"), "ARN of the replica"),
        ("ReplicaEndpoint", GetAtt(instance, "Endpoint.Address"), "Host name"),
    ):
        frame.output(t, title, value, description=what)
    return t


def audit(shape: Shape) -> Template:
    """One trail for all regions; in each region a recorder and rules."""
    t = frame.start("CloudTrail and AWS Config", role=frame.EVERY)
    frame.is_primary(t)
    bucket = _log_bucket(t, shape)
    protection.trail(
        t,
        "Trail",
        name=TRAIL,
        bucket_name=bucket,
        key_arn=frame.key_arn(t),
        condition=frame.IS_PRIMARY,
    )
    recorder = None
    if shape.baseline:
        recorder = protection.recorder(
            t,
            "Recorder",
            name=name("recorder", names.THIS_ROLE),
            role_arn=_arn_parameter(
                t,
                "ConfigRoleArn",
                "ARN of the role by which AWS Config records.",
                frame.ROLE_ARN_PATTERN,
                "role",
            ),
            bucket_name=bucket,
            # IAM is the same everywhere: recorded once, or paid for twice.
            global_types=If(frame.IS_PRIMARY, True, False),
        )
    protection.rules(t, checks=CHECKS, name=name("%s", names.THIS_ROLE), after=recorder)
    frame.output(
        t,
        "TrailArn",
        GetAtt("Trail", "Arn"),
        description="Trail of all regions",
        condition=frame.IS_PRIMARY,
    )
    return t


def observability(shape: Shape) -> Template:
    """The application's log group, its errors, and the dashboard."""
    t = frame.start("Application logs and dashboard", role=shape.spread)
    group = monitoring.log_group(
        t,
        "AppLogGroup",
        name=name("app", shape.role),
        key_arn=frame.key_arn(t),
        retention_days=monitoring.retention(t),
    )
    if shape.ideal:
        _app_errors(t, group)
        drops = _nat_drops(t, shape)
    else:
        drops = _endpoint_drops(t)
    widgets = [*_storage_graphs(), *drops[0]]
    if shape.ideal:
        widgets += _database_graphs()
    board = monitoring.dashboard(
        t,
        "Dashboard",
        name=name("overview", shape.role),
        widgets=widgets,
        **drops[1],
    )
    frame.output(
        t, "LogGroupName", Ref(group), description="Log group of the application"
    )
    frame.output(t, "DashboardName", Ref(board), description="The dashboard")
    return t


def _app_errors(t: Template, group: Any) -> None:
    monitoring.metric_filter(
        t,
        "AppErrors",
        log_group=group,
        pattern="?ERROR ?FATAL",
        namespace=names.sub(METRICS),
        metric="AppErrors",
        value="1",
    )
    monitoring.alarm(
        t,
        "AppErrorsAlarm",
        name=name("app-errors", names.THIS_ROLE),
        description="The application logs errors, three minutes out of five",
        namespace=names.sub(METRICS),
        metric="AppErrors",
        dimensions={},
        statistic="Sum",
        period=60,
        datapoints=(3, 5),
        comparison=">",
        threshold=0,
        missing="notBreaching",
        topic_arn=frame.alert_topic(t),
    )


def _at(region: str, **more: Any) -> dict[str, Any]:
    """The options of a metric that a graph takes from a region."""
    return {"region": f"${{{region}}}", **more}


def _storage_graphs() -> list[dict[str, Any]]:
    size = {"StorageType": "StandardStorage"}
    replication = ["SourceBucket", DATA, "DestinationBucket", REPLICA, "RuleId", RULE]
    return [
        monitoring.graph(
            "Bucket size (daily)",
            [
                # S3 publishes sizes once a day, for each storage class.
                ["AWS/S3", "BucketSizeBytes", "BucketName", bucket]
                + [text for pair in size.items() for text in pair]
                + [_at(region, label=label)]
                for bucket, region, label in (
                    (DATA, "PrimaryRegion", "data"),
                    (REPLICA, "DrRegion", "replica"),
                )
            ],
            region="${PrimaryRegion}",
            statistic="Average",
            period=86400,
        ),
        monitoring.graph(
            "Replication",
            [
                ["AWS/S3", metric, *replication, _at(region, label=metric, stat=stat)]
                for metric, region, stat in (
                    ("ReplicationLatency", "DrRegion", "Maximum"),
                    ("OperationsPendingReplication", "DrRegion", "Maximum"),
                    ("OperationsFailedReplication", "PrimaryRegion", "Sum"),
                )
            ],
            region="${PrimaryRegion}",
            statistic="Maximum",
            period=300,
        ),
    ]


def _endpoint_drops(t: Template) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What the VPC drops where it has neither NAT nor flow logs."""
    endpoint = frame.parameter(
        t,
        "LogsEndpointId",
        group=frame.WIRING,
        label="Logs endpoint",
        description="Interface endpoint of the VPC that counts dropped packets.",
        pattern=r"^vpce-[0-9a-f]+$",
        constraint="the id of a VPC endpoint",
    )
    vpc_id = frame.parameter(
        t,
        "VpcId",
        group=frame.WIRING,
        label="VPC",
        type="AWS::EC2::VPC::Id",
        description="The VPC.",
    )
    dimensions = [
        *("Endpoint Type", "Interface"),
        *("Service Name", "com.amazonaws.${AWS::Region}.logs"),
        *("VPC Endpoint Id", f"${{{endpoint.data['Ref']}}}"),
        *("VPC Id", f"${{{vpc_id.data['Ref']}}}"),
    ]
    graph = monitoring.graph(
        "Packets dropped in the VPC",
        [["AWS/PrivateLinkEndpoints", "PacketsDropped", *dimensions]],
        region="${AWS::Region}",
        statistic="Sum",
        period=300,
    )
    return [graph], {}


def _nat_drops(
    t: Template, shape: Shape
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What the NAT gateways drop and the flow log sees refused, errors of the app."""
    gateways = frame.parameter(
        t,
        "NatGatewayIds",
        group=frame.WIRING,
        label="NAT gateways",
        type="CommaDelimitedList",
        description="NAT gateways of the VPC, one for each zone.",
    )
    numbers = range(1, shape.zones + 1)
    drops = monitoring.graph(
        "Packets dropped in the VPC",
        [
            ["AWS/NATGateway", "PacketsDropCount", "NatGatewayId", f"${{Nat{n}}}"]
            for n in numbers
        ]
        + [[METRICS, "RejectedPackets", {"label": "rejected (flow log)"}]],
        region="${AWS::Region}",
        statistic="Sum",
        period=300,
    )
    errors = monitoring.graph(
        "Errors of the application",
        [[METRICS, "AppErrors"]],
        region="${AWS::Region}",
        statistic="Sum",
        period=60,
    )
    return [drops, errors], {f"Nat{n}": Select(n - 1, gateways) for n in numbers}


def _database_graphs() -> list[dict[str, Any]]:
    places = (("primary", "PrimaryRegion"), ("dr", "DrRegion"))
    load = [
        ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", name("db", role)]
        + [_at(region, label=role)]
        for role, region in places
    ]
    lag = ["AWS/RDS", "ReplicaLag", "DBInstanceIdentifier", name("db", "dr")]
    return [
        monitoring.graph(
            "Database processors (%)",
            load,
            region="${PrimaryRegion}",
            statistic="Average",
            period=300,
        ),
        monitoring.graph(
            "Replica behind (seconds)",
            [[*lag, _at("DrRegion")]],
            region="${DrRegion}",
            statistic="Maximum",
            period=60,
        ),
    ]
