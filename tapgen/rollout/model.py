"""What a rollout reports: events while it runs, failures, and the outcome."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from tapgen.errors import AwsError, Denied, Expired, RolloutError
from tapgen.frozen import dataclass
from tapgen.model import Target


@dataclass(frozen=True)
class Event:
    """One thing that happened during a rollout; `kind` is one of the words below.

    upload, wave, gate, resumed, start, target, done, skipped, failed, waiting, restoring,
    restored, stopping, conflict, warning
    """

    kind: str
    message: str
    stack_set: str = ""
    target: Target | None = None
    status: str = ""


@dataclass(frozen=True)
class Failure:
    """Why a target failed: the first failed resource, else the operation's reason.

    `stack_id` is the id of the stack that has the resource, which finds its events also
    when it is deleted.
    """

    stack_set: str
    target: Target | None
    reason: str
    logical_id: str = ""
    type: str = ""
    stack_id: str = ""

    def __str__(self) -> str:
        where = f"{self.stack_set} in {self.target}" if self.target else self.stack_set
        if not where:
            return self.reason
        what = f"{self.logical_id} ({self.type}): " if self.logical_id else ""
        return f"{where}: {what}{self.reason}"


class Fate(StrEnum):
    """What became of a stack instance in a rollout that failed."""

    RESTORED = "restored"
    RENEWED = "restored, perhaps with new resources"
    REMOVED = "removed"
    NEW = "still new"
    LEFT = "changed and not restored"


@dataclass(frozen=True)
class InstanceFate:
    """What became of one stack instance that a failed rollout touched."""

    stack_set: str
    target: Target
    fate: Fate


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended.

    `done` lists the stack sets whose steps are green, `restored` those with their last
    good definition again and all instances that they had, and no others, `left` those
    that a failed or interrupted rollout changed and did not restore. `instances` says it
    of each stack instance. `run` names the run; `open` says that it can be resumed,
    `back` that it then goes on to restore, and `goes_back` that its kind can be taken back
    at all. `undone` are the acts of a procedure that were
    performed and taken back, and `acts` those among `left` that were not.
    """

    failures: tuple[Failure, ...] = ()
    interrupted: bool = False
    done: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    instances: tuple[InstanceFate, ...] = ()
    run: str = ""
    open: bool = False
    back: bool = False
    goes_back: bool = True
    undone: tuple[str, ...] = ()
    acts: tuple[str, ...] = ()

    @property
    def green(self) -> bool:
        """Whether nothing failed and nothing was interrupted."""
        return not self.failures and not self.interrupted

    @property
    def partial(self) -> bool:
        """Whether something was changed, but neither finished nor restored: also where
        nothing failed on the way back, and it could not restore all."""
        return bool(self.left)


class Yielded(Exception):
    """The turn of whoever advances a run is over: the next one may begin after `seconds`.
    Raised by `execute.Ways.sleep`, so between two calls; all that counts is in the
    journal."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the next turn begins in {seconds:.0f} s")


class Lost(RolloutError):
    """A rollout that ended while operations may still run; `begun` are its stack sets.
    Its run stays open."""

    def __init__(
        self, begun: Iterable[str], error: AwsError | None, run: str = ""
    ) -> None:
        self.begun = tuple(begun)
        self.interrupted = error is None
        self.run = run
        place = f" in {error.region}" if error and error.region else ""
        why = (
            f"lost the connection to AWS{place} ({error})"
            if error
            else "stopped at once"
        )
        if isinstance(error, Denied):
            why = f"AWS refuses a call without which the run cannot go on ({error})"
        if isinstance(error, Expired):
            why = str(error)
        names = ", ".join(self.begun) or "none"
        super().__init__(
            f"{why}; stack sets begun: {names}; running operations continue in AWS, and "
            f"run {run} stays open"
        )
