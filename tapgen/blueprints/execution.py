"""The permissions of an execution role: what a system's resources take, and no more.

What they are called is known for the systems that tapgen ships: every name begins with
the system's code and the environment's suffix. IAM limits an action to such names where
it knows them, otherwise by the tags that every stack set carries (`tapgen:system`,
`tapgen:suffix`) and CloudFormation passes on to its resources. Looking at what there is
(Describe, List) is allowed everywhere, but not at anything secret.

Source for what IAM knows: the service authorization reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from awacs import cloudformation as acfn
from awacs import iam as aiam
from awacs import s3 as as3
from awacs.aws import (
    Action,
    ConditionElement,
    Null,
    Statement,
    StringEquals,
    StringEqualsIfExists,
    StringLike,
    StringLikeIfExists,
    StringNotEquals,
    StringNotLike,
)
from troposphere import AccountId, Ref

from tapgen.blocks import names, security
from tapgen.blueprints import indirect_permissions
from tapgen.model import PassedRole, Permission
from tapgen.template import schemas

_SERVICE_LINKED = names.arn("iam", "role/aws-service-role/*", region="")
_SYSTEM_TAG = "aws:ResourceTag/tapgen:system"
_SUFFIX_TAG = "aws:ResourceTag/tapgen:suffix"

# What StackSets does with a stack of the system, as the execution role.
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
# The same, for which IAM knows no resource, or none while there is no stack yet.
_UNSCOPED_STACK_ACTIONS = frozenset(
    f"cloudformation:{name}"
    for name in (
        "DescribeStackDriftDetectionStatus GetTemplateSummary ListExports ListStacks "
        "ValidateTemplate"
    ).split()
)

# Service → kind of resource in IAM's words → what ARNs of it end with. `@` is the name
# of anything of the system; a kind is here without it where AWS makes up an id.
_ARNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "autoscaling": {"autoScalingGroup": ("autoScalingGroup:*:autoScalingGroupName/@",)},
    "backup": {"backupPlan": ("backup-plan:*",), "backupVault": ("backup-vault:@",)},
    "cloudtrail": {"trail": ("trail/@",)},
    # Alarms of scaling policies are called by the service, after what they scale.
    "cloudwatch": {
        "alarm": ("alarm:@", "alarm:TargetTracking-*@"),
        "dashboard": ("dashboard/@",),
    },
    "config": {
        "ConfigRule": ("config-rule/*",),
        "ConfigurationRecorder": ("configuration-recorder/@",),
    },
    "dynamodb": {"global-table": ("global-table/@",), "table": ("table/@",)},
    "events": {
        "rule-on-custom-event-bus": ("rule/*/@",),
        "rule-on-default-event-bus": ("rule/@",),
    },
    "lambda": {
        "function": ("function:@",),
        "function alias": ("function:@",),
        "function version": ("function:@",),
    },
    "logs": {"log-group": ("log-group:@", "log-group:/aws/*/@")},
    # Instances take default groups where they are given none, and CloudFormation makes
    # up the name of the last snapshot.
    "rds": {
        "cluster": ("cluster:@",),
        "cluster-pg": ("cluster-pg:@", "cluster-pg:default*"),
        "cluster-snapshot": ("cluster-snapshot:*",),
        "db": ("db:@",),
        "global-cluster": ("global-cluster:@",),
        "og": ("og:@", "og:default*"),
        "pg": ("pg:@", "pg:default*"),
        "snapshot": ("snapshot:*",),
        "subgrp": ("subgrp:@",),
    },
    "scheduler": {"schedule": ("schedule/default/@",)},
    "secretsmanager": {"Secret": ("secret:@",)},
    "sns": {"topic": ("@",)},
    "sqs": {"queue": ("@",)},
    "ssm": {"document": ("document/@",), "parameter": ("parameter/#/*",)},
    "states": {"statemachine": ("stateMachine:@",)},
}
# API Gateway calls these after the id of the API.
_API_LOGS = names.arn("logs", "log-group:API-Gateway-Execution-Logs_*", region="*")
_WITHOUT_REGION = frozenset(
    {
        ("cloudwatch", "dashboard"),
        ("dynamodb", "global-table"),
        ("rds", "global-cluster"),
    }
)
# AWS publishes the ids of its images here; the parameters are nobody's.
_PUBLIC_PARAMETERS = names.arn("ssm", "parameter/aws/service/*", region="*", account="")

UNUSED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AWS::AutoScaling::AutoScalingGroup": {"TrafficSources": ("vpc-lattice:*",)},
    "AWS::CertificateManager::Certificate": {"CertificateAuthorityArn": ("acm-pca:*",)},
    "AWS::DynamoDB::GlobalTable": {"KinesisStreamSpecification": ("kinesis:*",)},
    "AWS::EC2::EIP": {"TransferAddress": ("ec2:AcceptAddressTransfer",)},
    "AWS::EC2::NatGateway": {
        "SecondaryPrivateIpAddress*": ("ec2:*ssignPrivateNatGatewayAddress",)
    },
    "AWS::EC2::VPC": {
        "InstanceTenancy": ("ec2:ModifyVpcTenancy",),
        "VpcEncryptionControl": ("ec2:CreateVpcEncryptionControl",),
    },
    "AWS::EC2::VPCEndpoint": {
        "ServiceNetworkArn": ("vpc-lattice:*",),
        "ServiceRegion": ("vpce:*",),
    },
    "AWS::EC2::VPCGatewayAttachment": {"VpnGatewayId": ("ec2:*tachVpnGateway",)},
    "AWS::EC2::VPCPeeringConnection": {"PeerRoleArn": ("sts:AssumeRole",)},
    "AWS::ElasticLoadBalancingV2::Listener": {
        "AuthenticateCognitoConfig": ("cognito-idp:*",)
    },
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
        "Ipv4IpamPoolId": ("elasticloadbalancing:ModifyIpPools",),
        "MinimumLoadBalancerCapacity": (
            "elasticloadbalancing:ModifyCapacityReservation",
        ),
    },
    "AWS::IAM::ManagedPolicy": {
        "Groups": ("iam:*GroupPolicy",),
        "Users": ("iam:*UserPolicy",),
    },
    "AWS::Lambda::Alias": {"CodeDeployLambdaAliasUpdate": ("codedeploy:*",)},
    "AWS::Lambda::Function": {
        "CapacityProviderConfig": ("lambda:PassCapacityProvider",),
        "CodeSigningConfigArn": ("lambda:GetCodeSigningConfig",),
        "FileSystemConfigs": ("elasticfilesystem:*", "s3files:*"),
        "Layers": ("lambda:GetLayerVersion",),
    },
    "AWS::Logs::LogGroup": {
        "DataProtectionPolicy": ("firehose:*", "logs:CreateLogDelivery"),
        "FieldIndexPolicies": ("logs:DeleteIndexPolicy", "logs:PutIndexPolicy"),
        "ResourcePolicyDocument": (
            "logs:DeleteResourcePolicy",
            "logs:PutResourcePolicy",
        ),
    },
    "AWS::Route53::HealthCheck": {
        "RoutingControlArn": ("route53-recovery-control-config:*",)
    },
    "AWS::S3::Bucket": {"Metadata*Configuration": ("s3tables:*",)},
    "AWS::SecretsManager::SecretTargetAttachment": {
        "AWS::DocDBElastic::*": ("docdb-elastic:*",),
        "AWS::Redshift*": ("redshift:*", "redshift-serverless:*"),
    },
}
"""Type → what no resource of a shipped system has, a key or a value → the actions that
the type's schema lists for it alone. All are patterns."""

