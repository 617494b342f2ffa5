"""Limits of templates, IAM and StackSets that cfn-lint does not check.

cfn-lint itself checks those of whole templates: 1 MB (E1002), 500 resources (E3010), 200
parameters (E2010), outputs (E6010) and mappings (E7010).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.knowledge.names import IAM
from tapgen.rules.base import (
    DOCS,
    USER_GUIDE,
    Found,
    ResourceRule,
    Rule,
    deployed_to,
    in_properties,
)
from tapgen.rules.values import absent, get, is_function, items, present, text
from tapgen.rules.view import Resource, View

INLINE = 51_200
"""Bytes of a template that an API call accepts; a larger one must be in S3."""

_QUOTAS = f"{USER_GUIDE}cloudformation-limits.html"
_STACK_SETS = f"{USER_GUIDE}stacksets-orgs-associate-stackset-with-org.html"
_ROLE_INLINE, _MANAGED, _USER_INLINE, _GROUP_INLINE = 10_240, 6_144, 2_048, 5_120


def _service_managed(**more: Any) -> dict[str, Any]:
    return deployed_to("us-east-1", permission_model="SERVICE_MANAGED", **more)


def _is_service_managed(view: View) -> bool:
    return any(
        text(s, "permission_model") == "SERVICE_MANAGED" for s in view.stack_sets
    )


class TooLargeForACall(Rule):
    id = "I9570"
    shortdesc = "A template is too large for an API call"
    description = (
        "API calls accept templates of up to 51,200 bytes. A larger template (up to 1"
        " MB) must be uploaded to S3 first, which tapgen does and other tools may not."
        " The size is measured without white space, as a tool may send it."
    )
    source_url = _QUOTAS
    sees_macros = True
    at = ""
    _body = """\
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Role: !Sub arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/orders
      Runtime: python3.13
      Handler: index.handler
      Code:
        ZipFile: {code}
"""
    bad = _body.format(code=f'"{"# orders " * 6000}"')
    good = _body.format(code="'def handler(event, context): pass'")

    def check(self, view: View) -> Iterator[Found]:
        size = len(
            json.dumps(view.template, separators=(",", ":"), default=str).encode()
        )
        if size > INLINE:
            yield (), (
                f"{size:,} bytes without white space, but an API call accepts"
                f" {INLINE:,}; upload the template to S3"
            )


class PolicyTooLarge(ResourceRule):
    id = "E9571"
    shortdesc = "A policy exceeds the limit of IAM"
    description = (
        "IAM accepts 10,240 characters of inline policies for a role, 6,144 for a"
        " managed policy, 5,120 for a group and 2,048 for a user, without white space."
        " Values that are not known yet are not counted, so the policy is at least"
        " this large."
    )
    source_url = f"{DOCS}IAM/latest/UserGuide/reference_iam-quotas.html"
    at = "Resources/Policy/Properties/PolicyDocument"
    _body = """\
Resources:
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Action: s3:GetObject
            Resource:
{buckets}\
"""
    bad = _body.format(
        buckets="".join(
            f"              - arn:aws:s3:::orders-{n:05}-archive-of-all-years/*\n"
            for n in range(140)
        )
    )
    good = _body.format(buckets="              - arn:aws:s3:::orders-*/*\n")
    types = (
        "AWS::IAM::Group",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::IAM::User",
    )
    _most: Mapping[str, int] = {
        "AWS::IAM::Group": _GROUP_INLINE,
        "AWS::IAM::ManagedPolicy": _MANAGED,
        "AWS::IAM::Role": _ROLE_INLINE,
        "AWS::IAM::User": _USER_INLINE,
    }

    def check_resource(self, it: Resource) -> Iterator[Found]:
        managed = it.type == "AWS::IAM::ManagedPolicy"
        name = "PolicyDocument" if managed else "Policies"
        if managed:
            size = _characters(get(it.properties, name))
        else:
            policies = items(it.properties, name)
            size = sum(_characters(get(p, "PolicyDocument")) for p in policies)
        most = self._most[it.type]
        if size > most:
            yield (name,), f"at least {size:,} characters; IAM accepts {most:,}"


def _characters(node: Any) -> int:
    """Return the least number of characters of a policy, without white space."""
    if is_function(node):
        return 2
    if isinstance(node, Mapping):
        return 1 + sum(len(str(k)) + 4 + _characters(v) for k, v in node.items())
    if isinstance(node, list):
        return 1 + sum(1 + _characters(item) for item in node)
    known = text(node)
    return 2 + len("".join(known.split())) if known else 2


class NestedInServiceManaged(Rule):
    id = "E9573"
    shortdesc = "A service-managed stack set has nested stacks"
    description = (
        "Stack sets with service-managed permissions do not support templates with"
        " nested stacks. Move the resources into the template, or create a stack set"
        " for each part."
    )
    source_url = _STACK_SETS
    needs_targets = True
    deployment = _service_managed()
    at = "Resources/Nested"
    bad = """\
Resources:
  Nested:
    Type: AWS::CloudFormation::Stack
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      TemplateURL: https://artifacts.s3.amazonaws.com/network.json
"""
    good = """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
