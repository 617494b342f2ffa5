"""Repairs as a program, so that they run with the journal and the lock of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tapgen.aws.stacksets import StackSets
from tapgen.model import System, Target
from tapgen.plan.repairs import Repair, Way
from tapgen.rollout.execute import Ways
from tapgen.rollout.model import Event, Outcome
from tapgen.rollout.program import Call, Kind, Program, Step, Verb
from tapgen.rollout.runner import Starter, start


def program(repairs: Iterable[Repair]) -> Program:
    """Return the program of repairs: stack sets and hanging stacks side by side, so that
    one failure keeps no other stack set from being repaired."""
    lanes: dict[tuple[str, Target | None], list[Step]] = {}
    for one in repairs:
        step = Step(
            Kind.REPAIR,
            one.stack_set,
            one.part,
            (one.target,),
            reasons=(f"{one.target}: {one.way}",),
            calls=(_call(one),),
            words=f"{one.target}: repaired",
        )
        alone = one.target if one.way is Way.CONTINUE else None
        lanes.setdefault((one.stack_set, alone), []).append(step)
    return Program((tuple(map(tuple, lanes.values())),), on_failure="end")


def _call(one: Repair) -> Call:
    if one.way is Way.CONTINUE:
        return Call(
            Verb.CONTINUE_ROLLBACK,
            one.stack_set,
            (one.target,),
            key=one.stack_id,
            skip=one.skip,
        )
    return Call(
        Verb.DELETE_INSTANCES,
        one.stack_set,
        (one.target,),
        retain=one.way is not Way.EMPTY,
    )


def repair(
    repairs: Iterable[Repair],
    system: System,
    sets: StackSets,
    on_event: Callable[[Event], None],
    *,
    starter: Starter = Starter(command="repair"),
    **ways: Any,
) -> Outcome:
    """Run repairs to their end; a failed one changes nothing about the others. Raises what
    `run` raises."""
    wanted = program(repairs)
    chosen = Ways(on_event, **ways)
    return start(sets, system, starter, chosen, lambda old, store: (wanted, {}, {}))
