"""Migrations: the steps of a system from one state to another, and where each shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model.procedures import Check, Procedure, Script


@dataclass(frozen=True)
class Look:
    """What must be so before a step, looked at in the region of a role."""

    role: str
    check: Check | Script


@dataclass(frozen=True)
class MigrationStep:
    """A rollout of a migration: its phase, the settings that it changes, and what to do
    before it.

    Without `back`, no step before it can be rolled out again. `looks` must hold before it.
    `runbook` is the name of one to run first, with the role of its region; empty for none.
    """

    name: str
    phase: str
    settings: Mapping[str, Any]
    before: str
    back: bool = True
    looks: tuple[Look, ...] = ()
    runbook: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Shown:
    """Where the value of a setting shows in what is deployed: a parameter of a part, in the
    region of `role` where the part is in several.

    `words` are values of the setting by those of the parameter, where they differ. Where
    the part `absent` names has no stack in the region of a role, the setting has the third
    value there.
    """

    part: str
    parameter: str
    role: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True)
class Promoting:
    """What the step of a name does where a command does it: all that must be so in each
    region, and then the promotion. `snapshot` says whether one is taken already."""

    step: str
    before: Procedure
    promotion: Procedure
    snapshot: Look


@dataclass(frozen=True)
class Migration:
    """The steps of a migration in their order, and where the settings show that they change,
    by path. `part` is the one whose parameters texts of `looks` name. `promoting` is the step
    that promotes the database, None once there is nothing to promote."""

    steps: tuple[MigrationStep, ...]
    shown: Mapping[str, Shown]
    part: str
    promoting: Promoting | None = None


def migration_data(migration: Migration) -> dict[str, Any]:
    """Return a migration as the data of a manifest: its steps are rollouts of settings."""
    return {
        "name": "migrate",
        "command": "migrate",
        "description": "Says which step of the migration comes next, and what blocks it",
        "part": migration.part,
        "roles": [],
        "arguments": [
            {
                "name": "what",
                "description": "What is deployed, or what comes next",
                "allowed": ["status", "next"],
            }
        ],
        "steps": [
            {"name": one.name, "phase": one.phase, "settings": one.settings}
            for one in migration.steps
        ],
    }
