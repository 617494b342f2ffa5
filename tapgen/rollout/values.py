"""The parameter values of a step, and what they change."""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.errors import RolloutError
from tapgen.model import HIDDEN, StackSet
from tapgen.plan import Reference, Step
from tapgen.rollout.state import Run, StackSetState
from tapgen.system import units
from tapgen.template.parameters import complete


def step_values(run: Run, step: Step) -> dict[str, str]:
    """Return a step's values, with the outputs of earlier steps filled in."""
    return {
        name: _read(run, value) if isinstance(value, Reference) else value
        for name, value in step.values.items()
    }


def _read(run: Run, reference: Reference) -> str:
    found = []
    for source in reference.sources:
        outputs = run.outputs.get((reference.part, source))
        if outputs is None or reference.output not in outputs:
            has = ", ".join(sorted(outputs or ())) or "no readable outputs"
            raise RolloutError(
                f"output {reference} of {source} is missing (its stack has {has}); "
                "check that tapgen bootstrap ran for that account"
            )
        found.append(outputs[reference.output])
    return ",".join(found)


def own_values(s: StackSet, step: Step, values: Mapping[str, str]) -> dict[str, str]:
    """Return the values that the stack set itself is to have in the end."""
    defaults = complete({}, s.template)
    return units.own_values(s, values, step.varying, defaults)


def changes_any_value(run: Run, step: Step, values: Mapping[str, str]) -> bool:
    """Whether a target of the step does not have these values yet."""
    state = run.states[step.stack_set]
    base = complete(state.parameters, state.template)
    return any(
        {**base, **state.overrides[t]}.get(k) not in (v, HIDDEN)
        for t in step.targets
        for k, v in values.items()
    )


def changes_shared_value(
    step: Step, state: StackSetState, values: Mapping[str, str]
) -> bool:
    """Whether a value changes that all targets share."""
    base = complete(state.parameters, state.template)
    return any(
        k not in step.varying and base.get(k) not in (v, HIDDEN)
        for k, v in values.items()
    )
