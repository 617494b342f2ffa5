"""Which values follow a change: references to resources, and outputs.

CloudFormation's own rules: a Ref changes when its resource is replaced; what an attribute
is after an update in place is known only then, so that a property that takes it changes
perhaps (`Evaluation: Dynamic` makes `Replacement: Conditional`; API reference,
ResourceChange and ResourceChangeDetail). An attribute that is a property has the value
that the template gives. `knowledge.attributes` lists what changes against these rules.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Any

from tapgen.frozen import dataclass
from tapgen.knowledge.attributes import ANY, ANY_REF, CHANGING, IDENTIFIERS, Changing
from tapgen.template import schemas
from tapgen.template.changes import ORDER, Property, Resource, Verb, Verdict
from tapgen.template.differences import Path
from tapgen.template.evaluate import Evaluated
from tapgen.template.judge import Judge, overlap, steps, weighed
from tapgen.template.values import LATER, equal, is_function, mapping, uses


class Movement(IntEnum):
    """Whether a Ref or an attribute gets another value."""

    STAYS = 0
    PERHAPS = 1
    SURELY = 2


def movement(reference: str, changes: Mapping[str, Resource]) -> Movement:
    """Return whether a `resource` or `resource.attribute` gets another value with these
    changes, by logical id."""
    logical_id, _, attribute = reference.partition(".")
    change = changes.get(logical_id)
    if change is None or change.verb is not Verb.CHANGE:
        return Movement.STAYS  # a reference to a new resource differs already
    if change.verdict is Verdict.REFUSED or _keeps_property(change, attribute):
        return Movement.STAYS
    if change.verdict is Verdict.REPLACES:
        identity = attribute == "" or attribute.endswith(IDENTIFIERS)
        return Movement.SURELY if identity else Movement.PERHAPS
    if change.verdict is Verdict.MAY_REPLACE:
        return Movement.PERHAPS
    return Movement.PERHAPS if _moves_in_place(change, attribute) else Movement.STAYS


def _keeps_property(change: Resource, attribute: str) -> bool:
    """Whether an attribute is a property that is given and does not change."""
    if not _is_property(change.type, attribute):
        return False
    path = attribute.replace(".", "/")
    top = path.partition("/")[0]
    before, after = mapping(change.before).get(top), mapping(change.after).get(top)
    return after is not None and equal(before, after) and not _changes(change, path)


def _is_property(kind: str, attribute: str) -> bool:
    """Whether an attribute is a property that a template may give."""
    read_only = attribute in schemas.attributes(kind)
    return not read_only and attribute.partition(".")[0] in schemas.properties(kind)


def _changes(change: Resource, path: str) -> bool:
    return any(overlap("/".join(steps(p.path)), path) for p in _of_properties(change))


def _of_properties(change: Resource) -> list[Property]:
    return [p for p in change.properties if p.of == "Properties"]


def _moves_in_place(change: Resource, attribute: str) -> bool:
    """Whether an update in place may change a Ref (no attribute) or an attribute."""
    if not _of_properties(change):
        return False  # no handler is called for Metadata and policies
    known = _changing(change.type, attribute)
    if known:
        return ANY in known.by or any(_changes(change, name) for name in known.by)
    path = attribute.replace(".", "/")
    if attribute == "" or attribute.endswith(IDENTIFIERS):
        return False
    if path in schemas.create_only(change.type):
        return False
    if _is_property(change.type, attribute):
        return _changes(change, path)
    return path not in schemas.identifier(change.type)


def _changing(kind: str, attribute: str) -> Changing | None:
    name = attribute or ANY_REF
    for one in CHANGING:
        fits = name == ANY_REF if one.attribute == ANY_REF else attribute != ""
        if fits and kind.startswith(one.type) and name.startswith(one.attribute):
            return one
    return None


# -- resources -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Use:
    """A reference to a resource in a property of another."""

    user: str
    path: Path
    reference: str
    whole: bool


def spread(found: dict[str, Resource], new: Evaluated) -> None:
    """Add resources that refer to changed ones to the changes, and theirs."""
    users: dict[str, list[_Use]] = {}
    for user, resource in new.resources.items():
        for name, value in mapping(resource.get("Properties")).items():
            for use in _uses(user, (name,), value):
                users.setdefault(use.reference.partition(".")[0], []).append(use)
    causes: dict[tuple[str, str | int], set[str]] = {}
    waiting = deque(sorted(found))
    while waiting:
        for use in users.get(waiting.popleft(), ()):
            moves = movement(use.reference, found)
            if moves is Movement.STAYS:
                continue
            sure = use.whole and moves is Movement.SURELY
            before = found.get(use.user)
            after = _followed(use, before, new, causes, sure)
            if after is not None and after != before:
                found[use.user] = after
                waiting.append(use.user)


def _uses(user: str, path: Path, node: Any) -> Iterator[_Use]:
    """Yield every reference in the properties of a resource, with its place."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _uses(user, (*path, number), item)
    elif isinstance(node, Mapping) and not is_function(node):
        for name, value in node.items():
            yield from _uses(user, (*path, str(name)), value)
    else:
        for reference, whole in uses(node):
            yield _Use(user, path, reference, whole)


