"""Compare two evaluated templates, resource by resource and property by property.

Data in, data out. Formatting, key order, and whether a value is literal or computed by
an intrinsic function make no difference. `differences` finds what differs, `judge`
says what that does to a resource, `propagation` follows references. `refusals` knows the
changes that AWS refuses; another `Type` is one: "Update of resource type is not
permitted" (UpdateStack). `entries` are what differs outside of the resources.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import HIDDEN, Target
from tapgen.template import (
    context,
    evaluate,
    propagation,
    refusals,
    schemas,
    snapshots,
)
from tapgen.template.changes import Property, Resource, Verb, Verdict
from tapgen.template.differences import Path, around, differences
from tapgen.template.evaluate import Evaluated
from tapgen.template.judge import (
    OTHER_SECRET,
    SECRET,
    Judge,
    Known,
    masked,
    overlap,
    steps,
    weighed,
)
from tapgen.template.propagation import (
    Movement,
    deletion_policy,
    keeps,
    movement,
    moving_outputs,
    replaced_outputs,
)
from tapgen.template.refusals import Refused
from tapgen.template.values import LATER, equal, identical, later, references, uses

__all__ = [
    "ANYWHERE",
    "Entry",
    "Property",
    "Resource",
    "Side",
    "Verb",
    "Verdict",
    "compare",
    "entries",
    "moving_outputs",
    "outputs_of_new_vpcs",
    "replaced_outputs",
    "same",
    "show",
    "sides",
    "templates",
]

ANYWHERE = Target("000000000000", "us-east-1")


def compare(
    old: Evaluated, new: Evaluated, moved: Mapping[str, bool] | None = None
) -> tuple[Resource, ...]:
    """Return the differences of two evaluated templates, by logical id, including
    resources that change because they refer to a replaced one.

    `moved` are the values known later (`values.LATER`) that certainly differ from
    today's, and whether they are subnets of a VPC that does not exist yet.
    """
    found: dict[str, Resource] = {}
    added = new.resources.keys() - old.resources.keys()
    known = Known(
        {*(moved or {}), OTHER_SECRET}, added, old.resources.keys() | new.resources
    )
    for logical_id in sorted({*old.resources, *new.resources}):
        both = old.resources.get(logical_id), new.resources.get(logical_id)
        change = _resource(logical_id, *both, known)
        if change:
            found[logical_id] = change
    propagation.spread(found, new)
    for name, those in _unpublished(found, old, new):
        found[name] = replace(found[name], unpublished=those)
    moves = _Moves((old, new), found, moved or {})
    changes = (_with_refusals(found[name], moves) for name in sorted(found))
    return tuple(_marked(change, old, new) for change in changes)


def _marked(change: Resource, old: Evaluated, new: Evaluated) -> Resource:
    """Return the change with what the templates say about such a change."""
    if change.verb is Verb.ADD:
        return change
    was, now = (side.resources.get(change.logical_id) for side in (old, new))
    assert was is not None
    changed = [
        str(p.path[0]) if p.of == "Properties" else p.of
        for p in change.properties
        if p.of != "Metadata"
    ]
    found = context.marks(was, now, changed)
    loosened = context.loosened(was, now) if now is not None else ()
    if not found and not loosened:
        return change
    return replace(change, marks=found, loosened=loosened)


def _unpublished(
    found: Mapping[str, Resource], old: Evaluated, new: Evaluated
) -> list[tuple[str, tuple[str, ...]]]:
    """Return the changes that reach nobody, each with the snapshots that stay."""
    names = {
        name: frozenset(str(p.path[0]) for p in change.properties)
        for name, change in found.items()
        if change.verdict is not Verdict.REPLACES and not _is_beside(change)
    }
    fresh = frozenset(
        name
        for name, change in found.items()
        if change.verb is Verb.ADD or change.verdict is Verdict.REPLACES
    )
    return list(snapshots.unpublished(names, fresh, old.resources, new.resources))


def _is_beside(change: Resource) -> bool:
    """Whether only policies or metadata of a resource change: no snapshot has them."""
    return change.verb is Verb.CHANGE and all(
        place.of in _ATTRIBUTES for place in change.properties
    )


@dataclass(frozen=True)
class Entry:
    """A difference outside of the resources; None stands for an absent value.

    `section` is that of the template, `path` is below it: an output's Value, the Name
    that it is exported by, or a condition.
    """

    section: str
    path: Path
    old: Any
    new: Any


def entries(old: Evaluated, new: Evaluated) -> tuple[Entry, ...]:
    """Return the outputs and exports that differ, and the conditions that both templates
    have and that come out differently."""
    found = []
    for name in sorted({*old.outputs, *new.outputs}):
        was, now = (
            {"Value": side.outputs.get(name), "Export": side.exports.get(name)}
            for side in (old, new)
        )
        for place in differences((name,), was, now):
            found.append(Entry("Outputs", *place))
    for name in sorted(old.conditions.keys() & new.conditions):
        for place in differences((name,), _outcome(old, name), _outcome(new, name)):
            found.append(Entry("Conditions", *place))
    return tuple(found)


def _outcome(side: Evaluated, name: str) -> Any:
    """Return what a condition comes to: what it says where only AWS knows that."""
    return side.undecided.get(name, side.conditions.get(name))


def templates(old: str, new: str, target: Target = ANYWHERE) -> tuple[Resource, ...]:
    """Return the differences of two template texts with their defaults, for a target."""
    return compare(*sides((old, {}), (new, {}), target))


Side = tuple[Mapping[str, Any] | str, Mapping[str, Any]]
"""A template and the values of its parameters."""


def sides(old: Side, new: Side, target: Target) -> tuple[Evaluated, Evaluated]:
    """Return two templates evaluated for a target, to be compared and shown.

    Values of NoEcho parameters are replaced by a mark that only shows whether they
    differ. One that CloudFormation hides (`model.HIDDEN`) counts as the same.
    """
    before, after = dict(old[1]), dict(new[1])
    was, now = evaluate.secrets(*old), evaluate.secrets(*new)
    unseen = {name for name, value in before.items() if value == HIDDEN}
    for name in {*was, *now, *unseen}:
        values = was.get(name, before.get(name)), now.get(name, after.get(name))
        known = name not in unseen and None not in values
        other = known and not equal(*values)
        if _is_text(values[0]):
            before[name] = {LATER: SECRET}
        if name in unseen or _is_text(values[1]):
            after[name] = {LATER: OTHER_SECRET if other else SECRET}
    was_evaluated = evaluate.evaluate(old[0], before, target)
    return was_evaluated, evaluate.evaluate(new[0], after, target)


def _is_text(value: Any) -> bool:
    """Whether a value is known and not empty. An empty one is no secret, and conditions
    depend on it."""
    return value not in (None, "") and not isinstance(value, Mapping)


def outputs_of_new_vpcs(new: Evaluated, changes: Iterable[Resource]) -> frozenset[str]:
    """Return the outputs that refer only to subnets of VPCs that are replaced."""
    moves = _Moves((new, new), {c.logical_id: c for c in changes}, {})
    return frozenset(
        name
        for name, value in new.outputs.items()
        if (found := list(references(value)))
        and all((moves.vpc_of({"Ref": r}, True) or "").endswith(_NEW) for r in found)
    )


def same(old: str, new: str) -> bool:
    """Whether two template texts have the same content: to JSON, 1 is not true."""
    try:
        return identical(json.loads(old), json.loads(new))
    except (ValueError, RecursionError):
        return old == new


def show(path: Path) -> str:
    """Return a path as a user reads it: `Tags[Owner].Value`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) or part[:1] == "=" else f".{part}"
    return text.lstrip(".").replace("[=", "[")


