"""RDS instances with read replicas, and global clusters."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.resources.calls import CallError, call, truth
from tapgen.emulator.resources.keys import here, in_region
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    original,
    tag_list,
)
from tapgen.emulator.services.patches import database_states


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind(
            "AWS::RDS::DBInstance",
            _make_instance,
            _delete_instance,
            _change_instance,
            named_by="DBInstanceIdentifier",
        ),
        Kind(
            "AWS::RDS::GlobalCluster",
            _make_global_cluster,
            _delete_global_cluster,
            _change_global_cluster,
            named_by="GlobalClusterIdentifier",
        ),
    ]


# --- DB instance ----------------------------------------------------------------------


def _records() -> Any:
    """ministack's DB instances of the current account and region, by identifier."""
    return importlib.import_module("ministack.services.rds")._instances


def _make_instance(request: Request) -> Created:
    properties = dict(request.properties)
    name = request.name("DBInstanceIdentifier", longest=63, lowercase=True)
    if name in _records():
        raise CallError(
            "Rds", "DBInstanceAlreadyExists", "DB instance already exists", 400
        )
    source = properties.get("SourceDBInstanceIdentifier")
    origin = _source(str(source)) if source else None
    if origin is not None:
        properties = {**_inherited(origin), **properties}
    make = original("AWS::RDS::DBInstance")["create"]
    _, attributes = make(request.logical_id, properties, request.stack)
    record = _records()[name]
    _tag(record)
    if origin is not None:
        _follow(record, origin)
        if "BackupRetentionPeriod" not in request.properties:
            record["BackupRetentionPeriod"] = 0
    _remember(record, request.properties)
    if truth(properties.get("ManageMasterUserPassword", False)):
        _keep_password(record, properties)
    return name, {**attributes, **_instance_attributes(record)}


def _tag(record: dict[str, Any]) -> None:
    """Store the tags for ListTagsForResource too, which has a store of its own."""
    tags = importlib.import_module("ministack.services.rds")._tags
    tags[record["DBInstanceArn"]] = list(record.get("TagList", []))


def _instance_attributes(record: Mapping[str, Any]) -> Attributes:
    found = {"Endpoint.HostedZoneId": record["Endpoint"]["HostedZoneId"]}
    secret = record.get("MasterUserSecret")
    if secret:
        found["MasterUserSecret.SecretArn"] = secret["SecretArn"]
    return found


def _remember(record: dict[str, Any], properties: Properties) -> None:
    """Store what DescribeDBInstances returns and ministack's handler drops."""
    record["EnabledCloudwatchLogsExports"] = list(
        properties.get("EnableCloudwatchLogsExports") or []
    )
    for name in ("CACertificateIdentifier", "Iops", "PerformanceInsightsKMSKeyId"):
        if name in properties:
            record[name] = properties[name]
    if truth(properties.get("EnablePerformanceInsights", False)):
        record["PerformanceInsightsRetentionPeriod"] = int(
            properties.get("PerformanceInsightsRetentionPeriod", 7)
        )


def _keep_password(record: dict[str, Any], properties: Properties) -> None:
    wanted = properties.get("MasterUserSecret") or {}
    answer = call(
        "secretsmanager",
        "CreateSecret",
        Name=f"rds!{record['DbiResourceId'].lower()}",
        KmsKeyId=wanted.get("KmsKeyId"),
        SecretString={"username": record["MasterUsername"], "password": "generated"},
    )
    record["MasterUserSecret"] = {
        "SecretArn": answer["ARN"],
        "SecretStatus": "active",
        "KmsKeyId": wanted.get("KmsKeyId") or "alias/aws/secretsmanager",
    }


# --- Read replica: points at its source, and the source at it --------------------------


def _region_of(source: str) -> str:
    """A source in another region is given by its ARN."""
    return source.split(":")[3] if source.startswith("arn:") else here()


def _source(source: str) -> Mapping[str, Any]:
    """The instance to replicate; refused as AWS does when it cannot be."""
    name = source.rpartition(":")[2]
    with in_region(_region_of(source)):
        record: Mapping[str, Any] | None = _records().get(name)
    if record is None:
        raise CallError(
            "Rds", "DBInstanceNotFound", f"DBInstance {source} not found.", 404
        )
    if not int(record.get("BackupRetentionPeriod", 0)):
        raise CallError(
            "Rds",
            "InvalidDBInstanceState",
            "Automated backups are not enabled for this database instance. To enable "
            "automated backups, use ModifyDBInstance to set the backup retention period "
            "to a non-zero value.",
            400,
        )
    return record


