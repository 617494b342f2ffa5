"""Waiting for the writer: on proof that it moved, never on how things were before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tapgen.handlers import writer

ASKED = {"GlobalDatabase": "global", "Cluster": "here"}


@dataclass
class Databases:
    """A global database whose writer moves after some looks."""

    moves_after: int
    ready_after: int = 0
    looks: int = 0

    def describe_db_clusters(self, DBClusterIdentifier: str) -> dict[str, Any]:
        assert DBClusterIdentifier == "here"
        self.looks += 1
        ready = self.looks > self.ready_after
        status = "available" if ready else "switching-over"
        return {"DBClusters": [{"DBClusterArn": "arn:here", "Status": status}]}

    def describe_global_clusters(self, GlobalClusterIdentifier: str) -> dict[str, Any]:
        assert GlobalClusterIdentifier == "global"
        moved = self.looks > self.moves_after
        members = [
            {"DBClusterArn": "arn:there", "IsWriter": not moved},
            {"DBClusterArn": "arn:here", "IsWriter": moved},
        ]
        # The same before and after: it proves nothing.
        return {
            "GlobalClusters": [{"Status": "available", "GlobalClusterMembers": members}]
        }


def test_it_waits_until_the_writer_is_here() -> None:
    databases, slept = Databases(moves_after=3), list[float]()
    assert writer.wait(ASKED, databases, slept.append) == {"Writer": "here"}
    assert databases.looks == 4
    assert slept == [writer.PAUSE] * 3


def test_a_writer_that_is_not_ready_is_waited_for() -> None:
    databases = Databases(moves_after=0, ready_after=2)
    writer.wait(ASKED, databases, lambda seconds: None)
    assert databases.looks == 3


def test_it_gives_up_before_systems_manager_would_stop_it() -> None:
    slept: list[float] = []
    with pytest.raises(TimeoutError, match="here does not write yet"):
        writer.wait(ASKED, Databases(moves_after=10**6), slept.append)
    assert 300 < sum(slept) < 600 - 60
