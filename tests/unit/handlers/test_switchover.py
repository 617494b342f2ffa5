"""A switchover is asked for where the writer is, whichever region that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tapgen.handlers import switchover

ARNS = {
    region: f"arn:aws:rds:{region}:123456789012:cluster:{region}"
    for region in ("us-east-1", "us-east-2")
}


@dataclass
class Databases:
    writer: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    region: str = "here"

    def __call__(self, region_name: str) -> Databases:
        return Databases(self.writer, self.asked, region_name)

    def describe_global_clusters(self, GlobalClusterIdentifier: str) -> dict[str, Any]:
        assert GlobalClusterIdentifier == "global"
        members = [
            {"DBClusterArn": arn, "IsWriter": region == self.writer}
            for region, arn in ARNS.items()
        ]
        return {"GlobalClusters": [{"GlobalClusterMembers": members}]}

    def switchover_global_cluster(
        self, GlobalClusterIdentifier: str, TargetDbClusterIdentifier: str
    ) -> None:
        assert GlobalClusterIdentifier == "global"
        self.asked.append((self.region, TargetDbClusterIdentifier))

    def failover_global_cluster(
        self,
        GlobalClusterIdentifier: str,
        TargetDbClusterIdentifier: str,
        AllowDataLoss: bool,
    ) -> None:
        assert (GlobalClusterIdentifier, AllowDataLoss) == ("global", True)
        self.asked.append((self.region, TargetDbClusterIdentifier))


@pytest.mark.parametrize(
    ("writer", "target"), [("us-east-1", "us-east-2"), ("us-east-2", "us-east-1")]
)
def test_it_is_asked_for_where_the_writer_is(writer: str, target: str) -> None:
    databases = Databases(writer)
    asked = {"GlobalDatabase": "global", "Target": ARNS[target]}
    told = switchover.switch(asked, databases, databases)
    assert databases.asked == [(writer, ARNS[target])]
    assert told == {"Writer": ARNS[writer], "AskedIn": writer}


@pytest.mark.parametrize("writer", ["us-east-1", "nowhere"])
def test_a_failover_is_asked_for_where_the_target_is(writer: str) -> None:
    databases = Databases(writer)
    target = ARNS["us-east-2"]
    asked = {"GlobalDatabase": "global", "Target": target, "LossAccepted": "yes"}
    told = switchover.switch(asked, databases, databases)
    assert databases.asked == [("here", target)]
    assert told["AskedIn"] == "us-east-2"


@pytest.mark.parametrize("more", [{}, {"LossAccepted": "yes"}])
def test_nothing_is_asked_for_where_the_target_writes_already(
    more: dict[str, str],
) -> None:
    databases = Databases("us-east-1")
    asked = {"GlobalDatabase": "global", "Target": ARNS["us-east-1"], **more}
    switchover.switch(asked, databases, databases)
    assert databases.asked == []


def test_a_database_without_a_writer_is_an_error() -> None:
    databases = Databases("nowhere")
    asked = {"GlobalDatabase": "global", "Target": ARNS["us-east-1"]}
    with pytest.raises(LookupError, match="no cluster of global writes"):
        switchover.switch(asked, databases, databases)
