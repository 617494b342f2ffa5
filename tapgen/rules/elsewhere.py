"""References between stack sets of different regions."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.model import StackSet
from tapgen.rules.base import DOCS, TEMPLATE_REFERENCE, in_properties
from tapgen.rules.once import AT_THE_EDGE, USED_AT_THE_EDGE, VIRGINIA
from tapgen.rules.system_view import FoundIn, SystemRule, SystemView
from tapgen.rules.values import Path, absent, get, items, reached, text
from tapgen.rules.view import Resource

_SOURCE = "SourceDBInstanceIdentifier"


class VpcWithoutItsRegion(SystemRule):
    id = "E9568"
    shortdesc = "A VPC of another region is named without its region"
    description = (
        "A peering connection looks for its peer in its own region unless PeerRegion"
        " is set, and a private hosted zone looks for a VPC in VPCRegion. A VPC in"
        " another region is not found, and the stack fails. Set the property to the"
        " region of the stack set that creates the VPC."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-ec2-vpcpeeringconnection.html"
    at = "peering: Resources/Peering/Properties/PeerVpcId"
    bad = """\
near:
  regions: [us-east-1]
  template:
    Resources:
      Vpc:
        Type: AWS::EC2::VPC
        Properties: {CidrBlock: 10.0.0.0/16}
    Outputs:
      VpcId: {Value: !Ref Vpc}
far:
  regions: [eu-west-1]
  template:
    Resources:
      Vpc:
        Type: AWS::EC2::VPC
        Properties: {CidrBlock: 10.1.0.0/16}
    Outputs:
      VpcId: {Value: !Ref Vpc}
peering:
  regions: [us-east-1]
  parameters:
    Mine: {output: near.VpcId}
    Peer: {output: far.VpcId, region: eu-west-1}
  template:
    Parameters:
      Mine: {Type: String}
      Peer: {Type: String}
    Resources:
      Peering:
        Type: AWS::EC2::VPCPeeringConnection
        Properties:
          VpcId: !Ref Mine
          PeerVpcId: !Ref Peer
"""
    good = bad + "          PeerRegion: eu-west-1\n"

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for stack_set, resource in it.resources("AWS::EC2::VPCPeeringConnection"):
            yield from self._check_vpc(it, stack_set, resource, (), "PeerVpcId")
        for stack_set, resource in it.resources("AWS::Route53::HostedZone"):
            for index, _ in enumerate(items(resource.properties, "VPCs")):
                path = ("VPCs", index)
                yield from self._check_vpc(it, stack_set, resource, path, "VPCId")

    @staticmethod
    def _check_vpc(
        it: SystemView, stack_set: StackSet, resource: Resource, path: Path, name: str
    ) -> Iterator[FoundIn]:
        node = get(resource.properties, *path)
        region = "PeerRegion" if name == "PeerVpcId" else "VPCRegion"
        found = it.origin(stack_set, resource.place, get(node, name))
        if found is None or found.resource.type != "AWS::EC2::VPC":
            return
        if found.stack_set.part == stack_set.part and region == "VPCRegion":
            return  # E9544 reports it
        said = resource.place.region if absent(node, region) else text(node, region)
        if said and said != found.region:
            yield stack_set, in_properties(resource, *path, name), (
                f"{found} is in {found.region}, but AWS looks for it in {said}; write"
                f" {region}: {found.region}"
            )


class SourceByName(SystemRule):
    id = "E9569"
    shortdesc = "A read replica names its source in another region without an ARN"
    description = (
        "A read replica finds a source in its own region by name. A source in another"
        " region needs an ARN; otherwise RDS returns DBInstanceNotFound. Use the"
        " output !GetAtt Database.DBInstanceArn."
    )
    source_url = f"{DOCS}AmazonRDS/latest/UserGuide/USER_ReadRepl.XRgn.html"
    at = "replica: Resources/Replica/Properties/SourceDBInstanceIdentifier"
    bad = """\
