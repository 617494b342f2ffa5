"""Stack instances: their stacks, overrides, and what deleting them leaves.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStackInstances.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStackInstances.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteStackInstances.html
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import BROKEN, NAMED, Aws, template, topic
from tests.emulator.stacksets.test_sets import refused

REGIONS = ["us-east-1", "eu-west-1"]


def values(**given: str) -> list[dict[str, str]]:
    return [{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()]


def named(aws: Aws, name: str = "named", **parameters: str) -> None:
    aws.cloudformation.create_stack_set(
        StackSetName=name,
        TemplateBody=NAMED,
        Parameters=values(**{"Name": f"t-{aws.account}", **parameters}),
        Tags=[{"Key": "Project", "Value": "tests"}],
    )


def create(aws: Aws, name: str = "named", **more: Any) -> dict[str, Any]:
    request = {"Accounts": [aws.account], "Regions": REGIONS, **more}
    started = aws.cloudformation.create_stack_instances(StackSetName=name, **request)
    return aws.finished(name, started)


def overrides(aws: Aws, region: str, name: str = "named") -> dict[str, str]:
    found = aws.cloudformation.describe_stack_instance(
        StackSetName=name, StackInstanceAccount=aws.account, StackInstanceRegion=region
    )["StackInstance"]
    return {p["ParameterKey"]: p["ParameterValue"] for p in found["ParameterOverrides"]}


def shown(aws: Aws, region: str, name: str = "named") -> str:
    """What the topic of an instance really shows."""
    stack = aws.stack(aws.instances(name)[aws.account, region])
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    found = aws.client("sns", region=region).get_topic_attributes(
        TopicArn=outputs["Topic"]
    )
    display: str = found["Attributes"]["DisplayName"]
    return display


def test_an_instance_has_a_real_stack_in_its_account_and_region(aws: Aws) -> None:
    """StackInstance: StackId; user guide, "StackSets concepts"."""
    named(aws)
    other = aws.other_account()
    started = create(aws, Accounts=[aws.account, other])
    assert started["Status"] == "SUCCEEDED"
    instances = aws.instances("named")
    assert set(instances) == {(a, r) for a in (aws.account, other) for r in REGIONS}
    for (account, region), instance in instances.items():
        stack = aws.stack(instance)
        assert re.fullmatch(r"StackSet-named-[0-9a-f-]{36}", stack["StackName"])
        arn = f"arn:aws:cloudformation:{region}:{account}:stack/{stack['StackName']}/"
        assert instance["StackId"].startswith(arn)
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert {"Key": "Project", "Value": "tests"} in stack["Tags"]
        created = aws.client("sns", account, region).list_topics()["Topics"]
        assert [t["TopicArn"] for t in created] == [
            f"arn:aws:sns:{region}:{account}:t-{aws.account}"
        ]


def test_a_deployed_instance_is_current(aws: Aws) -> None:
    """StackInstance: Status CURRENT; DetailedStatus SUCCEEDED."""
    named(aws)
    operation = create(aws)
    instance = aws.instances("named")[aws.account, "us-east-1"]
    assert instance["Status"] == "CURRENT"
    assert instance["StackInstanceStatus"] == {"DetailedStatus": "SUCCEEDED"}
    assert instance["LastOperationId"] == operation["OperationId"]
    assert instance["DriftStatus"] == "NOT_CHECKED"
    assert "StatusReason" not in instance


def test_overrides_apply_to_all_targets_of_a_call_and_win(aws: Aws) -> None:
    """CreateStackInstances, ParameterOverrides."""
    named(aws, Display="set")
    create(aws, Regions=["us-east-1"])
    create(aws, Regions=["eu-west-1"], ParameterOverrides=values(Display="over"))
    assert overrides(aws, "us-east-1") == {}
    assert overrides(aws, "eu-west-1") == {"Display": "over"}
    assert shown(aws, "us-east-1") == "set"
    assert shown(aws, "eu-west-1") == "over"


def test_an_override_of_an_unknown_parameter_is_refused(aws: Aws) -> None:
    """CreateStackInstances, ParameterOverrides: only what the stack set specifies."""
    named(aws)
    with refused("ValidationError", "Nope"):
        create(aws, ParameterOverrides=values(Nope="1"))
    assert aws.instances("named") == {}


def update(aws: Aws, region: str, **more: Any) -> dict[str, Any]:
    started = aws.cloudformation.update_stack_instances(
        StackSetName="named", Accounts=[aws.account], Regions=[region], **more
    )
    return aws.finished("named", started)


def test_update_stack_instances_changes_only_the_overrides_of_its_targets(
    aws: Aws,
) -> None:
    """UpdateStackInstances, ParameterOverrides: set, unchanged and removed."""
    named(aws, Display="set")
    create(aws)
    update(aws, "eu-west-1", ParameterOverrides=values(Display="over"))
    assert shown(aws, "us-east-1") == "set"
    assert shown(aws, "eu-west-1") == "over"
    # Absent: "all parameter overrides stay as they are".
    update(aws, "eu-west-1")
    assert overrides(aws, "eu-west-1") == {"Display": "over"}
    # UsePreviousValue keeps one.
    keep = [{"ParameterKey": "Display", "UsePreviousValue": True}]
    update(aws, "eu-west-1", ParameterOverrides=keep)
    assert overrides(aws, "eu-west-1") == {"Display": "over"}
    # A list without it drops it: the stack set's value applies again.
    more = values(Name=f"n-{aws.account}")
    update(aws, "eu-west-1", ParameterOverrides=more)
    assert overrides(aws, "eu-west-1") == {"Name": f"n-{aws.account}"}
    assert shown(aws, "eu-west-1") == "set"
    update(aws, "eu-west-1", ParameterOverrides=[])
    assert overrides(aws, "eu-west-1") == {}


def test_an_override_has_a_value_or_keeps_the_previous_one_but_not_both(
    aws: Aws,
) -> None:
    """UpdateStackInstances, ParameterOverrides: UsePreviousValue."""
    named(aws)
    create(aws)
    both = {
        "ParameterKey": "Display",
        "ParameterValue": "x",
        "UsePreviousValue": True,
    }
    with refused("ValidationError", "usePreviousValue"):
        update(aws, "eu-west-1", ParameterOverrides=[both])


def test_updating_an_instance_that_does_not_exist_is_refused(aws: Aws) -> None:
    """UpdateStackInstances: StackInstanceNotFoundException."""
    named(aws)
    create(aws, Regions=["us-east-1"])
    with refused("StackInstanceNotFoundException"):
        update(aws, "eu-west-1", ParameterOverrides=[])
    with refused("StackInstanceNotFoundException"):
        aws.cloudformation.describe_stack_instance(
            StackSetName="named",
            StackInstanceAccount=aws.account,
            StackInstanceRegion="eu-west-1",
        )


def test_creating_an_instance_that_is_current_changes_nothing(aws: Aws) -> None:
    """CreateStackInstances: the stack is there already."""
    named(aws)
    create(aws)
    before = aws.instances("named")
    operation = create(aws, ParameterOverrides=values(Display="over"))
    assert operation["Status"] == "SUCCEEDED"
    after = aws.instances("named")
    assert [i["StackId"] for i in before.values()] == [
        i["StackId"] for i in after.values()
    ]
    assert overrides(aws, "us-east-1") == {}


def test_a_failed_create_deletes_the_stack_but_its_events_stay_readable(
    aws: Aws,
) -> None:
    """StackInstance: OUTDATED and FAILED; DescribeStackEvents of a deleted stack, by
    its id."""
    client = aws.cloudformation
    client.create_stack_set(
        StackSetName="broken", TemplateBody=BROKEN, Capabilities=["CAPABILITY_IAM"]
    )
    operation = create(aws, "broken", Regions=["us-east-1"])
    assert operation["Status"] == "FAILED"
    assert operation["StatusDetails"] == {"FailedStackInstancesCount": 1}
    instance = aws.instances("broken")[aws.account, "us-east-1"]
    assert instance["Status"] == "OUTDATED"
    assert instance["StackInstanceStatus"] == {"DetailedStatus": "FAILED"}
    assert re.fullmatch(
        "ResourceLogicalId:Broken, ResourceType:AWS::IAM::Policy, "
        r"ResourceStatusReason:.*nobody.*\.",
        instance["StatusReason"],
    )
    result = aws.results("broken", operation["OperationId"])[aws.account, "us-east-1"]
    assert result["StatusReason"] == instance["StatusReason"]
    assert client.describe_stacks()["Stacks"] == []
    events = client.describe_stack_events(StackName=instance["StackId"])["StackEvents"]
    failed = [e for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
    assert "Broken" in {e["LogicalResourceId"] for e in failed}
    assert events[0]["ResourceStatus"] == "DELETE_COMPLETE"


def test_a_failed_create_is_repaired_by_updating_the_stack_set(aws: Aws) -> None:
    """StackInstance, Status OUTDATED: "part of a CreateStackSet or UpdateStackSet
    operation that failed"."""
    aws.cloudformation.create_stack_set(
        StackSetName="broken", TemplateBody=BROKEN, Capabilities=["CAPABILITY_IAM"]
    )
    create(aws, "broken", Regions=["us-east-1"])
    started = aws.cloudformation.update_stack_set(
        StackSetName="broken", TemplateBody=template()
    )
    assert aws.finished("broken", started)["Status"] == "SUCCEEDED"
    instance = aws.instances("broken")[aws.account, "us-east-1"]
    assert instance["Status"] == "CURRENT"
    assert aws.stack(instance)["StackStatus"] == "CREATE_COMPLETE"


