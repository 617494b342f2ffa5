"""Service principals, accounts, hosted zones and addresses that differ by region, and
services that may not write to a resource.

A rule checks the values of each target; if one of them is not known, it reports nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tapgen.knowledge.regions import PARTITION_OF
from tapgen.rules import load_balancers
from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    Found,
    ResourceRule,
    deployed_to,
)
from tapgen.rules.values import (
    MISSING,
    Path,
    get,
    items,
    reached,
    text,
    walk,
)
from tapgen.rules.view import Resource

_TWO = deployed_to("us-east-1", "eu-west-1")
_PRINCIPAL = re.compile(
    r"([a-z0-9-]+)\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?"
)
_QUEUE_URL = re.compile(r"https://sqs\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")
_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")
_FUNCTION = re.compile(
    r"arn:aws[a-z-]*:lambda:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:function:[\w-]+"
)


def _principals(document: object, kind: str) -> Iterator[tuple[Path, object]]:
    """Yield the principals of one kind in a policy's statements, with their paths."""
    for index, statement in enumerate(items(document, "Statement")):
        found = get(statement, "Principal", kind)
        everybody = text(statement, "Principal") is not None
        if found is not MISSING and not everybody:
            yield from walk(found, ("Statement", index, "Principal", kind))


class PrincipalOfAnotherRegion(ResourceRule):
    id = "E9513"
    shortdesc = "A key policy allows a service of another region only"
    description = (
        "Some services have one principal for each region, and a key is used by the"
        " principals of its own region. If the policy has"
        " logs.us-east-1.amazonaws.com, a log group in eu-west-1 fails with 'The"
        " specified KMS key does not exist or is not allowed to be used'. Write"
        " logs.${AWS::Region}.amazonaws.com."
    )
    source_url = f"{DOCS}AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Key/Properties/KeyPolicy/Statement/1/Principal/Service"
    bad = """\
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
          - Effect: Allow
            Principal: {Service: logs.us-east-1.amazonaws.com}
            Action: ['kms:Encrypt*', 'kms:Decrypt*', 'kms:GenerateDataKey*']
            Resource: '*'
"""
    good = bad.replace(
        "{Service: logs.us-east-1.amazonaws.com}",
        "{Service: !Sub 'logs.${AWS::Region}.amazonaws.com'}",
    )
    types = ("AWS::KMS::Key", "AWS::KMS::ReplicaKey")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        named = list(_principals(get(it.properties, "KeyPolicy"), "Service"))
        if any(text(value) is None for _, value in named):
            return
        matches = [(p, _PRINCIPAL.fullmatch(text(value) or "")) for p, value in named]
        here = {m[1] for _, m in matches if m and m[2] == it.place.region}
        for path, match in matches:
            if match and match[1] not in here and match[2] in PARTITION_OF:
                yield ("KeyPolicy", *path), (
                    f"{match[0]} is a principal of {match[2]}, but the key is in"
                    f" {it.place.region}; write"
                    f" {match[1]}.${{AWS::Region}}.amazonaws.com"
                )


