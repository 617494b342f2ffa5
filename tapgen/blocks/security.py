"""Keys, roles and policy statements.

    key = security.key(
        t, "Key", name=name("key"), description="Encrypts the orders",
        policy=[security.logs_statement(name("*")), security.alarms_statement()],
    )
    security.service_role(
        t, "FunctionRole", name=name("orders"), service="lambda.amazonaws.com",
        description="What the function may do",
        allow=[*bucket.read(), *security.use_key([GetAtt(key, "Arn")])], when=(),
    )

No statement allows the action `*`. The resource `*` appears only in key policies, where
it means "this key" (a key policy cannot name its own key).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from awacs import kms as actions
from awacs.aws import (
    Action,
    Allow,
    ArnLike,
    Bool,
    Condition,
    ConditionElement,
    Deny,
    PolicyDocument,
    Principal,
    Statement,
    StringEquals,
)
from awacs.sts import AssumeRole
from troposphere import GetAtt, Ref, Tags, Template, encode_to_dict, iam, kms

from tapgen.blocks import context, explained, names
from tapgen.frozen import dataclass

# All actions of a key's owner. The key policy allows them to the account, which
# delegates them through IAM. They are listed one by one, so that none is hidden.
_ADMINISTER = [
    actions.CancelKeyDeletion,
    actions.CreateAlias,
    actions.CreateGrant,
    actions.DeleteAlias,
    actions.DescribeKey,
    actions.DisableKey,
    actions.DisableKeyRotation,
    actions.EnableKey,
    actions.EnableKeyRotation,
    actions.GetKeyPolicy,
    actions.GetKeyRotationStatus,
    actions.ListGrants,
    actions.ListKeyPolicies,
    actions.ListKeyRotations,
    actions.ListResourceTags,
    actions.PutKeyPolicy,
    actions.ReplicateKey,
    actions.RetireGrant,
    actions.RevokeGrant,
    actions.RotateKeyOnDemand,
    actions.ScheduleKeyDeletion,
    actions.SynchronizeMultiRegionKey,
    actions.TagResource,
    actions.UntagResource,
    actions.UpdateAlias,
    actions.UpdateKeyDescription,
    actions.UpdatePrimaryRegion,
]
_USE = [
    actions.Decrypt,
    actions.DescribeKey,
    actions.Encrypt,
    actions.GenerateDataKey,
    actions.GenerateDataKeyWithoutPlaintext,
    actions.ReEncryptFrom,
    actions.ReEncryptTo,
]

ROTATION_DAYS = 365
PENDING_WINDOW_DAYS = 30


def document(*statements: Statement) -> PolicyDocument:
    """Return a policy document of the current language version."""
    return PolicyDocument(Version="2012-10-17", Statement=list(statements))


def statement(
    sid: str,
    actions: Sequence[Action],
    resources: Sequence[Any],
    *conditions: ConditionElement,
    service: Any = None,
    principal: Principal | None = None,
    deny: bool = False,
) -> Statement:
    """Return a statement; resources given as text become `Fn::Sub` if needed.

    `service` is a service principal such as `s3.amazonaws.com`.
    """
    optional: dict[str, Any] = {}
    if service is not None:
        optional["Principal"] = Principal("Service", service)
    if principal is not None:
        optional["Principal"] = principal
    if conditions:
        optional["Condition"] = Condition(list(conditions))
    return Statement(
        Sid=sid,
        Effect=Deny if deny else Allow,
        Action=list(actions),
        Resource=[names.sub(r) if isinstance(r, str) else r for r in resources],
        **optional,
    )


def boundary_name(code: str) -> str:
    """Return the name of the policy that bounds the roles of a system, by its code."""
    return f"tapgen-boundary-{code}-${{{names.SUFFIX}}}"


def boundary_arn(code: str) -> str:
    """Return the ARN of that policy, as text for `Fn::Sub`; tapgen bootstrap makes it."""
    return names.arn("iam", f"policy/{boundary_name(code)}", region="")


def within(name: str) -> dict[str, Any]:
    """Return the property of a role that bounds its permissions, by the role's name."""
    code, suffix, _ = name.partition(f"-${{{names.SUFFIX}}}")
    return {"PermissionsBoundary": names.sub(boundary_arn(code))} if suffix else {}


