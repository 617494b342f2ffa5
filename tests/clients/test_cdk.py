"""The CDK bootstraps, deploys assets and custom resources, shows changes, and destroys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.clients.conftest import Install, Shell

PACKAGES = ("aws-cdk@2.1148.1", "aws-cdk-lib@2.276.0", "constructs@10.5.0")


def test_the_cdk(shell: Shell, node_packages: Install) -> None:
    installed = node_packages(*PACKAGES)
    shutil.copytree(Path(__file__).with_name("cdk"), shell.folder, dirs_exist_ok=True)
    (shell.folder / "node_modules").symlink_to(installed / "node_modules")
    (shell.folder / "cdk.json").write_text(json.dumps({"app": "node app.js"}))
    command = installed / "node_modules" / ".bin" / "cdk"
    options = ("--no-notices", "--no-version-reporting", "--ci")

    def cdk(*arguments: str) -> str:
        return shell.run(command, *arguments, *options)

    cdk("bootstrap", f"aws://{shell.account}/us-east-1")
    assert "CDKToolkit" in shell.stacks()

    deploy = ("deploy", "--require-approval", "never")
    cdk(*deploy)
    outputs = shell.outputs("Clients")
    assert outputs["Answer"] == "one was given"
    invoked = shell.client("lambda").invoke(
        FunctionName=outputs["Function"], Payload=b'{"name": "you"}'
    )
    assert json.load(invoked["Payload"]) == {"hello": "you"}

    assert "(no changes)" in cdk(*deploy)
    assert "There were no differences" in cdk("diff")
    two = ("--context", "word=two")
    shown = cdk("diff", *two)
    assert "[~] AWS::CloudFormation::CustomResource Custom" in shown
    cdk(*deploy, *two)
    assert shell.outputs("Clients")["Answer"] == "two was given"

    cdk("destroy", "--force")
    assert shell.stacks() == {"CDKToolkit"}
