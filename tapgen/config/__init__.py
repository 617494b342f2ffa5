"""Read and check `stacksets/<system>.yaml`.

`load` gives a `Config`, or raises one ConfigError that lists every mistake in the file
with its line, its key, what was given and what is allowed. The default and all
environments are always checked together.

`shape` has every key, `document` reads YAML with its lines, `gates`, `stack_sets` and
`units` check the blocks about gates and your own templates, `checks` what depends on more than one value.
Files in `*_checker.py` are generated from the models (`tools/checkers.py`): a config
that is right needs no pydantic. May use `template/` and `knowledge/`.
Begin reading at `load`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapgen.config import checks, gates, stack_sets
from tapgen.config.document import Node, overlay, read, wrong
from tapgen.config.model import (
    ArtifactConfig,
    Blueprint,
    Config,
    Place,
    StackSetConfig,
)
from tapgen.config.patterns import SYSTEM, seconds
from tapgen.config.problems import MOST, Problems, near, shown
from tapgen.model import (
    PREFERENCES,
    PassedRole,
    Preferences,
    RolloutSettings,
    Strategy,
    Target,
)
from tapgen.model.costs import Usage
from tapgen.model.drills import Goals

if TYPE_CHECKING:  # slow to import, and needed only to say what is wrong
    from tapgen.config.shape import RolloutShape

__all__ = [
    "ArtifactConfig",
    "Blueprint",
    "Config",
    "Place",
    "StackSetConfig",
    "environments",
    "json_schema",
    "load",
    "load_all",
]

Names = Callable[[], Collection[str]]


def load(
    path: Path,
    find: Callable[[str], Blueprint | None],
    environment: str | None = None,
    known: Iterable[str] | Names = (),
) -> Config:
    """Return the config in a file, with the overlay of an environment.

    `find` gives the blueprint of a name, or raises BlueprintError; `known` are the
    names to suggest, or a function that returns them when they are needed. An overlay
    merges into mappings and replaces other values; each environment has its own suffix.
    Raises ConfigError with every mistake found.
    """
    return _load(path, find, known, environment)[environment]


def load_all(
    path: Path,
    find: Callable[[str], Blueprint | None],
    known: Iterable[str] | Names = (),
) -> dict[str | None, Config]:
    """Return the config in a file (under None), and that of each environment."""
    return _load(path, find, known, None)


def _load(
    path: Path,
    find: Callable[[str], Blueprint | None],
    known: Iterable[str] | Names,
    environment: str | None,
) -> dict[str | None, Config]:
    problems = Problems(path)
    names = known if callable(known) else list(known).copy
    _check_name(path, problems)
    root = read(path, problems)
    if root is None:
        raise problems.error()
    base = root.without("environments")
    overlays = checks.environments(root, problems)
    layers: dict[str | None, Node] = {None: base}
    layers |= {
        name: overlay(base, stack_sets.only_defined(node, base, problems))
        for name, node in overlays.items()
    }
    configs: dict[str | None, Config | None] = {}
    for name, layer in layers.items():
        if len(problems) <= MOST:
            configs[name] = _config(layer, problems, find, names, path, name)
    problems.environment = None
    checks.apart(layers, problems)
    if environment not in layers:
        _note_unknown(environment, root, problems)
    if problems:
        raise problems.error()
    return {name: config for name, config in configs.items() if config}


def json_schema(blueprints: Iterable[Blueprint]) -> dict[str, Any]:
    """Return the JSON Schema of a config file for one of some blueprints."""
    from tapgen.config import schema  # imports pydantic

    return schema.json_schema(blueprints)


def environments(path: Path) -> tuple[str, ...]:
    """Return the names of a file's environments, in its order.

    Raises ConfigError where the file or one of its environments is not a mapping.
    """
    problems = Problems(path)
    root = read(path, problems)
    names = tuple(checks.environments(root, problems)) if root else ()
    if problems:
        raise problems.error()
    return names


def _check_name(path: Path, problems: Problems) -> None:
    if not re.fullmatch(SYSTEM.strip("^$"), path.stem):
        problems.add(
            0,
            (),
            f"the file name {shown(path.stem)} is not a valid system name; use at most 40 "
            "lower-case letters, digits and underscores, starting with a letter",
        )
    if path.stem == "bootstrap":  # templates_out/bootstrap/ holds everybody's roles
        problems.add(
            0, (), "'bootstrap' is reserved for tapgen's own folder; rename the file"
        )


def _note_unknown(name: str | None, root: Node, problems: Problems) -> None:
    node = root.get("environments")
    names = list(node.mapping) if node else []
    has = f"it has {', '.join(names)}" if names else "it has none"
    wrong(
        problems,
        node or root,
        f"{shown(name)} is not an environment of this file; {has}{near(name, names)}",
        *(() if node else ("environments",)),
    )


def _config(
    root: Node,
    problems: Problems,
    find: Callable[[str], Blueprint | None],
    known: Names,
    path: Path,
    environment: str | None,
) -> Config | None:
    """Return the config of one layer; None, with the reasons reported, if it is wrong."""
    problems.environment = environment
    blueprint = checks.blueprint(root, problems, find, known)
    shape = checks.shape(root, problems)
    settings = checks.settings(root, problems, blueprint) if blueprint else None
    checks.relations(root, problems, blueprint, path)
    if problems or shape is None or blueprint is None or settings is None:
        return None
    listed = stack_sets.read(root, shape)
    roles = blueprint.roles or tuple(shape.regions)
    named = {role: shape.regions[role] for role in roles}
    regions = stack_sets.regions(named, listed)
    primary, *others = regions.values()
    order = [*others, primary] if blueprint.roles else [primary, *others]
    return Config(
        system=path.stem,
        blueprint=blueprint.name,
        suffix=shape.suffix,
        regions=regions,
        accounts=tuple(shape.accounts),
        admin=Target(shape.admin.account, shape.admin.region or primary),
        settings=settings,
        tags=shape.tags,
        account_baseline=shape.account_baseline,
        rollout=_rollout(shape.rollout, regions, order),
        environment=environment,
        path=path,
        stack_sets=listed,
        pass_roles=tuple(
            PassedRole(given.role, service)
            for given in shape.pass_roles
            for service in given.to
        ),
        delegated=shape.admin.call_as == "DELEGATED_ADMIN",
        callers=tuple(shape.admin.callers),
        permissions={name: tuple(its) for name, its in shape.permissions.items()},
        goals=Goals(**{name: seconds(text) for name, text in shape.goals}),
        allow_drill=shape.allow_drill,
        usage=Usage(**dict(shape.cost.usage)),
    )


def _rollout(
    shape: RolloutShape, regions: Mapping[str, str], default: Iterable[str]
) -> RolloutSettings:
    """Return the rollout settings; regions that the file does not order come last, in the
    default order: of a blueprint's roles the primary last, else as listed."""
    named = [regions.get(given, given) for given in shape.order]
    order = [*named, *(region for region in default if region not in named)]
    given = shape.preferences
    strategy = None if given else Strategy(shape.strategy)
    preferences = PREFERENCES[strategy] if strategy else Preferences()
    if given:
        preferences = Preferences(
            region_concurrency=given.region_concurrency,
            concurrency_mode=given.concurrency_mode,
            failure_tolerance_count=_or(
                given.failure_tolerance_count, given.failure_tolerance_percentage, 0
            ),
            failure_tolerance_percentage=given.failure_tolerance_percentage,
            max_concurrent_count=_or(
                given.max_concurrent_count, given.max_concurrent_percentage, 1
            ),
            max_concurrent_percentage=given.max_concurrent_percentage,
        )
    return RolloutSettings(
        preferences=preferences,
        strategy=strategy,
        order=tuple(order),
        on_failure=shape.on_failure,
        gates=gates.read(shape.gates),
        patience=seconds(shape.patience),
        engine=shape.engine,
        permissions_boundary=shape.permissions_boundary == "required",
    )


def _or(count: int | None, percentage: int | None, default: int) -> int | None:
    """Return a count, or AWS's default where neither count nor percentage is given."""
    return default if count is None and percentage is None else count
