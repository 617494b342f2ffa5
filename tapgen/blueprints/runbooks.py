"""Runbooks of Systems Manager from the procedures of a system.

    runbooks.add(t, procedures, name=document, conditions={"dr": is_dr(t)}, ...)

One template serves the regions of all roles, so what a procedure does only in some of
them depends on a condition of the template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from troposphere import If, NoValue, Template

from tapgen.blocks import compute, drills, names
from tapgen.model.procedures import Procedure, Step
from tapgen.procedures import automation


def add(
    t: Template,
    procedures: Iterable[Procedure],
    *,
    name: Callable[[str], str],
    conditions: Mapping[str, str],
    role_arn: Callable[[Procedure], Any] = lambda _: None,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Add the runbook of each procedure.

    `name` gives a runbook's name, as text for `Fn::Sub`; `conditions` are the template's
    by region role. A runbook assumes its `role_arn`, by default the role of its caller.
    `values` stand for texts of procedures that no parameter has.
    """
    for procedure in procedures:
        document = drills.runbook(
            t,
            title(procedure.name),
            name=name(procedure.name),
            procedure=procedure.name,
            description=procedure.description,
            parameters=automation.parameters(procedure.arguments),
            steps=[
                entry
                for step in procedure.steps
                for entry in _entries(step, procedure, conditions, values or {})
            ],
            role_arn=role_arn(procedure),
        )
        if condition := _condition(procedure.roles, tuple(conditions), conditions):
            document.Condition = condition


def title(procedure: str) -> str:
    """Return the logical id of a procedure's runbook."""
    return "".join(word.title() for word in procedure.split("-")) + "Runbook"


def _condition(
    roles: tuple[str, ...], every: tuple[str, ...], conditions: Mapping[str, str]
) -> str:
    """Return the condition of some of these roles; empty for all of them."""
    if not set(every) - set(roles):
        return ""
    (role,) = roles
    return conditions[role]


def _entries(
    step: Step,
    procedure: Procedure,
    conditions: Mapping[str, str],
    values: Mapping[str, Any],
) -> list[Any]:
    entries = [_filled(e, values) for e in automation.steps(step, compute.source)]
    roles = step.roles or procedure.roles
    condition = _condition(roles, procedure.roles, conditions)
    return [If(condition, e, NoValue) for e in entries] if condition else entries


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    """Return data with its texts as template values; code is no text."""
    match value:
        case str():
            return values.get(value) or names.sub(value)
        case Mapping():
            return {
                key: inner if key == "Script" else _filled(inner, values)
                for key, inner in value.items()
            }
        case list():
            return [_filled(inner, values) for inner in value]
    return value
