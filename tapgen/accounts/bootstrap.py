"""Prepare accounts for stack sets: roles and artifact buckets, as plain stacks.

`run` deploys what `blueprints.bootstrap` describes: `tapgen-administration` once, and
`tapgen-<system>-<suffix>-roles` in every target account, all in the administration
region (IAM is global, one region is enough); `tapgen-artifacts` wherever the system
uploads something or its journal has a copy, and no artifact bucket exists yet. A second
run changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tapgen.aws import organizations, stacks
from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.session import NOBODY, Aws, role_exists
from tapgen.blueprints import bootstrap as blueprint
from tapgen.blueprints import boundary, indirect_permissions
from tapgen.blueprints.scope import Scope
from tapgen.errors import AwsError, Denied, TemplateError
from tapgen.model import PassedRole, Permission, StackSet, System, Target
from tapgen.system import checks, representatives, resource_names
from tapgen.template import evaluate, schemas
from tapgen.template.values import unmarked

_TRUST = (
    "StackSets has no trusted access to the organization: activate it in the management "
    "account, with tapgen bootstrap or aws cloudformation activate-organizations-access"
)
_UNKNOWN = (
    "its schema lists no permissions, so the execution role gets none for it; give them "
    "in the config under permissions"
)
ADMINISTRATION_STACK = "tapgen-administration"
ARTIFACTS_STACK = "tapgen-artifacts"

_CAPABILITIES = ("CAPABILITY_NAMED_IAM",)
# Quota of CloudFormation for a template given as text.
_TEMPLATE_BYTES = 51_200
_TRUSTED_OUTPUT = "TrustedServices"
_ROLE = "AWS::IAM::Role"
_BOUNDARY = boundary.BEGINNING
_ATTACH_FIRST = (
    "deployed roles have no permissions boundary yet: roll out, which attaches it, then "
    "run tapgen bootstrap again, which holds the execution role to it"
)
# What differs between regions in the name of a service (user guide, "Pseudo parameters").
_REGIONAL = frozenset({"AWS::Partition", "AWS::Region", "AWS::URLSuffix"})
_SUFFIXES = ("amazonaws.com", "amazonaws.com.cn")
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso")
_RESOLVED = re.compile(r"\{\{resolve:([a-z-]+):")
_SSM_VALUE = re.compile(r"\bAWS::SSM::Parameter::Value<")


def roles_stack(system: System) -> str:
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
    needs = _needs(_own(system), code)
    found = {
        "bootstrap/administration.json": blueprint.administration(),
        f"bootstrap/{system.name}.json": _roles(system, code, needs),
    }
    if resource_names.targets_of_artifacts(system) or system.journal_copies:
        found["bootstrap/artifacts.json"] = blueprint.artifacts()
    return found


def run(
    aws: Aws,
    system: System,
    *,
    code: str,
    deployed_types: Iterable[str] = (),
    unbounded: bool = False,
    on_event: Callable[[str], None] = lambda event: None,
) -> list[str]:
    """Deploy what is missing or has changed; return the names of the changed stacks.

    `system` is resolved. `deployed_types` are the resource types that are deployed now:
    deletion and rollback need permissions for them too, and for passing roles to the same
    services as before. `unbounded` says that deployed roles have no permissions boundary
    yet: the execution role is held to it only after the rollout that attaches it. Until
    then every update, and its way back, works in any order. `on_event` takes a line about
    each stack.

    Raises AwsError with the first failed resource when a stack cannot be deployed,
    BlueprintError or TemplateError when the roles cannot be built.
    """
    deployed = frozenset(deployed_types)
    changed = _trusted_access(aws, system, on_event)
    _refuse_strays(aws, system)
    used = (types(_own(system)) | deployed) - system.granted_types
    for name in sorted(schemas.without_permissions(used)):
        on_event(f"{name}: {_UNKNOWN}")
    needs = _needs(_own(system), code)
    if unbounded and needs.boundary:
        on_event(_ATTACH_FIRST)
        needs = replace(needs, boundary=boundary.CREATED)
    for stack in _stacks(aws, system, code, needs, deployed):
        if stack.name == roles_stack(system):
            for role in _delete_without_roles(aws, stack):
                on_event(f"{role} was deleted; creating {stack.name} again")
        done = stacks.deploy(
            aws,
            stack.target,
            stack.name,
            stack.template,
            parameters=stack.parameters,
            capabilities=_CAPABILITIES,
            tags=stack.tags,
        )
        on_event(
            f"{stack.name} in {stack.target}: {'deployed' if done else 'up to date'}"
        )
        if done:
            changed.append(stack.name)
    return changed


def _delete_without_roles(aws: Aws, stack: _Stack) -> list[str]:
    """Delete a stack of roles if one of them no longer exists, so that it is created
    again; return the missing roles.

    CloudFormation compares templates only: it does not create again what was deleted
    other than through the stack. The stack has roles and policies, and no data.
    """
    if stacks.template(aws, stack.target, stack.name) is None:
        return []
    there = stacks.resources(aws, stack.target, stack.name).values()
    roles = [id for kind, id in there if kind == "AWS::IAM::Role" and id]
    missing = []
    for role in roles:
        try:
            if not role_exists(aws, stack.target, role):
                missing.append(f"role {role} of {stack.target.account}")
        except AwsError as error:
            if error.code not in NOBODY:
                raise
    if missing:
        stacks.remove(aws, stack.target, stack.name)
    return missing


def announced(system: System, assuming: bool) -> Iterator[str]:
    """Yield what `run` creates or updates, a line for each kind of account.

    `assuming` says that a role to assume in other accounts was given.
    """
    yield f"administration role and artifact bucket in {system.admin}"
    copies = ", ".join(map(str, system.journal_copies))
    if copies:
        yield f"artifact bucket, for copies of the journal, in {copies}"
    own = ", ".join(target.account for target in _role_targets(system))
    if own:
        yield f"execution and operator role in {own}"
    looked = ", ".join(target.account for target in looked_at(system))
    if looked and assuming:
        yield f"operator role in {looked}"
    elif looked:
        yield (
            f"no operator role in {looked}: tapgen cannot read outputs and causes of "
            "failure there; to create it, pass --assume-role "
            "OrganizationAccountAccessRole"
        )


def _own(system: System) -> System:
    """The system without the stack sets that AWS Organizations deploys with its own roles."""
    own = tuple(s for s in system.stack_sets if s.service_managed is None)
    return replace(system, stack_sets=own)


def _trusted_access(
    aws: Aws, system: System, on_event: Callable[[str], None]
) -> list[str]:
    """Activate trusted access of StackSets, where the system needs it."""
    if not system.organizational_units:
        return []
    admin, name = system.admin, "trusted access of StackSets"
    there = organizations.trusts(aws, admin, system.delegated)
    if not there and system.delegated:
        raise AwsError("cloudformation:ActivateOrganizationsAccess", "NoAccess", _TRUST)
    if not there:
        organizations.trust(aws, admin)
    on_event(f"{name} in {admin.account}: {'up to date' if there else 'activated'}")
    return [] if there else [name]


def _refuse_strays(aws: Aws, system: System) -> None:
    """Refuse what CloudFormation would fail on with a worse message: a bucket that was
    deleted without its stack, and roles that another administration region created."""
    admin = system.admin
    template = stacks.template(aws, admin, ADMINISTRATION_STACK)
    if template and not ArtifactBucket(aws, admin).exists():
        raise AwsError(
            "s3:HeadBucket",
            "NoSuchBucket",
            f"the artifact bucket of {admin} was deleted, but its stack "
            f"{ADMINISTRATION_STACK} still exists; delete that stack, then run tapgen "
            "bootstrap again",
        )
    wanted = [(target, system.execution_role) for target in _role_targets(system)]
    if aws.role or aws.local:
        wanted += [(target, system.operator_role) for target in looked_at(system)]
    for target, role in wanted:
        if stacks.template(aws, target, roles_stack(system)):
            continue
        if role_exists(aws, target, role):
            raise AwsError(
                "iam:GetRole",
                "EntityAlreadyExists",
                f"role {role} exists in {target.account}, but stack {roles_stack(system)} "
                f"does not exist in {target.region}: the system is administered from "
                "another region; restore admin.region, or destroy the system there first",
            )


@dataclass(frozen=True)
class Unready:
    """Missing prerequisites: those without which nothing can be deployed, and those of
    single accounts, one sentence each."""

    everywhere: tuple[str, ...]
    accounts: Mapping[str, tuple[str, ...]]

    def stops(self, system: System) -> bool:
        """Whether there is no account left to deploy to."""
        targets = {t.account for s in system.stack_sets for t in s.targets}
        left = targets - {*self.accounts}
        return bool(self.everywhere) or bool(self.accounts and not left)


def unready(aws: Aws, system: System, code: str) -> Unready:
    """Return the missing prerequisites of a resolved system.

    `code` is as for `run`. Raises AwsError when an account cannot be read.
    """
    everywhere = []
    admin = system.admin
    if system.organizational_units:
        if not organizations.trusts(aws, admin, system.delegated):
            everywhere.append(_TRUST)
    system = _own(system)
    found = stacks.outputs(aws, admin, ADMINISTRATION_STACK)
    if found is None:
        everywhere.append(f"{admin} has no administration role and no artifact bucket")
    else:
        if not ArtifactBucket(aws, admin).exists():
            everywhere.append(f"the artifact bucket of {admin} was deleted")
        wanted = {*blueprint.service_principals(_regions(system))}
        missing = sorted(wanted - {*found.get(_TRUSTED_OUTPUT, "").split(",")})
        if missing:
            everywhere.append(
                f"the administration role in {admin} does not trust "
                f"{', '.join(missing)}, which its opt-in regions need"
            )
    accounts: dict[str, list[str]] = {}
    for target in _role_targets(system):
        if lacking := _lacking_or_shut(aws, target, system, code):
            accounts.setdefault(target.account, []).extend(lacking)
    uploads = resource_names.targets_of_artifacts(system)
    for target in _bucket_targets(aws, system, uploads):
        if stacks.outputs(aws, target, ARTIFACTS_STACK) is None:
            line = f"{target} has no artifact bucket"
            accounts.setdefault(target.account, []).append(line)
    by_account = {account: tuple(lines) for account, lines in accounts.items()}
    return Unready(tuple(everywhere), by_account)


@dataclass(frozen=True)
class _Needs:
    """What an execution role needs permissions for: resource types, services to pass
    roles to, and, without a code, names as (kind, pattern). `boundary` is as in `Scope`.
    """

    types: frozenset[str]
    passed_to: frozenset[str] = frozenset()
    names: frozenset[tuple[str, str]] = frozenset()
    artifacts: bool = False
    pass_roles: frozenset[PassedRole] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    boundary: str = ""

    def __or__(self, other: _Needs) -> _Needs:
        return _Needs(
            self.types | other.types,
            self.passed_to | other.passed_to,
            self.names | other.names,
            self.artifacts or other.artifacts,
            self.pass_roles | other.pass_roles,
            self.permissions | other.permissions,
            self.boundary,
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
        )


@dataclass(frozen=True)
class _Stack:
    target: Target
    name: str
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]


def _stacks(
    aws: Aws, system: System, code: str, needs: _Needs, deployed: frozenset[str]
) -> Iterator[_Stack]:
    """The stacks to deploy, in order: IAM refuses to trust a role that does not exist."""
    whole, system = system, _own(system)
    found = stacks.outputs(aws, system.admin, ADMINISTRATION_STACK) or {}
    # Other systems of this account may use other opt-in regions: never remove one.
    trusted = {*blueprint.service_principals(_regions(system))}
    trusted |= {*filter(None, found.get(_TRUSTED_OUTPUT, "").split(","))}
    yield _Stack(
        system.admin,
        ADMINISTRATION_STACK,
        blueprint.administration(),
        {
            "ServicePrincipals": ",".join(sorted(trusted)),
            **_bucket_is_there(aws, system.admin),
        },
        {"ManagedBy": "tapgen"},
    )
    places = {*resource_names.targets_of_artifacts(system), *system.journal_copies}
    for target in _bucket_targets(aws, system, sorted(places)):
        yield _Stack(
            target,
            ARTIFACTS_STACK,
            blueprint.artifacts(),
            {},
            {"ManagedBy": "tapgen"},
        )
    parameters = {
        "AdministrationAccount": system.admin.account,
        "EnvironmentSuffix": system.suffix,
    }
    tags = {
        **system.tags,
        "tapgen:system": system.name,
        "tapgen:suffix": system.suffix,
    }
    name = roles_stack(system)
    for target in _role_targets(system):
        needed = needs | _Needs(deployed)
        has = _has(aws, target, system) if deployed else None
        if has is not None:
            # Deployed resources keep their old names, and are deleted by them.
            retained = has.names if not code else frozenset()
            read = has.types & indirect_permissions.REFERENCES
            needed |= replace(has, types=read, names=retained)
        text = _compact(_roles(system, code, needed))
        yield _Stack(target, name, text, parameters, tags)
    if aws.role or aws.local:  # else tapgen has no access there
        looking = Scope(code)
        title = system.name.replace("_", "-")
        text = blueprint.operator(title, looking, references(whole), types(whole))
        for target in looked_at(whole):
            yield _Stack(target, name, _compact(text), parameters, tags)


def _bucket_is_there(aws: Aws, admin: Target) -> dict[str, str]:
    """The parameter for an artifact bucket that exists already, created for a system that
    is administered from elsewhere and uploads to this region."""
    there = stacks.outputs(aws, admin, ARTIFACTS_STACK) is not None
    return {"Bucket": "existing"} if there else {}


def _bucket_targets(aws: Aws, system: System, places: Iterable[Target]) -> list[Target]:
    """Those of the places that have no administration stack with an artifact bucket."""
    return [
        target
        for target in places
        if target != system.admin
        and stacks.outputs(aws, target, ADMINISTRATION_STACK) is None
    ]


def _role_targets(system: System) -> list[Target]:
    """Accounts where the system's own roles deploy, in the administration region."""
    accounts = {
        t.account for s in system.stack_sets if not s.service_managed for t in s.targets
    }
    return [Target(account, system.admin.region) for account in sorted(accounts)]


