"""The settings of a rollout: strategy, operation preferences, region order, gates."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from tapgen.frozen import dataclass
from tapgen.model.gates import REGION, WAVE, Gate


class Strategy(StrEnum):
    """Named operation preferences; see `PREFERENCES`."""

    SAFE = "safe"
    BALANCED = "balanced"
    FAST = "fast"


@dataclass(frozen=True)
class Preferences:
    """Operation preferences (`StackSetOperationPreferences`).

    Counts and percentages are of the accounts in one region.
    """

    region_concurrency: str = "SEQUENTIAL"
    concurrency_mode: str = "STRICT_FAILURE_TOLERANCE"
    failure_tolerance_count: int | None = 0
    failure_tolerance_percentage: int | None = None
    max_concurrent_count: int | None = 1
    max_concurrent_percentage: int | None = None


PREFERENCES: Mapping[Strategy, Preferences] = {
    # One account at a time, one region after the other; the first failure stops it.
    Strategy.SAFE: Preferences(),
    # A quarter of the accounts of a region at once; up to a tenth may fail.
    Strategy.BALANCED: Preferences(
        concurrency_mode="SOFT_FAILURE_TOLERANCE",
        failure_tolerance_count=None,
        failure_tolerance_percentage=10,
        max_concurrent_count=None,
        max_concurrent_percentage=25,
    ),
    # All regions and accounts at once.
    Strategy.FAST: Preferences(
        region_concurrency="PARALLEL",
        concurrency_mode="SOFT_FAILURE_TOLERANCE",
        failure_tolerance_count=None,
        failure_tolerance_percentage=10,
        max_concurrent_count=None,
        max_concurrent_percentage=100,
    ),
}


@dataclass(frozen=True)
class RolloutSettings:
    """The `rollout` block of a config: how to roll out, in which region order.

    `patience` is how many seconds a rollout goes on trying while AWS does not answer.
    `engine` says what advances a rollout: the process that starts it, or the engine in AWS.
    With `permissions_boundary` every role that the templates create must be within the
    system's boundary.
    """

    preferences: Preferences = PREFERENCES[Strategy.SAFE]
    strategy: Strategy | None = Strategy.SAFE
    order: tuple[str, ...] = ()  # regions; the first is the canary
    on_failure: str = "rollback"  # rollback | stop
    gates: tuple[Gate, ...] = ()
    patience: float = 600.0
    engine: str = "local"  # local | aws
    permissions_boundary: bool = False

    @property
    def stops_between_regions(self) -> bool:
        """Whether each region has operations of its own, for a gate comes between."""
        sequential = self.preferences.region_concurrency == "SEQUENTIAL"
        return sequential and any(g.after in (REGION, WAVE) for g in self.gates)
