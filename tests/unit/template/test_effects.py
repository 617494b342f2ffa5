"""What CloudFormation does not apply by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapgen.model import HIDDEN
from tapgen.template import effects
from tests.make import EAST

BODY: dict[str, Any] = {
    "Parameters": {"Size": {"Type": "String", "Default": "1"}},
    "Mappings": {"Of": {"a": {"b": "c"}}},
    "Conditions": {"Big": {"Fn::Equals": [{"Ref": "Size"}, "9"]}},
    "Resources": {
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"DelaySeconds": {"Ref": "Size"}},
        }
    },
    "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
}
QUEUE = BODY["Resources"]["Queue"]
TOPIC = {"Type": "AWS::SNS::Topic", "Condition": "Big"}
EVEN = {"Fn::If": ["Big", "1", {"Ref": "Size"}]}


def has_effect(values: dict[str, str] | None = None, **changes: Any) -> bool:
    old, new = json.dumps(BODY), json.dumps({**BODY, **changes})
    return effects.has_effect(old, new, values or {}, EAST)


@pytest.mark.parametrize(
    "changes",
    [
        {"Description": "other words"},
        {"Metadata": {"AWS::CloudFormation::Interface": {"ParameterGroups": []}}},
        {"AWSTemplateFormatVersion": "2010-09-09"},
        {
            "Conditions": {
                **BODY["Conditions"],
                "Small": {"Fn::Not": [{"Condition": "Big"}]},
            }
        },
        {"Mappings": {"Of": {"a": {"b": "d"}}}},
        {"Rules": {"R": {"Assertions": [{"Assert": {"Fn::Equals": ["1", "1"]}}]}}},
        {
            "Parameters": {
                "Size": {**BODY["Parameters"]["Size"], "Description": "how big"}
            }
        },
        {
            "Parameters": {
                "Size": {**BODY["Parameters"]["Size"], "AllowedValues": ["1"]}
            }
        },
        {"Resources": {"Queue": QUEUE, "Topic": TOPIC}},
        {"Resources": {"Queue": {**QUEUE, "Properties": {"DelaySeconds": EVEN}}}},
        {"Resources": {"Queue": {**QUEUE, "Properties": {"DelaySeconds": "1"}}}},
    ],
)
def test_what_leads_to_the_same_stack_has_no_effect(changes: dict[str, Any]) -> None:
    assert not has_effect(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"Outputs": {**BODY["Outputs"], "More": {"Value": "a"}}},
        {"Outputs": {"Url": {**BODY["Outputs"]["Url"], "Export": {"Name": "url"}}}},
        {"Outputs": {"Url": {**BODY["Outputs"]["Url"], "Description": "where"}}},
        {"Resources": {"Queue": {**QUEUE, "Metadata": {"Why": "because"}}}},
        {"Resources": {"Queue": {**QUEUE, "DeletionPolicy": "Retain"}}},
        {"Resources": {"Queue": {**QUEUE, "Properties": {"DelaySeconds": 2}}}},
        {"Resources": {"Queue": QUEUE, "Topic": {"Type": "AWS::SNS::Topic"}}},
        {"Parameters": {"Size": {"Type": "String", "Default": "2"}}},
        {
            "Parameters": {
                **BODY["Parameters"],
                "New": {"Type": "String", "Default": "2"},
            }
        },
        {"Transform": "AWS::LanguageExtensions"},
    ],
)
def test_what_may_change_a_stack_has_an_effect(changes: dict[str, Any]) -> None:
    assert has_effect(**changes)


def test_a_value_decides_whether_a_condition_matters() -> None:
    changes = {"Resources": {"Queue": QUEUE, "Topic": TOPIC}}

    assert has_effect({"Size": "9"}, **changes)
    assert has_effect({"Size": HIDDEN}, **changes)
    assert has_effect({"Size": HIDDEN}, Conditions={"Big": {"Fn::Equals": ["a", "b"]}})


def test_text_that_is_no_template_has_an_effect() -> None:
    assert effects.has_effect("Resources:", json.dumps(BODY), {}, EAST)
    assert not effects.only_words("Resources:", json.dumps(BODY))


def test_the_sections_that_differ_are_named() -> None:
    old = json.dumps(BODY)
    new = json.dumps({**BODY, "Description": "words", "Metadata": {}})

    assert effects.sections(old, new) == ("Description", "Metadata")
    assert effects.only_words(old, new)
    assert not effects.only_words(old, json.dumps({**BODY, "Mappings": {}}))
