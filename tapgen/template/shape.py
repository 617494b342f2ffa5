"""The shape of a template: what has to be text, a list or a mapping.

CloudFormation refuses a template with another shape. Whatever reads a template later may
rely on it. Properties are left to cfn-lint, except the places of code.

Source: "Template sections" and "Resource attribute reference" in CloudFormation's user
guide, and its answer to nulls, "'null' values are not allowed in templates".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.knowledge import packaged
from tapgen.template import loops

Path = tuple[str | int, ...]
Mistake = tuple[Path, str]
"""The path of a mistake, and what is wrong there."""

_KINDS = {dict: "a mapping", list: "a list", str: "text", bool: "true or false"}
_ENTRIES = {"Resources": "Type", "Parameters": "Type", "Outputs": "Value"}
_MAPPINGS = ("Properties", "Metadata", "CreationPolicy", "UpdatePolicy")
_POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")
_TRANSFORM = "Fn::Transform"


def mistakes(body: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the path of each part of a template that has the wrong kind of value, and
    what is wrong with it."""
    for section, needed in _ENTRIES.items():
        extended = loops.TRANSFORM in loops.transforms(body)
        for path, entry in _entries(body.get(section, {}), (section,)):
            if not isinstance(entry, Mapping) or needed not in entry:
                yield path, f"has no {needed}; add it"
            elif section == "Resources":
                yield from _resource(path, entry, extended)
            elif section == "Parameters":
                yield from _parameter(path, entry)
            else:
                yield from _output(path, entry)
    yield from _in_mapping(body, "Conditions", 1)
    yield from _in_mapping(body, "Mappings", 2)


def _entries(section: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the entries of a section, those in loops included."""
    for name, entry in section.items() if isinstance(section, Mapping) else ():
        if name == _TRANSFORM:
            continue
        if not str(name).startswith(loops.LOOP):
            yield (*path, name), entry
        elif isinstance(entry, list) and len(entry) == 3:
            yield from _entries(entry[2], (*path, name, 2))


def _resource(
    path: Path, entry: Mapping[str, Any], extended: bool
) -> Iterator[Mistake]:
    yield from _text(
        path, entry, "Type", "the name of a type such as AWS::SNS::Topic", empty=False
    )
    yield from _text(path, entry, "Condition", "the name of a condition")
    for key in _MAPPINGS:
        if key in entry and not isinstance(entry[key], Mapping):
            yield (*path, key), f"{_is(entry[key])}; give a mapping, or remove it"
    for key in _POLICIES:
        if not (extended and isinstance(entry.get(key), Mapping)):
            yield from _text(path, entry, key, "a policy such as Retain")
    yield from _depends_on(path, entry)
    if isinstance(entry["Type"], str) and isinstance(entry.get("Properties"), Mapping):
        yield from _code((*path, "Properties"), entry["Type"], entry["Properties"])


def _depends_on(path: Path, entry: Mapping[str, Any]) -> Iterator[Mistake]:
    given = entry.get("DependsOn", "")
    what = "give a logical id, or a list of them"
    if isinstance(given, list):
        for number, item in enumerate(given):
            if not isinstance(item, str):
                yield (*path, "DependsOn", number), f"{_is(item)}; {what}"
    elif not isinstance(given, str):
        yield (*path, "DependsOn"), f"{_is(given)}; {what}, or remove it"


def _code(
    path: Path, type_name: str, properties: Mapping[str, Any]
) -> Iterator[Mistake]:
    for steps, keys in packaged.LOCATIONS.get(type_name, {}).items():
        value: Any = properties
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, bool | int | float | list):
            yield (
                *path,
                *steps,
            ), f"{_is(value)}; give {keys or 'the URL of an object'}"
        elif isinstance(value, str) and (keys or not value.startswith(packaged.URLS)):
            yield (*path, *steps), (
                f"is {value!r}, and CloudFormation reads no files; list the file under "
                "artifacts: in the config, and give "
                f"{keys or 'the URL of the object'} with its parameters"
            )


def _parameter(path: Path, entry: Mapping[str, Any]) -> Iterator[Mistake]:
    yield from _text(path, entry, "Type", "a type such as String", empty=False)
    default = entry.get("Default", "")
    if default is None or isinstance(default, list | Mapping):
        yield (*path, "Default"), f"{_is(default)}; give text, a list with commas"
    allowed = entry.get("AllowedValues", [])
    if not isinstance(allowed, list):
        yield (*path, "AllowedValues"), f"{_is(allowed)}; give a list"
    for number, item in enumerate(allowed if isinstance(allowed, list) else ()):
        if item is None or isinstance(item, list | Mapping):
            yield (*path, "AllowedValues", number), f"{_is(item)}; give text"


def _output(path: Path, entry: Mapping[str, Any]) -> Iterator[Mistake]:
    if entry["Value"] is None:
        yield (*path, "Value"), f"{_is(None)}; give one, or remove the output"
    yield from _text(path, entry, "Condition", "the name of a condition")
    if "Export" in entry and not isinstance(entry["Export"], Mapping):
        yield (*path, "Export"), f"{_is(entry['Export'])}; give a mapping with a Name"


def _in_mapping(body: Mapping[str, Any], section: str, depth: int) -> Iterator[Mistake]:
    entries = list(_entries(body.get(section, {}), (section,)))
    for level in range(depth):
        inner: list[tuple[Path, Any]] = []
        for path, entry in entries:
            if not isinstance(entry, Mapping):
                yield path, f"{_is(entry)}; give a mapping"
            elif level + 1 < depth and _TRANSFORM not in entry:
                inner += _entries(entry, path)
        entries = inner


def _text(
    path: Path, entry: Mapping[str, Any], key: str, what: str, *, empty: bool = True
) -> Iterator[Mistake]:
    value = entry.get(key, "" if empty else None)
    if not isinstance(value, str):
        yield (*path, key), f"{_is(value)}; give {what}"
    elif not value and not empty:
        yield (*path, key), f"is empty; give {what}"


def _is(value: Any) -> str:
    if value is None:
        return "has no value"
    return f"is {_KINDS.get(type(value), 'a number')}"
