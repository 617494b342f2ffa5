"""Live properties of roles and keys."""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.emulator.live.reading import (
    Covering,
    Live,
    Properties,
    document,
    is_set,
    others,
    tags,
)
from tapgen.emulator.resources.calls import call


def _role(name: str, properties: Properties) -> Live:
    role = call("iam", "GetRole", RoleName=name)["Role"]
    live = {
        "RoleName": role["RoleName"],
        "Path": role["Path"],
        "Description": role.get("Description", ""),
        "MaxSessionDuration": role["MaxSessionDuration"],
        "AssumeRolePolicyDocument": document(role["AssumeRolePolicyDocument"]),
        "Tags": tags(call("iam", "ListRoleTags", RoleName=name)["Tags"]),
    }
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary:
        live["PermissionsBoundary"] = boundary
    if is_set(properties, "ManagedPolicyArns"):
        live["ManagedPolicyArns"] = _attached(name)
    if is_set(properties, "Policies"):
        live["Policies"] = _inline(name)
    return live


def _attached(role: str) -> list[str]:
    found = call("iam", "ListAttachedRolePolicies", RoleName=role)
    foreign = {
        policy.get("ManagedPolicyName")
        for policy in others("AWS::IAM::ManagedPolicy")
        if role in policy.get("Roles", ())
    }
    return [
        policy["PolicyArn"]
        for policy in found["AttachedPolicies"]
        if policy["PolicyName"] not in foreign
    ]


def _inline(role: str) -> list[Live]:
    foreign = {
        policy.get("PolicyName")
        for policy in others("AWS::IAM::Policy")
        if role in policy.get("Roles", ())
    }
    names = call("iam", "ListRolePolicies", RoleName=role)["PolicyNames"]
    return [
        {
            "PolicyName": name,
            "PolicyDocument": document(
                call("iam", "GetRolePolicy", RoleName=role, PolicyName=name)[
                    "PolicyDocument"
                ]
            ),
        }
        for name in names
        if name not in foreign
    ]


def _key(id_: str, properties: Properties) -> Live | None:
    key = call("kms", "DescribeKey", KeyId=id_)["KeyMetadata"]
    if key["KeyState"] == "PendingDeletion":
        return None  # CloudFormation has deleted a key once its deletion is scheduled
    live: Live = {
        "Description": key.get("Description", ""),
        "Enabled": key["Enabled"],
        "KeySpec": key.get("KeySpec"),
        "KeyUsage": key.get("KeyUsage"),
        "MultiRegion": key.get("MultiRegion", False),
    }
    if is_set(properties, "KeyPolicy"):
        policy = call("kms", "GetKeyPolicy", KeyId=id_, PolicyName="default")
        live["KeyPolicy"] = document(policy["Policy"])
    if is_set(properties, "EnableKeyRotation", "RotationPeriodInDays"):
        rotation = call("kms", "GetKeyRotationStatus", KeyId=id_)
        live["EnableKeyRotation"] = rotation["KeyRotationEnabled"]
        period = rotation.get("RotationPeriodInDays")
        if period is not None:
            live["RotationPeriodInDays"] = period
    found = call("kms", "ListResourceTags", KeyId=id_)["Tags"]
    live["Tags"] = tags(found, "TagKey")
    return live


READERS: Mapping[str, Covering] = {
    "AWS::IAM::Role": (
        _role,
        frozenset(
            {
                "AssumeRolePolicyDocument",
                "Description",
                "ManagedPolicyArns",
                "MaxSessionDuration",
                "Path",
                "PermissionsBoundary",
                "Policies",
                "RoleName",
                "Tags",
            }
        ),
    ),
    "AWS::KMS::Key": (
        _key,
        frozenset(
            {
                "Description",
                "EnableKeyRotation",
                "Enabled",
                "KeyPolicy",
                "KeySpec",
                "KeyUsage",
                "MultiRegion",
                "RotationPeriodInDays",
                "Tags",
            }
        ),
    ),
}
