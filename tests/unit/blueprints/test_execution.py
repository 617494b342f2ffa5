"""What the execution role of a shipped system may do, and what it may not.

The calls are written by hand, from AWS's documentation of each step of deploying
secure_network. A small policy evaluator answers them. Nothing is derived from the data
that generates the role.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tapgen import blueprints, config
from tapgen.accounts import roles as needed_roles
from tapgen.blueprints import bootstrap as roles
from tapgen.blueprints.scope import Scope, arns_by_kind
from tapgen.knowledge import named_resources
from tapgen.knowledge.unused_permissions import UNUSED
from tapgen.model import Permission
from tapgen.template import schemas
from tests.systems import look

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "stacksets").glob("*.yaml"))
ACCOUNT, ADMIN, REGION = "111111111111", "999999999999", "us-east-1"
VALUES = {
    "AWS::Partition": "aws",
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::Region": REGION,
    "AdministrationAccount": ADMIN,
    "EnvironmentSuffix": "prod",
}
OURS = {
    "aws:ResourceTag/tapgen:system": "secure_network",
    "aws:ResourceTag/tapgen:suffix": "prod",
}
# The boundary of the role that is made, or whose policies are written.
BOUNDED = {
    "iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/tapgen-boundary-sn-prod"
}
OTHER_SYSTEM = {**OURS, "aws:ResourceTag/tapgen:system": "payments_dr"}
OTHER_ENVIRONMENT = {**OURS, "aws:ResourceTag/tapgen:suffix": "stg"}
Context = Mapping[str, str]


def template_of(path: Path) -> dict[str, Any]:
    loaded = config.load(path, blueprints.find)
    blueprint = blueprints.find(loaded.blueprint)
    assert blueprint is not None
    files = needed_roles.files(blueprint.build(loaded), blueprint.code)
    template: dict[str, Any] = json.loads(files[f"bootstrap/{path.stem}.json"])
    return template


def resolved(value: Any) -> Any:
    match value:
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:]+)\}", lambda m: VALUES[m[1]], text)
        case {"Ref": str(name)}:
            return VALUES[name]
        case dict():
            return {key: resolved(inner) for key, inner in value.items()}
        case list():
            return [resolved(inner) for inner in value]
    return value


class Role:
    """An execution role with IAM's evaluation logic."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self.statements = [
            resolved(statement)
            for title, resource in template["Resources"].items()
            if resource["Type"] == "AWS::IAM::ManagedPolicy" and title != "Boundary"
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        ]

    def allows(self, action: str, resource: str, context: Context) -> bool:
        effects = {
            s["Effect"]
            for s in self.statements
            if any(like(action.lower(), p.lower()) for p in s["Action"])
            and any(like(resource, p) for p in s["Resource"])
            and all(holds(s.get("Condition", {}), context))
        }
        return effects == {"Allow"}


