"""A system whose templates have nested stacks, on the embedded AWS."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tapgen import blueprints, config, lint, plan
from tapgen.accounts import bootstrap, roles
from tapgen.aws import retained
from tapgen.emulator.server import lifecycle
from tapgen.model import System
from tests.emulated.conftest import Cloud
from tests.emulated.test_change_sets import ask

CONFIG = """\
blueprint: custom
suffix: prod
regions: {main: us-east-1, europe: eu-west-1}
stack_sets:
  app: {template: app.yaml}
"""
APP = """\
Parameters:
  Block: {Type: String, Default: 10.0.0.0/16}
Conditions: {Always: !Equals [a, a]}
Resources:
  Network:
    Type: AWS::CloudFormation::Stack
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      TemplateURL: parts/network.yaml
      Parameters: {Block: !Ref Block, Plain: !If [Always, true, false]}
  Where:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: where, Value: !GetAtt Network.Outputs.VpcId}
"""
NETWORK = """\
Parameters:
  Block: {Type: String}
  Plain: {Type: String, AllowedValues: [true, false]}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Block}}
  Shape: {Type: AWS::CodeDeploy::Application}  # only nested templates have one
  Data:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {Tags: [{Key: Of, Value: first}]}
Outputs:
  VpcId: {Value: !Ref Vpc}
"""


class Nest:
    """The system in an account of its own."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        (folder / "parts").mkdir()
        self.write("nest.yaml", CONFIG)
        self.write("app.yaml", APP)
        self.write("parts/network.yaml", NETWORK)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    @property
    def system(self) -> System:
        find = partial(blueprints.find, folder=self.folder)
        read = config.load(self.folder / "nest.yaml", find)
        return blueprints.find("custom").build(read).resolve(self.cloud.account)  # type: ignore[union-attr]

    def where(self, region: str) -> str:
        """The id of the VPC, as the stack around the network has it."""
        found = self.cloud.client("ssm", region).get_parameter(Name="where")
        return str(found["Parameter"]["Value"])


@pytest.fixture
def nest(cloud: Cloud, tmp_path: Path) -> Nest:
    return Nest(cloud, tmp_path)


def test_nested_stacks_are_rolled_out_changed_and_destroyed(
    nest: Nest, server: lifecycle.Server
) -> None:
    cloud = nest.cloud
    bootstrap.run(cloud.aws, nest.system, code="")
    assert cloud.run(cloud.plan(nest.system)).green
    assert not cloud.plan(nest.system)
    first = nest.where("eu-west-1")
    vpcs = cloud.client("ec2", "eu-west-1").describe_vpcs(VpcIds=[first])["Vpcs"]
    assert vpcs[0]["CidrBlock"] == "10.0.0.0/16"
    described = cloud.client("cloudformation", "eu-west-1").describe_stacks()["Stacks"]
    ids = {stack["StackId"] for stack in described}
    parents = {s["ParentId"] for s in described if "ParentId" in s}
    assert parents and parents < ids

    # A change inside, which only the template of the nested stack has.
    nest.write("parts/network.yaml", NETWORK.replace("first", "second"))
    inside = cloud.plan(nest.system)
    (step,) = inside.steps
    _, answers = ask(cloud, inside)
    assert answers and not any(a.differences for a in answers.values())
    assert {
        (c.logical_id, str(c.verdict))
        for changes in step.changes.values()
        for c in changes
    } == {("Network", "in place"), ("Network/Data", "in place")}
    assert cloud.run(inside).green
    assert not cloud.plan(nest.system)

    # One that fails inside, and is restored.
    nest.write("parts/network.yaml", NETWORK.replace("first", "third"))
    match = {"logical_id": "Data", "account": cloud.account}
    given = {"effect": "fail", "reason": "no room today", "match": match}
    (fault,) = lifecycle.add_faults(server.folder, given)
    (failure,) = cloud.run(cloud.plan(nest.system)).failures
    lifecycle.clear_faults(server.folder, fault["id"])
    assert (failure.logical_id, failure.reason) == ("Network/Data", "no room today")
    nest.write("parts/network.yaml", NETWORK.replace("first", "second"))
    assert not cloud.plan(nest.system)

    # One that replaces what is inside, and so what refers to it from outside.
    nest.write("app.yaml", APP.replace("10.0.0.0/16", "10.9.0.0/16"))
    replacing = cloud.plan(nest.system)
    assert {
        (c.logical_id, str(c.verdict))
        for changes in replacing.steps[0].changes.values()
        for c in changes
    } == {
        ("Network", "in place"),
        ("Network/Vpc", "replaces"),
        ("Where", "in place"),
    }

    nest.write("app.yaml", APP)
    left = retained.find(cloud.aws, cloud.observe(nest.system))
    assert {(x.target.region, x.logical_id) for x in left} == {
        ("us-east-1", "Network/Data"),
        ("eu-west-1", "Network/Data"),
    }
    assert all(x.physical_id for x in left)
    assert cloud.run(plan.destroy(nest.system, cloud.observe(nest.system))).green
    buckets = cloud.client("s3").list_buckets()["Buckets"]
    assert {x.physical_id for x in left} < {b["Name"] for b in buckets}


def test_lint_and_roles_see_what_is_in_nested_stacks(nest: Nest) -> None:
    nest.write("parts/network.yaml", NETWORK.replace("CidrBlock:", "CidrBlok:"))

    found = lint.check(nest.system, Path("templates_out"))

    assert {(f.stack_set, f.rule, f.line) for f in found if f.rule == "E3002"} == {
        ("nest-prod-app/Network", "E3002", 5)
    }
    (wrong,) = (f for f in found if f.rule == "E3002")
    assert wrong.file.endswith("parts/network.yaml")
    role = roles.files(nest.system, "")["bootstrap/nest.json"]
    assert json.loads(role)["Metadata"]["tapgen"]["types"] == [
        "AWS::CloudFormation::Stack",
        "AWS::CodeDeploy::Application",
        "AWS::EC2::VPC",
        "AWS::S3::Bucket",
        "AWS::SSM::Parameter",
    ]