def looked_at(system: System) -> list[Target]:
    """Return the accounts where AWS Organizations deploys and tapgen only reads. Its role
    there is optional: a rollout reads outputs and causes of failure with it."""
    accounts = {
        t.account
        for s in system.stack_sets
        if s.service_managed
        for t in s.targets
        if not t.joins_later
    }
    known = {target.account for target in _role_targets(system)}
    return [Target(a, system.admin.region) for a in sorted(accounts - known)]


def _regions(system: System) -> set[str]:
    return {t.region for s in system.stack_sets for t in s.targets}


def _roles(system: System, code: str, needs: _Needs) -> str:
    """The template of the roles, checked against CloudFormation's limit."""
    name = system.name.replace("_", "-")
    blueprint.role_names(name, system.suffix)
    scope = needs.scope(code)
    text = blueprint.target(name, scope, needs.types, needs.passed_to)
    size = len(_compact(text).encode())
    if size > _TEMPLATE_BYTES:
        raise TemplateError(
            f"{roles_stack(system)}: the template has {size:,} bytes, CloudFormation "
            f"accepts {_TEMPLATE_BYTES:,}; split the system in two"
        )
    return text


def _compact(template: str) -> str:
    """A template without white space, which counts towards CloudFormation's limit."""
    return json.dumps(json.loads(template), separators=(",", ":"))