def like(text: str, pattern: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def holds(conditions: Mapping[str, Any], context: Context) -> Iterator[bool]:
    """Whether each condition holds; IAM user guide, condition operators."""
    for operator, tests in conditions.items():
        for key, wanted in tests.items():
            expected = wanted if isinstance(wanted, list) else [wanted]
            found = context.get(key)
            if operator == "Null":
                yield (found is None) == (expected == ["true"])
                continue
            plain = operator.removesuffix("IfExists")
            if found is None:
                # "If the key is not present": true for IfExists and for negations.
                yield plain != operator or "Not" in plain
                continue
            test = like if plain.endswith("Like") else str.__eq__
            assert plain in {
                *("StringEquals", "StringLike", "StringNotEquals", "StringNotLike")
            }
            yield any(test(found, e) for e in expected) != ("Not" in plain)


@pytest.fixture(scope="module")
def role() -> Role:
    return Role(template_of(ROOT / "stacksets" / "secure_network.yaml"))


def arn(service: str, resource: str, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


KEY = arn("kms", "key/mrk-1")
DR_KEY = arn("kms", "key/mrk-1", "us-west-2")
SECRET = arn("secretsmanager", "secret:sn-prod-db-owner-primary-AbCdEf")
TOPIC = arn("sns", "sn-prod-alerts-primary")
RDS_LOGS = arn("logs", "log-group:/aws/rds/instance/sn-prod-db-primary/postgresql")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sn-prod-instance"
LINKED = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/"

STEPS = [
    # Stacks
    ("cloudformation:CreateStack", arn("cloudformation", "stack/StackSet-secure-network-prod-keys-1/x")),
    ("cloudformation:DescribeStacks", arn("cloudformation", "stack/StackSet-secure-network-prod-keys-1/x", "us-west-2")),
    ("cloudformation:GetTemplateSummary", "*"),
    ("s3:GetObject", f"arn:aws:s3:::tapgen-artifacts-{ADMIN}-us-east-1/templates/x.json"),
    # Keys
    ("kms:CreateKey", "*"),
    ("kms:TagResource", KEY),
    ("kms:EnableKeyRotation", KEY),
    ("kms:ReplicateKey", KEY),
    ("kms:CreateAlias", KEY),
    ("kms:CreateAlias", arn("kms", "alias/sn-prod-key-primary")),
    ("kms:DescribeKey", DR_KEY),
    # Secret, with a copy
    ("secretsmanager:CreateSecret", SECRET),
    ("secretsmanager:ReplicateSecretToRegions", SECRET),
    ("secretsmanager:GetRandomPassword", "*"),
    ("secretsmanager:GetSecretValue", SECRET),
    ("secretsmanager:PutSecretValue", SECRET),
    ("secretsmanager:DeleteSecret", SECRET),
    # Database, replica, last snapshot
    ("rds:CreateDBSubnetGroup", arn("rds", "subgrp:sn-prod-db-primary")),
    ("rds:CreateDBParameterGroup", arn("rds", "pg:sn-prod-postgres17-primary")),
    ("rds:CreateDBInstance", arn("rds", "db:sn-prod-db-primary")),
    ("rds:CreateDBInstance", arn("rds", "subgrp:sn-prod-db-primary")),
    ("rds:CreateDBInstance", arn("rds", "pg:sn-prod-postgres17-primary")),
    ("rds:CreateDBInstance", arn("rds", "og:default:postgres-17")),
    ("rds:CreateDBInstanceReadReplica", arn("rds", "db:sn-prod-db-primary")),
    ("rds:CreateDBInstanceReadReplica", arn("rds", "db:sn-prod-db-dr", "us-west-2")),
    ("rds:PromoteReadReplica", arn("rds", "db:sn-prod-db-dr", "us-west-2")),
    ("rds:ModifyDBInstance", arn("rds", "db:sn-prod-db-primary")),
    ("rds:DescribeDBInstances", arn("rds", "db:*")),
    ("rds:AddTagsToResource", arn("rds", "db:sn-prod-db-primary")),
    ("rds:CreateDBSnapshot", arn("rds", "snapshot:stackset-secure-network-snapshot-1")),
    ("rds:DeleteDBInstance", arn("rds", "db:sn-prod-db-primary")),
    # Buckets
    ("s3:CreateBucket", f"arn:aws:s3:::sn-prod-data-primary-{ACCOUNT}"),
    ("s3:PutReplicationConfiguration", f"arn:aws:s3:::sn-prod-data-primary-{ACCOUNT}"),
    ("s3:PutBucketPolicy", f"arn:aws:s3:::sn-prod-logs-dr-{ACCOUNT}"),
    # Logs, alarms, topics
    ("logs:CreateLogGroup", RDS_LOGS),
    ("logs:CreateLogGroup", arn("logs", "log-group:sn-prod-flow-primary")),
    ("logs:PutRetentionPolicy", f"{RDS_LOGS}:*"),
    ("logs:AssociateKmsKey", RDS_LOGS),
    ("logs:PutMetricFilter", arn("logs", "log-group:sn-prod-app-dr", "us-west-2")),
    ("logs:DescribeLogGroups", arn("logs", "log-group:*")),
    ("cloudwatch:PutMetricAlarm", arn("cloudwatch", "alarm:sn-prod-db-cpu-primary")),
    ("cloudwatch:PutDashboard", arn("cloudwatch", "dashboard/sn-prod-overview-dr", "")),
    ("sns:CreateTopic", TOPIC),
    ("sns:SetTopicAttributes", TOPIC),
    ("sns:Subscribe", TOPIC),
    ("sns:Unsubscribe", f"{TOPIC}:0000"),
    # Audit
    ("cloudtrail:CreateTrail", arn("cloudtrail", "trail/sn-prod-trail-primary")),
    ("cloudtrail:StartLogging", arn("cloudtrail", "trail/sn-prod-trail-primary")),
    ("config:PutConfigurationRecorder", arn("config", "configuration-recorder/sn-prod-recorder-dr/x")),
    ("config:StartConfigurationRecorder", arn("config", "configuration-recorder/sn-prod-recorder-dr/x")),
    ("config:StopConfigurationRecorder", arn("config", "configuration-recorder/sn-prod-recorder-dr/x")),
    ("config:PutDeliveryChannel", "*"),
    ("config:DeleteDeliveryChannel", "*"),
    ("config:PutConfigRule", arn("config", "config-rule/config-rule-abcdef")),
    # Network
    ("ec2:CreateVpc", arn("ec2", "vpc/vpc-1")),
    ("ec2:CreateTags", arn("ec2", "vpc/vpc-1")),
    ("ec2:DescribeAvailabilityZones", "*"),
    ("ec2:CreateNatGateway", arn("ec2", "natgateway/nat-1")),
    ("ec2:CreateVpcEndpoint", arn("ec2", "vpc-endpoint/vpce-1")),
    ("route53:AssociateVPCWithHostedZone", "arn:aws:route53:::hostedzone/Z1"),
    ("ec2:CreateFlowLogs", arn("ec2", "vpc-flow-log/fl-1")),
    # Roles
    ("iam:CreateRole", ROLE),
    ("iam:PutRolePolicy", ROLE),
    ("iam:CreateInstanceProfile", f"arn:aws:iam::{ACCOUNT}:instance-profile/sn-prod-instance"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "resource"), STEPS)
def test_every_step_of_making_the_system_is_allowed(
    role: Role, action: str, resource: str
) -> None:
    assert role.allows(action, resource, BOUNDED)


@pytest.mark.parametrize(
    "service", ["secretsmanager.us-east-1", "secretsmanager.us-west-2", "rds.us-east-1"]
)
def test_keys_are_used_through_the_services_that_encrypt_with_them(
    role: Role, service: str
) -> None:
    for name in ("Decrypt", "Encrypt", "GenerateDataKey", "CreateGrant"):
        context = {"kms:ViaService": f"{service}.amazonaws.com"}
        assert role.allows(f"kms:{name}", KEY, context)
        assert not role.allows(f"kms:{name}", KEY, {})
        elsewhere = {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}
        assert not role.allows(f"kms:{name}", KEY, elsewhere)


@pytest.mark.parametrize("service", ["rds", "mrk.kms"])
def test_service_linked_roles_are_created_for_the_services_in_use(
    role: Role, service: str
) -> None:
    action = "iam:CreateServiceLinkedRole"
    context = {"iam:AWSServiceName": f"{service}.amazonaws.com"}
    assert role.allows(
        action, f"{LINKED}{service}.amazonaws.com/AWSServiceRole", context
    )
    other = {"iam:AWSServiceName": "ecs.amazonaws.com"}
    assert not role.allows(action, f"{LINKED}ecs.amazonaws.com/AWSServiceRole", other)


FOREIGN = [
    ("rds:DeleteDBInstance", arn("rds", "db:payroll")),
    ("rds:ModifyDBInstance", arn("rds", "db:sn-stg-db-primary")),
    ("rds:DeleteDBSnapshot", arn("rds", "snapshot:payroll")),
    ("logs:DeleteLogGroup", arn("logs", "log-group:/aws/lambda/payroll")),
    ("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:payroll-AbCdEf")),
    ("secretsmanager:DeleteSecret", arn("secretsmanager", "secret:sn-stg-db-owner-AbCdEf")),
    ("sns:DeleteTopic", arn("sns", "payroll")),
    ("sns:Subscribe", arn("sns", "payroll")),
    ("cloudtrail:StopLogging", arn("cloudtrail", "trail/organization")),
    ("cloudwatch:DeleteAlarms", arn("cloudwatch", "alarm:payroll")),
    ("config:StopConfigurationRecorder", arn("config", "configuration-recorder/default/x")),
    ("s3:PutBucketPolicy", "arn:aws:s3:::payroll"),
    ("s3:GetObject", "arn:aws:s3:::sn-prod-data-primary-1/x"),
    ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/tapgen-secure-network-prod-execution"),
    ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/sn-prod-x"),
    ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    ("cloudformation:DeleteStack", arn("cloudformation", "stack/StackSet-secure-network-stg-keys-1/x")),
    ("ssm:GetParameter", arn("ssm", "parameter/payroll/password")),
    ("lambda:InvokeFunction", arn("lambda", "function:sn-prod-x")),
]  # fmt: skip


@pytest.mark.parametrize(("action", "resource"), FOREIGN)
def test_what_belongs_to_others_is_out_of_reach(
    role: Role, action: str, resource: str
) -> None:
    assert not role.allows(action, resource, {"s3:ResourceAccount": ACCOUNT})


@pytest.mark.parametrize("name", ["ScheduleKeyDeletion", "DisableKey"])
def test_only_keys_of_this_system_and_environment_can_be_ended(
    role: Role, name: str
) -> None:
    assert role.allows(f"kms:{name}", KEY, OURS)
    for context in ({}, OTHER_SYSTEM, OTHER_ENVIRONMENT):
        assert not role.allows(f"kms:{name}", KEY, context)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("kms:PutKeyPolicy", KEY),
        ("kms:UntagResource", KEY),
        ("kms:TagResource", KEY),
        ("ec2:DeleteVpc", arn("ec2", "vpc/vpc-1")),
        ("ec2:DeleteNatGateway", arn("ec2", "natgateway/nat-1")),
        ("ec2:RevokeSecurityGroupIngress", arn("ec2", "security-group/sg-1")),
        ("ec2:ReplaceRoute", arn("ec2", "route-table/rtb-1")),
        ("ec2:ReleaseAddress", arn("ec2", "elastic-ip/eipalloc-1")),
    ],
)
def test_what_is_tagged_for_another_system_or_environment_is_not_changed(
    role: Role, action: str, resource: str
) -> None:
    assert role.allows(action, resource, OURS)
    # Without tags yet: the system's own, just after creation.
    assert role.allows(action, resource, {})
    assert not role.allows(action, resource, OTHER_SYSTEM)
    assert not role.allows(action, resource, OTHER_ENVIRONMENT)


