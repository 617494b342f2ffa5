"""Stacks that exist as a system of `custom` stack sets: which belong together, and the
files of the system. Pure; `importable` says what AWS refuses.

Stacks with the same template become one stack set; where two of them are in the same
account and region, one for each name. Values that differ become overrides.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tapgen.aws.existing import Existing
from tapgen.errors import TemplateError
from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.system import ledger
from tapgen.template import decode

_LONGEST = 25
"""The length of a part's name (`MOST_PART` of the config), without a number of its own."""
_RESERVED = "manifest"  # no part of the config has this name either
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NO_TEXT = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
"""Words that are no texts to a reader of YAML 1.1 or 1.2."""


@dataclass(frozen=True)
class Part:
    """Stacks that become one stack set; `data` is their template, `parameters` the values
    that most of them have, `overrides` those in which one differs."""

    name: str
    template: str
    data: str
    stacks: tuple[Existing, ...]
    parameters: Mapping[str, str]
    overrides: Mapping[Target, Mapping[str, str]]

    @property
    def file(self) -> str:
        """The name of the template's file."""
        is_json = self.template.lstrip().startswith("{")
        return f"{self.name}.{'json' if is_json else 'yaml'}"

    @property
    def is_readable(self) -> bool:
        """Whether the template can be read."""
        return self.data.startswith("{")

    @property
    def ids(self) -> dict[Target, str]:
        """The ids of the stacks, by target."""
        return {one.target: one.id for one in self.stacks}


def parts(found: Sequence[Existing]) -> tuple[Part, ...]:
    """Return the stack sets that stacks become."""
    groups: dict[str, list[Existing]] = {}
    for one in found:
        groups.setdefault(_data(one), []).append(one)
    split = [
        (data, apart)
        for data, group in groups.items()
        for same in _apart(group, _stem)
        for apart in _apart(same, lambda one: one.name)
    ]
    taken = {_RESERVED}
    return tuple(_part(data, group, taken) for data, group in split)


def _apart(
    group: list[Existing], key: Callable[[Existing], str]
) -> Iterator[list[Existing]]:
    """Yield a group as it is where each of its places has one stack, else one for each key."""
    if max(Counter(one.target for one in group).values()) == 1:
        yield group
        return
    for name in dict.fromkeys(map(key, group)):
        yield [one for one in group if key(one) == name]


def _stem(one: Existing) -> str:
    """The name of a stack, without what StackSets adds to it."""
    return one.created_by or one.name


def _data(one: Existing) -> str:
    """A template as sorted JSON; its text where it is none."""
    try:
        return json.dumps(decode.template(one.template, one.name), sort_keys=True)
    except TemplateError:
        return one.template


def _part(data: str, group: Sequence[Existing], taken: set[str]) -> Part:
    name = _name([*map(_stem, group)], taken)
    taken.add(name)
    common = {
        key: Counter(e.parameters.get(key, "") for e in group).most_common(1)[0][0]
        for key in dict.fromkeys(k for e in group for k in e.parameters)
    }
    overrides = {
        e.target: own
        for e in group
        if (own := {k: v for k, v in e.parameters.items() if common[k] != v})
    }
    return Part(name, group[0].template, data, tuple(group), common, overrides)


def _name(names: Sequence[str], taken: set[str]) -> str:
    """The name of a part: what the names of its stacks have in common."""
    stem = os.path.commonprefix([*names]) if len(set(names)) > 1 else names[0]
    words = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    name = (words if words[:1].isalpha() else f"stack-{words}".strip("-"))[:_LONGEST]
    name = name.rstrip("-")
    number, chosen = 1, name
    while chosen in taken:
        number += 1
        chosen = f"{name}-{number}"
    return chosen


def needs(found: Sequence[Part]) -> dict[str, list[str]]:
    """Return the parts whose exports a part imports; nothing at all where they would wait
    for each other."""
    exported = {
        (one.target, name): part.name
        for part in found
        for one in part.stacks
        for name in one.exports
    }
    wanted = {
        part.name: sorted(
            {
                exported[one.target, name]
                for one in part.stacks
                if part.is_readable
                for name in ledger.imported(part.data, one.parameters, one.target)
                if (one.target, name) in exported
            }
        )
        for part in found
    }
    try:
        TopologicalSorter(wanted).prepare()
    except CycleError:
        return {}
    return {part: others for part, others in wanted.items() if others}


def files(
    name: str,
    suffix: str,
    admin: Target,
    found: Sequence[Part],
    folder: Path,
) -> dict[Path, str]:
    """Return the files of the system, by path: its config, and a template for each part."""
    lines = [
        "# Written by tapgen import: stacks that existed, as they were.",
        "blueprint: custom",
        f"suffix: {_key(suffix)}",
        f"admin: {{account: {_text(admin.account)}, region: {admin.region}}}",
        "stack_sets:",
    ]
    written: dict[Path, str] = {}
    waits = needs(found)
    for part in found:
        written[folder / name / part.file] = part.template
        lines += _stack_set(name, part, waits.get(part.name, ()))
    return {**written, folder / f"{name}.yaml": "\n".join([*lines, ""])}


def _stack_set(name: str, part: Part, waits: Sequence[str]) -> Iterator[str]:
    yield f"  {_key(part.name)}:"
    yield f"    template: {name}/{part.file}"
    yield "    targets:"
    for target in sorted(part.ids):
        yield f"      - {_pair(target)}"
    names = dict.fromkeys(one.name for one in part.stacks)
    if part.parameters:
        yield "    parameters:"
        for key, value in part.parameters.items():
            yield f"      {_key(key)}: {_text(value)}"
    if part.overrides:
        yield "    overrides:"
    for target, own in sorted(part.overrides.items()):
        values = ", ".join(f"{_key(k)}: {_text(v)}" for k, v in own.items())
        where = f"region: {target.region}, account: {_text(target.account)}"
        yield f"      - {{{where}, parameters: {{{values}}}}}"
    if waits:
        yield f"    depends_on: [{', '.join(map(_key, waits))}]"
    yield f"    imported: [{', '.join(map(_key, names))}]"


def _pair(target: Target) -> str:
    return f"{{account: {_text(target.account)}, region: {target.region}}}"


def _text(value: str) -> str:
    """A text in YAML: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def _key(text: str) -> str:
    """A text in YAML, plain where every reader takes it for one."""
    plain = _WORD.fullmatch(text) and text.lower() not in _NO_TEXT
    return text if plain else _text(text)
