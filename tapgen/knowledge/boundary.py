"""What the permissions boundary of a system's roles leaves out (decision 31).

A boundary allows all but what leads to other permissions. `blueprints/boundary.py` writes
it; rules compare policies with it.
"""

from __future__ import annotations

from collections.abc import Mapping

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
SEEN: tuple[str, ...] = (
    *(f"{service}:Describe*" for service in _DESCRIBED.split()),
    *(f"{s}:List*" for s in _RUN_AS_OTHERS.split() if s not in _UNLISTED),
    *("codebuild:BatchGet*", "glue:Get*", "lambda:Get*"),
    *("iam:GenerateCredentialReport", "iam:Get*", "iam:List*"),
    *("organizations:Describe*", "organizations:List*"),
)
"""What of that only shows what there is, and stays within the boundary."""

UPDATES_OWN: Mapping[str, tuple[str, ...]] = {"sn": ("database-dr",)}
"""Code of a shipped system → parts whose stacks its roles may update. Such a stack has no
role of its own, and none may be given: CloudFormation then changes what is in it with the
permissions of the caller, which are within the boundary.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html"""

RUNS_OWN: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("lambda", "function"): ("lambda:InvokeFunction",),
    ("states", "statemachine"): (
        *("states:DescribeExecution", "states:StartExecution"),
        *("states:StartSyncExecution", "states:StopExecution"),
    ),
}
"""(service, kind of resource) → actions that start what runs with the permissions of a
role of the same system: within the boundary of a `custom` system, for its own resources.
Service authorization reference, Lambda and Step Functions."""
