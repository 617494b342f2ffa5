"""Checks of a migration that take more than one value of an answer. They only look.

Each returns whether it holds, None where nobody knows, and what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tapgen.aws.session import Aws, ask, pages
from tapgen.model import Target

_MOST_JOBS = 20
_COUNTS = ("NumberOfTasksSucceeded", "TotalNumberOfTasks")
_DIMENSIONS = (
    *("LoadBalancer", "DBInstanceIdentifier"),
    *("SourceBucket", "DestinationBucket", "RuleId"),
)


def _jobs(aws: Aws, target: Target, payload: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the last batch replication of a bucket is complete, and no task of it failed.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_ListJobs.html
    """
    client = aws.client("s3control", target)
    listed = pages(client, "list_jobs", "Jobs", AccountId=target.account)
    copying = [j for j in listed if j.get("Operation") == "S3ReplicateObject"]
    newest = sorted(copying, key=lambda j: j["CreationTime"], reverse=True)
    for one in newest[:_MOST_JOBS]:
        job = ask(client, "describe_job", AccountId=target.account, JobId=one["JobId"])[
            "Job"
        ]
        generated = job.get("ManifestGenerator", {}).get("S3JobManifestGenerator", {})
        if generated.get("SourceBucket") != payload["Bucket"]:
            continue
        done = job.get("ProgressSummary", {})
        failed = done.get("NumberOfTasksFailed", 0)
        good, total = (done.get(n, 0) for n in _COUNTS)
        words = f"job {job['JobId']} is {job['Status']}: {good} of {total} objects"
        words += f", {failed} failed" if failed else ""
        return job["Status"] == "Complete" and not failed, words
    return False, "no batch job has replicated what was in the bucket before"


def _servers(aws: Aws, target: Target, payload: Mapping[str, str]) -> tuple[bool, str]:
    """Whether each target group has a healthy server, and all that it has are: Global
    Accelerator holds a load balancer for unhealthy otherwise."""
    client = aws.client("elbv2", target)
    words, well = [], True
    for colour, arn in payload.items():
        found = ask(client, "describe_target_health", TargetGroupArn=arn)
        states = [
            one["TargetHealth"]["State"] for one in found["TargetHealthDescriptions"]
        ]
        healthy = states.count("healthy")
        well = well and healthy == len(states) > 0
        words.append(f"{colour}: {healthy} of {len(states)} healthy")
    return well, ", ".join(words)


def _snapshot(aws: Aws, target: Target, payload: Mapping[str, str]) -> tuple[bool, str]:
    """Whether an instance has an available snapshot whose name begins so."""
    client = aws.client("rds", target)
    found = ask(
        client,
        "describe_db_snapshots",
        DBInstanceIdentifier=payload["Instance"],
        SnapshotType="manual",
    )["DBSnapshots"]
    ours = [s for s in found if s["DBSnapshotIdentifier"].startswith(payload["Prefix"])]
    ready = [s for s in ours if s["Status"] == "available"]
    if ready:
        last = max(ready, key=lambda s: s["SnapshotCreateTime"])
        when = f"{last['SnapshotCreateTime']:%F %T}"
        return True, f"{last['DBSnapshotIdentifier']} of {when} UTC"
    return False, ", ".join(s["Status"] for s in ours) or "there is none"


def _quiet(
    aws: Aws, target: Target, payload: Mapping[str, str]
) -> tuple[bool | None, str]:
    """Whether a metric was 0 for some seconds; nobody knows where it has no data."""
    seconds = int(payload["Seconds"])
    now = datetime.now(UTC)
    dimensions = [{"Name": n, "Value": payload[n]} for n in _DIMENSIONS if n in payload]
    stat = payload["Stat"]
    found = ask(
        aws.client("cloudwatch", target),
        "get_metric_statistics",
        Namespace=payload["Namespace"],
        MetricName=payload["Metric"],
        Dimensions=dimensions,
        StartTime=now - timedelta(seconds=seconds),
        EndTime=now,
        Period=seconds,
        Statistics=[stat],
    )["Datapoints"]
    if not found:
        return None, f"{payload['Metric']} has no data of the last {seconds // 3600} h"
    value = max(point[stat] for point in found)
    return value == 0, f"{payload['Metric']} was {value:g} in {seconds // 3600} h"


CHECKS: Mapping[str, Callable[[Aws, Target, Any], tuple[bool | None, str]]] = {
    "jobs": _jobs,
    "servers": _servers,
    "snapshot": _snapshot,
    "quiet": _quiet,
}
"""Whether what a migration needs is so, and what there is instead."""

NOT_EMBEDDED = frozenset({"jobs"})
"""Those that the embedded AWS cannot answer: it has no S3 Batch Operations."""
