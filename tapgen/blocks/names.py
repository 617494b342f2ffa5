"""Names and ARNs as text for `Fn::Sub`, and a check of their length.

A name is `<code>-<suffix>-<thing>[-<region role>]`. The suffix is a parameter, so one
template serves every environment. Names that other templates use (an ARN in a policy, a
bucket to replicate to) are known before the resource exists. Names of two systems,
environments or regions never collide.

    bucket = names.name("pd", "data", "primary", unique=True)
    s3.Bucket("Data", BucketName=names.sub(bucket))
    security.statement("Read", [GetObject], [f"{names.bucket_arn(bucket)}/*"])
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from troposphere import Ref, Sub

SUFFIX = "EnvironmentSuffix"
"""The parameter for the suffix, in every template."""

ROLE = "RegionRole"
"""The parameter for the region role of a stack, in templates for every region."""

THIS_ROLE = f"${{{ROLE}}}"
"""Stands for the region role of the stack."""

# The longest name of each kind that AWS accepts, from the API reference of its service.
# If the schema of the type has no limit (or a looser one), a longer name only fails
# during stack creation.
LIMITS: Mapping[tuple[str, str], int] = {
    ("AWS::AutoScaling::AutoScalingGroup", "AutoScalingGroupName"): 255,
    ("AWS::Backup::BackupVault", "BackupVaultName"): 50,
    ("AWS::CloudTrail::Trail", "Name"): 128,
    ("AWS::CloudTrail::Trail", "TrailName"): 128,
    ("AWS::CloudWatch::Alarm", "AlarmName"): 255,
    ("AWS::CloudWatch::Dashboard", "DashboardName"): 255,
    ("AWS::Config::ConfigRule", "ConfigRuleName"): 128,
    ("AWS::Config::ConfigurationRecorder", "Name"): 256,
    ("AWS::Config::DeliveryChannel", "Name"): 256,
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateName"): 128,
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "Name"): 32,
    ("AWS::GlobalAccelerator::Accelerator", "Name"): 64,
    ("AWS::IAM::InstanceProfile", "InstanceProfileName"): 128,
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"): 128,
    ("AWS::IAM::Role", "RoleName"): 64,
    ("AWS::KMS::Alias", "AliasName"): 256,
    ("AWS::Lambda::Function", "FunctionName"): 64,
    ("AWS::Logs::LogGroup", "LogGroupName"): 512,
    ("AWS::RDS::DBInstance", "DBInstanceIdentifier"): 63,
    ("AWS::RDS::DBParameterGroup", "DBParameterGroupName"): 255,
    ("AWS::RDS::DBSubnetGroup", "DBSubnetGroupName"): 255,
    ("AWS::S3::Bucket", "BucketName"): 63,
    ("AWS::SNS::Topic", "TopicName"): 256,
    ("AWS::SecretsManager::Secret", "Name"): 512,
}


def name(code: str, thing: str, role: str = "", *, unique: bool = False) -> str:
    """Return the name of a resource, with the suffix as a parameter.

    `role` is the region role of a resource that exists in each region, or `THIS_ROLE`
    in a template for several; it is empty for a resource that an account has once.
    `unique` adds the account id, for globally unique names (buckets).
    """
    parts = [code, f"${{{SUFFIX}}}", thing, role, "${AWS::AccountId}" if unique else ""]
    return "-".join(part for part in parts if part)


def arn(
    service: str,
    resource: str,
    *,
    region: str = "${AWS::Region}",
    account: str = "${AWS::AccountId}",
) -> str:
    """Return an ARN in the partition of the stack."""
    return f"arn:${{AWS::Partition}}:{service}:{region}:{account}:{resource}"


def anywhere(who: Iterable[str]) -> str:
    """Return the ARNs of roles and users (`role/oncall`) as one text.

    The account may be any: use it in the trust of a role, whose principal is its own.
    """
    return ",".join(f"arn:*:iam::*:{each}" for each in who)


def bucket_arn(bucket: str) -> str:
    """Return the ARN of a bucket, which has neither region nor account."""
    return arn("s3", bucket, region="", account="")


def sub(text: str) -> Any:
    """Return the text as a template value: plain, a `Ref`, or `Fn::Sub` if needed."""
    whole = re.fullmatch(r"\$\{([\w:]+)\}", text)
    if whole:
        return Ref(whole[1])
    return Sub(text) if "${" in text else text


def _texts(value: Any) -> Iterator[str]:
    """Yield every text that a name may have; both sides of an `Fn::If` count."""
    match value:
        case str():
            yield value
        case {"Ref": parameter}:
            yield f"${{{parameter}}}"
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), *_]}:
            yield text
        case {"Fn::If": [_, *sides]}:
            for side in sides:
                yield from _texts(side)


def too_long(template: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """Return a line for each name in a template that is too long for AWS.

    `values` are the values of parameters in names, and of pseudo parameters (the
    longest region, an account). Anything else in `${…}` counts as written.
    """
    problems = []
    for logical_id, resource in template["Resources"].items():
        for key, value in resource.get("Properties", {}).items():
            limit = LIMITS.get((resource["Type"], key))
            for text in _texts(value) if limit else ():
                real = re.sub(r"\$\{([\w:]+)\}", lambda m: values.get(m[1], m[0]), text)
                if limit and len(real) > limit:
                    problems.append(
                        f"{logical_id}: {key} {real!r} has {len(real)} characters,"
                        f" {resource['Type']} allows {limit}; shorten the suffix by"
                        f" {len(real) - limit}"
                    )
    return problems
