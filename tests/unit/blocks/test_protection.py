"""What records who did what: the bucket for logs, the trail, AWS Config."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Template, encode_to_dict

from tapgen.blocks import protection, storage

BUCKET = storage.Bucket("x-logs")


def plain(statements: list[Any]) -> dict[str, dict[str, Any]]:
    return {s["Sid"]: s for s in (encode_to_dict(s) for s in statements)}


def resources(t: Template) -> dict[str, Any]:
    found: dict[str, Any] = t.to_dict()["Resources"]
    return found


def test_logs_expire_after_the_days_of_a_parameter() -> None:
    t = Template()
    protection.log_bucket(
        t, name="x-logs", days_parameter="AuditDays", what="audit logs", policy=[]
    )
    logs = resources(t)["LogBucket"]["Properties"]
    _, current = logs["LifecycleConfiguration"]["Rules"]
    assert current["ExpirationInDays"] == {"Ref": "AuditDays"}
    (rule,) = logs["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    # S3 delivers access logs to no bucket with another key.
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    body = t.to_dict()
    last = max(each["TransitionInDays"] for each in current["Transitions"])
    assert body["Parameters"]["AuditDays"]["MinValue"] > last
    assert set(body["Outputs"]) == {"LogBucketName"}


def test_s3_delivers_access_logs_of_these_buckets_of_this_account_only() -> None:
    (found,) = plain(protection.access_log_statements(BUCKET, ["x-data"])).values()
    assert found["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert found["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnLike": {
            "aws:SourceArn": [{"Fn::Sub": "arn:${AWS::Partition}:s3:::x-data"}]
        },
    }
    (where,) = found["Resource"]
    assert where["Fn::Sub"].endswith("x-logs/access/*")


def test_one_trail_delivers_and_leaves_the_objects_to_the_bucket() -> None:
    arn = "arn:${AWS::Partition}:cloudtrail:us-east-1:${AWS::AccountId}:trail/x"
    found = plain(protection.trail_statements(BUCKET, arn))
    for statement in found.values():
        condition = statement["Condition"]["StringEquals"]
        assert condition["aws:SourceArn"] == {"Fn::Sub": arn}
    delivered = found["DeliverTrail"]["Condition"]["StringEquals"]
    assert delivered["s3:x-amz-acl"] == "bucket-owner-full-control"


def test_a_trail_takes_all_regions_and_proves_its_files() -> None:
    t = Template()
    protection.trail(
        t,
        "Trail",
        name="x-trail",
        bucket_name="x-logs",
        key_arn="key",
        watched=["x-data"],
        condition="Is",
    )
    trail = resources(t)["Trail"]
    given = trail["Properties"]
    assert given["IsMultiRegionTrail"] is given["EnableLogFileValidation"] is True
    assert given["KMSKeyId"] == "key" and trail["Condition"] == "Is"

    group = resources(t)["TrailLogs"]
    assert group["Condition"] == "Is" and group["Properties"]["KmsKeyId"] == "key"
    assert given["CloudWatchLogsLogGroupArn"] == {"Fn::GetAtt": ["TrailLogs", "Arn"]}
    (selector,) = given["EventSelectors"]
    assert selector["IncludeManagementEvents"] is True
    (objects,) = selector["DataResources"]
    assert str(objects["Values"]).endswith(":s3:::x-data/'}]")


def test_the_role_of_config_delivers_to_these_buckets() -> None:
    found = plain(protection.record_to([BUCKET]))
    (where,) = found["DeliverRecords"]["Resource"]
    assert where["Fn::Sub"].endswith("x-logs/config/AWSLogs/${AWS::AccountId}/Config/*")
    assert found["CheckBucket"]["Action"] == ["s3:GetBucketAcl", "s3:ListBucket"]


def test_a_recorder_takes_everything_and_rules_wait_for_it() -> None:
    t = Template()
    recorder = protection.recorder(
        t,
        "Recorder",
        name="x-recorder",
        role_arn=Ref("Role"),
        bucket_name="x-logs",
        global_types=False,
    )
    checks = {"Encrypted": ("RDS_STORAGE_ENCRYPTED", "Databases are encrypted")}
    protection.rules(t, checks=checks, name="x-%s", after=recorder)
    found = resources(t)
    group = found["Recorder"]["Properties"]["RecordingGroup"]
    assert group == {"AllSupported": True, "IncludeGlobalResourceTypes": False}
    assert found["RecorderChannel"]["Properties"]["S3BucketName"] == "x-logs"
    rule = found["Encrypted"]
    assert rule["DependsOn"] == ["Recorder"]
    assert rule["Properties"]["ConfigRuleName"] == "x-rds-storage-encrypted"
