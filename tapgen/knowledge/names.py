"""Where the name of a resource must be unique: the world, an account, or a region of it.

Sources: "General purpose bucket naming rules" (S3 user guide) for buckets, "IAM and AWS
STS quotas" for IAM, and the API reference of each service for the others: `PutDashboard`
("names are unique in an account"), `CreateBudget`, CloudFront's `Create…` actions
(`…AlreadyExists`), `CreateMultiRegionAccessPoint`. A name of any other type is unique in
one account and region: where the registry schema makes it the identifier, where
`custom_names` has it, or where it is listed here.
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
    "AWS::CloudFront::RealtimeLogConfig": ("Name",),
    "AWS::CloudFront::ResponseHeadersPolicy": ("ResponseHeadersPolicyConfig", "Name"),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::S3::MultiRegionAccessPoint": ("Name",),
}

WORLD: Names = {"AWS::S3::Bucket": ("BucketName",)}
"""Types whose names are unique in a partition."""

REGIONAL: Names = {
    "AWS::Backup::Framework": ("FrameworkName",),
    "AWS::Backup::ReportPlan": ("ReportPlanName",),
    "AWS::CloudFormation::StackSet": ("StackSetName",),
    "AWS::CodeBuild::Project": ("Name",),
    "AWS::CodeBuild::ReportGroup": ("Name",),
    "AWS::DAX::Cluster": ("ClusterName",),
    "AWS::DocDB::DBInstance": ("DBInstanceIdentifier",),
    "AWS::EC2::LaunchTemplate": ("LaunchTemplateName",),
    "AWS::EKS::Nodegroup": ("NodegroupName",),
    "AWS::Events::Rule": ("Name",),
    "AWS::Lambda::Alias": ("Name",),
    "AWS::MSK::Configuration": ("Name",),
    "AWS::MSK::ServerlessCluster": ("ClusterName",),
    "AWS::OpenSearchServerless::Collection": ("Name",),
    "AWS::SageMaker::Endpoint": ("EndpointName",),
    "AWS::SageMaker::EndpointConfig": ("EndpointConfigName",),
    "AWS::SageMaker::Model": ("ModelName",),
    "AWS::SageMaker::NotebookInstance": ("NotebookInstanceName",),
    "AWS::SecretsManager::Secret": ("Name",),
    "AWS::StepFunctions::Activity": ("Name",),
    "AWS::Transfer::User": ("UserName",),
    "AWS::WAFv2::RegexPatternSet": ("Name",),
}
"""Types with an identifier that AWS makes up, whose names are nevertheless unique in
an account and region (API reference of each type's `Create…` action)."""

BELOW: Mapping[str, str] = {
    "AWS::EC2::SecurityGroup": "VpcId",
    "AWS::ECS::Service": "Cluster",
    "AWS::EKS::Nodegroup": "ClusterName",
    "AWS::Events::Rule": "EventBusName",
    "AWS::Lambda::Alias": "FunctionName",
    "AWS::Transfer::User": "ServerId",
    "AWS::WAFv2::IPSet": "Scope",
    "AWS::WAFv2::RegexPatternSet": "Scope",
    "AWS::WAFv2::RuleGroup": "Scope",
    "AWS::WAFv2::WebACL": "Scope",
}
"""Type -> the property below which its name is unique (resource reference of each)."""

SAME: Mapping[str, str] = {
    "AWS::DocDB::DBCluster": "AWS::RDS::DBCluster",
    "AWS::DocDB::DBInstance": "AWS::RDS::DBInstance",
    "AWS::DynamoDB::GlobalTable": "AWS::DynamoDB::Table",
    "AWS::MSK::ServerlessCluster": "AWS::MSK::Cluster",
    "AWS::Neptune::DBCluster": "AWS::RDS::DBCluster",
    "AWS::Neptune::DBInstance": "AWS::RDS::DBInstance",
}
"""Types that make what another type makes, or share its names ("must be unique for all
clusters (across Amazon RDS, Amazon Neptune, and Amazon DocumentDB)": CreateDBCluster,
API reference of Amazon DocumentDB)."""

ONE_PER_REGION: frozenset[str] = frozenset(
    {
        "AWS::ApiGateway::Account",
        "AWS::Config::ConfigurationRecorder",
        "AWS::Config::DeliveryChannel",
        "AWS::Detective::Graph",
        "AWS::ECR::RegistryPolicy",
        "AWS::ECR::RegistryScanningConfiguration",
        "AWS::ECR::ReplicationConfiguration",
        "AWS::EC2::SnapshotBlockPublicAccess",
        "AWS::GuardDuty::Detector",
        "AWS::IoT::AccountAuditConfiguration",
        "AWS::IoT::Logging",
        "AWS::Macie::Session",
        "AWS::ResourceExplorer2::Index",
        "AWS::SecurityHub::Hub",
    }
)
"""Types of which an account has one in each region, whatever it is called ("only one …
per account, per region": API reference of `PutConfigurationRecorder`, `CreateDetector`,
`EnableMacie`, `EnableSecurityHub`, `CreateGraph`, `CreateIndex`; `PutRegistryPolicy` and
the other settings of a registry or an account)."""

OVERWRITTEN: frozenset[str] = frozenset({"AWS::ApiGateway::Account"})
"""Types of those that a second stack overwrites, where others fail to be created
(resource reference: the account's CloudWatch role is set, nothing is created)."""

RECORD = "AWS::Route53::RecordSet"
"""A hosted zone has one record of each name, type and SetIdentifier (API reference of
Route 53, ChangeResourceRecordSets: "it already exists")."""
