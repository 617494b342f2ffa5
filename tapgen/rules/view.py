"""A template as evaluated for each of its targets: what every rule checks.

The targets of a template come from the caller of cfn-lint (`placed`), or from the
`manifest.json` beside the file, in the same form: entries of `stack_sets`, as
`tapgen templates` writes them. Without either, parameters and pseudo parameters are
unknown, and so is whatever depends on them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tapgen.frozen import dataclass
from tapgen.model import SELF, Target
from tapgen.rules import values
from tapgen.system import representatives, resource_names
from tapgen.template import evaluate
from tapgen.template.values import LATER

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
# cfn-lint applies these transforms itself; any other may change everything.
_KNOWN_TRANSFORMS = {"AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"}
ACCOUNTS_CHECKED = 2
"""Of the accounts that come to the same, a second one shows what several have in
common."""

# A UUID of version 5, as `stack_name` ends in.
_END = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
# Fn::Transform may stand in place of any of these.
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
    """Give templates the targets of these manifest entries within this context.

    `written` is the template before cfn-lint expanded its loops, which differ from
    target to target.
    """
    token = _given.set(_Given(tuple(stack_sets), written))
    try:
        yield
    finally:
        _given.reset(token)


@dataclass(frozen=True)
class Resource:
    """A resource at one place: its evaluated attributes and properties."""

    id: str
    type: str
    attributes: Mapping[str, Any]
    place: Place

    @property
    def properties(self) -> Mapping[str, Any]:
        found = self.attributes.get("Properties")
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def leaves(self) -> tuple[tuple[values.Path, Any], ...]:
        """The scalars and functions of the properties, with their paths."""
        return tuple(values.walk(self.properties))

    @property
    def at_creation(self) -> Resource | None:
        """The resource as a new stack creates it, before parameters get the values that
        wait for other parts; None where it does not."""
        if self.place.new is None:
            return self
        found = self.place.new.resources.get(self.id)
        return None if found is None else replace(self, attributes=found)

    @property
    def identity(self) -> tuple[int, str]:
        """What no other resource has: stack sets may give theirs the same logical ids."""
        return id(self.place), self.id

    @property
    def certain(self) -> bool:
        """Whether the resource is certainly created here."""
        condition = self.attributes.get("Condition")
        if condition is None:
            return True
        conditions = self.place.evaluated.conditions
        return isinstance(condition, str) and conditions.get(condition) is True


@dataclass(frozen=True)
class Place:
    """A template as evaluated for a target; `target` is None if it is not known.

    `entry` is the number of the stack set among those that share the template, as
    the stack sets of environments do. `new` is the template in a new stack, None where
    no parameter has another value at first.
    """

    target: Target | None
    evaluated: evaluate.Evaluated
    entry: int = 0
    new: evaluate.Evaluated | None = None

    @property
    def region(self) -> str:
        return self.target.region if self.target else ""

    @property
    def account(self) -> str:
        return self.target.account if self.target else ""

    def of(self, *types: str) -> Iterator[Resource]:
        """Yield the resources of these types, or all of them."""
        for resource in self._resources:
            if not types or resource.type in types:
                yield resource

    @cached_property
    def _resources(self) -> tuple[Resource, ...]:
        found = self.evaluated.resources.items()
        return tuple(Resource(k, str(one.get("Type")), one, self) for k, one in found)


@dataclass(frozen=True)
class View:
    """A template, its stack sets, and the template as evaluated for each target.

    `written` is the template before cfn-lint expanded its loops, if it is known.
    `at` are its places, where they are known already.
    """

    template: Mapping[str, Any]
    stack_sets: tuple[Mapping[str, Any], ...]
    written: Mapping[str, Any] | None = None
    at: tuple[Place, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the targets of the template are known."""
        return any(place.target for place in self.places)

    @cached_property
    def opaque(self) -> bool:
        """Whether a macro may change this template."""
        found = self.template.get("Transform", [])
        transforms = found if isinstance(found, list) else [found]
        return any(t not in _KNOWN_TRANSFORMS for t in map(str, transforms))

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """One place for each target, or a single one without a target.

        Of the accounts that come to the same, only the first two.
        """
        if self.at:
            return self.at
        body = self.template if self.written is None else self.written
        found: list[Place] = []
        for number, entry in enumerate(self.stack_sets):
            accounts = _checked(body, entry)
            for target in targets(entry):
                if target.account in accounts:
                    given = given_values(entry, target)
                    name = stack_name(entry, target)
                    first = _at_first(entry)
                    found.append(place(body, given, target, number, name, first))
        return tuple(found) or (self._nowhere(),)

    def given(self, place: Place) -> dict[str, Any]:
        """Return the parameter values at a place whose target is known."""
        assert place.target
        return given_values(self.stack_sets[place.entry], place.target)

    def _nowhere(self) -> Place:
        declared = self.template.get("Parameters")
        parameters = dict(declared) if isinstance(declared, Mapping) else {}
        # A given value takes precedence over that of a pseudo parameter.
        parameters |= {name: {"Type": "String"} for name in _PSEUDO}
        given = {name: {LATER: name} for name in parameters}
        body = {**self.template, "Parameters": parameters}
        nowhere = Target("", "")
        return Place(None, evaluate.evaluate(body, given, nowhere))

    def created(self, *types: str) -> dict[tuple[int, str], list[Resource]]:
        """Group the resources of these types that are certainly created, by stack
        set and logical id."""
        found: dict[tuple[int, str], list[Resource]] = {}
        for one in self.places:
            for resource in one.of(*types):
                if one.target and resource.certain:
                    key = (one.entry, resource.id)
                    found.setdefault(key, []).append(resource)
        return found


