"""Buckets, and what it takes to use them."""

from __future__ import annotations

from typing import Any

import pytest
from troposphere import Ref, Template, encode_to_dict

from tapgen.blocks import storage


def plain(statements: list[Any]) -> list[dict[str, Any]]:
    return [encode_to_dict(statement) for statement in statements]


def built(**more: Any) -> dict[str, Any]:
    t = Template()
    storage.bucket(
        t,
        "Bucket",
        name="sn-x",
        purpose="test",
        **{
            "key_arn": Ref("Key"),
            "lifecycle": storage.lifecycle(noncurrent_days=3),
            **more,
        },
    )
    resources = t.to_dict()["Resources"]
    assert isinstance(resources, dict)
    return resources


def test_without_a_key_s3_encrypts_with_its_own() -> None:
    properties = built(key_arn=None)["Bucket"]["Properties"]
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_access_logs_go_under_the_purpose_of_the_bucket() -> None:
    properties = built(log_to="logs")["Bucket"]["Properties"]
    assert properties["LoggingConfiguration"] == {
        "DestinationBucketName": "logs",
        "LogFilePrefix": "access/test/",
    }


def test_time_control_comes_with_metrics_or_not_at_all() -> None:
    replication = storage.Replication("arn", "key", "role", "all", "Fast")
    properties = built(replication=replication)["Bucket"]["Properties"]
    (rule,) = properties["ReplicationConfiguration"]["Rules"]
    destination = rule["Destination"]
    threshold = destination["Metrics"]["EventThreshold"]["Fn::If"]
    time = destination["ReplicationTime"]["Fn::If"]
    assert threshold == ["Fast", {"Minutes": 15}, {"Ref": "AWS::NoValue"}]
    assert time[0] == "Fast" and time[1]["Time"] == {"Minutes": 15}


def test_replication_can_be_off_and_can_go_both_ways() -> None:
    replication = storage.Replication(
        "arn", "key", "role", "all", "Fast", when="Copies", both_ways="Reverse"
    )
    properties = built(replication=replication)["Bucket"]["Properties"]
    when, configuration, otherwise = properties["ReplicationConfiguration"]["Fn::If"]
    assert (when, otherwise) == ("Copies", {"Ref": "AWS::NoValue"})
    (rule,) = configuration["Rules"]
    assert rule["SourceSelectionCriteria"]["ReplicaModifications"] == {
        "Fn::If": ["Reverse", {"Status": "Enabled"}, {"Ref": "AWS::NoValue"}]
    }


def test_what_is_on_only_when_both_ways_are_asks_no_second_time() -> None:
    replication = storage.Replication(
        "arn", "key", "role", "all", "Fast", when="Reverse", both_ways="Reverse"
    )
    properties = built(replication=replication)["Bucket"]["Properties"]
    _, configuration, _ = properties["ReplicationConfiguration"]["Fn::If"]
    (rule,) = configuration["Rules"]
    criteria = rule["SourceSelectionCriteria"]
    assert criteria["ReplicaModifications"] == {"Status": "Enabled"}


def test_lifecycle_moves_and_expires_only_after_days_that_are_given() -> None:
    (old,) = storage.lifecycle(noncurrent_days=3)
    assert "Transitions" not in old.to_dict()
    rules = storage.lifecycle(
        noncurrent_days=3, transitions=[("GLACIER_IR", 30)], expire_days=90
    )
    current = rules[1].to_dict()
    assert current["Transitions"] == [
        {"StorageClass": "GLACIER_IR", "TransitionInDays": 30}
    ]
    assert current["ExpirationInDays"] == 90


def test_reading_and_writing_use_the_key_through_s3_for_this_bucket_only() -> None:
    bucket = storage.Bucket("sn-x", "us-east-1", Ref("Key"))
    for statements, uses in (
        (bucket.read(), ["kms:Decrypt"]),
        (bucket.write(), ["kms:Decrypt", "kms:GenerateDataKey"]),
    ):
        key = plain(statements)[-1]
        assert key["Action"] == uses
        assert key["Resource"] == [{"Ref": "Key"}]
        assert set(key["Condition"]) == {"StringEquals", "StringLike"}


def test_a_bucket_with_keys_of_s3_needs_no_key() -> None:
    actions = {a for s in plain(storage.Bucket("sn-x").write()) for a in s["Action"]}
    assert actions == {"s3:PutObject", "s3:AbortMultipartUpload"}


