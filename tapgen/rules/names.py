"""Names that must be unique in an account or in the world, used in several regions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tapgen.knowledge.names import ACCOUNT_WIDE, IAM, Names
from tapgen.rules.base import (
    DOCS,
    USER_GUIDE,
    Found,
    Rule,
    deployed_to,
    in_one_account,
    in_properties,
    places_of,
)
from tapgen.rules.values import absent, get, text
from tapgen.rules.view import Resource, View, without_end
from tapgen.template import schemas

# The longest name that each service accepts, from its API reference.
_LONGEST: Mapping[str, tuple[tuple[str, ...], int]] = {
    "AWS::Backup::BackupVault": (("BackupVaultName",), 50),
    "AWS::CloudWatch::Alarm": (("AlarmName",), 255),
    "AWS::DynamoDB::GlobalTable": (("TableName",), 255),
    "AWS::DynamoDB::Table": (("TableName",), 255),
    "AWS::ElastiCache::ReplicationGroup": (("ReplicationGroupId",), 40),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (("Name",), 32),
    "AWS::ElasticLoadBalancingV2::TargetGroup": (("Name",), 32),
    "AWS::Events::Rule": (("Name",), 64),
    "AWS::IAM::InstanceProfile": (("InstanceProfileName",), 128),
    "AWS::IAM::ManagedPolicy": (("ManagedPolicyName",), 128),
    "AWS::IAM::Role": (("RoleName",), 64),
    "AWS::IAM::User": (("UserName",), 64),
    "AWS::KMS::Alias": (("AliasName",), 256),
    "AWS::Lambda::Function": (("FunctionName",), 64),
    "AWS::Logs::LogGroup": (("LogGroupName",), 512),
    "AWS::RDS::DBCluster": (("DBClusterIdentifier",), 63),
    "AWS::RDS::DBInstance": (("DBInstanceIdentifier",), 63),
    "AWS::RDS::GlobalCluster": (("GlobalClusterIdentifier",), 63),
    "AWS::S3::Bucket": (("BucketName",), 63),
    "AWS::SNS::Topic": (("TopicName",), 256),
    "AWS::SQS::Queue": (("QueueName",), 80),
    "AWS::Scheduler::Schedule": (("Name",), 64),
    "AWS::StepFunctions::StateMachine": (("StateMachineName",), 80),
}

_ROLE = """\
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: {name}
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {{Service: lambda.amazonaws.com}}
            Action: sts:AssumeRole
"""


def _twice(view: View, names: Names) -> Iterator[tuple[Resource, str, list[Resource]]]:
    """Yield resources that get the same name in several regions of one account."""
    for found in view.created(*names).values():
        for mine in in_one_account(found):
            by_name: dict[str, list[Resource]] = {}
            for resource in mine:
                name = text(resource.properties, *names[resource.type])
                if name:
                    by_name.setdefault(name, []).append(resource)
            for name, same in by_name.items():
                if len({r.place.region for r in same}) > 1:
                    yield same[0], name, same


class IamNameInSeveralRegions(Rule):
    id = "E9500"
    shortdesc = "The same IAM name is used in several regions"
    description = (
        "IAM is global: a name is unique in an account, not in a region. The stack in"
        " the second region fails with AlreadyExists. Omit the name, add"
        " ${AWS::Region} to it, or create the resource in a stack set that targets one"
        " region."
    )
    source_url = f"{DOCS}IAM/latest/UserGuide/reference_iam-quotas.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", "eu-west-1")
    at = "Resources/Role/Properties/RoleName"
    bad = _ROLE.format(name="app-role")
    good = _ROLE.format(name="!Sub 'app-role-${AWS::Region}'")

    def check(self, view: View) -> Iterator[Found]:
        for resource, name, same in _twice(view, IAM):
            yield in_properties(resource, *IAM[resource.type]), (
                f"{name!r} is created in {places_of(same)}, but IAM names are unique in"
                " an account; add ${AWS::Region} to the name or omit it"
            )


class BucketNameInSeveralPlaces(Rule):
    id = "E9501"
    shortdesc = "The same bucket name is used in several accounts or regions"
    description = (
        "Bucket names are unique across all accounts and regions of a partition. The"
        " first stack instance creates the bucket, and all others fail. Add"
        " ${AWS::AccountId} and ${AWS::Region} to the name."
    )
    source_url = f"{DOCS}AmazonS3/latest/userguide/bucketnamingrules.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", "eu-west-1")
    at = "Resources/Bucket/Properties/BucketName"
    bad = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BucketName: !Sub 'orders-${AWS::AccountId}'
"""
    good = bad.replace("AWS::AccountId}'", "AWS::AccountId}-${AWS::Region}'")

    def check(self, view: View) -> Iterator[Found]:
        for found in view.created("AWS::S3::Bucket").values():
            by_name: dict[str, list[Resource]] = {}
            for resource in found:
                name = text(resource.properties, "BucketName")
                if name and absent(resource.properties, "BucketNamespace"):
                    by_name.setdefault(name, []).append(resource)
            for name, same in by_name.items():
                if len({r.place.target for r in same}) > 1:
                    yield in_properties(same[0], "BucketName"), (
                        f"{name!r} is created in {places_of(same)}, but bucket names"
                        " are unique in the world; add ${AWS::AccountId} and"
                        " ${AWS::Region} to the name"
                    )