"""

    def check(self, view: View) -> Iterator[Found]:
        if not _is_service_managed(view):
            return
        for place in view.places:
            for it in place.of("AWS::CloudFormation::Stack"):
                yield ("Resources", it.id), (
                    "service-managed stack sets do not support nested stacks"
                )


class TransformInServiceManaged(Rule):
    id = "E9574"
    shortdesc = "A service-managed stack set has a transform"
    description = (
        "Stack sets with service-managed permissions do not support templates with"
        " macros or transforms, including those of AWS. Process the template before"
        " the rollout."
    )
    source_url = _STACK_SETS
    needs_targets = True
    sees_macros = True
    deployment = _service_managed()
    at = "Transform"
    bad = """\
Transform: AWS::LanguageExtensions
Resources:
  Topic:
    Type: AWS::SNS::Topic
"""
    good = """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
"""

    def check(self, view: View) -> Iterator[Found]:
        if _is_service_managed(view) and present(view.template, "Transform"):
            yield ("Transform",), "service-managed stack sets do not support transforms"


class OverridesOfNewAccounts(Rule):
    id = "W9575"
    shortdesc = "Accounts that join later do not get the overrides"
    description = (
        "Automatic deployment gives a new account the parameter values of the stack"
        " set. Overrides by account or region and values from other stack sets do not"
        " reach it, and order and failure tolerance do not apply. For values that"
        " differ, use a mapping by AWS::Region or SSM parameters."
    )
    source_url = f"{USER_GUIDE}stacksets-orgs-manage-auto-deployment.html"
    needs_targets = True
    deployment = _service_managed(
        auto_deployment={"enabled": True},
        parameters={"Size": "small"},
    ) | {"overrides": [{"region": "us-east-1", "parameters": {"Size": "large"}}]}
    at = "Parameters/Size"
    bad = """\
Parameters:
  Size: {Type: String}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: !Ref Size
"""
    good = """\
Mappings:
  Size:
    us-east-1: {Name: large}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: !FindInMap [Size, !Ref AWS::Region, Name]
"""

    def check(self, view: View) -> Iterator[Found]:
        declared = get(view.template, "Parameters")
        names = set(declared) if isinstance(declared, Mapping) else set()
        for entry in view.stack_sets:
            if not _joins(entry):
                continue
            for override in items(entry, "overrides"):
                for name in sorted(names & set(_parameters(override))):
                    yield ("Parameters", name), (
                        f"accounts that join later do not get the override of {name}"
                    )
            for name, value in _parameters(entry).items():
                if isinstance(value, Mapping) and name in names:
                    yield ("Parameters", name), (
                        f"{name} comes from {get(value, 'output')}, which accounts that"
                        " join later do not get"
                    )


def _joins(entry: Mapping[str, Any]) -> bool:
    """Return whether automatic deployment is enabled."""
    found = get(entry, "auto_deployment")
    enabled = found if isinstance(found, bool) else get(found, "enabled")
    return str(enabled).lower() == "true"


def _parameters(node: Any) -> Mapping[str, Any]:
    found = get(node, "parameters")
    return found if isinstance(found, Mapping) else {}


class CapabilityMissing(Rule):
    id = "E9577"
    shortdesc = "The stack set lacks a capability that its template needs"
    description = (
        "CloudFormation requires a capability for a template that creates IAM"
        " resources (CAPABILITY_IAM), names them (CAPABILITY_NAMED_IAM) or has macros"
        " (CAPABILITY_AUTO_EXPAND). It rejects the stack set with"
        " InsufficientCapabilitiesException. Add the capability."
    )
    source_url = f"{DOCS}AWSCloudFormation/latest/APIReference/API_CreateStackSet.html"
    needs_targets = True
    sees_macros = True
    deployment = deployed_to("us-east-1", capabilities=["CAPABILITY_IAM"])
    at = "Resources/Group/Properties/GroupName"
    bad = """\
Resources:
  Group:
    Type: AWS::IAM::Group
    Properties:
      GroupName: operators
"""
    good = """\
Resources:
  Group:
    Type: AWS::IAM::Group
"""
    _types = (
        "AWS::IAM::AccessKey",
        "AWS::IAM::Group",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::IAM::User",
        "AWS::IAM::UserToGroupAddition",
    )

    def check(self, view: View) -> Iterator[Found]:
        given = [s for s in view.stack_sets if isinstance(s.get("capabilities"), list)]
        if not given:
            return
        common = set.intersection(*({*map(str, s["capabilities"])} for s in given))
        iam = {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}
        for place in view.places:
            for it in place.of(*self._types):
                steps = IAM.get(it.type, ())
                if steps and present(it.properties, *steps):
                    if "CAPABILITY_NAMED_IAM" not in common:
                        yield in_properties(it, *steps), (
                            "the stack set needs CAPABILITY_NAMED_IAM"
                        )
                elif not iam & common:
                    yield ("Resources", it.id), "the stack set needs CAPABILITY_IAM"
        if "CAPABILITY_AUTO_EXPAND" not in common and not absent(
            view.template, "Transform"
        ):
            yield ("Transform",), "the stack set needs CAPABILITY_AUTO_EXPAND"
