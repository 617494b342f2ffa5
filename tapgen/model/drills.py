"""Drills: goals, what is measured, and what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from tapgen.frozen import dataclass


@dataclass(frozen=True)
class Goals:
    """How long what a drill measures may take, in seconds.

    `rto` is how long a move takes until the other region serves, `rpo` how far the copy of
    the database may be behind. Except for objects, the defaults are ours.
    S3 Replication Time Control promises 15 minutes:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html
    """

    rto: float = 900.0
    rpo: float = 5.0
    table_copy: float = 5.0
    object_copy: float = 900.0
    notification: float = 60.0
    answer: float = 3.0


@dataclass(frozen=True)
class Measure:
    """What is measured: `key` is what steps carry, `goal` the name of its goal (empty where
    it has none). `silent` says why the AWS that is asked may have nothing to measure.
    """

    key: str
    title: str
    goal: str = ""
    silent: str = ""


class Verdict(StrEnum):
    """How a measure compares with its goal."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"  # nothing was measured: no goal is met by that
    SILENT = "not measured"  # there is nothing to measure, as said beforehand
    NONE = "no goal"


@dataclass(frozen=True)
class Sample:
    """One measurement, in seconds; None where what was waited for did not come in time.
    `broken` says that the run was interrupted meanwhile, so the time says nothing."""

    seconds: float | None
    at: str = ""
    broken: bool = False


@dataclass(frozen=True)
class Measured:
    """A measure with its samples and its goal in seconds."""

    measure: Measure
    goal: float | None
    samples: tuple[Sample, ...] = ()
    why: str = ""

    @property
    def times(self) -> list[float]:
        """The times that count, in order; what did not come in time is infinite."""
        known = (s for s in self.samples if not s.broken)
        return sorted(math.inf if s.seconds is None else s.seconds for s in known)

    @property
    def verdict(self) -> Verdict:
        """Whether the 95th percentile is within the goal."""
        if not self.times:
            return Verdict.SILENT if self.measure.silent else Verdict.UNKNOWN
        if self.goal is None:
            return Verdict.NONE
        met = percentile(self.times, 95) <= self.goal
        return Verdict.MET if met else Verdict.MISSED


@dataclass(frozen=True)
class Did:
    """One act or check of a drill: when it ended, and what was seen."""

    at: str
    words: str
    seen: str = ""
    back: bool = False
    failed: bool = False


@dataclass(frozen=True)
class DrillReport:
    """A drill as its journal has it. `result` is how its run ended; empty while it is open.
    `caller` is the ARN that made the calls, `left` what was changed and not taken back.
    """

    system: str
    suffix: str
    run: str
    scenario: str
    who: str
    host: str
    caller: str
    account: str
    regions: Mapping[str, str]
    tapgen: str
    begun: str
    ended: str
    result: str
    local: bool
    measured: tuple[Measured, ...] = ()
    left_out: tuple[str, ...] = ()
    done: tuple[Did, ...] = ()
    failures: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    goals: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the drill ran to its end and every goal was met, one at least."""
        found = {m.verdict for m in self.measured}
        bad = {Verdict.MISSED, Verdict.UNKNOWN}
        return self.result == "done" and Verdict.MET in found and not bad & found


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value that so many percent of the values do not exceed (nearest
    rank); the values are in order, and there is one at least."""
    rank = max(1, math.ceil(percent / 100 * len(ordered)))
    return ordered[rank - 1]
