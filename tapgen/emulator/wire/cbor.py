"""CBOR (RFC 8949), the part that AWS's `smithy-rpc-v2-cbor` protocol uses.

SDKs use it for CloudWatch and Kinesis. ministack reads it only where `cbor2` is
installed, and answers JSON under the name of CBOR otherwise, which no SDK understands;
`install` puts this module in the place of `cbor2`.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

_EPOCH = 1
_BREAK = object()
# What reading bytes that are not CBOR, or more than can be read, comes to.
_UNREADABLE = (
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    struct.error,
)


@dataclass(frozen=True)
class CBORTag:
    """A tagged value; tag 1 is a time in seconds since 1970."""

    tag: int
    value: Any


def install() -> None:
    """Let ministack import this module as `cbor2`, unless the real one is installed.

    ministack does not require cbor2. Without it every SDK call of CloudWatch that has an
    answer fails.
    """
    try:
        import_module("cbor2")
    except ImportError:
        sys.modules["cbor2"] = sys.modules[__name__]


def dumps(value: Any) -> bytes:
    """`value` in CBOR; raises TypeError for what has no form in it."""
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case str():
            text = value.encode()
            return _head(3, len(text)) + text
        case bytes():
            return _head(2, len(value)) + value
        case datetime():
            return _head(6, _EPOCH) + dumps(value.timestamp())
        case CBORTag():
            return _head(6, value.tag) + dumps(value.value)
        case list() | tuple():
            return _head(4, len(value)) + b"".join(map(dumps, value))
        case Mapping():
            pairs = (dumps(key) + dumps(item) for key, item in value.items())
            return _head(5, len(value)) + b"".join(pairs)
    raise TypeError(f"cannot write {type(value).__name__} in CBOR")


def _head(major: int, argument: int) -> bytes:
    """The first bytes of an item: its major type and its number or length."""
    for form, (limit, layout) in enumerate(
        ((24, ""), (2**8, ">B"), (2**16, ">H"), (2**32, ">I"), (2**64, ">Q"))
    ):
        if argument < limit:
            if not layout:
                return bytes([major << 5 | argument])
            return bytes([major << 5 | 23 + form]) + struct.pack(layout, argument)
    raise TypeError(f"{argument} is too large for CBOR")


def loads(data: bytes) -> Any:
    """The value that `data` holds; raises ValueError when it is not CBOR."""
    try:
        value, _ = _item(data, 0)
    except _UNREADABLE as error:
        raise ValueError(f"not CBOR: {error!r}") from error
    return value


def _item(data: bytes, at: int) -> tuple[Any, int]:
    """The item that starts at `at`, and where the next one starts."""
    major, short = data[at] >> 5, data[at] & 31
    if major == 7:
        return _simple(data, at + 1, short)
    if short == 31:
        return _endless(data, at + 1, major)
    argument, at = _argument(data, at + 1, short)
    readers: dict[int, Callable[[], tuple[Any, int]]] = {
        0: lambda: (argument, at),
        1: lambda: (-1 - argument, at),
        2: lambda: (_slice(data, at, argument), at + argument),
        3: lambda: (_slice(data, at, argument).decode(), at + argument),
        4: lambda: _list(data, at, argument),
        5: lambda: _map(data, at, argument),
        6: lambda: _tagged(data, at, argument),
    }
    return readers[major]()


def _argument(data: bytes, at: int, short: int) -> tuple[int, int]:
    if short < 24:
        return short, at
    layout, size = {24: (">B", 1), 25: (">H", 2), 26: (">I", 4), 27: (">Q", 8)}[short]
    return struct.unpack(layout, data[at : at + size])[0], at + size


def _slice(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise IndexError(f"{size} bytes wanted at {at}")
    return data[at : at + size]


def _simple(data: bytes, at: int, short: int) -> tuple[Any, int]:
    values = {20: False, 21: True, 22: None, 23: None, 31: _BREAK}
    if short in values:
        return values[short], at
    layout, size = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}[short]
    return struct.unpack(layout, data[at : at + size])[0], at + size


def _list(data: bytes, at: int, count: float) -> tuple[list[Any], int]:
    items: list[Any] = []
    while len(items) < count:
        item, at = _item(data, at)
        if item is _BREAK:
            break
        items.append(item)
    return items, at


def _map(data: bytes, at: int, count: float) -> tuple[dict[Any, Any], int]:
    pairs: dict[Any, Any] = {}
    while len(pairs) < count:
        key, at = _item(data, at)
        if key is _BREAK:
            break
        pairs[key], at = _item(data, at)
    return pairs, at


def _endless(data: bytes, at: int, major: int) -> tuple[Any, int]:
    """An item without a length, up to its break."""
    if major == 5:
        return _map(data, at, math.inf)
    items, at = _list(data, at, math.inf)
    if major == 4:
        return items, at
    return (b"" if major == 2 else "").join(items), at


def _tagged(data: bytes, at: int, tag: int) -> tuple[Any, int]:
    value, at = _item(data, at)
    if tag == _EPOCH:
        return datetime.fromtimestamp(value, UTC), at
    return CBORTag(tag, value), at
