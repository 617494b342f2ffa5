"""Prepares accounts for stack sets: roles and the artifact bucket, as plain stacks.

`run` deploys what `blueprints.bootstrap` describes: `tapgen-administration` once, and
`tapgen-<system>-<suffix>-roles` in every target account, all in the administration
region (IAM is global, one region is enough). A second run changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tapgen import schemas
from tapgen.aws import stacks
from tapgen.aws.session import Aws
from tapgen.blueprints import bootstrap as blueprint
from tapgen.errors import TemplateError
from tapgen.model import StackSet, System, Target

ADMINISTRATION_STACK = "tapgen-administration"

_CAPABILITIES = ("CAPABILITY_NAMED_IAM",)
# Quota of CloudFormation for a template given as text.
_TEMPLATE_BYTES = 51_200
_TRUSTED_OUTPUT = "TrustedServices"


def roles_stack(system: System) -> str:
    """The name of the stack with the roles of a system in a target account."""
    return f"tapgen-{system.prefix}-roles"


def types(system: System) -> frozenset[str]:
    """The resource types in a system's templates.

    Raises TemplateError for a template that cannot be read.
    """
    return frozenset(
        str(resource.get("Type"))
        for stack_set in system.stack_sets
        for resource in _resources(stack_set)
    )


def files(system: System, code: str) -> dict[str, str]:
    """The bootstrap templates by path, as committed and as deployed.

    `code` is what the names of the system's resources begin with. Raises
    BlueprintError or TemplateError when the roles cannot be built.
    """
    return {
        "bootstrap/administration.json": blueprint.administration(),
        f"bootstrap/{system.name}.json": _roles(system, code, _needs(system)),
    }


def run(
    aws: Aws,
    system: System,
    *,
    code: str,
    deployed_types: Iterable[str] = (),
    on_event: Callable[[str], None] = lambda event: None,
) -> list[str]:
    """Deploy what is missing or has changed; the names of the stacks that changed.

    `system` is resolved. `deployed_types` are the resource types of what is deployed
    now: removing and rolling back need permissions too, and to the services that the
    roles could be passed to until now. `on_event` takes a line about each stack.

    Raises AwsError with the first failed resource when a stack cannot be deployed,
    BlueprintError or TemplateError when the roles cannot be built.
    """
    deployed = frozenset(deployed_types)
    for name in sorted(schemas.without_permissions(types(system) | deployed)):
        on_event(
            f"{name}: its schema does not say which permissions it needs; the "
            "execution role has none for it"
        )
    changed = []
    for stack in _stacks(aws, system, code, deployed):
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


def ready(aws: Aws, system: System) -> list[str]:
    """What a rollout of a resolved system still lacks, one sentence each.

    Raises AwsError when an account cannot be reached.
    """
    problems = []
    admin = system.admin
    found = stacks.outputs(aws, admin, ADMINISTRATION_STACK)
    if found is None:
        problems.append(f"{admin} has no administration role and no artifact bucket")
    else:
        wanted = {*blueprint.service_principals(_regions(system))}
        missing = sorted(wanted - {*found.get(_TRUSTED_OUTPUT, "").split(",")})
        if missing:
            problems.append(
                f"the administration role in {admin} does not trust "
                f"{', '.join(missing)}, which opt-in regions need"
            )
    for target in _role_targets(system):
        problems.extend(_lacking(aws, target, system))
    return problems


@dataclass(frozen=True)
class _Needs:
    """What an execution role is made for: resource types, services to pass roles to."""

    types: frozenset[str]
    passed_to: frozenset[str] = frozenset()

    def __or__(self, other: _Needs) -> _Needs:
        return _Needs(self.types | other.types, self.passed_to | other.passed_to)


@dataclass(frozen=True)
class _Stack:
    target: Target
    name: str
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]


def _stacks(
    aws: Aws, system: System, code: str, deployed: frozenset[str]
) -> Iterator[_Stack]:
    """What to deploy, in order: IAM refuses to trust a role that does not exist."""
    found = stacks.outputs(aws, system.admin, ADMINISTRATION_STACK) or {}
    # Other systems of this account may go to other opt-in regions: never take away.
    trusted = {*blueprint.service_principals(_regions(system))}
    trusted |= {*filter(None, found.get(_TRUSTED_OUTPUT, "").split(","))}
    yield _Stack(
        system.admin,
        ADMINISTRATION_STACK,
        blueprint.administration(),
        {"ServicePrincipals": ",".join(sorted(trusted))},
        {"ManagedBy": "tapgen"},
    )
    for target in _role_targets(system):
        needs = _needs(system) | _Needs(deployed)
        has = _has(aws, target, system) if deployed else None
        if has is not None:
            needs |= _Needs(frozenset(), has.passed_to)
        yield _Stack(
            target,
            roles_stack(system),
            _roles(system, code, needs),
            {
                "AdministrationAccount": system.admin.account,
                "EnvironmentSuffix": system.suffix,
            },
            {
                **system.tags,
                "tapgen:system": system.name,
                "tapgen:suffix": system.suffix,
            },
        )


def _role_targets(system: System) -> list[Target]:
    accounts = {t.account for s in system.stack_sets for t in s.targets}
    return [Target(account, system.admin.region) for account in sorted(accounts)]


def _regions(system: System) -> set[str]:
    return {t.region for s in system.stack_sets for t in s.targets}


def _roles(system: System, code: str, needs: _Needs) -> str:
    """The template of the roles, checked against CloudFormation's limit."""
    name = system.name.replace("_", "-")
    blueprint.role_names(name, system.suffix)
    text = blueprint.target(name, code, needs.types, needs.passed_to)
    if len(text.encode()) > _TEMPLATE_BYTES:
        raise TemplateError(
            f"{roles_stack(system)}: the template has {len(text.encode())} bytes, "
            f"CloudFormation takes {_TEMPLATE_BYTES}; split the system in two"
        )
    return text


