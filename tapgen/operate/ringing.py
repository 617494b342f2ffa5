"""Which alarms of a system are in ALARM before anything moves: gates leave them out, so they
would say nothing of what a move does."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tapgen.aws import alarms
from tapgen.aws.alarms import Alarm
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError
from tapgen.model import System, Target
from tapgen.rollout.gating import stacks_of

_AT_ONCE = 8


@dataclass(frozen=True)
class Ringing:
    """The alarms that are in ALARM, and why those of some places could not be read."""

    red: tuple[Alarm, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


def look(sets: StackSets, system: System) -> Ringing:
    """Return which alarms in the stacks of a system are in ALARM now. What AWS does not
    answer is unknown, and no error."""
    try:
        stacks = stacks_of(sets, [s.name for s in system.stack_sets])
    except AwsError as error:
        return Ringing(unread={f"all regions of {system.prefix}": str(error)})

    def read(target: Target) -> list[Alarm] | AwsError:
        try:
            names = [
                n
                for id in stacks[target]
                for n in alarms.of_stack(sets.aws, target, id)
            ]
            return alarms.read(sets.aws, target, names)
        except AwsError as error:
            return error

    places = sorted(stacks)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = dict(zip(places, pool.map(read, places), strict=True))
    return Ringing(
        tuple(
            alarm
            for one in found.values()
            if not isinstance(one, AwsError)
            for alarm in one
            if alarm.state == "ALARM"
        ),
        {str(t): str(one) for t, one in found.items() if isinstance(one, AwsError)},
    )
