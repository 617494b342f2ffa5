"""Divide targets into full products of accounts and regions, as few as possible.

The API takes a list of accounts and a list of regions, and deploys to their product. Pairs
that are no product take several operations, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain, combinations

from tapgen.model import Target

MOST_TRIED = 4_000
"""How many products a search tries before the best division so far is taken."""

MOST_CELLS = 400
"""How many different pairs are searched for the best division."""

_Cell = tuple[int, int]  # a row (a region) and a column (an account)
_Product = tuple[frozenset[int], frozenset[int]]  # rows and columns
_Account = tuple[str, str]  # with its organizational unit, or an empty text


def rectangles(targets: Iterable[Target]) -> list[list[Target]]:
    """Return the targets divided into full products of accounts and regions.

    No product contains a pair that is not a target, and no target is in two. There are
    as few as possible, for many targets nearly so; where regions that have the same
    accounts suffice, they stay together in the given order. Units that wait for accounts
    are separate: their request has no account filter.
    """
    found = list(targets)
    return [
        rectangle
        for later in (False, True)
        for rectangle in _divided([t for t in found if t.joins_later is later])
    ]


def _divided(targets: Sequence[Target]) -> list[list[Target]]:
    # Targets are equal whatever unit they are reached by; requests are not.
    regions = list(dict.fromkeys(t.region for t in targets))
    accounts = sorted({(t.account, t.unit or "") for t in targets})
    rows = {region: n for n, region in enumerate(regions)}
    columns = {account: n for n, account in enumerate(accounts)}
    cells = {(rows[t.region], columns[t.account, t.unit or ""]) for t in targets}
    products = sorted(_fewest(cells), key=lambda p: (min(p[0]), min(p[1])))
    return [
        [
            Target(account, regions[row], unit or None)
            for row in sorted(product[0])
            for account, unit in (accounts[column] for column in sorted(product[1]))
        ]
        for product in products
    ]


def _fewest(cells: set[_Cell]) -> list[_Product]:
    """Return a division of cells into as few products as can be found."""
    by_row = _lines(cells)
    by_column = [
        (rows, columns) for columns, rows in _lines({(c, r) for r, c in cells})
    ]
    best = min(by_row, by_column, key=len)
    if len(best) <= 2:
        return best  # a division into one product is found by both
    # Equal rows, and equal columns, are divided alike: one of each stands for all.
    row_of = {min(rows): rows for rows, _ in by_row}
    column_of = {min(columns): columns for _, columns in by_column}
    small = {(r, c) for r, c in cells if r in row_of and c in column_of}
    best = min(best, _whole(_greedy(small), row_of, column_of), key=len)
    if len(small) > MOST_CELLS:
        return best
    least = _rank(small)
    if len(best) > least:
        found = _Search(small).run(len(best), least)
        best = _whole(found, row_of, column_of) if found else best
    return best


def _whole(
    products: Iterable[_Product],
    row_of: Mapping[int, frozenset[int]],
    column_of: Mapping[int, frozenset[int]],
) -> list[_Product]:
    return [
        (
            frozenset(chain.from_iterable(row_of[r] for r in rows)),
            frozenset(chain.from_iterable(column_of[c] for c in columns)),
        )
        for rows, columns in products
    ]


def _lines(cells: Iterable[_Cell]) -> list[_Product]:
    """Rows with the same columns together."""
    columns_of: dict[int, set[int]] = {}
    for row, column in sorted(cells):
        columns_of.setdefault(row, set()).add(column)
    rows_of: dict[frozenset[int], list[int]] = {}
    for row, columns in columns_of.items():
        rows_of.setdefault(frozenset(columns), []).append(row)
    return [(frozenset(rows), columns) for columns, rows in rows_of.items()]


def _greedy(cells: set[_Cell]) -> list[_Product]:
    """Take away the largest product again and again, as far as it is found: for each row,
    its columns with all rows that have them, and each pair of rows what both have."""
    left, found = set(cells), []
    while left:
        lines = dict(_columns_by_row(left))
        shared = [a & b for a, b in combinations(lines.values(), 2) if a & b]
        products = [
            (frozenset(r for r, has in lines.items() if columns <= has), columns)
            for columns in dict.fromkeys([*lines.values(), *shared])
        ]
        rows, columns = max(products, key=lambda p: len(p[0]) * len(p[1]))
        found.append((rows, columns))
        left -= {(r, c) for r in rows for c in columns}
    return found


def _columns_by_row(cells: Iterable[_Cell]) -> Iterator[tuple[int, frozenset[int]]]:
    columns_of: dict[int, set[int]] = {}
    for row, column in sorted(cells):
        columns_of.setdefault(row, set()).add(column)
    return ((row, frozenset(columns)) for row, columns in columns_of.items())


def _rank(cells: set[_Cell]) -> int:
    """The rank of the matrix of cells: no division has fewer products (R. L. Graham and
    H. O. Pollak, "On the addressing problem for loop switching", 1971)."""
    columns = sorted({c for _, c in cells})
    matrix = [
        [Fraction((r, c) in cells) for c in columns]
        for r in sorted({r for r, _ in cells})
    ]
    rank = 0
    for place in range(len(columns)):
        pivot = next((row for row in matrix[rank:] if row[place]), None)
        if pivot is None:
            continue
        matrix.remove(pivot)
        matrix.insert(rank, pivot)
        for row in matrix[rank + 1 :]:
            factor = row[place] / pivot[place]
            row[:] = [a - factor * b for a, b in zip(row, pivot, strict=True)]
        rank += 1
    return rank


class _Search:
    """Looks for a division with fewer products than one that is known."""

    def __init__(self, cells: set[_Cell]) -> None:
        self.cells = cells
        self.tried = 0

    def run(self, known: int, least: int) -> list[_Product] | None:
        """Return a division with fewer products than `known`, as few as `least` if there
        is one; None where there is none, or it was not found in time."""
        for number in range(least, known):
            found = self._divide(frozenset(self.cells), number)
            if found is not None:
                return found
        return None

    def _divide(self, left: frozenset[_Cell], number: int) -> list[_Product] | None:
        if not left:
            return []
        if number == 0:
            return None
        row, column = min(left)
        for product in self._with(left, row, column):
            self.tried += 1
            if self.tried > MOST_TRIED:
                return None
            covered = {(r, c) for r in product[0] for c in product[1]}
            rest = self._divide(left - covered, number - 1)
            if rest is not None:
                return [product, *rest]
        return None

    def _with(
        self, left: frozenset[_Cell], row: int, column: int
    ) -> Iterator[_Product]:
        """The products of cells that are left with one of them, large ones first."""
        others = sorted(c for r, c in left if r == row and c != column)
        for columns in _subsets(others):
            wanted = frozenset({column, *columns})
            fitting = [
                r
                for r in sorted({r for r, _ in left})
                if r != row and all((r, c) in left for c in wanted)
            ]
            for rows in _subsets(fitting):
                yield frozenset({row, *rows}), wanted


def _subsets(items: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return chain.from_iterable(
        combinations(items, size) for size in range(len(items), -1, -1)
    )
