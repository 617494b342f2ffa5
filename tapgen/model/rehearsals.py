"""The rehearsal of a plan on a copy of what is deployed: what each failure leaves."""

from __future__ import annotations

from enum import StrEnum

from tapgen.frozen import dataclass
from tapgen.model.targets import Target


class Result(StrEnum):
    """What is left after a target has failed."""

    GREEN = "green"
    RESTORED = "restored"
    CONTINUES = "left, and the next rollout is green"
    BY_HAND = "by hand"
    NOTHING = "cannot fail"
    UNTRIED = "not tried"


FINDINGS = (Result.BY_HAND, Result.UNTRIED)
"""What somebody should know before the rollout."""


@dataclass(frozen=True)
class Trial:
    """The failure of one target, and what it left.

    `fails` is the resource at which it failed, as logical id and type; `equal` are the
    targets that change in the same way, and were not tried. `left` says what differs from
    before, besides `new` stack instances that are complete, `lost` which stateful resources are other ones, `next` how the next rollout
    ended, where there was one.
    """

    stack_set: str
    target: Target
    action: str
    result: Result
    fails: str = ""
    reason: str = ""
    equal: tuple[Target, ...] = ()
    left: tuple[str, ...] = ()
    new: int = 0
    lost: tuple[str, ...] = ()
    next: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether somebody should know before the rollout."""
        return bool(self.lost) or self.result in FINDINGS


@dataclass(frozen=True)
class Copied:
    """What a copy is not the same in: `assumed` says what it has
    for values that AWS hides, `without` are
    instances that have no stack, and so none in the copy."""

    stacks: int
    assumed: tuple[str, ...] = ()
    without: tuple[tuple[str, Target], ...] = ()


@dataclass(frozen=True)
class Rehearsal:
    """How a plan ran on a copy of what is deployed, and what each failure left there.

    `system` is its name, `targets` how many stack instances the plan changes in how many
    `waves`. `differs` says where the plan of the copy is another one, `failures` why the
    plan failed by itself, `lost` which stateful resources it replaced or deleted, and
    `unfinished` how many steps were still to do after it. `gates` are those that were left
    out.
    """

    system: str
    environment: str | None
    targets: int
    waves: int
    copied: Copied
    differs: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    unfinished: int = 0
    gates: int = 0
    trials: tuple[Trial, ...] = ()

    @property
    def has_findings(self) -> bool:
        """Whether somebody should know something before the rollout. What the plan itself
        replaces was allowed by name, so it is none."""
        by_itself = self.failures or self.unfinished or self.differs
        return bool(by_itself) or any(t.is_finding for t in self.trials)
