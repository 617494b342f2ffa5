"""CloudFormation refuses templates that cannot work as AWS does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tapgen.emulator.cloudformation.template_checks import (
    refuse_cycles,
    refuse_unresolved,
)
from tests.emulator.cloudformation.patches.templates import TOPIC, refused
from tests.emulator.places import Place, get, of


@pytest.mark.parametrize(
    ("resources", "sections", "message"),
    [
        (
            {"R": of("SNS::Topic", DisplayName={"Ref": "Nope"})},
            {},
            "Template format error: Unresolved resource dependencies [Nope] in the "
            "Resources block of the template",
        ),
        (
            {"R": of("SNS::Topic", DisplayName={"Fn::Sub": "${Nope}-${Nor.Arn}"})},
            {},
            "Template format error: Unresolved resource dependencies [Nope, Nor] in "
            "the Resources block of the template",
        ),
        (
            {"R": {**of("SNS::Topic"), "DependsOn": ["Nope"]}},
            {},
            "Template format error: Unresolved resource dependencies [Nope] in the "
            "Resources block of the template",
        ),
        (
            {"R": of("SNS::Topic", DisplayName={"Fn::GetAtt": ["Nope", "Arn"]})},
            {},
            "Template error: instance of Fn::GetAtt references undefined resource Nope",
        ),
        (
            TOPIC,
            {"Outputs": {"O": {"Value": {"Ref": "Nope"}}}},
            "Template format error: Unresolved resource dependencies [Nope] in the "
            "Outputs block of the template",
        ),
        (
            TOPIC,
            {"Outputs": {"O": {"Value": {"Fn::GetAtt": "Nope.Arn"}}}},
            "Template error: instance of Fn::GetAtt references undefined resource Nope",
        ),
        (
            {"R": {**of("SNS::Topic"), "Condition": "Nope"}},
            {},
            "Template format error: Unresolved condition dependency Nope in the "
            "Resources block of the template",
        ),
        (
            {"R": of("SNS::Topic", DisplayName={"Fn::If": ["Nope", "a", "b"]})},
            {},
            "Template error: unresolved condition dependency Nope in Fn::If",
        ),
        (
            TOPIC,
            {"Conditions": {"C": {"Fn::Equals": [{"Ref": "R"}, "x"]}}},
            "Template format error: Unresolved dependencies [R]. Cannot reference "
            "resources in the Conditions block of the template",
        ),
        (
            {
                "A": {**of("SNS::Topic"), "Condition": "Never"},
                "R": of("SNS::Topic", DisplayName={"Ref": "A"}),
            },
            {"Conditions": {"Never": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}}},
            "Template format error: Unresolved resource dependencies [A] in the "
            "Resources block of the template",
        ),
        (
            {
                "A": of("SNS::Topic", DisplayName={"Ref": "B"}),
                "B": {**of("SNS::Topic"), "DependsOn": "A"},
                "After": {**of("SNS::Topic"), "DependsOn": "B"},
                "Before": of("SNS::Topic"),
            },
            {},
            "Circular dependency between resources: [A, B]",
        ),
        (
            {"R": of("Nowhere::Thing"), "S": of("SNS::Topics")},
            {},
            "Template format error: Unrecognized resource types: [AWS::Nowhere::Thing, "
            "AWS::SNS::Topics]",
        ),
        (
            {},
            {},
            "Template format error: At least one Resources member must be defined.",
        ),
    ],
)
def test_a_template_that_cannot_work_is_refused_as_aws_does(
    place: Place, resources: Any, sections: Any, message: str
) -> None:
    assert refused(place, resources, **sections) == message


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ({}, "Every Resources object must contain a Type member."),
        (
            {"Properties": {"DisplayName": "r"}},
            "Every Resources object must contain a Type member.",
        ),
        ("AWS::SNS::Topic", "resource definition is malformed"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        *("create_stack", "update_stack", "create_change_set", "validate_template"),
        *("create_stack_set", "update_stack_set"),
    ],
)
def test_a_resource_without_a_type_is_refused_at_the_call(
    place: Place, call: str, resource: Any, message: str
) -> None:
    body = {"TemplateBody": json.dumps({"Resources": {**TOPIC, "X": resource}})}
    name = "typeless"
    names = {
        "create_change_set": {"StackName": name, "ChangeSetName": "c"},
        "validate_template": {},
        "create_stack_set": {"StackSetName": "another"},
        "update_stack_set": {"StackSetName": name},
    }
    place.create(name, TOPIC)
    place.cloudformation.create_stack_set(
        StackSetName=name, TemplateBody=json.dumps({"Resources": TOPIC})
    )
    given = names.get(call, {"StackName": f"{name}-2" if "create" in call else name})

    with pytest.raises(ClientError) as error:
        getattr(place.cloudformation, call)(**given, **body)

    said = error.value.response["Error"]
    expected = f"Template format error: [/Resources/X] {message}"
    assert (said["Code"], said["Message"]) == ("ValidationError", expected)


def test_an_update_to_a_template_that_cannot_work_changes_nothing(
    place: Place,
) -> None:
    place.create("stable", TOPIC)
    broken = {"R": of("SNS::Topic", DisplayName={"Ref": "Nope"})}
    with pytest.raises(ClientError, match=r"Unresolved resource dependencies \[Nope\]"):
        place.update("stable", broken)
    with pytest.raises(ClientError, match=r"Unresolved resource dependencies \[Nope\]"):
        place.cloudformation.create_change_set(
            StackName="stable",
            ChangeSetName="c",
            TemplateBody=json.dumps({"Resources": broken}),
        )
    with pytest.raises(ClientError, match=r"Unresolved resource dependencies \[Nope\]"):
        place.cloudformation.validate_template(
            TemplateBody=json.dumps({"Resources": broken})
        )
    assert place.stack("stable")["StackStatus"] == "CREATE_COMPLETE"


def test_the_branch_not_taken_may_name_a_resource_that_does_not_exist(
    place: Place,
) -> None:
    never = {"Never": {"Fn::Equals": [{"Ref": "AWS::Region"}, "nowhere"]}}
    resources = {
        "A": {**of("SNS::Topic"), "Condition": "Never"},
        "R": of("SNS::Topic", DisplayName={"Fn::If": ["Never", {"Ref": "A"}, "b"]}),
    }
    outputs = {"A": {"Value": {"Ref": "A"}, "Condition": "Never"}}
    assert place.create("taken", resources, Conditions=never, Outputs=outputs) == {}


resources = st.dictionaries(
    st.sampled_from("ABCDEF"), st.sets(st.sampled_from("ABCDEF")), min_size=1
)


@given(resources)
def test_circles_are_found_wherever_they_are(needs: dict[str, set[str]]) -> None:
    """Compared with following each dependency as far as it goes."""

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        pending = [name]
        while pending:
            for other in needs.get(pending.pop(), set()) & needs.keys():
                if other not in found:
                    found.add(other)
                    pending.append(other)
        return found

    circled = {name for name in needs if name in reached(name) - {name}}
    in_circle = {
        name
        for name in needs
        if any(name in reached(other) and other != name for other in reached(name))
    }
    template = {
        "Resources": {name: {"DependsOn": sorted(d)} for name, d in needs.items()}
    }

    def dependencies(definition: Any, known: set[str]) -> set[str]:
        return set(definition["DependsOn"]) & known

    try:
        refuse_cycles(template, dependencies)
    except ValueError as error:
        named = set(str(error).partition("[")[2].rstrip("]").split(", "))
        assert in_circle <= named
    else:
        assert not in_circle and not circled


def test_a_name_inside_data_is_not_a_reference() -> None:
    body = {"openapi": "3", "Ref": "x", "schema": {"Ref": "R"}}
    template = {"Resources": {"R": {"Type": "T", "Properties": {"Body": body}}}}
    refuse_unresolved(template, {})
    literal = {"Fn::Sub": ["${!Keep}-${Mine}", {"Mine": "x"}]}
    refuse_unresolved({"Resources": {"R": {"Properties": {"P": literal}}}}, {})


def test_an_output_of_what_a_resource_lacks_fails_the_stack(place: Place) -> None:
    place.begin("lacking", TOPIC, Outputs=get("R", "Nothing"))
    assert place.settled("lacking")["StackStatus"] == "ROLLBACK_COMPLETE"
