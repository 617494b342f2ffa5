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

Nothing here allows `*` as an action. `*` as a resource appears in key policies only,
where it means "this key" (a key policy cannot name its own key).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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

from tapgen.blocks import names

# Everything the owner of a key may do to it, and with it. Given to the account, which
# hands it on through IAM; spelled out, so that nothing is allowed unseen.
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
    """A policy of the current language version."""
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
    """One statement; resources given as text become `Fn::Sub` where they need it.

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


def own_account() -> StringEquals:
    """That a service acts for a resource of this account (no confused deputy)."""
    return StringEquals({"aws:SourceAccount": Ref("AWS::AccountId")})


def _account() -> Principal:
    return Principal("AWS", names.sub(names.arn("iam", "root", region="")))


def owner_statements() -> list[Statement]:
    """The statements that keep a key manageable, by way of IAM, by its account."""
    return [
        statement("AdministerThroughIam", _ADMINISTER, ["*"], principal=_account()),
        statement("UseThroughIam", _USE, ["*"], principal=_account()),
    ]


def logs_statement(*log_groups: str) -> Statement:
    """Lets CloudWatch Logs encrypt the log groups of these names (`*` allowed).

    The encryption context ties each call to one log group.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    groups = [names.sub(names.arn("logs", f"log-group:{g}")) for g in log_groups]
    return statement(
        "EncryptLogGroups",
        _USE,
        ["*"],
        ArnLike({"kms:EncryptionContext:aws:logs:arn": groups}),
        # The one service principal that names its region and the partition's domain.
        service=names.sub("logs.${AWS::Region}.${AWS::URLSuffix}"),
    )


@dataclass(frozen=True)
class Publisher:
    """A service that publishes to topics by itself, and when it may."""

    what: str
    service: str
    conditions: tuple[ConditionElement, ...]


ALARMS = Publisher("Alarms", "cloudwatch.amazonaws.com", (own_account(),))
BUDGETS = Publisher("Budgets", "budgets.amazonaws.com", (own_account(),))
EVENTS = Publisher(
    # Rules of EventBridge come without their source: with a condition on it nothing
    # arrives, and nobody is told.
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    "Events",
    "events.amazonaws.com",
    (),
)


def alarms_statement() -> Statement:
    """Lets CloudWatch alarms publish to topics encrypted with the key.

    Without it alarms fire and nobody hears: they cannot use `alias/aws/sns`.
    https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
    """
    return publisher_statement(ALARMS)


def publisher_statement(publisher: Publisher) -> Statement:
    """Lets a service publish to topics encrypted with the key."""
    return statement(
        f"Publish{publisher.what}",
        [actions.Decrypt, actions.GenerateDataKey],
        ["*"],
        *publisher.conditions,
        service=publisher.service,
    )


def scaling_statements() -> list[Statement]:
    """Lets Auto Scaling start instances whose disks are encrypted with the key.

    Its service-linked role does that, and has no other permission for keys. The role
    exists only once something has used Auto Scaling, and a policy cannot name as its
    principal what does not exist; a condition can.
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
    """Lets CloudTrail encrypt the files of the trail of this name.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    """
    # The trail lives in the primary region, and so does the key it encrypts with.
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
    t: Template, title: str, *, name: str, description: str, policy: Iterable[Statement]
) -> Any:
    """Add a multi-Region key that rotates, its alias, and give the key.

    `policy` holds the statements besides those of the owner. A key is kept when its
    stack goes: without it nothing that it encrypted can be read again.
    """
    resource = t.add_resource(
        kms.Key(
            title,
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
    """Add the replica of a multi-Region key, its alias, and give the replica.

    It has the key material and id of its primary, which also rotates it; policy, alias
    and tags are its own.
    """
    resource = t.add_resource(
        kms.ReplicaKey(
            title,
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            Description=description,
            PrimaryKeyArn=primary_arn,
            PendingWindowInDays=PENDING_WINDOW_DAYS,
            # Troposphere wants plain data here, unlike for the key itself.
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
    """What a role needs to read and write data encrypted with keys."""
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
) -> Any:
    """Add a role that one service assumes, with exactly the statements given.

    `managed` are names of AWS's own policies. `when` are the conditions of the trust,
    by default that the service acts for this account.
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
    optional: dict[str, Any] = {}
    if statements:
        policy = iam.Policy(PolicyName=title, PolicyDocument=document(*statements))
        optional["Policies"] = [policy]
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
    """Add the profile by which EC2 instances take a role."""
    return t.add_resource(
        iam.InstanceProfile(
            title, InstanceProfileName=names.sub(name), Roles=[Ref(role)]
        )
    )
