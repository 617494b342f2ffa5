"""Rules about one template, with the values that stack sets take from each other.

A template alone does not have the outputs of other stack sets, so its rules report
nothing about them. In a system these values are known, and its rules are run again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tapgen.model import Output, StackSet
from tapgen.rules import view as views
from tapgen.rules.base import Found, Rule, in_properties
from tapgen.rules.system_view import FoundIn, SystemView
from tapgen.rules.view import View
from tapgen.rules.wide import WideRule, of_system
from tapgen.template import evaluate


def findings(it: SystemView, rules: Sequence[Rule]) -> Iterator[tuple[Rule, FoundIn]]:
    """Yield what these rules find in a system and not in its templates alone."""
    alone = {s.part: _alone(it, s) for s in it.system.stack_sets}
    wide = [rule for rule in rules if isinstance(rule, WideRule)]
    for rule in wide:
        known = {part: _keys(rule, view) for part, view in alone.items()}
        world = of_system(it)
        for resource, path, message in rule.check_world(world):
            stack_set = world.stack_set(resource.place)
            whole = in_properties(resource, *path)
            if stack_set and _key(alone[stack_set.part], (whole, message)) not in (
                known[stack_set.part]
            ):
                yield rule, (stack_set, whole, message)
    for stack_set in filter(_takes_outputs, it.system.stack_sets):
        view = alone[stack_set.part]
        places = tuple(p for s, p in it.places if s is stack_set)
        together = View(view.template, view.stack_sets, at=places)
        for rule in rules:
            if not isinstance(rule, WideRule):
                yield from (
                    (rule, (stack_set, *found)) for found in _new(rule, view, together)
                )


def _new(rule: Rule, alone: View, together: View) -> Iterator[Found]:
    known = _keys(rule, alone)
    for found in rule.allowed(together):
        if _key(together, found) not in known:
            yield found


def _keys(rule: Rule, view: View) -> set[tuple[object, ...]]:
    return {_key(view, found) for found in rule.allowed(view)}


def _key(view: View, found: Found) -> tuple[object, ...]:
    path, message = found
    return (*views.locate(view.template, path), message)


def _alone(it: SystemView, stack_set: StackSet) -> View:
    """Return a stack set without the values that it takes from others."""
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
    return View(body, ({"name": stack_set.name},), at=places)


def _takes_outputs(stack_set: StackSet) -> bool:
    given = [stack_set.parameters, *(o.parameters for o in stack_set.overrides)]
    return any(isinstance(v, Output) for each in given for v in each.values())
