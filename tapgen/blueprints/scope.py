"""ARNs that an execution role may reach: stacks, named resources and buckets.

In a shipped system every name begins with the system's code and the environment's
suffix, so that ARN patterns limit the role to that system.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from awacs import s3 as as3
from awacs.aws import (
    Statement,
)

from tapgen.blocks import names, security
from tapgen.frozen import dataclass
from tapgen.model import STACKS_IN_REVIEW, PassedRole, Permission
from tapgen.system.resource_names import STACKS

ARN_ENDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "autoscaling": {"autoScalingGroup": ("autoScalingGroup:*:autoScalingGroupName/@",)},
    "backup": {"backupPlan": ("backup-plan:*",), "backupVault": ("backup-vault:@",)},
    "cloudtrail": {"trail": ("trail/@",)},
    # The service names alarms of scaling policies after the resource that they scale.
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
    # An instance without a group of its own takes the default group, and CloudFormation
    # chooses the name of the final snapshot.
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
"""Service → resource type in IAM's words → the ends of its ARNs. `@` stands for the
name of any resource of the system; where AWS chooses an id, the end has no `@`."""

_NAMED_ENDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    **ARN_ENDS,
    "dynamodb": {
        "global-table": ("global-table/@",),
        "table": ("table/@", "table/@/*"),
    },
    "lambda": {kind: ("function:@", "function:@:*") for kind in ARN_ENDS["lambda"]},
    "logs": {"log-group": ("log-group:@", "log-group:@:*")},
    "rds": {**ARN_ENDS["rds"], "subgrp": ("subgrp:@", "subgrp:default*")},
    "scheduler": {"schedule": ("schedule/*/@",)},
    "secretsmanager": {"Secret": ("secret:@-??????",)},
    "sns": {"topic": ("@", "@:*")},
    "ssm": {"document": ("document/@",), "parameter": ("parameter/@",)},
    "states": {"statemachine": ("stateMachine:@", "stateMachine:@:*")},
}
"""The same for systems without a code, where `@` stands for a name or a pattern: what
follows a name in an ARN is an end of its own."""
# Kinds with the names of another kind.
_SAME_NAMES = {
    "dynamodb:global-table": "dynamodb:table",
    "events:rule-on-custom-event-bus": "events:rule",
    "events:rule-on-default-event-bus": "events:rule",
    "lambda:function alias": "lambda:function",
    "lambda:function version": "lambda:function",
}

# API Gateway names these after the id of the API.
_API_LOGS = names.arn("logs", "log-group:API-Gateway-Execution-Logs_*", region="*")
_WITHOUT_REGION = frozenset(
    {
        ("cloudwatch", "dashboard"),
        ("dynamodb", "global-table"),
        ("rds", "global-cluster"),
    }
)
PUBLIC_PARAMETERS = names.arn("ssm", "parameter/aws/service/*", region="*", account="")
"""SSM parameters in which AWS publishes image ids; they belong to no account."""


@dataclass(frozen=True)
class Scope:
    """The names that an execution role may reach.

    The names of a shipped system begin with `code`. Without a code, `names` holds name
    patterns by kind of resource, as `resource_names.patterns` returns them. With
    `artifacts` the role also reads the artifact bucket of its own account. `boundary` is
    one of `boundary.CREATED` and `boundary.ENFORCED`, empty for none. It may pass
    `pass_roles`, and has `permissions` on other resources that exist outside the
    system. `callers` may assume the operator role, empty for the whole account, which reads
    by what traffic is `divided`, in the words of a `Shift`.
    """

    code: str = ""
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    artifacts: bool = False
    boundary: str = ""
    pass_roles: Sequence[PassedRole] = ()
    permissions: Sequence[Permission] = ()
    callers: Sequence[str] = ()
    divided: Sequence[str] = ()


def stacks(system: str, scope: Scope) -> list[str]:
    """ARNs of the stacks that StackSets creates, `StackSet-<stack set>-<uuid>`, and of
    those that were imported."""
    own = f"StackSet-{system}-${{{names.SUFFIX}}}-*"
    imported = [f"{name}/*" for name in scope.names.get(STACKS, ())]
    return [
        names.arn("cloudformation", f"stack/{name}", region="*")
        for name in (own, *imported)
    ]


def reviews(system: str) -> str:
    """ARNs of the stacks in review that tapgen makes and deletes again."""
    name = f"stack/{STACKS_IN_REVIEW}{system}-${{{names.SUFFIX}}}-*"
    return names.arn("cloudformation", name, region="*")


def templates_by_url() -> Statement:
    """Allow reading templates from the administration account's artifact bucket."""
    bucket = "tapgen-artifacts-${AdministrationAccount}-*/*"
    return security.statement(
        "TemplatesByUrl", [as3.GetObject], [names.bucket_arn(bucket)]
    )


