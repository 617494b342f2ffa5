"""Compare two evaluated templates, resource by resource and property by property.

Data in, data out. Formatting, key order, and whether a value is literal or computed by
an intrinsic function make no difference. A `Verdict` comes from the resource schemas:
`createOnlyProperties` replace, `conditionalCreateOnlyProperties` may replace
(CloudFormation resource provider schema); `replacements` knows when. `refusals` knows the
changes that AWS refuses; another `Type` is one: "Update of resource type is not
permitted" (UpdateStack).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tapgen.model import HIDDEN, Target
from tapgen.template import (
    evaluate,
    interruptions,
    refusals,
    replacements,
    schemas,
    snapshots,
)
from tapgen.template.differences import Path, differences
from tapgen.template.evaluate import Evaluated
from tapgen.template.refusals import Refused
from tapgen.template.values import LATER, equal, later, references

ANYWHERE = Target("000000000000", "us-east-1")

_REFERENCE = re.compile(
    r"\{\{resolve:[^{}]*\}\}"
)  # a dynamic reference, and nothing else


class Verb(StrEnum):
    """The change to a resource."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


class Verdict(StrEnum):
    """The effect of an update on a resource, mildest first."""

    IN_PLACE = "in place"
    MAY_REPLACE = "may replace"
    REPLACES = "replaces"
    REFUSED = "AWS refuses this update"


_REPLACING = (Verdict.MAY_REPLACE, Verdict.REPLACES)


_ORDER = list(Verdict)

# Stands for a secret: it stays hidden, and a change of it is still visible.
_SECRET = "(hidden)"
_OTHER_SECRET = "(hidden, another value)"


@dataclass(frozen=True)
class Property:
    """One difference in a resource; None stands for an absent value."""

    path: Path
    old: Any
    new: Any
    verdict: Verdict = Verdict.IN_PLACE
    interruption: str = ""  # what the change in place interrupts, in a phrase


@dataclass(frozen=True)
class Resource:
    """One resource that differs.

    Added and removed ones have no `properties`. `retained` is true where its policies
    retain (or snapshot) what a removal or replacement would delete. `after` are the
    evaluated properties it will have, `before` those it has.
    """

    verb: Verb
    logical_id: str
    type: str
    properties: tuple[Property, ...] = ()
    verdict: Verdict = Verdict.IN_PLACE
    retained: bool = False
    before: Any = None
    after: Any = None
    refusals: tuple[Refused, ...] = ()
    unpublished: tuple[str, ...] = ()  # snapshots of it that stay the same

    @property
    def stateful(self) -> bool:
        """Whether the resource holds data."""
        return schemas.is_stateful(self.type)

    @property
    def loses_data(self) -> bool:
        """Whether the change may delete data or leave it behind. A removed resource that
        its policy retains loses nothing."""
        if not self.stateful or self.verb is Verb.ADD:
            return False
        if self.verb is Verb.REMOVE:
            return not self.retained
        return self.verdict in _REPLACING

    @property
    def fate(self) -> str:
        """What happens to the resource, as the end of a sentence."""
        if self.verb is Verb.REMOVE:
            return "deleted"
        word = {
            Verdict.REPLACES: "replaced",
            Verdict.MAY_REPLACE: "perhaps replaced",
            Verdict.REFUSED: "changed in a way that AWS refuses",
        }
        return word.get(self.verdict, "changed in place")


def compare(
    old: Evaluated, new: Evaluated, moved: Mapping[str, bool] | None = None
) -> tuple[Resource, ...]:
    """Return the differences of two evaluated templates, by logical id, including
    resources that change because they refer to a replaced one.

    `moved` are the values known later (`values.LATER`) that certainly differ from
    today's, and whether they are subnets of a VPC that does not exist yet.
    """
    found: dict[str, Resource] = {}
    for logical_id in sorted({*old.resources, *new.resources}):
        change = _resource(
            logical_id, old.resources.get(logical_id), new.resources.get(logical_id)
        )
        if change:
            found[logical_id] = change
    while _spread(found, new):
        pass
    for name, those in _unpublished(found, old, new):
        found[name] = replace(found[name], unpublished=those)
    moves = _Moves((old, new), _replaced(found.values()), moved or {})
    return tuple(_with_refusals(found[name], moves) for name in sorted(found))


def _unpublished(
    found: Mapping[str, Resource], old: Evaluated, new: Evaluated
) -> list[tuple[str, tuple[str, ...]]]:
    """Return the changes that reach nobody, each with the snapshots that stay."""
    names = {
        name: frozenset(str(p.path[0]) for p in change.properties)
        for name, change in found.items()
        if change.verdict is not Verdict.REPLACES
    }
    fresh = frozenset(
        name
        for name, change in found.items()
        if change.verb is Verb.ADD or change.verdict is Verdict.REPLACES
    )
    return list(snapshots.unpublished(names, fresh, old.resources, new.resources))


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
            before[name] = {LATER: _SECRET}
        if name in unseen or _is_text(values[1]):
            after[name] = {LATER: _OTHER_SECRET if other else _SECRET}
    return (
        evaluate.evaluate(old[0], before, target),
        evaluate.evaluate(new[0], after, target),
    )


