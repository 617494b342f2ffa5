"""UpdateStackSet: what it changes, whom it marks OUTDATED, and that there is no rollback.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStackSet.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.conftest import BROKEN_IN_EUROPE, NAMED, Aws, template, topic
from tests.emulator.stacksets.test_instances import (
    REGIONS,
    create,
    named,
    shown,
    values,
)
from tests.emulator.stacksets.test_sets import refused

BOTH = [{"ParameterKey": k, "UsePreviousValue": True} for k in ("Name", "Display")]


def update(aws: Aws, name: str = "named", **request: Any) -> dict[str, Any]:
    started = aws.cloudformation.update_stack_set(StackSetName=name, **request)
    return aws.finished(name, started)


def described(aws: Aws, name: str = "named") -> dict[str, Any]:
    found = aws.cloudformation.describe_stack_set(StackSetName=name)["StackSet"]
    found["values"] = {
        p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]
    }
    answer: dict[str, Any] = found
    return answer


def test_an_update_without_targets_updates_all_stacks(aws: Aws) -> None:
    """UpdateStackSet: without Accounts and Regions."""
    named(aws)
    create(aws)
    before = aws.instances("named")
    operation = update(
        aws,
        UsePreviousTemplate=True,
        Parameters=[BOTH[0], *values(Display="new")],
    )
    assert (operation["Action"], operation["Status"]) == ("UPDATE", "SUCCEEDED")
    for region in REGIONS:
        assert shown(aws, region) == "new"
        instance = aws.instances("named")[aws.account, region]
        assert instance["StackId"] == before[aws.account, region]["StackId"]
        assert instance["Status"] == "CURRENT"
        assert aws.stack(instance)["StackStatus"] == "UPDATE_COMPLETE"


def test_a_new_template_reaches_the_resources(aws: Aws) -> None:
    """UpdateStackSet, TemplateBody."""
    aws.cloudformation.create_stack_set(
        StackSetName="grow", TemplateBody=template({"A": topic()})
    )
    create(aws, "grow")
    update(aws, "grow", TemplateBody=template({"A": topic(), "B": topic()}))
    for region in REGIONS:
        assert len(aws.client("sns", region=region).list_topics()["Topics"]) == 2


def test_targets_of_an_update_are_updated_and_the_others_are_outdated(
    aws: Aws,
) -> None:
    """UpdateStackSet, Accounts: "marks all stack instances with a status of
    OUTDATED"."""
    named(aws)
    create(aws)
    update(
        aws,
        UsePreviousTemplate=True,
        Parameters=[BOTH[0], *values(Display="new")],
        Accounts=[aws.account],
        Regions=["us-east-1"],
    )
    assert aws.states("named") == {
        (aws.account, "us-east-1"): ("CURRENT", "SUCCEEDED"),
        (aws.account, "eu-west-1"): ("OUTDATED", "SUCCEEDED"),
    }
    assert (shown(aws, "us-east-1"), shown(aws, "eu-west-1")) == ("new", "plain")
    # A call without targets brings everything in sync.
    update(aws, UsePreviousTemplate=True, Parameters=BOTH)
    assert set(aws.states("named").values()) == {("CURRENT", "SUCCEEDED")}
    assert shown(aws, "eu-west-1") == "new"


