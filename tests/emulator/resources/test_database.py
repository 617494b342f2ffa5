"""Databases are made, changed and deleted as templates say."""

from __future__ import annotations

import json
from typing import Any

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import (
    EAST,
    RETAGGED,
    TAG,
    WEST,
    absent,
    database,
    network,
    primary,
)

INSTANCE = get(
    "R", "Endpoint.Address", "Endpoint.Port", "DBInstanceArn", "DbiResourceId"
)


def instance(place: Place, name: str) -> dict[str, Any]:
    found = place.client("rds").describe_db_instances(DBInstanceIdentifier=name)
    one: dict[str, Any] = found["DBInstances"][0]
    return one


def test_a_database_is_there_at_once_with_its_attributes(place: Place) -> None:
    created = place.create("db", {"R": primary(Tags=TAG)}, Outputs=INSTANCE)
    found = instance(place, "main")
    assert created["Ref"] == "main"
    assert created["EndpointAddress"] == found["Endpoint"]["Address"]
    assert created["EndpointPort"] == "5432"
    assert created["DBInstanceArn"] == f"arn:aws:rds:{EAST}:{place.account}:db:main"
    assert created["DbiResourceId"] == found["DbiResourceId"]
    assert found["DBInstanceStatus"] == "available"
    assert (found["MultiAZ"], found["BackupRetentionPeriod"]) == (True, 7)
    rds = place.client("rds")
    listed = rds.list_tags_for_resource(ResourceName=created["DBInstanceArn"])
    assert tags(listed["TagList"]) == {"Project": "one"}


def test_a_read_replica_and_its_source_know_each_other(place: Place) -> None:
    source = place.create("db", {"R": primary()}, Outputs=INSTANCE)
    west = place.at(WEST)
    replica = database(
        "copy",
        SourceDBInstanceIdentifier=source["DBInstanceArn"],
        SourceRegion=EAST,
        KmsKeyId="west-key",
    )
    copy = west.create("db", {"R": replica}, Outputs=INSTANCE)
    found = instance(west, "copy")
    assert found["ReadReplicaSourceDBInstanceIdentifier"] == source["DBInstanceArn"]
    assert instance(place, "main")["ReadReplicaDBInstanceIdentifiers"] == [
        copy["DBInstanceArn"]
    ]
    assert (found["Engine"], found["EngineVersion"]) == ("postgres", "16.4")
    assert (found["MasterUsername"], found["AllocatedStorage"]) == ("tapgen", 50)
    assert (found["StorageEncrypted"], found["KmsKeyId"]) == (True, "west-key")
    assert found["BackupRetentionPeriod"] == 0
    assert found["StatusInfos"][0]["Status"] == "replicating"

    # Taking the source away promotes it, in place.
    del replica["Properties"]["SourceDBInstanceIdentifier"]
    west.update("db", {"R": replica})
    promoted = instance(west, "copy")
    assert promoted["DbiResourceId"] == copy["DbiResourceId"]
    assert not promoted.get("ReadReplicaSourceDBInstanceIdentifier")
    assert instance(place, "main")["ReadReplicaDBInstanceIdentifiers"] == []


def test_a_deleted_replica_is_forgotten_by_its_source(place: Place) -> None:
    place.create("db", {"R": primary()})
    replica = database("copy", SourceDBInstanceIdentifier="main")
    place.create("copy", {"R": {**replica, "DeletionPolicy": "Delete"}})
    assert instance(place, "main")["ReadReplicaDBInstanceIdentifiers"] == ["copy"]
    place.delete("copy")
    assert instance(place, "main")["ReadReplicaDBInstanceIdentifiers"] == []


def test_a_replica_needs_a_source_with_backups(place: Place) -> None:
    nowhere = f"arn:aws:rds:{EAST}:{place.account}:db:nowhere"
    west = place.at(WEST)
    lost = database("copy", SourceDBInstanceIdentifier=nowhere)
    assert "not found" in west.failed("lost", {"R": lost})
    place.create("db", {"R": primary(BackupRetentionPeriod=0)})
    arn = f"arn:aws:rds:{EAST}:{place.account}:db:main"
    copy = database("copy", SourceDBInstanceIdentifier=arn)
    assert "Automated backups are not enabled" in west.failed("copy", {"R": copy})


def test_a_protected_database_is_not_deleted(place: Place) -> None:
    place.create("db", {"R": primary(DeletionProtection=True)})
    place.delete("db", "DELETE_FAILED")
    assert "Cannot delete protected DB Instance" in place.reasons("db")["R"]


