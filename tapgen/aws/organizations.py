"""AWS Organizations: the accounts of organizational units.

Every call is made in the management account, or in that of a delegated administrator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tapgen.aws.session import Aws, ask, pages
from tapgen.errors import AwsError, PlanError
from tapgen.model import Target, Unit

_UNREADABLE = (
    "AWSOrganizationsNotInUseException",
    "AccessDenied",
    "AccessDeniedException",
    "NoRole",
)
WHOLE = "/"
"""Stands for the root: every account of the organization."""


def units(
    aws: Aws, admin: Target, named: Iterable[str], *, leaving: bool = False
) -> dict[str, Unit]:
    """Return organizational units by name, with their active accounts.

    A name is the id of a unit or of the root, a path of names below the root, or `/`.
    Suspended accounts and the management account are left out, as StackSets does
    (user guide, "Create StackSets with service-managed permissions").

    Raises PlanError for names that no unit has, unless `leaving`: a deletion also covers
    units that are deleted. Raises AwsError, with advice, where the organization cannot be
    read.
    """
    names = list(dict.fromkeys(named))
    if not names:
        return {}
    try:
        look = _Look(aws.client("organizations", admin))
        found = {name: look.unit(name) for name in names}
    except AwsError as error:
        raise _explained(error, admin) from error
    missing = [
        f"{name}: the organization has no such unit; {look.near(name)}; correct it, or "
        "remove it from organizational_units: the next rollout deletes its stacks"
        for name, id in found.items()
        if id is None and not leaving
    ]
    if missing:
        raise PlanError("\n".join(missing))
    return {name: look.whole(id) for name, id in found.items() if id is not None}


def root(aws: Aws, admin: Target) -> str:
    """Return the id of the root of the organization."""
    client = aws.client("organizations", admin)
    return str(next(pages(client, "list_roots", "Roots"))["Id"])


def exists(aws: Aws, admin: Target, unit: str) -> bool:
    """Return whether the organization has a unit, or a root, with this id."""
    return unit.startswith("r-") or _is_there(aws.client("organizations", admin), unit)


def trusts(aws: Aws, admin: Target, delegated: bool) -> bool:
    """Return whether StackSets has trusted access (`DescribeOrganizationsAccess`)."""
    client = aws.client("cloudformation", admin)
    call_as = "DELEGATED_ADMIN" if delegated else None
    answer = ask(client, "describe_organizations_access", CallAs=call_as)
    return bool(answer.get("Status") == "ENABLED")


def trust(aws: Aws, admin: Target) -> None:
    """Activate trusted access of StackSets; only the management account can."""
    ask(aws.client("cloudformation", admin), "activate_organizations_access")


def join(aws: Aws, path: str, account: str | None = None) -> str:
    """Move an account, or a new one, into a unit, for rehearsals on the embedded AWS;
    return the account's id.

    Creates the organization and the units of the path (names below the root, or `/`)
    where they are missing. Raises PlanError, before anything is created, for an account
    that the organization does not have.
    """
    client = aws.client("organizations")
    try:
        ask(client, "describe_organization")
    except AwsError as error:
        if error.code != "AWSOrganizationsNotInUseException":
            raise
        ask(client, "create_organization", FeatureSet="ALL")
    source = _parent(client, account) if account else None
    look = _Look(client)
    unit = str(look.unit(WHOLE))
    for step in filter(None, path.split("/")):
        inner = look.below(unit).get(step)
        if inner is None:
            created = ask(
                client, "create_organizational_unit", ParentId=unit, Name=step
            )
            inner = str(created["OrganizationalUnit"]["Id"])
        unit = inner
    if account is None:
        name = f"{unit}@example.com"
        created = ask(client, "create_account", AccountName=path, Email=name)
        account = str(created["CreateAccountStatus"]["AccountId"])
        source = _parent(client, account)
    if source != unit:
        ask(
            client,
            "move_account",
            AccountId=account,
            SourceParentId=source,
            DestinationParentId=unit,
        )
    return account


def _parent(client: Any, account: str) -> str:
    """The unit, or root, that an account is directly in."""
    try:
        parents = ask(client, "list_parents", ChildId=account)["Parents"]
    except AwsError as error:
        if error.code != "ChildNotFoundException":
            raise
        raise PlanError(
            f"the organization has no account {account}; pass one that tapgen local "
            "status lists, or none to create a new one"
        ) from error
    return str(parents[0]["Id"])


def _explained(error: AwsError, admin: Target) -> AwsError:
    if error.code not in _UNREADABLE:
        return error
    advice = (
        f"{error.message}: organizational units are read in {admin.account}, which must "
        "be the management account of an organization, or with admin.call_as "
        "DELEGATED_ADMIN a delegated administrator of StackSets; the caller needs "
        "organizations:Describe* and organizations:List*; run this with credentials of "
        "that account"
    )
    return type(error)(error.call, error.code, advice)


def _is_there(client: Any, id: str) -> bool:
    try:
        ask(client, "describe_organizational_unit", OrganizationalUnitId=id)
    except AwsError as error:
        if error.code in (
            "OrganizationalUnitNotFoundException",
            "InvalidInputException",
        ):
            return False
        raise
    return True


@dataclass
class _Look:
    """One walk through the organization; every unit is read once."""

    client: Any
    _below: dict[str, dict[str, str]] = field(default_factory=dict)
    _management: str | None = None

    def unit(self, name: str) -> str | None:
        """The id of a named unit; None where there is no such unit."""
        root = str(next(pages(self.client, "list_roots", "Roots"))["Id"])
        if name in (WHOLE, root):
            return root
        if name.startswith("ou-") and "/" not in name and _is_there(self.client, name):
            return name
        id: str | None = root
        for step in name.strip("/").split("/"):
            id = self.below(id).get(step) if id else None
        return id

    def below(self, parent: str) -> dict[str, str]:
        """Name to id of the units directly below a unit."""
        if parent not in self._below:
            self._below[parent] = {
                str(unit["Name"]): str(unit["Id"])
                for unit in pages(
                    self.client,
                    "list_organizational_units_for_parent",
                    "OrganizationalUnits",
                    ParentId=parent,
                )
            }
        return self._below[parent]

    def whole(self, unit: str) -> Unit:
        """A unit with its accounts."""
        accounts = dict(self.accounts(unit))
        return Unit(
            unit,
            tuple(sorted(id for id, active in accounts.items() if active)),
            self.kin(unit),
            frozenset(id for id, active in accounts.items() if not active),
        )

    def accounts(self, unit: str) -> Iterator[tuple[str, bool]]:
        """The accounts in a unit and below, without the management account, and whether
        each is active."""
        found = pages(
            self.client, "list_accounts_for_parent", "Accounts", ParentId=unit
        )
        for account in found:
            # State replaces Status (API reference, Account).
            state = account.get("State") or account.get("Status")
            if account["Id"] != self.management():
                yield str(account["Id"]), state == "ACTIVE"
        for inner in self.below(unit).values():
            yield from self.accounts(inner)

    def kin(self, unit: str) -> frozenset[str]:
        """The units above and below a unit."""
        found, above = set(self._all_below(unit)), unit
        while not above.startswith("r-"):
            answer = ask(self.client, "list_parents", ChildId=above)
            above = str(answer["Parents"][0]["Id"])
            found.add(above)
        return frozenset(found)

    def _all_below(self, unit: str) -> Iterator[str]:
        for inner in self.below(unit).values():
            yield inner
            yield from self._all_below(inner)

    def management(self) -> str:
        if self._management is None:
            answer = ask(self.client, "describe_organization")
            self._management = str(answer["Organization"]["MasterAccountId"])
        return self._management

    def near(self, name: str) -> str:
        """The units that exist at the last valid step of a path, in words."""
        id, followed = self.unit(WHOLE), ""
        for step in name.strip("/").split("/"):
            inner = self.below(id or "").get(step)
            if inner is None:
                break
            id, followed = inner, f"{followed}/{step}"
        has = ", ".join(sorted(self.below(id or ""))) or "no units"
        return f"{followed or 'the root'} has {has}"
