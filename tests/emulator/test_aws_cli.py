"""The AWS CLI drives the whole life of a stack set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import NAMED, Aws

Cli = Callable[..., Any]
# The AWS CLI, command by command in one process: most of its time are imports.
DRIVES = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from awscli.clidriver import create_clidriver
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = create_clidriver().main(json.loads(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


@pytest.fixture
def cli(aws: Aws, tmp_path: Path) -> Iterator[Cli]:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": aws.account,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_MAX_ATTEMPTS": "1",
        "HOME": str(tmp_path),
    }
    with subprocess.Popen(
        [sys.executable, "-c", DRIVES],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def run(*arguments: str, fails: bool = False) -> Any:
            assert process.stdin and process.stdout
            asked = ["cloudformation", *arguments, "--output", "json"]
            print(json.dumps(asked), file=process.stdin, flush=True)
            code, out, err = json.loads(process.stdout.readline())
            if fails:
                assert code != 0
                return err
            assert code == 0, err
            return json.loads(out or "null")

        yield run
        assert process.stdin
        process.stdin.close()


def test_the_aws_cli_creates_lists_describes_updates_and_deletes(
    aws: Aws, cli: Cli, tmp_path: Path
) -> None:
    net = ("--stack-set-name", "net")
    targets = ("--accounts", aws.account, "--regions", "us-east-1", "eu-west-1")
    body = tmp_path / "template.json"
    body.write_text(NAMED)
    parameters = f"ParameterKey=Name,ParameterValue=cli-{aws.account}"
    created = cli(
        "create-stack-set",
        *(*net, "--template-body", f"file://{body}", "--parameters", parameters),
    )
    assert created["StackSetId"].startswith("net:")
    started = cli("create-stack-instances", *net, *targets, "--operation-id", "first")
    assert started == {"OperationId": "first"}
    aws.finished("net", "first")
    shown = cli("describe-stack-set-operation", *net, "--operation-id", "first")
    assert shown["StackSetOperation"]["Status"] == "SUCCEEDED"
    listed = cli("list-stack-instances", *net)["Summaries"]
    assert {(i["Region"], i["Status"]) for i in listed} == {
        ("us-east-1", "CURRENT"),
        ("eu-west-1", "CURRENT"),
    }
    one = ("--stack-instance-account", aws.account, "--stack-instance-region")
    instance = cli("describe-stack-instance", *net, *one, "eu-west-1")["StackInstance"]
    assert ":eu-west-1:" in instance["StackId"]
    assert cli("describe-stack-set", *net)["StackSet"]["Status"] == "ACTIVE"

    changed = "ParameterKey=Display,ParameterValue=changed"
    saved = "ParameterKey=Name,UsePreviousValue=true"
    update = ("--use-previous-template", "--parameters", changed, saved)
    operation = cli("update-stack-set", *net, *update)["OperationId"]
    assert aws.finished("net", operation)["Status"] == "SUCCEEDED"
    stack = cli("describe-stacks", "--region", "eu-west-1")["Stacks"][0]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    assert outputs["Shown"] == "changed"

    assert "(StackSetNotEmptyException)" in cli("delete-stack-set", *net, fails=True)
    operation = cli("delete-stack-instances", *net, *targets, "--no-retain-stacks")
    assert aws.finished("net", operation)["Status"] == "SUCCEEDED"
    assert cli("list-stack-instances", *net)["Summaries"] == []
    cli("delete-stack-set", *net)
    assert cli("list-stack-sets", "--status", "ACTIVE")["Summaries"] == []
