"""A real embedded AWS for the tests here, and boto3 clients in an account of their own.

The fidelity tests (`test_stacksets_*.py`) use nothing but boto3.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config

from tapgen.emulator.server import lifecycle
from tests.emulated import forks
from tests.ports import free_port

SERVE = [sys.executable, str(Path(__file__).with_name("serve.py"))]
ADMINISTRATION = "AWSCloudFormationStackSetAdministrationRole"
EXECUTION = "AWSCloudFormationStackSetExecutionRole"
UNFINISHED = ("QUEUED", "RUNNING", "STOPPING")
PATIENCE = 60  # seconds

Pair = tuple[str, str]

_numbers = itertools.count(1)


def forked_serve() -> list[str]:
    """`SERVE` in a fork, for tests that are not about its process."""
    return forks.module("tests.emulator.serve")


@pytest.fixture(scope="session", autouse=True)
def forked() -> Iterator[None]:
    """The process that forks for each embedded AWS ends with the tests."""
    with forks.ending:
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    folder = tmp_path_factory.mktemp("embedded")
    yield lifecycle.start(folder, forked_serve(), port=free_port())
    lifecycle.stop(folder)


@pytest.fixture
def aws(server: lifecycle.Server) -> Aws:
    """An administrator account that no other test has, with both roles."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    account = f"{int(worker) + 1:04}{next(_numbers):08}"
    aws = Aws(server.url, account)
    aws.make_roles(account)
    return aws


def connect(url: str, service: str, account: str, region: str = "us-east-1") -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        aws_access_key_id=account,
        aws_secret_access_key="any",
        region_name=region,
        config=Config(retries={"total_max_attempts": 1}),
    )


connected = lru_cache(32)(connect)
"""The same client for as long as a test needs it: making one takes as long as two calls."""


@dataclass(frozen=True)
class Aws:
    url: str
    account: str

    def client(
        self, service: str, account: str | None = None, region: str = "us-east-1"
    ) -> Any:
        return connected(self.url, service, account or self.account, region)

    @property
    def cloudformation(self) -> Any:
        return self.client("cloudformation")

    def make_roles(
        self,
        account: str,
        execution: str = EXECUTION,
        administration: str | None = None,
    ) -> None:
        """The roles that self-managed permissions need for a target account."""
        admin = administration or ADMINISTRATION
        arn = f"arn:aws:iam::{self.account}:role/{admin}"
        if account == self.account:
            self.make_role(account, admin, {"Service": "cloudformation.amazonaws.com"})
        self.make_role(account, execution, {"AWS": arn})

    def make_role(
        self,
        account: str,
        name: str,
        principal: Any,
        condition: dict[str, Any] | None = None,
    ) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "sts:AssumeRole",
            **({"Condition": condition} if condition else {}),
        }
        trust = {"Version": "2012-10-17", "Statement": [statement]}
        self.client("iam", account).create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps(trust)
        )

    def other_account(self) -> str:
        """A target account with an execution role that trusts this one."""
        account = f"9{self.account[1:4]}{next(_numbers):08}"
        self.make_roles(account)
        return account

    def finished(self, name: str, operation: Any, **more: Any) -> dict[str, Any]:
        """Wait for an operation (an id, or the answer that started it)."""
        id_ = operation if isinstance(operation, str) else operation["OperationId"]
        cloudformation, deadline = self.cloudformation, time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found: dict[str, Any] = cloudformation.describe_stack_set_operation(
                StackSetName=name, OperationId=id_, **more
            )["StackSetOperation"]
            if found["Status"] not in UNFINISHED:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{id_} is still {found['Status']}")

    def results(self, name: str, operation: Any) -> dict[Pair, dict[str, Any]]:
        id_ = operation if isinstance(operation, str) else operation["OperationId"]
        paginator = self.cloudformation.get_paginator(
            "list_stack_set_operation_results"
        )
        pages = paginator.paginate(StackSetName=name, OperationId=id_)
        found = [r for page in pages for r in page["Summaries"]]
        return {(r["Account"], r["Region"]): r for r in found}

    def instances(self, name: str) -> dict[Pair, dict[str, Any]]:
        paginator = self.cloudformation.get_paginator("list_stack_instances")
        pages = paginator.paginate(StackSetName=name)
        found = [i for page in pages for i in page["Summaries"]]
        return {(i["Account"], i["Region"]): i for i in found}

    def states(self, name: str) -> dict[Pair, Pair]:
        """Status and detailed status of every stack instance."""
        return {
            pair: (i["Status"], i["StackInstanceStatus"]["DetailedStatus"])
            for pair, i in self.instances(name).items()
        }

    def stack(self, instance: dict[str, Any]) -> dict[str, Any]:
        """The stack of a stack instance, from its own account and region."""
        client = self.client("cloudformation", instance["Account"], instance["Region"])
        stacks = client.describe_stacks(StackName=instance["StackId"])["Stacks"]
        found: dict[str, Any] = stacks[0]
        return found

    def signal(self, account: str, region: str, stack: str) -> None:
        """Let the wait condition of a HELD stack go on, once it waits."""
        client = self.client("cloudformation", account, region)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = client.describe_stack_resources(StackName=stack)["StackResources"]
            urls = [
                r["PhysicalResourceId"] for r in found if "Handle" in r["ResourceType"]
            ]
            if urls:
                body = {"Status": "SUCCESS", "UniqueId": "1", "Data": "", "Reason": ""}
                untyped = {"Content-Type": ""}  # as the user guide asks for
                put = Request(urls[0], json.dumps(body).encode(), untyped, method="PUT")
                urlopen(put).close()
                return
            time.sleep(0.02)
        raise AssertionError(f"{stack} does not wait")


def topic(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": properties}


def template(
    resources: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
    **sections: Any,
) -> str:
    body = {"Resources": resources or {"Topic": topic()}, **sections}
    if parameters:
        body["Parameters"] = parameters
    return json.dumps(body)


NAMED = template(
    {"Topic": topic(TopicName={"Ref": "Name"}, DisplayName={"Ref": "Display"})},
    {"Name": {"Type": "String"}, "Display": {"Type": "String", "Default": "plain"}},
    Outputs={
        "Topic": {"Value": {"Ref": "Topic"}},
        "Shown": {"Value": {"Ref": "Display"}},
    },
)
"""A topic: `Name` has no default, `Display` has."""

BROKEN = template(
    {
        "Topic": topic(),
        "Broken": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "broken",
                "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
                "Roles": ["nobody"],
            },
        },
    }
)
"""Cannot be deployed anywhere; needs CAPABILITY_IAM."""

BROKEN_IN_EUROPE = template(
    {
        "Topic": topic(),
        "Broken": {
            **json.loads(BROKEN)["Resources"]["Broken"],
            "Condition": "Europe",
        },
    },
    Conditions={"Europe": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}},
)
"""Can be deployed anywhere but in eu-west-1; needs CAPABILITY_IAM."""

HELD = template(
    {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Wait": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "600"},
        },
    }
)
"""Is being created until `Aws.signal` lets it go on."""
