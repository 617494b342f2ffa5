"""Stack sets of a system that collide: names, singletons, networks, replication."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable, Iterator

from tapgen.knowledge.names import ONE_PER_REGION, RECORD
from tapgen.model import StackSet
from tapgen.rules.aurora import credentials
from tapgen.rules.base import DOCS, TEMPLATE_REFERENCE, in_properties
from tapgen.rules.once import identity_key, record_key
from tapgen.rules.replication import destinations
from tapgen.rules.system_view import FoundIn, Origin, SystemRule, SystemView
from tapgen.rules.values import Path, absent, arn, get, items, present, text, truth
from tapgen.rules.view import Resource
from tapgen.rules.wiring import REPLICATING
from tapgen.system import names
from tapgen.system.names import Name
from tapgen.template import schemas

Key = tuple[str, ...]

# E9583 reports these.
_ONCE = ("AWS::DynamoDB::GlobalTable", "AWS::RDS::GlobalCluster", RECORD)

_ROLE = """\
  regions: [us-east-1]
  template:
    Resources:
      Group:
        Type: AWS::IAM::Group
        Properties: {GroupName: operators}
"""


_Doubled = tuple[StackSet, Resource, StackSet, Resource]


def _doubled(
    it: SystemView, key: Callable[[Resource, StackSet], Hashable]
) -> Iterator[_Doubled]:
    """Yield the resources of a system that have the same key, of two stack sets or of
    one; not the same resource in several places."""
    first: dict[Hashable, tuple[StackSet, Resource]] = {}
    for stack_set, resource in it.resources():
        found = key(resource, stack_set)
        if not found:
            continue
        other, its = first.setdefault(found, (stack_set, resource))
        if (other.part, its.id) != (stack_set.part, resource.id):
            yield stack_set, resource, other, its


def _of_two(
    it: SystemView, key: Callable[[Resource], Key | None]
) -> Iterator[_Doubled]:
    """Yield the resources of two stack sets that have the same key."""
    for found in _doubled(it, lambda resource, _: key(resource)):
        if found[0].part != found[2].part:
            yield found


class SameNameTwice(SystemRule):
    id = "E9582"
    shortdesc = "Two resources of a system have the same name"
    description = (
        "Names are unique in an account and region; those of IAM, dashboards and"
        " budgets in an account; those of buckets in the world. The second resource"
        " fails with AlreadyExists. Add the part or the region to the name."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-properties-name.html"
    at = "second: Resources/Group"
    bad = f"first:\n{_ROLE}second:\n{_ROLE}"
    good = bad.replace("operators", "auditors", 1)

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for stack_set, resource, other, its in _doubled(it, _name):
            if stack_set.part == other.part and _is_identifier(resource.type):
                continue  # cfn-lint's E3019 compares these within a template
            yield stack_set, ("Resources", resource.id), (
                f"{other.part}.{its.id} has the same name in {its.place.target}"
            )


def _is_identifier(kind: str) -> bool:
    """Whether the name that a template gives is the identifier of a type."""
    found = set(schemas.identifier(kind))
    return bool(found) and not found & schemas.attributes(kind)


def _name(resource: Resource, stack_set: StackSet) -> Name | None:
    """Return a name with the account and region that it must be unique in."""
    place = resource.place
    if place.target is None or resource.type in _ONCE:
        return None
    found = names.of(resource.type, resource.properties, place.target, stack_set.name)
    return found if found and found.name else None


class OnceForSeveralParts(SystemRule):
    id = "E9583"
    shortdesc = "Two stack sets create a resource that can exist only once"
    description = (
        "In each region, an account has one set of API Gateway settings, one AWS"
        " Config recorder and delivery channel, and one GuardDuty detector. It has one"
        " OpenID Connect provider for each URL, one record for each name, type and"
        " SetIdentifier in a zone, and one global table for each name. Two stack sets"
        " overwrite each other or fail, and deleting one takes the resource from the"
        " other. Create it in one part that the others depend on."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-apigateway-account.html"
    at = "second: Resources/Recorder"
    _recorder = """\
  regions: [us-east-1]
  template:
    Resources:
      Recorder:
        Type: AWS::Config::ConfigurationRecorder
        Properties:
          RoleARN: !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/config
