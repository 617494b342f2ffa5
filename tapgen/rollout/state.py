"""The state of one rollout: its inputs, and what is known of each stack set so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tapgen.aws.stacksets import Definition, StackSets
from tapgen.model import InstanceStatus, Observed, ResultStatus, Target
from tapgen.plan import Plan
from tapgen.rollout.model import Event, Failure


@dataclass
class StackSetState:
    """A stack set's definition and overrides now, as far as steps have changed them."""

    template: str
    parameters: dict[str, str]
    overrides: dict[Target, dict[str, str]]
    # The definition that still has to be written to every instance.
    pending: Definition | None = None
    # Template and parameters that a target was last deployed with, where known.
    deployed: dict[Target, tuple[str, Mapping[str, str]]] = field(default_factory=dict)


@dataclass
class Run:
    """One rollout: the plan, AWS, and what has happened so far.

    `touched`, `done` and `dropped` are names of stack sets: changed or about to be,
    green, and to be deleted as a whole; `begun` are the instances of steps that started.
    `numbers` counts the operations of each.
    """

    plan: Plan
    sets: StackSets
    on_event: Callable[[Event], None]
    sleep: Callable[[float], None]
    stopping: Callable[[], bool]
    poll_seconds: tuple[float, float]
    outputs: dict[tuple[str, Target], Mapping[str, str]] = field(default_factory=dict)
    states: dict[str, StackSetState] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)
    begun: set[tuple[str, Target]] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    seen: dict[tuple[str, Target], ResultStatus] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    failed_reads: int = 0

    def emit(self, kind: str, message: str, **more: Any) -> None:
        """Report an event."""
        self.on_event(Event(kind, message, **more))

    def fail(self, failure: Failure) -> None:
        """Record a failure and report it."""
        self.failures.append(failure)
        self.emit(
            "failed", str(failure), stack_set=failure.stack_set, target=failure.target
        )


def _stack_set_values(found: Observed, target: Target) -> Mapping[str, str]:
    """The values that the stack set gives an instance, before its overrides."""
    own = found.instances[target].parameters
    return found.parameters if own is None else own


def take_over_observed(run: Run) -> None:
    """Begin with what the plan observed: definitions, overrides, outputs."""
    parts = {s.name: s.part for s in run.plan.system.stack_sets}
    for name, found in run.plan.observed.items():
        overrides = {t: dict(i.overrides) for t, i in found.instances.items()}
        run.states[name] = StackSetState(
            found.template,
            dict(found.parameters),
            overrides,
            deployed={
                target: (found.template_of(target), _stack_set_values(found, target))
                for target, instance in found.instances.items()
                if instance.status is InstanceStatus.CURRENT
            },
        )
        for target, instance in found.instances.items():
            if name in parts and instance.outputs is not None:
                run.outputs[parts[name], target] = instance.outputs