def test_objects_leave_for_no_bucket_of_the_customers_organization(role: Role) -> None:
    object_ = "arn:aws:s3:::some-bucket/x"
    own = "${aws:PrincipalOrgID, 'none'}"  # what IAM puts here, our evaluator does not
    outside = {"s3:ResourceAccount": "222222222222", "aws:ResourceOrgID": "o-aws"}
    assert role.allows("s3:PutObject", object_, outside)
    assert not role.allows(
        "s3:PutObject", object_, {**outside, "aws:ResourceOrgID": own}
    )
    inside = {**outside, "s3:ResourceAccount": ACCOUNT}
    assert not role.allows("s3:PutObject", object_, inside)


def test_the_images_that_aws_publishes_are_read_and_no_other_parameters() -> None:
    servers = Role(template_of(ROOT / "stacksets" / "region_migration.yaml"))
    public = f"arn:aws:ssm:{REGION}::parameter/aws/service/ami-amazon-linux-latest/x"
    assert servers.allows("ssm:GetParameters", public, {})
    assert servers.allows("ssm:PutParameter", arn("ssm", "parameter/rm/prod/plan"), {})
    for foreign in ("parameter/payroll", "parameter/rm/stg/plan"):
        assert not servers.allows("ssm:GetParameters", arn("ssm", foreign), {})


