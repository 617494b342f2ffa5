"""Handlers that may not call what they need: the resource fails, as on AWS.

Whoever starts the embedded AWS passes in the function that knows the calls of handlers.
Only what StackSets do as an execution role is checked; see `permissions.enforcing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded
from tapgen.emulator.cloudformation.patches.resource_work import (
    CREATE,
    UPDATE,
    Work,
    listen,
    place,
)
from tapgen.emulator.permissions.enforcing import (
    ENFORCEMENT,
    Call,
    Wanted,
    handler_words,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_stacks": None},
    f"{CFN}.provisioners": {
        "_replacing_change": ("resource_type", "old_props", "new_props"),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

Given = Mapping[str, Any]
Place = tuple[str, str]
Calls = Callable[
    [str, str, Given, Given, str, Place, Mapping[str, str], Wanted], Iterable[Call]
]
"""Gives the calls of a handler: of a type, to create, update or delete a resource with
these properties (and those before), with its name, at an account and region, in a stack
with these tags; only those of wanted actions."""

_calls: list[Calls] = []


def nothing(*resource: Any) -> Iterable[Call]:
    """Know no calls."""
    return ()


def apply(calls: Calls) -> None:
    """Check `calls` from now on; calling it again changes only that."""
    _calls[:] = [calls]
    listen(_permitted)


def _permitted(work: Work) -> Work:
    """Raise ValueError when the handler may not make one of its calls."""
    if not ENFORCEMENT.actor or _of_its_parts(work):
        return work
    properties, previous, name = work.properties, work.previous, work.physical_id
    if work.operation == CREATE:
        generate = loaded(f"{CFN}.provisioners")._physical_name
        name = generate(work.stack, work.logical_id, max_len=63)
    record = loaded(CFN)._stacks.get(work.stack) or {}
    tags = {str(t["Key"]): str(t["Value"]) for t in record.get("Tags") or ()}
    about = (
        *(work.kind, work.operation),
        properties if isinstance(properties, Mapping) else {},
        previous if isinstance(previous, Mapping) else {},
        *(name, place(), tags),
    )
    refused = ENFORCEMENT.refusal(lambda wanted: _calls[0](*about, wanted))
    if refused:
        raise ValueError(handler_words(work.kind, *refused))
    return work


def _of_its_parts(work: Work) -> bool:
    """Whether an update changes nothing, or replaces the resource: the replacement is
    created, and its predecessor deleted, by themselves."""
    if work.operation != UPDATE:
        return False
    replaces = loaded(f"{CFN}.provisioners")._replacing_change
    before, after = work.previous, work.properties
    return before == after or bool(replaces(work.kind, before, after))
