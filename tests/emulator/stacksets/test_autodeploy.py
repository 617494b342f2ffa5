"""Automatic deployment to accounts that join units.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-manage-auto-deployment.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tapgen.emulator.server import lifecycle
from tests.emulator.conftest import BROKEN, HELD, PATIENCE, UNFINISHED, Aws
from tests.emulator.stacksets.test_organizations import Organization, organization
from tests.emulator.stacksets.test_sets import refused

__all__ = ["organization"]

ENABLED = {"Enabled": True, "RetainStacksOnAccountRemoval": False}


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it never happened")


def operations(aws: Aws, name: str) -> list[dict[str, Any]]:
    found = aws.cloudformation.list_stack_set_operations(StackSetName=name)
    summaries: list[dict[str, Any]] = found["Summaries"]
    return summaries


def settled(aws: Aws, name: str) -> list[dict[str, Any]]:
    """The operations of a stack set, newest first, once none is in progress."""

    def ended() -> Any:
        found = operations(aws, name)
        return found if all(o["Status"] not in UNFINISHED for o in found) else None

    found: list[dict[str, Any]] = until(ended)
    return found


def test_an_account_that_joins_a_unit_gets_the_stacks(
    organization: Organization,
) -> None:
    """AutoDeployment, Enabled: in all Regions that the unit is a target in, also when
    the account joins a unit below, without overridden parameter values."""
    organization.make(AutoDeployment=ENABLED)
    organization.create(
        OrganizationalUnitIds=[organization.unit], Regions=["us-east-1", "eu-west-1"]
    )
    client = organization.aws.cloudformation
    shown = client.describe_stack_set(StackSetName="org")["StackSet"]
    assert shown["AutoDeployment"] == ENABLED
    new = organization.join(organization.nested)
    newest, _ = settled(organization.aws, "org")
    assert (newest["Action"], newest["Status"]) == ("CREATE", "SUCCEEDED")
    instances = organization.aws.instances("org")
    assert {region for account, region in instances if account == new} == {
        "us-east-1",
        "eu-west-1",
    }
    unit = instances[new, "us-east-1"]["OrganizationalUnitId"]
    assert unit == organization.unit
    assert instances[new, "us-east-1"]["Status"] == "CURRENT"


def test_without_automatic_deployment_nothing_happens(
    organization: Organization,
) -> None:
    """AutoDeployment, Enabled false."""
    organization.make()
    organization.create(OrganizationalUnitIds=[organization.unit])
    organization.join(organization.unit)
    assert len(operations(organization.aws, "org")) == 1
    assert organization.accounts() == {organization.account}


@pytest.mark.parametrize("retain", [False, True])
def test_an_account_that_leaves_a_unit_loses_the_instances(
    organization: Organization, retain: bool
) -> None:
    """AutoDeployment, RetainStacksOnAccountRemoval."""
    settings = {"Enabled": True, "RetainStacksOnAccountRemoval": retain}
    organization.make(AutoDeployment=settings)
    organization.create(OrganizationalUnitIds=[organization.unit])
    (instance,) = organization.aws.instances("org").values()
    organization.move(organization.account, organization.unit, organization.root)
    newest, _ = settled(organization.aws, "org")
    assert (newest["Action"], newest["Status"]) == ("DELETE", "SUCCEEDED")
    assert organization.accounts() == set()
    stack = organization.aws.stack(instance)["StackStatus"]
    assert stack == ("CREATE_COMPLETE" if retain else "DELETE_COMPLETE")


def test_an_account_removed_from_the_organization_loses_the_instances(
    organization: Organization,
) -> None:
    """AutoDeployment: "removed from a target organization or OU"."""
    organization.make(AutoDeployment=ENABLED)
    organization.create(OrganizationalUnitIds=[organization.root])
    organization.client.remove_account_from_organization(AccountId=organization.account)
    settled(organization.aws, "org")
    assert organization.accounts() == set()


def test_a_move_deletes_first_and_then_creates(
    organization: Organization, server: lifecycle.Server
) -> None:
    """User guide, "How automatic deployments work": StackSet1's instance is deleted,
    StackSet2's is queued to be created."""
    aws, other = organization.aws, organization.new_unit(organization.root, "other")
    for name, unit in (("one", organization.unit), ("two", other)):
        organization.make(name, AutoDeployment=ENABLED)
        organization.create(name, OrganizationalUnitIds=[unit])
    deletes = {"account": organization.account, "type": "*", "action": "delete"}
    held = {"effect": "delay", "match": deletes, "seconds": 3600}
    fault = lifecycle.add_faults(server.folder, held)[-1]
    try:
        organization.move(organization.account, organization.unit, other)
        assert operations(aws, "two")[0]["Status"] == "QUEUED"
    finally:
        lifecycle.clear_faults(server.folder, fault["id"])
    newest = settled(aws, "two")[0]
    assert newest["CreationTimestamp"] <= settled(aws, "one")[0]["EndTimestamp"]
    assert organization.accounts("one") == set()
    assert organization.accounts("two") == {organization.account}


