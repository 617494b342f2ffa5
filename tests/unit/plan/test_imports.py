"""Stacks that are to be imported are not created a second time."""

from __future__ import annotations

from dataclasses import replace

from tapgen import plan
from tapgen.errors import Denied
from tapgen.model import Target
from tapgen.plan import imports
from tests import make
from tests.make import EAST, WEST


def lines(there: set[Target], deployed: tuple[Target, ...] = ()) -> list[str]:
    s = replace(make.stack_set(targets=(EAST, WEST)), imported=("jobs",))
    has = make.observed(replace(s, targets=deployed)) if deployed else None
    found = plan.make(make.system(s), {s.name: has} if has else {})

    def exists(target: Target, name: str) -> bool:
        if not there:
            raise Denied("cloudformation:DescribeStacks", "AccessDenied", "no")
        return target in there and name == "jobs"

    return [*imports.outside(found, exists)]


def test_a_stack_that_is_to_be_imported_is_not_created_beside_it() -> None:
    (line,) = lines({WEST})

    assert f"stack jobs in {WEST} is not in the stack set" in line


def test_a_new_place_and_what_was_imported_are_no_trouble() -> None:
    assert lines({EAST}, deployed=(EAST,)) == []


def test_no_answer_is_no_place_without_a_stack() -> None:
    first, second = lines(set())

    assert "cannot be read" in first and str(WEST) in second