def delete(aws: Aws, name: str = "named", **more: Any) -> dict[str, Any]:
    request = {
        "Accounts": [aws.account],
        "Regions": REGIONS,
        "RetainStacks": False,
        **more,
    }
    started = aws.cloudformation.delete_stack_instances(StackSetName=name, **request)
    return aws.finished(name, started)


def test_deleting_instances_deletes_their_stacks_and_resources(aws: Aws) -> None:
    """DeleteStackInstances, RetainStacks false."""
    named(aws)
    create(aws)
    operation = delete(aws, Regions=["eu-west-1"])
    assert operation["Status"] == "SUCCEEDED"
    assert operation["Action"] == "DELETE"
    assert operation["RetainStacks"] is False
    assert set(aws.instances("named")) == {(aws.account, "us-east-1")}
    assert aws.client("sns", region="eu-west-1").list_topics()["Topics"] == []
    elsewhere = aws.client("cloudformation", region="eu-west-1")
    assert elsewhere.describe_stacks()["Stacks"] == []


def test_retained_stacks_stay(aws: Aws) -> None:
    """DeleteStackInstances, RetainStacks true."""
    named(aws)
    create(aws)
    instance = aws.instances("named")[aws.account, "us-east-1"]
    operation = delete(aws, RetainStacks=True)
    assert operation["RetainStacks"] is True
    assert aws.instances("named") == {}
    assert aws.stack(instance)["StackStatus"] == "CREATE_COMPLETE"
    aws.cloudformation.delete_stack_set(StackSetName="named")


