"""What a fault is, and what it may match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EFFECTS = (
    "fail",
    "delay",
    "throttle",
    "error",
    "cut",
    "unavailable",
    "expired",
    "denied",
    "kill",
)
NAMES = (
    "service",
    "action",
    "account",
    "region",
    "stack_set",
    "logical_id",
    "type",
)
COUNTS = ("nth", "times", "probability", "seed")
RESOURCE_ACTIONS = ("create", "update", "delete")
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "fail": ("reason",),
    "delay": ("seconds",),
    "throttle": ("reason",),
    "error": ("reason", "status", "code"),
    "cut": ("when",),
    "unavailable": ("reason",),
    "expired": ("reason",),
    "denied": ("reason",),
    "kill": ("when", "reason"),
}
"""What each effect takes beside `match`."""
GLOBAL = frozenset({"iam", "organizations", "sts"})
"""Services that have one place, GLOBAL_REGION, for all regions."""
GLOBAL_REGION = "us-east-1"
LONGEST = 3600  # seconds of a delay
LOOK = 0.02
"""Seconds after which what is delayed looks whether its fault is still set."""


class FaultError(ValueError):
    """A fault is invalid; the message says what is allowed."""


class ResourceFault(Exception):
    """The reason for which a resource fails."""


@dataclass(frozen=True)
class Fault:
    """One fault as the user specified it."""

    effect: str
    match: Mapping[str, str] = field(default_factory=dict)
    nth: int = 1
    times: int = 1
    probability: float = 1.0
    seed: int | None = None
    reason: str | None = None
    seconds: float | None = None
    when: str | None = None
    status: int | None = None
    code: str | None = None

    @property
    def on_resources(self) -> bool:
        """Whether it matches resources, not calls."""
        return self.effect == "fail" or bool({"logical_id", "type"} & set(self.match))
