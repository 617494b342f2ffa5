"""What a picture of a system shows of its resources, and which of their properties reach
another region, another account or another resource.

`MAIN` are the types that say what a stack is for, most telling first, as words for
readers; a picture counts the others. `LINKS` are the properties that copy data, send
traffic or connect networks. Paths are below `Properties`, joined with `/`; `*` stands for
the items of a list. Sources are pages of AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from tapgen.frozen import dataclass


class Kind(StrEnum):
    """What an arrow between two stacks means."""

    VALUE = "value"  # an output that a parameter takes
    ORDER = "order"  # nothing but the order in which they are deployed
    REPLICATION = "replication"
    TRAFFIC = "traffic"
    FAILOVER = "failover"  # traffic that comes only when the first way fails
    NETWORK = "network"


@dataclass(frozen=True)
class Link:
    """A property that reaches something else: what its value names, or a region with
    `region`. Data flows from this resource to it, or to this one with `inward`, or both
    ways. `words` say what flows, `label` is a property beside it whose value is shown
    (`{}`), `enabled` one beside it that must have a value for the link to count, as path
    and value."""

    type: str
    path: str
    kind: Kind
    words: str
    source: str
    region: bool = False
    inward: bool = False
    both: bool = False
    label: tuple[str, str] = ("", "")
    enabled: tuple[str, str] = ("", "")


_GUIDE = "https://docs.aws.amazon.com/"
_REFERENCE = f"{_GUIDE}AWSCloudFormation/latest/TemplateReference/"

LINKS: tuple[Link, ...] = (
    Link(
        "AWS::DynamoDB::GlobalTable",
        "Replicas/*/Region",
        Kind.REPLICATION,
        "items",
        f"{_GUIDE}amazondynamodb/latest/developerguide/GlobalTables.html",
        region=True,
        both=True,
    ),
    Link(
        "AWS::DSQL::Cluster",
        "MultiRegionProperties/Clusters/*",
        Kind.REPLICATION,
        "rows",
        f"{_REFERENCE}aws-resource-dsql-cluster.html",
        both=True,
    ),
    Link(
        "AWS::S3::Bucket",
        "ReplicationConfiguration/Rules/*/Destination/Bucket",
        Kind.REPLICATION,
        "objects",
        f"{_GUIDE}AmazonS3/latest/userguide/replication.html",
        enabled=("ReplicationConfiguration/Rules/*/Status", "Enabled"),
    ),
    Link(
        "AWS::RDS::DBInstance",
        "SourceDBInstanceIdentifier",
        Kind.REPLICATION,
        "read replica",
        f"{_GUIDE}AmazonRDS/latest/UserGuide/USER_ReadRepl.html",
        inward=True,
    ),
    Link(
        "AWS::RDS::DBInstance",
        "SourceDBClusterIdentifier",
        Kind.REPLICATION,
        "read replica",
        f"{_GUIDE}AmazonRDS/latest/UserGuide/multi-az-db-clusters-create-instance-read-replica.html",
        inward=True,
    ),
    Link(
        "AWS::RDS::DBInstance",
        "AutomaticBackupReplicationRegion",
        Kind.REPLICATION,
        "backups",
        f"{_GUIDE}AmazonRDS/latest/UserGuide/USER_ReplicateBackups.html",
        region=True,
    ),
    Link(
        "AWS::RDS::DBCluster",
        "ReplicationSourceIdentifier",
        Kind.REPLICATION,
        "read replica",
        f"{_GUIDE}AmazonRDS/latest/AuroraUserGuide/AuroraMySQL.Replication.CrossRegion.html",
        inward=True,
    ),
    Link(
        "AWS::RDS::DBCluster",
        "GlobalClusterIdentifier",
        Kind.REPLICATION,
        "Aurora global database",
        f"{_GUIDE}AmazonRDS/latest/AuroraUserGuide/aurora-global-database.html",
        inward=True,
    ),
    Link(
        "AWS::DocDB::DBCluster",
        "GlobalClusterIdentifier",
        Kind.REPLICATION,
        "global cluster",
        f"{_GUIDE}documentdb/latest/developerguide/global-clusters.html",
        inward=True,
    ),
    Link(
        "AWS::Neptune::DBCluster",
        "GlobalClusterIdentifier",
        Kind.REPLICATION,
        "global database",
        f"{_GUIDE}neptune/latest/userguide/neptune-global-database.html",
        inward=True,
    ),
    Link(
        "AWS::ElastiCache::GlobalReplicationGroup",
        "Members/*/ReplicationGroupId",
        Kind.REPLICATION,
        "global datastore",
        f"{_GUIDE}AmazonElastiCache/latest/dg/Redis-Global-Datastore.html",
    ),
    Link(
        "AWS::SecretsManager::Secret",
        "ReplicaRegions/*/Region",
        Kind.REPLICATION,
        "secret",
        f"{_GUIDE}secretsmanager/latest/userguide/replicate-secrets.html",
        region=True,
    ),
    Link(
        "AWS::KMS::ReplicaKey",
        "PrimaryKeyArn",
        Kind.REPLICATION,
        "multi-Region key",
        f"{_GUIDE}kms/latest/developerguide/multi-region-keys-overview.html",
        inward=True,
    ),
    Link(
        "AWS::ECR::ReplicationConfiguration",
        "ReplicationConfiguration/Rules/*/Destinations/*/Region",
        Kind.REPLICATION,
        "images",
        f"{_GUIDE}AmazonECR/latest/userguide/replication.html",
        region=True,
    ),
    Link(
        "AWS::EFS::FileSystem",
        "ReplicationConfiguration/Destinations/*/Region",
        Kind.REPLICATION,
        "files",
        f"{_GUIDE}efs/latest/ug/efs-replication.html",
        region=True,
    ),
    Link(
        "AWS::Backup::BackupPlan",
        "BackupPlan/BackupPlanRule/*/CopyActions/*/DestinationBackupVaultArn",
        Kind.REPLICATION,
        "backups",
        f"{_GUIDE}aws-backup/latest/devguide/cross-region-backup.html",
    ),
    Link(
        "AWS::EC2::VPCPeeringConnection",
        "PeerVpcId",
        Kind.NETWORK,
        "peering",
        f"{_GUIDE}vpc/latest/peering/what-is-vpc-peering.html",
        both=True,
    ),
    Link(
        "AWS::EC2::VPCPeeringConnection",
        "VpcId",
        Kind.NETWORK,
        "peering",
        f"{_GUIDE}vpc/latest/peering/what-is-vpc-peering.html",
        both=True,
    ),
    Link(
        "AWS::EC2::TransitGatewayPeeringAttachment",
        "PeerTransitGatewayId",
        Kind.NETWORK,
        "peering",
        f"{_GUIDE}vpc/latest/tgw/tgw-peering.html",
        both=True,
    ),
    Link(
        "AWS::GlobalAccelerator::EndpointGroup",
        "EndpointConfigurations/*/EndpointId",
        Kind.TRAFFIC,
        "",
        f"{_GUIDE}global-accelerator/latest/dg/about-endpoint-groups-traffic-dial.html",
        label=("TrafficDialPercentage", "dial {} %"),
    ),
    Link(
        "AWS::S3::MultiRegionAccessPoint",
        "Regions/*/Bucket",
        Kind.TRAFFIC,
        "requests",
        f"{_GUIDE}AmazonS3/latest/userguide/MultiRegionAccessPoints.html",
    ),
)

_RECORDS = f"{_GUIDE}Route53/latest/DeveloperGuide/routing-policy"
_RECORD_FAILOVER = f"{_RECORDS}-failover.html"


@dataclass(frozen=True)
class Record:
    """How DNS records of a routing policy share traffic: the property that says so, the
    words for its value (`{}`), and whether the value means traffic only in a failure.
    """

    property: str
    words: str
    source: str
    standby: str = ""


RECORDS: tuple[Record, ...] = (
    Record("Failover", "{}", _RECORD_FAILOVER, standby="SECONDARY"),
    Record("Weight", "weight {}", f"{_RECORDS}-weighted.html"),
    Record("Region", "latency, {}", f"{_RECORDS}-latency.html"),
    Record("GeoLocation", "by location", f"{_RECORDS}-geo.html"),
    Record("GeoProximityLocation", "by proximity", f"{_RECORDS}-geoproximity.html"),
    Record("CidrRoutingConfig", "by address", f"{_RECORDS}-ipbased.html"),
    Record("MultiValueAnswer", "several answers", f"{_RECORDS}-multivalue.html"),
)
"""The routing policies of Route 53."""

FAILOVER_ORIGINS = f"{_GUIDE}AmazonCloudFront/latest/DeveloperGuide/high_availability_origin_failover.html"
"""Source: CloudFront asks the second origin of a group only when the first one fails."""

GLOBAL_CLUSTERS: Mapping[str, str] = {
    "AWS::RDS::GlobalCluster": "SourceDBClusterIdentifier",
    "AWS::DocDB::GlobalCluster": "SourceDBClusterIdentifier",
    "AWS::Neptune::GlobalCluster": "SourceDBClusterIdentifier",
}
"""Types that stand between clusters → their property that names the first one, from which
data flows to the others
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-rds-globalcluster.html)."""

NAMES: Mapping[str, str] = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::RDS::DBCluster": "DBClusterIdentifier",
    "AWS::RDS::GlobalCluster": "GlobalClusterIdentifier",
    "AWS::DocDB::DBCluster": "DBClusterIdentifier",
    "AWS::DocDB::GlobalCluster": "GlobalClusterIdentifier",
    "AWS::Neptune::DBCluster": "DBClusterIdentifier",
    "AWS::Neptune::GlobalCluster": "GlobalClusterIdentifier",
    "AWS::Backup::BackupVault": "BackupVaultName",
    "AWS::ApiGateway::DomainName": "DomainName",
    "AWS::ElastiCache::ReplicationGroup": "ReplicationGroupId",
}
"""Types that others find by a name that the template gives → the property with it."""

MAIN: Mapping[str, str] = {
    "AWS::CloudFront::Distribution": "CloudFront distribution",
    "AWS::GlobalAccelerator::Accelerator": "Global Accelerator",
    "AWS::Route53::RecordSet": "DNS record",
    "AWS::Route53::RecordSetGroup": "group of DNS records",
    "AWS::Route53::HealthCheck": "health check",
    "AWS::Route53::HostedZone": "hosted zone",
    "AWS::RDS::GlobalCluster": "Aurora global database",
    "AWS::RDS::DBCluster": "database cluster",
    "AWS::RDS::DBInstance": "database instance",
    "AWS::DocDB::DBCluster": "DocumentDB cluster",
    "AWS::Neptune::DBCluster": "Neptune cluster",
    "AWS::DSQL::Cluster": "Aurora DSQL cluster",
    "AWS::DynamoDB::GlobalTable": "DynamoDB global table",
    "AWS::DynamoDB::Table": "DynamoDB table",
    "AWS::ElastiCache::GlobalReplicationGroup": "global datastore",
    "AWS::ElastiCache::ReplicationGroup": "cache",
    "AWS::OpenSearchService::Domain": "OpenSearch domain",
    "AWS::Kinesis::Stream": "Kinesis stream",
    "AWS::MSK::Cluster": "Kafka cluster",
    "AWS::EFS::FileSystem": "file system",
    "AWS::S3::Bucket": "bucket",
    "AWS::S3::MultiRegionAccessPoint": "multi-Region access point",
    "AWS::ECR::Repository": "image repository",
    "AWS::ECR::ReplicationConfiguration": "image replication",
    "AWS::ApiGateway::RestApi": "REST API",
    "AWS::Serverless::Api": "REST API",
    "AWS::ApiGatewayV2::Api": "HTTP API",
    "AWS::AppSync::GraphQLApi": "GraphQL API",
    "AWS::Lambda::Function": "function",
    "AWS::Serverless::Function": "function",
    "AWS::ECS::Service": "ECS service",
    "AWS::ECS::Cluster": "ECS cluster",
    "AWS::EKS::Cluster": "EKS cluster",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "load balancer",
    "AWS::AutoScaling::AutoScalingGroup": "Auto Scaling group",
    "AWS::EC2::Instance": "server",
    "AWS::StepFunctions::StateMachine": "state machine",
    "AWS::SecretsManager::Secret": "secret",
    "AWS::KMS::Key": "key",
    "AWS::KMS::ReplicaKey": "replica key",
    "AWS::SQS::Queue": "queue",
    "AWS::SNS::Topic": "topic",
    "AWS::Events::EventBus": "event bus",
    "AWS::Cognito::UserPool": "user pool",
    "AWS::EC2::VPC": "VPC",
    "AWS::EC2::NatGateway": "NAT gateway",
    "AWS::EC2::VPCPeeringConnection": "VPC peering",
    "AWS::EC2::TransitGateway": "transit gateway",
    "AWS::EC2::VPCEndpoint": "VPC endpoint",
    "AWS::EC2::Route": "route",
    "AWS::CertificateManager::Certificate": "certificate",
    "AWS::WAFv2::WebACL": "web ACL",
    "AWS::Backup::BackupPlan": "backup plan",
    "AWS::Backup::BackupVault": "backup vault",
    "AWS::CloudTrail::Trail": "trail",
    "AWS::Config::ConfigurationRecorder": "configuration recorder",
    "AWS::Config::ConfigRule": "Config rule",
    "AWS::GuardDuty::Detector": "GuardDuty detector",
    "AWS::SecurityHub::Hub": "Security Hub",
    "AWS::Budgets::Budget": "budget",
    "AWS::FIS::ExperimentTemplate": "experiment",
    "AWS::SSM::Document": "runbook",
    "AWS::ApiGateway::Account": "API Gateway logging",
    "AWS::IAM::Role": "role",
    "AWS::IAM::ManagedPolicy": "policy",
    "AWS::CloudWatch::Dashboard": "dashboard",
    "AWS::CloudWatch::Alarm": "alarm",
    "AWS::Events::Rule": "event rule",
    "AWS::Scheduler::Schedule": "schedule",
    "AWS::Logs::LogGroup": "log group",
}
"""The types that say what a stack is for, most telling first, and their words."""