def test_a_stack_set_with_instances_cannot_be_deleted(aws: Aws) -> None:
    """DeleteStackSet: StackSetNotEmptyException."""
    named(aws)
    create(aws)
    with refused("StackSetNotEmptyException") as error:
        aws.cloudformation.delete_stack_set(StackSetName="named")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    delete(aws)
    aws.cloudformation.delete_stack_set(StackSetName="named")


def protect(aws: Aws, instance: dict[str, Any], enabled: bool) -> None:
    client = aws.client("cloudformation", instance["Account"], instance["Region"])
    client.update_termination_protection(
        EnableTerminationProtection=enabled, StackName=instance["StackId"]
    )


def test_an_instance_whose_stack_cannot_be_deleted_is_inoperable(aws: Aws) -> None:
    """StackInstance, Status INOPERABLE: "excluded from further UpdateStackSet
    operations"."""
    named(aws)
    create(aws)
    pair = (aws.account, "us-east-1")
    instance = aws.instances("named")[pair]
    protect(aws, instance, True)
    operation = delete(aws, Regions=["us-east-1"])
    assert operation["Status"] == "FAILED"
    assert aws.states("named")[pair] == ("INOPERABLE", "INOPERABLE")
    assert "TerminationProtection" in aws.instances("named")[pair]["StatusReason"]
    # "Stacks in this state are excluded from further UpdateStackSet operations."
    started = aws.cloudformation.update_stack_set(
        StackSetName="named",
        UsePreviousTemplate=True,
        Parameters=values(Name=f"t-{aws.account}", Display="new"),
    )
    assert aws.finished("named", started)["Status"] == "SUCCEEDED"
    assert set(aws.results("named", started)) == {(aws.account, "eu-west-1")}
    assert aws.states("named")[pair] == ("INOPERABLE", "INOPERABLE")
    # The way out that is documented: retain the stack, then delete it by hand.
    assert delete(aws, RetainStacks=True)["Status"] == "SUCCEEDED"
    assert aws.instances("named") == {}
    assert aws.stack(instance)["StackStatus"] == "CREATE_COMPLETE"


