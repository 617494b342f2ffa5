"""The program that a plan becomes, as text and as JSON data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.markup import escape

from tapgen.model import gate_from
from tapgen.report.control import printable
from tapgen.report.targets import target_list
from tapgen.rollout.program import Kind, Program, Reference, Step, Verb


@printable
def text(program: Program) -> str:
    """Return the steps of a program as lines: waves one after the other, their lanes side
    by side, the steps of a lane one after the other."""
    lines = ["\n[bold]program[/] (step ids are wave.lane.step; lanes run side by side)"]
    for id, step in program.steps.items():
        lines.append(f"  {id:7}{escape('; '.join(_words(step)))}")
    return "\n".join(lines)


def _words(step: Step) -> Iterator[str]:
    """What a step does, what it waits for, and what it reads."""
    if step.kind is Kind.GATE:
        yield f"gate: {gate_from(step.gate)}"
        return
    where = f" in {target_list(step.targets)}" if step.targets else ""
    what = step.words or step.stack_set
    yield f"{step.kind} {what}{where}"
    calls = [str(call.verb) for call in step.calls if call.verb is not Verb.UPLOAD]
    if calls:
        yield ", ".join(calls)
    if step.conditional:
        yield "only where values have changed by then"
    if references := _references(step):
        yield f"with {', '.join(references)}"
    if step.reads:
        yield f"then reads {', '.join(step.reads)}"
    if step.drop:
        yield "then deletes the stack set"


def _references(step: Step) -> list[str]:
    """The outputs that become values of a step."""
    values = {**step.own, **step.values}.values()
    return list(dict.fromkeys(str(v) for v in values if isinstance(v, Reference)))


def data(program: Program) -> list[dict[str, Any]]:
    """Return the steps of a program as JSON data."""
    return [
        {
            "id": id,
            "kind": str(step.kind),
            "stack_set": step.stack_set,
            "part": step.part,
            "targets": [
                {"account": t.account, "region": t.region} for t in step.targets
            ],
            "references": _references(step),
            "reads": list(step.reads),
            "conditional": step.conditional,
            "gate": dict(step.gate) or None,
        }
        for id, step in program.steps.items()
    ]
