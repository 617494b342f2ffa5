"""Stacks that a file says were imported, and that no stack set has (yet): an import that
has not begun, was taken back, or failed at one target. A rollout would create a stack of its
own beside each of them, with the same resources once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tapgen.errors import AwsError
from tapgen.model import Action, Target
from tapgen.plan.model import Plan


def outside(plan: Plan, exists: Callable[[Target, str], bool]) -> Iterator[str]:
    """Yield why a plan would create what exists already, a sentence for each stack, and what
    cannot be known of that; `exists` says whether a target has a stack of a name, and
    raises AwsError."""
    names = {s.name: s.imported for s in plan.system.stack_sets}
    for step in plan.steps:
        if step.action is not Action.CREATE:
            continue
        for target in step.targets:
            for name in names[step.stack_set]:
                try:
                    if exists(target, name):
                        yield _exists(step.stack_set, target, name)
                except AwsError as error:
                    yield (
                        f"{step.stack_set}: whether there is a stack {name} in {target}, "
                        f"which is to be imported, cannot be read: {error}"
                    )


def _exists(stack_set: str, target: Target, name: str) -> str:
    return (
        f"{stack_set}: stack {name} in {target} is not in the stack set, and would be "
        "created a second time beside it; import it, by the same tapgen import as before, or "
        "by aws cloudformation import-stacks-to-stack-set"
    )
