"""Templates of nested stacks are evaluated with the template around them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.model import Target
from tapgen.template import diff, evaluate, nested

HERE = Target("1" * 12, "eu-west-1")
INNER: dict[str, Any] = {
    "Parameters": {
        "Cidr": {"Type": "String", "Default": "10.0.0.0/16"},
        "Topics": {"Type": "CommaDelimitedList", "Default": ""},
    },
    "Conditions": {
        "Wide": {"Fn::Equals": [{"Ref": "Cidr"}, "10.0.0.0/8"]},
        "Open": {"Fn::Equals": [{"Ref": "Topics"}, "x"]},
    },
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Cidr"}}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "DependsOn": ["Vpc"],
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "Tags": [
                    {"Key": "a", "Value": {"Fn::Sub": "${Vpc.VpcId}-${AWS::Region}"}},
                    {"Key": "b", "Value": {"Fn::If": ["Open", "yes", "no"]}},
                ],
            },
        },
        "Wider": {"Type": "AWS::EC2::VPC", "Condition": "Wide"},
    },
    "Outputs": {
        "VpcId": {"Value": {"Ref": "Vpc"}},
        "Block": {"Value": {"Ref": "Cidr"}},
    },
}


def stack(template: Any, **parameters: Any) -> dict[str, Any]:
    given = {"TemplateURL": "https://b.s3.amazonaws.com/k", "Parameters": parameters}
    resource = {"Type": nested.TYPE, "Properties": given}
    return nested.carrying(resource, nested.text(template))


def body(**resources: Any) -> dict[str, Any]:
    return {
        "Parameters": {"Block": {"Type": "String", "Default": "10.1.0.0/16"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}, **resources},
        "Outputs": {"Id": {"Value": {"Fn::GetAtt": ["Net", "Outputs.VpcId"]}}},
    }


def group(value: Any) -> dict[str, Any]:
    return {"Type": "AWS::EC2::SecurityGroup", "Properties": {"VpcId": value}}


def found(**resources: Any) -> evaluate.Evaluated:
    return evaluate.evaluate(json.dumps(body(**resources)), {}, HERE)


def test_what_is_in_a_nested_stack_is_known_by_its_name_and_values() -> None:
    here = found(
        Net=stack(
            INNER, Cidr={"Ref": "Block"}, Topics={"Fn::Join": [",", [{"Ref": "Topic"}]]}
        ),
        Group=group({"Fn::GetAtt": ["Net", "Outputs.VpcId"]}),
        Text=group({"Fn::Sub": "${Net.Outputs.VpcId}/${Net.Outputs.Block}"}),
    )

    assert "Net/Wider" not in here.resources
    assert here.resources["Net"].keys() == {"Type", "Properties"}
    assert here.resources["Net/Vpc"]["Properties"]["CidrBlock"] == "10.1.0.0/16"
    subnet = here.resources["Net/Subnet"]
    assert subnet["DependsOn"] == ["Net/Vpc"]
    assert subnet["Properties"]["VpcId"] == {"Ref": "Net/Vpc"}
    first, second = (tag["Value"] for tag in subnet["Properties"]["Tags"])
    assert first == {"Fn::Sub": "${Net/Vpc.VpcId}-eu-west-1"}
    assert second == {"Fn::If": ["Net/Open", "yes", "no"]}
    assert here.conditions == {"Net/Wide": False, "Net/Open": None}
    assert here.undecided["Net/Open"] == {
        "Fn::Equals": [{"Fn::Join": [",", [{"Ref": "Topic"}]]}, "x"]
    }
    assert here.resources["Group"]["Properties"]["VpcId"] == {"Ref": "Net/Vpc"}
    assert "Net/Vpc" in json.dumps(here.resources["Text"]["Properties"]["VpcId"])
    assert here.outputs == {"Id": {"Ref": "Net/Vpc"}}


def test_stacks_in_stacks_and_from_one_to_another() -> None:
    outer = {
        "Resources": {"Deep": stack(INNER)},
        "Outputs": {"VpcId": {"Value": {"Fn::GetAtt": ["Deep", "Outputs.VpcId"]}}},
    }
    taker = {
        "Parameters": {"VpcId": {"Type": "String"}},
        "Resources": {"Group": group({"Ref": "VpcId"})},
    }
    here = found(
        Net=stack(outer),
        App=stack(taker, VpcId={"Fn::GetAtt": ["Net", "Outputs.VpcId"]}),
    )

    assert "Net/Deep/Subnet" in here.resources
    assert here.resources["App/Group"]["Properties"]["VpcId"] == {"Ref": "Net/Deep/Vpc"}


def test_what_replaces_a_resource_reaches_those_in_other_stacks() -> None:
    def text(block: str) -> str:
        return json.dumps(
            body(
                Net=stack(INNER, Cidr=block),
                Group=group({"Fn::GetAtt": ["Net", "Outputs.VpcId"]}),
            )
        )

    changes = diff.templates(text("10.1.0.0/16"), text("10.2.0.0/16"), HERE)

    assert {c.logical_id: str(c.verdict) for c in changes} == {
        "Group": "replaces",
        "Net": "in place",
        "Net/Subnet": "replaces",
        "Net/Vpc": "replaces",
    }


@pytest.mark.parametrize(
    "parameters",
    [
        {"Cidr": {"Fn::GetAtt": ["Net", "Outputs.Block"]}},
        {"Cidr": {"Fn::GetAtt": ["Net", "Outputs.None"]}},
        {"Cidr": {"Ref": "AWS::NoValue"}},
    ],
)
def test_what_cannot_be_followed_stays_a_reference(parameters: Any) -> None:
    block = found(Net=stack(INNER, **parameters)).resources["Net/Vpc"]["Properties"]

    expected = parameters["Cidr"]
    without = "10.0.0.0/16" if "Ref" in expected else expected
    assert block["CidrBlock"] == without


def test_without_the_template_a_nested_stack_is_a_resource_as_any() -> None:
    bare = {"Type": nested.TYPE, "Properties": {"TemplateURL": "https://b/k"}}
    for metadata in ({}, {"tapgen": {"template": "{"}}, {"tapgen": 1}):
        here = found(Net={**bare, "Metadata": metadata})
        assert [*here.resources] == ["Topic", "Net"]
        assert here.outputs == {"Id": {"Fn::GetAtt": ["Net", "Outputs.VpcId"]}}


values = st.recursive(
    st.text(st.sampled_from('{}"\\:resolve'), max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(values)
def test_the_text_in_the_metadata_is_the_template_and_no_dynamic_reference(
    value: Any,
) -> None:
    template = {"Resources": {"A": {"Type": "T", "Properties": {"P": value}}}}

    resource = stack(template)

    assert nested.template_of(resource) == template
    assert "{{" not in resource["Metadata"]["tapgen"]["template"]
    assert nested.without({**resource, "Metadata": {**resource["Metadata"], "x": 1}})[
        "Metadata"
    ] == {"x": 1}
