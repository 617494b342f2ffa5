"""SAM CLI deploys a function with an API, changes it, and deletes it."""

from __future__ import annotations

from urllib.request import urlopen

import pytest

from tests.clients.conftest import Install, Shell

TEMPLATE = """Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: function/
      Handler: index.handler
      Runtime: python3.12
      Events:
        Get: {Type: Api, Properties: {Path: /, Method: get}}
Outputs:
  Api: {Value: !Ref ServerlessRestApi}
"""
CODE = """def handler(event, context):
    return {"statusCode": 200, "body": "WORD"}
"""


@pytest.fixture
def shell(url: str, shell: Shell) -> Shell:
    """In the default account, to which calls of APIs go that have no signature."""
    return Shell(url, "000000000000", shell.folder)


def test_deploy_and_delete(shell: Shell, python_package: Install) -> None:
    command = python_package("aws-sam-cli==1.170.0") / "sam"
    (shell.folder / "template.yaml").write_text(TEMPLATE)
    (shell.folder / "function").mkdir()
    quiet = {"SAM_CLI_TELEMETRY": "0"}
    named = ("--stack-name", "shop", "--region", "us-east-1")

    def deploy(word: str) -> None:
        code = CODE.replace("WORD", word)
        (shell.folder / "function" / "index.py").write_text(code)
        options = ("--resolve-s3", "--no-confirm-changeset", "--capabilities")
        shell.run(command, "deploy", *named, *options, "CAPABILITY_IAM", more=quiet)

    def answered() -> str:
        api = shell.outputs("shop")["Api"]
        with urlopen(f"{shell.url}/restapis/{api}/Prod/_user_request_/") as answer:
            return str(answer.read(), "utf-8")

    deploy("one")
    assert answered() == "one"
    deploy("two")
    assert answered() == "two"
    shell.run(command, "delete", *named, "--no-prompts", more=quiet)
    assert "shop" not in shell.stacks()
