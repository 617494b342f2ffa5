"""Rules about several systems find what their environments have in common."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tapgen import blueprints, config, lint, rules
from tapgen.model import SELF, System, Target
from tapgen.rules.system_view import SystemsRule
from tests.rules import examples
from tests.rules.test_rules import ROOT

RULES = [rule for rule in rules.ALL if issubclass(rule, SystemsRule)]
EAST, WEST = "us-east-1", "us-west-2"

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def found_between(systems: list[System]) -> list[tuple[str, str]]:
    """Rule and `suffix.part: path` of each finding."""
    found = []
    for system, f in rules.between(systems):
        part = {s.name: s.part for s in system.stack_sets}[f.stack_set]
        path = "/".join(map(str, f.path))
        found.append((f.rule, f"{system.suffix}.{part}: {path}"))
    return found


def fixture(rule: type[SystemsRule], name: str) -> list[System]:
    text = (examples.FIXTURES / rule.id / f"{name}.yaml").read_text()
    assert text == getattr(rule, name), "python -m tests.rules.examples"
    return examples.systems(text)


def environment(
    suffix: str, type_name: str, account: str = examples.ACCOUNT, **properties: Any
) -> System:
    """An environment with one resource, in us-east-1."""
    resource = {"Type": f"AWS::{type_name}", "Properties": properties}
    template = {
        "Parameters": {"Suffix": {"Type": "String"}},
        "Resources": {"R": resource},
    }
    part = {
        "regions": [EAST],
        "parameters": {"Suffix": suffix},
        "template": template,
    }
    return moved(examples.built("shop", suffix, {"work": part}), account, EAST)


def moved(system: System, account: str, region: str) -> System:
    target = Target(account, region)
    sets = tuple(replace(s, targets=(target,)) for s in system.stack_sets)
    return replace(system, stack_sets=sets)


def collide(one: System, other: System) -> bool:
    return bool(found_between([one, other]))


@every_rule
def test_a_rule_finds_its_mistake_where_it_is(rule: type[SystemsRule]) -> None:
    assert found_between(fixture(rule, "bad")) == [(rule.id, rule.at)]


@every_rule
def test_nothing_is_found_once_it_is_corrected(rule: type[SystemsRule]) -> None:
    assert found_between(fixture(rule, "good")) == []


@pytest.mark.parametrize(
    ("type_name", "properties"),
    [
        ("SNS::Topic", {"TopicName": "orders"}),
        ("Logs::LogGroup", {"LogGroupName": {"Fn::Sub": "/app/${AWS::Region}"}}),
        ("SecretsManager::Secret", {"Name": "key"}),
        ("KMS::Alias", {"AliasName": "alias/data", "TargetKeyId": "k"}),
        ("Events::Rule", {"Name": "nightly"}),
        ("Lambda::Alias", {"Name": "live", "FunctionName": "f"}),
        ("S3::Bucket", {"BucketName": {"Fn::Sub": "d-${AWS::AccountId}"}}),
        (
            "Route53::RecordSet",
            {"HostedZoneId": "Z1", "Name": "www.example.com.", "Type": "A"},
        ),
        ("GuardDuty::Detector", {"Enable": True}),
        ("Config::ConfigurationRecorder", {"Name": "r", "RoleARN": "x"}),
    ],
)
def test_what_may_be_there_once_collides(
    type_name: str, properties: dict[str, Any]
) -> None:
    one = environment("prod", type_name, **properties)
    other = environment("stg", type_name, **properties)

    assert collide(one, other)
    assert collide(one, moved(other, "444455556666", WEST)) == (
        type_name == "Route53::RecordSet"
    )


@pytest.mark.parametrize(
    ("type_name", "region", "account", "expected"),
    [
        ("IAM::Role", WEST, examples.ACCOUNT, True),
        ("IAM::Role", EAST, "444455556666", False),
        ("SQS::Queue", WEST, examples.ACCOUNT, False),
        ("SQS::Queue", EAST, "444455556666", False),
        ("S3::Bucket", WEST, "444455556666", True),
        ("S3::Bucket", "cn-north-1", "444455556666", False),
    ],
)
def test_a_name_is_compared_where_it_must_be_unique(
    type_name: str, region: str, account: str, expected: bool
) -> None:
    key = f"{type_name.rpartition('::')[2]}Name"
    one = environment("prod", type_name, **{key: "orders"})
    other = environment("stg", type_name, **{key: "orders"})

    assert collide(one, moved(other, account, region)) == expected


def test_a_name_with_the_suffix_is_right() -> None:
    name = {"QueueName": {"Fn::Sub": "orders-${Suffix}"}}
    one = environment("prod", "SQS::Queue", **name)

    assert not collide(one, environment("stg", "SQS::Queue", **name))


def test_environments_that_are_the_same_stack_sets_do_not_collide() -> None:
    one = environment("prod", "SQS::Queue", QueueName="orders")

    assert not collide(one, replace(one, environment="again"))
    assert collide(one, replace(one, admin=Target("444455556666", EAST)))


def test_what_an_account_has_once_needs_an_account_in_the_file() -> None:
    given = ("GuardDuty::Detector", SELF)
    one, other = environment("prod", *given), environment("stg", *given)
    queues = [environment(s, "SQS::Queue", SELF, QueueName="q") for s in ("a", "b")]

    assert not collide(one, other)
    assert collide(*queues)


def test_a_finding_says_who_has_the_name_and_can_be_silenced() -> None:
    one = environment("prod", "SQS::Queue", QueueName="orders")
    other = replace(
        environment("stg", "SQS::Queue", QueueName="orders"), environment="staging"
    )

    _, ((finding,)) = lint.check_between([other, one], Path("templates_out"))
    assert finding.stack_set == "shop-prod-work" and finding.line > 1
    assert finding.file == "templates_out/shop/work.json"
    assert "'orders'" in finding.message
    assert "work.R of shop -e staging in 111122223333/us-east-1" in finding.message

    (s,) = one.stack_sets
    body = json.loads(s.template)
    why = {"config": {"ignore_checks": ["E9599"]}, "reasons": {"E9599": "moved"}}
    body["Resources"]["R"]["Metadata"] = {"cfn-lint": why}
    silenced = replace(s, template=json.dumps(body))
    one = replace(one, stack_sets=(silenced,))
    assert lint.check_between([other, one], Path("templates_out")) == [[], []]


def test_findings_between_systems_are_cached(tmp_path: Path) -> None:
    both = [environment(s, "SQS::Queue", QueueName="orders") for s in ("a", "b")]
    fresh = lint.check_between(both, Path("out"), tmp_path)

    assert fresh[1] and list(tmp_path.iterdir())
    assert lint.check_between(both, Path("out"), tmp_path) == fresh
    assert lint.names(both, tmp_path) == lint.names(both, tmp_path) == lint.names(both)


@pytest.mark.parametrize("name", blueprints.NAMES)
def test_no_false_alarm_in_what_is_shipped(name: str) -> None:
    path = ROOT / "stacksets" / f"{name}.yaml"
    read = config.load_all(path, blueprints.find, blueprints.NAMES)
    systems = []
    for one in read.values():
        blueprint = blueprints.find(one.blueprint)
        assert blueprint is not None
        systems.append(blueprint.build(one))

    assert found_between(systems) == []
