"""Global databases of Aurora: which cluster writes now.

A switchover and a failover change it without CloudFormation, so templates do not know.

Source: `DescribeGlobalClusters` in the RDS API reference.
"""

from __future__ import annotations

from collections.abc import Iterable

from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError
from tapgen.model import Target

_NOT_THERE = "GlobalClusterNotFoundFault"
_ATTEMPTS = 2  # the region may be lost; the others are asked next


def writer(aws: Aws, identifier: str, places: Iterable[Target]) -> str:
    """Return the ARN of the cluster that writes; empty where none does, or where there is
    no such global database.

    Each place is asked until one answers. Raises AwsError, that of the first place, where
    none does.
    """
    first: AwsError | None = None
    for place in places:
        try:
            client = aws.client("rds", place, attempts=_ATTEMPTS)
            found = ask(
                client, "describe_global_clusters", GlobalClusterIdentifier=identifier
            )
        except AwsError as error:
            if error.code == _NOT_THERE:
                return ""
            first = first or error
            continue
        members = [
            m
            for g in found["GlobalClusters"]
            for m in g.get("GlobalClusterMembers", ())
        ]
        return next((str(m["DBClusterArn"]) for m in members if m.get("IsWriter")), "")
    if first:
        raise first
    return ""
