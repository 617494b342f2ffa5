"""The `gates` of the `rollout` block: what must hold before a rollout goes on.

`gate_shape` has the keys, `check` reports what depends on more than one of them, and
`read` returns the gates of a block without mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tapgen.config.document import Node, wrong
from tapgen.config.patterns import GATE_KEYS, PLACE, seconds
from tapgen.config.problems import Problems, listed, near, shown
from tapgen.model import (
    REGION,
    WAVE,
    AlarmGate,
    ApprovalGate,
    CommandGate,
    Gate,
    ProbeGate,
    VerifyGate,
)

if TYPE_CHECKING:  # slow to import, and needed only to say what is wrong
    from tapgen.config.gate_shape import GateShape

KNOWN = {"after", *GATE_KEYS, *(key for own in GATE_KEYS.values() for key in own)}


NO_COMMAND = (
    "a command cannot run in AWS, where the engine is (rollout.engine: aws); use a probe or "
    "an approval, or set engine: local"
)


def check(root: Node, problems: Problems) -> None:
    """Report gates of no kind or of several, keys of another kind, and unknown parts."""
    gates = root.get("rollout", "gates")
    engine = root.get("rollout", "engine")
    in_aws = engine is not None and engine.value == "aws"
    for gate in gates.items if gates else ():
        if isinstance(gate.value, dict):
            _check_kind(gate, problems)
            _check_after(gate, root, problems)
            command = gate.get("command")
            if in_aws and command is not None:
                wrong(problems, command, NO_COMMAND)


def _check_kind(gate: Node, problems: Problems) -> None:
    kinds = [key for key in GATE_KEYS if key in gate.mapping]
    if not kinds and set(gate.mapping) - KNOWN:
        return  # a misspelled key is reported elsewhere
    if len(kinds) != 1:
        given = " and ".join(kinds) or "none of them"
        message = f"a gate has exactly one of {listed(GATE_KEYS)}; this one has {given}"
        wrong(problems, gate, f"{message}; write one gate for each")
        return
    others = dict.fromkeys(key for own in GATE_KEYS.values() for key in own)
    for key in others:
        node = gate.get(key)
        if node is not None and key not in GATE_KEYS[kinds[0]]:
            owners = [kind for kind, own in GATE_KEYS.items() if key in own]
            message = f"belongs to {listed(owners)}, not to {kinds[0]}; remove it"
            wrong(problems, node, message)


def _check_after(gate: Node, root: Node, problems: Problems) -> None:
    """Report a part that the file does not have, where the file lists the parts."""
    node, parts = gate.get("after"), root.get("stack_sets")
    if node is None or parts is None or not isinstance(node.value, str):
        return
    places = [WAVE, REGION, *parts.mapping]
    if node.value not in places and re.fullmatch(PLACE, node.value):
        message = f"{shown(node.value)} is not a stack set of this file; give "
        wrong(problems, node, message + listed(places) + near(node.value, places))


def read(shapes: Iterable[GateShape]) -> tuple[Gate, ...]:
    """Return the gates."""
    return tuple(map(_gate, shapes))


def _gate(shape: GateShape) -> Gate:
    after = shape.after
    timeout = {"timeout": seconds(shape.timeout)} if shape.timeout else {}
    if shape.probe:
        under = seconds(shape.under) if shape.under else None
        return ProbeGate(
            url=shape.probe,
            status=shape.status,
            body=shape.body,
            under=under,
            after=after,
        )
    if shape.command:
        return CommandGate(command=tuple(shape.command), after=after, **timeout)
    if shape.approve:
        return ApprovalGate(after=after, **timeout)
    if shape.verify:
        return VerifyGate(after=after, **timeout)
    names = () if shape.alarms is True else tuple(shape.alarms)
    return AlarmGate(names=names, bake=seconds(shape.bake), after=after)
