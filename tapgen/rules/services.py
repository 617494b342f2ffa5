"""What services call by region: principals, accounts, zones, addresses, and who may
write where.

The values looked at are those a target really gets; where one of them is not known, the
rule says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    Found,
    ResourceRule,
    goes_to,
)
from tapgen.rules.literals import reached
from tapgen.rules.values import (
    MISSING,
    Path,
    absent,
    arn,
    get,
    items,
    text,
    walk,
)
from tapgen.rules.view import Resource
from tapgen.template import schemas

_TWO = goes_to("us-east-1", "eu-west-1")
_PRINCIPAL = re.compile(
    r"([a-z0-9-]+)\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?"
)
_QUEUE_URL = re.compile(r"https://sqs\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")
_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")
_FUNCTION = re.compile(
    r"arn:aws[a-z-]*:lambda:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:function:[\w-]+"
)

# From "Enable access logs for your Application Load Balancer", for regions that were
# there before August 2022; in the others a service principal writes.
_LOG_ACCOUNTS: Mapping[str, str] = {
    "127311923021": "us-east-1",
    "033677994240": "us-east-2",
    "027434742980": "us-west-1",
    "797873946194": "us-west-2",
    "098369216593": "af-south-1",
    "754344448648": "ap-east-1",
    "582318560864": "ap-northeast-1",
    "600734575887": "ap-northeast-2",
    "383597477331": "ap-northeast-3",
    "718504428378": "ap-south-1",
    "114774131450": "ap-southeast-1",
    "783225319266": "ap-southeast-2",
    "589379963580": "ap-southeast-3",
    "985666609251": "ca-central-1",
    "054676820928": "eu-central-1",
    "897822967062": "eu-north-1",
    "635631232127": "eu-south-1",
    "156460612806": "eu-west-1",
    "652711504416": "eu-west-2",
    "009996457667": "eu-west-3",
    "076674570225": "me-south-1",
    "507241528517": "sa-east-1",
    "190560391635": "us-gov-east-1",
    "048591011584": "us-gov-west-1",
}
_LOG_SERVICES = (
    "logdelivery.elasticloadbalancing.amazonaws.com",
    "delivery.logs.amazonaws.com",
)
# From "Elastic Load Balancing endpoints and quotas": zones of Application and Classic
# Load Balancers.
_ZONES: Mapping[str, str] = {
    "Z35SXDOTRQ7X7K": "us-east-1",
    "Z3AADJGX6KTTL2": "us-east-2",
    "Z368ELLRRE2KJ0": "us-west-1",
    "Z1H1FL5HABSF5": "us-west-2",
    "Z268VQBMOI5EKX": "af-south-1",
    "Z3DQVH9N71FHZ0": "ap-east-1",
    "Z14GRHDCWA56QT": "ap-northeast-1",
    "ZWKZPGTI48KDX": "ap-northeast-2",
    "Z5LXEXXYW11ES": "ap-northeast-3",
    "ZP97RAFLXTNZK": "ap-south-1",
    "Z0173938T07WNTVAEPZN": "ap-south-2",
    "Z1LMS91P8CMLE5": "ap-southeast-1",
    "Z1GM3OXH4ZPM65": "ap-southeast-2",
    "Z08888821HLRG5A9ZRTER": "ap-southeast-3",
    "Z09517862IB2WZLPXG76F": "ap-southeast-4",
    "ZQSVJUPU6J1EY": "ca-central-1",
    "Z06473681N0SF6OS049SD": "ca-west-1",
    "Z215JYRZR1TBD5": "eu-central-1",
    "Z06391101F2ZOEP8P5EB3": "eu-central-2",
    "Z23TAZ6LKFMNIO": "eu-north-1",
    "Z3ULH7SSC9OV64": "eu-south-1",
    "Z0956581394HF5D5LXGAP": "eu-south-2",
    "Z32O12XQLNTSW2": "eu-west-1",
    "ZHURV8PSTC4K8": "eu-west-2",
    "Z3Q77PNBQS71R4": "eu-west-3",
    "Z09170902867EHPV2DABU": "il-central-1",
    "Z08230872XQRWHG2XF6I": "me-central-1",
    "ZS929ML54UICD": "me-south-1",
    "Z2P70J7HTTTPLU": "sa-east-1",
    "Z166TLBEWOO7G0": "us-gov-east-1",
    "Z33AYJ8TM3BH4J": "us-gov-west-1",
}


def _principals(document: object, kind: str) -> Iterator[tuple[Path, object]]:
    """The principals of some kind in the statements of a policy, with their paths."""
    for index, statement in enumerate(items(document, "Statement")):
        found = get(statement, "Principal", kind)
        everybody = text(statement, "Principal") is not None
        if found is not MISSING and not everybody:
            yield from walk(found, ("Statement", index, "Principal", kind))


class PrincipalOfAnotherRegion(ResourceRule):
    id = "E9513"
    shortdesc = "A key is given to a service of another region only"
    description = (
        "Some services have a principal for each region, and a key is used by those of"
        " its own: with logs.us-east-1.amazonaws.com in its policy, a log group in"
        " eu-west-1 is refused with 'The specified KMS key does not exist or is not"
        " allowed to be used'. Write logs.${AWS::Region}.amazonaws.com."
    )
    source_url = f"{DOCS}AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html"
    needs_targets = True
    goes = _TWO
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

    def look(self, it: Resource) -> Iterator[Found]:
        named = list(_principals(get(it.properties, "KeyPolicy"), "Service"))
        if any(text(value) is None for _, value in named):
            return
        matches = [(p, _PRINCIPAL.fullmatch(text(value) or "")) for p, value in named]
        here = {m[1] for _, m in matches if m and m[2] == it.place.region}
        for path, match in matches:
            if match and match[1] not in here and match[2] in schemas.regions():
                yield ("KeyPolicy", *path), (
                    f"{match[0]} is {match[1]} of {match[2]}, and the key is in"
                    f" {it.place.region}; write"
                    f" {match[1]}.${{AWS::Region}}.amazonaws.com"
                )


class LogAccountOfAnotherRegion(ResourceRule):
    id = "E9514"
    shortdesc = "A bucket takes the logs of load balancers of another region only"
    description = (
        "Elastic Load Balancing writes access logs as an account that differs from"
        " region to region, and into buckets of its own region only: with another"
        " region's account the load balancer fails with 'Access Denied for bucket'."
        " Look the account up in a mapping by region, or give the bucket to"
        " logdelivery.elasticloadbalancing.amazonaws.com."
    )
    source_url = (
        f"{DOCS}elasticloadbalancing/latest/application/enable-access-logging.html"
    )
    needs_targets = True
    goes = _TWO
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

    def look(self, it: Resource) -> Iterator[Found]:
        document = get(it.properties, "PolicyDocument")
        services = [text(value) for _, value in _principals(document, "Service")]
        named = list(_principals(document, "AWS"))
        if any(s is None or s in _LOG_SERVICES for s in services) or any(
            text(value) is None for _, value in named
        ):
            return
        of = [(path, *_log_region(text(value) or "")) for path, value in named]
        if it.place.region in {region for _, _, region in of}:
            return
        for path, account, region in of:
            if region:
                yield ("PolicyDocument", *path), (
                    f"account {account} writes the logs of load balancers in {region},"
                    f" and this bucket is in {it.place.region}"
                )


def _log_region(principal: str) -> tuple[str, str]:
    """The account of a principal, and the region whose load balancers log as it."""
    found = arn(principal)
    account = found.account if found else principal
    return account, _LOG_ACCOUNTS.get(account, "")


class ZoneOfAnotherLoadBalancer(ResourceRule):
    id = "E9539"
    shortdesc = "An alias has the hosted zone of another region's load balancers"
    description = (
        "The HostedZoneId of an alias is that of the load balancer's region: Route 53"
        " refuses another with 'Tried to create an alias that targets …, but the alias"
        " target name does not lie within the target zone'. Write"
        " !GetAtt LoadBalancer.CanonicalHostedZoneID."
    )
    source_url = f"{DOCS}general/latest/gr/elb.html"
    needs_targets = True
    goes = goes_to("eu-west-1")
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

    def look(self, it: Resource) -> Iterator[Found]:
        steps = ("AliasTarget", "HostedZoneId")
        yield from self._judge(it, it.properties, steps)
        for index, record in enumerate(items(it.properties, "RecordSets")):
            yield from self._judge(it, record, ("RecordSets", index, *steps))

    @staticmethod
    def _judge(it: Resource, record: object, path: Path) -> Iterator[Found]:
        zone = _ZONES.get(text(record, "AliasTarget", "HostedZoneId") or "")
        region = _balancer_region(it, get(record, "AliasTarget", "DNSName"))
        if zone and region and zone != region:
            yield path, (
                f"the zone of load balancers in {zone}, and this one is in {region}"
            )


_BALANCERS = (
    "AWS::ElasticLoadBalancing::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
)
_DNS_NAME = re.compile(r".*\.([a-z]{2}(?:-[a-z]+)+-\d)\.elb\.amazonaws\.com\.?")


def _balancer_region(it: Resource, name: object) -> str:
    """The region of the load balancer with this DNS name, where it shows."""
    match = _DNS_NAME.fullmatch(text(name) or "")
    if match:
        return match[1]
    if isinstance(name, Mapping) and isinstance(name.get("Fn::GetAtt"), list):
        owner = str(name["Fn::GetAtt"][0])
        if any(balancer.id == owner for balancer in it.place.of(*_BALANCERS)):
            return it.place.region
    return ""


class VpcSaidElsewhere(ResourceRule):
    id = "E9544"
    shortdesc = "A private zone says another region of a VPC than it is in"
    description = (
        "VPCRegion is where the VPC is: Route 53 looks for it there and fails with"
        " InvalidVPCId. For the VPC of the same stack write !Ref AWS::Region."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-properties-route53-hostedzone-vpc.html"
    needs_targets = True
    goes = goes_to("eu-west-1")
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

    def look(self, it: Resource) -> Iterator[Found]:
        own = {vpc.id for vpc in it.place.of("AWS::EC2::VPC")}
        for index, vpc in enumerate(items(it.properties, "VPCs")):
            node, region = get(vpc, "VPCId"), text(vpc, "VPCRegion")
            mine = isinstance(node, Mapping) and node.get("Ref") in own
            if mine and region and region != it.place.region:
                yield ("VPCs", index, "VPCRegion"), (
                    f"{region}, and this stack's VPC is in {it.place.region}; write"
                    " !Ref AWS::Region"
                )


class AddressOfAnotherRegion(ResourceRule):
    id = "E9550"
    shortdesc = "A queue, image or function of another region cannot be used here"
    description = (
        "A queue policy is for queues of its own region, Lambda starts from images in"
        " its own region's ECR only, and Step Functions calls functions of its own"
        " region only: what their URLs and ARNs name elsewhere is refused, or never"
        " works. Write ${AWS::Region}."
    )
    source_url = f"{DOCS}lambda/latest/dg/images-create.html"
    needs_targets = True
    goes = _TWO
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
    _looked_at: Mapping[str, tuple[tuple[str, ...], ...]] = {
        "AWS::Lambda::Function": (("Code", "ImageUri"),),
        "AWS::SQS::QueuePolicy": (("Queues", "*"),),
        "AWS::StepFunctions::StateMachine": (
            ("Definition",),
            ("DefinitionString",),
            ("DefinitionSubstitutions",),
        ),
    }

    def look(self, it: Resource) -> Iterator[Found]:
        pattern = {
            "AWS::Lambda::Function": _IMAGE,
            "AWS::SQS::QueuePolicy": _QUEUE_URL,
        }.get(it.type, _FUNCTION)
        for steps in self._looked_at[it.type]:
            for path, node in reached(it.properties, steps):
                for below, value in walk(node, path):
                    for match in pattern.finditer(_written(value)):
                        if match[1] != it.place.region:
                            yield below, (
                                f"{match[0]} is in {match[1]}, and this goes to"
                                f" {it.place.region}; write ${{AWS::Region}}"
                            )


def _written(value: object) -> str:
    """Text, also that of an `Fn::Sub` with parts that are not known yet."""
    match value:
        case {"Fn::Sub": str(whole)} | {"Fn::Sub": [str(whole), _]}:
            return whole
    return text(value) or ""


class ReplicatedToItself(ResourceRule):
    id = "E9562"
    shortdesc = "A secret is replicated to the region it is in"
    description = (
        "ReplicaRegions are other regions than the secret's own: Secrets Manager refuses"
        " the own one with 'Invalid replica region'. A stack set that goes to both"
        " regions makes the secret in one and leaves the other to the replica."
    )
    source_url = f"{DOCS}secretsmanager/latest/userguide/replicate-secrets.html"
    needs_targets = True
    goes = _TWO
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

    def look(self, it: Resource) -> Iterator[Found]:
        for index, replica in enumerate(items(it.properties, "ReplicaRegions")):
            if it.certain and text(replica, "Region") == it.place.region:
                yield ("ReplicaRegions", index, "Region"), (
                    f"the secret itself is in {it.place.region}; name other regions"
                )


class LogsUnderAKey(ResourceRule):
    id = "E9564"
    shortdesc = "A load balancer logs to a bucket that encrypts with KMS"
    description = (
        "Access logs of Application and Classic Load Balancers take SSE-S3 only: with"
        " SSE-KMS as the bucket's default the load balancer fails with 'Access Denied"
        " for bucket'. Encrypt this bucket with AES256."
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
    types = _BALANCERS

    def look(self, it: Resource) -> Iterator[Found]:
        for path, node in _log_buckets(it):
            for bucket in it.place.of("AWS::S3::Bucket"):
                name = text(bucket.properties, "BucketName")
                same = node == {"Ref": bucket.id} or (name and name == text(node))
                if same and _under_kms(bucket):
                    yield path, (
                        f"bucket {bucket.id} encrypts with KMS, which access logs of"
                        " this load balancer cannot have; use AES256"
                    )


def _log_buckets(it: Resource) -> Iterator[tuple[Path, object]]:
    """The buckets that a load balancer certainly logs to."""
    if it.type == "AWS::ElasticLoadBalancing::LoadBalancer":
        if text(it.properties, "AccessLoggingPolicy", "Enabled") == "true":
            steps = ("AccessLoggingPolicy", "S3BucketName")
            yield steps, get(it.properties, *steps)
        return
    kind = (
        "application" if absent(it.properties, "Type") else text(it.properties, "Type")
    )
    if kind != "application":
        return  # network load balancers may log under a key
    attributes = items(it.properties, "LoadBalancerAttributes")
    values = {text(one, "Key"): text(one, "Value") for one in attributes}
    for index, one in enumerate(attributes):
        logs = values.get("access_logs.s3.enabled") == "true"
        if logs and text(one, "Key") == "access_logs.s3.bucket":
            path = ("LoadBalancerAttributes", index, "Value")
            yield path, get(one, "Value")


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
    shortdesc = "An alarm or event goes to a topic that its service cannot write to"
    description = (
        "The key alias/aws/sns belongs to AWS, and its policy lets no other service use"
        " it: alarms and event rules fail to publish to the topic, without a word in the"
        " stack. Encrypt the topic with a key of your own that allows"
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

    def look(self, it: Resource) -> Iterator[Found]:
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
                        f" {it.type} cannot use; give it a key of your own"
                    )


class DestinationWithoutArn(ResourceRule):
    id = "E9567"
    shortdesc = "The destination of a replication is a name, not an ARN"
    description = (
        "Destination.Bucket takes the ARN of a bucket; a name, which Ref gives too, is"
        " refused by S3 with MalformedXML. Write arn:${AWS::Partition}:s3:::name."
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

    def look(self, it: Resource) -> Iterator[Found]:
        steps = ("ReplicationConfiguration", "Rules", "*", "Destination", "Bucket")
        buckets = {bucket.id for bucket in it.place.of("AWS::S3::Bucket")}
        for path, node in reached(it.properties, steps):
            known = text(node)
            named = known is not None and not known.startswith("arn:")
            referred = isinstance(node, Mapping) and node.get("Ref") in buckets
            if named or referred:
                yield path, "a name; S3 takes arn:${AWS::Partition}:s3:::name"