# Services of which even the list of what there is stays limited.
_LIMITED_READS = frozenset({"cloudformation", "iam", "kms", "s3", "secretsmanager"})

_KEY_USE = frozenset(
    f"kms:{name}"
    for name in (
        "CreateGrant Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext "
        "ReEncryptFrom ReEncryptTo RetireGrant RevokeGrant"
    ).split()
)
_KEY_READS = ("DescribeKey", "GetKey", "List")
_KEY_ENDS = frozenset({"kms:DisableKey", "kms:DisableKeyRotation"}) | {
    "kms:ScheduleKeyDeletion"
}
# Of the services whose resources go by ids: what takes something away or changes it.
_BY_ID = ("autoscaling", "ec2", "elasticloadbalancing", "globalaccelerator", "kms")
_CHANGES = (
    *("Delete", "Detach", "Disable", "Disassociate", "Modify", "Put", "Release"),
    *("Replace", "Revoke", "Schedule", "Terminate", "Untag", "Update"),
)


@dataclass(frozen=True)
class Scope:
    """What an execution role may touch, by name.

    `code` is what the names of a shipped system's resources begin with. Without one
    `names` are patterns by kind of resource, as `owned.patterns` gives them. With
    `artifacts` the roles also reach the artifact bucket of their own account.
    `pass_roles` are roles made elsewhere that it may pass, `permissions` what it may do
    to other things made elsewhere.
    """

    code: str = ""
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    artifacts: bool = False
    pass_roles: Sequence[PassedRole] = ()
    permissions: Sequence[Permission] = ()


