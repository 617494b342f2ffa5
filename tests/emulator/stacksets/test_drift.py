"""Drift of stack sets, and existing stacks taken into them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-drift.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-import.html
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import NAMED, Aws, template
from tests.emulator.stacksets.test_instances import (
    REGIONS,
    create,
    named,
    overrides,
    shown,
    values,
)
from tests.emulator.stacksets.test_sets import refused


def detect(aws: Aws, name: str = "named", **more: Any) -> dict[str, Any]:
    started = aws.cloudformation.detect_stack_set_drift(StackSetName=name, **more)
    return aws.finished(name, started)


def change_topic(aws: Aws, region: str) -> None:
    sns = aws.client("sns", region=region)
    topic = sns.list_topics()["Topics"][0]["TopicArn"]
    sns.set_topic_attributes(
        TopicArn=topic, AttributeName="DisplayName", AttributeValue="by hand"
    )


def test_what_was_not_changed_by_hand_is_in_sync(aws: Aws) -> None:
    """DetectStackSetDrift; StackSetDriftDetectionDetails."""
    named(aws)
    create(aws)
    operation = detect(aws)
    assert (operation["Action"], operation["Status"]) == ("DETECT_DRIFT", "SUCCEEDED")
    details = operation["StackSetDriftDetectionDetails"]
    assert details["DriftStatus"] == "IN_SYNC"
    assert details["DriftDetectionStatus"] == "COMPLETED"
    assert details["TotalStackInstancesCount"] == 2
    assert details["InSyncStackInstancesCount"] == 2
    assert details["InProgressStackInstancesCount"] == 0
    found = aws.cloudformation.describe_stack_set(StackSetName="named")["StackSet"]
    assert found["StackSetDriftDetectionDetails"]["DriftStatus"] == "IN_SYNC"
    assert set(aws.states("named").values()) == {("CURRENT", "SUCCEEDED")}


def test_a_property_changed_by_hand_is_drift_of_one_instance(aws: Aws) -> None:
    """ListStackInstanceResourceDrifts; ListStackInstances, Filters DRIFT_STATUS."""
    named(aws, Display="by template")
    create(aws)
    change_topic(aws, "eu-west-1")
    operation = detect(aws)
    details = operation["StackSetDriftDetectionDetails"]
    assert details["DriftStatus"] == "DRIFTED"
    assert details["DriftedStackInstancesCount"] == 1
    assert details["InSyncStackInstancesCount"] == 1
    client = aws.cloudformation
    drifted = client.list_stack_instances(
        StackSetName="named", Filters=[{"Name": "DRIFT_STATUS", "Values": "DRIFTED"}]
    )["Summaries"]
    assert [i["Region"] for i in drifted] == ["eu-west-1"]
    assert drifted[0]["LastDriftCheckTimestamp"]

    def drifts(region: str, **more: Any) -> list[dict[str, Any]]:
        answer = client.list_stack_instance_resource_drifts(
            StackSetName="named",
            StackInstanceAccount=aws.account,
            StackInstanceRegion=region,
            OperationId=operation["OperationId"],
            **more,
        )
        found: list[dict[str, Any]] = answer["Summaries"]
        return found

    (found,) = drifts("eu-west-1")
    assert found["LogicalResourceId"] == "Topic"
    assert found["StackResourceDriftStatus"] == "MODIFIED"
    (difference,) = found["PropertyDifferences"]
    assert difference["PropertyPath"] == "/DisplayName"
    assert difference["DifferenceType"] == "NOT_EQUAL"
    assert difference["ExpectedValue"] == "by template"
    assert difference["ActualValue"] == "by hand"
    assert [d["StackResourceDriftStatus"] for d in drifts("us-east-1")] == ["IN_SYNC"]
    only = {"StackInstanceResourceDriftStatuses": ["MODIFIED"]}
    assert drifts("us-east-1", **only) == []


def test_a_resource_deleted_by_hand_is_drift(aws: Aws) -> None:
    """StackSetDriftDetectionDetails, DriftStatus DRIFTED."""
    named(aws)
    create(aws, Regions=["us-east-1"])
    sns = aws.client("sns")
    sns.delete_topic(TopicArn=sns.list_topics()["Topics"][0]["TopicArn"])
    assert detect(aws)["StackSetDriftDetectionDetails"]["DriftStatus"] == "DRIFTED"


def test_drift_of_what_is_not_there_is_not_found(aws: Aws) -> None:
    """ListStackInstanceResourceDrifts: its errors."""
    named(aws)
    create(aws)
    operation = detect(aws)["OperationId"]
    request = {
        "StackSetName": "named",
        "StackInstanceAccount": aws.account,
        "StackInstanceRegion": "us-east-1",
    }
    listing = aws.cloudformation.list_stack_instance_resource_drifts
    with refused("OperationNotFoundException"):
        listing(**request, OperationId="no")
    with refused("StackInstanceNotFoundException"):
        listing(
            **{**request, "StackInstanceRegion": "sa-east-1"}, OperationId=operation
        )


def plain_stack(aws: Aws, region: str, **parameters: str) -> str:
    client = aws.client("cloudformation", region=region)
    created: str = client.create_stack(
        StackName="plain", TemplateBody=NAMED, Parameters=values(**parameters)
    )["StackId"]
    client.get_waiter("stack_create_complete").wait(
        StackName="plain", WaiterConfig={"Delay": 0, "MaxAttempts": 10_000}
    )
    return created


def take(aws: Aws, **request: Any) -> dict[str, Any]:
    started = aws.cloudformation.import_stacks_to_stack_set(
        StackSetName="named", **request
    )
    return aws.finished("named", started)


def test_imported_stacks_become_instances_with_their_own_values(aws: Aws) -> None:
    """ImportStacksToStackSet, StackIds."""
    named(aws)
    ids = [
        plain_stack(aws, "us-east-1", Name=f"t-{aws.account}"),
        plain_stack(aws, "eu-west-1", Name="own", Display="mine"),
    ]
    assert take(aws, StackIds=ids)["Status"] == "SUCCEEDED"
    assert [i["StackId"] for i in aws.instances("named").values()] == ids
    assert set(aws.states("named").values()) == {("CURRENT", "SUCCEEDED")}
    assert overrides(aws, "us-east-1") == {}
    assert overrides(aws, "eu-west-1") == {"Name": "own", "Display": "mine"}
    # From now on the stack set rules them.
    started = aws.cloudformation.update_stack_set(
        StackSetName="named",
        UsePreviousTemplate=True,
        Parameters=values(Name=f"t-{aws.account}", Display="new"),
    )
    assert aws.finished("named", started)["Status"] == "SUCCEEDED"
    assert (shown(aws, "us-east-1"), shown(aws, "eu-west-1")) == ("new", "mine")


def test_a_stack_with_another_template_is_not_imported(aws: Aws) -> None:
    """StackInstanceComprehensiveStatus, FAILED_IMPORT."""
    aws.cloudformation.create_stack_set(StackSetName="named", TemplateBody=template())
    id_ = plain_stack(aws, "us-east-1", Name="n")
    assert take(aws, StackIds=[id_])["Status"] == "FAILED"
    assert set(aws.states("named").values()) == {("INOPERABLE", "FAILED_IMPORT")}
    (instance,) = aws.instances("named").values()
    assert "does not match" in instance["StatusReason"]
    # The way out that is documented: delete the instance, retain the stack.
    started = aws.cloudformation.delete_stack_instances(
        StackSetName="named",
        Accounts=[aws.account],
        Regions=["us-east-1"],
        RetainStacks=True,
    )
    assert aws.finished("named", started)["Status"] == "SUCCEEDED"
    assert aws.stack(instance)["StackStatus"] == "CREATE_COMPLETE"


def test_a_list_of_stacks_may_come_from_s3(aws: Aws) -> None:
    """ImportStacksToStackSet, StackIdsUrl."""
    named(aws)
    ids = [plain_stack(aws, region, Name=f"n-{aws.account}") for region in REGIONS]
    bucket = f"ids-{aws.account}"
    aws.client("s3").create_bucket(Bucket=bucket)
    aws.client("s3").put_object(Bucket=bucket, Key="ids", Body="\n".join(ids))
    url = f"https://s3.amazonaws.com/{bucket}/ids"
    assert take(aws, StackIdsUrl=url)["Status"] == "SUCCEEDED"
    assert len(aws.instances("named")) == 2


def test_a_stack_belongs_to_one_stack_set(aws: Aws) -> None:
    """User guide, "Import stacks": a stack belongs to one stack set."""
    named(aws)
    create(aws, Regions=["us-east-1"])
    (instance,) = aws.instances("named").values()
    named(aws, "other")
    with refused("InvalidOperationException", "already belongs"):
        aws.cloudformation.import_stacks_to_stack_set(
            StackSetName="other", StackIds=[instance["StackId"]]
        )
    id_ = plain_stack(aws, "us-east-1", Name=f"n-{aws.account}")
    with refused("InvalidOperationException", "already has"):
        take(aws, StackIds=[id_])


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({}, "ValidationError"),
        ({"StackIds": []}, "ValidationError"),
        ({"StackIds": [f"arn{n}" for n in range(11)]}, "ValidationError"),
        ({"StackIds": ["nonsense"]}, "StackNotFoundException"),
        (
            {
                "StackIds": [
                    "arn:aws:cloudformation:us-east-1:111111111111:stack/x/"
                    "00000000-0000-0000-0000-000000000000"
                ]
            },
            "StackNotFoundException",
        ),
    ],
)
def test_an_import_that_makes_no_sense_is_refused(
    aws: Aws, request_: dict[str, Any], code: str
) -> None:
    """ImportStacksToStackSet: StackNotFoundException, up to 10 stacks."""
    named(aws)
    with refused(code):
        take(aws, **request_)
    assert aws.instances("named") == {}


def test_a_stack_set_is_created_from_a_stack(aws: Aws) -> None:
    """CreateStackSet, StackId: the stack's template and parameter values; the stack is
    then imported."""
    id_ = plain_stack(aws, "us-east-1", Name="own", Display="mine")
    client = aws.cloudformation
    with refused("ValidationError", "StackId"):
        client.create_stack_set(StackSetName="named", StackId=id_, TemplateBody=NAMED)
    with refused("ValidationError", "not found"):
        client.create_stack_set(StackSetName="named", StackId=f"{id_}0")
    client.create_stack_set(StackSetName="named", StackId=id_)
    found = client.describe_stack_set(StackSetName="named")["StackSet"]
    assert found["TemplateBody"] == NAMED
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}
    assert parameters == {"Name": "own", "Display": "mine"}
    assert take(aws, StackIds=[id_])["Status"] == "SUCCEEDED"
    assert overrides(aws, "us-east-1") == {}