def test_deleting_instances_that_do_not_exist_succeeds(aws: Aws) -> None:
    """DeleteStackInstances."""
    named(aws)
    assert delete(aws)["Status"] == "SUCCEEDED"


def test_retain_stacks_must_be_given(aws: Aws) -> None:
    """DeleteStackInstances, RetainStacks: required."""
    named(aws)
    client = aws.client("cloudformation")
    # Past the client's own check, as another client would send it.
    client.meta.service_model.operation_model(
        "DeleteStackInstances"
    ).input_shape.required_members.clear()
    with refused("ValidationError", "retainStacks"):
        client.delete_stack_instances(
            StackSetName="named", Accounts=[aws.account], Regions=REGIONS
        )


def test_instances_are_filtered_and_paginated(aws: Aws) -> None:
    """ListStackInstances: Filters, StackInstanceAccount, StackInstanceRegion."""
    named(aws)
    other = aws.other_account()
    create(aws, Accounts=[aws.account, other])
    client = aws.cloudformation

    def found(**request: Any) -> set[tuple[str, str]]:
        summaries = client.list_stack_instances(StackSetName="named", **request)
        return {(i["Account"], i["Region"]) for i in summaries["Summaries"]}

    everywhere = {(a, r) for a in (aws.account, other) for r in REGIONS}
    assert found() == everywhere
    assert found(StackInstanceAccount=other) == {(other, r) for r in REGIONS}
    assert found(StackInstanceRegion="eu-west-1") == {
        (a, "eu-west-1") for a in (aws.account, other)
    }
    detailed = {"Name": "DETAILED_STATUS", "Values": "SUCCEEDED"}
    assert found(Filters=[detailed]) == everywhere
    assert found(Filters=[{**detailed, "Values": "FAILED"}]) == set()
    last = update(aws, "eu-west-1", ParameterOverrides=[])["OperationId"]
    assert found(Filters=[{"Name": "LAST_OPERATION_ID", "Values": last}]) == {
        (aws.account, "eu-west-1")
    }
    assert found(Filters=[{"Name": "DRIFT_STATUS", "Values": "DRIFTED"}]) == set()
    pages = client.get_paginator("list_stack_instances").paginate(
        StackSetName="named", PaginationConfig={"PageSize": 3}
    )
    assert [len(page["Summaries"]) for page in pages] == [3, 1]


