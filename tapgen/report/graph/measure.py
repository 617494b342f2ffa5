"""How wide a text is, so that it fits before anybody has drawn it.

Widths are those of DejaVu Sans, the widest of the common sans-serif fonts, in
thousandths of the font size: what fits in it fits in Arial, Helvetica, Segoe UI,
San Francisco and Roboto. Any other character counts as a full square.
"""

from __future__ import annotations

import re

_REGULAR = dict(
    zip(
        map(chr, range(32, 127)),
        [
            *(
                318,
                401,
                460,
                838,
                636,
                950,
                780,
                275,
                390,
                390,
                500,
                838,
                318,
                361,
                318,
            ),
            *(337, *(10 * (636,)), 337, 337, 838, 838, 838, 531, 1000),
            *(
                684,
                686,
                698,
                770,
                632,
                575,
                775,
                752,
                295,
                295,
                656,
                557,
                863,
                748,
                787,
            ),
            *(603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685),
            *(390, 337, 390, 838, 500, 500),
            *(
                613,
                635,
                550,
                635,
                615,
                352,
                635,
                634,
                278,
                278,
                579,
                278,
                974,
                634,
                612,
            ),
            *(
                635,
                635,
                411,
                521,
                392,
                634,
                592,
                818,
                592,
                592,
                525,
                636,
                337,
                636,
                838,
            ),
        ],
        strict=True,
    ),
    **{"·": 318, "×": 838, "→": 838, "↔": 838, "…": 1000, "–": 500, "±": 838, "−": 838},
)
_BOLD = 1.13
"""How much wider bold text is, at most."""


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a text is, in the unit of its font size."""
    found = sum(_REGULAR.get(character, 1000) for character in text) * size / 1000
    return found * _BOLD if bold else found


def fitted(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """Return a text, shortened in its middle with an ellipsis where it is too wide."""
    if width(text, size, bold=bold) <= room:
        return text
    for length in range(len(text) - 1, 1, -1):
        head, tail = (length + 1) // 2, length // 2
        short = f"{text[:head]}…{text[-tail:]}"
        if width(short, size, bold=bold) <= room:
            return short
    return "…"


def in_lines(text: str, size: float, room: float, *, bold: bool = False) -> list[str]:
    """Return a name in two lines if one has no room for it: divided behind a hyphen, a dot
    or another sign, so that as much as possible is in the first."""
    if width(text, size, bold=bold) <= room:
        return [text]
    ends = [found.end() for found in re.finditer("[-_./:]+", text)]
    fits = [
        n for n in ends if n < len(text) and width(text[:n], size, bold=bold) <= room
    ]
    rest = [text[: fits[-1]], text[fits[-1] :]] if fits else [text]
    return [*rest[:-1], fitted(rest[-1], size, room, bold=bold)]
