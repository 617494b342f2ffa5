"""Actions that resource schemas list, less those that shipped systems never need.

A schema lists the actions of every property of its type. The role of a shipped system
leaves out the actions of properties that none of its resources has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache

from tapgen.blueprints.scope import Scope
from tapgen.template import schemas

UNUSED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AWS::AutoScaling::AutoScalingGroup": {
        # GetInstanceTypesFromInstanceRequirements
        "InstanceRequirements": ("ec2:Get*",),
        "TrafficSources": ("vpc-lattice:*",),
    },
    "AWS::CertificateManager::Certificate": {"CertificateAuthorityArn": ("acm-pca:*",)},
    "AWS::DynamoDB::GlobalTable": {"KinesisStreamSpecification": ("kinesis:*",)},
    "AWS::EC2::EIP": {"TransferAddress": ("ec2:AcceptAddressTransfer",)},
    "AWS::EC2::NatGateway": {
        "SecondaryPrivateIpAddress*": ("ec2:*ssignPrivateNatGatewayAddress",)
    },
    "AWS::EC2::VPC": {
        "InstanceTenancy": ("ec2:ModifyVpcTenancy",),
        "VpcEncryptionControl": ("ec2:CreateVpcEncryptionControl",),
    },
    "AWS::EC2::VPCEndpoint": {
        "ServiceNetworkArn": ("vpc-lattice:*",),
        "ServiceRegion": ("vpce:*",),
    },
    "AWS::EC2::VPCGatewayAttachment": {"VpnGatewayId": ("ec2:*tachVpnGateway",)},
    "AWS::EC2::VPCPeeringConnection": {"PeerRoleArn": ("sts:AssumeRole",)},
    "AWS::ElasticLoadBalancingV2::Listener": {
        "AuthenticateCognitoConfig": ("cognito-idp:*",)
    },
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
        "Ipv4IpamPoolId": ("elasticloadbalancing:ModifyIpPools",),
        "MinimumLoadBalancerCapacity": (
            "elasticloadbalancing:ModifyCapacityReservation",
        ),
    },
    "AWS::IAM::ManagedPolicy": {
        "Groups": ("iam:*GroupPolicy",),
        "Users": ("iam:*UserPolicy",),
    },
    "AWS::Lambda::Alias": {"CodeDeployLambdaAliasUpdate": ("codedeploy:*",)},
    "AWS::Lambda::Function": {
        "CapacityProviderConfig": ("lambda:PassCapacityProvider",),
        "CodeSigningConfigArn": ("lambda:GetCodeSigningConfig",),
        "FileSystemConfigs": ("elasticfilesystem:*", "s3files:*"),
        "Layers": ("lambda:GetLayerVersion",),
    },
    "AWS::Logs::LogGroup": {
        "DataProtectionPolicy": ("firehose:*", "logs:CreateLogDelivery"),
        "FieldIndexPolicies": ("logs:DeleteIndexPolicy", "logs:PutIndexPolicy"),
        "ResourcePolicyDocument": (
            "logs:DeleteResourcePolicy",
            "logs:PutResourcePolicy",
        ),
    },
    "AWS::Route53::HealthCheck": {
        "RoutingControlArn": ("route53-recovery-control-config:*",)
    },
    "AWS::S3::Bucket": {"Metadata*Configuration": ("s3tables:*",)},
    "AWS::SecretsManager::SecretTargetAttachment": {
        "AWS::DocDBElastic::*": ("docdb-elastic:*",),
        "AWS::Redshift*": ("redshift:*", "redshift-serverless:*"),
    },
    "AWS::WAFv2::WebACLAssociation": {
        f"*:{service}:*": (f"{service}:*",)
        for service in (
            *("amplify", "appsync", "bedrock-agentcore", "cognito-idp"),
            *("ec2", "elasticloadbalancing"),
        )
    }
    | {
        # API Gateway's permissions for AWS WAF name no policy:
        # https://docs.aws.amazon.com/waf/latest/APIReference/API_AssociateWebACL.html
        "*:apprunner:*": ("apprunner:*", "wafv2:*PermissionPolicy"),
    },
}
"""Resource type → a property or value that no shipped resource has → the actions that
the type's schema lists only for it. All are patterns."""


def listed_actions(types: Sequence[str], scope: Scope) -> frozenset[str]:
    """Return the actions in the types' schemas; a shipped system omits `UNUSED`."""
    listed = schemas.permissions(types)
    if not scope.code:
        return listed
    used = frozenset().union(*map(_used, types))
    return frozenset(action for action in listed if action.lower() in used)


@cache
def _used(type_name: str) -> frozenset[str]:
    """The actions in a type's schema that are not `UNUSED`, in lower case."""
    return frozenset(
        action.lower()
        for action in schemas.permissions([type_name])
        if not any(
            fnmatchcase(action, pattern)
            for patterns in UNUSED.get(type_name, {}).values()
            for pattern in patterns
        )
    )
