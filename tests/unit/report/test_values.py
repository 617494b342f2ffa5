"""Two values that differ never look the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.report import values

POLICY = "a policy that is long, with many words before anything of note, "


@pytest.mark.parametrize(
    "old, new, lines",
    [
        ("a", "b", ["a → b"]),
        (None, 5, ["(absent) → 5"]),
        (
            [{"Ref": "Public"}, {"Ref": "Private1"}],
            [{"Ref": "Public"}, {"Ref": "Private1"}, {"Ref": "Private2"}],
            ['+ {"Ref": "Private2"}'],
        ),
        (["a", "b"], ["b", "c"], ["- a", "+ c"]),
        (["a", "a"], ["a"], ["- a"]),
        (["a", "b"], ["b", "a"], ["the same items in another order"]),
        (["a"], {"Tapgen::Later": "new Vpc"}, ["(new Vpc)"]),
        (
            [],
            [str(n) for n in range(9)],
            [*(f"+ {n}" for n in range(6))] + ["… and 3 items more"],
        ),
        (
            f"{POLICY}10.0.0.0/8 and so on and on and on and on and on and on",
            f"{POLICY}10.0.0.0/9 and so on and on and on and on and on and on",
            [
                "…g of note, 10.0.0.0/8 and so on and on and on and on and o… → "
                "…g of note, 10.0.0.0/9 and so on and on and on and on and o…"
            ],
        ),
    ],
)
def test_what_differs_is_what_is_shown(old: Any, new: Any, lines: list[str]) -> None:
    assert list(values.difference(old, new)) == lines


def test_items_that_are_long_are_cut_around_what_differs() -> None:
    def rule(port: int) -> dict[str, Any]:
        return {"CidrIp": "10.0.0.0/8", "Description": POLICY, "ToPort": port}

    lines = values.difference([rule(1), rule(2)], [rule(1), rule(3), rule(4)])
    assert [line[0] for line in lines] == ["-", "+", "+"]
    assert lines[0].endswith('"ToPort": 2}') and lines[1].endswith('"ToPort": 3}')


@given(st.text("ab ", max_size=200), st.text("ab ", max_size=200))
def test_texts_that_differ_look_different_and_fit(old: str, new: str) -> None:
    (line,) = values.difference(old, new)
    left, _, right = line.partition(" → ")
    assert (left == right) == (old == new)
    assert max(len(left), len(right)) <= 60
