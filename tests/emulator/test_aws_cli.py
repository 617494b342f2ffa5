"""The AWS CLI drives the whole life of a stack set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import NAMED, Aws

Cli = Callable[..., Any]


@pytest.fixture
def cli(aws: Aws, tmp_path: Path) -> Cli:
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
    executable = Path(sys.executable).with_name("aws")

    def run(*arguments: str, fails: bool = False) -> Any:
        done = subprocess.run(
            [str(executable), "cloudformation", *arguments, "--output", "json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if fails:
            assert done.returncode != 0
            return done.stderr
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")

    return run


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
