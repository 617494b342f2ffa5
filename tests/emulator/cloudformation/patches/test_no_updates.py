"""What CloudFormation does not apply by itself is no update."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.places import Place

NOTE = {
    "Type": "AWS::SSM::Parameter",
    "Properties": {"Name": "/note", "Type": "String", "Value": {"Ref": "Text"}},
}
BODY: dict[str, Any] = {
    "Parameters": {"Text": {"Type": "String", "Default": "a"}},
    "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
    "Mappings": {"Of": {"a": {"b": "c"}}},
    "Resources": {"Note": NOTE},
    "Outputs": {"Name": {"Value": {"Ref": "Note"}}},
}


def deployed(place: Place) -> None:
    cloudformation = place.cloudformation
    cloudformation.create_stack(StackName="words", TemplateBody=json.dumps(BODY))
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName="words", WaiterConfig={"Delay": 1})


def update(place: Place, text: str = "a", **changes: Any) -> None:
    place.cloudformation.update_stack(
        StackName="words",
        TemplateBody=json.dumps({**BODY, **changes}),
        Parameters=[{"ParameterKey": "Text", "ParameterValue": text}],
    )
    waiter = place.cloudformation.get_waiter("stack_update_complete")
    waiter.wait(StackName="words", WaiterConfig={"Delay": 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"Description": "other words"},
        {"Metadata": {"Author": "somebody"}},
        {"Conditions": {**BODY["Conditions"], "More": {"Fn::Equals": ["a", "a"]}}},
        {"Mappings": {"Of": {"a": {"b": "d"}}}},
        {"Resources": {"Note": NOTE, "Other": {**NOTE, "Condition": "Never"}}},
        {"Outputs": {**BODY["Outputs"], "More": {"Value": "a", "Condition": "Never"}}},
    ],
)
def test_what_leads_to_the_same_stack_is_no_update(
    place: Place, changes: dict[str, Any]
) -> None:
    deployed(place)

    with pytest.raises(ClientError) as error:
        update(place, **changes)

    message = error.value.response["Error"]["Message"]
    assert message == "No updates are to be performed."
    body = place.cloudformation.get_template(StackName="words")["TemplateBody"]
    assert body == BODY  # nothing of it is recorded


def test_outputs_attributes_and_values_are_updates(place: Place) -> None:
    deployed(place)

    update(place, Outputs={**BODY["Outputs"], "More": {"Value": "a"}})
    update(place, Resources={"Note": {**NOTE, "Metadata": {"Why": "because"}}})
    update(place, Resources={"Note": {**NOTE, "DeletionPolicy": "Retain"}})
    update(place, "b", Description="with a change")

    found = place.cloudformation.get_template(StackName="words")["TemplateBody"]
    assert found["Description"] == "with a change"
    assert place.client("ssm").get_parameter(Name="/note")["Parameter"]["Value"] == "b"


def test_another_type_under_the_same_logical_id_is_refused_at_the_call(
    place: Place,
) -> None:
    deployed(place)
    topic = {"Type": "AWS::SNS::Topic"}

    with pytest.raises(ClientError) as error:
        update(place, Resources={"Note": topic}, Outputs={})

    assert error.value.response["Error"]["Message"] == (
        "Update of resource type is not permitted. The new template modifies resource "
        "type of the following resources: [Note]"
    )
    update(place, Resources={"Topic": topic}, Outputs={})
