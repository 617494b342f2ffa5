"""`tapgen rehearse`: the plan on a copy of what is deployed, and the failure of each target."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.emulated.test_cli import Shell

OWN, OTHER = "000000000000", "222222222222"
CONFIG = """\
blueprint: custom
suffix: test
regions: {main: us-east-1}
rollout: {on_failure: ON_FAILURE, gates: [{command: ['true']}]}
stack_sets:
  net:
    template: net.yaml
    accounts: [self, "222222222222"]
    parameters: {Text: TEXT, Password: "{{resolve:secretsmanager:shop:SecretString:key}}"}
    overrides: [{account: "222222222222", parameters: {Text: TEXT-other}}]
  app:
    template: app.yaml
    parameters: {Vpc: {output: net.Vpc}, Text: TEXT}
"""
NET = """\
Parameters:
  Text: {Type: String}
  Password: {Type: String, NoEcho: true, MinLength: 8}
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.0.0.0/16}
  Topic:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: !Ref Text}
Outputs:
  Vpc: {Value: !Ref Vpc}
"""
APP = """\
Parameters:
  Vpc: {Type: AWS::EC2::VPC::Id}
  Text: {Type: String}
Resources:
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: !Ref Text, VpcId: !Ref Vpc}
  Topic:
    Type: AWS::SNS::Topic
    DependsOn: Group
    Properties: {DisplayName: !Ref Text}
"""
PROTECTED = """\
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: orders
      DeletionProtectionEnabled: true
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Last:
    Type: AWS::SNS::Topic
    DependsOn: Orders
"""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    shell.run("local", "start")
    for account in (OWN, OTHER):
        boto3.client(
            "secretsmanager",
            endpoint_url=shell.url,
            region_name="us-east-1",
            aws_access_key_id=account,
            aws_secret_access_key="local",
        ).create_secret(Name="shop", SecretString='{"key": "very-secret"}')
    yield shell
    shell.run("local", "stop")


def describe(
    shell: Shell, text: str, on_failure: str = "rollback", more: str = ""
) -> None:
    config = CONFIG.replace("TEXT", text).replace("ON_FAILURE", on_failure)
    shell.config(config, "shop")
    folder = shell.folder / "stacksets"
    (folder / "net.yaml").write_text(NET)
    (folder / "app.yaml").write_text(APP + more)


def rehearse(shell: Shell, *options: str, expect: int = 0) -> Any:
    given = ("rehearse", "shop", "--local", "--output", "json", *options)
    return json.loads(shell.run(*given, expect=expect).stdout)


def stacks(shell: Shell) -> Any:
    """What there is of the stacks of the system, in its own account."""
    return [
        [s["StackId"], s["StackStatus"], s.get("Parameters"), s.get("LastUpdatedTime")]
        for s in shell.client("cloudformation").describe_stacks()["Stacks"]
    ]


def results(found: Any) -> dict[tuple[str, str, str], str]:
    return {
        (t["stack_set"].rpartition("-")[2], t["account"], t["region"]): t["result"]
        for t in found["trials"]
    }


def test_each_failure_is_tried_on_a_copy_of_what_is_deployed(shell: Shell) -> None:
    describe(shell, "one")
    shell.run("rollout", "shop", "--local", "--yes", "--progress", "lines")
    before = stacks(shell)
    describe(shell, "two")
    found = rehearse(shell)

    assert found["copied"]["stacks"] == 3 and found["copied"]["gates_left_out"] == 1
    assumed = found["copied"]["assumed"]
    assert any("AWS hides Password" in line for line in assumed)
    assert any("shop in 222222222222/us-east-1 is a secret" in x for x in assumed)
    assert "very-secret" not in json.dumps(found)
    assert not found["differs"] and not found["failures"] and not found["unfinished"]
    every = results(found)
    assert {*every.values()} == {"restored"} and len(every) == 3
    assert ("net", OTHER, "us-east-1") in every
    assert all(t["fails"] and not t["left"] for t in found["trials"])
    # What was deployed is only read, and the copies are gone.
    assert stacks(shell) == before
    assert not (shell.folder / ".tapgen" / "rehearsal").exists()

    describe(shell, "two", "stop", PROTECTED)
    bad = rehearse(shell, "--part", "app", expect=2)
    assert {*results(bad).values()} == {"by_hand"}
