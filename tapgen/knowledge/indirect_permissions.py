"""Permissions that creating a resource needs besides those in its schema.

The registry schemas list the calls that CloudFormation makes. They omit calls that a
service makes on the caller's behalf, mainly with the caller's keys, and calls that
CloudFormation makes before it creates a resource. IAM checks these, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from tapgen.frozen import dataclass

SSM_VALUE = "AWS::SSM::Parameter::Value"
"""Stands for template parameters whose values CloudFormation reads from SSM."""
RESOLVE = "{{resolve:%s}}"
"""Stands, with the service in it, for dynamic references in a template."""
_SECRETS = RESOLVE % "secretsmanager"
TRANSFORM = "AWS::LanguageExtensions"
"""Stands for templates with loops and other language extensions, which AWS expands
first."""
REFERENCES = frozenset(
    {SSM_VALUE, _SECRETS, RESOLVE % "ssm", RESOLVE % "ssm-secure", TRANSFORM},
)
"""Everything in templates, besides resource types, that needs permissions."""


READS_PARAMETERS = ("ssm:GetParameter", "ssm:GetParameters")
"""How CloudFormation reads an SSM parameter."""


@dataclass(frozen=True)
class Indirect:
    """Permissions that resources of some types need besides.

    `through` is a service that uses keys on the caller's behalf. `linked` are the
    services whose service-linked role the first such resource creates.
    """

    types: tuple[str, ...]
    why: str
    source: str
    actions: tuple[str, ...] = ()
    through: str = ""
    linked: tuple[str, ...] = ()


_DATABASES = ("AWS::RDS::DBCluster", "AWS::RDS::DBInstance")
TABLE = (
    Indirect(
        (
            "AWS::SecretsManager::RotationSchedule",
            "AWS::SecretsManager::Secret",
            "AWS::SecretsManager::SecretTargetAttachment",
            _SECRETS,
        ),
        "KmsKeyId, ReplicaRegions: encrypted and decrypted on the caller's behalf",
        "Secrets Manager API, CreateSecret, GetSecretValue, PutSecretValue and "
        "ReplicateSecretToRegions, Required permissions",
        through="secretsmanager",
    ),
    Indirect(
        _DATABASES,
        "KmsKeyId, PerformanceInsightsKMSKeyId: RDS grants itself the use of the key",
        "RDS user guide, Authorizing use of a customer managed key",
        through="rds",
    ),
    Indirect(
        (*_DATABASES, "AWS::RDS::DBSubnetGroup", "AWS::RDS::DBParameterGroup"),
        "the first database of an account",
        "RDS user guide, Using service-linked roles",
        linked=("rds",),
    ),
    Indirect(
        ("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table"),
        "SSESpecification: DynamoDB grants itself the use of the key",
        "DynamoDB developer guide, Encryption at rest: how it works",
        through="dynamodb",
    ),
    Indirect(
        ("AWS::DynamoDB::GlobalTable",),
        "Replicas, and capacity with auto scaling",
        "DynamoDB developer guide, Using IAM with global tables",
        linked=("replication.dynamodb", "dynamodb.application-autoscaling"),
    ),
    Indirect(
        ("AWS::DynamoDB::GlobalTable",),
        "GlobalTableWitnesses",
        "CloudFormation template reference, AWS::DynamoDB::GlobalTable",
        ("dynamodb:CreateGlobalTableWitness", "dynamodb:DeleteGlobalTableWitness"),
    ),
    Indirect(
        ("AWS::Lambda::Function",),
        "KmsKeyArn: the environment is encrypted on the caller's behalf",
        "Lambda developer guide, Securing environment variables",
        through="lambda",
    ),
    Indirect(
        ("AWS::Backup::BackupVault",),
        "EncryptionKeyArn: the vault grants itself the use of the key",
        "AWS Backup developer guide, API permissions: CreateBackupVault",
        through="backup",
    ),
    Indirect(
        ("AWS::Backup::BackupSelection",),
        "the first selection of an account",
        "AWS Backup developer guide, Using service-linked roles",
        linked=("backup",),
    ),
    Indirect(
        ("AWS::KMS::Key", "AWS::KMS::ReplicaKey"),
        "MultiRegion: a role of KMS synchronizes replicas and primary",
        "KMS developer guide, Authorizing AWS KMS to synchronize multi-Region keys",
        linked=("mrk.kms",),
    ),
    Indirect(
        ("AWS::Config::ConfigurationRecorder", "AWS::Config::DeliveryChannel"),
        "neither is deleted, nor the role changed, while the recorder runs",
        "AWS Config API, DeleteDeliveryChannel: stop the recorder first",
        (
            "config:DescribeConfigurationRecorderStatus",
            "config:StartConfigurationRecorder",
            "config:StopConfigurationRecorder",
        ),
    ),
    Indirect(
        ("AWS::EC2::VPCEndpoint",),
        "PrivateDnsEnabled: a hosted zone is associated on the caller's behalf",
        "Service authorization reference, Amazon EC2, CreateVpcEndpoint, dependent "
        "actions",
        ("route53:AssociateVPCWithHostedZone",),
    ),
    Indirect(
        ("AWS::EC2::FlowLog",),
        "LogDestinationType other than CloudWatch Logs",
        "Amazon VPC user guide, Service-linked role for flow logs",
        linked=("delivery.logs",),
    ),
    Indirect(
        ("AWS::AutoScaling::AutoScalingGroup",),
        "the first group of an account",
        "EC2 Auto Scaling user guide, Service-linked roles",
        linked=("autoscaling",),
    ),
    Indirect(
        ("AWS::AutoScaling::ScalingPolicy",),
        "TargetTrackingConfiguration: its alarms are created on the caller's behalf",
        "EC2 Auto Scaling user guide, Identity-based policy examples: PutScalingPolicy",
        (
            "cloudwatch:DeleteAlarms",
            "cloudwatch:DescribeAlarms",
            "cloudwatch:PutMetricAlarm",
        ),
    ),
    Indirect(
        ("AWS::ElasticLoadBalancingV2::LoadBalancer",),
        "the first load balancer of an account",
        "Elastic Load Balancing user guide, Service-linked role",
        linked=("elasticloadbalancing",),
    ),
    Indirect(
        ("AWS::GlobalAccelerator::Accelerator",),
        "the first accelerator of an account",
        "Global Accelerator developer guide, Using service-linked roles",
        linked=("globalaccelerator",),
    ),
    Indirect(
        ("AWS::ApiGateway::DomainName", "AWS::ApiGateway::RestApi"),
        "the first API or domain of an account",
        "API Gateway developer guide, Using service-linked roles",
        linked=("ops.apigateway",),
    ),
    Indirect(
        ("AWS::CloudTrail::Trail",),
        "IsOrganizationTrail",
        "CloudTrail user guide, Using service-linked roles",
        linked=("cloudtrail",),
    ),
    Indirect(
        (SSM_VALUE,),
        "read by CloudFormation, as the caller, before it creates anything",
        "CloudFormation user guide, Systems Manager parameter types",
        READS_PARAMETERS,
    ),
    Indirect(
        (RESOLVE % "ssm", RESOLVE % "ssm-secure"),
        "read by CloudFormation, as the caller, before it creates anything",
        "CloudFormation user guide, dynamic references to parameters",
        READS_PARAMETERS,
    ),
    Indirect(
        ("AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::LaunchTemplate"),
        "ImageId with resolve:ssm",
        "EC2 user guide, Use a Systems Manager parameter instead of an AMI ID",
        ("ssm:GetParameters",),
    ),
    Indirect(
        (_SECRETS,),
        "read by CloudFormation, as the caller, during deployment",
        "CloudFormation user guide, Dynamic references to secrets",
        ("secretsmanager:GetSecretValue",),
    ),
)


def of(types: Iterable[str]) -> list[Indirect]:
    """Return the entries of the table for any of these types."""
    wanted = {*types}
    return [entry for entry in TABLE if wanted & {*entry.types}]
