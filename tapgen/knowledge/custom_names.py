"""Names that no two resources of a type may share, where the schemas do not say so.

Where a type's primary identifier consists of properties that a template gives, the
schema says it. These types have an identifier that AWS makes up, and a name of their
own beside it ("You can't perform an update that causes a custom-named resource to be
replaced": CloudFormation user guide, Name type).
"""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.frozen import dataclass

CUSTOM_NAMED = (
    "CloudFormation cannot update a stack when a custom-named resource requires "
    "replacing. Rename {name} and update the stack again."
)
"""CloudFormation's words for a replacement that a custom name forbids."""


@dataclass(frozen=True)
class CustomName:
    """A property whose value no two resources of a type may share.

    While it is given and unchanged, CloudFormation cannot replace the resource: it
    makes the new one before it deletes the old one.
    """

    property: str
    source: str
    words: str = CUSTOM_NAMED
    code: str = ""
    checked: str = ""


_NAME_TYPE = "CloudFormation user guide, Name type"

NAMES: Mapping[str, CustomName] = {
    "AWS::AmazonMQ::Broker": CustomName(
        "BrokerName",
        "API reference of Amazon MQ, CreateBroker: the name is unique in the account",
        words="Broker name [{name}] is already in use",
        code="AlreadyExists",
    ),
    "AWS::Batch::ComputeEnvironment": CustomName(
        "ComputeEnvironmentName",
        "resource reference of AWS::Batch::ComputeEnvironment",
    ),
    "AWS::Batch::JobQueue": CustomName(
        "JobQueueName", "resource reference of AWS::Batch::JobQueue"
    ),
    "AWS::DocDB::DBCluster": CustomName(
        "DBClusterIdentifier",
        "resource reference of AWS::DocDB::DBCluster",
        checked="ministack 1.5.33 (DocDB rule)",
    ),
    "AWS::EC2::SecurityGroup": CustomName(
        "GroupName", _NAME_TYPE, checked="data-dot-all/dataall#1080"
    ),
    "AWS::ECS::Service": CustomName(
        "ServiceName",
        "resource reference of AWS::ECS::Service, ServiceName: the stack update fails",
        checked="cdk-cosmos/cosmos#65",
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": CustomName(
        "Name",
        "resource reference of AWS::ElasticLoadBalancingV2::LoadBalancer, Name",
        checked="ministack 1.5.33 (LoadBalancer rule)",
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": CustomName(
        "Name", _NAME_TYPE, checked="honerlaw/serverless-fargate-plugin#19"
    ),
    "AWS::IAM::ManagedPolicy": CustomName(
        "ManagedPolicyName",
        "resource reference of AWS::IAM::ManagedPolicy, ManagedPolicyName",
        words="A policy called {name} already exists. Duplicate names are not allowed.",
        code="AlreadyExists",
        checked="ministack 1.5.33 (ManagedPolicy rule)",
    ),
    "AWS::MSK::Cluster": CustomName(
        "ClusterName",
        "API reference of MSK, CreateCluster: ConflictException",
        words="A resource with this name already exists: {name}",
        code="AlreadyExists",
    ),
    "AWS::SNS::Topic": CustomName(
        "TopicName",
        "resource reference of AWS::SNS::Topic, TopicName",
        words="Topic creation failed because the topic already exists",
        code="AlreadyExists",
        checked="ministack 1.5.33 (Topic rule)",
    ),
    "AWS::SQS::Queue": CustomName(
        "QueueName",
        "resource reference of AWS::SQS::Queue, QueueName",
        words="Queue creation failed because the queue already exists",
        code="AlreadyExists",
        checked="ministack 1.5.33 (Queue rule)",
    ),
    "AWS::StepFunctions::StateMachine": CustomName(
        "StateMachineName",
        "resource reference of AWS::StepFunctions::StateMachine, StateMachineName",
        checked="ministack 1.5.33 (StateMachine rule)",
    ),
    "AWS::WAFv2::IPSet": CustomName("Name", "resource reference of AWS::WAFv2::IPSet"),
    "AWS::WAFv2::RuleGroup": CustomName(
        "Name", "resource reference of AWS::WAFv2::RuleGroup"
    ),
    "AWS::WAFv2::WebACL": CustomName(
        "Name",
        "resource reference of AWS::WAFv2::WebACL",
        checked="ministack 1.5.33 (WebACL rule)",
    ),
}
"""Type → the property that names it. An entry here goes before the schema."""
