"""Rules about one template, with the values that stack sets take from each other.

A template alone does not have the outputs of other stack sets, so its rules report
nothing about them. In a system these values are known, and its rules are run again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial

from tapgen.model import Output, StackSet
from tapgen.rules import view as views
from tapgen.rules.base import Found, Rule, in_properties
from tapgen.rules.system_view import FoundIn, SystemView
from tapgen.rules.view import Place, View
from tapgen.rules.wide import WideRule, of_system
from tapgen.template import evaluate


def findings(it: SystemView, rules: Sequence[Rule]) -> Iterator[tuple[Rule, FoundIn]]:
    """Yield what these rules find in a system and not in its templates alone."""
    # Few templates have findings, so that most are never looked at alone.
    known: dict[tuple[str, str], set[tuple[object, ...]]] = {}
    alone = cache(partial(_alone, it))

    def is_new(rule: Rule, s: StackSet, found: Found) -> bool:
        place = (rule.id, s.part)
        if place not in known:
            known[place] = {_key(s, one) for one in rule.allowed(alone(s.part))}
        return _key(s, found) not in known[place]

    wide = [rule for rule in rules if isinstance(rule, WideRule)]
    for rule in wide:
        world = of_system(it)
        for resource, path, message in rule.check_world(world):
            stack_set = world.stack_set(resource.place)
            found = (in_properties(resource, *path), message)
            if stack_set and is_new(rule, stack_set, found):
                yield rule, (stack_set, *found)
    for stack_set in filter(_takes_outputs, it.system.stack_sets):
        places = tuple(p for s, p in it.places if s is stack_set)
        together = _view(stack_set, places)
        for rule in rules:
            if not isinstance(rule, WideRule):
                yield from (
                    (rule, (stack_set, *found))
                    for found in rule.allowed(together)
                    if is_new(rule, stack_set, found)
                )


def _key(stack_set: StackSet, found: Found) -> tuple[object, ...]:
    path, message = found
    return (*views.locate(evaluate.parsed(stack_set.template), path), message)


def _alone(it: SystemView, part: str) -> View:
    """Return a stack set without the values that it takes from others."""
    stack_set = it.parts[part]
    body = evaluate.parsed(stack_set.template)
    places = tuple(
        views.place(
            body,
            evaluate.given(stack_set.values(place.target)),
            place.target,
            first={name: one.value for name, one in stack_set.at_first.items()},
        )
        for s, place in it.places
        if s is stack_set and place.target
    )
    return _view(stack_set, places)


def _view(stack_set: StackSet, places: tuple[Place, ...]) -> View:
    body = evaluate.parsed(stack_set.template)
    return View(body, ({"name": stack_set.name},), at=places)


def _takes_outputs(stack_set: StackSet) -> bool:
    given = [stack_set.parameters, *(o.parameters for o in stack_set.overrides)]
    return any(isinstance(v, Output) for each in given for v in each.values())
