"""Groups of targets, steps and waves with the same changes, so that each is shown once.

Names and ARNs contain their account and region. Texts that differ only in these count as
the same, and are shown with `${AWS::AccountId}` and `${AWS::Region}` instead.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import Gate, Target
from tapgen.plan import Plan, Step
from tapgen.plan.gates import gates as gates_of
from tapgen.report import parameters
from tapgen.report.values import whole_difference
from tapgen.template import diff

MOST_WAVES = 4
"""Successive waves with the same changes that are shown one by one, at most."""

_Slot = tuple[str, str]  # a logical id and a path in it
_Shown = tuple[Any, ...]  # everything that is shown of a change


@dataclass(frozen=True)
class Group:
    """Targets with the same resource changes.

    Of every group but the first, `changes` has only those that the first lacks; `shared`
    counts the common ones, and `without` names the resources that change in the first
    group only.
    """

    targets: tuple[Target, ...]
    changes: tuple[diff.Resource, ...]
    shared: int = 0
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepLines:
    """A step with the lines of its parameters, each in all forms that are the same for
    every step that it stands for."""

    step: Step
    forms: tuple[tuple[str, ...], ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(forms[0] for forms in self.forms)


@dataclass(frozen=True)
class Waves:
    """The waves from `first` to `last`, with the same changes at different targets: their
    steps with all of these targets, and the gates after each of the waves."""

    first: int
    last: int
    steps: tuple[StepLines, ...]
    gates: tuple[Gate, ...] = ()

    def __str__(self) -> str:
        if self.first == self.last:
            return f"wave {self.first}"
        return f"waves {self.first}–{self.last}, one after the other"


def here(node: Any, places: Iterable[Target]) -> Any:
    """Return a value with the account and the region that all these targets share
    replaced by the names of the pseudo parameters."""
    accounts, regions = zip(*((t.account, t.region) for t in places), strict=True)
    names = {}
    if len({*accounts}) == 1:
        names[accounts[0]] = "${AWS::AccountId}"
    if len({*regions}) == 1:
        names[regions[0]] = "${AWS::Region}"
    # us-east-1 is no part of us-east-10, nor of us-gov-us-east-1.
    found = re.compile(rf"(?<![0-9])(?:{'|'.join(map(re.escape, names))})(?![0-9])")
    return _replaced(node, found, names) if names else node


def texts(found: Iterable[tuple[str, Target]]) -> Iterator[tuple[str, list[Target]]]:
    """Yield each text once, with all its targets."""
    grouped: dict[str, dict[Target, str]] = {}
    for text, target in found:
        grouped.setdefault(here(text, [target]), {})[target] = text
    for shared, own in grouped.items():
        different = {*own.values()}
        yield shared if len(different) > 1 else different.pop(), list(own)


def groups(changes: Mapping[Target, Sequence[diff.Resource]]) -> list[Group]:
    """Return the targets grouped by their resource changes, the largest group first."""
    same = _same_everywhere(changes)
    every: dict[_Shown, diff.Resource] = {}
    found: dict[frozenset[_Shown], list[Target]] = {}
    for target, own in changes.items():
        shown = {}
        for change in own:
            change = _as_anywhere(change, target, same)
            shown[_shown(change)] = change
        every |= shown
        found.setdefault(frozenset(shown), []).append(target)
    ordered = sorted(found, key=lambda keys: -len(found[keys]))
    return [
        _group(found[keys], keys, ordered[0] if number else frozenset(), every)
        for number, keys in enumerate(ordered)
    ]


def waves(plan: Plan, *, details: bool = False) -> list[Waves]:
    """Return the waves of a plan; many successive ones with the same changes as one."""
    runs: list[tuple[Waves, list[Waves]]] = []
    for number, (wave, gates) in enumerate(
        zip(plan.waves, gates_of(plan), strict=True), 1
    ):
        steps = tuple(_step_lines(plan, s, number, details) for s in wave)
        one = Waves(number, number, steps, gates)
        joined = _joined(runs[-1][0], one) if runs else None
        if joined:
            runs[-1] = (joined, [*runs[-1][1], one])
        else:
            runs.append((one, [one]))
    return [
        shown
        for joined, each in runs
        for shown in ([joined] if len(each) > MOST_WAVES else each)
    ]


def _replaced(node: Any, found: re.Pattern[str], names: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return found.sub(lambda match: names[match[0]], node)
    if isinstance(node, (list, tuple)):
        return type(node)(_replaced(item, found, names) for item in node)
    if isinstance(node, Mapping):
        return {
            _replaced(key, found, names): _replaced(value, found, names)
            for key, value in node.items()
        }
    return node


def _same_everywhere(
    changes: Mapping[Target, Sequence[diff.Resource]],
) -> Collection[_Slot]:
    """The properties that have the same old and new values wherever their resource
    changes: these are shown unchanged."""
    times: dict[str, int] = {}
    seen: dict[_Slot, list[str]] = {}
    for own in changes.values():
        for change in own:
            times[change.logical_id] = times.get(change.logical_id, 0) + 1
            for p in change.properties:
                slot = (change.logical_id, diff.show(p.path))
                seen.setdefault(slot, []).append(repr((p.old, p.new)))
    return {
        slot
        for slot, values in seen.items()
        if len(values) == times[slot[0]] and len({*values}) == 1
    }


def _as_anywhere(
    change: diff.Resource, target: Target, same: Collection[_Slot]
) -> diff.Resource:
    """The change of a resource without its account and region."""
    properties = (
        (
            p
            if (change.logical_id, diff.show(p.path)) in same
            else replace(
                p,
                path=here(p.path, [target]),
                old=here(p.old, [target]),
                new=here(p.new, [target]),
            )
        )
        for p in change.properties
    )
    return replace(change, properties=tuple(properties), before=None, after=None)


def _shown(change: diff.Resource) -> _Shown:
    properties = (
        (diff.show(p.path), whole_difference(p.old, p.new), p.verdict, p.interruption)
        for p in change.properties
    )
    return (replace(change, properties=()), *properties)


def _group(
    targets: Sequence[Target],
    keys: frozenset[_Shown],
    first: frozenset[_Shown],
    every: Mapping[_Shown, diff.Resource],
) -> Group:
    """One group, compared with the first."""
    own = {every[key].logical_id for key in keys}
    return Group(
        tuple(targets),
        tuple(sorted((every[key] for key in keys - first), key=lambda c: c.logical_id)),
        shared=len(keys & first),
        without=tuple(sorted({every[key].logical_id for key in first} - own)),
    )


def _step_lines(plan: Plan, step: Step, wave: int, details: bool) -> StepLines:
    lines = parameters.lines(plan, step, details=details)
    return StepLines(step, tuple(_forms(line, step, wave) for line in lines))


def _forms(line: str, step: Step, wave: int) -> tuple[str, ...]:
    """A line as it is, and as it is for others at their places and in their waves."""
    there = here(line, step.targets)
    before = f"(known after wave {wave - 1})"
    return line, there, there.replace(before, "(known after the wave before)")


def _joined(before: Waves, after: Waves) -> Waves | None:
    """Both waves as one; None if their changes differ."""
    if len(before.steps) != len(after.steps) or before.gates != after.gates:
        return None
    steps = [_both(*pair) for pair in zip(before.steps, after.steps, strict=True)]
    both = tuple(step for step in steps if step)
    if len(both) != len(steps):
        return None
    return Waves(before.first, after.last, both, before.gates)


def _both(one: StepLines, other: StepLines) -> StepLines | None:
    """One step at the targets of both; None if their changes differ."""
    if _does(one) != _does(other):
        return None
    pairs = zip(one.forms, other.forms, strict=True)
    forms = tuple(tuple(f for f in mine if f in its) for mine, its in pairs)
    if not all(forms):
        return None
    changes = {**one.step.changes, **other.step.changes}
    targets = (*one.step.targets, *other.step.targets)
    return StepLines(replace(one.step, targets=targets, changes=changes), forms)


def _does(one: StepLines) -> tuple[Any, ...]:
    step = one.step
    what = (step.stack_set, step.action, step.reasons, step.conditional)
    return (*what, len(one.forms))