def test_a_changed_database_stays_the_same_one(place: Place) -> None:
    created = place.create("db", {"R": primary(Tags=TAG)}, Outputs=INSTANCE)
    wanted = primary(
        AllocatedStorage=100,
        DeletionProtection=True,
        EnableCloudwatchLogsExports=["postgresql"],
        Tags=RETAGGED,
    )
    again = place.update("db", {"R": wanted}, Outputs=INSTANCE)
    assert again == created
    found = instance(place, "main")
    assert (found["AllocatedStorage"], found["DeletionProtection"]) == (100, True)
    assert found["EnabledCloudwatchLogsExports"] == ["postgresql"]
    assert tags(found["TagList"]) == {"Owner": "two"}


def test_a_custom_named_database_is_not_replaced_under_its_name(place: Place) -> None:
    place.create("db", {"R": primary()})
    place.cloudformation.update_stack(
        StackName="db",
        TemplateBody=json.dumps({"Resources": {"R": primary(MasterUsername="other")}}),
    )
    assert place.settled("db")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert (
        "CloudFormation cannot update a stack when a custom-named resource requires "
        "replacing" in place.reasons("db")["R"]
    )
    assert instance(place, "main")["MasterUsername"] == "tapgen"


def test_rds_manages_the_password_on_request(place: Place) -> None:
    managed = primary(ManageMasterUserPassword=True)
    del managed["Properties"]["MasterUserPassword"]
    outputs = get("R", "MasterUserSecret.SecretArn")
    created = place.create("db", {"R": managed}, Outputs=outputs)
    assert instance(place, "main")["MasterUserSecret"]["SecretArn"] == (
        created["MasterUserSecretSecretArn"]
    )
    value = place.client("secretsmanager").get_secret_value(
        SecretId=created["MasterUserSecretSecretArn"]
    )
    assert json.loads(value["SecretString"])["username"] == "tapgen"


def test_a_subnet_group_and_a_parameter_group_are_applied(place: Place) -> None:
    resources = network(
        Other=of(
            "EC2::Subnet",
            VpcId={"Ref": "Vpc"},
            CidrBlock="10.0.1.0/24",
            AvailabilityZone=f"{EAST}b",
        ),
        Group=of(
            "RDS::DBSubnetGroup",
            DBSubnetGroupName="group",
            DBSubnetGroupDescription="group",
            SubnetIds=[{"Ref": "Subnet"}, {"Ref": "Other"}],
        ),
        Parameters=of(
            "RDS::DBParameterGroup",
            DBParameterGroupName="settings",
            Family="postgres16",
            Description="settings",
            Parameters={"rds.force_ssl": "1"},
        ),
        R=primary(
            DBSubnetGroupName={"Ref": "Group"},
            DBParameterGroupName={"Ref": "Parameters"},
        ),
    )
    place.create("db", resources)
    ids, found = place.ids("db"), instance(place, "main")
    subnets = found["DBSubnetGroup"]["Subnets"]
    assert {s["SubnetIdentifier"] for s in subnets} == {ids["Subnet"], ids["Other"]}
    assert found["DBSubnetGroup"]["VpcId"] == ids["Vpc"]
    assert found["DBParameterGroups"][0]["DBParameterGroupName"] == "settings"
    rds = place.client("rds")
    pages = rds.describe_db_parameters(DBParameterGroupName="settings", Source="user")
    values = {p["ParameterName"]: p["ParameterValue"] for p in pages["Parameters"]}
    assert values["rds.force_ssl"] == "1"


def test_a_global_cluster_is_listed(place: Place) -> None:
    cluster = of(
        "RDS::GlobalCluster",
        GlobalClusterIdentifier="world",
        Engine="aurora-postgresql",
        EngineVersion="16",
        DeletionProtection="false",
    )
    place.create("world", {"R": cluster})
    rds = place.client("rds")
    [found] = rds.describe_global_clusters()["GlobalClusters"]
    assert found["GlobalClusterIdentifier"] == place.ids("world")["R"] == "world"
    cluster["Properties"]["DeletionProtection"] = "true"
    place.update("world", {"R": cluster})
    [found] = rds.describe_global_clusters()["GlobalClusters"]
    assert found["DeletionProtection"] is True
    cluster["Properties"]["DeletionProtection"] = "false"
    place.update("world", {"R": cluster})
    place.delete("world")
    assert rds.describe_global_clusters()["GlobalClusters"] == []


