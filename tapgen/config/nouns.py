"""What a blueprint is, and what a valid config file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pydantic

from tapgen.model import RolloutSettings, System, Target


@dataclass(frozen=True)
class Blueprint:
    """A kind of system: what its config file may say, and how it is built.

    `code` (at most four letters) begins the names of its resources. `roles` are its
    region roles, the first being the primary one. `settings` is the model of the
    `settings` block, which should forbid extra keys; the ValueErrors of its validators
    reach the user as they are. `build` raises BlueprintError for a config it cannot
    build.
    """

    name: str
    code: str
    roles: tuple[str, ...]
    settings: type[pydantic.BaseModel]
    build: Callable[[Config], System]


@dataclass(frozen=True)
class Config:
    """A valid config file, one environment's overlay applied.

    `system` is the stem of the file. `regions` maps region roles to regions, in the
    order of the blueprint's roles. Accounts may be `self`. `account_baseline` is
    `create` or `existing`. `settings` is an instance of the blueprint's own model.
    `rollout.order` names every region of the system once, by default the primary one
    last, so that its replicas are the canary. `environment` is None for
    the default, the file without any overlay.
    """

    system: str
    blueprint: str
    suffix: str
    regions: Mapping[str, str]
    accounts: tuple[str, ...]
    admin: Target
    settings: pydantic.BaseModel
    tags: Mapping[str, str]
    account_baseline: str
    rollout: RolloutSettings
    environment: str | None
    path: Path
