"""Run procedures with the journal and the lock of a rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tapgen.aws import acting
from tapgen.aws.stacksets import StackSets
from tapgen.model import System
from tapgen.model.procedures import Act
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
    otherwise: Act | None = None,
    **ways: Any,
) -> Outcome:
    """Run the steps of procedures, or a program, until the end, the first failure, or a
    wish to stop. `otherwise` tells of a run that ends otherwise than done.

    What failed stays as it is, and the run open, to be resumed or reversed, unless
    `on_failure`, or that of the program, says `rollback`; a run that failed before its first
    act ends. Raises what `rollout.run` raises.
    """

    def compiled() -> Program:
        program = steps
        if not isinstance(program, Program):
            program = programs.compiled(
                program, lambda act: bool(acting.look(sets.aws, act).holds), on_failure
            )
        return replace(program, otherwise=otherwise)

    return start(
        sets,
        system,
        starter,
        Ways(on_event, **ways),
        lambda old, store: (compiled(), {}, {}),
    )
