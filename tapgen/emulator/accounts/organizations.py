"""Organizations as StackSets needs it: one tree, trusted access, delegates, moves.

ministack keeps an organization for every account that asks; here a member account acts
in the organization that it belongs to. What is added is kept among ministack's own
records, so that it is saved, restored and reset with them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"
"""The service principal that StackSets has for trusted access and delegates."""
MAX_DELEGATES = 5  # of StackSets, "Register a delegated administrator" (user guide)

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

Payload = Mapping[str, Any]
Handler = Callable[[Payload], Any]


@dataclass(frozen=True)
class Move:
    """An account that came into an organization, moved in it or left it.

    `before` and `after` are the units it was and is in, innermost first, root last.
    """

    management: str
    account: str
    before: tuple[str, ...]
    after: tuple[str, ...]


_observers: list[Callable[[Move], None]] = []
# Only of the answers to member accounts that are no delegates.
_FOR_MEMBERS = ("DescribeOrganization",)


def observe(observer: Callable[[Move], None]) -> None:
    """Let `watcher` know of every move; the one before is forgotten."""
    _observers[:] = [observer]


# What the organization is


def management_of(account: str) -> str | None:
    """The management account of the organization that an account is a member of."""
    for owner, member in list(_module()._accounts._data):
        if member == account and owner != account:
            return str(owner)
    return None


def administered_by(account: str) -> str | None:
    """The management account whose stack sets a member may administer, if any."""
    management = management_of(account)
    if management is None or account not in _delegates(management):
        return None
    return management


def trusted(management: str) -> bool:
    """Whether StackSets may act in the organization of a management account."""
    return STACK_SETS in _stored(management, "services")


def trust(management: str, yes: bool) -> None:
    """Activate or deactivate trusted access of StackSets."""
    services = _stored(management, "services")
    services.pop(STACK_SETS, None)
    if yes:
        services[STACK_SETS] = time.time()
    _store(management, "services", services)


def members_of(management: str, unit: str) -> dict[str, bool] | None:
    """The accounts in a root or unit and all units below; whether each is active.

    Never the management account; None when there is no such root or unit.
    """
    with _scope(management):
        organizations = _module()
        if unit not in organizations._ous and unit not in organizations._roots:
            return None
        return {
            id_: record["Status"] == "ACTIVE"
            for id_, record in organizations._accounts.items()
            if id_ != management and unit in _units(record)
        }


def units_of(management: str, account: str) -> tuple[str, ...]:
    """The units that a member is in, innermost first, root last; none for others."""
    with _scope(management):
        record = _module()._accounts.get(account)
        return () if record is None else tuple(_units(record))


def members() -> list[dict[str, str]]:
    """Every account that is a member of an organization, and where in it.

    `management` and `account`, `unit` as a path of names below the root (`/` for the
    root itself), and `status`.
    """
    found = []
    for management, account in sorted(_module()._accounts._data):
        if management == account:
            continue
        with _scope(management):
            record = _module()._accounts[account]
            units = [_module()._ous.get(unit) for unit in _units(record)]
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
    """Whether an organization knows an account as suspended."""
    management = management_of(account)
    if management is None:
        return False
    with _scope(management):
        return bool(_module()._accounts[account]["Status"] != "ACTIVE")


def _units(record: Mapping[str, Any]) -> Iterator[str]:
    """The units that an account or unit is in, innermost first, root last."""
    parent: str | None = record["_ParentId"]
    while parent is not None:
        yield parent
        parent = (_module()._ous.get(parent) or {}).get("_ParentId")


def _delegates(management: str) -> list[str]:
    found = _stored(management, "delegates")
    return [account for account, services in found.items() if STACK_SETS in services]


def _stored(management: str, what: str) -> dict[str, Any]:
    with _scope(management):
        return dict(_module()._orgs.get(what) or {})


def _store(management: str, what: str, value: dict[str, Any]) -> None:
    with _scope(management):
        _module()._ensure_org()
        _module()._orgs[what] = value


def _scope(account: str) -> Any:
    # Organizations is global: ministack keeps it by account only.
    return import_module("ministack.core.responses").request_scope(account, "us-east-1")


def _caller() -> str:
    return str(import_module("ministack.core.responses").get_account_id())


def _module() -> Any:
    return import_module("ministack.services.organizations")


# What ministack's Organizations lacks


def apply() -> None:
    """Add the actions that ministack lacks, and put members in their organization."""
    dispatch = _module()._DISPATCH
    dispatch.update(
        CreateOrganization=_create_organization,
        EnableAWSServiceAccess=_enable_service,
        DisableAWSServiceAccess=_disable_service,
        ListAWSServiceAccessForOrganization=_list_services,
        RegisterDelegatedAdministrator=_register,
        DeregisterDelegatedAdministrator=_deregister,
        ListDelegatedAdministrators=_list_delegates,
        ListDelegatedServicesForAccount=_list_delegated_services,
        ListChildren=_list_children,
        UpdateOrganizationalUnit=_rename,
        RemoveAccountFromOrganization=_remove_account,
        LeaveOrganization=_leave,
    )
    dispatch["DeleteOrganizationalUnit"] = _only_when_empty(
        dispatch["DeleteOrganizationalUnit"]
    )
    for action in ("CreateAccount", "MoveAccount", "RemoveAccountFromOrganization"):
        dispatch[action] = _reporting_moves(dispatch[action])
    for action, handler in list(dispatch.items()):
        dispatch[action] = _as_member(action, handler)


def _as_member(action: str, handler: Handler) -> Handler:
    def handle(payload: Payload) -> Any:
        caller = _caller()
        management = management_of(caller)
        if management is None:
            return handler(payload)
        if action == "LeaveOrganization":
            with _scope(management):
                return _module()._DISPATCH["RemoveAccountFromOrganization"](
                    {"AccountId": caller}
                )
        reads = action.startswith(("List", "Describe"))
        delegate = caller in _stored(management, "delegates")
        if action not in _FOR_MEMBERS and not (delegate and reads):
            if action == "CreateOrganization":
                return _already_in()
            return _error(
                "AccessDeniedException",
                "You don't have permissions to access this resource.",
            )
        with _scope(management):
            return handler(payload)

    return handle


def _reporting_moves(handler: Handler) -> Handler:
    def handle(payload: Payload) -> Any:
        accounts = _module()._accounts
        before = {id_: tuple(_units(record)) for id_, record in accounts.items()}
        answer = handler(payload)
        after = {id_: tuple(_units(record)) for id_, record in accounts.items()}
        for id_ in {**before, **after}:
            was, is_ = before.get(id_, ()), after.get(id_, ())
            for observer in _observers if was != is_ and id_ != _caller() else ():
                observer(Move(_caller(), id_, was, is_))
        return answer

    return handle


def _create_organization(payload: Payload) -> Any:
    organizations = _module()
    if organizations._orgs.get("created"):
        return _already_in()
    organizations._ensure_org()
    organizations._orgs["created"] = True
    features = payload.get("FeatureSet", "ALL")
    organizations._orgs["self"]["FeatureSet"] = features
    return _json({"Organization": dict(organizations._orgs["self"])})


def _already_in() -> Any:
    return _error(
        "AlreadyInOrganizationException",
        "The AWS account is already a member of an organization.",
    )


def _enable_service(payload: Payload) -> Any:
    services = _stored(_caller(), "services")
    services.setdefault(payload.get("ServicePrincipal", ""), time.time())
    _store(_caller(), "services", services)
    return _json({})


def _disable_service(payload: Payload) -> Any:
    services = _stored(_caller(), "services")
    services.pop(payload.get("ServicePrincipal", ""), None)
    _store(_caller(), "services", services)
    return _json({})


def _list_services(payload: Payload) -> Any:
    enabled = [
        {"ServicePrincipal": principal, "DateEnabled": date}
        for principal, date in _stored(_caller(), "services").items()
    ]
    return _json({"EnabledServicePrincipals": enabled})


def _register(payload: Payload) -> Any:
    account = payload.get("AccountId", "")
    principal = payload.get("ServicePrincipal", "")
    refusal = _refuse_delegate(account, principal)
    if refusal is not None:
        return refusal
    delegates = _stored(_caller(), "delegates")
    services = {**delegates.get(account, {}), principal: time.time()}
    _store(_caller(), "delegates", {**delegates, account: services})
    return _json({})


def _refuse_delegate(account: str, principal: str) -> Any:
    _module()._ensure_org()
    if account not in _module()._accounts:
        return _error(
            "AccountNotFoundException", "You specified an account that doesn't exist."
        )
    if account == _caller():
        return _error(
            "ConstraintViolationException",
            "You cannot register master account/yourself as delegated administrator "
            "for your organization.",
        )
    if principal in _stored(_caller(), "delegates").get(account, {}):
        return _error(
            "AccountAlreadyRegisteredException",
            "The provided account is already a delegated administrator for your "
            "organization.",
        )
    if principal == STACK_SETS and len(_delegates(_caller())) >= MAX_DELEGATES:
        return _error(
            "ConstraintViolationException",
            "You have exceeded the allowed number of delegated administrators for the "
            "delegated service.",
        )
    return None


def _deregister(payload: Payload) -> Any:
    account = payload.get("AccountId", "")
    principal = payload.get("ServicePrincipal", "")
    delegates = _stored(_caller(), "delegates")
    services = dict(delegates.pop(account, {}))
    if services.pop(principal, None) is None:
        return _error(
            "AccountNotRegisteredException",
            "The provided account is not a registered delegated administrator for your "
            "organization.",
        )
    if services:
        delegates[account] = services
    _store(_caller(), "delegates", delegates)
    return _json({})


def _list_delegates(payload: Payload) -> Any:
    wanted = payload.get("ServicePrincipal")
    found = [
        {
            **_module()._public_account(_module()._accounts[account]),
            "DelegationEnabledDate": min(services.values()),
        }
        for account, services in _stored(_caller(), "delegates").items()
        if account in _module()._accounts and wanted in (None, *services)
    ]
    return _json({"DelegatedAdministrators": found})


def _list_delegated_services(payload: Payload) -> Any:
    delegates = _stored(_caller(), "delegates")
    account = payload.get("AccountId", "")
    if account not in delegates:
        return _error(
            "AccountNotRegisteredException",
            "The provided account is not a registered delegated administrator for your "
            "organization.",
        )
    services = [
        {"ServicePrincipal": principal, "DelegationEnabledDate": date}
        for principal, date in delegates[account].items()
    ]
    return _json({"DelegatedServices": services})


def _list_children(payload: Payload) -> Any:
    _module()._ensure_org()
    kind, parent = payload.get("ChildType"), payload.get("ParentId")
    kinds = {"ACCOUNT": _module()._accounts, "ORGANIZATIONAL_UNIT": _module()._ous}
    if kind not in kinds:
        return _error("InvalidInputException", f"ChildType {kind} is not supported")
    if parent not in _module()._ous and parent not in _module()._roots:
        return _error(
            "ParentNotFoundException",
            f"We can't find a root or OU with the ParentId {parent}",
        )
    children = [
        {"Id": id_, "Type": kind}
        for id_, record in kinds[kind].items()
        if record["_ParentId"] == parent
    ]
    return _json({"Children": children})


def _rename(payload: Payload) -> Any:
    unit = _module()._ous.get(payload.get("OrganizationalUnitId"))
    if unit is None:
        return _error(
            "OrganizationalUnitNotFoundException",
            "We can't find an OU with the OrganizationalUnitId that you specified",
        )
    unit["Name"] = payload.get("Name", unit["Name"])
    shown = {k: v for k, v in unit.items() if not k.startswith("_")}
    return _json({"OrganizationalUnit": shown})


def _remove_account(payload: Payload) -> Any:
    account = payload.get("AccountId")
    if account == _caller():
        return _error(
            "MasterCannotLeaveOrganizationException",
            "You can't remove a management account from an organization.",
        )
    if account not in _module()._accounts:
        return _error(
            "AccountNotFoundException", "You specified an account that doesn't exist."
        )
    if account in _stored(_caller(), "delegates"):
        return _error(
            "ConstraintViolationException",
            "You cannot remove a delegated administrator of your organization.",
        )
    del _module()._accounts[account]
    return _json({})


def _leave(payload: Payload) -> Any:
    return _error(
        "MasterCannotLeaveOrganizationException",
        "The management account of an organization cannot leave it.",
    )


def _only_when_empty(handler: Handler) -> Handler:
    # ministack deletes a unit with all that is in it, which then is in no root.
    def delete(payload: Payload) -> Any:
        unit = payload.get("OrganizationalUnitId")
        inside = [*_module()._ous.values(), *_module()._accounts.values()]
        if any(record["_ParentId"] == unit for record in inside):
            return _error(
                "OrganizationalUnitNotEmptyException",
                "The organizational unit (OU) is not empty.",
            )
        return handler(payload)

    return delete


def _json(body: Mapping[str, Any]) -> Any:
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    return 200, headers, json.dumps(body).encode()


def _error(code: str, message: str) -> Any:
    responses = import_module("ministack.core.responses")
    return responses.error_response_json(code, message, 400)
