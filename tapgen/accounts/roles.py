"""What the roles of a system must allow in an account, and their templates.

Only read from the system: nothing here calls AWS, so that `tapgen templates` does not
import what does. `bootstrap` deploys these templates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from tapgen.blueprints import bootstrap as blueprint
from tapgen.blueprints import boundary
from tapgen.blueprints.scope import Scope
from tapgen.errors import TemplateError
from tapgen.frozen import dataclass
from tapgen.knowledge import indirect_permissions
from tapgen.model import PassedRole, Permission, StackSet, System
from tapgen.system import representatives, resource_names
from tapgen.template import evaluate
from tapgen.template.values import unmarked

# Quota of CloudFormation for a template given as text.
_TEMPLATE_BYTES = 51_200
_ROLE = "AWS::IAM::Role"
_BOUNDARY = boundary.BEGINNING
_IDENTITIES = (_ROLE, "AWS::IAM::User")
# What differs between regions in the name of a service (user guide, "Pseudo parameters").
_REGIONAL = frozenset({"AWS::Partition", "AWS::Region", "AWS::URLSuffix"})
_SUFFIXES = ("amazonaws.com", "amazonaws.com.cn")
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso")
_RESOLVED = re.compile(r"\{\{resolve:([a-z-]+):")
_SSM_VALUE = re.compile(r"\bAWS::SSM::Parameter::Value<")


def stack_name(system: System) -> str:
    """Return the name of the stack with the roles of a system in a target account."""
    return f"tapgen-{system.prefix}-roles"


def types(system: System) -> frozenset[str]:
    """Return the resource types in a system's templates.

    Raises TemplateError for a template that cannot be read.
    """
    return frozenset(
        str(resource.get("Type"))
        for stack_set in system.stack_sets
        for resource in _resources(stack_set)
    )


def references(system: System) -> frozenset[str]:
    """Return which of `indirect_permissions.REFERENCES` are in a system's templates."""
    found: set[str] = set()
    for text in {stack_set.template for stack_set in system.stack_sets}:
        # Looking for a literal first takes a hundredth of the time.
        if "{{resolve:" in text:
            found |= {
                indirect_permissions.RESOLVE % service
                for service in _RESOLVED.findall(text)
            }
        if "AWS::SSM::Parameter::Value<" in text and _SSM_VALUE.search(text):
            found.add(indirect_permissions.SSM_VALUE)
        if indirect_permissions.TRANSFORM in text:
            found.add(indirect_permissions.TRANSFORM)
    return indirect_permissions.REFERENCES & found


def files(system: System, code: str) -> dict[str, str]:
    """Return the bootstrap templates by path, as committed; deployed without white space.

    `code` is the prefix of the system's resource names, empty where only its templates
    have them. Raises BlueprintError or TemplateError when the roles cannot be built.
    """
    needs = needed(own(system), code)
    found = {
        "bootstrap/administration.json": blueprint.administration(),
        f"bootstrap/{system.name}.json": template(system, code, needs),
    }
    if resource_names.targets_of_artifacts(system) or system.journal_copies:
        found["bootstrap/artifacts.json"] = blueprint.artifacts()
    return found


def own(system: System) -> System:
    """Return the system without the stack sets that AWS Organizations deploys with its own roles."""
    own = tuple(s for s in system.stack_sets if s.service_managed is None)
    return replace(system, stack_sets=own)


@dataclass(frozen=True)
class Needs:
    """What an execution role needs permissions for: resource types, services to pass
    roles to, and, without a code, names as (kind, pattern). `boundary`, `callers` and
    `divided` are as in `Scope`.
    """

    types: frozenset[str]
    passed_to: frozenset[str] = frozenset()
    names: frozenset[tuple[str, str]] = frozenset()
    artifacts: bool = False
    pass_roles: frozenset[PassedRole] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    boundary: str = ""
    callers: frozenset[str] = frozenset()
    divided: frozenset[str] = frozenset()

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            self.types | other.types,
            self.passed_to | other.passed_to,
            self.names | other.names,
            self.artifacts or other.artifacts,
            self.pass_roles | other.pass_roles,
            self.permissions | other.permissions,
            # The policy stays while deployed roles may have it.
            self.boundary or (other.boundary and boundary.CREATED),
            self.callers,
            self.divided | other.divided,
        )

    def scope(self, code: str) -> Scope:
        found: dict[str, list[str]] = {}
        for kind, pattern in sorted(self.names):
            found.setdefault(kind, []).append(pattern)
        return Scope(
            code,
            found,
            self.artifacts,
            self.boundary,
            sorted(self.pass_roles),
            sorted(self.permissions),
            sorted(self.callers),
            sorted(self.divided),
        )


def template(system: System, code: str, needs: Needs) -> str:
    """Return the template of the roles, readable; TemplateError where CloudFormation
    would not take it even without white space."""
    name = system.name.replace("_", "-")
    blueprint.role_names(name, system.suffix)
    text, size = _written(name, code, needs)
    if size > _TEMPLATE_BYTES:
        raise TemplateError(
            f"{stack_name(system)}: the template has {size:,} bytes, CloudFormation "
            f"accepts {_TEMPLATE_BYTES:,}; split the system in two"
        )
    return text


