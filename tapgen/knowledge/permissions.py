"""Permissions that the registry schemas do not have, or have otherwise.

Most types whose schemas list none are older than the registry. CloudFormation makes these calls with the
caller's permissions when it creates, reads, updates and deletes such a resource, and tags
it. Sources: the page of each type in CloudFormation's template reference for the
properties, the service authorization reference for the actions that set them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

ON_EVERYTHING = frozenset(
    f"sns:{name}"
    for name in (
        *("getsubscriptionattributes", "setsubscriptionattributes", "unsubscribe"),
    )
)
"""Actions, in lower case, that IAM allows on `*` only, though cfn-lint's data have kinds of
resources for them. Source: the service authorization reference, Amazon SNS."""

_CRUD = "Create{0} Delete{0} Describe{0} Update{0}"
_GET = "Create{0} Delete{0} Get{0} Update{0}"
_TAGS = "ListTagsForResource TagResource UntagResource"


_NETWORK = "ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs"
_GREENGRASS = (
    *("Connector", "Core", "Device", "Function", "Logger", "Resource", "Subscription"),
)
_CHANNELS = {
    **{f"{name}Channel": f"{name.title()}Channel" for name in ("ADM", "APNS", "GCM")},
    **{f"{name}Channel": f"{name}Channel" for name in ("Baidu", "Email", "Voice")},
    "APNSSandboxChannel": "ApnsSandboxChannel",
    "APNSVoipChannel": "ApnsVoipChannel",
    "APNSVoipSandboxChannel": "ApnsVoipSandboxChannel",
    "SMSChannel": "SmsChannel",
}
_WAF_SETS = ("ByteMatchSet", "IPSet", "SizeConstraintSet", "SqlInjectionMatchSet")
_WAF = (*_WAF_SETS, "Rule", "WebACL", "XssMatchSet")
_WAF_REGIONAL = (*_WAF, "GeoMatchSet", "RateBasedRule", "RegexPatternSet")

# Resource type → its service, and the actions of that service; others with theirs.
_ACTIONS: Mapping[str, str] = {
    "AWS::AppMesh::Mesh": f"appmesh: {_CRUD.format('Mesh')} {_TAGS}",
    **{
        f"AWS::AppMesh::{kind}": f"appmesh: {_CRUD.format(kind)} {_TAGS}"
        for kind in (
            *("GatewayRoute", "Route", "VirtualGateway", "VirtualNode"),
            *("VirtualRouter", "VirtualService"),
        )
    },
    "AWS::CloudFormation::Macro": "lambda: InvokeFunction",
    "AWS::CloudFront::StreamingDistribution": "cloudfront: Create{0} Create{0}WithTags "
    "Delete{0} Get{0} Get{0}Config Update{0}".format("StreamingDistribution")
    + f" {_TAGS}",
    "AWS::CloudWatch::AnomalyDetector": "cloudwatch: DeleteAnomalyDetector "
    "DescribeAnomalyDetectors PutAnomalyDetector",
    "AWS::CodeBuild::Project": "codebuild: BatchGetProjects CreateProject CreateWebhook "
    "DeleteProject DeleteWebhook UpdateProject UpdateProjectVisibility UpdateWebhook "
    f"{_NETWORK}",
    "AWS::DAX::Cluster": "dax: CreateCluster DeleteCluster DescribeClusters ListTags "
    f"TagResource UntagResource UpdateCluster {_NETWORK}",
    "AWS::DMS::ReplicationInstance": "dms: AddTagsToResource CreateReplicationInstance "
    "DeleteReplicationInstance DescribeReplicationInstances ListTagsForResource "
    f"ModifyReplicationInstance RemoveTagsFromResource {_NETWORK} "
    "kms:CreateGrant kms:DescribeKey",
    # DocumentDB has the actions of RDS ("Identity-based policies for DocumentDB").
    "AWS::DocDB::DBCluster": "rds: AddTagsToResource CreateDBCluster "
    "CreateDBClusterSnapshot DeleteDBCluster DescribeDBClusters ListTagsForResource "
    "ModifyDBCluster RemoveTagsFromResource RestoreDBClusterFromSnapshot "
    f"RestoreDBClusterToPointInTime {_NETWORK} "
    "kms:CreateGrant kms:DescribeKey",
    "AWS::DocDB::DBInstance": "rds: AddTagsToResource CreateDBInstance DeleteDBInstance "
    "DescribeDBClusters DescribeDBInstances ListTagsForResource ModifyDBInstance "
    "RebootDBInstance RemoveTagsFromResource",
    "AWS::EC2::ClientVpnEndpoint": "ec2: CreateClientVpnEndpoint CreateTags "
    "DeleteClientVpnEndpoint DeleteTags DescribeClientVpnEndpoints "
    f"ModifyClientVpnEndpoint {_NETWORK} acm:DescribeCertificate acm:ListCertificates",
    "AWS::EC2::ClientVpnTargetNetworkAssociation": "ec2: AssociateClientVpnTargetNetwork "
    "DescribeClientVpnTargetNetworks DescribeSubnets DisassociateClientVpnTargetNetwork",
    "AWS::EC2::NetworkInterfacePermission": "ec2: CreateNetworkInterfacePermission "
    "DeleteNetworkInterfacePermission DescribeNetworkInterfacePermissions",
    "AWS::EMR::Cluster": "elasticmapreduce: AddInstanceGroups AddJobFlowSteps AddTags "
    "DescribeCluster DescribeStep GetAutoTerminationPolicy GetManagedScalingPolicy "
    "ListBootstrapActions ListInstanceFleets ListInstanceGroups ListInstances ListSteps "
    "ModifyInstanceFleet ModifyInstanceGroups PutAutoScalingPolicy "
    "PutAutoTerminationPolicy PutManagedScalingPolicy RemoveAutoTerminationPolicy "
    "RemoveManagedScalingPolicy RemoveTags RunJobFlow SetTerminationProtection "
    f"SetVisibleToAllUsers TerminateJobFlows {_NETWORK}",
    "AWS::EMR::Step": "elasticmapreduce: AddJobFlowSteps CancelSteps DescribeStep "
    "ListSteps",
    "AWS::ElasticLoadBalancingV2::ListenerCertificate": "elasticloadbalancing: "
    "AddListenerCertificates DescribeListenerCertificates RemoveListenerCertificates",
    "AWS::Elasticsearch::Domain": "es: AddTags CreateElasticsearchDomain "
    "DeleteElasticsearchDomain DescribeElasticsearchDomain "
    "DescribeElasticsearchDomainConfig DescribeElasticsearchDomains ListTags RemoveTags "
    f"UpdateElasticsearchDomainConfig UpgradeElasticsearchDomain {_NETWORK} "
    "kms:CreateGrant kms:DescribeKey",
    "AWS::FSx::FileSystem": "fsx: CreateFileSystem CreateFileSystemFromBackup "
    "DeleteFileSystem DescribeFileSystems ListTagsForResource TagResource UntagResource "
    f"UpdateFileSystem {_NETWORK} ds:DescribeDirectories kms:CreateGrant kms:DescribeKey",
    "AWS::Glue::DevEndpoint": "glue: CreateDevEndpoint DeleteDevEndpoint GetDevEndpoint "
    "GetTags TagResource UntagResource UpdateDevEndpoint",
    "AWS::Greengrass::Group": f"greengrass: {_GET.format('Group')} CreateGroupVersion "
    f"AssociateRoleToGroup DisassociateRoleFromGroup GetAssociatedRole {_TAGS}",
    "AWS::Greengrass::GroupVersion": "greengrass: CreateGroupVersion GetGroupVersion",
    **{
        f"AWS::Greengrass::{kind}Definition": "greengrass: "
        f"{_GET.format(kind + 'Definition')} Create{kind}DefinitionVersion {_TAGS}"
        for kind in _GREENGRASS
    },
    **{
        f"AWS::Greengrass::{kind}DefinitionVersion": "greengrass: "
        f"Create{kind}DefinitionVersion Get{kind}DefinitionVersion"
        for kind in _GREENGRASS
    },
    "AWS::IAM::AccessKey": "iam: CreateAccessKey DeleteAccessKey ListAccessKeys "
    "UpdateAccessKey",
    "AWS::IAM::UserToGroupAddition": "iam: AddUserToGroup GetGroup RemoveUserFromGroup",
    "AWS::KinesisAnalytics::Application": "kinesisanalytics: CreateApplication "
    f"DeleteApplication DescribeApplication UpdateApplication {_TAGS}",
    "AWS::KinesisAnalytics::ApplicationOutput": "kinesisanalytics: AddApplicationOutput "
    "DeleteApplicationOutput DescribeApplication UpdateApplication",
    "AWS::KinesisAnalytics::ApplicationReferenceDataSource": "kinesisanalytics: "
    "AddApplicationReferenceDataSource DeleteApplicationReferenceDataSource "
    "DescribeApplication UpdateApplication",
    "AWS::KinesisAnalyticsV2::ApplicationCloudWatchLoggingOption": "kinesisanalytics: "
    "AddApplicationCloudWatchLoggingOption DeleteApplicationCloudWatchLoggingOption "
    "DescribeApplication UpdateApplication",
    "AWS::KinesisAnalyticsV2::ApplicationOutput": "kinesisanalytics: "
    "AddApplicationOutput DeleteApplicationOutput DescribeApplication UpdateApplication",
    "AWS::KinesisAnalyticsV2::ApplicationReferenceDataSource": "kinesisanalytics: "
    "AddApplicationReferenceDataSource DeleteApplicationReferenceDataSource "
    "DescribeApplication UpdateApplication",
    "AWS::LakeFormation::DataLakeSettings": "lakeformation: GetDataLakeSettings "
    "PutDataLakeSettings",
    "AWS::LakeFormation::Permissions": "lakeformation: GrantPermissions ListPermissions "
    "RevokePermissions",
    "AWS::LakeFormation::Resource": "lakeformation: DeregisterResource DescribeResource "
    "RegisterResource UpdateResource iam:GetRole iam:PutRolePolicy",
    "AWS::MediaLive::Channel": "medialive: CreateChannel CreateTags DeleteChannel "
    "DeleteTags DescribeChannel ListTagsForResource UpdateChannel UpdateChannelClass",
    "AWS::MediaStore::Container": "mediastore: CreateContainer DeleteContainer "
    "DeleteContainerPolicy DeleteCorsPolicy DeleteLifecyclePolicy DeleteMetricPolicy "
    "DescribeContainer GetContainerPolicy GetCorsPolicy GetLifecyclePolicy "
    "GetMetricPolicy PutContainerPolicy PutCorsPolicy PutLifecyclePolicy "
    f"PutMetricPolicy StartAccessLogging StopAccessLogging {_TAGS}",
    "AWS::Pinpoint::App": f"mobiletargeting: CreateApp DeleteApp GetApp {_TAGS}",
    "AWS::Pinpoint::ApplicationSettings": "mobiletargeting: GetApplicationSettings "
    "UpdateApplicationSettings",
    "AWS::Pinpoint::Campaign": f"mobiletargeting: {_GET.format('Campaign')} {_TAGS}",
    "AWS::Pinpoint::Segment": f"mobiletargeting: {_GET.format('Segment')} {_TAGS}",
    "AWS::Pinpoint::EventStream": "mobiletargeting: DeleteEventStream GetEventStream "
    "PutEventStream",
    **{
        f"AWS::Pinpoint::{kind}Template": "mobiletargeting: "
        f"{_GET.format(kind + 'Template')} {_TAGS}"
        for kind in ("Email", "Push", "Sms")
    },
    **{
        f"AWS::Pinpoint::{kind}": "mobiletargeting: "
        f"Delete{action} Get{action} Update{action}"
        for kind, action in _CHANNELS.items()
    },
    "AWS::QLDB::Ledger": f"qldb: {_CRUD.format('Ledger')} {_TAGS}",
    "AWS::RDS::DBSecurityGroup": "rds: AddTagsToResource "
    "AuthorizeDBSecurityGroupIngress CreateDBSecurityGroup DeleteDBSecurityGroup "
    "DescribeDBSecurityGroups ListTagsForResource RemoveTagsFromResource "
    "RevokeDBSecurityGroupIngress",
    "AWS::RDS::DBSecurityGroupIngress": "rds: AuthorizeDBSecurityGroupIngress "
    "DescribeDBSecurityGroups RevokeDBSecurityGroupIngress",
    "AWS::Redshift::ClusterSecurityGroup": "redshift: CreateClusterSecurityGroup "
    "CreateTags DeleteClusterSecurityGroup DeleteTags DescribeClusterSecurityGroups",
    "AWS::Redshift::ClusterSecurityGroupIngress": "redshift: "
    "AuthorizeClusterSecurityGroupIngress DescribeClusterSecurityGroups "
    "RevokeClusterSecurityGroupIngress",
    "AWS::Route53::RecordSetGroup": "route53: ChangeResourceRecordSets GetChange "
    "GetHostedZone ListHostedZones ListHostedZonesByName ListResourceRecordSets",
    **{
        f"AWS::WAF::{kind}": f"waf: {_GET.format(kind)} GetChangeToken "
        "GetChangeTokenStatus"
        for kind in _WAF
    },
    **{
        f"AWS::WAFRegional::{kind}": f"waf-regional: {_GET.format(kind)} GetChangeToken "
        "GetChangeTokenStatus"
        for kind in _WAF_REGIONAL
    },
    "AWS::WAFRegional::WebACLAssociation": "waf-regional: AssociateWebACL "
    "DisassociateWebACL GetWebACLForResource elasticloadbalancing:SetWebACL "
    "apigateway:SetWebACL",
}


def _read(text: str) -> Iterator[str]:
    service, *names = text.split()
    for name in names:
        yield name if ":" in name else f"{service}{name}"


WITHOUT_HANDLERS: Mapping[str, frozenset[str]] = {
    **{kind: frozenset(_read(text)) for kind, text in _ACTIONS.items()},
    # CloudFormation calls the function or topic of a custom resource, and nothing for
    # wait conditions and metadata.
    "AWS::CDK::Metadata": frozenset(),
    "AWS::CloudFormation::CustomResource": frozenset(
        {"lambda:InvokeFunction", "sns:Publish"}
    ),
    "AWS::CloudFormation::WaitCondition": frozenset(),
    "AWS::CloudFormation::WaitConditionHandle": frozenset(),
}
"""Resource type → the actions that CloudFormation needs; none for a type for which it
calls nothing."""