def test_without_template_and_parameters_the_others_keep_their_status(
    aws: Aws,
) -> None:
    """UpdateStackSet, Accounts: "leaving all other stack instances"."""
    aws.cloudformation.create_stack_set(StackSetName="tags", TemplateBody=template())
    create(aws, "tags")
    update(
        aws,
        "tags",
        UsePreviousTemplate=True,
        Tags=[{"Key": "a", "Value": "b"}],
        Accounts=[aws.account],
        Regions=["us-east-1"],
    )
    assert set(aws.states("tags").values()) == {("CURRENT", "SUCCEEDED")}
    instances = aws.instances("tags")
    assert aws.stack(instances[aws.account, "us-east-1"])["Tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    assert aws.stack(instances[aws.account, "eu-west-1"])["Tags"] == []


def test_tags_are_unchanged_replaced_or_removed(aws: Aws) -> None:
    """UpdateStackSet, Tags."""
    named(aws)
    remaining = [{"Key": "Project", "Value": "tests"}]
    update(aws, UsePreviousTemplate=True, Parameters=BOTH)
    assert described(aws)["Tags"] == remaining
    other = [{"Key": "Other", "Value": "1"}]
    update(aws, UsePreviousTemplate=True, Parameters=BOTH, Tags=other)
    assert described(aws)["Tags"] == other
    update(aws, UsePreviousTemplate=True, Parameters=BOTH, Tags=[])
    assert described(aws)["Tags"] == []


def test_a_failed_update_rolls_the_stack_back_and_keeps_the_bad_template(
    aws: Aws,
) -> None:
    """UpdateStackSet: "Even if the stack set operation fails, the stack set is
    updated"."""
    aws.cloudformation.create_stack_set(
        StackSetName="bad", TemplateBody=template({"Topic": topic()})
    )
    create(aws, "bad")
    operation = update(
        aws,
        "bad",
        TemplateBody=BROKEN_IN_EUROPE,
        Capabilities=["CAPABILITY_IAM"],
        OperationPreferences={"RegionOrder": ["eu-west-1", "us-east-1"]},
    )
    assert operation["Status"] == "FAILED"
    assert aws.states("bad") == {
        (aws.account, "eu-west-1"): ("OUTDATED", "FAILED"),
        (aws.account, "us-east-1"): ("OUTDATED", "CANCELLED"),
    }
    failed = aws.instances("bad")[aws.account, "eu-west-1"]
    assert failed["StatusReason"].startswith("ResourceLogicalId:Broken, ")
    assert aws.stack(failed)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert described(aws, "bad")["TemplateBody"] == BROKEN_IN_EUROPE
    # What is created later is created with it.
    retried = aws.cloudformation.create_stack_instances(
        StackSetName="bad", Accounts=[aws.account], Regions=["ap-south-1"]
    )
    aws.finished("bad", retried)
    stack = aws.stack(aws.instances("bad")[aws.account, "ap-south-1"])
    client = aws.client("cloudformation", region="ap-south-1")
    found = client.get_template(StackName=stack["StackId"])["TemplateBody"]
    body = found if isinstance(found, str) else json.dumps(found)
    assert "Europe" in body
    # The way back is another update.
    operation = update(aws, "bad", TemplateBody=template({"Topic": topic()}))
    assert operation["Status"] == "SUCCEEDED"
    assert set(aws.states("bad").values()) == {("CURRENT", "SUCCEEDED")}


def test_the_reason_is_that_of_the_last_operation_only(aws: Aws) -> None:
    """StackInstance, StatusReason."""
    aws.cloudformation.create_stack_set(StackSetName="twice", TemplateBody=template())
    create(aws, "twice", Regions=["eu-west-1"])
    bad = json.loads(BROKEN_IN_EUROPE)
    update(aws, "twice", TemplateBody=json.dumps(bad), Capabilities=["CAPABILITY_IAM"])
    bad["Resources"]["Other"] = bad["Resources"].pop("Broken")
    update(aws, "twice", TemplateBody=json.dumps(bad), Capabilities=["CAPABILITY_IAM"])
    failed = aws.instances("twice")[aws.account, "eu-west-1"]
    assert failed["StatusReason"].startswith("ResourceLogicalId:Other, ")


def test_nothing_to_update_is_a_success(aws: Aws) -> None:
    """UpdateStackSet, as observed: no updates are no failure."""
    named(aws)
    create(aws)
    operation = update(aws, UsePreviousTemplate=True, Parameters=BOTH)
    assert operation["Status"] == "SUCCEEDED"
    assert operation["StatusDetails"] == {"FailedStackInstancesCount": 0}
    stack = aws.stack(aws.instances("named")[aws.account, "us-east-1"])
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert set(aws.states("named").values()) == {("CURRENT", "SUCCEEDED")}


def test_a_parameter_that_is_not_given_falls_back_to_its_default(aws: Aws) -> None:
    """UpdateStackSet, Parameters; as UpdateStack does."""
    named(aws, Display="first")
    update(aws, UsePreviousTemplate=True, Parameters=[BOTH[0]])
    assert described(aws)["values"] == {"Name": f"t-{aws.account}", "Display": "plain"}
    with refused("ValidationError", r"\[Name\] must have values"):
        update(aws, UsePreviousTemplate=True, Parameters=values(Display="x"))
    with refused("ValidationError", r"\[Nope\] do not exist"):
        update(aws, UsePreviousTemplate=True, Parameters=[*BOTH, *values(Nope="x")])


def test_overrides_are_not_touched_by_the_stack_sets_parameters(aws: Aws) -> None:
    """UpdateStackInstances: overridden values are retained during updates."""
    named(aws)
    create(aws, Regions=["us-east-1"])
    create(aws, Regions=["eu-west-1"], ParameterOverrides=values(Display="over"))
    update(aws, UsePreviousTemplate=True, Parameters=[BOTH[0], *values(Display="new")])
    assert (shown(aws, "us-east-1"), shown(aws, "eu-west-1")) == ("new", "over")


def test_an_override_outlives_its_parameter_without_harm(aws: Aws) -> None:
    """UpdateStackSet, TemplateBody; ParameterOverrides."""
    named(aws)
    create(aws, ParameterOverrides=values(Display="over"))
    body = json.loads(NAMED)
    del body["Parameters"]["Display"], body["Outputs"]["Shown"]
    del body["Resources"]["Topic"]["Properties"]["DisplayName"]
    operation = update(aws, TemplateBody=json.dumps(body), Parameters=[BOTH[0]])
    assert operation["Status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"TemplateBody": template(), "UsePreviousTemplate": True},
        {"TemplateBody": template(), "TemplateURL": "https://s3.amazonaws.com/b/k"},
        {"UsePreviousTemplate": True, "Accounts": ["111111111111"]},
        {"UsePreviousTemplate": True, "Regions": ["us-east-1"]},
    ],
)
def test_an_update_that_makes_no_sense_is_refused(
    aws: Aws, request_: dict[str, Any]
) -> None:
    """UpdateStackSet: TemplateBody, TemplateURL, UsePreviousTemplate, Regions."""
    aws.cloudformation.create_stack_set(StackSetName="s", TemplateBody=template())
    with refused("ValidationError"):
        update(aws, "s", **request_)
    listed = aws.cloudformation.list_stack_set_operations(StackSetName="s")
    assert listed["Summaries"] == []


