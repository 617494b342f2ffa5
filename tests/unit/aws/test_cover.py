"""Targets divided into as few full products as possible."""

from __future__ import annotations

import time
from functools import cache
from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen.aws.cover import rectangles
from tapgen.model import Target

REGIONS = [f"eu-west-{n}" for n in range(1, 10)]
ACCOUNTS = [f"{n:012}" for n in range(1, 60)]


def targets(*rows: str) -> list[Target]:
    """The targets of a picture: a row for each region, an x for each account."""
    return [
        Target(ACCOUNTS[column], REGIONS[row])
        for row, text in enumerate(rows)
        for column, mark in enumerate(text)
        if mark == "x"
    ]


def shape(found: list[Target]) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(t.account for t in found), frozenset(t.region for t in found)


@pytest.mark.parametrize(
    ("picture", "number"),
    [
        ([], 0),
        (["xxx", "xxx"], 1),
        (["xx.", ".xx"], 2),
        # By regions, or by accounts, these take three.
        (["xxx.", ".xxx", ".xx."], 3),
        (["x..", "xx.", "xxx"], 3),
        (["xx..", "xxxx", "..xx"], 2),  # by accounts
        (["x.", "xx", ".x"], 2),
        (["x.x", "xxx", ".x."], 2),
        # Regions differ in all rows, and accounts in all columns.
        (["xxx.", "xx.x", "..xx", "..xx"], 3),
        (["xxxx", "xx..", "..xx", "xxxx"], 2),
        (["xx...", "xxx..", "..xxx", "...xx"], 3),
    ],
)
def test_there_are_as_few_products_as_possible(picture: list[str], number: int) -> None:
    assert len(rectangles(targets(*picture))) == number


CELLS = st.sets(st.tuples(st.integers(0, 2), st.integers(0, 3)))


@settings(deadline=None)
@given(CELLS)
def test_no_division_has_fewer(cells: set[tuple[int, int]]) -> None:
    """Compared with all divisions, tried one after the other."""
    found = rectangles(Target(ACCOUNTS[c], REGIONS[r]) for r, c in sorted(cells))

    assert len(found) == fewest(frozenset(cells))


@cache
def fewest(cells: frozenset[tuple[int, int]]) -> int:
    if not cells:
        return 0
    row, column = min(cells)
    best = len(cells)
    for columns in subsets([c for r, c in cells if r == row and c != column]):
        wanted = {column, *columns}
        fitting = [
            r
            for r in {r for r, _ in cells if r != row}
            if all((r, c) in cells for c in wanted)
        ]
        for rows in subsets(fitting):
            covered = {(r, c) for r in {row, *rows} for c in wanted}
            best = min(best, 1 + fewest(cells - covered))
    return best


def subsets(items: list[int]) -> chain[tuple[int, ...]]:
    sizes = range(len(items) + 1)
    return chain.from_iterable(combinations(items, size) for size in sizes)


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 40)), max_size=200))
def test_many_targets_are_each_in_one_product(cells: set[tuple[int, int]]) -> None:
    given = [Target(ACCOUNTS[c], REGIONS[r]) for r, c in sorted(cells)]
    found = rectangles(given)

    assert sorted(chain.from_iterable(found)) == sorted(given)
    for one in found:
        accounts, regions = shape(one)
        assert len(one) == len(accounts) * len(regions)
    rows = {frozenset(c for r, c in cells if r == row) for row, _ in cells}
    columns = {frozenset(r for r, c in cells if c == column) for _, column in cells}
    assert len(found) <= min(len(rows), len(columns))


def test_regions_with_the_same_accounts_stay_together_in_the_given_order() -> None:
    given = targets("xx", "x.", "xx")

    first, second = rectangles(given)

    assert [t.region for t in first] == [REGIONS[0]] * 2 + [REGIONS[2]] * 2
    assert [t.region for t in second] == [REGIONS[1]]


def test_units_that_wait_for_accounts_are_apart() -> None:
    waiting = Target("ou-ab12-cd34ef56", REGIONS[0], "ou-ab12-cd34ef56")
    there = Target(ACCOUNTS[0], REGIONS[0], "ou-ab12-xxxxxxxx")

    assert rectangles([there, waiting]) == [[there], [waiting]]


def test_ten_thousand_targets_are_divided_at_once() -> None:
    given = [
        Target(f"{account:012}", region)
        for account in range(2_000)
        for number, region in enumerate(REGIONS)
        if (account * 7 + number * account) % 5
    ]
    start = time.process_time()

    rectangles(given)

    assert len(given) > 10_000
    assert time.process_time() - start < 30  # it must end, however slow the machine
