"""Drift of each resource type whose real settings are compared with the template.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-drift.html

`PropertyDifference`: PropertyPath, ExpectedValue, ActualValue, DifferenceType.
`StackResourceDrift`, StackResourceDriftStatus: DELETED, IN_SYNC, MODIFIED.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.emulator.conftest import Aws, template
from tests.emulator.stacksets.test_drift import detect
from tests.emulator.stacksets.test_operations import start

Change = Callable[[Aws, str], Any]


def trusting(service: str) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def allowing(*actions: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def of(type_name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{type_name}", "Properties": properties}


ROLE = of("IAM::Role", AssumeRolePolicyDocument=trusting("lambda"))
BUCKET = of(
    "S3::Bucket",
    VersioningConfiguration={"Status": "Enabled"},
    BucketEncryption={
        "ServerSideEncryptionConfiguration": [
            {
                "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"},
                "BucketKeyEnabled": True,
            }
        ]
    },
    PublicAccessBlockConfiguration={
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    },
    LifecycleConfiguration={
        "Rules": [
            {
                "Id": "old",
                "Status": "Enabled",
                "Prefix": "logs/",
                "ExpirationInDays": 30,
                "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
            }
        ]
    },
    Tags=[{"Key": "Project", "Value": "mine"}],
)
REPLICATED = {
    "There": of("S3::Bucket", VersioningConfiguration={"Status": "Enabled"}),
    "Role": of("IAM::Role", AssumeRolePolicyDocument=trusting("s3")),
    "R": of(
        "S3::Bucket",
        VersioningConfiguration={"Status": "Enabled"},
        ReplicationConfiguration={
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Rules": [
                {
                    "Id": "all",
                    "Status": "Enabled",
                    "Priority": 1,
                    "Filter": {"Prefix": ""},
                    "DeleteMarkerReplication": {"Status": "Disabled"},
                    "Destination": {"Bucket": {"Fn::GetAtt": ["There", "Arn"]}},
                }
            ],
        },
    ),
}


def s3(operation: str, **parameters: Any) -> Change:
    return lambda aws, id_: getattr(aws.client("s3"), operation)(
        Bucket=id_, **parameters
    )


def encrypt(aws: Aws, id_: str) -> None:
    algorithm = {"SSEAlgorithm": "AES256"}
    rule = {"ApplyServerSideEncryptionByDefault": algorithm, "BucketKeyEnabled": True}
    aws.client("s3").put_bucket_encryption(
        Bucket=id_, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )


def expire(aws: Aws, id_: str) -> None:
    client = aws.client("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=id_)["Rules"]
    rules[0]["Expiration"] = {"Days": 90}
    client.put_bucket_lifecycle_configuration(
        Bucket=id_, LifecycleConfiguration={"Rules": rules}
    )


def stop_replication(aws: Aws, id_: str) -> None:
    client = aws.client("s3")
    found = client.get_bucket_replication(Bucket=id_)["ReplicationConfiguration"]
    found["Rules"][0]["Status"] = "Disabled"
    client.put_bucket_replication(Bucket=id_, ReplicationConfiguration=found)


TABLE = of(
    "DynamoDB::Table",
    BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    TimeToLiveSpecification={"AttributeName": "until", "Enabled": True},
)


def dynamodb(operation: str, **parameters: Any) -> Change:
    return lambda aws, id_: getattr(aws.client("dynamodb"), operation)(
        TableName=id_, **parameters
    )


FUNCTION = {
    "Role": ROLE,
    "R": of(
        "Lambda::Function",
        Runtime="python3.12",
        Handler="index.handler",
        Role={"Fn::GetAtt": ["Role", "Arn"]},
        Code={"ZipFile": "def handler(event, context):\n    return 1\n"},
        MemorySize=128,
        Environment={"Variables": {"LEVEL": "info"}},
    ),
}


def configure(**settings: Any) -> Change:
    return lambda aws, id_: aws.client("lambda").update_function_configuration(
        FunctionName=id_, **settings
    )


ALARM = of(
    "CloudWatch::Alarm",
    Namespace="AWS/SQS",
    MetricName="ApproximateAgeOfOldestMessage",
    Statistic="Maximum",
    Period=60,
    EvaluationPeriods=3,
    Threshold=300,
    ComparisonOperator="GreaterThanThreshold",
    Dimensions=[{"Name": "QueueName", "Value": "jobs"}],
)


def set_threshold(aws: Aws, id_: str) -> None:
    client = aws.client("cloudwatch")
    alarm = client.describe_alarms(AlarmNames=[id_])["MetricAlarms"][0]
    keep = set(ALARM["Properties"]) | {"AlarmName"}
    alarm = {k: v for k, v in alarm.items() if k in keep}
    client.put_metric_alarm(**{**alarm, "Threshold": 900})


def topic_attribute(name: str, value: str) -> Change:
    return lambda aws, id_: aws.client("sns").set_topic_attributes(
        TopicArn=id_, AttributeName=name, AttributeValue=value
    )


def queue_attributes(**attributes: str) -> Change:
    return lambda aws, id_: aws.client("sqs").set_queue_attributes(
        QueueUrl=id_, Attributes=attributes
    )


KEY = of(
    "KMS::Key",
    Description="of all",
    EnableKeyRotation=True,
    KeyPolicy={
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {
                    "AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}
                },
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    },
)


def loosen_key(aws: Aws, id_: str) -> None:
    client = aws.client("kms")
    policy = json.loads(
        client.get_key_policy(KeyId=id_, PolicyName="default")["Policy"]
    )
    policy["Statement"][0]["Principal"] = {"AWS": "*"}
    client.put_key_policy(KeyId=id_, PolicyName="default", Policy=json.dumps(policy))


HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/8"}
GROUP = {
    "Network": of("EC2::VPC", CidrBlock="10.0.0.0/16"),
    "R": of(
        "EC2::SecurityGroup",
        GroupDescription="web",
        VpcId={"Ref": "Network"},
        SecurityGroupIngress=[HTTPS],
        SecurityGroupEgress=[{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}],
    ),
    # A rule of its own is no drift of the group.
    "Own": of(
        "EC2::SecurityGroupIngress",
        GroupId={"Fn::GetAtt": ["R", "GroupId"]},
        IpProtocol="tcp",
        FromPort=22,
        ToPort=22,
        CidrIp="10.0.0.0/8",
    ),
}
ANYWHERE = {
    "IpProtocol": "tcp",
    "FromPort": 3389,
    "ToPort": 3389,
    "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
}


def open_group(aws: Aws, id_: str) -> None:
    aws.client("ec2").authorize_security_group_ingress(
        GroupId=id_, IpPermissions=[ANYWHERE]
    )


def close_group(aws: Aws, id_: str) -> None:
    rule = {k: v for k, v in HTTPS.items() if k != "CidrIp"}
    permission = {**rule, "IpRanges": [{"CidrIp": HTTPS["CidrIp"]}]}
    aws.client("ec2").revoke_security_group_ingress(
        GroupId=id_, IpPermissions=[permission]
    )


RECORD = {
    "Zone": of("Route53::HostedZone", Name="example.test."),
    "R": of(
        "Route53::RecordSet",
        HostedZoneId={"Ref": "Zone"},
        Name="www.example.test.",
        Type="A",
        TTL="300",
        ResourceRecords=["192.0.2.1"],
    ),
}


def record(action: str, ttl: int, address: str) -> Change:
    def change(aws: Aws, id_: str) -> None:
        client = aws.client("route53")
        zone = client.list_hosted_zones()["HostedZones"][0]["Id"]
        found = {
            "Name": "www.example.test.",
            "Type": "A",
            "TTL": ttl,
            "ResourceRecords": [{"Value": address}],
        }
        changes = [{"Action": action, "ResourceRecordSet": found}]
        client.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": changes}
        )

    return change


DATABASE = of(
    "RDS::DBInstance",
    Engine="postgres",
    EngineVersion="16",
    DBInstanceClass="db.t4g.micro",
    AllocatedStorage="20",
    MasterUsername="owner",
    MasterUserPassword="not-secret-at-all",
    BackupRetentionPeriod=7,
    MultiAZ=False,
    PubliclyAccessible=False,
    StorageType="gp3",
)


def database(**settings: Any) -> Change:
    return lambda aws, id_: aws.client("rds").modify_db_instance(
        DBInstanceIdentifier=id_, ApplyImmediately=True, **settings
    )


Resources = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A change of the resource `R`, and the difference that it makes."""

    name: str
    resources: Resources
    change: Change
    path: str
    expected: str | None = None
    actual: str | None = None
    kind: str = "NOT_EQUAL"


