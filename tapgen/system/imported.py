"""Stacks that exist as a system of `custom` stack sets: which belong together, what AWS
refuses, and the files of the system. Pure.

Stacks with the same template become one stack set; where two of them are in the same
account and region, one for each name. Values that differ become overrides.

What AWS asks for: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-import.html
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tapgen.aws.existing import Existing
from tapgen.errors import TemplateError
from tapgen.frozen import dataclass
from tapgen.model import System, Target
from tapgen.template import decode
from tapgen.template.parameters import parameters_of

_LONGEST = 25
"""The length of a part's name (`MOST_PART` of the config), without a number of its own."""
_READY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_READY_AFTER_IMPORT = ("IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")


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
    def ids(self) -> dict[Target, str]:
        """The ids of the stacks, by target."""
        return {one.target: one.id for one in self.stacks}


def parts(found: Sequence[Existing]) -> tuple[Part, ...]:
    """Return the stack sets that stacks become."""
    groups: dict[str, list[Existing]] = {}
    for one in found:
        groups.setdefault(_data(one), []).append(one)
    split: list[tuple[str, list[Existing]]] = []
    for data, group in groups.items():
        places = Counter(one.target for one in group)
        if max(places.values()) == 1:
            split.append((data, group))
            continue
        names = dict.fromkeys(one.name for one in group)
        split += [(data, [e for e in group if e.name == name]) for name in names]
    taken: set[str] = set()
    return tuple(_part(data, group, taken) for data, group in split)


def _data(one: Existing) -> str:
    """A template as sorted JSON; its text where it is none."""
    try:
        return json.dumps(decode.template(one.template, one.name), sort_keys=True)
    except TemplateError:
        return one.template


def _part(data: str, group: Sequence[Existing], taken: set[str]) -> Part:
    name = _name([one.name for one in group], taken)
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


def refusals(found: Iterable[Part], owners: Mapping[str, str]) -> list[str]:
    """Return why stacks cannot be imported, a line for each reason; `owners` are the stack
    sets that have stacks already, by the id of the stack."""
    return [line for part in found for line in _refusals(part, owners)]


def _refusals(part: Part, owners: Mapping[str, str]) -> Iterator[str]:
    for one in part.stacks:
        where = f"{one.name} in {one.target}"
        owner = owners.get(one.id) or one.stack_set
        if owner:
            yield (
                f"{where} belongs to stack set {owner} already, and a stack belongs to one "
                "at most; delete its instance there with --retain-stacks first"
            )
        if one.parent:
            yield f"{where} is nested in {one.parent}; import that one"
        if one.status not in (*_READY, *_READY_AFTER_IMPORT):
            yield f"{where} is {one.status}; wait, or repair it first"
    if not part.data.startswith("{"):
        yield f"the template of {part.name} cannot be read"
        return
    if "Transform" in json.loads(part.data):
        yield (
            f"the template of {part.name} has a macro (Transform), and tapgen deploys what "
            "macros give; deploy the stack without it first"
        )
    declared = parameters_of(part.data)
    hidden = sorted(
        n for n, p in declared.items() if str(p.get("NoEcho")).lower() == "true"
    )
    if hidden:
        yield (
            f"{part.name} has the NoEcho parameter {', '.join(hidden)}: AWS imports no such "
            "stacks; take the value from a secret or from Parameter Store instead"
        )


def lost_tags(found: Iterable[Part]) -> list[str]:
    """Return the tags that the next update takes from stacks, a line for each part: a stack
    gets those of its stack set, and its resources those of the stack."""
    lines = []
    for part in found:
        tags = {f"{k}={v}" for one in part.stacks for k, v in one.tags.items()}
        if tags:
            lines.append(
                f"the next update gives the stacks of {part.name} and their resources the "
                f"tags of the system in place of {', '.join(sorted(tags))}; write into the "
                "file under tags: what is to stay"
            )
    return lines


def changed(found: Iterable[Part], system: System) -> list[str]:
    """Return the parts whose template tapgen would send as another one: AWS imports a stack
    only into a stack set with the template that it has."""
    sent = {s.part: s.template for s in system.stack_sets}
    return [
        f"{part.name}: tapgen sends its template in another form (it has a macro, a loop, or "
        "files of its own), and AWS imports only what has the same template"
        for part in found
        if json.dumps(json.loads(sent[part.name]), sort_keys=True) != part.data
    ]


def files(
    name: str,
    suffix: str,
    admin: Target,
    found: Iterable[Part],
    folder: Path,
) -> dict[Path, str]:
    """Return the files of the system, by path: its config, and a template for each part."""
    lines = [
        "# Written by tapgen import: stacks that existed, as they were.",
        "blueprint: custom",
        f"suffix: {suffix}",
        f"admin: {{account: {_text(admin.account)}, region: {admin.region}}}",
        "stack_sets:",
    ]
    written: dict[Path, str] = {}
    for part in found:
        written[folder / name / part.file] = part.template
        lines += _stack_set(name, part)
    return {folder / f"{name}.yaml": "\n".join([*lines, ""]), **written}


def _stack_set(name: str, part: Part) -> Iterator[str]:
    yield f"  {part.name}:"
    yield f"    template: {name}/{part.file}"
    yield "    targets:"
    for target in sorted(part.ids):
        yield f"      - {_pair(target)}"
    names = dict.fromkeys(one.name for one in part.stacks)
    yield f"    imported: [{', '.join(names)}]"
    if part.parameters:
        yield "    parameters:"
        for key, value in part.parameters.items():
            yield f"      {key}: {_text(value)}"
    if part.overrides:
        yield "    overrides:"
    for target, own in sorted(part.overrides.items()):
        values = ", ".join(f"{key}: {_text(value)}" for key, value in own.items())
        yield f"      - {_pair(target)[:-1]}, parameters: {{{values}}}}}"


def _pair(target: Target) -> str:
    return f"{{account: {_text(target.account)}, region: {target.region}}}"


def _text(value: str) -> str:
    """A text in YAML: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
