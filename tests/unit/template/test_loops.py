"""Loops of templates: what they make, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.model import Output, Override, StackSet, Target
from tapgen.system import checks, templates_out
from tapgen.template import evaluate, loops
from tests import make
from tests.make import EAST, WEST

HERE = Target("111111111111", "eu-west-1")
NAMES = {"Ref": "Names"}
TOPIC = {
    "Type": "AWS::SNS::Topic",
    "DeletionPolicy": {"Ref": "Keep"},
    "Properties": {"TopicName": {"Fn::Sub": "t-${Name}-${AWS::Region}"}},
}
LOOP = ["Name", NAMES, {"Topic${Name}": TOPIC}]


def body(**sections: Any) -> dict[str, Any]:
    return {
        "Transform": loops.TRANSFORM,
        "Parameters": {
            "Names": {"Type": "CommaDelimitedList", "Default": "one,two"},
            "Keep": {"Type": "String", "Default": "Retain"},
        },
        "Resources": {"Fn::ForEach::Topics": LOOP},
        **sections,
    }


def evaluated(template: dict[str, Any], **values: Any) -> evaluate.Evaluated:
    return evaluate.evaluate(template, values, HERE)


def test_a_loop_makes_a_resource_for_each_item() -> None:
    found = evaluated(body())

    assert [*found.resources] == ["Topicone", "Topictwo"]
    assert found.resources["Topictwo"] == {
        "Type": "AWS::SNS::Topic",
        "DeletionPolicy": "Retain",
        "Properties": {"TopicName": "t-two-eu-west-1"},
    }
    assert found.problems == ()


def test_the_items_are_those_of_the_target() -> None:
    assert [*evaluated(body(), Names="three, four").resources] == [
        "Topicthree",
        "Topicfour",
    ]


def test_loops_stand_within_loops_in_conditions_outputs_and_properties() -> None:
    template = body(
        Mappings={"Delay": {"one": {"Seconds": "5"}}},
        Conditions={
            "Fn::ForEach::Wanted": [
                "Name",
                NAMES,
                {"Has${Name}": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, "two"]}]}},
            ]
        },
        Resources={
            "Fn::ForEach::Outer": [
                "Name",
                NAMES,
                {
                    "Fn::ForEach::Inner": [
                        "Lane",
                        ["fast.lane", {"Fn::Sub": "slow-${Name}"}],
                        {
                            "Queue${Name}&{Lane}": {
                                "Type": "AWS::SQS::Queue",
                                "Condition": {"Fn::Sub": "Has${Name}"},
                                "Properties": {
                                    "DelaySeconds": {
                                        "Fn::FindInMap": [
                                            "Delay",
                                            {"Ref": "Name"},
                                            "Seconds",
                                            {"DefaultValue": "0"},
                                        ]
                                    },
                                    "Tags": {
                                        "Fn::ForEach::Tag": [
                                            "Key",
                                            ["a", "b"],
                                            {"${Key}-${Lane}": {"Ref": "Key"}},
                                        ]
                                    },
                                },
                            }
                        },
                    ]
                },
            ]
        },
        Outputs={
            "Fn::ForEach::Arns": [
                "Name",
                NAMES,
                {
                    "Arn${Name}": {
                        "Value": {
                            "Fn::GetAtt": [{"Fn::Sub": "Queue${Name}fastlane"}, "Arn"]
                        }
                    }
                },
            ]
        },
    )
    assert loops.mistakes(template) == []
    found = evaluated(template)

    assert found.conditions == {"Hasone": True, "Hastwo": False}
    assert [*found.resources] == ["Queueonefastlane", "Queueoneslowone"]
    assert found.resources["Queueonefastlane"]["Properties"] == {
        "DelaySeconds": "5",
        "Tags": {"a-fast.lane": "a", "b-fast.lane": "b"},
    }
    assert found.outputs["Arnone"] == {"Fn::GetAtt": ["Queueonefastlane", "Arn"]}
    assert found.problems == ()


def test_plain_text_keeps_what_looks_like_an_item() -> None:
    topic = {
        "Type": "T",
        "Properties": {"Plain": "${Name}", "Sub": {"Fn::Sub": "&{Name}"}},
    }
    found = evaluated(
        body(Resources={"Fn::ForEach::T": ["Name", ["a"], {"T${Name}": topic}]})
    )

    assert found.resources["Ta"]["Properties"] == {"Plain": "${Name}", "Sub": "&{Name}"}


def test_a_local_name_of_a_sub_hides_an_item() -> None:
    sub = {"Fn::Sub": ["${Name}-${Other}", {"Name": "mine", "Other": {"Ref": "Name"}}]}
    topic = {"Type": "T", "Properties": {"P": sub}}
    found = evaluated(
        body(Resources={"Fn::ForEach::T": ["Name", ["a"], {"T${Name}": topic}]})
    )

    assert found.resources["Ta"]["Properties"]["P"] == "mine-a"


def test_a_reference_may_be_a_function() -> None:
    value = {"Ref": {"Fn::Sub": "Topic${Name}"}}
    output = ["Name", NAMES, {"Out${Name}": {"Value": value}}]
    found = evaluated(body(Outputs={"Fn::ForEach::O": output}))

    assert found.outputs == {
        "Outone": {"Ref": "Topicone"},
        "Outtwo": {"Ref": "Topictwo"},
    }


def test_without_the_transform_nothing_is_a_loop() -> None:
    template = body()
    del template["Transform"]

    assert evaluated(template).resources == {}
    assert loops.mistakes(template) == [
        "Resources.Fn::ForEach::Topics: a loop needs Transform: AWS::LanguageExtensions"
    ]


@given(st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), min_size=1, unique=True))
def test_a_loop_is_as_what_it_stands_for(items: list[str]) -> None:
    written = {
        f"Topic{name}": {
            **TOPIC,
            "Properties": {"TopicName": {"Fn::Sub": f"t-{name}-${{AWS::Region}}"}},
        }
        for name in items
    }
    looped = evaluated(body(), Names=",".join(items))

    assert looped.resources == evaluated(body(Resources=written)).resources


def nested(depth: int) -> dict[str, Any]:
    """Loops within each other, the innermost making a topic."""
    inner: dict[str, Any] = {"T&{I0}": {"Type": "AWS::SNS::Topic"}}
    for level in range(depth):
        inner = {f"Fn::ForEach::L{level}": [f"I{level}", ["a"], inner]}
    return inner


def test_five_loops_may_stand_in_each_other() -> None:
    assert loops.mistakes(body(Resources=nested(5))) == []
    assert [*evaluated(body(Resources=nested(5))).resources] == ["Ta"]
    (said,) = loops.mistakes(body(Resources=nested(6)))
    assert said.startswith("Resources.Fn::ForEach::L5.Fn::ForEach::L4.")
    assert said.endswith(
        "6 nested loops; CloudFormation allows 5; write one of them out"
    )


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"Fn::ForEach::T": "x"}, "T: a loop needs a list of three: identifier, "),
        (
            {"Fn::ForEach::T": ["A", ["a"]]},
            "T: a loop needs a list of three: identifier, ",
        ),
        (
            {"Fn::ForEach::T": ["A-B", ["a"], {}]},
            "T: the identifier 'A-B' may only have ",
        ),
        (
            {"Fn::ForEach::T": ["A", "a,b", {}]},
            "T: the collection is 'a,b'; give a list",
        ),
        (
            {"Fn::ForEach::T": ["A", ["a"], {}]},
            "T: the fragment to repeat must be a mapping",
        ),
        (
            {"Fn::ForEach::T": ["A", ["a"], {"Same": TOPIC}]},
            "T: Same would have the same name for each item; give it a name with ${A} or &{A}",
        ),
        (
            {"Fn::ForEach::T": ["A", ["a"], {"T${A}": {"Typ": "X"}}]},
            "T.T${A}: has no Type",
        ),
        (
            {"Fn::ForEach::T": ["A", ["a"], {"T${A}": TOPIC}], "T": TOPIC},
            "T: a resource is called T; give the loop another name",
        ),
        (
            {
                "Fn::ForEach::T": [
                    "A",
                    ["a"],
                    {"Fn::ForEach::U": ["A", ["b"], {"T${A}": TOPIC}]},
                ]
            },
            "T.Fn::ForEach::U: an outer loop has the identifier A too",
        ),
        (
            {"Fn::ForEach::": ["A", ["a"], {"T${A}": TOPIC}]},
            ": the loop has no valid name; write Fn::ForEach::NAME",
        ),
    ],
)
def test_a_loop_of_the_wrong_shape_is_reported_with_its_place(
    resources: dict[str, Any], said: str
) -> None:
    (found,) = loops.mistakes(body(Resources=resources))

    assert found.startswith(f"Resources.Fn::ForEach::{said}")


def test_a_name_is_for_one_loop() -> None:
    loop = ["A", ["a"], {"Out${A}": {"Value": "x"}}]

    assert loops.mistakes(body(Outputs={"Fn::ForEach::Topics": loop})) == [
        "Outputs.Fn::ForEach::Topics: another loop has this name; give it its own"
    ]


def test_loops_elsewhere_are_reported() -> None:
    (said,) = loops.mistakes(body(Metadata={"Fn::ForEach::M": LOOP}))

    assert said.startswith(
        "Metadata.Fn::ForEach::M: a loop is only allowed in Conditions, Resources,"
    )


# Of a system ------------------------------------------------------------------------------


def stack_set(
    template: dict[str, Any], *overrides: Override, **parameters: Any
) -> StackSet:
    return make.stack_set(
        "topics",
        text=json.dumps(template),
        targets=(EAST, WEST),
        parameters=parameters,
        overrides=overrides,
    )


@pytest.mark.parametrize(
    ("collection", "said"),
    [
        (
            {"Fn::GetAZs": ""},
            "the collection {'Fn::GetAZs': ''} is only known in a ",
        ),
        (
            {"Ref": "Nope"},
            "the collection {'Ref': 'Nope'} is only known in a rollout; ",
        ),
        ({"Ref": "Keep"}, "the collection is 'Retain'; give a list of strings"),
        ([True], "the collection is [True]; give a list of strings"),
        ([], "the collection is empty or has an empty item; give items"),
        (["a", "a"], "Topica is created twice; give each its own name"),
        (
            ["a-b"],
            "the name 'Topica-b' may only have letters and digits; write Topic&{Name}",
        ),
    ],
)
def test_what_is_wrong_with_items_is_reported_before_a_rollout(
    collection: Any, said: str
) -> None:
    loop = ["Name", collection, {"Topic${Name}": TOPIC}]
    s = stack_set(body(Resources={"Fn::ForEach::T": loop}))

    (found,) = checks.problems(make.system(s))
    assert found.startswith(f"topics: Resources.Fn::ForEach::T: {said}")


def test_a_loop_does_not_make_what_is_there() -> None:
    resources = {"Topicone": TOPIC, "Fn::ForEach::T": LOOP}
    s = stack_set(body(Resources=resources))

    assert checks.problems(make.system(s)) == [
        "topics: Resources.Fn::ForEach::T: Topicone is created twice; give each its own "
        "name"
    ]


def test_items_cannot_come_from_another_stack_set() -> None:
    other = make.stack_set("net", targets=(EAST, WEST))
    s = stack_set(body(), Names=Output("net", "Arn"))

    (said,) = checks.problems(make.system(s, other))
    assert "the collection {'Ref': 'Names'} is only known in a rollout" in said


def test_quotas_count_what_loops_make() -> None:
    s = stack_set(body(), Override({"Names": ",".join("a" * n for n in range(1, 80))}))
    assert checks.problems(make.system(s)) == []

    inner = ["Kind", [f"k{n}" for n in range(9)], {"${Name}${Kind}": TOPIC}]
    loop = ["Name", NAMES, {"Fn::ForEach::Kinds": inner}]
    many = ",".join(f"n{n}" for n in range(60))
    s = stack_set(
        body(Resources={"Fn::ForEach::T": loop}),
        Override({"Names": many}, region="us-west-2"),
    )
    assert checks.problems(make.system(s)) == [
        "topics: 540 resources in us-west-2 with its loops expanded; CloudFormation "
        "allows 500; split the part"
    ]


def test_outputs_of_loops_are_taken_where_they_are_created() -> None:
    outputs = {
        "Fn::ForEach::O": ["Name", NAMES, {"Out${Name}": {"Value": {"Ref": "Name"}}}]
    }
    s = stack_set(body(Outputs=outputs), Override({"Names": "one"}, region="us-west-2"))

    def said(name: str, region: str) -> list[str]:
        taken = Output("topics", name, region)
        reader = make.stack_set("reader", targets=(EAST,), parameters={"X": taken})
        return checks.problems(make.system(s, reader))

    assert said("Outtwo", "us-east-1") == []
    assert said("Outtwo", "us-west-2") == [
        "reader.X: topics.Outtwo does not exist in 111111111111/us-west-2: no loop creates "
        "it there"
    ]
    assert said("Outten", "us-east-1") == [
        "reader.X: topics has no output Outten; it has Outone, Outtwo"
    ]


def test_the_manifest_has_what_loops_make_at_any_target() -> None:
    alarm = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"AlarmName": {"Fn::Sub": "alarm-${Name}"}},
    }
    table = {"Type": "AWS::DynamoDB::Table", "Properties": {}}
    loop = ["Name", NAMES, {"A${Name}": alarm, "T${Name}": table}]
    s = stack_set(
        body(Resources={"Fn::ForEach::All": loop}),
        Override({"Names": "one,three"}, region="us-west-2"),
    )
    (found,) = templates_out.manifest(make.system(s))["stack_sets"]

    assert found["resources"] == 6
    assert sorted(found["stateful"]) == ["Tone", "Tthree", "Ttwo"]
    assert found["alarms"] == {
        "us-east-1": ["alarm-one", "alarm-two"],
        "us-west-2": ["alarm-one", "alarm-three"],
    }
    assert templates_out.written(json.loads(s.template)) == templates_out.written(
        body(Resources={"Fn::ForEach::All": loop})
    )
