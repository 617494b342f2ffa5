"""What guards a system: resources and settings whose loss nobody notices at once.

`GUARDS` are resources that guard something by being there. A `Setting` guards while it
has one of the values `on`, a `Listing` by each of its items. Sources are the resource
reference of each property, where the docs of a service say no more.
"""

from __future__ import annotations

from tapgen.frozen import dataclass


@dataclass(frozen=True)
class Setting:
    """A property that guards while it has one of the values `on` (none: any value).

    `absent` says whether it also guards while it is missing, by the default of AWS. Of a
    list, matched by `key`, only `item` counts where that is given.
    """

    types: tuple[str, ...]  # none: every type
    path: str
    on: tuple[str, ...] = ("true",)
    words: str = ""
    absent: bool = False
    key: str = ""
    item: str = ""


@dataclass(frozen=True)
class Listing:
    """A list, or the values of one, whose items guard. `key` is their name."""

    types: tuple[str, ...]
    path: str
    words: str
    key: str = ""


_ALARMS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")

GUARDS: dict[str, str] = {
    "AWS::AccessAnalyzer::Analyzer": "access from outside is no longer found",
    "AWS::Backup::BackupPlan": "what it selects is no longer backed up",
    "AWS::Backup::BackupSelection": "what it selects is no longer backed up",
    "AWS::Backup::Framework": "backups are no longer audited",
    "AWS::Backup::RestoreTestingPlan": "restores are no longer tested",
    "AWS::Backup::RestoreTestingSelection": "these restores are no longer tested",
    "AWS::Budgets::Budget": "nobody is warned of costs",
    "AWS::CE::AnomalyMonitor": "unusual costs are no longer found",
    "AWS::CE::AnomalySubscription": "nobody is warned of unusual costs",
    "AWS::CloudTrail::Trail": "it no longer records calls of the API",
    "AWS::CloudWatch::Alarm": "nobody is alarmed by it",
    "AWS::CloudWatch::CompositeAlarm": "nobody is alarmed by it",
    "AWS::Config::ConfigRule": "compliance with it is no longer checked",
    "AWS::Config::ConfigurationRecorder": "changes of resources are no longer recorded",
    "AWS::Config::ConformancePack": "compliance with it is no longer checked",
    "AWS::Config::DeliveryChannel": "recorded changes are no longer delivered",
    "AWS::Config::OrganizationConfigRule": "compliance with it is no longer checked",
    "AWS::Config::RemediationConfiguration": "violations are no longer corrected",
    "AWS::ControlTower::EnabledControl": "the control no longer applies",
    "AWS::DLM::LifecyclePolicy": "no more snapshots are taken",
    "AWS::Detective::Graph": "findings can no longer be investigated",
    "AWS::EC2::FlowLog": "network traffic is no longer recorded",
    "AWS::EC2::SnapshotBlockPublicAccess": "snapshots can be shared with everybody",
    "AWS::EC2::VPCBlockPublicAccessOptions": "internet gateways let traffic in",
    "AWS::FMS::Policy": "firewall rules are no longer enforced",
    "AWS::GuardDuty::Detector": "threats are no longer detected",
    "AWS::GuardDuty::MalwareProtectionPlan": "objects are no longer scanned",
    "AWS::GuardDuty::PublishingDestination": "findings are no longer exported",
    "AWS::InspectorV2::Filter": "its findings are no longer sorted",
    "AWS::Lambda::CodeSigningConfig": "unsigned code can be deployed",
    "AWS::Logs::MetricFilter": "its metric gets no more data, nor do its alarms",
    "AWS::Logs::SubscriptionFilter": "logs are no longer passed on",
    "AWS::Macie::Session": "sensitive data is no longer discovered",
    "AWS::NetworkFirewall::Firewall": "traffic is no longer filtered",
    "AWS::NetworkFirewall::LoggingConfiguration": "its traffic is no longer recorded",
    "AWS::Organizations::Policy": "what it limits is no longer limited",
    "AWS::Route53::DNSSEC": "answers are no longer signed",
    "AWS::Route53::HealthCheck": "DNS no longer fails over by it",
    "AWS::Route53Resolver::FirewallRuleGroupAssociation": "DNS is no longer filtered",
    "AWS::Route53Resolver::ResolverQueryLoggingConfig": "DNS queries are no longer "
    "recorded",
    "AWS::SecretsManager::RotationSchedule": "the secret is no longer rotated",
    "AWS::SecurityHub::Hub": "findings are no longer collected",
    "AWS::SecurityHub::Standard": "the standard is no longer checked",
    "AWS::Shield::ProactiveEngagement": "the response team no longer calls",
    "AWS::Shield::Protection": "it is no longer protected against DDoS",
    "AWS::WAFv2::LoggingConfiguration": "its requests are no longer recorded",
    "AWS::WAFv2::WebACL": "requests are no longer filtered",
    "AWS::WAFv2::WebACLAssociation": "requests are no longer filtered",
    "AWS::WAFRegional::WebACLAssociation": "requests are no longer filtered",
}
"""Type → what is lost with a resource of it."""

