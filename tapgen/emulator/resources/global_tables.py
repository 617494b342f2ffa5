"""DynamoDB global tables: one table, and its replicas in other regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.emulator.resources.calls import call, truth
from tapgen.emulator.resources.keys import here, in_region
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    dropped_tags,
    tag_list,
)
from tapgen.emulator.services.patches import table_replication


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind(
            "AWS::DynamoDB::GlobalTable",
            _make_table,
            _delete_table,
            _change_table,
            named_by="TableName",
            tags=None,
        ),
    ]


# What is not among the parameters of CreateTable, or has another form there.
_AFTERWARDS = {
    *("Replicas", "StreamSpecification", "SSESpecification"),
    *("MultiRegionConsistency", "GlobalTableWitnesses", "TimeToLiveSpecification"),
}


def _make_table(request: Request) -> Created:
    properties = request.properties
    name = request.name("TableName")
    answer = call("dynamodb", "CreateTable", **_table_settings(properties, name))
    local = _replicas(properties).get(here(), {})
    if local.get("Tags"):
        _tag_table(answer["TableDescription"]["TableArn"], {}, local)
    _set_replicas(name, {}, properties)
    _set_expiry(name, {}, properties)
    return name, _table_attributes(name)


def _replicas(properties: Properties) -> dict[str, Mapping[str, Any]]:
    return {str(r["Region"]): r for r in properties.get("Replicas") or []}


def _table_settings(properties: Properties, name: str) -> dict[str, Any]:
    """CreateTable's parameters; capacities and the key are written per replica."""
    local = _replicas(properties).get(here(), {})
    wanted = {key: value for key, value in properties.items() if key not in _AFTERWARDS}
    wanted["TableName"] = name
    wanted["DeletionProtectionEnabled"] = local.get("DeletionProtectionEnabled")
    wanted["TableClass"] = local.get("TableClass")
    if properties.get("StreamSpecification"):
        wanted["StreamSpecification"] = {
            "StreamEnabled": True,
            **properties["StreamSpecification"],
        }
    encryption = properties.get("SSESpecification") or {}
    if truth(encryption.get("SSEEnabled", False)):
        key = (local.get("SSESpecification") or {}).get("KMSMasterKeyId")
        wanted["SSESpecification"] = {
            "Enabled": True,
            "SSEType": encryption.get("SSEType", "KMS"),
            **({"KMSMasterKeyId": key} if key else {}),
        }
    if properties.get("BillingMode", "PROVISIONED") == "PROVISIONED":
        wanted["ProvisionedThroughput"] = {
            "ReadCapacityUnits": _capacity(local, "Read"),
            "WriteCapacityUnits": _capacity(properties, "Write"),
        }
    return {key: value for key, value in wanted.items() if value is not None}


def _capacity(settings: Mapping[str, Any], direction: str) -> int:
    given = settings.get(f"{direction}ProvisionedThroughputSettings") or {}
    scaled = given.get(f"{direction}CapacityAutoScalingSettings") or {}
    return int(scaled.get("MinCapacity") or given.get("ReadCapacityUnits") or 5)


def _set_replicas(name: str, old: Properties, new: Properties) -> None:
    """Add and remove replicas, then apply the settings of each region."""
    had, wanted = _replicas(old), _replicas(new)
    home = here()
    updates = [
        *({"Delete": {"RegionName": r}} for r in had if r not in wanted and r != home),
        *({"Create": {"RegionName": r}} for r in wanted if r not in had and r != home),
    ]
    if _is_strong(new) and updates:
        _set_strong(name, updates, "Create", new)
    else:
        # DynamoDB takes one change of replicas at a time.
        for update in updates:
            call("dynamodb", "UpdateTable", TableName=name, ReplicaUpdates=[update])
    table_replication.settle(name)
    for region, replica in wanted.items():
        with in_region(region):
            _set_replica(name, had.get(region, {}), replica)


def _is_strong(properties: Properties) -> bool:
    return properties.get("MultiRegionConsistency") == "STRONG"


def _set_strong(
    name: str, updates: list[dict[str, Any]], verb: str, properties: Properties
) -> None:
    """Add or delete all replicas and the witness at once: there is no way between."""
    witnesses = [
        {verb: {"RegionName": each["Region"]}}
        for each in properties.get("GlobalTableWitnesses") or []
    ]
    call(
        "dynamodb",
        "UpdateTable",
        TableName=name,
        ReplicaUpdates=updates,
        **({"MultiRegionConsistency": "STRONG"} if verb == "Create" else {}),
        **({"GlobalTableWitnessUpdates": witnesses} if witnesses else {}),
    )


def _set_replica(name: str, old: Properties, new: Properties) -> None:
    recovery = new.get("PointInTimeRecoverySpecification")
    if recovery != old.get("PointInTimeRecoverySpecification"):
        call(
            "dynamodb",
            "UpdateContinuousBackups",
            TableName=name,
            PointInTimeRecoverySpecification=recovery
            or {"PointInTimeRecoveryEnabled": False},
        )
    if new.get("DeletionProtectionEnabled") != old.get("DeletionProtectionEnabled"):
        call(
            "dynamodb",
            "UpdateTable",
            TableName=name,
            DeletionProtectionEnabled=new.get("DeletionProtectionEnabled", False),
        )
    if tag_list(new) != tag_list(old):
        table = call("dynamodb", "DescribeTable", TableName=name)["Table"]
        _tag_table(table["TableArn"], old, new)


def _tag_table(arn: str, old: Properties, new: Properties) -> None:
    dropped = dropped_tags(old, new)
    if dropped:
        call("dynamodb", "UntagResource", ResourceArn=arn, TagKeys=dropped)
    if tag_list(new):
        call("dynamodb", "TagResource", ResourceArn=arn, Tags=tag_list(new))


def _set_expiry(name: str, old: Properties, new: Properties) -> None:
    expiry = new.get("TimeToLiveSpecification")
    previous = old.get("TimeToLiveSpecification")
    if expiry == previous:
        return
    if expiry is None and previous is not None:
        expiry = {**previous, "Enabled": False}
    for region in _replicas(new):
        with in_region(region):
            call(
                "dynamodb",
                "UpdateTimeToLive",
                TableName=name,
                TimeToLiveSpecification=expiry,
            )


def _table_attributes(name: str) -> Attributes:
    table = call("dynamodb", "DescribeTable", TableName=name)["Table"]
    found = {"Arn": table["TableArn"], "TableId": table["TableId"]}
    if table.get("LatestStreamArn"):
        found["StreamArn"] = table["LatestStreamArn"]
    return found


def _change_table(physical_id: str, old: Properties, new: Properties) -> Attributes:
    previous, wanted = (_table_settings(p, physical_id) for p in (old, new))
    changed = {
        key: value
        for key, value in wanted.items()
        if value != previous.get(key)
        and key in ("BillingMode", "ProvisionedThroughput", "SSESpecification")
    }
    if changed:
        call("dynamodb", "UpdateTable", TableName=physical_id, **changed)
    _set_replicas(physical_id, old, new)
    _set_expiry(physical_id, old, new)
    return _table_attributes(physical_id)


def _delete_table(physical_id: str, properties: Properties) -> None:
    updates: list[dict[str, Any]] = [
        {"Delete": {"RegionName": region}}
        for region in _replicas(properties)
        if region != here()
    ]
    if _is_strong(properties):
        _set_strong(physical_id, updates, "Delete", properties)
    else:
        for update in updates:
            call(
                "dynamodb",
                "UpdateTable",
                TableName=physical_id,
                ReplicaUpdates=[update],
            )
    call("dynamodb", "DeleteTable", TableName=physical_id)
