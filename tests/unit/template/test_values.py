"""Evaluated values: which are equal, and what they refer to."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.template.values import equal, references


def test_numbers_and_booleans_equal_their_text() -> None:
    assert equal({"A": True, "B": [1]}, {"A": "true", "B": ["1"]})
    assert not equal({"A": True}, {"A": "True"})


ARN = {"Fn::GetAtt": ["T", "Arn"]}
PICKED = {"Fn::Select": [0, {"Fn::GetAZs": ""}]}


@pytest.mark.parametrize(
    "left, right, outcome",
    [
        (
            {"Fn::Sub": "${Name}-jobs-${Suffix}"},
            {"Fn::Join": ["-", [{"Ref": "Name"}, "jobs", {"Ref": "Suffix"}]]},
            True,
        ),
        ({"Fn::Sub": "${T.Arn}/*"}, {"Fn::Join": ["", [ARN, "/", "*"]]}, True),
        ({"Fn::Sub": ["${A}/*", {"A": ARN}]}, {"Fn::Join": ["/", [ARN, "*"]]}, True),
        (
            {"Fn::Sub": ["${A}x", {"A": PICKED}]},
            {"Fn::Join": ["", [PICKED, "x"]]},
            True,
        ),
        ({"Fn::Sub": "${T}"}, {"Ref": "T"}, True),
        ({"Fn::Sub": "a${!b}${T}"}, {"Fn::Join": ["", ["a${b}", {"Ref": "T"}]]}, True),
        ({"Fn::Join": ["-", ["a", {"Ref": "T"}]]}, {"Fn::Sub": "a${T}"}, False),
        ({"Fn::Sub": "${A}-${B}"}, {"Fn::Sub": "${B}-${A}"}, False),
        ({"Fn::Join": [",", {"Ref": "L"}]}, {"Fn::Join": [";", {"Ref": "L"}]}, False),
        ({"Fn::Join": [",", {"Ref": "L"}]}, {"Fn::Join": [",", {"Ref": "L"}]}, True),
        ({"Fn::Sub": 5}, {"Fn::Sub": [5]}, False),
    ],
)
def test_text_is_the_same_however_it_is_put_together(
    left: Any, right: Any, outcome: bool
) -> None:
    assert equal(left, right) is outcome
    assert equal([right], [left]) is outcome


def test_references_are_those_of_every_function() -> None:
    node = {
        "A": {"Ref": "One"},
        "B": [{"Fn::GetAtt": ["Two", "Arn"]}],
        "C": {"Fn::Sub": "${Three}/${Four.Id}/${!Raw}"},
    }

    assert set(references(node)) == {"One", "Two.Arn", "Three", "Four.Id"}
