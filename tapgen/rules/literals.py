"""Literals that are valid in one region, partition or account only.

A rule checks the values of each target, after its parameters, mappings and conditions:
it makes no difference where they come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tapgen.knowledge.regions import PARTITION_OF
from tapgen.model import SELF
from tapgen.rules.arn_properties import CROSS_REGION, REGIONAL, ROLES, regional
from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    USER_GUIDE,
    Found,
    ResourceRule,
    Rule,
    deployed_to,
    differs,
    in_properties,
    regions_of,
)
from tapgen.rules.values import (
    Path,
    Steps,
    absent,
    arn,
    beginning,
    get,
    items,
    reached,
    text,
)
from tapgen.rules.view import OWN_ACCOUNT, Resource, View
from tapgen.template.scope import partition

_ZONE = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d)[a-z]")
_ZONE_PROPERTIES = {
    "AvailabilityZone",
    "AvailabilityZones",
    "PreferredAvailabilityZone",
    "PreferredAvailabilityZones",
    "PreferredCacheClusterAZs",
}
_IMAGE = re.compile(r"ami-[0-9a-f]{8,17}")
_KINDS = (
    "acl dopt eipalloc eni fs fsap i igw lt nat pl rtb sg snap subnet subnet-cidr-assoc"
    " tgw vgw vol vpc vpce"
)
_ID = re.compile(rf"({'|'.join(_KINDS.split())})-[0-9a-f]{{8}}(?:[0-9a-f]{{9}})?")
# These properties name something in another region on purpose.
ELSEWHERE = {"PeerVpcId", "PeerTransitGatewayId", "PeerRegion"}
_PARTITION = re.compile(r"arn:(aws(?:-[a-z]+)*):")
_SERVICE_NAME = re.compile(r"com\.amazonaws\.(?:vpce\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.")

_CODE: Mapping[str, Steps] = {
    "AWS::Lambda::Function": ("Code", "S3Bucket"),
    "AWS::Lambda::LayerVersion": ("Content", "S3Bucket"),
}

_TWO = deployed_to("us-east-1", "eu-west-1")


class MappingWithoutRegion(Rule):
    id = "E9504"
    shortdesc = "A mapping has no entry for a target region or account"
    description = (
        "If Fn::FindInMap finds no entry, the stack fails with 'Unable to get"
        " mapping', and the regions before it have already changed. Add an entry for"
        " each target, or give the lookup a DefaultValue (this needs the transform"
        " AWS::LanguageExtensions). `tapgen plan` also refuses such a template."
    )
    source_url = f"{TEMPLATE_REFERENCE}intrinsic-function-reference-findinmap.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", "eu-west-1")
    at = "Resources/Topic/Properties/DisplayName"
    bad = """\
Mappings:
  Sites:
    us-east-1: {Name: virginia}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: !FindInMap [Sites, !Ref AWS::Region, Name]
"""
    good = bad.replace("virginia}\n", "virginia}\n    eu-west-1: {Name: ireland}\n")

    def check(self, view: View) -> Iterator[Found]:
        for place in view.places:
            for one in place.evaluated.unmapped:
                # Only a plan resolves which account `self` is.
                vague = place.account == SELF and any(
                    OWN_ACCOUNT in k for k in one.keys
                )
                if not vague:
                    yield one.path, f"in {place.region}: {one}"


class ZoneOfAnotherRegion(ResourceRule):
    id = "E9505"
    shortdesc = "An Availability Zone is not in the target region"
    description = (
        "An Availability Zone belongs to one region, and the stack fails in every"
        " other region. cfn-lint warns about zones that are written in the resource"
        " (W3010), but not about zones from a parameter or a mapping. Use Fn::GetAZs"
        " and Fn::Select."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}intrinsic-function-reference-getavailabilityzones.html"
    )
    needs_targets = True
    deployment = deployed_to(
        "us-east-1", "eu-west-1", parameters={"Zone": "us-east-1a"}
    )
    at = "Resources/Disk/Properties/AvailabilityZone"
    bad = """\
Parameters:
  Zone: {Type: String}
Resources:
  Disk:
    Type: AWS::EC2::Volume
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Snapshot
    Properties:
      Size: 20
      AvailabilityZone: !Ref Zone
"""
    good = """\
Resources:
  Disk:
    Type: AWS::EC2::Volume
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Snapshot
    Properties:
      Size: 20
      AvailabilityZone: !Select [0, !GetAZs '']
