"""Roles that may not do what a stack set needs: it fails where AWS refuses, in its words."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tapgen.emulator.server import lifecycle
from tests.emulated.conftest import Cloud

ADMINISTRATION = "AWSCloudFormationStackSetAdministrationRole"
EXECUTION = "AWSCloudFormationStackSetExecutionRole"
ROLE = {
    "RoleName": "made-here",
    "AssumeRolePolicyDocument": {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ]
    },
    "Policies": [
        {
            "PolicyName": "some",
            "PolicyDocument": {
                "Statement": [
                    {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
                ]
            },
        }
    ],
}
RULE = {"Name": "hourly", "ScheduleExpression": "rate(1 hour)"}


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [*actions], "Resource": "*", **more}


def but(*actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "NotAction": [*actions], "Resource": "*"}


ALL = allow("*")


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements]})


@dataclass(frozen=True)
class Report:
    """What somebody saw on AWS, with numbers and names replaced."""

    source: str
    type: str
    properties: Mapping[str, Any]
    policy: Sequence[Mapping[str, Any]]
    words: str
    service: str
    boundary: Sequence[Mapping[str, Any]] = ()


REPORTS = (
    Report(
        "https://github.com/aws/aws-cdk/issues/27067",
        "AWS::IAM::Role",
        ROLE,
        [but("iam:GetRole")],
        "iam:GetRole on resource: role made-here because no identity-based policy "
        "allows the iam:GetRole action",
        "Iam, Status Code: 403",
    ),
    Report(
        "https://github.com/anomalyco/sst/issues/3597",
        "AWS::IAM::Role",
        ROLE,
        [
            ALL,
            {
                "Effect": "Deny",
                "Action": "iam:CreateRole",
                "Resource": "*",
                "Condition": {
                    "StringNotLike": {
                        "iam:PermissionsBoundary": "arn:aws:iam::*:policy/DevBoundary"
                    }
                },
            },
        ],
        "iam:CreateRole on resource: arn:aws:iam::ACCOUNT:role/made-here with an "
        "explicit deny in an identity-based policy",
        "Iam, Status Code: 403",
    ),
    Report(
        "https://github.com/data-dot-all/dataall/issues/1233",
        "AWS::IAM::Role",
        ROLE,
        [ALL],
        "iam:CreateRole on resource: arn:aws:iam::ACCOUNT:role/made-here because no "
        "permissions boundary allows the iam:CreateRole action",
        "Iam, Status Code: 403",
        [but("iam:CreateRole")],
    ),
    Report(
        "https://github.com/aws-samples/aws-security-hub-findings-export/issues/5",
        "AWS::Lambda::Function",
        {
            "FunctionName": "made-here",
            "Role": "arn:aws:iam::ACCOUNT:role/given",
            "Code": {"ZipFile": "def handler(event, context): pass"},
            "Handler": "index.handler",
            "Runtime": "python3.12",
        },
        [
            but("iam:PassRole"),
            allow(
                "iam:PassRole",
                Condition={
                    "StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}
                },
            ),
        ],
        "iam:PassRole on resource: arn:aws:iam::ACCOUNT:role/given because no "
        "identity-based policy allows the iam:PassRole action",
        "Lambda, Status Code: 403",
    ),
    Report(
        "https://github.com/mludvig/aws-ethereum-miner/issues/37",
        "AWS::SNS::Topic",
        {},
        [
            but("sns:CreateTopic"),
            allow("sns:CreateTopic", Resource="arn:aws:sns:*:*:other-*"),
        ],
        r"SNS:CreateTopic on resource: arn:aws:sns:us-east-1:ACCOUNT:StackSet-\S+ "
        "because no identity-based policy allows the SNS:CreateTopic action",
        "Sns, Status Code: 403",
    ),
)


@dataclass
class Broken:
    """An account whose execution role has some policies, and stack sets there."""

    cloud: Cloud

    def role(self, name: str, principal: Any, *policy: Mapping[str, Any]) -> None:
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        iam = self.cloud.client("iam")
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        if policy:
            self.grant(name, *policy)

    def grant(self, name: str, *policy: Mapping[str, Any]) -> None:
        iam, text = self.cloud.client("iam"), document(*policy)
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=text)

    def roles(self, *policy: Mapping[str, Any]) -> None:
        service = {"Service": "cloudformation.amazonaws.com"}
        self.role(ADMINISTRATION, service, allow("sts:AssumeRole"))
        arn = f"arn:aws:iam::{self.cloud.account}:role/{ADMINISTRATION}"
        self.role(EXECUTION, {"AWS": arn}, *policy)

    def operate(self, action: str, **more: Any) -> tuple[str, str]:
        """The status of a stack set operation at its one target, and the reason."""
        client = self.cloud.client("cloudformation")
        if action != "update_stack_set":
            more |= {"Accounts": [self.cloud.account], "Regions": ["us-east-1"]}
        id_ = getattr(client, action)(StackSetName="one", **more)["OperationId"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = client.list_stack_set_operation_results(
                StackSetName="one", OperationId=id_
            )["Summaries"]
            if found and found[0]["Status"] not in ("PENDING", "RUNNING"):
                return found[0]["Status"], found[0].get("StatusReason", "")
            time.sleep(0.02)
        raise AssertionError(found)

    def create(self, type: str, properties: Mapping[str, Any]) -> tuple[str, str]:
        self.cloud.client("cloudformation").create_stack_set(
            StackSetName="one",
            TemplateBody=self.template(type, properties),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        return self.operate("create_stack_instances")

    def template(self, type: str, properties: Mapping[str, Any]) -> str:
        body = {"Resources": {"It": {"Type": type, "Properties": properties}}}
        return json.dumps(body).replace("ACCOUNT", self.cloud.account)


@pytest.fixture
def broken(cloud: Cloud) -> Broken:
    return Broken(cloud)


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.source)
def test_a_role_that_was_reported_fails_with_the_words_of_the_report(
    broken: Broken, report: Report
) -> None:
    broken.roles(*report.policy)
    account = broken.cloud.account
    if report.boundary:
        iam = broken.cloud.client("iam")
        policy = iam.create_policy(
            PolicyName="boundary", PolicyDocument=document(*report.boundary)
        )["Policy"]
        iam.put_role_permissions_boundary(
            RoleName=EXECUTION, PermissionsBoundary=policy["Arn"]
        )
    broken.role("given", {"Service": "lambda.amazonaws.com"})

    status, reason = broken.create(report.type, report.properties)

    assert status == "FAILED"
    who = f"arn:aws:sts::{account}:assumed-role/{EXECUTION}/[0-9a-f-]{{36}}"
    words = report.words.replace("ACCOUNT", account)
    assert re.fullmatch(
        f"ResourceLogicalId:It, ResourceType:{report.type}, ResourceStatusReason:"
        f'Resource handler returned message: "User: {who} is not authorized to perform: '
        f"{words} "
        rf"\(Service: {report.service}, Request ID: [0-9a-f-]+\) \(SDK Attempt Count: 1\)"
        r'" \(RequestToken: [0-9a-f-]+, HandlerErrorCode: AccessDenied\)\.',
        reason,
    ), reason


def test_each_operation_needs_its_own_permissions(broken: Broken) -> None:
    """What may be created only cannot be changed, nor deleted; nobody else is refused."""
    create = ("sqs:CreateQueue", "sqs:Get*", "sqs:List*", "sqs:TagQueue")
    stacks = allow("cloudformation:*")
    broken.roles(allow(*create), stacks)
    first = broken.create("AWS::SQS::Queue", {"QueueName": "mine"})
    changed = broken.template(
        "AWS::SQS::Queue", {"QueueName": "mine", "DelaySeconds": 5}
    )
    update = broken.operate("update_stack_set", TemplateBody=changed)
    delete = broken.operate("delete_stack_instances", RetainStacks=False)
    assert [first[0], update[0], delete[0]] == ["SUCCEEDED", "FAILED", "FAILED"]
    assert "sqs:SetQueueAttributes on resource: arn:aws:sqs:us-east-1" in update[1]
    assert "sqs:DeleteQueue" in delete[1]
    # The account itself may do everything, and a role that is mended deletes.
    sqs = broken.cloud.client("sqs")
    sqs.set_queue_attributes(
        QueueUrl=sqs.get_queue_url(QueueName="mine")["QueueUrl"],
        Attributes={"DelaySeconds": "7"},
    )
    broken.grant(EXECUTION, allow("sqs:*"))
    refused = broken.operate("delete_stack_instances", RetainStacks=False)
    assert "perform: cloudformation:" in refused[1]
    broken.grant(EXECUTION, allow("sqs:*"), stacks)
    done = broken.operate("delete_stack_instances", RetainStacks=False)
    assert done[0] == "SUCCEEDED"


def test_an_administration_role_must_be_allowed_to_assume_the_other(
    broken: Broken,
) -> None:
    broken.roles(ALL)
    broken.grant(ADMINISTRATION, allow("sts:AssumeRole", Resource="arn:aws:iam::1:x"))
    status, reason = broken.create("AWS::SQS::Queue", {})
    assert (status, EXECUTION in reason) == ("FAILED", True)
    assert "trust relationship" in reason


def test_a_warning_lists_what_would_be_refused(
    broken: Broken, server: lifecycle.Server
) -> None:
    broken.roles(allow("cloudformation:*"))
    lifecycle.enforce(server.folder, "warn")
    try:
        assert broken.create("AWS::SQS::Queue", {"QueueName": "mine"})[0] == "SUCCEEDED"
        found = lifecycle.status(server.folder)
    finally:
        lifecycle.enforce(server.folder, "on")
    account = broken.cloud.account
    mine = [c for c in found["refused_calls"] if c["account"] == account]
    assert {
        "account": account,
        "role": EXECUTION,
        "action": "sqs:CreateQueue",
        "resource": f"arn:aws:sqs:us-east-1:{account}:mine",
        "calls": 1,
    } in mine
    with pytest.raises(lifecycle.EmulatorError, match="off, warn, on, not maybe"):
        lifecycle.enforce(server.folder, "maybe")
