"""Actions of AWS Organizations that ministack lacks, and members in their organization.

ministack has one organization for every account that calls; here a member account acts
in the organization that it belongs to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.accounts.organizations import (
    STACK_SETS,
    Move,
    caller_account,
    delegates_of,
    management_of,
    ministack_module,
    parents,
    report_move,
    scope,
    store,
    stored,
)

MAX_DELEGATES = 5  # of StackSets, "Register a delegated administrator" (user guide)
Payload = Mapping[str, Any]
Handler = Callable[[Payload], Any]
# The only actions for member accounts that are not delegated administrators.
_FOR_MEMBERS = ("DescribeOrganization",)


def apply() -> None:
    """Add the actions that ministack lacks; members act in their organization."""
    dispatch = ministack_module()._DISPATCH
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
        caller = caller_account()
        management = management_of(caller)
        if management is None:
            return handler(payload)
        if action == "LeaveOrganization":
            with scope(management):
                return ministack_module()._DISPATCH["RemoveAccountFromOrganization"](
                    {"AccountId": caller}
                )
        reads = action.startswith(("List", "Describe"))
        delegate = caller in stored(management, "delegates")
        if action not in _FOR_MEMBERS and not (delegate and reads):
            if action == "CreateOrganization":
                return _already_in()
            return _error(
                "AccessDeniedException",
                "You don't have permissions to access this resource.",
            )
        with scope(management):
            return handler(payload)

    return handle


def _reporting_moves(handler: Handler) -> Handler:
    def handle(payload: Payload) -> Any:
        accounts = ministack_module()._accounts
        before = {id_: tuple(parents(record)) for id_, record in accounts.items()}
        answer = handler(payload)
        after = {id_: tuple(parents(record)) for id_, record in accounts.items()}
        for id_ in {**before, **after}:
            was, is_ = before.get(id_, ()), after.get(id_, ())
            if was != is_ and id_ != caller_account():
                report_move(Move(caller_account(), id_, was, is_))
        return answer

    return handle


def _create_organization(payload: Payload) -> Any:
    organizations = ministack_module()
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
    services = stored(caller_account(), "services")
    services.setdefault(payload.get("ServicePrincipal", ""), time.time())
    store(caller_account(), "services", services)
    return _json({})


def _disable_service(payload: Payload) -> Any:
    services = stored(caller_account(), "services")
    services.pop(payload.get("ServicePrincipal", ""), None)
    store(caller_account(), "services", services)
    return _json({})


def _list_services(payload: Payload) -> Any:
    enabled = [
        {"ServicePrincipal": principal, "DateEnabled": date}
        for principal, date in stored(caller_account(), "services").items()
    ]
    return _json({"EnabledServicePrincipals": enabled})


def _register(payload: Payload) -> Any:
    account = payload.get("AccountId", "")
    principal = payload.get("ServicePrincipal", "")
    refusal = _refuse_delegate(account, principal)
    if refusal is not None:
        return refusal
    delegates = stored(caller_account(), "delegates")
    services = {**delegates.get(account, {}), principal: time.time()}
    store(caller_account(), "delegates", {**delegates, account: services})
    return _json({})


def _refuse_delegate(account: str, principal: str) -> Any:
    ministack_module()._ensure_org()
    if account not in ministack_module()._accounts:
        return _error(
            "AccountNotFoundException", "You specified an account that doesn't exist."
        )
    if account == caller_account():
        return _error(
            "ConstraintViolationException",
            "You cannot register master account/yourself as delegated administrator "
            "for your organization.",
        )
    if principal in stored(caller_account(), "delegates").get(account, {}):
        return _error(
            "AccountAlreadyRegisteredException",
            "The provided account is already a delegated administrator for your "
            "organization.",
        )
    if principal == STACK_SETS and len(delegates_of(caller_account())) >= MAX_DELEGATES:
        return _error(
            "ConstraintViolationException",
            "You have exceeded the allowed number of delegated administrators for the "
            "delegated service.",
        )
    return None


def _deregister(payload: Payload) -> Any:
    account = payload.get("AccountId", "")
    principal = payload.get("ServicePrincipal", "")
    delegates = stored(caller_account(), "delegates")
    services = dict(delegates.pop(account, {}))
    if services.pop(principal, None) is None:
        return _error(
            "AccountNotRegisteredException",
            "The provided account is not a registered delegated administrator for your "
            "organization.",
        )
    if services:
        delegates[account] = services
    store(caller_account(), "delegates", delegates)
    return _json({})


def _list_delegates(payload: Payload) -> Any:
    wanted = payload.get("ServicePrincipal")
    found = [
        {
            **ministack_module()._public_account(ministack_module()._accounts[account]),
            "DelegationEnabledDate": min(services.values()),
        }
        for account, services in stored(caller_account(), "delegates").items()
        if account in ministack_module()._accounts and wanted in (None, *services)
    ]
    return _json({"DelegatedAdministrators": found})


def _list_delegated_services(payload: Payload) -> Any:
    delegates = stored(caller_account(), "delegates")
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
    ministack_module()._ensure_org()
    kind, parent = payload.get("ChildType"), payload.get("ParentId")
    kinds = {
        "ACCOUNT": ministack_module()._accounts,
        "ORGANIZATIONAL_UNIT": ministack_module()._ous,
    }
    if kind not in kinds:
        return _error("InvalidInputException", f"ChildType {kind} is not supported")
    if (
        parent not in ministack_module()._ous
        and parent not in ministack_module()._roots
    ):
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
    unit = ministack_module()._ous.get(payload.get("OrganizationalUnitId"))
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
    if account == caller_account():
        return _error(
            "MasterCannotLeaveOrganizationException",
            "You can't remove a management account from an organization.",
        )
    if account not in ministack_module()._accounts:
        return _error(
            "AccountNotFoundException", "You specified an account that doesn't exist."
        )
    if account in stored(caller_account(), "delegates"):
        return _error(
            "ConstraintViolationException",
            "You cannot remove a delegated administrator of your organization.",
        )
    del ministack_module()._accounts[account]
    return _json({})


def _leave(payload: Payload) -> Any:
    return _error(
        "MasterCannotLeaveOrganizationException",
        "The management account of an organization cannot leave it.",
    )


def _only_when_empty(handler: Handler) -> Handler:
    # ministack deletes a unit with everything in it, which then has no root.
    def delete(payload: Payload) -> Any:
        unit = payload.get("OrganizationalUnitId")
        inside = [
            *ministack_module()._ous.values(),
            *ministack_module()._accounts.values(),
        ]
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
