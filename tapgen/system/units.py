"""Stack sets that AWS Organizations deploys: checks, deletions, values of new accounts.

Automatic deployment gives an account that joins the stack set's own template and values.
It goes on in a unit until that very unit is deleted from the stack set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from tapgen.model import (
    AccountFilter,
    Observed,
    Output,
    ServiceManaged,
    StackSet,
    Target,
)

_Value = TypeVar("_Value")


def problems(s: StackSet) -> Iterator[str]:
    """Yield a line for each reason why a resolved stack set cannot be deployed."""
    managed = s.service_managed
    if managed is None:
        return
    units = ", ".join(managed.organizational_units)
    accounts = {t.account for t in s.targets}
    strange = sorted({*managed.accounts} - accounts)
    if strange and managed.account_filter is AccountFilter.INTERSECTION:
        yield (
            f"{s.part}: {', '.join(strange)} is in none of the organizational units "
            f"({units}); list accounts that are in them"
        )
    elif not s.targets:
        yield f"{s.part}: {_nowhere(managed, units)}"
    overridden = {o.account for o in s.overrides if o.account}
    for account in sorted(overridden - accounts) if s.targets else ():
        yield (
            f"{s.part}: an override is for {account}, which is in none of the "
            f"organizational units ({units}); remove it"
        )
    nested = sorted(managed.kin & {*managed.organizational_units})
    if nested:
        yield (
            f"{s.part}: {', '.join(nested)} is above or below another unit of this "
            "stack set; list only one of the two"
        )


def _nowhere(managed: ServiceManaged, units: str) -> str:
    if managed.accounts:
        return (
            f"account_filter {managed.account_filter} excludes all accounts of "
            f"{units}; list other accounts"
        )
    return (
        f"{units} and the units below have no account to deploy to; move an account "
        "there, or turn automatic deployment on"
    )


def follows(s: StackSet) -> bool:
    """Whether accounts that join get the stack automatically."""
    return s.service_managed is not None and s.service_managed.auto_deployment.enabled


def own_values(
    s: StackSet,
    values: Mapping[str, _Value],
    varying: frozenset[str],
    defaults: Mapping[str, str],
) -> dict[str, _Value | str]:
    """Return the values of the stack set itself, which accounts that join get.

    `values` are those of any target. With automatic deployment, a parameter that varies
    between targets has the stack set's own value or the template's default. Without it
    any target's value will do, because each target has an override.
    """
    if not follows(s):
        return dict(values)
    own: dict[str, _Value | str] = dict(values)
    for name in varying:
        value = s.parameters.get(name, defaults.get(name))
        if isinstance(value, str):
            own[name] = value
    return own


def unshared(s: StackSet, varying: frozenset[str]) -> Iterator[str]:
    """Yield a line for each value that an account that joins would get from another one."""
    if not follows(s):
        return
    for name in sorted(varying):
        value = s.parameters.get(name)
        if isinstance(value, Output):
            yield (
                f"{s.part}.{name}: comes from {value}, which differs between targets, "
                "and an account that joins would get the value of another account; "
                "give a value that all share, or turn automatic deployment off"
            )


def retreat(
    s: StackSet, found: Observed, surplus: Sequence[Target]
) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """Return (targets to delete as whole units, targets to delete by account).

    Where nothing of a unit remains in a region, the request names the unit and not its
    accounts: only then automatic deployment stops for it. That deletes everything in the
    unit, so it is never done where a remaining unit is above or below it.
    """
    managed = s.service_managed
    kin = managed.kin if managed else frozenset()
    left = {(t.unit, t.region) for t in found.instances if t not in surplus}
    left |= {(t.unit, t.region) for t in s.targets}
    regions = {t.region for t in s.targets}
    whole = tuple(
        t
        for t in surplus
        if t.unit
        and (t.unit, t.region) not in left
        and (t.region not in regions or t.unit not in kin)
    )
    single = tuple(t for t in surplus if t not in whole and not t.joins_later)
    return whole, single


def asleep(s: StackSet, found: Observed) -> tuple[Target, ...]:
    """Return the instances in suspended accounts. StackSets does nothing there, and tapgen
    leaves them alone, because the accounts may come back."""
    suspended = s.service_managed.suspended if s.service_managed else frozenset()
    return tuple(sorted(t for t in found.instances if t.account in suspended))
