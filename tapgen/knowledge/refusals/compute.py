"""What compute, container and network services refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.knowledge.refusals.model import Refusal, Rule

_SERVICE: Mapping[str, Any] = {
    "Cluster": "shop",
    "TaskDefinition": "orders:1",
    "DesiredCount": 1,
    "DeploymentController": {"Type": "CODE_DEPLOY"},
    "LoadBalancers": [
        {
            "ContainerName": "web",
            "ContainerPort": 80,
            "TargetGroupArn": "arn:aws:elasticloadbalancing:::targetgroup/blue/1",
        }
    ],
}
_BY_CODE_DEPLOY = (
    "deploy the change with CodeDeploy; CloudFormation may only change DesiredCount, "
    "the deployment configuration and the health check grace period"
)
_CONTROL_PLANE: Mapping[str, Any] = {
    "Version": "1.31",
    "RoleArn": "arn:aws:iam::111111111111:role/cluster",
    "ResourcesVpcConfig": {"SubnetIds": ["subnet-1", "subnet-2"]},
}
_NODES: Mapping[str, Any] = {
    "ClusterName": "shop",
    "NodeRole": "arn:aws:iam::111111111111:role/nodes",
    "Subnets": ["subnet-1"],
    "Version": "1.31",
    "ScalingConfig": {"MinSize": 1, "MaxSize": 3, "DesiredSize": 1},
}
_NETWORK_BALANCER: Mapping[str, Any] = {
    "Type": "network",
    "Subnets": ["subnet-1", "subnet-2"],
}
_KAFKA: Mapping[str, Any] = {
    "FunctionName": "orders",
    "EventSourceArn": "arn:aws:kafka:us-east-1:111111111111:cluster/events/1",
    "Topics": ["orders"],
    "StartingPosition": "LATEST",
}


def _task(path: str, after: Any) -> Refusal:
    """A property of a service that only CodeDeploy may change."""
    words = {
        "TaskDefinition": (
            "Invalid request provided: UpdateService error: Unable to update task "
            "definition on services with a CODE_DEPLOY deployment controller. Use AWS "
            "CodeDeploy to trigger a new deployment."
        ),
        "LoadBalancers": (
            "Invalid request provided: UpdateService error: Unable to update load "
            "balancers on services with a CODE_DEPLOY deployment controller. Use AWS "
            "CodeDeploy to trigger a new deployment."
        ),
    }[path]
    return Refusal(
        type="AWS::ECS::Service",
        path=path,
        rule=Rule.CHANGED,
        held={"DeploymentController/Type": ("CODE_DEPLOY",)},
        then={"DeploymentController/Type": ("CODE_DEPLOY",)},
        words=words,
        advice=_BY_CODE_DEPLOY,
        source="aws/aws-cdk#25777",
        checked=(
            "aws-cloudformation/cloudformation-coverage-roadmap#1529, aws/aws-cdk#7040"
        ),
        before=_SERVICE,
        after={**_SERVICE, path: after},
        neutral={**_SERVICE, "DesiredCount": 2},
    )


def _kafka(group: str, config: str) -> Mapping[str, Any]:
    return {**_KAFKA, config: {"ConsumerGroupId": group}}


def _consumer_group(config: str) -> Refusal:
    return Refusal(
        type="AWS::Lambda::EventSourceMapping",
        path=f"{config}/ConsumerGroupId",
        rule=Rule.CHANGED,
        held={f"{config}/ConsumerGroupId": ()},
        words=(
            "After creating a Kafka event source mapping with the consumer group ID "
            "specified, you cannot update this value"
        ),
        advice=(
            "give the mapping another logical id, which makes a new one that starts at "
            "its StartingPosition"
        ),
        source=f"registry schema of AWS::Lambda::EventSourceMapping, {config}",
        checked=f"property reference of AWS::Lambda::EventSourceMapping {config}",
        before=_kafka("one", config),
        after=_kafka("two", config),
        neutral={**_kafka("one", config), "BatchSize": 50},
    )


COMPUTE: tuple[Refusal, ...] = (
    _task("TaskDefinition", "orders:2"),
    _task(
        "LoadBalancers",
        [
            {
                "ContainerName": "web",
                "ContainerPort": 80,
                "TargetGroupArn": "arn:aws:elasticloadbalancing:::targetgroup/green/2",
            }
        ],
    ),
    Refusal(
        type="AWS::EKS::Cluster",
        path="Version",
        rule=Rule.SKIPS_A_VERSION,
        words="Unsupported Kubernetes minor version update from {old} to {new}",
        advice="roll out in steps, one minor version at a time",
        source="terraform-aws-modules/terraform-aws-eks#2607",
        checked="rancher/rancher#43316 (the same answer of UpdateClusterVersion)",
        before=_CONTROL_PLANE,
        after={**_CONTROL_PLANE, "Version": "1.33"},
        neutral={**_CONTROL_PLANE, "Version": "1.32"},
    ),
    Refusal(
        type="AWS::EKS::Nodegroup",
        path="Version",
        rule=Rule.WITH_OTHERS,
        same=("ScalingConfig", "Labels", "Taints", "UpdateConfig"),
        words="Version and ReleaseVersion updates cannot be combined with other updates",
        advice="roll out twice: first the other properties, then Version",
        source="aws/containers-roadmap#1258",
        checked="resource reference of AWS::EKS::Nodegroup, Version",
        before=_NODES,
        after={
            **_NODES,
            "Version": "1.32",
            "ScalingConfig": {"MinSize": 2, "MaxSize": 3, "DesiredSize": 2},
        },
        neutral={**_NODES, "Version": "1.32"},
    ),
    Refusal(
        type="AWS::EKS::Nodegroup",
        path="ReleaseVersion",
        rule=Rule.WITH_OTHERS,
        same=("ScalingConfig", "Labels", "Taints", "UpdateConfig"),
        words="Version and ReleaseVersion updates cannot be combined with other updates",
        advice="roll out twice: first the other properties, then ReleaseVersion",
        source="resource reference of AWS::EKS::Nodegroup, ReleaseVersion",
        checked="aws/containers-roadmap#1258",
        before={**_NODES, "ReleaseVersion": "1.31.1-20250101"},
        after={
            **_NODES,
            "ReleaseVersion": "1.31.2-20250201",
            "Labels": {"team": "orders"},
        },
        neutral={**_NODES, "ReleaseVersion": "1.31.2-20250201"},
    ),
    Refusal(
        type="AWS::ElasticLoadBalancingV2::LoadBalancer",
        path="SecurityGroups",
        rule=Rule.CHANGED,
        held={"Type": ("network",), "SecurityGroups": ("",)},
        then={"Type": ("network",), "SecurityGroups": ()},
        words=(
            "You cannot set security groups on a Network Load Balancer which was "
            "created without any security groups."
        ),
        advice=(
            "give the load balancer another logical id and name, which makes a new one "
            "with security groups, and let its DNS names follow"
        ),
        source="kubernetes-sigs/cluster-api-provider-aws#4790 (SetSecurityGroups)",
        checked="ansible-collections/community.aws#2049 (ELB user guide)",
        before=_NETWORK_BALANCER,
        after={**_NETWORK_BALANCER, "SecurityGroups": ["sg-1"]},
        neutral={**_NETWORK_BALANCER, "Subnets": ["subnet-1", "subnet-2", "subnet-3"]},
    ),
    _consumer_group("AmazonManagedKafkaEventSourceConfig"),
    _consumer_group("SelfManagedKafkaEventSourceConfig"),
    Refusal(
        type="AWS::EC2::TransitGatewayRouteTableAssociation",
        path="TransitGatewayRouteTableId",
        rule=Rule.CHANGED,
        although_replaced=True,
        same=("TransitGatewayAttachmentId",),
        words=(
            "Before you can update the route table associated with an attachment, you "
            "must disassociate the transit gateway route table that is currently "
            "associated with the attachment"
        ),
        advice=(
            "roll out twice: first without this association, then with the new route "
            "table"
        ),
        source="resource reference of AWS::EC2::TransitGatewayRouteTableAssociation",
        before={
            "TransitGatewayAttachmentId": "tgw-attach-1",
            "TransitGatewayRouteTableId": "tgw-rtb-1",
        },
        after={
            "TransitGatewayAttachmentId": "tgw-attach-1",
            "TransitGatewayRouteTableId": "tgw-rtb-2",
        },
        neutral={
            "TransitGatewayAttachmentId": "tgw-attach-2",
            "TransitGatewayRouteTableId": "tgw-rtb-2",
        },
    ),
    Refusal(
        type="AWS::SageMaker::NotebookInstance",
        path="VolumeSizeInGB",
        rule=Rule.DECREASED,
        words="The volume size of a notebook instance cannot be decreased",
        advice="keep the size, or make another notebook instance and copy the files there",
        source="API reference of SageMaker, UpdateNotebookInstance, VolumeSizeInGB",
        before={
            "InstanceType": "ml.t3.medium",
            "RoleArn": "arn:aws:iam::111111111111:role/notebook",
            "VolumeSizeInGB": 50,
        },
        after={
            "InstanceType": "ml.t3.medium",
            "RoleArn": "arn:aws:iam::111111111111:role/notebook",
            "VolumeSizeInGB": 20,
        },
        neutral={
            "InstanceType": "ml.t3.medium",
            "RoleArn": "arn:aws:iam::111111111111:role/notebook",
            "VolumeSizeInGB": 60,
        },
    ),
)
"""Refusals of ECS, EKS, Elastic Load Balancing, Lambda, EC2 and SageMaker."""
