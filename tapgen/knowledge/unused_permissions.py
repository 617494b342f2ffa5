"""Actions that a resource schema lists only for some properties of its type.

A schema lists the actions of every property. The role of a shipped system leaves out
those of properties that none of its resources has; in a rehearsal, handlers call them
only for resources that have the property.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    "AWS::RDS::DBInstance": {
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html
        "ManageMasterUserPassword": ("secretsmanager:*",),
    },
    "AWS::Route53::HealthCheck": {
        "RoutingControlArn": ("route53-recovery-control-config:*",)
    },
    "AWS::S3::Bucket": {"Metadata*Configuration": ("s3tables:*",)},
    "AWS::SSM::Document": {"Attachments": ("s3:GetObject",)},
    "AWS::SNS::Topic": {"DeliveryStatusLogging": ("iam:*",)},
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
