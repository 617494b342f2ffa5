"""What cannot be read, and what a plan leaves out because of it, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tapgen.model import Observed, Reading, Target
from tapgen.plan import Plan
from tapgen.report.targets import target_list

_HELP = {
    Reading.AWAY: "run this again when the region and the account answer",
    Reading.REFUSED: "tapgen bootstrap creates or repairs the role that tapgen reads with",
    Reading.GONE: "tapgen repair removes the instance from its stack set, then tapgen "
    "rollout creates it again, empty",
}


def of(observed: Mapping[str, Observed]) -> list[str]:
    """Return a line for each instance or region that cannot be read, and what helps."""
    found: dict[tuple[Reading, str], list[tuple[str, Target]]] = {}
    for name, one in sorted(observed.items()):
        for target, instance in sorted(one.instances.items()):
            if instance.reading is not Reading.READ:
                key = instance.reading, instance.unread
                found.setdefault(key, []).append((name, target))
    lines: list[str] = []
    for (reading, why), places in found.items():
        names = ", ".join(dict.fromkeys(name for name, _ in places))
        targets = target_list(list(dict.fromkeys(target for _, target in places)))
        lines += [
            f"cannot be read: {targets} ({names}): {why}",
            f"  → {_HELP[reading]}",
        ]
    return lines


def plan(the_plan: Plan) -> Iterator[str]:
    """Yield what a plan could not read and what it leaves out.

    Where tapgen has no role to read with, as in accounts that AWS Organizations deploys,
    this counts only if something is left out.
    """
    if the_plan.omitted or is_away(the_plan.observed):
        yield from of(the_plan.observed)
    yield from left_out(the_plan)


def left_out(the_plan: Plan) -> Iterator[str]:
    """Yield what a plan leaves out, and why."""
    for one in the_plan.omitted:
        what = f"{one.part}: {str(one.action).lower()} in {target_list(one.targets)}"
        yield f"left out: {what}: {one.why}"


def is_away(observed: Mapping[str, Observed]) -> bool:
    """Whether a region or account does not answer, or a stack is gone."""
    return any(
        instance.reading not in (Reading.READ, Reading.REFUSED)
        for found in observed.values()
        for instance in found.instances.values()
    )
