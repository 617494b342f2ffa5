"""Gates in a run: what `gates.check` needs of it, and the word of whoever approves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tapgen.aws import verifying
from tapgen.aws.stacksets import StackSets
from tapgen.aws.verifying import Place
from tapgen.errors import Conflict, NotFound, RolloutError
from tapgen.model import (
    AlarmGate,
    ApprovalGate,
    Gate,
    HealthGate,
    Target,
    VerifyGate,
    gate_from,
)
from tapgen.rollout import gates
from tapgen.rollout.fold import State
from tapgen.rollout.journal import Journal, Store, now_text
from tapgen.rollout.program import Kind, Program, Step


def gate_of(step: Step) -> Gate:
    """Return the gate of a step."""
    return gate_from(step.gate)


def readers(
    sets: StackSets,
    journal: Journal,
    state: State,
    id: str,
    stopping: Callable[[], bool],
) -> gates.Readers:
    """Return what a check of the gate of step `id` needs."""
    gate = gate_of(state.program.steps[id])
    wanted = isinstance(gate, AlarmGate | HealthGate)
    names = {**state.states, **dict.fromkeys(state.program.watched)}
    stacks = stacks_of(sets, names) if wanted else {}
    return gates.readers(
        sets.aws,
        stacks,
        _facts(state, id),
        lambda: approval(journal.store, journal.folder, id),
        stopping,
        lambda: verifying.of_rollout(sets, deployed(state.program, id)),
    )


def deployed(program: Program, id: str) -> list[Place]:
    """Return what the waves before a gate have deployed, as far as the last gate before that
    verifies, too."""
    found: list[Place] = []
    for wave in reversed(program.waves[: int(id.split(".")[0]) - 1]):
        steps = [step for lane in wave for step in lane]
        if any(s.gate.get("kind") == VerifyGate.kind for s in steps):
            break
        found += [
            (step.part, step.stack_set, target)
            for step in steps
            if step.kind in (Kind.CREATE, Kind.UPDATE, Kind.REPAIR)
            for target in step.targets
        ]
    return found


def stacks_of(sets: StackSets, names: Iterable[str]) -> dict[Target, list[str]]:
    """Return the ids of the stacks of stack sets, by target."""
    found: dict[Target, list[str]] = {}
    for name in names:
        try:
            listed = sets.listed(name)
        except NotFound:
            continue
        for target, instance in listed.items():
            if instance.stack_id:
                found.setdefault(target, []).append(instance.stack_id)
    return found


def off_before(sets: StackSets, program: Program) -> list[str]:
    """Return the alarms that are in ALARM now, if the program has gates that watch any:
    read before a run."""
    wanted = [gate_of(s) for s in program.steps.values() if s.kind is Kind.GATE]
    names = [g.names for g in wanted if isinstance(g, AlarmGate)]
    names += [() for g in wanted if isinstance(g, HealthGate | VerifyGate)]
    if not names:
        return []
    stacks = stacks_of(sets, {**program.start, **dict.fromkeys(program.watched)})
    look = gates.readers(sets.aws, stacks, _nothing(), lambda: None)
    now = datetime.now(UTC)
    found = [a for one in dict.fromkeys(names) for a in look.alarms(one, now)]
    return sorted(gates.already_off(found))


def _nothing() -> gates.Facts:
    return gates.Facts("", "", "", 0, (), ())


def _facts(state: State, id: str) -> gates.Facts:
    """What a command is told: the run, and the wave before the gate."""
    opening = state.opening
    waves = state.program.waves
    number = int(id.split(".")[0]) - 1
    before = [w for w in waves[:number] if counts(w)]
    steps = [s for lane in before[-1] for s in lane] if before else []
    return gates.Facts(
        system=opening.get("name", ""),
        suffix=opening.get("suffix", ""),
        run=state.run,
        wave=len(before),
        parts=tuple(dict.fromkeys(s.part for s in steps)),
        targets=tuple(dict.fromkeys(t for s in steps for t in s.targets)),
        environment=opening.get("environment"),
    )


def counts(wave: Sequence[Sequence[Step]]) -> bool:
    """Whether a wave of a program is one of its plan's."""
    kinds = {step.kind for lane in wave for step in lane}
    return not kinds <= {Kind.UPLOAD, Kind.SETTLE, Kind.GATE, Kind.CHECK}


def acts(steps: Sequence[Step]) -> str:
    """Return what the acts of a wave do, the first one in words."""
    first, *more = [step.words for step in steps if step.kind is Kind.ACT]
    return f"{first}, and {len(more)} more side by side" if more else first


# -- approvals -------------------------------------------------------------------------


def _key(folder: str, id: str) -> str:
    return f"{folder}/approval-{id}.json"


def approval(store: Store, folder: str, id: str) -> gates.Approval | None:
    """Return what somebody said about a gate; None as long as nobody has."""
    body = store.get(_key(folder, id))
    if not body:
        return None
    said: Mapping[str, Any] = json.loads(body)
    return gates.Approval(said["approved"], said["by"], said["at"], said["comment"])


def waiting(state: State) -> list[tuple[str, Step]]:
    """Return the gates that wait for an approval, with the ids of their steps."""
    return [
        (id, found.step)
        for id, found in state.progress.items()
        if found.step.kind is Kind.GATE
        and not found.over
        and isinstance(gate_of(found.step), ApprovalGate)
    ]


def answer(
    journal: Journal, id: str, *, approved: bool, by: str, comment: str = ""
) -> None:
    """Approve or reject a gate; RolloutError when somebody has already answered."""
    said = {"approved": approved, "by": by, "at": now_text(), "comment": comment}
    try:
        journal.store.write(_key(journal.folder, id), json.dumps(said).encode())
    except Conflict:
        known = approval(journal.store, journal.folder, id)
        by = known.by if known else "somebody"
        word = "approved" if known and known.approved else "rejected"
        raise RolloutError(f"gate {id} was already {word} by {by}") from None
