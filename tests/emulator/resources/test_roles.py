"""Roles are made, changed and deleted as templates say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import TAG, absent, alarm, primary

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def role(name: str = "app", **properties: Any) -> dict[str, Any]:
    return of("IAM::Role", RoleName=name, AssumeRolePolicyDocument=TRUST, **properties)


def test_a_role_has_its_policies_boundary_and_tags(place: Place) -> None:
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
    boundary = f"arn:aws:iam::{place.account}:policy/limit"
    resources = {
        "Limit": of(
            "IAM::ManagedPolicy", ManagedPolicyName="limit", PolicyDocument=allowed
        ),
        "R": {
            **role(
                Policies=[{"PolicyName": "inline", "PolicyDocument": allowed}],
                ManagedPolicyArns=[{"Ref": "Limit"}],
                PermissionsBoundary=boundary,
                Tags=TAG,
            ),
            "DependsOn": "Limit",
        },
        "More": of(
            "IAM::Policy",
            PolicyName="more",
            PolicyDocument=allowed,
            Roles=[{"Ref": "R"}],
        ),
        "Profile": of(
            "IAM::InstanceProfile", InstanceProfileName="app", Roles=[{"Ref": "R"}]
        ),
    }
    created = place.create(
        "roles",
        resources,
        Outputs={
            **get("Profile", "Arn"),
            "Role": {"Value": {"Fn::GetAtt": ["R", "Arn"]}},
        },
    )
    assert created["Role"] == f"arn:aws:iam::{place.account}:role/app"
    assert created["Ref"] == "app"
    assert created["Arn"] == f"arn:aws:iam::{place.account}:instance-profile/app"
    iam = place.client("iam")
    found = iam.get_role(RoleName="app")["Role"]
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert tags(found["Tags"]) == {"Project": "one"}
    inline = iam.list_role_policies(RoleName="app")["PolicyNames"]
    assert sorted(inline) == ["inline", "more"]
    attached = iam.list_attached_role_policies(RoleName="app")["AttachedPolicies"]
    assert [a["PolicyArn"] for a in attached] == [boundary]
    profile = iam.get_instance_profile(InstanceProfileName="app")["InstanceProfile"]
    assert [r["RoleName"] for r in profile["Roles"]] == ["app"]
    place.delete("roles")
    assert absent(iam.get_role, RoleName="app") == "NoSuchEntity"
    assert absent(iam.get_instance_profile, InstanceProfileName="app") == (
        "NoSuchEntity"
    )


@pytest.mark.parametrize(
    "resource",
    [
        role("taken"),
        of("Logs::LogGroup", LogGroupName="taken"),
        of("SNS::Topic", TopicName="taken"),
        alarm(AlarmDescription="taken", MetricName="m", Namespace="n", Period=60),
        of(
            "IAM::ManagedPolicy",
            ManagedPolicyName="taken",
            PolicyDocument={"Version": "2012-10-17", "Statement": []},
        ),
        of("KMS::Alias", AliasName="alias/taken", TargetKeyId="k"),
        of("IAM::InstanceProfile", InstanceProfileName="taken", Roles=[]),
        of("SecretsManager::Secret", Name="taken", SecretString="x"),
        primary("taken"),
    ],
    ids=lambda resource: resource["Type"],
)
def test_a_resource_of_another_stack_is_not_taken_over(
    place: Place, resource: dict[str, Any]
) -> None:
    place.create("first", {"R": resource})
    assert "already exists" in place.failed("second", {"R": resource})
    assert place.stack("first")["StackStatus"] == "CREATE_COMPLETE"
