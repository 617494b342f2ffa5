"""Buckets: private, encrypted, versioned, TLS only, kept when their stack goes.

A `Bucket` is known by its name alone, so that roles and policies in other templates can
be written before it exists; it hands out the statements needed to use it.

    storage.bucket(
        t, "Receipts", name=name("receipts", unique=True), purpose="receipts",
        key_arn=Ref("KmsKeyArn"), log_to=Ref("LogBucketName"),
        lifecycle=storage.lifecycle(noncurrent_days=storage.noncurrent_days(t)),
    )
    allow = storage.Bucket(name("receipts", unique=True), key_arn=Ref("Key")).write()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from awacs import kms
from awacs import s3 as actions
from awacs.aws import (
    Action,
    ArnLike,
    Bool,
    Principal,
    Statement,
    StringEquals,
    StringLike,
)
from troposphere import If, NoValue, Ref, Tags, Template, s3

from tapgen.blocks import frame, monitoring, names, security

MULTIPART_DAYS = 7
"""Days after which the parts of an upload that never ended are removed."""

REPLICATION_MINUTES = 15
"""The only threshold that S3 knows, for metrics and for time control."""


@dataclass(frozen=True)
class Bucket:
    """A bucket by its name, the region it is in and the key it is encrypted with.

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
        """What a role needs to list the bucket and read its objects."""
        return [
            security.statement(f"{sid}List", [actions.ListBucket], [self.arn]),
            security.statement(f"{sid}Objects", [actions.GetObject], [self.objects]),
            *self._with_key(f"{sid}Key", [kms.Decrypt]),
        ]

    def write(self, sid: str = "Write") -> list[Statement]:
        """What a role needs to add objects, large ones in several parts."""
        return [
            security.statement(
                f"{sid}Objects",
                [actions.AbortMultipartUpload, actions.PutObject],
                [self.objects],
            ),
            # Completing an upload in parts decrypts them.
            *self._with_key(f"{sid}Key", [kms.Decrypt, kms.GenerateDataKey]),
        ]

    def replicate_from(self) -> list[Statement]:
        """What a replication role needs of its source."""
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
        """What a replication role needs of its destination."""
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
        """What S3 Batch Operations needs to replicate what was there before.

        It makes its own list of objects, starts their replication and reports under a
        prefix of another bucket.
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
        """Lets one CloudFront distribution, and nobody else, read the objects.

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
        """Use of the key, by S3 in the bucket's region, for this bucket only.

        With a bucket key the encryption context is the bucket's ARN, without one the
        object's; a policy that knows only one of them fails in silence.
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
    """Where a bucket's objects are copied to.

    `key_arn` is the key, in the destination's region, that copies are encrypted with;
    None for a bucket with S3's own keys, to another one of that kind.
    `time_control` is the name of a condition: whether S3 promises to copy within 15
    minutes, at a price per gigabyte. `when` is the name of a condition without which
    nothing is copied. `both_ways` is the name of the condition that the destination also
    copies back: then changes to the metadata of copies are copied, too.
    """

    destination: Any
    key_arn: Any
    role_arn: Any
    rule: str
    time_control: str
    when: str = ""
    both_ways: str = ""


def noncurrent_days(t: Template, what: str = "objects") -> Ref:
    """The parameter for how long old versions are kept; `what` is what they are of."""
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
    """A `Replication` by the parameters for its role and for time control."""
    role = frame.role_arn(
        t, "ReplicationRoleArn", "ARN of the role that S3 uses to replicate."
    )
    frame.flag(
        t,
        "ReplicationTimeControl",
        description="Whether S3 guarantees replication within 15 minutes, at extra cost.",
        condition="HasTimeControl",
    )
    return Replication(destination, key_arn, role, rule, "HasTimeControl", **more)


def replicated(source: str, destination: str, rule: str) -> dict[str, Any]:
    """The dimensions of what S3 publishes about a replication, by names of buckets."""
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
    """Add the role by which S3 copies from one bucket, and from no other, to another."""
    return security.service_role(
        t,
        title,
        name=name,
        service="s3.amazonaws.com",
        description=description,
        allow=[*source.replicate_from(), *destination.replicate_to()],
        when=[
            security.own_account(),
            ArnLike({"aws:SourceArn": names.sub(source.arn)}),
        ],
    )


@dataclass(frozen=True)
class Website:
    """A bucket whose objects everybody may read, as pages: the objects, nothing else.

    Website endpoints speak plain HTTP only, so such a bucket does not insist on TLS.
    Nor can it have a key: who is anonymous cannot decrypt.
    """

    index: str = "index.html"
    error: str = "error.html"


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
    policy: Sequence[Statement] = (),
    tags: Mapping[str, Any] | None = None,
) -> Bucket:
    """Add a bucket and its policy.

    `key_arn` None encrypts with S3's own keys, for what may not be encrypted otherwise.
    `log_to` is the name of the bucket in the same region that takes its access logs.
    `policy` holds the statements besides the one that refuses plain HTTP, `tags` the
    tags besides the purpose.
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
    resource = t.add_resource(
        s3.Bucket(
            title,
            # A failed first try leaves nothing behind that the next would trip over;
            # from then on the data outlives the stack.
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
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
            Bucket=Ref(resource),
            PolicyDocument=security.document(
                _tls_only(bucket) if website is None else _anybody_reads(bucket),
                *policy,
            ),
        )
    )
    return bucket


def _tls_only(bucket: Bucket) -> Statement:
    return security.statement(
        "DenyPlainHttp",
        [Action("s3", "*")],
        [bucket.arn, bucket.objects],
        Bool({"aws:SecureTransport": "false"}),
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
        # One data key for many objects: a hundredth of the calls to KMS.
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
        # Within what hangs on a condition it cannot be asked a second time.
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
                # An empty filter takes everything, and makes this a rule of the second
                # schema, the only one that can copy delete markers.
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
    """An alarm on a replica that falls behind, for the region of the destination.

    S3 publishes there how far behind a replica is, and in the region of the source what
    failed. `replicated` are the dimensions of both, as `replicated` gives
    them.
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
    """An alarm on objects that S3 cannot replicate, for the region of the source."""
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
    """Rules for a versioned bucket.

    Old versions go after `noncurrent_days`, uploads that never ended after a week,
    current versions move to other storage classes after the days given, and go after
    `expire_days` where that is set.
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
            # A marker whose last old version is gone hides nothing any more.
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
