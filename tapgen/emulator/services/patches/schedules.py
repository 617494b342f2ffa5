"""Scheduled rules of EventBridge that follow the clock.

With the real time ministack looks every ten seconds which rules are due. When the clock was
moved, a rule that has become due fires, once, however far the clock went.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock

_EVENTS = "ministack.services.eventbridge"
PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _EVENTS: {"_tick_scheduled_rules": (), "time": None}
}
"""Private names of ministack used here, as `private_names` describes them."""

_one_by_one = threading.Lock()


def apply() -> None:
    """Let rules follow the clock."""
    events: Any = import_module(_EVENTS)
    clock.drive(_EVENTS)
    look = events._tick_scheduled_rules

    def looking() -> None:
        with _one_by_one:
            look()

    looking.__signature__ = inspect.signature(look)  # type: ignore[attr-defined]
    events._tick_scheduled_rules = looking
    clock.watch(lambda: looking() if clock.stands() else None)