def _resource(
    logical_id: str,
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
    known: Known,
) -> Resource | None:
    """Return the change of a resource; None for none."""
    before, after = _properties(old), _properties(new)
    if old is None and new is not None:
        kind = str(new.get("Type", "?"))
        return Resource(Verb.ADD, logical_id, kind, after=after)
    assert old is not None
    kind = str((new or old).get("Type", "?"))
    if new is None:
        retained = keeps(deletion_policy(old))
        return Resource(
            Verb.REMOVE,
            logical_id,
            kind,
            retained=retained,
            before=before,
            after=None,
        )
    both = before, after
    judge = Judge(kind, *both, new.get("UpdatePolicy"))
    found = [
        masked(kind, judge.of(Property(*place), sure))
        for place in differences((), *both, partial(_is_ordered, kind))
        for sure in [known.surely_differ(*around(place[0], *both))]
    ]
    refused: tuple[Refused, ...] = ()
    if old.get("Type") != kind:
        types = old.get("Type"), kind
        found.append(Property(("Type",), *types, Verdict.REFUSED, of="Type"))
        refused = (refusals.of_type(logical_id),)
    found += _beside_properties(old, new)
    if not found:
        return None
    return weighed(
        Resource(
            Verb.CHANGE,
            logical_id,
            kind,
            tuple(found),
            retained=keeps(new.get("UpdateReplacePolicy")),
            before=before,
            after=after,
            refusals=refused,
        )
    )


