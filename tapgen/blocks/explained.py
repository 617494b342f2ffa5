"""Why resources are as they are, where a scanner would have them otherwise.

    t.add_resource(s3.Bucket("LogBucket", Metadata=explained.metadata("log bucket")))

Checkov, and the Guard rules of AWS's registry, do not report a rule that the metadata of
a resource names. Guard reads a list of rules, so the sentences stand beside it. A
sentence says what makes the rule not apply, or what is lost without it; one that could be
mended is mended. `make scan` fails on a sentence about what no scanner reports.

https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html
https://github.com/aws-cloudformation/aws-guard-rules-registry/blob/main/docs/Using-Guard-Rules-Registry.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Explanation(NamedTuple):
    """Rules of scanners that ask for the same, and why a resource does not do it."""

    rules: tuple[str, ...]
    why: str


_ON_THE_CLUSTER = (
    "Aurora has this on the cluster, where it is set; RDS refuses it on its instances."
)
_OF_THE_SOURCE = (
    "A read replica takes this from its source, where it is set; CloudFormation refuses"
    " it here."
)
_AFTER_PROMOTION = (
    "The source has it. A replica gets it after its promotion: until then it is one"
    " itself, and would be paid for twice."
)

EXPLAINED: Mapping[str, tuple[Explanation, ...]] = {
    "log bucket": (
        Explanation(
            ("CKV_AWS_18", "S3_BUCKET_LOGGING_ENABLED"),
            "It receives the access logs of its region: a bucket that logs into itself"
            " writes a log for each log.",
        ),
        Explanation(
            ("S3_BUCKET_REPLICATION_ENABLED",),
            "Logs of a region stay there and expire; the other region has a log bucket"
            " of its own.",
        ),
    ),
    "audit bucket": (
        Explanation(
            ("S3_BUCKET_REPLICATION_ENABLED",),
            "Nobody can delete its files, and the log group of the trail has its events,"
            " too. CloudTrail itself keeps 90 days of them in every region.",
        ),
    ),
    "copy": (
        Explanation(
            ("S3_BUCKET_REPLICATION_ENABLED",),
            "It is the other region's copy: what is in it comes from there.",
        ),
    ),
    "backup bucket": (
        Explanation(
            ("S3_BUCKET_REPLICATION_ENABLED",),
            "It keeps backups of what the other region holds, away from there.",
        ),
    ),
    "website": (
        Explanation(
            (
                "CKV_AWS_54",
                "CKV_AWS_56",
                "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED",
                "S3_BUCKET_PUBLIC_READ_PROHIBITED",
                "S3_BUCKET_PUBLIC_WRITE_PROHIBITED",
            ),
            "It serves public pages: the setting website: public asks for it. The policy"
            " lets anybody read and nobody write. website: cloudfront keeps it private.",
        ),
    ),
    "website policy": (
        Explanation(
            ("S3_BUCKET_SSL_REQUESTS_ONLY",),
            "Website endpoints of S3 speak plain HTTP only. website: cloudfront serves"
            " HTTPS.",
        ),
    ),
    "unlogged website": (
        Explanation(
            ("CKV_AWS_18", "S3_BUCKET_LOGGING_ENABLED"),
            "It holds public pages only, and this system has no log bucket: who needs to"
            " know the readers gives it one.",
        ),
    ),
    "member of a cluster": (
        Explanation(("RDS_STORAGE_ENCRYPTED",), _ON_THE_CLUSTER),
        Explanation(("DB_INSTANCE_BACKUP_ENABLED",), _ON_THE_CLUSTER),
        Explanation(("RDS_INSTANCE_DELETION_PROTECTION_ENABLED",), _ON_THE_CLUSTER),
        Explanation(("RDS_INSTANCE_LOGGING_ENABLED",), _ON_THE_CLUSTER),
        Explanation(
            ("RDS_MULTI_AZ_SUPPORT",),
            "The cluster has two instances, in different zones: one takes over from the"
            " other.",
        ),
        Explanation(
            ("RDS_AUTOMATIC_MINOR_VERSION_UPGRADE_ENABLED",),
            "The clusters of a global database are upgraded in an order, the secondary"
            " first.",
        ),
    ),
    "read replica": (
        Explanation(("CKV_AWS_16", "RDS_STORAGE_ENCRYPTED"), _OF_THE_SOURCE),
        Explanation(("CKV_AWS_157", "RDS_MULTI_AZ_SUPPORT"), _AFTER_PROMOTION),
        Explanation(("DB_INSTANCE_BACKUP_ENABLED",), _AFTER_PROMOTION),
    ),
    "parameter group": (
        Explanation(
            ("RDS_STORAGE_ENCRYPTED",), "A group of parameters stores no data."
        ),
    ),
    "database secret": (
        Explanation(
            ("SECRETSMANAGER_ROTATION_ENABLED_CHECK",),
            "RDS's own rotation supports neither read replicas nor global databases, and"
            " any other needs a function in your network: rotate with yours.",
        ),
    ),
    "synchronous function": (
        Explanation(
            ("CKV_AWS_116", "LAMBDA_DLQ_CHECK"),
            "It is called synchronously only: the caller gets its errors, and a dead"
            " letter queue would never get anything.",
        ),
    ),
    "unreserved function": (
        Explanation(
            ("CKV_AWS_115", "LAMBDA_CONCURRENCY_CHECK"),
            "The stage throttles its only caller. A reservation is taken from the"
            " account, and a new account has none to give: the setting concurrency"
            " asks for one.",
        ),
    ),
    "function without a VPC": (
        Explanation(
            ("CKV_AWS_117", "LAMBDA_INSIDE_VPC"),
            "It uses a table and nothing in a VPC; its role can use nothing else.",
        ),
    ),
    "API stage": (
        Explanation(
            ("CKV_AWS_120", "API_GW_CACHE_ENABLED_AND_ENCRYPTED"),
            "Answers are current state: a cached one is stale, and may be another"
            " caller's.",
        ),
    ),
    "open method": (
        Explanation(
            ("CKV_AWS_59",),
            "Callers need no identity here, by the settings. Throttling limits how often"
            " they call; a resource policy, or a path that nobody guesses, who they are.",
        ),
    ),
    "role": (
        Explanation(
            ("IAM_NO_INLINE_POLICY_CHECK",),
            "The policy is this role's alone: reviewed, changed and deleted with it.",
        ),
    ),
    "role in a VPC": (
        Explanation(
            ("CKV_AWS_111",),
            "Lambda asks for interfaces on every resource; NotFromCode denies them to the"
            " code. X-Ray has no resources.",
        ),
    ),
    "trail": (
        Explanation(
            ("CLOUD_TRAIL_ENCRYPTION_ENABLED",),
            "KMSKeyId refers to the key of this system; the rule accepts text only.",
        ),
        Explanation(
            ("CLOUDTRAIL_S3_DATAEVENTS_ENABLED",),
            "It records the objects of this system's buckets. The rule asks for every"
            " bucket of the account, with the one that receives the trail.",
        ),
    ),
    "way out": (
        Explanation(
            ("NO_UNRESTRICTED_ROUTE_TO_IGW",),
            "Only NAT gateways and load balancers are in these subnets, and they need the"
            " internet; servers and databases are in others.",
        ),
    ),
    "HTTP listener": (
        Explanation(
            ("CKV_AWS_2", "CKV_AWS_103"),
            "With a certificate it only redirects to HTTPS; without one, the setting"
            " allow_http asks for plain HTTP.",
        ),
    ),
    "key of disks": (
        Explanation(
            ("CKV_AWS_33",),
            "Conditions limit the statement to the service-linked role of Auto Scaling in"
            " this account, which cannot be named before it exists.",
        ),
    ),
}
"""What a resource is → what scanners are told about it."""


def metadata(*kinds: str) -> dict[str, Any]:
    """Return the metadata of a resource that is of these kinds (keys of `EXPLAINED`)."""
    each = [
        (r, one.why) for kind in kinds for one in EXPLAINED[kind] for r in one.rules
    ]
    checkov = [{"id": r, "comment": why} for r, why in each if r.startswith("CKV_")]
    guard = {r: why for r, why in each if not r.startswith("CKV_")}
    found: dict[str, Any] = {}
    if checkov:
        found["checkov"] = {"skip": checkov}
    if guard:
        found["guard"] = {"SuppressedRules": list(guard), "reasons": guard}
    return found
