"""A template as the places it goes to have it: what every rule looks at.

Where a template goes comes from whoever runs cfn-lint (`placed`), or from the
`manifest.json` beside the file, in the same form: entries of `stack_sets`, as
`tapgen templates` writes them. Without either, parameters and pseudo parameters are
unknown, and so is whatever depends on them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tapgen.model import SELF, Target
from tapgen.rules import values
from tapgen.template import evaluate
from tapgen.template.evaluate import LATER

OWN_ACCOUNT = "000000000000"
"""Stands for `self` in evaluated text, so that lengths are right."""

_PSEUDO = (
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
)
# Transforms that cfn-lint applies itself; any other may change everything.
_KNOWN_TRANSFORMS = {"AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"}
# One account more shows what several have in common.
_ACCOUNTS_LOOKED_AT = 2
# The macros' own function may stand anywhere.
_SECTIONS = ("Resources", "Conditions", "Mappings", "Parameters")


@dataclass(frozen=True)
class _Given:
    stack_sets: tuple[Mapping[str, Any], ...]
    written: Mapping[str, Any] | None


_given: ContextVar[_Given | None] = ContextVar("given", default=None)


@contextmanager
def placed(
    stack_sets: Sequence[Mapping[str, Any]], written: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """While this lasts, templates go where these entries of a manifest say.

    `written` is the template before cfn-lint wrote out its loops, which differ from
    target to target.
    """
    token = _given.set(_Given(tuple(stack_sets), written))
    try:
        yield
    finally:
        _given.reset(token)


@dataclass(frozen=True)
class Resource:
    """A resource as one place has it: its evaluated attributes and properties."""

    id: str
    type: str
    attributes: Mapping[str, Any]
    place: Place

    @property
    def properties(self) -> Mapping[str, Any]:
        found = self.attributes.get("Properties")
        return found if isinstance(found, Mapping) else {}

    @property
    def certain(self) -> bool:
        """Whether it is made here for sure."""
        condition = self.attributes.get("Condition")
        if condition is None:
            return True
        conditions = self.place.evaluated.conditions
        return isinstance(condition, str) and conditions.get(condition) is True


@dataclass(frozen=True)
class Place:
    """A template as a target has it; `target` is None where it is not known.

    `entry` counts the stack sets that share the template: those of environments.
    """

    target: Target | None
    evaluated: evaluate.Evaluated
    entry: int = 0

    @property
    def region(self) -> str:
        return self.target.region if self.target else ""

    @property
    def account(self) -> str:
        return self.target.account if self.target else ""

    def of(self, *types: str) -> Iterator[Resource]:
        """The resources of these types, or all of them."""
        for logical_id, attributes in self.evaluated.resources.items():
            kind = str(attributes.get("Type"))
            if not types or kind in types:
                yield Resource(logical_id, kind, attributes, self)


@dataclass(frozen=True)
class View:
    """A template, where it goes, and what it becomes there.

    `written` is the template before cfn-lint has written out its loops, where known.
    """

    template: Mapping[str, Any]
    stack_sets: tuple[Mapping[str, Any], ...]
    written: Mapping[str, Any] | None = None

    @property
    def known(self) -> bool:
        """Whether it is known where the template goes."""
        return any(place.target for place in self.places)

    @cached_property
    def opaque(self) -> bool:
        """Whether a macro may turn this template into another."""
        found = self.template.get("Transform", [])
        transforms = found if isinstance(found, list) else [found]
        return any(t not in _KNOWN_TRANSFORMS for t in map(str, transforms))

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Each target, or one place of which nothing is known.

        Of the accounts that have the same values in a region, only the first ones.
        """
        found: list[Place] = []
        seen: dict[str, set[str]] = {}
        for number, entry in enumerate(self.stack_sets):
            for target in targets(entry):
                given = given_values(entry, target)
                key = f"{number} {target.region} {sorted(given.items())}"
                same = seen.setdefault(key, set())
                if target.account in same or len(same) >= _ACCOUNTS_LOOKED_AT:
                    continue
                same.add(target.account)
                body = self.template if self.written is None else self.written
                found.append(place(body, given, target, number))
        return tuple(found) or (self._nowhere(),)

    def _nowhere(self) -> Place:
        declared = self.template.get("Parameters")
        parameters = dict(declared) if isinstance(declared, Mapping) else {}
        # A value for a pseudo parameter goes before what it stands for.
        parameters |= {name: {"Type": "String"} for name in _PSEUDO}
        given = {name: {LATER: name} for name in parameters}
        body = {**self.template, "Parameters": parameters}
        nowhere = Target("", "")
        return Place(None, evaluate.evaluate(body, given, nowhere))

    def made(self, *types: str) -> dict[tuple[int, str], list[Resource]]:
        """For each stack set and logical id, the places where a resource of these
        types is made for sure."""
        found: dict[tuple[int, str], list[Resource]] = {}
        for one in self.places:
            for resource in one.of(*types):
                if one.target and resource.certain:
                    key = (one.entry, resource.id)
                    found.setdefault(key, []).append(resource)
        return found


