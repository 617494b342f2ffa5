"""S3 replication: what S3 rejects, and what fails silently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tapgen.rules.base import DOCS, Found, ResourceRule, deployed_to
from tapgen.rules.values import Path, absent, arn, get, items, present, text, truth
from tapgen.rules.view import Resource
from tapgen.rules.wide import FoundAt, WideRule, World

_GUIDE = f"{DOCS}AmazonS3/latest/userguide/"
_BUCKET = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
{versioning}\
      ReplicationConfiguration:
        Role: !Sub arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/replication
        Rules:
          - Status: Enabled
            Priority: 1
{rule}\
            Destination:
              Bucket: !Sub arn:${{AWS::Partition}}:s3:::orders-copy
{destination}\
"""
_VERSIONING = "      VersioningConfiguration: {Status: Enabled}\n"
_FILTER = """\
            Filter: {Prefix: ''}
            DeleteMarkerReplication: {Status: Disabled}
"""


def _example(
    versioning: str = _VERSIONING, rule: str = _FILTER, destination: str = ""
) -> str:
    return _BUCKET.format(versioning=versioning, rule=rule, destination=destination)


class _ReplicationRule(ResourceRule):
    """A rule about each rule of a replication configuration."""

    types = ("AWS::S3::Bucket",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        steps = ("ReplicationConfiguration", "Rules")
        for index, rule in enumerate(items(it.properties, *steps)):
            for path, message in self.check_rule(rule):
                yield (*steps, index, *path), message

    def check_rule(self, rule: Any) -> Iterator[Found]:
        yield from ()


class ReplicationWithoutVersioning(ResourceRule):
    id = "E9525"
    shortdesc = "A bucket is replicated without versioning"
    description = (
        "S3 replicates object versions. Without VersioningConfiguration on the source"
        " bucket, S3 rejects PutBucketReplication with InvalidRequest and the stack"
        " fails. Enable versioning on the source bucket."
    )
    source_url = f"{_GUIDE}replication-requirements.html"
    at = "Resources/Bucket/Properties/ReplicationConfiguration"
    bad = _example(versioning="")
    good = _example()
    types = ("AWS::S3::Bucket",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        if not present(it.properties, "ReplicationConfiguration"):
            return
        status = text(it.properties, "VersioningConfiguration", "Status")
        if absent(it.properties, "VersioningConfiguration") or status == "Suspended":
            yield ("ReplicationConfiguration",), (
                "replication needs VersioningConfiguration: {Status: Enabled}"
            )


class EncryptedObjectsNotSelected(_ReplicationRule):
    id = "E9526"
    shortdesc = "A key for replicas is set, but encrypted objects are not replicated"
    description = (
        "S3 replicates objects encrypted with KMS only if the rule has both"
        " ReplicaKmsKeyID and SourceSelectionCriteria.SseKmsEncryptedObjects. It"
        " rejects a rule that has one without the other. Set both."
    )
    source_url = f"{_GUIDE}replication-config-for-kms-objects.html"
    at = (
        "Resources/Bucket/Properties/ReplicationConfiguration/Rules/0/Destination/"
        "EncryptionConfiguration/ReplicaKmsKeyID"
    )
    _key = """\
              EncryptionConfiguration:
                ReplicaKmsKeyID: !Sub arn:aws:kms:us-west-2:${AWS::AccountId}:key/mrk-1
"""
    bad = _example(destination=_key)
    good = _example(
        destination=_key,
        rule=_FILTER
        + "            SourceSelectionCriteria: {SseKmsEncryptedObjects: {Status: Enabled}}\n",
    )

    def check_rule(self, rule: Any) -> Iterator[Found]:
        criteria = ("SourceSelectionCriteria", "SseKmsEncryptedObjects", "Status")
        key = ("Destination", "EncryptionConfiguration", "ReplicaKmsKeyID")
        status = text(rule, *criteria)
        if present(rule, *key) and (absent(rule, *criteria) or status == "Disabled"):
            yield key, (
                "ReplicaKmsKeyID needs SourceSelectionCriteria:"
                " {SseKmsEncryptedObjects: {Status: Enabled}} in the same rule"
            )
        if status == "Enabled" and absent(rule, *key):
            yield criteria, (
                "SseKmsEncryptedObjects needs Destination.EncryptionConfiguration."
                "ReplicaKmsKeyID, a key in the region of the destination"
            )


class ReplicationTimeWithoutMetrics(_ReplicationRule):
    id = "E9527"
    shortdesc = "Replication Time Control is enabled without metrics"
    description = (
        "S3 rejects ReplicationTime without Metrics. Set both, with the threshold of"
        " 15 minutes: S3 supports no other."
    )
    source_url = f"{_GUIDE}replication-time-control.html"
    at = (
        "Resources/Bucket/Properties/ReplicationConfiguration/Rules/0/Destination/"
        "ReplicationTime"
    )
    _time = "              ReplicationTime: {Status: Enabled, Time: {Minutes: 15}}\n"
    bad = _example(destination=_time)
    good = _example(
        destination=_time
        + "              Metrics: {Status: Enabled, EventThreshold: {Minutes: 15}}\n"
    )

    def check_rule(self, rule: Any) -> Iterator[Found]:
        to = get(rule, "Destination")
        if text(to, "ReplicationTime", "Status") != "Enabled":
            return
        if absent(to, "Metrics") or text(to, "Metrics", "Status") == "Disabled":
            yield ("Destination", "ReplicationTime"), (
                "ReplicationTime needs Metrics: {Status: Enabled, EventThreshold:"
                " {Minutes: 15}}"
            )


class DeleteMarkersWithTags(_ReplicationRule):
    id = "E9528"
    shortdesc = "A replication rule combines settings that S3 rejects"
    description = (
        "A rule with Filter needs DeleteMarkerReplication and, beside other rules,"
        " Priority. Delete markers have no tags, so a rule that filters by tags cannot"
        " replicate them. ReplicaModifications needs a Filter. S3 rejects the whole"
        " configuration if one rule breaks this."
    )
    source_url = f"{_GUIDE}delete-marker-replication.html"
    at = (
        "Resources/Bucket/Properties/ReplicationConfiguration/Rules/0/"
        "DeleteMarkerReplication"
    )
    _tags = """\
            Filter: {{TagFilter: {{Key: copy, Value: 'yes'}}}}
            DeleteMarkerReplication: {{Status: {status}}}
"""
    bad = _example(rule=_tags.format(status="Enabled"))
    good = _example(rule=_tags.format(status="Disabled"))

    def check_rule(self, rule: Any) -> Iterator[Found]:
        markers = ("DeleteMarkerReplication", "Status")
        tagged = present(rule, "Filter", "TagFilter") or present(
            rule, "Filter", "And", "TagFilters"
        )
        if tagged and text(rule, *markers) == "Enabled":
            yield ("DeleteMarkerReplication",), (
                "a rule that filters by tags cannot replicate delete markers, which"
                " have no tags; set Status: Disabled"
            )
        if present(rule, "Filter") and absent(rule, "DeleteMarkerReplication"):
            yield ("Filter",), "a rule with Filter needs DeleteMarkerReplication"
        changes = ("SourceSelectionCriteria", "ReplicaModifications")
        if present(rule, *changes) and absent(rule, "Filter"):
            yield changes, "ReplicaModifications needs a rule with Filter"


class EncryptedWebsite(ResourceRule):
    id = "E9529"
    shortdesc = "The objects of a website are encrypted with KMS"
    description = (
        "The website endpoint reads objects anonymously, and anonymous requests"
        " cannot use a KMS key: every page returns 403. Encrypt with AES256, or use"
        " CloudFront with origin access control and a bucket without website hosting."
    )
    source_url = f"{_GUIDE}WebsiteAccessPermissionsReqd.html"
    at = "Resources/Site/Properties/WebsiteConfiguration"
    _site = """\
Resources:
  Site:
    Type: AWS::S3::Bucket
    Properties:
      WebsiteConfiguration: {{IndexDocument: index.html, ErrorDocument: error.html}}
      BucketEncryption:
        ServerSideEncryptionConfiguration:
          - ServerSideEncryptionByDefault: {{SSEAlgorithm: {algorithm}}}
"""
    bad = _site.format(algorithm="'aws:kms'")
    good = _site.format(algorithm="AES256")
    types = ("AWS::S3::Bucket",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        website = get(it.properties, "WebsiteConfiguration")
        if not present(website, "IndexDocument"):
            return  # one that only redirects serves no objects
        steps = ("BucketEncryption", "ServerSideEncryptionConfiguration")
        for rule in items(it.properties, *steps):
            algorithm = (
                text(rule, "ServerSideEncryptionByDefault", "SSEAlgorithm") or ""
            )
            if algorithm.startswith("aws:kms"):
                yield ("WebsiteConfiguration",), (
                    f"objects are encrypted with {algorithm}, which anonymous requests"
                    " cannot decrypt; use AES256"
                )


class SamePriorityTwice(ResourceRule):
    id = "E9530"
    shortdesc = "Replication rules of one bucket have the same priority"
    description = (
        "Rules with Filter need a Priority, and each rule needs a different one."
        " Otherwise S3 cannot decide which rule comes first, and rejects the"
        " configuration."
    )
    source_url = f"{_GUIDE}replication-add-config.html"
    at = "Resources/Bucket/Properties/ReplicationConfiguration/Rules/1/Priority"
    _second = """\
          - Status: Enabled
            Priority: {priority}
            Filter: {{Prefix: invoices/}}
            DeleteMarkerReplication: {{Status: Disabled}}
            Destination:
              Bucket: !Sub arn:${{AWS::Partition}}:s3:::orders-copy
"""
    bad = _example() + _second.format(priority=1)
    good = _example() + _second.format(priority=2)
    types = ("AWS::S3::Bucket",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        steps = ("ReplicationConfiguration", "Rules")
        rules = items(it.properties, *steps)
        seen: set[str] = set()
        for index, rule in enumerate(rules):
            priority = text(rule, "Priority")
            if priority in seen:
                yield (*steps, index, "Priority"), (
                    f"another rule has priority {priority}; use a different one"
                )
            if priority:
                seen.add(priority)
            filtered = present(rule, "Filter") and absent(rule, "Priority")
            if filtered and len(rules) > 1 and truth(rule, "Priority") is False:
                yield (
                    *steps,
                    index,
                ), "a rule with Filter needs Priority beside other rules"


class MutualReplication(WideRule):
    id = "E9607"
    shortdesc = "Buckets replicate to each other from their creation"
    description = (
        "The destination of a replication must exist, with versioning, before the"
        " bucket that names it. Of two buckets that name each other, neither can be"
        " created first, and the first stack instance fails with 'Destination bucket"
        " must exist'. Add the replication by a parameter that has another value at first"
        " (at_first), or in a second rollout."
    )
    source_url = f"{_GUIDE}replication-requirements.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", "us-west-2")
    at = (
        "Resources/Bucket/Properties/ReplicationConfiguration/Fn::If/1/Rules/0/"
        "Destination/Bucket"
    )
    _both = """\
Parameters:
  Replicate: {{Type: String, Default: '{replicate}'}}
Conditions:
  Replicates: !Equals [!Ref Replicate, 'true']
Mappings:
  Peers:
    us-east-1: {{Region: us-west-2}}
    us-west-2: {{Region: us-east-1}}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BucketName: !Sub orders-${{AWS::AccountId}}-${{AWS::Region}}
      VersioningConfiguration: {{Status: Enabled}}
      ReplicationConfiguration: !If
        - Replicates
        - Role: !Sub arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/replication
          Rules:
            - Status: Enabled
              Destination:
                Bucket: !Sub
                  - arn:${{AWS::Partition}}:s3:::orders-${{AWS::AccountId}}-${{Peer}}
                  - Peer: !FindInMap [Peers, !Ref AWS::Region, Region]
        - !Ref AWS::NoValue
"""
    bad = _both.format(replicate="true")
    good = _both.format(replicate="false")

    def check_world(self, world: World) -> Iterator[FoundAt]:
        buckets = list(world.resources("AWS::S3::Bucket"))
        named = {text(it.properties, "BucketName") or "": it for it in buckets}
        # Two stack sets can be rolled out in two steps; one has to know both at once.
        owner = {id(place): s.name if s else "" for s, place in world.places}
        for it in buckets:
            for path, name in destinations(it.at_creation):
                other = named.get(name)
                if other is None or other is it:
                    continue
                if owner.get(id(it.place)) != owner.get(id(other.place)):
                    continue
                theirs = destinations(other.at_creation)
                back = [named.get(name) for _, name in theirs]
                if any(b is it for b in back):
                    yield it, path, (
                        f"{other.id} in {other.place.region} also replicates to this"
                        " bucket, so neither can be created first"
                    )


def destinations(it: Resource | None) -> Iterator[tuple[Path, str]]:
    """Yield the names of the buckets that a bucket is replicated to."""
    if it is None or it.type != "AWS::S3::Bucket":
        return
    steps = ("ReplicationConfiguration", "Rules")
    for index, rule in enumerate(items(it.properties, *steps)):
        found = arn(text(rule, "Destination", "Bucket") or "")
        if found and found.service == "s3" and text(rule, "Status") == "Enabled":
            yield (*steps, index, "Destination", "Bucket"), found.resource
