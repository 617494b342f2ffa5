"""Buckets: private, encrypted, versioned, TLS only, retained after their stack.

A `Bucket` is only a name, so roles and policies in other templates can refer to it
before it exists. It returns the policy statements that allow its use.

    storage.bucket(
        t, "Receipts", name=name("receipts", unique=True), purpose="receipts",
        key_arn=Ref("KmsKeyArn"), log_to=Ref("LogBucketName"),
        lifecycle=storage.lifecycle(noncurrent_days=storage.noncurrent_days(t)),
    )
    allow = storage.Bucket(name("receipts", unique=True), key_arn=Ref("Key")).write()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from awacs import kms
from awacs import s3 as actions
from awacs.aws import (
    Action,
    Bool,
    Principal,
    Statement,
    StringEquals,
    StringLike,
)
from troposphere import If, NoValue, Ref, Tags, Template, s3

from tapgen.blocks import context, explained, frame, monitoring, names, security
from tapgen.frozen import dataclass

MULTIPART_DAYS = 7
"""Days after which S3 deletes the parts of an unfinished upload."""

REPLICATION_MINUTES = 15
"""The only threshold that S3 supports, for metrics and for time control."""


@dataclass(frozen=True)
class Bucket:
    """A bucket, by its name, region and encryption key.

    All three are text for `Fn::Sub`, or for the key any value.
    """

    name: str
    region: str = "${AWS::Region}"
    key_arn: Any = None

    @property
    def arn(self) -> str:
        """The ARN of the bucket, as text for `Fn::Sub`."""
        return names.bucket_arn(self.name)

    @property
    def objects(self) -> str:
        """The ARN of its objects, as text for `Fn::Sub`."""
        return f"{self.arn}/*"

    def read(self, sid: str = "Read") -> list[Statement]:
        """Allow listing the bucket and reading its objects."""
        return [
            security.statement(f"{sid}List", [actions.ListBucket], [self.arn]),
            security.statement(f"{sid}Objects", [actions.GetObject], [self.objects]),
            *self._with_key(f"{sid}Key", [kms.Decrypt]),
        ]

    def put(self, sid: str = "Put") -> list[Statement]:
        """Allow adding objects, each in one call."""
        return [
            security.statement(f"{sid}Objects", [actions.PutObject], [self.objects]),
            *self._with_key(f"{sid}Key", [kms.GenerateDataKey]),
        ]

    def write(self, sid: str = "Write") -> list[Statement]:
        """Allow adding objects, also in multipart uploads."""
        return [
            security.statement(
                f"{sid}Objects",
                [actions.AbortMultipartUpload, actions.PutObject],
                [self.objects],
            ),
            # Completing a multipart upload decrypts the parts.
            *self._with_key(f"{sid}Key", [kms.Decrypt, kms.GenerateDataKey]),
        ]

    def replicate_from(self) -> list[Statement]:
        """Allow a replication role to read its source."""
        return [
            security.statement(
                "ReadConfiguration",
                [actions.GetReplicationConfiguration, actions.ListBucket],
                [self.arn],
            ),
            security.statement(
                "ReadVersions",
                [
                    actions.GetObjectVersionAcl,
                    actions.GetObjectVersionForReplication,
                    actions.GetObjectVersionTagging,
                ],
                [self.objects],
            ),
            *self._with_key("DecryptSource", [kms.Decrypt]),
        ]

    def replicate_to(self) -> list[Statement]:
        """Allow a replication role to write to its destination."""
        return [
            security.statement(
                "WriteReplicas",
                [
                    actions.ReplicateDelete,
                    actions.ReplicateObject,
                    actions.ReplicateTags,
                ],
                [self.objects],
            ),
            *self._with_key("EncryptReplicas", [kms.Encrypt, kms.GenerateDataKey]),
        ]

    def replicate_existing(self, reports: Bucket, prefix: str) -> list[Statement]:
        """Allow S3 Batch Operations to replicate existing objects.

        It creates a manifest of the objects, starts their replication, and writes a
        report under a prefix of another bucket.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-policies.html
        """
        return [
            security.statement(
                "StartReplication", [actions.InitiateReplication], [self.objects]
            ),
            security.statement(
                "ListObjects",
                [
                    actions.GetReplicationConfiguration,
                    actions.PutInventoryConfiguration,
                ],
                [self.arn],
            ),
            security.statement(
                "WriteReports",
                [actions.GetObject, actions.GetObjectVersion, actions.PutObject],
                [f"{reports.arn}/{prefix}/*"],
            ),
        ]

    def serve_to(self, distribution_arn: Any) -> list[Statement]:
        """Allow only one CloudFront distribution to read the objects.

        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
        """
        return [
            security.statement(
                "ServeToCloudFront",
                [actions.GetObject],
                [self.objects],
                StringEquals({"aws:SourceArn": distribution_arn}),
                service="cloudfront.amazonaws.com",
            )
        ]

    def _with_key(self, sid: str, use: Sequence[Action]) -> list[Statement]:
        """Allow S3 in the bucket's region to use the key, for this bucket only.

        With a bucket key the encryption context is the bucket's ARN, without one the
        object's. With a policy for only one of them, replication fails without an
        error.
        """
        if self.key_arn is None:
            return []
        context = [names.sub(self.arn), names.sub(self.objects)]
        via = names.sub(f"s3.{self.region}.${{AWS::URLSuffix}}")
        return [
            security.statement(
                sid,
                use,
                [self.key_arn],
                StringEquals({"kms:ViaService": via}),
                StringLike({"kms:EncryptionContext:aws:s3:arn": context}),
            )
        ]


@dataclass(frozen=True)
class Replication:
    """The destination of a bucket's replication.

    `key_arn` is the key in the destination's region that encrypts the copies; None if
    both buckets use S3-managed keys. `time_control`, `when` and `both_ways` are names
    of conditions: whether S3 guarantees replication within 15 minutes, at a price per
    gigabyte; whether it replicates at all; and whether the destination also replicates
    back, so that changes of a copy's metadata are replicated, too.
    """

    destination: Any
    key_arn: Any
    role_arn: Any
    rule: str
    time_control: str
    when: str = ""
    both_ways: str = ""


def noncurrent_days(t: Template, what: str = "objects") -> Ref:
    """Add the parameter for the retention of old versions; `what` names the objects."""
    return frame.parameter(
        t,
        "NoncurrentVersionDays",
        type="Number",
        description=f"Days for which replaced and deleted {what} can be restored.",
        MinValue=1,
        MaxValue=3650,
    )


def replication(
    t: Template, *, destination: Any, rule: str, key_arn: Any = None, **more: str
) -> Replication:
    """Return a `Replication`, with parameters for its role and for time control."""
    role = frame.role_arn(
        t, "ReplicationRoleArn", "ARN of the role that S3 uses to replicate."
    )
    frame.flag(
        t,
        "ReplicationTimeControl",
        description="Whether S3 guarantees replication in 15 minutes, at extra cost.",
        condition="HasTimeControl",
    )
    return Replication(destination, key_arn, role, rule, "HasTimeControl", **more)


def replicated(source: str, destination: str, rule: str) -> dict[str, Any]:
    """Return the dimensions of S3's replication metrics, by names of buckets."""
    return {
        "SourceBucket": names.sub(source),
        "DestinationBucket": names.sub(destination),
        "RuleId": rule,
    }


