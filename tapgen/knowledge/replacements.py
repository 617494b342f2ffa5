"""Which changes replace a resource, where its schema says less or something else.

The schemas list properties whose change may replace a resource
(`conditionalCreateOnlyProperties`) and leave open when. Change sets repeat that, also
where it never happens (aws-cloudformation/cloudformation-coverage-roadmap#1788). A
`Correction` says when, by AWS's own resource handlers where they are public, else by the
resource reference. Some properties replace although no schema lists them.
"""

from __future__ import annotations

from enum import StrEnum

from tapgen.frozen import dataclass


class Rule(StrEnum):
    """When a change of a property replaces its resource."""

    NEVER = "never"
    ALWAYS = "always"
    UNLESS_REMOVED = "unless it is removed"
    UNLESS_ADDED = "unless it was absent"
    WHEN_ADDED = "when it was absent"
    WHEN_REMOVED = "when it is removed"
    WHEN_ADDED_OR_REMOVED = "when it was absent, or is removed"


@dataclass(frozen=True)
class Correction:
    """When changes of some properties of a type replace it.

    They do not for these `upgrades` from one value to another, where the new properties
    have `unless` with one of its values (none: any value), and where the `update_policy`
    is true; with `only_with`, only where it is true. Only resources that had `given` are
    concerned. Where sources disagree it is not `sure`: what stays by one of them may be
    replaced.
    """

    type: str
    paths: tuple[str, ...]
    rule: Rule
    source: str
    upgrades: tuple[tuple[str, str], ...] = ()
    unless: tuple[tuple[str, str], ...] = ()
    update_policy: str = ""
    only_with: str = ""
    given: str = ""
    sure: bool = True


_RDS = "aws-cloudformation/aws-cloudformation-resource-providers-rds, ImmutabilityHelper of "
_INSTANCE = "AWS::RDS::DBInstance"
_REFERENCE = "resource reference: "
_POLICY = "UpdatePolicy attribute: "

