"""What deployed stacks use until their own change, and what that means for the order.

The new templates order the waves by what stacks will use. Something that goes away must
also wait for the stacks that use it today: CloudFormation refuses to remove an export in
use, and deletes a role, topic or layer under its user. So its users change first. Where
they must also change last, no order is right, and the change takes two rollouts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property

from tapgen.frozen import dataclass
from tapgen.model import Action, Observed, Output, StackSet, System, Target
from tapgen.plan.model import Step
from tapgen.plan.values import (
    ChangingOutputs,
    evaluated_sides,
    moved_values,
)
from tapgen.plan.waves import reaches
from tapgen.system import checks, ledger
from tapgen.system.ledger import Use, imported
from tapgen.template import diff, evaluate, parameter_store
from tapgen.template.evaluate import Evaluated
from tapgen.template.values import references

Deletions = list[tuple[Step, ...]]


@dataclass(frozen=True)
class Order:
    """The order that users of what goes away need.

    `requires` are the parts that each part waits for. Of the stack sets in `leaving`,
    deletions come before everything else. `blocked` has a line for each use that no
    order satisfies.
    """

    requires: Mapping[str, set[str]]
    leaving: frozenset[str]
    blocked: tuple[str, ...]


@dataclass(frozen=True)
class _Sides:
    """A stack before and after its update."""

    old: Evaluated
    new: Evaluated
    moved: Mapping[str, bool]

    @cached_property
    def gone(self) -> frozenset[str]:
        """The logical ids of what the update takes away."""
        return frozenset(
            c.logical_id
            for c in diff.compare(self.old, self.new, self.moved)
            if c.verb is diff.Verb.REMOVE and not c.retained
        )


@dataclass(frozen=True)
class _State:
    system: System
    observed: Mapping[str, Observed]
    updates: Mapping[tuple[str, Target], Step]
    wanted: Mapping[str, StackSet]
    # Of one stack there may be many uses: its update is looked at once.
    _sides: dict[tuple[str, Target], _Sides] = field(default_factory=dict)

    def sides(self, step: Step, target: Target) -> _Sides:
        """A stack that a step updates, before and after it."""
        name = step.stack_set
        if (name, target) not in self._sides:
            found, s = self.observed[name], self.wanted[name]
            both = evaluated_sides(found, s, target, step.foreseen(target))
            self._sides[name, target] = _Sides(*both, moved_values(step))
        return self._sides[name, target]

    def is_staying(self, name: str, target: Target) -> bool:
        return name in self.wanted and target in self.wanted[name].targets

    def takes(self, use: Use) -> bool:
        """Whether the user takes the same output in its new version too."""
        s = self.wanted[use.user]
        part = self.wanted[use.provider].part
        return any(
            isinstance(v, Output) and (v.part, v.output) == (part, use.output)
            for v in s.values(use.at).values()
        )


def ordered(
    system: System,
    observed: Mapping[str, Observed],
    uses: Iterable[Use],
    steps: Iterable[Step],
    touched: Mapping[str, ChangingOutputs],
    moves: Mapping[str, Iterable[str]],
) -> Order | None:
    """Return the order that deployed uses and names need; None where that of the new
    templates does.

    `steps` and `touched` are those of a plan in the order of the new templates, and
    `moves` the stack sets that have to give up a name before another one takes it
    (`names.moved`). Where no order helps, those are left as they are.
    """
    updates = {
        (step.stack_set, target): step
        for step in steps
        if step.action is Action.UPDATE
        for target in step.targets
    }
    wanted = {s.name: s for s in system.stack_sets}
    state = _State(system, observed, updates, wanted)
    lost = [u for u in uses if _is_lost(state, u)]
    if not lost and not moves:
        return None
    hard, soft = _requirements(system, touched)
    lasting, leaving = [], set()
    blocked: dict[str, None] = {}
    for use in lost:
        provider = wanted[use.provider].part
        if not state.is_staying(use.user, use.at):
            leaving.add(use.user)
        elif _is_lasting(state, use):
            lasting.append(use)
        else:
            user = wanted[use.user].part
            if reaches(hard, user, provider):
                blocked[_two_rollouts(use)] = None
            else:
                hard[provider].add(user)
    for taker, givers in moves.items():
        for giver in givers:
            first, then = wanted[giver].part, wanted[taker].part
            if not reaches(hard, first, then):
                hard[then].add(first)
    early, stuck = _leaving_early(state, uses, leaving)
    blocked |= dict.fromkeys(_two_rollouts(u) for u in lost if u.user in stuck)
    blocked |= dict.fromkeys(map(_still_used, lasting))
    for part, names in soft.items():
        hard[part] |= {name for name in names if not reaches(hard, name, part)}
    return Order(hard, frozenset(early), tuple(blocked))


def _is_lost(state: _State, use: Use) -> bool:
    """Whether an update takes away what is used."""
    step = state.updates.get((use.provider, use.source))
    if step is None or (use.user in state.wanted and not _lets_go(state, use)):
        return False
    if use.export:
        template = state.wanted[use.provider].template
        values = {k: v if isinstance(v, str) else v.now for k, v in step.values.items()}
        names = evaluate.exports(template, values, use.source).values()
        # A name that is not known yet may be the same one.
        return use.export not in names and all(isinstance(n, str) for n in names)
    sides = state.sides(step, use.source)
    if use.parameter:
        written = ledger.writes(sides.new.resources)
        return use.parameter not in written and all(isinstance(n, str) for n in written)
    named = references(sides.old.outputs.get(use.output))
    return any(name.partition(".")[0] in sides.gone for name in named)


def _lets_go(state: _State, use: Use) -> bool:
    """Whether the order of the new templates could be wrong for a use: an output that
    is still taken gets its new value from its provider."""
    staying = state.is_staying(use.user, use.at)
    return bool(use.export) or not staying or not state.takes(use)


def _is_lasting(state: _State, use: Use) -> bool:
    """Whether the user still uses it when everything is rolled out."""
    s = state.wanted[use.user]
    values = s.values(use.at)
    if use.export:
        return use.export in imported(s.template, evaluate.given(values), use.at)
    if use.parameter:
        read = parameter_store.names(s.template, s.sent(use.at))
        return use.parameter in read.values()
    given = {v for v in values.values() if isinstance(v, str)}
    return use.value in given | {i for v in given for i in v.split(",")}


def _requirements(
    system: System, touched: Mapping[str, ChangingOutputs]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return the parts that each part must wait for, and those whose outputs it takes
    although this plan does not change them."""
    parts = {s.part: s for s in system.stack_sets}
    hard: dict[str, set[str]] = {}
    soft: dict[str, set[str]] = {}
    for part, s in parts.items():
        waits = {*s.depends_on}
        for target in s.targets:
            for value in s.values(target).values():
                if not isinstance(value, Output):
                    continue
                sources = checks.sources(value, target, parts[value.part])
                changing = touched[value.part]
                if any(value.output in changing.get(t, {}) for t in sources):
                    waits.add(value.part)
        hard[part] = waits
        soft[part] = s.requires() - waits
    return hard, soft


