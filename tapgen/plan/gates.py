"""The gates of a plan: after which of its waves each one is checked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from tapgen.model import REGION, WAVE, Action, Gate
from tapgen.plan.model import Plan, Step


def gates(plan: Plan) -> tuple[tuple[Gate, ...], ...]:
    """Return for each wave the gates that must hold after it, in the config's order.

    A gate after a region comes where the next wave is in other regions, one after a part
    after the last wave of its stack set. Waves that only delete have no gates: nothing
    that a gate finds could bring back what is gone.
    """
    deploying = [
        number for number, wave in enumerate(plan.waves) if not _only_deletes(wave)
    ]
    found: list[tuple[Gate, ...]] = [()] * len(plan.waves)
    if not plan.system.rollout.gates:
        return tuple(found)
    for number, following in zip_longest(deploying, deploying[1:]):
        wave = plan.waves[number]
        later = [plan.waves[n] for n in deploying if n > number]
        places = {WAVE} | {s.part for s in wave} - {s.part for w in later for s in w}
        if following is None or _regions(wave) != _regions(plan.waves[following]):
            places.add(REGION)
        found[number] = tuple(
            gate for gate in plan.system.rollout.gates if gate.after in places
        )
    return tuple(found)


def _only_deletes(wave: Sequence[Step]) -> bool:
    return all(step.action is Action.DELETE for step in wave)


def _regions(wave: Sequence[Step]) -> set[str]:
    return {target.region for step in wave for target in step.targets}
