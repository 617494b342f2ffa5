"""The `stack_sets` block of a file: the user's own templates, and their wiring.

`check` reports values that contradict each other, and skips values of the wrong type,
which `shape` reports. `read` returns the stack sets of a block without mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapgen.config import units
from tapgen.config.document import Node, wrong
from tapgen.config.model import ArtifactConfig, Place, StackSetConfig
from tapgen.config.patterns import ACCOUNT
from tapgen.config.problems import Problems, dotted, listed, near, shown
from tapgen.frozen import dataclass
from tapgen.knowledge.regions import PARTITION_OF
from tapgen.model import SAME, SELF, AtFirst, Output, Override, Target, Value

if TYPE_CHECKING:  # the models are needed only to say what is wrong
    from tapgen.config.shape import FileShape, OverrideShape, StackSetShape

# CloudFormation names the stacks `StackSet-<stack set>-<uuid>`, at most 128 characters;
# 40 are for the system, 12 for the suffix.
PART = re.compile(r"[a-z](-?[a-z0-9])*")
MOST_PART = 28
RESERVED = ("manifest",)  # the file of that name is the manifest

_OUTPUT = re.compile(r"([^.]+)\.([A-Za-z0-9]+)")
_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_REFERENCE = ("account", "all", "by", "output", "region")


@dataclass(frozen=True)
class Places:
    """The regions that a file may name: its region roles, and every region of AWS."""

    roles: Mapping[str, str]

    def region(self, given: str) -> str | None:
        """Return the region of a role or name; None where there is none."""
        known = self.roles.get(given, given)
        return known if known in PARTITION_OF else None

    def refused(self, given: str) -> str:
        """Return the message about a name that is not a region."""
        words = [*self.roles, *sorted(PARTITION_OF)]
        roles = f"a region role ({', '.join(self.roles)}), or " if self.roles else ""
        return (
            f"{shown(given)} is not an AWS region; give {roles}a region such as "
            f"us-east-1{near(given, words)}"
        )


def places(root: Node) -> Places:
    """Return the region roles of a file."""
    node = root.get("regions")
    mapping = node.mapping if node else {}
    return Places({k: n.value for k, n in mapping.items() if isinstance(n.value, str)})


# What does not go together -------------------------------------------------------------


def check(root: Node, problems: Problems, path: Path) -> None:
    """Report what is wrong with the stack sets of the file at `path`."""
    node = root.get("stack_sets")
    if node is None or not node.mapping:
        if node is None or node.value in ({}, None):
            message = "give each stack set a name and a template"
            here = () if node else ("stack_sets",)
            wrong(problems, node or root, f"missing; {message}", *here)
        return
    found = places(root)
    _check_roles(root, problems)
    for part, inner in node.mapping.items():
        _check_part(part, inner, problems)
        look = _Part(part, inner, node, found, problems)
        units.check_part(inner, root, problems)
        look.template(path)
        look.targets(root)
        look.overrides(root)
        look.values()
        look.at_first()
        look.artifacts(path)
        look.waits()
    _check_circles(node, problems)


def only_defined(over: Node, base: Node, problems: Problems) -> Node:
    """Return the overlay of an environment without stack sets that nothing defines;
    report these. One of the environment's own has a template."""
    node, defined = over.get("stack_sets"), base.get("stack_sets")
    names = list(defined.mapping) if defined else []
    strange = {
        part: inner
        for part, inner in (node.mapping if node else {}).items()
        if part not in names and inner.mapping and inner.get("template") is None
    }
    if not node or not names or not strange:
        return over
    for part, inner in strange.items():
        message = (
            f"{shown(part)} is not a stack set of this file; give {listed(names)}, or "
            f"give it a template of its own{near(part, names)}"
        )
        wrong(problems, inner, message)
    remaining = {**over.mapping, "stack_sets": node.without(*strange)}
    return Node(remaining, over.line, over.keys, base=over.base)


