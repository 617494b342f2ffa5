"""The physical names that templates give their resources, and where each is unique.

A name that only AWS can fill in is left out: nothing certain can be said about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tapgen.frozen import dataclass
from tapgen.knowledge.names import (
    ACCOUNT_WIDE,
    BELOW,
    IAM,
    ONE_PER_REGION,
    OVERWRITTEN,
    RECORD,
    REGIONAL,
    SAME,
    WORLD,
)
from tapgen.model import Target
from tapgen.template import schemas, scope
from tapgen.template.custom_names import custom_name
from tapgen.template.places import value_at

_LISTED = {**IAM, **ACCOUNT_WIDE, **WORLD, **REGIONAL}


@dataclass(frozen=True, order=True)
class Name:
    """A name of a type, in the scope in which no other resource may have it; empty for
    a type of which there can be only one."""

    type: str
    name: str
    scope: str

    @property
    def short(self) -> str:
        return self.name.replace("|", " ")

    @property
    def is_refused(self) -> bool:
        """Whether AWS refuses to create a second one, and does not overwrite the first."""
        return self.type not in OVERWRITTEN


def of(
    kind: str, properties: Mapping[str, Any], target: Target, stack_set: str
) -> Name | None:
    """Return the name that a template gives a resource; None where it gives none, or
    where only AWS knows it."""
    if kind in ONE_PER_REGION:
        return Name(kind, "", str(target))
    if kind == RECORD:
        return _record(properties, target, stack_set)
    paths = paths_of(kind)
    values = [value_at(properties, path) for path in paths]
    if not values or not all(map(_is_known, values)):
        return None
    name = "|".join(values)
    if kind in WORLD:
        # A bucket in the namespace of its account and region (BucketNamespace).
        own = properties.get("BucketNamespace")
        where = scope.partition(target.region) if own is None else str(target)
    elif kind in IAM or kind in ACCOUNT_WIDE:
        where = target.account
    else:
        where = f"{target} {_below(kind, properties, stack_set)}".rstrip()
    return Name(SAME.get(kind, kind), name, where)


def exclusive(
    kind: str, properties: Mapping[str, Any], account: str, region: str
) -> tuple[str, Name, tuple[str, ...]] | None:
    """Return the name of a resource, what AWS creates no second time, and where: in its
    account and region, in its account, or, where empty, anywhere. None where AWS would
    create another one, or overwrite the first."""
    target = Target(account, region)
    found = of(kind, properties, target, "")
    if found is None or not found.is_refused:
        return None
    within: tuple[str, ...] = ()
    if found.scope.partition(" ")[0] == str(target):
        within = (account, region)
    elif found.scope == account:
        within = (account,)
    return found.short or account, found, within


def given(kind: str, name: str, target: Target) -> Name | None:
    """Return the name of a resource that is known by its name alone; None for a type
    that needs more than that."""
    paths = paths_of(kind)
    if len(paths) != 1 or kind in BELOW or not name:
        return None
    properties: Any = name
    for key in reversed(paths[0].split("/")):
        properties = {key: properties}
    return of(kind, properties, target, "")


def of_physical(kind: str, physical_id: str) -> str:
    """Return the name of a resource by its physical id, which may be its ARN or URL."""
    if kind == "AWS::SecretsManager::Secret":
        # The ARN ends with the name, a hyphen and six characters.
        return physical_id.rpartition(":")[2].rpartition("-")[0]
    if kind == "AWS::Logs::LogGroup" or not physical_id.startswith(("arn:", "http")):
        return physical_id
    last = physical_id.rpartition(":")[2]
    return last.rpartition("/")[2]


def path_of(kind: str) -> tuple[str, ...]:
    """Return the path of the first property that is the name of a type; empty where it
    has none."""
    paths = paths_of(kind)
    return tuple(paths[0].split("/")) if paths else ()


def sharing(types: Iterable[str]) -> frozenset[str]:
    """Return these types, and those that share their names."""
    found = frozenset(types)
    return found | {kind for kind, same in SAME.items() if same in found}


def paths_of(kind: str) -> list[str]:
    """Return the paths of the properties that are the name of a type; none where it has
    no name, or where two may have the same."""
    listed = _LISTED.get(kind)
    if listed:
        return ["/".join(listed)]
    custom = custom_name(kind)
    return custom.property.split("|") if custom else []


def reads(kind: str) -> frozenset[str]:
    """Return the actions with which CloudFormation finds out whether a name of a type is
    taken; none for a type without names."""
    found = schemas.indexed_reads(kind)
    if found is None:
        found = schemas.read_actions(kind) if paths_of(kind) else frozenset()
    return found


def _is_known(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and "{{" not in value


def _record(
    properties: Mapping[str, Any], target: Target, stack_set: str
) -> Name | None:
    """Return the name of a record, which is unique in its zone."""
    both = [properties.get(key) for key in ("Name", "Type")]
    others = [properties.get("SetIdentifier", "")]
    zone = properties.get("HostedZoneId")
    by_name = properties.get("HostedZoneName")
    if not all(map(_is_known, both)) or not isinstance(others[0], str):
        return None
    if isinstance(zone, str):
        where = zone.removeprefix("/hostedzone/")
    elif isinstance(by_name, str):
        where = f"{target.account} {by_name}"
    else:
        where = f"{target} {stack_set} {zone or by_name!r}"
    name, kind = map(str, both)
    return Name(
        RECORD, "|".join([name.rstrip("."), kind, *filter(None, others)]), where
    )


def _below(kind: str, properties: Mapping[str, Any], stack_set: str) -> str:
    """Return what the name is unique below; a reference means another thing in each
    stack set."""
    value = properties.get(BELOW.get(kind, ""))
    if value in (None, "default"):  # the default VPC, cluster or event bus
        return ""
    return value if isinstance(value, str) else f"{stack_set} {value!r}"