def stacks(system: str) -> str:
    """ARNs of the stacks StackSets makes: `StackSet-<stack set>-<uuid>`."""
    found = f"stack/StackSet-{system}-${{{names.SUFFIX}}}-*"
    return names.arn("cloudformation", found, region="*")


def templates_by_url() -> Statement:
    """Reading templates from the artifact bucket of the administration account."""
    bucket = "tapgen-artifacts-${AdministrationAccount}-*/*"
    return security.statement(
        "TemplatesByUrl", [as3.GetObject], [names.bucket_arn(bucket)]
    )


def template_parameters(scope: Scope) -> list[str]:
    """ARNs of the SSM parameters that template parameters may name as their values."""
    if not scope.code:
        return [_PUBLIC_PARAMETERS]
    own = f"parameter/{scope.code}/${{{names.SUFFIX}}}/*"
    return [_PUBLIC_PARAMETERS, names.arn("ssm", own, region="*")]


def own_artifacts(objects: str = "") -> str:
    """ARNs of the artifact buckets of the role's own account, or of their objects."""
    return names.bucket_arn(f"tapgen-artifacts-${{AWS::AccountId}}-*{objects}")


def statements(
    system: str, scope: Scope, types: Iterable[str], passed_to: Iterable[str]
) -> list[Statement]:
    """All that the execution role of a system may do.

    `system` is its name with hyphens, `types` the resource types it makes and the
    `indirect.REFERENCES` in its templates, `passed_to` the services its roles are for.
    """
    types = sorted({*types})
    entries = indirect_permissions.of(types)
    needed = {*_listed(types, scope), *_STACK_ACTIONS, *_UNSCOPED_STACK_ACTIONS}
    # Wider than what the table says that it is for: every parameter's value.
    needed -= {"iam:CreateServiceLinkedRole", "iam:PassRole", "ssm:Get*"}
    needed |= {action for entry in entries for action in entry.actions}
    through = sorted({entry.through for entry in entries} - {""})
    if through:
        needed.add("kms:DescribeKey")
    keys = {a for a in needed if a.startswith("kms:") and schemas.limited_by(a)}
    keys = {a for a in keys if "alias" not in schemas.limited_by(a)}
    arns = _arns(system, scope, types)
    return [
        *_by_resource(needed - keys, arns),
        *_keys(system, keys, types, through),
        *_service_linked(types, entries),
        *_pass_role(arns["iam", "role"], passed_to),
        *_pass_others(scope.pass_roles),
        *_made_elsewhere(scope.permissions),
        *_code(scope),
        *_transform(types),
        *_stack_sets_own(),
        *_not_of_others(system, needed),
    ]


def _listed(types: Sequence[str], scope: Scope) -> frozenset[str]:
    """What the types' schemas list, of shipped systems without what is `UNUSED`."""
    listed = schemas.permissions(types)
    if not scope.code:
        return listed
    used = {
        action.lower()
        for type_name in types
        for action in schemas.permissions([type_name])
        if not any(
            fnmatchcase(action, pattern)
            for patterns in UNUSED.get(type_name, {}).values()
            for pattern in patterns
        )
    }
    return frozenset(action for action in listed if action.lower() in used)


# By name -----------------------------------------------------------------------------