def replication_role(
    t: Template,
    title: str,
    *,
    name: str,
    description: str,
    source: Bucket,
    destination: Bucket,
) -> Any:
    """Add the role that S3 uses to replicate from one bucket to another.

    S3 takes it without a condition: no page says that S3 names the source when it does,
    and where it did not, nothing would be replicated. Who may pass the role is limited.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
    """
    return security.service_role(
        t,
        title,
        name=name,
        service="s3.amazonaws.com",
        description=description,
        allow=[*source.replicate_from(), *destination.replicate_to()],
        when=(),
    )


@dataclass(frozen=True)
class Website:
    """A website: a bucket whose objects everybody may read.

    Website endpoints support only plain HTTP, so such a bucket does not require TLS. It
    cannot have a key either: anonymous clients cannot decrypt.
    """

    index: str = "index.html"
    error: str = "error.html"


@dataclass(frozen=True)
class Lock:
    """How long nobody can delete or overwrite an object of a bucket, from its upload.

    `mode` is `GOVERNANCE`, which who has `s3:BypassGovernanceRetention` can end, or
    `COMPLIANCE`, which nobody can. S3 can neither take the lock from a bucket again, nor
    deliver access logs to it.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
    """

    mode: Any
    days: Any


def bucket(
    t: Template,
    title: str,
    *,
    name: str,
    purpose: str,
    key_arn: Any,
    lifecycle: Sequence[s3.LifecycleRule],
    log_to: Any = None,
    replication: Replication | None = None,
    website: Website | None = None,
    lock: Lock | None = None,
    policy: Sequence[Statement] = (),
    tags: Mapping[str, Any] | None = None,
    kinds: Sequence[str] = (),
    why: str = "bucket",
) -> Bucket:
    """Add a bucket and its policy.

    Without `key_arn` S3-managed keys encrypt it, for buckets that support no others.
    `log_to` is the name of the access log bucket in the same region. `policy` holds the
    statements besides the one that denies plain HTTP, `tags` the tags besides the
    purpose, `kinds` what scanners are told about it (`explained`), `why` the kind that
    says why it must stay (`context`).
    """
    assert website is None or key_arn is None, "who is anonymous cannot decrypt"
    optional: dict[str, Any] = {}
    if website is not None:
        optional["WebsiteConfiguration"] = s3.WebsiteConfiguration(
            IndexDocument=website.index, ErrorDocument=website.error
        )
    if log_to is not None:
        optional["LoggingConfiguration"] = s3.LoggingConfiguration(
            DestinationBucketName=log_to, LogFilePrefix=f"access/{purpose}/"
        )
    if replication is not None:
        optional["ReplicationConfiguration"] = _replication(replication)
    if lock is not None:
        retention = s3.DefaultRetention(Mode=lock.mode, Days=lock.days)
        optional["ObjectLockEnabled"] = True
        optional["ObjectLockConfiguration"] = s3.ObjectLockConfiguration(
            ObjectLockEnabled="Enabled",
            Rule=s3.ObjectLockRule(DefaultRetention=retention),
        )
    if website is not None:
        kinds = [*kinds, "website"]
    resource = t.add_resource(
        s3.Bucket(
            title,
            # A failed creation leaves no bucket behind that blocks the next one; after
            # that, the data outlives the stack.
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            Metadata=explained.metadata(*kinds) | context.metadata(why),
            BucketName=names.sub(name),
            BucketEncryption=_encryption(key_arn),
            VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
            OwnershipControls=s3.OwnershipControls(
                Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
            ),
            PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
                BlockPublicAcls=True,
                BlockPublicPolicy=website is None,
                IgnorePublicAcls=True,
                RestrictPublicBuckets=website is None,
            ),
            LifecycleConfiguration=s3.LifecycleConfiguration(Rules=list(lifecycle)),
            Tags=Tags(Purpose=purpose, **(tags or {})),
            **optional,
        )
    )
    bucket = Bucket(name, key_arn=key_arn)
    t.add_resource(
        s3.BucketPolicy(
            f"{title}Policy",
            **_of_website(website),
            Bucket=Ref(resource),
            PolicyDocument=security.document(
                _tls_only(bucket) if website is None else _anybody_reads(bucket),
                *policy,
            ),
        )
    )
    return bucket