database:
  regions: [us-east-1]
  template:
    Resources:
      Database:
        Type: AWS::RDS::DBInstance
        DeletionPolicy: Snapshot
        UpdateReplacePolicy: Snapshot
        Properties:
          DBInstanceClass: db.t4g.medium
          Engine: postgres
          AllocatedStorage: '20'
          MasterUsername: orders
          MasterUserPassword: '{{resolve:secretsmanager:orders}}'
    Outputs:
      Source: {Value: !Ref Database}
replica:
  regions: [eu-west-1]
  parameters:
    Source: {output: database.Source, region: us-east-1}
  template:
    Parameters:
      Source: {Type: String}
    Resources:
      Replica:
        Type: AWS::RDS::DBInstance
        DeletionPolicy: Delete
        UpdateReplacePolicy: Delete
        Properties:
          DBInstanceClass: db.t4g.medium
          SourceDBInstanceIdentifier: !Ref Source
"""
    good = bad.replace("!Ref Database}", "!GetAtt Database.DBInstanceArn}")

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        regions: dict[tuple[str, str], set[str]] = {}
        replicas = []
        for stack_set, resource in it.resources("AWS::RDS::DBInstance"):
            name = text(resource.properties, "DBInstanceIdentifier")
            if name:
                key = (resource.place.account, name.lower())
                regions.setdefault(key, set()).add(resource.place.region)
            if not absent(resource.properties, _SOURCE):
                replicas.append((stack_set, resource))
        for stack_set, resource in replicas:
            node = get(resource.properties, _SOURCE)
            name = text(node) or ""
            known = regions.get((resource.place.account, name.lower()), set())
            found = it.origin(stack_set, resource.place, node)
            if found and found.resource.type == resource.type and not found.attribute:
                known = {found.region}
            said = text(resource.properties, "SourceRegion")
            if name and not name.startswith("arn:") and said:
                known = {said}
            if known and resource.place.region not in known:
                yield stack_set, in_properties(resource, _SOURCE), (
                    f"the source is in {', '.join(sorted(known))}, but RDS looks for a"
                    f" name in {resource.place.region}; use the ARN of the source"
                )


class EdgeFromAnotherRegion(SystemRule):
    id = "E9593"
    shortdesc = "A resource for CloudFront comes from a stack set outside us-east-1"
    description = (
        "Lambda@Edge functions, certificates for CloudFront, AppSync, Amplify, Cognito"
        " and edge-optimized API domains, and the log groups and keys of Route 53 hosted"
        " zones must be in us-east-1. Deploy the stack set that"
        " creates them to us-east-1, and take the output with `region: us-east-1`."
    )
    source_url = f"{DOCS}AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html"
    at = "domain: Resources/Domain/Properties/CertificateArn"
    bad = """\
certificate:
  regions: [eu-west-1]
  template:
    Resources:
      Certificate:
        Type: AWS::CertificateManager::Certificate
        Properties: {DomainName: api.example.com}
    Outputs:
      Arn: {Value: !Ref Certificate}
domain:
  regions: [eu-west-1]
  parameters:
    CertificateArn: {output: certificate.Arn, region: eu-west-1}
  template:
    Parameters:
      CertificateArn: {Type: String}
    Resources:
      Domain:
        Type: AWS::ApiGateway::DomainName
        Properties:
          DomainName: api.example.com
          CertificateArn: !Ref CertificateArn
"""
    good = bad.replace("[eu-west-1]", "[us-east-1]", 1).replace(
        "region: eu-west-1", "region: us-east-1"
    )

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for stack_set, resource in it.resources(*USED_AT_THE_EDGE):
            for steps in USED_AT_THE_EDGE[resource.type]:
                for path, value in reached(resource.properties, steps):
                    found = it.origin(stack_set, resource.place, value)
                    if (
                        found
                        and found.resource.type in AT_THE_EDGE
                        and found.region != VIRGINIA
                        and found.stack_set.part != stack_set.part  # E9524 reports it
                    ):
                        yield stack_set, in_properties(resource, *path), (
                            f"{found} is in {found.region}, but must be in us-east-1"
                        )