def test_targets_of_an_update_must_exist(aws: Aws) -> None:
    """UpdateStackSet: StackInstanceNotFoundException."""
    named(aws)
    create(aws, Regions=["us-east-1"])
    with refused("StackInstanceNotFoundException"):
        update(
            aws,
            UsePreviousTemplate=True,
            Parameters=BOTH,
            Accounts=[aws.account],
            Regions=["eu-west-1"],
        )


def test_a_refused_update_changes_nothing(aws: Aws) -> None:
    """UpdateStackSet: ValidationError."""
    named(aws)
    create(aws)
    for body in ("{", template({"X": {"Type": "AWS::Nowhere::Thing"}})):
        with refused("ValidationError"):
            update(aws, TemplateBody=body)
    assert described(aws)["TemplateBody"] == NAMED
    assert set(aws.states("named").values()) == {("CURRENT", "SUCCEEDED")}


def test_capabilities_are_given_with_every_update(aws: Aws) -> None:
    """UpdateStackSet, Capabilities."""
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}
    aws.cloudformation.create_stack_set(
        StackSetName="iam",
        TemplateBody=template({"Role": role}),
        Capabilities=["CAPABILITY_IAM"],
    )
    with refused("InsufficientCapabilitiesException", "CAPABILITY_IAM"):
        update(aws, "iam", UsePreviousTemplate=True)


def test_a_custom_administration_role_is_given_with_every_update(aws: Aws) -> None:
    """UpdateStackSet, AdministrationRoleARN."""
    arn = f"arn:aws:iam::{aws.account}:role/custom"
    aws.cloudformation.create_stack_set(
        StackSetName="roles",
        TemplateBody=template(),
        AdministrationRoleARN=arn,
        ExecutionRoleName="executors",
    )
    update(aws, "roles", UsePreviousTemplate=True, AdministrationRoleARN=arn)
    assert described(aws, "roles")["AdministrationRoleARN"] == arn
    update(aws, "roles", UsePreviousTemplate=True)
    found = described(aws, "roles")
    assert found["AdministrationRoleARN"].endswith("StackSetAdministrationRole")
    assert found["ExecutionRoleName"] == "executors"


def test_the_permission_model_stays_while_there_are_instances(aws: Aws) -> None:
    """UpdateStackSet, PermissionModel."""
    named(aws)
    create(aws)
    with refused("ValidationError", "PermissionModel"):
        update(
            aws,
            UsePreviousTemplate=True,
            Parameters=BOTH,
            PermissionModel="SERVICE_MANAGED",
        )
