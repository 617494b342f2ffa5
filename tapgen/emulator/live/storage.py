"""Live properties of buckets, tables and databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tapgen.emulator.live.reading import (
    Covering,
    Live,
    Properties,
    is_set,
    optional,
    tags,
)
from tapgen.emulator.resources.calls import call, fitted_to
from tapgen.emulator.resources.storage import lifecycle_rule, replication_rule


def _bucket(name: str, properties: Properties) -> Live:
    versioning = call("s3", "GetBucketVersioning", Bucket=name)
    live: Live = {"BucketName": name}
    if versioning.get("Status"):
        live["VersioningConfiguration"] = {"Status": versioning["Status"]}
    for property_, read in _BUCKET.items():
        if is_set(properties, property_):
            found = read(name, properties[property_])
            if found:
                live[property_] = found
    found = optional("s3", "GetBucketTagging", Bucket=name).get("TagSet", [])
    return {**live, "Tags": tags(found)}


def _encryption(bucket: str, wanted: Any) -> Any:
    answer = optional("s3", "GetBucketEncryption", Bucket=bucket)
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    renamed = [
        {k.replace("ApplyServer", "Server"): v for k, v in rule.items()}
        for rule in rules
    ]
    return {"ServerSideEncryptionConfiguration": renamed} if renamed else None


def _public_access(bucket: str, wanted: Any) -> Any:
    answer = optional("s3", "GetPublicAccessBlock", Bucket=bucket)
    return answer.get("PublicAccessBlockConfiguration")


def _ownership(bucket: str, wanted: Any) -> Any:
    answer = optional("s3", "GetBucketOwnershipControls", Bucket=bucket)
    return answer.get("OwnershipControls")


def _lifecycle(bucket: str, wanted: Any) -> Any:
    answer = optional("s3", "GetBucketLifecycleConfiguration", Bucket=bucket)
    rules = answer.get("Rules", [])
    sent = _sent(
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
        [lifecycle_rule(rule) for rule in wanted.get("Rules", [])],
    )
    return {"Rules": _matched(wanted.get("Rules", []), sent, rules, _as_expiry)}


def _replication(bucket: str, wanted: Any) -> Any:
    answer = optional("s3", "GetBucketReplication", Bucket=bucket)
    found = answer.get("ReplicationConfiguration")
    if found is None:
        return None
    sent = _sent(
        "PutBucketReplication",
        "ReplicationConfiguration",
        [replication_rule(rule) for rule in wanted.get("Rules", [])],
        Role=wanted.get("Role"),
    )
    rules = _matched(wanted.get("Rules", []), sent, found.get("Rules", []), _as_copy)
    return {"Role": found.get("Role"), "Rules": rules}


def _sent(operation: str, member: str, rules: list[Any], **more: Any) -> list[Any]:
    """Rules as they were sent to the service."""
    request = {"Bucket": "b", member: {"Rules": rules, **more}}
    found: list[Any] = fitted_to("s3", operation, request)[member]["Rules"]
    return found


def _matched(
    wanted: list[Any], sent: list[Any], found: list[Any], show: Callable[[Any], Any]
) -> list[Any]:
    """What the service has, in the template's form where it equals what was sent."""
    known = list(zip(wanted, sent, strict=True))
    shown = []
    for rule in found:
        same = [w for w, s in known if _plain(s) == _plain(rule)]
        shown.append(same[0] if same else show(rule))
    return shown


def _plain(value: Any) -> Any:
    """A value without empty parts, to compare two ways to write the same."""
    if isinstance(value, Mapping):
        plain = {k: _plain(v) for k, v in value.items() if k != "Prefix" or v}
        return {k: v for k, v in sorted(plain.items()) if v not in ({}, [], None)}
    return [_plain(v) for v in value] if isinstance(value, list) else str(value)


def _as_expiry(rule: Mapping[str, Any]) -> Live:
    """A lifecycle rule of S3 as a template writes it."""
    live: Live = {"Status": rule["Status"]}
    if rule.get("ID"):
        live["Id"] = rule["ID"]
    expiration = rule.get("Expiration") or {}
    for name, days in (("ExpirationInDays", "Days"), ("ExpirationDate", "Date")):
        if days in expiration:
            live[name] = expiration[days]
    if rule.get("Transitions"):
        live["Transitions"] = [
            {"TransitionInDays": t.get("Days"), "StorageClass": t.get("StorageClass")}
            for t in rule["Transitions"]
        ]
    for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if rule.get(name):
            live[name] = rule[name]
    prefix = (rule.get("Filter") or {}).get("Prefix") or rule.get("Prefix")
    return {**live, "Prefix": prefix} if prefix else live


def _as_copy(rule: Mapping[str, Any]) -> Live:
    """A replication rule of S3 as a template writes it."""
    return {("Id" if k == "ID" else k): v for k, v in rule.items()}


def _logging(bucket: str, wanted: Any) -> Any:
    enabled = call("s3", "GetBucketLogging", Bucket=bucket).get("LoggingEnabled")
    if not enabled:
        return None
    return {
        "DestinationBucketName": enabled["TargetBucket"],
        "LogFilePrefix": enabled.get("TargetPrefix", ""),
    }


