"""Check what depends on more than one value of the file, or on its blueprint.

Every check reads nodes and skips values of the wrong type, which `shape` reports. So one
mistake does not hide another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tapgen.config import gates, stack_sets, units
from tapgen.config.document import Node, wrong
from tapgen.config.model import Blueprint
from tapgen.config.patterns import ENVIRONMENT
from tapgen.config.problems import Problems, listed, near, shown
from tapgen.errors import BlueprintError
from tapgen.knowledge.regions import PARTITION_OF
from tapgen.model import SELF

if TYPE_CHECKING:  # slow to import, and needed only to say what is wrong
    from pydantic import BaseModel

    from tapgen.config.shape import FileShape

MOST_ENVIRONMENTS = 50


def blueprint(
    root: Node,
    problems: Problems,
    find: Callable[[str], Blueprint | None],
    known: Callable[[], Collection[str]],
) -> Blueprint | None:
    """Return the blueprint that a file names; None, with the reason reported, if none."""
    node = root.get("blueprint")
    if node is None or not isinstance(node.value, str):
        return None
    name = node.value
    try:
        found = find(name)
    except BlueprintError as error:
        wrong(problems, node, str(error))
        return None
    if found is None:
        names = known()
        wrong(
            problems,
            node,
            f"{shown(name)} is not a blueprint{_one_of(names)}{near(name, names)}",
        )
    return found


def _one_of(names: Collection[str]) -> str:
    names = sorted(names)
    return f"; give {listed(names)}" if names else ""


def shape(root: Node, problems: Problems) -> FileShape | None:
    """Return the file's values; None, with the reasons reported, if any is wrong."""
    # Imported here: it is generated from the models of this room.
    from tapgen.config import shape_checker

    try:
        return cast("FileShape", shape_checker.check_file_shape(root.data()))
    except (ValueError, AssertionError):
        from tapgen.config import translate
        from tapgen.config.shape import FileShape

        return translate.explained(problems, root, FileShape)


def settings(root: Node, problems: Problems, kind: Blueprint) -> BaseModel | None:
    """Return the blueprint's settings; None, with the reasons reported, if any is wrong."""
    node = root.get("settings") or _empty(root, "settings")
    if not isinstance(node.value, dict):
        return None
    if isinstance(kind.settings, str):
        checker = import_module(f"{kind.settings}_checker")
        try:
            return cast("BaseModel", checker.check_settings(node.data()))
        except (ValueError, AssertionError):
            pass  # the model says why
    from tapgen.config import translate

    return translate.explained(problems, node, kind.model())


def _empty(root: Node, key: str) -> Node:
    """Return an empty mapping in place of one that the file leaves out."""
    base = _empty(root.base, key) if root.base else None
    return Node({}, root.line, (*root.keys, key), base=base)


def relations(
    root: Node, problems: Problems, kind: Blueprint | None, path: Path
) -> None:
    """Report the values that contradict each other in the file at `path`."""
    if kind is not None:
        units.check(root, problems, kind)
        _roles(root, problems, kind)
        _boundary(root, problems, kind)
        _stack_sets(root, problems, kind, path)
    _regions(root, problems)
    _order(root, problems, kind.roles if kind else ())
    _accounts(root, problems)
    _preferences(root, problems)
    gates.check(root, problems)


def _boundary(root: Node, problems: Problems, kind: Blueprint) -> None:
    rollout = root.get("rollout")
    node = rollout.get("permissions_boundary") if rollout else None
    if node is not None and node.value == "off" and kind.code:
        message = (
            f"the roles of the blueprint {kind.name} are always within a permissions "
            "boundary; remove this key"
        )
        wrong(problems, node, message)


def _stack_sets(root: Node, problems: Problems, kind: Blueprint, path: Path) -> None:
    node = root.get("stack_sets")
    if kind.stack_sets:
        stack_sets.check(root, problems, path)
    elif node is not None:
        message = "only the blueprint custom has stack_sets; remove this key"
        wrong(problems, node, message)


def _text(node: Node | None) -> str | None:
    return node.value if node is not None and isinstance(node.value, str) else None


def _roles(root: Node, problems: Problems, kind: Blueprint) -> None:
    node = root.get("regions")
    none = node is None or (node.value == {} and not kind.roles)
    if none and not kind.stack_sets:
        message = "missing; give a region for each region role of the blueprint"
        wrong(problems, node or root, message, *(() if node else ("regions",)))
    if node is None or not isinstance(node.value, dict) or not kind.roles:
        return
    roles = f"region roles of {kind.name}: {', '.join(kind.roles)}"
    for role, region in node.mapping.items():
        if role not in kind.roles:
            wrong(
                problems,
                region,
                f"unknown region role; {roles}{near(role, kind.roles)}",
            )
    for role in kind.roles:
        if role not in node.mapping:
            wrong(problems, node, f"missing; give it a region; {roles}", role)