def _check_roles(root: Node, problems: Problems) -> None:
    node = root.get("regions")
    for role, region in (node.mapping if node else {}).items():
        taken = role == SAME or (role in PARTITION_OF and role != region.value)
        if taken or not _ROLE.fullmatch(role):
            wrong(
                problems,
                region,
                f"{shown(role)} is not a valid region role; use lower-case letters, "
                "digits, hyphens and underscores, and not the name of a region",
            )


def _check_part(part: str, node: Node, problems: Problems) -> None:
    fits = PART.fullmatch(part) and len(part) <= MOST_PART
    if not fits or part in RESERVED:
        wrong(
            problems,
            node,
            f"{shown(part)} is not a valid stack set name; use at most {MOST_PART} "
            "lower-case letters, digits and single inner hyphens, starting with a letter"
            + (", and not manifest" if part in RESERVED else ""),
        )


@dataclass(frozen=True)
class _Part:
    """One stack set in the file, and the context that it is checked in."""

    name: str
    node: Node
    every: Node  # all stack sets
    places: Places
    problems: Problems

    def wrong(self, node: Node, message: str, *keys: str | int) -> None:
        wrong(self.problems, node, message, *keys)

    def template(self, path: Path) -> None:
        node = self.node.get("template")
        if node is not None and isinstance(node.value, str):
            file = template_path(path, node.value)
            if not file.is_file():
                what = "is a folder" if file.is_dir() else "does not exist"
                self.wrong(
                    node, f"{shown(node.value)}: {file} {what}; give the path of a file"
                )

    def region(self, node: Node | None, *, same: bool = False) -> str | None:
        """Return the region that a node names; None, with a report, where it names none. A
        role without a region is reported where the role is."""
        if node is None or not isinstance(node.value, str):
            return None
        if same and node.value == SAME:
            return None
        found = self.places.region(node.value)
        if found is None and node.value not in self.places.roles:
            self.wrong(node, self.places.refused(node.value))
        return found

    def targets(self, root: Node) -> None:
        pairs, regions = self.node.get("targets"), self.node.get("regions")
        for other in ("regions", "accounts"):
            if pairs is not None and self.node.get(other):
                self.wrong(
                    pairs, f"cannot be combined with {other}; keep one of the two"
                )
        if pairs is None and regions is None and not self.places.roles:
            message = "missing; give regions, or pairs of account and region in targets"
            self.wrong(self.node, message, "regions")
        if regions is not None:
            self.once((self.region(n), n) for n in regions.items)
        if pairs is not None:
            self.once((self.pair(n), n) for n in pairs.items)
        accounts = self.node.get("accounts")
        if accounts is not None:
            self.once((n.value, n) for n in accounts.items)

    def pair(self, node: Node) -> tuple[str, str] | None:
        region = self.region(node.get("region"))
        account = node.get("account")
        return region and (str(account.value) if account else SELF, region) or None

    def once(self, found: Iterable[tuple[Any, Node]]) -> None:
        """Report what is listed twice."""
        seen: dict[str, Node] = {}
        for value, node in found:
            first = seen.setdefault(repr(value), node)
            if value is not None and first is not node:
                line = first.line
                self.wrong(node, f"listed twice, first on line {line}; keep one")

    def overrides(self, root: Node) -> None:
        node = self.node.get("overrides")
        wanted = set(_pairs(self.node, root, self.places))
        seen: dict[tuple[str | None, str | None], Node] = {}
        for item in node.items if node else []:
            where, account = item.get("region"), item.get("account")
            if where is None and account is None and item.mapping:
                self.wrong(
                    item,
                    "applies to all targets; give it a region, an account, or both",
                )
                continue
            region = self.region(where)
            if where is not None and region is None:
                continue
            whose = str(account.value) if account else None
            first = seen.setdefault((region, whose), item)
            if first is not item:
                self.wrong(
                    item, f"has the same targets as line {first.line}; merge the two"
                )
            # The accounts in an organizational unit are not known here.
            account_known = None if units.is_managed(self.node, root) else whose
            if not any(_covers(region, account_known, t) for t in wanted):
                self.wrong(item, "matches no target of this stack set; remove it")

    def values(self) -> None:
        for node in _parameter_blocks(self.node):
            for name, value in node.mapping.items():
                if value.value is None and name.endswith(":"):
                    message = f"no value; put a space after the colon of {shown(name)}"
                    self.wrong(value, message)
                else:
                    self.value(value, waits=name in _at_first(self.node))

    def at_first(self) -> None:
        for inner in _at_first(self.node).values():
            value, until = inner.get("value"), inner.get("until")
            if value is not None and isinstance(value.value, dict | list):
                message = f"{value.shown()} is not one value; give text or a number"
                self.wrong(value, message)
            elif value is not None:
                self.scalar(value)
            for item in until.items if until else []:
                if isinstance(item.value, str):
                    self.part(item, item.value, waits=True)

    def value(self, node: Node, waits: bool) -> None:
        if isinstance(node.value, dict):
            self.reference(node, waits)
        elif isinstance(node.value, list):
            for item in node.items:
                if isinstance(item.value, dict | list):
                    message = f"{item.shown()} in a list; give only text or numbers"
                    self.wrong(item, message + ", or join outputs with all: true")
                elif isinstance(item.value, str) and "," in item.value:
                    self.wrong(
                        item,
                        "an item with a comma becomes two items; write them as two",
                    )
                else:
                    self.scalar(item)
        else:
            self.scalar(node)

    def scalar(self, node: Node) -> None:
        text = node.text or ""
        if node.value is None:
            self.wrong(node, 'no value; give one, or "" for an empty one')
        elif isinstance(node.value, int | float) and not isinstance(node.value, bool):
            # The author may have meant an account id, which YAML reads as a number.
            if re.match(r"[-+]?0[0-9ox]", text) or len(text) >= 12:
                self.wrong(
                    node, f'the number {text} may lose digits; quote it: "{text}"'
                )

    def reference(self, node: Node, waits: bool) -> None:
        for key, inner in node.mapping.items():
            if key not in _REFERENCE:
                allowed = ", ".join(_REFERENCE)
                hint = near(key, _REFERENCE)
                self.wrong(inner, f"unknown key; allowed: {allowed}{hint}")
        self.output(node, waits)
        region, account = node.get("region"), node.get("account")
        if region is not None and not isinstance(region.value, str):
            self.wrong(region, f"{region.shown()} is not text; give a region")
        self.region(region, same=True)
        if account is not None and not _is_account(account.value):
            message = "is not an account id; give 12 digits in quotes, self or same"
            self.wrong(account, f"{account.shown()} {message}")
        every = node.get("all")
        if every is not None and not isinstance(every.value, bool):
            self.wrong(every, f"{every.shown()} is not true or false; give one of them")
        by = node.get("by")
        if by is not None and by.value != "ssm":
            self.wrong(
                by,
                f"{by.shown()} is not a way to hand on a value; give ssm, or remove by "
                "to hand on the value itself",
            )

    def output(self, node: Node, waits: bool) -> None:
        output = node.get("output")
        if output is None:
            self.wrong(node, "missing; give STACK_SET.OUTPUT", "output")
            return
        written = output.value if isinstance(output.value, str) else ""
        found = _OUTPUT.fullmatch(written)
        if found is None:
            self.wrong(output, f"{output.shown()} is not of the form STACK_SET.OUTPUT")
        else:
            self.part(output, found[1], waits)

    def part(self, node: Node, name: str, waits: bool = False) -> None:
        """Report a name that is no other stack set, or with `waits` none at all."""
        others = [part for part in self.every.mapping if waits or part != self.name]
        if name == self.name and not waits:
            self.wrong(node, "a stack set cannot depend on itself; give another one")
        elif name not in others:
            has = f"give {listed(others)}" if others else "it has no other"
            hint = near(name, others)
            self.wrong(
                node, f"{shown(name)} is not a stack set of this file; {has}{hint}"
            )

    def waits(self) -> None:
        node = self.node.get("depends_on")
        items = node.items if node else []
        self.once((n.value, n) for n in items if _is_text(n))
        for item in items:
            if isinstance(item.value, str):
                self.part(item, item.value)

    def artifacts(self, path: Path) -> None:
        node = self.node.get("artifacts")
        given = {
            name: value
            for block in _parameter_blocks(self.node)
            for name, value in block.mapping.items()
        }
        for name, inner in (node.mapping if node else {}).items():
            if not re.fullmatch(r"[A-Za-z0-9]+", name):
                self.wrong(
                    inner,
                    f"{shown(name)} is not a valid artifact name; use letters and digits",
                )
            source = inner.get("path")
            if source is not None and isinstance(source.value, str):
                self.exists(source, path.parent / source.value)
            for parameter in _artifact_parameters(name, inner):
                if parameter in given:
                    message = (
                        f"the artifact {name} already sets it; remove one of the two"
                    )
                    self.wrong(given[parameter], message)

    def exists(self, node: Node, file: Path) -> None:
        if not file.exists():
            message = f"{file} does not exist; build it first, or check the path"
            self.wrong(node, message)