def _arns(
    system: str, scope: Scope, types: Sequence[str]
) -> Mapping[tuple[str, str], Sequence[str]]:
    """(Service, kind of resource) → ARNs of what this system may touch."""
    mine = names.name(scope.code or system, "*")

    def named(kind: str) -> Sequence[str]:
        # Where nothing of a kind is made, what the system could call its own.
        return scope.names.get(kind) or [mine]

    found: dict[tuple[str, str], Sequence[str]] = {
        ("cloudformation", "stack"): [stacks(system)],
        ("kms", "alias"): [
            names.arn("kms", f"alias/{name}", region="*") for name in named("kms:alias")
        ],
        ("kms", "key"): [_every_key()],
        ("s3", "bucket"): [names.bucket_arn(name) for name in named("s3:bucket")],
        ("s3", "object"): [
            names.bucket_arn(f"{name}/*") for name in named("s3:bucket")
        ],
    }
    for kind in ("group", "instance-profile", "policy", "role", "user"):
        found["iam", kind] = [
            names.arn("iam", f"{kind}/{name}", region="")
            for name in named(f"iam:{kind}")
        ]
    if scope.code:
        found |= _shipped(scope.code, mine)
        if "AWS::ApiGateway::Stage" in types:
            found["logs", "log-group"] = [*found["logs", "log-group"], _API_LOGS]
    return found


def _shipped(code: str, mine: str) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """The ARNs of what only shipped systems name throughout."""
    path = f"{code}/${{{names.SUFFIX}}}"
    for service, kinds in _ARNS.items():
        for kind, ends in kinds.items():
            region = "" if (service, kind) in _WITHOUT_REGION else "*"
            yield (service, kind), [
                names.arn(
                    service, end.replace("@", mine).replace("#", path), region=region
                )
                for end in ends
            ]


def _every_key() -> str:
    # Keys have ids that nobody knows in advance; at least they are this account's.
    return names.arn("kms", "key/*", region="*")


def _resources(
    action: str, arns: Mapping[tuple[str, str], Sequence[str]]
) -> tuple[str, ...]:
    """What the action is allowed on, `*` where it cannot be told in advance."""
    service, _, name = action.partition(":")
    if action in _UNSCOPED_STACK_ACTIONS or _only_looks(action):
        return ("*",)
    kinds = [k for k in sorted(schemas.limited_by(action)) if (service, k) in arns]
    if kinds and service in _ARNS:
        # One statement for a service, on all that it calls by the system's names.
        kinds = [kind for owner, kind in arns if owner == service]
    found = [arn for kind in kinds for arn in arns[service, kind]]
    if service == "iam" and found and name.startswith(("Get", "List")):
        # Some types look up the service-linked role they depend on.
        found.append(_SERVICE_LINKED)
    if found and action in ("ssm:GetParameter", "ssm:GetParameters"):
        found.append(_PUBLIC_PARAMETERS)
    return tuple(dict.fromkeys(found)) or ("*",)


def _only_looks(action: str) -> bool:
    """Whether an action shows what there is and nothing that could be a secret."""
    service, _, name = action.partition(":")
    return name.startswith(("Describe", "List")) and service not in _LIMITED_READS


def _by_resource(
    actions: Iterable[str], arns: Mapping[tuple[str, str], Sequence[str]]
) -> Iterator[Statement]:
    """A statement for each service and what its actions are limited to; what cannot
    be limited is together."""
    grouped: dict[tuple[str, tuple[str, ...]], list[Action]] = {}
    for action in sorted(_without_covered({*actions})):
        service, _, name = action.partition(":")
        resources = _resources(action, arns)
        why = _why(action, resources)
        grouped.setdefault((why, resources), []).append(Action(service, name))
    used: Counter[str] = Counter()
    for (sid, resources), allowed in grouped.items():
        used[sid] += 1
        number = str(used[sid]) if used[sid] > 1 else ""
        yield security.statement(sid + number, allowed, resources)


def _without_covered(actions: set[str]) -> set[str]:
    """The actions without those that a pattern among them, `ec2:Describe*`, covers."""
    patterns = [a for a in actions if a.endswith("*")]
    covered = {a for a in actions for p in patterns if a != p and fnmatchcase(a, p)}
    return actions - covered


