"""The path of a migration: each documented step is accepted after the one before it, and
steps that are left out are refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tapgen.errors import ConfigError
from tapgen.model import System
from tapgen.plan import preconditions
from tests import make
from tests.systems.test_region_migration import build, values

PAUSED = {"source_writes": "paused", "target_writes": "paused"}
THERE = {
    "source_dial": 0,
    "target_dial": 100,
    "app_source_weight": 0,
    "app_target_weight": 100,
}
DB_THERE = {"db_source_weight": 0, "db_target_weight": 100}
PROMOTED, BACKED_UP = {"promoted": True}, {"promoted": True, "enable_backups": True}
# `traffic` and `promotion` of each step of docs/region_migration.md.
PATH: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "prepare": ({}, {}),
    "half": ({"source_dial": 50, "target_dial": 50, "target_writes": "allowed"}, {}),
    "shift": ({**THERE, "target_writes": "allowed"}, {}),
    "pause": ({**THERE, **PAUSED}, {}),
    "promote": ({**THERE, **PAUSED}, PROMOTED),
    "move": ({**THERE, **PAUSED, **DB_THERE}, BACKED_UP),
    "resume": (
        {**THERE, **DB_THERE, "source_writes": "paused", "target_writes": "allowed"},
        BACKED_UP,
    ),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> dict[str, System]:
    """The system at each step."""
    return {
        step: build(
            tmp_path_factory.mktemp(step),
            {"traffic": traffic, "promotion": promotion},
            accounts=[make.ACCOUNT],
        )
        for step, (traffic, promotion) in PATH.items()
    }


def refused(path: dict[str, System], before: str, after: str) -> str:
    """Why the plan from one step to another is refused."""
    observed = {s.name: make.observed(s) for s in path[before].stack_sets}
    return "\n".join(preconditions.unmet(path[after], observed))


def test_each_step_is_accepted_after_the_one_before_it(path: dict[str, System]) -> None:
    for before, after in pairwise(PATH):
        assert refused(path, before, after) == "", (before, after)


def test_writes_go_to_one_database_at_every_step(path: dict[str, System]) -> None:
    for step, system in path.items():
        weights = values(system, "dns", "us-west-1")
        writers = {
            region
            for region in ("us-west-1", "us-west-2")
            if values(system, "servers", region)["Writes"] == "allowed"
        }
        led = {d for d in ("Source", "Target") if weights[f"Db{d}Weight"] != "0"}
        replica = values(system, "database-target", "us-west-2")["Promoted"] == "false"
        assert len(led) == 1, step
        assert not writers or led == ({"Source"} if replica else {"Target"}), step


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("shift", "promote", "Writes of servers in 111111111111/us-west-2 is still"),
        ("prepare", "promote", "111111111111/us-west-1 is still allowed"),
        ("shift", "resume", "Promoted would become true, while Writes"),
        ("pause", "resume", "Promoted of database-target"),
        (
            "promote",
            "resume",
            "DbSourceWeight of dns in 111111111111/us-west-1 is still",
        ),
    ],
)
def test_a_step_that_is_left_out_comes_first(
    path: dict[str, System], before: str, after: str, why: str
) -> None:
    text = refused(path, before, after)
    assert why in text
    assert "in a rollout of its own" in text or "the last LSN of its source" in text


def test_what_is_not_deployed_yet_has_no_order(path: dict[str, System]) -> None:
    assert preconditions.unmet(path["resume"], {}) == []


@pytest.mark.parametrize("step", PATH)
def test_opening_a_switch_of_the_other_side_too_early_is_refused(
    tmp_path: Path, step: str
) -> None:
    """Neighbours of each step: one switch or one weight is turned alone."""
    traffic, promotion = PATH[step]
    if promotion and not traffic.get("db_target_weight"):
        wrong = [{"source_writes": "allowed"}, {"target_writes": "allowed"}]
    elif promotion:
        wrong = [{"db_source_weight": 1, "target_writes": "allowed"}]
    else:
        wrong = [{"db_target_weight": 1}]
    for one in wrong:
        given = {"traffic": {**traffic, **one}, "promotion": promotion}
        with pytest.raises(ConfigError, match="writers"):
            build(tmp_path, given)
