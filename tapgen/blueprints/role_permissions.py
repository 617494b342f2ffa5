"""Permissions to create service-linked roles, and to pass roles to services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from awacs import iam as aiam
from awacs.aws import (
    Statement,
    StringEquals,
    StringLike,
)

from tapgen.blocks import names, security
from tapgen.knowledge import indirect_permissions
from tapgen.model import PassedRole
from tapgen.template import schemas

SERVICE_LINKED = names.arn("iam", "role/aws-service-role/*", region="")
"""All service-linked roles of the account."""


def service_linked_roles(
    types: Iterable[str], entries: Sequence[indirect_permissions.Indirect]
) -> Iterator[Statement]:
    """Allow creating the service-linked roles of the services that the system uses."""
    action = "iam:CreateServiceLinkedRole"
    linked = sorted({name for entry in entries for name in entry.linked})
    if linked:
        principals = [f"{name}.amazonaws.com" for name in linked]
        yield security.statement(
            "ServiceLinkedRoles",
            [aiam.CreateServiceLinkedRole],
            [SERVICE_LINKED],
            StringEquals({"iam:AWSServiceName": principals}),
        )
    known = {
        t for entry in indirect_permissions.TABLE if entry.linked for t in entry.types
    }
    known |= {"AWS::RDS::DBClusterParameterGroup"}
    if action in schemas.permissions({*types} - known):
        yield security.statement(
            "AnyServiceLinkedRole", [aiam.CreateServiceLinkedRole], [SERVICE_LINKED]
        )


def pass_own_roles(
    roles: Sequence[str], passed_to: Iterable[str]
) -> Iterator[Statement]:
    """Allow passing the system's own roles, only to the services that they are for."""
    services = [*passed_to]
    if not services:
        return
    test = StringLike if any("*" in s for s in services) else StringEquals
    yield security.statement(
        "PassRolesOfThisSystem",
        [aiam.PassRole],
        roles,
        test({"iam:PassedToService": services}),
    )


def pass_given_roles(given: Iterable[PassedRole]) -> Iterator[Statement]:
    """Allow passing roles from outside the system, each only to its own services."""
    services: dict[str, list[str]] = {}
    for passed in sorted({*given}):
        services.setdefault(passed.role, []).append(passed.service)
    roles: dict[tuple[str, ...], list[str]] = {}
    for role, allowed in services.items():
        roles.setdefault((*allowed,), []).append(role)
    for number, (to, named) in enumerate(sorted(roles.items()), start=1):
        yield security.statement(
            f"PassGivenRoles{number}",
            [aiam.PassRole],
            [
                (
                    role
                    if role.startswith("arn:")
                    else names.arn("iam", f"role/{role}", region="")
                )
                for role in named
            ],
            StringEquals({"iam:PassedToService": [*to]}),
        )
