"""How many turns a rollout takes in AWS, and what AWS charges for these.

Step Functions charges for state transitions ("Step Functions pricing",
https://aws.amazon.com/step-functions/pricing/), Lambda for the time of each call and its memory
("Lambda pricing", https://aws.amazon.com/lambda/pricing/). Waiting costs nothing. Prices differ
between regions and over time, so these are counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from tapgen.frozen import dataclass
from tapgen.rollout import turns

TRANSITIONS = 4
"""State transitions of a turn: advance, answer, pause, count (`blueprints/engine.py`)."""

BEYOND = 2
"""Turns of a wave besides those that wait for its operations: to read what has been deployed,
and to begin what comes next."""

SECONDS = turns.STAY_SECONDS + 3.0
"""About how long a turn takes: what it waits itself, and its calls."""

LONGEST_POLL = 15.0
"""The longest pause between two polls of a process, in seconds."""


@dataclass(frozen=True)
class Range:
    """The least and the most of something."""

    low: int
    high: int

    def __str__(self) -> str:
        few, many = f"{self.low:,}", f"{self.high:,}"
        return few if few == many else f"{few}–{many}"


@dataclass(frozen=True)
class Cost:
    """What a rollout takes in AWS: turns of the function, state transitions, and seconds of
    the function in all."""

    turns: Range

    @property
    def transitions(self) -> Range:
        return Range(self.turns.low * TRANSITIONS, self.turns.high * TRANSITIONS)

    @property
    def seconds(self) -> Range:
        return Range(round(self.turns.low * SECONDS), round(self.turns.high * SECONDS))

    def __str__(self) -> str:
        return (
            f"the engine in AWS takes about {self.turns} turns: {self.transitions} state "
            f"transitions and {self.seconds} s of Lambda; waiting for an approval takes "
            f"{an_hour()} turns an hour"
        )

    def data(self) -> dict[str, dict[str, int]]:
        """Return the cost as JSON data."""
        return {
            name: {"low": found.low, "high": found.high}
            for name, found in (
                ("turns", self.turns),
                ("state_transitions", self.transitions),
                ("lambda_seconds", self.seconds),
            )
        }


def of(waves: Iterable[tuple[float, float]], bake: float = 0.0) -> Cost:
    """Return the cost of a rollout from the shortest and the longest time of each wave, and
    the time that its gates watch, all in seconds."""
    spans = [*waves]
    low = sum(BEYOND + count(shortest) for shortest, _ in spans)
    high = sum(BEYOND + count(longest) for _, longest in spans)
    return Cost(Range(low + count(bake), high + count(bake)))


def count(seconds: float) -> int:
    """Return how many turns look whether something has ended that takes so long."""
    passed, found = 0.0, 0
    while passed < seconds:
        passed += SECONDS + turns.pause(passed, LONGEST_POLL)
        found += 1
    return found


def an_hour() -> int:
    """Return how many turns an hour takes at a gate that waits for an approval."""
    return round(3600 / (turns.AT_A_GATE * LONGEST_POLL + SECONDS))
