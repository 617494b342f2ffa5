"""What relational and other database services refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.knowledge.refusals.model import Refusal, Rule

_FORWARD = (
    "keep the version, or make a new one beside it and move the data: an engine never "
    "goes back to an earlier version in place"
)
_LARGER = "keep the size, or make a smaller one beside it and move the data: storage only grows"
_DB: Mapping[str, Any] = {
    "Engine": "postgres",
    "EngineVersion": "17.2",
    "DBInstanceClass": "db.t4g.medium",
    "AllocatedStorage": "50",
    "MasterUsername": "writer",
    "MasterUserPassword": "not-a-secret",
}
_CLUSTER: Mapping[str, Any] = {
    "Engine": "aurora-postgresql",
    "EngineVersion": "16.8",
    "MasterUsername": "writer",
    "MasterUserPassword": "not-a-secret",
}
_CACHE: Mapping[str, Any] = {
    "ReplicationGroupDescription": "sessions",
    "Engine": "redis",
    "EngineVersion": "7.1",
    "CacheNodeType": "cache.t4g.small",
    "NumCacheClusters": 2,
    "AutomaticFailoverEnabled": True,
}
_DOMAIN: Mapping[str, Any] = {
    "EngineVersion": "OpenSearch_2.11",
    "EncryptionAtRestOptions": {"Enabled": True},
    "NodeToNodeEncryptionOptions": {"Enabled": True},
    "DomainEndpointOptions": {"EnforceHTTPS": True},
    "EBSOptions": {"EBSEnabled": True, "VolumeSize": 20},
}
_SUBNETS: Mapping[str, Any] = {
    "DBSubnetGroupDescription": "of the databases",
    "SubnetIds": ["subnet-1", "subnet-2"],
}

DATABASES: tuple[Refusal, ...] = (
    Refusal(
        type="AWS::RDS::DBInstance",
        path="AllocatedStorage",
        rule=Rule.DECREASED,
        words=(
            "Invalid storage size for engine name {Engine} and storage type "
            "{StorageType}: {new}"
        ),
        advice=_LARGER,
        source="aws-cloudformation/cloudformation-coverage-roadmap#430",
        checked=(
            "aws-cloudformation/aws-cloudformation-resource-providers-rds#598 (event) "
            "and #378 (RDS is known to reject a reduced AllocatedStorage)"
        ),
        before=_DB,
        after={**_DB, "AllocatedStorage": "20"},
        neutral={**_DB, "AllocatedStorage": "60"},
    ),
    Refusal(
        type="AWS::RDS::DBInstance",
        path="EngineVersion",
        rule=Rule.OLDER,
        same=("Engine",),
        words="Cannot upgrade {Engine} from {old} to {new}",
        advice=_FORWARD,
        source="hashicorp/terraform#22462",
        checked=(
            "aws-cloudformation/aws-cloudformation-resource-providers-rds#202, "
            "n8n-io/n8n-hosting#169"
        ),
        before=_DB,
        after={**_DB, "EngineVersion": "16.4"},
        neutral={**_DB, "EngineVersion": "17.4"},
    ),
    Refusal(
        type="AWS::RDS::DBInstance",
        path="EngineVersion",
        rule=Rule.CHANGED,
        held={"DBClusterIdentifier": (), "EngineVersion": ()},
        then={"EngineVersion": ()},
        words=(
            "The specified DB Instance is a member of a cluster. Modify the DB engine "
            "version for the DB Cluster using the ModifyDbCluster API"
        ),
        advice="change EngineVersion of the DBCluster, and leave it out of its instances",
        source="aws/aws-cdk#21899",
        checked="aws/aws-cdk#22180",
        before={
            "Engine": "aurora-postgresql",
            "EngineVersion": "16.4",
            "DBInstanceClass": "db.r6g.large",
            "DBClusterIdentifier": "orders",
        },
        after={
            "Engine": "aurora-postgresql",
            "EngineVersion": "16.6",
            "DBInstanceClass": "db.r6g.large",
            "DBClusterIdentifier": "orders",
        },
        neutral={
            "Engine": "aurora-postgresql",
            "EngineVersion": "16.4",
            "DBInstanceClass": "db.r6g.xlarge",
            "DBClusterIdentifier": "orders",
        },
    ),
    Refusal(
        type="AWS::RDS::DBCluster",
        path="EngineVersion",
        rule=Rule.OLDER,
        same=("Engine",),
        words=("Cannot find upgrade target from {old} with requested version {new}."),
        advice=_FORWARD,
        source=(
            "Aurora user guide, Upgrading Amazon Aurora: there is no downgrade in place"
        ),
        checked="pulumi/pulumi-aws#5756, ministack 1.5.33 (the words)",
        before=_CLUSTER,
        after={**_CLUSTER, "EngineVersion": "15.12"},
        neutral={**_CLUSTER, "EngineVersion": "16.9"},
    ),
    Refusal(
        type="AWS::RDS::DBCluster",
        path="AllocatedStorage",
        rule=Rule.DECREASED,
        words="Invalid storage size for engine name {Engine}: {new}",
        advice=_LARGER,
        source="API reference of RDS, ModifyDBCluster: Multi-AZ DB clusters only grow",
        before={**_CLUSTER, "Engine": "postgres", "AllocatedStorage": 200},
        after={**_CLUSTER, "Engine": "postgres", "AllocatedStorage": 100},
        neutral={**_CLUSTER, "Engine": "postgres", "AllocatedStorage": 400},
    ),
    Refusal(
        type="AWS::RDS::GlobalCluster",
        path="EngineVersion",
        rule=Rule.OLDER,
        same=("Engine",),
        words=("Cannot find upgrade target from {old} with requested version {new}."),
        advice=_FORWARD,
        source="API reference of RDS, ModifyGlobalCluster, EngineVersion: upgrades only",
        before={"Engine": "aurora-postgresql", "EngineVersion": "16.8"},
        after={"Engine": "aurora-postgresql", "EngineVersion": "15.12"},
        neutral={"Engine": "aurora-postgresql", "EngineVersion": "16.9"},
    ),
    Refusal(
        type="AWS::RDS::DBSubnetGroup",
        path="SubnetIds",
        rule=Rule.OTHER_VPC,
        words="The new Subnets are not in the same Vpc as the existing subnet group",
        advice=(
            "give the subnet group another logical id and name, move the databases to "
            "it (a snapshot, restored in the new VPC), and remove the old one after that"
        ),
        source="hashicorp/terraform-provider-aws#27459",
        checked="hashicorp/terraform-provider-aws#16419",
        before=_SUBNETS,
        after={**_SUBNETS, "SubnetIds": ["subnet-3", "subnet-4"]},
        neutral={**_SUBNETS, "SubnetIds": ["subnet-2", "subnet-1"]},
    ),
    Refusal(
        type="AWS::DocDB::DBCluster",
        path="EngineVersion",
        rule=Rule.OLDER,
        words="Cannot upgrade docdb from {old} to {new}",
        advice=_FORWARD,
        source=(
            "DocumentDB developer guide, in-place major version upgrade: an upgraded "
            "cluster cannot go back"
        ),
        before={
            "EngineVersion": "5.0.0",
            "MasterUsername": "writer",
            "MasterUserPassword": "not-a-secret",
        },
        after={
            "EngineVersion": "4.0.0",
            "MasterUsername": "writer",
            "MasterUserPassword": "not-a-secret",
        },
        neutral={
            "EngineVersion": "5.0.0",
            "MasterUsername": "writer",
            "MasterUserPassword": "not-a-secret",
            "BackupRetentionPeriod": 3,
        },
    ),
    Refusal(
        type="AWS::Neptune::DBCluster",
        path="EngineVersion",
        rule=Rule.OLDER,
        words="Cannot upgrade neptune from {old} to {new}",
        advice=_FORWARD,
        source=(
            "Neptune user guide, Managing engine updates: only versions that are higher than "
            "the current one and have an upgrade path are available"
        ),
        before={"EngineVersion": "1.3.2.1"},
        after={"EngineVersion": "1.2.1.0"},
        neutral={"EngineVersion": "1.4.1.0"},
    ),
    Refusal(
        type="AWS::ElastiCache::ReplicationGroup",
        path="EngineVersion",
        rule=Rule.OLDER,
        same=("Engine",),
        words="Cannot downgrade engine version from {old} to {new}",
        advice=_FORWARD,
        source=(
            "resource reference of AWS::ElastiCache::ReplicationGroup, EngineVersion: "
            "you cannot downgrade to an earlier engine version"
        ),
        before=_CACHE,
        after={**_CACHE, "EngineVersion": "6.2"},
        neutral={**_CACHE, "CacheNodeType": "cache.t4g.medium"},
    ),
    Refusal(
        type="AWS::ElastiCache::ReplicationGroup",
        path="ClusterMode",
        rule=Rule.CHANGED,
        held={"ClusterMode": ("disabled",)},
        then={"ClusterMode": ("enabled",)},
        words=(
            "To modify cluster mode from Disabled to Enabled, you must first set the "
            "cluster mode to Compatible"
        ),
        advice=(
            "roll out twice: first with ClusterMode: compatible, then, when all clients "
            "use cluster mode, with enabled"
        ),
        source="resource reference of AWS::ElastiCache::ReplicationGroup, ClusterMode",
        checked="hashicorp/terraform-provider-aws#35636",
        before={**_CACHE, "ClusterMode": "disabled"},
        after={**_CACHE, "ClusterMode": "enabled"},
        neutral={**_CACHE, "ClusterMode": "compatible"},
    ),
    Refusal(
        type="AWS::ElastiCache::ReplicationGroup",
        path="TransitEncryptionMode",
        rule=Rule.CHANGED,
        held={"TransitEncryptionEnabled": ("false", "")},
        then={
            "TransitEncryptionEnabled": ("true",),
            "TransitEncryptionMode": ("required",),
        },
        words=(
            "To enable transit encryption, set the transit encryption mode to "
            "preferred first"
        ),
        advice=(
            "roll out twice: first with TransitEncryptionMode: preferred, then, when "
            "all clients use TLS, with required"
        ),
        source="API reference of ElastiCache, ModifyReplicationGroup",
        checked="n8n-io/terraform-aws-n8n#76 (review)",
        before={**_CACHE, "TransitEncryptionEnabled": False},
        after={
            **_CACHE,
            "TransitEncryptionEnabled": True,
            "TransitEncryptionMode": "required",
        },
        neutral={
            **_CACHE,
            "TransitEncryptionEnabled": True,
            "TransitEncryptionMode": "preferred",
        },
    ),
    Refusal(
        type="AWS::ElastiCache::ReplicationGroup",
        path="AutomaticFailoverEnabled",
        rule=Rule.CHANGED,
        held={"ClusterMode": ("enabled",), "AutomaticFailoverEnabled": ("true",)},
        then={"AutomaticFailoverEnabled": ("false",)},
        words=(
            "Turning off automatic failover for replication group with cluster mode "
            "enabled is not supported."
        ),
        advice="keep AutomaticFailoverEnabled: true while ClusterMode is enabled",
        source="aws-cloudformation/cloudformation-coverage-roadmap#1275",
        before={**_CACHE, "ClusterMode": "enabled"},
        after={**_CACHE, "ClusterMode": "enabled", "AutomaticFailoverEnabled": False},
        neutral={**_CACHE, "ClusterMode": "enabled", "NumCacheClusters": 3},
    ),
    Refusal(
        type="AWS::ElastiCache::CacheCluster",
        path="EngineVersion",
        rule=Rule.OLDER,
        same=("Engine",),
        words="Cannot downgrade engine version from {old} to {new}",
        advice=_FORWARD,
        source=(
            "resource reference of AWS::ElastiCache::CacheCluster, EngineVersion: you "
            "cannot downgrade to an earlier engine version"
        ),
        before={
            "Engine": "memcached",
            "EngineVersion": "1.6.22",
            "CacheNodeType": "cache.t4g.small",
            "NumCacheNodes": 1,
        },
        after={
            "Engine": "memcached",
            "EngineVersion": "1.6.12",
            "CacheNodeType": "cache.t4g.small",
            "NumCacheNodes": 1,
        },
        neutral={
            "Engine": "memcached",
            "EngineVersion": "1.6.22",
            "CacheNodeType": "cache.t4g.medium",
            "NumCacheNodes": 1,
        },
    ),
    Refusal(
        type="AWS::MemoryDB::Cluster",
        path="EngineVersion",
        rule=Rule.OLDER,
        same=("Engine",),
        words="Cannot downgrade engine version from {old} to {new}",
        advice=_FORWARD,
        source=(
            "API reference of MemoryDB, UpdateCluster, EngineVersion: you cannot downgrade "
            "to an earlier engine version"
        ),
        before={
            "ClusterName": "sessions",
            "NodeType": "db.t4g.small",
            "ACLName": "open-access",
            "EngineVersion": "7.1",
        },
        after={
            "ClusterName": "sessions",
            "NodeType": "db.t4g.small",
            "ACLName": "open-access",
            "EngineVersion": "6.2",
        },
        neutral={
            "ClusterName": "sessions",
            "NodeType": "db.t4g.medium",
            "ACLName": "open-access",
            "EngineVersion": "7.1",
        },
    ),
    Refusal(
        type="AWS::OpenSearchService::Domain",
        path="NodeToNodeEncryptionOptions/Enabled",
        rule=Rule.CHANGED,
        held={"NodeToNodeEncryptionOptions/Enabled": ("true",)},
        default=False,
        words=(
            "Disabling node-to-node encryption is not supported for an existing domain"
        ),
        advice=(
            "keep node-to-node encryption, or make another domain and restore a "
            "snapshot there"
        ),
        source=(
            "OpenSearch Service developer guide, Node-to-node encryption: after you "
            "enable it, you can't disable it"
        ),
        checked=(
            "AWSSupportRemediator-EnableOpenSearchNodeToNodeEncryption (you cannot "
            "reverse it through the API)"
        ),
        before=_DOMAIN,
        after={**_DOMAIN, "NodeToNodeEncryptionOptions": {"Enabled": False}},
        neutral={**_DOMAIN, "EBSOptions": {"EBSEnabled": True, "VolumeSize": 30}},
    ),
    Refusal(
        type="AWS::RDS::DBClusterEndpoint",
        path="StaticMembers",
        rule=Rule.REMOVED,
        held={"ExcludedMembers": ("",)},
        then={"ExcludedMembers": ("",)},
        words=(
            "Once either member list is set, it can be changed or replaced by the "
            "other list, but both lists cannot be removed in place"
        ),
        advice="give the endpoint another logical id and identifier, which makes a new one",
        source="registry schema of AWS::RDS::DBClusterEndpoint, StaticMembers",
        before={
            "DBClusterIdentifier": "orders",
            "EndpointType": "READER",
            "StaticMembers": ["orders-1"],
        },
        after={"DBClusterIdentifier": "orders", "EndpointType": "READER"},
        neutral={
            "DBClusterIdentifier": "orders",
            "EndpointType": "READER",
            "StaticMembers": ["orders-2"],
        },
    ),
)
"""Refusals of RDS, DocumentDB, Neptune, ElastiCache, OpenSearch Service and others."""
