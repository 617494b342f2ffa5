"""Prepare accounts for stack sets: roles and artifact buckets, as plain stacks.

`run` deploys what `blueprints.bootstrap` and `roles` describe: `tapgen-administration`
once, and `tapgen-<system>-<suffix>-roles` in every target account, all in the
administration region (IAM is global, one region is enough; once the administration has
moved, the roles stay with their stack, where they were made); `tapgen-artifacts` wherever
the system uploads something or its journal has a copy, and no artifact bucket exists
yet. A second run changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

from tapgen.accounts import roles
from tapgen.aws import artifact_bucket, organizations, stacks
from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.clients import AT_ONCE
from tapgen.aws.session import NOBODY, Aws, is_away, role_exists
from tapgen.blueprints import bootstrap as blueprint
from tapgen.blueprints import boundary
from tapgen.blueprints.scope import Scope
from tapgen.errors import AwsError, Denied
from tapgen.frozen import dataclass
from tapgen.knowledge import indirect_permissions
from tapgen.model import PassedRole, Permission, System, Target
from tapgen.system import resource_names
from tapgen.template import schemas

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
_ATTACH_FIRST = (
    "deployed roles have no permissions boundary yet: roll out, which attaches it, then "
    "run tapgen bootstrap again, which holds the execution role to it"
)
_TRUSTED_OUTPUT = "TrustedServices"
# A region that may be away is asked, and not waited for.
_ATTEMPTS = 2


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
    there = _roles_stacks(aws, system, bool(deployed))
    administration = _refuse_strays(aws, system, there)
    used = (roles.types(roles.own(system)) | deployed) - system.granted_types
    for name in sorted(schemas.without_permissions(used)):
        on_event(f"{name}: {_UNKNOWN}")
    needs = roles.needed(roles.own(system), code)
    if unbounded and needs.boundary:
        on_event(_ATTACH_FIRST)
        needs = replace(needs, boundary=boundary.CREATED)

    def deploy(stack: _Stack) -> tuple[_Stack, list[str], bool]:
        missing, text = [], None
        if stack.name == ADMINISTRATION_STACK:
            text = administration
        elif stack.name == roles.stack_name(system):
            text = there.get(stack.target.account, _NOWHERE).text
            missing = _delete_without_roles(aws, system, stack, text or "")
        done = stacks.deploy(
            aws,
            stack.target,
            stack.name,
            stack.template,
            parameters=stack.parameters,
            capabilities=_CAPABILITIES,
            tags=stack.tags,
            there=None if missing else text,
        )
        return stack, missing, done

    for line in _out_of_reach(there):
        on_event(line)
    places = {*resource_names.targets_of_artifacts(roles.own(system))}
    places |= set(_answering(aws, system.journal_copies, on_event))
    # IAM refuses to trust a role that does not exist: the administration role is first.
    first, *others = _stacks(aws, system, code, needs, deployed, there, places)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for stack, missing, done in chain([deploy(first)], pool.map(deploy, others)):
            for role in missing:
                on_event(f"{role} was deleted; creating {stack.name} again")
            state = "deployed" if done else "up to date"
            on_event(f"{stack.name} in {stack.target}: {state}")
            if done:
                changed.append(stack.name)
    return changed


@dataclass(frozen=True)
class _Roles:
    """The stack with the roles of an account: where it is, and its template; None where
    its region does not answer, and the roles are known to exist."""

    target: Target
    text: str | None


_NOWHERE = _Roles(Target("", ""), None)


def _roles_stacks(aws: Aws, system: System, moved: bool) -> dict[str, _Roles]:
    """Return the stacks with roles that there are, by account: one call for each, several
    at once. `moved` as of `_roles_stack`."""
    targets = _role_targets(roles.own(system))
    if aws.role or aws.local:  # else tapgen has no access there
        targets += looked_at(system)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda t: _roles_stack(aws, system, t, moved), targets)
        return {t.account: one for t, one in zip(targets, found, strict=True) if one}


def _out_of_reach(there: Mapping[str, _Roles]) -> Iterator[str]:
    """Yield whose roles stay as they are."""
    for account, one in sorted(there.items()):
        if one.text is None:
            yield (
                f"the roles in {account} stay as they are: their stack is in "
                f"{one.target.region}, which does not answer; run tapgen bootstrap again "
                "once it does"
            )


def _roles_stack(
    aws: Aws, system: System, target: Target, moved: bool
) -> _Roles | None:
    """Return the stack with the roles of an account, None where there is none. Where the
    administration may have `moved`, it is also looked for in the other regions: roles are
    global, and their stack stays where it was made."""
    name = roles.stack_name(system)
    text = stacks.template(aws, target, name)
    if text or not moved:
        return _Roles(target, text) if text else None
    away = None
    for region in sorted(_once_administered(aws, system) - {target.region}):
        place = replace(target, region=region)
        try:
            if text := stacks.template(aws, place, name, attempts=_ATTEMPTS):
                return _Roles(place, text)
        except AwsError as error:
            if not is_away(error):
                raise
            away = away or _Roles(place, None)
    return away if away and _may_exist(aws, target, system.execution_role) else None


def _once_administered(aws: Aws, system: System) -> set[str]:
    """The regions that may have administered the system before: each has an artifact
    bucket. Where buckets cannot be listed, those with a role."""
    found = {*system.regions.values()}
    try:
        return found | artifact_bucket.regions(aws, system.admin)
    except AwsError:
        return found


def _may_exist(aws: Aws, target: Target, role: str) -> bool:
    """Whether there is a role, or nobody can say: IAM is changed and read in one region,
    and works on in the others without it
    (https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html).
    """
    try:
        return role_exists(aws, target, role)
    except AwsError as error:
        if not is_away(error):
            raise
        return True


def _delete_without_roles(
    aws: Aws, system: System, stack: _Stack, there: str
) -> list[str]:
    """Delete a stack of roles if one of them no longer exists, so that it is created
    again; return the missing roles. `there` is its present template.

    CloudFormation compares templates only: it does not create again what was deleted
    other than through the stack. The stack has roles and policies, and no data.
    """
    named = {
        "ExecutionRoleArn": system.execution_role,
        "OperatorRoleArn": system.operator_role,
    }
    missing = []
    for role in [role for output, role in named.items() if f'"{output}"' in there]:
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
    others = {t.account for s in system.stack_sets for t in s.targets}
    if others - {system.admin.account} and not system.callers:
        yield (
            f"whoever in {system.admin.account} is allowed sts:AssumeRole can assume the "
            "operator roles; to name them, set admin.callers"
        )
    looked = ", ".join(target.account for target in looked_at(system))
    if looked and assuming:
        yield f"operator role in {looked}"
    elif looked:
        yield (
            f"no operator role in {looked}: tapgen cannot read outputs and causes of "
            "failure there; to create it, pass --assume-role "
            "OrganizationAccountAccessRole"
        )


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


def _refuse_strays(aws: Aws, system: System, there: Mapping[str, _Roles]) -> str | None:
    """Refuse what CloudFormation would fail on with a worse message: a bucket that was
    deleted without its stack, and roles that another administration region created.

    Return the template of the administration stack; None where there is none.
    """
    admin = system.admin
    template = stacks.template(aws, admin, ADMINISTRATION_STACK)
    if template and not ArtifactBucket(aws, admin).exists():
        raise AwsError(
            "s3:ListObjectsV2",
            "NoSuchBucket",
            f"the artifact bucket of {admin} was deleted, but its stack "
            f"{ADMINISTRATION_STACK} still exists; delete that stack, then run tapgen "
            "bootstrap again",
        )
    wanted = [(target, system.execution_role) for target in _role_targets(system)]
    if aws.role or aws.local:
        wanted += [(target, system.operator_role) for target in looked_at(system)]
    for target, role in wanted:
        if target.account not in there and role_exists(aws, target, role):
            raise AwsError(
                "iam:GetRole",
                "EntityAlreadyExists",
                f"role {role} exists in {target.account}, but stack {roles.stack_name(system)} "
                f"does not exist in {target.region}: the system is administered from "
                "another region; restore admin.region, then move the administration with "
                "tapgen move-admin, or destroy the system there first",
            )
    return template


@dataclass(frozen=True)
class Unready:
    """Missing prerequisites: those without which nothing can be deployed, and those of
    single accounts, one sentence each; `unread` is what could not be checked."""

    everywhere: tuple[str, ...]
    accounts: Mapping[str, tuple[str, ...]]
    unread: tuple[str, ...] = ()

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
    system = roles.own(system)
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
    accounts, unread = _in_accounts(aws, system, roles.needed(system, code))
    uploads = resource_names.targets_of_artifacts(system)
    for target in _bucket_targets(aws, system, uploads):
        if stacks.outputs(aws, target, ARTIFACTS_STACK) is None:
            line = f"{target} has no artifact bucket"
            accounts.setdefault(target.account, []).append(line)
    by_account = {account: tuple(lines) for account, lines in accounts.items()}
    return Unready(tuple(everywhere), by_account, tuple(unread))


def _in_accounts(
    aws: Aws, system: System, needs: roles.Needs
) -> tuple[dict[str, list[str]], list[str]]:
    """Return what the roles of each account lack, and where nobody can look."""
    accounts: dict[str, list[str]] = {}
    unread: list[str] = []
    targets = _role_targets(system)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda t: _lacking_or_shut(aws, t, system, needs), targets)
        for target, lacking in zip(targets, found, strict=True):
            if isinstance(lacking, Target):
                unread.append(
                    f"what the roles in {target.account} may do cannot be checked: their "
                    f"stack is in {lacking.region}, which does not answer"
                )
            elif lacking:
                accounts.setdefault(target.account, []).extend(lacking)
    return accounts, unread


@dataclass(frozen=True)
class _Stack:
    target: Target
    name: str
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]


def _stacks(
    aws: Aws,
    system: System,
    code: str,
    needs: roles.Needs,
    deployed: frozenset[str],
    there: Mapping[str, _Roles],
    places: Iterable[Target],
) -> Iterator[_Stack]:
    """The stacks to deploy, in order: IAM refuses to trust a role that does not exist."""
    whole, system = system, roles.own(system)
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
    name = roles.stack_name(system)
    for target in _role_targets(system):
        known = there.get(target.account, _Roles(target, ""))
        if known.text is None:
            continue  # its region does not answer, and the roles exist
        needed = needs | roles.Needs(deployed)
        has = _has(known.text) if deployed else None
        if has is not None:
            # Deployed resources keep their old names, and are deleted by them.
            retained = has.names if not code else frozenset()
            read = has.types & indirect_permissions.REFERENCES
            needed |= replace(has, types=read, names=retained)
        text = roles.compact(roles.template(system, code, needed))
        yield _Stack(known.target, name, text, parameters, tags)
    if aws.role or aws.local:  # else tapgen has no access there
        divided = sorted(roles.divided(whole))
        looking = Scope(code, callers=whole.callers, divided=divided)
        title = system.name.replace("_", "-")
        text = blueprint.operator(
            title, looking, roles.references(whole), roles.types(whole)
        )
        for target in looked_at(whole):
            known = there.get(target.account, _Roles(target, ""))
            if known.text is not None:
                target = known.target
                yield _Stack(target, name, roles.compact(text), parameters, tags)


def _answering(
    aws: Aws, copies: Iterable[Target], on_event: Callable[[str], None]
) -> Iterator[Target]:
    """Those of the places for copies whose region answers: a rollout to the other regions
    does not need the rest."""
    for target in copies:
        try:
            ArtifactBucket(aws, target).hasty.exists()
        except AwsError as error:
            if not is_away(error):
                raise
            on_event(
                f"no bucket for copies of the journal in {target.region}, which does not "
                "answer; run tapgen bootstrap again once it does"
            )
            continue
        yield target


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


def _has(text: str | None) -> roles.Needs | None:
    """What the roles of a stack have permissions for, by the stack's template; None where
    tapgen did not make it."""
    try:
        metadata = json.loads(text or "")["Metadata"]["tapgen"]
        return roles.Needs(
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
            frozenset(metadata.get("callers", ())),
        )
    except (ValueError, LookupError, TypeError):
        return None


def _lacking_or_shut(
    aws: Aws, target: Target, system: System, needs: roles.Needs
) -> list[str] | Target:
    """Return what the roles of an account lack, or that tapgen cannot look: which call
    was refused, and for whom; the place of their stack where its region is away."""
    try:
        found = _roles_stack(aws, system, target, moved=True)
        if found and found.text is None:
            return found.target
        text = found.text if found else None
        return list(_lacking(_has(text), target, system, needs))
    except AwsError as error:
        if error.code not in NOBODY and not isinstance(error, Denied):
            raise
        if not error.call.startswith("sts:AssumeRole"):
            return [f"{target}: the roles cannot be read: {error}"]
        return [
            f"tapgen cannot assume role {system.operator_role} in {target.account}: it "
            "does not exist, or does not trust this caller"
        ]


def _lacking(
    has: roles.Needs | None, target: Target, system: System, needs: roles.Needs
) -> Iterator[str]:
    if has is None:
        yield f"{target} has no execution and operator role for {system.prefix}"
        return
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
    yield from _other_callers(has, target, system, needs)
    if has.boundary == boundary.ENFORCED != needs.boundary:
        yield f"{role} creates roles only within the permissions boundary"
    if needs.artifacts and not has.artifacts:
        yield f"{role} cannot read artifacts"


def _other_callers(
    has: roles.Needs, target: Target, system: System, needs: roles.Needs
) -> Iterator[str]:
    if needs.callers != has.callers:
        now, wanted = (
            ", ".join(sorted(callers)) or "the whole administration account"
            for callers in (has.callers, needs.callers)
        )
        yield (
            f"the operator role for {system.prefix} in {target} trusts {now}, not {wanted}"
        )
