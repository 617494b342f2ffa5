"""What a user allows, by exact names."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen import plan
from tapgen.model import StackSet
from tapgen.plan import allowances
from tests import make
from tests.make import EAST, WEST


def queue(part: str, name: str, **more: Any) -> StackSet:
    resource = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Name"}}}
    text = make.template(("Name",), resources={"Queue": resource})
    return make.stack_set(
        part, parameters={"Name": f"{part}-{name}"}, text=text, **more
    )


def renamed(*parts: str, **more: Any) -> plan.Plan:
    """A plan that replaces the queue of each part."""
    found = {f"demo-test-{p}": make.observed(queue(p, "old", **more)) for p in parts}
    return plan.make(make.system(*(queue(p, "new", **more) for p in parts)), found)


def refused(the_plan: plan.Plan, *given: str) -> list[str]:
    names, problems = allowances.exact(the_plan, given)
    assert not problems
    return [line.split()[0] for line in plan.refusals(the_plan, names)]


def test_a_part_and_a_resource_allow_this_one_only() -> None:
    the_plan = renamed("cache", "orders")

    assert refused(the_plan, "cache.Queue") == ["demo-test-orders"]
    assert refused(the_plan, "cache.Queue", "orders.Queue") == []


def test_a_place_allows_it_there_only() -> None:
    the_plan = renamed("cache", targets=(EAST, WEST))

    names, _ = allowances.exact(the_plan, [f"cache.Queue@{EAST}"])

    (line,) = plan.refusals(the_plan, names)
    assert f"in {WEST}: Queue" in line and str(EAST) not in line
    both = [f"cache.Queue@{EAST}", f"cache.Queue@{WEST}"]
    assert refused(the_plan, *both) == []
    assert refused(the_plan, f"Queue@{EAST}", f"Queue@{WEST}") == []


def test_a_bare_name_is_taken_where_it_means_one_thing() -> None:
    assert allowances.exact(renamed("cache"), ["Queue"]) == (("cache.Queue",), ())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Queue", "can mean cache.Queue or orders.Queue; give one of these"),
        (f"Queue@{EAST}", f"can mean cache.Queue@{EAST} or orders.Queue@{EAST}"),
        ("Qeue", "it has cache.Queue, orders.Queue"),
        ("cache.Qeue", "it has cache.Queue, orders.Queue"),
        (f"cache.Queue@{WEST}", "it has cache.Queue, orders.Queue"),
        ("cache", "it has cache.Queue, orders.Queue"),
        ("demo-test-cache.Queue", "it has cache.Queue, orders.Queue"),
        ("", "it has cache.Queue, orders.Queue"),
    ],
)
def test_a_name_of_nothing_or_of_more_is_a_problem(name: str, words: str) -> None:
    names, problems = allowances.exact(renamed("cache", "orders"), [name])

    assert names == ()
    (problem,) = problems
    assert problem.startswith(repr(name)) and words in problem


def test_where_nothing_is_at_stake_nothing_can_be_named() -> None:
    same = queue("cache", "same")
    the_plan = plan.make(make.system(same), {same.name: make.observed(same)})

    assert "leave the option out" in allowances.exact(the_plan, ["cache"])[1][0]


def test_a_part_allows_the_stacks_that_go_with_all_that_is_in_them() -> None:
    both, one = queue("cache", "a", targets=(EAST, WEST)), queue("cache", "a")
    found = {both.name: make.observed(both)}
    less = plan.make(make.system(one), found)
    gone = plan.make(make.system(make.stack_set("other")), found)

    assert refused(less) == ["demo-test-cache"]
    for name in ("cache", "cache.Queue", "Queue", f"cache@{WEST}"):
        assert refused(less, name) == []
    assert refused(gone, "cache") == []
    assert refused(gone, f"cache@{EAST}") == ["demo-test-cache"]


def test_an_exact_name_is_no_bare_one() -> None:
    """A part that is named as a resource of another one is."""
    both, one = queue("Queue", "a", targets=(EAST, WEST)), queue("Queue", "a")
    the_plan = plan.make(make.system(one), {both.name: make.observed(both)})

    assert allowances.exact(the_plan, ["Queue"]) == (("Queue",), ())
