"""What an interruption is, as data."""

from __future__ import annotations

from enum import StrEnum

from tapgen.frozen import dataclass


class Effect(StrEnum):
    """What an interruption is, in a phrase, gravest first."""

    STOPS = "stops"
    DOWNTIME = "downtime"
    REBOOT = "reboot"
    FAILOVER = "failover"
    BRIEF = "brief interruption"
    ROLLING = "one after another"
    BLUE_GREEN = "blue/green"
    SLOWER = "no downtime, slower"


MILD: frozenset[Effect] = frozenset({Effect.ROLLING, Effect.BLUE_GREEN, Effect.SLOWER})
"""Effects that a service which is set up for them does not notice."""


@dataclass(frozen=True)
class Interruption:
    """What changing some properties of a type interrupts.

    It counts where the new value is one of `becomes` (none: any value), where the old or
    the new value is one of `passes`, and where the new properties have all of `given`; a
    value that is empty stands for any. With `static`, it counts only where a member of the
    property, before or after, is not known to be dynamic (`parameters`).
    """

    type: str
    paths: tuple[str, ...]
    effect: Effect
    words: str
    source: str
    becomes: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()
    static: bool = False


REFERENCE = "reference"


def stops(kind: str, paths: str, becomes: str, words: str, source: str) -> Interruption:
    """Return what stops when one of the properties becomes one of the values."""
    return Interruption(
        kind,
        tuple(paths.split()),
        Effect.STOPS,
        words,
        source,
        becomes=tuple(becomes.split()),
    )


def one(
    kind: str, paths: str, effect: Effect, words: str, source: str = REFERENCE
) -> Interruption:
    """Return what any change of the properties interrupts."""
    return Interruption(kind, tuple(paths.split()), effect, words, source)
