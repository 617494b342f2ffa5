"""The permissions boundary of the roles that a system creates.

Whoever may write a role's policies may do what the role may do. A boundary is the most
that any role of the system can have, whatever its policies say: no way from there to more
permissions (decision 31). The execution role may write roles within it only, and cannot
change it: it is named `tapgen-…`, outside of the system's names. Shipped systems have it;
`custom` ones with `rollout.permissions_boundary: required`.

Source: IAM user guide, "Permissions boundaries for IAM entities", with the example of
delegating the creation of roles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from awacs.aws import (
    Action,
    Allow,
    Null,
    PolicyDocument,
    Statement,
    StringEquals,
    StringLike,
)
from troposphere import iam

from tapgen.blocks import names, security
from tapgen.blueprints.role_permissions import SERVICE_LINKED
from tapgen.knowledge import boundary as table

BEGINNING = table.BEGINNING
CREATED, ENFORCED = "created", "enforced"
"""Whether the policy is there only, or the execution role is held to it too."""

# Only these change what the roles and users of a system may do.
_WRITES = frozenset(
    f"iam:{name}"
    for name in (
        *("AttachRolePolicy", "CreateRole", "PutRolePermissionsBoundary"),
        *("PutRolePolicy", "UpdateAssumeRolePolicy"),
        *("AttachUserPolicy", "CreateUser", "PutUserPermissionsBoundary"),
        "PutUserPolicy",
    )
)
_ENDS = ("iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary")
# A name of which nothing is known.
_ANY = re.compile(r":(function|stateMachine):\*")
_Arns = Mapping[tuple[str, str], Sequence[str]]
"""(service, kind of resource) → ARNs of the system, as `scope.arns_by_kind` gives them."""


def policy(
    subject: str, arns: _Arns, passed_to: Iterable[str], *, runs_own: bool
) -> Any:
    """Return the boundary as a managed policy, for a system's code or name.

    `passed_to` are the services that the system's roles are for. With `runs_own` its
    roles may start functions and state machines of the system, where names show which
    those are.
    """
    return iam.ManagedPolicy(
        "Boundary",
        ManagedPolicyName=names.sub(security.boundary_name(subject)),
        # Constant: a change would replace the policy, whose name is taken.
        Description="The most that a role of the system can do, whatever its policies",
        PolicyDocument=_document(subject, arns, passed_to, runs_own),
    )


def _document(
    subject: str, arns: _Arns, passed_to: Iterable[str], runs_own: bool
) -> PolicyDocument:
    services = [*passed_to]
    test = StringLike if any("*" in s for s in services) else StringEquals
    return security.document(
        Statement(
            Sid="WhatLeadsNoFurther",
            Effect=Allow,
            NotAction=_actions(table.LEADS_ON),
            Resource=["*"],
        ),
        security.statement("SeeTheRest", _actions(table.SEEN), ["*"]),
        *(
            [
                security.statement(
                    "PassRolesOfThisSystem",
                    _actions(["iam:PassRole"]),
                    arns["iam", "role"],
                    test({"iam:PassedToService": services}),
                )
            ]
            if services
            else []
        ),
        security.statement(
            "ServiceLinkedRoles",
            _actions(["iam:CreateServiceLinkedRole"]),
            [SERVICE_LINKED],
        ),
        *(_own(arns) if runs_own else ()),
        *_updates(subject, arns),
        # Plans, journals and the code of functions.
        security.statement(
            "NotWhatTapgenKeeps",
            _actions(["s3:Delete*", "s3:Put*"]),
            [names.bucket_arn(f"tapgen-artifacts-*{end}") for end in ("", "/*")],
            deny=True,
        ),
    )


def _own(arns: _Arns) -> Iterator[Statement]:
    for (service, kind), actions in table.RUNS_OWN.items():
        known = [arn for arn in arns.get((service, kind), ()) if not _ANY.search(arn)]
        if known:
            sid = f"RunOwn{service.capitalize()}"
            yield security.statement(sid, _actions(actions), known)


def _updates(subject: str, arns: _Arns) -> Iterator[Statement]:
    parts = table.UPDATES_OWN.get(subject, ())
    if parts:
        yield security.statement(
            "UpdateOwnStacks",
            _actions(["cloudformation:UpdateStack"]),
            [
                f"{stacks.removesuffix('*')}{part}-*"
                for stacks in arns["cloudformation", "stack"]
                for part in parts
            ],
            Null({"cloudformation:RoleArn": "true"}),
        )


def limited(subject: str, arns: _Arns, actions: Iterable[str]) -> Iterator[Statement]:
    """Allow those of the actions that write roles and users, within the boundary only;
    and deny taking it off, or changing it.

    The key is the boundary asked for, or that of the role whose policies are written.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    boundary = security.boundary_arn(subject)
    writing = sorted(_WRITES & {*actions})
    if not writing:
        return
    users = any("User" in action for action in writing)
    yield security.statement(
        "WriteRolesWithinTheirBoundary",
        _actions(writing),
        [*arns["iam", "role"], *(arns["iam", "user"] if users else ())],
        StringEquals({"iam:PermissionsBoundary": names.sub(boundary)}),
    )
    ends = _ENDS if users else _ENDS[:1]
    yield security.statement("NoRoleLeavesIt", _actions(ends), ["*"], deny=True)
    yield security.statement(
        "NobodyChangesIt",
        _actions(
            f"iam:{name}"
            for name in (
                *("CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion"),
                "SetDefaultPolicyVersion",
            )
        ),
        [boundary],
        deny=True,
    )


def without(actions: Iterable[str]) -> set[str]:
    """Return the actions besides those that `limited` is about."""
    return {*actions} - _WRITES - {*_ENDS}


def _actions(names_: Iterable[str]) -> list[Action]:
    return [Action(*name.split(":")) for name in names_]
