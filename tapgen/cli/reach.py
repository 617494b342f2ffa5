"""A system built from its config, and the connection to the AWS it is deployed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapgen.cli.common import (
    Loaded,
    Timings,
    load,
    reach,
    system_path,
)
from tapgen.model import System

LOCAL_POLL = (0.05, 0.5)  # seconds; the embedded AWS is quick
REAL_POLL = (2.0, 15.0)


@dataclass(frozen=True)
class Reached:
    """A resolved system, and AWS as tapgen reaches it."""

    loaded: Loaded
    system: System
    aws: Any
    sets: Any
    local: bool


def reach_system(
    name: str | None,
    environment: str | None,
    folder: Path,
    clock: Timings,
    aws_choice: Mapping[str, Any],
    *,
    leaving: bool = False,
) -> Reached:
    """Build the system, then connect: a wrong config needs no AWS to be told.

    `leaving` says that only what is deployed counts, not where it should be.
    """
    from tapgen.aws import organizations
    from tapgen.aws.stacksets import StackSets

    with clock.stage("config and templates"):
        loaded = load(system_path(name, folder), environment)
    with clock.stage("reaching AWS"):
        admin = loaded.system.admin
        aws = reach(default_region=admin.region, **aws_choice)
        looking = aws.assuming(loaded.system.operator_role)
        named = loaded.system.organizational_units
        admin = loaded.system.admin.resolve(aws.account)
        units = organizations.units(looking, admin, named, leaving=leaving)
        system = loaded.system.resolve(aws.account, units)
    sets = StackSets(looking, system.admin, system.delegated)
    return Reached(loaded, system, aws, sets, aws_choice["local"])


def command_line(command: str, reached: Reached) -> str:
    """The command line that does something with the same system, in the same place."""
    system = reached.system
    words = ["tapgen", command, system.name]
    words += ["-e", system.environment] if system.environment else []
    return " ".join([*words, *(["--local"] if reached.local else [])])
