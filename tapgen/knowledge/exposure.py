"""Which properties make a resource public, and by which values.

Sources: the resource reference of each property, where nothing else is said.
"""

from __future__ import annotations

from tapgen.frozen import dataclass


@dataclass(frozen=True)
class Switch:
    """A property that makes a resource public while it has one of the values `on`, or if
    there are none while it lacks one of the values `off`.

    `absent` says whether a missing value makes it public too, by the default of AWS.
    `new` says whether to name it in new resources, which is so where being public is
    seldom what was meant.
    """

    types: tuple[str, ...]  # none: every type
    path: str
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    absent: bool = False
    new: bool = False
    words: str = ""


_DOMAINS = ("AWS::Elasticsearch::Domain", "AWS::OpenSearchService::Domain")
_BLOCK = "PublicAccessBlockConfiguration"
_AUTHENTICATED = ("AWS::ElasticLoadBalancingV2::Listener", "DefaultActions"), (
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "Actions",
)

SWITCHES: tuple[Switch, ...] = (
    # any type
    Switch((), "PubliclyAccessible", ("true",), new=True),
    Switch((), "AuthType", ("NONE",), new=True),
    Switch(
        (),
        "AccessControl",
        ("PublicRead", "PublicReadWrite", "AuthenticatedRead"),
        new=True,
    ),
    Switch((), "Scheme", off=("internal",), absent=True),
    *(
        Switch((), f"{_BLOCK}/{name}", off=("true",), absent=True)
        for name in (
            "BlockPublicAcls",
            "BlockPublicPolicy",
            "IgnorePublicAcls",
            "RestrictPublicBuckets",
        )
    ),
    # APIs and functions
    Switch(
        ("AWS::ApiGateway::Method", "AWS::ApiGatewayV2::Route"),
        "AuthorizationType",
        ("NONE",),
        absent=True,
    ),
    Switch(
        ("AWS::ApiGatewayV2::ApiGatewayManagedOverrides",),
        "Route/AuthorizationType",
        ("NONE",),
        absent=True,
    ),
    Switch(("AWS::ApiGateway::Method",), "ApiKeyRequired", off=("true",), absent=True),
    Switch(("AWS::ApiGatewayV2::Route",), "ApiKeyRequired", off=("true",), absent=True),
    Switch(
        ("AWS::ApiGateway::RestApi", "AWS::ApiGateway::DomainName"),
        "EndpointConfiguration/Types/*",
        off=("PRIVATE",),
        absent=True,
    ),
    Switch(
        ("AWS::RefactorSpaces::Application",),
        "ApiGatewayProxy/EndpointType",
        off=("PRIVATE",),
        absent=True,
    ),
    Switch(("AWS::AppSync::GraphQLApi",), "Visibility", off=("PRIVATE",), absent=True),
    Switch(
        ("AWS::AppSync::GraphQLApi",),
        "AuthenticationType",
        ("API_KEY",),
        words="the key of an API is no secret of a caller",
    ),
    Switch(
        ("AWS::AppRunner::Service",),
        "NetworkConfiguration/IngressConfiguration/IsPubliclyAccessible",
        off=("false",),
        absent=True,
    ),
    Switch(("AWS::Lambda::WebFunctionEndpoint",), "AuthType", off=("IamAuth",)),
    Switch(
        ("AWS::VpcLattice::Service", "AWS::VpcLattice::ServiceNetwork"),
        "AuthType",
        off=("AWS_IAM",),
        absent=True,
    ),
    Switch(
        ("AWS::VpcLattice::ResourceConfiguration",),
        "ResourceConfigurationAuthType",
        off=("AWS_IAM",),
        absent=True,
    ),
    *(
        Switch(
            (kind,),
            f"{actions}/*/{config}/OnUnauthenticatedRequest",
            ("allow",),
            new=True,
        )
        for kind, actions in _AUTHENTICATED
        for config in ("AuthenticateCognitoConfig", "AuthenticateOidcConfig")
    ),
    *(
        Switch(
            ("AWS::CloudFront::Distribution",),
            f"DistributionConfig/DefaultCacheBehavior/{name}",
            off=(),
            absent=True,
            words="anybody can read without a signed URL",
        )
        for name in ("TrustedKeyGroups", "TrustedSigners")
    ),
    # identities
    Switch(
        ("AWS::Cognito::IdentityPool",),
        "AllowUnauthenticatedIdentities",
        ("true",),
        new=True,
        words="anybody gets credentials",
    ),
    Switch(
        ("AWS::Cognito::UserPool",),
        "AdminCreateUserConfig/AllowAdminCreateUserOnly",
        off=("true",),
        absent=True,
        words="anybody can sign up",
    ),
    # clusters, databases and caches
    Switch(
        ("AWS::EKS::Cluster",),
        "ResourcesVpcConfig/EndpointPublicAccess",
        off=("false",),
        absent=True,
    ),
    Switch(
        ("AWS::MSK::Cluster",),
        "BrokerNodeGroupInfo/ConnectivityInfo/PublicAccess/Type",
        ("SERVICE_PROVIDED_EIPS",),
        new=True,
    ),
    Switch(
        ("AWS::MSK::Cluster",),
        "ClientAuthentication/Unauthenticated/Enabled",
        ("true",),
        new=True,
    ),
    Switch(_DOMAINS, "VPCOptions", absent=True, words="it leaves its VPC"),
    Switch(
        _DOMAINS, "AdvancedSecurityOptions/AnonymousAuthEnabled", ("true",), new=True
    ),
    Switch(_DOMAINS, "AdvancedSecurityOptions/Enabled", off=("true",), absent=True),
    Switch(("AWS::NeptuneGraph::Graph",), "PublicConnectivity", ("true",), new=True),
    Switch(
        ("AWS::MWAA::Environment",),
        "WebserverAccessMode",
        ("PUBLIC_ONLY", "PUBLIC_AND_PRIVATE"),
    ),
    Switch(("AWS::Transfer::Server",), "EndpointType", ("PUBLIC",), absent=True),
    Switch(("AWS::Grafana::Workspace",), "NetworkAccessControl", absent=True),
    # machines
    Switch(("AWS::EC2::Subnet",), "MapPublicIpOnLaunch", ("true",)),
    Switch(
        ("AWS::AutoScaling::LaunchConfiguration",),
        "AssociatePublicIpAddress",
        ("true",),
    ),
    Switch(
        ("AWS::EC2::Instance",),
        "NetworkInterfaces/*/AssociatePublicIpAddress",
        ("true",),
    ),
    Switch(
        ("AWS::EC2::LaunchTemplate",),
        "LaunchTemplateData/NetworkInterfaces/*/AssociatePublicIpAddress",
        ("true",),
    ),
    Switch(
        ("AWS::ECS::Service",),
        "NetworkConfiguration/AwsvpcConfiguration/AssignPublicIp",
        ("ENABLED",),
    ),
    Switch(
        ("AWS::ECS::TaskSet",),
        "NetworkConfiguration/AwsVpcConfiguration/AssignPublicIp",
        ("ENABLED",),
    ),
    Switch(
        ("AWS::ECS::Gateway",),
        "Configuration/HostSharedAlb/Scheme",
        ("internet-facing",),
    ),
    Switch(
        ("AWS::DRS::ReplicationConfigurationTemplate",), "CreatePublicIP", ("true",)
    ),
    Switch(
        ("AWS::MGN::LaunchConfigurationTemplate",),
        "AssociatePublicIpAddress",
        ("true",),
    ),
    Switch(
        ("AWS::SageMaker::Domain",),
        "AppNetworkAccessType",
        ("PublicInternetOnly",),
        absent=True,
    ),
    Switch(
        ("AWS::SageMaker::NotebookInstance",),
        "DirectInternetAccess",
        off=("Disabled",),
        absent=True,
    ),
    # what is shared
    Switch(("AWS::CodeBuild::Project",), "Visibility", ("PUBLIC_READ",), new=True),
    Switch(
        ("AWS::EC2::SnapshotBlockPublicAccess",),
        "State",
        off=("block-all-sharing", "block-new-sharing"),
        absent=True,
        words="snapshots can be shared with everybody",
    ),
    Switch(
        ("AWS::EC2::VPCBlockPublicAccessOptions",),
        "InternetGatewayBlockMode",
        off=("block-bidirectional", "block-ingress"),
        absent=True,
    ),
    Switch(
        ("AWS::ImageBuilder::DistributionConfiguration",),
        "Distributions/*/AmiDistributionConfiguration/LaunchPermissionConfiguration/"
        "UserGroups/*",
        ("all",),
        new=True,
    ),
    Switch(("AWS::Lightsail::Bucket",), "AccessRules/GetObject", ("public",), new=True),
    Switch(("AWS::Lightsail::Bucket",), "AccessRules/AllowPublicOverrides", ("true",)),
    Switch(
        ("AWS::SecretsManager::ResourcePolicy",),
        "BlockPublicPolicy",
        off=("true",),
        absent=True,
    ),
    Switch(
        ("AWS::RAM::ResourceShare",),
        "AllowExternalPrincipals",
        off=("false",),
        absent=True,
        words="accounts outside the organization can be added",
    ),
)
"""Properties that make something public."""
