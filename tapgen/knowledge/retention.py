"""How long AWS keeps data: the properties whose change deletes what is there.

A `Retention` is a number that deletes when it gets smaller, a `Switch` something that
deletes when it is turned off or on, a `Document` a text with rules that delete. S3's
lifecycle rules are in `LIFECYCLES`: `template/retention.py` compares their scopes.

Paths are below `Properties`, joined with `/`; `*` stands for the items of a list, which
are matched by the property in `key`. Sources are pages of AWS: "resource reference"
is the CloudFormation template reference of the type and property.
"""

from __future__ import annotations

from math import inf

from tapgen.frozen import dataclass

FOREVER = inf


@dataclass(frozen=True)
class Retention:
    """A number that says how long, or how many, AWS keeps of `what`.

    `absent` is what AWS uses where the property is missing, `forever` the numbers that
    stand for no limit; 0 stands for "off" elsewhere. With `future`, AWS leaves what is
    there and keeps only new items for a shorter time. A retention that is `sure`
    deletes by documentation; of others AWS documents only the new number. It does not
    count `unless` a property is there, or `only` where one is true.
    """

    type: str
    path: str
    what: str
    source: str
    unit: str = "days"
    absent: float = 0
    forever: tuple[int, ...] = ()
    names: tuple[tuple[str, float], ...] = ()
    future: bool = False
    sure: bool = True
    unless: str = ""
    only: str = ""
    key: str = ""


@dataclass(frozen=True)
class Switch:
    """A property that deletes when it no longer has the value `on` or, with `starts`,
    when it gets it. `label` is its name for readers, if not its own."""

    type: str
    path: str
    on: str
    lost: str
    source: str
    starts: bool = False
    key: str = ""
    label: str = ""


@dataclass(frozen=True)
class Document:
    """A text with rules that delete `what`; `counts` are its numbers that delete more
    when they get smaller, in a policy of rules, or as `name=number` lines."""

    type: str
    path: str
    what: str
    source: str
    counts: tuple[str, ...] = ()


def _backups(kind: str, unless: str = "") -> Retention:
    return Retention(
        kind,
        "BackupRetentionPeriod",
        "automated backups",
        "resource reference; RDS user guide, Backup retention period: older ones are "
        "deleted, and with 0 all of them",
        absent=1,
        unless=unless,
    )


def _snapshots(kind: str) -> Retention:
    return Retention(
        kind,
        "SnapshotRetentionLimit",
        "automatic snapshots",
        "resource reference: days for which automatic snapshots are retained before "
        "they are deleted; 0 turns them off",
    )


def _file_systems(kind: str) -> Retention:
    return Retention(
        "AWS::FSx::FileSystem",
        f"{kind}Configuration/AutomaticBackupRetentionDays",
        "automatic backups",
        "resource reference: days to retain automatic backups; 0 disables them",
        sure=False,
    )


_TABLES = (
    "DynamoDB developer guide, Point-in-time recovery: 1 to 35 days, 35 by default"
)

