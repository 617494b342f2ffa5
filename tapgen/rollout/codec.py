"""Frozen dataclasses as JSON data and back, by their annotations.

Fields that have their defaults are left out. A target is a string, so that it can be a
key: `account/region`, or `account/region/unit`.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from tapgen.model import Target

_T = TypeVar("_T")


def encode(value: Any) -> Any:
    """Return JSON data for a value of dataclasses, mappings, sequences and scalars."""
    if isinstance(value, Target):
        return f"{value}/{value.unit}" if value.unit else str(value)
    if dataclasses.is_dataclass(value):
        return {
            f.name: encode(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if getattr(value, f.name) != _default(f)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {encode(k): encode(v) for k, v in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(encode, value))
    if isinstance(value, (list, tuple)):
        return [encode(one) for one in value]
    return value


def decode(kind: type[_T], data: Any) -> _T:
    """Return what `encode` made of a value of this class."""
    found: _T = _decode(kind, data)
    return found


def _default(f: dataclasses.Field[Any]) -> Any:
    if f.default_factory is not dataclasses.MISSING:
        return f.default_factory()
    return f.default


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode(kind: Any, data: Any) -> Any:
    if data is None or kind is Any:
        return data
    if kind is Target:
        account, region, *unit = data.split("/", 2)
        return Target(account, region, *unit)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{k: _decode(hints[k], v) for k, v in data.items() if k in hints})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    return _decode_generic(typing.get_origin(kind), typing.get_args(kind), data)


def _decode_generic(origin: Any, inner: tuple[Any, ...], data: Any) -> Any:
    if origin in (typing.Union, types.UnionType):
        return _decode(_fitting(inner, data), data)
    if isinstance(data, dict):
        key, value = inner
        return {_decode(key, k): _decode(value, v) for k, v in data.items()}
    if isinstance(data, list) and origin is frozenset:
        return frozenset(_decode(inner[0], one) for one in data)
    if isinstance(data, list) and (len(inner) == 1 or inner[1] is Ellipsis):
        return tuple(_decode(inner[0], one) for one in data)
    if isinstance(data, list):
        return tuple(_decode(k, one) for k, one in zip(inner, data, strict=True))
    return data


def _fitting(inner: tuple[Any, ...], data: Any) -> Any:
    """The member of a union that data of this form belongs to."""
    kinds = [k for k in inner if k is not type(None)]
    structured = [k for k in kinds if k is not str]
    return (structured or kinds)[0] if isinstance(data, (dict, list)) else kinds[0]
