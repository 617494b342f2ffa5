"""What keeps an output from being handed on by name is said with what to write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapgen.model import Output, StackSet, Target
from tapgen.system import checks, resource_names
from tests import make
from tests.make import EAST, WEST

NAME = "/tapgen/demo-test/net/Out"
OUT = Output("net", "Out", by_name=True)
TYPE = "AWS::SSM::Parameter::Value<String>"
SUBNETS = "AWS::SSM::Parameter::Value<List<AWS::EC2::Subnet::Id>>"
LIST = {"Fn::Join": [",", [{"Ref": "One"}, {"Ref": "Two"}]]}
SUFFIX = "/tapgen/demo-${EnvironmentSuffix}/net/Out"


def producer(
    value: Any = None, *, given: Any = None, where: Target = EAST, **properties: Any
) -> StackSet:
    """A part `net` with an output `Out`, and an SSM parameter with these properties."""
    body = json.loads(make.template(("EnvironmentSuffix",)))
    body["Resources"] |= {n: {"Type": "AWS::EC2::Subnet"} for n in ("One", "Two")}
    value = value or {"Ref": "Topic"}
    body["Outputs"] = {"Out": {"Value": value}}
    written = {"Name": {"Fn::Sub": SUFFIX}, "Type": "String", "Value": given or value}
    written = {k: v for k, v in {**written, **properties}.items() if v}
    if written:
        resource = {"Type": "AWS::SSM::Parameter", "Properties": written}
        body["Resources"]["Written"] = resource
    return make.stack_set(
        "net",
        text=json.dumps(body),
        targets=(where,),
        parameters={"EnvironmentSuffix": "test"},
    )


NOTHING: Mapping[str, Any] = {"Name": None, "Type": None, "Value": None}


def consumer(kind: str = TYPE, value: Output = OUT, **more: Any) -> StackSet:
    declared = {"X": {"Type": kind, **more}}
    body = {**json.loads(make.template()), "Parameters": declared}
    return make.stack_set("app", parameters={"X": value}, text=json.dumps(body))


def said(*stack_sets: StackSet) -> list[str]:
    return checks.problems(make.system(*stack_sets))


@pytest.mark.parametrize(
    ("net", "app"),
    [
        (producer(), consumer()),
        (producer("constant"), consumer()),
        (producer(Name=NAME), consumer()),
        (producer(LIST, Type="StringList"), consumer(SUBNETS)),
        (
            producer(LIST, Type="StringList"),
            consumer("AWS::SSM::Parameter::Value<CommaDelimitedList>"),
        ),
        # CloudFormation compares constraints with the name.
        (producer("constant"), consumer(AllowedPattern="/tapgen/.*")),
    ],
)
def test_what_is_written_as_it_is_read_is_accepted(
    net: StackSet, app: StackSet
) -> None:
    assert said(net, app) == []


@pytest.mark.parametrize(
    ("net", "app", "problem"),
    [
        (
            producer(**NOTHING),
            consumer(),
            'add to the resources of its template: "OutParameter": {"Type": '
            '"AWS::SSM::Parameter", "Properties": {"Name": {"Fn::Sub": '
            '"/tapgen/demo-${EnvironmentSuffix}/net/Out"}, "Type": "String", "Value": '
            '{"Ref": "Topic"}}}',
        ),
        (producer(LIST, **NOTHING), consumer(SUBNETS), '"Type": "StringList"'),
        (producer(Name="/mine"), consumer(), f'give it "Name": {{"Fn::Sub": "{SUFFIX}'),
        (producer(Type="StringList"), consumer(), "is a StringList, and AWS::SSM"),
        (producer(given="other"), consumer(), "another value than output net.Out"),
        (producer(), consumer("String"), f"write Type: {TYPE} at parameter X"),
        (
            producer(),
            consumer("CommaDelimitedList"),
            "Value<List<String>> at parameter",
        ),
        (producer(), consumer(SUBNETS), "is a single value"),
        (
            producer(),
            consumer("AWS::SSM::Parameter::Value<AWS::EC2::VPC::Id>"),
            "is the Ref of an AWS::SNS::Topic",
        ),
        (
            producer(),
            consumer(value=replace(OUT, region="us-east-1", all=True)),
            "within one account and region; remove region and all, or remove by",
        ),
        (producer(where=WEST), consumer(), "net has no target in 111111111111/us-east"),
        (producer(), consumer(AllowedValues=["/other"]), f"'{NAME}' is not among"),
        (producer(), consumer(value=replace(OUT, output="No")), "has no output No"),
    ],
)
def test_what_is_missing_is_said_with_what_to_write(
    net: StackSet, app: StackSet, problem: str
) -> None:
    lines = said(net, app)
    assert any(problem in line for line in lines), lines
    assert all(line.startswith("app.X: ") for line in lines)


def test_the_lines_that_are_named_are_the_ones_that_it_takes() -> None:
    net = producer(LIST, **NOTHING)
    (line,) = said(net, consumer(SUBNETS))
    added = json.loads("{" + line.partition("template: ")[2] + "}")
    body = json.loads(net.template)
    body["Resources"] |= added

    assert said(replace(net, template=json.dumps(body)), consumer(SUBNETS)) == []


def test_the_execution_role_reads_and_writes_exactly_that_name() -> None:
    names = resource_names.patterns(make.system(producer(), consumer()))

    assert names["ssm:read"] == (NAME,)
    assert names["ssm:parameter"] == ("/tapgen/demo-${EnvironmentSuffix}/net/Out",)
