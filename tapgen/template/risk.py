"""The risks of a change that a reviewer checks first: data, permissions, exposure.

Data in, data out. Reads only the evaluated properties of `diff.Resource`, and claims
nothing beyond them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from tapgen.frozen import dataclass
from tapgen.knowledge.replacements import LEFT_BEHIND
from tapgen.model import ChangeSafety
from tapgen.template import (
    choices,
    exposure,
    guards,
    interruptions,
    policies,
    retention,
    switches,
)
from tapgen.template.diff import Resource, Verb, Verdict
from tapgen.template.propagation import deletion_policy
from tapgen.template.values import LATER, equal, many, mapping, text


class Kind(StrEnum):
    """The subject of a risk, gravest first."""

    REFUSED = "AWS refuses this update"
    NEVER = "must never change"
    REVIEW = "change that needs a review"
    CONSTRAINED = "change with constraints"
    DATA = "data"
    INTERRUPTION = "interruption"
    REPLACEMENT = "replacement"
    PUBLIC = "public exposure"
    IAM = "wider permissions"
    NETWORK = "network opening"
    PROTECTION = "weaker protection"
    UNPUBLISHED = "change that is not published"


@dataclass(frozen=True)
class Risk:
    """One risk of one resource, in words."""

    kind: Kind
    logical_id: str
    type: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.logical_id} ({self.type}): {self.detail}"


def of(change: Resource) -> tuple[Risk, ...]:
    """Return the risks of one change, gravest first, each once."""
    found = [
        *_refused(change),
        *_marked(change),
        *_data(change),
        *_interrupted(change),
        *_permissions(change),
        *_network(change),
        *_weaker(change),
        *_unpublished(change),
    ]
    order = list(Kind)
    return tuple(
        Risk(kind, change.logical_id, change.type, detail)
        for kind, detail in sorted(
            dict.fromkeys(found), key=lambda pair: order.index(pair[0])
        )
    )


def replaced(changes: Iterable[Resource]) -> str:
    """Return one line with the number of resources that CloudFormation certainly replaces
    and the first few of them, those with a change of their own first; empty for none.
    """
    found = sorted(
        (change for change in changes if change.verdict is Verdict.REPLACES),
        key=lambda change: (_follows(change), change.logical_id),
    )
    names = ", ".join(change.logical_id for change in found[:_NAMED])
    if not found:
        return ""
    if len(found) == 1:
        return f"1 resource is replaced: {names}"
    among = ", among them" if len(found) > _NAMED else ":"
    return f"{len(found)} resources are replaced{among} {names}"


_NAMED = 3  # names of replaced resources in a line
Found = tuple[Kind, str]


def _follows(change: Resource) -> bool:
    """Whether a resource is replaced only because it refers to a replaced one."""
    return all(
        isinstance(p.new, Mapping) and LATER in p.new
        for p in change.properties
        if p.verdict is Verdict.REPLACES
    )


# -- refused -------------------------------------------------------------------------


def _refused(change: Resource) -> Iterator[Found]:
    for one in change.refusals:
        named = f"{', '.join(one.properties)}: " if one.paths else ""
        yield Kind.REFUSED, f'{named}AWS says "{one.words}"; {one.advice}'


# -- marks ---------------------------------------------------------------------------


_OF_LEVELS = {
    ChangeSafety.NEVER: Kind.NEVER,
    ChangeSafety.REVIEW: Kind.REVIEW,
    ChangeSafety.CONSTRAINED: Kind.CONSTRAINED,
}


def _marked(change: Resource) -> Iterator[Found]:
    """Yield what a template says of such a change: why, or what has to hold."""
    for mark in change.marks:
        must = "; ".join(mark.must)
        first = must if mark.level is ChangeSafety.CONSTRAINED else mark.why
        said = first or mark.why or must or "its template gives no reason"
        what = ", ".join(mark.properties) or change.fate
        yield _OF_LEVELS[mark.level], f"{what}: {said}"
    for words in change.loosened:
        yield Kind.PROTECTION, words


# -- data ----------------------------------------------------------------------------


# The properties that list copies of the data in other regions, each with its Region.
# Removing a copy from the list deletes it (resource reference of each type).
_COPIES = {
    "AWS::DynamoDB::GlobalTable": "Replicas",
    "AWS::SecretsManager::Secret": "ReplicaRegions",
}


def _data(change: Resource) -> Iterator[Found]:
    if change.verb is Verb.CHANGE:
        yield from _out_of_reach(change)
        if change.verdict is not Verdict.REPLACES:
            yield from _no_longer_retained(change)
    if not change.stateful or change.verb is Verb.ADD:
        return
    after = "its data is retained" if change.retained else "its data is deleted"
    if not change.retained and change.type in LEFT_BEHIND:
        after += f", {LEFT_BEHIND[change.type]}"
    if change.verb is Verb.REMOVE:
        yield Kind.DATA, f"removed; {after}"
    elif change.loses_data:
        why = ", ".join(
            str(p.path[0])
            for p in change.properties
            if p.verdict in (Verdict.MAY_REPLACE, Verdict.REPLACES)
        )
        word = "is" if change.verdict is Verdict.REPLACES else "may be"
        yield Kind.DATA, f"{word} replaced by an empty resource ({why}); {after}"


def _no_longer_retained(change: Resource) -> Iterator[Found]:
    """Yield data that AWS deletes because it is kept for a shorter time."""
    for there, words in retention.lost(change.type, change.before, change.after):
        yield Kind.DATA if there else Kind.PROTECTION, words


def _out_of_reach(change: Resource) -> Iterator[Found]:
    """Yield data that is deleted or becomes unreadable while its resource stays."""
    before, after = change.before or {}, change.after or {}
    copies = _COPIES.get(change.type, "")
    stay = _regions(after.get(copies))
    for region in _regions(before.get(copies)):
        if region not in stay:
            yield Kind.DATA, f"its copy in {region} is deleted"
    key = change.type in ("AWS::KMS::Key", "AWS::KMS::ReplicaKey")
    if key and equal(after.get("Enabled"), False):
        if not equal(before.get("Enabled"), False):
            yield Kind.DATA, "the key is disabled; data encrypted with it cannot be read"


def _regions(copies: Any) -> list[str]:
    found = [copy for copy in many(copies) if isinstance(copy, Mapping)]
    return [text(copy["Region"]) for copy in found if "Region" in copy]


# -- interruptions -------------------------------------------------------------------


def comes_first(change: Resource) -> bool:
    """Whether a resource is named before others: a database or a load balancer."""
    return interruptions.comes_first(change.type)


def _interrupted(change: Resource) -> Iterator[Found]:
    if change.verb is not Verb.CHANGE:
        return
    if change.verdict is Verdict.REPLACES:
        words = interruptions.of_replacement(change.type)
        if words:
            yield Kind.INTERRUPTION, f"is replaced: {words}"
        return
    before, after = change.before or {}, change.after or {}
    found: dict[str, dict[str, None]] = {}
    for p in change.properties:
        path = "/".join(part for part in p.path if isinstance(part, str))
        one = interruptions.of_property(change.type, path, before, after)
        if one and not interruptions.is_mild(one):
            found.setdefault(f"{one.effect}: {one.words}", {})[str(p.path[0])] = None
    for words, names in found.items():
        yield Kind.INTERRUPTION, f"{words} ({', '.join(names)})"


# -- permissions ---------------------------------------------------------------------


def _permissions(change: Resource) -> Iterator[Found]:
    def widened(before: Any, after: Any) -> Iterator[Found]:
        if after is None:
            if change.type.endswith("Policy") and not change.retained:
                for _, words in policies.no_longer_denied(change.type, before):
                    yield Kind.IAM, words
            return
        for public, words in policies.widened(change.type, before, after):
            yield Kind.PUBLIC if public else Kind.IAM, words
        boundary = mapping(before).get("PermissionsBoundary")
        if boundary and not equal(boundary, mapping(after).get("PermissionsBoundary")):
            yield Kind.IAM, "its permissions boundary is changed or dropped"

    yield from _in_any_world(change, widened)


def _in_any_world(
    change: Resource, found: Callable[[Any, Any], Iterator[Found]]
) -> Iterator[Found]:
    """Yield what is found, with a "may" where only AWS decides that it is so."""
    before, after = change.before, change.after
    for (kind, words), where in choices.in_any_world(before, after, found):
        yield kind, f"may apply: {words} ({where})" if where else words


# -- network -------------------------------------------------------------------------


def _network(change: Resource) -> Iterator[Found]:
    def opened(before: Any, after: Any) -> Iterator[Found]:
        for public, words in exposure.opened(change.type, before, after):
            yield Kind.PUBLIC if public else Kind.NETWORK, words
        for words in switches.exposed(change.type, before, after):
            yield Kind.PUBLIC, words

    yield from _in_any_world(change, opened)


# -- protection ----------------------------------------------------------------------


def is_wide(change: Resource) -> bool:
    """Whether what a resource guards is more than the stack that it is in."""
    return guards.is_wide(change.type)


def _weaker(change: Resource) -> Iterator[Found]:
    if change.verb is Verb.REMOVE and not change.retained:
        words = guards.of_removal(change.type)
        if words:
            yield Kind.PROTECTION, f"removed; {words}"
    if change.verb is not Verb.CHANGE:
        return
    before, after = change.before or {}, change.after or {}

    def lost(before: Any, after: Any) -> Iterator[Found]:
        for words in guards.lost(change.type, before or {}, after or {}):
            yield Kind.PROTECTION, words

    yield from _in_any_world(change, lost)
    for name in ("BucketEncryption", "KmsMasterKeyId", "KmsKeyId", "SSESpecification"):
        if before.get(name) and not after.get(name):
            yield Kind.PROTECTION, f"{name} is dropped"
    for name, old, new in _policies(change):
        if not _safer(old, new):
            yield Kind.PROTECTION, f"{name} becomes {new}"


def _policies(change: Resource) -> Iterator[tuple[str, Any, Any]]:
    """Yield what becomes of the old resource, where that changes: by default it is
    deleted, or AWS takes a snapshot."""
    sides = (change.before, change.after)
    for place in change.properties:
        if place.of == "DeletionPolicy":
            old, new = (
                deletion_policy(
                    {"Type": change.type, "Properties": side, "DeletionPolicy": given}
                )
                for side, given in zip(sides, (place.old, place.new), strict=True)
            )
            yield place.of, old, new
        elif place.of == "UpdateReplacePolicy":
            yield place.of, place.old or "Delete", place.new or "Delete"


def _unpublished(change: Resource) -> Iterator[Found]:
    if change.unpublished:
        names = ", ".join(change.unpublished)
        yield Kind.UNPUBLISHED, (
            f"{names} stays as it was, and what points at it does not get this change; "
            f"give {names} another logical id to publish it"
        )


def _safer(old: Any, new: Any) -> bool:
    order = [None, "Delete", "Snapshot", "RetainExceptOnCreate", "Retain"]
    return old in order and new in order and order.index(new) >= order.index(old)
