"""What may refuse an account or a Region: account gates and opt-in Regions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-account-gating.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-opt-in-regions.html
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from tests.emulator.conftest import ADMINISTRATION, EXECUTION, Aws, template
from tests.emulator.stacksets.test_operations import start

GATE = "AWSCloudFormationStackSetAccountGate"


def gate(aws: Aws, account: str, body: str, region: str = "us-east-1") -> None:
    """An account gate that the execution role may ask."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("gate.py", f"def handler(event, context):\n    {body}\n")
    aws.client("lambda", account, region).create_function(
        FunctionName=GATE,
        Runtime="python3.12",
        Handler="gate.handler",
        Role=f"arn:aws:iam::{account}:role/{EXECUTION}",
        Code={"ZipFile": code.getvalue()},
    )


def permit(aws: Aws, account: str) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "lambda:InvokeFunction",
        "Resource": f"arn:aws:lambda:*:{account}:function:{GATE}",
    }
    aws.client("iam", account).put_role_policy(
        RoleName=EXECUTION,
        PolicyName="gate",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def created(aws: Aws, **more: Any) -> tuple[str, dict[str, Any]]:
    """Status of an operation in one Region, and its result per account."""
    if not aws.cloudformation.list_stack_sets(Status="ACTIVE")["Summaries"]:
        aws.cloudformation.create_stack_set(StackSetName="s", TemplateBody=template())
    request: dict[str, Any] = {"Regions": ["us-east-1"], **more}
    id_ = start(aws, "s", **request)
    status = aws.finished("s", id_)["Status"]
    return status, {a: r for (a, _), r in aws.results("s", id_).items()}


# Account gates


def test_without_a_gate_everything_goes_on(aws: Aws) -> None:
    """AccountGateResult, Status SKIPPED: "An account gate function hasn't been
    specified for the account and Region"."""
    status, results = created(aws)
    assert status == "SUCCEEDED"
    verdict = results[aws.account]["AccountGateResult"]
    assert verdict["Status"] == "SKIPPED"
    arn = f"arn:aws:lambda:us-east-1:{aws.account}:function:{GATE}"
    assert verdict["StatusReason"] == f"Function not found: {arn}"


def test_a_gate_lets_an_operation_in(aws: Aws) -> None:
    """AccountGateResult, Status SUCCEEDED."""
    permit(aws, aws.account)
    gate(aws, aws.account, "return {'Status': 'SUCCEEDED'}")
    status, results = created(aws)
    assert status == "SUCCEEDED"
    assert results[aws.account]["AccountGateResult"]["Status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "body", ["return {'Status': 'FAILED'}", "return 'well'", "raise ValueError('no')"]
)
def test_a_gate_keeps_an_operation_out(aws: Aws, body: str) -> None:
    """AccountGateResult, Status FAILED: the result is FAILED, nothing is deployed."""
    permit(aws, aws.account)
    gate(aws, aws.account, body)
    status, results = created(aws)
    assert status == "FAILED"
    result = results[aws.account]
    assert (result["Status"], result["AccountGateResult"]["Status"]) == (
        "FAILED",
        "FAILED",
    )
    assert GATE in result["StatusReason"]
    assert aws.cloudformation.list_stacks()["StackSummaries"] == []
    assert set(aws.states("s").values()) == {("OUTDATED", "FAILED")}


def test_a_gate_counts_against_the_failure_tolerance(aws: Aws) -> None:
    """User guide: "CloudFormation cancels the StackSet operation in that account and
    Region"; FailureToleranceCount counts it like any other failure."""
    other = aws.other_account()
    permit(aws, aws.account)
    gate(aws, aws.account, "return {'Status': 'FAILED'}")
    status, results = created(
        aws,
        Accounts=[aws.account, other],
        OperationPreferences={"FailureToleranceCount": 1},
    )
    assert status == "SUCCEEDED"
    assert {a: r["Status"] for a, r in results.items()} == {
        aws.account: "FAILED",
        other: "SUCCEEDED",
    }


def test_a_gate_that_may_not_be_invoked_is_skipped(aws: Aws) -> None:
    """AccountGateResult, Status SKIPPED: the execution role "lacks permissions to
    invoke the function. CloudFormation proceeds"."""
    gate(aws, aws.account, "return {'Status': 'FAILED'}")
    status, results = created(aws)
    assert status == "SUCCEEDED"
    assert results[aws.account]["AccountGateResult"]["Status"] == "SKIPPED"


def test_a_gate_is_for_its_region(aws: Aws) -> None:
    """User guide: "for each account and Region"."""
    permit(aws, aws.account)
    gate(aws, aws.account, "return {'Status': 'FAILED'}", region="eu-west-1")
    assert created(aws)[0] == "SUCCEEDED"


# Opt-in Regions

OPT_IN = "ap-east-1"


def trust(aws: Aws, *services: str) -> None:
    """Let the administration role trust services and no one else."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": [f"{s}.amazonaws.com" for s in services]},
        "Action": "sts:AssumeRole",
    }
    aws.client("iam").update_assume_role_policy(
        RoleName=ADMINISTRATION,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def enable(aws: Aws, account: str) -> None:
    aws.client("account", account).enable_region(RegionName=OPT_IN)


def test_a_region_is_deployed_to_once_it_is_enabled_and_trusted(aws: Aws) -> None:
    """User guide, "StackSets and AWS Regions that are disabled by default": in the
    target and in the administrator account; the administration role trusts the
    Region's own service principal."""
    other = aws.other_account()
    request = {"Accounts": [other], "Regions": [OPT_IN]}

    def reason() -> str:
        status, results = created(aws, **request)
        assert status == "FAILED"
        found: str = results[other]["StatusReason"]
        return found

    assert f"Region {OPT_IN} is not enabled in account {aws.account}" in reason()
    enable(aws, aws.account)
    refusal = reason()
    assert f"Region {OPT_IN} is not enabled in account {other}" in refusal
    assert "InvalidClientTokenId" in refusal
    enable(aws, other)
    assert reason().endswith(
        f"'{ADMINISTRATION}' role with trust relationship to CloudFormation service."
    )
    trust(aws, "cloudformation", f"cloudformation.{OPT_IN}")
    assert created(aws, **request)[0] == "SUCCEEDED"


def test_each_account_enables_and_disables_regions(aws: Aws) -> None:
    """Account Management: EnableRegion, DisableRegion, GetRegionOptStatus, ListRegions;
    EC2: DescribeRegions, AllRegions."""
    account, ec2 = aws.client("account"), aws.client("ec2")

    def status() -> tuple[str, bool, str]:
        found = account.get_region_opt_status(RegionName=OPT_IN)["RegionOptStatus"]
        usable = {r["RegionName"] for r in ec2.describe_regions()["Regions"]}
        every = ec2.describe_regions(AllRegions=True)["Regions"]
        shown = {r["RegionName"]: r["OptInStatus"] for r in every}
        assert shown["us-east-1"] == "opt-in-not-required"
        return found, OPT_IN in usable, shown[OPT_IN]

    assert status() == ("DISABLED", False, "not-opted-in")
    account.enable_region(RegionName=OPT_IN)
    assert status() == ("ENABLED", True, "opted-in")
    enabled = account.list_regions(RegionOptStatusContains=["ENABLED"])["Regions"]
    assert [r["RegionName"] for r in enabled] == [OPT_IN]
    account.disable_region(RegionName=OPT_IN)
    assert status() == ("DISABLED", False, "not-opted-in")
