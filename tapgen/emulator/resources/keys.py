"""KMS replica keys, and secrets as CloudFormation has them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tapgen.emulator.resources.calls import CallError, call, truth
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    document,
    dropped_tags,
    tag_list,
)


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind("AWS::KMS::ReplicaKey", _make_replica, _delete_replica, _change_replica),
        Kind(
            "AWS::SecretsManager::Secret",
            _make_secret,
            _delete_secret,
            _change_secret,
            named_by="Name",
        ),
        Kind(
            "AWS::SecretsManager::RotationSchedule",
            _make_rotation,
            _cancel_rotation,
            _change_rotation,
            tags=None,
        ),
    ]


def in_region(region: str) -> AbstractContextManager[None]:
    """A context in which calls of the current account go to another region."""
    responses = importlib.import_module("ministack.core.responses")
    scope: AbstractContextManager[None] = responses.request_scope(
        responses.get_account_id(), region
    )
    return scope


def here() -> str:
    """The region that calls go to now."""
    region: str = importlib.import_module("ministack.core.responses").get_region()
    return region


# --- Replica key: requested in the region of the primary key, created in this one ---------


def _make_replica(request: Request) -> Created:
    properties = request.properties
    primary = str(properties.get("PrimaryKeyArn", ""))
    parts = primary.split(":")
    if len(parts) != 6:
        raise CallError("Kms", "InvalidArnException", f"Invalid arn {primary}", 400)
    region = here()
    with in_region(parts[3]):
        answer = call(
            "kms",
            "ReplicateKey",
            KeyId=primary,
            ReplicaRegion=region,
            Policy=document(properties["KeyPolicy"]),
            Description=properties.get("Description"),
            Tags=_key_tags(properties),
        )
    metadata = answer["ReplicaKeyMetadata"]
    if "Enabled" in properties and not truth(properties["Enabled"]):
        call("kms", "DisableKey", KeyId=metadata["KeyId"])
    return metadata["KeyId"], _key_attributes(metadata)


def _key_attributes(metadata: Mapping[str, Any]) -> Attributes:
    return {"Arn": metadata["Arn"], "KeyId": metadata["KeyId"]}


def _key_tags(properties: Properties) -> list[dict[str, str]]:
    return [
        {"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tag_list(properties)
    ]


def _change_replica(physical_id: str, old: Properties, new: Properties) -> Attributes:
    policy = document(new["KeyPolicy"])
    call("kms", "PutKeyPolicy", KeyId=physical_id, PolicyName="default", Policy=policy)
    call(
        "kms",
        "UpdateKeyDescription",
        KeyId=physical_id,
        Description=new.get("Description", ""),
    )
    enabled = truth(new.get("Enabled", True))
    call("kms", "EnableKey" if enabled else "DisableKey", KeyId=physical_id)
    dropped = dropped_tags(old, new)
    if dropped:
        call("kms", "UntagResource", KeyId=physical_id, TagKeys=dropped)
    call("kms", "TagResource", KeyId=physical_id, Tags=_key_tags(new))
    metadata = call("kms", "DescribeKey", KeyId=physical_id)["KeyMetadata"]
    return _key_attributes(metadata)


def _delete_replica(physical_id: str, properties: Properties) -> None:
    # A key is never deleted at once: its deletion is scheduled, and it is disabled.
    call(
        "kms",
        "ScheduleKeyDeletion",
        KeyId=physical_id,
        PendingWindowInDays=properties.get("PendingWindowInDays", 30),
    )


# --- Secret: Ref is the ARN (ministack's own handler gives the name) -------------------


def _make_secret(request: Request) -> Created:
    properties = request.properties
    answer = call(
        "secretsmanager",
        "CreateSecret",
        Name=request.name("Name"),
        Description=properties.get("Description"),
        KmsKeyId=properties.get("KmsKeyId"),
        SecretString=_secret_value(properties),
        Tags=tag_list(properties),
    )
    _copy_secret(answer["ARN"], properties)
    return answer["ARN"], {"Id": answer["ARN"]}


def _copy_secret(arn: str, properties: Properties) -> None:
    # By a call of its own: ministack's CreateSecret does not read replica regions.
    if properties.get("ReplicaRegions"):
        call(
            "secretsmanager",
            "ReplicateSecretToRegions",
            SecretId=arn,
            AddReplicaRegions=properties["ReplicaRegions"],
        )


def _secret_value(properties: Properties) -> str:
    wanted = properties.get("GenerateSecretString")
    if wanted is None:
        return str(properties.get("SecretString", ""))
    answer = call("secretsmanager", "GetRandomPassword", **wanted)["RandomPassword"]
    if "SecretStringTemplate" not in wanted:
        return str(answer)
    value = json.loads(wanted["SecretStringTemplate"])
    return json.dumps({**value, wanted.get("GenerateStringKey", "password"): answer})


def _change_secret(physical_id: str, old: Properties, new: Properties) -> Attributes:
    value = None
    # A generated value stays until what it is generated from changes.
    if any(old.get(p) != new.get(p) for p in ("SecretString", "GenerateSecretString")):
        value = _secret_value(new)
    call(
        "secretsmanager",
        "UpdateSecret",
        SecretId=physical_id,
        Description=new.get("Description", ""),
        KmsKeyId=new.get("KmsKeyId"),
        SecretString=value,
    )
    dropped = dropped_tags(old, new)
    if dropped:
        call("secretsmanager", "UntagResource", SecretId=physical_id, TagKeys=dropped)
    call("secretsmanager", "TagResource", SecretId=physical_id, Tags=tag_list(new))
    if new.get("ReplicaRegions") != old.get("ReplicaRegions"):
        _copy_secret(physical_id, new)
    return {"Id": physical_id}


def _delete_secret(physical_id: str, properties: Properties) -> None:
    # Without recovery window: a stack with the same name may be created again at once.
    call(
        "secretsmanager",
        "DeleteSecret",
        SecretId=physical_id,
        ForceDeleteWithoutRecovery=True,
    )


# --- Rotation -------------------------------------------------------------------------


def _make_rotation(request: Request) -> Created:
    arn = _rotate(request.properties)
    return arn, {"Id": arn}


def _rotate(properties: Properties) -> str:
    answer = call(
        "secretsmanager",
        "RotateSecret",
        SecretId=properties.get("SecretId"),
        RotationLambdaARN=properties.get("RotationLambdaARN"),
        RotationRules=properties.get("RotationRules"),
        RotateImmediately=properties.get("RotateImmediatelyOnUpdate"),
    )
    return str(answer["ARN"])


def _change_rotation(physical_id: str, old: Properties, new: Properties) -> Attributes:
    _rotate(new)
    return {"Id": physical_id}


def _cancel_rotation(physical_id: str, properties: Properties) -> None:
    # ministack lacks CancelRotateSecret.
    secrets = importlib.import_module("ministack.services.secretsmanager")
    _, secret = secrets._resolve(physical_id)
    if secret is not None:
        secret["RotationEnabled"] = False
