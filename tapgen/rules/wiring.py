"""Values that stack sets of a system take from each other, and their order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tapgen.model import StackSet
from tapgen.rules.arn_properties import CROSS_REGION, ROLES, regional
from tapgen.rules.base import DOCS, TEMPLATE_REFERENCE, USER_GUIDE, in_properties
from tapgen.rules.literals import ELSEWHERE
from tapgen.rules.replication import destinations
from tapgen.rules.system_view import FoundIn, SystemRule, SystemView
from tapgen.rules.values import Path, arn, reached, text
from tapgen.rules.view import Resource
from tapgen.system import checks

_NO_VALUE = re.compile(r"parameter (\w+) has no value")
# Resources that only resources of the same region can use.
_REGIONAL_TYPES = {
    "AWS::EC2::InternetGateway",
    "AWS::EC2::LaunchTemplate",
    "AWS::EC2::NatGateway",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
}
# These take VPCs of any region, and have a property for that region.
_ANY_REGION = {"AWS::Route53::HostedZone"}

_QUEUE = """\
  regions: [us-east-1]
  template:
    Resources:
      Jobs:
        Type: AWS::SQS::Queue
"""
REPLICATING = """\
copy:
  regions: [us-west-2]
  template:
    Resources:
      Bucket:
        Type: AWS::S3::Bucket
        DeletionPolicy: Retain
        UpdateReplacePolicy: Retain
        Properties:
          BucketName: !Sub 'orders-copy-${AWS::AccountId}'
          VersioningConfiguration: {Status: Enabled}
source:
  regions: [us-east-1]
  depends_on: [copy]
  template:
    Resources:
      Bucket:
        Type: AWS::S3::Bucket
        DeletionPolicy: Retain
        UpdateReplacePolicy: Retain
        Properties:
          VersioningConfiguration: {Status: Enabled}
          ReplicationConfiguration:
            Role: !Sub arn:aws:iam::${AWS::AccountId}:role/replication
            Rules:
              - Status: Enabled
                Prefix: ''
                Destination: {Bucket: !Sub 'arn:aws:s3:::orders-copy-${AWS::AccountId}'}
"""
"""One bucket that replicates to another: an example for several rules."""


class Wiring(SystemRule):
    id = "E9580"
    shortdesc = "A value from another stack set is missing or does not fit"
    description = (
        "A parameter needs an output that no stack set has, that does not exist at"
        " the target, or that has another type; a parameter has no value, or one that"
        " its constraints forbid; or stack sets depend on each other in a circle. The"
        " rollout could not continue, so `tapgen plan` refuses the system."
    )
    source_url = f"{USER_GUIDE}parameters-section-structure.html"
    at = "app: Parameters/QueueUrl"
    bad = "queue:\n" + _QUEUE + """\
    Outputs:
      Url: {Value: !Ref Jobs}
app:
  regions: [us-east-1]
  parameters:
    QueueUrl: {output: queue.Adress}
  template:
    Parameters:
      QueueUrl: {Type: String}
    Resources:
      Topic:
        Type: AWS::SNS::Topic
        Properties: {DisplayName: !Ref QueueUrl}
"""
    good = bad.replace("Adress", "Url")

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        if not it.resolved:
            return
        for problem in checks.wiring(it.system):
            where, _, said = problem.partition(": ")
            part, _, parameter = where.partition(".")
            if part in it.parts:
                unset = _NO_VALUE.match(said)
                name = unset[1] if unset else parameter
                yield it.parts[part], ("Parameters", name) if name else (), said
            else:
                named = re.split(r" -> |: ", problem)
                first = next((n for n in named if n in it.parts), None)
                if first:
                    yield it.parts[first], (), problem


class WiredFromAnotherRegion(SystemRule):
    id = "E9581"
    shortdesc = "A resource gets a value of another region"
    description = (
        "Keys, certificates, topics, log groups, VPCs, subnets and security groups"
        " are used in their own region only. The reference names a stack instance in"
        " another region. Take the value from the same region (`region: same`), and"
        " deploy the stack set that creates it there too."
    )
    source_url = f"{DOCS}kms/latest/developerguide/multi-region-keys-overview.html"
    at = "logs: Resources/Log/Properties/KmsKeyId"
    bad = """\
