"""Properties that take an ARN of the resource's own region, or of a role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tapgen.rules.values import Path, Steps, reached
from tapgen.rules.view import Resource

# Properties whose ARN must be in the region of the resource; `*` is every element.
REGIONAL: Mapping[str, tuple[Steps, ...]] = {
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
# EventBridge sends across regions only to event buses.
CROSS_REGION = {("AWS::Events::Rule", "events")}

# Properties with a role that is passed to the service with iam:PassRole.
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


def regional(resource: Resource) -> Iterator[tuple[Path, object]]:
    """Yield the properties of a resource that must be of its own region."""
    for steps in REGIONAL.get(resource.type, ()):
        yield from reached(resource.properties, steps)