def _of_website(website: Website | None) -> dict[str, Any]:
    return {"Metadata": explained.metadata("website policy")} if website else {}


def _tls_only(bucket: Bucket) -> Statement:
    return security.statement(
        "DenyPlainHttp",
        [Action("s3", "*")],
        [bucket.arn, bucket.objects],
        # Not as text, which IAM takes too: scanners look for the boolean.
        Bool({"aws:SecureTransport": False}),
        principal=Principal("*"),
        deny=True,
    )


def _anybody_reads(bucket: Bucket) -> Statement:
    return security.statement(
        "AnybodyReadsObjects",
        [actions.GetObject],
        [bucket.objects],
        principal=Principal("*"),
    )


def _encryption(key_arn: Any) -> Any:
    by_default = (
        s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
        if key_arn is None
        else s3.ServerSideEncryptionByDefault(
            SSEAlgorithm="aws:kms", KMSMasterKeyID=key_arn
        )
    )
    rule = s3.ServerSideEncryptionRule(ServerSideEncryptionByDefault=by_default)
    if key_arn is not None:
        # One data key for many objects reduces calls to KMS to a hundredth.
        rule.BucketKeyEnabled = True
    return s3.BucketEncryption(ServerSideEncryptionConfiguration=[rule])


def _replication(to: Replication) -> Any:
    minutes = REPLICATION_MINUTES
    optional: dict[str, Any] = {}
    encryption: dict[str, Any] = {}
    criteria: dict[str, Any] = {}
    if to.key_arn is not None:
        criteria["SseKmsEncryptedObjects"] = s3.SseKmsEncryptedObjects(Status="Enabled")
        encryption["EncryptionConfiguration"] = s3.EncryptionConfiguration(
            ReplicaKmsKeyID=to.key_arn
        )
    if to.both_ways:
        modifications = s3.ReplicaModifications(Status="Enabled")
        # The same condition cannot be nested in itself.
        always = to.both_ways == to.when
        criteria["ReplicaModifications"] = (
            modifications if always else If(to.both_ways, modifications, NoValue)
        )
    if criteria:
        optional["SourceSelectionCriteria"] = s3.SourceSelectionCriteria(**criteria)
    configuration = s3.ReplicationConfiguration(
        Role=to.role_arn,
        Rules=[
            s3.ReplicationConfigurationRules(
                Id=to.rule,
                Status="Enabled",
                Priority=1,
                # An empty filter matches all objects, and selects version 2 of the rule
                # schema, the only one that can replicate delete markers.
                Filter=s3.ReplicationRuleFilter(Prefix=""),
                DeleteMarkerReplication=s3.DeleteMarkerReplication(Status="Enabled"),
                **optional,
                Destination=s3.ReplicationConfigurationRulesDestination(
                    Bucket=to.destination,
                    StorageClass="STANDARD",
                    **encryption,
                    Metrics=s3.Metrics(
                        Status="Enabled",
                        EventThreshold=If(
                            to.time_control,
                            s3.ReplicationTimeValue(Minutes=minutes),
                            NoValue,
                        ),
                    ),
                    ReplicationTime=If(
                        to.time_control,
                        s3.ReplicationTime(
                            Status="Enabled",
                            Time=s3.ReplicationTimeValue(Minutes=minutes),
                        ),
                        NoValue,
                    ),
                ),
            )
        ],
    )
    return If(to.when, configuration, NoValue) if to.when else configuration