keys:
  regions: [us-east-1, eu-west-1]
  template:
    Resources:
      Key:
        Type: AWS::KMS::Key
        DeletionPolicy: Retain
        UpdateReplacePolicy: Retain
        Properties:
          KeyPolicy:
            Version: '2012-10-17'
            Statement:
              - Effect: Allow
                Principal: {AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'}
                Action: kms:*
                Resource: '*'
    Outputs:
      Arn: {Value: !GetAtt Key.Arn}
logs:
  regions: [us-east-1, eu-west-1]
  parameters:
    KeyArn: {output: keys.Arn, region: us-east-1}
  template:
    Parameters:
      KeyArn: {Type: String}
    Resources:
      Log:
        Type: AWS::Logs::LogGroup
        DeletionPolicy: Retain
        UpdateReplacePolicy: Retain
        Properties:
          RetentionInDays: 30
          KmsKeyId: !Ref KeyArn
"""
    good = bad.replace(", region: us-east-1}", "}")

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for stack_set, resource in it.resources():
            for path, value in _of_own_region(resource):
                found = it.origin(stack_set, resource.place, value)
                if found is None or found.region == resource.place.region:
                    continue
                service = found.resource.type.split("::")[1].lower()
                if (resource.type, service) in CROSS_REGION:
                    continue
                yield stack_set, in_properties(resource, *path), (
                    f"{found} is in {found.region}, but {resource.type} in"
                    f" {resource.place.region} needs one in its own region"
                )
            yield from self._network(it, stack_set, resource)

    @staticmethod
    def _network(
        it: SystemView, stack_set: StackSet, resource: Resource
    ) -> Iterator[FoundIn]:
        if resource.type in _ANY_REGION or not resource.type.startswith("AWS::"):
            return
        for path, value in resource.leaves:
            if ELSEWHERE & set(path):
                continue
            found = it.origin(stack_set, resource.place, value)
            if (
                found is not None
                and found.region != resource.place.region
                and found.resource.type in _REGIONAL_TYPES
                and found.attribute in ("", "GroupId", "VpcId", "SubnetId")
            ):
                yield stack_set, in_properties(resource, *path), (
                    f"{found} is in {found.region}, but {resource.type} in"
                    f" {resource.place.region} needs one in its own region"
                )


def _of_own_region(resource: Resource) -> Iterator[tuple[Path, object]]:
    yield from regional(resource)
    if resource.type.startswith("AWS::CloudWatch::"):
        for name in ("AlarmActions", "OKActions", "InsufficientDataActions"):
            yield from reached(resource.properties, (name, "*"))


class NamedBeforeItExists(SystemRule):
    id = "E9586"
    shortdesc = "A stack set names a resource that is created later"
    description = (
        "A destination bucket, a role or a global cluster that is given by name must"
        " exist before the stack that names it; otherwise S3, Lambda or RDS rejects"
        " it. Names define no order: add depends_on, or use an output. Of two buckets"
        " that replicate to each other, one gets its replication from a parameter that"
        " has another value at first (at_first)."
    )
    source_url = f"{DOCS}AmazonS3/latest/userguide/replication-requirements.html"
    at = (
        "source: Resources/Bucket/Properties/ReplicationConfiguration/Rules/0/"
        "Destination/Bucket"
    )
    bad = REPLICATING.replace("  depends_on: [copy]\n", "")
    good = REPLICATING

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        creators = _creators(it)
        found = []
        for stack_set, resource in it.resources():
            for path, key in _named(resource.at_creation):
                parts = creators.get((*key, resource.place.account), {})
                if not parts or stack_set.part in parts:
                    continue
                if not any(part in it.before[stack_set.part] for part in parts):
                    part, what = next(iter(parts.items()))
                    creates = f"{part}.{what} creates {key[1]!r}"
                    where = in_properties(resource, *path)
                    found.append((stack_set, where, part, creates))
        pairs = {(stack_set.part, part) for stack_set, _, part, _ in found}
        for stack_set, where, part, creates in found:
            if (part, stack_set.part) in pairs or stack_set.part in it.before[part]:
                # Each waiting for the other would be a circle.
                yield stack_set, where, (
                    f"{creates}, and needs this stack set itself; give the value by a"
                    f" parameter with at_first, until: [{part}]"
                )
            else:
                yield stack_set, where, (
                    f"{creates}, but may be deployed later; add depends_on: [{part}]"
                )


_Name = tuple[str, str]


def _creators(it: SystemView) -> dict[tuple[str, str, str], dict[str, str]]:
    """Kind, name and account -> part -> logical id of the resource that creates it."""
    names = {
        "AWS::S3::Bucket": ("bucket", "BucketName"),
        "AWS::IAM::Role": ("role", "RoleName"),
        "AWS::RDS::GlobalCluster": ("global cluster", "GlobalClusterIdentifier"),
    }
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for stack_set, resource in it.resources(*names):
        kind, steps = names[resource.type]
        name = text(resource.properties, steps)
        if name:
            key = (kind, name, resource.place.account)
            found.setdefault(key, {})[stack_set.part] = resource.id
    return found


def _named(resource: Resource | None) -> Iterator[tuple[Path, _Name]]:
    """Yield what a resource names that must exist before it."""
    if resource is None:
        return
    for path, bucket in destinations(resource):
        yield path, ("bucket", bucket)
    for steps in ROLES.get(resource.type, ()):
        for path, value in reached(resource.properties, steps):
            found = arn(text(value) or "")
            if found and found.service == "iam" and found.resource.startswith("role/"):
                yield path, ("role", found.resource.rpartition("/")[2])
    if resource.type == "AWS::RDS::DBCluster":
        joined = text(resource.properties, "GlobalClusterIdentifier")
        if joined:
            yield ("GlobalClusterIdentifier",), ("global cluster", joined)


class ExportTwice(SystemRule):
    id = "E9587"
    shortdesc = "Two stack sets export the same name in one account and region"
    description = (
        "Export names are unique in an account and region. The second stack fails"
        " with 'Export with name … is already exported by stack …'. Add the name of"
        " the part, or use output references, which need no export."
    )
    source_url = f"{USER_GUIDE}using-cfn-stack-exports.html"
    at = "second: Outputs/Url/Export/Name"
    bad = (
        "first:\n"
        + _QUEUE
        + """\
    Outputs:
      Url: {Value: !Ref Jobs, Export: {Name: jobs-url}}
second:
"""
        + _QUEUE
        + """\
    Outputs:
      Url: {Value: !Ref Jobs, Export: {Name: jobs-url}}
"""
    )
    good = bad.replace("jobs-url", "first-url", 1)

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        first: dict[tuple[object, str], StackSet] = {}
        for stack_set, place, output, name in it.exports():
            other = first.setdefault((place.target, name), stack_set)
            if other.part != stack_set.part:
                yield stack_set, ("Outputs", output, "Export", "Name"), (
                    f"{other.part} also exports {name!r} in {place.target}"
                )


class ImportWithoutExport(SystemRule):
    id = "E9588"
    shortdesc = "An imported value is not exported at the target, or not yet"
    description = (
        "Fn::ImportValue reads exports of its own account and region only, and only"
        " after the exporting stack exists. The stack set that exports this name has"
        " other targets, or is not deployed before this one. Use an output reference."
    )
    source_url = f"{TEMPLATE_REFERENCE}intrinsic-function-reference-importvalue.html"
    at = "app: Resources/Topic/Properties/DisplayName"
    bad = "queue:\n" + _QUEUE + """\
    Outputs:
      Url: {Value: !Ref Jobs, Export: {Name: jobs-url}}
app:
  regions: [us-west-2]
  depends_on: [queue]
  template:
    Resources:
      Topic:
        Type: AWS::SNS::Topic
        Properties: {DisplayName: !ImportValue jobs-url}
"""
    good = bad.replace("us-west-2", "us-east-1")

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        exported: dict[str, dict[object, str]] = {}
        for stack_set, place, _, name in it.exports():
            exported.setdefault(name, {})[place.target] = stack_set.part
        if not exported:
            return
        for stack_set, resource in it.resources():
            for path, value in resource.leaves:
                imported = _import(value)
                if imported in exported:
                    by = exported[imported]
                    yield from self._check_import(it, stack_set, resource, path, by)

    @staticmethod
    def _check_import(
        it: SystemView,
        stack_set: StackSet,
        resource: Resource,
        path: Path,
        by: Mapping[object, str],
    ) -> Iterator[FoundIn]:
        where = in_properties(resource, *path)
        part = by.get(resource.place.target)
        if part is None:
            places = ", ".join(sorted(map(str, by)))
            yield stack_set, where, (
                f"exported in {places}, but imported in {resource.place.target}"
            )
        elif part != stack_set.part and part not in it.before[stack_set.part]:
            yield stack_set, where, (
                f"{part} exports it, but may be deployed later; add depends_on:"
                f" [{part}]"
            )


def _import(value: object) -> str:
    """Return the name that a value imports; empty if it is no import or not known."""
    if isinstance(value, Mapping) and "Fn::ImportValue" in value:
        return text(value["Fn::ImportValue"]) or ""
    return ""