def test_a_move_within_the_targets_keeps_the_stack(organization: Organization) -> None:
    """A move between units of one target changes nothing."""
    organization.make(AutoDeployment=ENABLED)
    organization.create(OrganizationalUnitIds=[organization.unit])
    before = organization.aws.instances("org")
    organization.move(organization.account, organization.unit, organization.nested)
    assert len(operations(organization.aws, "org")) == 1
    assert organization.aws.instances("org") == before


def test_account_filters_do_not_hold_for_automatic_deployment(
    organization: Organization,
) -> None:
    """User guide: "Automatic deployments do not consider account level targeting
    filters"."""
    organization.make(AutoDeployment=ENABLED)
    organization.create(
        OrganizationalUnitIds=[organization.unit],
        Accounts=[organization.account],
        AccountFilterType="INTERSECTION",
    )
    new = organization.join(organization.unit)
    settled(organization.aws, "org")
    assert organization.accounts() == {organization.account, new}


def test_dependencies_are_deployed_first(organization: Organization) -> None:
    """AutoDeployment, DependsOn; StackSetOperation, Status QUEUED."""
    aws = organization.aws
    organization.make("base", HELD, AutoDeployment=ENABLED)
    arn = aws.cloudformation.describe_stack_set(StackSetName="base")["StackSet"][
        "StackSetARN"
    ]
    depending = {**ENABLED, "DependsOn": [arn]}
    organization.make("top", AutoDeployment=depending)
    free = organization.new_unit(organization.root, "free")
    for name in ("base", "top"):
        organization.create(name, OrganizationalUnitIds=[free])
    new = organization.join(free)
    shown = aws.cloudformation.describe_stack_set(StackSetName="top")["StackSet"]
    assert shown["AutoDeployment"] == depending
    assert operations(aws, "top")[0]["Status"] == "QUEUED"

    def started() -> Any:
        instances = aws.instances("base")
        return instances.get((new, "us-east-1"), {}).get("StackId")

    stack = until(started)
    assert operations(aws, "top")[0]["Status"] == "QUEUED"
    aws.signal(new, "us-east-1", stack)
    assert settled(aws, "top")[0]["Status"] == "SUCCEEDED"
    assert organization.accounts("top") == {new}


def test_an_account_that_leaves_before_its_turn_gets_nothing(
    organization: Organization,
) -> None:
    """StackSetOperation, Status QUEUED: what is queued is done as things are then."""
    aws = organization.aws
    organization.make("org", HELD, AutoDeployment=ENABLED)
    free = organization.new_unit(organization.root, "free")
    organization.create(OrganizationalUnitIds=[free])
    first = organization.join(free)

    def started() -> Any:
        return aws.instances("org").get((first, "us-east-1"), {}).get("StackId")

    stack = until(started)
    second = organization.join(free)
    assert operations(aws, "org")[0]["Status"] == "QUEUED"
    organization.move(second, free, organization.root)
    aws.signal(first, "us-east-1", stack)
    settled(aws, "org")
    assert organization.accounts() == {first}


def test_what_depends_on_a_failure_is_not_tried(organization: Organization) -> None:
    """AutoDeployment, DependsOn: dependencies must "complete successfully"."""
    aws = organization.aws
    capabilities = ["CAPABILITY_IAM"]
    organization.make("base", BROKEN, AutoDeployment=ENABLED, Capabilities=capabilities)
    found = aws.cloudformation.describe_stack_set(StackSetName="base")["StackSet"]
    depending = {**ENABLED, "DependsOn": [found["StackSetARN"]]}
    organization.make("top", AutoDeployment=depending)
    free = organization.new_unit(organization.root, "free")
    for name in ("base", "top"):
        organization.create(name, OrganizationalUnitIds=[free])
    organization.join(free)
    newest = settled(aws, "top")[0]
    assert newest["Status"] == "FAILED"
    assert settled(aws, "base")[0]["OperationId"] in newest["StatusReason"]
    assert organization.accounts("top") == set()


def test_dependencies_must_not_be_circular(organization: Organization) -> None:
    """AutoDeployment, DependsOn."""
    client = organization.aws.cloudformation
    organization.make("base", AutoDeployment=ENABLED)
    base = client.describe_stack_set(StackSetName="base")["StackSet"]["StackSetARN"]
    organization.make("top", AutoDeployment={**ENABLED, "DependsOn": [base]})
    top = client.describe_stack_set(StackSetName="top")["StackSet"]["StackSetARN"]
    with refused("ValidationError", "circular"):
        client.update_stack_set(
            StackSetName="base",
            UsePreviousTemplate=True,
            AutoDeployment={**ENABLED, "DependsOn": [top]},
        )


def test_automatic_deployment_is_changed_without_targets(
    organization: Organization,
) -> None:
    """UpdateStackSet, AutoDeployment: "don't specify DeploymentTargets or Regions"."""
    organization.make()
    client = organization.aws.cloudformation
    request = {
        "StackSetName": "org",
        "UsePreviousTemplate": True,
        "AutoDeployment": ENABLED,
    }
    with refused("ValidationError", "AutoDeployment cannot be specified together"):
        client.update_stack_set(
            **request,
            DeploymentTargets={"OrganizationalUnitIds": [organization.unit]},
            Regions=["us-east-1"],
        )
    organization.aws.finished("org", client.update_stack_set(**request))
    found = client.describe_stack_set(StackSetName="org")["StackSet"]
    assert found["AutoDeployment"] == ENABLED