def _has(aws: Aws, target: Target, system: System) -> _Needs | None:
    """What the roles in an account have permissions for; None where tapgen made none."""
    text = stacks.template(aws, target, roles_stack(system))
    try:
        metadata = json.loads(text or "")["Metadata"]["tapgen"]
        return _Needs(
            frozenset(metadata["types"]),
            frozenset(metadata["passed_to"]),
            frozenset(
                (kind, pattern)
                for kind, patterns in metadata.get("names", {}).items()
                for pattern in patterns
            ),
            bool(metadata.get("artifacts")),
            frozenset(
                PassedRole(passed["role"], passed["to"])
                for passed in metadata.get("pass_roles", ())
            ),
            frozenset(
                Permission(allowed["action"], allowed["resource"])
                for allowed in metadata.get("permissions", ())
            ),
            str(metadata.get("boundary", "")),
        )
    except (ValueError, LookupError, TypeError):
        return None


def _lacking_or_shut(aws: Aws, target: Target, system: System, code: str) -> list[str]:
    """Return what the roles of an account lack, or that tapgen cannot look: which call
    was refused, and for whom."""
    try:
        return list(_lacking(aws, target, system, code))
    except AwsError as error:
        if error.code not in NOBODY and not isinstance(error, Denied):
            raise
        if not error.call.startswith("sts:AssumeRole"):
            return [f"{target}: the roles cannot be read: {error}"]
        return [
            f"tapgen cannot assume role {system.operator_role} in {target.account}: it "
            "does not exist, or does not trust this caller"
        ]


