"""Resources of templates that several tests use."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.places import of

EAST, WEST = "us-east-1", "us-west-2"
EAST_KEY = f"arn:aws:kms:{EAST}:111111111111:key/mrk-1"
WEST_KEY = f"arn:aws:kms:{WEST}:111111111111:key/mrk-1"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    ],
}
TAG = [{"Key": "Project", "Value": "one"}]
RETAGGED = [{"Key": "Owner", "Value": "two"}]


def absent(call: Any, **parameters: Any) -> str:
    """The error code of a call about something that is gone."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return str(error.value.response["Error"]["Code"])


def key(**properties: Any) -> dict[str, Any]:
    return of("KMS::Key", KeyPolicy=POLICY, MultiRegion=True, **properties)


def network(**more: Any) -> dict[str, Any]:
    return {
        "Vpc": of("EC2::VPC", CidrBlock="10.0.0.0/16", Tags=TAG),
        "Subnet": of("EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.0.0.0/24"),
        **more,
    }


def database(name: str, **properties: Any) -> dict[str, Any]:
    return of(
        "RDS::DBInstance",
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.medium",
        **properties,
    )


def primary(name: str = "main", **properties: Any) -> dict[str, Any]:
    given = {
        "Engine": "postgres",
        "EngineVersion": "16.4",
        "AllocatedStorage": "50",
        "MasterUsername": "tapgen",
        "MasterUserPassword": "password1",
        "BackupRetentionPeriod": 7,
        "StorageEncrypted": True,
        "MultiAZ": True,
        **properties,
    }
    return {**database(name, **given), "DeletionPolicy": "Delete"}


def alarm(**properties: Any) -> dict[str, Any]:
    return of(
        "CloudWatch::Alarm",
        AlarmName="cpu",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods="3",
        Threshold=80,
        **properties,
    )
