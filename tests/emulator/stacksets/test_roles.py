"""Self-managed permissions: both roles must exist and trust whom they must.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-prereqs-self-managed.html
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import ADMINISTRATION, EXECUTION, Aws, template

CLOUDFORMATION = {"Service": "cloudformation.amazonaws.com"}


@pytest.fixture
def bare(aws: Aws) -> Aws:
    """An administrator account without any role."""
    other = Aws(aws.url, f"8{aws.account[1:]}")
    other.cloudformation.create_stack_set(StackSetName="s", TemplateBody=template())
    return other


def reason(aws: Aws, name: str = "s", account: str | None = None) -> str | None:
    """Why an instance cannot be created; None when it can."""
    account = account or aws.account
    started = aws.cloudformation.create_stack_instances(
        StackSetName=name, Accounts=[account], Regions=["us-east-1"]
    )
    aws.finished(name, started)
    result = aws.results(name, started)[account, "us-east-1"]
    instance = aws.instances(name)[account, "us-east-1"]
    if result["Status"] == "SUCCEEDED":
        assert "StackId" in instance
        return None
    assert result["Status"] == "FAILED"
    assert "StackId" not in instance
    answer: str = result["StatusReason"]
    return answer


def test_without_administration_role_nothing_is_deployed(bare: Aws) -> None:
    """User guide, "Grant self-managed permissions": the administration role."""
    assert reason(bare) == (
        f"Account {bare.account} should have '{ADMINISTRATION}' role with trust "
        "relationship to CloudFormation service."
    )


def test_without_execution_role_nothing_is_deployed(bare: Aws) -> None:
    """User guide, "Grant self-managed permissions": the execution role."""
    bare.make_role(bare.account, ADMINISTRATION, CLOUDFORMATION)
    assert reason(bare) == (
        f"Account {bare.account} should have '{EXECUTION}' role with trust "
        f"relationship to Role '{ADMINISTRATION}'."
    )


def test_the_execution_role_is_that_of_the_target_account(aws: Aws) -> None:
    """User guide, "Grant self-managed permissions": in each target account."""
    aws.cloudformation.create_stack_set(StackSetName="s", TemplateBody=template())
    target = "7" + aws.account[1:]
    assert f"Account {target} should have" in str(reason(aws, account=target))
    aws.make_roles(target)
    assert reason(aws, account=target) is None


@pytest.mark.parametrize("principal", ["{account}", "arn:aws:iam::{account}:root"])
def test_an_execution_role_may_trust_the_whole_account(
    bare: Aws, principal: str
) -> None:
    """User guide, "Grant self-managed permissions": trust of the account."""
    bare.make_role(bare.account, ADMINISTRATION, CLOUDFORMATION)
    trusted = principal.format(account=bare.account)
    bare.make_role(bare.account, EXECUTION, {"AWS": [trusted]})
    assert reason(bare) is None


def test_an_execution_role_that_trusts_another_account_does_not_do(bare: Aws) -> None:
    """User guide, "Grant self-managed permissions": trust."""
    bare.make_role(bare.account, ADMINISTRATION, CLOUDFORMATION)
    other = f"arn:aws:iam::123456789012:role/{ADMINISTRATION}"
    bare.make_role(bare.account, EXECUTION, {"AWS": other})
    assert f"'{EXECUTION}' role with trust" in str(reason(bare))


def test_an_administration_role_must_trust_the_service(bare: Aws) -> None:
    """User guide, "Grant self-managed permissions": cloudformation.amazonaws.com."""
    bare.make_role(bare.account, ADMINISTRATION, {"Service": "lambda.amazonaws.com"})
    assert "relationship to CloudFormation service" in str(reason(bare))


@pytest.mark.parametrize(
    ("condition", "trusted"),
    [
        ({"StringEquals": {"aws:SourceAccount": "{account}"}}, True),
        ({"StringEquals": {"aws:SourceAccount": "123456789012"}}, False),
        (
            {
                "StringLike": {
                    "aws:SourceArn": "arn:aws:cloudformation:*:{account}:stackset/s:*"
                }
            },
            True,
        ),
        (
            {
                "ArnLike": {
                    "aws:SourceArn": "arn:aws:cloudformation:*:{account}:stackset/t:*"
                }
            },
            False,
        ),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, False),
    ],
)
def test_conditions_of_the_administration_roles_trust_are_honoured(
    bare: Aws, condition: dict[str, dict[str, str]], trusted: bool
) -> None:
    """User guide, "Confused deputy": aws:SourceAccount, aws:SourceArn."""
    filled = {
        operator: {k: v.format(account=bare.account) for k, v in tests.items()}
        for operator, tests in condition.items()
    }
    bare.make_role(bare.account, ADMINISTRATION, CLOUDFORMATION, filled)
    arn = f"arn:aws:iam::{bare.account}:role/{ADMINISTRATION}"
    bare.make_role(bare.account, EXECUTION, {"AWS": arn})
    assert (reason(bare) is None) == trusted


def test_roles_of_other_names_are_used_when_named(bare: Aws) -> None:
    """CreateStackSet: AdministrationRoleARN, ExecutionRoleName."""
    bare.make_roles(bare.account, "executors", "admins")
    request: dict[str, Any] = {
        "TemplateBody": template(),
        "AdministrationRoleARN": f"arn:aws:iam::{bare.account}:role/admins",
    }
    client = bare.cloudformation
    client.create_stack_set(
        StackSetName="own", ExecutionRoleName="executors", **request
    )
    assert reason(bare, "own") is None
    client.create_stack_set(StackSetName="no", ExecutionRoleName="nobody", **request)
    assert reason(bare, "no") == (
        f"Account {bare.account} should have 'nobody' role with trust relationship to "
        "Role 'admins'."
    )


def test_a_missing_role_on_deletion_leaves_the_instance_inoperable(aws: Aws) -> None:
    """StackInstance, Status INOPERABLE."""
    aws.cloudformation.create_stack_set(StackSetName="s", TemplateBody=template())
    assert reason(aws) is None
    aws.client("iam").delete_role(RoleName=EXECUTION)
    started = aws.cloudformation.delete_stack_instances(
        StackSetName="s",
        Accounts=[aws.account],
        Regions=["us-east-1"],
        RetainStacks=False,
    )
    assert aws.finished("s", started)["Status"] == "FAILED"
    assert set(aws.states("s").values()) == {("INOPERABLE", "INOPERABLE")}
