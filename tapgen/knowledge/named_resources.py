"""Resource types whose permissions IAM limits to a name, and the properties that name.

Sources: the service authorization reference for the kinds of resources ("Resource
types defined by …"); the template reference of each type for the properties; for
generated names "Name type" in CloudFormation's user guide, and "If you don't specify a
name" on the page of each type. A generated name begins with the name of the stack, as in
`mystack-mybucket-kdwwxmddtr2g`.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMED: Mapping[str, tuple[str, str]] = {
    "AWS::AutoScaling::AutoScalingGroup": (
        "AutoScalingGroupName",
        "autoscaling:autoScalingGroup",
    ),
    "AWS::Backup::BackupPlan": ("", "backup:backupPlan"),
    "AWS::Backup::BackupVault": ("BackupVaultName", "backup:backupVault"),
    "AWS::CloudTrail::Trail": ("TrailName", "cloudtrail:trail"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "cloudwatch:alarm"),
    "AWS::CloudWatch::CompositeAlarm": ("AlarmName", "cloudwatch:alarm"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "cloudwatch:dashboard"),
    "AWS::DynamoDB::GlobalTable": ("TableName", "dynamodb:table"),
    "AWS::DynamoDB::Table": ("TableName", "dynamodb:table"),
    "AWS::Events::Rule": ("Name", "events:rule"),
    "AWS::IAM::Group": ("GroupName", "iam:group"),
    "AWS::IAM::InstanceProfile": ("InstanceProfileName", "iam:instance-profile"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "iam:policy"),
    "AWS::IAM::Role": ("RoleName", "iam:role"),
    "AWS::IAM::User": ("UserName", "iam:user"),
    "AWS::KMS::Alias": ("AliasName", "kms:alias"),
    "AWS::Lambda::Function": ("FunctionName", "lambda:function"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:log-group"),
    "AWS::RDS::DBCluster": ("DBClusterIdentifier", "rds:cluster"),
    "AWS::RDS::DBClusterParameterGroup": (
        "DBClusterParameterGroupName",
        "rds:cluster-pg",
    ),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", "rds:db"),
    "AWS::RDS::DBParameterGroup": ("DBParameterGroupName", "rds:pg"),
    "AWS::RDS::DBSubnetGroup": ("DBSubnetGroupName", "rds:subgrp"),
    "AWS::RDS::GlobalCluster": ("GlobalClusterIdentifier", "rds:global-cluster"),
    "AWS::RDS::OptionGroup": ("OptionGroupName", "rds:og"),
    "AWS::S3::Bucket": ("BucketName", "s3:bucket"),
    "AWS::SNS::Topic": ("TopicName", "sns:topic"),
    "AWS::SQS::Queue": ("QueueName", "sqs:queue"),
    "AWS::SSM::Document": ("Name", "ssm:document"),
    "AWS::SSM::Parameter": ("Name", "ssm:parameter"),
    "AWS::Scheduler::Schedule": ("Name", "scheduler:schedule"),
    "AWS::SecretsManager::Secret": ("Name", "secretsmanager:Secret"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", "states:statemachine"),
}
"""Type → the property with its name (empty: AWS gives it an id), and its kind of resource
in IAM's words."""

GENERATED: frozenset[str] = frozenset(
    {
        "autoscaling:autoScalingGroup",
        "cloudtrail:trail",
        "cloudwatch:alarm",
        "dynamodb:table",
        "events:rule",
        "iam:group",
        "iam:instance-profile",
        "iam:policy",
        "iam:role",
        "iam:user",
        "lambda:function",
        "logs:log-group",
        "s3:bucket",
        "sns:topic",
        "sqs:queue",
    }
)
"""Kinds whose generated names begin with the name of the stack. Those of others (secrets
and state machines: the logical id; databases: an id of its own) are unknown."""

_FUNCTION = (("FunctionName", "lambda:function"),)
_LOG_GROUP = (("LogGroupName", "logs:log-group"),)
_SECRET = (("SecretId", "secretsmanager:Secret"),)
_GROUP = (("AutoScalingGroupName", "autoscaling:autoScalingGroup"),)

FIXED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "AWS::DynamoDB::Table": (("logs:log-group", "/aws-dynamodb/imports*"),),
}
"""Type → kinds and names that handlers of the type use whatever the template says: an
import logs to `/aws-dynamodb/imports` (DynamoDB developer guide, "Import format and log
files")."""

REFERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "AWS::AutoScaling::LifecycleHook": _GROUP,
    "AWS::AutoScaling::ScalingPolicy": _GROUP,
    "AWS::AutoScaling::ScheduledAction": _GROUP,
    "AWS::AutoScaling::WarmPool": _GROUP,
    "AWS::Lambda::Alias": _FUNCTION,
    "AWS::Lambda::EventInvokeConfig": _FUNCTION,
    "AWS::Lambda::Permission": _FUNCTION,
    "AWS::Lambda::Url": (("TargetFunctionArn", "lambda:function"),),
    "AWS::Lambda::Version": _FUNCTION,
    "AWS::Logs::LogStream": _LOG_GROUP,
    "AWS::Logs::MetricFilter": _LOG_GROUP,
    "AWS::RDS::DBCluster": (
        ("DBClusterParameterGroupName", "rds:cluster-pg"),
        ("DBInstanceParameterGroupName", "rds:pg"),
        ("DBSubnetGroupName", "rds:subgrp"),
        ("GlobalClusterIdentifier", "rds:global-cluster"),
        ("ReplicationSourceIdentifier", "rds:cluster"),
        ("SnapshotIdentifier", "rds:cluster-snapshot"),
        ("SourceDBClusterIdentifier", "rds:cluster"),
    ),
    "AWS::RDS::DBInstance": (
        ("DBClusterIdentifier", "rds:cluster"),
        ("DBClusterSnapshotIdentifier", "rds:cluster-snapshot"),
        ("DBParameterGroupName", "rds:pg"),
        ("DBSnapshotIdentifier", "rds:snapshot"),
        ("DBSubnetGroupName", "rds:subgrp"),
        ("OptionGroupName", "rds:og"),
        ("SourceDBClusterIdentifier", "rds:cluster"),
        ("SourceDBInstanceIdentifier", "rds:db"),
    ),
    "AWS::RDS::GlobalCluster": (("SourceDBClusterIdentifier", "rds:cluster"),),
    "AWS::SNS::Subscription": (("TopicArn", "sns:topic"),),
    "AWS::SNS::TopicInlinePolicy": (("TopicArn", "sns:topic"),),
    "AWS::SNS::TopicPolicy": (("Topics", "sns:topic"),),
    "AWS::SQS::QueueInlinePolicy": (("Queue", "sqs:queue"),),
    "AWS::SQS::QueuePolicy": (("Queues", "sqs:queue"),),
    "AWS::SecretsManager::ResourcePolicy": _SECRET,
    "AWS::SecretsManager::SecretTargetAttachment": _SECRET,
}
"""Type → properties that name resources, of the template or of any other origin, which
handlers of the type change or use, and the kinds of these."""
