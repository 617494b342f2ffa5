"""What the plan refuses is what the embedded AWS refuses, and the other way round."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tapgen.emulator.server import lifecycle
from tapgen.knowledge.refusals import REFUSALS, Refusal, Rule
from tapgen.template import diff
from tests.emulator.places import Place, new_account, of, served

NOT_HERE = {
    # Its function runs in a process of its own: seconds for one update.
    "AWS::CloudFormation::CustomResource",
    # It waits for a signal; ministack has AWS's refusal of its own.
    "AWS::CloudFormation::WaitCondition",
}
ENTRIES = [
    pytest.param(entry, id=f"{entry.type}-{entry.path or 'any'}-{entry.rule.name}")
    for entry in REFUSALS
    if entry.rule is not Rule.OTHER_VPC and entry.type not in NOT_HERE
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    yield from served(tmp_path_factory.mktemp("refusals"))


@pytest.fixture
def place(server: lifecycle.Server) -> Place:
    return Place(server.url, new_account())


# Property of an example -> what must be there for it, in a stack of its own.
SETTINGS = {
    "NodeRole": {
        "Cluster": of(
            "EKS::Cluster",
            Name="shop",
            RoleArn="arn:aws:iam::111111111111:role/cluster",
            ResourcesVpcConfig={"SubnetIds": ["subnet-1", "subnet-2"]},
        )
    },
    "ReplicationConfiguration": {
        "Copies": of(
            "S3::Bucket",
            BucketName="copies-of-orders",
            VersioningConfiguration={"Status": "Enabled"},
        )
    },
}


def resources(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"R": {"Type": kind, "Properties": dict(properties)}}


def planned(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What the plan says that AWS refuses about `R`, in AWS's words."""
    old, new = (json.dumps({"Resources": side}) for side in (before, after))
    return [
        one.words
        for change in diff.templates(old, new)
        if change.logical_id == "R"
        for one in change.refusals
    ]


def done(place: Place, after: Mapping[str, Any]) -> str:
    """Why an update of the stack failed at `R`; empty when it did not."""
    place.cloudformation.update_stack(
        StackName="demo",
        TemplateBody=json.dumps({"Resources": after}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    status = place.settled("demo")["StackStatus"]
    if status == "UPDATE_COMPLETE":
        return ""
    assert status == "UPDATE_ROLLBACK_COMPLETE", place.reasons("demo")
    return place.reasons("demo")["R"]


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_plan_and_the_embedded_aws_refuse_alike(
    place: Place, entry: Refusal
) -> None:
    before = resources(entry.type, entry.before)
    after = resources(entry.type, entry.after)
    neutral = resources(entry.type, entry.neutral)
    for name in SETTINGS.keys() & entry.before.keys():
        place.create("setting", SETTINGS[name])
    place.create("demo", before)
    physical_id = place.ids("demo")["R"]

    (words,) = planned(before, after)
    reason = done(place, after)

    assert words.replace(" R ", f" {physical_id} ").partition(": R")[0] in reason
    assert place.ids("demo")["R"] == physical_id
    assert planned(before, neutral) == []
    if neutral != before:
        assert done(place, neutral) == ""


def test_subnets_of_another_vpc_are_refused_when_the_update_comes_to_them(
    place: Place,
) -> None:
    def network(cidr: str) -> dict[str, Any]:
        subnets = {
            f"Net{n}": of(
                "EC2::Subnet",
                VpcId={"Ref": "Vpc"},
                CidrBlock=f"{cidr}.{n}.0/24",
                AvailabilityZone=f"us-east-1{zone}",
            )
            for n, zone in enumerate("ab")
        }
        group = of(
            "RDS::DBSubnetGroup",
            DBSubnetGroupDescription="of the databases",
            SubnetIds=[{"Ref": name} for name in subnets],
        )
        return {
            "Vpc": of("EC2::VPC", CidrBlock=f"{cidr}.0.0/16"),
            **subnets,
            "R": group,
        }

    before, after = network("10.0"), network("10.1")
    place.create("demo", before)

    (words,) = planned(before, after)

    assert "not in the same Vpc" in words
    assert words in done(place, after)


def test_a_rollback_is_not_refused(place: Place) -> None:
    """The handler of RDS leaves out what cannot go back."""
    database = of(
        "RDS::DBInstance",
        Engine="postgres",
        EngineVersion="17.2",
        DBInstanceClass="db.t4g.medium",
        AllocatedStorage="20",
        MasterUsername="writer",
        MasterUserPassword="not-a-secret",
    )
    larger = {**database["Properties"], "AllocatedStorage": "50"}
    named = {
        "Type": "AWS::IAM::Role",
        "DependsOn": "Db",
        "Properties": {
            "RoleName": "orders",
            "Path": "/one/",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
        },
    }
    other = {**named["Properties"], "Path": "/two/"}
    place.create("demo", {"Db": database, "R": named})

    reason = done(
        place,
        {
            "Db": {**database, "Properties": larger},
            "R": {**named, "Properties": other},
        },
    )

    assert "Rename orders and update the stack again" in reason


def test_a_change_set_shows_nothing_of_a_refusal(place: Place) -> None:
    place.create("demo", {"R": of("Kinesis::Stream", ShardCount=1)})

    assert place.changes("demo", {"R": of("Kinesis::Stream", ShardCount=9)}) == {
        "R": "False"
    }
