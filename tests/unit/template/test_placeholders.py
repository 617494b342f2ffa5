"""Placeholders have the form of their parameter's type, and AWS does not look them up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapgen.template.placeholders import fill


def filled(**declared: Any) -> tuple[dict[str, Any], str]:
    """The declaration of the only parameter and its placeholder."""
    body = {"Parameters": {"P": declared}, "Resources": {"R": {"Type": "A::B::C"}}}
    text, found = fill(json.dumps(body), ["P"])
    after = json.loads(text)
    assert after["Resources"] == body["Resources"]
    return after["Parameters"]["P"], found["P"]


@pytest.mark.parametrize(
    ("kind", "plain", "value"),
    [
        ("String", "String", "tapgen-placeholder"),
        ("Number", "Number", "1"),
        ("List<Number>", "CommaDelimitedList", "1,2,3"),
        ("AWS::EC2::VPC::Id", "String", "vpc-00000000000000000"),
        (
            "List<AWS::EC2::AvailabilityZone::Name>",
            "CommaDelimitedList",
            "us-east-1a,us-east-1b,us-east-1c",
        ),
        (
            "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            "String",
            "ami-00000000000000000",
        ),
        (
            "AWS::SSM::Parameter::Value<List<String>>",
            "CommaDelimitedList",
            "tapgen-placeholde1,tapgen-placeholde2,tapgen-placeholde3",
        ),
        ("AWS::SSM::Parameter::Name", "String", "/tapgen-placeholder"),
    ],
)
def test_a_placeholder_has_the_form_of_its_type(
    kind: str, plain: str, value: str
) -> None:
    declared, found = filled(Type=kind)

    assert (declared["Type"], found) == (plain, value)


def test_an_allowed_value_is_taken_as_it_is() -> None:
    declared = {"Type": "String", "AllowedValues": ["small", "large"]}

    assert filled(**declared) == (declared, "small")


def test_constraints_that_a_placeholder_cannot_fulfil_go_and_the_rest_stays() -> None:
    declared, found = filled(
        Type="String", AllowedPattern="arn:.*", MinLength=20, NoEcho=True
    )

    assert declared == {"Type": "String", "NoEcho": True}
    assert found == "tapgen-placeholder"


def test_a_template_that_needs_no_change_stays_as_it_was_written() -> None:
    text = '{"Parameters":  {"P": {"Type": "String"}}}'

    assert fill(text, ["P"])[0] is text
    assert fill(text, []) == (text, {})
