"""Buckets are made, changed and deleted as templates say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import (
    EAST,
    EAST_KEY,
    RETAGGED,
    TAG,
    WEST,
    WEST_KEY,
    absent,
)


def bucket(name: str | None = None, **properties: Any) -> dict[str, Any]:
    named = {"BucketName": name} if name else {}
    versioned = {"VersioningConfiguration": {"Status": "Enabled"}}
    return of("S3::Bucket", **named, **versioned, **properties)


def test_everything_said_of_a_bucket_is_so(place: Place) -> None:
    name = f"data-{place.account}"
    created = place.create(
        "buckets",
        {
            "Logs": bucket(f"logs-{place.account}"),
            "R": bucket(
                name,
                BucketEncryption={
                    "ServerSideEncryptionConfiguration": [
                        {
                            "BucketKeyEnabled": True,
                            "ServerSideEncryptionByDefault": {
                                "SSEAlgorithm": "aws:kms",
                                "KMSMasterKeyID": "key-arn",
                            },
                        }
                    ]
                },
                LifecycleConfiguration={
                    "Rules": [
                        {
                            "Id": "archive",
                            "Status": "Enabled",
                            "Prefix": "old/",
                            "TagFilters": [{"Key": "keep", "Value": "no"}],
                            "ExpirationInDays": "365",
                            "Transitions": [
                                {
                                    "StorageClass": "STANDARD_IA",
                                    "TransitionInDays": 30,
                                }
                            ],
                            "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
                            "AbortIncompleteMultipartUpload": {
                                "DaysAfterInitiation": 7
                            },
                        },
                        {
                            "Id": "versions",
                            "Status": "Enabled",
                            "NoncurrentVersionTransitions": [
                                {"StorageClass": "GLACIER", "TransitionInDays": 10}
                            ],
                        },
                    ]
                },
                LoggingConfiguration={
                    "DestinationBucketName": {"Ref": "Logs"},
                    "LogFilePrefix": "data/",
                },
                OwnershipControls={
                    "Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]
                },
                PublicAccessBlockConfiguration={"BlockPublicAcls": True},
                Tags=TAG,
            ),
        },
        Outputs=get("R", "Arn", "RegionalDomainName", "DualStackDomainName"),
    )
    assert created["Ref"] == name
    assert created["Arn"] == f"arn:aws:s3:::{name}"
    assert created["RegionalDomainName"] == f"{name}.s3.{EAST}.amazonaws.com"
    assert created["DualStackDomainName"] == f"{name}.s3.dualstack.{EAST}.amazonaws.com"
    s3 = place.client("s3")
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    encryption = s3.get_bucket_encryption(Bucket=name)
    assert encryption["ServerSideEncryptionConfiguration"]["Rules"] == [
        {
            "ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": "aws:kms",
                "KMSMasterKeyID": "key-arn",
            },
            "BucketKeyEnabled": True,
        }
    ]
    first, second = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert first["Filter"]["And"]["Prefix"] == "old/"
    assert first["Filter"]["And"]["Tags"] == [{"Key": "keep", "Value": "no"}]
    assert first["Expiration"] == {"Days": 365}
    assert first["Transitions"] == [{"Days": 30, "StorageClass": "STANDARD_IA"}]
    assert first["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert first["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert second["NoncurrentVersionTransitions"] == [
        {"NoncurrentDays": 10, "StorageClass": "GLACIER"}
    ]
    assert s3.get_bucket_logging(Bucket=name)["LoggingEnabled"] == {
        "TargetBucket": f"logs-{place.account}",
        "TargetPrefix": "data/",
    }
    own = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert own["Rules"] == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    blocked = s3.get_public_access_block(Bucket=name)
    assert blocked["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is True
    assert tags(s3.get_bucket_tagging(Bucket=name)["TagSet"]) == {"Project": "one"}


def test_an_updated_bucket_keeps_its_objects_and_loses_what_the_template_lost(
    place: Place,
) -> None:
    name = f"data-{place.account}"
    rule = {"Id": "x", "Status": "Enabled", "ExpirationInDays": 3}
    place.create(
        "bucket",
        {"R": bucket(name, LifecycleConfiguration={"Rules": [rule]}, Tags=TAG)},
    )
    s3 = place.client("s3")
    s3.put_object(Bucket=name, Key="a", Body=b"a")
    later = of("S3::Bucket", BucketName=name, Tags=RETAGGED)
    place.update("bucket", {"R": later})
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"a"
    assert absent(s3.get_bucket_lifecycle_configuration, Bucket=name) == (
        "NoSuchLifecycleConfiguration"
    )
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"
    assert tags(s3.get_bucket_tagging(Bucket=name)["TagSet"]) == {"Owner": "two"}


def test_a_bucket_without_a_name_keeps_the_one_it_got(place: Place) -> None:
    place.create("bucket", {"R": bucket()})
    name = place.ids("bucket")["R"]
    place.update("bucket", {"R": bucket(Tags=TAG)})
    assert place.ids("bucket")["R"] == name
    assert name.startswith("bucket-r-")


def test_a_bucket_whose_name_is_taken_fails_by_name(place: Place) -> None:
    name = f"data-{place.account}"
    place.client("s3").create_bucket(Bucket=name)
    reason = place.failed("bucket", {"R": bucket(name)})
    assert f"{name} already exists" in reason
    assert place.client("s3").head_bucket(Bucket=name)


def test_a_bucket_with_an_impossible_name_is_refused(place: Place) -> None:
    reason = place.failed("bucket", {"R": bucket("Not_A_Bucket")})
    assert "The specified bucket is not valid" in reason


def test_a_bucket_that_holds_something_is_not_deleted(place: Place) -> None:
    name = f"data-{place.account}"
    place.create("bucket", {"R": bucket(name)})
    s3 = place.client("s3")
    s3.put_object(Bucket=name, Key="a", Body=b"a")
    place.delete("bucket", "DELETE_FAILED")
    assert "The bucket you tried to delete is not empty" in place.reasons("bucket")["R"]
    for version in s3.list_object_versions(Bucket=name)["Versions"]:
        s3.delete_object(Bucket=name, Key="a", VersionId=version["VersionId"])
    place.delete("bucket")
    assert absent(s3.head_bucket, Bucket=name) == "404"


def test_a_retained_bucket_outlives_its_stack(place: Place) -> None:
    name = f"data-{place.account}"
    place.create("bucket", {"R": {**bucket(name), "DeletionPolicy": "Retain"}})
    place.delete("bucket")
    assert place.client("s3").head_bucket(Bucket=name)


def test_a_bucket_policy_needs_its_bucket(place: Place) -> None:
    document = {"Version": "2012-10-17", "Statement": []}
    lonely = of("S3::BucketPolicy", Bucket="nowhere-1", PolicyDocument=document)
    assert "The specified bucket does not exist" in place.failed("x", {"R": lonely})
    name = f"data-{place.account}"
    resources = {
        "B": bucket(name),
        "R": of("S3::BucketPolicy", Bucket={"Ref": "B"}, PolicyDocument=document),
    }
    place.create("bucket", resources)
    s3 = place.client("s3")
    assert place.ids("bucket")["R"] == name
    assert json.loads(s3.get_bucket_policy(Bucket=name)["Policy"]) == document
    del resources["R"]
    place.update("bucket", resources)
    assert absent(s3.get_bucket_policy, Bucket=name) == "NoSuchBucketPolicy"


def replicated(place: Place, **more: Any) -> dict[str, Any]:
    rule = {
        "Id": "all",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {
            "Bucket": f"arn:aws:s3:::copy-{place.account}",
            "EncryptionConfiguration": {"ReplicaKmsKeyID": WEST_KEY},
            "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": "15"}},
            "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
        },
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        **more,
    }
    encrypted = {
        "ServerSideEncryptionConfiguration": [
            {
                "ServerSideEncryptionByDefault": {
                    "SSEAlgorithm": "aws:kms",
                    "KMSMasterKeyID": EAST_KEY,
                }
            }
        ]
    }
    return bucket(
        f"data-{place.account}",
        BucketEncryption=encrypted,
        ReplicationConfiguration={
            "Role": f"arn:aws:iam::{place.account}:role/replication",
            "Rules": [rule],
        },
    )


def test_objects_are_copied_to_the_bucket_in_the_other_region(place: Place) -> None:
    source, copy = f"data-{place.account}", f"copy-{place.account}"
    west = place.at(WEST)
    west.create("copy", {"R": bucket(copy)})
    place.create("data", {"R": replicated(place)})
    s3, there = place.client("s3"), west.client("s3")
    found = s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"]
    [rule] = found["Rules"]
    assert rule["ID"] == "all" and rule["Priority"] == 1
    assert rule["Destination"]["EncryptionConfiguration"] == {
        "ReplicaKmsKeyID": WEST_KEY
    }
    assert rule["Destination"]["ReplicationTime"]["Time"] == {"Minutes": 15}

    s3.put_object(Bucket=source, Key="a", Body=b"one")
    head = s3.head_object(Bucket=source, Key="a")
    assert head["ReplicationStatus"] == "COMPLETED"
    assert head["SSEKMSKeyId"] == EAST_KEY
    copied = there.get_object(Bucket=copy, Key="a")
    assert copied["Body"].read() == b"one"
    assert copied["ReplicationStatus"] == "REPLICA"
    assert copied["SSEKMSKeyId"] == WEST_KEY
    assert copied["VersionId"]
    s3.delete_object(Bucket=source, Key="a")
    assert absent(there.head_object, Bucket=copy, Key="a") == "404"
    assert there.list_object_versions(Bucket=copy)["DeleteMarkers"]


def test_encrypted_objects_stay_where_the_rule_does_not_select_them(
    place: Place,
) -> None:
    copy, west = f"copy-{place.account}", place.at(WEST)
    west.create("copy", {"R": bucket(copy)})
    source = replicated(place)
    [rule] = source["Properties"]["ReplicationConfiguration"]["Rules"]
    del rule["SourceSelectionCriteria"]
    del rule["Destination"]["EncryptionConfiguration"]
    place.create("data", {"R": source})
    s3 = place.client("s3")
    s3.put_object(Bucket=f"data-{place.account}", Key="a", Body=b"one")
    assert absent(west.client("s3").head_object, Bucket=copy, Key="a") == "404"
    head = s3.head_object(Bucket=f"data-{place.account}", Key="a")
    assert "ReplicationStatus" not in head


def test_replication_needs_a_destination_and_leaves_no_bucket_without(
    place: Place,
) -> None:
    reason = place.failed("data", {"R": replicated(place)})
    assert "Destination bucket must exist" in reason
    name = f"data-{place.account}"
    assert absent(place.client("s3").head_bucket, Bucket=name) == "404"


def test_two_buckets_replicate_to_each_other_once_both_are_there(place: Place) -> None:
    """An object, its deletion and its return go to the other bucket and no further."""
    names, west = (f"data-{place.account}", f"copy-{place.account}"), place.at(WEST)
    clients = place.client("s3"), west.client("s3")
    place.create("data", {"R": bucket(names[0])})
    there = {"Role": f"arn:aws:iam::{place.account}:role/replication", "Rules": []}

    def replicate(source: int, to: str) -> None:
        rule = {
            "ID": "all",
            "Status": "Enabled",
            "Priority": 1,
            "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Enabled"},
            "SourceSelectionCriteria": {"ReplicaModifications": {"Status": "Enabled"}},
            "Destination": {"Bucket": f"arn:aws:s3:::{to}"},
        }
        clients[source].put_bucket_replication(
            Bucket=names[source], ReplicationConfiguration={**there, "Rules": [rule]}
        )

    with pytest.raises(ClientError, match="Destination bucket must exist"):
        replicate(0, names[1])
    west.create("copy", {"R": bucket(names[1])})
    replicate(0, names[1])
    replicate(1, names[0])

    clients[1].put_object(Bucket=names[1], Key="a", Body=b"one")
    clients[0].delete_object(Bucket=names[0], Key="a")
    for client, name, mark in zip(
        clients, names, ("REPLICA", "COMPLETED"), strict=True
    ):
        found = client.list_object_versions(Bucket=name)
        assert (len(found["Versions"]), len(found["DeleteMarkers"])) == (1, 1)
        version = found["Versions"][0]["VersionId"]
        head = client.head_object(Bucket=name, Key="a", VersionId=version)
        assert head["ReplicationStatus"] == mark
