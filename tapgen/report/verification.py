"""What was verified of a system, as lines and data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tapgen.model.verified import Found, Verified, worst

_MARKS = {
    Verified.HOLDS: "✓",
    Verified.EXPECTED: "·",
    Verified.UNKNOWN: "?",
    Verified.FAILS: "✗",
}
_COUNTED = {
    Verified.HOLDS: "as they should be",
    Verified.EXPECTED: "with nothing to see yet, which may be so",
    Verified.UNKNOWN: "unknown",
    Verified.FAILS: "not as they should be",
}


def lines(found: Sequence[Found], *, details: bool) -> Iterator[str]:
    """Yield a line for each thing that is unknown or not as it should be, for all with
    `details`, and how many there are of each verdict."""
    for one in found:
        if details or one.verdict in (Verified.UNKNOWN, Verified.FAILS):
            where = f"{one.target.account} {one.target.region}"
            what = one.kind if one.kind == "instance" else f"{one.kind} {one.name}"
            yield f"{_MARKS[one.verdict]} {where}  {one.part}: {what} {one.words}"
    counts = Counter(one.verdict for one in found)
    yield ", ".join(f"{counts[v]} {_COUNTED[v]}" for v in Verified if counts[v])


def data(found: Sequence[Found]) -> dict[str, Any]:
    """Return everything that was found; `verdict` is the worst of it."""
    return {
        "verdict": str(worst(found)),
        "found": [
            {
                "account": one.target.account,
                "region": one.target.region,
                "part": one.part,
                "kind": one.kind,
                "name": one.name,
                "verdict": str(one.verdict),
                "words": one.words,
            }
            for one in found
        ],
    }