def test_a_global_table_has_its_replicas_and_keeps_their_items(place: Place) -> None:
    def replica(region: str, recovered: bool) -> dict[str, Any]:
        point = {"PointInTimeRecoveryEnabled": recovered}
        return {"Region": region, "PointInTimeRecoverySpecification": point}

    table = of(
        "DynamoDB::GlobalTable",
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamViewType": "NEW_AND_OLD_IMAGES"},
        TimeToLiveSpecification={"AttributeName": "gone", "Enabled": True},
        Replicas=[{**replica(EAST, True), "Tags": TAG}, replica(WEST, False)],
    )
    outputs = get("R", "Arn", "TableId", "StreamArn")
    created = place.create("table", {"R": table}, Outputs=outputs)
    here, there = (p.client("dynamodb") for p in (place, place.at(WEST)))
    described = here.describe_table(TableName="orders")["Table"]
    assert created["StreamArn"] == described["LatestStreamArn"]
    assert created["TableId"] == described["TableId"]
    assert [r["RegionName"] for r in described["Replicas"]] == [WEST]
    here.put_item(TableName="orders", Item={"id": {"S": "1"}})
    assert there.get_item(TableName="orders", Key={"id": {"S": "1"}})["Item"]

    def recovery(client: Any) -> str:
        found = client.describe_continuous_backups(TableName="orders")
        backups = found["ContinuousBackupsDescription"]
        status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        return str(status)

    assert (recovery(here), recovery(there)) == ("ENABLED", "DISABLED")
    expiry = there.describe_time_to_live(TableName="orders")["TimeToLiveDescription"]
    assert expiry["TimeToLiveStatus"] == "ENABLED"
    listed = here.list_tags_of_resource(ResourceArn=created["Arn"])["Tags"]
    assert tags(listed) == {"Project": "one"}

    new = [replica(EAST, False), replica("eu-west-1", True)]
    for replicas in ([*new, replica(WEST, False)], new):  # AWS takes one at a time
        table["Properties"]["Replicas"] = replicas
        place.update("table", {"R": table})
    assert recovery(here) == "DISABLED"
    assert here.get_item(TableName="orders", Key={"id": {"S": "1"}})["Item"]
    assert absent(there.describe_table, TableName="orders") == (
        "ResourceNotFoundException"
    )
    europe = place.at("eu-west-1").client("dynamodb")
    assert recovery(europe) == "ENABLED"
    place.delete("table")
    for client in (here, europe):
        assert client.list_tables()["TableNames"] == []


def test_a_table_with_strong_consistency_is_in_three_regions_and_stays_so(
    place: Place,
) -> None:
    def table(*regions: str, witness: str = "", **more: Any) -> dict[str, Any]:
        witnesses = {"GlobalTableWitnesses": [{"Region": witness}]} if witness else {}
        return of(
            "DynamoDB::GlobalTable",
            TableName="payments",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            StreamSpecification={"StreamViewType": "NEW_AND_OLD_IMAGES"},
            MultiRegionConsistency="STRONG",
            Replicas=[{"Region": region} for region in regions],
            **witnesses,
            **more,
        )

    two = table(EAST, WEST)
    two["Properties"]["TableName"] = "two"
    assert "three Regions" in place.failed("two", {"R": two})
    strong = table(EAST, WEST, witness="us-east-2")
    place.create("table", {"R": strong})
    for there in (place, place.at(WEST)):
        client = there.client("dynamodb")
        described = client.describe_table(TableName="payments")["Table"]
        assert described["MultiRegionConsistency"] == "STRONG"
        assert described["GlobalTableWitnesses"] == [
            {"RegionName": "us-east-2", "WitnessStatus": "ACTIVE"}
        ]
        put = {"Put": {"TableName": "payments", "Item": {"id": {"S": "1"}}}}
        refused = absent(client.transact_write_items, TransactItems=[put])
        assert refused == "ValidationException"
        expiry = {"AttributeName": "gone", "Enabled": True}
        refused = absent(
            client.update_time_to_live,
            TableName="payments",
            TimeToLiveSpecification=expiry,
        )
        assert refused == "ValidationException"
        one_less = [{"Delete": {"RegionName": WEST}}]
        refused = absent(
            client.update_table, TableName="payments", ReplicaUpdates=one_less
        )
        assert refused == "ValidationException"
    place.delete("table")
    assert absent(client.describe_table, TableName="payments") == (
        "ResourceNotFoundException"
    )