def _is_text(node: Node | None) -> bool:
    return node is not None and isinstance(node.value, str)


def _is_account(value: object) -> bool:
    known = isinstance(value, str) and re.fullmatch(ACCOUNT.strip("^$"), value)
    return value == SAME or bool(known)


def _parameter_blocks(part: Node) -> Iterator[Node]:
    node = part.get("parameters")
    if node is not None:
        yield node
    overrides = part.get("overrides")
    for item in overrides.items if overrides else []:
        inner = item.get("parameters")
        if inner is not None:
            yield inner


def _at_first(part: Node) -> Mapping[str, Node]:
    """Return the parameters that have another value in a new stack."""
    node = part.get("at_first")
    return node.mapping if node else {}


def _artifact_parameters(name: str, node: Node) -> tuple[str, str]:
    bucket, key = node.get("bucket"), node.get("key")
    return (
        str(bucket.value) if bucket else f"{name}Bucket",
        str(key.value) if key else f"{name}Key",
    )


def _covers(region: str | None, account: str | None, target: Target) -> bool:
    return region in (None, target.region) and account in (None, target.account)


def _check_circles(every: Node, problems: Problems) -> None:
    waits = {
        part: sorted(set(_waits_for(node)) & set(every.mapping) - {part})
        for part, node in every.mapping.items()
    }
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        path = " -> ".join(circle)
        node = every.mapping[circle[0]]
        message = f"stack sets depend on each other: {path}; remove a dependency"
        wrong(problems, node, message)


