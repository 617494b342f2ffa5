"""Roles that may not do what a stack set needs: it fails where AWS refuses, in its words."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

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
        "https://github.com/aws-samples/amazon-mwaa-examples/pull/63",
        "AWS::Lambda::Function",
        {
            "FunctionName": "made-here",
            "Role": "arn:aws:iam::ACCOUNT:role/given",
            "Code": {"ZipFile": "def handler(event, context): pass"},
            "Handler": "index.handler",
            "Runtime": "python3.12",
            "Tags": [{"Key": "a", "Value": "b"}],
        },
        [but("lambda:TagResource")],
        "lambda:TagResource on resource: arn:aws:lambda:us-east-1:ACCOUNT:function:"
        "made-here because no identity-based policy allows the lambda:TagResource action",
        "Lambda, Status Code: 403",
    ),
    Report(
        "https://github.com/aws/aws-dotnet-deploy/issues/687",
        "AWS::SSM::Parameter",
        {"Name": "/cdk-bootstrap/version", "Type": "String", "Value": "14"},
        [but("ssm:PutParameter")],
        "ssm:PutParameter on resource: arn:aws:ssm:us-east-1:ACCOUNT:parameter/"
        "cdk-bootstrap/version because no identity-based policy allows the "
        "ssm:PutParameter action",
        "Ssm, Status Code: 400",
    ),
    Report(
        "https://github.com/aws-samples/sample-autonomous-cloud-coding-agents/issues/350",
        "AWS::SecretsManager::Secret",
        {"Name": "SlackIntegration", "SecretString": "none"},
        [
            but("secretsmanager:CreateSecret"),
            allow(
                "secretsmanager:CreateSecret",
                Resource="arn:aws:secretsmanager:*:*:secret:backgroundagent-*",
            ),
        ],
        "secretsmanager:CreateSecret on resource: arn:aws:secretsmanager:us-east-1:"
        r"ACCOUNT:secret:SlackIntegration\S* because no identity-based policy allows the "
        "secretsmanager:CreateSecret action",
        "SecretsManager, Status Code: 400",
    ),
    Report(
        "https://github.com/aws-solutions-library-samples/data-transfer-hub/issues/141",
        "AWS::DynamoDB::Table",
        {
            "TableName": "made-here",
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "Tags": [{"Key": "a", "Value": "b"}],
        },
        [but("dynamodb:TagResource")],
        "dynamodb:TagResource on resource: arn:aws:dynamodb:us-east-1:ACCOUNT:table/"
        "made-here because no identity-based policy allows the dynamodb:TagResource action",
        "DynamoDb, Status Code: 400",
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


def test_the_session_of_a_role_may_call_what_its_role_may(broken: Broken) -> None:
    """At the port, whatever the protocol; as its own stacks do, and with the role that a
    stack was given."""
    account = broken.cloud.account
    root = {"AWS": f"arn:aws:iam::{account}:root"}
    service = {"Service": "cloudformation.amazonaws.com"}
    mine = f"arn:aws:cloudformation:us-east-1:{account}:stack/mine*/*"
    arns = {name: f"arn:aws:iam::{account}:role/{name}" for name in ("caller", "given")}
    broken.role(
        *("caller", root, allow("s3:ListBucket", Resource="arn:aws:s3:::open*")),
        allow("cloudformation:*", Resource=mine),
        allow("iam:PassRole", Resource=arns["given"]),
        allow("sqs:*"),
    )
    broken.role("given", service, allow("sns:*"))
    client = _assumed(broken, arns["caller"])
    for name in ("open", "shut"):
        broken.cloud.client("s3").create_bucket(Bucket=name + account)
    cloudformation, topic = client("cloudformation"), "AWS::SNS::Topic"

    # No other bucket, no table, no other stack.
    assert client("sts").get_caller_identity()["Account"] == account
    with refused("ListBucket"):
        client("s3").list_objects_v2(Bucket="shut" + account)
    with refused("dynamodb:ListTables"):
        client("dynamodb").list_tables()
    with refused("cloudformation:CreateStack"):
        cloudformation.create_stack(StackName="other", TemplateBody=empty(topic))
    # A stack makes what the caller may make, or its role, which it keeps.
    cloudformation.create_stack(StackName="mine-1", TemplateBody=empty(topic))
    assert "SNS:CreateTopic" in failure(cloudformation, "mine-1")
    as_role = {"StackName": "mine-2", "RoleARN": arns["given"]}
    cloudformation.create_stack(**as_role, TemplateBody=empty(topic))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="mine-2", WaiterConfig={"Delay": 1}
    )
    queue = empty("AWS::SQS::Queue", "Other")
    cloudformation.update_stack(StackName="mine-2", TemplateBody=queue)
    assert "sqs:CreateQueue" in failure(cloudformation, "mine-2")
    # A role that CloudFormation cannot assume, or that the caller cannot pass.
    with refused("iam:PassRole"):
        cloudformation.create_stack(
            StackName="mine-3", TemplateBody=queue, RoleARN=arns["caller"]
        )
    root_client = broken.cloud.client("cloudformation")
    with pytest.raises(ClientError, match="is invalid or cannot be assumed"):
        root_client.create_stack(
            StackName="mine-3", TemplateBody=queue, RoleARN=arns["caller"]
        )


def test_the_policies_of_resources_count(broken: Broken) -> None:
    """A bucket that denies, a bucket that allows a role without permissions, and a key
    whose policy leaves out what its stack needs (aws/copilot-cli#1199)."""
    account = broken.cloud.account
    root = {"AWS": f"arn:aws:iam::{account}:root"}
    broken.role("caller", root, allow("s3:ListBucket"))
    caller = f"arn:aws:iam::{account}:role/caller"
    client = _assumed(broken, caller)("s3")
    s3 = broken.cloud.client("s3")
    named = {"Principal": {"AWS": caller}}
    for bucket, effect, action in (
        ("shut", "Deny", "s3:ListBucket"),
        ("open", "Allow", "s3:GetObject"),
    ):
        s3.create_bucket(Bucket=bucket + account)
        arn = f"arn:aws:s3:::{bucket}{account}"
        statement = {**named, "Effect": effect, "Action": action}
        s3.put_bucket_policy(
            Bucket=bucket + account,
            Policy=document({**statement, "Resource": [arn, f"{arn}/*"]}),
        )
        s3.put_object(Bucket=bucket + account, Key="it", Body=b"1")
    with refused("with an explicit deny in a resource-based policy"):
        client.list_objects_v2(Bucket="shut" + account)
    assert client.list_objects_v2(Bucket="open" + account)["KeyCount"] == 1
    assert client.get_object(Bucket="open" + account, Key="it")["Body"].read() == b"1"

    broken.roles(ALL)
    limited = {"Principal": root, "Effect": "Allow", "Resource": "*"}
    actions = [f"kms:{verb}*" for verb in ("Create", "Put", "Get", "Describe", "List")]
    key = {
        "KeyPolicy": json.loads(document({**limited, "Action": [*actions, "kms:Tag*"]}))
    }
    assert broken.create("AWS::KMS::Key", key)[0] == "SUCCEEDED"
    status, why = broken.operate("delete_stack_instances", RetainStacks=False)
    assert (status, "kms:ScheduleKeyDeletion on resource: arn:aws:kms" in why) == (
        *("FAILED", True),
    )
    assert "no resource-based policy allows the kms:ScheduleKeyDeletion" in why


@contextmanager
def refused(what: str) -> Iterator[None]:
    with pytest.raises(ClientError, match=what) as error:
        yield
    assert "AccessDenied" in error.value.response["Error"]["Code"]


def empty(kind: str, name: str = "It") -> str:
    return json.dumps({"Resources": {name: {"Type": kind}}})


def failure(client: Any, stack: str) -> str:
    """Why a resource of a stack was not created, once it has failed."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        events = client.describe_stack_events(StackName=stack)["StackEvents"]
        for event in events:
            if event["ResourceStatus"].endswith("E_FAILED"):
                return str(event["ResourceStatusReason"])
        time.sleep(0.02)
    raise AssertionError(events)


def _assumed(broken: Broken, role: str) -> Callable[[str], Any]:
    answer = broken.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="it")
    keys = answer["Credentials"]
    return lambda service: boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=broken.cloud.url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


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