def moving_outputs(
    old: Evaluated, new: Evaluated, changes: Iterable[Resource]
) -> frozenset[str]:
    """Return the outputs whose values these changes may change.

    A resource's Ref and its identifiers (`…Arn`, `…Id`) change only when it is
    replaced; other attributes may change with any property.
    """
    moved = {change.logical_id: change for change in changes}
    added = {name for name, change in moved.items() if change.verb is Verb.ADD}
    return frozenset(
        name
        for name, value in new.outputs.items()
        if name not in old.outputs
        or not equal(old.outputs[name], value)
        or any(
            reference.partition(".")[0] in added or _moves(reference, moved)
            for reference in references(value)
        )
    )


def replaced_outputs(new: Evaluated, changes: Iterable[Resource]) -> frozenset[str]:
    """Return the outputs that refer to replaced resources, and so certainly change."""
    replaced = _replaced(changes)
    return frozenset(
        name
        for name, value in new.outputs.items()
        if any(
            reference.partition(".")[0] in replaced for reference in references(value)
        )
    )


def outputs_of_new_vpcs(new: Evaluated, changes: Iterable[Resource]) -> frozenset[str]:
    """Return the outputs that refer only to subnets of VPCs that are replaced."""
    moves = _Moves((new, new), _replaced(changes), {})
    return frozenset(
        name
        for name, value in new.outputs.items()
        if (found := list(references(value)))
        and all((moves.vpc_of({"Ref": r}, True) or "").endswith(_NEW) for r in found)
    )


def _replaced(changes: Iterable[Resource]) -> frozenset[str]:
    return frozenset(c.logical_id for c in changes if c.verdict is Verdict.REPLACES)


def same(old: str, new: str) -> bool:
    """Whether two template texts have the same content."""
    try:
        return bool(json.loads(old) == json.loads(new))
    except ValueError:
        return old == new


