"""Evaluation does not depend on how a template is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen.model import Target
from tapgen.template import diff, evaluate, exposure, values

HERE = Target("111111111111", "eu-west-1")
BODY = {
    "Parameters": {
        "Home": {"Type": "String", "Default": "home/${aws:username}"},
        "Version": {"Type": "String", "Default": 8.0},
        "Unknown": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "x"},
        "List": {"Type": "CommaDelimitedList", "Default": "a,b"},
        "Ports": {"Type": "List<Number>", "Default": 80},
    },
    "Mappings": {"Ports": {"443": {"Name": "https", "true": "yes"}}},
    "Conditions": {
        "Yes": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]},
        "No": {"Fn::Not": [{"Condition": "Yes"}]},
        "Open": {"Fn::Equals": [{"Ref": "Unknown"}, "y"]},
    },
}
NOTHING = {"Ref": "AWS::NoValue"}


def evaluated(node: Any, **more: Any) -> Any:
    """The value of a property, and of an output, which are the same."""
    body = {
        **BODY,
        **more,
        "Resources": {"R": {"Type": "T", "Properties": {"P": node}}},
        "Outputs": {"O": {"Value": node}},
    }
    found = evaluate.evaluate(body, {}, HERE)
    assert found.outputs["O"] == found.resources["R"]["Properties"].get("P")
    return found.outputs["O"]


def outcome(left: Any, right: Any, mappings: Any) -> bool | None:
    conditions = {**BODY["Conditions"], "C": {"Fn::Equals": [left, right]}}
    body = {**BODY, "Mappings": mappings, "Conditions": conditions}
    return evaluate.evaluate(body, {}, HERE).conditions["C"]


TEXTS = st.text(alphabet="a1${}!:,.-", max_size=8)


@st.composite
def spellings(draw: st.DrawFn, text: str, mapped: dict[str, Any], depth: int) -> Any:
    """One of the ways to write a text; `mapped` gets what its look-ups find."""

    def again(part: str) -> Any:
        return draw(spellings(part, mapped, depth - 1)) if depth else part

    at = draw(st.integers(0, len(text)))
    before, after = text[:at], text[at:]
    match draw(st.integers(0, 8)):
        case 0:
            return {"Fn::Join": [again(""), [again(before), again(after)]]}
        case 1:
            return {"Fn::Select": [draw(st.sampled_from([1, "1"])), ["x", again(text)]]}
        case 2:
            return {"Fn::If": ["Yes", again(text), {"Ref": "Missing"}]}
        case 3:
            return {"Fn::If": ["No", NOTHING, again(text)]}
        case 4:
            return {"Fn::If": ["Open", again(text), again(text)]}
        case 5:
            key = f"K{len(mapped)}"
            mapped[key] = {"Value": text}
            return {"Fn::FindInMap": ["M", again(key), "Value"]}
        case 6:
            local = {"A": again(before), "B": again(after)}
            return {"Fn::Sub": ["${A}${B}", local]}
        case 7:
            mark = f"|{depth}|"
            return {"Fn::Select": [0, {"Fn::Split": [mark, again(f"{text}{mark}x")]}]}
        case _:
            return text


@given(st.data(), TEXTS)
@settings(max_examples=200)
def test_a_literal_is_the_same_in_every_function(
    data: st.DataObject, text: str
) -> None:
    mapped: dict[str, Any] = {"K": {"Value": "x"}}
    node = data.draw(spellings(text, mapped, 3))
    mappings = {**BODY["Mappings"], "M": mapped}

    assert evaluated(node, Mappings=mappings) == text
    assert outcome(node, text, mappings) is True
    assert outcome(node, f"{text}x", mappings) is False


@given(st.data(), TEXTS, TEXTS)
@settings(max_examples=100)
def test_a_reference_is_the_same_beside_every_spelling(
    data: st.DataObject, before: str, after: str
) -> None:
    mapped: dict[str, Any] = {"K": {"Value": "x"}}
    around = [data.draw(spellings(part, mapped, 2)) for part in (before, after)]
    topic = {"Fn::GetAtt": ["Topic", "TopicName"]}
    parts = [around[0], topic, around[1]]
    one = {"Fn::Join": ["", parts]}
    two = {"Fn::Sub": ["${A}${Topic.TopicName}${B}", {"A": around[0], "B": around[1]}]}
    mappings = {**BODY["Mappings"], "M": mapped}
    found = [evaluated(node, Mappings=mappings) for node in (one, two)]

    assert values.equal(*found)
    assert values.text(found[0]) == f"{before}${{Topic.TopicName}}{after}"
    assert [*values.references(found[0])] == ["Topic.TopicName"]
    assert [*values.references(found[1])] == ["Topic.TopicName"]
    # What is evaluated once stays the same.
    assert evaluated(found[1]) == found[1]


NODES = st.recursive(
    st.sampled_from(
        ["x", 1, True, {"Ref": "Home"}, {"Ref": "A"}, {"Fn::GetAtt": "A.B"}]
    )
    | st.sampled_from([{"Fn::Sub": "${A}-${B.C}-${Home}-${!A}"}, {"Ref": "Unknown"}]),
    lambda inner: st.builds(lambda x, y: {"Fn::Join": [x, y]}, inner, st.lists(inner))
    | st.builds(lambda x, y: {"Fn::If": ["Open", x, y]}, inner, inner)
    | st.builds(lambda x: {"Fn::Sub": ["${V}${A.B}", {"V": x}]}, inner)
    | st.builds(lambda x: {"Fn::Sub": ["${A}/${B}", {"A": x}]}, inner)
    | st.builds(lambda i, y: {"Fn::Select": [i, y]}, st.integers(0, 2), st.lists(inner))
    | st.builds(lambda x, y: {"K": x, "L": [y]}, inner, inner),
    max_leaves=8,
)
RENAMED = {"A": "Alpha", "B": "Beta"}


def renamed(node: Any) -> Any:
    """A node with other logical ids."""
    match node:
        case {"Ref": str(name)}:
            return {"Ref": RENAMED.get(name, name)}
        case {"Fn::GetAtt": str(name)}:
            return {"Fn::GetAtt": f"{RENAMED[name[0]]}{name[1:]}"}
        case {"Fn::GetAtt": [name, *rest]}:
            return {"Fn::GetAtt": [RENAMED[name], *rest]}
        case {"Fn::Sub": [str(text), local]}:
            return {"Fn::Sub": [renamed_text(text, {*local}), renamed(local)]}
        case {"Fn::Sub": str(text)}:
            return {"Fn::Sub": renamed_text(text, set())}
        case {**items} if items:
            return {key: renamed(value) for key, value in items.items()}
        case [*items]:
            return [renamed(item) for item in items]
    return node


def renamed_text(text: str, own: set[str]) -> str:
    """A text of `Fn::Sub` with other logical ids; `own` are its variables."""
    for name, other in RENAMED.items():
        text = text.replace(f"${{{name}.", f"${{{other}.")
        if name not in own:
            text = text.replace(f"${{{name}}}", f"${{{other}}}")
    return text


@given(NODES)
@settings(max_examples=200)
def test_names_of_resources_make_no_difference(node: Any) -> None:
    assert values.equal(evaluated(renamed(node)), renamed(evaluated(node)))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"Fn::Sub": "${Home}/x"}, "home/${aws:username}/x"),
        ({"Fn::Sub": "${Home}/${Q}"}, {"Fn::Sub": "home/${!aws:username}/${Q}"}),
        ({"Fn::Sub": ["${V}", {"V": {"Fn::Sub": "${!Home}"}}]}, "${Home}"),
        (
            {"Fn::Sub": ["${A}-${B}", {"A": {"Ref": "B"}, "B": {"Ref": "Unknown"}}]},
            {
                "Fn::Sub": [
                    "${B}-${BX}",
                    {"BX": {values.LATER: "SSM parameter x"}},
                ]
            },
        ),
        # Scalars are texts.
        ({"Fn::Select": [0, {"Fn::Split": [".", {"Ref": "Version"}]}]}, "8"),
        ({"Fn::FindInMap": ["Ports", 443, "Name"]}, "https"),
        ({"Fn::FindInMap": ["Ports", 443, True]}, "yes"),
        ({"Fn::FindInMap": ["Ports", 1, "Name", {"DefaultValue": "none"}]}, "none"),
        ({"Fn::FindInMap": ["Ports", 1, "Name", {"DefaultValue": NOTHING}]}, None),
        ({"Fn::Join": [1, ["a", True, 2]]}, "a1true12"),
        ({"Fn::Join": [",", {"Ref": "Ports"}]}, "80"),
        # Whatever is not known, or cannot be, stays as it is.
        ({"Fn::Join": [{"Ref": "Q"}, ["a"]]}, {"Fn::Join": [{"Ref": "Q"}, ["a"]]}),
        ({"Fn::Join": ["", ["a", None]]}, {"Fn::Join": ["", ["a", None]]}),
        ({"Fn::Select": ["²", ["a"]]}, {"Fn::Select": ["²", ["a"]]}),
        ({"Fn::Split": [",", {"Ref": "List"}]}, {"Fn::Split": [",", ["a", "b"]]}),
        ({"Fn::Sub": "a${AWS::NoValue}"}, {"Fn::Sub": "a${AWS::NoValue}"}),
        (
            {"Fn::Sub": ["a${V}", {"V": {"Fn::If": ["No", "x", NOTHING]}}]},
            {"Fn::Sub": "a${AWS::NoValue}"},
        ),
        ({"Fn::Length": NOTHING}, {"Fn::Length": NOTHING}),
        ({"Fn::ToJsonString": NOTHING}, {"Fn::ToJsonString": NOTHING}),
        ({"Ref": NOTHING}, {"Ref": NOTHING}),
        # What may be left out may move the others.
        (
            {"Fn::Select": [1, [{"Fn::If": ["Open", "a", NOTHING]}, "b", "c"]]},
            {"Fn::Select": [1, [{"Fn::If": ["Open", "a", NOTHING]}, "b", "c"]]},
        ),
        (
            {"Fn::Length": ["a", {"Fn::If": ["Open", "a", NOTHING]}]},
            {"Fn::Length": ["a", {"Fn::If": ["Open", "a", NOTHING]}]},
        ),
        ({"Fn::If": ["Open", NOTHING, NOTHING]}, None),
    ],
)
def test_one_value(node: Any, expected: Any) -> None:
    assert evaluated(node) == expected


@pytest.mark.parametrize("side", [None, NOTHING, {"Fn::If": ["No", "x", NOTHING]}])
def test_a_comparison_with_nothing_is_not_decided(side: Any) -> None:
    assert outcome(side, "x", {}) is None


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"Fn::Sub": ["/${Q.Name}/${T}", {"T": {"Ref": "T"}}]}, ["Q.Name", "T"]),
        ({"Fn::Sub": ["/${T}/${T}", {"T": {"Fn::GetAtt": ["A", "B"]}}]}, ["A.B"]),
        ({"Fn::Sub": ["${T}", {"T": "x", "Unused": {"Ref": "A"}}]}, []),
        ({"Fn::Sub": "${!Q}${Q}"}, ["Q"]),
        ({"Fn::If": ["Open", {"Ref": "A"}, [{"Fn::GetAtt": "B.C"}]]}, ["A", "B.C"]),
    ],
)
def test_references_of_every_spelling(node: Any, expected: list[str]) -> None:
    assert [*values.references(node)] == expected


@pytest.mark.parametrize(
    "port",
    [
        {"Fn::GetAtt": ["Database", "Endpoint.Port"]},
        {values.LATER: "data.Port"},
        {"Fn::If": ["Open", 80, {"Ref": "Port"}]},
        {"Fn::FindInMap": [{"Ref": "Map"}, "a", "b"]},
        [80],
    ],
)
def test_a_port_that_only_aws_knows_is_opened(port: Any) -> None:
    rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    group = {"SecurityGroupIngress": [{**rule, "CidrIp": "10.0.0.0/16"}]}

    ((public, words),) = exposure.opened("AWS::EC2::SecurityGroup", {}, group)
    assert not public
    assert words == f"tcp {values.text(port)} is opened to 10.0.0.0/16"
    assert not [*exposure.opened("AWS::EC2::SecurityGroup", group, group)]


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::Sub": "/${Q.QueueName}/${AWS::StackName}"},
        {"Fn::Sub": ["/${Q.QueueName}/${S}", {"S": {"Ref": "AWS::StackName"}}]},
        {"Fn::Join": ["/", ["", {"Fn::GetAtt": ["Q", "QueueName"]}, "x"]]},
    ],
)
def test_every_spelling_of_a_reference_moves_with_what_it_names(value: Any) -> None:
    def template(name: str) -> str:
        parameter = {"Type": "String", "Value": "x", "Name": value}
        queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}
        named = {"Type": "AWS::SSM::Parameter", "Properties": parameter}
        return json.dumps({"Resources": {"Q": queue, "P": named}})

    changes = diff.templates(template("a"), template("b"), HERE)
    assert sorted(change.logical_id for change in changes) == ["P", "Q"]