RETENTIONS: tuple[Retention, ...] = (
    Retention(
        "AWS::Logs::LogGroup",
        "RetentionInDays",
        "log events",
        "resource reference; PutRetentionPolicy: older events are marked for deletion",
        absent=FOREVER,
    ),
    _backups("AWS::RDS::DBInstance", unless="DBClusterIdentifier"),
    _backups("AWS::RDS::DBCluster"),
    _backups("AWS::DocDB::DBCluster"),
    _backups("AWS::DocDBElastic::Cluster"),
    _backups("AWS::Neptune::DBCluster"),
    Retention(
        "AWS::RDS::DBInstance",
        "AutomaticBackupReplicationRetentionPeriod",
        "replicated automated backups",
        "resource reference: retention period of the backups in the other region",
        sure=False,
    ),
    Retention(
        "AWS::RDS::DBInstance",
        "PerformanceInsightsRetentionPeriod",
        "Performance Insights data",
        "resource reference: days to retain Performance Insights data, 7 by default",
        absent=7,
    ),
    Retention(
        "AWS::RDS::DBCluster",
        "PerformanceInsightsRetentionPeriod",
        "Performance Insights data",
        "resource reference: days to retain Performance Insights data, 7 by default",
        absent=7,
    ),
    Retention(
        "AWS::Redshift::Cluster",
        "AutomatedSnapshotRetentionPeriod",
        "automated snapshots",
        "ModifyCluster: with a smaller value, existing automated snapshots that fall "
        "outside of it are immediately deleted",
        absent=1,
    ),
    _snapshots("AWS::ElastiCache::CacheCluster"),
    _snapshots("AWS::ElastiCache::ReplicationGroup"),
    _snapshots("AWS::ElastiCache::ServerlessCache"),
    _snapshots("AWS::MemoryDB::Cluster"),
    _file_systems("Windows"),
    _file_systems("Lustre"),
    _file_systems("Ontap"),
    _file_systems("OpenZFS"),
    Retention(
        "AWS::CloudHSM::Cluster",
        "BackupRetentionPolicy/Value",
        "backups",
        "CloudHSM user guide, Backup retention policy: older backups are purged, 90 "
        "days by default",
        absent=90,
    ),
    Retention(
        "AWS::DynamoDB::Table",
        "PointInTimeRecoverySpecification/RecoveryPeriodInDays",
        "restore points",
        _TABLES,
        absent=35,
        only="PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled",
    ),
    Retention(
        "AWS::DynamoDB::GlobalTable",
        "Replicas/*/PointInTimeRecoverySpecification/RecoveryPeriodInDays",
        "restore points",
        _TABLES,
        absent=35,
        only="Replicas/*/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled",
        key="Region",
    ),
    Retention(
        "AWS::SQS::Queue",
        "MessageRetentionPeriod",
        "messages",
        "SetQueueAttributes: a smaller value may expire and delete existing messages "
        "within 15 minutes; 345,600 seconds by default",
        unit="seconds",
        absent=345_600,
    ),
    Retention(
        "AWS::Kinesis::Stream",
        "RetentionPeriodHours",
        "records",
        "DecreaseStreamRetentionPeriod: older records become inaccessible at once; 24 "
        "hours by default",
        unit="hours",
        absent=24,
    ),
    Retention(
        "AWS::KinesisVideo::Stream",
        "DataRetentionInHours",
        "fragments",
        "resource reference: hours to retain data, 0 by default: none is persisted",
        unit="hours",
    ),
    Retention(
        "AWS::Events::Archive",
        "RetentionDays",
        "archived events",
        "resource reference: days to retain events; 0 or none retains them forever",
        absent=FOREVER,
        forever=(0,),
    ),
    Retention(
        "AWS::SNS::Topic",
        "ArchivePolicy/MessageRetentionPeriod",
        "archived messages",
        "SNS developer guide, Message archiving for FIFO topics: deactivating a policy "
        "deletes the archive",
    ),
    Retention(
        "AWS::CloudTrail::EventDataStore",
        "RetentionPeriod",
        "events",
        "UpdateEventDataStore: events with an eventTime older than the new retention "
        "period are removed",
        absent=2557,
    ),
    Retention(
        "AWS::Timestream::Table",
        "RetentionProperties/MagneticStoreRetentionPeriodInDays",
        "records",
        "Timestream developer guide, Storage: data is deleted once it is older than the "
        "magnetic store retention; 73,000 days by default",
        absent=73_000,
    ),
    Retention(
        "AWS::APS::Workspace",
        "WorkspaceConfiguration/RetentionPeriodInDays",
        "metrics",
        "Amazon Managed Service for Prometheus user guide, Configure your workspace: "
        "data older than the retention period is deleted; 150 days by default",
        absent=150,
    ),
    Retention(
        "AWS::SES::MailManagerArchive",
        "Retention/RetentionPeriod",
        "archived mail",
        "resource reference: emails are kept for the period before they are deleted; "
        "180 days by default",
        sure=False,
        absent=180,
        names=(
            ("THREE_MONTHS", 90),
            ("SIX_MONTHS", 180),
            ("NINE_MONTHS", 270),
            ("ONE_YEAR", 365),
            ("EIGHTEEN_MONTHS", 545),
            ("TWO_YEARS", 730),
            ("THIRTY_MONTHS", 910),
            ("THREE_YEARS", 1095),
            ("FOUR_YEARS", 1460),
            ("FIVE_YEARS", 1825),
            ("SIX_YEARS", 2190),
            ("SEVEN_YEARS", 2555),
            ("EIGHT_YEARS", 2920),
            ("NINE_YEARS", 3285),
            ("TEN_YEARS", 3650),
            ("PERMANENT", FOREVER),
        ),
    ),
    Retention(
        "AWS::SecurityLake::DataLake",
        "LifecycleConfiguration/Expiration/Days",
        "objects",
        "Security Lake user guide, Lifecycle management: objects expire after the "
        "retention period; by default they are kept",
        absent=FOREVER,
    ),
    Retention(
        "AWS::Synthetics::Canary",
        "SuccessRetentionPeriod",
        "data of successful runs",
        "resource reference: days to retain data about successful runs, 31 by default",
        absent=31,
        sure=False,
    ),
    Retention(
        "AWS::Synthetics::Canary",
        "FailureRetentionPeriod",
        "data of failed runs",
        "resource reference: days to retain data about failed runs, 31 by default",
        absent=31,
        sure=False,
    ),
    Retention(
        "AWS::IoTAnalytics::Datastore",
        "RetentionPeriod/NumberOfDays",
        "messages",
        "resource reference: days for which message data is kept; without a limit by "
        "default",
        absent=FOREVER,
    ),
    Retention(
        "AWS::IoTAnalytics::Channel",
        "RetentionPeriod/NumberOfDays",
        "messages",
        "resource reference: days for which message data is kept; without a limit by "
        "default",
        absent=FOREVER,
    ),
    Retention(
        "AWS::CustomerProfiles::Domain",
        "DefaultExpirationDays",
        "profiles",
        "resource reference: days until the data within the domain expires",
        absent=FOREVER,
        sure=False,
    ),
    Retention(
        "AWS::BedrockAgentCore::Memory",
        "EventExpiryDuration",
        "events",
        "resource reference: days after which memory events expire",
        absent=FOREVER,
        sure=False,
    ),
    Retention(
        "AWS::Backup::BackupPlan",
        "BackupPlan/BackupPlanRule/*/Lifecycle/DeleteAfterDays",
        "recovery points",
        "AWS Backup developer guide, Updating a backup plan: changes have no effect on "
        "existing backups",
        absent=FOREVER,
        future=True,
        key="RuleName",
    ),
    Retention(
        "AWS::Rbin::Rule",
        "RetentionPeriod/RetentionPeriodValue",
        "deleted resources",
        "Recycle Bin user guide, Update retention rules: a new period applies to "
        "resources that are deleted afterwards",
        future=True,
    ),
    Retention(
        "AWS::DLM::LifecyclePolicy",
        "PolicyDetails/Schedules/*/RetainRule/Count",
        "snapshots or images",
        "EBS user guide, Retention rules: the oldest of the schedule is deleted when "
        "the count is exceeded",
        unit="copies",
        absent=FOREVER,
        sure=False,
        key="Name",
    ),
    Retention(
        "AWS::DLM::LifecyclePolicy",
        "PolicyDetails/Schedules/*/RetainRule/Interval",
        "snapshots or images",
        "EBS user guide, Retention rules: each is deleted when its period has passed",
        unit="intervals",
        absent=FOREVER,
        sure=False,
        key="Name",
    ),
)
"""Numbers that delete when they get smaller."""

