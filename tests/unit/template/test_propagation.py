"""What follows a change: by AWS's own rules, and no more certain than AWS is."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.template import diff, evaluate
from tapgen.template.diff import Verdict
from tests import make
from tests.make import EAST

TABLE = "AWS::DynamoDB::Table"
INSTANCE = "AWS::EC2::Instance"
CUSTOM = "Custom::Lookup"


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def verdicts(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Verdict]:
    texts = make.template(resources=old), make.template(resources=new)
    return {c.logical_id: c.verdict for c in diff.templates(*texts)}


def followed(cause: tuple[Any, Any], value: Any) -> Verdict | None:
    """What becomes of an instance whose create-only ImageId takes a value."""
    user = resource(INSTANCE, ImageId=value)
    old, new = ({"R": one, "User": user} for one in cause)
    return verdicts(old, new).get("User")


def changed(kind: str, name: str, old: Any, new: Any, **more: Any) -> tuple[Any, Any]:
    return resource(kind, **more, **{name: old}), resource(kind, **more, **{name: new})


def att(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": ["R", name]}


@pytest.mark.parametrize(
    ("cause", "value"),
    [
        (changed(CUSTOM, "Release", "1", "2"), {"Ref": "R"}),
        (changed(CUSTOM, "Release", "1", "2"), att("ImageId")),
        (changed(CUSTOM, "Release", "1", "2"), att("Arn")),
        (
            changed("AWS::CloudFormation::CustomResource", "Release", "1", "2"),
            {"Fn::Sub": "${R}"},
        ),
        (
            changed(
                TABLE,
                "StreamSpecification",
                {"StreamViewType": "NEW_IMAGE"},
                {"StreamViewType": "KEYS_ONLY"},
            ),
            att("StreamArn"),
        ),
        (
            changed("AWS::CloudFormation::Stack", "TemplateURL", "a", "b"),
            att("Outputs.VpcId"),
        ),
        (changed("AWS::Batch::JobDefinition", "Timeout", 1, 2), {"Ref": "R"}),
        (changed("AWS::Backup::BackupPlan", "BackupPlan", 1, 2), att("VersionId")),
        (
            changed("AWS::RDS::DBInstance", "ManageMasterUserPassword", False, True),
            att("MasterUserSecret.SecretArn"),
        ),
        (changed("AWS::RDS::DBInstance", "Port", 1, 2), att("Endpoint.Port")),
        (changed("AWS::EC2::Instance", "Tenancy", "a", "b"), att("PrivateIp")),
        (changed("AWS::SNS::Topic", "DisplayName", "a", "b"), att("DisplayName")),
    ],
)
def test_what_may_change_in_place_may_replace_its_users(cause: Any, value: Any) -> None:
    assert followed(cause, value) is Verdict.MAY_REPLACE


@pytest.mark.parametrize(
    ("cause", "value"),
    [
        (changed(TABLE, "BillingMode", "a", "b"), att("StreamArn")),
        (changed(TABLE, "BillingMode", "a", "b"), {"Ref": "R"}),
        (changed("AWS::EC2::VPC", "Tags", [], [1], CidrBlock="c"), att("CidrBlock")),
        (changed(INSTANCE, "Tags", [], [1]), att("AvailabilityZone")),
        (changed("AWS::SNS::Topic", "DisplayName", "a", "b"), att("TopicName")),
        (changed("AWS::SNS::Topic", "DisplayName", "a", "b"), att("TopicArn")),
        (changed("AWS::EC2::VPC", "CidrBlock", "a", "b", EnableDnsSupport=1), "fixed"),
        (
            changed("AWS::EC2::VPC", "CidrBlock", "a", "b", InstanceTenancy="t"),
            att("InstanceTenancy"),
        ),
        (
            changed("AWS::ElasticLoadBalancingV2::LoadBalancer", "Tags", [], [1]),
            att("CanonicalHostedZoneID"),
        ),
    ],
)
def test_what_stays_moves_nobody(cause: Any, value: Any) -> None:
    assert followed(cause, value) is None


VPC = changed("AWS::EC2::VPC", "CidrBlock", "10.0.0.0/16", "10.1.0.0/16")


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "R"},
        att("VpcId"),
        {"Fn::Sub": "x-${R}"},
        {"Fn::Sub": ["${Start}-${R}", {"Start": "x"}]},
        {"Fn::Sub": ["x-${Vpc}", {"Vpc": {"Ref": "R"}}]},
        {"Fn::Join": ["-", ["x", {"Ref": "R"}]]},
    ],
)
def test_what_names_a_replaced_resource_is_another_value(value: Any) -> None:
    assert followed(VPC, value) is Verdict.REPLACES


@pytest.mark.parametrize(
    "value",
    [
        att("DefaultSecurityGroup"),
        att("CidrBlock"),
        {"Fn::Select": [4, {"Fn::Split": [":", att("VpcId")]}]},
        {"Fn::If": ["Undecided", {"Ref": "R"}, "ami-1"]},
    ],
)
def test_a_part_or_another_attribute_of_it_is_perhaps(value: Any) -> None:
    assert followed(VPC, value) is Verdict.MAY_REPLACE


def test_what_may_be_replaced_makes_nothing_certain() -> None:
    def chain(release: str) -> dict[str, Any]:
        return {
            "Lookup": resource(CUSTOM, Release=release),
            "Vpc": resource("AWS::EC2::VPC", CidrBlock={"Ref": "Lookup"}),
            "Net": resource("AWS::EC2::Subnet", VpcId={"Ref": "Vpc"}),
        }

    assert verdicts(chain("1"), chain("2")) == {
        "Lookup": Verdict.IN_PLACE,
        "Vpc": Verdict.MAY_REPLACE,
        "Net": Verdict.MAY_REPLACE,
    }


def test_the_certain_reason_counts_where_there_are_two() -> None:
    def both(release: str, cidr: str) -> dict[str, Any]:
        return {
            "Lookup": resource(CUSTOM, Release=release),
            "Vpc": resource("AWS::EC2::VPC", CidrBlock=cidr),
            "Net": resource(
                "AWS::EC2::Subnet",
                VpcId={"Fn::Join": ["", [{"Ref": "Lookup"}, {"Ref": "Vpc"}]]},
            ),
            "Behind": resource("AWS::EC2::NetworkInterface", SubnetId={"Ref": "Net"}),
        }

    found = verdicts(both("1", "a"), both("2", "b"))

    assert found["Net"] is found["Behind"] is Verdict.REPLACES


def test_a_reference_below_a_property_concerns_its_own_place() -> None:
    """Of an endpoint service's or function's parts, only some are create-only."""

    def pair(cidr: str) -> dict[str, Any]:
        group = resource("AWS::EC2::SecurityGroup", VpcId=cidr, GroupDescription="x")
        options = {"SecurityGroupIds": [{"Ref": "Group"}], "SubnetIds": ["subnet-1"]}
        broker = resource("AWS::Lambda::Function", VpcConfig=options)
        return {"Group": group, "Function": broker}

    assert verdicts(pair("a"), pair("b"))["Function"] is Verdict.IN_PLACE


@pytest.mark.parametrize("name", ["Metadata", "DeletionPolicy", "UpdateReplacePolicy"])
def test_an_attribute_of_a_resource_moves_nothing(name: str) -> None:
    before = resource(CUSTOM, Release="1") | {name: "Delete"}
    after = resource(CUSTOM, Release="1") | {name: "Retain"}

    assert followed((before, after), {"Ref": "R"}) is None


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("a", "b", Verdict.REPLACES),
        (None, {"Ref": "Other"}, Verdict.REPLACES),
        ("subnet-1", {"Ref": "Other"}, Verdict.MAY_REPLACE),
        ({"Ref": "Other"}, "subnet-1", Verdict.MAY_REPLACE),
        ({"Ref": "Other"}, {"Ref": "Third"}, Verdict.REPLACES),
        ("subnet-1", {"Ref": "Added"}, Verdict.REPLACES),
        ("a", {"Fn::ImportValue": "x"}, Verdict.MAY_REPLACE),
        (
            {"Fn::Sub": "a-${AWS::StackName}"},
            {"Fn::Sub": "b-${AWS::StackName}"},
            Verdict.REPLACES,
        ),
        (
            {"Fn::If": ["Undecided", "a", "b"]},
            {"Fn::If": ["Undecided", "a", "c"]},
            Verdict.MAY_REPLACE,
        ),
    ],
)
def test_what_aws_decides_later_is_not_certain(
    old: Any, new: Any, verdict: Verdict
) -> None:
    def one(value: Any, **more: Any) -> dict[str, Any]:
        given = {} if value is None else {"SubnetId": value}
        others = {name: resource("AWS::EC2::Subnet") for name in ("Other", "Third")}
        return {"R": resource(INSTANCE, **given), **others, **more}

    added = resource("AWS::EC2::Subnet")

    assert verdicts(one(old), one(new, Added=added))["R"] is verdict


def test_outputs_of_custom_resources_and_streams_may_move() -> None:
    def side(release: str) -> evaluate.Evaluated:
        body = {
            "Resources": {"R": resource(CUSTOM, Release=release)},
            "Outputs": {
                "Id": {"Value": {"Ref": "R"}},
                "Text": {"Value": {"Fn::Sub": ["${A}", {"A": att("Arn")}]}},
                "Other": {"Value": "x"},
            },
        }
        return evaluate.evaluate(body, {}, EAST)

    old, new = side("1"), side("2")
    changes = diff.compare(old, new)

    assert diff.moving_outputs(old, new, changes) == {"Id", "Text"}
    assert not diff.replaced_outputs(new, changes)


def test_a_chain_of_many_is_followed_to_its_end() -> None:
    def chain(cidr: str) -> dict[str, Any]:
        found = {"N0": resource("AWS::EC2::VPC", CidrBlock=cidr)}
        for number in range(1, 400):
            before = {"Ref": f"N{number - 1}"}
            found[f"N{number}"] = resource("AWS::EC2::Subnet", VpcId=before)
        return found

    found = verdicts(chain("a"), chain("b"))

    assert len(found) == 400 and {*found.values()} == {Verdict.REPLACES}


@pytest.mark.parametrize("odd", [{"Ref": "R"}, {"Fn::GetAtt": ["R", "Arn"]}, [], "x"])
def test_properties_that_are_no_mapping_are_passed_over(odd: Any) -> None:
    old, new = ({"R": one, "Odd": {"Type": INSTANCE, "Properties": odd}} for one in VPC)
    assert verdicts(old, new) == {"R": Verdict.REPLACES}
