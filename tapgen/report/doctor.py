"""What stands in the way of a rollout, as text and as JSON data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.markup import escape

from tapgen.report.control import printable
from tapgen.report.counting import counted
from tapgen.rollout.advice import advice

_MARKS: Mapping[str, str] = {
    "ok": "[green]✓[/]",
    "fails": "[red]✗[/]",
    "unknown": "[yellow]?[/]",
}


class Check(Protocol):
    """A check of `accounts.doctor`."""

    @property
    def what(self) -> str: ...
    @property
    def place(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def words(self) -> str: ...


@printable
def text(checks: Sequence[Check], bootstrap: str) -> str:
    """Return the checks as lines, with what to do; `bootstrap` is the command that makes
    what is missing."""
    lines = []
    for one in checks:
        place = f" in {one.place}" if one.place else ""
        lines.append(
            f"{_MARKS[one.verdict]} {escape(f'{one.what}{place}: {one.words}')}"
        )
        hint = advice(one.words) if one.verdict == "fails" else None
        lines += [f"    [bold]→[/] {escape(hint)}"] if hint else []
    bad = [one for one in checks if one.verdict != "ok"]
    if any(one.what == "roles and buckets" and one.verdict == "fails" for one in bad):
        lines.append(f"run: {escape(bootstrap)}")
    failing = sum(one.verdict == "fails" for one in bad)
    lines.append(
        f"{counted(len(checks), 'check')}, {failing} of them failing, "
        f"{len(bad) - failing} unknown"
    )
    return "\n".join(lines)


def data(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return the checks as JSON data."""
    return [
        {
            "what": one.what,
            "place": one.place,
            "verdict": str(one.verdict),
            "words": one.words,
            "advice": advice(one.words) if one.verdict == "fails" else None,
        }
        for one in checks
    ]