def place(
    template: Mapping[str, Any], given: Mapping[str, Any], at: Target, entry: int = 0
) -> Place:
    """A template as it is with these values at a target."""
    account = OWN_ACCOUNT if at.account == SELF else at.account
    evaluated = evaluate.evaluate(template, given, Target(account, at.region))
    return Place(at, evaluated, entry)


def of(cfn: Any) -> View:
    """The view of the template that cfn-lint is checking; made once for each run."""
    found = getattr(cfn, "tapgen_view", None)
    if not isinstance(found, View):
        given = _given.get()
        stack_sets = given.stack_sets if given else beside(cfn.filename)
        body = cfn.template if isinstance(cfn.template, Mapping) else {}
        written = given.written if given else None
        found = View(_readable(body), stack_sets, written and _readable(written))
        cfn.tapgen_view = found
    return found


def _readable(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without sections that are no mappings, about which cfn-lint tells."""
    return {
        key: value
        for key, value in body.items()
        if key not in _SECTIONS or isinstance(value, Mapping)
    }


def beside(filename: Any) -> tuple[Mapping[str, Any], ...]:
    """The stack sets that manifests beside a template file have for it."""
    if not isinstance(filename, str) or not filename:
        return ()
    path = Path(filename)
    found: list[Mapping[str, Any]] = []
    for manifest in sorted(path.parent.glob("manifest*.json")):
        try:
            content = json.loads(manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue  # a file of somebody else's with this name
        for entry in values.items(content, "stack_sets"):
            if values.get(entry, "template") == path.name:
                found.append({**_whole(content), **entry})
    return tuple(found)


def _whole(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of all its stack sets."""
    names = ("permission_model", "auto_deployment")
    return {name: manifest[name] for name in names if name in manifest}


def targets(entry: Mapping[str, Any]) -> Iterator[Target]:
    """The targets of a manifest's stack set."""
    for target in values.items(entry, "targets"):
        account, region = values.get(target, "account"), values.get(target, "region")
        if isinstance(account, str) and isinstance(region, str):
            yield Target(account, region)


def given_values(entry: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Parameter values at a target; what another stack set gives is not known."""
    found = dict(_mapping(entry.get("parameters")))
    matching = [
        o
        for o in values.items(entry, "overrides")
        if isinstance(o, Mapping)
        and o.get("account") in (None, target.account)
        and o.get("region") in (None, target.region)
    ]
    matching.sort(key=lambda o: (bool(o.get("account")), bool(o.get("region"))))
    for override in matching:
        found |= _mapping(override.get("parameters"))
    return {
        name: {LATER: str(value.get("output"))} if isinstance(value, Mapping) else value
        for name, value in found.items()
    }


def _mapping(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def locate(template: Any, path: values.Path) -> list[str | int]:
    """A path of the evaluated template as it is written: through `Fn::If`, and short
    of what is not there."""
    if not path:
        return []
    step, rest = path[0], path[1:]
    if isinstance(template, Mapping) and step in template:
        return [step, *locate(template[step], rest)]
    if isinstance(template, list) and isinstance(step, int) and step < len(template):
        return [step, *locate(template[step], rest)]
    match template:
        case {"Fn::If": [_, yes, no]}:
            sides = [[1, *locate(yes, path)], [2, *locate(no, path)]]
            best = max(sides, key=len)
            return ["Fn::If", *best] if len(best) > 1 else []
    return []
