"""The canonical form of YAML files that people write: configs, and templates.

Only the layout changes: the order of keys that have one, indentation, spaces, blank lines
and quotes. Comments stay with what they are written at, and a text is refused where its
canonical form would say something else. `layout` lays the text out; here is what is known
about its keys. Begin reading at `system` and `template`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from tapgen.config import layout
from tapgen.config.document import Node, thoroughly
from tapgen.config.patterns import DURATION, duration, seconds
from tapgen.config.problems import Keys, Problems
from tapgen.errors import ConfigError

# CloudFormation user guide, "Template sections": the order in which it lists them, with
# what macros read (Transform, Globals of SAM, Hooks) before what they change.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
SECTIONS = (
    *("AWSTemplateFormatVersion", "Transform", "Description", "Metadata", "Globals"),
    *("Parameters", "Rules", "Mappings", "Conditions", "Hooks", "Resources", "Outputs"),
)


def system(text: str, path: Path) -> str:
    """Return the text of a system's config in canonical form.

    Raises ConfigError where it is not YAML, or has what cannot be laid out again.
    """
    before = _data(_read(text, path))
    laid_out = layout.text(text, path, _order, _scalar)
    if _data(_read(laid_out, path)) != before:
        raise _unsafe(path)
    return laid_out


def template(text: str, path: Path) -> str:
    """Return the text of a CloudFormation template in canonical form.

    Raises ConfigError where it has what cannot be laid out again, TemplateError where it
    cannot be read.
    """
    from tapgen.template import decode

    before = decode.data(text, str(path))
    laid_out = layout.text(
        text, path, lambda keys: () if keys else SECTIONS, lambda _, given: given
    )
    if decode.data(laid_out, str(path)) != before:
        raise _unsafe(path)
    return laid_out


def _unsafe(path: Path) -> ConfigError:
    return ConfigError(
        [
            f"{path}: not formatted, because the result would mean something else; "
            "write it in plainer YAML, or report this file"
        ]
    )


def _read(text: str, path: Path) -> Node:
    problems = Problems(path)
    root = thoroughly(text, problems)
    if root is None or problems:
        raise problems.error()
    return root


# What a config's models say: the order of keys, and which values have forms of their own.


def _data(node: Node) -> Any:
    """What a config says: plain data, with durations in seconds, and with account ids as
    text, because a number is refused there."""
    if isinstance(node.value, dict):
        return {key: _data(one) for key, one in node.value.items()}
    if isinstance(node.value, list):
        return [_data(one) for one in node.value]
    if node.text and isinstance(node.value, int | float) and is_a(node.keys, "account"):
        return node.text
    if isinstance(node.value, str) and is_a(node.keys, "duration"):
        return seconds(node.value) if re.fullmatch(DURATION, node.value) else node.value
    return node.value


def _order(keys: Keys) -> tuple[str, ...]:
    """The order of the keys of a mapping: that of its model; none where keys are names."""
    if keys[:1] == ("environments",) and len(keys) == 2:
        keys = ()
    for kind, _ in _kinds(keys):
        if hasattr(kind, "model_fields"):
            return (*kind.model_fields, *(() if keys else ("environments",)))
    return ()


def _scalar(keys: Keys, given: str) -> str:
    if re.fullmatch("[0-9]{12}", given) and is_a(keys, "account"):
        return f'"{given}"'
    if re.fullmatch(DURATION, given) and is_a(keys, "duration"):
        return duration(given)
    return given


@cache
def is_a(keys: Keys, what: str) -> bool:
    """Whether values at a path of a config are of a kind: `account` or `duration`."""
    from tapgen.config.gate_shape import Duration
    from tapgen.config.shape import Account

    marks = {"account": get_args(Account)[1], "duration": get_args(Duration)[1]}
    return any(marks[what] in metadata for _, metadata in _kinds(keys))


@cache
def _kinds(keys: Keys) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
    """The types at a path of a config, each with its metadata."""
    from tapgen.config.shape import FileShape

    if keys[:1] == ("environments",):
        return _kinds(keys[2:]) if len(keys) > 2 else ()
    if not keys:
        return ((FileShape, ()),)
    return tuple(
        found for kind, _ in _kinds(keys[:-1]) for found in _inside(kind, keys[-1])
    )


def _inside(kind: Any, key: str | int) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The types of a mapping's value or a list's element."""
    arguments = get_args(kind)
    if hasattr(kind, "model_fields"):
        if key in kind.model_fields:
            field = kind.model_fields[key]
            yield from _flat(field.annotation, tuple(field.metadata))
    elif get_origin(kind) is list and isinstance(key, int):
        yield from _flat(arguments[0])
    elif get_origin(kind) is dict and isinstance(key, str):
        yield from _flat(arguments[1])


def _flat(kind: Any, metadata: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """The types that a type stands for: each of a union, with what `Annotated` adds."""
    if get_origin(kind) is Annotated:
        inner, *added = get_args(kind)
        yield from _flat(inner, (*metadata, *added))
    elif get_origin(kind) in (Union, UnionType):
        for one in get_args(kind):
            yield from _flat(one, metadata)
    else:
        yield kind, metadata
