"""What a blueprint is, and what a valid config file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pydantic

from tapgen.model import (
    Override,
    PassedRole,
    RolloutSettings,
    ServiceManaged,
    System,
    Target,
    Value,
)


@dataclass(frozen=True)
class Blueprint:
    """A kind of system: what its config file may say, and how it is built.

    `code` (at most four letters) begins the names of its resources; without one their
    names are what the templates say. `roles` are its region roles, the first being the
    primary one; without any the file may name its own. `stack_sets` says that the file
    lists the stack sets. `settings` is the model of the
    `settings` block, which should forbid extra keys; the ValueErrors of its validators
    reach the user as they are. `build` raises BlueprintError for a config it cannot
    build.
    """

    name: str
    code: str
    roles: tuple[str, ...]
    settings: type[pydantic.BaseModel]
    build: Callable[[Config], System]
    stack_sets: bool = False


@dataclass(frozen=True)
class ArtifactConfig:
    """A file beside a template: its path as written, the parameters that take it."""

    path: str
    bucket: str
    key: str


@dataclass(frozen=True)
class StackSetConfig:
    """A stack set as a file of blueprint `custom` describes it.

    `template` is the path as written, `line` that of the part in the file. Regions are
    regions, whatever roles the file uses for them. `capabilities` of None are those
    that the template asks for. The account of a service-managed stack set's target is
    an organizational unit.
    """

    part: str
    template: str
    line: int
    targets: tuple[Target, ...]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    artifacts: Mapping[str, ArtifactConfig] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    capabilities: tuple[str, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    service_managed: ServiceManaged | None = None


@dataclass(frozen=True)
class Config:
    """A valid config file, one environment's overlay applied.

    `system` is the stem of the file. `regions` maps region roles to regions, in the
    order of the blueprint's roles. Accounts may be `self`. `account_baseline` is
    `create` or `existing`. `settings` is an instance of the blueprint's own model.
    `rollout.order` names every region of the system once, by default the primary one
    last, so that its replicas are the canary. `environment` is None for
    the default, the file without any overlay. `stack_sets` are those that the file
    lists, for a blueprint that takes them; a region without a role is its own role.
    `delegated` says that `admin` is a delegated administrator of StackSets.
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
    stack_sets: tuple[StackSetConfig, ...] = ()
    pass_roles: tuple[PassedRole, ...] = ()
    delegated: bool = False
