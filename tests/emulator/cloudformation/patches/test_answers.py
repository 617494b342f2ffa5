"""CloudFormation's answers have the keys, events and words that AWS's have."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen.emulator.cloudformation.patches.stack_policies import is_valid, refusal
from tests.emulator.places import Place

TOPIC: dict[str, Any] = {
    "Type": "AWS::SNS::Topic",
    "Properties": {"DisplayName": {"Ref": "Shown"}},
}
BODY: dict[str, Any] = {
    "Parameters": {"Shown": {"Type": "String", "Default": "one"}},
    "Resources": {"Topic": TOPIC},
}


def settle(place: Place, stack: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[str, Any]
        [found] = place.cloudformation.describe_stacks(StackName=stack)["Stacks"]
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"{stack} is still {found['StackStatus']}")


def create(place: Place, stack: str, body: Any = None, **more: Any) -> dict[str, Any]:
    text = json.dumps(body or BODY)
    place.cloudformation.create_stack(StackName=stack, TemplateBody=text, **more)
    return settle(place, stack)


def update(place: Place, stack: str, body: Any = None, **more: Any) -> dict[str, Any]:
    if body:
        more["TemplateBody"] = json.dumps(body)
    place.cloudformation.update_stack(StackName=stack, **more)
    return settle(place, stack)


def shown(value: str) -> list[dict[str, str]]:
    return [{"ParameterKey": "Shown", "ParameterValue": value}]


def message(call: Any, **given: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**given)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    text: str = error.value.response["Error"]["Message"]
    return text


def test_a_stack_has_what_its_caller_set_and_no_empty_keys(place: Place) -> None:
    bare = create(place, "bare", {"Resources": {"T": {"Type": "AWS::SNS::Topic"}}})
    role = f"arn:aws:iam::{place.account}:role/deployer"

    assert bare["NotificationARNs"] == [] and bare["RollbackConfiguration"] == {}
    assert not {"Description", "Parameters", "Outputs", "StackStatusReason"} & {*bare}

    made = create(place, "full", RoleARN=role, TimeoutInMinutes=7)
    assert (made["RoleARN"], made["TimeoutInMinutes"]) == (role, 7)
    wanted = {"MonitoringTimeInMinutes": 3}
    changed = update(
        place, "full", UsePreviousTemplate=True, RollbackConfiguration=wanted
    )
    assert changed["StackStatus"] == "UPDATE_COMPLETE"
    assert changed["RollbackConfiguration"] == wanted and changed["RoleARN"] == role


def test_events_arrive_at_the_topics_of_a_stack(place: Place) -> None:
    topic = place.client("sns").create_topic(Name="told")["TopicArn"]
    queue = place.client("sqs").create_queue(QueueName="heard")["QueueUrl"]
    arn = f"arn:aws:sqs:{place.region}:{place.account}:heard"
    place.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    create(place, "loud", NotificationARNs=[topic])

    heard = place.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5)
    assert "ResourceStatus='CREATE_IN_PROGRESS'" in heard["Messages"][0]["Body"]


def test_a_change_set_can_have_a_used_name_and_hands_its_id_on(place: Place) -> None:
    cloudformation = place.cloudformation
    for kind, value in (("CREATE", "one"), ("UPDATE", "two")):
        made = cloudformation.create_change_set(
            StackName="again",
            ChangeSetName="deploy",
            ChangeSetType=kind,
            TemplateBody=json.dumps({"Description": "why", **BODY}),
            Parameters=shown(value),
        )
        cloudformation.execute_change_set(StackName="again", ChangeSetName="deploy")
        stack = settle(place, "again")

    assert stack["Parameters"][0]["ParameterValue"] == "two"
    assert (stack["ChangeSetId"], stack["Description"]) == (made["Id"], "why")


def test_a_change_set_shows_resources_before_and_after(place: Place) -> None:
    create(place, "seen")
    more = {**BODY, "Resources": {**BODY["Resources"], "Second": TOPIC}}
    place.cloudformation.create_change_set(
        StackName="seen",
        ChangeSetName="c",
        TemplateBody=json.dumps(more),
        Parameters=shown("two"),
    )

    answer = place.cloudformation.describe_change_set(
        StackName="seen", ChangeSetName="c", IncludePropertyValues=True
    )

    changes = [change["ResourceChange"] for change in answer["Changes"]]
    added, changed = sorted(changes, key=lambda change: change["Action"])
    assert json.loads(changed["BeforeContext"])["Properties"] == {"DisplayName": "one"}
    assert json.loads(changed["AfterContext"])["Properties"] == {"DisplayName": "two"}
    assert changed["Details"][0]["Target"]["AttributeChangeType"] == "Modify"
    assert json.loads(added["AfterContext"])["Properties"] == {"DisplayName": "two"}


def test_events_tell_of_what_happens_and_of_nothing_else(place: Place) -> None:
    still = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "still"}}
    body = {**BODY, "Resources": {"Still": still, "Topic": TOPIC}}
    create(place, "story", body)
    update(place, "story", body, Parameters=shown("two"))

    answer = place.cloudformation.describe_stack_events(StackName="story")

    events = answer["StackEvents"][::-1]
    assert events[0]["ResourceStatusReason"] == "User Initiated"
    topic = [e for e in events if e["LogicalResourceId"] == "Topic"]
    assert [e["ResourceStatus"] for e in topic] == [
        *("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"),
        *("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"),
    ]
    assert topic[1]["PhysicalResourceId"] == topic[2]["PhysicalResourceId"] != ""
    assert "two" in topic[3]["ResourceProperties"]
    untouched = [e for e in events if e["LogicalResourceId"] == "Still"]
    assert untouched[-1]["ResourceStatus"] == "CREATE_COMPLETE"


def test_a_stack_policy_protects_what_it_names(place: Place) -> None:
    every = {"Principal": "*", "Action": "Update:*"}
    policy = {
        "Statement": [
            {"Effect": "Allow", "Resource": "*", **every},
            {"Effect": "Deny", "Resource": "LogicalResourceId/Topic", **every},
        ]
    }
    create(place, "kept", StackPolicyBody=json.dumps(policy))

    assert update(place, "kept", BODY, Parameters=shown("two"))["StackStatus"] == (
        "UPDATE_ROLLBACK_COMPLETE"
    )
    other = {"Resources": {"Other": {"Type": "AWS::SNS::Topic"}}}
    assert update(place, "kept", other)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    during = {"Statement": policy["Statement"][:1]}
    allowed = update(
        place, "kept", other, StackPolicyDuringUpdateBody=json.dumps(during)
    )
    assert allowed["StackStatus"] == "UPDATE_COMPLETE"


@pytest.mark.parametrize(
    "wrong",
    [
        {"Action": "Delete:*"},
        {"Principal": {"AWS": "arn:aws:iam::111122223333:role/x"}},
        {"Effect": "Maybe"},
        {"Resource": "Topic"},
    ],
)
def test_a_stack_policy_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    good = {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}

    assert is_valid(json.dumps({"Statement": good}))
    assert not is_valid(json.dumps({"Statement": [good | wrong]}))


def test_a_stack_policy_without_an_allow_forbids() -> None:
    deny = {"Effect": "Deny", "Action": "Update:Delete", "Principal": "*"}
    policy = json.dumps({"Statement": [{**deny, "Resource": "*"}]})

    assert "#1" in str(refusal(policy, "Update:Delete", "A", "AWS::SNS::Topic"))
    assert "no statement" in str(
        refusal(policy, "Update:Modify", "A", "AWS::SNS::Topic")
    )


def test_texts_of_errors_are_those_that_tools_read(place: Place) -> None:
    create(place, "mine")
    cfn = place.cloudformation

    assert message(
        cfn.describe_stack_resource, StackName="none", LogicalResourceId="T"
    ) == ("Stack 'none' does not exist")
    assert message(
        cfn.describe_stack_resource, StackName="mine", LogicalResourceId="X"
    ) == ("Resource X does not exist for stack mine")
    assert message(cfn.get_template, StackName="none") == (
        "Stack with id none does not exist"
    )
    assert message(cfn.create_stack, StackName="a", TemplateURL="https://x.org/a") == (
        "TemplateURL must be a supported URL."
    )
    assert message(cfn.create_stack, StackName="a", TemplateBody="a: b: c") == (
        "Template format error: YAML not well-formed. (line 1, column 5)"
    )
    both = [{**shown("two")[0], "UsePreviousValue": True}]
    assert message(
        cfn.update_stack, StackName="mine", UsePreviousTemplate=True, Parameters=both
    ).startswith("Invalid input for parameter key Shown.")


@pytest.mark.parametrize(
    "body, words",
    [
        ({"Resources": {"my-topic": TOPIC}}, "Resource name my-topic is non"),
        (
            {**BODY, "Parameters": {"a.b": {"Type": "String"}}},
            "Parameter name a.b is non",
        ),
    ],
)
def test_names_are_alphanumeric(place: Place, body: Any, words: str) -> None:
    call = place.cloudformation.create_stack

    assert words in message(call, StackName="named", TemplateBody=json.dumps(body))


def test_a_template_may_be_indented_and_its_scalars_are_texts(place: Place) -> None:
    body = """
        Parameters:
          Make: {Type: String, AllowedValues: [true, false], Default: true}
        Conditions:
          Made: !Equals [!Ref Make, true]
        Resources:
          Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: shown}}
        Outputs:
          Said: {Value: !If [Made, !GetAtt Topic.DisplayName, "not made"]}
    """
    place.cloudformation.create_stack(StackName="told", TemplateBody=body)

    assert settle(place, "told")["Outputs"] == [
        {"OutputKey": "Said", "OutputValue": "shown"}
    ]


def test_a_summary_has_what_an_import_needs(place: Place) -> None:
    body = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {"P": {"Type": "String", "AllowedValues": ["a", "b"]}},
        "Resources": {"B": {"Type": "AWS::S3::Bucket"}},
    }

    said = place.cloudformation.get_template_summary(TemplateBody=json.dumps(body))

    assert said["Version"] == "2010-09-09"
    assert said["ResourceIdentifierSummaries"] == [
        {
            "ResourceType": "AWS::S3::Bucket",
            "LogicalResourceIds": ["B"],
            "ResourceIdentifiers": ["BucketName"],
        }
    ]
    assert said["Parameters"][0]["ParameterConstraints"] == {
        "AllowedValues": ["a", "b"]
    }
    assert "DefaultValue" not in said["Parameters"][0]
