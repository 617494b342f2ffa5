"""The permissions of an execution role: exactly what a system's resources need.

`listed_permissions` selects the actions. `scope` limits them to the system's names
where IAM supports it; `tag_permissions` limits the others by the tags that every stack
set has. `role_permissions` covers IAM roles. Read actions (Describe, List) are allowed
on all resources, except where they would show secrets.

Source for what IAM supports: the service authorization reference.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from awacs import cloudformation as acfn
from awacs import s3 as as3
from awacs.aws import (
    Action,
    Statement,
    StringNotEquals,
)
from troposphere import AccountId

from tapgen.blocks import names, security
from tapgen.blueprints import boundary
from tapgen.blueprints.listed_permissions import listed_actions
from tapgen.blueprints.role_permissions import (
    SERVICE_LINKED,
    pass_given_roles,
    pass_own_roles,
    service_linked_roles,
)
from tapgen.blueprints.scope import (
    ARN_ENDS,
    PUBLIC_PARAMETERS,
    Scope,
    arns_by_kind,
    own_artifacts,
    template_parameters,
    templates_by_url,
)
from tapgen.blueprints.tag_permissions import deny_other_systems, key_statements
from tapgen.knowledge import indirect_permissions
from tapgen.model import Permission
from tapgen.system import resource_names
from tapgen.system.names import reads
from tapgen.template import schemas

# What StackSets calls for a stack of the system, as the execution role.
_STACK_ACTIONS = frozenset(
    f"cloudformation:{name}"
    for name in (
        "CancelUpdateStack ContinueUpdateRollback CreateChangeSet CreateStack "
        "DeleteChangeSet DeleteStack DescribeChangeSet DescribeStackEvents "
        "DescribeStackResource DescribeStackResourceDrifts DescribeStackResources "
        "DescribeStacks DetectStackDrift DetectStackResourceDrift ExecuteChangeSet "
        "GetStackPolicy GetTemplate ListStackResources SetStackPolicy TagResource "
        "UntagResource UpdateStack UpdateTerminationProtection"
    ).split()
)
# The same, but IAM supports no resource for them, or the stack does not exist yet.
_UNSCOPED_STACK_ACTIONS = frozenset(
    f"cloudformation:{name}"
    for name in (
        "DescribeStackDriftDetectionStatus GetTemplateSummary ListExports ListStacks "
        "ValidateTemplate"
    ).split()
)


OF_STACKS = _STACK_ACTIONS | _UNSCOPED_STACK_ACTIONS
"""What StackSets itself calls, besides what resources need."""

# The ends of ARNs that match every name of a kind, or every id that AWS chooses.
_ANY_NAME = re.compile(
    r"(?!key/|config-rule/)" r"(autoScalingGroup:\*:)?([A-Za-z-]+[:/])?(\*/)*\*(-\?+)?"
)
# Services whose read actions are limited to the system's resources, too.
_LIMITED_READS = frozenset({"cloudformation", "iam", "kms", "s3", "secretsmanager"})


def statements(
    system: str, scope: Scope, types: Iterable[str], passed_to: Iterable[str]
) -> list[Statement]:
    """Return the policy statements of a system's execution role.

    `system` is its name with hyphens. `types` are its resource types and the
    `indirect_permissions.REFERENCES` in its templates. `passed_to` are the services
    that its roles are for.
    """
    types = sorted({*types})
    entries = indirect_permissions.of(types)
    if not scope.code:  # the names are known: `_template_parameters`
        entries = [e for e in entries if e.types != (indirect_permissions.SSM_VALUE,)]
    needed = {*listed_actions(types, scope), *OF_STACKS}
    # Wider than the table's entries, which replace them; `ssm:Get*` reads every value.
    needed -= {"iam:CreateServiceLinkedRole", "iam:PassRole", "ssm:Get*"}
    needed |= {action for entry in entries for action in entry.actions}
    through = sorted({entry.through for entry in entries} - {""})
    if through:
        needed.add("kms:DescribeKey")
    bounded = scope.boundary == boundary.ENFORCED
    writing = needed if bounded else set()
    needed = boundary.without(needed) if bounded else needed
    keys = {a for a in needed if a.startswith("kms:") and schemas.limited_by(a)}
    keys = {a for a in keys if "alias" not in schemas.limited_by(a)}
    arns = arns_by_kind(system, scope, types)
    anything = frozenset() if scope.code else _on_anything(types, entries)
    return [
        *_by_resource(needed - keys, arns, anything),
        *key_statements(system, keys, types, through),
        *service_linked_roles(types, entries),
        *pass_own_roles(arns["iam", "role"], passed_to),
        *boundary.limited(scope.code or system, arns, writing),
        *pass_given_roles(scope.pass_roles),
        *_outside_resources(scope.permissions),
        *_code(scope),
        *_template_parameters(scope, types),
        *_transform(types),
        *_stack_sets_own(),
        *deny_other_systems(system, needed),
    ]


def _on_anything(
    types: Iterable[str], entries: Iterable[indirect_permissions.Indirect]
) -> frozenset[str]:
    """Return the actions, in lower case, that a type of a system without a code needs on
    resources whose names its templates do not show."""
    found = {action for entry in entries for action in entry.actions}
    for type_name in types:
        known = resource_names.covers(type_name)
        found |= {
            action
            for action in schemas.permissions([type_name])
            if action.partition(":")[0] not in known
        }
    return frozenset(
        action.lower() for action in found if action.partition(":")[0] in ARN_ENDS
    )


def _template_parameters(scope: Scope, types: Iterable[str]) -> Iterator[Statement]:
    """Allow reading the SSM parameters that the parameters of templates name."""
    if not scope.code and indirect_permissions.SSM_VALUE in types:
        yield security.statement(
            "TemplateParameters",
            [Action(*a.split(":")) for a in indirect_permissions.READS_PARAMETERS],
            template_parameters(scope),
        )


# What reads data, not what a resource is like.
_DATA = frozenset(
    "kms:Decrypt s3:GetObject s3:GetObjectVersion secretsmanager:GetSecretValue".split()
)
_READING = ("BatchGet", "Describe", "Get", "GET", "Head", "List", "Search")


def reading(system: str, scope: Scope, types: Sequence[str]) -> list[Statement]:
    """Return the statements with which CloudFormation finds names that are taken, for
    whoever makes a change set: reading resources of the types that have names."""
    wanted = {action.lower() for kind in types for action in reads(kind)}
    arns = arns_by_kind(system, scope, types)
    allowed = {
        action
        for action in listed_actions(types, scope)
        if action.lower() in wanted - {a.lower() for a in _DATA}
        and action.partition(":")[2].startswith(_READING)
    }
    anything = frozenset() if scope.code else _on_anything(types, ())
    # These show values: only those of the system, where its names are known.
    values = {a for a in allowed if a.startswith("ssm:GetParameter")}
    own = {a for a in values if not any(map(_is_any, _resources(a, arns, anything)))}
    return list(_by_resource(allowed - values | own, arns, anything))


def _resources(
    action: str,
    arns: Mapping[tuple[str, str], Sequence[str]],
    anything: Container[str],
) -> tuple[str, ...]:
    """Return the ARNs that limit an action; `*` if they are unknown in advance."""
    service, _, name = action.partition(":")
    if action.lower() in anything:
        return ("*",)
    if action in _UNSCOPED_STACK_ACTIONS or _is_harmless_read(action):
        return ("*",)
    kinds = [k for k in sorted(schemas.limited_by(action)) if (service, k) in arns]
    if kinds and service in ARN_ENDS:
        # One statement for the service, on all of its ARNs with the system's names.
        kinds = [kind for owner, kind in arns if owner == service]
    found = [arn for kind in kinds for arn in arns[service, kind]]
    if service == "iam" and found and name.startswith(("Get", "List")):
        # Some types look up the service-linked role that they depend on.
        found.append(SERVICE_LINKED)
    if found and action in ("ssm:GetParameter", "ssm:GetParameters"):
        found.append(PUBLIC_PARAMETERS)
    return tuple(dict.fromkeys(found)) or ("*",)


def _is_harmless_read(action: str) -> bool:
    """Whether an action only describes or lists, and cannot show a secret."""
    service, _, name = action.partition(":")
    return name.startswith(("Describe", "List")) and service not in _LIMITED_READS


def _by_resource(
    actions: Iterable[str],
    arns: Mapping[tuple[str, str], Sequence[str]],
    anything: Container[str],
) -> Iterator[Statement]:
    """Yield a statement for each service and set of ARNs; actions that cannot be
    limited share one statement."""
    grouped: dict[tuple[str, tuple[str, ...]], list[Action]] = {}
    for action in sorted(_without_covered({*actions})):
        service, _, name = action.partition(":")
        resources = _resources(action, arns, anything)
        sid = _sid(action, resources)
        grouped.setdefault((sid, resources), []).append(Action(service, name))
    used: Counter[str] = Counter()
    for (sid, resources), allowed in grouped.items():
        used[sid] += 1
        number = str(used[sid]) if used[sid] > 1 else ""
        yield security.statement(sid + number, allowed, resources)


def _without_covered(actions: set[str]) -> set[str]:
    """Drop the actions that a pattern among them covers, such as `ec2:Describe*`."""
    patterns = [a for a in actions if a.endswith("*")]
    covered = {a for a in actions for p in patterns if a != p and fnmatchcase(a, p)}
    return actions - covered


def _sid(action: str, resources: Sequence[str]) -> str:
    """The Sid: the service of a statement, or the reason why its resource is `*`."""
    word = "".join(part.capitalize() for part in action.partition(":")[0].split("-"))
    if resources != ("*",):
        # A template that takes a name from a parameter does not show it.
        unknown = any(_is_any(arn) for arn in resources)
        return word + ("NamesUnknownInAdvance" if unknown else "OfThisSystem")
    if _is_harmless_read(action):
        return "SeeWhatThereIs"
    if schemas.limited_by(action) and action not in _UNSCOPED_STACK_ACTIONS:
        return f"{word}IdsUnknownInAdvance"
    return "WithoutResourceInIam"


def _is_any(arn: str) -> bool:
    """Whether an ARN matches every name of its resource type."""
    plain = re.sub(r"\$\{[^}]*\}", "", arn)
    return bool(_ANY_NAME.fullmatch(plain.split(":", 5)[-1]))


def _outside_resources(given: Iterable[Permission]) -> Iterator[Statement]:
    """Allow given actions on resources outside the system, one statement for each, and
    those that a config gives for types of resources on all."""
    allowed: dict[str, list[Action]] = {}
    for one in sorted({*given}):
        service, _, name = one.action.partition(":")
        allowed.setdefault(one.resource, []).append(Action(service, name))
    if any_resource := allowed.pop("*", None):
        yield security.statement("GivenForTypes", any_resource, ["*"])
    for number, (resource, actions) in enumerate(sorted(allowed.items()), start=1):
        yield security.statement(f"MadeElsewhere{number}", actions, [resource])


def _code(scope: Scope) -> Iterator[Statement]:
    """Allow reading the artifacts of functions and other resources."""
    objects = [names.bucket_arn(f"{name}/*") for name in scope.names.get("s3:read", ())]
    if scope.artifacts:
        objects.append(own_artifacts("/artifacts/*"))
    if objects:
        yield security.statement(
            "CodeOfThisSystem", [as3.GetObject, as3.GetObjectVersion], objects
        )


def _transform(types: Iterable[str]) -> Iterator[Statement]:
    """Allow the transform that templates with loops need.

    CloudFormation treats its use as creating a change set with the transform's ARN (the
    Lambda developer guide shows the policy for AWS::Serverless-2016-10-31).
    """
    if indirect_permissions.TRANSFORM in types:
        name = indirect_permissions.TRANSFORM.removeprefix("AWS::")
        own = names.arn(
            "cloudformation", f"transform/{name}", region="*", account="aws"
        )
        yield security.statement("LanguageExtensions", [acfn.CreateChangeSet], [own])


def _stack_sets_own() -> Iterator[Statement]:
    """Allow the buckets that StackSets uses for templates and instance state.

    The user guide requires `s3:*` on all resources. These buckets belong to AWS, so the
    role may only read and write objects outside its account and organization. Templates
    given by URL are in the artifact bucket.
    """
    yield security.statement(
        "StackSetsOwnBuckets",
        [as3.GetObject, as3.PutObject],
        [names.bucket_arn("*/*")],
        StringNotEquals(
            {
                "s3:ResourceAccount": AccountId,
                # No organization has the id none.
                "aws:ResourceOrgID": "${aws:PrincipalOrgID, 'none'}",
            }
        ),
    )
    yield templates_by_url()
