"""What of a change is named first."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen import diff, risk
from tapgen.risk import Kind
from tests import make


def found(
    kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None, **old: Any
) -> dict[Kind, list[str]]:
    """Kind → details, of changing one resource's properties; None for none."""
    texts = [
        make.template(
            resources=(
                {"Other": {"Type": "AWS::SNS::Topic"}}
                | ({} if p is None else {"R": {"Type": kind, "Properties": p, **more}})
            )
        )
        for p, more in ((before, old), (after, {}))
    ]
    named: dict[Kind, list[str]] = {}
    for change in diff.templates(*texts):
        for one in risk.of(change):
            named.setdefault(one.kind, []).append(one.detail)
    return named


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}


def allow(action: Any, resource: Any = "arn:a", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


POLICY = "AWS::IAM::ManagedPolicy"


def test_replacing_what_holds_data_is_named() -> None:
    bucket = "AWS::S3::Bucket"

    named = found(bucket, {"BucketName": "a"}, {"BucketName": "b"})
    assert named[Kind.DATA] == [
        "is replaced by an empty one (BucketName); what it holds is deleted"
    ]
    assert (
        "kept aside" in found(bucket, {}, None, DeletionPolicy="Retain")[Kind.DATA][0]
    )
    assert found("AWS::SNS::Topic", {"TopicName": "a"}, {"TopicName": "b"}) == {}


@pytest.mark.parametrize(
    ("before", "after", "detail"),
    [
        (allow("s3:GetObject"), allow(["s3:GetObject", "s3:Put*"]), "s3:Put*"),
        (allow("s3:GetObject"), allow("s3:GetObject", ["arn:a", "arn:b"]), "arn:b"),
        (
            allow("s3:Get*", Condition={"Bool": {"x": "true"}}),
            allow("s3:GetObject"),
            "condition dropped",
        ),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, allow("a:B"), "denies"),
    ],
)
def test_permissions_that_widen_are_named(
    before: dict[str, Any], after: dict[str, Any], detail: str
) -> None:
    named = found(POLICY, policy(before), policy(after))

    assert any(detail in text for text in named[Kind.IAM])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (allow(["a:B", "a:C"]), allow("a:B")),
        (allow("a:*"), allow(["a:B", "a:C"])),
        (allow("a:B", "*"), allow("a:B", "arn:x")),
        (allow("a:B"), allow("a:B", Condition={"Bool": {"x": "true"}})),
        (allow("a:B"), {"Effect": "Deny", "Action": "a:B", "Resource": "*"}),
    ],
)
def test_permissions_that_narrow_or_stay_are_not(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert found(POLICY, policy(before), policy(after)) == {}


def test_a_new_principal_and_an_attached_policy_are_named() -> None:
    def role(service: str, *arns: str) -> dict[str, Any]:
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": service},
        }
        document = {"Statement": [trust]}
        return {"AssumeRolePolicyDocument": document, "ManagedPolicyArns": list(arns)}

    named = found("AWS::IAM::Role", role("a.aws"), role("b.aws", "arn:p"))

    assert [d for d in named[Kind.IAM] if "for b.aws" in d]
    assert "newly attaches arn:p" in named[Kind.IAM]


def test_public_exposure_is_named() -> None:
    anybody = allow("s3:GetObject", Principal="*")
    assert Kind.PUBLIC in found("AWS::S3::BucketPolicy", policy(), policy(anybody))
    only_tls = anybody | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}
    assert Kind.PUBLIC not in found("AWS::S3::BucketPolicy", policy(), policy(only_tls))
    block = "PublicAccessBlockConfiguration"
    opened = found(
        "AWS::S3::Bucket",
        {block: {"BlockPublicAcls": True}},
        {block: {"BlockPublicAcls": False}},
    )
    assert opened[Kind.PUBLIC] == ["BlockPublicAcls is turned off"]
    database = "AWS::RDS::DBInstance"
    assert Kind.PUBLIC in found(database, {}, {"PubliclyAccessible": "true"})


def test_openings_of_security_groups_are_named() -> None:
    def group(*cidrs: str) -> dict[str, Any]:
        rules = [
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": c}
            for c in cidrs
        ]
        return {"GroupDescription": "x", "SecurityGroupIngress": rules}

    kind = "AWS::EC2::SecurityGroup"
    assert found(kind, group("10.0.0.0/8"), group("10.0.0.0/8", "10.1.0.0/16")) == {
        Kind.NETWORK: ["tcp 443 is opened to 10.1.0.0/16"]
    }
    world = found(kind, group(), group("0.0.0.0/0"))
    assert world == {Kind.PUBLIC: ["tcp 443 is open to the whole internet"]}
    assert found(kind, group("10.0.0.0/8"), group()) == {}


def test_weaker_protection_is_named() -> None:
    database = "AWS::RDS::DBInstance"
    off = found(database, {"DeletionProtection": True}, {"DeletionProtection": "false"})
    assert off == {Kind.PROTECTION: ["DeletionProtection is turned off"]}
    assert found(database, {}, {}, DeletionPolicy="Snapshot") == {
        Kind.PROTECTION: ["DeletionPolicy becomes Delete"]
    }
    versioned = {"VersioningConfiguration": {"Status": "Enabled"}}
    assert Kind.PROTECTION in found("AWS::S3::Bucket", versioned, {})
