"""Where the runs of a system are recorded, read from a file that may have mistakes.

Whoever looks at a run needs the journal, and of the file only what says where that is:
suffix, administration, regions. A mistake elsewhere does not matter. One that could be about
these, such as an unknown key that may be a misspelt one, gives no answer at all: a journal
that is looked for in the wrong place looks like one without runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tapgen.config import checks, document, stack_sets
from tapgen.config.document import Node
from tapgen.config.model import Blueprint
from tapgen.config.problems import Keys, Problems
from tapgen.errors import ConfigError
from tapgen.model import SELF, System, Target

_PLACE = {"suffix", "regions", "admin"}
_NOT_OF_A_LAYER = {"blueprint", "environments"}


def read(
    path: Path, find: Callable[[str], Blueprint | None], environment: str | None
) -> System | None:
    """Return the system in a file without its stack sets, with the overlay of an
    environment; None where the file does not say for certain where its runs are."""
    problems = Problems(path)
    try:
        root = document.read(path, problems)
    except ConfigError:
        return None
    overlays = checks.environments(root, problems) if root else {}
    if root is None or environment not in {None, *overlays}:
        return None
    layer = root.without("environments")
    if environment is not None:
        own = stack_sets.only_defined(overlays[environment], layer, problems)
        layer = document.overlay(layer, own)
    problems.environment = environment
    kind = checks.blueprint(layer, problems, find, tuple)
    checks.shape(layer, problems)
    checks.relations(layer, problems, kind, path)
    wrong = [*_of_layer(problems, environment)]
    if any(map(_is_about_the_place, wrong)) or _may_be_misspelt(layer, wrong):
        return None
    roles = {role: str(node.value) for role, node in _mapping(layer, "regions").items()}
    region = _text(layer, "admin", "region") or _first(layer, kind, roles, wrong)
    if region is None:
        return None
    return System(
        name=path.stem,
        blueprint=kind.name if kind else "",
        suffix=_text(layer, "suffix") or "",
        regions=roles,
        admin=Target(_text(layer, "admin", "account") or SELF, region),
        stack_sets=(),
        environment=environment,
        delegated=_text(layer, "admin", "call_as") == "DELEGATED_ADMIN",
    )


def _of_layer(problems: Problems, environment: str | None) -> Iterator[Keys]:
    """The keys of a layer at which there are mistakes, as the default has them."""
    for keys in problems:
        if keys[:1] != ("environments",):
            yield keys
        elif keys[1:2] == (environment,):
            yield keys[2:]


def _is_about_the_place(keys: Keys) -> bool:
    return not keys or keys[0] in _PLACE


def _may_be_misspelt(layer: Node, wrong: list[Keys]) -> bool:
    """Whether an unknown key may be a misspelt `admin` or `regions`, which are not there."""
    from tapgen.config.shape import FileShape  # imports pydantic

    known = {*FileShape.model_fields, *_NOT_OF_A_LAYER}
    unknown = any(keys[0] not in known for keys in wrong)
    return unknown and not {"admin", "regions"} <= layer.mapping.keys()


def _first(
    layer: Node, kind: Blueprint | None, roles: dict[str, str], wrong: list[Keys]
) -> str | None:
    """The region of the first region role, which administers where the file names none; of
    a system without roles, that of its first target."""
    if kind is None:
        return None
    if kind.roles or roles:
        return roles.get(kind.roles[0] if kind.roles else next(iter(roles)))
    if any(keys[0] == "stack_sets" and not _is_of_content(keys) for keys in wrong):
        return None
    nodes = stack_sets.region_nodes(layer)
    return next((str(node.value) for node in nodes), None)


def _is_of_content(keys: Keys) -> bool:
    """Whether a mistake in a stack set is about what it deploys, and not where: without
    regions, one is missing there, whatever the misspelt key."""
    return len(keys) > 2 and keys[2] not in ("regions", "targets")


def _mapping(layer: Node, key: str) -> dict[str, Node]:
    node = layer.get(key)
    return node.mapping if node else {}


def _text(layer: Node, *keys: str) -> str | None:
    node = layer.get(*keys)
    return node.value if node and isinstance(node.value, str) else None