def _inherited(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a replica has because its source has it."""
    names = (
        "AllocatedStorage",
        "DBInstanceClass",
        "DBName",
        "Engine",
        "EngineVersion",
        "MasterUsername",
        "StorageEncrypted",
        "StorageType",
    )
    return {name: source[name] for name in names if name in source}


def _follow(record: dict[str, Any], source: Mapping[str, Any]) -> None:
    """Link replica and source; across regions each has the other's ARN."""
    abroad = source["DBInstanceArn"].split(":")[3] != here()
    known_as = "DBInstanceArn" if abroad else "DBInstanceIdentifier"
    record["ReadReplicaSourceDBInstanceIdentifier"] = source[known_as]
    record["_MasterUserPassword"] = source.get("_MasterUserPassword", "")
    record["StatusInfos"] = [
        {"StatusType": "read replication", "Normal": True, "Status": "replicating"}
    ]
    source["ReadReplicaDBInstanceIdentifiers"].append(record[known_as])


def _part(record: dict[str, Any]) -> None:
    """Undo `_follow`, for a promoted or deleted replica."""
    if record.get("ReadReplicaSourceDBInstanceIdentifier"):
        database_states.part(record)


def _change_instance(physical_id: str, old: Properties, new: Properties) -> Attributes:
    source = "SourceDBInstanceIdentifier"
    # A template promotes a replica by removing the source.
    promotes = old.get(source) and not new.get(source)
    if promotes:
        _refuse_promotion(_records().get(physical_id) or {})
    update = original("AWS::RDS::DBInstance")["update"]
    # Under its own identifier, so that ministack's handler never takes it for another.
    old_, new_ = ({**p, "DBInstanceIdentifier": physical_id} for p in (old, new))
    _, attributes = update(physical_id, old_, new_, "", physical_id)
    record = _records()[physical_id]
    _tag(record)
    _remember(record, new)
    if promotes:
        _part(record)
    return {**attributes, **_instance_attributes(record)}


def _refuse_promotion(record: Mapping[str, Any]) -> None:
    # A procedure may have promoted it before.
    replica = record.get("ReadReplicaSourceDBInstanceIdentifier")
    refused = database_states.refusal(record) if replica else None
    if refused:
        raise CallError("Rds", *refused, 400)


def _delete_instance(physical_id: str, properties: Properties) -> None:
    record = _records().get(physical_id)
    if record is None:
        return
    if record.get("DeletionProtection"):
        raise CallError(
            "Rds",
            "InvalidParameterCombination",
            "Cannot delete protected DB Instance, please disable deletion protection "
            "and try again.",
            400,
        )
    _part(record)
    original("AWS::RDS::DBInstance")["delete"](physical_id, properties)
    secret = record.get("MasterUserSecret")
    if secret:
        call(
            "secretsmanager",
            "DeleteSecret",
            SecretId=secret["SecretArn"],
            ForceDeleteWithoutRecovery=True,
        )


# --- Global cluster -------------------------------------------------------------------


def _make_global_cluster(request: Request) -> Created:
    properties = request.properties
    name = request.name("GlobalClusterIdentifier", longest=63, lowercase=True)
    answer = call(
        "rds",
        "CreateGlobalCluster",
        **{**properties, "GlobalClusterIdentifier": name, "Tags": tag_list(properties)},
    )
    return name, _global_attributes(answer["GlobalCluster"])


def _global_attributes(cluster: Mapping[str, Any]) -> Attributes:
    endpoint = cluster.get("Endpoint")
    return {"GlobalEndpoint.Address": endpoint} if endpoint else {}


def _change_global_cluster(
    physical_id: str, old: Properties, new: Properties
) -> Attributes:
    answer = call(
        "rds",
        "ModifyGlobalCluster",
        GlobalClusterIdentifier=physical_id,
        DeletionProtection=new.get("DeletionProtection", False),
        EngineVersion=new.get("EngineVersion"),
    )
    return _global_attributes(answer["GlobalCluster"])


def _delete_global_cluster(physical_id: str, properties: Properties) -> None:
    found = call("rds", "DescribeGlobalClusters", GlobalClusterIdentifier=physical_id)
    # CloudFormation detaches the writer; secondaries must be gone.
    for member in found["GlobalClusters"][0].get("GlobalClusterMembers", []):
        if member.get("IsWriter"):
            call(
                "rds",
                "RemoveFromGlobalCluster",
                GlobalClusterIdentifier=physical_id,
                DbClusterIdentifier=member["DBClusterArn"],
            )
    call("rds", "DeleteGlobalCluster", GlobalClusterIdentifier=physical_id)