def _waits_for(part: Node) -> Iterator[str]:
    node = part.get("depends_on")
    for item in node.items if node else []:
        yield str(item.value)
    for block in _parameter_blocks(part):
        for name, value in block.mapping.items():
            output = value.get("output")
            if output is not None and name not in _at_first(part):
                yield str(output.value).partition(".")[0]


def _pairs(part: Node, root: Node, known: Places) -> Iterator[Target]:
    """Yield the targets of a stack set, as far as the file is valid."""
    pairs = part.get("targets")
    for item in pairs.items if pairs else []:
        region, account = item.get("region"), item.get("account")
        found = known.region(str(region.value)) if region else None
        if found:
            yield Target(str(account.value) if account else SELF, found)
    if pairs is not None:
        return
    regions = part.get("regions")
    given = [str(n.value) for n in regions.items] if regions else [*known.roles]
    for name in given:
        found = known.region(name)
        if found:
            yield from (Target(account, found) for account in _whose(part, root))


def _whose(part: Node, root: Node) -> list[str]:
    """Return the accounts of a stack set, or its organizational units."""
    if units.is_managed(part, root):
        return [*units.named(part, root)]
    accounts = part.get("accounts")
    if accounts is None and not units.is_managed(root, root):
        accounts = root.get("accounts")
    return [str(n.value) for n in accounts.items] if accounts else [SELF]


def region_nodes(root: Node) -> Iterator[Node]:
    """Yield the nodes that name target regions of stack sets."""
    node = root.get("stack_sets")
    for part in (node.mapping if node else {}).values():
        regions, pairs = part.get("regions"), part.get("targets")
        yield from regions.items if regions else []
        for item in pairs.items if pairs else []:
            region = item.get("region")
            if region is not None:
                yield region


