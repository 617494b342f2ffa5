"""Literals that are right in one region, partition or account only.

The values looked at are those a target really gets, after its parameters, mappings and
conditions: where they come from makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tapgen.model import SELF
from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    USER_GUIDE,
    Found,
    ResourceRule,
    Rule,
    differs,
    goes_to,
    in_properties,
    regions_of,
)
from tapgen.rules.values import Path, absent, arn, beginning, get, items, text, walk
from tapgen.rules.view import OWN_ACCOUNT, Resource, View
from tapgen.template import schemas
from tapgen.template.evaluate import partition

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
# What they name is in another region on purpose.
ELSEWHERE = {"PeerVpcId", "PeerTransitGatewayId", "PeerRegion"}
_PARTITION = re.compile(r"arn:(aws(?:-[a-z]+)*):")
_SERVICE_NAME = re.compile(r"com\.amazonaws\.(?:vpce\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.")

Steps = tuple[str, ...]

# Properties whose ARN must be in the region of the resource; `*` is every element.
_REGIONAL: Mapping[str, tuple[Steps, ...]] = {
    "AWS::ApiGateway::DomainName": (("RegionalCertificateArn",),),
    "AWS::ApiGateway::Stage": (("AccessLogSetting", "DestinationArn"),),
    "AWS::ApiGatewayV2::DomainName": (
        ("DomainNameConfigurations", "*", "CertificateArn"),
    ),
    "AWS::ApiGatewayV2::Stage": (("AccessLogSettings", "DestinationArn"),),
    "AWS::AutoScaling::AutoScalingGroup": (("TargetGroupARNs", "*"),),
    "AWS::Backup::BackupVault": (("EncryptionKeyArn",),),
    "AWS::DynamoDB::Table": (("SSESpecification", "KMSMasterKeyId"),),
    "AWS::EC2::Volume": (("KmsKeyId",),),
    "AWS::ECS::Service": (("LoadBalancers", "*", "TargetGroupArn"),),
    "AWS::EFS::FileSystem": (("KmsKeyId",),),
    "AWS::ElastiCache::ReplicationGroup": (("KmsKeyId",),),
    "AWS::ElasticLoadBalancingV2::Listener": (
        ("Certificates", "*", "CertificateArn"),
        ("DefaultActions", "*", "TargetGroupArn"),
        ("LoadBalancerArn",),
    ),
    "AWS::ElasticLoadBalancingV2::ListenerRule": (
        ("Actions", "*", "TargetGroupArn"),
        ("ListenerArn",),
    ),
    "AWS::Events::Rule": (("Targets", "*", "Arn"),),
    "AWS::KMS::Alias": (("TargetKeyId",),),
    "AWS::Kinesis::Stream": (("StreamEncryption", "KeyId"),),
    "AWS::Lambda::EventSourceMapping": (("EventSourceArn",),),
    "AWS::Lambda::Function": (
        ("DeadLetterConfig", "TargetArn"),
        ("FileSystemConfigs", "*", "Arn"),
        ("KmsKeyArn",),
        ("Layers", "*"),
    ),
    "AWS::Logs::LogGroup": (("KmsKeyId",),),
    "AWS::Logs::SubscriptionFilter": (("DestinationArn",),),
    "AWS::OpenSearchService::Domain": (("EncryptionAtRestOptions", "KmsKeyId"),),
    "AWS::RDS::DBCluster": (
        ("KmsKeyId",),
        ("MasterUserSecret", "KmsKeyId"),
        ("PerformanceInsightsKmsKeyId",),
    ),
    "AWS::RDS::DBInstance": (
        ("KmsKeyId",),
        ("MasterUserSecret", "KmsKeyId"),
        ("PerformanceInsightsKMSKeyId",),
    ),
    "AWS::Redshift::Cluster": (("KmsKeyId",),),
    "AWS::S3::Bucket": (
        (
            "BucketEncryption",
            "ServerSideEncryptionConfiguration",
            "*",
            "ServerSideEncryptionByDefault",
            "KMSMasterKeyID",
        ),
        ("NotificationConfiguration", "LambdaConfigurations", "*", "Function"),
        ("NotificationConfiguration", "QueueConfigurations", "*", "Queue"),
        ("NotificationConfiguration", "TopicConfigurations", "*", "Topic"),
    ),
    "AWS::SNS::Topic": (("KmsMasterKeyId",),),
    "AWS::SQS::Queue": (("KmsMasterKeyId",), ("RedrivePolicy", "deadLetterTargetArn")),
    "AWS::SecretsManager::Secret": (("KmsKeyId",),),
    "AWS::WAFv2::WebACLAssociation": (("ResourceArn",), ("WebACLArn",)),
}
# What EventBridge reaches across regions: only event buses.
CROSS_REGION = {("AWS::Events::Rule", "events")}

# Properties that name a role which the service is handed with iam:PassRole.
ROLES: Mapping[str, tuple[Steps, ...]] = {
    "AWS::ApiGateway::Account": (("CloudWatchRoleArn",),),
    "AWS::Backup::BackupSelection": (("BackupSelection", "IamRoleArn"),),
    "AWS::CloudTrail::Trail": (("CloudWatchLogsRoleArn",),),
    "AWS::CodeBuild::Project": (("ServiceRole",),),
    "AWS::Config::ConfigurationRecorder": (("RoleARN",),),
    "AWS::EC2::FlowLog": (("DeliverLogsPermissionArn",),),
    "AWS::ECS::TaskDefinition": (("ExecutionRoleArn",), ("TaskRoleArn",)),
    "AWS::FIS::ExperimentTemplate": (("RoleArn",),),
    "AWS::Lambda::Function": (("Role",),),
    "AWS::RDS::DBInstance": (("MonitoringRoleArn",),),
    "AWS::S3::Bucket": (("ReplicationConfiguration", "Role"),),
    "AWS::Scheduler::Schedule": (("Target", "RoleArn"),),
    "AWS::StepFunctions::StateMachine": (("RoleArn",),),
}
_CODE: Mapping[str, Steps] = {
    "AWS::Lambda::Function": ("Code", "S3Bucket"),
    "AWS::Lambda::LayerVersion": ("Content", "S3Bucket"),
}

_TWO = goes_to("us-east-1", "eu-west-1")


def reached(
    node: object, steps: Steps, done: Path = ()
) -> Iterator[tuple[Path, object]]:
    """The values at some steps below a node, with their paths."""
    for index, step in enumerate(steps):
        if step == "*":
            for number, item in enumerate(items(node)):
                yield from reached(item, steps[index + 1 :], (*done, number))
            return
        node = get(node, step)
        done = (*done, step)
    yield done, node


def regional(resource: Resource) -> Iterator[tuple[Path, object]]:
    """The properties of a resource that must be of its own region."""
    for steps in _REGIONAL.get(resource.type, ()):
        yield from reached(resource.properties, steps)


class MappingWithoutRegion(Rule):
    id = "E9504"
    shortdesc = "A mapping has no entry for a region or account it is asked for"
    description = (
        "Fn::FindInMap without an answer fails the stack with 'Unable to get mapping',"
        " after the regions before it were changed. Give the mapping an entry for each"
        " target, or the look-up a DefaultValue (with the transform"
        " AWS::LanguageExtensions). `tapgen plan` refuses it too."
    )
    source_url = f"{TEMPLATE_REFERENCE}intrinsic-function-reference-findinmap.html"
    needs_targets = True
    goes = goes_to("us-east-1", "eu-west-1")
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
                # Which account `self` is, only a plan knows.
                vague = place.account == SELF and any(
                    OWN_ACCOUNT in k for k in one.keys
                )
                if not vague:
                    yield one.path, f"in {place.region}: {one}"


class ZoneOfAnotherRegion(ResourceRule):
    id = "E9505"
    shortdesc = "An availability zone is not in the region the template goes to"
    description = (
        "Zones belong to one region: in every other one the stack fails. cfn-lint warns"
        " of zones written into the resource (W3010), not of those that come from a"
        " parameter or a mapping. Use Fn::GetAZs and Fn::Select."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}intrinsic-function-reference-getavailabilityzones.html"
    )
    needs_targets = True
    goes = goes_to("us-east-1", "eu-west-1", parameters={"Zone": "us-east-1a"})
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

    def look(self, it: Resource) -> Iterator[Found]:
        for path, value in walk(it.properties):
            if not _ZONE_PROPERTIES & set(path):
                continue
            match = _ZONE.fullmatch(text(value) or "")
            if match and match[1] != it.place.region and match[1] in schemas.regions():
                yield path, (
                    f"{value!r} is no zone of {it.place.region}, where this goes too;"
                    " use Fn::GetAZs"
                )


class ImageOfOneRegion(Rule):
    id = "E9506"
    shortdesc = "One image id is used in several regions"
    description = (
        "The same image has another id in every region, so that instances start in one"
        " region at most. Look the id up with an SSM parameter of type"
        " AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>, or in a mapping by region."
    )
    source_url = f"{DOCS}AWSEC2/latest/UserGuide/finding-an-ami.html"
    needs_targets = True
    goes = _TWO
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
                f"{value!r} is an image of one region and is used in {regions}; look it"
                " up with an SSM parameter or a mapping by region"
            )


def _shared(
    view: View, pattern: re.Pattern[str]
) -> Iterator[tuple[Resource, Path, str, str]]:
    """Whole values matching a pattern that are the same in several regions."""
    for found in view.made().values():
        same: dict[tuple[Path, str], list[Resource]] = {}
        for resource in found:
            if not resource.type.startswith("AWS::"):
                continue
            for path, value in walk(resource.properties):
                known = text(value)
                if known and pattern.fullmatch(known) and not ELSEWHERE & set(path):
                    same.setdefault((path, known), []).append(resource)
        for (path, known), resources in same.items():
            if len({r.place.region for r in resources}) > 1:
                yield resources[0], path, known, regions_of(resources)


class ArnOfAnotherRegion(ResourceRule):
    id = "E9507"
    shortdesc = "A regional service is handed an ARN of another region"
    description = (
        "Keys, certificates, topics, layers, target groups and log groups are used by"
        " services of their own region only. An ARN of another region is refused when"
        " the stack is made, or never works. Make one in each region (for keys, a"
        " replica of a multi-region key) and give its ARN."
    )
    source_url = f"{DOCS}kms/latest/developerguide/multi-region-keys-overview.html"
    needs_targets = True
    goes = _TWO
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
    types = (*_REGIONAL, "AWS::SNS::Subscription", "AWS::DynamoDB::GlobalTable")

    def look(self, it: Resource) -> Iterator[Found]:
        region = it.place.region
        for path, value in regional(it):
            yield from self._elsewhere(it, path, value, region)
        if it.type == "AWS::SNS::Subscription" and absent(it.properties, "Region"):
            value = get(it.properties, "TopicArn")
            yield from self._elsewhere(it, ("TopicArn",), value, region)
        for number, replica in enumerate(items(it.properties, "Replicas")):
            own = text(replica, "Region")
            steps = ("SSESpecification", "KMSMasterKeyId")
            if own:
                value = get(replica, *steps)
                yield from self._elsewhere(it, ("Replicas", number, *steps), value, own)

    @staticmethod
    def _elsewhere(
        it: Resource, path: Path, value: object, region: str
    ) -> Iterator[Found]:
        found = arn(value)
        if found is None or found.region in ("", "*", region):
            return
        if (it.type, found.service) in CROSS_REGION:
            return
        yield path, (
            f"an ARN of {found.service} in {found.region} for {it.type} in {region},"
            " which must be of the same region"
        )


class PartitionOfAnotherRegion(ResourceRule):
    id = "E9508"
    shortdesc = "An ARN is of another partition than the target region"
    description = (
        "ARNs in China begin with arn:aws-cn and in GovCloud with arn:aws-us-gov; one of"
        " another partition never matches anything, and policies with it grant nothing."
        " Write arn:${AWS::Partition}."
    )
    source_url = f"{DOCS}IAM/latest/UserGuide/reference-arns.html"
    needs_targets = True
    goes = goes_to("us-east-1", "us-gov-west-1")
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

    def look(self, it: Resource) -> Iterator[Found]:
        mine = partition(it.place.region)
        for path, value in walk(it.properties):
            match = _PARTITION.match(beginning(value) or "")
            if match and match[1] != mine:
                yield path, (
                    f"an ARN of partition {match[1]}, but {it.place.region} is in"
                    f" {mine}; write arn:${{AWS::Partition}}"
                )


class IdOfOneRegion(Rule):
    id = "E9509"
    shortdesc = "The id of a regional resource is used in several regions"
    description = (
        "A VPC, subnet, security group, volume or the like exists in one region. The"
        " same id in a second region names nothing, and the stack fails there. Give it"
        " as a parameter with an override for each region, or take it from the stack"
        " set that makes it."
    )
    source_url = f"{USER_GUIDE}stacksets-concepts.html"
    needs_targets = True
    goes = _TWO
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
                f"{value!r} exists in one region and is used in {regions}; give each"
                " region its own"
            )


class RoleOfAnotherAccount(ResourceRule):
    id = "E9510"
    shortdesc = "A service is handed a role of another account"
    description = (
        "iam:PassRole works within one account: creating the resource fails with"
        " 'Cross-account pass role is not allowed'. Write"
        " arn:${AWS::Partition}:iam::${AWS::AccountId}:role/… and have the role in every"
        " target account."
    )
    source_url = f"{DOCS}IAM/latest/UserGuide/id_roles_use_passrole.html"
    needs_targets = True
    goes = {
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

    def look(self, it: Resource) -> Iterator[Found]:
        for steps in ROLES[it.type]:
            for path, value in reached(it.properties, steps):
                found = arn(value)
                if (
                    found is None
                    or found.service != "iam"
                    or not found.account.isdigit()
                ):
                    continue
                # What AWS::AccountId gave for `self` differs from no account.
                own = it.place.account
                if differs(found.account, own):
                    yield path, (
                        f"a role of account {found.account} for {it.type} in account"
                        f" {own}; write ${{AWS::AccountId}} into its ARN"
                    )


class CodeBucketOfOneRegion(Rule):
    id = "E9511"
    shortdesc = "Functions of several regions take their code from one bucket"
    description = (
        "Lambda reads code only from a bucket in its own region: every other region"
        " fails with PermanentRedirect. Use a bucket per region, such as"
        " artifacts-${AWS::AccountId}-${AWS::Region}, and upload the code to each."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-properties-lambda-function-code.html"
    needs_targets = True
    goes = _TWO
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
        for found in view.made(*_CODE).values():
            by_bucket: dict[str, list[Resource]] = {}
            for resource in found:
                bucket = text(resource.properties, *_CODE[resource.type])
                if bucket:
                    by_bucket.setdefault(bucket, []).append(resource)
            for bucket, same in by_bucket.items():
                if len({r.place.region for r in same}) > 1:
                    yield in_properties(same[0], *_CODE[same[0].type]), (
                        f"bucket {bucket!r} is in one region and holds the code for"
                        f" {regions_of(same)}; use one in each region"
                    )


class EndpointServiceOfAnotherRegion(ResourceRule):
    id = "E9512"
    shortdesc = "A VPC endpoint is for a service of another region"
    description = (
        "com.amazonaws.us-east-1.s3 does not exist elsewhere: the endpoint fails with"
        " InvalidServiceName. Write com.amazonaws.${AWS::Region}.…, or name"
        " ServiceRegion where the service is offered across regions."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-ec2-vpcendpoint.html"
    needs_targets = True
    goes = _TWO
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

    def look(self, it: Resource) -> Iterator[Found]:
        name = text(it.properties, "ServiceName") or ""
        match = _SERVICE_NAME.match(name)
        if (
            match
            and match[1] != it.place.region
            and absent(it.properties, "ServiceRegion")
        ):
            yield ("ServiceName",), (
                f"{name!r} is a service of {match[1]}, and this goes to"
                f" {it.place.region}; write ${{AWS::Region}}"
            )