@pytest.mark.parametrize(
    "targets",
    [
        {"Accounts": [], "Regions": ["us-east-1"]},
        {"Accounts": ["111111111111"], "Regions": []},
        {"Accounts": ["12345"], "Regions": ["us-east-1"]},
        {"Accounts": ["111111111111"], "Regions": ["not a region"]},
        {"Accounts": ["111111111111"], "Regions": ["nowhere"]},
        {"Accounts": ["111111111111"], "Regions": ["us-nowhere-1"]},
        {"Regions": ["us-east-1"]},
        {
            "DeploymentTargets": {"OrganizationalUnitIds": ["ou-abcd-12345678"]},
            "Regions": ["us-east-1"],
        },
    ],
)
def test_targets_that_make_no_sense_are_refused(
    aws: Aws, targets: dict[str, Any]
) -> None:
    """CreateStackInstances: Accounts or DeploymentTargets, Regions."""
    named(aws)
    with pytest.raises(ClientError, match="ValidationError"):
        aws.cloudformation.create_stack_instances(StackSetName="named", **targets)
    assert aws.instances("named") == {}


def test_every_region_and_account_of_a_call_is_a_target_once(aws: Aws) -> None:
    """CreateStackInstances: Accounts, Regions."""
    aws.cloudformation.create_stack_set(StackSetName="twice", TemplateBody=template())
    started = aws.cloudformation.create_stack_instances(
        StackSetName="twice",
        Accounts=[aws.account, aws.account],
        Regions=["us-east-1", "us-east-1"],
    )
    assert aws.finished("twice", started)["Status"] == "SUCCEEDED"
    assert len(aws.results("twice", started)) == 1
    assert len(aws.cloudformation.describe_stacks()["Stacks"]) == 1


def test_a_set_shows_in_which_regions_it_has_instances(aws: Aws) -> None:
    """StackSet, Regions."""
    aws.cloudformation.create_stack_set(
        StackSetName="regions", TemplateBody=template({"T": topic()})
    )
    create(aws, "regions")
    found = aws.cloudformation.describe_stack_set(StackSetName="regions")["StackSet"]
    assert sorted(found["Regions"]) == sorted(REGIONS)


# Stacks that were deleted behind the stack set's back


def delete_by_hand(aws: Aws) -> dict[str, Any]:
    """Delete the stack of the instance in us-east-1."""
    instance = aws.instances("named")[aws.account, "us-east-1"]
    client = aws.cloudformation
    client.delete_stack(StackName=instance["StackId"])
    client.get_waiter("stack_delete_complete").wait(
        StackName=instance["StackId"], WaiterConfig={"Delay": 0, "MaxAttempts": 10_000}
    )
    return instance


def test_an_update_of_a_stack_deleted_by_hand_fails(aws: Aws) -> None:
    """User guide, "Troubleshooting CloudFormation StackSets": the stack does not exist
    any more, the instance stays OUTDATED."""
    named(aws)
    create(aws, Regions=["us-east-1"])
    delete_by_hand(aws)
    started = aws.cloudformation.update_stack_set(
        StackSetName="named",
        UsePreviousTemplate=True,
        Parameters=values(Name=f"t-{aws.account}", Display="new"),
    )
    assert aws.finished("named", started)["Status"] == "FAILED"
    (result,) = aws.results("named", started).values()
    assert "does not exist" in result["StatusReason"]
    assert set(aws.states("named").values()) == {("OUTDATED", "FAILED")}


def test_an_instance_whose_stack_was_deleted_by_hand_can_be_deleted(aws: Aws) -> None:
    """DeleteStackInstances."""
    named(aws)
    create(aws, Regions=["us-east-1"])
    delete_by_hand(aws)
    assert delete(aws, Regions=["us-east-1"])["Status"] == "SUCCEEDED"
    assert aws.instances("named") == {}
