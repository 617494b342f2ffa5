"""Rules about all stack sets of a system find their mistake, and no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cfnlint.config import ConfigMixIn
from cfnlint.runner.template import run_template_by_file_path

from tapgen import blueprints, config, rules
from tapgen.lint.jobs import facts
from tapgen.model import SELF, AtFirst, Output, StackSet, System, Target
from tapgen.rules.backup import BackupDuringWindow
from tapgen.rules.replication import MutualReplication
from tapgen.rules.system_view import SystemRule, SystemsRule
from tapgen.rules.view import View
from tests.rules import examples
from tests.rules.test_rules import ROOT, ours, plain

SYSTEM_RULES = [
    rule
    for rule in rules.ALL
    if issubclass(rule, SystemRule) and not issubclass(rule, SystemsRule)
]

every_rule = pytest.mark.parametrize("rule", SYSTEM_RULES, ids=lambda rule: rule.id)


def fixture(rule: type[SystemRule], name: str) -> System:
    text = (examples.FIXTURES / rule.id / f"{name}.yaml").read_text()
    assert text == getattr(rule, name), "python -m tests.rules.examples"
    return examples.system(text, rule.rollout)


def found_in(system: System) -> list[tuple[str, str]]:
    """Rule and `part: path` of each finding."""
    parts = {s.name: s.part for s in system.stack_sets}
    return [
        (f.rule, f"{parts[f.stack_set]}: {'/'.join(map(str, f.path))}")
        for f in rules.system(system)
    ]


def linted(stack_set: StackSet, which: Any, folder: Path) -> list[str]:
    path = folder / f"{stack_set.part}.json"
    path.write_text(stack_set.template)
    options = ConfigMixIn(regions=[t.region for t in stack_set.targets])
    return [
        m.rule.id for m in run_template_by_file_path(str(path), options, which, False)
    ]


@every_rule
def test_a_rule_finds_its_mistake_where_it_is(rule: type[SystemRule]) -> None:
    found = found_in(fixture(rule, "bad"))

    assert (rule.id, rule.at) in found
    assert {name for name, _ in found} == {rule.id}


@every_rule
def test_nothing_is_found_once_it_is_corrected(rule: type[SystemRule]) -> None:
    assert found_in(fixture(rule, "good")) == []


@every_rule
def test_no_rule_about_one_template_finds_it(
    rule: type[SystemRule], tmp_path: Path
) -> None:
    for stack_set in fixture(rule, "bad").stack_sets:
        assert linted(stack_set, plain(), tmp_path) == []
        assert linted(stack_set, ours(), tmp_path) == []


@pytest.mark.parametrize("name", blueprints.NAMES)
def test_no_false_alarm_in_what_is_shipped(name: str) -> None:
    path = ROOT / "stacksets" / f"{name}.yaml"
    read = config.load_all(path, blueprints.find, blueprints.NAMES)
    for one in read.values():
        blueprint = blueprints.find(one.blueprint)
        assert blueprint is not None
        assert found_in(blueprint.build(one)) == []


def part(name: str, resources: Any, *regions: str, **more: Any) -> StackSet:
    body = {"Resources": resources, **more.pop("body", {})}
    return StackSet(
        name=f"x-{name}",
        part=name,
        template=json.dumps(body),
        role="every",
        targets=tuple(Target(more.get("account", "111122223333"), r) for r in regions),
        parameters=more.get("parameters", {}),
        depends_on=tuple(more.get("depends_on", ())),
    )


def system(*parts: StackSet) -> System:
    return System("x", "custom", "dev", {}, Target("111122223333", "us-east-1"), parts)


TOPIC = {"Topic": {"Type": "AWS::SNS::Topic"}}
ROLE = {"Role": {"Type": "AWS::IAM::Group", "Properties": {"GroupName": "g"}}}


def test_a_circle_is_reported_once_and_without_end() -> None:
    first = part("a", TOPIC, "us-east-1", depends_on=["b"])
    second = part("b", TOPIC, "us-east-1", depends_on=["a"])

    (finding,) = rules.system(system(first, second))
    assert finding.rule == "E9580"
    assert "depend on each other" in finding.message


def test_values_that_ask_for_each_other_end() -> None:
    ask = {"Parameters": {"P": {"Type": "String"}}, "Outputs": {"O": {"Value": "x"}}}
    first = part("a", TOPIC, "us-east-1", body=ask, parameters={"P": Output("b", "O")})
    second = part("b", TOPIC, "us-east-1", body=ask, parameters={"P": Output("a", "O")})

    assert {f.rule for f in rules.system(system(first, second))} == {"E9580"}


def bucket(name: str, to: str) -> Any:
    role = "arn:aws:iam::111122223333:role/replication"
    destination = {"Bucket": {"Fn::Sub": f"arn:aws:s3:::{to}"}}
    rules = [{"Status": "Enabled", "Destination": destination}]
    copying = {
        "Fn::If": ["On", {"Role": role, "Rules": rules}, {"Ref": "AWS::NoValue"}]
    }
    properties = {
        "BucketName": {"Fn::Sub": name},
        "VersioningConfiguration": {"Status": "Enabled"},
        "ReplicationConfiguration": copying,
    }
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    return {"Bucket": {"Type": "AWS::S3::Bucket", **kept, "Properties": properties}}


@pytest.mark.parametrize("first", [{}, {"Copy": AtFirst("no", ("a", "b"))}])
def test_buckets_replicate_to_each_other_once_all_are_there(first: Any) -> None:
    """From two stack sets, and from one: without another value at first it is a mistake."""
    asked = {
        "Parameters": {"Copy": {"Type": "String"}},
        "Conditions": {"On": {"Fn::Equals": [{"Ref": "Copy"}, "yes"]}},
        "Mappings": {
            "Peer": {"us-east-1": {"Is": "us-west-2"}, "us-west-2": {"Is": "us-east-1"}}
        },
    }
    more = {"body": asked, "parameters": {"Copy": "yes"}}
    a = part("a", bucket("one", "two"), "us-east-1", **more)
    b = part("b", bucket("two", "one"), "us-west-2", depends_on=["a"], **more)
    peer = {"Fn::FindInMap": ["Peer", {"Ref": "AWS::Region"}, "Is"]}
    resources = json.loads(
        json.dumps(bucket("x-${AWS::Region}", "x-?")).replace(
            '"arn:aws:s3:::x-?"',
            json.dumps(["arn:aws:s3:::x-${Peer}", {"Peer": peer}]),
        )
    )
    mesh = part("mesh", resources, "us-east-1", "us-west-2", **more)
    both = replace(
        mesh, at_first={n: replace(o, until=("mesh",)) for n, o in first.items()}
    )

    found = found_in(system(replace(a, at_first=first), b))
    alone = View(json.loads(mesh.template), (facts(both),))

    assert {name for name, _ in found} == (set() if first else {"E9586"})
    assert len([*MutualReplication().check(alone)]) == (0 if first else 2)


def test_accounts_that_may_be_the_same_are_not_compared() -> None:
    mine = part("a", ROLE, "us-east-1", account=SELF)
    other = part("b", ROLE, "us-east-1")

    assert rules.system(system(mine, other)) == []
    assert found_in(system(part("a", ROLE, "us-east-1"), other)) != []


def test_a_resource_whose_condition_is_false_is_not_counted() -> None:
    off = {"Conditions": {"No": {"Fn::Equals": ["a", "b"]}}}
    none = {"Role": {**ROLE["Role"], "Condition": "No"}}

    assert (
        found_in(
            system(part("a", ROLE, "us-east-1"), part("b", none, "us-east-1", body=off))
        )
        == []
    )


def test_an_alarm_with_a_topic_of_another_region_is_reported() -> None:
    gives = {"Outputs": {"Arn": {"Value": {"Ref": "Topic"}}}}
    takes = {"Parameters": {"Arn": {"Type": "String"}}}
    alarm = {
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {"AlarmActions": [{"Ref": "Arn"}]},
        }
    }
    topics = part("topics", TOPIC, "us-east-1", "us-west-2", body=gives)
    for region, expected in (("us-east-1", ["E9581"]), ("same", [])):
        value = Output("topics", "Arn", region)
        alarms = part("a", alarm, "us-west-2", body=takes, parameters={"Arn": value})
        found = found_in(system(topics, alarms))
        assert [rule for rule, _ in found] == expected


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"Resources": 5}', "{}"])
def test_what_is_no_template_is_passed_over(text: str) -> None:
    odd = StackSet("x-a", "a", text, "every", (Target("111122223333", "us-east-1"),))

    assert rules.system(system(odd)) == []


def broken(name: str, of: str, change: Any) -> list[tuple[str, str]]:
    """The findings of a shipped system after a change to one of its templates."""
    path = ROOT / "stacksets" / f"{name}.yaml"
    read = config.load(path, blueprints.find, None, blueprints.NAMES)
    blueprint = blueprints.find(read.blueprint)
    assert blueprint is not None
    built = blueprint.build(read)
    body = json.loads(built.part(of).template)
    for resource in body["Resources"].values():
        change(resource["Type"], resource["Properties"])
    text = json.dumps(body)
    sets = [replace(s, template=text) if s.part == of else s for s in built.stack_sets]
    return found_in(replace(built, stack_sets=tuple(sets)))


def test_what_breaks_a_shipped_system_is_reported() -> None:
    def unversioned(kind: str, properties: Any) -> None:
        if kind == "AWS::S3::Bucket":
            properties.pop("VersioningConfiguration", None)

    def another_engine(kind: str, properties: Any) -> None:
        if kind == "AWS::RDS::DBCluster":
            properties["EngineVersion"] = "15.2"

    def credentials(kind: str, properties: Any) -> None:
        if kind == "AWS::RDS::DBCluster":
            properties["MasterUsername"] = "admin1"

    def rules_found(*arguments: Any) -> set[str]:
        return {rule for rule, _ in broken(*arguments)}

    assert rules_found("secure_network", "storage-dr", unversioned) == {"E9585"}
    assert rules_found("payments_dr", "database-dr", another_engine) == {"E9589"}
    assert rules_found("payments_dr", "database-dr", credentials) == {"E9590"}

    def too_early(kind: str, properties: Any) -> None:
        if kind == "AWS::Backup::BackupPlan":
            (rule,) = properties["BackupPlan"]["BackupPlanRule"]
            rule["ScheduleExpression"] = "cron(0 3 * * ? *)"

    assert rules_found("region_migration", "backups", too_early) == {"W9592"}
    # Of Aurora a backup begins at any time.
    assert rules_found("payments_dr", "backup", too_early) == set()


@pytest.mark.parametrize(
    ("schedule", "windows"),
    [
        ("cron(0 3 * * ? *)", ["Maintenance"]),
        ("cron(0 5 * * ? *)", []),
        ("cron(0 2 * * ? *)", ["Backup", "Maintenance"]),
        ("cron(30 0 * * ? *)", ["Backup"]),  # within the hour before, if it is late
        ("cron(0 0 * * ? *)", []),
        ("cron(0 5,3 * * ? *)", ["Maintenance"]),
        ("cron(0 3 ? * MON,TUE *)", []),
        ("cron(0 3 ? * SUN *)", ["Maintenance"]),
        ("cron(0 3 ? * 2-6 *)", []),  # cannot tell
        ("cron(0 */12 * * ? *)", []),
        ("rate(1 day)", []),
    ],
)
def test_backups_that_begin_within_a_window_are_reported(
    schedule: str, windows: list[str]
) -> None:
    text = BackupDuringWindow.good.replace("cron(0 5 * * ? *)", schedule)
    found = rules.system(examples.system(text))
    assert [f.message.split("its Preferred")[1].split("Window")[0] for f in found] == (
        windows
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Engine: postgres", "Engine: aurora-postgresql"),
        ("Value: daily", "Value: weekly"),
        ("regions: [us-east-1]", "regions: [us-west-2]"),  # of the plan alone
        ("StartWindowMinutes: 60", "ScheduleExpressionTimezone: Asia/Tokyo"),
        ("mon:03:30", "sun:03:30-x"),
    ],
)
def test_backups_of_what_lets_them_begin_are_left_alone(old: str, new: str) -> None:
    text = BackupDuringWindow.bad.replace("sun:03:30-sun", "mon:03:30-mon", 1)
    assert old in text
    assert rules.system(examples.system(text.replace(old, new, 1))) == []


def test_a_window_may_go_past_midnight_and_past_the_end_of_the_week() -> None:
    window = "sun:23:30-mon:00:30"
    text = BackupDuringWindow.bad.replace("sun:03:30-sun:04:30", window)
    for schedule, found in (
        ("cron(0 0 ? * MON *)", 1),
        ("cron(0 0 ? * TUE *)", 0),
        ("cron(0 23 ? * SUN *)", 1),
        ("cron(30 0 ? * MON *)", 1),  # no more of that one, but of the daily one
    ):
        one = text.replace("cron(0 3 * * ? *)", schedule)
        assert len(rules.system(examples.system(one))) == found, schedule


def test_one_mistake_that_one_template_shows_is_reported_once() -> None:
    cluster = {
        "Type": "AWS::RDS::DBCluster",
        "Properties": {
            "Engine": "aurora-postgresql",
            "GlobalClusterIdentifier": "orders",
            "MasterUsername": "orders",
        },
    }
    both = part("data", {"Cluster": cluster}, "us-east-1", "us-west-2")
    apart = [part(r, {"Cluster": cluster}, r) for r in ("us-east-1", "us-west-2")]

    # E9536 reports the first; lint shows both kinds together.
    assert "E9590" not in {rule for rule, _ in found_in(system(both))}
    assert "E9590" in {rule for rule, _ in found_in(system(*apart))}


def test_a_source_is_named_by_its_region_or_by_an_identifier() -> None:
    def databases(source: str, **more: str) -> set[str]:
        main = {"Engine": "postgres", "DBInstanceIdentifier": "orders"}
        copy = {"SourceDBInstanceIdentifier": source, **more}
        parts = [
            part(name, {"Db": {"Type": "AWS::RDS::DBInstance", "Properties": p}}, where)
            for name, p, where in (("a", main, "us-east-1"), ("b", copy, "eu-west-1"))
        ]
        return {rule for rule, _ in found_in(system(*parts))}

    arn = "arn:aws:rds:us-east-1:111122223333:db:orders"
    assert databases("orders") == {"E9569"}
    assert databases("other", SourceRegion="us-east-1") == {"E9569"}
    assert databases("other") == set()
    assert databases(arn, SourceRegion="us-east-1") == set()


@pytest.mark.parametrize(
    ("said", "expected"), [("eu-west-1", set()), ("us-east-1", {"E9568"})]
)
def test_a_private_zone_says_where_a_vpc_of_another_stack_set_is(
    said: str, expected: set[str]
) -> None:
    vpc = {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}}
    output = {"Outputs": {"Id": {"Value": {"Ref": "Vpc"}}}}
    at = {"VPCId": {"Ref": "Vpc"}, "VPCRegion": said}
    zone = {"Name": "orders.internal", "VPCs": [at]}
    parts = (
        part("net", vpc, "eu-west-1", body=output),
        part(
            "dns",
            {"Zone": {"Type": "AWS::Route53::HostedZone", "Properties": zone}},
            "us-east-1",
            body={"Parameters": {"Vpc": {"Type": "String"}}},
            parameters={"Vpc": Output("net", "Id", "eu-west-1")},
        ),
    )

    assert {rule for rule, _ in found_in(system(*parts))} == expected
