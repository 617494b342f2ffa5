"""Who may operate service-managed stack sets, and what those may be.

See "Activate trusted access for StackSets with AWS Organizations" and "Register a
delegated administrator" in the user guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.emulator.accounts import organizations
from tapgen.emulator.stacksets.model import StackSet
from tapgen.emulator.stacksets.templates import resources, transforms
from tapgen.emulator.wire.inner import Place
from tapgen.emulator.wire.query_protocol import invalid, modelled

Request = Mapping[str, Any]
Answer = dict[str, Any]

NOT_AN_ADMINISTRATOR = (
    "You must be the management account or delegated admin account of an organization "
    "before operating a SERVICE_MANAGED stack set"
)
NOT_ENABLED = (
    "You must enable organizations access to operate a service managed stack set"
)
MODEL = "PermissionModel"


def owner(caller: Place, request: Request) -> Place:
    """Whose stack sets a request is about; ServiceError when it may not.

    "Stack sets with service-managed permissions are created in the management account,
    including stack sets created by delegated administrators."
    """
    if request.get("CallAs") != "DELEGATED_ADMIN":
        return caller
    management = organizations.administered_by(caller.account)
    if management is None:
        raise invalid(NOT_AN_ADMINISTRATOR)
    return Place(management, caller.region)


def visible(stack_set: StackSet, request: Request) -> bool:
    """Whether a caller sees a stack set: delegates see service-managed ones only."""
    delegated = request.get("CallAs") == "DELEGATED_ADMIN"
    return not delegated or stack_set.permission_model == "SERVICE_MANAGED"


def check_caller(owner: Place, model: str) -> None:
    """ServiceError unless an account may operate stack sets of a permission model."""
    if model != "SERVICE_MANAGED":
        return
    if organizations.management_of(owner.account) is not None:
        raise invalid(NOT_AN_ADMINISTRATOR)
    if not organizations.trusted(owner.account):
        raise invalid(NOT_ENABLED)


def check_model(request: Request, model: str, new: bool) -> None:
    """ServiceError when a request does not go with its permission model."""
    if model == "SELF_MANAGED":
        if request.get("CallAs") == "DELEGATED_ADMIN":
            raise invalid(
                "A delegated administrator can only operate SERVICE_MANAGED stack sets"
            )
        if "AutoDeployment" in request:
            raise invalid(
                "AutoDeployment is not supported for stack sets with SELF_MANAGED "
                "permission model"
            )
        return
    for role in ("AdministrationRoleARN", "ExecutionRoleName"):
        if role in request:
            raise invalid(
                f"{role} is not supported for stack sets with SERVICE_MANAGED "
                "permission model"
            )
    if new and "AutoDeployment" not in request:
        raise invalid(
            "AutoDeployment must be specified for stack sets with SERVICE_MANAGED "
            "permission model"
        )


def check_template(template: Mapping[str, Any], model: str) -> None:
    """ServiceError when a template has what service-managed stack sets cannot have."""
    if model == "SELF_MANAGED":
        return
    if transforms(template):
        raise invalid("Transform is not supported in SERVICE_MANAGED permission model")
    kinds = {resource.get("Type") for resource in _all(template)}
    if "AWS::CloudFormation::Stack" in kinds:
        raise invalid(
            "Nested stacks are not supported in SERVICE_MANAGED permission model"
        )


def _all(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (r for r in resources(template).values() if isinstance(r, Mapping))


async def activate(caller: Place, request: Request) -> Answer:
    """ActivateOrganizationsAccess."""
    _check_management(caller)
    organizations.trust(caller.account, True)
    return {}


async def deactivate(caller: Place, request: Request) -> Answer:
    """DeactivateOrganizationsAccess."""
    _check_management(caller)
    organizations.trust(caller.account, False)
    return {}


async def describe(caller: Place, request: Request) -> Answer:
    """DescribeOrganizationsAccess; `caller` is the management account for delegates."""
    _check_management(caller)
    enabled = organizations.trusted(caller.account)
    return {"Status": "ENABLED" if enabled else "DISABLED"}


def _check_management(caller: Place) -> None:
    if organizations.management_of(caller.account) is not None:
        raise modelled(
            "InvalidOperationException",
            f"Account {caller.account} is not the management account of an "
            "organization",
        )
