"""What storage services refuse: volumes, buckets, file systems, vaults, streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.knowledge.refusals.model import Refusal, Rule

_VOLUME: Mapping[str, Any] = {"AvailabilityZone": "us-east-1a", "Size": 100}
_VOLUME_ADVICE = (
    "keep it, or make another volume with another logical id and copy the data there"
)
_REPLICATED: Mapping[str, Any] = {
    "VersioningConfiguration": {"Status": "Enabled"},
    "ReplicationConfiguration": {
        "Role": "arn:aws:iam::111111111111:role/replication",
        "Rules": [
            {
                "Status": "Enabled",
                "Destination": {"Bucket": "arn:aws:s3:::copies-of-orders"},
            }
        ],
    },
}
_LOCKED: Mapping[str, Any] = {
    "ObjectLockEnabled": True,
    "VersioningConfiguration": {"Status": "Enabled"},
}
_BROKERS: Mapping[str, Any] = {
    "ClusterName": "events",
    "KafkaVersion": "3.6.0",
    "NumberOfBrokerNodes": 3,
    "BrokerNodeGroupInfo": {
        "InstanceType": "kafka.m5.large",
        "ClientSubnets": ["subnet-1", "subnet-2", "subnet-3"],
        "StorageInfo": {"EBSStorageInfo": {"VolumeSize": 200}},
    },
}
_DELIVERY: Mapping[str, Any] = {
    "BucketARN": "arn:aws:s3:::copies-of-orders",
    "RoleARN": "arn:aws:iam::111111111111:role/delivery",
}


def _volume(path: str, before: Any, after: Any) -> Refusal:
    """A property of volumes whose updates are not supported."""
    return Refusal(
        type="AWS::EC2::Volume",
        path=path,
        rule=Rule.CHANGED,
        words=(
            "Volume properties other than AutoEnableIO, type, size, and IOPS cannot be "
            "updated"
        ),
        advice=_VOLUME_ADVICE,
        source=f"resource reference of AWS::EC2::Volume, {path}",
        checked="go-to-k/cdkd#1356 (AWS's sentence)",
        code="",
        before={**_VOLUME, **({path: before} if before is not None else {})},
        after={**_VOLUME, **({path: after} if after is not None else {})},
        neutral={
            **_VOLUME,
            **({path: before} if before is not None else {}),
            "Size": 200,
        },
    )


def _file_system(capacity: int) -> Mapping[str, Any]:
    return {
        "FileSystemType": "WINDOWS",
        "SubnetIds": ["subnet-1"],
        "StorageCapacity": capacity,
        "WindowsConfiguration": {"ThroughputCapacity": 32},
    }


def _brokers(**more: Any) -> Mapping[str, Any]:
    return {**_BROKERS, **more}


def _broker_storage(size: int) -> Mapping[str, Any]:
    group = {
        **_BROKERS["BrokerNodeGroupInfo"],
        "StorageInfo": {"EBSStorageInfo": {"VolumeSize": size}},
    }
    return _brokers(BrokerNodeGroupInfo=group)


def _to_bucket(**more: Any) -> Mapping[str, Any]:
    return {"ExtendedS3DestinationConfiguration": {**_DELIVERY, **more}}


STORAGE: tuple[Refusal, ...] = (
    Refusal(
        type="AWS::EC2::Volume",
        path="Size",
        rule=Rule.DECREASED,
        words="New size cannot be smaller than existing size",
        advice=_VOLUME_ADVICE,
        source="aws/aws-cli#4216 (ModifyVolume)",
        checked="kubernetes/kops#17344 (the same answer of ModifyVolume)",
        before=_VOLUME,
        after={**_VOLUME, "Size": 50},
        neutral={**_VOLUME, "Size": 200},
    ),
    _volume("AvailabilityZone", "us-east-1a", "us-east-1b"),
    _volume("AvailabilityZoneId", "use1-az1", "use1-az2"),
    _volume("Encrypted", True, False),
    _volume("KmsKeyId", "alias/one", "alias/two"),
    _volume("SnapshotId", "snap-1", "snap-2"),
    Refusal(
        type="AWS::S3::Bucket",
        path="VersioningConfiguration/Status",
        rule=Rule.CHANGED,
        held={
            "VersioningConfiguration/Status": ("Enabled",),
            "ReplicationConfiguration": (),
        },
        words=(
            "A replication configuration is present on this bucket, so you cannot "
            "change the versioning state. To change the versioning state, first delete "
            "the replication configuration."
        ),
        advice=(
            "roll out twice: first without ReplicationConfiguration, then with the "
            "other versioning state"
        ),
        source="hashicorp/terraform#22491",
        checked="rustfs/rustfs#6006 (PutBucketVersioning, InvalidBucketState)",
        before=_REPLICATED,
        after={**_REPLICATED, "VersioningConfiguration": {"Status": "Suspended"}},
        neutral={"VersioningConfiguration": {"Status": "Enabled"}},
    ),
    Refusal(
        type="AWS::S3::Bucket",
        path="VersioningConfiguration/Status",
        rule=Rule.CHANGED,
        held={
            "VersioningConfiguration/Status": ("Enabled",),
            "ObjectLockEnabled": ("true",),
        },
        words=(
            "An Object Lock configuration is present on this bucket, so the versioning "
            "state cannot be changed."
        ),
        advice="keep versioning enabled: a bucket never loses its Object Lock",
        source="versity/versitygw#838 (the answer of S3)",
        checked="storj/edge#509 (the same answer, InvalidBucketState)",
        before=_LOCKED,
        after={**_LOCKED, "VersioningConfiguration": {"Status": "Suspended"}},
        neutral={
            **_LOCKED,
            "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"},
        },
    ),
    Refusal(
        type="AWS::S3::Bucket",
        path="ObjectLockEnabled",
        rule=Rule.CHANGED,
        held={"ObjectLockEnabled": ("true",)},
        default=False,
        words="Object Lock cannot be disabled on a bucket once it is enabled",
        advice=(
            "keep ObjectLockEnabled: true, or make another bucket without it and copy "
            "the objects there"
        ),
        source="S3 user guide, Locking objects: you can't disable Object Lock",
        checked="versity/versitygw#1568 (once enabled, it can no longer be disabled)",
        before=_LOCKED,
        after={"VersioningConfiguration": {"Status": "Enabled"}},
        neutral={
            **_LOCKED,
            "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"},
        },
    ),
    Refusal(
        type="AWS::FSx::FileSystem",
        path="StorageCapacity",
        rule=Rule.DECREASED,
        # ONTAP of the second generation can shrink.
        held={"FileSystemType": ("LUSTRE", "OPENZFS", "WINDOWS")},
        words="The storage capacity of a file system can only be increased",
        advice=(
            "keep the size, or make a smaller file system with another logical id and "
            "copy the data there"
        ),
        source=(
            "API reference of FSx, UpdateFileSystem, StorageCapacity: to increase it; only "
            "second-generation FSx for ONTAP file systems can decrease it"
        ),
        before=_file_system(300),
        after=_file_system(200),
        neutral=_file_system(400),
    ),
    Refusal(
        type="AWS::Kinesis::Stream",
        path="ShardCount",
        rule=Rule.RESCALED,
        words=(
            "UpdateShardCount cannot scale to more than double or below half of the "
            "current shard count: {new}"
        ),
        advice="roll out in steps: at most double, or half of the shards at a time",
        source="API reference of Kinesis, UpdateShardCount",
        checked="hashicorp/terraform-provider-aws#46700",
        before={"ShardCount": 4},
        after={"ShardCount": 9},
        neutral={"ShardCount": 8},
    ),
    Refusal(
        type="AWS::KinesisFirehose::DeliveryStream",
        path="ExtendedS3DestinationConfiguration/DynamicPartitioningConfiguration/Enabled",
        rule=Rule.CHANGED,
        held={"ExtendedS3DestinationConfiguration": ()},
        then={"ExtendedS3DestinationConfiguration": ()},
        default=False,
        words=(
            "Dynamic Partitioning can be enabled only when a delivery stream is created"
        ),
        advice=(
            "keep it, or give the stream another logical id and name, which makes a new "
            "one; what writes to the old one must follow"
        ),
        source="hashicorp/terraform-provider-aws#29092",
        checked="aws/aws-cdk#35903 (Firehose developer guide)",
        before=_to_bucket(),
        after=_to_bucket(DynamicPartitioningConfiguration={"Enabled": True}),
        neutral=_to_bucket(Prefix="orders/"),
    ),
    Refusal(
        type="AWS::KinesisFirehose::DeliveryStream",
        path="ExtendedS3DestinationConfiguration/S3BackupMode",
        rule=Rule.CHANGED,
        held={"ExtendedS3DestinationConfiguration/S3BackupMode": ("Enabled",)},
        default="Disabled",
        words=(
            "If backup is enabled, you can't update the delivery stream to disable it"
        ),
        advice="keep S3BackupMode: Enabled, or make another delivery stream",
        source=(
            "property reference of AWS::KinesisFirehose::DeliveryStream "
            "ExtendedS3DestinationConfiguration, S3BackupMode"
        ),
        before=_to_bucket(S3BackupMode="Enabled", S3BackupConfiguration=_DELIVERY),
        after=_to_bucket(S3BackupMode="Disabled"),
        neutral=_to_bucket(
            S3BackupMode="Enabled", S3BackupConfiguration=_DELIVERY, Prefix="orders/"
        ),
    ),
    Refusal(
        type="AWS::MSK::Cluster",
        path="BrokerNodeGroupInfo/StorageInfo/EBSStorageInfo/VolumeSize",
        rule=Rule.DECREASED,
        words="The volume size of brokers can only be increased",
        advice="keep the size, or make a smaller cluster and move the topics there",
        source=(
            "MSK developer guide, Scale up broker storage: you can increase it, you "
            "can't decrease it"
        ),
        before=_broker_storage(200),
        after=_broker_storage(100),
        neutral=_broker_storage(400),
    ),
    Refusal(
        type="AWS::MSK::Cluster",
        path="KafkaVersion",
        rule=Rule.OLDER,
        words="The Kafka version cannot be downgraded from {old} to {new}",
        advice="keep the version, or make another cluster and move the topics there",
        source=(
            "MSK developer guide, Upgrade the Apache Kafka version: you can't downgrade"
        ),
        before=_brokers(),
        after=_brokers(KafkaVersion="2.8.1"),
        neutral=_brokers(KafkaVersion="3.7.x"),
    ),
)
"""Refusals of EBS, S3, FSx, Kinesis, Firehose and MSK."""
