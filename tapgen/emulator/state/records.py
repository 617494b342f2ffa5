"""Records of services and of the StackSets engine as bytes, and back.

Only data is read back. A record that names anything else is refused, so that a project
folder from elsewhere cannot run code.
"""

from __future__ import annotations

import asyncio
import io
import pickle
import threading
from typing import Any

_LOCK, _RLOCK = type(threading.Lock()), type(threading.RLock())
# module -> what of it may be in a record; None stands for every class.
_ALLOWED: dict[str, frozenset[str] | None] = {
    "builtins": frozenset(
        ("bytearray", "bytes", "complex", "dict", "frozenset", "list", "set", "tuple")
        + ("int", "float", "str", "bool")
    ),
    "collections": frozenset(("Counter", "OrderedDict", "defaultdict", "deque")),
    "datetime": frozenset(("date", "datetime", "time", "timedelta", "timezone")),
    "decimal": frozenset(("Decimal",)),
    "uuid": frozenset(("UUID", "SafeUUID")),
    "tapgen.emulator.state.records": frozenset(
        ("_event", "_lock", "_rlock", "_nothing")
    ),
    "tapgen.emulator.stacksets.model": None,
    "tapgen.emulator.wire.inner": frozenset(("Place",)),
}
_TRIES = 20


class RecordError(Exception):
    """A record that cannot be written or read."""


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, asyncio.Event):
            return _event, (obj.is_set(),)
        if isinstance(obj, _LOCK):
            return _lock, ()
        if isinstance(obj, _RLOCK):
            return _rlock, ()
        if callable(obj) and getattr(obj, "__name__", "") == "<lambda>":
            return _nothing, ()
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        allowed = _ALLOWED.get(module, frozenset())
        found: Any = None
        if allowed is None or name in allowed:
            found = super().find_class(module, name)
        elif module.startswith("ministack.services."):
            found = super().find_class(module, name)
            if not isinstance(found, type):
                found = None
        if found is None or (allowed is None and not isinstance(found, type)):
            raise RecordError(f"it names {module}.{name}, which is not data")
        return found


def dump(value: Any) -> bytes:
    """Return a record as bytes; RecordError when it has something that is not data."""
    for _ in range(_TRIES):
        written = io.BytesIO()
        try:
            _Pickler(written, pickle.HIGHEST_PROTOCOL).dump(value)
            return written.getvalue()
        except RuntimeError:  # another thread has just changed it
            continue
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise RecordError(str(error)) from error
    raise RecordError("it does not stop changing")


def load(content: bytes) -> Any:
    """Return a record from bytes; RecordError when it is damaged or not only data."""
    try:
        return _Unpickler(io.BytesIO(content)).load()
    except RecordError:
        raise
    except Exception as error:
        # Damaged bytes may raise any error in a reader.
        raise RecordError(f"{type(error).__name__}: {error}") from error


def stamp(value: Any, content: bytes, body: bytes | None) -> int:
    """Return a number that differs when a record differs, its `body` left out."""
    if body is None:
        return hash(content)
    return hash(dump({**value, "body": None}))


def _event(happened: bool) -> asyncio.Event:
    event = asyncio.Event()
    if happened:
        event.set()
    return event


def _lock() -> Any:
    return threading.Lock()


def _rlock() -> Any:
    return threading.RLock()


def _nothing() -> None:
    """Stands for a function without a name."""
