"""Loops over what a mapping has for a region, account or partition, as on AWS.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-languageextensions.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.cloudformation.patches.templates import WEST
from tests.emulator.places import Place, of

EXTENSIONS = "AWS::LanguageExtensions"


def looping(collection: Any) -> dict[str, Any]:
    fragment = {"Topic${Zone}": of("SNS::Topic")}
    return {"Fn::ForEach::Topics": ["Zone", collection, fragment]}


def begin(place: Place, name: str, collection: Any, mappings: Any, **more: Any) -> None:
    body = {
        "Transform": EXTENSIONS,
        "Mappings": mappings,
        "Resources": looping(collection),
        **more,
    }
    place.cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(body),
        Capabilities=["CAPABILITY_AUTO_EXPAND"],
    )


@pytest.mark.parametrize(
    "key",
    [
        {"Ref": "AWS::Region"},
        {"Fn::Sub": "${AWS::Region}"},
        {"Fn::Join": ["", [{"Ref": "AWS::Region"}]]},
    ],
)
def test_a_loop_has_the_items_of_its_region(place: Place, key: Any) -> None:
    zones = {"Zones": {"us-east-1": {"N": ["a", "b"]}, WEST: {"N": ["a"]}}}
    collection = {"Fn::FindInMap": ["Zones", key, "N"]}
    for here, expected in ((place, {"Topica", "Topicb"}), (place.at(WEST), {"Topica"})):
        begin(here, "zones", collection, zones)
        assert here.settled("zones")["StackStatus"] == "CREATE_COMPLETE"
        assert here.ids("zones").keys() == expected


@pytest.mark.parametrize("name", ["AWS::AccountId", "AWS::Partition"])
def test_a_loop_has_the_items_of_its_account_or_partition(
    place: Place, name: str
) -> None:
    value = {"AWS::AccountId": place.account, "AWS::Partition": "aws"}[name]
    mappings = {"M": {value: {"N": ["x"]}}}
    begin(place, "owned", {"Fn::FindInMap": ["M", {"Ref": name}, "N"]}, mappings)

    assert place.settled("owned")["StackStatus"] == "CREATE_COMPLETE"
    assert place.ids("owned").keys() == {"Topicx"}


def test_a_loop_over_a_parameter_in_a_sub(place: Place) -> None:
    begin(
        place,
        "stage",
        {"Fn::FindInMap": ["M", {"Fn::Sub": "${Stage}-${AWS::Region}"}, "N"]},
        {"M": {"dev-us-east-1": {"N": ["x"]}}},
        Parameters={"Stage": {"Type": "String", "Default": "dev"}},
    )
    assert place.settled("stage")["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.parametrize("name", ["AWS::StackName", "AWS::StackId"])
def test_what_only_the_stack_has_is_no_collection(place: Place, name: str) -> None:
    collection = {"Fn::FindInMap": ["M", {"Ref": name}, "N"]}
    with pytest.raises(ClientError, match="Could not find a collection"):
        begin(place, "refused", collection, {"M": {"refused": {"N": ["x"]}}})
