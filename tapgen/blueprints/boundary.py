"""The permissions boundary of the roles that a shipped system creates.

Whoever may write a role's policies may do what the role may do. A boundary is the most
that any role of the system can have, whatever its policies say: no way from there to more
permissions (decision 31). The execution role may write roles within it only, and cannot
change it: it is named `tapgen-…`, outside of the system's names.

Source: IAM user guide, "Permissions boundaries for IAM entities", with the example of
delegating the creation of roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from awacs.aws import (
    Action,
    Allow,
    PolicyDocument,
    Statement,
    StringEquals,
    StringLike,
)
from troposphere import iam

from tapgen.blocks import names, security
from tapgen.blueprints.role_permissions import SERVICE_LINKED

CREATED, ENFORCED = "created", "enforced"
"""Whether the policy is there only, or the execution role is held to it too."""

BEGINNING = "tapgen-boundary-"
"""What the name of every boundary begins with."""

_IDENTITIES = (
    "account iam identitystore organizations rolesanywhere sso sso-directory sts"
)
_RUN_AS_OTHERS = (
    "airflow amplify apprunner batch bedrock-agentcore cloud9 cloudformation codebuild "
    "codedeploy codepipeline cognito-identity datapipeline ec2-instance-connect ecs eks "
    "elasticbeanstalk elasticmapreduce emr-containers emr-serverless gamelift glue "
    "greengrass imagebuilder iot lambda sagemaker servicecatalog states"
)
LEADS_ON: tuple[str, ...] = (
    # Identities, their policies, and credentials.
    *(f"{service}:*" for service in _IDENTITIES.split()),
    # Code that others run, with their permissions.
    *(f"{service}:*" for service in _RUN_AS_OTHERS.split()),
    "ec2:AssociateIamInstanceProfile",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:GetPasswordData",
    "ec2:ModifyInstanceAttribute",
    "ec2:ModifyLaunchTemplate",
    "ec2:ReplaceIamInstanceProfileAssociation",
    "ssm:CreateAssociation*",
    "ssm:CreateDocument",
    "ssm:ModifyDocumentPermission",
    "ssm:ResumeSession",
    "ssm:SendCommand",
    "ssm:StartSession",
    "ssm:UpdateAssociation",
    "ssm:UpdateDocument*",
)
"""What leads to other permissions. Sources: Rhino Security Labs, "AWS IAM privilege
escalation methods and mitigation"; Datadog, pathfinding.cloud."""

# Of these services, what only shows what there is: AWS Config records it.
_DESCRIBED = (
    "apprunner batch cloud9 cloudformation codebuild cognito-identity datapipeline ecs "
    "eks elasticbeanstalk elasticmapreduce emr-containers gamelift glue greengrass iot "
    "sagemaker servicecatalog states"
)
_UNLISTED = {"ec2-instance-connect"}
_SEEN = (
    *(f"{service}:Describe*" for service in _DESCRIBED.split()),
    *(f"{s}:List*" for s in _RUN_AS_OTHERS.split() if s not in _UNLISTED),
    *("codebuild:BatchGet*", "glue:Get*", "lambda:Get*"),
    *("iam:GenerateCredentialReport", "iam:Get*", "iam:List*"),
    *("organizations:Describe*", "organizations:List*"),
)
# Only these change what the role of a system may do.
_WRITES_ROLES = frozenset(
    f"iam:{name}"
    for name in (
        *("AttachRolePolicy", "CreateRole", "PutRolePermissionsBoundary"),
        *("PutRolePolicy", "UpdateAssumeRolePolicy"),
    )
)
_ENDS = "iam:DeleteRolePermissionsBoundary"


def policy(code: str, passed_to: Iterable[str]) -> Any:
    """Return the boundary as a managed policy, for a system's code.

    `passed_to` are the services that the system's roles are for.
    """
    return iam.ManagedPolicy(
        "Boundary",
        ManagedPolicyName=names.sub(security.boundary_name(code)),
        # Constant: a change would replace the policy, whose name is taken.
        Description="The most that a role of the system can do, whatever its policies",
        PolicyDocument=_document(code, passed_to),
    )


def _document(code: str, passed_to: Iterable[str]) -> PolicyDocument:
    own = names.arn("iam", f"role/{names.name(code, '*')}", region="")
    services = [*passed_to]
    test = StringLike if any("*" in s for s in services) else StringEquals
    return security.document(
        Statement(
            Sid="WhatLeadsNoFurther",
            Effect=Allow,
            NotAction=_actions(LEADS_ON),
            Resource=["*"],
        ),
        security.statement("SeeTheRest", _actions(_SEEN), ["*"]),
        *(
            [
                security.statement(
                    "PassRolesOfThisSystem",
                    _actions(["iam:PassRole"]),
                    [own],
                    test({"iam:PassedToService": services}),
                )
            ]
            if services
            else []
        ),
        security.statement(
            "ServiceLinkedRoles",
            _actions(["iam:CreateServiceLinkedRole"]),
            [SERVICE_LINKED],
        ),
        # Plans, journals and the code of functions.
        security.statement(
            "NotWhatTapgenKeeps",
            _actions(["s3:Delete*", "s3:Put*"]),
            [names.bucket_arn(f"tapgen-artifacts-*{end}") for end in ("", "/*")],
            deny=True,
        ),
    )


def limited(code: str, actions: Iterable[str]) -> Iterator[Statement]:
    """Allow those of the actions that write roles, within the boundary only; and deny
    taking it off, or changing it.

    The key is the boundary asked for, or that of the role whose policies are written.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    own = names.arn("iam", f"role/{names.name(code, '*')}", region="")
    boundary = security.boundary_arn(code)
    writing = sorted(_WRITES_ROLES & {*actions})
    if not writing:
        return
    yield security.statement(
        "WriteRolesWithinTheirBoundary",
        _actions(writing),
        [own],
        StringEquals({"iam:PermissionsBoundary": names.sub(boundary)}),
    )
    yield security.statement("NoRoleLeavesIt", _actions([_ENDS]), ["*"], deny=True)
    yield security.statement(
        "NobodyChangesIt",
        _actions(
            f"iam:{name}"
            for name in (
                *("CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion"),
                "SetDefaultPolicyVersion",
            )
        ),
        [boundary],
        deny=True,
    )


def without(actions: Iterable[str]) -> set[str]:
    """Return the actions besides those that `limited` is about."""
    return {*actions} - _WRITES_ROLES - {_ENDS}


def _actions(names_: Iterable[str]) -> list[Action]:
    return [Action(*name.split(":")) for name in names_]
