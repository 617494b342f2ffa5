"""What `tapgen.aws.stacksets` sends, without sending it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tapgen import errors
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


class Busy:
    """CloudFormation while an operation holds the stack set."""

    meta = SimpleNamespace(
        region_name="us-east-1",
        service_model=SimpleNamespace(service_name="cloudformation"),
        method_to_api_mapping={
            "delete_stack_set": "DeleteStackSet",
            "list_stack_set_operations": "ListStackSetOperations",
        },
    )

    def __init__(self, *operations: dict[str, Any]) -> None:
        self.operations = operations

    def delete_stack_set(self, **_: Any) -> Any:
        known = {"Code": "OperationInProgressException", "Message": "AWS says busy"}
        raise ClientError({"Error": known}, "DeleteStackSet")

    def list_stack_set_operations(self, **_: Any) -> Any:
        return {"Summaries": [*self.operations]}


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        (
            [
                {"OperationId": "old", "Status": "SUCCEEDED"},
                {
                    "OperationId": "by-hand",
                    "Action": "UPDATE",
                    "Status": "RUNNING",
                    "CreationTimestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
                },
            ],
            "stack set net: operation by-hand (UPDATE) of another tool runs since "
            "2026-01-02 03:04:05 UTC",
        ),
        (
            [{"OperationId": "tapgen-1-2", "Action": "CREATE", "Status": "QUEUED"}],
            "stack set net: operation tapgen-1-2 (CREATE) of tapgen runs",
        ),
        ([], "AWS says busy"),
    ],
)
def test_a_busy_stack_set_says_whose_operation_it_is(
    operations: list[dict[str, Any]], words: str
) -> None:
    aws = SimpleNamespace(client=lambda *_: Busy(*operations))
    sets = stacksets.StackSets(cast(Any, aws), Target("1" * 12, "us-east-1"))

    with pytest.raises(errors.Busy) as raised:
        sets.delete("net")
    assert raised.value.message == words
