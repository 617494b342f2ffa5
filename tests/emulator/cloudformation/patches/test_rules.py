"""Rules of a template, in JSON and in YAML with short forms."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.emulator.cloudformation.patches.templates import TOPIC, WEST, refused
from tests.emulator.places import Place


def test_a_rule_that_fails_is_reported_in_its_own_words(place: Place) -> None:
    rules = {
        "OnlyWest": {
            "RuleCondition": {"Fn::Equals": [{"Ref": "Where"}, "here"]},
            "Assertions": [
                {
                    "Assert": {"Fn::Equals": [{"Ref": "AWS::Region"}, WEST]},
                    "AssertDescription": "deploy this in us-west-2 only",
                }
            ],
        }
    }
    where = {"Where": {"Type": "String", "Default": "here"}}
    message = refused(place, TOPIC, Rules=rules, Parameters=where)
    assert "OnlyWest" in message and "deploy this in us-west-2 only" in message
    place.at(WEST).create("ruled", TOPIC, Rules=rules, Parameters=where)
    where["Where"]["Default"] = "there"
    place.create("ruled", TOPIC, Rules=rules, Parameters=where)


def test_rules_in_yaml_may_use_the_short_forms_of_their_functions(
    place: Place,
) -> None:
    body = """\
Parameters: {Size: {Type: String, Default: m}}
Rules:
  Sizes:
    Assertions:
      - Assert: !Contains [[s, l], !Ref Size]
        AssertDescription: s or l
Resources: {R: {Type: AWS::SNS::Topic}}
"""
    with pytest.raises(ClientError, match="s or l"):
        place.cloudformation.create_stack(StackName="short", TemplateBody=body)
    large = [{"ParameterKey": "Size", "ParameterValue": "l"}]
    place.cloudformation.create_stack(
        StackName="short", TemplateBody=body, Parameters=large
    )
    assert place.settled("short")["StackStatus"] == "CREATE_COMPLETE"
