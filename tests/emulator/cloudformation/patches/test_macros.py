"""Templates are expanded by the macros of the account before anything is created."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.places import Place, of

_TRUST = {"Version": "2012-10-17", "Statement": []}
# It calls the embedded AWS while the request that needs it is answered.
_CODE = """
import boto3
def handler(event, context):
    answer = {"requestId": event["requestId"], "status": "success"}
    if event["templateParameterValues"].get("How") == "refuse":
        return {**answer, "status": "failed", "errorMessage": "not today"}
    name = boto3.client("ssm").get_parameter(Name="topic-name")["Parameter"]["Value"]
    fragment = event["fragment"]
    for resource in fragment["Resources"].values():
        if resource["Type"] == "AWS::SNS::Topic":
            resource["Properties"] = {"TopicName": name}
    return {**answer, "fragment": fragment}
"""
_USER = {"Topic": {"Type": "AWS::SNS::Topic"}}


@pytest.fixture
def macro(place: Place) -> Place:
    function = of(
        "Lambda::Function",
        Runtime="python3.12",
        Handler="index.handler",
        Timeout=120,
        Role={"Fn::GetAtt": ["Role", "Arn"]},
        Code={"ZipFile": _CODE},
    )
    resources = {
        "F": function,
        "Role": of("IAM::Role", AssumeRolePolicyDocument=_TRUST),
        "Name": of("SSM::Parameter", Name="topic-name", Type="String", Value="by-it"),
        "Macro": of(
            *("CloudFormation::Macro",),
            Name="Names",
            FunctionName={"Fn::GetAtt": ["F", "Arn"]},
        ),
    }
    place.create("macro", resources)
    return place


def _arn(place: Place, name: str) -> str:
    return f"arn:aws:sns:{place.region}:{place.account}:{name}"


def test_a_macro_changes_what_is_created(macro: Place) -> None:
    macro.create("user", _USER, Transform=["Names"])
    assert macro.ids("user")["Topic"] == _arn(macro, "by-it")

    template = macro.cloudformation.get_template(
        StackName="user", TemplateStage="Processed"
    )["TemplateBody"]
    assert "by-it" in json.dumps(template)
    more = {**_USER, "Queue": of("SQS::Queue")}
    assert macro.changes("user", more, Transform="Names") == {"Queue": "Add"}


def test_a_nested_stack_is_expanded_too(macro: Place) -> None:
    s3 = macro.client("s3")
    bucket = f"nested-{macro.account}"
    s3.create_bucket(Bucket=bucket)
    child: dict[str, Any] = {"Transform": "Names", "Resources": _USER}
    s3.put_object(Bucket=bucket, Key="child.json", Body=json.dumps(child))
    url = f"https://{bucket}.s3.amazonaws.com/child.json"

    macro.create("parent", {"Child": of("CloudFormation::Stack", TemplateURL=url)})

    topics = macro.client("sns").list_topics()["Topics"]
    assert {"TopicArn": _arn(macro, "by-it")} in topics


def test_nothing_is_created_where_a_macro_fails(macro: Place) -> None:
    how = {"How": {"Type": "String", "Default": "refuse"}}
    for transform, message in (
        ("Names", f"Transform {macro.account}::Names failed with: not today."),
        ("Other", f"No transform named {macro.account}::Other found."),
    ):
        with pytest.raises(ClientError) as error:
            macro.begin("user", _USER, Transform=transform, Parameters=how)
        assert error.value.response["Error"]["Message"] == message
    assert macro.client("sns").list_topics()["Topics"] == []


def test_sam_is_expanded(place: Place) -> None:
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "InlineCode": "def handler(event, context): return 1",
        },
    }

    place.create("sam", {"F": function}, Transform="AWS::Serverless-2016-10-31")

    assert set(place.ids("sam")) == {"F", "FRole"}
