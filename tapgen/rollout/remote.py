"""What the engine in AWS needs to know of a run that it advances.

It is in the event with which it gets the run, so that each of its turns finds it in the
journal. Nothing of it is secret: the engine has a role of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tapgen.aws.session import Aws
from tapgen.aws.stacksets import StackSets
from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.rollout.codec import decode, encode

EVENT = "engine"
"""The key of events that hand a run to the engine in AWS."""


@dataclass(frozen=True)
class Remote:
    """How the engine in AWS advances a run.

    `arn` is that of its state machine, `role` the one that it assumes in other accounts.
    `delegated` and `copies` are those of `StackSets`, `poll_seconds` and `patience` those of
    `execute.Ways`.
    """

    arn: str
    role: str
    delegated: bool = False
    copies: tuple[Target, ...] = ()
    poll_seconds: tuple[float, float] = (2.0, 15.0)
    patience: float = 600.0

    def facts(self) -> dict[str, Any]:
        """Return what goes into the event that hands a run over."""
        return {EVENT: encode(self)}

    def sets(self, aws: Aws, admin: Target) -> StackSets:
        """Return the stack sets of the run, as the engine reaches them."""
        return StackSets(aws.assuming(self.role), admin, self.delegated, self.copies)


def remote_of(events: Iterable[Mapping[str, Any]]) -> Remote | None:
    """Return what the last event says that hands the run over; None where none does."""
    found = [e[EVENT] for e in events if EVENT in e]
    return decode(Remote, found[-1]) if found else None
