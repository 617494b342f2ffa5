"""Change sets of the embedded AWS report what AWS reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tapgen.emulator.server import lifecycle
from tests.emulator.places import Place, new_account, served

KNOWN_LATER = "{{changeSet:KNOWN_AFTER_APPLY}}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    yield from served(tmp_path_factory.mktemp("changesets"))


@pytest.fixture
def place(server: lifecycle.Server) -> Place:
    """An account that no other test has, in us-east-1."""
    return Place(server.url, new_account())


def changes(
    place: Place, resources: Mapping[str, Any], *, values: bool = True, **sections: Any
) -> dict[str, Any]:
    """Logical id → ResourceChange of an update of stack `demo`."""
    client = place.cloudformation
    parameters = sections.pop("values_of", {})
    body = json.dumps({**sections, "Resources": resources})
    client.create_change_set(
        StackName="demo",
        ChangeSetName="look",
        TemplateBody=body,
        Parameters=[
            {"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()
        ],
    )
    found = client.describe_change_set(
        StackName="demo", ChangeSetName="look", IncludePropertyValues=values
    )
    client.delete_change_set(StackName="demo", ChangeSetName="look")
    found_changes = [c["ResourceChange"] for c in found["Changes"]]
    return {c["LogicalResourceId"]: c for c in found_changes}


def queue(name: str, **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, **more}}


def test_property_values_are_included_on_request(place: Place) -> None:
    place.create("demo", {"Queue": queue("a", DelaySeconds=1)})

    changed = changes(place, {"Queue": queue("b", DelaySeconds=2)})
    plain = changes(place, {"Queue": queue("b", DelaySeconds=2)}, values=False)

    assert changed["Queue"]["Replacement"] == "True"
    targets = {d["Target"]["Name"]: d["Target"] for d in changed["Queue"]["Details"]}
    assert targets["QueueName"] == {
        "Attribute": "Properties",
        "Name": "QueueName",
        "RequiresRecreation": "Always",
        "AttributeChangeType": "Modify",
        "Path": "/Properties/QueueName",
        "BeforeValue": "a",
        "AfterValue": "b",
    }
    assert targets["DelaySeconds"]["RequiresRecreation"] == "Never"
    assert targets["DelaySeconds"]["AfterValue"] == "2"
    assert "BeforeValue" not in json.dumps(plain, default=str)


def test_what_another_resource_puts_out_is_known_later(place: Place) -> None:
    reader = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Type": "String", "Value": {"Ref": "Queue"}},
    }
    place.create("demo", {"Queue": queue("a"), "Reader": reader})

    changed = changes(place, {"Queue": queue("b"), "Reader": reader})

    (detail,) = changed["Reader"]["Details"]
    assert detail["ChangeSource"] == "ResourceReference"
    assert detail["Target"]["AfterValue"] == KNOWN_LATER
    assert detail["Target"]["BeforeValue"].endswith("/a")


def test_values_that_take_a_noecho_parameter_are_hidden(place: Place) -> None:
    sections: dict[str, Any] = {
        "Parameters": {"Secret": {"Type": "String", "NoEcho": True}}
    }
    reader = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Type": "String", "Value": {"Fn::Sub": "x-${Secret}"}},
    }
    client = place.cloudformation
    client.create_stack(
        StackName="demo",
        TemplateBody=json.dumps({**sections, "Resources": {"Reader": reader}}),
        Parameters=[{"ParameterKey": "Secret", "ParameterValue": "hunter1"}],
    )
    client.get_waiter("stack_create_complete").wait(
        StackName="demo", WaiterConfig={"Delay": 1}
    )

    changed = changes(
        place, {"Reader": reader}, values_of={"Secret": "hunter2"}, **sections
    )

    assert "hunter" not in json.dumps(changed, default=str)
    assert {d["Target"]["AfterValue"] for d in changed["Reader"]["Details"]} == {"****"}


def test_what_replaces_is_taken_from_the_schema_where_ministack_knows_nothing(
    place: Place,
) -> None:
    def method(integration: str, verb: str) -> dict[str, Any]:
        return {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "x"}},
            "Method": {
                "Type": "AWS::ApiGateway::Method",
                "Properties": {
                    "RestApiId": {"Ref": "Api"},
                    "ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                    "HttpMethod": verb,
                    "AuthorizationType": "NONE",
                    "Integration": {"Type": "MOCK", "Uri": integration},
                },
            },
        }

    place.create("demo", method("a", "GET"))

    mild = changes(place, method("b", "GET"))["Method"]
    grave = changes(place, method("a", "PUT"))["Method"]

    assert mild["Replacement"] == "False"
    assert grave["Replacement"] == "True"


def test_a_change_set_that_is_deleted_leaves_the_stack_as_it_was(place: Place) -> None:
    place.create("demo", {"Queue": queue("a")})
    client = place.cloudformation
    (before,) = client.describe_stacks(StackName="demo")["Stacks"]

    changes(place, {"Queue": queue("b")})

    (after,) = client.describe_stacks(StackName="demo")["Stacks"]
    assert after == before
    assert client.list_change_sets(StackName="demo")["Summaries"] == []


def test_a_drift_aware_change_set_brings_resources_back(
    place: Place, server: lifecycle.Server
) -> None:
    """Changed, deleted and untouched resources; a plain change set sees none of it. Where
    it fails, the drift is there as before."""
    resources = {
        "Queue": queue("changed", DelaySeconds=1),
        "Gone": queue("gone"),
        "Same": queue("same"),
    }
    place.create("demo", resources)
    client, sqs = place.cloudformation, place.client("sqs")

    def url(name: str) -> str:
        return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])

    sqs.set_queue_attributes(QueueUrl=url("changed"), Attributes={"DelaySeconds": "9"})
    sqs.delete_queue(QueueUrl=url("gone"))
    look = {"StackName": "demo", "ChangeSetName": "revert", "UsePreviousTemplate": True}
    client.create_change_set(**look)
    plain = client.describe_change_set(StackName="demo", ChangeSetName="revert")
    assert plain["Status"] == "FAILED"
    client.delete_change_set(StackName="demo", ChangeSetName="revert")

    match = {"account": place.account, "logical_id": "Queue"}
    fault = {"effect": "fail", "match": match, "reason": "not today"}
    lifecycle.add_faults(server.folder, fault)
    made = client.create_change_set(**look, DeploymentMode="REVERT_DRIFT")
    client.execute_change_set(ChangeSetName=made["Id"], ClientRequestToken="t0")
    place.outputs("demo", "UPDATE_ROLLBACK_COMPLETE")
    lifecycle.clear_faults(server.folder)
    names = ["DelaySeconds"]
    now = sqs.get_queue_attributes(QueueUrl=url("changed"), AttributeNames=names)
    assert now["Attributes"]["DelaySeconds"] == "9"
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        url("gone")

    made = client.create_change_set(**look, DeploymentMode="REVERT_DRIFT")
    found = client.describe_change_set(
        ChangeSetName=made["Id"], IncludePropertyValues=True
    )
    client.execute_change_set(ChangeSetName=made["Id"], ClientRequestToken="t1")

    assert found["DeploymentMode"] == "REVERT_DRIFT"
    by_id = {
        c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"]
        for c in found["Changes"]
    }
    assert {k: c["Action"] for k, c in by_id.items()} == {
        "Queue": "Modify",
        "Gone": "Add",
    }
    (detail,) = by_id["Queue"]["Details"]
    assert (detail["Target"]["BeforeValue"], detail["Target"]["AfterValue"]) == (
        "9",
        "1",
    )
    assert detail["Target"]["BeforeValueFrom"] == "ACTUAL_STATE"
    place.outputs("demo", "UPDATE_COMPLETE")
    now = sqs.get_queue_attributes(QueueUrl=url("changed"), AttributeNames=names)
    assert now["Attributes"]["DelaySeconds"] == "1"
    assert url("gone")
    events = client.describe_stack_events(StackName="demo")["StackEvents"]
    mine = {e["ResourceStatus"] for e in events if e.get("ClientRequestToken") == "t1"}
    assert "UPDATE_COMPLETE" in mine
