"""Evaluating a template for one target."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen.model import Target
from tapgen.template import evaluate, functions, values

HERE = Target("111111111111", "eu-west-1")
LATER = {values.LATER: "keys.Arn"}


def value(node: Any, body: dict[str, Any] | None = None, **values: Any) -> Any:
    """A property with this value, evaluated beside `body`."""
    properties = {"P": node}
    resources = {"R": {"Type": "T", "Properties": properties}}
    template = {
        "Parameters": {k: {"Type": "String"} for k in values},
        **(body or {}),
        "Resources": resources,
    }
    evaluated = evaluate.evaluate(template, values, HERE)
    return evaluated.resources["R"]["Properties"].get("P")


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "AWS::AccountId"}, "111111111111"),
        ({"Ref": "AWS::Partition"}, "aws"),
        ({"Ref": "A"}, "x"),
        ({"Ref": "Other"}, {"Ref": "Other"}),
        ({"Fn::GetAtt": "Other.Arn"}, {"Fn::GetAtt": ["Other", "Arn"]}),
        ({"Fn::Sub": "${A}-${AWS::Region}-${!Raw}"}, "x-eu-west-1-${Raw}"),
        ({"Fn::Sub": "${A}/${Other.Arn}"}, {"Fn::Sub": "x/${Other.Arn}"}),
        ({"Fn::Sub": ["${V}!", {"V": {"Ref": "A"}}]}, "x!"),
        ({"Fn::Sub": ["${V}!", {"V": {"Ref": "Other"}}]}, {"Fn::Sub": "${Other}!"}),
        ({"Fn::Join": ["-", ["a", {"Ref": "A"}, 1]]}, "a-x-1"),
        (
            {"Fn::Join": ["-", ["a", {"Ref": "Other"}]]},
            {"Fn::Join": ["-", ["a", {"Ref": "Other"}]]},
        ),
        ({"Fn::Select": ["1", ["a", "b"]]}, "b"),
        ({"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]}, "a"),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::GetAZs": {"Ref": "AWS::Region"}}, {"Fn::GetAZs": "eu-west-1"}),
        ({"Fn::Length": ["a", "b"]}, 2),
        ([1, {"Ref": "AWS::NoValue"}], [1]),
        ({"Keep": 1, "Drop": {"Ref": "AWS::NoValue"}}, {"Keep": 1}),
        ({"Ref": "AWS::NoValue"}, None),
    ],
)
def test_functions(node: Any, expected: Any) -> None:
    assert value(node, A="x") == expected


def test_mappings_and_conditions_are_those_of_the_target() -> None:
    body = {
        "Mappings": {"M": {"eu-west-1": {"Size": "big"}}},
        "Conditions": {
            "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]},
            "Not": {"Fn::Not": [{"Condition": "Here"}]},
            "Both": {"Fn::And": [{"Condition": "Here"}, {"Condition": "Not"}]},
            "One": {"Fn::Or": [{"Condition": "Here"}, {"Condition": "Not"}]},
        },
    }

    found = {"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "Size"]}
    assert value(found, body) == "big"
    for name, outcome in {"Here": 1, "Not": 2, "Both": 2, "One": 1}.items():
        assert value({"Fn::If": [name, 1, 2]}, body) == outcome


def test_what_hangs_on_a_later_value_stays_open() -> None:
    body = {"Conditions": {"Given": {"Fn::Equals": [{"Ref": "A"}, ""]}}}

    assert value({"Ref": "A"}, A=LATER) == LATER
    assert value({"Fn::Sub": "${A}/x"}, A=LATER) == {
        "Fn::Sub": ["${A}/x", {"A": LATER}]
    }
    assert value({"Fn::If": ["Given", 1, 2]}, body, A=LATER) == {
        "Fn::If": ["Given", 1, 2]
    }


def test_the_name_of_a_stack_is_known_only_where_it_is_given() -> None:
    resources = {
        "R": {"Type": "X", "Properties": {"P": {"Fn::Sub": "${AWS::StackName}"}}}
    }
    body = {"Resources": resources}
    unknown, known = (
        evaluate.evaluate(body, {}, Target("1" * 12, "us-east-1"), name)
        for name in (None, "StackSet-app")
    )
    assert unknown.resources["R"] == resources["R"]
    assert known.resources["R"]["Properties"] == {"P": "StackSet-app"}


def test_a_resource_whose_condition_is_false_is_not_there() -> None:
    template = {
        "Conditions": {"No": {"Fn::Equals": ["a", "b"]}},
        "Resources": {"R": {"Type": "T", "Condition": "No"}, "S": {"Type": "T"}},
        "Outputs": {"O": {"Value": "1", "Condition": "No"}, "P": {"Value": "2"}},
    }

    evaluated = evaluate.evaluate(template, {}, HERE)

    assert set(evaluated.resources) == {"S"}
    assert evaluated.outputs == {"P": "2"}
    assert evaluated.conditions == {"No": False}


def test_defaults_and_lists_are_filled_in() -> None:
    template = {
        "Parameters": {
            "Ids": {"Type": "List<AWS::EC2::Subnet::Id>"},
            "Size": {"Type": "Number", "Default": 5},
        },
        "Resources": {"R": {"Properties": {"A": {"Ref": "Ids"}, "B": {"Ref": "Size"}}}},
    }

    evaluated = evaluate.evaluate(template, {"Ids": "a, b"}, HERE)

    assert evaluated.resources["R"]["Properties"] == {"A": ["a", "b"], "B": 5}


def test_a_circle_of_conditions_is_unknown() -> None:
    body = {"Conditions": {"A": {"Condition": "B"}, "B": {"Condition": "A"}}}

    assert value({"Fn::If": ["A", 1, 2]}, body) == {"Fn::If": ["A", 1, 2]}


FUNCTIONS = [*functions.FUNCTIONS, "Fn::Equals", "Fn::Transform", "Condition"]
NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "A", "${A}", "M"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from([*FUNCTIONS, "K"]), inner, max_size=2),
    max_leaves=20,
)


@given(NODES, NODES, NODES)
@settings(max_examples=200)
def test_no_template_however_malformed_breaks_it(a: Any, b: Any, c: Any) -> None:
    template = {
        "Parameters": {"A": a},
        "Mappings": a,
        "Conditions": {"M": b, "A": c},
        "Resources": {"R": {"Type": "T", "Properties": {"P": b}}, "S": c},
        "Outputs": {"O": {"Value": c}, "P": a},
    }

    evaluated = evaluate.evaluate(template, {"A": "1"}, HERE)

    list(values.references(dict(evaluated.resources)))


def test_nesting_is_bounded() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = {"K": deep}

    assert value(deep)
