"""What AWS charges for resources, by type, and what has no charge of its own.

A charge names what price lists call it: the offer (service code) and the usage type,
without the abbreviation of its region in front. Prices are in `prices`; AWS's price lists
have them for every region. Kinds of charges and their units are on the pages in `source`,
read in November 2026; usage types are those of AWS's price lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from tapgen.frozen import dataclass

_SITE = "https://aws.amazon.com/"
_DOCS = "https://docs.aws.amazon.com/"


@dataclass(frozen=True)
class Charge:
    """One charge of a resource type.

    The quantity is the product of the factors in `times`, by `per`: the name of an
    assumption (`model.costs.USAGE`), `#Path` for the number of entries of a list, or
    `=Path` for a number in the properties; without any it is 1. Names in braces, in
    `usage_type` and `attributes`, are properties. Paths that begin with a small letter are
    what `costs.quantities` derives. The charge counts where each property in `when` is
    one of the values, None for absent; with `each`, once for each entry of that list, in
    the region of the entry. `attributes` tell products with the same usage type apart. A
    usage type that ends with `*` is any that begins so. What is not `listed` has no entry,
    or many, in price lists: its usage type is only a name here.
    """

    type: str
    words: str
    offer: str
    usage_type: str
    unit: str
    times: tuple[str, ...] = ()
    source: str = ""
    when: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    each: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    per: int = 1
    listed: bool = True


_ALB = {"Type": (None, "application")}
_ON_DEMAND = {"BillingMode": ("PAY_PER_REQUEST",)}
_PROVISIONED = {"BillingMode": (None, "PROVISIONED")}
_RDS = {"databaseEngine": "{engine}"}

CHARGES: tuple[Charge, ...] = (
    # Networks
    Charge(
        "AWS::EC2::NatGateway",
        *("NAT gateway", "AmazonEC2", "NatGateway-Hours", "hour", ("hours",)),
        _SITE + "vpc/pricing/",
    ),
    Charge(
        "AWS::EC2::NatGateway",
        *("data through NAT", "AmazonEC2", "NatGateway-Bytes", "GB", ("nat_gb",)),
        _SITE + "vpc/pricing/",
    ),
    Charge(
        "AWS::EC2::EIP",
        *("public IPv4 address", "AmazonVPC", "PublicIPv4:InUseAddress", "hour"),
        ("hours",),
        _SITE + "vpc/pricing/",
    ),
    Charge(
        "AWS::EC2::VPCEndpoint",
        *("interface endpoint in a zone", "AmazonVPC", "VpcEndpoint-Hours", "hour"),
        ("#SubnetIds", "hours"),
        _SITE + "privatelink/pricing/",
        {"VpcEndpointType": ("Interface",)},
    ),
    Charge(
        "AWS::EC2::VPCEndpoint",
        *("data through an endpoint", "AmazonVPC", "VpcEndpoint-Bytes", "GB"),
        ("endpoint_gb",),
        _SITE + "privatelink/pricing/",
        {"VpcEndpointType": ("Interface",)},
    ),
    Charge(
        "AWS::EC2::VPCEndpoint",
        "gateway load balancer endpoint in a zone",
        *("AmazonVPC", "VpcEndpoint-GWLBE-Hours", "hour", ("#SubnetIds", "hours")),
        _SITE + "privatelink/pricing/",
        {"VpcEndpointType": ("GatewayLoadBalancer",)},
    ),
    *(
        charge
        for kind in ("TransitGatewayAttachment", "TransitGatewayVpcAttachment")
        for charge in (
            Charge(
                f"AWS::EC2::{kind}",
                *("transit gateway attachment", "AmazonVPC", "TransitGateway-Hours"),
                *("hour", ("hours",), _SITE + "transit-gateway/pricing/"),
                attributes={"operation": "TransitGatewayVPC"},
            ),
            Charge(
                f"AWS::EC2::{kind}",
                *("data through a transit gateway", "AmazonVPC"),
                *("TransitGateway-Bytes", "GB"),
                ("transit_gb",),
                _SITE + "transit-gateway/pricing/",
                attributes={"operation": "TransitGatewayVPC"},
            ),
        )
    ),
    Charge(
        "AWS::EC2::FlowLog",
        *("flow logs", "AmazonCloudWatch", "VendedLog-Bytes", "GB", ("flow_log_gb",)),
        _SITE + "cloudwatch/pricing/",
        {"LogDestinationType": (None, "cloud-watch-logs")},
    ),
    Charge(
        "AWS::EC2::FlowLog",
        *("flow logs to S3", "AmazonCloudWatch", "flow logs to S3", "GB"),
        ("flow_log_gb",),
        _SITE + "cloudwatch/pricing/",
        {"LogDestinationType": ("s3",)},
        listed=False,
    ),
    Charge(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        *("application load balancer", "AWSELB", "LoadBalancerUsage", "hour"),
        ("hours",),
        _SITE + "elasticloadbalancing/pricing/",
        _ALB,
        attributes={"productFamily": "Load Balancer-Application"},
    ),
    Charge(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        *("capacity units of load balancers", "AWSELB", "LCUUsage", "LCU-hour"),
        ("balancer_units", "hours"),
        _SITE + "elasticloadbalancing/pricing/",
        _ALB,
        attributes={"productFamily": "Load Balancer-Application"},
    ),
    Charge(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "public IPv4 addresses of load balancers",
        *("AmazonVPC", "PublicIPv4:InUseAddress", "hour", ("#Subnets", "hours")),
        _SITE + "vpc/pricing/",
        {"Scheme": (None, "internet-facing"), **_ALB},
    ),
    Charge(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        *("network load balancer", "AWSELB", "LoadBalancerUsage", "hour", ("hours",)),
        _SITE + "elasticloadbalancing/pricing/",
        {"Type": ("network",)},
        attributes={"productFamily": "Load Balancer-Network"},
    ),
    Charge(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        *("capacity units of load balancers", "AWSELB", "LCUUsage", "LCU-hour"),
        ("balancer_units", "hours"),
        _SITE + "elasticloadbalancing/pricing/",
        {"Type": ("network",)},
        attributes={"productFamily": "Load Balancer-Network"},
    ),
    Charge(
        "AWS::GlobalAccelerator::Accelerator",
        *("accelerator", "AWSGlobalAccelerator", "fixed fee", "hour", ("hours",)),
        _SITE + "global-accelerator/pricing/",
        listed=False,
    ),
    Charge(
        "AWS::GlobalAccelerator::Accelerator",
        # A price for each pair of places, and nobody knows where users are.
        *("data through accelerators", "AWSGlobalAccelerator", "premium", "GB"),
        ("accelerated_gb",),
        _SITE + "global-accelerator/pricing/",
        listed=False,
    ),
    # DNS
    Charge(
        "AWS::Route53::HostedZone",
        *("hosted zone", "AmazonRoute53", "HostedZone", "zone"),
        source=_SITE + "route53/pricing/",
    ),
    # Of an endpoint outside of AWS, both cost more; of alarms and of other checks, no page
    # says that they cost less.
    Charge(
        "AWS::Route53::HealthCheck",
        *("health check of an AWS endpoint", "AmazonRoute53", "Health-Check-AWS"),
        "check",
        source=_SITE + "route53/pricing/",
    ),
    Charge(
        "AWS::Route53::HealthCheck",
        *("options of health checks", "AmazonRoute53", "Health-Check-Option-AWS"),
        *("option", ("=options",), _SITE + "route53/pricing/"),
    ),
    # Servers
    *(
        charge
        for kind in ("AWS::EC2::Instance", "AWS::AutoScaling::AutoScalingGroup")
        for charge in (
            Charge(
                kind,
                *("Linux server {instanceType}", "AmazonEC2", "BoxUsage:*"),
                *("hour", ("=servers", "hours"), _SITE + "ec2/pricing/on-demand/"),
                attributes={
                    "instanceType": "{instanceType}",
                    "operatingSystem": "Linux",
                    "tenancy": "Shared",
                    "preInstalledSw": "NA",
                    "capacitystatus": "Used",
                },
            ),
            Charge(
                kind,
                *("gp3 volumes of servers", "AmazonEC2", "EBS:VolumeUsage.gp3"),
                *("GB-month", ("=servers", "=gp3"), _SITE + "ebs/pricing/"),
            ),
        )
    ),
    Charge(
        "AWS::EC2::Volume",
        *("volume {VolumeType}", "AmazonEC2", "EBS:VolumeUsage.{VolumeType}"),
        *("GB-month", ("=Size",), _SITE + "ebs/pricing/"),
        {"VolumeType": ("gp2", "gp3", "st1", "sc1")},
    ),
    # Databases
    Charge(
        "AWS::RDS::DBInstance",
        "{engine} {DBInstanceClass}",
        *("AmazonRDS", "{hours}:*", "hour", ("hours",)),
        _SITE + "rds/pricing/",
        attributes={**_RDS, "instanceType": "{DBInstanceClass}"},
    ),
    Charge(
        "AWS::RDS::DBInstance",
        *("{engine} storage {storage}", "AmazonRDS", "RDS:{storage}", "GB-month"),
        ("=allocated",),
        _SITE + "rds/pricing/",
        {"aurora": ("false",)},
        attributes=_RDS,
    ),
    Charge(
        "AWS::RDS::DBCluster",
        *("Aurora storage", "AmazonRDS", "Aurora:StorageUsage", "GB-month"),
        ("database_gb",),
        _SITE + "rds/aurora/pricing/",
        {"aurora": ("true",), "StorageType": (None, "aurora")},
    ),
    Charge(
        "AWS::RDS::DBCluster",
        *("Aurora storage requests", "AmazonRDS", "Aurora:StorageIOUsage", "request"),
        ("database_ios",),
        _SITE + "rds/aurora/pricing/",
        {"aurora": ("true",), "StorageType": (None, "aurora")},
    ),
    Charge(
        "AWS::RDS::DBCluster",
        *("Aurora I/O-Optimized storage", "AmazonRDS"),
        *("Aurora:IO-OptimizedStorageUsage", "GB-month"),
        ("database_gb",),
        _SITE + "rds/aurora/pricing/",
        {"aurora": ("true",), "StorageType": ("aurora-iopt1",)},
    ),
    Charge(
        "AWS::RDS::GlobalCluster",
        *("replicated writes of Aurora", "AmazonRDS"),
        *("Aurora:ReplicatedWriteIO", "request"),
        ("database_ios",),
        _SITE + "rds/aurora/pricing/",
    ),
    *(
        charge
        for kind, each, prefix in (
            ("AWS::DynamoDB::GlobalTable", "Replicas", "Repl"),
            ("AWS::DynamoDB::Table", "", ""),
        )
        for charge in (
            Charge(
                kind,
                "replicated writes of tables" if prefix else "writes of tables",
                *("AmazonDynamoDB", f"{prefix}WriteRequestUnits", "write request unit"),
                ("table_writes", "=written"),
                _SITE + "dynamodb/pricing/on-demand/",
                _ON_DEMAND,
                each,
            ),
            Charge(
                kind,
                *("reads of tables", "AmazonDynamoDB", "ReadRequestUnits"),
                *("read request unit", ("table_reads",)),
                _SITE + "dynamodb/pricing/on-demand/",
                _ON_DEMAND,
                each,
            ),
            Charge(
                kind,
                *("storage of tables", "AmazonDynamoDB", "TimedStorage-ByteHrs"),
                *("GB-month", ("table_gb",)),
                _SITE + "dynamodb/pricing/on-demand/",
                each=each,
            ),
            Charge(
                kind,
                "point-in-time recovery of tables",
                *("AmazonDynamoDB", "TimedPITRStorage-ByteHrs", "GB-month"),
                ("table_gb",),
                _SITE + "dynamodb/pricing/on-demand/",
                {
                    "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": (
                        "true",
                    )
                },
                each,
            ),
        )
    ),
    Charge(
        "AWS::DynamoDB::Table",
        *("write capacity of tables", "AmazonDynamoDB", "WriteCapacityUnit-Hrs"),
        *("unit-hour", ("=ProvisionedThroughput.WriteCapacityUnits", "hours")),
        _SITE + "dynamodb/pricing/provisioned/",
        _PROVISIONED,
    ),
    Charge(
        "AWS::DynamoDB::Table",
        *("read capacity of tables", "AmazonDynamoDB", "ReadCapacityUnit-Hrs"),
        *("unit-hour", ("=ProvisionedThroughput.ReadCapacityUnits", "hours")),
        _SITE + "dynamodb/pricing/provisioned/",
        _PROVISIONED,
    ),
    Charge(
        "AWS::DynamoDB::GlobalTable",
        *("write capacity of tables", "AmazonDynamoDB", "ReplWriteCapacityUnit-Hrs"),
        # Capacity of global tables scales by itself, between limits.
        *("unit-hour", ("=capacity", "hours")),
        _SITE + "dynamodb/pricing/provisioned/",
        _PROVISIONED,
        "Replicas",
    ),
    # Objects and backups
    Charge(
        "AWS::S3::Bucket",
        *("objects in buckets", "AmazonS3", "TimedStorage-ByteHrs", "GB-month"),
        ("stored_gb",),
        _SITE + "s3/pricing/",
    ),
    Charge(
        "AWS::S3::Bucket",
        *("writes to buckets", "AmazonS3", "Requests-Tier1", "request"),
        ("object_writes",),
        _SITE + "s3/pricing/",
    ),
    Charge(
        "AWS::S3::Bucket",
        *("replication requests", "AmazonS3", "Requests-Tier1", "request"),
        ("object_writes", "#ReplicationConfiguration.Rules"),
        _SITE + "s3/pricing/",
    ),
    Charge(
        "AWS::Backup::BackupPlan",
        # A price for each kind of resource that is backed up.
        *("backups", "AWSBackup", "warm storage", "GB-month", ("backup_gb",)),
        _SITE + "backup/pricing/",
        listed=False,
    ),
    # Keys and secrets
    Charge(
        "AWS::KMS::Key",
        *("KMS key", "awskms", "KMS-Keys", "key"),
        source=_SITE + "kms/pricing/",
    ),
    Charge(
        "AWS::KMS::ReplicaKey",
        *("KMS replica key", "awskms", "KMS-Keys", "key"),
        source=_SITE + "kms/pricing/",
    ),
    Charge(
        "AWS::SecretsManager::Secret",
        *("secret", "AWSSecretsManager", "AWSSecretsManager-Secrets", "secret"),
        source=_SITE + "secrets-manager/pricing/",
    ),
    Charge(
        "AWS::SecretsManager::Secret",
        *("replica of a secret", "AWSSecretsManager", "AWSSecretsManager-Secrets"),
        "secret",
        source=_SITE + "secrets-manager/pricing/",
        each="ReplicaRegions",
    ),
    Charge(
        "AWS::SSM::Parameter",
        *("advanced parameter", "AWSSystemsManager", "PS-Advanced-Param-Tier1"),
        *("hour", ("hours",), _SITE + "systems-manager/pricing/"),
        {"Tier": ("Advanced",)},
    ),
    # Requests
    Charge(
        "AWS::ApiGateway::RestApi",
        *("requests to REST APIs", "AmazonApiGateway", "ApiGatewayRequest", "request"),
        ("requests",),
        _SITE + "api-gateway/pricing/",
    ),
    Charge(
        "AWS::ApiGatewayV2::Api",
        *("requests to HTTP APIs", "AmazonApiGateway", "ApiGatewayHttpRequest"),
        *("request", ("requests",), _SITE + "api-gateway/pricing/"),
        {"ProtocolType": ("HTTP",)},
    ),
    Charge(
        "AWS::Lambda::Function",
        *("calls of functions", "AWSLambda", "Request{arm}", "request"),
        ("requests",),
        _SITE + "lambda/pricing/",
    ),
    Charge(
        "AWS::Lambda::Function",
        *("time of functions", "AWSLambda", "Lambda-GB-Second{arm}", "GB-second"),
        ("requests", "call_ms", "=memory"),
        _SITE + "lambda/pricing/",
        per=1024 * 1000,
    ),
    Charge(
        "AWS::WAFv2::WebACL",
        *("web ACL", "awswaf", "WebACLV2", "web ACL"),
        source=_SITE + "waf/pricing/",
    ),
    Charge(
        "AWS::WAFv2::WebACL",
        *("rules of web ACLs", "awswaf", "RuleV2", "rule", ("#Rules",)),
        _SITE + "waf/pricing/",
    ),
    Charge(
        "AWS::WAFv2::WebACL",
        *("requests to web ACLs", "awswaf", "RequestV2-Tier1", "request"),
        ("requests",),
        _SITE + "waf/pricing/",
    ),
    Charge(
        "AWS::SNS::Topic",
        *("messages to topics", "AmazonSNS", "Requests-Tier1", "request"),
        ("notifications",),
        _SITE + "sns/pricing/",
    ),
    # What is watched
    Charge(
        "AWS::CloudWatch::Alarm",
        *("metrics of alarms", "AmazonCloudWatch", "CW:AlarmMonitorUsage", "metric"),
        ("=metrics",),
        _SITE + "cloudwatch/pricing/",
        {"fast": ("false",)},
    ),
    Charge(
        "AWS::CloudWatch::Alarm",
        "metrics of high-resolution alarms",
        *("AmazonCloudWatch", "CW:HighResAlarmMonitorUsage", "metric"),
        ("=metrics",),
        _SITE + "cloudwatch/pricing/",
        {"fast": ("true",)},
    ),
    Charge(
        "AWS::CloudWatch::CompositeAlarm",
        *("composite alarm", "AmazonCloudWatch", "CW:CompositeAlarmMonitorUsage"),
        "alarm",
        source=_SITE + "cloudwatch/pricing/",
    ),
    Charge(
        "AWS::CloudWatch::Dashboard",
        *("dashboard", "AmazonCloudWatch", "DashboardsUsageHour", "dashboard"),
        source=_SITE + "cloudwatch/pricing/",
    ),
    Charge(
        "AWS::Logs::LogGroup",
        *("logs taken in", "AmazonCloudWatch", "DataProcessing-Bytes", "GB"),
        ("log_gb",),
        _SITE + "cloudwatch/pricing/",
        {"LogGroupClass": (None, "STANDARD")},
    ),
    Charge(
        "AWS::Logs::LogGroup",
        *("logs taken in, infrequent access", "AmazonCloudWatch"),
        *("DataProcessingIA-Bytes", "GB"),
        ("log_gb",),
        _SITE + "cloudwatch/pricing/",
        {"LogGroupClass": ("INFREQUENT_ACCESS",)},
    ),
    Charge(
        "AWS::Logs::LogGroup",
        *("logs stored", "AmazonCloudWatch", "TimedStorage-ByteHrs", "GB-month"),
        ("log_gb",),
        _SITE + "cloudwatch/pricing/",
    ),
    Charge(
        "AWS::Logs::MetricFilter",
        *("metrics of filters", "AmazonCloudWatch", "CW:MetricMonitorUsage", "metric"),
        ("#MetricTransformations",),
        _SITE + "cloudwatch/pricing/",
    ),
    Charge(
        "AWS::CloudTrail::Trail",
        # The first copy of management events is free in each region.
        *("data events of trails", "AWSCloudTrail", "DataEventsRecorded", "event"),
        ("data_events",),
        _SITE + "cloudtrail/pricing/",
    ),
    Charge(
        "AWS::Config::ConfigurationRecorder",
        *("configuration items", "AWSConfig", "ConfigurationItemRecorded", "item"),
        ("config_items",),
        _SITE + "config/pricing/",
    ),
    Charge(
        "AWS::Config::ConfigRule",
        *("evaluations of Config rules", "AWSConfig", "ConfigRuleEvaluations"),
        *("evaluation", ("rule_evaluations",), _SITE + "config/pricing/"),
    ),
)

BY_TYPE: Mapping[str, tuple[Charge, ...]] = {
    kind: tuple(c for c in CHARGES if c.type == kind)
    for kind in {c.type for c in CHARGES}
}

_IAM = _DOCS + "IAM/latest/UserGuide/introduction.html"
_VPC = _DOCS + "vpc/latest/userguide/what-is-amazon-vpc.html"
_REST = _SITE + "api-gateway/pricing/"

FREE: Mapping[str, str] = {
    **{
        f"AWS::IAM::{kind}": _IAM
        for kind in (
            *("Role", "Policy", "ManagedPolicy", "RolePolicy", "InstanceProfile"),
            *("User", "Group", "UserPolicy", "OIDCProvider", "SAMLProvider"),
        )
    },
    **{
        f"AWS::EC2::{kind}": _VPC
        for kind in (
            *("VPC", "Subnet", "RouteTable", "Route", "InternetGateway"),
            *("VPCGatewayAttachment", "SubnetRouteTableAssociation"),
            *("SecurityGroup", "SecurityGroupIngress", "SecurityGroupEgress"),
            *("NetworkAcl", "NetworkAclEntry", "SubnetNetworkAclAssociation"),
            *("DHCPOptions", "VPCDHCPOptionsAssociation", "EIPAssociation"),
        )
    },
    "AWS::EC2::VPCPeeringConnection": _DOCS
    + "vpc/latest/peering/what-is-vpc-peering.html",
    **{
        f"AWS::EC2::{kind}": _SITE + "transit-gateway/pricing/"
        for kind in (
            *("TransitGateway", "TransitGatewayRoute", "TransitGatewayRouteTable"),
            *("TransitGatewayRouteTableAssociation",),
            *("TransitGatewayRouteTablePropagation",),
        )
    },
    "AWS::EC2::LaunchTemplate": _DOCS
    + "AWSEC2/latest/UserGuide/ec2-launch-templates.html",
    "AWS::AutoScaling::ScalingPolicy": _SITE + "autoscaling/pricing/",
    **{
        f"AWS::ElasticLoadBalancingV2::{kind}": _SITE + "elasticloadbalancing/pricing/"
        for kind in ("Listener", "ListenerRule", "TargetGroup")
    },
    **{
        f"AWS::GlobalAccelerator::{kind}": _SITE + "global-accelerator/pricing/"
        for kind in ("Listener", "EndpointGroup")
    },
    "AWS::Route53::RecordSet": _SITE + "route53/pricing/",
    "AWS::Route53::RecordSetGroup": _SITE + "route53/pricing/",
    **{
        f"AWS::RDS::{kind}": _SITE + "rds/pricing/"
        for kind in (
            *("DBSubnetGroup", "DBParameterGroup", "DBClusterParameterGroup"),
            *("OptionGroup", "EventSubscription"),
        )
    },
    "AWS::KMS::Alias": _SITE + "kms/pricing/",
    "AWS::S3::BucketPolicy": _SITE + "s3/pricing/",
    "AWS::SNS::TopicPolicy": _SITE + "sns/pricing/",
    "AWS::SQS::QueuePolicy": _SITE + "sqs/pricing/",
    "AWS::SecretsManager::SecretTargetAttachment": _SITE + "secrets-manager/pricing/",
    "AWS::SecretsManager::ResourcePolicy": _SITE + "secrets-manager/pricing/",
    **{
        f"AWS::ApiGateway::{kind}": _REST
        for kind in (
            *("Account", "Authorizer", "BasePathMapping", "Deployment", "DomainName"),
            *("GatewayResponse", "Method", "Model", "RequestValidator", "Resource"),
            *("Stage", "UsagePlan", "ApiKey", "UsagePlanKey"),
        )
    },
    **{
        f"AWS::ApiGatewayV2::{kind}": _REST
        for kind in (
            *("ApiMapping", "Authorizer", "Deployment", "DomainName", "Integration"),
            *("Route", "Stage"),
        )
    },
    **{
        f"AWS::Lambda::{kind}": _SITE + "lambda/pricing/"
        for kind in (
            *("Alias", "EventInvokeConfig", "EventSourceMapping", "LayerVersion"),
            *("LayerVersionPermission", "Permission", "Version"),
        )
    },
    "AWS::WAFv2::WebACLAssociation": _SITE + "waf/pricing/",
    "AWS::Logs::QueryDefinition": _SITE + "cloudwatch/pricing/",
    "AWS::Logs::ResourcePolicy": _SITE + "cloudwatch/pricing/",
    "AWS::Config::DeliveryChannel": _SITE + "config/pricing/",
    "AWS::Backup::BackupVault": _SITE + "backup/pricing/",
    "AWS::Backup::BackupSelection": _SITE + "backup/pricing/",
    "AWS::Budgets::Budget": _SITE + "aws-cost-management/aws-budgets/pricing/",
    "AWS::CE::CostCategory": _SITE + "aws-cost-management/pricing/",
    "AWS::CertificateManager::Certificate": _SITE + "certificate-manager/pricing/",
    "AWS::CloudFormation::WaitConditionHandle": _SITE + "cloudformation/pricing/",
}
"""Types without a charge of their own, each with a page that says what is charged."""

EXTRA: Mapping[str, Mapping[str, str]] = {
    "AWS::ApiGateway::Stage": {"CacheClusterEnabled": "cache of a stage"},
    "AWS::CertificateManager::Certificate": {
        "CertificateAuthorityArn": "certificate of a private authority"
    },
    "AWS::DynamoDB::GlobalTable": {
        "WriteOnDemandThroughputSettings.WarmThroughput": "warm throughput"
    },
    "AWS::EC2::NatGateway": {"AvailabilityMode": "zones of a regional NAT gateway"},
    "AWS::Lambda::Alias": {"ProvisionedConcurrencyConfig": "provisioned concurrency"},
    "AWS::Lambda::Function": {"SnapStart": "SnapStart"},
    "AWS::Lambda::Version": {"ProvisionedConcurrencyConfig": "provisioned concurrency"},
    "AWS::RDS::DBInstance": {
        "Iops": "provisioned IOPS",
        "StorageThroughput": "provisioned throughput",
    },
    "AWS::S3::Bucket": {
        "AnalyticsConfigurations": "analytics of a bucket",
        "IntelligentTieringConfigurations": "intelligent tiering",
        "InventoryConfigurations": "inventory of a bucket",
    },
}
"""Properties that cost extra where they are set, and whose price tapgen does not know."""

NOTHING_EXTRA = (None, False, "false", "zonal")
"""Values of such properties that cost nothing."""

WHEN_USED: Mapping[str, str] = {
    "AWS::Events::Rule": _SITE + "eventbridge/pricing/",
    "AWS::FIS::ExperimentTemplate": _SITE + "fis/pricing/",
    "AWS::SNS::Subscription": _SITE + "sns/pricing/",
    "AWS::SSM::Document": _SITE + "systems-manager/pricing/",
    "AWS::Scheduler::Schedule": _SITE + "eventbridge/pricing/",
}
"""Types that cost nothing by being there: each event, run or delivery may."""

NOT_COUNTED = (
    "data transfer to the internet, between regions and between zones, and S3 "
    "Replication Time Control",
    "requests to KMS keys, secrets, DNS names and stored objects",
    "what events, schedules and runs of automation documents call",
    "snapshots and backups beyond what is free, and rotated material of KMS keys",
    "detailed and enhanced monitoring, traces, and extended support of databases",
    "free tiers, discounts, savings plans, taxes and support",
)
"""What no estimate has in it."""

ENGINES: Mapping[str, str] = {
    "aurora-mysql": "Aurora MySQL",
    "aurora-postgresql": "Aurora PostgreSQL",
    "mariadb": "MariaDB",
    "mysql": "MySQL",
    "postgres": "PostgreSQL",
}
"""Engines of databases whose price has no license in it, as price lists name them."""