def one(resource: Any) -> Resources:
    return {"R": resource}


MODIFIED = [
    Case(
        "bucket versioning",
        one(BUCKET),
        s3("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}),
        "/VersioningConfiguration/Status",
        "Enabled",
        "Suspended",
    ),
    Case(
        "bucket encryption",
        one(BUCKET),
        encrypt,
        "/BucketEncryption/ServerSideEncryptionConfiguration/0/"
        "ServerSideEncryptionByDefault/SSEAlgorithm",
        "aws:kms",
        "AES256",
    ),
    Case(
        "bucket public access",
        one(BUCKET),
        s3("delete_public_access_block"),
        "/PublicAccessBlockConfiguration",
        kind="REMOVE",
    ),
    Case(
        "bucket lifecycle",
        one(BUCKET),
        expire,
        "/LifecycleConfiguration/Rules/0/ExpirationInDays",
        "30",
        "90",
    ),
    Case(
        "bucket replication",
        REPLICATED,
        stop_replication,
        "/ReplicationConfiguration/Rules/0/Status",
        "Enabled",
        "Disabled",
    ),
    Case(
        "bucket tag",
        one(BUCKET),
        s3(
            "put_bucket_tagging",
            Tagging={"TagSet": [{"Key": "Project", "Value": "yours"}]},
        ),
        "/Tags/0/Value",
        "mine",
        "yours",
    ),
    Case(
        "role session",
        one({**ROLE, "Properties": {**ROLE["Properties"], "MaxSessionDuration": 3600}}),
        lambda aws, id_: aws.client("iam").update_role(
            RoleName=id_, MaxSessionDuration=7200
        ),
        "/MaxSessionDuration",
        "3600",
        "7200",
    ),
    Case(
        "role policy",
        one(
            of(
                "IAM::Role",
                AssumeRolePolicyDocument=trusting("lambda"),
                Policies=[
                    {"PolicyName": "own", "PolicyDocument": allowing("s3:GetObject")}
                ],
            )
        ),
        lambda aws, id_: aws.client("iam").put_role_policy(
            RoleName=id_, PolicyName="own", PolicyDocument=json.dumps(allowing("s3:*"))
        ),
        "/Policies/0/PolicyDocument/Statement/0/Action/0",
        "s3:GetObject",
        "s3:*",
    ),
    Case(
        "role attachment",
        one(
            of(
                "IAM::Role",
                AssumeRolePolicyDocument=trusting("lambda"),
                ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            )
        ),
        lambda aws, id_: aws.client("iam").attach_role_policy(
            RoleName=id_, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
        ),
        "/ManagedPolicyArns/1",
        "null",
        "arn:aws:iam::aws:policy/AdministratorAccess",
        "ADD",
    ),
    Case(
        "table recovery",
        one(TABLE),
        dynamodb(
            "update_continuous_backups",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        ),
        "/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled",
        "true",
        "false",
    ),
    Case(
        "table time to live",
        one(TABLE),
        dynamodb(
            "update_time_to_live",
            TimeToLiveSpecification={"Enabled": False, "AttributeName": "until"},
        ),
        "/TimeToLiveSpecification/Enabled",
        "true",
        "false",
    ),
    Case(
        "function memory",
        FUNCTION,
        configure(MemorySize=512),
        "/MemorySize",
        "128",
        "512",
    ),
    Case(
        "function environment",
        FUNCTION,
        configure(Environment={"Variables": {"LEVEL": "debug"}}),
        "/Environment/Variables/LEVEL",
        "info",
        "debug",
    ),
    Case("alarm threshold", one(ALARM), set_threshold, "/Threshold", "300", "900.0"),
    Case(
        "topic name shown",
        one(of("SNS::Topic", DisplayName="plain")),
        topic_attribute("DisplayName", "by hand"),
        "/DisplayName",
        "plain",
        "by hand",
    ),
    Case(
        "topic key",
        one(of("SNS::Topic", KmsMasterKeyId="alias/aws/sns")),
        topic_attribute("KmsMasterKeyId", ""),
        "/KmsMasterKeyId",
        kind="REMOVE",
    ),
    Case(
        "queue timeout",
        one(of("SQS::Queue", VisibilityTimeout=60)),
        queue_attributes(VisibilityTimeout="120"),
        "/VisibilityTimeout",
        "60",
        "120",
    ),
    Case(
        "queue key",
        one(of("SQS::Queue", KmsMasterKeyId="alias/aws/sqs")),
        queue_attributes(KmsMasterKeyId="alias/mine"),
        "/KmsMasterKeyId",
        "alias/aws/sqs",
        "alias/mine",
    ),
    Case(
        "log retention",
        one(of("Logs::LogGroup", RetentionInDays=30)),
        lambda aws, id_: aws.client("logs").put_retention_policy(
            logGroupName=id_, retentionInDays=1
        ),
        "/RetentionInDays",
        "30",
        "1",
    ),
    Case(
        "key rotation",
        one(KEY),
        lambda aws, id_: aws.client("kms").disable_key_rotation(KeyId=id_),
        "/EnableKeyRotation",
        "true",
        "false",
    ),
    Case(
        "key policy",
        one(KEY),
        loosen_key,
        "/KeyPolicy/Statement/0/Principal/AWS",
        None,
        "*",
    ),
    Case(
        "group opened",
        GROUP,
        open_group,
        "/SecurityGroupIngress/1",
        "null",
        kind="ADD",
    ),
    Case(
        "group closed",
        GROUP,
        close_group,
        "/SecurityGroupIngress/0",
        actual="null",
        kind="REMOVE",
    ),
    Case(
        "record address",
        RECORD,
        record("UPSERT", 300, "192.0.2.99"),
        "/ResourceRecords/0",
        "192.0.2.1",
        "192.0.2.99",
    ),
    Case(
        "record time to live",
        RECORD,
        record("UPSERT", 60, "192.0.2.1"),
        "/TTL",
        "300",
        "60",
    ),
    Case(
        "parameter value",
        one(of("SSM::Parameter", Type="String", Value="on")),
        lambda aws, id_: aws.client("ssm").put_parameter(
            Name=id_, Value="off", Overwrite=True
        ),
        "/Value",
        "on",
        "off",
    ),
    Case(
        "database class",
        one(DATABASE),
        database(DBInstanceClass="db.r6g.large"),
        "/DBInstanceClass",
        "db.t4g.micro",
        "db.r6g.large",
    ),
    Case(
        "database backups",
        one(DATABASE),
        database(BackupRetentionPeriod=0),
        "/BackupRetentionPeriod",
        "7",
        "0",
    ),
]


class Deployed:
    """A stack set with one stack of some resources."""

    def __init__(self, aws: Aws, resources: Resources) -> None:
        self.aws = aws
        aws.cloudformation.create_stack_set(
            StackSetName="named",
            TemplateBody=template(dict(resources)),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        started = start(aws, "named", Regions=["us-east-1"])
        assert aws.finished("named", started)["Status"] == "SUCCEEDED", aws.results(
            "named", started
        )

    @property
    def id(self) -> str:
        (instance,) = self.aws.instances("named").values()
        found = self.aws.cloudformation.describe_stack_resource(
            StackName=instance["StackId"], LogicalResourceId="R"
        )
        id_: str = found["StackResourceDetail"]["PhysicalResourceId"]
        return id_

    def drifts(self) -> dict[str, dict[str, Any]]:
        operation = detect(self.aws)
        found = self.aws.cloudformation.list_stack_instance_resource_drifts(
            StackSetName="named",
            StackInstanceAccount=self.aws.account,
            StackInstanceRegion="us-east-1",
            OperationId=operation["OperationId"],
        )
        return {d["LogicalResourceId"]: d for d in found["Summaries"]}

    def differences(self) -> list[dict[str, Any]]:
        (drift,) = [d for d in self.drifts().values() if d["LogicalResourceId"] == "R"]
        found: list[dict[str, Any]] = drift["PropertyDifferences"]
        return found


@pytest.mark.parametrize("case", MODIFIED, ids=lambda case: case.name)
def test_what_is_changed_through_its_service_is_drift(aws: Aws, case: Case) -> None:
    """Only the property that was changed differs, with what it should be and is."""
    deployed = Deployed(aws, case.resources)
    statuses = {
        name: d["StackResourceDriftStatus"] for name, d in deployed.drifts().items()
    }
    assert set(statuses.values()) <= {"IN_SYNC", "NOT_CHECKED"}
    assert statuses["R"] == "IN_SYNC"
    case.change(aws, deployed.id)
    drifts = deployed.drifts()
    assert drifts["R"]["StackResourceDriftStatus"] == "MODIFIED"
    (difference,) = drifts["R"]["PropertyDifferences"]
    assert difference["PropertyPath"] == case.path
    assert difference["DifferenceType"] == case.kind
    if case.expected is not None:
        assert difference["ExpectedValue"] == case.expected
    if case.actual is not None:
        assert difference["ActualValue"] == case.actual
    others = {d["StackResourceDriftStatus"] for n, d in drifts.items() if n != "R"}
    assert others <= {"IN_SYNC", "NOT_CHECKED"}


DELETED: list[tuple[str, Resources, Change]] = [
    ("bucket", one(BUCKET), s3("delete_bucket")),
    (
        "role",
        one(ROLE),
        lambda aws, id_: aws.client("iam").delete_role(RoleName=id_),
    ),
    ("table", one(TABLE), dynamodb("delete_table")),
    (
        "function",
        FUNCTION,
        lambda aws, id_: aws.client("lambda").delete_function(FunctionName=id_),
    ),
    (
        "alarm",
        one(ALARM),
        lambda aws, id_: aws.client("cloudwatch").delete_alarms(AlarmNames=[id_]),
    ),
    (
        "queue",
        one(of("SQS::Queue", VisibilityTimeout=60)),
        lambda aws, id_: aws.client("sqs").delete_queue(QueueUrl=id_),
    ),
    (
        "log group",
        one(of("Logs::LogGroup", RetentionInDays=30)),
        lambda aws, id_: aws.client("logs").delete_log_group(logGroupName=id_),
    ),
    (
        "key",
        one(KEY),
        lambda aws, id_: aws.client("kms").schedule_key_deletion(
            KeyId=id_, PendingWindowInDays=7
        ),
    ),
    (
        "security group",
        {k: v for k, v in GROUP.items() if k != "Own"},
        lambda aws, id_: aws.client("ec2").delete_security_group(GroupId=id_),
    ),
    ("record", RECORD, record("DELETE", 300, "192.0.2.1")),
    (
        "parameter",
        one(of("SSM::Parameter", Type="String", Value="on")),
        lambda aws, id_: aws.client("ssm").delete_parameter(Name=id_),
    ),
    (
        "database",
        one(DATABASE),
        lambda aws, id_: aws.client("rds").delete_db_instance(
            DBInstanceIdentifier=id_, SkipFinalSnapshot=True
        ),
    ),
    (
        "topic",
        one(of("SNS::Topic", DisplayName="plain")),
        lambda aws, id_: aws.client("sns").delete_topic(TopicArn=id_),
    ),
]


@pytest.mark.parametrize(
    ("resources", "delete"),
    [case[1:] for case in DELETED],
    ids=[case[0] for case in DELETED],
)
def test_what_is_deleted_through_its_service_is_drift(
    aws: Aws, resources: Resources, delete: Change
) -> None:
    """StackResourceDriftStatus DELETED: "because the resource has been deleted"."""
    deployed = Deployed(aws, resources)
    delete(aws, deployed.id)
    assert deployed.drifts()["R"]["StackResourceDriftStatus"] == "DELETED"


def test_other_types_are_not_checked(aws: Aws) -> None:
    """User guide: "Resources that don't support drift detection" are NOT_CHECKED and do
    not make a stack drifted."""
    deployed = Deployed(aws, {"R": of("EC2::VPC", CidrBlock="10.0.0.0/16")})
    aws.client("ec2").create_tags(
        Resources=[deployed.id], Tags=[{"Key": "by", "Value": "hand"}]
    )
    found = deployed.drifts()
    assert {d["StackResourceDriftStatus"] for d in found.values()} <= {"NOT_CHECKED"}
    (instance,) = aws.instances("named").values()
    assert instance["DriftStatus"] != "DRIFTED"


def test_changes_through_cloudformation_are_no_drift(aws: Aws) -> None:
    """User guide, "Drift": only changes made outside of CloudFormation are drift."""
    queue = of("SQS::Queue", VisibilityTimeout=60)
    deployed = Deployed(aws, one(queue))
    queue["Properties"]["VisibilityTimeout"] = 90
    started = aws.cloudformation.update_stack_set(
        StackSetName="named", TemplateBody=template({"R": queue})
    )
    assert aws.finished("named", started)["Status"] == "SUCCEEDED"
    assert deployed.differences() == []
