"""Patterns of parameters match as in Java."""

from __future__ import annotations

import pytest

from tapgen.template import java_patterns


@pytest.mark.parametrize(
    ("pattern", "taken", "refused"),
    [
        (r"[\w-\+]+@[\w-]+", "a-b+c@x-y", "a b@x"),
        (r"[\w-.]+", "a-b.c", "a b"),
        (r"[a-\d]+", "a-7", "b"),
        (r"\p{Alnum}+", "abc1", "abc-"),
        (r"\p{Upper}\p{Lower}*", "Name", "name"),
        (r"[\p{Alpha}_-]+", "a_b-c", "a1"),
        (r"\P{Digit}+", "abc", "a1"),
        (r"\p{L}+", "abcä", "a1"),
        (r"\Qa.b\E+", "a.bb", "axb"),
        (r"[a-c[x-z]]+", "abz", "d"),
        (r"(?<word>\w+)-\k<word>", "ab-ab", "ab-cd"),
        (r"(?<!x)y|(?<=z)?a", "y", "x"),
        (r"^[a-z]{2,}\z", "abc", "a"),
        (r"[^\]\[]+", "ab", "a[b"),
        (r"\/[\/\w]+", "/a/b", "a/b"),
        (r"\d+", "12", "١٢"),
        (r"[&|~]+", "&|~", "a"),
        (r"a++b", "aab", "ab-"),
        ("", "", "a"),
    ],
)
def test_a_pattern_of_java_matches_the_same_values(
    pattern: str, taken: str, refused: str
) -> None:
    assert java_patterns.matches(pattern, taken) is True
    assert java_patterns.matches(pattern, refused) is False


@pytest.mark.parametrize(
    "pattern", [r"[a-z&&[^b]]+", r"\p{IsGreek}", "(", "[a", "a{9999999999}", "\\"]
)
def test_what_cannot_be_translated_is_unknown(pattern: str) -> None:
    assert java_patterns.matches(pattern, "a") is None