"""
    bad = f"first:\n{_recorder}second:\n{_recorder}"
    good = bad.replace("regions: [us-east-1]", "regions: [us-west-2]", 1)

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for stack_set, resource, other, its in _of_two(it, _once):
            yield stack_set, ("Resources", resource.id), (
                f"{other.part}.{its.id} creates the same in {its.place.target}, and it"
                " can exist only once"
            )


def _once(resource: Resource) -> Key | None:
    kind, place, properties = resource.type, resource.place, resource.properties
    if kind in ONE_PER_REGION:
        return (kind, place.account, place.region)
    key = None
    if kind in ("AWS::IAM::OIDCProvider", "AWS::IAM::ServiceLinkedRole"):
        key = identity_key(resource)
    elif kind == "AWS::Route53::RecordSet":
        key = record_key(resource)
    elif kind == "AWS::DynamoDB::GlobalTable":
        key = text(properties, "TableName")
    elif kind == "AWS::RDS::GlobalCluster":
        key = text(properties, "GlobalClusterIdentifier")
    return (kind, key, place.account) if key else None


class RecordedTwice(SystemRule):
    id = "W9591"
    shortdesc = "Two stack sets create the same trail, recorder or public zone"
    description = (
        "A second multi-region trail, a second recorder of global resources or a"
        " second public zone with the same name repeats the work of the first at the"
        " same price, and queries and alarms count twice. Create it in one part."
    )
    source_url = f"{DOCS}awscloudtrail/latest/userguide/cloudtrail-concepts.html"
    at = "second: Resources/Trail"
    _trail = """\
  regions: [{region}]
  template:
    Resources:
      Trail:
        Type: AWS::CloudTrail::Trail
        Properties:
          IsLogging: true
          IsMultiRegionTrail: true
          S3BucketName: audit
"""
    bad = (
        f"first:\n{_trail.format(region='us-east-1')}"
        f"second:\n{_trail.format(region='us-west-2')}"
    )
    good = f"first:\n{_trail.format(region='us-east-1')}"

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for stack_set, resource, other, its in _of_two(it, _recorded):
            yield stack_set, ("Resources", resource.id), (
                f"{other.part}.{its.id} already does the same in {its.place.target}"
            )


def _recorded(resource: Resource) -> Key | None:
    kind, properties, what = resource.type, resource.properties, None
    if kind == "AWS::CloudTrail::Trail":
        what = "all" if truth(properties, "IsMultiRegionTrail") else None
    elif kind == "AWS::Config::ConfigurationRecorder":
        steps = ("RecordingGroup", "IncludeGlobalResourceTypes")
        what = "global" if truth(properties, *steps) else None
    elif kind == "AWS::Route53::HostedZone" and absent(properties, "VPCs"):
        what = text(properties, "Name")
    return (kind, what, resource.place.account) if what else None


class NetworksOverlap(SystemRule):
    id = "E9584"
    shortdesc = "Peered networks overlap"
    description = (
        "VPCs with overlapping address ranges cannot be peered: the connection enters"
        " status 'failed', and the stack fails. Give each network its own range."
    )
    source_url = f"{DOCS}vpc/latest/peering/vpc-peering-basics.html"
    at = "peering: Resources/Peering/Properties/PeerVpcId"
    _parts = """\
network:
  regions: [us-east-1, us-west-2]
  parameters: {Cidr: 10.0.0.0/16}
  overrides: [{region: us-west-2, parameters: {Cidr: CIDR}}]
  template:
    Parameters:
      Cidr: {Type: String}
    Resources:
      Vpc:
        Type: AWS::EC2::VPC
        Properties: {CidrBlock: !Ref Cidr}
    Outputs:
      VpcId: {Value: !Ref Vpc}
peering:
  regions: [us-east-1]
  parameters:
    VpcId: {output: network.VpcId}
    PeerVpcId: {output: network.VpcId, region: us-west-2}
  template:
    Parameters:
      VpcId: {Type: String}
      PeerVpcId: {Type: String}
    Resources:
      Peering:
        Type: AWS::EC2::VPCPeeringConnection
        Properties:
          VpcId: !Ref VpcId
          PeerVpcId: !Ref PeerVpcId
          PeerRegion: us-west-2
