"""Patterns of the names of a system's resources, read from its templates.

An execution role may only access the resources of its own system. In the systems that
tapgen ships, names start with a code. In the user's own templates a name is read from the
resource: its literal parts, `*` for parts that only AWS can fill in, and CloudFormation's
own pattern for a resource without a name.
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
"""Variables in a pattern: the template of the roles defines them."""

# Type → the property with its name, and its kind of resource in IAM's words.
_NAMED: Mapping[str, tuple[str, str]] = {
    "AWS::IAM::Group": ("GroupName", "iam:group"),
    "AWS::IAM::InstanceProfile": ("InstanceProfileName", "iam:instance-profile"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "iam:policy"),
    "AWS::IAM::Role": ("RoleName", "iam:role"),
    "AWS::IAM::User": ("UserName", "iam:user"),
    "AWS::KMS::Alias": ("AliasName", "kms:alias"),
    "AWS::S3::Bucket": ("BucketName", "s3:bucket"),
}
# The properties of IAM resources that name users and groups of any origin.
_MEMBERS = {"GroupName": "iam:group", "Groups": "iam:group"} | {
    "UserName": "iam:user",
    "Users": "iam:user",
}
# CloudFormation shortens the stack's name in the names that it generates. This much of it
# remains even for a role, with 64 characters for stack, logical id and 12 random ones.
_STACK_NAME_PART = 24


_STACK_NAME, _UUID = 128, 36


def patterns(system: System) -> dict[str, tuple[str, ...]]:
    """Return kind of resource → patterns of the names in the templates, sorted.

    The kinds are those of IAM's service authorization reference: `iam:role`,
    `s3:bucket`, … and `s3:read` for the buckets that resources read their code from.
    The pattern of an unknown name is `*`.
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
            name = (
                _pattern(properties[key], s)
                if key in properties
                else _generated(s, kind)
            )
            yield kind, _path(properties, s) + name.removeprefix("alias/")
        yield from _members(resource, s, resources)
        for bucket in _code(properties):
            yield "s3:read", _pattern(bucket, s)


def _members(
    resource: Mapping[str, Any], s: StackSet, resources: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield the users and groups from outside the template that policies and memberships
    name; a name does not include the path."""
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
    """Whether a name is a reference to a resource of the template."""
    return isinstance(name, Mapping) and name.get("Ref") in resources


def _generated(s: StackSet, kind: str) -> str:
    """Return the pattern of a name that CloudFormation generates."""
    stack = f"StackSet-{s.name}"[:_STACK_NAME_PART]
    return f"{stack.lower() if kind == 's3:bucket' else stack}*"


def _path(properties: Mapping[str, Any], s: StackSet) -> str:
    """Return the path of an IAM resource, which precedes the name in its ARN."""
    return _pattern(properties.get("Path", "/"), s).lstrip("/")


def _pattern(value: Any, s: StackSet) -> str:
    """Return a name with `*` for parts that only AWS can fill in."""
    return re.sub(r"\*[*]+", "*", _raw(value, s)) or "*"


def stack_name(stack_set: str, end: str) -> str:
    """Return the name that StackSets gives a stack of a stack set, with its end.

    The end is a UUID of 36 characters; a stack name has at most 128 (CreateStack, API
    reference).
    """
    return f"StackSet-{stack_set}"[: _STACK_NAME - _UUID - 1] + f"-{end}"


def _raw(value: Any, s: StackSet) -> str:
    match value:
        case str():
            return value
        case {"Ref": "AWS::StackName"}:
            return stack_name(s.name, "*")
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            return _with_known_variables(
                text.replace("${AWS::StackName}", stack_name(s.name, "*"))
            )
        case {"Fn::Join": [str(delimiter), list(items)]}:
            return delimiter.join(_raw(item, s) for item in items)
    return "*"


def _with_known_variables(text: str) -> str:
    """Replace by `*` the variables that the template of the roles does not define."""
    return re.sub(
        r"\$\{[^}]*\}", lambda m: m[0] if m[0] in (SUFFIX, ACCOUNT) else "*", text
    )


def _code(node: Any) -> Iterator[Any]:
    """Yield the buckets that resources read: the values of `S3Bucket` properties."""
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
    """Return the targets whose artifact bucket receives an upload."""
    return sorted({t for s in system.stack_sets if s.artifacts for t in s.targets})
