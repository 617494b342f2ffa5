"""Aurora over two regions: what each side may have, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest
from troposphere import Ref, Template, encode_to_dict, secretsmanager

from tapgen.blocks import aurora, database

CREDENTIALS = {
    "MasterUsername",
    "MasterUserPassword",
    "ManageMasterUserPassword",
    "DatabaseName",
}


def placed(t: Template) -> database.Place:
    return database.place(
        t,
        identifier="pd-x-db",
        parameter_group_name="pd-x-aurora${Major}",
        engine=aurora.ENGINE,
    )


def resources(t: Template) -> dict[str, Any]:
    found = t.to_dict()["Resources"]
    assert isinstance(found, dict)
    return found


def primary() -> tuple[Template, database.Place, Any]:
    t = Template()
    place = placed(t)
    secret = t.add_resource(secretsmanager.Secret("Secret"))
    cluster = aurora.primary(
        t,
        "Cluster",
        place=place,
        secret=secret,
        database="payments",
        backup_days=35,
        deletion_protection="true",
    )
    return t, place, cluster


def test_the_primary_takes_its_password_from_the_secret() -> None:
    t, *_ = primary()
    cluster = resources(t)["Cluster"]
    password = cluster["Properties"]["MasterUserPassword"]["Fn::Sub"]
    assert password == "{{resolve:secretsmanager:${Secret}:SecretString:password}}"
    assert cluster["Properties"]["StorageEncrypted"] is True
    assert "GlobalClusterIdentifier" not in cluster["Properties"]
    attachment = resources(t)["SecretAttachment"]["Properties"]
    assert attachment["TargetType"] == "AWS::RDS::DBCluster"


def test_the_global_cluster_takes_everything_from_its_source() -> None:
    t, place, cluster = primary()
    writer, _ = aurora.instances(
        t, cluster=cluster, place=place, number=2, instance_class="db.r6g.large"
    )
    aurora.global_cluster(
        t,
        "Global",
        name="pd-x-global",
        source=cluster,
        writer=writer,
        deletion_protection="true",
    )
    assert resources(t)["Global"]["DependsOn"] == ["ClusterInstance1"]
    found = resources(t)["Global"]["Properties"]
    assert found["SourceDBClusterIdentifier"] == {
        "Fn::GetAtt": ["Cluster", "DBClusterArn"]
    }
    assert not {"Engine", "EngineVersion", "StorageEncrypted"} & set(found)


def test_a_secondary_brings_no_credentials_but_its_own_key() -> None:
    t = Template()
    aurora.secondary(
        t,
        "Cluster",
        place=placed(t),
        global_cluster_id=Ref("GlobalClusterId"),
        backup_days=35,
        deletion_protection="true",
    )
    found = resources(t)["Cluster"]
    assert not CREDENTIALS & set(found["Properties"])
    assert found["Properties"]["KmsKeyId"] == {"Ref": "KmsKeyArn"}
    assert found["Properties"]["EngineVersion"] == {"Ref": "AuroraVersion"}
    assert found["DeletionPolicy"] == "Snapshot"


def test_instances_take_over_in_order_and_leave_the_data_to_their_cluster() -> None:
    t, place, cluster = primary()
    aurora.instances(
        t, cluster=cluster, place=place, number=3, instance_class="db.r6g.large"
    )
    found = [resources(t)[f"ClusterInstance{n}"] for n in (1, 2, 3)]
    assert [i["Properties"]["PromotionTier"] for i in found] == [0, 1, 2]
    assert {i["DeletionPolicy"] for i in found} == {"Delete"}
    assert not any(i["Properties"]["PubliclyAccessible"] for i in found)
    # RDS takes these from the cluster and refuses them on a member.
    forbidden = {"AllocatedStorage", "StorageEncrypted", "KmsKeyId", "MultiAZ"}
    assert not any(forbidden & set(i["Properties"]) for i in found)


def test_one_instance_is_refused() -> None:
    t, place, cluster = primary()
    with pytest.raises(ValueError, match="cannot take over; give 2"):
        aurora.instances(t, cluster=cluster, place=place, number=1, instance_class="c")


def test_its_log_group_is_there_before_the_cluster_and_encrypted() -> None:
    t, *_ = primary()
    (group,) = resources(t)["Cluster"]["DependsOn"]
    found = resources(t)[group]["Properties"]
    assert found["LogGroupName"] == "/aws/rds/cluster/pd-x-db/postgresql"
    assert found["KmsKeyId"] == {"Ref": "KmsKeyArn"}


def test_lag_is_in_milliseconds_and_silence_is_an_alarm_of_its_own() -> None:
    t = Template()
    limit = Ref("ReplicationLagThresholdMs")
    measured = aurora.lag_dimensions(t, identifier="pd-x-db", source=Ref("There"))
    aurora.lag_alarm(
        t, measured=measured, name="lag", threshold=limit, topic_arn="topic"
    )
    aurora.silence_alarm(t, measured=measured, name="silent", topic_arn="topic")
    lag, silent = resources(t).values()
    assert lag["Properties"]["Threshold"] == {"Ref": "ReplicationLagThresholdMs"}
    assert lag["Properties"]["MetricName"] == aurora.LAG_METRIC
    assert lag["Properties"]["TreatMissingData"] == "notBreaching"
    assert silent["Properties"]["TreatMissingData"] == "breaching"
    assert silent["Properties"]["Threshold"] == 0


def test_a_health_check_can_watch_the_alarm_on_life() -> None:
    t = Template()
    aurora.alarms(t, identifier="pd-x-db", alarm_name="db-%s", topic_arn="topic")
    alive = resources(t)["DatabaseAliveAlarm"]["Properties"]
    # Route 53 takes standard resolution and plain statistics only.
    assert alive["Statistic"] == "Average" and alive["Period"] == 60
    assert alive["TreatMissingData"] == "breaching"
    assert alive["AlarmName"] == "db-alive"


def test_moving_the_database_names_the_global_cluster_and_its_members() -> None:
    statements = [*aurora.move("global", ["a", "b"]), *aurora.describe("global", ["a"])]
    found = {s["Sid"]: s for s in (encode_to_dict(s) for s in statements)}
    assert found["MoveDatabase"]["Action"] == [
        "rds:FailoverGlobalCluster",
        "rds:SwitchoverGlobalCluster",
    ]
    assert found["MoveDatabase"]["Resource"] == ["global", "a", "b"]
    assert found["DescribeDatabase"]["Resource"] == ["a"]
    assert found["DescribeGlobalDatabase"]["Resource"] == ["global"]