def _leaving_early(
    state: _State, uses: Iterable[Use], leaving: set[str]
) -> tuple[set[str], set[str]]:
    """Return the stack sets whose deletions come first, and those that cannot: they lose
    data, or a stack that stays uses them."""
    users: dict[str, set[str]] = {}
    for use in uses:
        users.setdefault(use.provider, set()).add(use.user)
    early, stuck, ahead = set(), set(), sorted(leaving)
    while ahead:
        name = ahead.pop()
        others = users.get(name, set())
        if _loses_data(state, name) or any(o in state.wanted for o in others):
            stuck.add(name)
        elif name not in early:
            early.add(name)
            ahead += sorted(others)  # they are deleted as well, and before it
    return early - stuck, stuck


def _loses_data(state: _State, name: str) -> bool:
    found = state.observed[name]
    for target in found.instances:
        if not state.is_staying(name, target) and not target.joins_later:
            sides = evaluated_sides(found, None, target, {})
            if any(change.loses_data for change in diff.compare(*sides)):
                return True
    return False


def _two_rollouts(use: Use) -> str:
    return (
        f"{use.provider} in {use.source}: {use.what} would be removed while {use.user} "
        f"in {use.at} still uses it, and {use.user} can change only afterwards; it takes "
        f"two rollouts: keep what it uses in {use.provider}, roll out, then remove it; "
        "where a shipped blueprint decides that, it is no change but another system: "
        "create one with another suffix"
    )


def _still_used(use: Use) -> str:
    verb = "imports" if use.export else "is given"
    return (
        f"{use.provider} in {use.source}: {use.what} would be removed, and {use.user} in "
        f"{use.at} still {verb} it; keep it, or change {use.user} as well"
    )


def deletions_in_order(
    waves: Sequence[tuple[Step, ...]], uses: Iterable[Use]
) -> Deletions:
    """Return waves of deletions with each user before what it uses.

    Where two use each other, the order stays as it is.
    """
    ranks = {step.stack_set: n for n, wave in enumerate(waves) for step in wave}
    going = {(step.stack_set, t) for w in waves for step in w for t in step.targets}
    first: dict[str, set[str]] = {}
    for use in uses:
        both = {(use.user, use.at), (use.provider, use.source)} <= going
        if both and not reaches(first, use.user, use.provider):
            first.setdefault(use.provider, set()).add(use.user)
    while late := {
        name: max(ranks[user] for user in users) + 1
        for name, users in first.items()
        if ranks[name] <= max(ranks[user] for user in users)
    }:
        ranks |= late
    again = [
        [s for w in waves for s in w if ranks[s.stack_set] == n] for n in _upto(ranks)
    ]
    return [tuple(wave) for wave in again if wave]


def _upto(ranks: Mapping[str, int]) -> Iterator[int]:
    return iter(range(max(ranks.values(), default=-1) + 1))


def early_and_late(
    waves: Deletions, leaving: frozenset[str]
) -> tuple[Deletions, Deletions]:
    """Return the deletions of some stack sets, and the others."""
    early = [tuple(s for s in wave if s.stack_set in leaving) for wave in waves]
    late = [tuple(s for s in wave if s.stack_set not in leaving) for wave in waves]
    return [w for w in early if w], [w for w in late if w]


def take_away(steps: Iterable[Step]) -> bool:
    """Whether steps delete, remove or may replace anything: then it counts who uses it,
    as the values of its outputs say."""
    return any(
        step.action is Action.DELETE
        or any(
            change.verb is diff.Verb.REMOVE
            or change.verb is diff.Verb.CHANGE
            and change.verdict is not diff.Verdict.IN_PLACE
            for changes in step.changes.values()
            for change in changes
        )
        for step in steps
    )
