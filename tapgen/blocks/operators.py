"""Who carries out procedures: people with a second factor, and the runbooks they start.

    named = frame.principals(t, "OperatorArns", "ARN patterns of people that …")
    operators.role(
        t, "OperatorRole", name=name("operator"), description="Starts the runbooks",
        who=operators.ACCOUNT, condition=operators.people(t, named), policies=[],
        actions=operators.TAGGED,
    )

People start a runbook, and it uses a role of its own: so they can do what its steps do, in
their order, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from awacs import iam as iam_actions
from awacs import ssm
from awacs.aws import (
    Action,
    Allow,
    ArnLike,
    Bool,
    Condition,
    Principal,
    Statement,
    StringEquals,
)
from awacs.sts import AssumeRole, TagSession
from troposphere import Equals, If, Ref, Template, encode_to_dict, iam

from tapgen.blocks import frame, names, security

SECOND_FACTOR_TAG = "SecondFactor"
"""The tag that the identity provider gives, as `true`, to sessions with a second factor."""

ACCOUNT = Principal("AWS", names.sub(names.arn("iam", "root", region="")))
RUNBOOKS = Principal("Service", "ssm.amazonaws.com")

TAGGED = (AssumeRole, TagSession)
"""What people do. Where an identity provider passes tags, each role that its sessions
assume must trust them with the second one, else nobody can assume it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_permissions-required
"""

_SECOND_FACTOR = "NeedsSecondFactor"
_BY_SESSION_TAG = "ShownBySessionTag"


def people(t: Template, named: Ref) -> If:
    """Add the parameters for a second factor; return on what condition people may assume
    a role. `named` is the parameter for who they are."""
    frame.flag(
        t,
        "SecondFactor",
        description="Whether people need a second factor to assume the operators' role.",
        condition=_SECOND_FACTOR,
    )
    by = frame.parameter(
        t,
        "SecondFactorBy",
        description="What shows it: MFA of users, or a session tag of roles.",
        AllowedValues=["mfa", "session_tag"],
    )
    t.add_condition(_BY_SESSION_TAG, Equals(by, "session_tag"))
    person = ArnLike({"aws:PrincipalArn": named})
    # The sessions of roles never carry the key for MFA; a role is assumed with a code
    # by users only.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
    twice = Bool({"aws:MultiFactorAuthPresent": "true"})
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
    tagged = StringEquals({f"aws:PrincipalTag/{SECOND_FACTOR_TAG}": "true"})
    return If(
        _SECOND_FACTOR,
        If(
            _BY_SESSION_TAG,
            Condition([person, tagged]),
            Condition([person, twice]),
        ),
        Condition(person),
    )


def unprovable(operators: tuple[str, ...], needed: bool, by: str) -> list[str]:
    """Return what is wrong with operators that could never show a second factor, so that
    none could carry out a procedure. It is shown `by` mfa or session_tag.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
    """
    by_tag = by == "session_tag"
    wrong = [o for o in operators if o.startswith("user/") == by_tag]
    if not needed or not wrong:
        return []
    if by_tag:
        return [
            f"operators: {wrong[0]} is a user, whose requests have no session tag;"
            " set second_factor_by: mfa, with users only, or give roles"
        ]
    return [
        f"operators: {wrong[0]} is a role, whose sessions never say that they"
        " had MFA, so it could not fail over; give users (user/…), set"
        " second_factor_by: session_tag and let the identity provider give the"
        " tag SecondFactor=true to sessions with a second factor, or set"
        " second_factor: false"
    ]


def policy(
    t: Template, title: str, *, name: str, description: str, allow: Iterable[Statement]
) -> Any:
    """Add a managed policy, for roles to share."""
    return t.add_resource(
        iam.ManagedPolicy(
            title,
            ManagedPolicyName=names.sub(name),
            Description=description,
            PolicyDocument=security.document(*allow),
        )
    )


def role(
    t: Template,
    title: str,
    *,
    name: str,
    description: str,
    who: Principal,
    condition: Any,
    policies: Sequence[Any],
    actions: Sequence[Action] = (AssumeRole,),
    when: str = "",
) -> Any:
    """Add a role of an hour with managed policies, if the condition `when` is true."""
    trust = Statement(Sid="Assume", Effect=Allow, Principal=who, Action=list(actions))
    added = t.add_resource(
        iam.Role(
            title,
            RoleName=names.sub(name),
            Description=description,
            MaxSessionDuration=3600,
            AssumeRolePolicyDocument={
                "Version": "2012-10-17",
                # awacs does not support an Fn::If as a condition.
                "Statement": [{**encode_to_dict(trust), "Condition": condition}],
            },
            ManagedPolicyArns=[Ref(policy) for policy in policies],
            **security.within(name),
        )
    )
    if when:
        added.Condition = when
    return added


def start(mine: str, regions: Sequence[str], runbook_role: str) -> list[Statement]:
    """Allow starting runbooks, which use their own role, and following them.

    `mine` is the pattern of their names, as text for `Fn::Sub`.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
    """
    executions = [names.arn("ssm", "automation-execution/*", region=r) for r in regions]
    return [
        security.statement(
            "StartRunbooks",
            [ssm.StartAutomationExecution],
            [
                *(
                    names.arn("ssm", thing, region=region)
                    for region in regions
                    for thing in (f"automation-definition/{mine}:*", f"document/{mine}")
                ),
                *executions,
            ],
        ),
        # Systems Manager chooses the id of an execution when it starts.
        security.statement(
            "FollowRunbooks",
            [
                ssm.DescribeAutomationStepExecutions,
                ssm.GetAutomationExecution,
                ssm.StopAutomationExecution,
            ],
            executions,
        ),
        security.statement(
            "ReadRunbooks",
            [ssm.DescribeDocument, ssm.GetDocument],
            [names.arn("ssm", f"document/{mine}", region=r) for r in regions],
        ),
        security.statement(
            "GiveRunbooksTheirRole",
            [iam_actions.PassRole],
            [names.arn("iam", f"role/{runbook_role}", region="")],
            StringEquals({"iam:PassedToService": "ssm.amazonaws.com"}),
        ),
    ]
