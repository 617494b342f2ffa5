"""S3 buckets with every property of a template.

ministack's own handler sets website, CORS, notifications and public access block, and
leaves out the rest; here the rest is set through S3's API.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
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

Parameters = Mapping[str, Any]

# The page "Bucket naming rules" of the S3 user guide; the commonest of them.
_BUCKET_NAME = re.compile(r"^(?!xn--)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind("AWS::S3::Bucket", _make, _delete, _change, named_by="BucketName"),
        Kind(
            "AWS::S3::BucketPolicy",
            _make_policy,
            _delete_policy,
            _change_policy,
            tags=None,
        ),
    ]


# --- Bucket ---------------------------------------------------------------------------


def _make(request: Request) -> Created:
    name = request.properties.get("BucketName")
    if name is not None and not _BUCKET_NAME.match(str(name)):
        raise CallError(
            "S3", "InvalidBucketName", "The specified bucket is not valid.", 400
        )
    make = original("AWS::S3::Bucket")["create"]
    bucket, attributes = make(request.logical_id, request.properties, request.stack)
    try:
        _configure(bucket, {}, request.properties)
    except CallError:
        # The stack has no record of the bucket yet and would leave it behind.
        call("s3", "DeleteBucket", Bucket=bucket)
        raise
    return bucket, {**attributes, **_dual_stack(bucket)}


def _change(physical_id: str, old: Properties, new: Properties) -> Attributes:
    update = original("AWS::S3::Bucket")["update"]
    # Without the name: an update never has another, that would be a replacement.
    old_, new_ = ({**p, "BucketName": physical_id} for p in (old, new))
    _, attributes = update(physical_id, old_, new_, "")
    _configure(physical_id, old, new)
    return {**attributes, **_dual_stack(physical_id)}


def _dual_stack(bucket: str) -> Attributes:
    region = importlib.import_module("ministack.core.responses").get_region()
    return {"DualStackDomainName": f"{bucket}.s3.dualstack.{region}.amazonaws.com"}


def _delete(physical_id: str, properties: Properties) -> None:
    # Refused when there is something in it, as AWS does.
    call("s3", "DeleteBucket", Bucket=physical_id)


def _configure(bucket: str, old: Properties, new: Properties) -> None:
    """Apply changed settings, each after the settings that it needs."""
    _version(bucket, old, new)
    if new.get("ObjectLockEnabled") and not old.get("ObjectLockEnabled"):
        _lock(bucket, {})
    for name, put, delete in _CONFIGURATIONS:
        if name in new and new[name] != old.get(name):
            put(bucket, new[name])
        elif name in old and name not in new:
            delete(bucket)
    tags = tag_list(new)
    if tags != tag_list(old):
        if tags:
            call("s3", "PutBucketTagging", Bucket=bucket, Tagging={"TagSet": tags})
        else:
            call("s3", "DeleteBucketTagging", Bucket=bucket)


def _version(bucket: str, old: Properties, new: Properties) -> None:
    def status(properties: Properties) -> str | None:
        wanted = properties.get("VersioningConfiguration") or {}
        if properties.get("ObjectLockEnabled"):
            return "Enabled"
        return wanted.get("Status")

    # A bucket that was ever versioned can only be suspended.
    wanted = status(new) or ("Suspended" if status(old) else None)
    if wanted and wanted != status(old):
        call(
            "s3",
            "PutBucketVersioning",
            Bucket=bucket,
            VersioningConfiguration={"Status": wanted},
        )


def _encrypt(bucket: str, given: Parameters) -> None:
    rules = [
        {
            **rule,
            "ApplyServerSideEncryptionByDefault": rule.get(
                "ServerSideEncryptionByDefault"
            ),
        }
        for rule in given.get("ServerSideEncryptionConfiguration", [])
    ]
    call(
        "s3",
        "PutBucketEncryption",
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [
                {k: v for k, v in rule.items() if v is not None} for rule in rules
            ]
        },
    )


def _own(bucket: str, given: Parameters) -> None:
    call("s3", "PutBucketOwnershipControls", Bucket=bucket, OwnershipControls=given)


def _log(bucket: str, given: Parameters) -> None:
    enabled = {
        "TargetBucket": given.get("DestinationBucketName", bucket),
        "TargetPrefix": given.get("LogFilePrefix", ""),
    }
    if given.get("TargetObjectKeyFormat"):
        enabled["TargetObjectKeyFormat"] = given["TargetObjectKeyFormat"]
    call(
        "s3",
        "PutBucketLogging",
        Bucket=bucket,
        BucketLoggingStatus={"LoggingEnabled": enabled},
    )


def _accelerate(bucket: str, given: Parameters) -> None:
    call(
        "s3",
        "PutBucketAccelerateConfiguration",
        Bucket=bucket,
        AccelerateConfiguration={"Status": given["AccelerationStatus"]},
    )


def _lock(bucket: str, given: Parameters) -> None:
    call(
        "s3",
        "PutObjectLockConfiguration",
        Bucket=bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", **given},
    )


# --- Lifecycle ------------------------------------------------------------------------


def _expire(bucket: str, given: Parameters) -> None:
    call(
        "s3",
        "PutBucketLifecycleConfiguration",
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [lifecycle_rule(rule) for rule in given.get("Rules", [])]
        },
    )


def lifecycle_rule(rule: Parameters) -> Parameters:
    """A rule in S3's form; templates write its parts flat and with other names."""
    converted: dict[str, Any] = {
        "Status": rule["Status"],
        "Filter": _lifecycle_filter(rule),
    }
    if rule.get("Id"):
        converted["ID"] = rule["Id"]
    expiration = {
        name: rule[given]
        for given, name in (
            ("ExpirationInDays", "Days"),
            ("ExpirationDate", "Date"),
            ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
        )
        if given in rule
    }
    if expiration:
        converted["Expiration"] = expiration
    single = rule.get("Transition")
    transitions = rule.get("Transitions") or ([single] if single else [])
    if transitions:
        converted["Transitions"] = [_transition(t, "Days") for t in transitions]
    old = rule.get("NoncurrentVersionTransitions") or []
    if old:
        converted["NoncurrentVersionTransitions"] = [
            _transition(t, "NoncurrentDays") for t in old
        ]
    days = rule.get("NoncurrentVersionExpirationInDays")
    expire_old = rule.get("NoncurrentVersionExpiration") or (
        {"NoncurrentDays": days} if days else None
    )
    if expire_old:
        converted["NoncurrentVersionExpiration"] = expire_old
    if rule.get("AbortIncompleteMultipartUpload"):
        converted["AbortIncompleteMultipartUpload"] = rule[
            "AbortIncompleteMultipartUpload"
        ]
    return converted


