"""Patterns of the names of a system's resources, read from its templates.

An execution role may only access the resources of its own system. In the systems that
tapgen ships, names start with a code. In the user's own templates a name is read from the
resource: its literal parts, `*` for parts that only AWS can fill in, and CloudFormation's
own pattern for a resource without a name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterator, Mapping
from itertools import product
from os.path import commonprefix
from typing import Any

from tapgen.knowledge.named_resources import FIXED, GENERATED, NAMED, REFERS
from tapgen.model import StackSet, System, Target
from tapgen.system import representatives
from tapgen.template import evaluate, parameter_store
from tapgen.template.values import LATER, marked, pieces, references, scalar, unmarked

_SUFFIX = "EnvironmentSuffix"
SUFFIX = f"${{{_SUFFIX}}}"
STACKS = "cloudformation:stack"
"""The kind of the names of imported stacks."""

ACCOUNT = "${AWS::AccountId}"
"""Variables in a pattern: the template of the roles defines them."""

# The properties of IAM resources that name users and groups of any origin.
_MEMBERS = {"GroupName": "iam:group", "Groups": "iam:group"} | {
    "UserName": "iam:user",
    "Users": "iam:user",
}
# CloudFormation shortens the stack's name in the names that it generates. This much of it
# remains even for a role, with 64 characters for stack, logical id and 12 random ones.
_STACK_NAME_PART = 24


_STACK_NAME, _UUID = 128, 36
# A name with more undecided parts has `*` for them.
_MOST_TEXTS = 32
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_REFERENCE = re.compile(r"\{\{resolve:[^}]*\}\}")
"""A dynamic reference, which CloudFormation resolves in each region."""
_WILD = re.compile(r"\*\*+")
# Kinds whose ARNs end in nothing but the name.
_BARE = frozenset({"sns:topic", "sqs:queue"})
# More names of a kind share patterns: policies have a greatest size.
_MOST_NAMES = 20
_Named = tuple[str, str]
"""A kind of resource, and a name or a pattern."""


def patterns(system: System) -> dict[str, tuple[str, ...]]:
    """Return kind of resource → patterns of the names in the templates, sorted.

    The kinds are those of IAM's service authorization reference: `iam:role`,
    `s3:bucket`, … and `s3:read` for the buckets that resources read their code from,
    `ssm:read` for the SSM parameters that template parameters name, `*` where only a
    rollout knows which.
    The pattern of an unknown name is `*`.
    """
    found: dict[str, set[str]] = {}
    accounts = representatives.of(system)
    for s in system.stack_sets:
        if s.imported:
            found.setdefault(STACKS, set()).update(s.imported)
        for kind, pattern in _of(system, s, accounts):
            found.setdefault(kind, set()).add(pattern)
    return {kind: tuple(sorted(_few(kind, found[kind]))) for kind in sorted(found)}


def covers(type_name: str) -> frozenset[str]:
    """Return the services of which all resources are known by name that the handlers of a
    type change."""
    kinds = [kind for _, kind in REFERS.get(type_name, ())]
    kinds += [kind for kind, _ in FIXED.get(type_name, ())]
    kinds += [NAMED[type_name][1]] if type_name in NAMED else []
    return frozenset(kind.partition(":")[0] for kind in kinds)


def _few(kind: str, names: set[str]) -> set[str]:
    """Return names, or patterns for what begins alike where there are many."""
    if kind.partition(":")[0] in ("iam", "kms", "s3") or kind == "ssm:read":
        return names
    length = max(map(len, names))
    while len(names) > _MOST_NAMES:
        length = max(length - 2, 0)
        groups: dict[str, list[str]] = {}
        for name in sorted(names):
            groups.setdefault(name[:length], []).append(name)
        names = {n[0] if len(n) == 1 else _start(n) for n in groups.values()}
    return names


def _start(names: list[str]) -> str:
    """Return a pattern for names: what they have in common, with whole variables."""
    return re.sub(r"\$(\{[^}]*)?$", "", commonprefix(names)).rstrip("*") + "*"


def _of(system: System, s: StackSet, accounts: Container[str]) -> Iterator[_Named]:
    body = evaluate.parsed(s.template)
    for target in s.targets:
        if target.account not in accounts:
            continue
        values = evaluate.given(s.values(target))
        marks = {"AWS::AccountId"}
        if values.get(_SUFFIX) == system.suffix:
            marks.add(_SUFFIX)
        for artifact in s.artifacts.values():
            for name, value in artifact.values(target).items():
                values[name] = value.replace(target.account, marked(target.account))
        found = evaluate.evaluate(body, values, target, marks=frozenset(marks))
        variables = {system.suffix: SUFFIX, target.account: ACCOUNT}
        for kind, name in _names(s, found.resources):
            yield kind, _WILD.sub("*", unmarked(name, variables)) or "*"
        for name in parameter_store.named(s.template, s.sent(target)):
            if not name.startswith("/aws/service/"):  # AWS's own, which all may read
                yield "ssm:read", name


def _names(s: StackSet, resources: Mapping[str, Mapping[str, Any]]) -> Iterator[_Named]:
    for resource in resources.values():
        properties = resource.get("Properties")
        properties = properties if isinstance(properties, dict) else {}
        known = NAMED.get(str(resource.get("Type")))
        if known:
            key, kind = known
            path = properties.get("Path", "/") if kind.startswith("iam:") else ""
            for start in texts(path, s):
                for name in _own_names(properties.get(key), kind, s):
                    yield kind, start.lstrip("/") + name.removeprefix("alias/")
        yield from _members(resource, s, resources)
        yield from _references(resource, s, resources)
        yield from FIXED.get(str(resource.get("Type")), ())
        for bucket in _code(properties):
            for name in texts(bucket, s):
                yield "s3:read", name


def _members(
    resource: Mapping[str, Any], s: StackSet, resources: Mapping[str, Any]
) -> Iterator[_Named]:
    """Yield the users and groups from outside the template that policies and memberships
    name; a name does not include the path."""
    type_name = str(resource.get("Type"))
    own, _ = NAMED.get(type_name, ("", ""))
    properties = resource.get("Properties")
    if not type_name.startswith("AWS::IAM::") or not isinstance(properties, Mapping):
        return
    for key in _MEMBERS.keys() & properties.keys() - {own}:
        given = properties[key]
        for name in given if isinstance(given, list) else [given]:
            if not _refers(name, resources):
                for pattern in texts(name, s):
                    yield _MEMBERS[key], pattern
                    yield _MEMBERS[key], f"*/{pattern}"


def _refers(name: Any, resources: Mapping[str, Any]) -> bool:
    """Whether a name is a reference to a resource of the template."""
    return isinstance(name, Mapping) and name.get("Ref") in resources


def _references(
    resource: Mapping[str, Any], s: StackSet, resources: Mapping[str, Any]
) -> Iterator[_Named]:
    """Yield the resources from outside the system that a resource names."""
    properties = resource.get("Properties")
    properties = properties if isinstance(properties, Mapping) else {}
    for key, kind in REFERS.get(str(resource.get("Type")), ()):
        given = properties.get(key)
        for one in given if isinstance(given, list) else [given]:
            for name in () if _is_own(one, resources) else texts(one, s):
                yield kind, _bare(name, kind)


def _is_own(value: Any, resources: Mapping[str, Any]) -> bool:
    """Whether a value comes from a resource of the template, or from an output of the
    system, whose names are allowed anyway; or is none."""
    if value is None or value == {"Ref": "AWS::NoValue"}:
        return True
    if isinstance(value, Mapping) and isinstance(value.get("Fn::If"), list):
        return all(_is_own(side, resources) for side in value["Fn::If"][1:])
    if isinstance(value, Mapping) and isinstance(value.get(LATER), str):
        return not value[LATER].startswith("SSM parameter")
    return any(name.partition(".")[0] in resources for name in references(value))


def _bare(name: str, kind: str) -> str:
    """Return the name in an ARN or a URL; an ARN of another account stays one."""
    parts = name.split(":", 5)
    if name.startswith("arn:") and len(parts) == 6:
        if unmarked(parts[4]).isdigit() and unmarked(parts[4]) == parts[4]:
            return name
        name = parts[5] if kind in _BARE else re.split("[:/]", parts[5], maxsplit=1)[-1]
        if kind == "secretsmanager:Secret":
            name = re.sub("-[A-Za-z0-9]{6}$", "", name)
    elif kind == "sqs:queue":
        name = name.rpartition("/")[2]
    return (
        name.removesuffix(":*") if kind == "logs:log-group" else name.partition(":")[0]
    )


def _own_names(value: Any, kind: str, s: StackSet) -> list[str]:
    """Return a resource's own name, or the pattern of one that CloudFormation
    generates."""
    match value:
        case None | {"Ref": "AWS::NoValue"} if kind not in GENERATED:
            return ["*"]
        case None | {"Ref": "AWS::NoValue"}:
            stacks = (f"StackSet-{s.name}"[:_STACK_NAME_PART], *s.imported)
            starts = [stack[:_STACK_NAME_PART] for stack in stacks]
            return [f"{n.lower() if kind == 's3:bucket' else n}*" for n in starts]
        case {"Fn::If": [_, yes, no]}:
            return [*_own_names(yes, kind, s), *_own_names(no, kind, s)]
    return texts(value, s)


def stack_name(stack_set: str, end: str) -> str:
    """Return the name that StackSets gives a stack of a stack set, with its end.

    The end is a UUID of 36 characters; a stack name has at most 128 (CreateStack, API
    reference).
    """
    return f"StackSet-{stack_set}"[: _STACK_NAME - _UUID - 1] + f"-{end}"


def texts(value: Any, s: StackSet) -> list[str]:
    """Return the texts that a value may be, with `*` for parts that only AWS can fill in,
    also for dynamic references: both sides of an undecided `Fn::If`."""
    return [_REFERENCE.sub("*", text) for text in _texts(value, s)]


def _texts(value: Any, s: StackSet) -> list[str]:
    match value:
        case str():
            return [_VARIABLE.sub("*", value)]
        case {"Ref": "AWS::StackName"}:
            return [stack_name(s.name, "*")]
        case {"Ref": "AWS::AccountId"}:
            return [ACCOUNT]
        case {"Fn::If": [_, yes, no]}:
            return [*_texts(yes, s), *_texts(no, s)]
    parts = [_texts(piece, s) for piece in pieces(scalar(value))]
    if math.prod(map(len, parts)) > _MOST_TEXTS:
        parts = [part if len(part) == 1 else ["*"] for part in parts]
    return ["".join(chosen) for chosen in product(*parts)] if parts else ["*"]


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
