"""Waits until a replica has received nearly all that its source has written.

A step of a runbook. ReplicaLag of PostgreSQL is the age of the last transaction that was
replayed, so it grows while nobody writes. The replication slot says how many bytes of WAL
the source still keeps for the replica; its metric is in the source's region.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3

TRIES = 17
PAUSE = 30  # seconds
RECENT = timedelta(minutes=10)


def handler(event: Mapping[str, str], context: Any) -> dict[str, str]:
    """The entry point that Systems Manager calls; `event` is the step's payload."""
    region = event["Source"].split(":")[3]
    metrics = boto3.client("cloudwatch", region_name=region)
    return wait(event, metrics, time.sleep)


def wait(
    asked: Mapping[str, str], metrics: Any, sleep: Callable[[float], None]
) -> dict[str, str]:
    """Wait until the slot of the instance `Source` (an ARN) holds at most `Bytes`.

    Raises TimeoutError when it holds more for too long, or says nothing.
    """
    held: float | None = None
    for _ in range(TRIES):
        held = latest(asked["Source"].rpartition(":")[2], metrics)
        if held is not None and held <= int(asked["Bytes"]):
            return {"Source": asked["Source"], "BytesBehind": str(int(held))}
        sleep(PAUSE)
    said = "says nothing" if held is None else f"holds {int(held)} bytes"
    raise TimeoutError(f"the replication slot of {asked['Source']} {said}")


def latest(instance: str, metrics: Any) -> float | None:
    """The last value of the metric; None without one, or without a slot (-1)."""
    now = datetime.now(timezone.utc)
    metric = {
        "Namespace": "AWS/RDS",
        "MetricName": "OldestReplicationSlotLag",
        "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": instance}],
    }
    stat = {"Metric": metric, "Period": 60, "Stat": "Maximum"}
    found = metrics.get_metric_data(
        MetricDataQueries=[{"Id": "slot", "MetricStat": stat}],
        StartTime=now - RECENT,
        EndTime=now,
        ScanBy="TimestampDescending",
    )["MetricDataResults"][0]["Values"]
    return float(found[0]) if found and found[0] >= 0 else None