_BUCKET: Mapping[str, Callable[[str, Any], Any]] = {
    "BucketEncryption": _encryption,
    "LifecycleConfiguration": _lifecycle,
    "LoggingConfiguration": _logging,
    "OwnershipControls": _ownership,
    "PublicAccessBlockConfiguration": _public_access,
    "ReplicationConfiguration": _replication,
}


# --- Tables ---------------------------------------------------------------------------


def _table(name: str, properties: Properties) -> Live:
    table = call("dynamodb", "DescribeTable", TableName=name)["Table"]
    billing = (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
    live = {
        "AttributeDefinitions": table["AttributeDefinitions"],
        "BillingMode": billing,
        "DeletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
        "KeySchema": table["KeySchema"],
        "TableName": table["TableName"],
    }
    if billing == "PROVISIONED":
        live["ProvisionedThroughput"] = table.get("ProvisionedThroughput", {})
    if (table.get("StreamSpecification") or {}).get("StreamViewType"):
        live["StreamSpecification"] = table["StreamSpecification"]
    live.update(_table_settings(name, properties, table))
    found = call("dynamodb", "ListTagsOfResource", ResourceArn=table["TableArn"])
    return {**live, "Tags": tags(found.get("Tags", []))}


def _table_settings(
    name: str, properties: Properties, table: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    if is_set(properties, "PointInTimeRecoverySpecification"):
        answer = call("dynamodb", "DescribeContinuousBackups", TableName=name)
        backups = answer["ContinuousBackupsDescription"]
        status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        enabled = {"PointInTimeRecoveryEnabled": status == "ENABLED"}
        yield "PointInTimeRecoverySpecification", enabled
    if is_set(properties, "TimeToLiveSpecification"):
        answer = call("dynamodb", "DescribeTimeToLive", TableName=name)
        found = answer["TimeToLiveDescription"]
        live = {"Enabled": found["TimeToLiveStatus"] in ("ENABLED", "ENABLING")}
        if "AttributeName" in found:
            live["AttributeName"] = found["AttributeName"]
        yield "TimeToLiveSpecification", live
    if is_set(properties, "SSESpecification"):
        found = table.get("SSEDescription") or {}
        live = {"SSEEnabled": found.get("Status") in ("ENABLED", "ENABLING")}
        for member, template in (
            ("SSEType", "SSEType"),
            ("KMSMasterKeyArn", "KMSMasterKeyId"),
        ):
            if member in found:
                live[template] = found[member]
        yield "SSESpecification", live


# --- Databases ------------------------------------------------------------------------

# Template -> DescribeDBInstances, where the names differ.
_DATABASE = {
    "AllocatedStorage": "AllocatedStorage",
    "AutoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod": "BackupRetentionPeriod",
    "CopyTagsToSnapshot": "CopyTagsToSnapshot",
    "DBInstanceClass": "DBInstanceClass",
    "DeletionProtection": "DeletionProtection",
    "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled",
    "EnablePerformanceInsights": "PerformanceInsightsEnabled",
    "Engine": "Engine",
    "EngineVersion": "EngineVersion",
    "Iops": "Iops",
    "MaxAllocatedStorage": "MaxAllocatedStorage",
    "MonitoringInterval": "MonitoringInterval",
    "MultiAZ": "MultiAZ",
    "PreferredBackupWindow": "PreferredBackupWindow",
    "PreferredMaintenanceWindow": "PreferredMaintenanceWindow",
    "PubliclyAccessible": "PubliclyAccessible",
    "StorageEncrypted": "StorageEncrypted",
    "StorageType": "StorageType",
    "VPCSecurityGroups": "VpcSecurityGroups",
}


def _database(id_: str, properties: Properties) -> Live | None:
    answer = call("rds", "DescribeDBInstances", DBInstanceIdentifier=id_)
    found = answer["DBInstances"][0]
    live = {
        # A property that the answer leaves out cannot be compared.
        name: found.get(member, properties.get(name))
        for name, member in _DATABASE.items()
        if name in properties
    }
    if "VPCSecurityGroups" in live:
        groups = found.get("VpcSecurityGroups", [])
        live["VPCSecurityGroups"] = [g["VpcSecurityGroupId"] for g in groups]
    wanted = str(properties.get("EngineVersion", ""))
    if wanted and str(live["EngineVersion"]).startswith(f"{wanted}."):
        live["EngineVersion"] = properties["EngineVersion"]  # any minor version will do
    arn = found["DBInstanceArn"]
    listed = call("rds", "ListTagsForResource", ResourceName=arn).get("TagList", [])
    return {**live, "Tags": tags(listed)}


READERS: Mapping[str, Covering] = {
    "AWS::DynamoDB::Table": (
        _table,
        frozenset(
            {
                "AttributeDefinitions",
                "BillingMode",
                "DeletionProtectionEnabled",
                "KeySchema",
                "PointInTimeRecoverySpecification",
                "ProvisionedThroughput",
                "SSESpecification",
                "StreamSpecification",
                "TableName",
                "Tags",
                "TimeToLiveSpecification",
            }
        ),
    ),
    "AWS::RDS::DBInstance": (_database, frozenset(_DATABASE) | {"Tags"}),
    "AWS::S3::Bucket": (
        _bucket,
        frozenset(_BUCKET) | {"BucketName", "Tags", "VersioningConfiguration"},
    ),
}
