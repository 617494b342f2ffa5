"""Instance profiles: Ref gives the name, where ministack gives the ARN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.emulator.resources.calls import call
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    dropped_tags,
    tag_list,
)


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind(
            "AWS::IAM::InstanceProfile",
            _make_profile,
            _delete_profile,
            _change_profile,
            named_by="InstanceProfileName",
        )
    ]


def _make_profile(request: Request) -> Created:
    name = request.name("InstanceProfileName", longest=128)
    answer = call(
        "iam",
        "CreateInstanceProfile",
        InstanceProfileName=name,
        Path=request.properties.get("Path", "/"),
    )
    _settle_profile(name, {}, request.properties)
    return name, {"Arn": answer["InstanceProfile"]["Arn"]}


def _settle_profile(name: str, old: Properties, new: Properties) -> None:
    had, wanted = (list(p.get("Roles") or []) for p in (old, new))
    for operation, roles in (
        ("RemoveRoleFromInstanceProfile", [r for r in had if r not in wanted]),
        ("AddRoleToInstanceProfile", [r for r in wanted if r not in had]),
    ):
        for role in roles:
            call("iam", operation, InstanceProfileName=name, RoleName=role)
    dropped = dropped_tags(old, new)
    if dropped:
        call("iam", "UntagInstanceProfile", InstanceProfileName=name, TagKeys=dropped)
    if tag_list(new):
        call(
            "iam",
            "TagInstanceProfile",
            InstanceProfileName=name,
            Tags=tag_list(new),
        )


def _change_profile(physical_id: str, old: Properties, new: Properties) -> Attributes:
    _settle_profile(physical_id, old, new)
    found: Mapping[str, Any] = call(
        "iam", "GetInstanceProfile", InstanceProfileName=physical_id
    )
    return {"Arn": found["InstanceProfile"]["Arn"]}


def _delete_profile(physical_id: str, properties: Properties) -> None:
    for role in properties.get("Roles") or []:
        call(
            "iam",
            "RemoveRoleFromInstanceProfile",
            InstanceProfileName=physical_id,
            RoleName=role,
        )
    call("iam", "DeleteInstanceProfile", InstanceProfileName=physical_id)