def _lacking(aws: Aws, target: Target, system: System, code: str) -> Iterator[str]:
    has = _has(aws, target, system)
    if has is None:
        yield f"{target} has no execution and operator role for {system.prefix}"
        return
    needs = _needs(system, code)
    role = f"the execution role for {system.prefix} in {target}"
    lacking = sorted(needs.types - has.types)
    if lacking:
        yield f"{role} lacks permissions for {', '.join(lacking)}"
    services = sorted(needs.passed_to - has.passed_to)
    if services:
        yield f"{role} cannot pass roles to {', '.join(services)}"
    names = sorted(f"{kind} {pattern}" for kind, pattern in needs.names - has.names)
    if names:
        yield f"{role} has no access to {', '.join(names)}"
    for passed in sorted(needs.pass_roles - has.pass_roles):
        yield f"{role} cannot pass {passed.role} to {passed.service}"
    for allowed in sorted(needs.permissions - has.permissions):
        yield f"{role} is not allowed {allowed.action} on {allowed.resource}"
    if needs.boundary and not has.boundary:
        yield f"the permissions boundary of {system.prefix} is missing in {target}"
    if needs.artifacts and not has.artifacts:
        yield f"{role} cannot read artifacts"


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


def _needs(system: System, code: str) -> _Needs:
    """The types in the templates, the services that their roles trust, and, without a
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
    return _Needs(
        types(system) | references(system),
        services,
        names,
        artifacts,
        frozenset(system.pass_roles),
        frozenset(system.permissions),
        _boundary(system, code) if code else "",
    )


def _boundary(system: System, code: str) -> str:
    """Whether the roles of a system are within its boundary: all, some or none.

    Raises TemplateError for a role within the boundary of another code.
    """
    found = [
        resource
        for stack_set in system.stack_sets
        if _BOUNDARY in stack_set.template
        for resource in _resources(stack_set)
    ]
    if not any(map(_is_bounded, found)):
        return ""
    for resource in filter(_is_bounded, found):
        given = json.dumps(resource["Properties"]["PermissionsBoundary"])
        if f"{_BOUNDARY}{code}-" not in given:
            raise TemplateError(
                f"{system.name}: a role has the permissions boundary {given}, but tapgen "
                f"bootstrap makes {_BOUNDARY}{code}-{system.suffix}; let the names of all "
                f"roles begin with {code}, the code of the blueprint"
            )
    every = [r for s in system.stack_sets if _ROLE in s.template for r in _resources(s)]
    return boundary.CREATED if any(map(unbounded, every)) else boundary.ENFORCED


def _is_bounded(resource: Mapping[str, Any]) -> bool:
    properties = resource.get("Properties") or {}
    return _BOUNDARY in json.dumps(properties.get("PermissionsBoundary", ""))


def unbounded(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is a role without the permissions boundary of its system."""
    return resource.get("Type") == _ROLE and not _is_bounded(resource)


def _trusted(s: StackSet, accounts: Container[str]) -> Iterator[str]:
    """Yield the services that the roles of a stack set trust, or may trust, at any
    target; what differs between regions is `*`."""
    body = evaluate.only(checks.body(s.template), _ROLE)
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
