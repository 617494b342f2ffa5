"""How a run ended, for each stack set and stack instance."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError, NotFound
from tapgen.model import Target
from tapgen.model.procedures import Act
from tapgen.rollout import kinds
from tapgen.rollout.fold import State
from tapgen.rollout.model import Fate, InstanceFate, Outcome
from tapgen.rollout.program import HOW


def outcome(state: State, sets: StackSets) -> Outcome:
    """Return how a run ended, or how far it got; reads which instances there are now,
    unless all is done."""
    ended = Outcome(
        failures=tuple(dict.fromkeys(state.failures)),
        interrupted=state.paused == "interrupted",
        done=tuple(state.done),
        run=state.run,
        open=state.end is None,
        back=state.back,
        goes_back=kinds.of(state.opening.get("command", "")).goes_back,
        undone=tuple(_undone(state)),
    )
    if ended.green and not state.back:
        return ended
    if state.opening.get("to"):  # no stack has changed, wherever it belongs
        return replace(
            ended, left=tuple(n for n in state.changed if n not in state.done)
        )
    instances = _fates(state, sets)
    whole, left = _sorted_out(state, instances)
    acts = tuple(_performed(state))
    return replace(
        ended, restored=whole, left=(*left, *acts), acts=acts, instances=instances
    )


def last_word(state: State, left: Collection[str]) -> Act | None:
    """Return the act that tells how a run ended that is not done, with what of it was taken
    back, and what stays; None where its program has none, or nothing of it was performed.
    `left` are the acts and stack sets that stay."""
    act, undone = state.there.otherwise, [*_undone(state)]
    if act is None or not (state.performed or undone):
        return None
    how = "given up" if left else "taken back"
    if left and state.back:
        how = "taken back in part" if undone else "not taken back"
    given = act.arguments
    subject = given["Subject"].replace(HOW, how)
    lines = [f"as before again: {words}" for words in undone]
    lines += [f"not taken back: {words}" for words in _performed(state)]
    more = {"Subject": subject, "Lines": [subject, *lines, *given["Lines"]]}
    return replace(act, arguments={**given, **more})


def _performed(state: State) -> Iterator[str]:
    """Yield the acts of a procedure that were not taken back, with what would."""
    for id, words in state.performed.items():
        remains = state.there.steps[id].remains
        yield f"{words} (undone by {remains})" if remains else words


def _undone(state: State) -> Iterator[str]:
    """Yield the acts of a procedure that were taken back."""
    for id, step in state.program.steps.items() if state.back else ():
        found = state.progress.get(id)
        if step.undoes and found and found.finished:
            yield state.there.steps[step.undoes].words


def _fates(state: State, sets: StackSets) -> tuple[InstanceFate, ...]:
    """Return what became of each instance that was touched."""
    found = []
    for name in state.changed:
        before = state.there.good_before(name)
        had = set(before.instances) if before else set()
        now = _instances_now(state, sets, name)
        restored = name in state.restored
        fate = Fate.LEFT
        if restored:
            fate = Fate.RENEWED if name in state.there.replaced else Fate.RESTORED
        for target in sorted(had | {*now}):
            if target not in now:
                found.append(InstanceFate(name, target, Fate.REMOVED))
            elif target not in had:
                found.append(InstanceFate(name, target, Fate.NEW))
            elif restored or (name, target) in state.begun:
                found.append(InstanceFate(name, target, fate))
    return tuple(found)


def _instances_now(state: State, sets: StackSets, name: str) -> Collection[Target]:
    """The instances of a stack set; those that should be there if AWS does not say."""
    try:
        return sets.listed(name)
    except NotFound:
        return ()
    except AwsError:
        known = state.states.get(name)
        return known.overrides if known else ()


def _sorted_out(
    state: State, instances: Iterable[InstanceFate]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the stack sets that are as they were, and those that are not."""
    fates: dict[str, set[Fate]] = {name: set() for name in state.changed}
    for one in instances:
        fates[one.stack_set].add(one.fate)
    good = {Fate.RESTORED, Fate.RENEWED}
    # One that has been let go with all its instances has none any more.
    whole = tuple(
        n
        for n in reversed(fates)
        if (fates[n] or n in state.restored) and fates[n] <= good
    )
    return whole, tuple(n for n in fates if n not in whole)
