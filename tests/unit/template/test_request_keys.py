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
    # Keys for tags: of the request only where something is tagged, of the resource where
    # it has tags; also where only the kind of the resource lists the key.
    ("ec2:RunInstances", "aws:RequestTag/team", False),
    ("ec2:StartInstances", "aws:RequestTag/team", True),
    ("ec2:StartInstances", "aws:ResourceTag/team", False),
    ("ec2:DescribeInstances", "aws:ResourceTag/team", True),
    ("sqs:SendMessage", "aws:ResourceTag/team", False),
    ("sqs:SendMessage", "aws:RequestTag/team", True),
    ("sqs:CreateQueue", "aws:TagKeys", False),
    ("sqs:ListQueues", "aws:ResourceTag/team", True),
    ("lambda:ListFunctions", "aws:ResourceTag/team", True),
    ("kms:CreateKey", "aws:RequestTag/team", False),
    ("kms:Decrypt", "aws:TagKeys", True),
    ("ec2:*", "aws:ResourceTag/team", False),
    ("ecr:BatchGetImage", "ecr:ResourceTag/team", False),
    ("ecs:UpdateService", "ecs:ResourceTag/team", False),
    ("ec2:DescribeInstances", "ec2:ResourceTag/team", True),
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
        "aws:ResourceTag/team",
        "ecs:ResourceTag/team",
        "ec2:Region",
        "aws:any",
        "lambda:SourceFunctionArn",
    ):
        assert request_keys.is_key(known)
