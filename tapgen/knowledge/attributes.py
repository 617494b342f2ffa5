"""Which values of a resource change although the resource stays.

A resource keeps its Ref, and its attributes that are identifiers (`…Arn`, `…Id`), until it
is replaced. These do not. Other attributes may change with any property.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.frozen import dataclass

ANY = ""


@dataclass(frozen=True)
class Changing:
    """A Ref (`attribute` is `ANY_REF`) or attributes that start with `attribute`, of the
    types that start with `type`, that may change in an update in place: of these
    properties, or of `ANY` property."""

    type: str
    attribute: str
    by: tuple[str, ...]
    source: str


ANY_REF = "Ref"

_REFERENCE = "resource reference, return values: "
_CUSTOM = (
    "CloudFormation user guide, custom resource response objects: an update may answer "
    "another PhysicalResourceId, and any Data"
)
_STREAM = (
    "DynamoDB developer guide, DynamoDB Streams: enabling a stream creates one with a new "
    "ARN; hashicorp/terraform-provider-aws#42560"
)
_SECRET = "RDS user guide, password management: RDS manages the secret, and deletes it"
_STACK = (
    f"{_REFERENCE}the outputs of the nested stack, whatever an update makes of them"
)
_VERSION = f"{_REFERENCE}an update makes a new version"

CHANGING: tuple[Changing, ...] = (
    Changing("Custom::", ANY_REF, (ANY,), _CUSTOM),
    Changing("Custom::", "", (ANY,), _CUSTOM),
    Changing("AWS::CloudFormation::CustomResource", ANY_REF, (ANY,), _CUSTOM),
    Changing("AWS::CloudFormation::CustomResource", "", (ANY,), _CUSTOM),
    Changing("AWS::CloudFormation::Stack", "Outputs.", (ANY,), _STACK),
    Changing(
        "AWS::ServiceCatalog::CloudFormationProvisionedProduct",
        "Outputs.",
        (ANY,),
        _STACK,
    ),
    Changing(
        "AWS::ServiceCatalog::CloudFormationProvisionedProduct",
        "RecordId",
        (ANY,),
        f"{_REFERENCE}the identifier of the record, one for each request",
    ),
    Changing("AWS::DynamoDB::Table", "StreamArn", ("StreamSpecification",), _STREAM),
    Changing(
        "AWS::DynamoDB::GlobalTable", "StreamArn", ("StreamSpecification",), _STREAM
    ),
    Changing(
        "AWS::RDS::DBInstance",
        "MasterUserSecret.SecretArn",
        ("ManageMasterUserPassword", "MasterUserSecret"),
        _SECRET,
    ),
    Changing(
        "AWS::RDS::DBCluster",
        "MasterUserSecret.SecretArn",
        ("ManageMasterUserPassword", "MasterUserSecret"),
        _SECRET,
    ),
    Changing(
        "AWS::Redshift::Cluster",
        "MasterPasswordSecretArn",
        ("ManageMasterPassword", "MasterPasswordSecretKmsKeyId"),
        "Redshift management guide: Redshift manages the secret, and deletes it",
    ),
    Changing("AWS::CloudTrail::Trail", "SnsTopicArn", ("SnsTopicName",), _REFERENCE),
    Changing("AWS::Backup::BackupPlan", "VersionId", (ANY,), _VERSION),
    Changing(
        "AWS::Batch::JobDefinition",
        ANY_REF,
        (ANY,),
        "Batch user guide, job definition parameters: each registration gets a new "
        "revision, which is part of the ARN that Ref returns",
    ),
    Changing("AWS::Batch::JobDefinition", "JobDefinitionArn", (ANY,), _VERSION),
    Changing("AWS::IAM::ManagedPolicy", "DefaultVersionId", (ANY,), _VERSION),
    Changing("AWS::ImageBuilder::ImagePipeline", "DeploymentId", (ANY,), _VERSION),
    Changing(
        "AWS::StepFunctions::StateMachine", "StateMachineRevisionId", (ANY,), _VERSION
    ),
    Changing("AWS::Signer::SigningProfile", "ProfileVersionArn", (ANY,), _VERSION),
    Changing("AWS::Greengrass::", "LatestVersionArn", (ANY,), _VERSION),
    Changing("AWS::MSK::Cluster", "CurrentVersion", (ANY,), _VERSION),
)
"""What may change in place although it is a Ref or the name of an identifier."""

IDENTIFIERS = ("Arn", "Id", "ID")
"""How the names of attributes end that stay until the resource is replaced."""

UNORDERED: Mapping[str, Mapping[str, str]] = {
    "AWS::DynamoDB::Table": {
        "AttributeDefinitions": "API reference, CreateTable: an array that describes the "
        "key schema of the table and indexes",
        "GlobalSecondaryIndexes": "API reference, CreateTable: identified by IndexName",
        "LocalSecondaryIndexes": "API reference, CreateTable: identified by IndexName",
    },
    "AWS::WAFv2::WebACL": {
        "Rules": "WAF developer guide: rules are evaluated in the order of Priority"
    },
    "AWS::WAFv2::RuleGroup": {
        "Rules": "WAF developer guide: rules are evaluated in the order of Priority"
    },
    "AWS::S3::Bucket": {
        "AnalyticsConfigurations": "API reference: identified by Id",
        "IntelligentTieringConfigurations": "API reference: identified by Id",
        "InventoryConfigurations": "API reference: identified by Id",
        "LifecycleConfiguration/Rules": "S3 user guide, lifecycle conflicts: resolved by "
        "what the rules do",
        "MetricsConfigurations": "API reference: identified by Id",
        "ReplicationConfiguration/Rules": "S3 user guide: conflicts are resolved by "
        "Priority",
    },
    "AWS::CloudFront::Distribution": {
        "DistributionConfig/OriginGroups/Items": "API reference: identified by Id",
    },
    "AWS::CloudWatch::Alarm": {"Metrics": "API reference: identified by Id"},
}
"""Type → lists whose order means nothing, though its schema does not say so."""

ORDERED: Mapping[str, Mapping[str, str]] = {
    "AWS::AppSync::Resolver": {
        "PipelineConfig/Functions": "AppSync developer guide: functions run in sequence"
    },
    "AWS::ECS::TaskDefinition": {
        "ContainerDefinitions/DnsServers": "resolv.conf: servers are asked in order"
    },
    "AWS::ElasticLoadBalancingV2::Listener": {
        "DefaultActions": "API reference, Action: authentication comes before forwarding"
    },
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
        "Actions": "API reference, Action: authentication comes before forwarding"
    },
    "AWS::Glue::Table": dict.fromkeys(
        (
            "TableInput/PartitionKeys",
            "TableInput/StorageDescriptor/BucketColumns",
            "TableInput/StorageDescriptor/Columns",
            "TableInput/StorageDescriptor/SortColumns",
        ),
        "Athena user guide, schema updates: columns of CSV are read by their place; "
        "partition keys are the folders, in order",
    ),
    "AWS::KinesisAnalyticsV2::Application": {
        "ApplicationConfiguration/SqlApplicationConfiguration/Inputs/InputSchema/"
        "RecordColumns": "developer guide: columns of CSV are mapped by their place"
    },
    "AWS::Logs::Transformer": {
        "TransformerConfig/Csv/Columns": "API reference: names of the columns, in order"
    },
    "AWS::SSMContacts::Plan": {
        "Stages": "API reference: the stages of an escalation, one after the other"
    },
    "AWS::SageMaker::ProcessingJob": {
        "AppSpecification/ContainerArguments": "arguments of a command"
    },
}
"""Type → lists whose order counts, though the schema has `insertionOrder` false."""
