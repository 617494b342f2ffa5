"""Reads `stacksets/<system>.yaml`: what the user asked for, validated.

`load` gives a `Config` or raises one `ConfigError` that lists every mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
from ruamel.yaml import YAML

from tapgen.errors import ConfigError
from tapgen.model import SELF, RolloutSettings, System, Target


@dataclass(frozen=True)
class Blueprint:
    """A kind of system: what its config file may say, and how it is built.

    `code` (at most four letters) begins the names of its resources. `roles` are its
    region roles, the first being the primary one. `settings` is the model of the
    `settings` block. `build` raises BlueprintError for a config it cannot build.
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


def load(
    path: Path,
    find: Callable[[str], Blueprint | None],
    environment: str | None = None,
    known: Iterable[str] = (),
) -> Config:
    """The config in a file; `find` gives the blueprint of a name.

    Raises ConfigError with every mistake found.
    """
    data: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    blueprint = find(data["blueprint"])
    if blueprint is None:
        raise ConfigError([f"{path}: blueprint: unknown: {data['blueprint']}"])
    regions = {role: data["regions"][role] for role in blueprint.roles}
    admin = data.get("admin", {})
    primary, *others = regions.values()
    return Config(
        system=path.stem,
        blueprint=blueprint.name,
        suffix=data["suffix"],
        regions=regions,
        accounts=tuple(data.get("accounts", [SELF])),
        admin=Target(admin.get("account", SELF), admin.get("region", primary)),
        settings=blueprint.settings.model_validate(data.get("settings", {})),
        tags=data.get("tags", {}),
        account_baseline=data.get("account_baseline", "create"),
        rollout=RolloutSettings(order=(*others, primary)),
        environment=environment,
        path=path,
    )