def own_account() -> StringEquals:
    """Require that a service acts for a resource of this account."""
    return StringEquals({"aws:SourceAccount": Ref("AWS::AccountId")})


def _account() -> Principal:
    return Principal("AWS", names.sub(names.arn("iam", "root", region="")))


def owner_statements() -> list[Statement]:
    """Allow the account to manage a key through IAM."""
    return [
        statement("AdministerThroughIam", _ADMINISTER, ["*"], principal=_account()),
        statement("UseThroughIam", _USE, ["*"], principal=_account()),
    ]


def logs_statement(*log_groups: str) -> Statement:
    """Allow CloudWatch Logs to encrypt log groups with these names (`*` allowed).

    The encryption context binds each call to one log group.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    groups = [names.sub(names.arn("logs", f"log-group:{g}")) for g in log_groups]
    return statement(
        "EncryptLogGroups",
        _USE,
        ["*"],
        ArnLike({"kms:EncryptionContext:aws:logs:arn": groups}),
        # The only service principal with the region and the partition's domain.
        service=names.sub("logs.${AWS::Region}.${AWS::URLSuffix}"),
    )


@dataclass(frozen=True)
class Publisher:
    """A service that publishes to topics, and the conditions for it."""

    what: str
    service: str
    conditions: tuple[ConditionElement, ...]


ALARMS = Publisher("Alarms", "cloudwatch.amazonaws.com", (own_account(),))
BUDGETS = Publisher("Budgets", "budgets.amazonaws.com", (own_account(),))
EVENTS = Publisher(
    # EventBridge rules send no source: with a condition on it SNS drops every message
    # without an error.
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    "Events",
    "events.amazonaws.com",
    (),
)


def alarms_statement() -> Statement:
    """Allow CloudWatch alarms to publish to topics encrypted with the key.

    Without it alarms send no notification: they cannot use `alias/aws/sns`.
    https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
    """
    return publisher_statement(ALARMS)


def publisher_statement(publisher: Publisher) -> Statement:
    """Allow a service to publish to topics encrypted with the key."""
    return statement(
        f"Publish{publisher.what}",
        [actions.Decrypt, actions.GenerateDataKey],
        ["*"],
        *publisher.conditions,
        service=publisher.service,
    )


def scaling_statements() -> list[Statement]:
    """Allow Auto Scaling to start instances with disks encrypted with the key.

    The service-linked role of Auto Scaling starts them, and has no other permission for
    keys. The role exists only after the first use of Auto Scaling. A principal must
    exist, so a condition names the role instead.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html
    """
    scaling = names.arn(
        "iam",
        "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
        region="",
    )
    who = StringEquals(
        {
            "aws:PrincipalArn": names.sub(scaling),
            "kms:CallerAccount": Ref("AWS::AccountId"),
        }
    )
    return [
        statement("EncryptDisks", _USE, ["*"], who, principal=Principal("AWS", "*")),
        statement(
            "GrantDisks",
            [actions.CreateGrant],
            ["*"],
            who,
            Bool({"kms:GrantIsForAWSResource": "true"}),
            principal=Principal("AWS", "*"),
        ),
    ]


def trail_statements(trail: str) -> list[Statement]:
    """Allow CloudTrail to encrypt the files of the trail with this name.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    """
    # The trail is in the primary region, and so is its key.
    trail_arn = names.sub(names.arn("cloudtrail", f"trail/{trail}"))
    source = StringEquals({"aws:SourceArn": trail_arn})
    return [
        statement(
            "EncryptTrail",
            [actions.GenerateDataKey],
            ["*"],
            StringEquals(
                {
                    "aws:SourceArn": trail_arn,
                    "kms:EncryptionContext:aws:cloudtrail:arn": trail_arn,
                }
            ),
            service="cloudtrail.amazonaws.com",
        ),
        statement(
            "DescribeForTrail",
            [actions.DescribeKey],
            ["*"],
            source,
            service="cloudtrail.amazonaws.com",
        ),
    ]


def key(
    t: Template,
    title: str,
    *,
    name: str,
    description: str,
    policy: Iterable[Statement],
    kinds: Sequence[str] = (),
) -> Any:
    """Add a multi-Region key with rotation, and its alias; return the key.

    `policy` holds the statements besides those of the owner, `kinds` are what scanners are
    told about it (`explained`). A key is retained when its stack is deleted: without it,
    encrypted data is lost.
    """
    resource = t.add_resource(
        kms.Key(
            title,
            Metadata=explained.metadata(*kinds) | context.metadata("key"),
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            Description=description,
            MultiRegion=True,
            EnableKeyRotation=True,
            RotationPeriodInDays=ROTATION_DAYS,
            PendingWindowInDays=PENDING_WINDOW_DAYS,
            KeyPolicy=document(*owner_statements(), *policy),
            Tags=Tags(Name=names.sub(name)),
        )
    )
    _alias(t, f"{title}Alias", name=name, key=resource)
    return resource


def replica_key(
    t: Template,
    title: str,
    *,
    name: str,
    description: str,
    primary_arn: Any,
    policy: Iterable[Statement],
) -> Any:
    """Add the replica of a multi-Region key, and its alias; return the replica.

    It has the key material, id and rotation of its primary, but its own policy, alias
    and tags.
    """
    resource = t.add_resource(
        kms.ReplicaKey(
            title,
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            Metadata=context.metadata("replica key"),
            Description=description,
            PrimaryKeyArn=primary_arn,
            PendingWindowInDays=PENDING_WINDOW_DAYS,
            # Troposphere requires plain data here, unlike for the key itself.
            KeyPolicy=encode_to_dict(document(*owner_statements(), *policy)),
            Tags=Tags(Name=names.sub(name)),
        )
    )
    _alias(t, f"{title}Alias", name=name, key=resource)
    return resource


def _alias(t: Template, title: str, *, name: str, key: Any) -> None:
    t.add_resource(
        kms.Alias(
            title,
            AliasName=names.sub(f"alias/{name}"),
            TargetKeyId=GetAtt(key, "Arn"),
        )
    )


def use_key(arns: Sequence[Any], sid: str = "UseKey") -> list[Statement]:
    """Allow reading and writing data encrypted with keys."""
    return [statement(sid, [actions.Decrypt, actions.GenerateDataKey], arns)]


def service_role(
    t: Template,
    title: str,
    *,
    name: str,
    service: str,
    description: str,
    allow: Iterable[Statement] = (),
    managed: Iterable[str] = (),
    when: Sequence[ConditionElement] | None = None,
    kinds: Sequence[str] = (),
) -> Any:
    """Add a role for one service, with exactly the statements given.

    `managed` are names of AWS managed policies. `when` are the conditions of the trust
    policy, by default that the service acts for this account. The role is within the
    boundary of the system whose names begin as its own does (decision 31). `kinds` are what
    scanners are told about it, besides that its policy is its own (`explained`).
    """
    conditions = [own_account()] if when is None else when
    trust = Statement(
        Sid="Assume",
        Effect=Allow,
        Principal=Principal("Service", names.sub(service)),
        Action=[AssumeRole],
        **({"Condition": Condition(list(conditions))} if conditions else {}),
    )
    statements = list(allow)
    optional: dict[str, Any] = within(name)
    if statements:
        policy = iam.Policy(PolicyName=title, PolicyDocument=document(*statements))
        optional["Policies"] = [policy]
        kinds = ["role", *kinds]
    if kinds:
        optional["Metadata"] = explained.metadata(*kinds)
    policies = [
        names.sub(names.arn("iam", f"policy/{m}", region="", account="aws"))
        for m in managed
    ]
    if policies:
        optional["ManagedPolicyArns"] = policies
    return t.add_resource(
        iam.Role(
            title,
            RoleName=names.sub(name),
            Description=description,
            AssumeRolePolicyDocument=document(trust),
            **optional,
        )
    )


def instance_profile(t: Template, title: str, *, name: str, role: Any) -> Any:
    """Add the instance profile that gives EC2 instances a role."""
    return t.add_resource(
        iam.InstanceProfile(
            title, InstanceProfileName=names.sub(name), Roles=[Ref(role)]
        )
    )
