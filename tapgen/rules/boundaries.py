"""Roles and users within the permissions boundary of their system."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from tapgen.knowledge.boundary import BEGINNING, LEADS_ON, RUNS_OWN, SEEN
from tapgen.model import RolloutSettings, StackSet, System
from tapgen.rules.base import DOCS, in_properties
from tapgen.rules.iam import statements, texts
from tapgen.rules.system_view import FoundIn, SystemRule, SystemView
from tapgen.rules.values import absent, get
from tapgen.rules.view import Resource
from tapgen.template import evaluate

_GUIDE = f"{DOCS}IAM/latest/UserGuide/access_policies_boundaries.html"
_IDENTITIES = ("AWS::IAM::Role", "AWS::IAM::User")
_SUFFIX = "EnvironmentSuffix"
_REQUIRED = RolloutSettings(permissions_boundary=True)

_ROLE = """\
app:
  regions: [us-east-1]
  template:
    Resources:
      Worker:
        Type: AWS::IAM::Role
        Properties:
          RoleName: orders-worker
          AssumeRolePolicyDocument:
            Version: '2012-10-17'
            Statement:
              - Effect: Allow
                Principal: {Service: lambda.amazonaws.com}
                Action: sts:AssumeRole
"""
_WITHIN = _ROLE + """\
          PermissionsBoundary: !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/tapgen-boundary-example-dev
"""


class OutsideOfBoundary(SystemRule):
    id = "E9615"
    shortdesc = "A role is outside the permissions boundary that the config requires"
    description = (
        "With `rollout.permissions_boundary: required` the execution role can create"
        " roles and users, and write their policies, only within the boundary that"
        " tapgen bootstrap creates. Another one fails in the middle of a rollout. The"
        " name must be in the template itself, so that tapgen finds it in what is"
        " deployed."
    )
    source_url = _GUIDE
    at = "app: Resources/Worker/Properties"
    rollout = _REQUIRED
    bad = _ROLE
    good = _WITHIN

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        if not it.system.rollout.permissions_boundary:
            return
        end = f":policy/{_name(it.system)}"
        for stack_set, found in _identities(it):
            given = get(found.properties, "PermissionsBoundary")
            if isinstance(given, str) and given.endswith(end):
                if BEGINNING in _as_written(stack_set, found):
                    continue
            elif isinstance(given, Mapping) and f'{end}"' in json.dumps(given):
                continue  # only AWS knows the account or partition
            kind = "user" if found.type.endswith("User") else "role"
            yield stack_set, in_properties(found), (
                f"{kind} {found.id} is outside the permissions boundary of the system; add"
                f" {_line(it.system, stack_set)}"
            )


class NoBoundary(SystemRule):
    id = "I9616"
    shortdesc = "A role of a custom system has no permissions boundary"
    description = (
        "Whoever can change the templates can do, through this role, whatever the"
        " account allows: the execution role writes its policies. Set"
        " `rollout.permissions_boundary: required`, which limits what any role of the"
        " system can do, or give the role a boundary of your own."
    )
    source_url = _GUIDE
    at = "app: Resources/Worker/Properties"
    bad = _ROLE
    good = _WITHIN

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        required = it.system.rollout.permissions_boundary
        if required or it.system.blueprint != "custom":
            return
        for stack_set, found in _identities(it):
            if absent(found.properties, "PermissionsBoundary"):
                yield stack_set, in_properties(found), (
                    "nothing limits what the policies of this role can allow; set"
                    " rollout.permissions_boundary: required in the config"
                )


class MoreThanBoundary(SystemRule):
    id = "W9617"
    shortdesc = "A policy allows what the permissions boundary does not"
    description = (
        "A role can do only what both its policies and its boundary allow. The boundary"
        " that tapgen bootstrap creates leaves out what leads to other permissions:"
        " identities, credentials, and code that others run. So the calls fail with"
        " AccessDenied while the system runs. Remove the action, or give the role that"
        " needs it in another way: `pass_roles` takes roles from outside the system."
    )
    source_url = _GUIDE
    at = "app: Resources/Worker/Properties/Policies/0/PolicyDocument/Statement/0/Action"
    rollout = _REQUIRED
    bad = _WITHIN + """\
          Policies:
            - PolicyName: jobs
              PolicyDocument:
                Version: '2012-10-17'
                Statement:
                  - Effect: Allow
                    Action: [lambda:InvokeFunction, ecs:RunTask]
                    Resource: !Sub arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:task-definition/jobs
"""
    good = bad.replace("[lambda:InvokeFunction, ecs:RunTask]", "ecs:DescribeTasks")

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        if not it.system.rollout.permissions_boundary:
            return
        kinds = ("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
        for stack_set, found in _of(it, kinds):
            for path, statement in statements(found):
                trust = not absent(statement, "Principal")
                beyond = [a for a in texts(statement, "Action") if _is_beyond(a)]
                if get(statement, "Effect") == "Allow" and beyond and not trust:
                    yield stack_set, in_properties(found, *path, "Action"), (
                        f"the boundary does not allow {', '.join(beyond)}, so the role"
                        " cannot use it"
                    )


def _identities(it: SystemView) -> Iterator[tuple[StackSet, Resource]]:
    """The roles and users that tapgen's own execution role creates, or may create."""
    return _of(it, _IDENTITIES)


def _of(it: SystemView, kinds: Iterable[str]) -> Iterator[tuple[StackSet, Resource]]:
    for stack_set, place in it.places:
        for found in place.of(*kinds) if stack_set.service_managed is None else ():
            yield stack_set, found


def _as_written(stack_set: StackSet, found: Resource) -> str:
    body = evaluate.parsed(stack_set.template)
    properties = get(body, "Resources", found.id, "Properties")
    # A resource of a loop has another id in the template.
    return json.dumps(properties) if isinstance(properties, dict) else BEGINNING


def _name(system: System) -> str:
    return f"{BEGINNING}{system.prefix}"


def _line(system: System, stack_set: StackSet) -> str:
    """Return the property to add. A template that takes the suffix as a parameter serves
    every environment."""
    parameters = get(evaluate.parsed(stack_set.template), "Parameters")
    name = _name(system)
    if isinstance(parameters, dict) and _SUFFIX in parameters:
        name = f"{name.removesuffix(system.suffix)}${{{_SUFFIX}}}"
    arn = f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/{name}"
    return f"PermissionsBoundary: !Sub {arn}"


def _is_beyond(action: str) -> bool:
    """Whether the boundary allows no action of a name or pattern."""
    action = action.lower()
    inside = {*SEEN, "iam:PassRole", "iam:CreateServiceLinkedRole"}
    inside |= {one for actions in RUNS_OWN.values() for one in actions}

    def among(patterns: Iterable[str]) -> bool:
        return any(fnmatchcase(action, pattern.lower()) for pattern in patterns)

    return among(LEADS_ON) and not among(inside)
