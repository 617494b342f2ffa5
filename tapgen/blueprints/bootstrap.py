"""The roles and the buckets that must exist before the first stack set.

Three templates. `administration` is deployed once, in the administration account: the
role that CloudFormation uses to reach target accounts, and the bucket for plans,
journals and snapshots. `target` is deployed once per system, suffix and target account:
the execution role, which CloudFormation uses to create the system's resources, and the
operator role, which tapgen uses to read its stacks. `artifacts` is the bucket for
function code, which must be in the function's region.

Source for roles and trust: "Grant self-managed permissions" in CloudFormation's user
guide. Source for sizes: "IAM and AWS STS quotas" in IAM's user guide.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from awacs import apigateway as aapigateway
from awacs import awslambda as alambda
from awacs import ce as ace
from awacs import cloudformation as acfn
from awacs import cloudwatch as acloudwatch
from awacs import ec2 as aec2
from awacs import elasticloadbalancing as aelb
from awacs import events as aevents
from awacs import globalaccelerator as aaccelerator
from awacs import iam as aiam
from awacs import rds as ards
from awacs import route53 as aroute53
from awacs import s3 as as3
from awacs import servicequotas as aquotas
from awacs import ssm as assm
from awacs.aws import (
    Allow,
    ArnLike,
    AWSPrincipal,
    Condition,
    Null,
    PolicyDocument,
    Principal,
    Statement,
    StringEquals,
    StringLike,
)
from awacs.sts import AssumeRole
from troposphere import (
    AccountId,
    Equals,
    GetAtt,
    Join,
    Output,
    Parameter,
    Ref,
    Template,
    iam,
)

from tapgen.blocks import names, security, storage
from tapgen.blueprints import boundary, encoding, execution
from tapgen.blueprints.scope import (
    Scope,
    arns_by_kind,
    own_artifacts,
    reviews,
    stacks,
    template_parameters,
    templates_by_url,
)
from tapgen.errors import BlueprintError
from tapgen.knowledge import indirect_permissions
from tapgen.model import CHANGE_SETS, LONGEST_SUFFIX, SUFFIX_PATTERN, SUFFIX_RULE
from tapgen.model.shifts import ACCELERATOR, CANARY, DNS, TARGETS
from tapgen.system import templates_out

# One for each administration region: IAM is global, the bootstrap stack is not. Both
# stacks that use the name are in that region.
ADMINISTRATION_ROLE = "tapgen-administration-${AWS::Region}"
_ADMINISTRATIONS = "role/tapgen-administration-*"

BUCKET = "tapgen-artifacts-${AWS::AccountId}-${AWS::Region}"

# The regions that are enabled by default. The list is closed: regions launched after 20
# March 2019 are opt-in (AWS General Reference, "Managing AWS Regions").
_DEFAULT_REGIONS = frozenset(
    "ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1 "
    "ap-southeast-2 ca-central-1 eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3 "
    "sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2".split()
)
_OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-iso", "eusc-")

# IAM quotas: characters of a managed policy without white space; managed policies on
# one role by default; characters of a role name.
_POLICY_SIZE = 6144
_POLICIES_PER_ROLE = 10
_ROLE_NAME = 64
# Days that older versions of plans, journals and snapshots are kept.
_OLD_VERSIONS = 90
# The longest values of the variables in a policy.
_LONGEST = {
    "${AWS::Partition}": "aws-us-gov",
    "${AWS::URLSuffix}": "amazonaws.com.cn",
    "${AWS::AccountId}": "0" * 12,
    "${AdministrationAccount}": "0" * 12,
    "${EnvironmentSuffix}": "x" * 12,
}

OPERATOR_ACTIONS = (
    acfn.ContinueUpdateRollback,
    acfn.DescribeStackEvents,
    acfn.DescribeStackResource,
    acfn.DescribeStackResourceDrifts,
    acfn.DescribeStackResources,
    acfn.DescribeStacks,
    acfn.GetStackPolicy,
    acfn.GetTemplate,
    acfn.ListChangeSets,
    acfn.ListStackResources,
)


# The calls of `aws.quotas` and `aws.cost_tags`; IAM supports no resources for them.
QUOTA_ACTIONS = (
    ace.ListCostAllocationTags,
    acfn.DescribeAccountLimits,
    aec2.DescribeAddresses,
    aec2.DescribeInstances,
    aec2.DescribeVpcs,
    aevents.ListRules,
    aiam.GetAccountSummary,
    alambda.GetAccountSettings,
    aquotas.GetServiceQuota,
)


# The calls of `aws.alarms` and `aws.health_checks`: gates read the alarms of the system and
# named ones, `tapgen verify` also what they watch, and health checks. Metrics of services are
# no resource for IAM, and a template does not know the ids of health checks.
WATCHING_ACTIONS = (
    acloudwatch.DescribeAlarmHistory,
    acloudwatch.DescribeAlarms,
    acloudwatch.ListMetrics,
    aroute53.GetHealthCheck,
    aroute53.GetHealthCheckStatus,
)


# The calls of `aws.shares`, by what divides traffic: a plan says where it is divided in
# another way than the stacks have it.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
_DIVIDING: Mapping[str, Sequence[tuple[Any, str]]] = {
    DNS: [
        (
            aroute53.ListResourceRecordSets,
            names.arn("route53", "hostedzone/*", region="", account=""),
        )
    ],
    ACCELERATOR: [
        (
            aaccelerator.DescribeEndpointGroup,
            names.arn("globalaccelerator", "accelerator/*", region=""),
        )
    ],
    TARGETS: [(aelb.DescribeListeners, "*")],
    CANARY: [
        (
            aapigateway.GET,
            names.arn("apigateway", "/restapis/*/stages/*", region="*", account=""),
        ),
        (alambda.GetAlias, names.arn("lambda", "function:*", region="*")),
    ],
}


def service_principals(regions: Iterable[str]) -> tuple[str, ...]:
    """Return the service principals that assume the administration role for these
    regions.

    Opt-in regions have a service principal of their own, besides the global one
    (CloudFormation user guide, "Prerequisites for opt-in Regions").
    """
    opt_in = sorted(
        region
        for region in {*regions} - _DEFAULT_REGIONS
        if not region.startswith(_OTHER_PARTITIONS)
    )
    return (
        "cloudformation.amazonaws.com",
        *(f"cloudformation.{region}.amazonaws.com" for region in opt_in),
    )


def role_names(system: str, suffix: str) -> tuple[str, str]:
    """Return the names of execution role and operator role; `system` with hyphens.

    Raises BlueprintError for a name longer than IAM allows.
    """
    names = tuple(f"tapgen-{system}-{suffix}-{r}" for r in ("execution", "operator"))
    for name in names:
        if len(name) > _ROLE_NAME:
            raise BlueprintError(
                f"role name {name} has {len(name)} characters, IAM allows "
                f"{_ROLE_NAME}; shorten the system's name or the suffix"
            )
    return names[0], names[1]


# Administration ----------------------------------------------------------------------


@cache
def administration() -> str:
    """Return the template of stack `tapgen-administration`."""
    template = _start("tapgen: administration role and artifact bucket")
    services = template.add_parameter(
        Parameter(
            "ServicePrincipals",
            Type="CommaDelimitedList",
            Default="cloudformation.amazonaws.com",
            Description="Service principals that may assume the administration role: "
            "CloudFormation, and cloudformation.REGION.amazonaws.com for each opt-in "
            "target region",
        )
    )
    made_here = template.add_parameter(
        Parameter(
            "Bucket",
            Type="String",
            Default="create",
            AllowedValues=["create", "existing"],
            Description="existing if stack tapgen-artifacts has created the bucket",
        )
    )
    role = template.add_resource(_administration_role(services))
    _artifact_bucket(template)
    template.add_condition("MakesBucket", Equals(Ref(made_here), "create"))
    for resource in template.resources.values():
        if resource is not role:
            resource.Condition = "MakesBucket"
    template.add_output(
        [
            Output("AdministrationRoleArn", Value=GetAtt(role, "Arn")),
            Output("ArtifactBucket", Value=names.sub(BUCKET)),
            Output("TrustedServices", Value=Join(",", Ref(services))),
        ]
    )
    return templates_out.render(encoding.data(template), ours=True)


@cache
def artifacts() -> str:
    """Return the template of stack `tapgen-artifacts`: the bucket of an account and
    region."""
    template = _start("tapgen: artifact bucket")
    _artifact_bucket(template)
    template.add_output(Output("ArtifactBucket", Value=names.sub(BUCKET)))
    return templates_out.render(encoding.data(template), ours=True)


def _artifact_bucket(template: Template) -> None:
    storage.bucket(
        template,
        "ArtifactBucket",
        name=BUCKET,
        purpose="tapgen-artifacts",
        # S3-managed keys, not KMS: journals and snapshots must stay readable when a
        # rollout breaks a key or its policy.
        key_arn=None,
        lifecycle=storage.lifecycle(noncurrent_days=_OLD_VERSIONS),
        why="artifact bucket",
    )


def _start(description: str) -> Template:
    template = Template(Description=description)
    template.set_version()
    return template


def _administration_role(services: Parameter) -> iam.Role:
    stack_sets = names.arn("cloudformation", "stackset/*", region="*")
    return _role(
        "AdministrationRole",
        name=ADMINISTRATION_ROLE,
        description="Lets StackSets reach the execution roles of tapgen's systems",
        trusted=Principal("Service", Ref(services)),
        # Only for stack sets of this account (confused deputy).
        when=[
            StringEquals({"aws:SourceAccount": AccountId}),
            StringLike({"aws:SourceArn": names.sub(stack_sets)}),
        ],
        allow=[
            security.statement(
                "ExecutionRoles",
                [AssumeRole],
                [names.arn("iam", "role/tapgen-*-execution", region="", account="*")],
            )
        ],
    )


def _role(
    title: str,
    *,
    name: str,
    description: str,
    trusted: Principal,
    when: Sequence[Any] = (),
    allow: Sequence[Statement] = (),
    policies: Sequence[iam.ManagedPolicy] = (),
) -> iam.Role:
    condition = {"Condition": Condition(list(when))} if when else {}
    trust = Statement(
        Sid="Assume", Effect=Allow, Principal=trusted, Action=[AssumeRole], **condition
    )
    optional: dict[str, Any] = {}
    if allow:
        document = security.document(*allow)
        optional["Policies"] = [iam.Policy(PolicyName=title, PolicyDocument=document)]
    if policies:
        optional["ManagedPolicyArns"] = [Ref(policy) for policy in policies]
    return iam.Role(
        title,
        RoleName=names.sub(name),
        Description=description,
        AssumeRolePolicyDocument=security.document(trust),
        **optional,
    )


# Target accounts ---------------------------------------------------------------------


def target(
    system: str, scope: Scope | str, types: Iterable[str], passed_to: Iterable[str]
) -> str:
    """Return the template of stack `tapgen-<system>-<suffix>-roles`.

    `system` is the system's name with hyphens, `scope` the names of its resources (or
    just their code), `types` its resource types and the
    `indirect_permissions.REFERENCES` in its templates, `passed_to` the services that
    its roles are for. The template's metadata repeats all but the code. Raises
    BlueprintError if the permissions do not fit into a role.
    """
    scope = Scope(scope) if isinstance(scope, str) else scope
    types, passed_to = sorted({*types}), sorted({*passed_to})
    template = _start(f"tapgen: execution and operator role of {system}")
    facts: dict[str, Any] = {"types": types, "passed_to": passed_to}
    if scope.names:
        facts["names"] = {kind: list(found) for kind, found in scope.names.items()}
    if scope.artifacts:
        facts["artifacts"] = True
    if scope.boundary:
        facts["boundary"] = scope.boundary
    if scope.pass_roles:
        facts["pass_roles"] = [
            {"role": passed.role, "to": passed.service}
            for passed in sorted({*scope.pass_roles})
        ]
    if scope.permissions:
        facts["permissions"] = [asdict(p) for p in sorted({*scope.permissions})]
    facts |= _callers(scope)
    template.set_metadata({"tapgen": facts})
    _parameters(template)
    if scope.boundary:
        template.add_resource(
            boundary.policy(
                scope.code or system,
                arns_by_kind(system, scope, types),
                passed_to,
                runs_own=not scope.code,
            )
        )
    name = f"tapgen-{system}-${{EnvironmentSuffix}}"
    documents = packed(execution.statements(system, scope, types, passed_to))
    if len(documents) > _POLICIES_PER_ROLE:
        raise BlueprintError(
            f"{system}: the execution role would need {len(documents)} managed "
            f"policies, IAM attaches {_POLICIES_PER_ROLE}; split the system in two"
        )
    policies = [
        template.add_resource(
            iam.ManagedPolicy(
                f"ExecutionPolicy{number}",
                ManagedPolicyName=names.sub(f"{name}-execution-{number}"),
                # Constant: a change would replace the policy, which fails because the
                # name is taken.
                Description=f"A share of what the resource types of {system} need",
                PolicyDocument=document,
            )
        )
        for number, document in enumerate(documents, start=1)
    ]
    role = template.add_resource(_execution_role(system, name, policies))
    operator = template.add_resource(
        _operator_role(
            system, name, scope, types, _reading(template, system, name, scope, types)
        )
    )
    template.add_output(
        [
            Output("ExecutionRoleName", Value=Ref(role)),
            Output("ExecutionRoleArn", Value=GetAtt(role, "Arn")),
            Output("OperatorRoleArn", Value=GetAtt(operator, "Arn")),
        ]
    )
    return templates_out.render(encoding.data(template), ours=True)


def operator(
    system: str, scope: Scope, references: Iterable[str], types: Iterable[str] = ()
) -> str:
    """Return the template of the same stack for accounts in which AWS Organizations
    deploys.

    It has only the operator role. `references` are the
    `indirect_permissions.REFERENCES` in the templates, `types` their resource types.
    """
    template = _start(f"tapgen: operator role of {system}")
    template.set_metadata({"tapgen": {"types": [], "passed_to": [], **_callers(scope)}})
    _parameters(template)
    name = f"tapgen-{system}-${{EnvironmentSuffix}}"
    role = template.add_resource(
        _operator_role(
            system,
            name,
            scope,
            sorted(references),
            _reading(template, system, name, scope, sorted(types)),
        )
    )
    template.add_output(Output("OperatorRoleArn", Value=GetAtt(role, "Arn")))
    return templates_out.render(encoding.data(template), ours=True)


def _callers(scope: Scope) -> dict[str, list[str]]:
    return {"callers": sorted({*scope.callers})} if scope.callers else {}


def _parameters(template: Template) -> None:
    template.add_parameter(
        Parameter(
            "AdministrationAccount",
            Type="String",
            AllowedPattern="[0-9]{12}",
            Description="The account that contains the stack sets",
        )
    )
    template.add_parameter(
        Parameter(
            names.SUFFIX,
            Type="String",
            AllowedPattern=SUFFIX_PATTERN,
            ConstraintDescription=SUFFIX_RULE,
            MaxLength=LONGEST_SUFFIX,
            Description="The environment's suffix, part of every name",
        )
    )


def _execution_role(
    system: str, name: str, policies: Sequence[iam.ManagedPolicy]
) -> iam.Role:
    return _role(
        "ExecutionRole",
        name=f"{name}-execution",
        description=f"With this role StackSets makes the resources of {system}",
        # The administration roles of every region: another one may have to take over while
        # the region of this stack is away. IAM trusts no role by name that does not exist
        # yet, so it is the account, and of it these roles alone.
        trusted=AWSPrincipal(names.sub(_in_administration("root"))),
        when=[
            ArnLike(
                {"aws:PrincipalArn": names.sub(_in_administration(_ADMINISTRATIONS))}
            )
        ],
        policies=policies,
    )


def _reading(
    template: Template, system: str, name: str, scope: Scope, types: Sequence[str]
) -> list[iam.ManagedPolicy]:
    """Add what CloudFormation reads as the operator role when it looks for names that are
    taken (user guide, "Validate stack deployments")."""
    documents = packed(execution.reading(system, scope, types))
    return [
        template.add_resource(
            iam.ManagedPolicy(
                f"OperatorPolicy{number}",
                ManagedPolicyName=names.sub(f"{name}-operator-{number}"),
                Description=f"Reads the resources of {system} that have names",
                PolicyDocument=document,
            )
        )
        for number, document in enumerate(documents, start=1)
        if document.properties["Statement"]
    ]


def _shares_read(scope: Scope) -> Iterator[Statement]:
    """Allow reading how traffic is divided, in the ways that the system has."""
    for by in scope.divided:
        for number, (action, resource) in enumerate(_DIVIDING[by]):
            name = f"SharesBy{by.title()}" + ("Version" if number else "")
            yield security.statement(name, [action], [resource])


def _sources_read(scope: Scope) -> Iterable[Statement]:
    """Allow what a plan asks of databases outside the system that it replicates."""
    replicate = "rds:CreateDBInstanceReadReplica"
    found = [p.resource for p in scope.permissions if p.action == replicate]
    if found:
        yield security.statement("SourcesOfReplicas", [ards.DescribeDBInstances], found)


def _operator_role(
    system: str,
    name: str,
    scope: Scope,
    types: Sequence[str],
    policies: Sequence[iam.ManagedPolicy],
) -> iam.Role:
    own = [*stacks(system, scope), reviews(system)]
    events = names.arn("cloudformation", f"changeSet/{CHANGE_SETS}*", region="*")
    every_instance = names.arn("cloudformation", "stack/StackSet-*", region="*")
    callers = [names.sub(_in_administration(c)) for c in sorted({*scope.callers})]
    return _role(
        "OperatorRole",
        name=f"{name}-operator",
        description=f"With this role tapgen reads the stacks of {system}",
        # The account, since the trust of a role that is deleted and created again would
        # end. Of it, the callers, or whoever their own policies allow to assume this role.
        # For sessions the key is the ARN of their role.
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
        trusted=AWSPrincipal(names.sub(_in_administration("root"))),
        when=[ArnLike({"aws:PrincipalArn": callers})] if callers else (),
        policies=policies,
        allow=[
            security.statement("StacksOfThisSystem", OPERATOR_ACTIONS, own),
            # Only the system's stacks, and never with a service role: a stack keeps it.
            security.statement(
                "ChangeSetsOfTapgen",
                [acfn.CreateChangeSet, acfn.DeleteChangeSet, acfn.DescribeChangeSet],
                own,
                StringLike({"cloudformation:ChangeSetName": f"{CHANGE_SETS}*"}),
                Null({"cloudformation:RoleArn": "true"}),
            ),
            # What CloudFormation validated, by the ARN of a change set.
            security.statement(
                "EventsOfChangeSets", [acfn.DescribeEvents], [*own, events]
            ),
            security.statement("StacksInReview", [acfn.DeleteStack], [reviews(system)]),
            *_parameters_read(scope, types),
            # IAM supports no resources for these.
            security.statement(
                "NoResourceInIam",
                [acfn.DescribeStackDriftDetectionStatus, acfn.ListStacks],
                ["*"],
            ),
            security.statement("Quotas", QUOTA_ACTIONS, ["*"]),
            security.statement("AlarmsAndHealthChecks", WATCHING_ACTIONS, ["*"]),
            *_shares_read(scope),
            *_sources_read(scope),
            templates_by_url(),
            security.statement(
                "NeverDelete",
                [acfn.DeleteStack],
                [every_instance, *stacks(system, scope)[1:]],
                deny=True,
            ),
            security.statement(
                "NeverExecute", [acfn.ExecuteChangeSet], ["*"], deny=True
            ),
            *(_uploads() if scope.artifacts else ()),
        ],
    )


def _parameters_read(scope: Scope, types: Sequence[str]) -> Iterator[Statement]:
    """Allow reading SSM parameters: for a change set, CloudFormation reads parameters
    of SSM types with its creator's permissions (user guide, "Systems Manager parameter
    types"). These are AWS's public parameters, and the system's own if its code shows
    their names."""
    if indirect_permissions.SSM_VALUE in types:
        yield security.statement(
            "ParametersOfTemplates",
            [assm.GetParameters],
            template_parameters(scope),
        )


def _in_administration(resource: str) -> str:
    return names.arn("iam", resource, region="", account="${AdministrationAccount}")


def _uploads() -> Iterator[Statement]:
    """Allow uploading artifacts to the bucket of the account that uses them."""
    own = own_artifacts("/artifacts/*")
    yield security.statement("Artifacts", [as3.GetObject, as3.PutObject], [own])
    # Without it S3 answers 403 for a missing object.
    yield security.statement("MissingArtifacts", [as3.ListBucket], [own_artifacts()])


# Fitting into IAM's limits -----------------------------------------------------------


def size(document: Mapping[str, Any]) -> int:
    """Return the number of characters that IAM counts for a policy in a template.

    White space does not count; variables count at their longest.
    """
    text = json.dumps(_resolved(document), separators=(",", ":"))
    for variable, longest in _LONGEST.items():
        text = text.replace(variable, longest)
    return len(text)


def _resolved(value: Any) -> Any:
    """Return the document with each `Fn::Sub` and `Ref` replaced by its text."""
    match value:
        case {"Fn::Sub": text}:
            return text
        case {"Ref": name}:
            return f"${{{name}}}"
        case dict():
            return {key: _resolved(inner) for key, inner in value.items()}
        case list():
            return [_resolved(inner) for inner in value]
    return value


_EMPTY = size(encoding.plain(security.document()))


def _size(statement: Statement) -> int:
    """Return the size of a policy of this statement alone."""
    return _EMPTY + size(encoding.plain(statement))


def packed(statements: Iterable[Statement]) -> list[PolicyDocument]:
    """Pack the statements, in order, into as few managed policies as possible."""
    documents: list[list[Statement]] = [[]]
    used = _EMPTY
    for piece, size in (found for s in statements for found in _pieces(s)):
        more = size - _EMPTY + 1  # the comma after it
        # The last one has none.
        if used + more - 1 > _POLICY_SIZE:
            documents.append([])
            used = _EMPTY
        documents[-1].append(piece)
        used += more
    return [security.document(*document) for document in documents]


def _pieces(statement: Statement) -> Iterator[tuple[Statement, int]]:
    """Split a statement by halves of its actions or its resources, whichever are longer,
    until each fits into a policy; with the size of that policy."""
    size = _size(statement)
    if size <= _POLICY_SIZE:
        yield statement, size
        return
    properties = statement.properties
    key = max(
        (key for key in ("Action", "Resource") if len(properties[key]) > 1),
        key=lambda key: len(json.dumps(_resolved(encoding.plain(properties[key])))),
    )
    items = properties[key]
    middle = len(items) // 2
    for letter, half in (("a", items[:middle]), ("b", items[middle:])):
        sid = properties["Sid"] + letter
        yield from _pieces(Statement(**{**properties, key: half, "Sid": sid}))
