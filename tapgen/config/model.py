"""A blueprint, and the content of a valid config file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tapgen.frozen import dataclass
from tapgen.model import (
    AtFirst,
    Override,
    PassedRole,
    RolloutSettings,
    ServiceManaged,
    System,
    Target,
    Value,
)
from tapgen.model.costs import Usage
from tapgen.model.drills import Goals

if TYPE_CHECKING:  # slow to import, and needed only to say what is wrong
    import pydantic


@dataclass(frozen=True)
class Blueprint:
    """A kind of system: the shape of its config file, and the function that builds it.

    Names of its resources start with `code` (at most four letters); without a code the
    templates name them. `roles` are its region roles, the first being the primary one;
    without any the file may define its own. `stack_sets` is true where the file lists
    the stack sets. `settings` is the model of the `settings` block and should forbid
    extra keys; users see the ValueErrors of its validators as they are. A shipped
    blueprint gives the module that has it, which has a generated checker beside it. `build` raises
    BlueprintError for a config it cannot build.
    """

    name: str
    code: str
    roles: tuple[str, ...]
    settings: type[pydantic.BaseModel] | str
    build: Callable[[Config], System]
    stack_sets: bool = False

    def model(self) -> type[pydantic.BaseModel]:
        """Return the model of the settings."""
        if isinstance(self.settings, str):
            found: type[pydantic.BaseModel] = import_module(self.settings).Settings
            return found
        return self.settings


@dataclass(frozen=True)
class Place:
    """A place in a config file: its line, and its key as people write it."""

    line: int
    key: str


@dataclass(frozen=True)
class ArtifactConfig:
    """A file to upload: its path as written, and the parameters for bucket and key."""

    path: str
    bucket: str
    key: str


@dataclass(frozen=True)
class StackSetConfig:
    """A stack set in a config file of the blueprint `custom`.

    `template` is the path as written, `line` the line of the part in the file. Region
    roles are replaced by regions. `capabilities` is None for those that the template
    needs. `places` are those of the parameters: by region and account of their override
    (None where it names none, or there is none), and name. The account of a service-managed stack set's target is an organizational
    unit.
    """

    part: str
    template: str
    line: int
    targets: tuple[Target, ...]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    at_first: Mapping[str, AtFirst] = field(default_factory=dict)
    artifacts: Mapping[str, ArtifactConfig] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    capabilities: tuple[str, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    service_managed: ServiceManaged | None = None
    places: Mapping[tuple[str | None, str | None, str], Place] = field(
        default_factory=dict, compare=False
    )

    def place_of(self, parameter: str, target: Target | None) -> Place | None:
        """Return the place of the value that a target gets for a parameter; None where
        the file does not give one."""
        account, region = (target.account, target.region) if target else (None, None)
        scopes = [(region, account), (None, account), (region, None), (None, None)]
        found = (self.places.get((*scope, parameter)) for scope in scopes)
        return next((place for place in found if place), None)


@dataclass(frozen=True)
class Config:
    """A valid config file, one environment's overlay applied.

    `system` is the stem of the file. `regions` maps region roles to regions, in the
    order of the blueprint's roles. Accounts may be `self`. `account_baseline` is
    `create` or `existing`. `settings` is an instance of the blueprint's own model, or
    of a shipped blueprint's checker: the same values by the same names.
    `rollout.order` has every region of the system once, by default the primary one
    last, so that a replica is the canary. `environment` is None for the default, the
    file without any overlay. `stack_sets` are those in the file, for a blueprint that
    has them; a region without a role is its own role. `delegated` is true where `admin`
    is a delegated administrator of StackSets, `callers` the roles and users of its
    account that run tapgen, empty for any. `goals` are those of drills, and
    `allow_drill` lets a workflow start one. `usage` is what estimates of costs assume.
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
    callers: tuple[str, ...] = ()
    permissions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    goals: Goals = Goals()
    usage: Usage = Usage()
    allow_drill: bool = False
