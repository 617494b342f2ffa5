"""Comparing templates."""

from __future__ import annotations

import json

from tapgen import diff
from tests import make


def test_added_removed_and_changed_resources_are_told_apart() -> None:
    old = make.template(
        resources={
            "Gone": {"Type": "AWS::SQS::Queue"},
            "Kept": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "a"}},
        }
    )
    new = make.template(
        resources={
            "Kept": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "b"}},
            "Made": {"Type": "AWS::SQS::Queue"},
        }
    )

    gone, kept, added = diff.resources(old, new)

    assert (gone.verb, gone.logical_id) == (diff.Verb.REMOVE, "Gone")
    assert (added.verb, added.logical_id) == (diff.Verb.ADD, "Made")
    assert kept.properties == (diff.Property(("Properties", "TopicName"), "a", "b"),)


def test_key_order_and_white_space_are_no_change() -> None:
    text = make.template(["A", "B"])
    other = json.dumps(json.loads(text), indent=3, sort_keys=True)

    assert diff.resources(text, other) == ()
    assert diff.same(text, other)


def test_an_item_of_a_list_is_found_by_its_place() -> None:
    def tagged(value: str) -> str:
        tags = {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": value}]}
        return make.template(
            resources={"T": {"Type": "AWS::SNS::Topic", "Properties": tags}}
        )

    (change,) = diff.resources(tagged("1"), tagged("2"))

    assert change.properties[0].path == ("Properties", "Tags", 1, "Value")


def test_text_that_is_no_template_has_no_resources() -> None:
    added = diff.resources("not json", make.template())

    assert [c.verb for c in added] == [diff.Verb.ADD]
    assert diff.resources("[]", "null") == ()


MOVES = json.dumps(
    {
        "Parameters": {p: {"Type": "String"} for p in ("Cidr", "Allowed", "Name")},
        "Conditions": {"Named": {"Fn::Equals": [{"Ref": "Name"}, "x"]}},
        "Resources": {
            "Vpc": {
                "Type": "AWS::EC2::VPC",
                "Properties": {"CidrBlock": {"Ref": "Cidr"}},
            },
            "Web": {
                "Type": "AWS::EC2::SecurityGroup",
                "Properties": {
                    "GroupDescription": "web",
                    "VpcId": {"Ref": "Vpc"},
                    "SecurityGroupIngress": [{"CidrIp": {"Ref": "Allowed"}}],
                },
            },
            "Bucket": {"Type": "AWS::S3::Bucket", "Condition": "Named"},
        },
        "Outputs": {
            "VpcId": {"Value": {"Ref": "Vpc"}},
            "GroupId": {"Value": {"Fn::GetAtt": ["Web", "GroupId"]}},
            "Text": {"Value": {"Fn::Sub": "${Allowed}/${!Cidr}"}},
            "Bucket": {"Value": {"Ref": "Bucket"}},
        },
    }
)


def moving(*parameters: str, new: str = MOVES) -> set[str]:
    return set(diff.moving_outputs(MOVES, new, parameters))


def test_nothing_moves_when_nothing_changes() -> None:
    assert moving() == set()


def test_an_identifier_stays_when_a_property_changes_in_place() -> None:
    assert moving("Allowed") == {"Text"}


def test_a_replacement_moves_what_refers_to_it() -> None:
    # A VPC's CidrBlock and a security group's VpcId are create-only.
    assert moving("Cidr") == {"VpcId", "GroupId"}


def test_a_condition_moves_with_its_parameter() -> None:
    assert moving("Name") == {"Bucket"}


def test_an_output_that_is_written_differently_moves() -> None:
    new = MOVES.replace('"${Allowed}/${!Cidr}"', '"other"')

    assert moving(new=new) == {"Text"}


def test_a_resource_of_another_type_moves() -> None:
    new = MOVES.replace("AWS::S3::Bucket", "AWS::SQS::Queue")

    assert moving(new=new) == {"Bucket"}