CORRECTIONS: tuple[Correction, ...] = (
    # RDS
    Correction(
        _INSTANCE,
        (
            "AutoMinorVersionUpgrade",
            "BackupRetentionPeriod",
            "DBParameterGroupName",
            "MultiAZ",
            "PreferredMaintenanceWindow",
        ),
        Rule.NEVER,
        f"{_RDS}{_INSTANCE}: not among what makes a change immutable; resource "
        "reference: Some interruptions",
    ),
    Correction(
        _INSTANCE,
        ("Engine",),
        Rule.ALWAYS,
        f"{_RDS}{_INSTANCE}, isEngineMutable",
        upgrades=(
            ("aurora", "aurora-mysql"),
            ("oracle-ee", "oracle-ee-cdb"),
            ("oracle-se", "oracle-se2"),
            ("oracle-se1", "oracle-se2"),
            ("oracle-se2", "oracle-se2-cdb"),
        ),
    ),
    Correction(
        _INSTANCE,
        ("AvailabilityZone",),
        Rule.ALWAYS,
        f"{_RDS}{_INSTANCE}, isAvailabilityZoneChangeMutable: none with MultiAZ",
        unless=(("MultiAZ", "true"),),
    ),
    Correction(
        _INSTANCE,
        ("PerformanceInsightsKMSKeyId",),
        Rule.UNLESS_ADDED,
        f"{_RDS}{_INSTANCE}, isPerformanceInsightsKMSKeyIdMutable",
    ),
    Correction(
        _INSTANCE,
        ("SourceDBClusterIdentifier", "SourceDBInstanceIdentifier"),
        Rule.UNLESS_REMOVED,
        f"{_RDS}{_INSTANCE}; resource reference: removing it promotes the replica",
    ),
    Correction(
        _INSTANCE,
        (
            "RestoreTime",
            "SourceDBInstanceAutomatedBackupsArn",
            "SourceDbiResourceId",
            "UseLatestRestorableTime",
        ),
        Rule.UNLESS_REMOVED,
        f"{_RDS}{_INSTANCE}",
    ),
    Correction(
        _INSTANCE,
        ("DBClusterSnapshotIdentifier", "DBSnapshotIdentifier"),
        Rule.UNLESS_REMOVED,
        f"{_RDS}{_INSTANCE}: none is mutable; but resource reference: without it an "
        "empty DB instance is created, and the original DB instance is deleted",
        sure=False,
    ),
    Correction(
        _INSTANCE,
        ("LicenseModel",),
        Rule.ALWAYS,
        f"{_REFERENCE}CloudFormation replaces an instance with DBSecurityGroups when the "
        "license model is updated",
        given="DBSecurityGroups",
    ),
    Correction(
        "AWS::RDS::DBCluster",
        ("Engine",),
        Rule.ALWAYS,
        f"{_RDS}AWS::RDS::DBCluster, isEngineMutable",
        upgrades=(("aurora", "aurora-mysql"),),
    ),
    Correction(
        "AWS::RDS::DBCluster",
        ("GlobalClusterIdentifier",),
        Rule.UNLESS_REMOVED,
        f"{_RDS}AWS::RDS::DBCluster, isGlobalClusterMutable: removing it takes the "
        "cluster out of the global cluster",
    ),
    Correction(
        "AWS::RDS::DBCluster",
        ("MasterUsername",),
        Rule.NEVER,
        f"{_RDS}AWS::RDS::DBCluster; resource reference: Some interruptions",
    ),
    # other databases
    Correction(
        "AWS::Neptune::DBInstance",
        (
            "AutoMinorVersionUpgrade",
            "DBParameterGroupName",
            "PreferredMaintenanceWindow",
        ),
        Rule.NEVER,
        f"{_REFERENCE}No interruption",
    ),
    Correction(
        "AWS::DynamoDB::Table",
        ("KeySchema",),
        Rule.ALWAYS,
        f"{_REFERENCE}Replacement",
    ),
    Correction(
        "AWS::ElastiCache::CacheCluster",
        ("IpDiscovery",),
        Rule.NEVER,
        f"{_REFERENCE}No interruption",
    ),
    Correction(
        "AWS::ElastiCache::CacheCluster",
        ("NumCacheNodes",),
        Rule.ALWAYS,
        f"{_REFERENCE}replacement if no zones were and are given",
        unless=(("PreferredAvailabilityZone", ""), ("PreferredAvailabilityZones", "")),
    ),
    Correction(
        "AWS::ElastiCache::ReplicationGroup",
        ("AuthToken",),
        Rule.WHEN_ADDED,
        f"{_REFERENCE}if adding the AuthToken, update requires replacement",
    ),
    Correction(
        "AWS::ElastiCache::ReplicationGroup",
        ("NodeGroupConfiguration", "NumNodeGroups"),
        Rule.ALWAYS,
        f"{_REFERENCE}without UseOnlineResharding, updating it results in replacement",
        update_policy="UseOnlineResharding",
    ),
    Correction(
        "AWS::OpenSearchService::Domain",
        ("EngineVersion",),
        Rule.ALWAYS,
        f"{_REFERENCE}without EnableVersionUpgrade, updating it results in replacement",
        update_policy="EnableVersionUpgrade",
    ),
    Correction(
        "AWS::Elasticsearch::Domain",
        ("ElasticsearchVersion",),
        Rule.ALWAYS,
        f"{_REFERENCE}without EnableVersionUpgrade, updating it results in replacement",
        update_policy="EnableVersionUpgrade",
    ),
    Correction(
        "AWS::OpenSearchService::Domain",
        ("VPCOptions",),
        Rule.WHEN_REMOVED,
        f"{_REFERENCE}removing it altogether causes a replacement",
    ),
    # compute and network
    Correction(
        "AWS::AutoScaling::AutoScalingGroup",
        (
            "LaunchConfigurationName",
            "LaunchTemplate",
            "MixedInstancesPolicy",
            "VPCZoneIdentifier",
        ),
        Rule.ALWAYS,
        f"{_POLICY}AutoScalingReplacingUpdate: whether the group is replaced, or only "
        "its instances",
        only_with="AutoScalingReplacingUpdate/WillReplace",
    ),
    Correction(
        "AWS::ElasticLoadBalancing::LoadBalancer",
        ("AvailabilityZones", "HealthCheck", "Subnets"),
        Rule.WHEN_ADDED_OR_REMOVED,
        f"{_REFERENCE}replacement if there was none before or all are removed, "
        "otherwise no interruption",
    ),
    Correction(
        "AWS::EC2::VPC",
        ("InstanceTenancy",),
        Rule.ALWAYS,
        f"{_REFERENCE}no replacement only from dedicated to default",
        upgrades=(("dedicated", "default"),),
    ),
    Correction(
        "AWS::SSM::Document",
        (
            "Attachments",
            "Content",
            "DocumentFormat",
            "Requires",
            "TargetType",
            "VersionName",
        ),
        Rule.ALWAYS,
        f"{_REFERENCE}UpdateMethod: Replace is the default, NewVersion keeps the document",
        unless=(("UpdateMethod", "NewVersion"),),
    ),
)
"""When a change replaces its resource, by type and properties."""

LEFT_BEHIND: dict[str, str] = {
    "AWS::RDS::DBCluster": "its automated backups too, manual snapshots stay",
    "AWS::RDS::DBInstance": "its automated backups too, manual snapshots stay",
    "AWS::Redshift::Cluster": "its automated snapshots too, manual ones stay",
    "AWS::DocDB::DBCluster": "its automated backups too, manual snapshots stay",
    "AWS::Neptune::DBCluster": "its automated backups too, manual snapshots stay",
}
"""Type → what becomes of the copies when it is deleted or replaced.

RDS: "If a DB instance is deleted or replaced during an update, CloudFormation deletes all
automated snapshots. However, it retains manual DB snapshots" (resource reference); the
same for clusters (DeleteDBCluster, DeleteCluster)."""