def _checked(body: Mapping[str, Any], entry: Mapping[str, Any]) -> frozenset[str]:
    """Return the accounts of a stack set to check: of those that come to the same, the
    first ones."""
    overrides: dict[str, list[Any]] = {}
    for one in values.items(entry, "overrides"):
        account = str(values.get(one, "account"))
        own = [values.get(one, "region"), values.get(one, "parameters")]
        overrides.setdefault(account, []).append(own)
    there = [(repr(overrides.get(t.account)), t) for t in targets(entry)]
    named: set[str] = set()
    if len({t.account for _, t in there}) > ACCOUNTS_CHECKED:
        given = [o[1] for own in overrides.values() for o in own]
        text = json.dumps([body, entry.get("parameters"), given], default=str)
        named |= representatives.numbers(text)
        for target in {t.region: t for _, t in there}.values():
            text = evaluate.account_numbers(body, given_values(entry, target), target)
            named |= representatives.numbers(text)
    groups = representatives.grouped(there, named)
    return representatives.first(groups, ACCOUNTS_CHECKED)


def place(
    template: Mapping[str, Any],
    given: Mapping[str, Any],
    at: Target,
    entry: int = 0,
    named: str | None = None,
    first: Mapping[str, Any] = {},
) -> Place:
    """Evaluate a template with these parameter values for a target.

    `named` is the name of its stack, if it is known, `first` the values that new stacks
    have instead.
    """
    account = OWN_ACCOUNT if at.account == SELF else at.account
    here = Target(account, at.region)
    found = evaluate.evaluate(template, given, here, named)
    new = (
        evaluate.evaluate(template, {**given, **first}, here, named) if first else None
    )
    return Place(at, found, entry, new)


def stack_name(entry: Mapping[str, Any], target: Target) -> str | None:
    """Return a name like that of the stack at a target; None for an unknown stack set.

    The end, which StackSets chooses, is another one at each target.
    """
    name = entry.get("name")
    if not isinstance(name, str):
        return None
    return resource_names.stack_name(name, str(uuid5(NAMESPACE_URL, str(target))))


def without_end(text: str) -> str:
    """Return text without the ends of stack names, which only AWS knows."""
    return _END.sub("<36 characters>", text)


def of(cfn: Any) -> View:
    """Return the view of the template that cfn-lint checks, built once for each run."""
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
    """Return the template without sections that are no mappings; cfn-lint reports
    those."""
    return {
        key: value
        for key, value in body.items()
        if key not in _SECTIONS or isinstance(value, Mapping)
    }


def beside(filename: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the stack sets of a template file from the manifests beside it."""
    if not isinstance(filename, str) or not filename:
        return ()
    path = Path(filename)
    found: list[Mapping[str, Any]] = []
    for manifest in sorted(path.parent.glob("manifest*.json")):
        try:
            content = json.loads(manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue  # another tool's file with this name
        for entry in values.items(content, "stack_sets"):
            if values.get(entry, "template") == path.name:
                found.append({**_whole(content), **entry})
    return tuple(found)


def _whole(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a manifest that apply to all its stack sets."""
    names = ("permission_model", "auto_deployment")
    return {name: manifest[name] for name in names if name in manifest}


def targets(entry: Mapping[str, Any]) -> Iterator[Target]:
    """Yield the targets of a stack set in a manifest."""
    for target in values.items(entry, "targets"):
        account, region = values.get(target, "account"), values.get(target, "region")
        if isinstance(account, str) and isinstance(region, str):
            yield Target(account, region)


def given_values(entry: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Return the parameter values at a target; outputs of stack sets stay unknown."""
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


def _at_first(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameter values that new stacks have at first."""
    given = _mapping(entry.get("at_first"))
    return {name: values.get(one, "value") for name, one in given.items()}


def _mapping(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def locate(template: Any, path: values.Path) -> list[str | int]:
    """Map a path of the evaluated template to the template as written: through
    `Fn::If`, and only as far as it exists."""
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