WIDE: frozenset[str] = frozenset(
    {
        "AWS::AccessAnalyzer::Analyzer",
        "AWS::CloudTrail::Trail",
        "AWS::Config::ConfigurationRecorder",
        "AWS::Config::DeliveryChannel",
        "AWS::Detective::Graph",
        "AWS::EC2::SnapshotBlockPublicAccess",
        "AWS::EC2::VPCBlockPublicAccessOptions",
        "AWS::GuardDuty::Detector",
        "AWS::Macie::Session",
        "AWS::Organizations::Policy",
        "AWS::SecurityHub::Hub",
        "AWS::SecurityHub::Standard",
    }
)
"""Guards of a whole account, and not only of the stack that they are in."""

SETTINGS: tuple[Setting, ...] = (
    # of any type
    Setting((), "DeletionProtection"),
    Setting(("AWS::Cognito::UserPool",), "DeletionProtection", ("ACTIVE",)),
    Setting((), "DeletionProtectionEnabled"),
    Setting((), "StorageEncrypted"),
    Setting((), "EnableKeyRotation"),
    Setting((), "EnableLogFileValidation"),
    Setting((), "MultiAZ"),
    Setting((), "MultiAZEnabled"),
    Setting((), "AutomaticFailoverEnabled"),
    Setting((), "DisableApiTermination", words="it can be terminated by a call"),
    Setting((), "DisableApiStop"),
    Setting((), "DeleteProtection"),
    Setting((), "SubnetChangeProtection"),
    Setting((), "FirewallPolicyChangeProtection"),
    Setting((), "NewInstancesProtectedFromScaleIn"),
    # trails, detectors, recorders
    Setting(
        ("AWS::CloudTrail::Trail",), "IsLogging", words=GUARDS["AWS::CloudTrail::Trail"]
    ),
    Setting(
        ("AWS::CloudTrail::Trail",),
        "IsMultiRegionTrail",
        words="calls in other regions are no longer recorded",
    ),
    Setting(
        ("AWS::CloudTrail::Trail",),
        "IsOrganizationTrail",
        words="calls in other accounts are no longer recorded",
    ),
    Setting(
        ("AWS::CloudTrail::Trail",),
        "IncludeGlobalServiceEvents",
        words="calls of IAM and other global services are no longer recorded",
    ),
    Setting(
        ("AWS::CloudTrail::EventDataStore",),
        "TerminationProtectionEnabled",
        absent=True,
    ),
    Setting(("AWS::CloudTrail::EventDataStore",), "IngestionEnabled", absent=True),
    Setting(
        ("AWS::GuardDuty::Detector",),
        "Enable",
        words=GUARDS["AWS::GuardDuty::Detector"],
    ),
    Setting(
        ("AWS::GuardDuty::Detector",), "Features/*/Status", ("ENABLED",), key="Name"
    ),
    Setting(
        ("AWS::Config::ConfigurationRecorder",),
        "RecordingGroup/AllSupported",
        words="not all types of resources are recorded",
    ),
    Setting(
        ("AWS::Macie::Session",),
        "Status",
        ("ENABLED",),
        GUARDS["AWS::Macie::Session"],
        absent=True,
    ),
    Setting(
        ("AWS::DLM::LifecyclePolicy",),
        "State",
        ("ENABLED",),
        GUARDS["AWS::DLM::LifecyclePolicy"],
    ),
    # alarms
    Setting(_ALARMS, "ActionsEnabled", words="nobody is told", absent=True),
    Setting(
        ("AWS::CloudWatch::Alarm",),
        "TreatMissingData",
        ("breaching",),
        "missing data no longer raises it",
    ),
    # buckets and backups
    Setting(
        ("AWS::S3::Bucket",),
        "ReplicationConfiguration",
        (),
        "new objects are no longer copied",
    ),
    Setting(
        ("AWS::S3::Bucket",),
        "ReplicationConfiguration/Rules/*/Status",
        ("Enabled",),
        "new objects are no longer copied by it",
        key="Id",
    ),
    Setting(
        ("AWS::S3::Bucket",),
        "ObjectLockConfiguration/Rule",
        (),
        "new objects can be overwritten and deleted",
    ),
    Setting(("AWS::S3::Bucket",), "ObjectLockEnabled"),
    Setting(("AWS::S3::Bucket",), "LoggingConfiguration", (), "access is not logged"),
    Setting(
        ("AWS::Backup::BackupVault",),
        "LockConfiguration",
        (),
        "recovery points can be deleted",
    ),
    Setting(
        ("AWS::EFS::FileSystem",),
        "BackupPolicy/Status",
        ("ENABLED",),
        "no more automatic backups are made",
    ),
    Setting(
        ("AWS::EFS::FileSystem",),
        "ReplicationConfiguration",
        (),
        "files are no longer copied",
    ),
    Setting(
        ("AWS::DynamoDB::GlobalTable",),
        "Replicas/*/DeletionProtectionEnabled",
        key="Region",
    ),
    Setting(("AWS::SQS::Queue",), "RedrivePolicy", (), "messages that fail are lost"),
    Setting(
        ("AWS::Lambda::Function",), "DeadLetterConfig", (), "events that fail are lost"
    ),
    Setting(
        ("AWS::Lambda::Function",),
        "CodeSigningConfigArn",
        (),
        GUARDS["AWS::Lambda::CodeSigningConfig"],
    ),
    # entry points
    Setting(
        ("AWS::ElasticLoadBalancingV2::LoadBalancer",),
        "LoadBalancerAttributes/*/Value",
        key="Key",
        item="deletion_protection.enabled",
    ),
    Setting(
        ("AWS::ElasticLoadBalancingV2::LoadBalancer",),
        "LoadBalancerAttributes/*/Value",
        key="Key",
        item="access_logs.s3.enabled",
    ),
    Setting(
        ("AWS::ElasticLoadBalancing::LoadBalancer",), "AccessLoggingPolicy/Enabled"
    ),
    Setting(
        ("AWS::CloudFront::Distribution",),
        "DistributionConfig/WebACLId",
        (),
        "requests are no longer filtered",
    ),
    Setting(
        ("AWS::CloudFront::Distribution",),
        "DistributionConfig/Logging",
        (),
        "requests are not logged",
    ),
    Setting(
        ("AWS::ApiGatewayV2::Stage",),
        "AccessLogSettings",
        (),
        "requests are not logged",
    ),
    Setting(
        ("AWS::ApiGateway::Stage",),
        "AccessLogSetting",
        (),
        "requests are not logged",
    ),
    Setting(
        ("AWS::WAFv2::WebACL",), "DefaultAction/Block", (), "what no rule blocks passes"
    ),
    Setting(
        ("AWS::WAFv2::WebACL",),
        "Rules/*/Action/Block",
        (),
        "it no longer blocks",
        key="Name",
    ),
    Setting(
        ("AWS::Cognito::UserPool",),
        "MfaConfiguration",
        ("ON",),
        "users can sign in without a second factor",
    ),
    Setting(("AWS::OpenSearchService::Domain",), "DomainEndpointOptions/EnforceHTTPS"),
    Setting(("AWS::OpenSearchService::Domain",), "EncryptionAtRestOptions/Enabled"),
    # repositories and databases
    Setting(("AWS::ECR::Repository",), "ImageScanningConfiguration/ScanOnPush"),
    Setting(
        ("AWS::ECR::Repository",),
        "ImageTagMutability",
        ("IMMUTABLE",),
        "tags can be moved to other images",
    ),
    Setting(
        ("AWS::Redshift::Cluster",), "LoggingProperties", (), "access is not logged"
    ),
)
"""Properties that guard."""

LISTINGS: tuple[Listing, ...] = (
    Listing(_ALARMS, "AlarmActions", "nobody is told by"),
    Listing(
        ("AWS::Backup::BackupPlan",),
        "BackupPlan/BackupPlanRule",
        "no more backups by the rule",
        "RuleName",
    ),
    Listing(
        ("AWS::Backup::BackupSelection",),
        "BackupSelection/Resources",
        "no longer backed up",
    ),
    Listing(
        ("AWS::WAFv2::WebACL",), "Rules", "requests are no longer filtered by", "Name"
    ),
    Listing(
        ("AWS::WAFv2::RuleGroup",),
        "Rules",
        "requests are no longer filtered by",
        "Name",
    ),
    Listing(("AWS::Organizations::Policy",), "TargetIds", "no longer limited"),
    Listing(
        ("AWS::RDS::DBCluster", "AWS::RDS::DBInstance"),
        "EnableCloudwatchLogsExports",
        "no longer logged",
    ),
    Listing(
        ("AWS::S3::Bucket",),
        "ReplicationConfiguration/Rules",
        "new objects are no longer copied by the rule",
        "Id",
    ),
)
"""Lists whose items guard."""
