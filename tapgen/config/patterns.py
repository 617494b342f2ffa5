"""What several checks of a config use; the shapes have what single values need."""

from __future__ import annotations

import re

ACCOUNT = r"^(self|[0-9]{12})$"
SYSTEM = r"^[a-z][a-z0-9_]{0,39}$"
ENVIRONMENT = r"^[a-z][a-z0-9_-]{0,31}$"

DURATION = r"([0-9]{1,9})(ms|s|m|h)"
PLACE = r"[a-z](-?[a-z0-9])*"
GATE_KEYS = {
    "alarms": ("bake",),
    "probe": ("status", "body", "under"),
    "command": ("timeout",),
    "approve": ("timeout",),
    "verify": ("timeout",),
}
"""The keys of which a gate has exactly one, with those that belong to it."""
_SIZES = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def seconds(text: str) -> float:
    """Return the seconds of a duration such as `500ms`, `30s`, `10m` or `24h`."""
    found = re.fullmatch(DURATION, text)
    assert found, "checked before"
    return int(found[1]) * _SIZES[found[2]]


def duration(text: str) -> str:
    """Return a duration in the largest unit that needs no fraction: `90m`, not `5400s`."""
    found = re.fullmatch(DURATION, text)
    assert found, "checked before"
    amount = int(found[1]) * _MILLISECONDS[found[2]]
    for unit, size in reversed(_MILLISECONDS.items()):
        if amount and amount % size == 0:
            return f"{amount // size}{unit}"
    return f"0{found[2]}"
