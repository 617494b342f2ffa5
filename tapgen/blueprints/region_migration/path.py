"""The steps of a migration, in order, as settings.

Each step is a rollout, and changes settings; what it leaves out stays as the step before
it has it. What must be deployed before a step is in `system`, and holds
for every other way through the same settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.model.migrations import MigrationStep as Step

PATH: tuple[Step, ...] = (
    Step("prepare", "prepare", {}, "see that images and quotas are there"),
    Step(
        "half",
        "shift",
        {"traffic": {"source_dial": 50, "target_dial": 50, "target_writes": "allowed"}},
        "run the procedure sync in the source region",
    ),
    Step(
        "shift",
        "shift",
        {
            "traffic": {
                "source_dial": 0,
                "target_dial": 100,
                "app_source_weight": 0,
                "app_target_weight": 100,
            }
        },
        "see that servers of the target serve without errors",
    ),
    Step(
        "pause",
        "promote",
        {"traffic": {"source_writes": "paused", "target_writes": "paused"}},
        "run the procedure ready-to-promote in the target region",
    ),
    Step(
        "promote",
        "promote",
        {"promotion": {"promoted": True}},
        "wait until the replica has replayed the last LSN of its source",
        back=False,
    ),
    Step(
        "move",
        "promote",
        {"traffic": {"db_source_weight": 0, "db_target_weight": 100}},
        "see that the instance is available",
    ),
    Step(
        "resume",
        "promote",
        {"traffic": {"target_writes": "allowed"}},
        "wait 30 seconds, for which clients keep the address of db.",
    ),
    Step(
        "standby",
        "promote",
        {"promotion": {"standby": True}},
        "see that the application writes",
    ),
    Step(
        "leave",
        "decommission",
        {"source": "leaving"},
        "wait for a day without requests and connections in the source region",
    ),
    Step(
        "remove",
        "decommission",
        {"source": "removed"},
        "copy what you still want from the source region",
        back=False,
    ),
)
"""The documented path: `docs/region_migration.md` explains each step."""


def settings(step: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the settings at a step, on top of those that are given.

    Raises KeyError if there is no such step.
    """
    found = dict(given or {})
    for one in PATH:
        for name, value in one.settings.items():
            block = isinstance(value, Mapping)
            found[name] = {**found.get(name, {}), **value} if block else value
        if one.name == step:
            return found
    raise KeyError(step)
