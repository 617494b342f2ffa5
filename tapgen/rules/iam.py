"""Policies that allow or deny something else than they seem to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.rules.base import DOCS, Found, ResourceRule, deployed_to
from tapgen.rules.values import MISSING, Path, beginning, get, is_function, items, text
from tapgen.rules.view import Resource
from tapgen.template import policies, request_keys

_GUIDE = f"{DOCS}IAM/latest/UserGuide/"
# Operators that a request without the key fails: IAM user guide, "Condition operators".
_NEEDS_KEY = re.compile(
    r"(?:ForAnyValue:)?(?:StringEquals|StringEqualsIgnoreCase|StringLike|Numeric\w+|"
    r"Date\w+|Bool|BinaryEquals|IpAddress|ArnEquals|ArnLike)",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"IfExists$|Not(?:Equals|Like)", re.IGNORECASE)


def statements(it: Resource) -> Iterator[tuple[Path, Any]]:
    """Yield the statements of a resource's policies, with their paths."""
    for name in policies.paths(it.type):
        for path, document in _at(it.properties, tuple(name.split("/"))):
            found = get(document, "Statement")
            if isinstance(found, Mapping) and not is_function(found):
                yield (*path, "Statement"), found
            for index, statement in enumerate(items(document, "Statement")):
                if isinstance(statement, Mapping) and not is_function(statement):
                    yield (*path, "Statement", index), statement


def _at(
    node: Any, steps: tuple[str, ...], path: Path = ()
) -> Iterator[tuple[Path, Any]]:
    if not steps:
        yield path, node
    elif steps[0] != "*":
        yield from _at(get(node, steps[0]), steps[1:], (*path, steps[0]))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _at(item, steps[1:], (*path, index))


def texts(node: Any, name: str) -> list[str]:
    """Return the texts of an element that may be one text or a list."""
    one = text(node, name)
    found = [one] if one is not None else items(node, name)
    return [value for value in found if isinstance(value, str)]


def _tests(statement: Any) -> Iterator[tuple[Path, str, str, Any]]:
    """Yield the path, operator, key and values of each test of a statement."""
    conditions = get(statement, "Condition")
    if not isinstance(conditions, Mapping) or is_function(conditions):
        return
    for operator, tests in conditions.items():
        if isinstance(tests, Mapping) and not is_function(tests):
            for key, values in tests.items():
                path = ("Condition", str(operator), str(key))
                yield path, str(operator), str(key), values


_POLICY = """\
Resources:
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
"""


class KeyOfNoRequest(ResourceRule):
    id = "W9612"
    shortdesc = "A condition tests a key that the action's requests never have"
    description = (
        "A test of a key that a request does not have fails, unless its operator ends in"
        " IfExists or negates. So the statement allows the action to nobody, or denies it"
        " to nobody, without an error. The service authorization reference lists the keys"
        " of each action. Give the actions that have the key a statement of their own."
    )
    source_url = (
        f"{DOCS}service-authorization/latest/reference/"
        "reference_policies_actions-resources-contextkeys.html"
    )
    at = (
        "Resources/Policy/Properties/PolicyDocument/Statement/0/Condition/StringLike/"
        "s3:prefix"
    )
    bad = _POLICY + """\
          - Effect: Allow
            Action: [s3:ListBucket, s3:GetObject]
            Resource: [!Sub 'arn:${AWS::Partition}:s3:::orders', !Sub 'arn:${AWS::Partition}:s3:::orders/*']
            Condition:
              StringLike:
                s3:prefix: open/*
"""
    good = _POLICY + """\
          - Effect: Allow
            Action: s3:ListBucket
            Resource: !Sub arn:${AWS::Partition}:s3:::orders
            Condition:
              StringLike:
                s3:prefix: open/*
          - Effect: Allow
            Action: s3:GetObject
            Resource: !Sub arn:${AWS::Partition}:s3:::orders/open/*
"""

    def check_resource(self, it: Resource) -> Iterator[Found]:
        for path, statement in statements(it):
            does = "allows" if text(statement, "Effect") == "Allow" else "denies"
            actions = texts(statement, "Action")
            for below, operator, key, _ in _tests(statement):
                if not _NEEDS_KEY.fullmatch(operator) or _NEGATED.search(operator):
                    continue
                lacking = [a for a in actions if request_keys.lacking(a, key)]
                if not lacking:
                    continue
                why = (
                    f"requests of {', '.join(lacking)} have no {key}"
                    if request_keys.is_key(key)
                    else f"no action has a key {key}"
                )
                yield (*path, *below), (
                    f"{why}, so the statement {does}"
                    f" {'them' if len(lacking) > 1 else 'it'} to nobody"
                )


