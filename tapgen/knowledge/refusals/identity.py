"""What key, identity and account services refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.knowledge.refusals.model import Refusal, Rule

_POLICY: Mapping[str, Any] = {
    "KeyPolicy": {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }
}
_OTHER_POOL = (
    "keep it, or give the user pool another logical id, which makes a new one, and "
    "move the users there"
)
_ACCOUNT: Mapping[str, Any] = {
    "AccountName": "orders",
    "Email": "orders@example.com",
    "RoleName": "OrganizationAccountAccessRole",
}


def _key(path: str, default: Any, before: Any, after: Any) -> Refusal:
    """A property of KMS keys that the update handler refuses to change."""
    return Refusal(
        type="AWS::KMS::Key",
        path=path,
        rule=Rule.CHANGED,
        default=default,
        words=(
            "You cannot change the values of the KeySpec, KeyUsage, Origin, or "
            "MultiRegion properties of an AWS::KMS::Key resource."
        ),
        advice=(
            "keep it, or give the key another logical id, which makes a new one, and "
            "keep the old one for what it has encrypted"
        ),
        source=f"resource reference of AWS::KMS::Key, {path}",
        checked="aws-cloudformation/aws-cloudformation-resource-providers-kms (handler)",
        before={**_POLICY, path: before},
        after={**_POLICY, path: after},
        neutral={**_POLICY, path: before, "Description": "of the orders"},
    )


def _pool(path: str, before: Any, after: Any, checked: str = "") -> Refusal:
    """A property of user pools that Cognito never changes."""
    pool = {"UserPoolName": "customers"}
    return Refusal(
        type="AWS::Cognito::UserPool",
        path=path,
        rule=Rule.CHANGED,
        words="Updates are not allowed for property - {property}.",
        advice=_OTHER_POOL,
        source="aws-amplify/amplify-cli#4227",
        checked=checked,
        before={**pool, path: before},
        after={**pool, path: after},
        neutral={**pool, path: before, "MfaConfiguration": "OFF"},
    )


def _account(path: str, after: str) -> Refusal:
    return Refusal(
        type="AWS::Organizations::Account",
        path=path,
        rule=Rule.CHANGED,
        words=f"You cannot update {path} of an account with CloudFormation",
        advice=(
            "keep it in the template: it is changed in the account itself, or through "
            "AWS Organizations"
        ),
        source=f"resource reference of AWS::Organizations::Account, {path}",
        before=_ACCOUNT,
        after={**_ACCOUNT, path: after},
        neutral={**_ACCOUNT, "Tags": [{"Key": "team", "Value": "orders"}]},
    )


def _schema(*attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"UserPoolName": "customers", "Schema": list(attributes)}


def _attribute(name: str, kind: str = "String", **more: Any) -> Mapping[str, Any]:
    return {"Name": name, "AttributeDataType": kind, "Mutable": True, **more}


IDENTITY: tuple[Refusal, ...] = (
    _key("KeySpec", "SYMMETRIC_DEFAULT", "SYMMETRIC_DEFAULT", "RSA_2048"),
    _key("KeyUsage", "ENCRYPT_DECRYPT", "ENCRYPT_DECRYPT", "SIGN_VERIFY"),
    _key("Origin", "AWS_KMS", "AWS_KMS", "EXTERNAL"),
    _key("MultiRegion", False, False, True),
    _pool(
        "AliasAttributes",
        ["email"],
        ["phone_number"],
        checked="aws-amplify/amplify-cli#382",
    ),
    _pool(
        "UsernameAttributes",
        ["email"],
        ["phone_number"],
        checked="resource reference of AWS::Cognito::UserPool (cannot be updated)",
    ),
    _pool(
        "UsernameConfiguration",
        {"CaseSensitive": True},
        {"CaseSensitive": False},
    ),
    Refusal(
        type="AWS::Cognito::UserPool",
        path="Schema",
        rule=Rule.ITEM_REMOVED,
        key="Name",
        words="Existing schema attributes cannot be modified or deleted.",
        advice=(
            "keep the attribute: a pool gains attributes and never loses one; a new "
            "pool needs another logical id"
        ),
        source="aws-amplify/amplify-android#2570",
        checked="resource reference of AWS::Cognito::UserPool, Schema",
        before=_schema(_attribute("tier"), _attribute("points", "Number")),
        after=_schema(_attribute("tier")),
        neutral=_schema(
            _attribute("tier"), _attribute("points", "Number"), _attribute("club")
        ),
    ),
    Refusal(
        type="AWS::Cognito::UserPool",
        path="Schema",
        rule=Rule.ITEM_CHANGED,
        key="Name",
        words="Existing schema attributes cannot be modified or deleted.",
        advice=(
            "keep the attribute as it is, and add one with another name for the new form"
        ),
        source="resource reference of AWS::Cognito::UserPool, Schema",
        checked="hashicorp/terraform-provider-aws#21654",
        before=_schema(_attribute("points", "Number")),
        after=_schema(_attribute("points", "String")),
        neutral=_schema(_attribute("points", "Number"), _attribute("club")),
    ),
    _account("AccountName", "orders-two"),
    _account("Email", "orders-two@example.com"),
    _account("RoleName", "Admin"),
)
"""Refusals of KMS, Cognito and Organizations."""
