"""Deployment by AWS Organizations: permission models and organizational units."""

from __future__ import annotations

from enum import StrEnum

from tapgen.frozen import dataclass


class PermissionModel(StrEnum):
    """Whose roles deploy into an account (`PermissionModels`): those that tapgen
    creates there, or those of AWS Organizations."""

    SELF_MANAGED = "SELF_MANAGED"
    SERVICE_MANAGED = "SERVICE_MANAGED"


class AccountFilter(StrEnum):
    """Which accounts of organizational units are targets (`AccountFilterType`).

    `UNION` is left out: no stack instance can be created with it (API reference,
    DeploymentTargets).
    """

    NONE = "NONE"
    INTERSECTION = "INTERSECTION"
    DIFFERENCE = "DIFFERENCE"


@dataclass(frozen=True)
class AutoDeployment:
    """Whether stacks follow accounts into and out of units (`AutoDeployment`).

    `depends_on` are the names of the stack sets that an account gets first.
    """

    enabled: bool = False
    retain_stacks: bool = False  # RetainStacksOnAccountRemoval
    depends_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # The order means nothing, and JSON has lists.
        object.__setattr__(self, "depends_on", tuple(sorted(self.depends_on)))


@dataclass(frozen=True)
class ServiceManaged:
    """How a stack set is deployed by AWS Organizations (`DeploymentTargets`).

    `organizational_units` are ids of units or of the root, or paths of names below the
    root, such as `Workloads/Prod`; `accounts` are those that `account_filter` refers to.
    `kin` and `suspended` are known once resolved: the units above and below those
    named, and the suspended accounts in them, where nothing can be deployed.
    """

    organizational_units: tuple[str, ...]
    accounts: tuple[str, ...] = ()
    account_filter: AccountFilter = AccountFilter.NONE
    auto_deployment: AutoDeployment = AutoDeployment()
    kin: frozenset[str] = frozenset()
    suspended: frozenset[str] = frozenset()

    def takes(self, account: str) -> bool:
        """Whether the filter includes an account of the units."""
        if self.account_filter is AccountFilter.NONE:
            return True
        named = account in self.accounts
        return named == (self.account_filter is AccountFilter.INTERSECTION)


@dataclass(frozen=True)
class Unit:
    """An organizational unit, or the root.

    `accounts` are the active ones in it and below, never the management account, which
    StackSets leaves out, `suspended` the others; `kin` are the units above it and below.
    """

    id: str
    accounts: tuple[str, ...]
    kin: frozenset[str] = frozenset()
    suspended: frozenset[str] = frozenset()
