"""What `tapgen.aws.stacksets` sends, without sending it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.aws import stacksets
from tapgen.model import PREFERENCES, Strategy, Target

TARGETS = st.builds(
    Target,
    st.sampled_from([d * 12 for d in "1234"]),
    st.sampled_from(["us-east-1", "us-west-2", "eu-west-1"]),
)


@given(st.lists(TARGETS, unique=True))
def test_rectangles_hold_exactly_the_targets(targets: list[Target]) -> None:
    cut = stacksets.rectangles(targets)

    flat = [t for rectangle in cut for t in rectangle]
    assert sorted(flat) == sorted(targets)
    for rectangle in cut:
        accounts = {t.account for t in rectangle}
        regions = {t.region for t in rectangle}
        assert len(rectangle) == len(accounts) * len(regions)


def test_regions_are_in_the_given_order_and_backwards_for_deletes() -> None:
    safe = PREFERENCES[Strategy.SAFE]

    forwards = stacksets.preferences(safe, ["b", "a"])
    backwards = stacksets.preferences(safe, ["b", "a"], backwards=True)

    assert forwards["RegionOrder"] == ["b", "a"]
    assert backwards["RegionOrder"] == ["a", "b"]


@pytest.mark.parametrize("strategy", Strategy)
def test_count_and_percentage_never_go_together(strategy: Strategy) -> None:
    sent = stacksets.preferences(PREFERENCES[strategy], ["a", "b"])

    for what in ("FailureTolerance", "MaxConcurrent"):
        assert len([k for k in sent if k.startswith(what)]) == 1
    if sent["RegionConcurrencyType"] == "PARALLEL":
        assert "RegionOrder" not in sent
