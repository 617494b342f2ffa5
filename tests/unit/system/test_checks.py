"""Mistakes that data alone shows are problem before anything is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapgen.model import (
    SELF,
    AutoDeployment,
    Output,
    Override,
    ServiceManaged,
    StackSet,
    System,
    Target,
)
from tapgen.system import checks
from tests import make
from tests.make import ACCOUNT, EAST, WEST

VPC = {"Type": "AWS::EC2::VPC"}
SUBNET = {"Type": "AWS::EC2::Subnet"}
TOPIC = {"Type": "AWS::SNS::Topic"}
RESOURCES = {"Vpc": VPC, "One": SUBNET, "Two": SUBNET, "Topic": TOPIC}


def template(
    outputs: Mapping[str, Any] | None = None, **parameters: Mapping[str, Any]
) -> str:
    body: dict[str, Any] = {"Parameters": parameters, "Resources": RESOURCES}
    body["Outputs"] = {k: {"Value": v} for k, v in (outputs or {}).items()}
    return json.dumps(body)


def consumer(value: str | Output, **parameter: Any) -> StackSet:
    """A part `app` whose only parameter X has this declaration and value."""
    return make.stack_set("app", parameters={"X": value}, text=template(X=parameter))


def producer(expression: Any, *targets: Target) -> StackSet:
    """A part `net` with an output `Out`."""
    text = template({"Out": expression})
    return make.stack_set("net", text=text, targets=targets or (EAST,))


def said(*stack_sets: StackSet) -> list[str]:
    return checks.problems(make.system(*stack_sets))


OUT = Output("net", "Out")
SUBNETS = "List<AWS::EC2::Subnet::Id>"


@pytest.mark.parametrize(
    ("value", "parameter"),
    [
        ("anything", {"Type": "String"}),
        ("", {"Type": "String"}),
        ("b", {"Type": "String", "AllowedValues": ["a", "b"]}),
        ("true", {"Type": "String", "AllowedValues": [True, False]}),
        ("2.0", {"Type": "Number", "AllowedValues": [1, 2]}),
        ("a,b", {"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]}),
        ("ab1", {"Type": "String", "AllowedPattern": "[a-z]+\\d"}),
        ("x", {"Type": "String", "AllowedPattern": "\\p{Alpha}"}),  # Java's own
        ("b", {"Type": "String", "AllowedPattern": "[a-z&&[^a]]"}),  # unknown here
        ("abc", {"Type": "String", "MinLength": "3", "MaxLength": 3}),
        ("-1.5", {"Type": "Number", "MinValue": -2, "MaxValue": "0"}),
        ("1, 2", {"Type": "List<Number>"}),
        ("subnet-1a, subnet-2b", {"Type": SUBNETS}),
        ("vpc-0ab", {"Type": "AWS::EC2::VPC::Id"}),
        ("us-east-1a", {"Type": "AWS::EC2::AvailabilityZone::Name"}),
        ("us-west-2-lax-1b", {"Type": "AWS::EC2::AvailabilityZone::Name"}),
        ("/ami/latest", {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"}),
        ("{{resolve:ssm:x}}", {"Type": "String", "NoEcho": True, "MinLength": 3}),
        ("{{resolve:ssm:x}}", {"Type": "String", "AllowedPattern": "[{}:a-z]+"}),
    ],
)
def test_a_good_value_passes(value: str, parameter: dict[str, Any]) -> None:
    assert said(consumer(value, **parameter)) == []


@pytest.mark.parametrize(
    ("value", "parameter", "problem"),
    [
        (
            "c",
            {"Type": "String", "AllowedValues": ["a", "b"]},
            "'c' is not among the allowed values: a, b",
        ),
        (
            "a, c",
            {"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]},
            "'c' is not among the allowed values: a, b",
        ),
        (
            "A",
            {
                "Type": "String",
                "AllowedPattern": "[a-z]+",
                "ConstraintDescription": "lower case",
            },
            "'A' does not match [a-z]+ (lower case)",
        ),
        ("abx", {"Type": "String", "AllowedPattern": "ab"}, "'abx' does not match ab"),
        ("ab", {"Type": "String", "MinLength": 3}, "'ab' is shorter than MinLength 3"),
        ("ab", {"Type": "String", "MaxLength": 1}, "'ab' is longer than MaxLength 1"),
        ("five", {"Type": "Number"}, "'five' is not a number"),
        ("nan", {"Type": "Number"}, "'nan' is not a number"),
        ("1,b", {"Type": "List<Number>"}, "'b' is not a number"),
        ("5", {"Type": "Number", "MaxValue": 4}, "'5' is more than MaxValue 4"),
        ("5", {"Type": "Number", "MinValue": "6"}, "'5' is less than MinValue 6"),
        (
            "subnet-1",
            {"Type": "AWS::EC2::VPC::Id"},
            "'subnet-1' is not an AWS::EC2::VPC::Id; give one that matches vpc-[0-9a-f]+",
        ),
        (
            "subnet-1,vpc-1",
            {"Type": SUBNETS},
            "'vpc-1' is not an AWS::EC2::Subnet::Id; give one that matches subnet-[0-9a-f]+",
        ),
        (
            "hunter2",
            {"Type": "String", "MinLength": 12, "NoEcho": True},
            "(hidden) is a NoEcho parameter in plain text; pass secrets by reference: "
            "{{resolve:secretsmanager:…}} or {{resolve:ssm-secure:…}}",
        ),
        (
            "{{resolve:ssm-secure:x}}",
            {
                "Type": "String",
                "AllowedPattern": r"\w+",
                "MaxLength": 8,
                "NoEcho": "true",
            },
            "(hidden) is a dynamic reference, whose text breaks AllowedPattern, "
            "MaxLength: CloudFormation compares the text, not the value behind it; "
            "remove them from the template",
        ),
        (
            "{{resolve:ssm:x}}",
            {"Type": "String", "AllowedValues": ["a"]},
            "'{{resolve:ssm:x}}' is a dynamic reference, whose text breaks AllowedValues: "
            "CloudFormation compares the text, not the value behind it; remove it from "
            "the template",
        ),
        (
            "{{resolve:ssm:x}}",
            {"Type": "Number", "MaxValue": 3},
            "'{{resolve:ssm:x}}' is a dynamic reference, and a Number has only digits; "
            "make the parameter a String",
        ),
        (
            "-a",
            {"Type": "String", "AllowedPattern": r"[\w-\+]+\p{Alpha}{2}"},
            r"'-a' does not match [\w-\+]+\p{Alpha}{2}",
        ),
        ("x" * 4097, {"Type": "String"}, "4097 bytes; CloudFormation allows 4096"),
    ],
)
def test_a_value_against_a_constraint_is_reported(
    value: str, parameter: dict[str, Any], problem: str
) -> None:
    assert said(consumer(value, **parameter)) == [f"app.X: {problem}"]


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ({"Ref": "Vpc"}, "AWS::EC2::VPC::Id"),
        ({"Ref": "Vpc"}, "String"),
        ({"Ref": "Vpc"}, "CommaDelimitedList"),
        ({"Fn::GetAtt": ["Vpc", "VpcId"]}, "AWS::EC2::VPC::Id"),
        ({"Fn::Join": [",", [{"Ref": "One"}, {"Ref": "Two"}]]}, SUBNETS),
        ({"Fn::Sub": "${One},${Two}"}, SUBNETS),
        ({"Fn::Join": [",", [{"Ref": "One"}]]}, SUBNETS),
        ({"Fn::If": ["No", {"Ref": "One"}, {"Ref": "One"}]}, "AWS::EC2::Subnet::Id"),
        ("subnet-1", "AWS::EC2::Subnet::Id"),
        ("subnet-1", SUBNETS),
        ({"Ref": "AWS::Region"}, "String"),
        (5, "Number"),
    ],
)
def test_an_output_of_the_right_type_passes(expression: Any, kind: str) -> None:
    assert said(producer(expression), consumer(OUT, Type=kind)) == []


@pytest.mark.parametrize(
    ("expression", "kind", "problem"),
    [
        (
            {"Ref": "One"},
            SUBNETS,
            f"net.Out is a single value, but {SUBNETS} is a list; ",
        ),
        ({"Fn::Sub": "${One}"}, SUBNETS, "net.Out is a single value"),
        ({"Fn::Join": ["-", [{"Ref": "One"}]]}, SUBNETS, "net.Out is a single value"),
        (
            {"Fn::Join": [",", [{"Ref": "One"}, {"Ref": "Two"}]]},
            "AWS::EC2::Subnet::Id",
            "net.Out is a list, but AWS::EC2::Subnet::Id is a single value",
        ),
        (
            {"Ref": "Topic"},
            "AWS::EC2::VPC::Id",
            "net.Out is the Ref of an AWS::SNS::Topic, but the parameter is an AWS::EC2::VPC::Id",
        ),
        (
            {"Fn::Join": [",", [{"Ref": "One"}, {"Ref": "Vpc"}]]},
            SUBNETS,
            "net.Out is the Ref of an AWS::EC2::VPC, but the parameter is an AWS::EC2::Subnet::Id",
        ),
        ({"Ref": "Topic"}, "Number", "net.Out is the Ref of an AWS::SNS::Topic"),
        ("vpc-1", "AWS::EC2::Subnet::Id", "'vpc-1' is not an AWS::EC2::Subnet::Id"),
        ({"Ref": "AWS::Region"}, "Number", "'us-east-1' is not a number"),
    ],
)
def test_an_output_of_the_wrong_type_is_reported(
    expression: Any, kind: str, problem: str
) -> None:
    (line,) = said(producer(expression), consumer(OUT, Type=kind))

    assert line.startswith(f"app.X: {problem}")


def test_outputs_of_several_targets_make_a_list() -> None:
    every = Output("net", "Out", all=True)
    net = producer({"Ref": "One"}, EAST, WEST)

    assert said(net, consumer(every, Type=SUBNETS)) == []
    (line,) = said(net, consumer(every, Type="AWS::EC2::Subnet::Id"))
    assert line.startswith("app.X: net.Out is a list")


def test_all_is_narrowed_only_by_what_is_named() -> None:
    other = "2" * 12
    targets = [
        Target(a, r) for a in (ACCOUNT, other) for r in ("us-east-1", "eu-west-1")
    ]
    east = Output("net", "Out", region="us-east-1", all=True)
    mine = Output("net", "Out", account=ACCOUNT, all=True)

    source = producer("x", *targets)
    assert [t.account for t in checks.sources(east, EAST, source)] == [ACCOUNT, other]
    assert {t.account for t in checks.sources(mine, EAST, source)} == {ACCOUNT}
    assert checks.sources(Output("net", "Out"), EAST, source) == (EAST,)
    assert len(checks.sources(Output("net", "Out", all=True), EAST, source)) == 4


def test_an_output_that_a_target_does_not_make_is_reported() -> None:
    body = json.loads(template({"Out": {"Ref": "Vpc"}}))
    is_east = {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
    body["Conditions"] = {"IsEast": is_east}
    body["Outputs"]["Out"]["Condition"] = "IsEast"
    net = make.stack_set("net", text=json.dumps(body), targets=(EAST, WEST))
    parameters = {"X": OUT}
    text = template(X={"Type": "String"})
    app = make.stack_set("app", parameters=parameters, text=text, targets=(EAST, WEST))

    assert said(net, app) == [
        f"app.X: net.Out does not exist in {WEST}: its condition is false there"
    ]


def test_more_than_cloudformation_takes_is_reported() -> None:
    many = {f"P{n}": {"Type": "String", "Default": ""} for n in range(201)}
    topics = {f"T{n}": TOPIC for n in range(501)}
    outputs = {f"O{n}": {"Value": "1"} for n in range(201)}
    body = {"Parameters": many, "Resources": topics, "Outputs": outputs}

    assert said(make.stack_set("big", text=json.dumps(body))) == [
        "big: 201 parameters; CloudFormation allows 200; split the part",
        "big: 201 outputs; CloudFormation allows 200; split the part",
        "big: 501 resources; CloudFormation allows 500; split the part",
    ]


def test_a_template_larger_than_a_megabyte_is_reported_white_space_does_not_count() -> (
    None
):
    def text(size: int, indent: int | None) -> str:
        topic = {**TOPIC, "Metadata": {"x" * 1000 + str(n): n for n in range(size)}}
        return json.dumps({"Resources": {"T": topic}}, indent=indent)

    assert said(make.stack_set("big", text=text(1000, 200))) == []
    (line,) = said(make.stack_set("big", text=text(1100, None)))
    assert line.startswith("big: 1,1") and "allows 1,048,576" in line


def test_a_part_in_a_circle_is_reported_and_a_description_too_long() -> None:
    a = make.stack_set("a", depends_on=("b",))
    b = make.stack_set("b", depends_on=("a",))
    text = json.dumps({"Description": "é" * 600, "Resources": {"T": TOPIC}})

    lines = said(a, b, make.stack_set("c", text=text))

    assert lines[0] == "c: the description has 1200 bytes; CloudFormation allows 1024"
    assert lines[1] in (
        "stack sets depend on each other: a -> b -> a; remove a dependency",
        "stack sets depend on each other: b -> a -> b; remove a dependency",
    )


def test_what_follows_accounts_follows_at_most_ten_others() -> None:
    follows = ServiceManaged(("ou-a",), auto_deployment=AutoDeployment(True))
    more = {"service_managed": follows, "targets": (Target("ou-a", "us-east-1"),)}
    names = [f"p{number}" for number in range(11)]
    parts = [make.stack_set(name, **more) for name in names]

    assert said(*parts, make.stack_set("app", depends_on=names[:10], **more)) == []
    assert said(*parts, make.stack_set("app", depends_on=names)) == []
    (line,) = said(*parts, make.stack_set("app", depends_on=names, **more))
    assert line.startswith("app: it needs 11 stack sets that follow accounts as well")


def test_a_mistake_in_many_accounts_is_reported_once() -> None:
    targets = [Target(f"{n:012}", "us-east-1") for n in range(300)]
    text = template(X={"Type": "Number"})
    app = make.stack_set("app", targets=targets, parameters={"X": "y"}, text=text)

    assert said(app) == ["app.X: 'y' is not a number"]


def test_an_override_is_checked_like_any_value() -> None:
    app = make.stack_set(
        "app",
        targets=(EAST, WEST),
        parameters={"X": "1"},
        overrides=(Override({"X": "two"}, region="us-west-2"),),
        text=template(X={"Type": "Number"}),
    )

    assert said(app) == ["app.X: 'two' is not a number"]


def test_an_empty_system_has_no_mistakes() -> None:
    system: System = make.system()

    assert checks.problems(system) == []


def test_self_may_be_any_account_until_a_system_is_resolved() -> None:
    net = producer({"Ref": "Vpc"}, EAST)
    app = replace(
        consumer(OUT, Type="AWS::EC2::VPC::Id"), targets=(Target(SELF, EAST.region),)
    )
    system = make.system(net, app)

    assert checks.problems(system) == []
    assert checks.problems(system.resolve(ACCOUNT)) == []
    (line,) = checks.problems(system.resolve("2" * 12))
    assert (
        line
        == f"app.X: net has no target in {'2' * 12}/us-east-1; name its region or account"
    )


# Rules ------------------------------------------------------------------------------------


def ruled(rule: Any, **values: str) -> list[str]:
    """What is problem of a template with this rule and these values of its parameters."""
    declared = {name: {"Type": "String"} for name in values}
    declared["Sizes"] = {"Type": "CommaDelimitedList"}
    text = {"Parameters": declared, "Rules": {"R": rule}, "Resources": {"Topic": TOPIC}}
    given = {"Sizes": "s,m", **values}
    return said(make.stack_set("app", text=json.dumps(text), parameters=given))


@pytest.mark.parametrize(
    ("test", "holds"),
    [
        ({"Fn::Contains": [["s", "m"], {"Ref": "Size"}]}, True),
        ({"Fn::Contains": [["m", "l"], {"Ref": "Size"}]}, False),
        ({"Fn::Contains": [{"Ref": "Sizes"}, {"Ref": "Size"}]}, True),
        ({"Fn::EachMemberIn": [{"Ref": "Sizes"}, ["s", "m", "l"]]}, True),
        ({"Fn::EachMemberIn": [{"Ref": "Sizes"}, ["s"]]}, False),
        ({"Fn::EachMemberEquals": [["s", "s"], {"Ref": "Size"}]}, True),
        ({"Fn::EachMemberEquals": [{"Ref": "Sizes"}, "s"]}, False),
        ({"Fn::Not": [{"Fn::Equals": [{"Ref": "Size"}, "s"]}]}, False),
        # What is in the account only AWS knows.
        ({"Fn::EachMemberIn": [{"Fn::ValueOfAll": ["X", "Y"]}, ["s"]]}, True),
    ],
)
def test_an_assertion_of_the_template_is_reported_before_a_rollout(
    test: Any, holds: bool
) -> None:
    rule = {"Assertions": [{"Assert": test, "AssertDescription": "small ones"}]}

    assert ruled(rule, Size="s") == ([] if holds else ["app: Rules.R: small ones"])


def test_an_assertion_is_for_where_its_rule_says() -> None:
    never = {"Fn::Equals": ["a", "b"]}
    rule = {
        "RuleCondition": {"Fn::Equals": [{"Ref": "Env"}, "test"]},
        "Assertions": [{"Assert": never}],
    }

    assert ruled(rule, Env="prod") == []
    assert ruled(rule, Env="test") == ["app: Rules.R: an assertion fails"]


def mapped(*keys: Any, **more: Any) -> StackSet:
    """A part whose topic is named by a look-up, in two regions."""
    body = {
        "Mappings": {"Sites": {"us-east-1": {"Name": "virginia"}}},
        "Resources": {
            "Topic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"DisplayName": {"Fn::FindInMap": list(keys)}},
                **more.pop("attributes", {}),
            }
        },
        **more,
    }
    return make.stack_set("app", text=json.dumps(body), targets=(EAST, WEST))


HERE = {"Ref": "AWS::Region"}
HOME = {"Home": {"Fn::Equals": [HERE, "us-east-1"]}}


def test_a_mapping_without_a_targets_region_is_reported_before_a_rollout() -> None:
    (problem,) = said(mapped("Sites", HERE, "Name"))

    assert problem.startswith(f"app: {WEST}: Resources/Topic/Properties/DisplayName: ")
    assert f"finds no {WEST.region!r}, only us-east-1; add it" in problem
    assert len(said(mapped("Sites", HERE, "Label"))) == 2


@pytest.mark.parametrize(
    "part",
    [
        mapped("Sites", "us-east-1", "Name"),
        mapped("Sites", HERE, "Name", {"DefaultValue": "x"}),
        mapped(
            "Sites", HERE, "Name", attributes={"Condition": "Home"}, Conditions=HOME
        ),
        mapped("Sites", {"Fn::GetAtt": ["Other", "Name"]}, "Name"),
        mapped(
            "Sites",
            HERE,
            "Name",
            attributes={"Condition": "Maybe"},
            Conditions={"Maybe": {"Fn::Equals": [{"Ref": "AWS::StackName"}, "x"]}},
        ),
    ],
)
def test_a_look_up_that_is_answered_or_may_not_happen_is_none(part: StackSet) -> None:
    assert said(part) == []


def test_look_ups_in_conditions_always_happen() -> None:
    named = {"Named": {"Fn::Equals": [{"Fn::FindInMap": ["Sites", HERE, "Name"]}, "x"]}}
    (problem,) = said(mapped("Sites", "us-east-1", "Name", Conditions=named))

    assert "Conditions/Named/" in problem


@pytest.mark.parametrize(
    "value",
    [
        "{{resolve:secretsmanager:shop/token}}",
        "postgres://app:{{resolve:ssm-secure:/shop/password}}@db",
        "arn:aws:secretsmanager:us-east-1:111111111111:secret:token",
        "",
    ],
)
def test_a_secret_enters_by_reference(value: str) -> None:
    assert said(consumer(value, Type="String", NoEcho="true")) == []


def test_a_mapping_by_account_applies_to_every_account_but_self() -> None:
    places = tuple(Target(a, "us-east-1") for a in (ACCOUNT, "444455556666"))
    keys = {"Fn::FindInMap": ["Owners", {"Ref": "AWS::AccountId"}, "Name"]}
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": keys}}
    body = {
        "Mappings": {"Owners": {ACCOUNT: {"Name": "shop"}}},
        "Resources": {"Topic": topic},
    }

    (problem,) = said(make.stack_set("app", text=json.dumps(body), targets=places))
    assert "finds no '444455556666', only" in problem
    alone = (Target(SELF, "us-east-1"),)
    assert said(make.stack_set("app", text=json.dumps(body), targets=alone)) == []


def test_conditions_that_a_template_lacks_are_reported() -> None:
    def problems(**sections: Any) -> list[str]:
        body = {"Resources": {"T": {**TOPIC, "Condition": "C"}}, **sections}
        return checks.problems(
            make.system(make.stack_set("app", text=json.dumps(body), targets=(EAST,)))
        )

    yes = {"Fn::Equals": ["a", "a"]}
    assert problems() == [
        "app: Resources.T: the template has no condition C; it has none"
    ]
    (output,) = problems(
        Conditions={"C": yes}, Outputs={"O": {"Value": "x", "Condition": "D"}}
    )
    assert output == "app: Outputs.O: the template has no condition D; it has C"
    assert not problems(Conditions={"C": yes})
    loop = {"Fn::ForEach::L": ["N", ["C"], {"${N}": yes}]}
    looped = {"Transform": "AWS::LanguageExtensions", "Conditions": loop}
    assert not problems(**looped)
