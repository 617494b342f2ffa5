"""Each of Troposphere's own examples is valid, and its stack is created and deleted."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import subprocess
import sys
import tarfile
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import CLIENTS, PATIENCE, Shell

CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
REFUSED: Mapping[str, str] = {
    # They name what only another part of their page has.
    "CloudWatchEventsSample": "references undefined resource LambdaExecutionRole",
    "CodePipeline": "Unresolved resource dependencies [ApplicationName, Deployment",
    "EC2Conditions": "unresolved condition dependency ConditionNameEqualsFoo",
    "IAM_Users_snippet": "references undefined resource myqueue",
    "Metadata": "At least one Resources member must be defined",
    # Not of CloudFormation, or no longer.
    "OpenStack_AutoScaling": "Unrecognized resource types: [OS::Neutron",
    "OpenStack_Server": "Unrecognized resource types: [OS::Neutron",
    "OpsWorksSnippet": "Unrecognized resource types: [AWS::OpsWorks",
    # Its default is none of the allowed values.
    "RDS_VPC": "must select a valid database instance type",
    # "CSRParameter" is no request for a certificate.
    "IoTSample": "AWS::IoT::Certificate create failed",
    # The function would be deployed by another stack; nobody sends the signal.
    "CustomResource": "function:cfnPlacementGroup' not found",
    "WaitObject": "Received 0 conditions when expecting 1",
}
"""Examples that AWS refuses, too, and a part of what is said of each."""


@pytest.fixture(scope="module")
def examples() -> list[Path]:
    """The scripts of the release that is installed here: its source package has them."""
    release = f"troposphere-{version('troposphere')}"
    archive = CLIENTS / f"{release}.tar.gz"
    if not archive.exists():
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary"]
        wanted = [":all:", "--dest", str(CLIENTS), release.replace("-", "==")]
        done = subprocess.run(
            [*pip, *wanted], capture_output=True, text=True, timeout=PATIENCE
        )
        if done.returncode:
            pytest.skip(f"{release} cannot be had: {done.stderr.splitlines()[-1]}")
    if not (CLIENTS / release).exists():
        with tarfile.open(archive) as packed:
            packed.extractall(CLIENTS, filter="data")
    return sorted((CLIENTS / release / "examples").glob("*.py"))


def test_its_examples(shell: Shell, examples: list[Path]) -> None:
    fill = _Filling(shell)
    found = {e.stem: _outcome(shell, fill, e) for e in examples}
    assert len(found) > 50
    failed = {k: v for k, v in found.items() if v != "created and deleted"}
    assert {k: v for k, v in failed.items() if REFUSED.get(k, k + "?") not in v} == {}
    assert set(REFUSED) <= set(failed)


def _outcome(shell: Shell, fill: _Filling, example: Path) -> str:
    """What became of an example: the reason of its first failure."""
    body = _printed(example)
    cloudformation = shell.client("cloudformation")
    name = "example-" + example.stem.replace("_", "-")
    try:
        cloudformation.validate_template(TemplateBody=body)
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=body,
            Parameters=fill.parameters(json.loads(body)),
            Capabilities=CAPABILITIES,
        )
    except cloudformation.exceptions.ClientError as error:
        return str(error.response["Error"]["Message"])
    waiting = {"Delay": 1, "MaxAttempts": PATIENCE}
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig=waiting
        )
    except Exception:
        pages = cloudformation.get_paginator("describe_stack_events").paginate(
            StackName=name
        )
        events = [event for page in pages for event in page["StackEvents"]]
        failed = [e for e in events if "FAILED" in e["ResourceStatus"]]
        return " ".join(
            str(failed[-1].get(key))
            for key in ("LogicalResourceId", "ResourceStatusReason")
        )
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig=waiting
    )
    return "created and deleted"


def _printed(example: Path) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(example), run_name="__main__")
    return printed.getvalue()


class _Filling:
    """Values for the parameters of examples, of what the account has."""

    def __init__(self, shell: Shell) -> None:
        ec2 = shell.client("ec2")
        ec2.create_key_pair(KeyName="clients")
        shell.client("route53").create_hosted_zone(
            Name="example.com", CallerReference="clients"
        )
        for name in ("username", "password"):
            shell.client("ssm").put_parameter(
                Name=f"/redshift_admin_{name}", Value="Examples-1", Type="String"
            )
        [vpc] = ec2.describe_vpcs()["Vpcs"]
        self.vpc = vpc["VpcId"]
        self.subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]]
        [group] = ec2.describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [self.vpc]}]
        )["SecurityGroups"]
        self.group = group["GroupId"]

    def parameters(self, template: Mapping[str, Any]) -> list[dict[str, str]]:
        """One for each parameter without a default."""
        return [
            {"ParameterKey": name, "ParameterValue": self._value(name, parameter)}
            for name, parameter in template.get("Parameters", {}).items()
            if "Default" not in parameter
        ]

    def _value(self, name: str, parameter: Mapping[str, Any]) -> str:
        known = {
            "key": "clients",
            "vpc": self.vpc,
            "hostedzone": "example.com",
            "zone": "us-east-1a",
            "subnets": ",".join(self.subnets[:2]),
            "subnet": self.subnets[0],
            "sg": self.group,
            "group": self.group,
            "email": "someone@example.com",
            "arn": f"arn:aws:kinesis:us-east-1:{'1' * 12}:stream/examples",
            "address": "192.0.2.1",
        }
        kind = str(parameter["Type"])
        said = (name if kind == "String" else f"{name} {kind}").lower()
        if parameter.get("AllowedValues"):
            return str(parameter["AllowedValues"][0])
        return next((v for k, v in known.items() if k in said), "examples1")
