"""Every role allows what its code calls, where it runs, and nothing more.

What is called is read in the code itself: in the sources of functions and scripts, and in
the steps of runbooks. What services do besides with the role of a code stands in
`BY_SERVICES`, and what people do by hand in `BY_PEOPLE`.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from tapgen import blueprints
from tapgen.model import Output, System
from tapgen.system import evaluated
from tests.systems import look
from tests.systems.look import statements

BOTO = botocore.session.get_session()

# Signing name → prefix of IAM actions, where they differ.
PREFIXES = {"monitoring": "cloudwatch"}

# Call → the actions that IAM asks for, where they are others.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: without ListBucket
# an object that is missing looks like one that may not be read.
OTHERWISE = {"s3:HeadObject": ("s3:GetObject", "s3:ListBucket")}
# Call → what it needs besides.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-iam-role-policies.html
BESIDES = {"s3:CreateJob": ("iam:PassRole",)}

_USE = ("kms:Decrypt", "kms:GenerateDataKey")
BY_SERVICES: Mapping[str, tuple[str, ...]] = {
    # The service that runs the code writes its logs and traces, and connects it.
    "WriteLogStreams": (
        *("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
    ),
    "SendTraces": ("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    "ManageNetworkInterfaces": (
        *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface"),
        *("ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"),
        *("ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
    ),
    # What is called uses the keys of what it keeps, on behalf of the caller.
    "UseItemsKey": _USE,
    "UsePaymentsKey": _USE,
    "CloseRegionsKey": _USE,
    "SeeClosedRegionsKey": _USE,
    "AskTableKey": _USE,
    "EncryptMessages": _USE,
    "ReadPrimaryKey": ("kms:Decrypt",),
    "ReadDrKey": ("kms:Decrypt",),
    "PutPrimaryKey": ("kms:GenerateDataKey",),
    "PutDrKey": ("kms:GenerateDataKey",),
    "EncryptSnapshots": ("kms:CreateGrant",),
    # CloudFormation changes the resources of a stack on behalf of the caller.
    "ChangeInStack": (
        *("rds:AddRoleToDBInstance", "rds:AddTagsToResource", "rds:ModifyDBInstance"),
        *("rds:PromoteReadReplica", "rds:RebootDBInstance"),
        *("rds:RemoveRoleFromDBInstance", "rds:RemoveTagsFromResource"),
        "rds:StartDBInstanceAutomatedBackupsReplication",
        "rds:StopDBInstanceAutomatedBackupsReplication",
    ),
    "LookInStack": (
        *("ec2:DescribeAccountAttributes", "ec2:DescribeAvailabilityZones"),
        *("ec2:DescribeInternetGateways", "ec2:DescribeSecurityGroups"),
        *("ec2:DescribeSubnets", "ec2:DescribeVpcAttribute", "ec2:DescribeVpcs"),
        *("iam:GetRole", "iam:ListRoles", "rds:DescribeDBClusters"),
        *("rds:DescribeDBEngineVersions", "rds:DescribeDBInstanceAutomatedBackups"),
        *("rds:DescribeDBParameterGroups", "rds:DescribeEvents"),
    ),
    "PassMonitoringRole": ("iam:PassRole",),
    "ServiceLinkedRole": ("iam:CreateServiceLinkedRole",),
    "RemoveLagAlarm": ("cloudwatch:DeleteAlarms",),
    "ReadKeysOfSnapshots": ("kms:DescribeKey",),
}
"""Sid → what services do with the role of a code that calls them."""

BY_PEOPLE: Mapping[str, str] = {
    # region_migration, the role of whoever carries out the migration.
    "ReadWhereNoResourceCanBeNamed": "sees targets, groups and metrics between steps",
    "ReadAlarms": "sees the gates of a phase",
    "Replication": "removes the rule at the end",
    "WatchJobs": "stops a batch job",
    "PassReplicationRole": "puts the rule with its role",
    "PassSyncRole": "starts the runbook sync, which has this role",
    "TurnWeights": "turns the load balancer's weights",
    "ScaleColours": "scales a colour, and rolls a refresh back",
    "Promote": "promotes the replica where the stack cannot",
    "Snapshot": "tags the snapshot",
    "TurnDials": "turns the accelerator's dials",
    "MoveNames": "turns the records' weights",
    "ReadNames": "sees them",
    "AwaitChanges": "waits until they are everywhere",
    "StartRunbooks": "starts the runbooks",
    "WatchRunbooks": "sees how they go",
}
"""Sid → what a person does by hand with a role that runbooks use, too."""

# A runbook without a role → why nobody's role is checked.
CALLERS_OWN = {
    "pd-prod-cost-tags-primary": "in the account that pays, by whoever may do this there",
}

Role = tuple[str, str]
"""Part and logical id of a role."""


def called(source: str) -> frozenset[str]:
    """Return the operations that a source calls: `service:Operation`.

    A method call counts if a service that the source connects to has an operation of
    this name.
    """
    calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    texts = {
        argument.value
        for call in calls
        if "boto3" in ast.unparse(call)
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }
    methods = {c.func.attr for c in calls if isinstance(c.func, ast.Attribute)}
    return frozenset(
        f"{service}:{operation}"
        for service in texts & {*BOTO.get_available_services()}
        for operation in BOTO.get_service_model(service).operation_names
        if xform_name(operation) in methods
    )


def of_runbook(content: Mapping[str, Any]) -> frozenset[str]:
    """Return the operations that the steps of a runbook call."""
    found: set[str] = set()
    for step in content["mainSteps"]:
        inputs = step["inputs"]
        if "Api" in inputs:
            service = BOTO.get_service_model(inputs["Service"])
            assert inputs["Api"] in service.operation_names, step
            found.add(f"{inputs['Service']}:{inputs['Api']}")
        if "Script" in inputs:
            found |= called(inputs["Script"])
    return frozenset(found)


def needs(operations: frozenset[str]) -> frozenset[str]:
    """Return the IAM actions that operations need."""
    found: set[str] = set()
    for one in operations:
        service, _, operation = one.partition(":")
        signed = BOTO.get_service_model(service).signing_name
        action = f"{PREFIXES.get(signed, signed)}:{operation}"
        found |= {*OTHERWISE.get(action, (action,)), *BESIDES.get(action, ())}
    return frozenset(found)


def code(system: System) -> Iterator[tuple[list[Role], str, frozenset[str]]]:
    """Yield the roles, the region and the operations of everything that runs."""
    parts = {s.part: s for s in system.stack_sets}
    for stack_set in system.stack_sets:
        for target in stack_set.targets:
            found = evaluated.template(stack_set, target, parts)["Resources"]
            for resource in found.values():
                properties = resource["Properties"]
                if resource["Type"] == "AWS::Lambda::Function":
                    given, does = properties["Role"], called(
                        properties["Code"]["ZipFile"]
                    )
                elif resource["Type"] == "AWS::SSM::Document":
                    does = of_runbook(properties["Content"])
                    given = properties["Content"].get("assumeRole")
                    if not given:
                        yield starters(system, properties["Name"]), target.region, does
                        continue
                else:
                    continue
                yield [role_of(system, stack_set.part, given)], target.region, does


def role_of(system: System, part: str, given: Any) -> Role:
    """Follow the parameter with the ARN of a role to the role."""
    value = system.part(part).parameters[given["Ref"]]
    assert isinstance(value, Output)
    output = look.body(system, value.part)["Outputs"][value.output]
    return value.part, output["Value"]["Fn::GetAtt"][0]


def starters(system: System, document: str) -> list[Role]:
    """Return the roles that may start a runbook which uses the role of its caller."""
    if document in CALLERS_OWN:
        return []
    found = [
        role
        for role, allowed in roles(system).items()
        for s in allowed
        if "ssm:StartAutomationExecution" in s["Action"]
        and any(r.endswith(f":document/{document}") for r in look.texts(s["Resource"]))
    ]
    assert found, f"nobody may start {document}"
    return found


def roles(system: System) -> dict[Role, list[dict[str, Any]]]:
    """Role → what its own policies allow, as its target gets them."""
    parts = {s.part: s for s in system.stack_sets}
    found = {}
    for stack_set in system.stack_sets:
        body = evaluated.template(stack_set, stack_set.targets[0], parts)["Resources"]
        for title, resource in body.items():
            if resource["Type"] != "AWS::IAM::Role":
                continue
            properties = resource["Properties"]
            shared = [
                body[policy["Ref"]]["Properties"]["PolicyDocument"]
                for policy in properties.get("ManagedPolicyArns", ())
                if isinstance(policy, dict) and "Ref" in policy
            ]
            found[stack_set.part, title] = [
                s
                for s in statements([properties.get("Policies", []), shared])
                if s["Effect"] == "Allow"
            ]
    return found


def places(statement: Mapping[str, Any]) -> set[str]:
    """Return the regions of a statement's resources; "" for those without one."""
    found = set()
    for resource in statement["Resource"]:
        for text in look.texts(resource):
            found.add(text.split(":")[3] if text.count(":") > 3 else "")
    return found


