"""What AWS refuses about a change is said only where it is certain."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.template import refusals
from tapgen.template.values import LATER

TABLE = "AWS::DynamoDB::Table"
GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
ROLE = "AWS::IAM::Role"
NAMED = "CloudFormation cannot update a stack when a custom-named resource requires"


def words(kind: str, before: Any, after: Any, **more: Any) -> list[str]:
    return [one.words for one in refusals.of(kind, before, after, "Thing", **more)]


def index(name: Any) -> dict[str, Any]:
    return {"IndexName": name, "Projection": {"ProjectionType": "ALL"}}


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (ROLE, {"RoleName": "a", "Path": "/1/"}, {"RoleName": "b", "Path": "/2/"}),
        (ROLE, {"Path": "/1/"}, {"Path": "/2/"}),
        (ROLE, {"RoleName": "a", "Path": "/1/"}, {"Path": "/2/"}),
        (ROLE, {"RoleName": "a"}, {"RoleName": "a", "Path": "/"}),
        (
            ROLE,
            {"RoleName": "a", "Path": "/1/"},
            {"RoleName": "a", "Path": {"Ref": "P"}},
        ),
        (
            ROLE,
            {"RoleName": {LATER: "x"}, "Path": "/1/"},
            {"RoleName": {LATER: "y"}, "Path": "/2/"},
        ),
    ],
    ids=[
        "another name",
        "no name",
        "a made-up name",
        "the default said",
        "unknown path",
        "unknown name",
    ],
)
def test_a_replacement_that_gets_its_name_is_not_refused(
    kind: str, before: Any, after: Any
) -> None:
    assert words(kind, before, after) == []


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (ROLE, {"RoleName": "a", "Path": "/1/"}, {"RoleName": "a", "Path": "/2/"}),
        (GROUP, {"Name": "a", "Port": 80}, {"Name": "a", "Port": "81"}),
        (
            "AWS::RDS::DBParameterGroup",
            {"DBParameterGroupName": "a", "Family": "postgres16"},
            {"DBParameterGroupName": "a", "Family": "postgres17"},
        ),
        (
            "AWS::Lambda::Function",
            {"FunctionName": "a", "PackageType": "Zip"},
            {"FunctionName": "a", "PackageType": "Image"},
        ),
        (
            "AWS::RDS::DBInstance",
            {"DBInstanceIdentifier": "a", "StorageEncrypted": False},
            {"DBInstanceIdentifier": "a", "StorageEncrypted": True},
        ),
        (
            "AWS::EKS::Cluster",
            {"Name": "a", "KubernetesNetworkConfig": {"IpFamily": "ipv4"}},
            {"Name": "a", "KubernetesNetworkConfig": {"IpFamily": "ipv6"}},
        ),
    ],
)
def test_a_custom_name_forbids_a_replacement(
    kind: str, before: Any, after: Any
) -> None:
    (said,) = words(kind, before, after)

    assert said == f"{NAMED} replacing. Rename a and update the stack again."


def test_a_name_that_aws_takes_twice_forbids_nothing() -> None:
    vpc = "AWS::EC2::VPC"
    assert words(vpc, {"CidrBlock": "10.0.0.0/16"}, {"CidrBlock": "10.1.0.0/16"}) == []


def test_a_service_of_aws_has_words_of_its_own_for_a_taken_name() -> None:
    before = {"QueueName": "a.fifo", "FifoQueue": True}
    (found,) = refusals.of("AWS::SQS::Queue", before, {"QueueName": "a.fifo"}, "Thing")

    assert found.words == "Queue creation failed because the queue already exists"
    assert found.code == "AlreadyExists"


def test_what_refers_to_a_replaced_resource_gets_another_value() -> None:
    group = {"Name": "web", "VpcId": {"Ref": "Vpc"}}

    assert words(GROUP, group, group) == []
    assert words(GROUP, group, group, moved=["VpcId"])
    assert words(GROUP, group, group, moved=["VpcId", "Name"]) == []


def test_a_replaced_table_may_have_any_number_of_new_indexes() -> None:
    before = {"KeySchema": [{"AttributeName": "id"}]}
    after = {
        "KeySchema": [{"AttributeName": "no"}],
        "GlobalSecondaryIndexes": [index("x"), index("y")],
    }

    assert words(TABLE, before, after) == []
    assert words(TABLE, before, {**after, **before})


@pytest.mark.parametrize(
    "found",
    [[index({"Ref": "Name"}), index("y")], {"Ref": "Indexes"}, {LATER: "later"}],
)
def test_indexes_that_are_not_known_are_not_counted(found: Any) -> None:
    assert words(TABLE, {}, {"GlobalSecondaryIndexes": found}) == []


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("17.2", "16.4", True),
        ("17.2", "17.1", True),
        ("17", "16.9", True),
        ("17.2", "17", False),
        ("9.6", "10.1", False),
        ("8.0.mysql_aurora.3.05.2", "8.0.mysql_aurora.3.04.0", True),
        ("8.0.mysql_aurora.3.04.0", "8.0.mysql_aurora.3.05.2", False),
        ("17.2", {"Ref": "Version"}, False),
        (None, "16.4", False),
        ("17.2", None, False),
        ("15.00.4236.7.v1", "14.00.3460.9.v1", True),
    ],
)
def test_versions_are_compared_by_their_numbers(
    old: Any, new: Any, refused: bool
) -> None:
    def db(version: Any) -> dict[str, Any]:
        return {"Engine": "x", **({"EngineVersion": version} if version else {})}

    assert bool(words("AWS::RDS::DBInstance", db(old), db(new))) is refused


def test_an_older_version_of_another_engine_is_none() -> None:
    before = {"Engine": "mysql", "EngineVersion": "8.0"}
    after = {"Engine": "postgres", "EngineVersion": "7.0"}

    assert words("AWS::RDS::DBInstance", before, after) == []


def test_storage_that_shrinks_with_days_of_backup_is_refused_all_the_same() -> None:
    before = {"AllocatedStorage": 50, "BackupRetentionPeriod": 7, "MultiAZ": False}
    after = {"AllocatedStorage": "20", "BackupRetentionPeriod": 14, "MultiAZ": True}

    assert words("AWS::RDS::DBInstance", before, after)
    assert (
        words("AWS::RDS::DBInstance", before, {"AllocatedStorage": {"Ref": "S"}}) == []
    )


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        (4, 8, False),
        (4, 9, True),
        (4, 2, False),
        (4, 1, True),
        (4, {"Ref": "N"}, False),
    ],
)
def test_shards_are_at_most_doubled_or_halved(
    old: Any, new: Any, refused: bool
) -> None:
    stream = "AWS::Kinesis::Stream"
    assert bool(words(stream, {"ShardCount": old}, {"ShardCount": new})) is refused


def test_a_custom_resource_keeps_its_function_whatever_it_is_called() -> None:
    before, after = {"ServiceToken": "arn:a"}, {"ServiceToken": "arn:b"}

    assert words("Custom::Seed", before, after) == [
        "Modifying service token is not allowed."
    ]


def test_values_stand_in_the_words() -> None:
    before = {"Engine": "postgres", "EngineVersion": "17.2"}
    after = {"Engine": "postgres", "EngineVersion": "16.4"}

    assert words("AWS::RDS::DBInstance", before, after) == [
        "Cannot upgrade postgres from 17.2 to 16.4"
    ]


def test_subnets_of_another_vpc_are_refused_where_the_vpcs_are_known() -> None:
    def vpc_of(subnet: Any, after: bool) -> str | None:
        return {"a": "vpc-1", "b": "vpc-1", "c": "vpc-2"}.get(subnet)

    def said(*subnets: str) -> list[str]:
        before, after = {"SubnetIds": ["a", "b"]}, {"SubnetIds": list(subnets)}
        return words("AWS::RDS::DBSubnetGroup", before, after, vpc_of=vpc_of)

    assert said("c")
    assert said("b") == said("b", "c") == said("unknown") == []


@pytest.mark.parametrize(
    ("system", "refused"),
    [("WINDOWS", True), ("LUSTRE", True), ("OPENZFS", True), ("ONTAP", False)],
)
def test_some_file_systems_can_shrink(system: str, refused: bool) -> None:
    sides = (
        {"FileSystemType": system, "StorageCapacity": size, "SubnetIds": ["subnet-1"]}
        for size in (2048, 1024)
    )
    assert bool(refusals.of("AWS::FSx::FileSystem", *sides)) is refused