def template_path(path: Path, given: str) -> Path:
    """Return the file of a template that the config at `path` names: `app.py` for
    `app.py:build`."""
    file, colon, _ = given.partition(".py:")
    return path.parent / (f"{file}.py" if colon else given)


# Nouns ----------------------------------------------------------------------------------


def read(root: Node, shape: FileShape) -> tuple[StackSetConfig, ...]:
    """Return the stack sets of a file without mistakes, in its order."""
    known = places(root)
    node = root.get("stack_sets")
    mapping = node.mapping if node else {}
    return tuple(
        _read(part, mapping[part], inner, root, known)
        for part, inner in shape.stack_sets.items()
    )


def regions(
    roles: Mapping[str, str], found: Iterable[StackSetConfig]
) -> dict[str, str]:
    """Return every region of a system by role; a region without a role is its own role."""
    named = dict(roles)
    for target in (t for s in found for t in s.targets):
        if target.region not in named.values():
            named[target.region] = target.region
    return named


def _read(
    part: str, node: Node, shape: StackSetShape, root: Node, known: Places
) -> StackSetConfig:
    artifacts = node.get("artifacts")
    return StackSetConfig(
        part=part,
        template=shape.template,
        line=node.line,
        targets=tuple(_pairs(node, root, known)),
        parameters=_values(node, known),
        overrides=tuple(_overrides(node, shape.overrides, known)),
        at_first={
            name: AtFirst(_text(inner.mapping["value"]), tuple(inner.data()["until"]))
            for name, inner in _at_first(node).items()
        },
        artifacts={
            name: ArtifactConfig(
                shape.artifacts[name].path, *_artifact_parameters(name, inner)
            )
            for name, inner in (artifacts.mapping if artifacts else {}).items()
        },
        depends_on=tuple(shape.depends_on),
        imported=tuple(shape.imported),
        capabilities=None if shape.capabilities is None else (*shape.capabilities,),
        tags=shape.tags,
        service_managed=units.read(node, root),
        places=dict(_places(node, shape.overrides, known)),
    )


def _places(
    node: Node, shapes: Iterable[OverrideShape], known: Places
) -> Iterator[tuple[tuple[str | None, str | None, str], Place]]:
    """Yield the place of each parameter that a stack set gives."""
    artifacts = node.get("artifacts")
    for name, inner in (artifacts.mapping if artifacts else {}).items():
        for parameter in _artifact_parameters(name, inner):
            yield (None, None, parameter), _place(inner)
    given = node.get("overrides")
    overrides = zip(shapes, given.items if given else (), strict=True)
    blocks: list[tuple[str | None, str | None, Node]] = [(None, None, node)]
    blocks += [
        (known.region(s.region) if s.region else None, s.account, item)
        for s, item in overrides
    ]
    for region, account, block in blocks:
        values = block.get("parameters")
        for name, value in (values.mapping if values else {}).items():
            yield (region, account, name), _place(value)


def _place(node: Node) -> Place:
    return Place(node.line, dotted(node.keys))


def _overrides(
    node: Node, shapes: Iterable[OverrideShape], known: Places
) -> Iterator[Override]:
    given = node.get("overrides")
    items = given.items if given else []
    for shape, item in zip(shapes, items, strict=True):
        region = known.region(shape.region) if shape.region else None
        yield Override(_values(item, known), region, shape.account)


def _values(node: Node, known: Places) -> dict[str, Value]:
    given = node.get("parameters")
    mapping = given.mapping if given else {}
    return {name: _value(value, known) for name, value in mapping.items()}


def _value(node: Node, known: Places) -> Value:
    if isinstance(node.value, list):
        return ",".join(map(_text, node.items))
    if not isinstance(node.value, dict):
        return _text(node)
    data = node.data()
    part, _, output = data["output"].partition(".")
    region = data.get("region", SAME)
    return Output(
        part=part,
        output=output,
        region=SAME if region == SAME else known.region(region) or region,
        account=data.get("account", SAME),
        all=data.get("all", False),
        by_name="by" in data,
    )


def _text(node: Node) -> str:
    """Return a scalar as CloudFormation expects it: numbers as they are written."""
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return node.value if isinstance(node.value, str) else node.text or str(node.value)