"""
    bad = _parts.replace("CIDR", "10.0.128.0/17")
    good = _parts.replace("CIDR", "10.1.0.0/16")

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for stack_set, resource in it.resources("AWS::EC2::VPCPeeringConnection"):
            ends = [
                it.origin(stack_set, resource.place, get(resource.properties, name))
                for name in ("VpcId", "PeerVpcId")
            ]
            blocks = [_block(end) for end in ends]
            if None in blocks or ends[0] is None or ends[1] is None:
                continue
            mine, theirs = blocks
            if mine and theirs and mine.overlaps(theirs):
                yield stack_set, in_properties(resource, "PeerVpcId"), (
                    f"{ends[1]} in {ends[1].region} has {theirs}, which overlaps"
                    f" {mine} of {ends[0]} in {ends[0].region}"
                )


def _block(end: Origin | None) -> ipaddress.IPv4Network | None:
    if end is None or end.resource.type != "AWS::EC2::VPC":
        return None
    try:
        block = text(end.resource.properties, "CidrBlock") or ""
        return ipaddress.IPv4Network(block, strict=False)
    except ValueError:
        return None


class DestinationTakesNoReplicas(SystemRule):
    id = "E9585"
    shortdesc = "The destination of a replication cannot receive replicas"
    description = (
        "S3 rejects a destination bucket without versioning. With a key in another"
        " region than the destination, every replication of an encrypted object fails"
        " silently. Enable versioning on the destination, and use a key in its region."
    )
    source_url = f"{DOCS}AmazonS3/latest/userguide/replication-requirements.html"
    at = (
        "source: Resources/Bucket/Properties/ReplicationConfiguration/Rules/0/"
        "Destination/Bucket"
    )
    bad = REPLICATING.replace(
        "          VersioningConfiguration: {Status: Enabled}\n", "", 1
    )
    good = REPLICATING

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        buckets = {
            name: resource
            for _, resource in it.resources("AWS::S3::Bucket")
            if (name := text(resource.properties, "BucketName"))
        }
        steps = ("ReplicationConfiguration", "Rules")
        for stack_set, resource in it.resources("AWS::S3::Bucket"):
            named = dict(destinations(resource))
            for index, rule in enumerate(items(resource.properties, *steps)):
                path = (*steps, index, "Destination", "Bucket")
                node = get(rule, "Destination", "Bucket")
                found = it.origin(stack_set, resource.place, node)
                copy = found.resource if found else buckets.get(named.get(path, ""))
                if copy and copy.type == "AWS::S3::Bucket":
                    yield from self._check_destination(
                        it, stack_set, resource, path, copy
                    )

    @staticmethod
    def _check_destination(
        it: SystemView,
        stack_set: StackSet,
        resource: Resource,
        path: Path,
        copy: Resource,
    ) -> Iterator[FoundIn]:
        status = text(copy.properties, "VersioningConfiguration", "Status")
        if absent(copy.properties, "VersioningConfiguration") or status == "Suspended":
            yield stack_set, in_properties(resource, *path), (
                f"{copy.id} in {copy.place.region} has no versioning; enable it"
            )
        steps = (*path[:-1], "EncryptionConfiguration", "ReplicaKmsKeyID")
        key = get(resource.properties, *steps)
        named, found = arn(key), it.origin(stack_set, resource.place, key)
        region = named.region if named else found.region if found else ""
        if region and region != copy.place.region:
            yield stack_set, in_properties(resource, *steps), (
                f"the key is in {region}, but the replicas are in"
                f" {copy.place.region}; use a key in the same region"
            )


_CLUSTERS = """\
primary:
  regions: [us-east-1]
  template:
    Resources:
      Global:
        Type: AWS::RDS::GlobalCluster
        DeletionPolicy: Retain
        UpdateReplacePolicy: Retain
        Properties:
          GlobalClusterIdentifier: orders
          Engine: aurora-postgresql
          EngineVersion: '16.8'
      Cluster:
        Type: AWS::RDS::DBCluster
        DeletionPolicy: Snapshot
        UpdateReplacePolicy: Snapshot
        Properties:
          GlobalClusterIdentifier: !Ref Global
          Engine: aurora-postgresql
          EngineVersion: '16.8'
          MasterUsername: orders
          MasterUserPassword: '{{resolve:secretsmanager:orders}}'
    Outputs:
      Global: {Value: !Ref Global}
secondary:
  regions: [us-west-2]
  parameters:
    Global: {output: primary.Global, region: us-east-1}
  template:
    Parameters:
      Global: {Type: String}
    Resources:
      Cluster:
        Type: AWS::RDS::DBCluster
        DeletionPolicy: Snapshot
        UpdateReplacePolicy: Snapshot
        Properties:
          GlobalClusterIdentifier: !Ref Global
          Engine: aurora-postgresql
