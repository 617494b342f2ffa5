"""Snippets of `AWS::Include` are put in while a template is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.blueprints.test_custom import CONFIG, Project, project

__all__ = ["project"]

TEMPLATE = """\
Transform:
  - {Name: AWS::Include, Parameters: {Location: snippets/alarm.yaml}}
  - AWS::LanguageExtensions
Mappings:
  Zones:
    Fn::Transform: {Name: AWS::Include, Parameters: {Location: snippets/zones.json}}
Resources:
  Logs:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub 'logs-${AWS::Region}'
      Fn::Transform:
        - {Name: AWS::Include, Parameters: {Location: snippets/private.yaml}}
        - {Name: AWS::Include, Parameters: {Location: snippets/tags.yaml}}
"""
SNIPPETS = {
    "alarm.yaml": "Resources: {Topic: {Type: AWS::SNS::Topic}}\n"
    "Outputs: {TopicArn: {Value: !Ref Topic}}\n",
    "zones.json": '{"us-east-1": {"Name": "a"}, "eu-west-1": {"Name": "b"}}',
    "private.yaml": "PublicAccessBlockConfiguration:\n"
    "  Fn::Transform: {Name: AWS::Include, Parameters: {Location: blocked.yaml}}\n",
    "blocked.yaml": "BlockPublicAcls: true\n",
    "tags.yaml": "Tags: [{Key: Team, Value: !Ref AWS::StackName}]\n",
}


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("shop.yaml", CONFIG.format(template="app/app.yaml"))
    project.write("app/app.yaml", TEMPLATE)
    for name, text in SNIPPETS.items():
        project.write(f"app/snippets/{name}", text)
    return project


def built(shop: Project) -> dict[str, Any]:
    (s,) = shop.build().stack_sets
    found: dict[str, Any] = json.loads(s.template)
    return found


def test_snippets_join_what_is_around_them(shop: Project) -> None:
    found = built(shop)

    assert "AWS::Include" not in json.dumps(found)
    assert found["Transform"] == ["AWS::LanguageExtensions"]
    assert found["Mappings"]["Zones"]["eu-west-1"] == {"Name": "b"}
    assert [*found["Resources"]] == ["Logs", "Topic"]
    assert found["Outputs"] == {"TopicArn": {"Value": {"Ref": "Topic"}}}
    assert found["Resources"]["Logs"]["Properties"] == {
        "BucketName": {"Fn::Sub": "logs-${AWS::Region}"},
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": True},
        "Tags": [{"Key": "Team", "Value": {"Ref": "AWS::StackName"}}],
    }


def test_a_snippet_is_expanded_before_sam(shop: Project) -> None:
    shop.write(
        "app/app.yaml",
        "Transform: AWS::Serverless-2016-10-31\n"
        "Resources: {T: {Type: AWS::Serverless::SimpleTable, Properties:\n"
        "  {Fn::Transform: {Name: AWS::Include, Parameters: {Location: keys.yaml}}}}}\n",
    )
    shop.write("app/keys.yaml", "TableName: orders\n")

    table = built(shop)["Resources"]["T"]

    assert table["Type"] == "AWS::DynamoDB::Table"
    assert table["Properties"]["TableName"] == "orders"


WRONG = {
    "in S3": (
        "app/app.yaml",
        TEMPLATE.replace("snippets/alarm.yaml", "s3://b/alarm.yaml"),
        "app/app.yaml: Transform: AWS::Include of s3://b/alarm.yaml: only AWS can read it;"
        " give the path of a local file, relative to this one",
    ),
    "no location": (
        "app/app.yaml",
        TEMPLATE.replace("Location: snippets/alarm.yaml", ""),
        "app/app.yaml: Transform: AWS::Include without a Location; give the path",
    ),
    "missing": (
        "app/app.yaml",
        TEMPLATE.replace("snippets/alarm.yaml", "snippets/none.yaml"),
        "app/snippets/none.yaml: cannot be read: no such file or directory; check the path",
    ),
    "a key twice": (
        "app/snippets/tags.yaml",
        "BucketName: other\n",
        "app/snippets/tags.yaml: Resources.Logs.Properties.BucketName is in app.yaml "
        "already; remove it from one of the two",
    ),
    "a resource twice": (
        "app/snippets/alarm.yaml",
        "Resources: {Logs: {Type: AWS::SNS::Topic}}\n",
        "app/snippets/alarm.yaml: Resources.Logs is in app.yaml already",
    ),
    "a circle": (
        "app/snippets/blocked.yaml",
        "Fn::Transform: {Name: AWS::Include, Parameters: {Location: private.yaml}}\n",
        "app/snippets/blocked.yaml: Resources.Logs.Properties."
        "PublicAccessBlockConfiguration: private.yaml includes itself",
    ),
    "a list": (
        "app/snippets/tags.yaml",
        "[1]",
        "app/snippets/tags.yaml:1: not a mapping",
    ),
    "broken": ("app/snippets/tags.yaml", "a: [", "app/snippets/tags.yaml:2: column 1"),
    "parameters": (
        "app/app.yaml",
        TEMPLATE.replace("Mappings:", "Parameters:"),
        "app/app.yaml: Parameters.Zones: AWS::Include is not allowed in Parameters",
    ),
    "another macro": (
        "app/app.yaml",
        TEMPLATE.replace(
            "Name: AWS::Include, Parameters: {Location: snippets/zones",
            "Name: Mine, Parameters: {Location: snippets/zones",
        ),
        "Mappings.Zones: only AWS can expand Fn::Transform",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_included_is_refused_with_its_place(
    shop: Project, name: str
) -> None:
    file, text, message = WRONG[name]
    shop.write(file, text)

    assert message in shop.wrong()