def _has(aws: Aws, target: Target, system: System) -> _Needs | None:
    """What the roles in an account were made for; None when there are none of ours."""
    text = stacks.template(aws, target, roles_stack(system))
    try:
        made = json.loads(text or "")["Metadata"]["tapgen"]
        return _Needs(frozenset(made["types"]), frozenset(made["passed_to"]))
    except (ValueError, LookupError, TypeError):
        return None


def _lacking(aws: Aws, target: Target, system: System) -> Iterator[str]:
    has = _has(aws, target, system)
    if has is None:
        yield f"{target} has no execution and operator role for {system.prefix}"
        return
    needs = _needs(system)
    role = f"the execution role for {system.prefix} in {target}"
    lacking = sorted(needs.types - has.types)
    if lacking:
        yield f"{role} lacks what {', '.join(lacking)} needs"
    services = sorted(needs.passed_to - has.passed_to)
    if services:
        yield f"{role} may not pass roles to {', '.join(services)}"


# What the templates say --------------------------------------------------------------


def _resources(stack_set: StackSet) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(stack_set.template)["Resources"].values()
        return [dict(resource) for resource in found]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TemplateError(
            f"{stack_set.name}: the template's resources cannot be read "
            f"({type(error).__name__}: {error}); run tapgen lint"
        ) from error


def _needs(system: System) -> _Needs:
    """The types in the templates, and the services that their roles trust."""
    services = frozenset(
        service
        for stack_set in system.stack_sets
        for resource in _resources(stack_set)
        if resource.get("Type") == "AWS::IAM::Role"
        for service in _trusted(resource.get("Properties", {}))
    )
    return _Needs(types(system), services)


def _trusted(role: Mapping[str, Any]) -> Iterator[str]:
    document = role.get("AssumeRolePolicyDocument", {})
    for statement in _many(document.get("Statement", [])):
        principal = statement.get("Principal", {})
        if isinstance(principal, Mapping):
            yield from filter(None, map(_service, _many(principal.get("Service", []))))


def _service(value: Any) -> str | None:
    """A service principal as text; a variable in it becomes `*`."""
    if isinstance(value, Mapping):
        value = value.get("Fn::Sub")
    return re.sub(r"\$\{[^}]+\}", "*", value) if isinstance(value, str) else None


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
