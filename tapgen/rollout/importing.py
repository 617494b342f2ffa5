"""Let the stack sets of a system take over stacks that exist.

All stack sets are created first, without stacks, so that what AWS refuses of them is known
before a stack is touched. No resource changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tapgen.aws.stacksets import StackSets
from tapgen.model import System, Target, digest
from tapgen.plan import Plan, make
from tapgen.rollout import adoption, compile
from tapgen.rollout.execute import Ways
from tapgen.rollout.model import Event, Outcome
from tapgen.rollout.program import Kind, Lane, Program, Step
from tapgen.rollout.runner import Starter, start

Stacks = Mapping[str, Mapping[Target, str]]
"""The ids of stacks by the part that takes them over, and target."""
Originals = Mapping[str, str]
"""The texts of the templates of stacks, by the same part."""


def program(
    system: System, stacks: Stacks, originals: Originals
) -> tuple[Program, dict[str, str]]:
    """Return the program that imports stacks, and the texts of its templates by digest.

    The stack sets get the definitions and values that a rollout of the system would give
    them, but the template as the stacks have it, to the letter: AWS compares the two, and
    does not say how. Values that differ become overrides by the import itself, so no stack
    is updated.
    """
    the_plan: Plan = make(system, {})
    desired = {s.name: s for s in system.stack_sets}
    compiled, texts = compile.program(the_plan)
    known = dict(compiled.templates)
    founding: list[Lane] = []
    adopting: list[Lane] = []
    created: dict[str, list[Step]] = {}
    for step in compiled.steps.values():
        if step.kind is Kind.CREATE:
            created.setdefault(step.stack_set, []).append(step)
    for name, steps in created.items():
        first = steps[0]
        assert first.definition
        # Not those of the first target: they may be an override of its own.
        s = desired[name]
        own = {k: v for k, v in s.parameters.items() if isinstance(v, str)}
        text = originals[first.part]
        texts[digest(text)] = text
        known[digest(text)] = known[digest(s.template)]
        definition = replace(first.definition, parameters=own, template=digest(text))
        region = system.admin.region
        founding.append((adoption.founding(name, first.part, definition, region),))
        ids = stacks[first.part]
        adopt, *_ = adoption.lane(name, first.part, ids, {}, region)
        targets = tuple(sorted(ids))
        last = replace(adopt, targets=targets, words="imported", last=True)
        adopting.append((last,))
    return (
        Program(
            (tuple(founding), tuple(adopting)),
            templates=known,
            on_failure="stop",
        ),
        texts,
    )


def run(
    system: System,
    stacks: Stacks,
    originals: Originals,
    sets: StackSets,
    on_event: Callable[[Event], None],
    *,
    starter: Starter,
    **ways: Any,
) -> Outcome:
    """Import stacks. Raises what `rollout.run` raises."""
    return start(
        sets,
        system,
        starter,
        Ways(on_event, **ways),
        lambda old, store: (*program(system, stacks, originals), {}),
    )
