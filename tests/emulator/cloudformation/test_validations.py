"""Pre-deployment validation of change sets, as real clients see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen.emulator.server import lifecycle
from tests.emulator.places import Place, new_account, served

EXISTS = "AWS::EarlyValidation::ResourceExistenceCheck"
SYNTAX = "AWS::EarlyValidation::PropertyValidation"
TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    yield from served(tmp_path_factory.mktemp("validations"))


@pytest.fixture
def place(server: lifecycle.Server) -> Place:
    """An account that no other test has, in us-east-1."""
    return Place(server.url, new_account())


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def asked(
    place: Place, stack: str, resources: Any, kind: str = "CREATE", **more: Any
) -> dict[str, Any]:
    """The change set `look` of a stack, and all events of it."""
    client = place.cloudformation
    sections = {"Parameters": more.pop("parameters", {})}
    made = client.create_change_set(
        StackName=stack,
        ChangeSetName="look",
        ChangeSetType=kind,
        TemplateBody=json.dumps({**sections, "Resources": resources}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        **more,
    )
    found: dict[str, Any] = client.describe_change_set(ChangeSetName=made["Id"])
    pages = client.get_paginator("describe_events").paginate(ChangeSetName=made["Id"])
    found["events"] = [e for page in pages for e in page["OperationEvents"]]
    return found


def refused(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Message"])


def test_a_name_that_is_taken_fails_a_change_set_and_says_which(place: Place) -> None:
    place.create("first", {"Logs": resource("AWS::Logs::LogGroup", LogGroupName="/a")})

    found = asked(
        place,
        "second",
        {
            "Mine": resource("AWS::Logs::LogGroup", LogGroupName="/a"),
            "Free": resource("AWS::Logs::LogGroup", LogGroupName="/b"),
        },
    )

    assert found["Status"] == "FAILED"
    assert found["ExecutionStatus"] == "UNAVAILABLE"
    assert found["StatusReason"] == (
        f"The following hook(s)/validation failed: [{EXISTS}]. To troubleshoot Early "
        "Validation errors, use the DescribeEvents API for detailed failure information."
    )
    assert len(found["Changes"]) == 2
    (event,) = found["events"]
    assert event["EventType"] == "VALIDATION_ERROR"
    assert event["OperationType"] == "CREATE_CHANGESET"
    assert event["OperationStatus"] == "FAILED"
    assert event["LogicalResourceId"] == "Mine"
    assert event["ResourceType"] == "AWS::Logs::LogGroup"
    assert event["ValidationName"] == "NAME_CONFLICT_VALIDATION"
    assert event["ValidationStatus"] == "FAILED"
    assert event["ValidationFailureMode"] == "FAIL"
    assert event["ValidationPath"] == "/Resources/Mine"
    assert event["ValidationStatusReason"] == (
        "Resource of type 'AWS::Logs::LogGroup' with identifier '/a' already exists."
    )
    assert event["StackId"] == found["StackId"]


NAMED = {
    "bucket": resource("AWS::S3::Bucket", BucketName={"Ref": "Name"}),
    "dashboard": resource(
        "AWS::CloudWatch::Dashboard", DashboardName={"Ref": "Name"}, DashboardBody="{}"
    ),
    "parameter": resource(
        "AWS::SSM::Parameter", Name={"Fn::Sub": "/${Name}/x"}, Type="String", Value="1"
    ),
    "policy": resource(
        "AWS::IAM::ManagedPolicy",
        ManagedPolicyName={"Ref": "Name"},
        PolicyDocument={
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}],
        },
    ),
    "queue": resource("AWS::SQS::Queue", QueueName={"Ref": "Name"}),
    "role": resource(
        "AWS::IAM::Role", RoleName={"Ref": "Name"}, AssumeRolePolicyDocument=TRUST
    ),
    "table": resource(
        "AWS::DynamoDB::Table",
        TableName={"Ref": "Name"},
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    ),
    "topic": resource("AWS::SNS::Topic", TopicName={"Ref": "Name"}),
}


@pytest.mark.parametrize("kind", NAMED)
def test_each_type_with_a_name_is_looked_for(place: Place, kind: str) -> None:
    name = {"Name": {"Type": "String", "Default": f"taken-{kind}-{place.account}"}}
    other = {"Name": {"Type": "String", "Default": f"free-{kind}-{place.account}"}}
    place.create("first", {"One": NAMED[kind]}, Parameters=name)

    taken = asked(place, "second", {"Two": NAMED[kind]}, parameters=name)
    free = asked(place, "third", {"Two": NAMED[kind]}, parameters=other)

    assert [e["ValidationName"] for e in taken["events"]] == [
        "NAME_CONFLICT_VALIDATION"
    ]
    assert free["events"] == [] and free["Status"] == "CREATE_COMPLETE"


def test_a_name_in_another_account_or_region_is_no_conflict_but_a_bucket_is(
    place: Place,
) -> None:
    names = {
        "Topic": resource("AWS::SNS::Topic", TopicName="shared"),
        "Bucket": resource("AWS::S3::Bucket", BucketName=f"one-{place.account}"),
        "Role": resource(
            "AWS::IAM::Role", RoleName="shared", AssumeRolePolicyDocument=TRUST
        ),
    }
    place.create("first", names)

    west = asked(place.at("us-west-2"), "second", names)
    other = asked(Place(place.url, new_account()), "second", names)

    assert {e["LogicalResourceId"] for e in west["events"]} == {"Bucket", "Role"}
    assert {e["LogicalResourceId"] for e in other["events"]} == {"Bucket"}


def test_properties_that_the_schema_does_not_allow_fail_a_change_set(
    place: Place,
) -> None:
    place.create("first", {"Queue": resource("AWS::SQS::Queue", QueueName="q")})

    found = asked(
        place,
        "first",
        {
            "Queue": resource("AWS::SQS::Queue", QueueName="q", Delay=1),
            "Url": resource(
                "AWS::Lambda::Url",
                AuthType={"Ref": "Auth"},
                TargetFunctionArn={"Fn::GetAtt": ["Queue", "Arn"]},
            ),
        },
        "UPDATE",
        parameters={"Auth": {"Type": "String", "Default": "OPEN"}},
    )

    assert f"[{SYNTAX}]" in found["StatusReason"]
    assert {
        (e["ValidationName"], e["ValidationPath"], e["ValidationStatusReason"])
        for e in found["events"]
    } == {
        (
            "PROPERTY_VALIDATION",
            "/Resources/Queue/Properties",
            "Unsupported property [Delay]",
        ),
        (
            "PROPERTY_VALIDATION",
            "/Resources/Url/Properties/AuthType",
            "OPEN is not a valid enum value. Supported values: [AWS_IAM, NONE]",
        ),
    }


def test_both_checks_are_named_and_validation_can_be_disabled(place: Place) -> None:
    place.create("first", {"Topic": resource("AWS::SNS::Topic", TopicName="t")})
    resources = {
        "Topic": resource("AWS::SNS::Topic", TopicName="t"),
        "Queue": resource("AWS::SQS::Queue", Nonsense="1"),
    }

    found = asked(place, "second", resources)
    without = asked(place, "third", resources, DisableValidation=True)

    assert f"failed: [{EXISTS}, {SYNTAX}]." in found["StatusReason"]
    assert without["Status"] == "CREATE_COMPLETE" and without["events"] == []


def test_a_bucket_that_is_not_empty_is_a_warning_where_it_would_be_deleted(
    place: Place,
) -> None:
    keep = {"Topic": resource("AWS::SNS::Topic", TopicName="t")}
    names = {n: f"{n.lower()}-{place.account}" for n in ("Full", "Empty", "Kept")}
    buckets = {n: resource("AWS::S3::Bucket", BucketName=v) for n, v in names.items()}
    buckets["Kept"]["DeletionPolicy"] = "Retain"
    place.create("first", keep | buckets)
    for name in ("Full", "Kept"):
        place.client("s3").put_object(Bucket=names[name], Key="a", Body=b"1")

    found = asked(place, "first", keep, "UPDATE")

    assert found["Status"] == "CREATE_COMPLETE"
    assert found["ExecutionStatus"] == "AVAILABLE"
    (event,) = found["events"]
    assert event["LogicalResourceId"] == "Full"
    assert event["ValidationName"] == "BUCKET_EMPTINESS_VALIDATION"
    assert event["ValidationFailureMode"] == "WARN"
    assert event["PhysicalResourceId"] == names["Full"]
    assert event["ValidationStatusReason"].startswith(
        f"The bucket '{names['Full']}' is not empty."
    )


def test_events_are_found_by_name_with_the_stack_by_arn_and_by_operation(
    place: Place,
) -> None:
    found = asked(place, "one", {"Queue": resource("AWS::SQS::Queue", Nonsense="1")})
    client = place.cloudformation
    (event,) = found["events"]

    by_name = client.describe_events(StackName="one", ChangeSetName="look")
    failed = client.describe_events(
        OperationId=event["OperationId"], Filters={"FailedEvents": True}
    )

    assert by_name["OperationEvents"] == failed["OperationEvents"] == [event]
    of_stack = client.describe_events(StackName="one", Filters={"FailedEvents": True})
    assert of_stack["OperationEvents"] == [event]
    with pytest.raises(ClientError) as error:
        client.describe_events(ChangeSetName="look")
    assert "One of ChangeSetName, OperationId or StackName" in refused(error)
    with pytest.raises(ClientError) as error:
        client.describe_events(StackName="one", ChangeSetName="nope")
    assert error.value.response["Error"]["Code"] == "ChangeSetNotFound"


# -- stacks in review --------------------------------------------------------------------


def test_a_stack_in_review_takes_change_sets_and_goes_with_delete_stack(
    place: Place,
) -> None:
    client = place.cloudformation
    one = asked(place, "new", {"Topic": resource("AWS::SNS::Topic")})
    again = client.create_change_set(
        StackName="new",
        ChangeSetName="again",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"T": resource("AWS::SNS::Topic")}}),
    )

    assert one["StackId"] == again["StackId"]
    assert place.stack("new")["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert client.describe_stack_resources(StackName="new")["StackResources"] == []
    names = client.list_change_sets(StackName="new")["Summaries"]
    assert {s["ChangeSetName"] for s in names} == {"look", "again"}

    client.delete_stack(StackName=one["StackId"])

    assert place.settled(one["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="does not exist"):
        client.describe_change_set(ChangeSetName=one["ChangeSetId"])
    with pytest.raises(ClientError, match="does not exist"):
        client.describe_stacks(StackName="new")


def test_a_stack_in_review_cannot_be_updated_or_created(place: Place) -> None:
    client = place.cloudformation
    topic = {"Topic": resource("AWS::SNS::Topic")}
    stack = asked(place, "new", topic)["StackId"]
    body = json.dumps({"Resources": topic})

    with pytest.raises(ClientError) as error:
        client.create_change_set(
            StackName="new",
            ChangeSetName="x",
            ChangeSetType="UPDATE",
            TemplateBody=body,
        )
    assert refused(error) == (
        f"Stack:{stack} is in REVIEW_IN_PROGRESS state and can not be updated."
    )
    with pytest.raises(ClientError, match="REVIEW_IN_PROGRESS"):
        client.update_stack(StackName="new", TemplateBody=body)
    with pytest.raises(ClientError, match="already exists"):
        client.create_stack(StackName="new", TemplateBody=body)


def test_a_refused_change_set_leaves_the_stack_in_review_as_it_was(
    place: Place,
) -> None:
    stack = asked(place, "new", {"Topic": resource("AWS::SNS::Topic")})["StackId"]

    with pytest.raises(ClientError):
        place.cloudformation.create_change_set(
            StackName="new",
            ChangeSetName="x",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps({"Resources": {"A": {"Type": "AWS::No::Thing"}}}),
        )

    assert place.stack("new")["StackId"] == stack


def test_a_change_set_of_a_stack_in_review_can_be_executed(place: Place) -> None:
    found = asked(place, "new", {"Topic": resource("AWS::SNS::Topic")})

    place.cloudformation.execute_change_set(ChangeSetName=found["ChangeSetId"])

    assert place.settled(found["StackId"])["StackStatus"] == "CREATE_COMPLETE"