"""
_VERSION = "          EngineVersion: '{0}'\n"


def _members(
    it: SystemView, with_source: bool = False
) -> dict[str, list[tuple[StackSet, Resource]]]:
    """Identifier of a global cluster -> it, and the clusters that join it; with
    `with_source`, also the cluster that it was created from."""
    found: dict[str, list[tuple[StackSet, Resource]]] = {}
    types = ("AWS::RDS::GlobalCluster", "AWS::RDS::DBCluster")
    for stack_set, resource in it.resources(*types):
        node = get(resource.properties, "GlobalClusterIdentifier")
        joined = it.origin(stack_set, resource.place, node)
        if joined and joined.resource.type == "AWS::RDS::GlobalCluster":
            node = get(joined.resource.properties, "GlobalClusterIdentifier")
        name = text(node)
        if name:
            key = f"{name} {resource.place.account}"
            found.setdefault(key, []).append((stack_set, resource))
            node = get(resource.properties, "SourceDBClusterIdentifier")
            source = it.origin(stack_set, resource.place, node)
            if with_source and source:
                found[key].append((source.stack_set, source.resource))
    return found


class EngineVersionsDiffer(SystemRule):
    id = "E9589"
    shortdesc = "Clusters of one global cluster have different engine versions"
    description = (
        "A secondary cluster must have the engine version of its global cluster, or a"
        " newer minor one while it is upgraded: minor versions reach secondary clusters"
        " first, major ones the global cluster as a whole. Changing the version in one"
        " stack alone otherwise fails, or replaces the global cluster."
    )
    source_url = (
        f"{DOCS}AmazonRDS/latest/AuroraUserGuide/aurora-global-database-upgrade.html"
    )
    at = "secondary: Resources/Cluster/Properties/EngineVersion"
    bad = _CLUSTERS + _VERSION.format("15.10")
    good = _CLUSTERS + _VERSION.format("16.8")

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for members in _members(it, with_source=True).values():
            versions = [
                (stack_set, resource, version)
                for stack_set, resource in members
                if (version := text(resource.properties, "EngineVersion"))
            ]
            for stack_set, resource, version in versions:
                first, its, leading = versions[0]
                if version != leading and not _ahead(resource, version, leading):
                    yield stack_set, in_properties(resource, "EngineVersion"), (
                        f"{version} here, but {leading} in {first.part}.{its.id}; use one"
                        " version"
                    )


def _ahead(resource: Resource, version: str, leading: str) -> bool:
    """Whether a cluster that joins is at a newer minor version of the same major one."""
    if not present(resource.properties, "GlobalClusterIdentifier"):
        return False
    numbers = [each.split(".") for each in (version, leading)]
    if not all(number.isdecimal() for each in numbers for number in each):
        return False
    new, old = ([int(number) for number in each] for each in numbers)
    return new[0] == old[0] and new > old


class SecondCredentials(SystemRule):
    id = "E9590"
    shortdesc = "Two clusters of one global cluster have credentials"
    description = (
        "Only the primary cluster has MasterUsername, MasterUserPassword or"
        " ManageMasterUserPassword, and DatabaseName. If the global cluster was"
        " created from a source cluster, no cluster that joins has them. RDS rejects"
        " the secondary cluster."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-rds-dbcluster.html"
    at = "secondary: Resources/Cluster/Properties/MasterUsername"
    bad = (
        _CLUSTERS
        + "          MasterUsername: orders\n"
        + "          MasterUserPassword: '{{resolve:secretsmanager:orders}}'\n"
    )
    good = _CLUSTERS

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for members in _members(it).values():
            sourced = any(
                present(resource.properties, "SourceDBClusterIdentifier")
                for _, resource in members
            )
            having = [
                (stack_set, resource)
                for stack_set, resource in members
                if resource.type == "AWS::RDS::DBCluster" and credentials(resource)
            ]
            for stack_set, resource in having[0 if sourced else 1 :]:
                if _found_in_one_template(having, stack_set, resource):
                    continue
                yield stack_set, in_properties(resource, credentials(resource)[0]), (
                    "this cluster is secondary; remove its credentials"
                )


def _found_in_one_template(
    having: list[tuple[StackSet, Resource]], stack_set: StackSet, resource: Resource
) -> bool:
    """Whether E9536 reports the mistake because one template alone shows it."""
    own = [r for s, r in having if s.part == stack_set.part]
    places = {r.place.region for r in own if r.id == resource.id}
    joined = text(resource.properties, "GlobalClusterIdentifier")
    return len(places) > 1 or any(
        joined is not None
        and present(it.properties, "SourceDBClusterIdentifier")
        and text(it.properties, "GlobalClusterIdentifier") == joined
        for it in resource.place.of("AWS::RDS::GlobalCluster")
    )
