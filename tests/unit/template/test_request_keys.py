"""Which condition keys the requests of an action have."""

from __future__ import annotations

import pytest

from tapgen.template import request_keys

# (action, key, whether no request has it): AWS's service authorization reference.
CASES = [
    ("s3:ListBucket", "s3:prefix", False),
    ("s3:GetObject", "s3:prefix", True),
    ("S3:getobject", "S3:Prefix", True),
    ("s3:*", "s3:prefix", False),
    ("s3:Get*", "s3:prefix", True),
    ("s3:GetObject", "s3:ExistingObjectTag/team", False),
    ("iam:PassRole", "iam:PassedToService", False),
    ("iam:CreateRole", "iam:PermissionsBoundary", False),
    ("iam:PassRole", "iam:PassToService", True),
    ("kms:Decrypt", "kms:EncryptionContext:aws:s3:arn", False),
    ("secretsmanager:GetSecretValue", "kms:ViaService", True),
    ("sts:AssumeRole", "sts:ExternalId", False),
    ("sts:TagSession", "sts:ExternalId", True),
    ("ec2:RunInstances", "ec2:InstanceType", False),
    # CloudWatch Logs user guide, "Encrypt log data", has this policy.
    ("kms:DescribeKey", "kms:EncryptionContext:aws:logs:arn", False),
    # Carried by a session, a key of an identity provider, and of all services.
    ("sqs:SendMessage", "lambda:SourceFunctionArn", False),
    (
        "sts:AssumeRoleWithWebIdentity",
        "token.actions.githubusercontent.com:sub",
        False,
    ),
    ("sqs:SendMessage", "aws:SourceArn", False),
    # Nothing is known.
    ("nobody:Knows", "s3:prefix", False),
    ("*", "s3:prefix", False),
]


@pytest.mark.parametrize(("action", "key", "lacking"), CASES)
def test_what_requests_lack(action: str, key: str, lacking: bool) -> None:
    assert request_keys.lacking(action, key) is lacking


def test_a_key_that_no_action_has_is_told_from_one_of_others() -> None:
    assert not request_keys.is_key("iam:PassToService")
    for known in (
        "iam:PassedToService",
        "ec2:Region",
        "aws:any",
        "lambda:SourceFunctionArn",
    ):
        assert request_keys.is_key(known)
