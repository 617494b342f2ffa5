"""Stacks in review: what a change set for a new stack makes, and what is deleted again.

Such a stack has no resources and is REVIEW_IN_PROGRESS until a change set is executed
(API reference, CreateChangeSet, ChangeSetType). Only a stack in that state, whose name
begins with `STACKS_IN_REVIEW`, is ever deleted here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from tapgen.aws.session import Aws, ask, pages
from tapgen.errors import AwsError, NotFound
from tapgen.model import STACKS_IN_REVIEW, Target

_LONGEST = 128  # characters of a stack's name (API reference, CreateStack)
_IN_REVIEW = "REVIEW_IN_PROGRESS"
_AT_ONCE = 8
_ATTEMPTS, _PAUSE = 10, 1.0


def unique(start: str) -> str:
    """Return a name that no stack has, which begins like this."""
    end = f"-{uuid4().hex[:12]}"
    return start[: _LONGEST - len(end)].rstrip("-") + end


def delete(client: Any, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Delete a stack that is in review, by its id; do nothing where there is none.

    Raises AwsError where it cannot be deleted, or where somebody executed its change set.
    """
    assert name.startswith(STACKS_IN_REVIEW)
    for attempt in range(_ATTEMPTS):
        try:
            (stack,) = ask(client, "describe_stacks", StackName=name)["Stacks"]
        except NotFound:
            return
        status = stack["StackStatus"]
        if status.startswith("DELETE_"):
            return
        if status != _IN_REVIEW:
            raise AwsError(
                "cloudformation:DeleteStack",
                status,
                f"the stack is {status}, not in review",
            )
        try:
            ask(client, "delete_stack", StackName=stack["StackId"])
            return
        except AwsError as error:
            # Its change set is still being created.
            if attempt + 1 == _ATTEMPTS or "IN_PROGRESS" not in error.message:
                raise
        sleep(_PAUSE)


def sweep(aws: Aws, start: str, places: Iterable[Target]) -> list[str]:
    """Delete the stacks in review that killed plans left; return a line for each one that
    stays. `start` is how their names begin."""

    def at(place: Target) -> list[str]:
        problems: list[str] = []
        try:
            client = aws.client("cloudformation", place)
            found = pages(
                client, "list_stacks", "StackSummaries", StackStatusFilter=[_IN_REVIEW]
            )
            names = [s["StackName"] for s in found if s["StackName"].startswith(start)]
        except AwsError:
            return []  # whoever asks there next gets the same error
        for name in names:
            try:
                delete(client, name)
            except AwsError as error:
                problems.append(f"stack {name} in {place} stays in review: {error}")
        return problems

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [line for lines in pool.map(at, places) for line in lines]
