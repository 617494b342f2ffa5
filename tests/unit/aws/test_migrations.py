"""What must be so before a step of a migration: it holds, it does not, or nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tapgen.aws import migrations
from tapgen.model import Target

HERE = Target("111111111111", "us-west-2")
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BUCKET = "arn:aws:s3:::data"


def answering(**answers: Any) -> Any:
    """AWS, where it answers so."""
    made = {name: lambda _a=answer, **_: _a for name, answer in answers.items()}
    meta = SimpleNamespace(
        service_model=SimpleNamespace(service_name="any"),
        method_to_api_mapping={name: name for name in answers},
        region_name=HERE.region,
    )
    client = SimpleNamespace(meta=meta, **made)
    return SimpleNamespace(client=lambda service, target: client, local=False)


def look(script: str, payload: Any, **answers: Any) -> tuple[bool | None, str]:
    """What a check says where AWS answers so."""
    return migrations.CHECKS[script](answering(**answers), HERE, payload)


def job(status: str, failed: int = 0, bucket: str = BUCKET) -> dict[str, Any]:
    counts = {"TotalNumberOfTasks": 10, "NumberOfTasksSucceeded": 10 - failed}
    generator = {"S3JobManifestGenerator": {"SourceBucket": bucket}}
    return {
        "Job": {
            "JobId": "j1",
            "Status": status,
            "ManifestGenerator": generator,
            "ProgressSummary": {**counts, "NumberOfTasksFailed": failed},
        }
    }


@pytest.mark.parametrize(
    ("described", "holds", "words"),
    [
        (job("Complete"), True, "job j1 is Complete: 10 of 10 objects"),
        (job("Complete", 3), False, "job j1 is Complete: 7 of 10 objects, 3 failed"),
        (job("Active", 4), False, "job j1 is Active: 6 of 10 objects, 4 failed"),
        (job("Complete", bucket="arn:aws:s3:::other"), False, "no batch job has"),
    ],
)
def test_a_batch_job_of_the_bucket_must_be_complete(
    described: Any, holds: bool, words: str
) -> None:
    listed = [{"JobId": "j1", "Operation": "S3ReplicateObject", "CreationTime": WHEN}]
    payload = {"Bucket": BUCKET}
    found = look("jobs", payload, list_jobs={"Jobs": listed}, describe_job=described)
    assert found[0] is holds and words in found[1]
    assert look("jobs", payload, list_jobs={})[0] is False


@pytest.mark.parametrize(
    ("states", "holds"),
    [(["healthy"], True), (["healthy", "draining"], False), ([], False)],
)
def test_every_colour_needs_a_healthy_server(states: list[str], holds: bool) -> None:
    found = [{"TargetHealth": {"State": state}} for state in states]
    answer = {"TargetHealthDescriptions": found}
    assert look("servers", {"blue": "tg"}, describe_target_health=answer) == (
        holds,
        f"blue: {states.count('healthy')} of {len(states)} healthy",
    )


def test_a_snapshot_of_this_migration_must_be_available() -> None:
    def snapshots(*found: tuple[str, str]) -> Any:
        return {
            "DBSnapshots": [
                {"DBSnapshotIdentifier": n, "Status": s, "SnapshotCreateTime": WHEN}
                for n, s in found
            ]
        }

    payload = {"Instance": "db", "Prefix": "before-"}
    for given, expected in (
        ((), (False, "there is none")),
        ((("before-1", "creating"),), (False, "creating")),
        ((("daily", "available"),), (False, "there is none")),
        (
            (("before-1", "available"),),
            (True, "before-1 of 2026-01-02 03:04:05 UTC"),
        ),
    ):
        answer = snapshots(*given)
        assert look("snapshot", payload, describe_db_snapshots=answer) == expected


def test_a_metric_without_data_says_nothing() -> None:
    payload = {
        **{"Namespace": "AWS/RDS", "Metric": "DatabaseConnections"},
        **{"DBInstanceIdentifier": "db", "Stat": "Maximum", "Seconds": "86400"},
    }

    def metric(*values: float) -> tuple[bool | None, str]:
        points = [{"Maximum": value} for value in values]
        return look("quiet", payload, get_metric_statistics={"Datapoints": points})

    assert metric(0) == (True, "DatabaseConnections was 0 in 24 h")
    assert metric(0, 2) == (False, "DatabaseConnections was 2 in 24 h")
    assert metric() == (None, "DatabaseConnections has no data of the last 24 h")