class AccountWideNameInSeveralRegions(Rule):
    id = "E9502"
    shortdesc = "An account-wide name is used in several regions"
    description = (
        "The names of dashboards, budgets, CloudFront policies and functions, and"
        " Multi-Region Access Points are unique in an account, not in a region. The"
        " second stack instance fails, or overwrites the resource of the first. Add"
        " ${AWS::Region} to the name, or create the resource in one region."
    )
    source_url = f"{DOCS}AmazonCloudWatch/latest/APIReference/API_PutDashboard.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", "eu-west-1")
    at = "Resources/Dashboard/Properties/DashboardName"
    bad = """\
Resources:
  Dashboard:
    Type: AWS::CloudWatch::Dashboard
    Properties:
      DashboardName: orders
      DashboardBody: '{"widgets": []}'
"""
    good = bad.replace("orders", "!Sub 'orders-${AWS::Region}'")

    def check(self, view: View) -> Iterator[Found]:
        for resource, name, same in _twice(view, ACCOUNT_WIDE):
            yield in_properties(resource, *ACCOUNT_WIDE[resource.type]), (
                f"{name!r} is created in {places_of(same)}, but this name is unique in"
                " an account; add ${AWS::Region} to the name or create it in one region"
            )


class NameTooLong(Rule):
    id = "E9503"
    shortdesc = "A name is too long after its parameters are filled in"
    description = (
        "The length of a name built with Fn::Sub or Fn::Join depends on the account,"
        " region and parameters of each target, and ${AWS::StackName} of a stack set is"
        " StackSet-NAME-UUID, 46 characters longer than the name. A name that is too long fails only"
        " when the stack is created there. Shorten the fixed part, or omit the name."
    )
    source_url = f"{USER_GUIDE}aws-properties-name.html"
    deployment = deployed_to(
        "ap-southeast-1", parameters={"Suffix": "reconciliation-production"}
    )
    at = "Resources/Role/Properties/RoleName"
    bad = "Parameters:\n  Suffix: {Type: String}\n" + _ROLE.format(
        name="!Sub 'payments-replication-role-${Suffix}-${AWS::Region}'"
    )
    good = "Parameters:\n  Suffix: {Type: String}\n" + _ROLE.format(
        name="!Sub 'pr-${Suffix}-${AWS::Region}'"
    )

    def check(self, view: View) -> Iterator[Found]:
        for it, steps, name, (longest, _) in _names(view):
            if longest is not None and len(name) > longest:
                where = f" in {it.place.region}" if it.place.target else ""
                yield in_properties(it, *steps), (
                    f"{without_end(name)!r} has {len(name)} characters{where};"
                    f" {it.type} allows {longest}"
                )


class NameWithRefusedCharacters(Rule):
    id = "E9596"
    shortdesc = "A name has characters that the service refuses"
    description = (
        "A name built with Fn::Sub or Fn::Join can get characters from parameters and"
        " from ${AWS::StackName} that the resource type does not allow. In a stack set,"
        " the stack name is StackSet-NAME-UUID: its upper case letters make it unusable"
        " for buckets and repositories. Omit the name, or build it with a parameter."
    )
    source_url = f"{DOCS}AmazonS3/latest/userguide/bucketnamingrules.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", name="app")
    at = "Resources/Bucket/Properties/BucketName"
    bad = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BucketName: !Sub '${AWS::StackName}-data'
"""
    good = bad.replace("AWS::StackName}", "AWS::AccountId}")

    def check(self, view: View) -> Iterator[Found]:
        for it, steps, name, (_, pattern) in _names(view):
            if pattern is not None and not _matches(pattern, name):
                yield in_properties(it, *steps), (
                    f"{without_end(name)!r} in {it.place.region} does not match"
                    f" {pattern!r}, which {it.type} requires"
                )


_Limits = tuple[int | None, str | None]
"""The greatest length of a name, and the pattern that it has to match."""


def _names(view: View) -> Iterator[tuple[Resource, tuple[str, ...], str, _Limits]]:
    """Yield the names that resources give themselves, with their paths and limits.

    cfn-lint checks names without functions against the schemas.
    """
    written = get(view.template, "Resources")
    for place in view.places:
        for it in place.of():
            own, longest = _LONGEST.get(it.type, ((), None))
            limits = schemas.name_limits(it.type)
            for steps in sorted({own, *((name,) for name in limits)} - {()}):
                name = get(it.properties, *steps)
                if not isinstance(name, str) or "{{" in name:
                    continue
                most, pattern = limits.get(steps[0], (None, None))
                literal = get(written, it.id, "Properties", *steps) == name
                if steps == own:
                    yield it, steps, name, (longest, None if literal else pattern)
                elif not literal:
                    yield it, steps, name, (most, pattern)


def _matches(pattern: str, name: str) -> bool:
    """Return whether a name matches a pattern of a schema, or Python cannot tell."""
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return True
