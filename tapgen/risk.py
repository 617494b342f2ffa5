"""What of a change a reviewer has to look at first: data, permissions, exposure.

Data in, data out. Works on the evaluated properties of `diff.Resource`; what cannot be
told from them is not claimed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from tapgen.diff import Resource, Verb, Verdict
from tapgen.intrinsics import same


class Kind(StrEnum):
    """What a risk is about, gravest first."""

    DATA = "data"
    PUBLIC = "public exposure"
    IAM = "wider permissions"
    NETWORK = "network opening"
    PROTECTION = "weaker protection"


@dataclass(frozen=True)
class Risk:
    """One thing about one resource, in words."""

    kind: Kind
    logical_id: str
    type: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.logical_id} ({self.type}): {self.detail}"


def of(change: Resource) -> tuple[Risk, ...]:
    """Everything worth naming about one change, gravest first, each once."""
    found = [
        *_data(change),
        *_permissions(change),
        *_openings(change),
        *_weaker(change),
    ]
    order = list(Kind)
    return tuple(
        Risk(kind, change.logical_id, change.type, detail)
        for kind, detail in sorted(
            dict.fromkeys(found), key=lambda pair: order.index(pair[0])
        )
    )


Found = tuple[Kind, str]

# -- data ----------------------------------------------------------------------------


def _data(change: Resource) -> Iterator[Found]:
    if not change.stateful or change.verb is Verb.ADD:
        return
    after = "what it holds is kept aside" if change.kept else "what it holds is deleted"
    if change.verb is Verb.REMOVE:
        yield Kind.DATA, f"removed; {after}"
    elif change.verdict is not Verdict.IN_PLACE:
        why = ", ".join(
            str(p.path[0])
            for p in change.properties
            if p.verdict is not Verdict.IN_PLACE
        )
        word = "is" if change.verdict is Verdict.REPLACES else "may be"
        yield Kind.DATA, f"{word} replaced by an empty one ({why}); {after}"


# -- permissions ---------------------------------------------------------------------

_DOCUMENTS = {
    "AWS::IAM::Policy": "PolicyDocument",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
    "AWS::IAM::RolePolicy": "PolicyDocument",
    "AWS::IAM::UserPolicy": "PolicyDocument",
    "AWS::IAM::GroupPolicy": "PolicyDocument",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::KMS::ReplicaKey": "KeyPolicy",
    "AWS::SecretsManager::ResourcePolicy": "ResourcePolicy",
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::Backup::BackupVault": "AccessPolicy",
}


@dataclass(frozen=True)
class _Atom:
    """One principal, action and resource of a statement, with its condition."""

    effect: str
    principal: str
    action: str
    resource: str
    condition: str

    def covers(self, other: _Atom) -> bool:
        """Whether this grants (or denies) at least what the other does."""
        pairs = (
            (self.principal, other.principal),
            (self.action.lower(), other.action.lower()),
            (self.resource, other.resource),
        )
        return all(fnmatchcase(b, a) for a, b in pairs) and self.condition in (
            "",
            other.condition,
        )


def _permissions(change: Resource) -> Iterator[Found]:
    before = list(_atoms(change.type, change.before))
    after = list(_atoms(change.type, change.after))
    allowed = [a for a in before if a.effect == "Allow"]
    for atom in after:
        if atom.effect == "Allow" and not any(a.covers(atom) for a in allowed):
            yield from _widening(atom, allowed)
    denied = [a for a in after if a.effect == "Deny"]
    for atom in before if change.after is not None else ():
        if atom.effect == "Deny" and not any(a.covers(atom) for a in denied):
            words = f"no longer denies {atom.action} on {atom.resource}"
            yield Kind.IAM, words
    if change.type == "AWS::IAM::Role":
        yield from _role(change)


def _widening(atom: _Atom, allowed: Iterable[_Atom]) -> Iterator[Found]:
    who = f" for {atom.principal}" if atom.principal else ""
    what = f"{atom.action} on {atom.resource}{who}"
    # KMS and S3 policies with "*" are public only without a condition.
    if atom.principal == "*" and not atom.condition:
        yield Kind.PUBLIC, f"anybody is allowed {atom.action} on {atom.resource}"
        return
    loose = _Atom("Allow", atom.principal, atom.action, atom.resource, "")
    if any(_Atom(**{**vars(a), "condition": ""}).covers(loose) for a in allowed):
        how = f"now {atom.condition}" if atom.condition else "dropped"
        yield Kind.IAM, f"condition {how}: {what}"
    else:
        yield Kind.IAM, f"newly allows {what}"


def _role(change: Resource) -> Iterator[Found]:
    before, after = change.before or {}, change.after or {}
    had = list(map(_text, _many(before.get("ManagedPolicyArns"))))
    for arn in map(_text, _many(after.get("ManagedPolicyArns"))):
        if arn not in had:
            yield Kind.IAM, f"newly attaches {arn}"
    boundary = "PermissionsBoundary"
    if before.get(boundary) and change.after is not None:
        if not same(before.get(boundary), after.get(boundary)):
            yield Kind.IAM, "its permissions boundary is changed or dropped"


def _atoms(kind: str, properties: Any) -> Iterator[_Atom]:
    for document in _documents(kind, properties or {}):
        for statement in _many(document.get("Statement")):
            if isinstance(statement, Mapping):
                yield from _statement(statement)


def _documents(kind: str, properties: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = [properties.get(_DOCUMENTS[kind])] if kind in _DOCUMENTS else []
    if kind == "AWS::IAM::Role":
        found.append(properties.get("AssumeRolePolicyDocument"))
    for policy in _many(properties.get("Policies")):
        if kind.startswith("AWS::IAM::") and isinstance(policy, Mapping):
            found.append(policy.get("PolicyDocument"))
    yield from (document for document in found if isinstance(document, Mapping))


def _statement(statement: Mapping[str, Any]) -> Iterator[_Atom]:
    condition = statement.get("Condition")
    parts = product(
        list(_principals(statement)) or [""],
        _either(statement, "Action"),
        _either(statement, "Resource"),
    )
    for principal, action, resource in parts:
        yield _Atom(
            str(statement.get("Effect", "Allow")),
            principal,
            action,
            resource,
            _text(condition) if condition else "",
        )


def _principals(statement: Mapping[str, Any]) -> Iterator[str]:
    for name in ("Principal", "NotPrincipal"):
        found = statement.get(name)
        prefix = "" if name == "Principal" else "everybody but "
        if isinstance(found, Mapping):
            for values in found.values():
                yield from (prefix + _text(value) for value in _many(values))
        elif found is not None:
            yield prefix + _text(found)


def _either(statement: Mapping[str, Any], name: str) -> list[str]:
    """Actions or resources, or what is left out of all."""
    others = [f"all but {_text(value)}" for value in _many(statement.get(f"Not{name}"))]
    return [_text(value) for value in _many(statement.get(name))] or others or [""]


# -- network -------------------------------------------------------------------------

_WORLD = ("0.0.0.0/0", "::/0")


def _openings(change: Resource) -> Iterator[Found]:
    before = set(_rules(change.type, change.before))
    for rule in sorted(set(_rules(change.type, change.after)) - before):
        ports, source = rule
        if source in _WORLD:
            yield Kind.PUBLIC, f"{ports} is open to the whole internet"
        else:
            yield Kind.NETWORK, f"{ports} is opened to {source}"
    yield from _public_switches(change)


def _rules(kind: str, properties: Any) -> Iterator[tuple[str, str]]:
    """(ports, source) of every ingress rule."""
    if kind == "AWS::EC2::SecurityGroup":
        rules = _many((properties or {}).get("SecurityGroupIngress"))
    elif kind == "AWS::EC2::SecurityGroupIngress":
        rules = [properties] if properties else []
    else:
        return
    sources = (
        "CidrIp",
        "CidrIpv6",
        "SourceSecurityGroupId",
        "SourceSecurityGroupName",
        "SourcePrefixListId",
    )
    for rule in rules:
        if not isinstance(rule, Mapping):
            continue
        low, high = rule.get("FromPort", "all"), rule.get("ToPort", "all")
        span = f"{low}" if same(low, high) else f"{low}-{high}"
        ports = f"{_text(rule.get('IpProtocol', 'all'))} {span}"
        for name in sources:
            if rule.get(name) is not None:
                yield ports, _text(rule[name])


def _public_switches(change: Resource) -> Iterator[Found]:
    before, after = change.before or {}, change.after
    if after is None:
        return
    block = "PublicAccessBlockConfiguration"
    was, now = before.get(block) or {}, after.get(block) or {}
    for name in was:
        if same(was[name], True) and not same(now.get(name), True):
            yield Kind.PUBLIC, f"{name} is turned off"
    for name, value in (("PubliclyAccessible", True), ("AuthType", "NONE")):
        if same(after.get(name), value) and not same(before.get(name), value):
            yield Kind.PUBLIC, f"{name} becomes {value}"


# -- protection ----------------------------------------------------------------------

_SWITCHES = (
    "DeletionProtection",
    "DeletionProtectionEnabled",
    "StorageEncrypted",
    "EnableKeyRotation",
    "EnableLogFileValidation",
    "MultiAZ",
)


def _weaker(change: Resource) -> Iterator[Found]:
    if change.verb is not Verb.CHANGE:
        return
    before, after = change.before or {}, change.after or {}
    for name in _SWITCHES:
        if same(before.get(name), True) and not same(after.get(name), True):
            yield Kind.PROTECTION, f"{name} is turned off"
    was = before.get("VersioningConfiguration") or {}
    now = after.get("VersioningConfiguration") or {}
    if was.get("Status") == "Enabled" and now.get("Status") != "Enabled":
        yield Kind.PROTECTION, "versioning is turned off"
    for name in ("BucketEncryption", "KmsMasterKeyId", "KmsKeyId", "SSESpecification"):
        if before.get(name) and not after.get(name):
            yield Kind.PROTECTION, f"{name} is dropped"
    for place in change.properties:
        policies = ("DeletionPolicy", "UpdateReplacePolicy")
        if place.path[0] in policies and place.old and not _safer(place.old, place.new):
            yield Kind.PROTECTION, f"{place.path[0]} becomes {place.new or 'Delete'}"


def _safer(old: Any, new: Any) -> bool:
    order = [None, "Delete", "Snapshot", "RetainExceptOnCreate", "Retain"]
    return old in order and new in order and order.index(new) >= order.index(old)


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