def template_parameters(scope: Scope) -> list[str]:
    """ARNs of the SSM parameters that template parameters may refer to."""
    if not scope.code:
        read = map(_parameter, scope.names.get("ssm:read", ()))
        return [PUBLIC_PARAMETERS, *dict.fromkeys(read)]
    own = f"parameter/{scope.code}/${{{names.SUFFIX}}}/*"
    return [PUBLIC_PARAMETERS, names.arn("ssm", own, region="*")]


def _parameter(name: str) -> str:
    """The ARN of an SSM parameter that a template parameter names: by name or ARN, and
    perhaps with a version or label."""
    if name.startswith("arn:"):
        return ":".join(name.split(":")[:6])
    bare = name.partition(":")[0].lstrip("/")
    return names.arn("ssm", f"parameter/{bare}", region="*")


def own_artifacts(objects: str = "") -> str:
    """ARNs of the artifact buckets of the role's own account, or of their objects."""
    return names.bucket_arn(f"tapgen-artifacts-${{AWS::AccountId}}-*{objects}")


def arns_by_kind(
    system: str, scope: Scope, types: Sequence[str]
) -> Mapping[tuple[str, str], Sequence[str]]:
    """(service, kind of resource) → ARNs that the system's execution role may reach."""
    mine = names.name(scope.code or system, "*")

    def named(kind: str) -> Sequence[str]:
        # Without a resource of the kind: names that the system could give one.
        return scope.names.get(kind) or [mine]

    found: dict[tuple[str, str], Sequence[str]] = {
        ("cloudformation", "stack"): stacks(system, scope),
        ("kms", "alias"): [
            names.arn("kms", f"alias/{name}", region="*") for name in named("kms:alias")
        ],
        ("kms", "key"): [every_key()],
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
        web_acl = names.arn("wafv2", f"regional/webacl/{mine}/*", region="*")
        found["wafv2", "webacl"] = [web_acl]
        if "AWS::ApiGateway::Stage" in types:
            found["logs", "log-group"] = [*found["logs", "log-group"], _API_LOGS]
        return found
    return found | dict(_named(scope.names))


def _named(
    given: Mapping[str, Sequence[str]],
) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """The ARNs of the kinds that a system without a code names, by service."""
    services = {kind.partition(":")[0] for kind in given}
    for service, kinds in _NAMED_ENDS.items():
        for kind, ends in kinds.items() if service in services else ():
            key = f"{service}:{kind}"
            region = "" if (service, kind) in _WITHOUT_REGION else "*"
            arns: list[str] = []
            for name in given.get(_SAME_NAMES.get(key, key), ()):
                arns += _arns_of(service, ends, name, region)
            # What AWS names itself.
            own = [end for end in ends if "@" not in end]
            arns += [names.arn(service, end, region=region) for end in own]
            if arns:
                yield (service, kind), list(dict.fromkeys(arns))


def _arns_of(
    service: str, ends: Iterable[str], name: str, region: str
) -> Iterator[str]:
    """The ARNs of a name or a pattern; an ARN of another account is one itself."""
    if name.startswith("arn:"):
        yield name
        return
    for end in ends:
        before, at, after = end.partition("@")
        # A pattern covers what follows it.
        if at and not (after and name.endswith("*") and f"{before}@" in ends):
            covered = name.endswith("*") and service == "secretsmanager"
            written = f"{before}{name.lstrip('/') if service == 'ssm' else name}"
            yield names.arn(service, written + after * (not covered), region=region)


def _shipped(code: str, mine: str) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """The ARNs of the kinds that shipped systems always name."""
    path = f"{code}/${{{names.SUFFIX}}}"
    for service, kinds in ARN_ENDS.items():
        for kind, ends in kinds.items():
            region = "" if (service, kind) in _WITHOUT_REGION else "*"
            yield (service, kind), [
                names.arn(
                    service, end.replace("@", mine).replace("#", path), region=region
                )
                for end in ends
            ]


def every_key() -> str:
    """The ARN pattern of all keys of the account: key ids are unknown in advance."""
    return names.arn("kms", "key/*", region="*")
