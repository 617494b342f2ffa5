"""PostgreSQL, its replica, and what may read its secret."""

from __future__ import annotations

from typing import Any

from troposphere import NoValue, Ref, Template, encode_to_dict

from tapgen.blocks import database, names


def test_the_parameter_group_follows_the_major_version() -> None:
    t = Template()
    database.place(
        t,
        identifier="sn-x",
        parameter_group_name="sn-postgres${Major}",
    )
    group = t.to_dict()["Resources"]["ParameterGroup"]["Properties"]
    for key in ("DBParameterGroupName", "Family"):
        text, values = group[key]["Fn::Sub"]
        assert text.endswith("postgres${Major}")
        select = values["Major"]["Fn::Select"]
        assert select == [0, {"Fn::Split": [".", {"Ref": "PostgresVersion"}]}]
    assert group["Parameters"]["rds.force_ssl"] == "1"


def test_the_secret_is_found_by_name_and_its_six_random_characters() -> None:
    name = names.name("sn", "db-owner", "primary")
    read, decrypt = (
        encode_to_dict(s)
        for s in database.read_secret(name, region="us-east-1", key_arn=Ref("Key"))
    )
    (arn,) = read["Resource"]
    assert arn["Fn::Sub"].endswith(f":secret:{name}-??????")
    assert decrypt["Condition"]["StringEquals"]["kms:ViaService"] == {
        "Fn::Sub": "secretsmanager.us-east-1.${AWS::URLSuffix}"
    }


def placed(t: Template) -> database.Place:
    return database.place(
        t, identifier="sn-x", parameter_group_name="sn-x-${Major}", tags={"Backup": "y"}
    )


def built() -> dict[str, Any]:
    """An instance with its secret, and the replica of another one."""
    t, replica = Template(), Template()
    place = placed(t)
    secret = database.secret(
        t,
        "Secret",
        name="sn-owner",
        key_arn=place.key_arn,
        replica_region="us-west-2",
        replica_key_arn="key",
    )
    given: dict[str, Any] = {**database.size_parameters(t)}
    given |= database.database_parameters(t)
    database.postgres(t, "Database", place=place, secret=secret, **given)
    database.replica(
        replica,
        "Replica",
        place=placed(replica),
        source_arn="arn",
        source_region="us-east-1",
        promoted={"MultiAZ": NoValue},
        **database.size_parameters(replica),
    )
    resources: dict[str, Any] = t.to_dict()["Resources"]
    return {**resources, "Replica": replica.to_dict()["Resources"]["Replica"]}


def test_an_instance_and_its_replica_are_encrypted_private_monitored_and_retained() -> (
    None
):
    resources = built()
    for title in ("Database", "Replica"):
        resource = resources[title]
        assert (
            resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Snapshot"
        )
        assert resource["DependsOn"] == ["PostgresqlLogs", "UpgradeLogs"]
        given = resource["Properties"]
        assert given["KmsKeyId"] == {"Ref": "KmsKeyArn"}
        assert given["PubliclyAccessible"] is False
        assert given["DeletionProtection"] == {"Ref": "DeletionProtection"}
        assert given["MonitoringRoleArn"] == {"Ref": "MonitoringRoleArn"}
        assert {"Key": "Backup", "Value": "y"} in given["Tags"]
    assert resources["Database"]["Properties"]["StorageEncrypted"] is True
    group = resources["PostgresqlLogs"]["Properties"]
    assert group["LogGroupName"] == "/aws/rds/instance/sn-x/postgresql"
    assert group["KmsKeyId"] == {"Ref": "KmsKeyArn"}


def test_the_password_is_generated_retained_and_never_in_the_template() -> None:
    resources = built()
    secret = resources["Secret"]
    assert secret["DeletionPolicy"] == "RetainExceptOnCreate"
    assert secret["Properties"]["GenerateSecretString"]["PasswordLength"] == 32
    (copy,) = secret["Properties"]["ReplicaRegions"]
    assert copy == {"Region": "us-west-2", "KmsKeyId": "key"}
    login = resources["Database"]["Properties"]["MasterUserPassword"]["Fn::Sub"]
    assert login == "{{resolve:secretsmanager:${Secret}:SecretString:password}}"
    attached = resources["SecretAttachment"]["Properties"]
    assert attached["TargetType"] == "AWS::RDS::DBInstance"


def test_a_replica_has_only_what_it_does_not_have_from_its_source() -> None:
    given = built()["Replica"]["Properties"]
    assert given["SourceDBInstanceIdentifier"] == "arn"
    from_source = {"Engine", "EngineVersion", "DBName", "AllocatedStorage"}
    from_source |= {"MasterUsername", "MasterUserPassword", "StorageEncrypted"}
    assert not from_source & set(given)
    assert given["MultiAZ"] == {"Ref": "AWS::NoValue"}


def test_a_database_is_watched_by_limits_that_are_parameters() -> None:
    t = Template()
    database.watch(t, identifier="sn-x", alarm_name="sn-x-%s")
    database.lag_alarm(
        t, "Lag", identifier="sn-x", name="sn-lag", topic_arn="topic", condition="Is"
    )
    body = t.to_dict()
    alarms = {k: r["Properties"] for k, r in body["Resources"].items()}
    assert set(alarms) == {"CpuAlarm", "FreeStorageAlarm", "ConnectionsAlarm", "Lag"}
    for title in ("FreeStorage", "Connections"):
        limit = alarms[f"{title}Alarm"]["Threshold"]["Ref"]
        assert body["Parameters"][limit]["Type"] == "Number"
        assert alarms[f"{title}Alarm"]["AlarmActions"] == [{"Ref": "AlertTopicArn"}]
    # A replica that stopped replicating publishes no data, which must breach.
    assert alarms["Lag"]["TreatMissingData"] == "breaching"
    assert body["Resources"]["Lag"]["Condition"] == "Is"


def test_rds_publishes_metrics_by_a_role_for_nothing_else() -> None:
    t = Template()
    database.monitoring_role(t, "Role", name="x-monitoring")
    built = t.to_dict()["Resources"]["Role"]["Properties"]
    (trust,) = built["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "monitoring.rds.amazonaws.com"}
    assert "Policies" not in built and len(built["ManagedPolicyArns"]) == 1
