"""Groups, memberships, inline policies and access keys of IAM."""

from __future__ import annotations

import importlib
from typing import Any

from tapgen.emulator.resources.calls import call
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    document,
)


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind(
            *("AWS::IAM::Group", _create_group, _delete_group, _update_group),
            named_by="GroupName",
            tags=None,
        ),
        Kind(
            *("AWS::IAM::UserToGroupAddition", _join, _leave, _rejoin),
            tags=None,
        ),
        Kind(
            *("AWS::IAM::AccessKey", _create_key, _delete_key, _update_key),
            tags=None,
        ),
        *(_inline_policy(owner) for owner in ("Group", "Role", "User")),
    ]


# --- Groups ---------------------------------------------------------------------------


def _create_group(request: Request) -> Created:
    name = request.name("GroupName", longest=128)
    path = request.properties.get("Path")
    group = call("iam", "CreateGroup", GroupName=name, Path=path)["Group"]
    try:
        _settle_group(name, {}, request.properties)
    except Exception:
        # The stack has no record of it yet and would leave it behind.
        _delete_group(name, request.properties)
        raise
    return name, {"Arn": group["Arn"]}


def _settle_group(name: str, old: Properties, new: Properties) -> None:
    attached, wanted = (set(p.get("ManagedPolicyArns") or []) for p in (old, new))
    for arn in sorted(attached - wanted):
        call("iam", "DetachGroupPolicy", GroupName=name, PolicyArn=arn)
    for arn in sorted(wanted - attached):
        call("iam", "AttachGroupPolicy", GroupName=name, PolicyArn=arn)
    before, after = (
        {one["PolicyName"]: one["PolicyDocument"] for one in p.get("Policies") or []}
        for p in (old, new)
    )
    for policy in before.keys() - after.keys():
        call("iam", "DeleteGroupPolicy", GroupName=name, PolicyName=policy)
    for policy, text in after.items():
        call(
            *("iam", "PutGroupPolicy"),
            GroupName=name,
            PolicyName=policy,
            PolicyDocument=document(text),
        )


def _update_group(name: str, old: Properties, new: Properties) -> Attributes:
    path = new.get("Path") or "/"
    if path != (old.get("Path") or "/"):
        # ministack has no UpdateGroup.
        group = importlib.import_module("ministack.services.iam")._groups[name]
        head, _, _ = group["Arn"].partition(":group/")
        group.update({"Path": path, "Arn": f"{head}:group{path}{name}"})
    _settle_group(name, old, new)
    return {"Arn": call("iam", "GetGroup", GroupName=name)["Group"]["Arn"]}


def _delete_group(name: str, properties: Properties) -> None:
    given = {"GroupName": name}
    for policy in call("iam", "ListGroupPolicies", **given)["PolicyNames"]:
        call("iam", "DeleteGroupPolicy", PolicyName=policy, **given)
    attached = call("iam", "ListAttachedGroupPolicies", **given)
    for policy in attached["AttachedPolicies"]:
        call("iam", "DetachGroupPolicy", PolicyArn=policy["PolicyArn"], **given)
    call("iam", "DeleteGroup", **given)


# --- Members --------------------------------------------------------------------------


def _join(request: Request) -> Created:
    _add(request.properties, request.properties.get("Users") or [])
    physical_id = request.name("")
    return physical_id, {"Id": physical_id}


def _add(properties: Properties, users: list[str]) -> None:
    for user in users:
        group = properties["GroupName"]
        call("iam", "AddUserToGroup", GroupName=group, UserName=user)


def _remove(properties: Properties, users: list[str]) -> None:
    for user in users:
        group = properties["GroupName"]
        call("iam", "RemoveUserFromGroup", GroupName=group, UserName=user)


def _rejoin(physical_id: str, old: Properties, new: Properties) -> Attributes:
    same = old["GroupName"] == new["GroupName"]
    before, after = (set(p.get("Users") or []) for p in (old, new))
    _remove(old, sorted(before - after if same else before))
    _add(new, sorted(after - before if same else after))
    return {"Id": physical_id}


def _leave(physical_id: str, properties: Properties) -> None:
    _remove(properties, properties.get("Users") or [])


# --- Access keys ----------------------------------------------------------------------


def _create_key(request: Request) -> Created:
    user = request.properties["UserName"]
    key = call("iam", "CreateAccessKey", UserName=user)["AccessKey"]
    _set_status(key["AccessKeyId"], request.properties)
    return key["AccessKeyId"], {
        "Id": key["AccessKeyId"],
        "SecretAccessKey": key["SecretAccessKey"],
    }


def _set_status(key: str, properties: Properties) -> None:
    status = properties.get("Status") or "Active"
    user = properties["UserName"]
    call("iam", "UpdateAccessKey", UserName=user, AccessKeyId=key, Status=status)


def _update_key(key: str, old: Properties, new: Properties) -> Attributes:
    _set_status(key, new)
    return {"Id": key}


def _delete_key(key: str, properties: Properties) -> None:
    call("iam", "DeleteAccessKey", UserName=properties["UserName"], AccessKeyId=key)


# --- Inline policies ------------------------------------------------------------------


def _inline_policy(owner: str) -> Kind:
    """The kind of AWS::IAM::GroupPolicy, RolePolicy or UserPolicy."""

    def ask(action: str, properties: Properties, **more: Any) -> None:
        given = {f"{owner}Name": properties[f"{owner}Name"], **more}
        call(
            *("iam", f"{action}{owner}Policy"),
            PolicyName=properties["PolicyName"],
            **given,
        )

    def put(properties: Properties) -> None:
        text = document(properties.get("PolicyDocument") or {})
        ask("Put", properties, PolicyDocument=text)

    def create(request: Request) -> Created:
        put(request.properties)
        name, who = (request.properties[n] for n in ("PolicyName", f"{owner}Name"))
        return f"{name}|{who}", {}

    def update(physical_id: str, old: Properties, new: Properties) -> Attributes:
        put(new)
        return {}

    def delete(physical_id: str, properties: Properties) -> None:
        ask("Delete", properties)

    return Kind(f"AWS::IAM::{owner}Policy", create, delete, update, tags=None)
