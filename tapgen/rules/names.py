"""Names that must be unique in an account or in the world, in several regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.rules.base import (
    DOCS,
    USER_GUIDE,
    Found,
    ResourceRule,
    Rule,
    goes_to,
    in_one_account,
    in_properties,
    places_of,
)
from tapgen.rules.values import absent, get, text
from tapgen.rules.view import Resource, View

Names = Mapping[str, tuple[str, ...]]
"""Resource type -> where below its properties its name is."""

IAM: Names = {
    "AWS::IAM::Group": ("GroupName",),
    "AWS::IAM::InstanceProfile": ("InstanceProfileName",),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName",),
    "AWS::IAM::Role": ("RoleName",),
    "AWS::IAM::SAMLProvider": ("Name",),
    "AWS::IAM::ServerCertificate": ("ServerCertificateName",),
    "AWS::IAM::User": ("UserName",),
    "AWS::IAM::VirtualMFADevice": ("VirtualMfaDeviceName",),
}
ACCOUNT_WIDE: Names = {
    "AWS::Budgets::Budget": ("Budget", "BudgetName"),
    "AWS::CloudFront::CachePolicy": ("CachePolicyConfig", "Name"),
    "AWS::CloudFront::Function": ("Name",),
    "AWS::CloudFront::KeyGroup": ("KeyGroupConfig", "Name"),
    "AWS::CloudFront::OriginAccessControl": ("OriginAccessControlConfig", "Name"),
    "AWS::CloudFront::OriginRequestPolicy": ("OriginRequestPolicyConfig", "Name"),
    "AWS::CloudFront::PublicKey": ("PublicKeyConfig", "Name"),
    "AWS::CloudFront::ResponseHeadersPolicy": ("ResponseHeadersPolicyConfig", "Name"),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::S3::MultiRegionAccessPoint": ("Name",),
}
# Longest name each service takes, as its API reference says.
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
    """Resources whose name comes out the same in several regions of one account."""
    for found in view.made(*names).values():
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
    shortdesc = "An IAM name collides in the second region"
    description = (
        "IAM is one service for all regions of an account: the stack of the second"
        " region fails with AlreadyExists. Leave the name out, put ${AWS::Region} into"
        " it, or make it once, in a stack set that goes to one region."
    )
    source_url = f"{DOCS}IAM/latest/UserGuide/reference_iam-quotas.html"
    needs_targets = True
    goes = goes_to("us-east-1", "eu-west-1")
    at = "Resources/Role/Properties/RoleName"
    bad = _ROLE.format(name="app-role")
    good = _ROLE.format(name="!Sub 'app-role-${AWS::Region}'")

    def check(self, view: View) -> Iterator[Found]:
        for resource, name, same in _twice(view, IAM):
            yield in_properties(resource, *IAM[resource.type]), (
                f"{name!r} is made in {places_of(same)}, and IAM has one name space for"
                " all regions of an account; put ${AWS::Region} into it or leave it out"
            )


class BucketNameInSeveralPlaces(Rule):
    id = "E9501"
    shortdesc = "A bucket name collides in the second account or region"
    description = (
        "Bucket names are unique among all accounts and regions of a partition: only"
        " the first stack instance gets its bucket, all others fail. Put"
        " ${AWS::AccountId} and ${AWS::Region} into the name."
    )
    source_url = f"{DOCS}AmazonS3/latest/userguide/bucketnamingrules.html"
    needs_targets = True
    goes = goes_to("us-east-1", "eu-west-1")
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
        for found in view.made("AWS::S3::Bucket").values():
            by_name: dict[str, list[Resource]] = {}
            for resource in found:
                name = text(resource.properties, "BucketName")
                if name and absent(resource.properties, "BucketNamespace"):
                    by_name.setdefault(name, []).append(resource)
            for name, same in by_name.items():
                if len({r.place.target for r in same}) > 1:
                    yield in_properties(same[0], "BucketName"), (
                        f"{name!r} is made in {places_of(same)}, and bucket names are"
                        " unique in the world; put ${AWS::AccountId} and"
                        " ${AWS::Region} into it"
                    )


class AccountWideNameInSeveralRegions(Rule):
    id = "E9502"
    shortdesc = "A name that belongs to the whole account collides in the second region"
    description = (
        "Dashboards, budgets, CloudFront's policies and functions and multi-region"
        " access points have one name space for all regions of an account. The second"
        " stack instance fails, or overwrites what the first one made. Put"
        " ${AWS::Region} into the name, or make it in one region only."
    )
    source_url = f"{DOCS}AmazonCloudWatch/latest/APIReference/API_PutDashboard.html"
    needs_targets = True
    goes = goes_to("us-east-1", "eu-west-1")
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
                f"{name!r} is made in {places_of(same)}, and this name is the"
                " account's, not a region's; put ${AWS::Region} into it or make it in"
                " one region"
            )


class NameTooLong(ResourceRule):
    id = "E9503"
    shortdesc = "A name is too long once its parameters are filled in"
    description = (
        "A name made with Fn::Sub or Fn::Join has a length only at a target, where"
        " account, region and parameters have values. Too long a name fails there and"
        " nowhere before. Shorten the fixed part, or leave the name out."
    )
    source_url = f"{USER_GUIDE}aws-properties-name.html"
    goes = goes_to("ap-southeast-1", parameters={"Suffix": "reconciliation-production"})
    at = "Resources/Role/Properties/RoleName"
    bad = "Parameters:\n  Suffix: {Type: String}\n" + _ROLE.format(
        name="!Sub 'payments-replication-role-${Suffix}-${AWS::Region}'"
    )
    good = "Parameters:\n  Suffix: {Type: String}\n" + _ROLE.format(
        name="!Sub 'pr-${Suffix}-${AWS::Region}'"
    )
    types = tuple(_LONGEST)

    def look(self, it: Resource) -> Iterator[Found]:
        steps, longest = _LONGEST[it.type]
        name: Any = get(it.properties, *steps)
        if isinstance(name, str) and "{{" not in name and len(name) > longest:
            where = f" in {it.place.region}" if it.place.target else ""
            yield steps, (
                f"{name!r} has {len(name)} characters{where}; {it.type} takes {longest}"
            )
