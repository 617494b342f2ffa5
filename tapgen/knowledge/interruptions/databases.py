"""What interrupts databases, caches, search and file systems."""

from __future__ import annotations

from tapgen.knowledge.interruptions.model import (
    REFERENCE,
    Effect,
    Interruption,
    one,
)

_INSTANCE = "AWS::RDS::DBInstance"
_CLUSTER = "AWS::RDS::DBCluster"
_MODIFYING = "RDS user guide, Settings for DB instances"
_FAILS_OVER = "fails over to the standby: away for a minute or two"
_AWAY = "away while it restarts, for some minutes"
_MULTI_AZ = (("MultiAZ", "true"),)
_MEMBER = (("DBClusterIdentifier", ""),)


def _instance(
    effect: Effect, words: str, given: tuple[tuple[str, str], ...] = ()
) -> Interruption:
    return Interruption(
        _INSTANCE,
        ("DBInstanceClass", "EngineVersion"),
        effect,
        words,
        f"{REFERENCE}; {_MODIFYING}: downtime occurs during this change",
        given=given,
    )


DATABASES: tuple[Interruption, ...] = (
    # relational databases
    Interruption(
        _INSTANCE,
        ("EngineVersion",),
        Effect.DOWNTIME,
        "away while the engine is upgraded, the standby too",
        "RDS user guide, Upgrading a DB instance engine version: both instances of a "
        "Multi-AZ deployment are upgraded at the same time",
        given=_MULTI_AZ,
    ),
    _instance(Effect.FAILOVER, _FAILS_OVER, _MULTI_AZ),
    _instance(
        Effect.REBOOT,
        "away while it restarts; a writer fails over to a reader",
        _MEMBER,
    ),
    _instance(Effect.DOWNTIME, _AWAY),
    one(
        _INSTANCE,
        "DBParameterGroupName",
        Effect.REBOOT,
        "restarts for the static parameters of the group",
        f"{REFERENCE}: if the group contains static parameters, an update triggers a "
        "reboot",
    ),
    one(
        _INSTANCE,
        "StorageType",
        Effect.BRIEF,
        "a short outage while the change starts, if the storage was or becomes magnetic",
        f"{REFERENCE}; {_MODIFYING}",
    ),
    Interruption(
        _INSTANCE,
        ("BackupRetentionPeriod",),
        Effect.DOWNTIME,
        "a short outage while backups are turned on or off",
        "RDS user guide, Backup retention period: an outage occurs if you change it from "
        "0 to a nonzero value or from a nonzero value to 0",
        passes=("0",),
    ),
    one(
        _INSTANCE,
        "MultiAZ",
        Effect.SLOWER,
        "stays available, and may answer more slowly meanwhile",
        f"{_MODIFYING}: downtime doesn't occur; possible performance impact",
    ),
    one(
        _INSTANCE,
        "CACertificateIdentifier",
        Effect.REBOOT,
        "restarts for the new certificate",
        f"{REFERENCE}: specifying or updating this property triggers a reboot",
    ),
    one(
        _INSTANCE,
        "ProcessorFeatures UseDefaultProcessorFeatures",
        Effect.REBOOT,
        _AWAY,
        f"{_MODIFYING}: processor features, downtime occurs",
    ),
    one(
        _INSTANCE,
        "DedicatedLogVolume",
        Effect.REBOOT,
        _AWAY,
        f"{_MODIFYING}: dedicated log volume, downtime occurs",
    ),
    one(
        _INSTANCE,
        "NetworkType",
        Effect.BRIEF,
        "a short outage is possible",
        f"{_MODIFYING}: network type, downtime is possible",
    ),
    one(
        _INSTANCE,
        "SourceDBInstanceIdentifier SourceDBClusterIdentifier",
        Effect.REBOOT,
        "is promoted: restarts, and no longer follows its source",
        "RDS user guide, Promoting a read replica: the DB instance is rebooted",
    ),
    one(
        _CLUSTER,
        "EngineVersion Engine",
        Effect.DOWNTIME,
        "all its instances are away while the engine is upgraded",
        f"{REFERENCE}; Aurora user guide, Upgrading the engine version",
    ),
    one(
        _CLUSTER,
        "DBClusterInstanceClass",
        Effect.DOWNTIME,
        "its instances restart one after another, the writer fails over",
        "RDS user guide, Settings for modifying Multi-AZ DB clusters: downtime occurs",
    ),
    one(
        _CLUSTER,
        "DBClusterParameterGroupName",
        Effect.REBOOT,
        "its instances may need to restart",
        f"{REFERENCE}: its DB instances might need to reboot, which can result in an "
        "outage",
    ),
    one(
        _CLUSTER,
        "Port",
        Effect.REBOOT,
        "all its instances restart, and clients need the new port",
        "Aurora user guide, Settings for Amazon Aurora, DB port: an outage occurs; all "
        "DB instances are rebooted immediately",
    ),
    one(
        _CLUSTER,
        "GlobalClusterIdentifier",
        Effect.STOPS,
        "leaves the global cluster: no longer follows the other regions",
        f"{REFERENCE}: an empty value removes it from the global database cluster",
    ),
    one(
        "AWS::RDS::GlobalCluster",
        "EngineVersion",
        Effect.DOWNTIME,
        "the clusters of all regions are away while the engine is upgraded",
        "Aurora user guide, Upgrading an Aurora global database",
    ),
    Interruption(
        "AWS::RDS::DBParameterGroup",
        ("Parameters",),
        Effect.REBOOT,
        "static parameters take effect with a restart of its instances",
        "RDS user guide, Working with DB parameter groups",
        static=True,
    ),
    Interruption(
        "AWS::RDS::DBClusterParameterGroup",
        ("Parameters",),
        Effect.REBOOT,
        "static parameters take effect with a restart of the instances",
        "Aurora user guide, Working with DB cluster parameter groups",
        static=True,
    ),
    # other databases and caches
    one(
        "AWS::DocDB::DBInstance",
        "DBInstanceClass",
        Effect.REBOOT,
        "away while it restarts; a primary fails over",
        f"{REFERENCE}: there can be some interruption in the cluster's service",
    ),
    one(
        "AWS::DocDB::DBCluster",
        "EngineVersion DBClusterParameterGroupName",
        Effect.DOWNTIME,
        "all its instances restart",
        "DocumentDB developer guide, Modifying a cluster",
    ),
    one(
        "AWS::Neptune::DBInstance",
        "DBInstanceClass",
        Effect.REBOOT,
        "away while it restarts; a writer fails over",
    ),
    one(
        "AWS::Neptune::DBInstance",
        "DBParameterGroupName",
        Effect.REBOOT,
        "restarts for the static parameters of the group",
        f"{REFERENCE}: the DB instance might need to be restarted",
    ),
    one(
        "AWS::Neptune::DBCluster",
        "EngineVersion DBClusterParameterGroupName",
        Effect.DOWNTIME,
        "all its instances restart",
        f"{REFERENCE}: an update may require some interruption",
    ),
    one(
        "AWS::Neptune::DBParameterGroup",
        "Parameters",
        Effect.REBOOT,
        "its instances restart, without a failover",
        f"{REFERENCE}: static parameters, changed or not, trigger a reboot",
    ),
    one(
        "AWS::ElastiCache::CacheCluster",
        "CacheNodeType EngineVersion",
        Effect.DOWNTIME,
        "its nodes are replaced and their connections cut",
        "ElastiCache user guide, Scaling; Version management",
    ),
    one(
        "AWS::ElastiCache::CacheCluster",
        "AZMode NumCacheNodes PreferredAvailabilityZone PreferredAvailabilityZones",
        Effect.BRIEF,
        "nodes come and go, with what they cache",
    ),
    Interruption(
        "AWS::ElastiCache::ReplicationGroup",
        ("CacheNodeType", "EngineVersion"),
        Effect.FAILOVER,
        "each primary fails over to a replica: away for some seconds",
        "ElastiCache user guide, Scaling; Version management: minimal interruption with "
        "automatic failover",
        given=(("AutomaticFailoverEnabled", "true"),),
    ),
    one(
        "AWS::ElastiCache::ReplicationGroup",
        "CacheNodeType EngineVersion",
        Effect.DOWNTIME,
        "away while its nodes are replaced",
        "ElastiCache user guide, Scaling; Version management",
    ),
    one(
        "AWS::ElastiCache::ReplicationGroup",
        "AuthToken NodeGroupConfiguration NumNodeGroups",
        Effect.BRIEF,
        "clients may be cut off and have to connect again",
    ),
    one(
        "AWS::MemoryDB::Cluster",
        "EngineVersion NodeType",
        Effect.FAILOVER,
        "each primary fails over to a replica: away for some seconds",
        "MemoryDB developer guide, Scaling; Engine versions",
    ),
    one(
        "AWS::Redshift::Cluster",
        "ClusterType NodeType NumberOfNodes",
        Effect.DOWNTIME,
        "is resized: paused for some minutes, or read-only for hours",
        "Redshift management guide, Resizing a cluster",
    ),
    one(
        "AWS::Redshift::Cluster",
        "EnhancedVpcRouting",
        Effect.REBOOT,
        "restarts",
        "Redshift management guide, Enhanced VPC routing: the cluster is restarted",
    ),
    one(
        "AWS::Redshift::Cluster",
        "ClusterParameterGroupName ClusterVersion",
        Effect.REBOOT,
        "takes effect with a restart",
        "Redshift management guide, Parameter groups",
    ),
    one(
        "AWS::OpenSearchService::Domain",
        "AdvancedSecurityOptions ClusterConfig EncryptionAtRestOptions EngineVersion "
        "NodeToNodeEncryptionOptions VPCOptions",
        Effect.BLUE_GREEN,
        "moves to new nodes and stays available, with less capacity",
        "OpenSearch Service developer guide, Making configuration changes",
    ),
    one(
        "AWS::Elasticsearch::Domain",
        "AdvancedSecurityOptions ElasticsearchClusterConfig ElasticsearchVersion "
        "EncryptionAtRestOptions NodeToNodeEncryptionOptions VPCOptions",
        Effect.BLUE_GREEN,
        "moves to new nodes and stays available, with less capacity",
        f"{REFERENCE}; OpenSearch Service developer guide, Making configuration changes",
    ),
    one(
        "AWS::FSx::FileSystem",
        "WindowsConfiguration/ThroughputCapacity OntapConfiguration/ThroughputCapacity",
        Effect.BRIEF,
        "fails over, or is away for some minutes with one zone",
        "FSx user guides, Managing throughput capacity",
    ),
)