def test_everybody_reads_the_objects_of_a_website_and_nothing_else() -> None:
    resources = built(key_arn=None, website=storage.Website())
    properties = resources["Bucket"]["Properties"]
    assert properties["WebsiteConfiguration"] == {
        "IndexDocument": "index.html",
        "ErrorDocument": "error.html",
    }
    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": False,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": False,
    }
    policy = resources["BucketPolicy"]["Properties"]["PolicyDocument"]
    (statement,) = policy["Statement"]
    assert (statement["Principal"], statement["Action"]) == ("*", ["s3:GetObject"])
    ((only,),) = (list(r.values()) for r in statement["Resource"])
    assert only.endswith(":sn-x/*")


def test_a_website_with_a_key_is_refused() -> None:
    with pytest.raises(AssertionError, match="anonymous"):
        built(website=storage.Website())


def test_without_keys_replication_says_nothing_of_encryption() -> None:
    replication = storage.Replication("arn", None, "role", "all", "Fast")
    properties = built(key_arn=None, replication=replication)["Bucket"]["Properties"]
    (rule,) = properties["ReplicationConfiguration"]["Rules"]
    assert "SourceSelectionCriteria" not in rule
    assert "EncryptionConfiguration" not in rule["Destination"]


def test_one_distribution_reads_and_no_other() -> None:
    (statement,) = plain(storage.Bucket("sn-x").serve_to(Ref("DistributionArn")))
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceArn": {"Ref": "DistributionArn"}}
    }


def test_replication_brings_its_role_and_its_price_as_parameters() -> None:
    t = Template()
    built = storage.replication(t, destination="arn", rule="all", when="Is")
    assert built.role_arn.data == {"Ref": "ReplicationRoleArn"}
    assert (built.when, built.both_ways, built.key_arn) == ("Is", "", None)
    body = t.to_dict()
    assert built.time_control in body["Conditions"]
    assert set(body["Parameters"]) == {"ReplicationRoleArn", "ReplicationTimeControl"}


def test_a_replication_is_watched_where_s3_publishes_it() -> None:
    t = Template()
    shared: dict[str, Any] = {
        "replicated": storage.replicated("a", "b", "all"),
        "topic_arn": "topic",
    }
    storage.latency_alarm(t, "Late", name="x-late", **shared)
    storage.failed_alarm(t, "Failed", name="x-failed", **shared)
    alarms = {k: r["Properties"] for k, r in t.to_dict()["Resources"].items()}
    for alarm in alarms.values():
        assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {
            "SourceBucket": "a",
            "DestinationBucket": "b",
            "RuleId": "all",
        }
    assert alarms["Late"]["Threshold"] == 15 * 60  # seconds
    assert alarms["Failed"]["MetricName"] == "OperationsFailedReplication"


def test_the_retention_of_old_versions_is_a_parameter() -> None:
    t = Template()
    (rule,) = storage.lifecycle(noncurrent_days=storage.noncurrent_days(t, "pages"))
    expiry = rule.to_dict()["NoncurrentVersionExpiration"]
    name = encode_to_dict(expiry)["NoncurrentDays"]["Ref"]
    assert "deleted pages" in t.to_dict()["Parameters"][name]["Description"]


def test_replicating_takes_the_keys_of_both_sides_and_no_objects_of_others() -> None:
    bucket = storage.Bucket("x-data", "us-east-1", Ref("Key"))
    reports = storage.Bucket("x-logs")
    source, destination = plain(bucket.replicate_from()), plain(bucket.replicate_to())
    existing = plain(bucket.replicate_existing(reports, "batch"))
    for statement in (*source, *destination, *existing):
        named = [next(iter(encode_to_dict(r).values())) for r in statement["Resource"]]
        assert "*" not in named, statement["Sid"]
        if statement["Sid"] in ("DecryptSource", "EncryptReplicas"):
            assert statement["Resource"] == [{"Ref": "Key"}]
            via = statement["Condition"]["StringEquals"]["kms:ViaService"]
            assert via == {"Fn::Sub": "s3.us-east-1.${AWS::URLSuffix}"}
    (written,) = (s["Resource"] for s in existing if s["Sid"] == "WriteReports")
    assert written[0]["Fn::Sub"].endswith("x-logs/batch/*")


def test_s3_takes_the_role_as_its_guide_says_without_a_condition() -> None:
    t = Template()
    storage.replication_role(
        t,
        "Role",
        name="x-replication",
        description="Copies",
        source=storage.Bucket("a"),
        destination=storage.Bucket("b"),
    )
    built = t.to_dict()["Resources"]["Role"]["Properties"]
    (trust,) = built["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "s3.amazonaws.com"}
    assert "Condition" not in trust
    (policy,) = built["Policies"]
    sids = {s["Sid"] for s in policy["PolicyDocument"]["Statement"]}
    assert sids == {"ReadConfiguration", "ReadVersions", "WriteReplicas"}
