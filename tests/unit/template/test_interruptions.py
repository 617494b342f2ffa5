"""What changes in place interrupt."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.model import Target
from tapgen.report import data, text
from tapgen.template import diff, risk
from tapgen.template.risk import Kind
from tests import make

DB = "AWS::RDS::DBInstance"
CACHE = "AWS::ElastiCache::ReplicationGroup"


def changed(kind: str, before: dict[str, Any], after: dict[str, Any]) -> diff.Resource:
    texts = [
        make.template(resources={"R": {"Type": kind, "Properties": p}})
        for p in (before, after)
    ]
    (change,) = diff.templates(*texts)
    return change


def named(kind: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = risk.of(changed(kind, before, after))
    return [one.detail for one in found if one.kind is Kind.INTERRUPTION]


@pytest.mark.parametrize(
    ("kind", "before", "after", "words"),
    [
        (
            DB,
            {"DBInstanceClass": "db.t4g.medium"},
            {"DBInstanceClass": "db.t4g.small"},
            "downtime: away while it restarts, for some minutes (DBInstanceClass)",
        ),
        (
            DB,
            {"MultiAZ": True, "DBInstanceClass": "db.t4g.medium"},
            {"MultiAZ": True, "DBInstanceClass": "db.t4g.small"},
            "failover: fails over to the standby: away for a minute or two "
            "(DBInstanceClass)",
        ),
        (
            DB,
            {"MultiAZ": True, "EngineVersion": "17.2"},
            {"MultiAZ": True, "EngineVersion": "17.4"},
            "downtime: away while the engine is upgraded, the standby too "
            "(EngineVersion)",
        ),
        (
            DB,
            {"BackupRetentionPeriod": 7},
            {"BackupRetentionPeriod": 0},
            "downtime: a short outage while backups are turned on or off "
            "(BackupRetentionPeriod)",
        ),
        (
            CACHE,
            {"CacheNodeType": "cache.t4g.small"},
            {"CacheNodeType": "cache.t4g.medium"},
            "downtime: away while its nodes are replaced (CacheNodeType)",
        ),
        (
            "AWS::Lambda::Function",
            {},
            {"ReservedConcurrentExecutions": 0},
            "stops: every call of the function is throttled: it no longer runs "
            "(ReservedConcurrentExecutions)",
        ),
        (
            "AWS::EC2::Instance",
            {"InstanceType": "t3.micro"},
            {"InstanceType": "t3.small"},
            "reboot: stops and starts again; a public address that is not elastic "
            "changes (InstanceType)",
        ),
        (
            "AWS::EC2::NatGateway",
            {"AllocationId": "eipalloc-1"},
            {"AllocationId": "eipalloc-2"},
            "is replaced: connections through it are cut, and come from another address",
        ),
        (
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            {"Scheme": "internal"},
            {"Scheme": "internet-facing"},
            "is replaced: its DNS name changes, and connections through the old one are "
            "cut",
        ),
        (
            "AWS::ECS::Service",
            {"DesiredCount": 2},
            {"DesiredCount": 0},
            "stops: all its tasks are stopped (DesiredCount)",
        ),
        (
            "AWS::Events::Rule",
            {"State": "ENABLED"},
            {"State": "DISABLED"},
            "stops: it no longer matches events or runs on schedule (State)",
        ),
    ],
)
def test_an_interruption_is_named(
    kind: str, before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    assert named(kind, before, after) == [words]


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (DB, {"BackupRetentionPeriod": 14}, {"BackupRetentionPeriod": 7}),
        (DB, {"MultiAZ": True}, {"MultiAZ": False}),
        (DB, {"AllocatedStorage": "50"}, {"AllocatedStorage": "60"}),
        (DB, {"Tags": []}, {"Tags": [{"Key": "a", "Value": "b"}]}),
        (
            "AWS::Lambda::Function",
            {"ReservedConcurrentExecutions": 5},
            {"ReservedConcurrentExecutions": 9},
        ),
        ("AWS::ECS::Service", {"TaskDefinition": "a:1"}, {"TaskDefinition": "a:2"}),
        ("AWS::ECS::Service", {"DesiredCount": 0}, {"DesiredCount": 2}),
        ("AWS::Events::Rule", {"State": "DISABLED"}, {"State": "ENABLED"}),
    ],
)
def test_what_interrupts_nothing_is_not_named(
    kind: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert named(kind, before, after) == []


def shown(*changes: diff.Resource) -> str:
    return text.differences([("", Target("111111111111", "us-east-1"), changes)])


def test_the_line_of_the_property_has_a_phrase_and_json_too() -> None:
    change = changed(DB, {"DBInstanceClass": "a"}, {"DBInstanceClass": "b"})

    assert "DBInstanceClass: a → b  \\[downtime]" in shown(change)
    (place,) = data.resource(change)["properties"]
    assert (place["verdict"], place["interruption"]) == ("in place", "downtime")
    quiet = changed(DB, {"AllocatedStorage": 5}, {"AllocatedStorage": 6})
    assert data.resource(quiet)["properties"][0]["interruption"] is None


def test_a_mild_one_is_only_a_phrase() -> None:
    change = changed("AWS::MSK::Cluster", {"KafkaVersion": "a"}, {"KafkaVersion": "b"})

    assert "KafkaVersion: a → b  \\[one after another]" in shown(change)
    assert risk.of(change) == ()


def test_databases_come_first() -> None:
    texts = [
        make.template(
            resources={
                "App": {"Type": "AWS::EC2::Instance", "Properties": {"UserData": v}},
                "Store": {"Type": DB, "Properties": {"EngineVersion": v}},
            }
        )
        for v in ("1", "2")
    ]

    lines = shown(*diff.templates(*texts))
    assert lines.index("Store (AWS::RDS") < lines.index("App (AWS::EC2")


@pytest.mark.parametrize("kind", ["DBParameterGroup", "DBClusterParameterGroup"])
@pytest.mark.parametrize(
    ("family", "before", "after", "restarts"),
    [
        ("postgres16", {"log_statement": "ddl"}, {"log_statement": "none"}, False),
        ("postgres16", {}, {"Log_Statement": "none", "work_mem": "1"}, False),
        ("aurora-postgresql16", {"work_mem": "1"}, {}, False),
        # A group with a static one restarts, whatever of it changes.
        ("postgres16", {"ssl": "1", "work_mem": "1"}, {"ssl": "1"}, True),
        ("postgres16", {"max_connections": "9"}, {}, True),
        # Nothing is known of these.
        ("postgres16", {}, {"some.extension": "1"}, True),
        ("mysql8.0", {}, {"work_mem": "1"}, True),
        ("postgres16", {}, {"Fn::Transform": {"Name": "x"}}, True),
    ],
)
def test_dynamic_parameters_restart_nothing(
    kind: str, family: str, before: Any, after: Any, restarts: bool
) -> None:
    pair = [{"Family": family, "Parameters": given} for given in (before, after)]

    assert bool(named(f"AWS::RDS::{kind}", *pair)) is restarts
