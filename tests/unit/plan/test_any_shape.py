"""Whatever is in a template, a plan is made and shown, or refused in words."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.errors import TapgenError
from tapgen.report import data, markdown, text
from tests import make
from tests.make import EAST, WEST

TEMPLATE: dict[str, Any] = {
    "Parameters": {"A": {"Type": "String", "Default": "x", "NoEcho": True}},
    "Mappings": {"M": {"us-east-1": {"K": "v"}}},
    "Conditions": {"C": {"Fn::Equals": [{"Ref": "A"}, "x"]}},
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Condition": "C",
            "Properties": {
                "RoleName": {"Fn::Sub": "r-${AWS::Region}"},
                "Path": {"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "K"]},
                "AssumeRolePolicyDocument": {
                    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}}]
                },
            },
        },
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "DeletionPolicy": "Retain",
            "Properties": {
                "GroupDescription": "x",
                "SecurityGroupIngress": [{"FromPort": 1, "CidrIp": "10.0.0.0/8"}],
            },
        },
        "Data": {
            "Type": "AWS::RDS::DBInstance",
            "UpdateReplacePolicy": "Snapshot",
            "Properties": {"AllocatedStorage": 20, "BackupRetentionPeriod": "7"},
        },
    },
    "Outputs": {"O": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
}
JUNK: tuple[Any, ...] = (
    *(None, True, -5, 1.5, "", "*", "${A}", "{{resolve:ssm:/x}}", [], {}, [[]]),
    {"Ref": "AWS::NoValue"},
    {"Fn::If": ["C", 1, 2]},
    {"Fn::GetAtt": {"Key": 1}},
    {"Fn::Sub": ["${a}", {}]},
    {"Fn::Select": [9, ["a"]]},
    ["a", {"Ref": "b"}],
)


def test_properties_that_a_condition_makes_numbers_are_compared() -> None:
    kind = "AWS::EC2::SubnetRouteTableAssociation"
    numbers = {"Type": kind, "Properties": {"Fn::If": ["C", 1, 2]}}
    written = {"Type": kind, "Properties": {"SubnetId": {"Ref": "S"}}}

    shown({"Resources": {"A": numbers}}, {"Resources": {"A": written}})
    shown({"Resources": {"A": written}}, {"Resources": {"A": numbers}})


def test_parameters_that_are_no_mappings_are_left() -> None:
    resources = {"T": {"Type": "AWS::SNS::Topic"}}
    was = {"Resources": resources}
    for junk in JUNK:
        shown(was, {"Parameters": {"A": junk}, "Resources": resources}, A="x")


@pytest.mark.parametrize("seed", range(8))
def test_mutilated_templates_are_planned_or_refused(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(12):
        old = mutilated(source) if source.random() < 0.6 else TEMPLATE
        shown(old, mutilated(source), A="x")


def shown(old: Any, new: Any, **values: str) -> None:
    """Plan from one template to the other, and show that in every form."""
    declared = new.get("Parameters") or {}
    given = {k: v for k, v in values.items() if k in declared}
    s = make.stack_set(
        "data", text=json.dumps(new), targets=(EAST, WEST), parameters=given
    )
    found = {s.name: make.observed(replace(s, template=json.dumps(old)))}
    system = make.system(s)
    try:
        made = [plan.make(system, found), plan.destroy(system, found)]
    except TapgenError:
        return
    for one in made:
        plan.refusals(one)
        assert text.plan(one, details=True) and markdown.plan(one)
        json.dumps(data.plan(one))


def mutilated(source: random.Random) -> Any:
    body = copy.deepcopy(TEMPLATE)
    for _ in range(source.randint(1, 4)):
        *above, key = source.choice([p for p in paths(body) if len(p) > 1])
        place: Any = body
        for step in above:
            place = place[step]
        place[key] = copy.deepcopy(source.choice(JUNK))
    return body


def paths(node: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = node if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield (*before, key)
        if isinstance(node[key], dict | list):
            yield from paths(node[key], (*before, key))
