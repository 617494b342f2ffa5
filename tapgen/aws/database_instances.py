"""Database instances of RDS as they are: what a replica of one is made from.

Source: `DescribeDBInstances` in the RDS API reference.
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstances.html
"""

from __future__ import annotations

from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError
from tapgen.frozen import dataclass
from tapgen.model import Target

_NOT_THERE = "DBInstanceNotFound"  # the code; the exception has Fault at its end


@dataclass(frozen=True)
class Instance:
    """A database instance; storage is in GiB, `most_storage` 0 without autoscaling,
    `key_arn` empty where it is not encrypted."""

    status: str
    engine: str
    version: str
    instance_class: str
    storage: int
    most_storage: int
    storage_type: str
    backup_days: int
    encrypted: bool
    managed_password: bool
    key_arn: str = ""


def read(aws: Aws, arn: str) -> Instance | None:
    """Return the instance of an ARN, asked in its account and region; None where RDS says
    that there is none.

    Raises AwsError where nobody answers, or the caller may not read it.
    """
    _, _, _, region, account, _, identifier = arn.split(":", 6)
    try:
        client = aws.client("rds", Target(account, region), attempts=2)
        found = ask(client, "describe_db_instances", DBInstanceIdentifier=identifier)
    except AwsError as error:
        if error.code.removesuffix("Fault") == _NOT_THERE:
            return None
        raise
    (one,) = found["DBInstances"]
    return Instance(
        status=one["DBInstanceStatus"],
        engine=one["Engine"],
        version=one["EngineVersion"],
        instance_class=one["DBInstanceClass"],
        storage=one["AllocatedStorage"],
        most_storage=one.get("MaxAllocatedStorage", 0),
        storage_type=one.get("StorageType", ""),
        backup_days=one["BackupRetentionPeriod"],
        encrypted=one.get("StorageEncrypted", False),
        managed_password="MasterUserSecret" in one,
        key_arn=one.get("KmsKeyId", ""),
    )
