"""The services that a system's roles may be passed to."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tapgen.accounts import roles
from tapgen.model import Target
from tests import make

TARGETS = tuple(Target(n * 12, r) for n in "12" for r in ("us-east-1", "eu-west-1"))
LATER = {"Fn::Equals": [{"Ref": "Unknown"}, "x"]}
NEVER = {"Fn::Equals": [{"Ref": "AWS::AccountId"}, "3" * 12]}
TWO = {"Fn::Equals": [{"Ref": "AWS::AccountId"}, "2" * 12]}


def passed_to(service: Any, **role: Any) -> list[str]:
    """The services in the metadata of the roles of a system with one role."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}}
    policy = {"Statement": [statement]}
    properties = {"RoleName": "r", "AssumeRolePolicyDocument": policy}
    body = {
        "Parameters": {
            "Unknown": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/x"},
            "Given": {"Type": "String", "Default": "ecs-tasks.amazonaws.com"},
        },
        "Conditions": {"Later": LATER, "Never": NEVER, "Two": TWO},
        "Resources": {
            "R": {"Type": "AWS::IAM::Role", "Properties": properties, **role},
        },
    }
    s = make.stack_set("app", text=json.dumps(body), targets=TARGETS)
    files = roles.files(make.system(s), "")
    (text,) = (text for text in files.values() if "passed_to" in text)
    (found,) = re.findall(r'"passed_to": (\[[^]]*\])', text)
    services: list[str] = json.loads(found)
    return services


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("ec2.amazonaws.com", ["ec2.amazonaws.com"]),
        ({"Ref": "Given"}, ["ecs-tasks.amazonaws.com"]),
        ({"Fn::Sub": "ec2.${AWS::URLSuffix}"}, ["ec2.*"]),
        (
            {"Fn::Join": [".", ["logs", {"Ref": "AWS::Region"}, "amazonaws.com"]]},
            ["logs.*.amazonaws.com"],
        ),
        ({"Fn::If": ["Two", "a.amazonaws.com", "b.amazonaws.com"]}, None),
        ({"Fn::If": ["Later", "a.amazonaws.com", ["b.amazonaws.com"]]}, None),
        ([{"Fn::If": ["Never", "x", {"Ref": "AWS::NoValue"}]}, "a.x"], ["a.x"]),
        ({"Ref": "Unknown"}, ["*"]),
    ],
)
def test_every_service_that_a_role_may_trust(
    service: Any, expected: list[str] | None
) -> None:
    both = ["a.amazonaws.com", "b.amazonaws.com"]
    assert passed_to(service) == (both if expected is None else expected)


def test_a_role_that_is_not_created_is_passed_to_nobody() -> None:
    assert passed_to("ec2.amazonaws.com", Condition="Never") == []
    assert passed_to("ec2.amazonaws.com", Condition="Two") == ["ec2.amazonaws.com"]
