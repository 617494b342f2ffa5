"""Aurora clusters and global databases are made, changed and deleted as in AWS."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.places import Place, get
from tests.emulator.resources.samples import EAST, WEST, absent

ATTRIBUTES = get(
    "R",
    "DBClusterArn",
    "DBClusterResourceId",
    "Endpoint.Address",
    "Endpoint.Port",
    "ReadEndpoint.Address",
)


def cluster(name: str, region: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::RDS::DBCluster",
        "Properties": {
            "DBClusterIdentifier": name,
            "Engine": "aurora-postgresql",
            "EngineVersion": "16.8",
            "StorageEncrypted": True,
            "KmsKeyId": f"arn:aws:kms:{region}:111111111111:key/abc",
            **more,
        },
    }


def writer(**more: Any) -> dict[str, Any]:
    login = {"MasterUsername": "owner", "MasterUserPassword": "long-enough"}
    return cluster("main", EAST, DatabaseName="pay", **login, **more)


AROUND = {
    "Type": "AWS::RDS::GlobalCluster",
    "Properties": {
        "GlobalClusterIdentifier": "around",
        "SourceDBClusterIdentifier": {"Fn::GetAtt": ["R", "DBClusterArn"]},
    },
}


def described(place: Place, name: str) -> dict[str, Any]:
    found = place.client("rds").describe_db_clusters(DBClusterIdentifier=name)
    one: dict[str, Any] = found["DBClusters"][0]
    return one


def members(place: Place) -> dict[str, bool]:
    found = place.client("rds").describe_global_clusters()["GlobalClusters"]
    return {
        m["DBClusterArn"].rpartition(":")[2]: m["IsWriter"]
        for one in found
        for m in one["GlobalClusterMembers"]
    }


def both(place: Place) -> Place:
    """A global database over two regions; gives the other one."""
    place.create("main", {"R": writer(), "G": AROUND})
    west = place.at(WEST)
    joining = cluster("copy", WEST, GlobalClusterIdentifier="around")
    west.create("copy", {"R": joining}, Outputs=ATTRIBUTES)
    return west


def test_a_cluster_keeps_its_key_and_gives_its_attributes(place: Place) -> None:
    logs = {"EnableCloudwatchLogsExports": ["postgresql"]}
    created = place.create("main", {"R": writer(**logs)}, Outputs=ATTRIBUTES)
    found = described(place, "main")
    assert created["Ref"] == "main"
    assert created["DBClusterArn"] == found["DBClusterArn"]
    assert created["EndpointAddress"] == found["Endpoint"]
    assert created["ReadEndpointAddress"] == found["ReaderEndpoint"]
    assert found["KmsKeyId"].split(":")[3] == EAST
    assert found["StorageEncrypted"] and found["DatabaseName"] == "pay"


def test_a_secondary_joins_the_global_database_and_reads_only(place: Place) -> None:
    west = both(place)
    assert members(place) == {"main": True, "copy": False}
    found = described(west, "copy")
    assert found["GlobalClusterIdentifier"] == "around"
    assert found["MasterUsername"] == "owner" and found["DatabaseName"] == "pay"
    assert found["KmsKeyId"].split(":")[3] == WEST


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"MasterUsername": "owner"}, "Cannot specify user name"),
        ({"MasterUserPassword": "long-enough"}, "Cannot specify password"),
        ({"DatabaseName": "pay"}, "Cannot specify database name"),
        ({"KmsKeyId": ""}, "kmsKeyId should be explicitly specified"),
        ({"EngineVersion": "16.9"}, "engineVersion should match"),
    ],
)
def test_a_secondary_may_bring_nothing_of_its_own(
    place: Place, given: dict[str, str], reason: str
) -> None:
    place.create("main", {"R": writer(), "G": AROUND})
    west = place.at(WEST)
    joining = cluster("copy", WEST, **{"GlobalClusterIdentifier": "around", **given})
    assert reason in west.failed("copy", {"R": joining})


def test_deleting_a_secondary_takes_it_out_of_the_global_database(
    place: Place,
) -> None:
    west = both(place)
    west.delete("copy")
    assert members(place) == {"main": True}
    place.delete("main")
    assert absent(described, place=place, name="main")
    assert members(place) == {}


def test_a_protected_cluster_is_not_deleted(place: Place) -> None:
    place.create("main", {"R": writer(DeletionProtection=True)})
    place.delete("main", "DELETE_FAILED")
    assert "disable deletion protection" in place.reasons("main")["R"]
    place.client("rds").modify_db_cluster(
        DBClusterIdentifier="main", DeletionProtection=False
    )
    place.delete("main")
    assert absent(described, place=place, name="main")


def test_a_change_stays_in_place(place: Place) -> None:
    place.create("main", {"R": writer()})
    before = described(place, "main")
    place.update("main", {"R": writer(BackupRetentionPeriod=14)})
    after = described(place, "main")
    assert after["DbClusterResourceId"] == before["DbClusterResourceId"]
    assert after["BackupRetentionPeriod"] == 14
