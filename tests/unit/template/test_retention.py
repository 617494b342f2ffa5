"""What AWS deletes because it is kept for a shorter time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.knowledge.retention import RETENTIONS, Retention
from tapgen.template import diff, retention, risk
from tests import make

BUCKET = "AWS::S3::Bucket"
TABLE = "AWS::DynamoDB::Table"
LATER = {"Ref": "Other"}


def lost(kind: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [words for there, words in retention.lost(kind, before, after) if there]


def rules(*those: dict[str, Any]) -> dict[str, Any]:
    on = [{"Status": "Enabled", **rule} for rule in those]
    return {"LifecycleConfiguration": {"Rules": on}}


def pitr(on: bool, days: int | None = None) -> dict[str, Any]:
    more = {} if days is None else {"RecoveryPeriodInDays": days}
    return {
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": on, **more}
    }


def under(path: str, value: Any) -> dict[str, Any]:
    """Properties with one value at a path."""
    for name in reversed(path.split("/")):
        value = [value] if name == "*" else {} if value is None else {name: value}
    return dict(value)


@pytest.mark.parametrize(
    ("kind", "before", "after", "words"),
    [
        (
            "AWS::Logs::LogGroup",
            {"RetentionInDays": 365},
            {"RetentionInDays": 7},
            "RetentionInDays 365 days → 7 days: log events older than 7 days are deleted",
        ),
        (
            "AWS::Logs::LogGroup",
            {},
            {"RetentionInDays": "1"},
            "RetentionInDays forever → 1 day: log events older than 1 day are deleted",
        ),
        (
            "AWS::RDS::DBInstance",
            {"BackupRetentionPeriod": 35},
            {"BackupRetentionPeriod": 7},
            "BackupRetentionPeriod 35 days → 7 days: automated backups older than 7 "
            "days are deleted",
        ),
        (
            "AWS::RDS::DBInstance",
            {"BackupRetentionPeriod": 35},
            {"BackupRetentionPeriod": 0},
            "BackupRetentionPeriod 35 days → 0 days: all automated backups are deleted",
        ),
        (
            "AWS::RDS::DBCluster",
            {"BackupRetentionPeriod": 35},
            {},
            "BackupRetentionPeriod 35 days → 1 day: automated backups older than 1 day "
            "are deleted",
        ),
        (
            "AWS::SQS::Queue",
            {},
            {"MessageRetentionPeriod": 60},
            "MessageRetentionPeriod 345600 seconds → 60 seconds: messages older than 60 "
            "seconds are deleted",
        ),
        (
            "AWS::Events::Archive",
            {"RetentionDays": 0},
            {"RetentionDays": 30},
            "RetentionDays forever → 30 days: archived events older than 30 days are "
            "deleted",
        ),
        (
            "AWS::SNS::Topic",
            {"ArchivePolicy": {"MessageRetentionPeriod": "30"}},
            {},
            "MessageRetentionPeriod 30 days → 0 days: all archived messages are deleted",
        ),
        (
            "AWS::SES::MailManagerArchive",
            {"Retention": {"RetentionPeriod": "PERMANENT"}},
            {"Retention": {"RetentionPeriod": "ONE_YEAR"}},
            "RetentionPeriod forever → 365 days: archived mail older than 365 days may be "
            "deleted",
        ),
        (
            "AWS::CloudTrail::EventDataStore",
            {},
            {"RetentionPeriod": 90},
            "RetentionPeriod 2557 days → 90 days: events older than 90 days are deleted",
        ),
        (
            "AWS::Logs::LogGroup",
            {"RetentionInDays": 365},
            {"RetentionInDays": LATER},
            "RetentionInDays changes: log events may be deleted sooner",
        ),
        (
            TABLE,
            pitr(True),
            {},
            "PointInTimeRecoveryEnabled is turned off: the table can no longer be "
            "restored to an earlier time",
        ),
        (
            TABLE,
            pitr(True),
            pitr(True, 7),
            "RecoveryPeriodInDays 35 days → 7 days: restore points older than 7 days are "
            "deleted",
        ),
        (
            "AWS::DynamoDB::GlobalTable",
            {"Replicas": [{"Region": "eu-west-1", **pitr(True)}]},
            {"Replicas": [{"Region": "eu-west-1", **pitr(False)}]},
            "PointInTimeRecoveryEnabled of eu-west-1 is turned off: the table can no "
            "longer be restored to an earlier time",
        ),
        (
            TABLE,
            {},
            {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "gone"}},
            "time to live is turned on: items whose time to live lies in the past are "
            "deleted",
        ),
        (
            BUCKET,
            {"VersioningConfiguration": {"Status": "Enabled"}},
            {"VersioningConfiguration": {"Status": "Suspended"}},
            "versioning is turned off: what is overwritten or deleted from now on is "
            "lost; the versions that are there stay",
        ),
    ],
)
def test_a_shorter_retention_is_named(
    kind: str, before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    assert lost(kind, before, after) == [words]


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("AWS::Logs::LogGroup", {"RetentionInDays": 7}, {"RetentionInDays": 365}),
        ("AWS::Logs::LogGroup", {"RetentionInDays": 7}, {}),
        ("AWS::RDS::DBInstance", {"BackupRetentionPeriod": 0}, {}),
        ("AWS::RDS::DBInstance", {}, {"BackupRetentionPeriod": 1}),
        (
            "AWS::RDS::DBInstance",
            {"DBClusterIdentifier": "a", "BackupRetentionPeriod": 7},
            {"DBClusterIdentifier": "a"},
        ),
        ("AWS::SQS::Queue", {"MessageRetentionPeriod": 345600}, {}),
        ("AWS::Events::Archive", {"RetentionDays": 30}, {"RetentionDays": 0}),
        (TABLE, pitr(False), pitr(True)),
        (TABLE, pitr(False), pitr(False, 7)),
        (
            "AWS::DynamoDB::GlobalTable",
            {"Replicas": [{"Region": "eu-west-1", **pitr(True)}]},
            {"Replicas": [{"Region": "us-east-1", **pitr(False)}]},
        ),
        ("AWS::ElastiCache::ReplicationGroup", {}, {"SnapshotRetentionLimit": 7}),
        (BUCKET, {}, {"VersioningConfiguration": {"Status": "Enabled"}}),
    ],
)
def test_a_longer_retention_is_not(
    kind: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert lost(kind, before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, rules({"ExpirationInDays": 1}), "older than 1 day are deleted"),
        (
            rules({"Id": "x", "ExpirationInDays": 400}),
            rules({"Id": "x", "ExpirationInDays": 120}),
            "lifecycle rule x: ExpirationInDays 400 → 120 days: objects older than 120 "
            "days are deleted",
        ),
        (
            rules({"Prefix": "logs/", "ExpirationInDays": 30}),
            rules({"ExpirationInDays": 30}),
            "objects older than 30 days are deleted",
        ),
        (
            {},
            rules({"Prefix": "logs/", "NoncurrentVersionExpirationInDays": 9}),
            "earlier versions below logs/ older than 9 days are deleted",
        ),
        (
            rules(
                {
                    "NoncurrentVersionExpiration": {
                        "NoncurrentDays": 9,
                        "NewerNoncurrentVersions": 3,
                    }
                }
            ),
            rules({"NoncurrentVersionExpiration": {"NoncurrentDays": 9}}),
            "earlier versions older than 9 days are deleted",
        ),
        (
            rules({"Status": "Disabled", "ExpirationInDays": 9}),
            rules({"ExpirationInDays": 9}),
            "objects older than 9 days are deleted",
        ),
        ({}, rules({"ExpirationDate": "2030-01-01"}), "are deleted on 2030-01-01"),
        ({}, rules({"ExpirationInDays": LATER}), "objects may be deleted sooner"),
        (
            {},
            {
                "VersioningConfiguration": {"Status": "Enabled"},
                **rules({"ExpirationInDays": 5}),
            },
            "objects older than 5 days are deleted; their versions stay",
        ),
    ],
)
def test_a_lifecycle_that_deletes_sooner_is_named(
    before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    (named,) = lost(BUCKET, before, after)
    assert words in named


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rules({"ExpirationInDays": 30}), rules({"ExpirationInDays": 90})),
        (rules({"ExpirationInDays": 30}), {}),
        (
            rules({"ExpirationInDays": 30}),
            rules({"Prefix": "logs/", "ExpirationInDays": 30}),
        ),
        (
            rules({"Id": "a", "ExpirationInDays": 30}),
            rules({"Id": "b", "ExpirationInDays": 30}),
        ),
        (
            {},
            rules(
                {"Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 1}]}
            ),
        ),
        (
            {},
            rules({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}),
        ),
        ({}, rules({"Status": "Disabled", "ExpirationInDays": 1})),
    ],
)
def test_a_lifecycle_that_deletes_no_sooner_is_not(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert lost(BUCKET, before, after) == []


def images(count: int, **more: Any) -> dict[str, Any]:
    rule = {
        "rulePriority": 1,
        "selection": {"countType": "imageCountMoreThan", "countNumber": count, **more},
        "action": {"type": "expire"},
    }
    text = json.dumps({"rules": [rule]})
    return {"LifecyclePolicy": {"LifecyclePolicyText": text}}


def test_texts_with_rules_are_compared_rule_by_rule() -> None:
    kind = "AWS::ECR::Repository"

    assert lost(kind, images(30), images(30)) == []
    assert lost(kind, images(30), images(100)) == []
    assert lost(kind, images(30), {}) == []
    assert "images may be deleted sooner" in lost(kind, images(30), images(3))[0]
    assert lost(kind, {}, images(3)) and lost(
        kind, images(3), images(3, tagStatus="any")
    )
    kafka = "AWS::MSK::Configuration"
    hours = [{"ServerProperties": f"log.retention.hours={n}\na=b"} for n in (168, 24)]
    assert lost(kafka, *hours) == [
        "ServerProperties changes (log.retention.hours): records may be deleted sooner"
    ]
    assert lost(kafka, *reversed(hours)) == []


def test_backup_plans_change_only_what_is_made_later() -> None:
    plans = [
        under(
            "BackupPlan/BackupPlanRule/*",
            {"RuleName": "daily", "Lifecycle": {"DeleteAfterDays": days}},
        )
        for days in (35, 7)
    ]

    ((there, words),) = retention.lost("AWS::Backup::BackupPlan", *plans)
    assert not there and "those that are there keep their time" in words


def test_it_comes_first_in_a_plan_and_asks_for_no_allowance() -> None:
    texts = [
        make.template(
            resources={
                "Logs": {
                    "Type": "AWS::Logs::LogGroup",
                    "Properties": {"RetentionInDays": days},
                }
            }
        )
        for days in (365, 7)
    ]

    (change,) = diff.templates(*texts)
    assert risk.of(change)[0].kind is risk.Kind.DATA
    assert not change.loses_data


@given(st.sampled_from(RETENTIONS), st.integers(1, 99), st.integers(1, 99))
def test_only_a_smaller_number_is_named(one: Retention, old: int, new: int) -> None:
    if one.only or one.names:
        return
    key = {one.key: "it"} if one.key else {}
    head, _, rest = one.path.partition("*/")
    before, after = (
        (under(f"{head}*", {**key, **under(rest, n)}) if rest else under(one.path, n))
        for n in (old, new)
    )

    found = list(retention.lost(one.type, before, after))
    assert bool(found) == (new < old)