_PITR = "the table can no longer be restored to an earlier time"
_PITR_SOURCE = (
    "DynamoDB developer guide, Point-in-time recovery: disabling it and enabling it "
    "again resets the start of the time that can be recovered"
)
_TTL = (
    "DynamoDB developer guide, Time to Live: items whose timestamp lies in the past are "
    "deleted within a few days"
)

SWITCHES: tuple[Switch, ...] = (
    Switch(
        "AWS::DynamoDB::Table",
        "PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled",
        "true",
        _PITR,
        _PITR_SOURCE,
    ),
    Switch(
        "AWS::DynamoDB::GlobalTable",
        "Replicas/*/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled",
        "true",
        _PITR,
        _PITR_SOURCE,
        key="Region",
    ),
    Switch(
        "AWS::Cassandra::Table",
        "PointInTimeRecoveryEnabled",
        "true",
        _PITR,
        "Keyspaces developer guide, Point-in-time recovery: restores need continuous "
        "backups, which PITR creates",
    ),
    Switch(
        "AWS::Lightsail::Database",
        "BackupRetention",
        "true",
        "all automated backups are deleted",
        "resource reference: disabling it deletes all automated database backups",
    ),
    Switch(
        "AWS::S3::Bucket",
        "VersioningConfiguration/Status",
        "Enabled",
        "what is overwritten or deleted from now on is lost; the versions that are "
        "there stay",
        "S3 user guide, Adding objects to versioning-suspended buckets",
        label="versioning",
    ),
    Switch(
        "AWS::DynamoDB::Table",
        "TimeToLiveSpecification/Enabled",
        "true",
        "items whose time to live lies in the past are deleted",
        _TTL,
        starts=True,
        label="time to live",
    ),
    Switch(
        "AWS::DynamoDB::GlobalTable",
        "TimeToLiveSpecification/Enabled",
        "true",
        "items whose time to live lies in the past are deleted",
        _TTL,
        starts=True,
        label="time to live",
    ),
)
"""Properties that delete when they are turned off, or on."""

DOCUMENTS: tuple[Document, ...] = (
    Document(
        "AWS::ECR::Repository",
        "LifecyclePolicy/LifecyclePolicyText",
        "images",
        "ECR user guide, Lifecycle policies: images that match are expired within 24 "
        "hours",
        counts=("countNumber",),
    ),
    Document(
        "AWS::OpenSearchServerless::LifecyclePolicy",
        "Policy",
        "indexes",
        "OpenSearch Service developer guide, Data lifecycle policies for Serverless: "
        "MinIndexRetention; documents are deleted after it",
    ),
    Document(
        "AWS::MediaStore::Container",
        "LifecyclePolicy",
        "objects",
        "MediaStore user guide, Object lifecycle policies: objects are deleted by age",
    ),
    Document(
        "AWS::MSK::Configuration",
        "ServerProperties",
        "records",
        "MSK developer guide, Custom configurations: log.retention.*",
        counts=(
            "log.retention.bytes",
            "log.retention.hours",
            "log.retention.minutes",
            "log.retention.ms",
        ),
    ),
)
"""Texts with rules that delete."""

LIFECYCLES: frozenset[str] = frozenset(
    {"AWS::S3::Bucket", "AWS::S3Express::DirectoryBucket", "AWS::S3Outposts::Bucket"}
)
"""Types with S3's lifecycle rules below `LifecycleConfiguration/Rules`.

Expiration deletes, or hides behind a delete marker where versions are kept; transitions
and the end of incomplete uploads lose nothing (S3 user guide, Lifecycle configuration
elements)."""
