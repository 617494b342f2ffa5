"""The ledger of names is true: for random changes of random systems, a plan refuses
what a simulation of CloudFormation cannot create, and nothing else.

The simulation follows the waves of the plan. Within a wave everything happens at once:
each stack creates what is new before it deletes what is gone ("Name type",
CloudFormation user guide), so a name that anybody has before the wave, or that somebody
else takes in it, is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapgen import plan
from tapgen.model import Action, StackSet, Target
from tapgen.plan.model import Step
from tests import make
from tests.make import EAST, WEST

PARTS = ("a", "b", "c")
IDS = ("One", "Two")
TARGETS: tuple[tuple[Target, ...], ...] = ((EAST,), (WEST,), (EAST, WEST))
# Topics are unique in a region, groups of users in an account.
KINDS = {
    "AWS::SNS::Topic": "TopicName",
    "AWS::IAM::Group": "GroupName",
    "AWS::Logs::LogGroup": "LogGroupName",
}

Resource = tuple[str, str]
"""Type and name."""
Part = tuple[tuple[Target, ...], Mapping[str, Resource]]
Parts = Mapping[str, Part]
Key = tuple[str, str, str]
"""What is unique: type, name, and where."""
Place = tuple[str, Target, str]
"""Stack set, target, logical id."""

resources = st.dictionaries(
    st.sampled_from(IDS),
    st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(["x", "y"])),
    max_size=2,
)
systems = st.dictionaries(
    st.sampled_from(PARTS), st.tuples(st.sampled_from(TARGETS), resources)
)


def logical(id_: str, resource: Resource) -> str:
    """A logical id, another for each type: CloudFormation refuses a change of the type."""
    return id_ + resource[0].split("::")[-1]


def key(resource: Resource, target: Target) -> Key:
    kind, name = resource
    where = target.account if kind == "AWS::IAM::Group" else str(target)
    return kind, name, where


def built(part: str, found: Part, retained: bool) -> StackSet:
    targets, its = found
    more = {"DeletionPolicy": "Retain"} if retained else {}
    body: dict[str, Any] = {"Base": {"Type": "AWS::SQS::Queue"}}
    for id_, (kind, name) in its.items():
        resource = {"Type": kind, "Properties": {KINDS[kind]: name}, **more}
        body[logical(id_, (kind, name))] = resource
    return make.stack_set(part, text=make.template(resources=body), targets=targets)


def is_possible(parts: Parts) -> bool:
    """Whether a system can be deployed: no name is there twice."""
    every = [
        key(resource, target)
        for targets, its in parts.values()
        for target, resource in product(targets, its.values())
    ]
    return len(every) == len(set(every))


def owners(parts: Parts) -> dict[Place, Key]:
    return {
        (f"demo-test-{part}", target, logical(id_, resource)): key(resource, target)
        for part, (targets, its) in parts.items()
        for target, (id_, resource) in product(targets, its.items())
    }


def fails(the_plan: plan.Plan, old: Parts, new: Parts, retained: bool) -> bool:
    """Whether a creation of the plan meets a name that is taken."""
    having, wanted = owners(old), owners(new)
    left: set[Key] = set()  # by no stack any more
    for wave in the_plan.waves:
        before = {*having.values(), *left}
        taken: set[Key] = set()
        after = dict(having)
        for step in wave:
            for place, its in _after(step, having, wanted).items():
                was = having.get(place)
                if its == was:
                    continue
                if its and (its in before or its in taken):
                    return True
                taken |= {its} if its else set()
                left |= {was} if was and not its and retained else set()
                after.pop(place, None)
                after |= {place: its} if its else {}
        having = after
    return False


def _after(
    step: Step, having: Mapping[Place, Key], wanted: Mapping[Place, Key]
) -> dict[Place, Key | None]:
    """What the places of a step have after it."""
    goes = step.action is Action.DELETE
    return {
        place: None if goes else wanted.get(place)
        for place in sorted({*having, *wanted})
        if place[0] == step.stack_set and place[1] in step.targets
    }


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(old=systems.filter(is_possible), new=systems, retained=st.booleans())
def test_a_plan_refuses_the_names_that_meet_and_no_others(
    old: Parts, new: Parts, retained: bool
) -> None:
    observed = {
        s.name: make.observed(s)
        for s in (built(part, found, retained) for part, found in old.items())
    }
    wanted = [built(part, found, retained) for part, found in new.items()]
    the_plan = plan.make(make.system(*wanted), observed)

    named = [line for line in the_plan.blocked if "would be created" in line]
    assert named == list(the_plan.blocked)
    assert bool(named) == fails(the_plan, old, new, retained)


@settings(max_examples=100, deadline=None)
@given(
    names=st.lists(st.sampled_from(["x", "y", "z"]), unique=True, min_size=2),
    new=st.permutations(PARTS),
)
def test_names_that_move_on_are_ordered_where_an_order_helps(
    names: list[str], new: list[str]
) -> None:
    """Each name moves to another part; only a circle of moves cannot be ordered."""
    kind = "AWS::SNS::Topic"
    old = {part: ((EAST,), {"One": (kind, n)}) for part, n in zip(PARTS, names)}
    moved = {part: ((EAST,), {"One": (kind, n)}) for part, n in zip(new, names)}
    rest: Part = ((EAST,), {})
    before: Parts = {part: old.get(part, rest) for part in PARTS}
    after: Parts = {part: moved.get(part, rest) for part in PARTS}
    observed = {
        s.name: make.observed(s)
        for s in (built(p, f, False) for p, f in before.items())
    }
    wanted = [built(p, f, False) for p, f in after.items()]
    the_plan = plan.make(make.system(*wanted), observed)

    steps = {a: b for a, b in zip(PARTS, new) if a in old and a != b}
    assert bool(the_plan.blocked) == _circles(steps)
    assert fails(the_plan, before, after, False) == _circles(steps)


def _circles(moves: Mapping[str, str]) -> bool:
    """Whether names go round: from a part to another one, and on, and back."""
    for start in moves:
        here = moves[start]
        while here in moves and here != start:
            here = moves[here]
        if here == start:
            return True
    return False
