"""Numbers with their noun."""

from __future__ import annotations

import pytest

from tapgen.report.counting import counted


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 instances"),
        (1, "1 instance"),
        (2, "2 instances"),
        (1200, "1,200 instances"),
    ],
)
def test_a_noun_is_plural_unless_there_is_one(number: int, text: str) -> None:
    assert counted(number, "instance") == text