class LogAccountOfAnotherRegion(ResourceRule):
    id = "E9514"
    shortdesc = "A bucket accepts logs from load balancers of another region only"
    description = (
        "Elastic Load Balancing writes access logs from an AWS account that differs"
        " by region, and only to buckets in its own region. With the account of"
        " another region, the load balancer fails with 'Access Denied for bucket'."
        " Look up the account in a mapping by region, or allow"
        " logdelivery.elasticloadbalancing.amazonaws.com."
    )
    source_url = (
        f"{DOCS}elasticloadbalancing/latest/application/enable-access-logging.html"
    )
    needs_targets = True
    deployment = _TWO
    at = "Resources/Policy/Properties/PolicyDocument/Statement/0/Principal/AWS"
    bad = """\
Parameters:
  Bucket: {Type: String}
Resources:
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {AWS: 'arn:aws:iam::127311923021:root'}
            Action: s3:PutObject
            Resource: !Sub arn:aws:s3:::${Bucket}/*
"""
    good = bad.replace(
        "{AWS: 'arn:aws:iam::127311923021:root'}",
        "{Service: logdelivery.elasticloadbalancing.amazonaws.com}",
    )
    types = ("AWS::S3::BucketPolicy",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        document = get(it.properties, "PolicyDocument")
        services = [text(value) for _, value in _principals(document, "Service")]
        named = list(_principals(document, "AWS"))
        if any(s is None or s in load_balancers.LOG_SERVICES for s in services) or any(
            text(value) is None for _, value in named
        ):
            return
        of = [
            (path, *load_balancers.log_region(text(value) or ""))
            for path, value in named
        ]
        if it.place.region in {region for _, _, region in of}:
            return
        for path, account, region in of:
            if region:
                yield ("PolicyDocument", *path), (
                    f"account {account} writes the logs of load balancers in {region},"
                    f" but this bucket is in {it.place.region}; allow"
                    f" {load_balancers.LOG_SERVICES[0]}"
                )


class ZoneOfAnotherLoadBalancer(ResourceRule):
    id = "E9539"
    shortdesc = "An alias has the hosted zone of load balancers in another region"
    description = (
        "The HostedZoneId of an alias must be that of the load balancer's region."
        " Route 53 rejects another one with 'Tried to create an alias that targets …,"
        " but the alias target name does not lie within the target zone'. Write"
        " !GetAtt LoadBalancer.CanonicalHostedZoneID."
    )
    source_url = f"{DOCS}general/latest/gr/elb.html"
    needs_targets = True
    deployment = deployed_to("eu-west-1")
    at = "Resources/Record/Properties/AliasTarget/HostedZoneId"
    bad = """\
Parameters:
  Subnets: {Type: 'List<AWS::EC2::Subnet::Id>'}
Resources:
  Front:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties:
      Type: application
      Subnets: !Ref Subnets
  Record:
    Type: AWS::Route53::RecordSet
    Properties:
      HostedZoneId: Z0123456789ABCDEFGHIJ
      Name: api.example.com
      Type: A
      AliasTarget:
        DNSName: !GetAtt Front.DNSName
        HostedZoneId: Z35SXDOTRQ7X7K
"""
    good = bad.replace("Z35SXDOTRQ7X7K", "!GetAtt Front.CanonicalHostedZoneID")
    types = ("AWS::Route53::RecordSet", "AWS::Route53::RecordSetGroup")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        steps = ("AliasTarget", "HostedZoneId")
        yield from self._check_record(it, it.properties, steps)
        for index, record in enumerate(items(it.properties, "RecordSets")):
            yield from self._check_record(it, record, ("RecordSets", index, *steps))

    @staticmethod
    def _check_record(it: Resource, record: object, path: Path) -> Iterator[Found]:
        zone = load_balancers.ZONES.get(
            text(record, "AliasTarget", "HostedZoneId") or ""
        )
        region = load_balancers.region_of(it, get(record, "AliasTarget", "DNSName"))
        if zone and region and zone != region:
            yield path, (
                f"this is the zone of load balancers in {zone}, but this one is in {region};"
                " use its CanonicalHostedZoneID"
            )


class WrongVpcRegion(ResourceRule):
    id = "E9544"
    shortdesc = "A private hosted zone has the wrong region for a VPC"
    description = (
        "Route 53 looks for the VPC in VPCRegion and fails with InvalidVPCId if the"
        " VPC is in another region. For a VPC of the same stack, write !Ref"
        " AWS::Region."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-properties-route53-hostedzone-vpc.html"
    needs_targets = True
    deployment = deployed_to("eu-west-1")
    at = "Resources/Zone/Properties/VPCs/0/VPCRegion"
    bad = """\
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.0.0.0/16}
  Zone:
    Type: AWS::Route53::HostedZone
    Properties:
      Name: orders.internal
      VPCs:
        - {VPCId: !Ref Vpc, VPCRegion: us-east-1}
"""
    good = bad.replace("VPCRegion: us-east-1", "VPCRegion: !Ref AWS::Region")
    types = ("AWS::Route53::HostedZone",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        own = {vpc.id for vpc in it.place.of("AWS::EC2::VPC")}
        for index, vpc in enumerate(items(it.properties, "VPCs")):
            node, region = get(vpc, "VPCId"), text(vpc, "VPCRegion")
            mine = isinstance(node, Mapping) and node.get("Ref") in own
            if mine and region and region != it.place.region:
                yield ("VPCs", index, "VPCRegion"), (
                    f"VPCRegion is {region}, but the VPC of this stack is in"
                    f" {it.place.region}; write !Ref AWS::Region"
                )


class AddressOfAnotherRegion(ResourceRule):
    id = "E9550"
    shortdesc = "A queue, image or function is in another region than its user"
    description = (
        "A queue policy applies to queues of its own region, Lambda starts only from"
        " images in ECR of its own region, and Step Functions calls only functions of"
        " its own region. URLs and ARNs of another region are rejected, or never work."
        " Write ${AWS::Region} in them."
    )
    source_url = f"{DOCS}lambda/latest/dg/images-create.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Policy/Properties/Queues/0"
    bad = """\
Resources:
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [https://sqs.us-east-1.amazonaws.com/111122223333/jobs]
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {Service: sns.amazonaws.com}
            Action: sqs:SendMessage
            Resource: '*'
"""
    good = bad.replace(
        "[https://sqs.us-east-1.amazonaws.com/111122223333/jobs]",
        "[!Sub 'https://sqs.${AWS::Region}.amazonaws.com/111122223333/jobs']",
    )
    types = (
        "AWS::Lambda::Function",
        "AWS::SQS::QueuePolicy",
        "AWS::StepFunctions::StateMachine",
    )
    _checked: Mapping[str, tuple[tuple[str, ...], ...]] = {
        "AWS::Lambda::Function": (("Code", "ImageUri"),),
        "AWS::SQS::QueuePolicy": (("Queues", "*"),),
        "AWS::StepFunctions::StateMachine": (
            ("Definition",),
            ("DefinitionString",),
            ("DefinitionSubstitutions",),
        ),
    }

    def check_resource(self, it: Resource) -> Iterator[Found]:
        pattern = {
            "AWS::Lambda::Function": _IMAGE,
            "AWS::SQS::QueuePolicy": _QUEUE_URL,
        }.get(it.type, _FUNCTION)
        for steps in self._checked[it.type]:
            for path, node in reached(it.properties, steps):
                for below, value in walk(node, path):
                    for match in pattern.finditer(_written(value)):
                        if match[1] != it.place.region:
                            yield below, (
                                f"{match[0]} is in {match[1]}, but this stack is in"
                                f" {it.place.region}; write ${{AWS::Region}}"
                            )


def _written(value: object) -> str:
    """Return text, also that of an `Fn::Sub` with parts that are not known yet."""
    match value:
        case {"Fn::Sub": str(whole)} | {"Fn::Sub": [str(whole), _]}:
            return whole
    return text(value) or ""


class ReplicatedToItself(ResourceRule):
    id = "E9562"
    shortdesc = "A secret is replicated to its own region"
    description = (
        "ReplicaRegions must not contain the region of the secret itself; Secrets"
        " Manager rejects it with 'Invalid replica region'. If a stack set targets"
        " both regions, create the secret in one region and leave the other to the"
        " replica."
    )
    source_url = f"{DOCS}secretsmanager/latest/userguide/replicate-secrets.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Secret/Properties/ReplicaRegions/0/Region"
    bad = """\
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      GenerateSecretString: {PasswordLength: 32}
      ReplicaRegions:
        - {Region: eu-west-1}
"""
    good = bad.replace("{Region: eu-west-1}", "{Region: eu-central-1}")
    types = ("AWS::SecretsManager::Secret",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        for index, replica in enumerate(items(it.properties, "ReplicaRegions")):
            if it.certain and text(replica, "Region") == it.place.region:
                yield ("ReplicaRegions", index, "Region"), (
                    f"the secret itself is in {it.place.region}; use other regions for replicas"
                )


class LogBucketUnderKms(ResourceRule):
    id = "E9564"
    shortdesc = "A load balancer logs to a bucket that is encrypted with KMS"
    description = (
        "Access logs of Application and Classic Load Balancers support SSE-S3 only."
        " If the bucket has SSE-KMS as its default, the load balancer fails with"
        " 'Access Denied for bucket'. Encrypt the bucket with AES256."
    )
    source_url = (
        f"{DOCS}elasticloadbalancing/latest/application/enable-access-logging.html"
    )
    at = "Resources/Front/Properties/LoadBalancerAttributes/1/Value"
    bad = """\
Parameters:
  Subnets: {Type: 'List<AWS::EC2::Subnet::Id>'}
Resources:
  Logs:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BucketEncryption:
        ServerSideEncryptionConfiguration:
          - ServerSideEncryptionByDefault: {SSEAlgorithm: 'aws:kms'}
  Front:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties:
      Type: application
      Subnets: !Ref Subnets
      LoadBalancerAttributes:
        - {Key: access_logs.s3.enabled, Value: 'true'}
        - {Key: access_logs.s3.bucket, Value: !Ref Logs}
"""
    good = bad.replace("'aws:kms'", "AES256")
    types = load_balancers.TYPES

    def check_resource(self, it: Resource) -> Iterator[Found]:
        for path, node in load_balancers.log_buckets(it):
            for bucket in it.place.of("AWS::S3::Bucket"):
                name = text(bucket.properties, "BucketName")
                same = node == {"Ref": bucket.id} or (name and name == text(node))
                if same and _under_kms(bucket):
                    yield path, (
                        f"bucket {bucket.id} is encrypted with KMS, which access logs"
                        " of this load balancer do not support; use AES256"
                    )


def _under_kms(bucket: Resource) -> bool:
    steps = ("BucketEncryption", "ServerSideEncryptionConfiguration", "*")
    return any(
        (text(value) or "").startswith("aws:kms")
        for _, value in reached(
            bucket.properties, (*steps, "ServerSideEncryptionByDefault", "SSEAlgorithm")
        )
    )


class TopicUnderAwsKey(ResourceRule):
    id = "E9566"
    shortdesc = "An alarm or event rule cannot publish to its topic"
    description = (
        "AWS owns the key alias/aws/sns, and its policy lets no other service use it."
        " Alarms and event rules fail to publish to the topic, and the stack reports"
        " no error. Encrypt the topic with a customer managed key that allows"
        " cloudwatch.amazonaws.com or events.amazonaws.com."
    )
    source_url = f"{DOCS}sns/latest/dg/sns-key-management.html"
    at = "Resources/Alarm/Properties/AlarmActions/0"
    bad = """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {KmsMasterKeyId: alias/aws/sns}
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: AWS/Lambda
      MetricName: Errors
      Dimensions: [{Name: FunctionName, Value: orders}]
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 3
      Threshold: 1
      ComparisonOperator: GreaterThanThreshold
      AlarmActions: [!Ref Topic]
"""
    good = bad.replace("alias/aws/sns", "alias/alarms")
    types = (
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::Events::Rule",
    )

    def check_resource(self, it: Resource) -> Iterator[Found]:
        names = {"AWS::Events::Rule": (("Targets", "*", "Arn"),)}.get(
            it.type,
            (("AlarmActions", "*"), ("OKActions", "*"))
            + (("InsufficientDataActions", "*"),),
        )
        closed = {
            topic.id
            for topic in it.place.of("AWS::SNS::Topic")
            if (text(topic.properties, "KmsMasterKeyId") or "").endswith(
                "alias/aws/sns"
            )
        }
        for steps in names:
            for path, node in reached(it.properties, steps):
                if isinstance(node, Mapping) and node.get("Ref") in closed:
                    yield path, (
                        f"topic {node['Ref']} is encrypted with alias/aws/sns, which"
                        f" {it.type} cannot use; use a customer managed key"
                    )


class DestinationWithoutArn(ResourceRule):
    id = "E9567"
    shortdesc = "The destination of a replication is a name, not an ARN"
    description = (
        "Destination.Bucket takes the ARN of a bucket. S3 rejects a name, which Ref"
        " returns too, with MalformedXML. Write arn:${AWS::Partition}:s3:::name."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}aws-properties-s3-bucket-replicationdestination.html"
    )
    at = (
        "Resources/Bucket/Properties/ReplicationConfiguration/Rules/0/Destination/"
        "Bucket"
    )
    bad = """\
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
            Destination: {Bucket: orders-copy}
"""
    good = bad.replace("orders-copy", "'arn:aws:s3:::orders-copy'")
    types = ("AWS::S3::Bucket",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        steps = ("ReplicationConfiguration", "Rules", "*", "Destination", "Bucket")
        buckets = {bucket.id for bucket in it.place.of("AWS::S3::Bucket")}
        for path, node in reached(it.properties, steps):
            known = text(node)
            named = known is not None and not known.startswith("arn:")
            referred = isinstance(node, Mapping) and node.get("Ref") in buckets
            if named or referred:
                yield path, "this is a name; write arn:${AWS::Partition}:s3:::name"
