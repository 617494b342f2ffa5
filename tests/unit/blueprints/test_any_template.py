"""Whatever a template has where something else belongs: a sentence, never a traceback.

Templates of the project with odd values in them go through what a user does with them.
`make test` tries some, `make soak` many more, and lints those, too (TAPGEN_SOAK).
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tapgen import blueprints, config, lint, plan
from tapgen.accounts import roles
from tapgen.errors import TapgenError
from tapgen.model import System
from tapgen.report import text
from tapgen.system import templates_out
from tests import make
from tests.unit.lint.test_patches import mutated

ROOT = Path(__file__).parents[3]
SOAK = int(os.environ.get("TAPGEN_SOAK", 0))
SEEDS = range(SOAK * 5 or 40)
CONFIG = """\
blueprint: custom
suffix: prod
stack_sets:
  it: {template: it.json, regions: [us-east-1], parameters: {}}
"""
# What shipped templates do not have: loops, SAM, nested stacks, custom resources.
MORE: tuple[dict[str, Any], ...] = (
    {
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": "a,b"}},
        "Conditions": {"Yes": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}},
        "Resources": {
            "Fn::ForEach::Topics": [
                "Name",
                {"Ref": "Names"},
                {
                    "Topic${Name}": {
                        "Type": "AWS::SNS::Topic",
                        "Condition": "Yes",
                        "Properties": {"TopicName": {"Fn::Sub": "shop-${Name}"}},
                    }
                },
            ]
        },
    },
    {
        "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {"Function": {"Runtime": "python3.13", "Timeout": 3}},
        "Resources": {
            "Orders": {
                "Type": "AWS::Serverless::Function",
                "DependsOn": ["Topic"],
                "Properties": {
                    "Handler": "index.handler",
                    "InlineCode": "def handler(event, context): pass",
                    "Policies": [{"SNSPublishMessagePolicy": {"TopicName": "a"}}],
                    "Events": {
                        "Get": {
                            "Type": "Api",
                            "Properties": {"Path": "/", "Method": "get"},
                        }
                    },
                },
            },
            "Topic": {"Type": "AWS::SNS::Topic"},
        },
    },
    {
        "Parameters": {"Port": {"Type": "Number", "Default": 443, "MinValue": 1}},
        "Mappings": {"Sizes": {"us-east-1": {"Class": "db.t3.micro"}}},
        "Rules": {"Right": {"Assertions": [{"Assert": {"Fn::Equals": ["a", "a"]}}]}},
        "Resources": {
            "Group": {
                "Type": "AWS::EC2::SecurityGroup",
                "DependsOn": "Own",
                "Properties": {
                    "GroupDescription": "x",
                    "SecurityGroupIngress": [
                        {
                            "IpProtocol": "tcp",
                            "FromPort": {"Ref": "Port"},
                            "ToPort": 443,
                            "CidrIp": "10.0.0.0/8",
                        }
                    ],
                },
            },
            "Own": {
                "Type": "Custom::Own",
                "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}},
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Code": {"ZipFile": "pass"},
                    "Role": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/x"},
                    "Environment": {
                        "Variables": {
                            "SIZE": {
                                "Fn::FindInMap": [
                                    "Sizes",
                                    {"Ref": "AWS::Region"},
                                    "Class",
                                ]
                            }
                        }
                    },
                },
            },
        },
        "Outputs": {"Group": {"Value": {"Ref": "Group"}, "Export": {"Name": "g"}}},
    },
)


def originals() -> list[dict[str, Any]]:
    files = sorted((ROOT / "templates_out").glob("*/*.json"))
    found = [json.loads(f.read_text()) for f in files if "manifest" not in f.name]
    return [*MORE, *(body for body in found if len(json.dumps(body)) < 25_000)]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_odd_value_anywhere_in_a_template_is_no_traceback(
    tmp_path: Path, seed: int, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    given = originals()
    before = given[seed % 6 % len(MORE)] if seed % 2 else chance.choice(given)
    after = before
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        if isinstance(after, dict):
            after = mutated(after, chance)
    try:
        _used(tmp_path, json.dumps(after), before)
    except TapgenError as error:
        assert str(error).strip()
    assert "Traceback" not in capfd.readouterr().err


def _used(folder: Path, body: str, before: Mapping[str, Any]) -> None:
    """Do what commands do with a template: read it, give its roles, plan it as new and
    over another one; with `make soak`, lint it."""
    (folder / "it.json").write_text(body)
    (folder / "shop.yaml").write_text(CONFIG)
    read = config.load(folder / "shop.yaml", partial(blueprints.find, folder=folder))
    custom = blueprints.find("custom")
    assert custom is not None
    system = custom.build(read).resolve(make.ACCOUNT)
    if SOAK:
        findings = lint.check(system, folder)
        assert not [f for f in findings if f.rule == "E0002"], findings
        if any(f.severity.name == "ERROR" for f in findings):
            return  # a plan looks at nothing that lint has not passed
    assert roles.files(system, "") and templates_out.files(system)
    _planned(system, {})
    (stack_set,) = system.stack_sets
    owned = {"tapgen:system": "shop", "tapgen:suffix": "prod", "tapgen:part": "it"}
    deployed = replace(stack_set, template=json.dumps(before))
    found = make.observed(deployed, tags=owned)
    _planned(system, {stack_set.name: found})


def _planned(system: System, observed: Mapping[str, Any]) -> None:
    made = plan.make(system, observed)
    plan.refusals(made)
    text.plan(made)
