"""The AWS CLI packages local code and nested templates, and deploys them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.clients.conftest import Shell

CHILD = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"Arn": {"Value": {"Ref": "Topic"}}},
}
PARENT: dict[str, Any] = {
    "Parameters": {"Greeting": {"Type": "String", "Default": "hello"}},
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": "function",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Runtime": "python3.12",
                "Environment": {"Variables": {"GREETING": {"Ref": "Greeting"}}},
            },
        },
        "Child": {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {"TemplateURL": "child.json"},
        },
    },
    "Outputs": {
        "Function": {"Value": {"Ref": "Function"}},
        "Topic": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Arn"]}},
    },
}
CODE = """import os

def handler(event, context):
    return os.environ["GREETING"]
"""


def test_package_and_deploy(shell: Shell) -> None:
    aws = Path(sys.executable).with_name("aws")
    (shell.folder / "function").mkdir()
    (shell.folder / "function" / "index.py").write_text(CODE)
    (shell.folder / "child.json").write_text(json.dumps(CHILD))
    (shell.folder / "parent.json").write_text(json.dumps(PARENT))
    shell.run(aws, "s3", "mb", "s3://artifacts")
    package = ("--template-file", "parent.json", "--output-template-file", "out.yaml")
    shell.run(*(aws, "cloudformation", "package", *package, "--s3-bucket", "artifacts"))
    assert "S3Bucket: artifacts" in (shell.folder / "out.yaml").read_text()

    deploy = (aws, "cloudformation", "deploy", "--template-file", "out.yaml")
    named = ("--stack-name", "shop", "--capabilities", "CAPABILITY_IAM")
    assert "Successfully created" in shell.run(*deploy, *named)
    outputs = shell.outputs("shop")
    assert outputs["Topic"].startswith("arn:aws:sns:")

    def greeting() -> Any:
        function = outputs["Function"]
        answer = shell.client("lambda").invoke(FunctionName=function)
        return json.load(answer["Payload"])

    assert greeting() == "hello"
    other = ("--parameter-overrides", "Greeting=again")
    shell.run(*deploy, *named, *other)
    assert greeting() == "again"
    shell.run(aws, "cloudformation", "delete-stack", "--stack-name", "shop")
    shell.run(
        *(aws, "cloudformation", "wait", "stack-delete-complete"),
        *("--stack-name", "shop"),
    )
    assert shell.stacks() == set()
