"""Which template each target has after a run, from its journal alone.

Where a step neither ended nor was restored, the journal does not say how far a target is:
then it counts what `watching` has read of its operation, and else is `UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from tapgen.frozen import dataclass
from tapgen.model import NO_STACK, Target
from tapgen.rollout.fold import Result
from tapgen.rollout.opening import Opened
from tapgen.rollout.program import Kind
from tapgen.rollout.watching import Status

_DEPLOYS = (Kind.CREATE, Kind.UPDATE, Kind.DELETE)
Places = Mapping[tuple[str, Target], Status]
"""How far targets of stack sets are, by the name of the stack set."""


class Fate(StrEnum):
    """What a run has made of a target."""

    DEPLOYED = "deployed"
    REMOVED = "removed"
    RESTORED = "restored"
    AS_BEFORE = "as before"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Version:
    """The template of a target before a run and after it, by its digest; empty where it had
    no stack, and has none. Where `fate` is UNKNOWN it has one of the two, or half of one.
    """

    stack_set: str
    target: Target
    before: str
    after: str
    fate: Fate


def at_end(found: Opened, places: Places) -> tuple[Version, ...]:
    """Return the version of each target that a run was to change, as it is at its end, or
    so far. `places` are those of the last look at the run."""
    program, steps = found.state.there, dict[tuple[str, Target], list[str]]()
    for id, step in program.steps.items():
        for target in step.targets if step.kind in _DEPLOYS else ():
            steps.setdefault((step.stack_set, target), []).append(id)
    way = _there(found)
    good = {name: program.good_before(name) for name in {name for name, _ in steps}}
    versions = []
    for (name, target), ids in steps.items():
        before = good[name]
        had = before is not None and target in before.instances
        old = before.template_of(target) if before and had else ""
        old = "" if old == NO_STACK else old
        last = program.steps[ids[-1]]
        new = last.definition.template if last.definition else ""
        fate = _fate(found, name, [way.get(id, "") for id in ids])
        begun = {way.get(id, "") for id in ids} & {"changed", "finished"}
        if fate is Fate.UNKNOWN and not found.state.back and not begun:
            fate = _by_operation(places.get((name, target)))
        if fate is Fate.DEPLOYED and last.kind is Kind.DELETE:
            fate = Fate.REMOVED
        elif fate is Fate.RESTORED and not had:
            fate = Fate.REMOVED
        stays = fate in (Fate.AS_BEFORE, Fate.RESTORED)
        after = old if stays else "" if fate is Fate.REMOVED else new
        versions.append(Version(name, target, old, after, fate))
    return tuple(versions)


def _there(found: Opened) -> dict[str, str]:
    """How far each step of the way there came: began, changed (by a call that is done),
    skipped or finished."""
    way: dict[str, str] = {}
    for event in found.events:
        if event["event"] == "turned":
            break
        if event["event"] == "result" and event["result"] == Result.DONE:
            way[event["step"]] = "changed"
        if event["event"] in ("began", "finished"):
            skipped = event["event"] == "began" and event.get("skipped")
            way[event["step"]] = "skipped" if skipped else event["event"]
    return way


def _fate(found: Opened, name: str, way: list[str]) -> Fate:
    """What became of a target whose steps came so far."""
    state = found.state
    if state.back and name in state.restored:
        return Fate.RESTORED
    if not set(way) & {"began", "changed", "finished"}:
        return Fate.AS_BEFORE
    if state.back:
        return Fate.UNKNOWN if name in state.changed else Fate.AS_BEFORE
    if way[-1] in ("finished", "skipped"):
        return Fate.DEPLOYED
    return Fate.UNKNOWN


def _by_operation(status: Status | None) -> Fate:
    """What became of a target of a step that has not ended, by its operation. One that
    failed need not be as before: CloudFormation may not have rolled it back. One that
    waits may be next."""
    if status is Status.SUCCEEDED:
        return Fate.DEPLOYED
    if status is Status.CANCELLED:
        return Fate.AS_BEFORE
    return Fate.UNKNOWN