@lru_cache(32)
def _written(name: str, code: str, needs: Needs) -> tuple[str, int]:
    """Return the template, which most environments share, and its size."""
    text = blueprint.target(name, needs.scope(code), needs.types, needs.passed_to)
    return text, len(compact(text).encode())


def compact(text: str) -> str:
    """Return a template without white space, which counts towards CloudFormation's limit."""
    return json.dumps(json.loads(text), separators=(",", ":"))


# What the templates need -------------------------------------------------------------


def _resources(stack_set: StackSet) -> list[Mapping[str, Any]]:
    try:
        found = evaluate.whole(stack_set)["Resources"].values()
        return [dict(resource) for resource in found]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TemplateError(
            f"{stack_set.name}: the template's resources cannot be read "
            f"({type(error).__name__}: {error}); run tapgen lint"
        ) from error


def needed(system: System, code: str) -> Needs:
    """Return the types in the templates, the services that their roles trust, and, without a
    code, the names of their resources."""
    accounts = representatives.of(system)
    services = frozenset(
        service
        for stack_set in system.stack_sets
        for service in _trusted(stack_set, accounts)
    )
    patterns = {} if code else resource_names.patterns(system)
    names = frozenset((kind, p) for kind, found in patterns.items() for p in found)
    artifacts = bool(resource_names.targets_of_artifacts(system))
    return Needs(
        types(system) | references(system),
        services,
        names,
        artifacts,
        frozenset(system.pass_roles),
        frozenset(system.permissions),
        _boundary(system, code),
        frozenset(system.callers),
        divided(system),
    )


def divided(system: System) -> frozenset[str]:
    """Return by what the traffic of a system is divided, as in `Shift`."""
    return frozenset(shift.by for shift in system.shifts)


def _boundary(system: System, code: str) -> str:
    """Whether the roles of a system are within its boundary: all, some or none.

    Raises TemplateError for a role within the boundary of another code.
    """
    required = system.rollout.permissions_boundary
    found = [
        resource
        for stack_set in system.stack_sets
        if _BOUNDARY in stack_set.template
        for resource in _resources(stack_set)
        if _is_bounded(resource)
    ]
    if not found and not required:
        return ""
    subject = code or system.name.replace("_", "-")
    for resource in found:
        given = json.dumps(resource["Properties"]["PermissionsBoundary"])
        if f"{_BOUNDARY}{subject}-" not in given:
            names = (
                f"let the names of all roles begin with {code}, the code of the blueprint"
                if code
                else "correct the name in the template"
            )
            raise TemplateError(
                f"{system.name}: a role has the permissions boundary {given}, but tapgen "
                f"bootstrap makes {_BOUNDARY}{subject}-{system.suffix}; {names}"
            )
    every = [
        resource
        for s in system.stack_sets
        if any(kind in s.template for kind in _IDENTITIES)
        for resource in _resources(s)
    ]
    return boundary.CREATED if any(map(unbounded, every)) else boundary.ENFORCED


def _is_bounded(resource: Mapping[str, Any]) -> bool:
    properties = resource.get("Properties") or {}
    return _BOUNDARY in json.dumps(properties.get("PermissionsBoundary", ""))


def unbounded(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is a role, or a user, without the permissions boundary of its
    system."""
    return resource.get("Type") in _IDENTITIES and not _is_bounded(resource)


def _trusted(s: StackSet, accounts: Container[str]) -> Iterator[str]:
    """Yield the services that the roles of a stack set trust, or may trust, at any
    target; what differs between regions is `*`."""
    body = evaluate.only(evaluate.parsed(s.template), _ROLE, "AssumeRolePolicyDocument")
    for target in s.targets if body["Resources"] else ():
        if target.account not in accounts:
            continue
        values = evaluate.given(s.values(target))
        found = evaluate.evaluate(body, values, target, marks=_REGIONAL)
        variables = dict.fromkeys((target.region, *_SUFFIXES, *_PARTITIONS), "*")
        for role in found.resources.values():
            properties = unmarked(role.get("Properties"), variables)
            for service in _services(properties):
                yield from resource_names.texts(service, s)


def _services(role: Any) -> Iterator[Any]:
    """Yield the service principals in the properties of a role."""
    if not isinstance(role, Mapping):
        return
    for document in _sides(role.get("AssumeRolePolicyDocument")):
        for statement in _below(document, "Statement"):
            for principal in _below(statement, "Principal"):
                yield from _below(principal, "Service")


def _below(node: Any, key: str) -> Iterator[Any]:
    return _sides(node.get(key)) if isinstance(node, Mapping) else iter(())


def _sides(value: Any) -> Iterator[Any]:
    """Yield the items of a list, and both sides of what only AWS decides."""
    match value:
        case None | {"Ref": "AWS::NoValue"}:
            return
        case {"Fn::If": [_, *both]}:
            for side in both:
                yield from _sides(side)
        case [*items]:
            for item in items:
                yield from _sides(item)
        case _:
            yield value