def _why(action: str, resources: Sequence[str]) -> str:
    """The Sid: for which service a statement is, and why it is on `*` where it is."""
    word = "".join(part.capitalize() for part in action.partition(":")[0].split("-"))
    if resources != ("*",):
        # A template that takes a name from elsewhere does not tell it.
        unknown = any(_is_any(arn) for arn in resources)
        return word + ("NamesUnknownInAdvance" if unknown else "OfThisSystem")
    if _only_looks(action):
        return "SeeWhatThereIs"
    if schemas.limited_by(action) and action not in _UNSCOPED_STACK_ACTIONS:
        return f"{word}IdsUnknownInAdvance"
    return "WithoutResourceInIam"


def _is_any(arn: str) -> bool:
    """Whether an ARN means every resource of its kind that has a name to choose."""
    return arn.rpartition(":")[2] in _ANY


_ANY = ("*", "*/*", "alias/*", "group/*", "instance-profile/*", "policy/*") + (
    "role/*",
    "user/*",
)


# By tag ------------------------------------------------------------------------------


def _tag_of(system: str) -> str:
    """A pattern of the system's own name, which may have hyphens as `_`."""
    return system.replace("-", "?")


def _suffix() -> Ref:
    return Ref(names.SUFFIX)


def _keys(
    system: str, needed: set[str], types: Iterable[str], through: Sequence[str]
) -> Iterator[Statement]:
    """What may be done to keys and with them.

    Keys go by ids. Ending one takes the tags of this system, which the key has from its
    first moment; a key tagged otherwise cannot be changed either. One without the tags
    can be: AWS takes up to five minutes until tags count in authorization, too long for
    the update that follows on a key's creation (KMS developer guide, "ABAC for AWS
    KMS"). A key's data are for the services that need it, in the caller's name.
    """
    ends, use = needed & _KEY_ENDS, needed & _KEY_USE
    reads = {a for a in needed if a.partition(":")[2].startswith(_KEY_READS)}
    mine: list[ConditionElement] = [
        StringEquals({_SUFFIX_TAG: _suffix()}),
        StringLike({_SYSTEM_TAG: _tag_of(system)}),
    ]
    untouched: list[ConditionElement] = [
        StringEqualsIfExists({_SUFFIX_TAG: _suffix()}),
        StringLikeIfExists({_SYSTEM_TAG: _tag_of(system)}),
    ]
    services = [f"{service}.*.${{AWS::URLSuffix}}" for service in through]
    via = StringLike({"kms:ViaService": [names.sub(service) for service in services]})
    # Types that the table does not know use keys as their schemas say.
    known = {
        t for entry in indirect_permissions.TABLE if entry.through for t in entry.types
    }
    other = use & schemas.permissions({*types} - known)
    for sid, actions, conditions in (
        ("LookAtKeys", reads, []),
        ("ChangeKeys", needed - ends - use - reads, untouched),
        ("EndKeysOfThisSystem", ends, mine),
        ("UseKeysThroughServices", _KEY_USE if through else set(), [via]),
        ("UseKeys", other, []),
    ):
        if actions:
            allowed = [Action("kms", a.partition(":")[2]) for a in sorted(actions)]
            yield security.statement(sid, allowed, [_every_key()], *conditions)


def _not_of_others(system: str, needed: Iterable[str]) -> Iterator[Statement]:
    """Nothing that goes by an id is changed when it is tagged for somebody else.

    An untagged one is not protected, as this system's own may not have their tags yet.
    """
    patterns = sorted(
        {
            (service, f"{verb}*")
            for service, _, name in (action.partition(":") for action in needed)
            if service in _BY_ID
            for verb in _CHANGES
            if name.startswith(verb)
        }
    )
    if not patterns:
        return
    actions = [Action(service, pattern) for service, pattern in patterns]
    for sid, key, differs in (
        (
            "NotOfOtherSystems",
            _SYSTEM_TAG,
            StringNotLike({_SYSTEM_TAG: _tag_of(system)}),
        ),
        (
            "NotOfOtherEnvironments",
            _SUFFIX_TAG,
            StringNotEquals({_SUFFIX_TAG: _suffix()}),
        ),
    ):
        yield security.statement(
            sid, actions, ["*"], Null({key: "false"}), differs, deny=True
        )


