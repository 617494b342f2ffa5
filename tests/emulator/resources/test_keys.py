"""Keys and secrets are made, changed and deleted as templates say."""

from __future__ import annotations

import json

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import (
    EAST,
    POLICY,
    RETAGGED,
    TAG,
    WEST,
    absent,
    key,
)


def test_a_replica_key_decrypts_in_its_region_what_the_primary_encrypted(
    place: Place,
) -> None:
    primary = place.create(
        "keys", {"R": key(EnableKeyRotation=True)}, Outputs=get("R", "Arn")
    )
    west = place.at(WEST)
    replica = of(
        "KMS::ReplicaKey", PrimaryKeyArn=primary["Arn"], KeyPolicy=POLICY, Tags=TAG
    )
    created = west.create("keys", {"R": replica}, Outputs=get("R", "Arn", "KeyId"))

    assert created["KeyId"] == created["Ref"] == primary["Ref"]
    assert created["Ref"].startswith("mrk-")
    assert created["Arn"] == primary["Arn"].replace(EAST, WEST)
    sent = place.client("kms").encrypt(KeyId=primary["Arn"], Plaintext=b"secret")
    kms = west.client("kms")
    read = kms.decrypt(CiphertextBlob=sent["CiphertextBlob"], KeyId=created["Arn"])
    assert read["Plaintext"] == b"secret"
    described = kms.describe_key(KeyId=created["KeyId"])["KeyMetadata"]
    kinds = described["MultiRegionConfiguration"]
    assert kinds["MultiRegionKeyType"] == "REPLICA"
    assert kinds["PrimaryKey"]["Region"] == EAST
    assert tags(kms.list_resource_tags(KeyId=created["KeyId"])["Tags"]) == {
        "Project": "one"
    }


def test_a_replica_key_changes_in_place_and_is_scheduled_for_deletion(
    place: Place,
) -> None:
    primary = place.create("keys", {"R": key()}, Outputs=get("R", "Arn"))
    west = place.at(WEST)
    properties = {"PrimaryKeyArn": primary["Arn"], "KeyPolicy": POLICY}
    first = west.create("keys", {"R": of("KMS::ReplicaKey", **properties, Tags=TAG)})
    assert first == {}
    replica = west.ids("keys")["R"]
    other = {**POLICY, "Id": "other"}
    changed = {**properties, "KeyPolicy": other, "Description": "new", "Tags": RETAGGED}
    west.update("keys", {"R": of("KMS::ReplicaKey", **changed, Enabled=False)})

    kms = west.client("kms")
    assert west.ids("keys")["R"] == replica
    described = kms.describe_key(KeyId=replica)["KeyMetadata"]
    assert described["Description"] == "new"
    assert described["Enabled"] is False
    policy = kms.get_key_policy(KeyId=replica, PolicyName="default")["Policy"]
    assert json.loads(policy) == other
    assert tags(kms.list_resource_tags(KeyId=replica)["Tags"]) == {"Owner": "two"}
    west.delete("keys")
    described = kms.describe_key(KeyId=replica)["KeyMetadata"]
    assert described["KeyState"] == "PendingDeletion"


def test_a_replica_of_a_single_region_key_is_refused_with_the_services_reason(
    place: Place,
) -> None:
    single = of("KMS::Key", KeyPolicy=POLICY)
    primary = place.create("key", {"R": single}, Outputs=get("R", "Arn"))
    replica = of("KMS::ReplicaKey", PrimaryKeyArn=primary["Arn"], KeyPolicy=POLICY)
    reason = place.at(WEST).failed("key", {"R": replica})
    assert "is not a multi-Region key" in reason
    assert "HandlerErrorCode: InvalidRequest" in reason


def test_a_key_rotates_over_the_period_given(place: Place) -> None:
    rotating = key(EnableKeyRotation=True, RotationPeriodInDays="180", Tags=TAG)
    place.create("key", {"R": rotating})
    status = place.client("kms").get_key_rotation_status(KeyId=place.ids("key")["R"])
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 180)


def test_a_secret_is_known_by_its_arn_and_generated_as_specified(place: Place) -> None:
    secret = of(
        "SecretsManager::Secret",
        Name="app",
        Tags=TAG,
        GenerateSecretString={
            "SecretStringTemplate": '{"username": "admin"}',
            "GenerateStringKey": "password",
            "PasswordLength": "40",
            "ExcludePunctuation": "true",
        },
        ReplicaRegions=[{"Region": WEST}],
    )
    created = place.create("secret", {"R": secret}, Outputs=get("R", "Id"))
    assert created["Ref"] == created["Id"]
    assert created["Ref"].startswith(
        f"arn:aws:secretsmanager:{EAST}:{place.account}:secret:app-"
    )
    secrets = place.client("secretsmanager")
    value = json.loads(
        secrets.get_secret_value(SecretId=created["Ref"])["SecretString"]
    )
    assert value["username"] == "admin"
    assert len(value["password"]) == 40 and value["password"].isalnum()
    replica = place.at(WEST).client("secretsmanager")
    assert json.loads(replica.get_secret_value(SecretId="app")["SecretString"]) == value
    secret["Properties"] |= {"Description": "new", "Tags": RETAGGED}
    place.update("secret", {"R": secret})
    described = secrets.describe_secret(SecretId="app")
    assert described["ARN"] == created["Ref"]
    assert described["Description"] == "new"
    assert tags(described["Tags"]) == {"Owner": "two"}
    again = json.loads(secrets.get_secret_value(SecretId="app")["SecretString"])
    assert again == value
    place.delete("secret")
    assert absent(secrets.describe_secret, SecretId="app") == (
        "ResourceNotFoundException"
    )


def test_a_rotation_schedule_turns_rotation_on_and_off(place: Place) -> None:
    function = f"arn:aws:lambda:{EAST}:{place.account}:function:rotate"
    resources = {
        "S": of("SecretsManager::Secret", Name="app", SecretString="{}"),
        "R": of(
            "SecretsManager::RotationSchedule",
            SecretId={"Ref": "S"},
            RotationLambdaARN=function,
            RotationRules={"AutomaticallyAfterDays": "30"},
        ),
    }
    place.create("rotated", resources)
    described = place.client("secretsmanager").describe_secret(SecretId="app")
    assert described["RotationEnabled"] is True
    assert described["RotationLambdaARN"] == function
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert place.ids("rotated")["R"] == described["ARN"]
    place.update("rotated", {"S": resources["S"]})
    described = place.client("secretsmanager").describe_secret(SecretId="app")
    assert described["RotationEnabled"] is False


def test_a_copy_of_a_secret_can_be_taken_away_or_go_on_alone(place: Place) -> None:
    secrets = place.client("secretsmanager")
    west, north = place.at(WEST), place.at("eu-north-1")
    secrets.create_secret(Name="s", SecretString="one")
    regions = [{"Region": each.region} for each in (west, north)]
    secrets.replicate_secret_to_regions(SecretId="s", AddReplicaRegions=regions)

    left = secrets.remove_regions_from_replication(
        SecretId="s", RemoveReplicaRegions=[north.region]
    )["ReplicationStatus"]
    assert [one["Region"] for one in left] == [WEST]
    assert absent(north.client("secretsmanager").describe_secret, SecretId="s")

    copy = west.client("secretsmanager")
    copy.stop_replication_to_replica(SecretId="s")
    copy.put_secret_value(SecretId="s", SecretString="two")
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "one"
    assert not secrets.describe_secret(SecretId="s").get("ReplicationStatus")
    refused = absent(secrets.stop_replication_to_replica, SecretId="s")
    assert refused == "InvalidRequestException"