def block(text: str, name: str) -> Mapping[str, Any]:
    """Return a top-level block of a template text; empty when there is none."""
    try:
        found = json.loads(text).get(name, {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def show(path: Path) -> str:
    """Return a path as a user reads it: `Tags[Owner].Value`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) or part[:1] == "=" else f".{part}"
    return text.lstrip(".").replace("[=", "[")


def _resource(
    logical_id: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Resource | None:
    before, after = _properties(old), _properties(new)
    if old is None and new is not None:
        kind = str(new.get("Type", "?"))
        return Resource(Verb.ADD, logical_id, kind, after=after)
    assert old is not None
    kind = str((new or old).get("Type", "?"))
    if new is None:
        retained = _keeps(old.get("DeletionPolicy"))
        return Resource(
            Verb.REMOVE, logical_id, kind, retained=retained, before=before, after=None
        )
    policy = new.get("UpdatePolicy")
    found = [
        _corrected(kind, _judged(kind, Property(*place)), before, after, policy)
        for place in differences((), before, after)
    ]
    refused: tuple[Refused, ...] = ()
    if old.get("Type") != kind:
        found.append(Property(("Type",), old.get("Type"), kind, Verdict.REFUSED))
        refused = (refusals.of_type(logical_id),)
    attributes = ("DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy")
    for name in attributes:
        if not equal(old.get(name), new.get(name)):
            found.append(Property((name,), old.get(name), new.get(name)))
    if not found:
        return None
    return _weighed(
        Resource(
            Verb.CHANGE,
            logical_id,
            kind,
            tuple(found),
            retained=_keeps(new.get("UpdateReplacePolicy")),
            before=before,
            after=after,
            refusals=refused,
        )
    )


def _properties(resource: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (resource or {}).get("Properties")
    return found if isinstance(found, Mapping) else {}


def _keeps(policy: Any) -> bool:
    return str(policy).startswith("Retain") or policy == "Snapshot"


def _judged(kind: str, found: Property) -> Property:
    path = "/".join(str(part) for part in found.path if isinstance(part, str))
    keys = [p for p in found.path if isinstance(p, str) and not p.startswith("=")]
    again = _SECRET if found.old is None else _OTHER_SECRET
    return replace(
        found,
        old=_without_secrets(kind, keys, found.old, _SECRET),
        new=_without_secrets(kind, keys, found.new, again),
        verdict=_verdict(kind, path),
    )


def _is_text(value: Any) -> bool:
    """Whether a value is known and not empty. An empty one is no secret, and conditions
    depend on it."""
    return value not in (None, "") and not isinstance(value, Mapping)


def _without_secrets(kind: str, keys: Sequence[str], value: Any, mark: str) -> Any:
    """Return the value with secrets replaced by a mark; references to secrets stay."""
    if isinstance(value, list):
        return [_without_secrets(kind, keys, item, mark) for item in value]
    if isinstance(value, Mapping):
        if value.get(LATER) in (_SECRET, _OTHER_SECRET):
            return value[LATER]
        return {
            name: _without_secrets(kind, _below(keys, str(name)), inner, mark)
            for name, inner in value.items()
        }
    if isinstance(value, str) and schemas.is_secret(kind, keys):
        return value if _REFERENCE.fullmatch(value) else mark
    return value


def _below(keys: Sequence[str], name: str) -> Sequence[str]:
    """Return the property keys below a key of a mapping. Functions are no properties, and
    the names that they refer to are no secrets."""
    if name == "Ref" or name == "Fn::GetAtt":
        return ()
    return keys if name.startswith("Fn::") else (*keys, name)


@dataclass(frozen=True)
class _Moves:
    """What certainly gets another value: references to replaced resources, and values
    known later, each with whether it is a subnet of a new VPC."""

    sides: tuple[Evaluated, Evaluated]
    replaced: frozenset[str]
    later: Mapping[str, bool]

    def concern(self, value: Any) -> bool:
        """Whether a value certainly changes with what it refers to."""
        identities = any(map(self._is_identity, references(value)))
        return identities or any(text in self.later for text in later(value))

    def _is_identity(self, reference: str) -> bool:
        """Whether a reference is to what a replaced resource shares with no other."""
        logical_id, _, attribute = reference.partition(".")
        return logical_id in self.replaced and (
            attribute == "" or attribute.endswith(("Arn", "Id"))
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
        is_new = after and any(r in self.replaced for r in references(vpc))
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
    steps = [p for p in place if isinstance(p, str) and not p.startswith("=")]
    text = "/".join(steps)
    return not paths or any(_overlap(text, path) for path in paths)


def _overlap(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")


def _verdict(kind: str, path: str) -> Verdict:
    def within(names: Iterable[str]) -> bool:
        return any(_overlap(path, name) for name in names)

    if schemas.schema(kind) is None:
        return Verdict.MAY_REPLACE  # a type with an unknown schema
    if within(schemas.create_only(kind)):
        return Verdict.REPLACES
    conditional = within(schemas.conditional_create_only(kind))
    return Verdict.MAY_REPLACE if conditional else Verdict.IN_PLACE


def _corrected(
    kind: str,
    found: Property,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    policy: Any,
) -> Property:
    """Return the property with the verdict by AWS's behaviour, where the schema leaves it
    open or does not say that a change replaces the resource; with what it interrupts.
    """
    path = "/".join(part for part in found.path if isinstance(part, str))
    word = replacements.verdict(kind, path, before, after, policy)
    verdict = Verdict(word) if word else found.verdict
    one = interruptions.of_property(kind, path, before, after)
    effect = str(one.effect) if one and verdict is not Verdict.REPLACES else ""
    return replace(found, verdict=verdict, interruption=effect)


def _weighed(change: Resource) -> Resource:
    """Return the change with the gravest verdict of its properties."""
    found = [p.verdict for p in change.properties]
    gravest = max(found, key=_ORDER.index, default=Verdict.IN_PLACE)
    return replace(change, verdict=gravest)


def _spread(found: dict[str, Resource], new: Evaluated) -> bool:
    """Add resources that refer to changed ones; return False when there are no more."""
    grown = False
    for logical_id, resource in new.resources.items():
        known = found.get(logical_id)
        if known and known.verb is not Verb.CHANGE:
            continue
        listed = {p.path[0] for p in known.properties} if known else set()
        more = []
        for name, value in _properties(resource).items():
            causes = [r for r in references(value) if _moves(r, found)]
            if causes and name not in listed:
                kind = str(resource.get("Type", "?"))
                later = {LATER: f"new {', '.join(sorted({*causes}))}"}
                place = Property((name,), value, later, _verdict(kind, name))
                sides = _properties(resource), {**_properties(resource), name: later}
                policy = resource.get("UpdatePolicy")
                more.append(_corrected(kind, place, *sides, policy))
        if more:
            start = known or Resource(
                Verb.CHANGE,
                logical_id,
                str(resource.get("Type", "?")),
                retained=_keeps(resource.get("UpdateReplacePolicy")),
                before=_properties(resource),
                after=_properties(resource),
            )
            found[logical_id] = _weighed(
                replace(start, properties=(*start.properties, *more))
            )
            grown = True
    return grown


def _moves(name: str, found: Mapping[str, Resource]) -> bool:
    """Whether a `resource` or `resource.attribute` may have another value."""
    logical_id, _, attribute = name.partition(".")
    change = found.get(logical_id)
    if change is None or change.verb is Verb.ADD:
        return False  # a reference to a new resource differs already
    if change.verdict in _REPLACING:
        return True
    return not (attribute == "" or attribute.endswith(("Arn", "Id")))
