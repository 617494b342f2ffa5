"""Change sets whose name is free again, and those that make a stack of nothing.

ministack keeps the name of a change set that was executed; on AWS it is free (89 tests
in localstack/localstack, recorded on AWS, create a second one; pipelines with a fixed
name depend on it). It also fails a change set of type CREATE in which every resource is
conditioned out; AWS makes it without changes, and an empty stack of it (same place,
engine/test_conditions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded, wrap_action

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_change_sets": None},
    f"{CFN}.changesets": {"_find_change_set": ("cs_name", "stack_name")},
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{CFN}.helpers": {"_p": ("params", "key", "default")},
}
"""Private names of ministack used here, as `private_names` describes them."""

_OVER = ("EXECUTE_COMPLETE", "EXECUTE_FAILED", "EXECUTE_IN_PROGRESS")


def apply() -> None:
    """Free the names of executed change sets; make stacks of nothing."""
    wrap_action("CreateChangeSet", _freeing)


def _freeing(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def create(params: Any) -> Any:
        read = loaded(f"{CFN}.helpers")._p
        stack = loaded(f"{CFN}.handlers")._resolve_stack(read(params, "StackName"))
        name = stack["StackName"] if stack else read(params, "StackName")
        find = loaded(f"{CFN}.changesets")._find_change_set
        earlier, change_set = find(read(params, "ChangeSetName"), name)
        if change_set and change_set["ExecutionStatus"] in _OVER:
            del loaded(CFN)._change_sets[earlier]
        answer = handler(params)
        if answer[0] == 200 and read(params, "ChangeSetType") == "CREATE":
            _, created = find(read(params, "ChangeSetName"), read(params, "StackName"))
            if created and created["Status"] == "FAILED" and _of_nothing(created):
                created |= {
                    "Status": "CREATE_COMPLETE",
                    "ExecutionStatus": "AVAILABLE",
                    "StatusReason": "",
                }
        return answer

    return create


def _of_nothing(change_set: Mapping[str, Any]) -> bool:
    return not change_set["Changes"] and str(change_set["StatusReason"]).startswith(
        "The submitted information didn't contain changes"
    )