def _is_ordered(kind: str, path: Path) -> bool:
    return schemas.is_ordered(kind, steps(path))


# What a change set lists beside properties (API reference, ResourceTargetDefinition).
_ATTRIBUTES = (
    *("DeletionPolicy", "UpdateReplacePolicy"),
    *("UpdatePolicy", "CreationPolicy", "Metadata"),
)


def _beside_properties(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Property]:
    for name in _ATTRIBUTES:
        for place in differences((name,), old.get(name), new.get(name)):
            yield Property(*place, of=name)


def _properties(resource: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (resource or {}).get("Properties")
    return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class _Moves:
    """What certainly gets another value: references to replaced resources, and values
    known later, each with whether it is a subnet of a new VPC."""

    sides: tuple[Evaluated, Evaluated]
    changes: Mapping[str, Resource]
    later: Mapping[str, bool]

    def concern(self, value: Any) -> bool:
        """Whether a value certainly changes with what it refers to."""
        return any(text in self.later for text in later(value)) or any(
            whole and movement(reference, self.changes) is Movement.SURELY
            for reference, whole in uses(value)
        )

    def vpc_of(self, subnet: Any, after: bool) -> str | None:
        """Return what identifies the VPC of a subnet: its id or resource, with whether
        it is a new one. None for an unknown VPC."""
        if isinstance(subnet, str):
            return None if after else subnet  # an id of today: not in a new VPC
        if any(self.later.get(text) for text in later(subnet)):
            return _NEW
        name = next(references(subnet), "").partition(".")[0]
        found = self.sides[after].resources.get(name, {})
        vpc = _properties(found).get("VpcId")
        if found.get("Type") != "AWS::EC2::Subnet" or vpc is None:
            return None
        is_new = after and any(
            movement(r, self.changes) is Movement.SURELY for r in references(vpc)
        )
        return f"{json.dumps(vpc, sort_keys=True)}{_NEW if is_new else ''}"


_NEW = " (new)"


def _with_refusals(change: Resource, moves: _Moves) -> Resource:
    """Return the change with what AWS refuses about it."""
    if change.verb is not Verb.CHANGE or change.verdict is Verdict.REFUSED:
        return change
    found = refusals.of(
        change.type,
        change.before,
        change.after,
        change.logical_id,
        [name for name, value in change.after.items() if moves.concern(value)],
        moves.vpc_of,
    )
    if not found:
        return change
    paths = [path for one in found for path in one.paths]
    properties = tuple(
        replace(p, verdict=Verdict.REFUSED) if _is_among(p.path, paths) else p
        for p in change.properties
    )
    return replace(
        change, properties=properties, refusals=found, verdict=Verdict.REFUSED
    )


def _is_among(place: Path, paths: Iterable[str]) -> bool:
    """Whether a place is one of these properties, in one of them, or around one."""
    return not paths or any(overlap("/".join(steps(place)), path) for path in paths)
