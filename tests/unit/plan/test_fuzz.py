"""Whatever shape a template has: it is refused in words, or it is planned."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapgen.accounts import roles
from tapgen.cli.common import load
from tapgen.errors import TapgenError
from tapgen.model import Observed, StackSet, System
from tapgen.plan import forecast, make, permissions
from tapgen.report import data, text
from tests import make as examples

CONFIG = """\
blueprint: custom
suffix: prod
accounts: ["111111111111"]
regions: {main: us-east-1}
stack_sets:
  app: {template: app.json}
"""
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
BODY: dict[str, Any] = {
    "Parameters": {
        "Name": {"Type": "String", "Default": "a", "AllowedValues": ["a", "b"]},
        "Ids": {"Type": "List<AWS::EC2::Subnet::Id>", "Default": ""},
    },
    "Mappings": {"M": {"us-east-1": {"A": "x"}}},
    "Conditions": {"C": {"Fn::Equals": [{"Ref": "Name"}, "a"]}},
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "DependsOn": ["Vpc"],
            "Properties": {
                "GroupDescription": "x",
                "SecurityGroupIngress": [
                    {"IpProtocol": "tcp", "FromPort": 80, "CidrIp": "0.0.0.0/0"}
                ],
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": {"Fn::Sub": "r-${Name}-${AWS::Region}"},
                "AssumeRolePolicyDocument": {"Statement": [TRUST]},
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Condition": "C",
            "Properties": {
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": "x"},
                "Handler": {"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "A"]},
            },
        },
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "Properties": {"BucketName": {"Fn::Join": ["-", ["b", {"Ref": "Name"}]]}},
        },
        "Database": {
            "Type": "AWS::RDS::DBInstance",
            "DeletionPolicy": "Snapshot",
            "Properties": {"MultiAZ": {"Fn::If": ["C", True, False]}},
        },
    },
    "Outputs": {"O": {"Value": {"Ref": "Vpc"}, "Export": {"Name": "o"}}},
}
JUNK: list[Any] = [
    *(None, True, -1, 1.5, "", "x", [], {}, [None], {"a": None}, "${", "10.0.0.0/99"),
    *({"Ref": []}, {"Ref": "Vpc"}, {"Fn::GetAtt": [1, 2]}, {"Fn::If": ["C"]}),
    *({"Fn::If": ["No", "a", "b"]}, {"Fn::Sub": ["${A}", []]}, {"Fn::Join": [1, "x"]}),
    *({"Fn::Select": [9, ["a"]]}, {"Fn::FindInMap": ["M"]}, {"Fn::Split": [",", 1]}),
    *({"Fn::Cidr": ["x", "y", "z"]}, {"Ref": "AWS::NoValue"}, {"Condition": []}),
    *({"Fn::Transform": {}}, {"Fn::ForEach::X": ["a", ["b"], {}]}, "AWS::S3::Bucket"),
]


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    steps = list(node) if isinstance(node, dict) else range(len(node))
    for step in steps:
        yield node, step
        if isinstance(node[step], dict | list):
            yield from places(node[step])


def observed(s: StackSet) -> dict[str, Observed]:
    owned = {"tapgen:system": "shop", "tapgen:suffix": "prod", "tapgen:part": "app"}
    return {s.name: examples.observed(s, tags={**s.tags, **owned})}


def everything(it: System, before: System) -> None:
    for there in ({}, observed(before.stack_sets[0])):
        plan = make(it, there)
        forecast.of(plan)
        text.plan(plan, details=True)
        data.plan(plan, ())
    permissions.missing(it)
    roles.files(it, "")


@pytest.mark.parametrize("seed", range(6))
def test_no_shape_of_a_template_is_a_traceback(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    config, file = tmp_path / "shop.yaml", tmp_path / "app.json"
    config.write_text(CONFIG)
    file.write_text(json.dumps(BODY))
    right = load(config, None).system
    for _ in range(4):
        body = copy.deepcopy(BODY)
        node, step = rng.choice(list(places(body)))
        node[step] = copy.deepcopy(rng.choice(JUNK))
        file.write_text(json.dumps(body))
        try:
            it = load(config, None).system
            everything(it, right)
            everything(right, it)
        except TapgenError as error:
            assert str(error)


def test_properties_that_are_one_function_are_no_traceback(tmp_path: Path) -> None:
    config, file = tmp_path / "shop.yaml", tmp_path / "app.json"
    config.write_text(CONFIG)
    found = []
    for properties in ({"Fn::If": ["Nope", "a", "b"]}, {"RoleName": "x"}):
        role = {"Type": "AWS::IAM::Role", "Properties": properties}
        file.write_text(json.dumps({**BODY, "Resources": {"R": role}, "Outputs": {}}))
        found.append(load(config, None).system)
    everything(*found)
    everything(found[1], found[0])
