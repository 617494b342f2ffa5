"""Run procedures with the journal and the lock of a rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tapgen.aws import acting
from tapgen.aws.stacksets import StackSets
from tapgen.model import System
from tapgen.operate import programs
from tapgen.rollout.execute import Ways
from tapgen.rollout.model import Event, Outcome
from tapgen.rollout.program import Program, Step
from tapgen.rollout.runner import Starter, start


def run(
    steps: Sequence[Step] | Program,
    system: System,
    sets: StackSets,
    on_event: Callable[[Event], None],
    *,
    starter: Starter,
    on_failure: str = "hold",
    **ways: Any,
) -> Outcome:
    """Run the steps of procedures, or a program, until the end, the first failure, or a
    wish to stop.

    What failed stays as it is, and the run open, to be resumed or reversed, unless
    `on_failure`, or that of the program, says `rollback`; a run that failed before its first
    act ends. Raises what `rollout.run` raises.
    """

    def compiled() -> Program:
        if isinstance(steps, Program):
            return steps
        return programs.compiled(
            steps, lambda act: acting.look(sets.aws, act).holds, on_failure
        )

    return start(
        sets,
        system,
        starter,
        Ways(on_event, **ways),
        lambda old, store: (compiled(), {}, {}),
    )
