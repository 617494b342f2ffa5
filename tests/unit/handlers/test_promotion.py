"""A replica is promoted by a parameter of its stack, once, and waited for."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.handlers import promotion

ASKED = {"Stack": "arn:aws:cloudformation:us-west-2:111111111111:stack/replica/1"}


class Stacks:
    """A stack that is in one state after another; an update sets the parameter."""

    def __init__(self, *states: str, promoted: str = "false") -> None:
        self.states = list(states)
        self.given = {"Promoted": promoted, "Class": "db.t4g.medium"}
        self.updates = 0

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        assert StackName == ASKED["Stack"]
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if "ROLLBACK" in state:
            self.given["Promoted"] = "false"
        pairs = self.given.items()
        found = [{"ParameterKey": k, "ParameterValue": v} for k, v in pairs]
        return {"Stacks": [{"StackStatus": state, "Parameters": found}]}

    def update_stack(
        self, StackName: str, UsePreviousTemplate: bool, Parameters: list[Any]
    ) -> None:
        assert StackName == ASKED["Stack"] and UsePreviousTemplate
        assert Parameters == [
            {"ParameterKey": "Promoted", "ParameterValue": "true"},
            {"ParameterKey": "Class", "UsePreviousValue": True},
        ]
        self.updates += 1
        self.given["Promoted"] = "true"


BUSY, DONE = "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"


@pytest.mark.parametrize(
    ("stacks", "updates", "waits"),
    [
        (Stacks("CREATE_COMPLETE", BUSY, BUSY, DONE), 1, 2),
        # Another operation goes on first.
        (Stacks("UPDATE_ROLLBACK_IN_PROGRESS", DONE, BUSY, DONE), 1, 2),
        (Stacks("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", DONE, DONE), 1, 1),
        (Stacks(DONE, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), 1, 0),
        (Stacks(DONE, promoted="true"), 0, 0),
        # The step is tried again, while its first try goes on.
        (Stacks(BUSY, DONE, promoted="true"), 0, 1),
    ],
)
def test_it_is_promoted_once(stacks: Stacks, updates: int, waits: int) -> None:
    slept = list[float]()
    assert promotion.promote(ASKED, stacks, slept.append)["Stack"] == ASKED["Stack"]
    assert (stacks.updates, len(slept)) == (updates, waits)


@pytest.mark.parametrize(
    ("stacks", "error", "said"),
    [
        (Stacks(DONE, BUSY, "UPDATE_ROLLBACK_COMPLETE"), RuntimeError, "ROLLBACK_COM"),
        (Stacks("UPDATE_ROLLBACK_FAILED"), RuntimeError, "read its events"),
        (Stacks(BUSY), TimeoutError, "still being updated"),
    ],
)
def test_a_stack_that_goes_back_or_stays_busy_is_an_error_in_ten_minutes(
    stacks: Stacks, error: type[Exception], said: str
) -> None:
    slept = list[float]()
    with pytest.raises(error, match=said):
        promotion.promote(ASKED, stacks, slept.append)
    assert sum(slept) < 600  # Systems Manager ends it then