# Roles and artifacts -----------------------------------------------------------------


def _service_linked(
    types: Iterable[str], entries: Sequence[indirect_permissions.Indirect]
) -> Iterator[Statement]:
    """Making the service-linked roles of the services that the system uses."""
    action = "iam:CreateServiceLinkedRole"
    linked = sorted({name for entry in entries for name in entry.linked})
    if linked:
        principals = [f"{name}.amazonaws.com" for name in linked]
        yield security.statement(
            "ServiceLinkedRoles",
            [aiam.CreateServiceLinkedRole],
            [_SERVICE_LINKED],
            StringEquals({"iam:AWSServiceName": principals}),
        )
    known = {
        t for entry in indirect_permissions.TABLE if entry.linked for t in entry.types
    }
    known |= {"AWS::RDS::DBClusterParameterGroup"}
    if action in schemas.permissions({*types} - known):
        yield security.statement(
            "AnyServiceLinkedRole", [aiam.CreateServiceLinkedRole], [_SERVICE_LINKED]
        )


def _pass_role(roles: Sequence[str], passed_to: Iterable[str]) -> Iterator[Statement]:
    """Roles of this system may be passed to the services they are for, to no other."""
    services = [*passed_to]
    if not services:
        return
    test = StringLike if any("*" in s for s in services) else StringEquals
    yield security.statement(
        "PassRolesOfThisSystem",
        [aiam.PassRole],
        roles,
        test({"iam:PassedToService": services}),
    )


def _pass_others(given: Iterable[PassedRole]) -> Iterator[Statement]:
    """Roles made elsewhere may be passed, each to the services it is given to."""
    services: dict[str, list[str]] = {}
    for passed in sorted({*given}):
        services.setdefault(passed.role, []).append(passed.service)
    roles: dict[tuple[str, ...], list[str]] = {}
    for role, allowed in services.items():
        roles.setdefault((*allowed,), []).append(role)
    for number, (to, named) in enumerate(sorted(roles.items()), start=1):
        yield security.statement(
            f"PassGivenRoles{number}",
            [aiam.PassRole],
            [
                (
                    role
                    if role.startswith("arn:")
                    else names.arn("iam", f"role/{role}", region="")
                )
                for role in named
            ],
            StringEquals({"iam:PassedToService": [*to]}),
        )


def _made_elsewhere(given: Iterable[Permission]) -> Iterator[Statement]:
    """What may be done to things made elsewhere, a statement for each of them."""
    allowed: dict[str, list[Action]] = {}
    for one in sorted({*given}):
        service, _, name = one.action.partition(":")
        allowed.setdefault(one.resource, []).append(Action(service, name))
    for number, (resource, actions) in enumerate(sorted(allowed.items()), start=1):
        yield security.statement(f"MadeElsewhere{number}", actions, [resource])


def _code(scope: Scope) -> Iterator[Statement]:
    """Reading what functions and the like are made of."""
    found = [names.bucket_arn(f"{name}/*") for name in scope.names.get("s3:read", ())]
    if scope.artifacts:
        found.append(own_artifacts("/artifacts/*"))
    if found:
        yield security.statement(
            "CodeOfThisSystem", [as3.GetObject, as3.GetObjectVersion], found
        )


def _transform(types: Iterable[str]) -> Iterator[Statement]:
    """What templates with loops take besides: CloudFormation checks the right to use a
    transform of its own as that to make a change set with it (Lambda developer guide,
    which gives the policy for AWS::Serverless-2016-10-31)."""
    if indirect_permissions.TRANSFORM in types:
        name = indirect_permissions.TRANSFORM.removeprefix("AWS::")
        own = names.arn(
            "cloudformation", f"transform/{name}", region="*", account="aws"
        )
        yield security.statement("LanguageExtensions", [acfn.CreateChangeSet], [own])


def _stack_sets_own() -> Iterator[Statement]:
    """StackSets moves templates and instance state through buckets of its own.

    The user guide asks for `s3:*` on everything. The buckets belong to AWS, so that
    reading and writing objects outside this account and its organization is what
    remains of it; templates given by URL are in the artifact bucket.
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
