"""A stack set that a template declares exists, with its stack instances."""

from __future__ import annotations

import json
from typing import Any

from tapgen.emulator.resources.stack_sets import targets
from tests.emulator.places import Place, of


def _trust(principal: dict[str, Any]) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [allow]}


def _resources(place: Place, regions: list[str], **more: Any) -> dict[str, Any]:
    topic = {"Resources": {"T": of("SNS::Topic", TopicName="of-the-set", **more)}}
    group = {"DeploymentTargets": {"Accounts": [place.account]}, "Regions": regions}
    admin = of(
        "IAM::Role",
        RoleName="AWSCloudFormationStackSetAdministrationRole",
        AssumeRolePolicyDocument=_trust({"Service": "cloudformation.amazonaws.com"}),
    )
    execution = of(
        "IAM::Role",
        RoleName="AWSCloudFormationStackSetExecutionRole",
        AssumeRolePolicyDocument=_trust({"AWS": {"Fn::GetAtt": ["Admin", "Arn"]}}),
    )
    declared = of(
        "CloudFormation::StackSet",
        StackSetName="declared",
        PermissionModel="SELF_MANAGED",
        TemplateBody=json.dumps(topic),
        StackInstancesGroup=[group],
    )
    return {
        "Admin": admin,
        "Execution": execution,
        "R": declared | {"DependsOn": "Execution"},
    }


def _topics(place: Place, region: str) -> int:
    return len(place.at(region).client("sns").list_topics()["Topics"])


def test_a_declared_stack_set_is_created_changed_and_deleted(place: Place) -> None:
    place.create("declares", _resources(place, ["eu-west-1"]))
    assert _topics(place, "eu-west-1") == 1
    [found] = place.cloudformation.list_stack_sets()["Summaries"]
    assert place.ids("declares")["R"] == found["StackSetId"]

    place.update("declares", _resources(place, ["eu-west-2"], DisplayName="other"))
    assert (_topics(place, "eu-west-1"), _topics(place, "eu-west-2")) == (0, 1)

    place.delete("declares")
    assert _topics(place, "eu-west-2") == 0
    sets = place.cloudformation.list_stack_sets(Status="ACTIVE")["Summaries"]
    assert sets == []


def test_nothing_is_left_of_one_whose_instances_fail(place: Place) -> None:
    place.at("eu-west-1").client("sns").create_topic(Name="of-the-set")

    reason = place.failed("declares", _resources(place, ["eu-west-1"]))

    assert "stack set declared is FAILED" in reason and "of-the-set" in reason
    sets = place.cloudformation.list_stack_sets(Status="ACTIVE")["Summaries"]
    assert sets == []


def test_accounts_beside_units_are_a_filter() -> None:
    where = {"OrganizationalUnitIds": ["ou-1"], "Accounts": ["111122223333"]}
    group = {"DeploymentTargets": where, "Regions": ["eu-west-1"]}

    found = targets({"StackInstancesGroup": [group]})

    assert found == {("OrganizationalUnitIds", "ou-1", "eu-west-1"): "[]"}
