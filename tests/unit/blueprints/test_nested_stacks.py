"""Nested stacks of the user's own templates become artifacts that a plan can read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tapgen.system import artifacts
from tapgen.template import nested
from tests.unit.blueprints.test_custom import CONFIG, Project, project

__all__ = ["project"]

APP = """\
Resources:
  Net:
    Type: AWS::CloudFormation::Stack
    Metadata: {Of: me}
    Properties: {TemplateURL: parts/net.yaml, Parameters: {Cidr: 10.0.0.0/16}}
Outputs:
  VpcId: {Value: !Sub '${Net.Outputs.VpcId}'}
"""
NET = """\
Parameters: {Cidr: {Type: String}, Name: {Type: String, Default: ''}}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}
  Role: {Type: AWS::IAM::Role, Properties: {RoleName: x}}
  Deep: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: deep.json}}
Outputs: {VpcId: {Value: !Ref Vpc}}
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("shop.yaml", CONFIG.format(template="app/app.yaml"))
    project.write("app/app.yaml", APP)
    project.write("app/parts/net.yaml", NET)
    project.write(
        "app/parts/deep.json", '{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}'
    )
    return project


def test_each_template_is_an_artifact_and_in_the_metadata(shop: Project) -> None:
    (s,) = shop.build().stack_sets

    net: Any = json.loads(s.template)["Resources"]["Net"]
    template: Any = nested.template_of(net)
    deep = template["Resources"]["Deep"]
    found = {a.path: a for a in s.artifacts.values()}
    assert {*found} == {"parts/net.yaml", "deep.json"}
    for resource, one in ((net, found["parts/net.yaml"]), (deep, found["deep.json"])):
        assert resource["Properties"]["TemplateURL"] == {
            "Fn::Sub": "https://tapgen-artifacts-${AWS::AccountId}-${AWS::Region}.s3."
            f"${{AWS::Region}}.${{AWS::URLSuffix}}/{one.key}"
        }
        data = artifacts.content(one)
        assert json.loads(data) == nested.template_of(resource)
        assert one.key == f"artifacts/{hashlib.sha256(data).hexdigest()}.json"
    assert net["Metadata"]["Of"] == "me"
    assert s.capabilities == ("CAPABILITY_NAMED_IAM",)


WRONG = {
    "in S3": (
        "app/app.yaml",
        APP.replace("parts/net.yaml", "https://b.s3.amazonaws.com/k"),
        "app/app.yaml: Resources.Net: a nested stack with the TemplateURL "
        "https://b.s3.amazonaws.com/k: only AWS can read it; give the path of a local file",
    ),
    "missing": (
        "app/app.yaml",
        APP.replace("net.yaml", "none.yaml"),
        "app/parts/none.yaml: cannot be read: no such file or directory",
    ),
    "a template that is wrong": (
        "app/parts/net.yaml",
        NET.replace("Type: AWS::EC2::VPC", "Type: 1"),
        "app/parts/net.yaml:3: Resources.Vpc.Type",
    ),
    "no such parameter": (
        "app/app.yaml",
        APP.replace("Cidr:", "Block:"),
        "app/app.yaml: Resources.Net.Properties.Parameters.Block: parts/net.yaml has no "
        "such parameter; it has Cidr, Name",
    ),
    "no value": (
        "app/app.yaml",
        APP.replace("Cidr: 10.0.0.0/16", ""),
        "app/app.yaml: Resources.Net: parts/net.yaml needs a value of its parameter Cidr",
    ),
    "no such output": (
        "app/app.yaml",
        APP.replace("Outputs.VpcId", "Outputs.Vpc"),
        "app/app.yaml: Resources.Net: parts/net.yaml has no output Vpc; it has VpcId",
    ),
    "itself": (
        "app/parts/deep.json",
        '{"Resources": {"T": {"Type": "AWS::CloudFormation::Stack", "Properties": '
        '{"TemplateURL": "deep.json"}}}}',
        "app/parts/deep.json: stacks are nested more than 10 deep",
    ),
    "a loop inside": (
        "app/parts/deep.json",
        '{"Transform": "AWS::LanguageExtensions", "Resources": {"T": {"Type": '
        '"AWS::SNS::Topic"}}}',
        "app/parts/deep.json: Transform AWS::LanguageExtensions in a nested stack",
    ),
    "in a loop": (
        "app/app.yaml",
        "Transform: AWS::LanguageExtensions\n"
        "Resources:\n"
        "  Fn::ForEach::Nets: [N, [a], {'Net${N}': {Type: AWS::CloudFormation::Stack}}]\n",
        "app/app.yaml: Resources.Fn::ForEach::Nets: a nested stack in a loop",
    ),
    "a macro inside": (
        "app/parts/deep.json",
        '{"Transform": "Mine", "Resources": {"T": {"Type": "AWS::SNS::Topic"}}}',
        "app/parts/deep.json: Transform Mine: only AWS can expand it",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_nested_is_refused_with_its_place(
    shop: Project, name: str
) -> None:
    file, text, message = WRONG[name]
    shop.write(file, text)

    assert message in shop.wrong()
