"""Values of resources that are shape only have the forms of their schemas."""

from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.emulator.resources.patterns import matching
from tapgen.template import schemas


def patterns() -> list[str]:
    """Every pattern that a type of us-east-1 gives for an attribute."""
    found = set()
    for name in schemas.types("us-east-1"):
        schema = schemas.schema(name) or {}
        for path in schema.get("readOnlyProperties", []):
            node = schema.get("properties", {}).get(path.split("/")[2], {})
            if node.get("pattern"):
                found.add(str(node["pattern"]))
    return sorted(found)


def test_nearly_every_pattern_of_the_registry_can_be_drawn() -> None:
    every = patterns()
    assert len(every) > 300
    missing = [p for p in every if matching(p, "seed") is None]
    assert len(missing) <= len(every) / 50, missing


@pytest.mark.parametrize(
    "pattern",
    [
        "^fs-[0-9a-f]{8,40}$",
        "^arn:aws(-[^:]+)?:ce::[0-9]{12}:costcategory/[a-f0-9-]{36}$",
        "^(([1-9][0-9]{0,7})|(DRAFT))$",
        r"^\w+\s\D{2}\S?[^a-z]$",
        "^DRAFT$",
    ],
)
def test_what_is_drawn_matches_and_depends_on_the_seed_alone(pattern: str) -> None:
    drawn = [matching(pattern, seed) for seed in ("a", "b", "a")]
    assert all(text and re.search(pattern, text) for text in drawn)
    assert drawn[0] == drawn[2]


def test_different_seeds_give_different_texts() -> None:
    assert len({matching("^[0-9a-f]{17}$", str(n)) for n in range(50)}) == 50


@pytest.mark.parametrize(
    "pattern",
    ["(", r"\p{L}+", "^(?=x)y$", r"(a)(?!a)\1b(?<!b)", "((((((a+)+)+)+)+)+)+"],
)
def test_a_pattern_that_cannot_be_drawn_gives_nothing(pattern: str) -> None:
    assert matching(pattern, "seed") is None


@given(st.text(max_size=30), st.text(min_size=1))
def test_whatever_is_drawn_matches(pattern: str, seed: str) -> None:
    text = matching(pattern, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assert text is None or re.search(pattern, text)
