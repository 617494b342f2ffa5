"""Aurora clusters, alone or as members of a global database.

ministack's own handler of a cluster stores neither its key nor its place in a global
database; its RDS service does both, and refuses what AWS refuses.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.resources.calls import CallError, call
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    original,
    tag_list,
)

_TYPE = "AWS::RDS::DBCluster"

# What a secondary has from the primary, and how AWS calls it when it is given.
_INHERITED = {
    "MasterUsername": "user name",
    "MasterUserPassword": "password",
    "DatabaseName": "database name",
}


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [Kind(_TYPE, _make, _delete, _change, named_by="DBClusterIdentifier")]


def _records() -> Any:
    """ministack's clusters of the current account and region, by identifier."""
    return importlib.import_module("ministack.services.rds")._clusters


def _make(request: Request) -> Created:
    properties = request.properties
    _refuse_secondary(properties)
    name = request.name("DBClusterIdentifier", longest=63, lowercase=True)
    call(
        "rds",
        "CreateDBCluster",
        **{**properties, "DBClusterIdentifier": name, "Tags": tag_list(properties)},
    )
    record = _records()[name]
    _remember(record, properties)
    return name, _attributes(record)


def _refuse_secondary(properties: Properties) -> None:
    """Refuse what AWS refuses of a cluster that joins a global database as secondary.

    https://github.com/hashicorp/terraform-provider-aws/issues/15723
    """
    if not properties.get("GlobalClusterIdentifier") or not _has_writer(properties):
        return
    problems = [
        f"Cannot specify {what} for cross region replication cluster"
        for given, what in _INHERITED.items()
        if properties.get(given)
    ]
    if properties.get("StorageEncrypted") and not properties.get("KmsKeyId"):
        problems.append(
            "For encrypted cross-region replica, kmsKeyId should be explicitly "
            "specified"
        )
    for problem in problems[:1]:
        raise CallError("Rds", "InvalidParameterCombination", problem, 400)


def _has_writer(properties: Properties) -> bool:
    found = call(
        "rds",
        "DescribeGlobalClusters",
        GlobalClusterIdentifier=properties["GlobalClusterIdentifier"],
    )["GlobalClusters"]
    return any(one.get("GlobalClusterMembers") for one in found)


def _remember(record: dict[str, Any], properties: Properties) -> None:
    """Store what DescribeDBClusters returns and ministack's CreateDBCluster drops."""
    record["EnabledCloudwatchLogsExports"] = list(
        properties.get("EnableCloudwatchLogsExports") or []
    )


def _attributes(record: Mapping[str, Any]) -> Attributes:
    return {
        "DBClusterArn": record["DBClusterArn"],
        "DBClusterResourceId": record["DbClusterResourceId"],
        "Endpoint.Address": record["Endpoint"],
        "Endpoint.Port": str(record["Port"]),
        "ReadEndpoint.Address": record["ReaderEndpoint"],
    }


def _change(physical_id: str, old: Properties, new: Properties) -> Attributes:
    update = original(_TYPE)["update"]
    # Under its own identifier, so that ministack's handler never takes it for another.
    old_, new_ = ({**p, "DBClusterIdentifier": physical_id} for p in (old, new))
    update(physical_id, old_, new_, "", physical_id)
    record = _records()[physical_id]
    _remember(record, new)
    group = new.get("DBClusterParameterGroupName")
    if group:
        record["DBClusterParameterGroup"] = group
    record["TagList"] = tag_list(new)
    if old.get("GlobalClusterIdentifier") and not new.get("GlobalClusterIdentifier"):
        _leave(record)
    return _attributes(record)


def _leave(record: Mapping[str, Any]) -> None:
    """Take a cluster out of its global database, as CloudFormation does."""
    around = record.get("GlobalClusterIdentifier")
    if around:
        call(
            "rds",
            "RemoveFromGlobalCluster",
            GlobalClusterIdentifier=around,
            DbClusterIdentifier=record["DBClusterArn"],
        )


def _delete(physical_id: str, properties: Properties) -> None:
    record = _records().get(physical_id)
    if record is None:
        return
    if record.get("DeletionProtection"):
        raise CallError(
            "Rds",
            "InvalidParameterCombination",
            "Cannot delete protected Cluster, please disable deletion protection and "
            "try again.",
            400,
        )
    _leave(record)
    call(
        "rds",
        "DeleteDBCluster",
        DBClusterIdentifier=physical_id,
        SkipFinalSnapshot=True,
    )
