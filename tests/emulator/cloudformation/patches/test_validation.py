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
                "A": {**of("SNS::Topic"), "Condition": "Never"},
                "R": {**of("SNS::Topic"), "DependsOn": "A"},
            },
            {"Conditions": {"Never": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}}},
            "Template format error: Unresolved resource dependencies [A] in the "
            "Resources block of the template",
        ),
        (
            {"A": {**of("SNS::Topic"), "Condition": "Never"}, **TOPIC},
            {
                "Conditions": {"Never": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}},
                "Outputs": {"O": {"Value": {"Fn::Sub": "${A}"}}},
            },
            "Template format error: Unresolved resource dependencies [A] in the "
            "Outputs block of the template",
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
            {"R": {**of("SNS::Topic"), "DependsOn": ["R"]}},
            {},
            "Circular dependency between resources: [R]",
        ),
        (
            {"R": of("SNS::Topic", DisplayName={"Fn::Sub": "${R}"})},
            {},
            "Circular dependency between resources: [R]",
        ),
        (
            TOPIC,
            {"outputs": {}, "Resource": {}},
            "Invalid template property or properties [Resource, outputs]",
        ),
        (
            {"R": {**of("SNS::Topic"), "DisplayName": "x"}},
            {},
            "Invalid template resource property 'DisplayName'",
        ),
        (
            TOPIC,
            {"Outputs": {"O": {"Description": "nothing"}}},
            "Template format error: Every Outputs member must contain a Value object",
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


NULLS = [
    ({"Resources": None}, "/Resources"),
    ({"Resources": TOPIC, "Outputs": None}, "/Outputs"),
    ({"Resources": {"R": None}}, "/Resources/R"),
    (
        {"Resources": {"R": of("SNS::Topic", DisplayName=None)}},
        "/Resources/R/Type/DisplayName",
    ),
    (
        {
            "Resources": {
                "R": of("Events::Rule", EventPattern={"detail": {"a": [None]}})
            }
        },
        "/Resources/R/Type/EventPattern/detail/a/0",
    ),
    (
        {"Resources": {"R": {**TOPIC["R"], "DependsOn": [None]}}},
        "/Resources/R/DependsOn/0",
    ),
    (
        {"Resources": TOPIC, "Mappings": {"M": {"us-east-1": {"Image": None}}}},
        "/Mappings/M/us-east-1/Image",
    ),
    ({"Resources": TOPIC, "Metadata": {"a": {"b": None}}}, "/Metadata/a/b"),
    (
        {"Resources": TOPIC, "Parameters": {"P": {"Type": "String", "Default": None}}},
        "/Parameters/P/Default",
    ),
    ({"Resources": TOPIC, "Description": None}, "/Description"),
    (
        {"Resources": {"R": {**TOPIC["R"], "Metadata": None}}},
        "/Resources/R/Metadata",
    ),
]


@pytest.mark.parametrize(("body", "path"), NULLS, ids=[path for _, path in NULLS])
@pytest.mark.parametrize("call", ["create_stack", "validate_template", "stack_set"])
def test_a_null_is_refused_wherever_it_is(
    place: Place, call: str, body: Any, path: str
) -> None:
    cloudformation, text = place.cloudformation, json.dumps(body)
    with pytest.raises(ClientError) as error:
        if call == "stack_set":
            cloudformation.create_stack_set(StackSetName="s", TemplateBody=text)
        elif call == "create_stack":
            cloudformation.create_stack(StackName="s", TemplateBody=text)
        else:
            cloudformation.validate_template(TemplateBody=text)

    said = error.value.response["Error"]
    expected = f"[{path}] 'null' values are not allowed in templates"
    assert (said["Code"], said["Message"]) == ("ValidationError", expected)


def test_an_empty_value_of_yaml_is_a_null(place: Place) -> None:
    with pytest.raises(
        ClientError, match=r"\[/Outputs\] 'null' values are not allowed"
    ):
        place.cloudformation.create_stack(
            StackName="s",
            TemplateBody="Resources:\n  T: {Type: AWS::SNS::Topic}\nOutputs:\n",
        )
    with pytest.raises(ClientError, match=r"\[/Parameters\] 'null' values are not"):
        place.cloudformation.create_stack(
            StackName="s",
            TemplateBody="Resources:\n  T: {Type: AWS::SNS::Topic}\n"
            "Parameters: {null: {Type: String, Default: a}}\n",
        )


def test_an_update_and_a_nested_stack_with_a_null_are_refused(place: Place) -> None:
    null = {"Resources": {"R": of("SNS::Topic", DisplayName=None)}}
    place.create("stable", TOPIC)
    with pytest.raises(ClientError, match="'null' values are not allowed in templates"):
        place.cloudformation.update_stack(
            StackName="stable", TemplateBody=json.dumps(null)
        )
    place.client("s3").create_bucket(Bucket=f"nested-{place.account}")
    place.client("s3").put_object(
        Bucket=f"nested-{place.account}", Key="t.json", Body=json.dumps(null).encode()
    )
    url = f"https://s3.amazonaws.com/nested-{place.account}/t.json"
    nested = {"R": of("CloudFormation::Stack", TemplateURL=url)}
    assert "'null' values are not allowed" in place.failed("parent", nested)


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

    in_circle = {name for name in needs if name in reached(name)}
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
        assert not in_circle


def test_a_name_inside_data_is_not_a_reference() -> None:
    body = {"openapi": "3", "Ref": "x", "schema": {"Ref": "R"}}
    template = {"Resources": {"R": {"Type": "T", "Properties": {"Body": body}}}}
    refuse_unresolved(template, {})
    literal = {"Fn::Sub": ["${!Keep}-${Mine}", {"Mine": "x"}]}
    refuse_unresolved({"Resources": {"R": {"Properties": {"P": literal}}}}, {})


def test_an_output_of_what_a_resource_lacks_fails_the_stack(place: Place) -> None:
    place.begin("lacking", TOPIC, Outputs=get("R", "Nothing"))
    assert place.settled("lacking")["StackStatus"] == "ROLLBACK_COMPLETE"