def _followed(
    use: _Use,
    known: Resource | None,
    new: Evaluated,
    causes: dict[tuple[str, str | int], set[str]],
    sure: bool,
) -> Resource | None:
    """Return the change of a resource that refers to something that moves; None where
    nothing is to be said about it."""
    resource = new.resources[use.user]
    start = known or _unchanged(use.user, resource)
    if start.verb is not Verb.CHANGE:
        return None
    name = use.path[0]
    listed = [p for p in _of_properties(start) if p.path[0] == name]
    own = causes.setdefault((use.user, name), set())
    if listed and not own:
        return weighed(_surer(start, use, resource)) if sure else None
    own.add(use.reference)
    later = {LATER: f"new {', '.join(sorted(own))}"}
    place = _judged(use, resource, sure)
    worst = max([place, *listed], key=lambda p: ORDER.index(p.verdict))
    others = tuple(p for p in start.properties if p not in listed)
    value = start.after[name]
    moved = replace(worst, path=(name,), old=value, new=later)
    return weighed(replace(start, properties=(*others, moved)))


def _judged(use: _Use, resource: Mapping[str, Any], sure: bool) -> Property:
    """Return what a reference makes of the property that it is in."""
    properties = mapping(resource.get("Properties"))
    name = str(use.path[0])
    # A value that is certainly another one is as good as known.
    new: Any = f"new {use.reference}" if sure else {LATER: f"new {use.reference}"}
    place = Property(use.path, properties[name], new)
    after = {**properties, name: new}
    kind, policy = str(resource.get("Type", "?")), resource.get("UpdatePolicy")
    return Judge(kind, properties, after, policy).of(place, sure)


def _surer(change: Resource, use: _Use, resource: Mapping[str, Any]) -> Resource:
    """Return a change in which what may replace the resource certainly does, as the same
    place refers to something that certainly moves."""
    verdict = _judged(use, resource, True).verdict
    place = "/".join(steps(use.path))
    return replace(
        change,
        properties=tuple(
            (
                replace(p, verdict=verdict)
                if p.verdict is Verdict.MAY_REPLACE
                and verdict is Verdict.REPLACES
                and overlap("/".join(steps(p.path)), place)
                else p
            )
            for p in change.properties
        ),
    )


def _unchanged(logical_id: str, resource: Mapping[str, Any]) -> Resource:
    properties = mapping(resource.get("Properties"))
    return Resource(
        Verb.CHANGE,
        logical_id,
        str(resource.get("Type", "?")),
        retained=keeps(resource.get("UpdateReplacePolicy")),
        before=properties,
        after=properties,
    )


def deletion_policy(resource: Mapping[str, Any]) -> Any:
    """Return the DeletionPolicy of an evaluated resource, by default AWS's: "The default
    policy is Snapshot for AWS::RDS::DBCluster resources and for AWS::RDS::DBInstance
    resources that don't specify the DBClusterIdentifier property" (template reference,
    DeletionPolicy attribute; there is no such default for UpdateReplacePolicy). Of a read
    replica no snapshot is taken."""
    given = resource.get("DeletionPolicy")
    if given is not None:
        return given
    kind, properties = resource.get("Type"), mapping(resource.get("Properties"))
    members = ("DBClusterIdentifier", "SourceDBInstanceIdentifier")
    member = any(properties.get(name) is not None for name in members)
    instance = kind == "AWS::RDS::DBInstance" and not member
    return "Snapshot" if instance or kind == "AWS::RDS::DBCluster" else "Delete"


def keeps(policy: Any) -> bool:
    """Whether a DeletionPolicy or UpdateReplacePolicy keeps the data."""
    return str(policy).startswith("Retain") or policy == "Snapshot"


# -- outputs -------------------------------------------------------------------------


def moving_outputs(
    old: Evaluated, new: Evaluated, changes: Iterable[Resource]
) -> frozenset[str]:
    """Return the outputs whose values these changes may change."""
    moved = {change.logical_id: change for change in changes}
    added = {name for name, change in moved.items() if change.verb is Verb.ADD}
    return frozenset(
        name
        for name, value in new.outputs.items()
        if name not in old.outputs
        or not equal(old.outputs[name], value)
        or any(
            reference.partition(".")[0] in added or movement(reference, moved)
            for reference, _ in uses(value)
        )
    )


def replaced_outputs(new: Evaluated, changes: Iterable[Resource]) -> frozenset[str]:
    """Return the outputs that certainly change, as they name replaced resources."""
    moved = {change.logical_id: change for change in changes}
    return frozenset(
        name
        for name, value in new.outputs.items()
        if any(
            whole and movement(reference, moved) is Movement.SURELY
            for reference, whole in uses(value)
        )
    )