"""

    def check_resource(self, it: Resource) -> Iterator[Found]:
        for path, value in it.leaves:
            if not _ZONE_PROPERTIES & set(path):
                continue
            match = _ZONE.fullmatch(text(value) or "")
            if match and match[1] != it.place.region and match[1] in PARTITION_OF:
                yield path, (
                    f"{value!r} is not an Availability Zone of target region"
                    f" {it.place.region}; use Fn::GetAZs"
                )


class ImageOfOneRegion(Rule):
    id = "E9506"
    shortdesc = "One AMI ID is used in several regions"
    description = (
        "An AMI has a different ID in each region, so instances start in at most one"
        " region. Look up the ID with an SSM parameter of type"
        " AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>, or in a mapping by region."
    )
    source_url = f"{DOCS}AWSEC2/latest/UserGuide/finding-an-ami.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Server/Properties/ImageId"
    bad = """\
Resources:
  Server:
    Type: AWS::EC2::Instance
    Properties:
      InstanceType: t3.micro
      ImageId: ami-0abcdef1234567890
"""
    good = """\
Parameters:
  Image:
    Type: AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>
    Default: /aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64
Resources:
  Server:
    Type: AWS::EC2::Instance
    Properties:
      InstanceType: t3.micro
      ImageId: !Ref Image
"""

    def check(self, view: View) -> Iterator[Found]:
        for resource, path, value, regions in _shared(view, _IMAGE):
            yield in_properties(resource, *path), (
                f"{value!r} is an AMI of one region, but is used in {regions}; look up"
                " the ID with an SSM parameter or a mapping by region"
            )


def _shared(
    view: View, pattern: re.Pattern[str]
) -> Iterator[tuple[Resource, Path, str, str]]:
    """Yield whole values that match a pattern and are the same in several regions."""
    for found in view.created().values():
        same: dict[tuple[Path, str], list[Resource]] = {}
        for resource in found:
            if not resource.type.startswith("AWS::"):
                continue
            for path, value in resource.leaves:
                known = text(value)
                if known and pattern.fullmatch(known) and not ELSEWHERE & set(path):
                    same.setdefault((path, known), []).append(resource)
        for (path, known), resources in same.items():
            if len({r.place.region for r in resources}) > 1:
                yield resources[0], path, known, regions_of(resources)


class ArnOfAnotherRegion(ResourceRule):
    id = "E9507"
    shortdesc = "A regional resource uses an ARN of another region"
    description = (
        "Services use keys, certificates, topics, layers, target groups and log"
        " groups of their own region only. An ARN of another region is rejected when"
        " the stack is created, or never works. Create the resource in each region"
        " (for keys, a replica of a multi-Region key) and use its ARN."
    )
    source_url = f"{DOCS}kms/latest/developerguide/multi-region-keys-overview.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Log/Properties/KmsKeyId"
    bad = """\
Resources:
  Log:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      RetentionInDays: 30
      KmsKeyId: arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd
"""
    good = bad.replace(
        "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd",
        "!Sub arn:aws:kms:${AWS::Region}:111122223333:key/mrk-1234abcd",
    )
    types = (*REGIONAL, "AWS::SNS::Subscription", "AWS::DynamoDB::GlobalTable")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        region = it.place.region
        for path, value in regional(it):
            yield from self._check_region(it, path, value, region)
        if it.type == "AWS::SNS::Subscription" and absent(it.properties, "Region"):
            value = get(it.properties, "TopicArn")
            yield from self._check_region(it, ("TopicArn",), value, region)
        for number, replica in enumerate(items(it.properties, "Replicas")):
            own = text(replica, "Region")
            steps = ("SSESpecification", "KMSMasterKeyId")
            if own:
                value = get(replica, *steps)
                yield from self._check_region(
                    it, ("Replicas", number, *steps), value, own
                )

    @staticmethod
    def _check_region(
        it: Resource, path: Path, value: object, region: str
    ) -> Iterator[Found]:
        found = arn(value)
        if found is None or found.region in ("", "*", region):
            return
        if (it.type, found.service) in CROSS_REGION:
            return
        yield path, (
            f"{it.type} in {region} uses an ARN of {found.service} in {found.region};"
            f" use an ARN in {region}"
        )


class PartitionOfAnotherRegion(ResourceRule):
    id = "E9508"
    shortdesc = "An ARN has the wrong partition for the target region"
    description = (
        "ARNs begin with arn:aws-cn in China and with arn:aws-us-gov in GovCloud. An"
        " ARN with another partition matches no resource, and a policy with it grants"
        " nothing. Write arn:${AWS::Partition}."
    )
    source_url = f"{DOCS}IAM/latest/UserGuide/reference-arns.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", "us-gov-west-1")
    at = "Resources/Policy/Properties/PolicyDocument/Statement/0/Resource"
    bad = """\
