"""What the resources of a system are called, as far as its templates tell.

An execution role may touch what belongs to its system and nothing else. Of the systems
that tapgen ships, names begin with a code; of anybody else's templates they have to be
read: the literal where there is one, with `*` for what is only known in AWS, and
CloudFormation's own pattern for what has no name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tapgen.model import StackSet, System, Target
from tapgen.system import checks
from tapgen.template import evaluate

SUFFIX = "${EnvironmentSuffix}"
ACCOUNT = "${AWS::AccountId}"
"""What stays a variable in a pattern: the template of the roles knows both."""

# Type → the property that names it, and in IAM's words what kind of resource it is.
_NAMED: Mapping[str, tuple[str, str]] = {
    "AWS::IAM::Group": ("GroupName", "iam:group"),
    "AWS::IAM::InstanceProfile": ("InstanceProfileName", "iam:instance-profile"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "iam:policy"),
    "AWS::IAM::Role": ("RoleName", "iam:role"),
    "AWS::IAM::User": ("UserName", "iam:user"),
    "AWS::KMS::Alias": ("AliasName", "kms:alias"),
    "AWS::S3::Bucket": ("BucketName", "s3:bucket"),
}
# What in a resource of IAM names users and groups, whoever made them.
_MEMBERS = {"GroupName": "iam:group", "Groups": "iam:group"} | {
    "UserName": "iam:user",
    "Users": "iam:user",
}
# CloudFormation shortens the stack's name in the names that it makes; as much as this
# stays even of a role's, which has 64 characters for stack, logical id and 12 at random.
_KEPT = 24


def patterns(system: System) -> dict[str, tuple[str, ...]]:
    """Kind of resource → patterns of the names that the templates give, sorted.

    The kinds are those of IAM's service authorization reference: `iam:role`,
    `s3:bucket`, … and `s3:read` for the buckets that resources take their code from.
    A name nobody can tell is `*`.
    """
    found: dict[str, set[str]] = {}
    for s in system.stack_sets:
        for kind, pattern in _of(system, s):
            found.setdefault(kind, set()).add(pattern)
    return {kind: tuple(sorted(found[kind])) for kind in sorted(found)}


def _of(system: System, s: StackSet) -> Iterator[tuple[str, str]]:
    body = checks.body(s.template)
    seen: set[str] = set()
    for target in s.targets:
        values = evaluate.given(s.values(target))
        if values.get("EnvironmentSuffix") == system.suffix:
            values["EnvironmentSuffix"] = SUFFIX
        # Accounts with the same values in the same region have the same names.
        if (key := target.region + repr(values)) in seen:
            continue
        seen.add(key)
        place = replace(target, account=ACCOUNT)
        yield from _names(s, evaluate.evaluate(body, values, place).resources)


def _names(
    s: StackSet, resources: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    for resource in resources.values():
        properties = resource.get("Properties")
        properties = properties if isinstance(properties, dict) else {}
        known = _NAMED.get(str(resource.get("Type")))
        if known:
            key, kind = known
            name = _pattern(properties[key], s) if key in properties else _made(s, kind)
            yield kind, _path(properties, s) + name.removeprefix("alias/")
        yield from _members(resource, s, resources)
        for bucket in _code(properties):
            yield "s3:read", _pattern(bucket, s)


def _members(
    resource: Mapping[str, Any], s: StackSet, resources: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """The users and groups made elsewhere that policies and memberships are for; their
    names do not tell under which path they are."""
    type_name = str(resource.get("Type"))
    own, _ = _NAMED.get(type_name, ("", ""))
    properties = resource.get("Properties")
    if not type_name.startswith("AWS::IAM::") or not isinstance(properties, Mapping):
        return
    for key in _MEMBERS.keys() & properties.keys() - {own}:
        given = properties[key]
        for name in given if isinstance(given, list) else [given]:
            if not _refers(name, resources):
                yield _MEMBERS[key], _pattern(name, s)
                yield _MEMBERS[key], f"*/{_pattern(name, s)}"


def _refers(name: Any, resources: Mapping[str, Any]) -> bool:
    """Whether it is the name of something that the template makes itself."""
    return isinstance(name, Mapping) and name.get("Ref") in resources


def _made(s: StackSet, kind: str) -> str:
    """The pattern of a name that CloudFormation makes."""
    stack = f"StackSet-{s.name}"[:_KEPT]
    return f"{stack.lower() if kind == 's3:bucket' else stack}*"


def _path(properties: Mapping[str, Any], s: StackSet) -> str:
    """The path of an IAM resource, which its ARN has before the name."""
    return _pattern(properties.get("Path", "/"), s).lstrip("/")


def _pattern(value: Any, s: StackSet) -> str:
    """A name with `*` for what only AWS knows."""
    return re.sub(r"\*[*]+", "*", _raw(value, s)) or "*"


def _raw(value: Any, s: StackSet) -> str:
    match value:
        case str():
            return value
        case {"Ref": "AWS::StackName"}:
            return f"StackSet-{s.name}-*"
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            return _kept(text.replace("${AWS::StackName}", f"StackSet-{s.name}-*"))
        case {"Fn::Join": [str(delimiter), list(items)]}:
            return delimiter.join(_raw(item, s) for item in items)
    return "*"


def _kept(text: str) -> str:
    """A text with only those variables that the template of the roles knows."""
    return re.sub(
        r"\$\{[^}]*\}", lambda m: m[0] if m[0] in (SUFFIX, ACCOUNT) else "*", text
    )


def _code(node: Any) -> Iterator[Any]:
    """The buckets that resources read: `S3Bucket` beside a key, as functions say it."""
    if isinstance(node, list):
        for item in node:
            yield from _code(item)
    elif isinstance(node, dict):
        for key, inner in node.items():
            if key == "S3Bucket":
                yield inner
            else:
                yield from _code(inner)


def targets_of_artifacts(system: System) -> list[Target]:
    """The places whose artifact bucket something is uploaded to."""
    return sorted({t for s in system.stack_sets if s.artifacts for t in s.targets})
