"""A replica of a database that is there already is compared with it before it is made."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tapgen import plan
from tapgen.aws import database_instances
from tapgen.aws.database_instances import Instance
from tapgen.errors import AwsError
from tapgen.model import Target
from tapgen.plan import sources
from tests import make
from tests.make import ACCOUNT, EAST, WEST

ARN = f"arn:aws:rds:{EAST.region}:{ACCOUNT}:db:mine"
REPLICA = {
    "SourceDBInstanceIdentifier": ARN,
    "DBParameterGroupName": {"Ref": "G"},
    "DBInstanceClass": "db.r6g.large",
    "KmsKeyId": "key",
    "StorageType": "gp3",
    "MaxAllocatedStorage": "110",
}
SOURCE = Instance(
    status="available",
    engine="postgres",
    version="17.4",
    instance_class="db.r6g.large",
    storage=100,
    most_storage=110,
    storage_type="gp3",
    backup_days=7,
    encrypted=True,
    managed_password=False,
)


def part(name: str, target: Target, properties: dict[str, Any], **more: Any) -> Any:
    resources = {
        "D": {"Type": "AWS::RDS::DBInstance", "Properties": properties},
        **more,
    }
    text = make.template(resources=resources)
    return make.stack_set(name, text=text, targets=(target,))


def replica(family: str = "postgres17", **properties: Any) -> Any:
    group = {"Type": "AWS::RDS::DBParameterGroup", "Properties": {"Family": family}}
    return part("copy", WEST, {**REPLICA, **properties}, G=group)


def planned(found: Instance | None, *parts: Any) -> plan.Plan:
    made = plan.make(make.system(*(parts or (replica(),))), {})
    return sources.with_sources(made, {ARN: found}.__getitem__)


@pytest.mark.parametrize("region", [EAST.region, WEST.region])
@pytest.mark.parametrize("key", ["1", "2"])
def test_a_key_that_is_not_the_sources_is_named(region: str, key: str) -> None:
    """Only one of its region could be meant for it."""
    right = f"arn:aws:kms:{EAST.region}:{ACCOUNT}:key/1"
    meant = f"arn:aws:kms:{region}:{ACCOUNT}:key/{key}"
    given = {"SourceDbArn": ARN, "SourceKeyArn": meant}
    roles = make.stack_set("roles", parameters=given)
    found = planned(replace(SOURCE, key_arn=right), replica(), roles)
    if (region, key) == (EAST.region, "2"):
        (line,) = found.sources
        told = f"roles: {ARN} is encrypted with {right}, and SourceKeyArn is {meant}"
        assert line.startswith(told)
    else:
        assert found.sources == ()


def test_a_replica_that_fits_its_source_is_made_without_a_word() -> None:
    found = planned(SOURCE)
    assert (found.blocked, found.sources) == ((), ())


@pytest.mark.parametrize(
    ("unlike", "text"),
    [
        ({"backup_days": 0}, "set its backup retention to 1 day or more"),
        ({"encrypted": False}, "is not encrypted, and RDS makes no encrypted replica"),
        ({"version": "16.9"}, "runs postgres 16.9, and the replica gets parameters"),
        ({"version": "1.7"}, "runs postgres 1.7, and"),
        ({"engine": "mysql", "version": "8.0.40"}, "runs mysql 8.0.40, and"),
        ({"managed_password": True}, "RDS manages the password"),
        ({"storage": 101}, "allow 112 GiB or more"),
    ],
)
def test_what_rds_would_refuse_is_refused_before(
    unlike: dict[str, Any], text: str
) -> None:
    (told,) = planned(replace(SOURCE, **unlike)).blocked
    assert told.startswith("copy.D in ") and text in told and ARN in told


@pytest.mark.parametrize(
    ("unlike", "text"),
    [
        ({"instance_class": "db.r6g.4xlarge"}, "class db.r6g.large, and its source"),
        ({"storage_type": "io2"}, "storage type gp3, and its source"),
        ({"most_storage": 500}, "may grow to 110 GiB, and its source"),
        ({"status": "modifying"}, "is modifying"),
    ],
)
def test_what_may_not_keep_up_is_said(unlike: dict[str, Any], text: str) -> None:
    found = planned(replace(SOURCE, **unlike))
    (told,) = found.sources
    assert text in told and not found.blocked


def test_a_source_that_is_not_there_is_refused_unless_the_plan_makes_it() -> None:
    (told,) = planned(None).blocked
    assert f"there is no database {ARN}" in told
    first = part("first", EAST, {"DBInstanceIdentifier": "mine"})
    copy = replace(replica(), depends_on=("first",))
    assert planned(None, first, copy).blocked == ()


def test_no_answer_is_never_called_equal() -> None:
    def silent(arn: str) -> Instance | None:
        raise AwsError("rds:DescribeDBInstances", "AccessDenied", "not authorized")

    found = sources.with_sources(plan.make(make.system(replica()), {}), silent)
    (told,) = found.sources
    assert "were not compared" in told and "rds:DescribeDBInstances" in told
    assert found.blocked == ()


@pytest.mark.parametrize("code", ["", "DBInstanceNotFound", "AccessDenied"])
def test_rds_is_asked_in_the_account_and_region_of_the_source(code: str) -> None:
    def describe(DBInstanceIdentifier: str) -> Any:
        assert DBInstanceIdentifier == "mine"
        if code:
            raise AwsError("rds:DescribeDBInstances", code, "no")
        answer = {
            "DBInstanceStatus": "available",
            "Engine": "postgres",
            "EngineVersion": "17.4",
            "DBInstanceClass": "db.r6g.large",
            "AllocatedStorage": 100,
            "MaxAllocatedStorage": 110,
            "StorageType": "gp3",
            "BackupRetentionPeriod": 7,
            "StorageEncrypted": True,
        }
        return {"DBInstances": [answer]}

    def client(service: str, target: Target, attempts: int) -> Any:
        assert (service, target) == ("rds", EAST)
        return SimpleNamespace(
            describe_db_instances=describe,
            meta=SimpleNamespace(
                region_name=EAST.region,
                service_model=SimpleNamespace(service_name="rds"),
                method_to_api_mapping={"describe_db_instances": "DescribeDBInstances"},
            ),
        )

    aws: Any = SimpleNamespace(client=client)
    if code == "AccessDenied":
        with pytest.raises(AwsError):
            database_instances.read(aws, ARN)
    else:
        assert database_instances.read(aws, ARN) == (None if code else SOURCE)
