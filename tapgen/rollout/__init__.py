"""Run a plan wave by wave, survive whatever happens, and restore what was there.

A plan becomes a program (`compile`, `program`), which a journal in the artifact bucket
accompanies (`journal`, `lock`). `fold` says what its events add up to and what is next,
`expand` turns a step into calls, `execute` is the loop that makes them (`calls`,
`instances`), `gates` and `gating` gather the evidence for going on, `restore` compiles the way back,
`outcome` says how it ended. Around them: `planned` (run a plan), `runner` (start, resume),
`opening` (the open run), `moving` (to another administration region, by `adoption` of the stacks and
`handing_over` of the journal), `importing` (stacks that exist, by the same `adoption`),
`kinds` (which runs can be taken back), `history` (what runs there were, and what they
did), `explain` (why one failed), `watching` (how one goes on), `ran` (all that is known of
one: its plan by `agreed`, what it has left by `versions`, when its stacks worked on what by
`works`), `snapshot` (last good definitions), `uploads` (missing artifacts) and `advice` (what to do about a failure).
May use `plan/`, `system/`, `template/` and `aws/`, but what advances a run knows `aws/` and
`model` only: in AWS there is nothing else (`engine/`). Begin reading at `planned.run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapgen.rollout.model import (
    Event,
    Failure,
    Fate,
    InstanceFate,
    Lost,
    Outcome,
)
from tapgen.rollout.runner import Starter, abandon, resume

if TYPE_CHECKING:
    from tapgen.rollout.planned import run

__all__ = [
    "Event",
    "Failure",
    "Fate",
    "InstanceFate",
    "Lost",
    "Outcome",
    "Starter",
    "abandon",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import what runs plans when it is used: it takes half of the other rooms along."""
    if name != "run":
        raise AttributeError(name)
    from tapgen.rollout.planned import run

    return run
