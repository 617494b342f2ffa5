"""Which changes replace a resource, where the schema leaves that open."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.knowledge.replacements import CORRECTIONS, LEFT_BEHIND
from tapgen.template import diff, risk, schemas
from tapgen.template.diff import Verdict
from tests import make
from tests.unit.knowledge.paths import is_known

DB = "AWS::RDS::DBInstance"
GROUP = "AWS::AutoScaling::AutoScalingGroup"
SEARCH = "AWS::OpenSearchService::Domain"
SHARDS = "AWS::ElastiCache::ReplicationGroup"
IN_PLACE, MAY, REPLACES = Verdict.IN_PLACE, Verdict.MAY_REPLACE, Verdict.REPLACES
LATER = {"Fn::GetAtt": ["Other", "Arn"]}


def verdict(
    kind: str, before: dict[str, Any], after: dict[str, Any], **policy: Any
) -> Verdict:
    more = {"UpdatePolicy": policy} if policy else {}
    texts = [
        make.template(
            resources={"R": {"Type": kind, "Properties": p, **more}, "Other": OTHER}
        )
        for p in (before, after)
    ]
    (change,) = diff.templates(*texts)
    return change.verdict


OTHER = {"Type": "AWS::SQS::Queue"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"MultiAZ": True}, {"MultiAZ": False}, IN_PLACE),
        ({"BackupRetentionPeriod": 14}, {"BackupRetentionPeriod": 7}, IN_PLACE),
        (
            {"PreferredMaintenanceWindow": "sun:01:00-sun:02:00"},
            {"PreferredMaintenanceWindow": "mon:01:00-mon:02:00"},
            IN_PLACE,
        ),
        ({"DBParameterGroupName": "a"}, {"DBParameterGroupName": LATER}, IN_PLACE),
        ({"AutoMinorVersionUpgrade": True}, {}, IN_PLACE),
        ({"Engine": "postgres"}, {"Engine": "mysql"}, REPLACES),
        ({"Engine": "aurora"}, {"Engine": "aurora-mysql"}, IN_PLACE),
        ({"Engine": "oracle-se1"}, {"Engine": "oracle-se2"}, IN_PLACE),
        ({"Engine": "postgres"}, {"Engine": LATER}, MAY),
        ({"AvailabilityZone": "a"}, {"AvailabilityZone": "b"}, REPLACES),
        ({"AvailabilityZone": "a"}, {"MultiAZ": True}, IN_PLACE),
        ({"SourceDBInstanceIdentifier": "a"}, {}, IN_PLACE),
        ({}, {"SourceDBInstanceIdentifier": "a"}, REPLACES),
        ({"DBSnapshotIdentifier": "a"}, {"DBSnapshotIdentifier": "b"}, REPLACES),
        ({"DBSnapshotIdentifier": "a"}, {}, MAY),
        ({"UseLatestRestorableTime": True}, {}, IN_PLACE),
        ({}, {"PerformanceInsightsKMSKeyId": "a"}, IN_PLACE),
        ({"PerformanceInsightsKMSKeyId": "a"}, {}, REPLACES),
        ({"LicenseModel": "a"}, {"LicenseModel": "b"}, IN_PLACE),
        (
            {"DBSecurityGroups": ["g"], "LicenseModel": "a"},
            {"DBSecurityGroups": ["g"], "LicenseModel": "b"},
            REPLACES,
        ),
    ],
)
def test_a_database_is_replaced_only_when_its_handler_replaces_it(
    before: dict[str, Any], after: dict[str, Any], expected: Verdict
) -> None:
    assert verdict(DB, before, after) is expected


@pytest.mark.parametrize(
    ("kind", "before", "after", "expected"),
    [
        (
            "AWS::RDS::DBCluster",
            {"GlobalClusterIdentifier": "a"},
            {},
            IN_PLACE,
        ),
        ("AWS::RDS::DBCluster", {}, {"GlobalClusterIdentifier": "a"}, REPLACES),
        (
            "AWS::Neptune::DBInstance",
            {"PreferredMaintenanceWindow": "sun:01:00-sun:02:00"},
            {"PreferredMaintenanceWindow": "mon:01:00-mon:02:00"},
            IN_PLACE,
        ),
        (
            "AWS::DynamoDB::Table",
            {"KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}]},
            {"KeySchema": [{"AttributeName": "b", "KeyType": "HASH"}]},
            REPLACES,
        ),
        ("AWS::ElastiCache::CacheCluster", {}, {"IpDiscovery": "ipv6"}, IN_PLACE),
        (
            "AWS::ElastiCache::CacheCluster",
            {"NumCacheNodes": 1},
            {"NumCacheNodes": 2},
            REPLACES,
        ),
        (
            "AWS::ElastiCache::CacheCluster",
            {"NumCacheNodes": 1},
            {"NumCacheNodes": 2, "PreferredAvailabilityZones": ["a", "b"]},
            MAY,
        ),
        (SHARDS, {}, {"AuthToken": "{{resolve:ssm:a}}"}, REPLACES),
        (
            "AWS::ElasticLoadBalancing::LoadBalancer",
            {"Subnets": ["a"]},
            {"Subnets": ["a", "b"]},
            IN_PLACE,
        ),
        (
            "AWS::ElasticLoadBalancing::LoadBalancer",
            {"Subnets": ["a"]},
            {"AvailabilityZones": ["a"]},
            REPLACES,
        ),
        (SEARCH, {"VPCOptions": {"SubnetIds": ["a"]}}, {}, REPLACES),
        (
            "AWS::EC2::VPC",
            {"InstanceTenancy": "dedicated"},
            {"InstanceTenancy": "default"},
            IN_PLACE,
        ),
        (
            "AWS::EC2::VPC",
            {"InstanceTenancy": "default"},
            {"InstanceTenancy": "dedicated"},
            REPLACES,
        ),
        ("AWS::SSM::Document", {"Content": "a"}, {"Content": "b"}, REPLACES),
        (
            "AWS::SSM::Document",
            {"Content": "a", "UpdateMethod": "NewVersion"},
            {"Content": "b", "UpdateMethod": "NewVersion"},
            IN_PLACE,
        ),
    ],
)
def test_other_types_are_replaced_only_when_aws_says_so(
    kind: str, before: dict[str, Any], after: dict[str, Any], expected: Verdict
) -> None:
    assert verdict(kind, before, after) is expected


def test_an_update_policy_decides_whether_a_resource_is_replaced() -> None:
    versions = {"EngineVersion": "OpenSearch_2.11"}, {
        "EngineVersion": "OpenSearch_2.13"
    }
    shards = {"NumNodeGroups": 2}, {"NumNodeGroups": 3}
    template = [
        {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": v}} for v in "12"
    ]

    assert verdict(SEARCH, *versions) is REPLACES
    assert verdict(SEARCH, *versions, EnableVersionUpgrade=True) is IN_PLACE
    assert verdict(SHARDS, *shards) is REPLACES
    assert verdict(SHARDS, *shards, UseOnlineResharding="true") is IN_PLACE
    assert verdict(GROUP, *template) is IN_PLACE
    anew = {"AutoScalingReplacingUpdate": {"WillReplace": True}}
    assert verdict(GROUP, *template, **anew) is REPLACES


def test_a_replaced_database_says_what_becomes_of_its_backups() -> None:
    texts = [
        make.template(resources={"D": {"Type": DB, "Properties": {"Engine": e}}})
        for e in ("postgres", "mysql")
    ]

    (change,) = diff.templates(*texts)
    lost, *_ = risk.of(change)
    assert lost.detail == (
        "is replaced by an empty resource (Engine); its data is deleted, its automated "
        "backups too, manual snapshots stay"
    )


@pytest.mark.parametrize(
    "one", CORRECTIONS, ids=lambda one: f"{one.type} {one.paths[0]}"
)
def test_every_correction_has_a_source_and_names_properties_of_its_type(
    one: Any,
) -> None:
    assert one.source
    others = [path for path, _ in one.unless] + ([one.given] if one.given else [])
    for path in (*one.paths, *others):
        assert is_known(one.type, path)


def test_what_is_left_behind_is_of_types_that_hold_data() -> None:
    assert all(schemas.is_stateful(kind) for kind in LEFT_BEHIND)