def latency_alarm(
    t: Template, title: str, *, name: str, replicated: Mapping[str, Any], topic_arn: Any
) -> None:
    """Add the alarm on replication lag, in the region of the destination.

    S3 publishes the lag there, and failures in the region of the source. `replicated`
    are the dimensions of both, as the function `replicated` returns them.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
    """
    monitoring.alarm(
        t,
        title,
        name=name,
        description="The replica is more than fifteen minutes behind its source",
        namespace="AWS/S3",
        metric="ReplicationLatency",
        dimensions=replicated,
        statistic="Maximum",
        period=300,
        datapoints=(3, 3),
        comparison=">",
        threshold=REPLICATION_MINUTES * 60,
        missing="notBreaching",
        topic_arn=topic_arn,
    )


def failed_alarm(
    t: Template, title: str, *, name: str, replicated: Mapping[str, Any], topic_arn: Any
) -> None:
    """Add the alarm on failed replication, in the region of the source."""
    monitoring.alarm(
        t,
        title,
        name=name,
        description="S3 could not replicate an object: look at its ReplicationStatus",
        namespace="AWS/S3",
        metric="OperationsFailedReplication",
        dimensions=replicated,
        statistic="Sum",
        period=300,
        datapoints=(1, 1),
        comparison=">",
        threshold=0,
        missing="notBreaching",
        topic_arn=topic_arn,
    )


def lifecycle(
    *,
    noncurrent_days: Any,
    transitions: Sequence[tuple[str, int]] = (),
    expire_days: Any = None,
) -> list[s3.LifecycleRule]:
    """Return the lifecycle rules of a versioned bucket.

    S3 deletes old versions after `noncurrent_days`, and unfinished uploads after a
    week. Current versions move to other storage classes after the days given; with
    `expire_days` they expire.
    """
    current: dict[str, Any] = {}
    if transitions:
        current["Transitions"] = [
            s3.LifecycleRuleTransition(StorageClass=storage, TransitionInDays=days)
            for storage, days in transitions
        ]
    if expire_days is not None:
        current["ExpirationInDays"] = expire_days
    rules = [
        s3.LifecycleRule(
            Id="old-versions",
            Status="Enabled",
            NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(
                NoncurrentDays=noncurrent_days
            ),
            # A delete marker without old versions hides nothing any more.
            ExpiredObjectDeleteMarker=True,
            AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(
                DaysAfterInitiation=MULTIPART_DAYS
            ),
        )
    ]
    if current:
        rules.append(
            s3.LifecycleRule(Id="current-versions", Status="Enabled", **current)
        )
    return rules