Resources:
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Action: s3:GetObject
            Resource: arn:aws:s3:::orders-archive/*
"""
    good = bad.replace(
        "arn:aws:s3:::orders-archive/*",
        "!Sub arn:${AWS::Partition}:s3:::orders-archive/*",
    )

    def check_resource(self, it: Resource) -> Iterator[Found]:
        mine = partition(it.place.region)
        for path, value in it.leaves:
            match = _PARTITION.match(beginning(value) or "")
            if match and match[1] != mine:
                yield path, (
                    f"the ARN has partition {match[1]}, but {it.place.region} is in"
                    f" {mine}; write arn:${{AWS::Partition}}"
                )


class IdOfOneRegion(Rule):
    id = "E9509"
    shortdesc = "The ID of a regional resource is used in several regions"
    description = (
        "A VPC, subnet, security group, volume or similar resource exists in one"
        " region. The ID does not exist in a second region, and the stack fails there."
        " Pass the ID as a parameter with an override for each region, or take it from"
        " the stack set that creates the resource."
    )
    source_url = f"{USER_GUIDE}stacksets-concepts.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Group/Properties/VpcId"
    bad = """\
Resources:
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      VpcId: vpc-0abcdef1234567890
"""
    good = """\
Parameters:
  VpcId: {Type: AWS::EC2::VPC::Id}
Resources:
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      VpcId: !Ref VpcId
"""

    def check(self, view: View) -> Iterator[Found]:
        for resource, path, value, regions in _shared(view, _ID):
            yield in_properties(resource, *path), (
                f"{value!r} exists in one region, but is used in {regions}; give each"
                " region its own ID"
            )


class RoleOfAnotherAccount(ResourceRule):
    id = "E9510"
    shortdesc = "A service gets a role of another account"
    description = (
        "iam:PassRole works only within one account. Creating the resource fails with"
        " 'Cross-account pass role is not allowed'. Write"
        " arn:${AWS::Partition}:iam::${AWS::AccountId}:role/… and create the role in"
        " every target account."
    )
    source_url = f"{DOCS}IAM/latest/UserGuide/id_roles_use_passrole.html"
    needs_targets = True
    deployment = {
        "targets": [
            {"account": "111122223333", "region": "us-east-1"},
            {"account": "444455556666", "region": "us-east-1"},
        ]
    }
    at = "Resources/Machine/Properties/RoleArn"
    bad = """\
Resources:
  Machine:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      RoleArn: arn:aws:iam::111122223333:role/orders
      DefinitionString: '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'
"""
    good = bad.replace(
        "arn:aws:iam::111122223333:role/orders",
        "!Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/orders",
    )
    types = tuple(ROLES)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        for steps in ROLES[it.type]:
            for path, value in reached(it.properties, steps):
                found = arn(value)
                if (
                    found is None
                    or found.service != "iam"
                    or not found.account.isdigit()
                ):
                    continue
                # The value of AWS::AccountId for `self` is equal to any account.
                own = it.place.account
                if differs(found.account, own):
                    yield path, (
                        f"{it.type} in account {own} uses a role of account"
                        f" {found.account}; write ${{AWS::AccountId}} in the role ARN"
                    )


class CodeBucketOfOneRegion(Rule):
    id = "E9511"
    shortdesc = "Functions in several regions take their code from one bucket"
    description = (
        "Lambda reads code only from a bucket in its own region. Every other region"
        " fails with PermanentRedirect. Use one bucket for each region, such as"
        " artifacts-${AWS::AccountId}-${AWS::Region}, and upload the code to each."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-properties-lambda-function-code.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Layer/Properties/Content/S3Bucket"
    bad = """\
Resources:
  Layer:
    Type: AWS::Lambda::LayerVersion
    Properties:
      Content:
        S3Bucket: artifacts
        S3Key: layer.zip
"""
    good = bad.replace("artifacts", "!Sub artifacts-${AWS::Region}")

    def check(self, view: View) -> Iterator[Found]:
        for found in view.created(*_CODE).values():
            by_bucket: dict[str, list[Resource]] = {}
            for resource in found:
                bucket = text(resource.properties, *_CODE[resource.type])
                if bucket:
                    by_bucket.setdefault(bucket, []).append(resource)
            for bucket, same in by_bucket.items():
                if len({r.place.region for r in same}) > 1:
                    yield in_properties(same[0], *_CODE[same[0].type]), (
                        f"bucket {bucket!r} is in one region, but holds the code for"
                        f" {regions_of(same)}; use one bucket for each region"
                    )


class EndpointServiceOfAnotherRegion(ResourceRule):
    id = "E9512"
    shortdesc = "A VPC endpoint uses a service of another region"
    description = (
        "com.amazonaws.us-east-1.s3 exists in us-east-1 only. In another region, the"
        " endpoint fails with InvalidServiceName. Write"
        " com.amazonaws.${AWS::Region}.…, or set ServiceRegion if the service supports"
        " cross-region access."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-ec2-vpcendpoint.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Endpoint/Properties/ServiceName"
    bad = """\
Parameters:
  VpcId: {Type: AWS::EC2::VPC::Id}
Resources:
  Endpoint:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref VpcId
      ServiceName: com.amazonaws.us-east-1.s3
"""
    good = bad.replace(
        "com.amazonaws.us-east-1.s3", "!Sub com.amazonaws.${AWS::Region}.s3"
    )
    types = ("AWS::EC2::VPCEndpoint",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        name = text(it.properties, "ServiceName") or ""
        match = _SERVICE_NAME.match(name)
        if (
            match
            and match[1] != it.place.region
            and absent(it.properties, "ServiceRegion")
        ):
            yield ("ServiceName",), (
                f"{name!r} is a service of {match[1]}, but the endpoint is in"
                f" {it.place.region}; write ${{AWS::Region}}"
            )


_URL = re.compile(r"(?:^|[/.@-])([a-z]{2}(?:-[a-z]+)+-\d)\.(?:amazonaws\.com|api\.aws)")
_ARN_PARTS = re.compile(r"arn:aws[a-z-]*:([a-z0-9-]+):([a-z]{2}(?:-[a-z]+)+-\d):")
# Services that all regions use in one region, or across regions on purpose.
_ELSEWHERE_ON_PURPOSE = {"acm", "ecr", "ecr-public", "events", "sns", "wafv2"}
_LEFT_OUT = (
    "AWS::CloudFront::",
    "AWS::GlobalAccelerator::",
    "AWS::Route53",
    "AWS::SQS::QueuePolicy",  # E9550
)
# Code and scripts: their text is not for CloudFormation.
_NOT_READ = {"ZipFile", "UserData", "BuildSpec", "Principal", "ServiceName"}


class OneRegionInPolicyOrUrl(Rule):
    id = "W9611"
    shortdesc = "A policy or URL names one region in every region"
    description = (
        "A region that is written in the ARNs of a policy or in the URL of an endpoint"
        " stays the same at every target. The policy allows nothing in the other"
        " regions, and the URL leads to another region. Write ${AWS::Region}. If the"
        " resource is in one region on purpose, silence the rule with that reason."
    )
    source_url = f"{DOCS}IAM/latest/UserGuide/reference-arns.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Policy/Properties/PolicyDocument/Statement/0/Resource"
    _policy = """\
Resources:
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Action: dynamodb:GetItem
            Resource: !Sub arn:${{AWS::Partition}}:dynamodb:{region}:${{AWS::AccountId}}:table/orders
"""
    bad = _policy.format(region="us-east-1")
    good = _policy.format(region="${AWS::Region}")

    def check(self, view: View) -> Iterator[Found]:
        for found in view.created().values():
            regions = {it.place.region for it in found}
            if len(regions) < 2 or found[0].type.startswith(_LEFT_OUT):
                continue
            named = [_regions_named(it) for it in found]
            for path, (region, what) in named[0].items():
                everywhere = all(n.get(path, ("", ""))[0] == region for n in named)
                if everywhere and region in regions:
                    others = ", ".join(sorted(regions - {region}))
                    yield in_properties(found[0], *path), (
                        f"{what} in {region} is used in {others} too; write"
                        " ${AWS::Region}"
                    )


def _regions_named(it: Resource) -> dict[Path, tuple[str, str]]:
    """Return the only region that each ARN in a policy, and each URL, names."""
    checked_elsewhere = {path for path, _ in regional(it)}
    found: dict[Path, tuple[str, str]] = {}
    beside: dict[tuple[Path, str], set[str]] = {}
    for path, value in it.leaves:
        known = beginning(value)
        if known is None or _NOT_READ & set(path) or path in checked_elsewhere:
            continue
        in_policy = "Statement" in path and "Condition" not in path
        match = _ARN_PARTS.match(known) if in_policy else None
        if match and match[1] not in _ELSEWHERE_ON_PURPOSE:
            found[path] = match[2], f"the ARN of {match[1]}"
            beside.setdefault((_list_of(path), match[1]), set()).add(match[2])
        url = _URL.search(known) if len(known) < _LONGEST_URL else None
        if url and ".dkr.ecr." not in known and url[1] in PARTITION_OF:
            found[path] = url[1], f"the endpoint {known!r}"
    alone = {where for (where, _), several in beside.items() if len(several) > 1}
    return {p: one for p, one in found.items() if _list_of(p) not in alone}


_LONGEST_URL = 300


def _list_of(path: Path) -> Path:
    return path[:-1] if path and isinstance(path[-1], int) else path
