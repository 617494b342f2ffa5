"""`AWS::Include`: snippets from files beside a template, put in while it is read.

What is in the snippet takes the place of the transform, beside the keys around it; at
the top of a template its sections are added to those of the template. The result has no
macro, so lint, plan and roles see each resource, and service-managed stack sets take it.

Source: "AWS::Include transform" in CloudFormation's template reference,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-include.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tapgen.errors import TemplateError
from tapgen.template import decode, loops
from tapgen.template.values import mapping

TRANSFORM = "AWS::Include"

# "anywhere within the template except in the template parameters section or the template
# version" (the page above).
_NOT_IN = ("Parameters", "AWSTemplateFormatVersion")
_KEY = "Fn::Transform"


def expanded(body: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Return a template, as read from a file, with its snippets in place.

    Locations are relative to the file that names them. Raises TemplateError for one that
    is not a local file, cannot be read, has a key that is there already, or includes
    itself.
    """
    return _top(body, (file.resolve(),))


def _top(body: Mapping[str, Any], files: tuple[Path, ...]) -> dict[str, Any]:
    found = {
        section: (
            value
            if section == "Transform"
            else _within(value, (section,), files, banned=section in _NOT_IN)
        )
        for section, value in body.items()
    }
    given = loops.transforms(body)
    rest = [entry for entry in given if not _is_include(entry)]
    if len(rest) == len(given):
        return found
    del found["Transform"]
    for entry in given:
        if _is_include(entry):
            snippet, inner = _snippet(entry, ("Transform",), files)
            for section, value in _top(snippet, inner).items():
                known = found.get(section)
                if isinstance(known, dict) and isinstance(value, dict):
                    found[section] = _together(known, value, (section,), inner)
                else:
                    found = _together(found, {section: value}, (), inner)
    return {"Transform": rest, **found} if rest else found


def _within(
    node: Any, path: tuple[str, ...], files: tuple[Path, ...], *, banned: bool
) -> Any:
    """Return a part of a template with its snippets in place, the deepest first."""
    if isinstance(node, list):
        return [_within(item, path, files, banned=banned) for item in node]
    if not isinstance(node, Mapping):
        return node
    found = {
        key: (
            value if key == _KEY else _within(value, (*path, key), files, banned=banned)
        )
        for key, value in node.items()
    }
    entries = list(_includes(found.get(_KEY)))
    if not entries:
        return found
    if banned:
        raise TemplateError(
            f"{_at(path, files)}: {TRANSFORM} is not allowed in {path[0]}; write it out"
        )
    del found[_KEY]
    for entry in entries:
        snippet, inner = _snippet(entry, path, files)
        more = _within(snippet, path, inner, banned=banned)
        found = _together(found, more, path, inner)
    return found


def _includes(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what `Fn::Transform` includes; nothing if it calls anything else as well."""
    entries = value if isinstance(value, list) else [value]
    if entries and all(map(_is_include, entries)):
        yield from entries


def _is_include(entry: Any) -> bool:
    return isinstance(entry, Mapping) and entry.get("Name") == TRANSFORM


def _snippet(
    entry: Mapping[str, Any], path: tuple[str, ...], files: tuple[Path, ...]
) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Return what is in a snippet, and the files from the template down to it."""
    where = _at(path, files)
    location = mapping(entry.get("Parameters")).get("Location")
    if location is None:
        raise TemplateError(
            f"{where}: {TRANSFORM} without a Location; give the path of a local file, "
            "relative to this one"
        )
    if not isinstance(location, str) or "://" in location:
        raise TemplateError(
            f"{where}: {TRANSFORM} of {location}: only AWS can read it; give the path of "
            "a local file, relative to this one"
        )
    source = (files[-1].parent / location).resolve()
    if source in files:
        raise TemplateError(
            f"{where}: {location} includes itself; remove one of the two"
        )
    try:
        text = source.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TemplateError(
            f"{source}: cannot be read: {reason}; check the path in {where}"
        ) from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"{source}: not UTF-8; save the file as UTF-8") from error
    found = decode.data(text, str(source))
    if not isinstance(found, dict):
        raise TemplateError(
            f"{source}:1: not a mapping; a snippet consists of keys and their values"
        )
    return found, (*files, source)


def _together(
    known: Mapping[str, Any],
    more: Mapping[str, Any],
    path: tuple[str, ...],
    files: tuple[Path, ...],
) -> dict[str, Any]:
    twice = sorted(known.keys() & more.keys())
    if twice:
        raise TemplateError(
            f"{files[-1]}: {'.'.join([*path, twice[0]])} is in {files[-2].name} already; "
            "remove it from one of the two"
        )
    return {**known, **more}


def _at(path: tuple[str, ...], files: tuple[Path, ...]) -> str:
    return f"{files[-1]}: {'.'.join(path)}"
