"""Rows of words in columns; in a narrow terminal the first columns become headings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape

_MARK = 12  # what the last column needs at least, as for `✗ INOPERABLE`


def columns(
    rows: Sequence[tuple[str, ...]], width: int | None, *, headings: int
) -> list[str]:
    """Return rows as lines, the first with the titles of the columns.

    The last column may be longer than a line has room for, and has styles; others are
    plain text. In a terminal whose `width` they exceed, the first columns are written as
    `headings`, once for successive rows that have the same.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    if width is None or sum(widths) + 2 * len(widths) + _MARK <= width:
        shown = [_row(row, widths) for row in rows]
        return [f"[bold]{shown[0]}[/]", *shown[1:]]
    return [*_below_headings(rows, widths, headings)]


def _below_headings(
    rows: Sequence[tuple[str, ...]], widths: Sequence[int], headings: int
) -> Iterator[str]:
    heading = ""
    for row in rows:
        above = "  ".join(row[:headings])
        if above != heading:
            heading = above
            yield f"[bold]{escape(above)}[/]"
        yield f"  {_row(row[headings:], widths[headings:])}"


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [escape(c.ljust(w)) for c, w in zip(row[:-1], widths, strict=True)]
    return "  ".join([*cells, row[-1]]).rstrip()