def _regions(root: Node, problems: Problems) -> None:
    """Report a region with two roles, and regions of different partitions."""
    seen: dict[str, Node] = {}
    roles = root.get("regions") or _empty(root, "regions")
    for node in sorted(roles.mapping.values(), key=lambda n: n.line):
        region = _text(node)
        if region is None:
            continue
        if region in seen:
            other = seen[region].keys[-1]
            wrong(
                problems,
                node,
                f"{shown(region)} is already the region of {other}; give another one",
            )
        seen[region] = node
    for place in (root.get("admin", "region"), *stack_sets.region_nodes(root)):
        name = _text(place)
        if place is not None and name is not None and name not in roles.mapping:
            seen.setdefault(name, place)
    first = next(iter(seen), "")
    for region, node in seen.items():
        known = region in PARTITION_OF and first in PARTITION_OF
        if known and PARTITION_OF[region] != PARTITION_OF[first]:
            wrong(
                problems,
                node,
                f"{shown(region)} and {shown(first)} are in different AWS partitions, "
                "which share no accounts; give regions of one partition",
            )


def _order(root: Node, problems: Problems, roles: tuple[str, ...]) -> None:
    """Report what is not a region of this system in the region order, or is twice."""
    given_regions = root.get("regions") or _empty(root, "regions")
    regions = {role: role for role in roles}  # a missing one is reported elsewhere
    regions |= {k: _text(node) or k for k, node in given_regions.mapping.items()}
    listed_ones = {_text(node) or "" for node in stack_sets.region_nodes(root)}
    regions |= {name: name for name in listed_ones - {*regions, *regions.values()}}
    order = root.get("rollout", "order")
    if order is None or not regions:
        return
    seen: set[str] = set()
    for item in order.items:
        given = _text(item)
        if given is None:
            continue
        region = regions.get(given, given)
        if region not in regions.values():
            allowed = list(dict.fromkeys([*regions, *regions.values()]))
            wrong(
                problems,
                item,
                f"{shown(given)} is neither a region role nor a region of this system; "
                f"give {listed(allowed)}{near(given, allowed)}",
            )
        elif region in seen:
            wrong(
                problems, item, f"{shown(given)} is listed twice; list each region once"
            )
        seen.add(region)


def _accounts(root: Node, problems: Problems) -> None:
    seen: dict[str, Node] = {}
    node = root.get("accounts")
    for item in node.items if node else []:
        account = item.text if not isinstance(item.value, str) else item.value
        if account in seen:
            line = seen[account].line
            message = (
                f"{shown(account)} is listed twice, first on line {line}; keep one"
            )
            wrong(problems, item, message)
        elif account:
            seen[account] = item


def _preferences(root: Node, problems: Problems) -> None:
    rollout = root.get("rollout") or _empty(root, "rollout")
    preferences = rollout.get("preferences") or _empty(rollout, "preferences")
    for mapping, one, other in (
        (rollout, "strategy", "preferences"),
        (preferences, "failure_tolerance_count", "failure_tolerance_percentage"),
        (preferences, "max_concurrent_count", "max_concurrent_percentage"),
    ):
        node = mapping.get(other)
        if node is not None and node.value is not None and mapping.get(one):
            wrong(problems, node, f"cannot be combined with {one}; keep one of the two")


def environments(root: Node, problems: Problems) -> Mapping[str, Node]:
    """Return the overlays of a file by name; report and skip other values."""
    node = root.get("environments")
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        wrong(
            problems,
            node,
            f"{node.shown()} is not a mapping; write the name of each environment as "
            "a key, and below it the values that differ",
        )
    if len(node.mapping) > MOST_ENVIRONMENTS:
        number = len(node.mapping)
        message = f"{number} environments; give at most {MOST_ENVIRONMENTS}"
        wrong(problems, node, message)
        return {}
    found = {}
    for name, overlay in node.mapping.items():
        if not re.fullmatch(ENVIRONMENT.strip("^$"), name):
            wrong(
                problems,
                overlay,
                f"{shown(name)} is not a valid environment name; use at most 32 "
                "lower-case letters, digits, hyphens and underscores, starting with "
                "a letter",
            )
        if isinstance(overlay.value, dict):
            found[name] = overlay
        else:
            wrong(
                problems,
                overlay,
                f"{overlay.shown()} is not a mapping; write the keys that differ in "
                "this environment, such as suffix",
            )
    return found


def apart(layers: Mapping[str | None, Node], problems: Problems) -> None:
    """Report environments that would have the same stack sets and roles.

    Their names consist of system and suffix, and are unique in the administration
    account.
    """
    seen: dict[tuple[str, str], str] = {}
    for name, root in layers.items():
        node = root.get("suffix")
        suffix = _text(node)
        if node is None or suffix is None:
            continue
        place = (suffix, _text(root.get("admin", "account")) or SELF)
        whose = "the default" if name is None else f"environment {name}"
        other = seen.setdefault(place, whose)
        if other != whose:
            own = node.keys[: len(root.keys)] == root.keys
            wrong(
                problems,
                node if own else root,
                f"{shown(suffix)} is already the suffix of {other}, and both would have "
                "the same stack sets; give this environment another suffix",
                *(() if own else ("suffix",)),
            )
