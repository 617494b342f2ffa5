"""What StackSets needs to know of organizations: members, units, trusted access, delegates.

What is added to ministack's organizations is stored among its own records, so that it
is saved, restored and reset with them. `organizations_api` has the actions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"
"""The service principal that StackSets has for trusted access and delegates."""

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.organizations": {
        "_DISPATCH": None,
        "_accounts": None,
        "_attachments": None,
        "_ensure_org": (),
        "_orgs": None,
        "_ous": None,
        "_policies": None,
        "_public_account": ("a",),
        "_roots": None,
    },
}
"""Private names of ministack used here, as `private_names` describes them."""


@dataclass(frozen=True)
class Move:
    """An account that joined an organization, moved within it or left it.

    `before` and `after` are its units then and now, innermost first, root last.
    """

    management: str
    account: str
    before: tuple[str, ...]
    after: tuple[str, ...]


_observers: list[Callable[[Move], None]] = []


def observe(observer: Callable[[Move], None]) -> None:
    """Call `observer` with every move from now on, in place of the one before."""
    _observers[:] = [observer]


def report_move(move: Move) -> None:
    """Pass a move on to the observer."""
    for observer in _observers:
        observer(move)


def management_of(account: str) -> str | None:
    """The management account of the organization that an account is a member of."""
    for owner, member in list(ministack_module()._accounts._data):
        if member == account and owner != account:
            return str(owner)
    return None


def administered_by(account: str) -> str | None:
    """The management account whose stack sets a member may administer, if any."""
    management = management_of(account)
    if management is None or account not in delegates_of(management):
        return None
    return management


def trusted(management: str) -> bool:
    """Whether StackSets may act in the organization of a management account."""
    return STACK_SETS in stored(management, "services")


def trust(management: str, yes: bool) -> None:
    """Activate or deactivate trusted access of StackSets."""
    services = stored(management, "services")
    services.pop(STACK_SETS, None)
    if yes:
        services[STACK_SETS] = time.time()
    store(management, "services", services)


def members_of(management: str, unit: str) -> dict[str, bool] | None:
    """The accounts in a root or unit and all units below; whether each is active.

    Never the management account; None when there is no such root or unit.
    """
    with scope(management):
        organizations = ministack_module()
        if unit not in organizations._ous and unit not in organizations._roots:
            return None
        return {
            id_: record["Status"] == "ACTIVE"
            for id_, record in organizations._accounts.items()
            if id_ != management and unit in parents(record)
        }


def units_of(management: str, account: str) -> tuple[str, ...]:
    """The units that a member is in, innermost first, root last; none for others."""
    with scope(management):
        record = ministack_module()._accounts.get(account)
        return () if record is None else tuple(parents(record))


def members() -> list[dict[str, str]]:
    """Every account that is a member of an organization, and where in it.

    `management` and `account`, `unit` as a path of names below the root (`/` for the
    root itself), and `status`.
    """
    found = []
    for management, account in sorted(ministack_module()._accounts._data):
        if management == account:
            continue
        with scope(management):
            record = ministack_module()._accounts[account]
            units = [ministack_module()._ous.get(unit) for unit in parents(record)]
        path = "/".join(unit["Name"] for unit in reversed(units) if unit)
        found.append(
            {
                "management": management,
                "account": account,
                "unit": path or "/",
                "status": record["Status"],
            }
        )
    return found


def suspended(account: str) -> bool:
    """Whether an account is suspended in its organization."""
    management = management_of(account)
    if management is None:
        return False
    with scope(management):
        return bool(ministack_module()._accounts[account]["Status"] != "ACTIVE")


def parents(record: Mapping[str, Any]) -> Iterator[str]:
    """The units that an account or unit is in, innermost first, root last."""
    parent: str | None = record["_ParentId"]
    while parent is not None:
        yield parent
        parent = (ministack_module()._ous.get(parent) or {}).get("_ParentId")


def delegates_of(management: str) -> list[str]:
    found = stored(management, "delegates")
    return [account for account, services in found.items() if STACK_SETS in services]


def stored(management: str, what: str) -> dict[str, Any]:
    with scope(management):
        return dict(ministack_module()._orgs.get(what) or {})


def store(management: str, what: str, value: dict[str, Any]) -> None:
    with scope(management):
        ministack_module()._ensure_org()
        ministack_module()._orgs[what] = value


def scope(account: str) -> Any:
    # Organizations is global: ministack stores it by account only.
    return import_module("ministack.core.responses").request_scope(account, "us-east-1")


def caller_account() -> str:
    return str(import_module("ministack.core.responses").get_account_id())


def ministack_module() -> Any:
    return import_module("ministack.services.organizations")
