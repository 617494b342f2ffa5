"""No role of a shipped system leads to more permissions than its boundary allows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tapgen import blueprints
from tapgen.accounts import roles
from tapgen.blueprints import boundary
from tests.systems import look
from tests.systems.look import ROOT, every, shipped, statements
from tests.unit.blueprints import test_execution as execution

ACCOUNT = execution.ACCOUNT
CODES = {
    "payments_dr": "pd",
    "region_migration": "rm",
    "secure_network": "sn",
    "serverless_api": "sa",
}
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
REPLICAS = (
    f"arn:aws:cloudformation:us-west-2:{ACCOUNT}:stack/"
    "StackSet-secure-network-prod-database-dr-1/2"
)
OTHERS = f"arn:aws:iam::{ACCOUNT}:user/alice"

# Ways from some permissions to all of them. Sources: Rhino Security Labs, "AWS IAM
# privilege escalation methods and mitigation"; Datadog, pathfinding.cloud.
ESCALATIONS = [
    *((f"iam:{name}", OTHERS) for name in (
        "CreatePolicyVersion SetDefaultPolicyVersion CreateAccessKey CreateLoginProfile "
        "UpdateLoginProfile AttachUserPolicy AttachGroupPolicy AttachRolePolicy "
        "PutUserPolicy PutGroupPolicy PutRolePolicy AddUserToGroup CreateRole "
        "UpdateAssumeRolePolicy DeleteRolePermissionsBoundary DeleteUserPolicy "
        "PutRolePermissionsBoundary CreateServiceSpecificCredential"
    ).split()),
    ("iam:PassRole", ADMIN),
    ("sts:AssumeRole", ADMIN),
    ("sts:GetFederationToken", "*"),
    *((action, "*") for action in (
        "lambda:CreateFunction lambda:UpdateFunctionCode lambda:AddPermission "
        "lambda:UpdateFunctionConfiguration lambda:InvokeFunction glue:CreateDevEndpoint "
        "glue:UpdateDevEndpoint glue:CreateJob cloudformation:CreateStack "
        "cloudformation:UpdateStack cloudformation:CreateChangeSet "
        "datapipeline:CreatePipeline datapipeline:PutPipelineDefinition "
        "sagemaker:CreateNotebookInstance sagemaker:CreatePresignedNotebookInstanceUrl "
        "codebuild:CreateProject codebuild:StartBuild ecs:RunTask ecs:ExecuteCommand "
        "ec2:AssociateIamInstanceProfile ec2:ModifyInstanceAttribute "
        "ec2:CreateLaunchTemplateVersion ec2-instance-connect:SendSSHPublicKey "
        "ssm:SendCommand ssm:StartSession ssm:CreateAssociation ssm:UpdateDocument "
        "batch:SubmitJob states:CreateStateMachine organizations:LeaveOrganization "
        "sso:CreateAccountAssignment rolesanywhere:CreateProfile eks:CreateAccessEntry "
        "cognito-identity:SetIdentityPoolRoles"
    ).split()),
    ("s3:PutObject", "arn:aws:s3:::tapgen-artifacts-1-x/artifacts/code.zip"),
    ("s3:PutBucketPolicy", "arn:aws:s3:::tapgen-artifacts-1-x"),
]  # fmt: skip


class Boundary:
    """What a boundary allows, by IAM's logic."""

    def __init__(self, name: str) -> None:
        text = (ROOT / "templates_out" / "bootstrap" / f"{name}.json").read_text()
        found = json.loads(text)["Resources"]["Boundary"]["Properties"]
        self.name = execution.resolved(found["ManagedPolicyName"])
        self.statements = [
            execution.resolved(s) for s in found["PolicyDocument"]["Statement"]
        ]

    def allows(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
        effects = {
            s["Effect"]
            for s in self.statements
            if _about(s, action)
            and any(execution.like(resource, p) for p in s["Resource"])
            and all(execution.holds(s.get("Condition", {}), context))
        }
        return effects == {"Allow"}


def _about(statement: Mapping[str, Any], action: str) -> bool:
    patterns = statement.get("Action", statement.get("NotAction", []))
    named = any(fnmatchcase(action.lower(), p.lower()) for p in patterns)
    return named == ("Action" in statement)


@pytest.fixture(params=CODES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_no_way_to_more_permissions_is_within_it(name: str) -> None:
    it = Boundary(name)
    for service in ("lambda.amazonaws.com", "ec2.amazonaws.com"):
        for action, resource in ESCALATIONS:
            context = {"iam:PassedToService": service}
            assert not it.allows(action, resource, context), action


def _needed(name: str) -> Iterator[tuple[str, str, str]]:
    system = shipped(name)
    for key, role in every(system, "AWS::IAM::Role").items():
        part = look.body(system, key[0])["Resources"]
        managed = [
            part[p["Ref"]]
            for p in role["Properties"].get("ManagedPolicyArns", ())
            if isinstance(p, dict) and "Ref" in p
        ]
        for statement in statements([role["Properties"].get("Policies", []), managed]):
            if statement["Effect"] == "Allow":
                to = statement.get("Condition", {}).get("StringEquals", {})
                for action in statement["Action"]:
                    yield key[1], action, to.get("iam:PassedToService", "")


def test_every_role_is_within_it_and_what_its_policies_allow_is_too(name: str) -> None:
    it, code = Boundary(name), CODES[name]
    assert it.name == f"tapgen-boundary-{code}-prod"
    for key, role in every(shipped(name), "AWS::IAM::Role").items():
        (given,) = look.texts(role["Properties"]["PermissionsBoundary"])
        assert given.endswith(
            f":policy/tapgen-boundary-{code}-${{EnvironmentSuffix}}"
        ), key
    own = f"arn:aws:iam::{ACCOUNT}:role/{code}-prod-any"
    linked = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/x"
    for title, action, service in _needed(name):
        service = "".join(look.texts(service)).replace(
            "${AWS::URLSuffix}", "amazonaws.com"
        )
        resource = {
            "iam:PassRole": own,
            "iam:CreateServiceLinkedRole": linked,
            "cloudformation:UpdateStack": REPLICAS,
        }
        allowed = it.allows(
            action, resource.get(action, "*"), {"iam:PassedToService": service}
        )
        assert allowed, (title, action)


def test_the_execution_role_writes_roles_within_it_only(name: str) -> None:
    role = execution.Role(execution.template_of(ROOT / "stacksets" / f"{name}.yaml"))
    code = CODES[name]
    own = f"arn:aws:iam::{ACCOUNT}:role/{code}-prod-any"
    policy = f"arn:aws:iam::{ACCOUNT}:policy/tapgen-boundary-{code}-prod"
    ours = {"iam:PermissionsBoundary": policy}
    for action in sorted(a for a in boundary._WRITES if "User" not in a):
        assert role.allows(action, own, ours), action
        assert not role.allows(action, own, {}), action
        other = {"iam:PermissionsBoundary": policy + "-other"}
        assert not role.allows(action, own, other), action
        assert not role.allows(action, ADMIN, ours), action
    assert not role.allows("iam:DeleteRolePermissionsBoundary", own, ours)
    for action in ("CreatePolicyVersion", "DeletePolicy", "SetDefaultPolicyVersion"):
        assert not role.allows(f"iam:{action}", policy, ours), action
    # Deleting roles, also those that were not finished, needs no boundary.
    for action in ("DeleteRole", "DeleteRolePolicy", "DetachRolePolicy"):
        assert role.allows(f"iam:{action}", own, {}), action


def test_every_shipped_system_is_looked_at() -> None:
    assert {*CODES} == {*blueprints.NAMES} - {"custom"}
    for name, code in CODES.items():
        assert roles._boundary(shipped(name), code) == boundary.ENFORCED
