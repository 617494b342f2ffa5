"""Settings as the lines of a system's file that set them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.cli.reach import Reached


def lines(reached: Reached, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what to write into the file of a system, for settings by their paths."""
    system = reached.system
    under = f" under environments.{system.environment}" if system.environment else ""
    yield f"write this into {reached.loaded.config.path}{under}:"
    yield from (f"  {line}" for line in _nested({"settings": _tree(settings)}))


def _tree(settings: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in settings.items():
        *above, name = path.split(".")
        here = found
        for key in above:
            here = here.setdefault(key, {})
        here[name] = value
    return found


def _nested(data: Mapping[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        if value and isinstance(value, Mapping):
            yield f"{key}:"
            yield from (f"  {line}" for line in _nested(value))
        else:
            yield f"{key}: {value}"
