"""Waits until a cluster of a global database is the one that writes.

A step of a runbook: moving the writer goes on after the call that asks for it, and
until it has begun everything looks as if it were over. Systems Manager stops a script
after ten minutes, so this gives up before; the step is then tried again.
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-executeScript.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import boto3

TRIES = 30
PAUSE = 15  # seconds


def handler(event: Mapping[str, str], context: Any) -> dict[str, str]:
    """The entry point that Systems Manager calls; `event` is the step's payload."""
    return wait(event, boto3.client("rds"), time.sleep)


def wait(
    asked: Mapping[str, str], databases: Any, sleep: Callable[[float], None]
) -> dict[str, str]:
    """Wait for the cluster `Cluster` of the global database `GlobalDatabase`.

    Raises TimeoutError when it does not write in time.
    """
    for _ in range(TRIES):
        if writes(asked, databases):
            return {"Writer": asked["Cluster"]}
        sleep(PAUSE)
    raise TimeoutError(f"{asked['Cluster']} does not write yet")


def writes(asked: Mapping[str, str], databases: Any) -> bool:
    """Whether the cluster is the one that writes, and ready to."""
    found = databases.describe_db_clusters(DBClusterIdentifier=asked["Cluster"])
    cluster = found["DBClusters"][0]
    around = databases.describe_global_clusters(
        GlobalClusterIdentifier=asked["GlobalDatabase"]
    )
    members = around["GlobalClusters"][0]["GlobalClusterMembers"]
    writers = {m["DBClusterArn"] for m in members if m.get("IsWriter")}
    return cluster["DBClusterArn"] in writers and cluster["Status"] == "available"
