"""Global databases of Aurora: which cluster writes now, and in which version.

A switchover and a failover change it without CloudFormation, so templates do not know.

Source: `DescribeGlobalClusters` in the RDS API reference.
"""

from __future__ import annotations

from collections.abc import Iterable

from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError
from tapgen.frozen import dataclass
from tapgen.model import Target

_NOT_THERE = "GlobalClusterNotFoundFault"
_ATTEMPTS = 2  # the region may be lost; the others are asked next


@dataclass(frozen=True)
class State:
    """The ARN of the cluster that writes, and the engine version of the database; empty
    where there is none."""

    writer: str = ""
    version: str = ""


def read(aws: Aws, identifier: str, places: Iterable[Target]) -> State:
    """Return the state of a global database; an empty one where there is no such.

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
                return State()
            first = first or error
            continue
        members = [
            m
            for g in found["GlobalClusters"]
            for m in g.get("GlobalClusterMembers", ())
        ]
        arns = (str(m["DBClusterArn"]) for m in members if m.get("IsWriter"))
        versions = (str(g.get("EngineVersion", "")) for g in found["GlobalClusters"])
        return State(next(arns, ""), next(versions, ""))
    if first:
        raise first
    return State()
