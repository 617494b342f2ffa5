"""Policies wherever they are, whom they are for, and what else gives permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapgen.template import policies, schemas
from tapgen.template.risk import Kind
from tests.unit.template.test_risk import allow, found, policy

ANYBODY = {"Statement": [allow("x:Do", "*", Principal="*")]}
OURS = {"Statement": [allow("x:Do", "*", Principal={"AWS": "111111111111"})]}


def at(path: str, value: Any) -> Any:
    """Properties with a value at a path."""
    for name in reversed(path.split("/")):
        value = [value] if name == "*" else {name: value}
    return value


def test_every_policy_that_opens_to_anybody_is_named_however_it_is_written() -> None:
    places = [
        (kind, path)
        for kind in sorted(schemas.types("us-east-1"))
        for path in policies.paths(kind)
        if kind not in ("AWS::EC2::VPCEndpoint", "AWS::ODB::OdbNetwork")
    ]
    assert len(places) > 80
    for kind, path in places:
        for to in (ANYBODY, json.dumps(ANYBODY), {"Fn::Sub": json.dumps(ANYBODY)}):
            named = [*policies.widened(kind, at(path, OURS), at(path, to))]
            assert named == [(True, "anybody is allowed x:Do on *")], (kind, path)
        for one in (ANYBODY, OURS):
            assert not [*policies.widened(kind, at(path, one), at(path, OURS))], kind


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("AWS::IAM::Policy", "Roles"),
        ("AWS::IAM::Policy", "Groups"),
        ("AWS::IAM::ManagedPolicy", "Users"),
    ],
)
def test_a_policy_that_is_given_to_more_is_named_with_what_it_grants(
    kind: str, name: str
) -> None:
    document = policy(allow("s3:*", "*"))
    one, two = document | {name: ["a"]}, document | {name: ["b", "a"]}
    assert found(kind, one, two) == {
        Kind.IAM: ["is newly given to b: newly allows s3:* on *"]
    }
    assert found(kind, two, one) == {}
    assert found(kind, two, two | {name: ["a", "b"]}) == {}


def test_a_queue_that_gets_an_open_policy_is_public() -> None:
    one = {"PolicyDocument": ANYBODY, "Queues": ["a"]}
    two = {"PolicyDocument": ANYBODY, "Queues": ["a", {"Ref": "Other"}]}
    assert found("AWS::SQS::QueuePolicy", one, two) == {
        Kind.PUBLIC: ["is newly given to ${Other}: anybody is allowed x:Do on *"]
    }


@pytest.mark.parametrize(
    ("kind", "before", "after", "words"),
    [
        (
            "AWS::IAM::UserToGroupAddition",
            {"GroupName": "g", "Users": ["a"]},
            {"GroupName": "g", "Users": ["a", "b"]},
            "newly gives its permissions to b",
        ),
        (
            "AWS::RAM::ResourceShare",
            {"Name": "n"},
            {"Name": "n", "Principals": ["111111111111"]},
            "is newly shared with 111111111111",
        ),
        (
            "AWS::IAM::InstanceProfile",
            {"Roles": ["a"]},
            {"Roles": ["b"]},
            "newly gives the role b",
        ),
    ],
)
def test_what_else_gives_permissions_is_named(
    kind: str, before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    assert words in found(kind, before, after)[Kind.IAM]


def test_the_policy_of_an_endpoint_makes_nothing_public_and_none_allows_all() -> None:
    kind = "AWS::EC2::VPCEndpoint"
    base = {"VpcId": "v", "ServiceName": "s"}
    narrow = base | {"PolicyDocument": ANYBODY}
    assert found(kind, narrow, base) == {Kind.IAM: ["anybody is allowed * on *"]}
    assert found(kind, base, narrow) == {}
    assert found(kind, None, base) == {}


def url(**more: Any) -> dict[str, Any]:
    return {
        "Action": "lambda:InvokeFunctionUrl",
        "FunctionName": "f",
        "Principal": "*",
        **more,
    }


def test_a_function_url_is_public_without_a_signature_and_only_then() -> None:
    kind = "AWS::Lambda::Permission"
    signed, unsigned = (url(FunctionUrlAuthType=one) for one in ("AWS_IAM", "NONE"))
    assert [*found(kind, signed, unsigned)] == [Kind.PUBLIC]
    assert [*found(kind, None, unsigned)] == [Kind.PUBLIC]
    assert Kind.PUBLIC not in found(kind, None, signed)
    assert found(kind, unsigned, signed) == {}


def test_permissions_written_as_properties_are_read_as_policies() -> None:
    layer = {"Action": "lambda:GetLayerVersion", "LayerVersionArn": "l"}
    kind = "AWS::Lambda::LayerVersionPermission"
    assert [*found(kind, None, layer | {"Principal": "*"})] == [Kind.PUBLIC]
    ours = layer | {"Principal": "*", "OrganizationId": "o-1"}
    assert [*found(kind, None, ours)] == [Kind.IAM]
    service = {"ServiceId": "s", "AllowedPrincipals": ["*"]}
    kind = "AWS::EC2::VPCEndpointServicePermissions"
    assert [*found(kind, None, service)] == [Kind.PUBLIC]
    bus = {
        "Action": "events:PutEvents",
        "Principal": "*",
        "Condition": {
            "Type": "StringEquals",
            "Key": "aws:PrincipalOrgID",
            "Value": "o",
        },
    }
    assert [*found("AWS::Events::EventBusPolicy", None, bus)] == [Kind.IAM]

    def rules(principal: str) -> dict[str, Any]:
        rule = {"Resource": ["index/a/*"], "Permission": ["aoss:ReadDocument"]}
        return {
            "Type": "data",
            "Policy": json.dumps([{"Rules": [rule], "Principal": [principal]}]),
        }

    kind = "AWS::OpenSearchServerless::AccessPolicy"
    assert [*found(kind, rules("a"), rules("b"))] == [Kind.IAM]
    assert found(kind, rules("a"), rules("a") | {"Description": "d"}) == {}


def test_a_policy_that_only_aws_can_read_may_grant_more() -> None:
    hidden = {"PolicyDocument": {"Fn::GetAtt": ["Maker", "Document"]}}
    kind = "AWS::IAM::ManagedPolicy"
    assert found(kind, policy(), hidden) == {
        Kind.IAM: ["PolicyDocument is known only later and may grant more"]
    }
    assert found(kind, hidden, hidden | {"Description": "d"}) == {}
