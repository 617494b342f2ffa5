"""The templates of secure_network, one function each.

They depend on the `Shape` alone: everything that differs between environments or
regions is a parameter, so that the bytes are the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from troposphere import GetAtt, Ref, Template

from tapgen.blocks import frame, monitoring, names, network, security, storage

CODE = "sn"
name = partial(names.name, CODE)

# Buckets are known by name: roles and policies are written before buckets exist.
DATA = name("data", "primary", unique=True)
REPLICA = name("data", "dr", unique=True)

RULE = "everything"
"""The id of the replication rule, a dimension of its metrics."""

WEB_PORTS = (80, 443)


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
        policy=_key_users(shape, "primary"),
    )
    topic = monitoring.topic(
        t,
        "AlertTopic",
        name=name("alerts", "primary"),
        key_arn=GetAtt(key, "Arn"),
    )
    frame.output(t, "KmsKeyId", Ref(key), description="Id of the key (mrk-…)")
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
        policy=_key_users(shape, "dr"),
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


def _key_users(shape: Shape, role: str) -> list[security.Statement]:
    """The services that use the key of a region by themselves."""
    groups = [name("*")]
    users = [security.logs_statement(*groups), security.alarms_statement()]
    return users


def roles(shape: Shape) -> Template:
    """Every role of the system: IAM is global, so they are made once."""
    t = frame.start("IAM roles, one for each service", role="global")
    source_key = frame.parameter(
        t,
        "SourceKeyArn",
        group=frame.WIRING,
        description="ARN of the key in the primary region.",
        pattern=frame.KEY_ARN_PATTERN,
        constraint="the ARN of a key",
    )
    destination_key = frame.parameter(
        t,
        "DestinationKeyArn",
        group=frame.WIRING,
        description="ARN of the key in the recovery region.",
        pattern=frame.KEY_ARN_PATTERN,
        constraint="the ARN of a key",
    )
    source = storage.Bucket(DATA, "${PrimaryRegion}", source_key)
    destination = storage.Bucket(REPLICA, "${DrRegion}", destination_key)
    replication = security.service_role(
        t,
        "ReplicationRole",
        name=name("replication"),
        service="s3.amazonaws.com",
        description="Lets S3 copy objects to the recovery region",
        allow=[*source.replicate_from(), *destination.replicate_to()],
        when=[
            security.own_account(),
            security.ArnLike({"aws:SourceArn": names.sub(source.arn)}),
        ],
    )
    frame.output(
        t,
        "ReplicationRoleArn",
        GetAtt(replication, "Arn"),
        description="Role by which S3 replicates",
    )
    return t


def network_(shape: Shape) -> Template:
    """The VPC and its security groups."""
    t = frame.start("VPC, subnets and security groups", role=shape.spread)
    vpc = network.vpc(t, "Vpc", name=name("vpc", shape.role), zones=shape.zones)
    public, public_routes = network.public_tier(
        t, vpc, public_addresses=not shape.ideal
    )
    allowed = frame.parameter(
        t,
        "AllowedCidr",
        label="Allowed addresses",
        description="Addresses that may reach the web tier.",
        pattern=frame.CIDR_PATTERN,
        constraint="an IPv4 range such as 203.0.113.0/24",
    )
    web = network.security_group(
        t,
        "WebSecurityGroup",
        vpc=vpc,
        name=name("web", shape.role),
        description="Web tier: HTTP and HTTPS from the allowed addresses",
        ingress=[
            network.rule(port, to=allowed, description=f"{port} from outside")
            for port in WEB_PORTS
        ],
        egress=[network.rule(None, to=network.ANYWHERE, description="Anything out")],
    )
    _private_logs(t, vpc, public, web)
    frame.output(t, "VpcId", vpc.id, description="The VPC")
    frame.output(
        t,
        "SubnetIds",
        network.ids(public),
        description="Public subnets, joined by commas",
    )
    frame.output(
        t,
        "SecurityGroupId",
        GetAtt(web, "GroupId"),
        description="Security group of the web tier",
    )
    return t


def _private_logs(t, vpc, public, web):
    # Also the only thing in a VPC without NAT and without a role for flow logs that
    # publishes a count of dropped packets.
    endpoint = network.interface_endpoint(
        t, "LogsEndpoint", vpc=vpc, service="logs", subnets=public, group=web
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


def _noncurrent_days(t: Template) -> Ref:
    return frame.parameter(
        t,
        "NoncurrentVersionDays",
        type="Number",
        description="Days that replaced and deleted objects can still be brought back.",
        MinValue=1,
        MaxValue=3650,
    )


def storage_dr(shape: Shape) -> Template:
    """The bucket that is replicated to."""
    t = frame.start("Destination of the replication", role="dr")
    key = frame.key_arn(t)
    topic = frame.alert_topic(t)
    days = _noncurrent_days(t)
    destination = storage.bucket(
        t,
        "DestinationBucket",
        name=REPLICA,
        purpose="data",
        key_arn=key,
        lifecycle=storage.lifecycle(noncurrent_days=days),
    )
    monitoring.alarm(
        t,
        "ReplicationLatencyAlarm",
        name=name("replication-latency", "dr"),
        description="The replica is more than fifteen minutes behind its source",
        # S3 publishes lag in the region of the destination, failures in the source's.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
        namespace="AWS/S3",
        metric="ReplicationLatency",
        dimensions=_replication_dimensions(),
        statistic="Maximum",
        period=300,
        datapoints=(3, 3),
        comparison=">",
        threshold=storage.REPLICATION_MINUTES * 60,
        missing="notBreaching",
        topic_arn=topic,
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
    return t


def _replication_dimensions():
    return {
        "SourceBucket": names.sub(DATA),
        "DestinationBucket": names.sub(REPLICA),
        "RuleId": RULE,
    }


def storage_(shape: Shape) -> Template:
    """The bucket that is replicated from."""
    t = frame.start("Data bucket with replication", role="primary")
    key = frame.key_arn(t)
    topic = frame.alert_topic(t)
    days = _noncurrent_days(t)
    destination = frame.parameter(
        t,
        "DestinationBucketArn",
        group=frame.WIRING,
        description="ARN of the bucket to replicate to; it must exist.",
        pattern=r"^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]+$",
        constraint="the ARN of a bucket",
    )
    replica_key = frame.parameter(
        t,
        "DestinationKeyArn",
        group=frame.WIRING,
        description="ARN of the key, in the recovery region, that replicas get.",
        pattern=frame.KEY_ARN_PATTERN,
        constraint="the ARN of a key (an alias will not do)",
    )
    role = frame.parameter(
        t,
        "ReplicationRoleArn",
        group=frame.WIRING,
        description="ARN of the role by which S3 replicates.",
        pattern=frame.ROLE_ARN_PATTERN,
        constraint="the ARN of a role",
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
        lifecycle=storage.lifecycle(noncurrent_days=days),
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
        description="S3 could not replicate an object; see its ReplicationStatus",
        namespace="AWS/S3",
        metric="OperationsFailedReplication",
        dimensions=_replication_dimensions(),
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
