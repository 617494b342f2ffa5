"""Who CloudFormation acts as for a stack: its service role, or whoever calls.

A stack keeps the role that it was given, and later operations use it, whoever calls
("CloudFormation service role" in the user guide,
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html).
Without one, it acts as the caller. What the keys of an account do is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from tapgen.emulator.permissions.enforcing import ENFORCEMENT, Actor

_CFN = "ministack.services.cloudformation"
PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {_CFN: {"_stacks": None}}
"""Private names of ministack used here, as `private_names` describes them."""

_SERVICE = "cloudformation.amazonaws.com"
_ROLE = "RoleARN"
WORK = frozenset(
    "CreateStack UpdateStack DeleteStack CreateChangeSet ExecuteChangeSet "
    "ContinueUpdateRollback RollbackStack".split()
)
"""The operations with which CloudFormation changes resources, or prepares that."""


class RoleError(ValueError):
    """CloudFormation cannot assume a role, in its words."""


def worker(
    place: tuple[str, str], given: Mapping[str, str], caller: Actor | None
) -> Actor | None:
    """Return who makes the calls of one of `WORK`, by its parameters; None for nobody
    who is checked. RoleError for a role that CloudFormation cannot assume."""
    role = given.get(_ROLE) or _stack(place, given).get(_ROLE, "")
    if not role:
        return replace(caller, via=_SERVICE) if caller else None
    if _SERVICE not in ENFORCEMENT.roles.trusted(role):
        raise RoleError(f"Role {role} is invalid or cannot be assumed")
    return Actor(role.split(":")[4], role.rpartition("/")[2], "AWSCloudFormation")


def remember(place: tuple[str, str], given: Mapping[str, str]) -> None:
    """Let a stack keep the role that an operation has given it."""
    if given.get(_ROLE):
        _stack(place, given)[_ROLE] = given[_ROLE]


def _stack(
    place: tuple[str, str], given: Mapping[str, str]
) -> MutableMapping[str, Any]:
    """ministack's record of a stack, which its name or its id names."""
    name = given.get("StackName", "")
    name = name.split("/")[1] if name.startswith("arn:") else name
    stacks = import_module(_CFN)._stacks
    found = stacks.get_scoped(*place, name)
    return found if isinstance(found, dict) else {}