class SecondFactorOfRole(ResourceRule):
    id = "E9613"
    shortdesc = "A role's session is asked for a second factor that it cannot have"
    description = (
        "The temporary credentials of a role do not say whether somebody signed in with"
        " MFA, so requests by a role have neither aws:MultiFactorAuthPresent nor"
        " aws:MultiFactorAuthAge, and the statement allows nothing to them. Name IAM users, who give a code with"
        " AssumeRole, or let the identity provider ask for MFA and pass on a session"
        " tag or source identity."
    )
    source_url = f"{_GUIDE}id_credentials_mfa_configure-api-require.html"
    at = (
        "Resources/Role/Properties/AssumeRolePolicyDocument/Statement/0/Condition/Bool/"
        "aws:MultiFactorAuthPresent"
    )
    types = ("AWS::IAM::Role",)
    deployment = deployed_to("us-east-1")
    _role = """\
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal:
              AWS: !Sub arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{who}/on-call
            Action: sts:AssumeRole
            Condition:
              Bool:
                aws:MultiFactorAuthPresent: 'true'
"""
    bad = _role.format(who="role")
    good = _role.format(who="user")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        for path, statement in statements(it):
            tests = list(_tests(statement))
            principal = get(get(statement, "Principal"), "AWS")
            who = [
                *(principal if isinstance(principal, list) else [principal]),
                *(
                    value
                    for _, operator, key, values in tests
                    if key.lower() == "aws:principalarn" and "Not" not in operator
                    for value in (values if isinstance(values, list) else [values])
                ),
            ]
            named = [_own_role(it, one) or beginning(one) or "" for one in who]
            named = [one for one in named if not one.endswith(":root")]
            if text(statement, "Effect") != "Allow" or not named:
                continue
            if not all(re.search(r":(assumed-)?role/", one) for one in named):
                continue
            for below, operator, key, values in tests:
                if _asks_for_second_factor(operator.lower(), key.lower(), values):
                    yield (*path, *below), (
                        f"{named[0]} is a role, whose requests never have this key, so"
                        " nobody can assume this one; name users, or leave MFA to the"
                        " identity provider"
                    )


def _own_role(it: Resource, node: Any) -> str:
    """Return a role of the template that a value is the ARN of, as the end of an ARN."""
    match node:
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            if any(found.id == name for found in it.place.of("AWS::IAM::Role")):
                return f":role/{name}"
    return ""


def _asks_for_second_factor(operator: str, key: str, values: Any) -> bool:
    """Whether a test, in lower case, holds only for who signed in with MFA."""
    if key == "aws:multifactorauthage":
        return operator.startswith("numeric") and not operator.endswith("ifexists")
    same = operator in ("bool", "stringequals", "stringequalsignorecase")
    wanted = values if isinstance(values, list) else [values]
    return (
        key == "aws:multifactorauthpresent"
        and same
        and all(str(value).lower() == "true" for value in wanted)
    )


class WholeService(ResourceRule):
    id = "I9614"
    shortdesc = "A policy allows every action of a service"
    description = (
        "Also with NotAction, which allows whatever it does not list. Such a statement also allows what AWS adds to the service later, and often what"
        " leads to more permissions. List the actions that are needed."
    )
    source_url = f"{_GUIDE}best-practices.html"
    at = "Resources/Policy/Properties/PolicyDocument/Statement/0/Action"
    bad = _POLICY + """\
          - Effect: Allow
            Action: sqs:*
            Resource: !Sub arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:orders
"""
    good = bad.replace("sqs:*", "sqs:SendMessage")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        for path, statement in statements(it):
            # A policy of a resource is about that resource.
            keys = ("Principal", "NotPrincipal")
            about_one = any(get(statement, key) is not MISSING for key in keys)
            if text(statement, "Effect") != "Allow" or about_one:
                continue
            if others := texts(statement, "NotAction"):
                yield (*path, "NotAction"), (
                    f"every action but {', '.join(others)} is allowed; list those that"
                    " are needed"
                )
            for action in texts(statement, "Action"):
                if action == "*" or action.endswith(":*"):
                    yield (*path, "Action"), (
                        f"{action} allows every action; list those that are needed"
                    )
