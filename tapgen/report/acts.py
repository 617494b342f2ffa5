"""The steps of a procedure as text and data: what a dry run shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tapgen.model.procedures import Act
from tapgen.rollout.codec import encode
from tapgen.rollout.gating import gate_of
from tapgen.rollout.program import Kind, Step


def lines(steps: Iterable[Step]) -> Iterator[str]:
    """Yield each check and each call with what is sent, and what takes a call back."""
    for step in steps:
        if step.kind is Kind.CHECK and step.check:
            yield f"check  {step.check}{_wanted(step.check)}"
            yield f"         {_sent(step.check)}"
            continue
        if step.kind is Kind.GATE:
            yield f"gate   {gate_of(step)}"
            continue
        for call in step.calls:
            assert call.act
            yield f"call   {call.act}"
            yield f"         {_sent(call.act)}"
        back = [str(call.act) for call in step.undo] or [step.remains]
        yield from (f"         undone by {one}" for one in back if one)


def data(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return the same as data."""
    return [_data(step) for step in steps]


def _data(step: Step) -> dict[str, Any]:
    if step.check:
        return {"check": encode(step.check)}
    if step.kind is Kind.GATE:
        return {"gate": dict(step.gate)}
    return {
        "call": encode(step.calls[0].act),
        "undo": [encode(call.act) for call in step.undo] or step.remains,
    }


def _wanted(check: Act) -> str:
    wanted = f" is {' or '.join(check.wanted)}" if check.wanted else ""
    limit = f", for up to {check.seconds} seconds" if check.seconds else ""
    return f"{wanted}{limit}"


def _sent(act: Act) -> str:
    return json.dumps(act.arguments, sort_keys=True)
