"""Moves the writer of a global database: who writes now is asked, never assumed.

A switchover is requested in the region of the cluster that writes now, a failover in the
region that takes over. A runbook's call goes to its own region, so this is a script.
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import boto3


def handler(event: Mapping[str, str], context: Any) -> dict[str, str]:
    """The entry point that Systems Manager calls; `event` is the step's payload."""
    return switch(event, boto3.client("rds"), partial(boto3.client, "rds"))


def switch(
    asked: Mapping[str, str], here: Any, there: Callable[..., Any]
) -> dict[str, str]:
    """Ask for the move to the cluster `Target` (an ARN) of `GlobalDatabase`.

    With `LossAccepted: yes` it is a failover, for which the writer need not answer.
    `there` connects to a region. Nothing is asked for where the target writes already,
    so that the step can be repeated. Raises LookupError when no cluster writes.
    """
    found = here.describe_global_clusters(
        GlobalClusterIdentifier=asked["GlobalDatabase"]
    )
    members = found["GlobalClusters"][0]["GlobalClusterMembers"]
    writers = [m["DBClusterArn"] for m in members if m.get("IsWriter")]
    if asked.get("LossAccepted") == "yes" and asked["Target"] not in writers:
        here.failover_global_cluster(
            GlobalClusterIdentifier=asked["GlobalDatabase"],
            TargetDbClusterIdentifier=asked["Target"],
            AllowDataLoss=True,
        )
        return {"Writer": ",".join(writers), "AskedIn": asked["Target"].split(":")[3]}
    if not writers:
        raise LookupError(f"no cluster of {asked['GlobalDatabase']} writes")
    if writers == [asked["Target"]]:
        return {"Writer": asked["Target"], "AskedIn": ""}
    region = writers[0].split(":")[3]
    there(region_name=region).switchover_global_cluster(
        GlobalClusterIdentifier=asked["GlobalDatabase"],
        TargetDbClusterIdentifier=asked["Target"],
    )
    return {"Writer": writers[0], "AskedIn": region}
