"""All procedures of a system, at each region that they run in: for people to read."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.aws.session import Aws
from tapgen.model import System
from tapgen.model.procedures import Pause, Procedure
from tapgen.operate import filling, outputs, programs
from tapgen.operate.filling import Place
from tapgen.operate.programs import Move
from tapgen.rollout.program import Step


def of(
    system: System, aws: Aws, account: str = ""
) -> Iterator[tuple[Procedure, Place, tuple[Step, ...]]]:
    """Yield each procedure with each place that it runs at, and its steps there. Names
    that a run gets are `RUN`. Raises RolloutError and AwsError where an output is unread.
    """
    read = outputs.reader(system, aws)
    for one in system.procedures:
        for role in one.roles:
            here = filling.place(system, one, role, account)
            here = Place(here.system, here.role, here.target, "RUN")
            yield one, here, tuple(programs.steps([Move(one, here)], read))


def notes(procedure: Procedure) -> tuple[str, ...]:
    """Return what a person must say before a procedure, and wait for during it."""
    said = [
        f"Before you start: {a.description} (`{a.name}`: {', '.join(a.allowed)})."
        for a in procedure.arguments
    ]
    waits = [
        f"In {step.name}, wait {step.act.minutes} minutes."
        for step in procedure.steps
        if isinstance(step.act, Pause)
    ]
    return (*said, *waits)
