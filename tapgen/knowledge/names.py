"""Where the name of a resource must be unique: the world, an account, or a region of it.

Sources: "General purpose bucket naming rules" (S3 user guide) for buckets, "IAM and AWS
STS quotas" for IAM, and the API reference of each service for the others: `PutDashboard`
("names are unique in an account"), `CreateBudget`, CloudFront's `Create…` actions
(`…AlreadyExists`), `CreateMultiRegionAccessPoint`. A name of any other type is unique in
one account and region.
"""

from __future__ import annotations

from collections.abc import Mapping

Names = Mapping[str, tuple[str, ...]]
"""Resource type -> the path of its name below its properties."""

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

WORLD: Names = {"AWS::S3::Bucket": ("BucketName",)}
"""Types whose names are unique in a partition."""

BELOW: Mapping[str, str] = {
    "AWS::EC2::SecurityGroup": "VpcId",
    "AWS::ECS::Service": "Cluster",
    "AWS::WAFv2::IPSet": "Scope",
    "AWS::WAFv2::RuleGroup": "Scope",
    "AWS::WAFv2::WebACL": "Scope",
}
"""Type -> the property below which its name is unique (resource reference of each)."""

SAME: Mapping[str, str] = {"AWS::DynamoDB::GlobalTable": "AWS::DynamoDB::Table"}
"""Types that make what another type makes."""
