"""Stacks that hang, and accounts that are closed: what `tapgen repair` looks at."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from tapgen.aws.session import Aws, ask, one_line, pages
from tapgen.errors import AwsError, NotFound
from tapgen.frozen import dataclass
from tapgen.model import Target

TAKES_NO_UPDATE = re.compile(r"is in \w+ state and can ?not be updated")
"""What UpdateStack says of a stack that hangs."""


GONE = "DELETE_COMPLETE"
"""The status of a stack that was deleted."""


@dataclass(frozen=True)
class StackState:
    """The status of a stack, and the resources that failed, each with the reason."""

    status: str
    failed: tuple[tuple[str, str], ...] = ()


def status(aws: Aws, target: Target, stack_id: str) -> str | None:
    """Return the status of a stack; None when there is no such stack."""
    client = aws.client("cloudformation", target)
    try:
        found = ask(client, "describe_stacks", StackName=stack_id)["Stacks"]
    except NotFound:
        return None
    return str(found[0]["StackStatus"])


def state(aws: Aws, target: Target, stack_id: str) -> StackState:
    """Return the state of a stack: DELETE_COMPLETE when it does not exist."""
    now = status(aws, target, stack_id) or GONE
    if not now.endswith("_FAILED"):
        return StackState(now)
    found = dict(_failures(aws, target, stack_id))
    return StackState(now, tuple(sorted(found.items())))


def _failures(aws: Aws, target: Target, stack_id: str) -> Iterator[tuple[str, str]]:
    """Yield the resources that failed since the stack began what it failed at, the latest
    first (`DescribeStackEvents`: newest first)."""
    client = aws.client("cloudformation", target)
    events = pages(client, "describe_stack_events", "StackEvents", StackName=stack_id)
    for event in events:
        status, own = event["ResourceStatus"], event.get("PhysicalResourceId")
        if own == stack_id:
            if status.endswith("_IN_PROGRESS"):
                return
        elif status.endswith("_FAILED"):
            reason = one_line(event.get("ResourceStatusReason", ""))
            yield event["LogicalResourceId"], reason


def continue_rollback(
    aws: Aws, target: Target, stack_id: str, skip: Sequence[str], token: str
) -> None:
    """Let a stack in UPDATE_ROLLBACK_FAILED go on rolling back, without the resources in
    `skip` (API reference, ContinueUpdateRollback: only those in UPDATE_FAILED).

    Stacks of stack sets have no service role, and `RoleARN` would be used for all later
    operations; without one CloudFormation acts with the permissions of the caller (same
    page, RoleARN), who must be allowed to change the resources.
    """
    chosen = {"ResourcesToSkip": list(skip)} if skip else {}
    ask(
        aws.client("cloudformation", target),
        "continue_update_rollback",
        StackName=stack_id,
        ClientRequestToken=token,
        **chosen,
    )


def closed(aws: Aws, admin: Target, accounts: Collection[str]) -> frozenset[str]:
    """Return which of these accounts are suspended or closed, as far as the organization
    may be read (API reference of Organizations, Account: Status)."""
    found = set()
    for account in sorted(accounts):
        try:
            client = aws.client("organizations", admin)
            answer = ask(client, "describe_account", AccountId=account)["Account"]
        except AwsError:
            continue
        if answer.get("State", answer.get("Status")) in ("SUSPENDED", "CLOSED"):
            found.add(account)
    return frozenset(found)