def _transition(given: Parameters, days: str) -> Parameters:
    names = {"TransitionInDays": days, "TransitionDate": "Date"}
    return {names.get(name, name): value for name, value in given.items()}


def _lifecycle_filter(rule: Parameters) -> Parameters:
    conditions: dict[str, Any] = {
        name: rule[name]
        for name in ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
        if name in rule
    }
    tags = rule.get("TagFilters") or []
    if len(conditions) + len(tags) <= 1:
        return {"Tag": tags[0]} if tags else (conditions or {"Prefix": ""})
    return {"And": {**conditions, "Tags": tags} if tags else conditions}


# --- Replication ----------------------------------------------------------------------


def _replicate(bucket: str, given: Parameters) -> None:
    call(
        "s3",
        "PutBucketReplication",
        Bucket=bucket,
        ReplicationConfiguration={
            "Role": given["Role"],
            "Rules": [replication_rule(rule) for rule in given.get("Rules", [])],
        },
    )


def replication_rule(rule: Parameters) -> Parameters:
    """A rule in S3's form."""
    converted = dict(rule)
    given = rule.get("Filter")
    if given is not None:
        converted["Filter"] = _tags_renamed(given)
        if given.get("And"):
            converted["Filter"]["And"] = _tags_renamed(given["And"])
    return converted


def _tags_renamed(given: Parameters) -> dict[str, Any]:
    names = {"TagFilter": "Tag", "TagFilters": "Tags"}
    return {names.get(name, name): value for name, value in given.items()}


def _deleting(operation: str) -> Callable[[str], None]:
    def delete(bucket: str) -> None:
        call("s3", operation, Bucket=bucket)

    return delete


def _stop_logging(bucket: str) -> None:
    call("s3", "PutBucketLogging", Bucket=bucket, BucketLoggingStatus={})


def _stay(bucket: str) -> None:
    """Some settings stay until they are set to something else."""


Put = Callable[[str, Parameters], None]

_CONFIGURATIONS: tuple[tuple[str, Put, Callable[[str], None]], ...] = (
    ("OwnershipControls", _own, _deleting("DeleteBucketOwnershipControls")),
    ("BucketEncryption", _encrypt, _deleting("DeleteBucketEncryption")),
    ("ObjectLockConfiguration", _lock, _stay),
    ("LifecycleConfiguration", _expire, _deleting("DeleteBucketLifecycle")),
    ("LoggingConfiguration", _log, _stop_logging),
    ("AccelerateConfiguration", _accelerate, _stay),
    ("ReplicationConfiguration", _replicate, _deleting("DeleteBucketReplication")),
)


# --- Bucket policy: Ref is the bucket, and it must be there -----------------------------


def _make_policy(request: Request) -> Created:
    bucket = str(request.properties["Bucket"])
    _put_policy(request.properties)
    return bucket, {}


def _put_policy(properties: Properties) -> None:
    call(
        "s3",
        "PutBucketPolicy",
        Bucket=properties["Bucket"],
        Policy=properties["PolicyDocument"],
    )


def _change_policy(physical_id: str, old: Properties, new: Properties) -> Attributes:
    _put_policy(new)
    return {}


def _delete_policy(physical_id: str, properties: Properties) -> None:
    call("s3", "DeleteBucketPolicy", Bucket=properties["Bucket"])