@pytest.fixture(scope="module", params=blueprints.NAMES)
def system(request: pytest.FixtureRequest) -> System:
    return look.shipped(request.param)


def test_each_role_allows_what_its_code_calls_and_no_more(system: System) -> None:
    needed: dict[Role, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for users, region, operations in code(system):
        for user in users:
            for action in needs(operations):
                needed[user][action].add(region)
    every = roles(system)
    for role, actions in needed.items():
        for action, regions in actions.items():
            allowed = [places(s) for s in every[role] if action in s["Action"]]
            assert allowed, f"{role} may not {action}"
            for region in regions:
                found = any(p & {"", "*", region} for p in allowed)
                assert found, f"{role} may not {action} in {region}"
        _no_more(role, every[role], actions)


def _no_more(
    role: Role, allowed: list[dict[str, Any]], needed: Mapping[str, set[str]]
) -> None:
    runs = {"", "*"}.union(*needed.values())
    for statement in allowed:
        sid = statement["Sid"]
        if role == ("operations", "MigrationRole") and sid in BY_PEOPLE:
            continue
        more = {*statement["Action"]} - {*needed} - {*BY_SERVICES.get(sid, ())}
        assert not more, f"{role} needs no {sorted(more)} ({sid})"
        # An id that only AWS knows is written as a reference.
        elsewhere = {p for p in places(statement) if "$" not in p} - runs
        assert not elsewhere, f"{role} has no code in {elsewhere} ({sid})"


def test_calls_are_found_wherever_a_client_comes_from() -> None:
    source = """
import boto3
from functools import partial
connect = partial(boto3.client, "rds")
table = boto3.resource("dynamodb").Table("t")
def handler(event, context, topics=boto3.client("sns")):
    connect(region_name="x").switchover_global_cluster()
    topics.publish(); {}.get("rds"); table.update_item()
"""
    found = called(source)
    assert found == {
        "rds:SwitchoverGlobalCluster",
        "sns:Publish",
        "dynamodb:UpdateItem",
    }
