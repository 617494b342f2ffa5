"""Whether the roles of a self-managed stack set exist and trust the right principals.

See "Grant self-managed permissions" in CloudFormation's user guide: the service
assumes the administration role, which assumes the execution role of each account.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from tapgen.emulator.accounts.regions import OPT_IN
from tapgen.emulator.permissions.enforcing import ENFORCEMENT, acting_as
from tapgen.emulator.stacksets.model import StackSet
from tapgen.emulator.wire.inner import Inner, Place, text
from tapgen.emulator.wire.query_protocol import ServiceError, invalid

SERVICE = "cloudformation.amazonaws.com"


async def check_administration(inner: Inner, stack_set: StackSet, region: str) -> None:
    """ServiceError unless CloudFormation may assume the administration role.

    Opt-in regions, of the stack set or of its target, have a principal of their own.
    See "Prepare to perform StackSet operations in AWS Regions that are disabled by
    default" in the user guide.
    """
    arn = stack_set.administration_role_arn
    name = arn.rpartition("/")[2]
    account = stack_set.owner.account
    context = {"aws:sourceaccount": account, "aws:sourcearn": stack_set.arn}
    statements = await _trust(inner, stack_set.owner, name)
    regions = [r for r in (stack_set.owner.region, region) if r in OPT_IN]
    services = [SERVICE, *(f"cloudformation.{r}.amazonaws.com" for r in regions)]
    if not all(_allows(statements, "Service", {s}, context) for s in services):
        raise invalid(
            f"Account {account} should have '{name}' role with trust relationship to "
            "CloudFormation service."
        )


async def check_execution(inner: Inner, stack_set: StackSet, place: Place) -> None:
    """ServiceError unless the administration role may assume the execution role: it is
    trusted, and its own policies allow it. StackSets word both in the same way."""
    arn = stack_set.administration_role_arn
    account = stack_set.owner.account
    who = {arn, account, f"arn:aws:iam::{account}:root"}
    statements = await _trust(inner, place, stack_set.execution_role)
    role = f"arn:aws:iam::{place.account}:role/{stack_set.execution_role}"
    with acting_as(account, arn.rpartition("/")[2]):
        refused = ENFORCEMENT.refusal([("sts:AssumeRole", (role,), [{}])])
    if refused or not _allows(statements, "AWS", who, {"aws:principalarn": arn}):
        raise invalid(
            f"Account {place.account} should have '{stack_set.execution_role}' role "
            f"with trust relationship to Role '{arn.rpartition('/')[2]}'."
        )


async def _trust(inner: Inner, place: Place, role: str) -> list[dict[str, Any]]:
    """The statements of a role's trust policy; none when there is no such role.

    Also while IAM does not answer: its control plane is in one region, but who may assume
    a role is decided in each region, with what was replicated there.
    https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html
    """
    try:
        found = await inner.unhindered.query(place, "iam", "GetRole", RoleName=role)
    except ServiceError:
        return []
    document = json.loads(unquote(text(found, "AssumeRolePolicyDocument")) or "{}")
    statements = document.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


def _allows(
    statements: Iterable[Mapping[str, Any]],
    kind: str,
    who: set[str],
    context: Mapping[str, str],
) -> bool:
    matching = [
        statement
        for statement in statements
        if _names(statement.get("Principal"), kind, who)
        and any(
            fnmatchcase("sts:AssumeRole".lower(), action.lower())
            for action in _many(statement.get("Action"))
        )
        and _holds(statement.get("Condition", {}), context)
    ]
    effects = {statement.get("Effect") for statement in matching}
    return effects == {"Allow"}


def _many(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(v) for v in values if v is not None]


def _names(principal: Any, kind: str, who: set[str]) -> bool:
    if principal == "*":
        return kind == "AWS"
    if not isinstance(principal, Mapping):
        return False
    named = set(_many(principal.get(kind)))
    return bool(named & who) or (kind == "AWS" and "*" in named)


def _holds(condition: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """Whether a Condition block holds; one that cannot be judged does not."""
    for operator, tests in condition.items():
        match = re.fullmatch(
            r"(String|Arn)(Equals|Like|EqualsIgnoreCase)(IfExists)?", operator
        )
        if match is None:
            return False
        # ArnEquals and ArnLike behave identically (IAM user guide).
        like = match[1] == "Arn" or match[2] == "Like"
        for key, patterns in tests.items():
            value = context.get(key.lower())
            if value is None:
                if match[3] is None:
                    return False
                continue
            if not any(
                fnmatchcase(value, p) if like else value == p for p in _many(patterns)
            ):
                return False
    return True
