"""The targets of a request: accounts, or units of an organization, in regions.

See `DeploymentTargets` in CloudFormation's API reference, and "Account level targets for
service-managed StackSets" in the user guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tapgen.emulator.accounts import organizations
from tapgen.emulator.accounts.regions import known
from tapgen.emulator.stacksets import templates
from tapgen.emulator.stacksets.model import StackSet
from tapgen.emulator.wire.inner import Inner, Place
from tapgen.emulator.wire.query_protocol import ServiceError, invalid

MAX_UNITS = 50  # in one call (CreateStackInstances)
ONLY_ACCOUNTS = (
    "StackSets with SELF_MANAGED permission model can only have accounts as target."
)
ONLY_UNITS = (
    "StackSets with SERVICE_MANAGED permission model can only have OrganizationalUnit "
    "as target"
)


@dataclass(frozen=True)
class Targets:
    """Places, and how they were named.

    `units` gives the unit that each account was found in, `named` the accounts that
    were named themselves. `whole` units were named without any filter of accounts.
    """

    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    organizational_units: tuple[str, ...] = ()
    whole: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        """Every account in every region, region by region."""
        return tuple(Place(a, r) for r in self.regions for a in self.accounts)

    def present(self, stack_set: StackSet) -> tuple[Place, ...]:
        """The places for an update: StackInstanceNotFoundException for a named one.

        Of a unit, the accounts that have an instance are meant.
        """
        if stack_set.permission_model == "SELF_MANAGED":
            for place in self.places:
                stack_set.instance(place)
            return self.places
        for place in self.places:
            if place.account in self.named and place.account not in self.units:
                stack_set.instance(place)
        return tuple(p for p in self.places if p in stack_set.instances)


async def resolve(
    inner: Inner, stack_set: StackSet, request: Mapping[str, Any], creating: bool
) -> Targets | None:
    """The targets of a request, None when it names none; ServiceError when wrong."""
    accounts, regions = request.get("Accounts"), request.get("Regions")
    units = request.get("DeploymentTargets")
    if accounts and units is not None:
        raise invalid("You can specify Accounts or DeploymentTargets, but not both.")
    if accounts is None and units is None and regions is None:
        return None
    if stack_set.permission_model == "SELF_MANAGED":
        found = await _self_managed(inner, stack_set, accounts, units)
    else:
        found = await _service_managed(inner, stack_set, accounts, units, creating)
    if not regions:
        raise invalid("Accounts and Regions must both be specified")
    wrong = [r for r in regions if not known(r)]
    if wrong:
        raise invalid(f"Region {wrong[0]} is not supported")
    return Targets(**{**found, "regions": tuple(dict.fromkeys(regions))})


async def _self_managed(
    inner: Inner,
    stack_set: StackSet,
    accounts: list[str] | None,
    units: Mapping[str, Any] | None,
) -> dict[str, Any]:
    if units is not None:
        if units.get("OrganizationalUnitIds"):
            raise invalid(ONLY_ACCOUNTS)
        accounts = await _listed(inner, stack_set, units)
    if not accounts:
        raise invalid("Accounts and Regions must both be specified")
    return {"accounts": tuple(dict.fromkeys(accounts))}


async def _service_managed(
    inner: Inner,
    stack_set: StackSet,
    accounts: list[str] | None,
    targets: Mapping[str, Any] | None,
    creating: bool,
) -> dict[str, Any]:
    if accounts is not None or targets is None:
        raise invalid(ONLY_UNITS)
    units = list(dict.fromkeys(targets.get("OrganizationalUnitIds", ())))
    named = await _listed(inner, stack_set, targets)
    chosen = _filter(targets.get("AccountFilterType"), units, named, creating)
    members = members_by_unit(stack_set.owner.account, units)
    if not creating:
        # Accounts that have left a unit are still reached by it.
        for place, instance in stack_set.instances.items():
            if instance.unit is not None and instance.unit in units:
                members.setdefault(place.account, instance.unit)
    found = dict.fromkeys(members)
    if chosen == "INTERSECTION":
        found = {a: None for a in found if a in named}
    elif chosen == "DIFFERENCE":
        found = {a: None for a in found if a not in named}
    elif chosen == "UNION":
        found.update(dict.fromkeys(named))
    return {
        "accounts": tuple(found),
        "units": members,
        "named": frozenset(named),
        "organizational_units": tuple(units),
        "whole": chosen in ("NONE", "UNION"),
    }


def _filter(given: str | None, units: list[str], named: list[str], new: bool) -> str:
    """The account filter that holds; ServiceError when the combination is wrong."""
    if not units:
        raise invalid(ONLY_UNITS)
    if len(units) > MAX_UNITS:
        raise invalid(
            f"The maximum number of organizational units in one operation is {MAX_UNITS}"
        )
    if given is None and named and new:
        raise invalid(
            "AccountFilterType should be specified when both OrganizationalUnitIds and "
            "Accounts are provided"
        )
    if given == "UNION" and new:
        raise invalid("AccountFilterType UNION is not supported for create operations")
    if given not in (None, "NONE") and not named:
        raise invalid(f"Accounts must be specified with AccountFilterType {given}")
    return given or ("UNION" if named else "NONE")


def members_by_unit(management: str, units: Iterable[str]) -> dict[str, str]:
    """Account to unit, for all accounts in units and below."""
    members: dict[str, str] = {}
    for unit in units:
        inside = organizations.members_of(management, unit)
        if inside is None:
            raise invalid(f"Organizational unit {unit} does not exist")
        for account in inside:
            members.setdefault(account, unit)
    return members


async def _listed(
    inner: Inner, stack_set: StackSet, targets: Mapping[str, Any]
) -> list[str]:
    """The accounts that deployment targets name, in the call or in a file."""
    url = targets.get("AccountsUrl")
    if url is None:
        return list(dict.fromkeys(targets.get("Accounts", ())))
    if targets.get("Accounts"):
        raise invalid("Either Accounts or AccountsUrl can be specified, but not both")
    try:
        text = await templates.fetch(inner, stack_set.owner, url)
    except ServiceError as error:
        raise invalid(f"AccountsUrl cannot be read: {error.message}") from error
    accounts = [a for a in re.split(r"[,\s]+", text) if a]
    wrong = [a for a in accounts if not re.fullmatch(r"[0-9]{12}", a)]
    if wrong:
        raise invalid(f"AccountsUrl has an invalid account: {wrong[0][:20]}")
    return list(dict.fromkeys(accounts))