def test_alarms_of_scaling_policies_are_created() -> None:
    servers = Role(template_of(ROOT / "stacksets" / "region_migration.yaml"))
    alarm = arn("cloudwatch", "alarm:TargetTracking-rm-prod-blue-target-AlarmHigh-1")
    assert servers.allows("cloudwatch:PutMetricAlarm", alarm, {})
    foreign = arn("cloudwatch", "alarm:TargetTracking-payroll-AlarmHigh-1")
    assert not servers.allows("cloudwatch:DeleteAlarms", foreign, {})


# Type and its name property → the action that creates it, and the end of its ARN.
NAMED = {
    ("AWS::AutoScaling::AutoScalingGroup", "AutoScalingGroupName"): (
        "autoscaling:CreateAutoScalingGroup",
        "autoScalingGroup:1-2:autoScalingGroupName/{}",
    ),
    ("AWS::Backup::BackupVault", "BackupVaultName"): (
        "backup:CreateBackupVault",
        "backup-vault:{}",
    ),
    ("AWS::CloudTrail::Trail", "TrailName"): ("cloudtrail:CreateTrail", "trail/{}"),
    ("AWS::CloudWatch::Alarm", "AlarmName"): ("cloudwatch:PutMetricAlarm", "alarm:{}"),
    ("AWS::DynamoDB::GlobalTable", "TableName"): ("dynamodb:CreateTable", "table/{}"),
    ("AWS::Events::Rule", "Name"): ("events:PutRule", "rule/{}"),
    ("AWS::Lambda::Function", "FunctionName"): (
        "lambda:CreateFunction",
        "function:{}",
    ),
    ("AWS::Logs::LogGroup", "LogGroupName"): ("logs:CreateLogGroup", "log-group:{}"),
    ("AWS::RDS::DBCluster", "DBClusterIdentifier"): (
        "rds:CreateDBCluster",
        "cluster:{}",
    ),
    ("AWS::RDS::DBClusterParameterGroup", "DBClusterParameterGroupName"): (
        "rds:CreateDBClusterParameterGroup",
        "cluster-pg:{}",
    ),
    ("AWS::RDS::DBInstance", "DBInstanceIdentifier"): ("rds:CreateDBInstance", "db:{}"),
    ("AWS::RDS::DBParameterGroup", "DBParameterGroupName"): (
        "rds:CreateDBParameterGroup",
        "pg:{}",
    ),
    ("AWS::RDS::DBSubnetGroup", "DBSubnetGroupName"): (
        "rds:CreateDBSubnetGroup",
        "subgrp:{}",
    ),
    ("AWS::SNS::Topic", "TopicName"): ("sns:CreateTopic", "{}"),
    ("AWS::SSM::Document", "Name"): ("ssm:CreateDocument", "document/{}"),
    ("AWS::SSM::Parameter", "Name"): ("ssm:PutParameter", "parameter{}"),
    ("AWS::Scheduler::Schedule", "Name"): (
        "scheduler:CreateSchedule",
        "schedule/default/{}",
    ),
    ("AWS::SecretsManager::Secret", "Name"): (
        "secretsmanager:CreateSecret",
        "secret:{}-AbCdEf",
    ),
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_whatever_a_shipped_system_names_its_role_may_make(path: Path) -> None:
    loaded = config.load(path, blueprints.find)
    blueprint = blueprints.find(loaded.blueprint)
    assert blueprint is not None
    role = Role(template_of(path))
    checked = 0
    for stack_set in blueprint.build(loaded).stack_sets:
        for resource in json.loads(stack_set.template)["Resources"].values():
            for (kind, key), (action, end) in NAMED.items():
                if resource["Type"] == kind:
                    service = action.partition(":")[0]
                    name = named(resource["Properties"][key])
                    assert role.allows(action, arn(service, end.format(name)), {}), name
                    checked += 1
    assert checked > 5


def named(value: Any) -> str:
    """Return a name with placeholders for unknown variables."""
    text = value
    if isinstance(value, dict):
        text = value["Fn::Sub"]
        text = text if isinstance(text, str) else text[0]
    assert isinstance(text, str)
    return re.sub(r"\$\{([\w:]+)\}", lambda m: VALUES.get(m[1], "x1"), text)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_no_shipped_system_may_touch_a_database_or_a_secret_of_another(
    path: Path,
) -> None:
    role = Role(template_of(path))
    for action, resource in FOREIGN:
        assert not role.allows(action, resource, {"s3:ResourceAccount": ACCOUNT})
    for action in ("CreateRole", "PutRolePolicy", "AttachRolePolicy", "PassRole"):
        assert not role.allows(
            f"iam:{action}", f"arn:aws:iam::{ACCOUNT}:role/admin", {}
        )


def everything(value: Any) -> Iterator[str]:
    """Yield every key and every text in a part of a template."""
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from everything(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from everything(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_what_is_left_out_of_a_role_is_for_what_no_shipped_resource_has(
    path: Path,
) -> None:
    for name, resource in look.every(look.shipped(path.stem)).items():
        for absent in UNUSED.get(resource["Type"], {}):
            found = [text for text in everything(resource) if like(text, absent)]
            assert not found, (name, absent)


def test_what_is_left_out_of_a_role_is_what_schemas_list() -> None:
    for kind, left_out in UNUSED.items():
        listed = schemas.permissions([kind])
        for pattern in (p for patterns in left_out.values() for p in patterns):
            assert any(like(action, pattern) for action in listed), (kind, pattern)


NOBODYS = [
    ("iam:AttachUserPolicy", f"arn:aws:iam::{ACCOUNT}:user/alice"),
    ("iam:DetachUserPolicy", f"arn:aws:iam::{ACCOUNT}:user/pd-prod-alice"),
    ("iam:AttachGroupPolicy", f"arn:aws:iam::{ACCOUNT}:group/admins"),
    ("iam:DetachGroupPolicy", f"arn:aws:iam::{ACCOUNT}:group/admins"),
    ("kinesis:PutRecords", arn("kinesis", "stream/payroll")),
    ("kinesis:DescribeStream", arn("kinesis", "stream/payroll")),
    ("acm-pca:IssueCertificate", arn("acm-pca", "certificate-authority/1")),
    ("acm-pca:GetCertificate", arn("acm-pca", "certificate-authority/1")),
    ("codedeploy:CreateDeployment", arn("codedeploy", "deploymentgroup:payroll/x")),
    ("codedeploy:StopDeployment", "*"),
    ("lambda:GetLayerVersion", arn("lambda", "layer:payroll:1")),
    ("lambda:GetCodeSigningConfig", arn("lambda", "code-signing-config:csc-1")),
    ("lambda:PassCapacityProvider", arn("lambda", "capacity-provider:payroll")),
    ("logs:PutResourcePolicy", "*"),
    ("logs:DeleteResourcePolicy", "*"),
    ("logs:PutIndexPolicy", arn("logs", "log-group:payroll")),
    ("ec2:AcceptAddressTransfer", arn("ec2", "elastic-ip/eipalloc-1")),
    ("ec2:AttachVpnGateway", arn("ec2", "vpc/vpc-1")),
    ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_no_shipped_system_may_do_what_none_of_its_properties_takes(
    path: Path,
) -> None:
    role = Role(template_of(path))
    for action, resource in NOBODYS:
        assert not role.allows(action, resource, {}), action


def test_a_policy_of_a_custom_system_is_attached_to_nobody_it_does_not_name() -> None:
    types = ["AWS::IAM::ManagedPolicy"]
    for names, allowed in (({}, set[str]()), ({"iam:user": ["alice"]}, {"alice"})):
        scope = Scope(names=names)
        role = Role(json.loads(roles.target("demo", scope, types, [])))
        for user in ("alice", "bob"):
            resource = f"arn:aws:iam::{ACCOUNT}:user/{user}"
            attached = role.allows("iam:AttachUserPolicy", resource, {})
            assert attached == (user in allowed)


def test_an_existing_database_gets_a_replica_and_no_other_change() -> None:
    database = arn("rds", "db:my-database")
    given = [Permission("rds:CreateDBInstanceReadReplica", database)]
    scope = Scope("rm", permissions=given)
    role = Role(json.loads(roles.target("demo", scope, ["AWS::RDS::DBInstance"], [])))
    assert role.allows("rds:CreateDBInstanceReadReplica", database, {})
    for action in ("DeleteDBInstance", "ModifyDBInstance", "RebootDBInstance"):
        assert not role.allows(f"rds:{action}", database, {})
    other = arn("rds", "db:payroll")
    assert not role.allows("rds:CreateDBInstanceReadReplica", other, {})


def custom(names: Mapping[str, Sequence[str]], *types: str) -> Role:
    return Role(json.loads(roles.target("demo", Scope(names=names), types, [])))


DELETIONS = {
    "AWS::AutoScaling::AutoScalingGroup": (
        "autoscaling:DeleteAutoScalingGroup",
        "autoScalingGroup:x:autoScalingGroupName/%s",
    ),
    "AWS::Backup::BackupVault": ("backup:DeleteBackupVault", "backup-vault:%s"),
    "AWS::CloudTrail::Trail": ("cloudtrail:DeleteTrail", "trail/%s"),
    "AWS::CloudWatch::Alarm": ("cloudwatch:DeleteAlarms", "alarm:%s"),
    "AWS::DynamoDB::Table": ("dynamodb:DeleteTable", "table/%s"),
    "AWS::Events::Rule": ("events:DeleteRule", "rule/%s"),
    "AWS::Lambda::Function": ("lambda:DeleteFunction", "function:%s"),
    "AWS::Logs::LogGroup": ("logs:DeleteLogGroup", "log-group:%s:*"),
    "AWS::RDS::DBInstance": ("rds:DeleteDBInstance", "db:%s"),
    "AWS::SNS::Topic": ("sns:DeleteTopic", "%s"),
    "AWS::SQS::Queue": ("sqs:DeleteQueue", "%s"),
    "AWS::SSM::Parameter": ("ssm:DeleteParameter", "parameter/%s"),
    "AWS::Scheduler::Schedule": ("scheduler:DeleteSchedule", "schedule/default/%s"),
    "AWS::SecretsManager::Secret": ("secretsmanager:DeleteSecret", "secret:%s-AbCdEf"),
    "AWS::StepFunctions::StateMachine": (
        "states:DeleteStateMachine",
        "stateMachine:%s",
    ),
}


@pytest.mark.parametrize("kind", DELETIONS)
def test_a_custom_system_deletes_nothing_that_it_does_not_name(kind: str) -> None:
    action, end = DELETIONS[kind]
    service = action.partition(":")[0]
    words = named_resources.NAMED[kind][1]
    role = custom({words: ["mine", "own-${EnvironmentSuffix}-*"]}, kind)
    for name, allowed in (
        ("mine", True),
        ("own-prod-x", True),
        ("theirs", False),
        ("mine2", False),
        ("own-stg-x", False),
    ):
        arn = f"arn:aws:{service}:us-east-1:{ACCOUNT}:{end % name}"
        assert role.allows(action, arn, {}) is allowed, name


def test_where_a_name_is_not_known_the_statement_says_so() -> None:
    template = roles.target(
        "demo", Scope(names={"sqs:queue": ["*"]}), ["AWS::SQS::Queue"], []
    )
    assert '"SqsNamesUnknownInAdvance"' in template
    known = roles.target(
        "demo", Scope(names={"logs:log-group": ["/x"]}), ["AWS::Logs::LogGroup"], []
    )
    assert '"LogsOfThisSystem"' in known


def test_what_a_type_changes_without_naming_it_stays_possible() -> None:
    """A pipe changes what its template does not show; nothing may fail half-way."""
    types = [
        "AWS::SQS::Queue",
        "AWS::Lambda::Function",
        "AWS::CloudFormation::CustomResource",
    ]
    names = {"sqs:queue": ["mine"], "lambda:function": ["mine"]}
    role = custom(names, *types)
    for name in ("mine", "theirs"):
        arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
        assert role.allows("lambda:InvokeFunction", arn, {})
        assert role.allows("lambda:DeleteFunction", arn, {}) is (name == "mine")


def test_a_policy_with_many_names_is_split() -> None:
    names = {"s3:bucket": [f"{'x' * 50}-{n}" for n in range(120)]}
    role = custom(names, "AWS::S3::Bucket")
    assert role.allows("s3:DeleteBucket", f"arn:aws:s3:::{'x' * 50}-119", {})


def test_every_kind_with_a_name_has_its_arns() -> None:
    kinds = {kind for _, kind in named_resources.NAMED.values()}
    kinds |= {k for every in named_resources.REFERS.values() for _, k in every}
    for kind in kinds:
        service = kind.partition(":")[0]
        scope = Scope(names={kind: ["mine"]})
        found = [
            arn
            for (owner, _), arns in arns_by_kind("demo", scope, []).items()
            for arn in arns
            if owner == service
        ]
        chosen_by_aws = kind.endswith(("snapshot", "backupPlan"))
        assert chosen_by_aws or any("mine" in arn for arn in found), kind
