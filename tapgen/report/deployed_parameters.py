"""The parameters that each deployed target has, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape

from tapgen.frozen import dataclass
from tapgen.model import (
    HIDDEN,
    Observed,
    ObservedInstance,
    Output,
    StackSet,
    Target,
)
from tapgen.report.targets import target_list
from tapgen.template.evaluate import no_echo
from tapgen.template.parameters import parameters_of


@dataclass(frozen=True)
class Deployed:
    """A parameter of one stack instance.

    `source` is `override`, `stack set` or `template default`, and `given` what the file
    says: `file`, `file (overrides: PLACE)` or `output PART.NAME`, empty where it gives no
    value. `stack` is the value that the stack itself has, where that was read and differs.
    `resolved` is what a parameter of an SSM type was resolved to.
    """

    name: str
    value: str | None
    source: str
    given: str = ""
    stack: str | None = None
    resolved: str = ""


def of(
    part: StackSet | None, found: Observed, target: Target, instance: ObservedInstance
) -> list[Deployed]:
    """Return the parameters of one instance by name; `part` describes its stack set in the
    file, None where the file does not."""
    declared = parameters_of(found.template)
    rows = []
    for name in sorted({*declared, *found.parameters, *instance.overrides}):
        shape = declared.get(name, {})
        value: str | None
        if name in instance.overrides:
            source, value = "override", instance.overrides[name]
        elif name in found.parameters:
            source, value = "stack set", found.parameters[name]
        else:
            source, value = "template default", _default(shape)
        own = (instance.parameters or {}).get(name, value)
        hidden = no_echo(shape)
        rows.append(
            Deployed(
                name,
                HIDDEN if hidden else value,
                source,
                _given(part, name, target),
                None if hidden or own == value else own,
                instance.resolved.get(name, ""),
            )
        )
    return rows


def _default(shape: Mapping[str, Any]) -> str | None:
    return str(shape["Default"]) if "Default" in shape else None


def _given(part: StackSet | None, name: str, target: Target) -> str:
    """What the file says of a parameter: where its value for a target is."""
    if part is None:
        return ""
    value = part.values(target).get(name)
    if value is None:
        return ""
    if isinstance(value, Output):
        return f"output {value}"
    places = [
        "/".join(filter(None, (one.account, one.region)))
        for one in part.overrides
        if name in one.parameters
        and one.region in (None, target.region)
        and one.account in (None, target.account)
    ]
    # The one that names most wins.
    most = max(
        places, key=lambda place: ("/" in place, place[:1].isdigit()), default=""
    )
    return f"file (overrides: {most})" if most else "file"


def data(row: Deployed) -> dict[str, Any]:
    """Return a parameter as JSON data; null where there is no value, or none differs."""
    return {
        "name": row.name,
        "value": row.value,
        "source": row.source,
        "given": row.given or None,
        "stack_value": row.stack,
        "resolved": row.resolved or None,
    }


def lines(stack_sets: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the parameters in the data of `report.data.status`; instances of a stack set
    that have the same ones are shown once."""
    for one in stack_sets:
        grouped: dict[str, tuple[list[Target], list[Any]]] = {}
        for instance in one["instances"]:
            rows = instance["parameters"]
            targets, _ = grouped.setdefault(repr(rows), ([], rows))
            targets.append(Target(instance["account"], instance["region"]))
        for targets, rows in grouped.values():
            yield f"[bold]{escape(one['name'])}[/] in {escape(target_list(targets))}"
            if not rows:
                yield "  no parameters"
            yield from (f"  {escape(_line(row))}" for row in rows)


def _line(row: Mapping[str, Any]) -> str:
    value = "no value" if row["value"] is None else repr(row["value"])
    resolved = f" → {row['resolved']!r}" if row["resolved"] else ""
    where = ", ".join(filter(None, (row["source"], row["given"])))
    differs = row["stack_value"]
    still = "" if differs is None else f"; its stack has {differs!r}"
    return f"{row['name']}: {value}{resolved}  [{where}]{still}"
