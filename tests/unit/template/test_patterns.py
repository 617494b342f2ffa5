"""Wildcards as languages, against all short texts."""

from __future__ import annotations

import re
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.template.patterns import Automaton, overlap, pattern, within

# With a character that no pattern contains, and longer than what the patterns require.
TEXTS = ["".join(one) for size in range(7) for one in product("abc", repeat=size)]
wildcards = st.text("ab?*", max_size=4)


@cache
def texts(one: str) -> frozenset[str]:
    """The short texts that a pattern matches."""
    expression = re.escape(one).replace(r"\?", ".").replace(r"\*", ".*")
    return frozenset(filter(re.compile(expression).fullmatch, TEXTS))


@given(one=wildcards, others=st.lists(wildcards, min_size=1, max_size=3))
def test_a_pattern_is_within_others_if_all_its_texts_match_one(
    one: str, others: list[str]
) -> None:
    expected = texts(one) <= frozenset().union(*map(texts, others))

    assert within(pattern(one), [pattern(other) for other in others]) == expected


@given(one=wildcards, other=wildcards)
def test_patterns_overlap_if_a_text_matches_both(one: str, other: str) -> None:
    expected = bool(texts(one) & texts(other))

    assert overlap(pattern(one), pattern(other)) == expected
    assert overlap(pattern(other), pattern(one)) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("orders-?", "orders-*"),
        ("*ab", "?*b"),
        ("*?", "?*"),
        ("a**b", "a*b"),
        ("home/${aws:username}", "home/*"),
        ("a${*}b", "a?b"),
        ("${Table.Arn}/index/*", "${Table.Arn}/*"),
    ],
)
def test_what_a_pattern_contains(one: str, other: str) -> None:
    assert within(pattern(one), [pattern(other)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("orders-*", "orders-?"),
        ("${aws:username}", "?"),
        ("${A}", "${B}"),
        ("a*b", "a${*}b"),
        ("*", "?*"),
    ],
)
def test_what_a_pattern_does_not_contain(one: str, other: str) -> None:
    assert not within(pattern(one), [pattern(other)])


def test_a_search_that_would_take_too_long_has_no_answer() -> None:
    many = [pattern("*a" + "?" * 30)]

    assert Automaton(many).endings(pattern("*"), exclusive=True) is None
    assert within(pattern("*a" + "?" * 31), many) is False
    assert within(pattern("b*a" + "?" * 30), many)
