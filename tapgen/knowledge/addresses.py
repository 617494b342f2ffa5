"""Which properties let network traffic in, by address.

Sources: the resource reference of each type, and the API references that it names.
"""

from __future__ import annotations

from tapgen.frozen import dataclass


@dataclass(frozen=True)
class Rules:
    """Where the rules of a type are, and how they are written.

    `path` leads to the rules, `""` for the resource itself; each has its sources in
    `sources` and its ports in `ports`, `()` for any. `what` says what is opened where no
    protocol does.
    """

    path: str
    sources: tuple[str, ...]
    ports: tuple[str, ...] = ()
    protocol: str = ""
    what: str = ""
    default: tuple[str, ...] = ()  # what AWS uses where a resource has no rules


_GROUP = (
    "CidrIp",
    "CidrIpv6",
    "SourceSecurityGroupId",
    "SourceSecurityGroupName",
    "SourcePrefixListId",
)

RULES: dict[str, tuple[Rules, ...]] = {
    "AWS::EC2::SecurityGroup": (
        Rules("SecurityGroupIngress", _GROUP, ("FromPort", "ToPort"), "IpProtocol"),
    ),
    "AWS::EC2::SecurityGroupIngress": (
        Rules("", _GROUP, ("FromPort", "ToPort"), "IpProtocol"),
    ),
    "AWS::EC2::NetworkAclEntry": (
        Rules(
            "",
            ("CidrBlock", "Ipv6CidrBlock"),
            ("PortRange/From", "PortRange/To"),
            "Protocol",
        ),
    ),
    "AWS::EC2::PrefixList": (
        Rules("Entries", ("Cidr",), what="whatever names the prefix list"),
    ),
    "AWS::EKS::Cluster": (
        Rules(
            "ResourcesVpcConfig/PublicAccessCidrs",
            ("",),
            what="the endpoint of the cluster",
            default=("0.0.0.0/0",),
        ),
    ),
    "AWS::GameLift::ContainerFleet": (
        Rules(
            "InstanceInboundPermissions",
            ("IpRange",),
            ("FromPort", "ToPort"),
            "Protocol",
        ),
    ),
    "AWS::GameLift::Fleet": (
        Rules(
            "EC2InboundPermissions", ("IpRange",), ("FromPort", "ToPort"), "Protocol"
        ),
    ),
    "AWS::Lightsail::Instance": (
        Rules(
            "Networking/Ports",
            ("Cidrs", "Ipv6Cidrs"),
            ("FromPort", "ToPort"),
            "Protocol",
        ),
    ),
    "AWS::MediaConnect::Flow": (
        Rules("Source", ("WhitelistCidr",), what="the source of the flow"),
    ),
    "AWS::MediaConnect::FlowSource": (
        Rules("", ("WhitelistCidr",), what="the source of the flow"),
    ),
    "AWS::MediaLive::InputSecurityGroup": (
        Rules("WhitelistRules", ("Cidr",), what="whatever names the group"),
    ),
    "AWS::RDS::DBSecurityGroup": (
        Rules(
            "DBSecurityGroupIngress",
            ("CIDRIP", "EC2SecurityGroupId", "EC2SecurityGroupName"),
            what="the databases of the group",
        ),
    ),
    "AWS::RDS::DBSecurityGroupIngress": (
        Rules(
            "",
            ("CIDRIP", "EC2SecurityGroupId", "EC2SecurityGroupName"),
            what="the databases of the group",
        ),
    ),
    "AWS::Redshift::ClusterSecurityGroupIngress": (
        Rules("", ("CIDRIP", "EC2SecurityGroupName"), what="the clusters of the group"),
    ),
    "AWS::ElastiCache::SecurityGroupIngress": (
        Rules("", ("EC2SecurityGroupName",), what="the caches of the group"),
    ),
    "AWS::SageMaker::Workforce": (
        Rules("SourceIpConfig/Cidrs", ("",), what="the portal of the workforce"),
    ),
    "AWS::WorkSpacesWeb::IpAccessSettings": (
        Rules("IpRules", ("IpRange",), what="the portals with these settings"),
    ),
}
"""Type → its rules. Traffic out of a resource is not among them."""

OTHERS: dict[str, str] = {
    "AWS::CloudFront::AnycastIpList": "addresses of its own",
    "AWS::EC2::ClientVpnAuthorizationRule": "where clients go, not where they come from",
    "AWS::EC2::IPAMAllocation": "addresses of its own",
    "AWS::EC2::IPAMPool": "addresses of its own",
    "AWS::EC2::IPAMPoolCidr": "addresses of its own",
    "AWS::EC2::IPAMPrefixListResolver": "a choice among addresses of its own",
    "AWS::EC2::SecurityGroupEgress": "traffic out",
    "AWS::EC2::SubnetCidrReservation": "addresses of its own",
    "AWS::EC2::VPNConnection": "the two sides of a tunnel",
    "AWS::EC2::VerifiedAccessEndpoint": "where users go; policies decide who may",
    "AWS::EVS::Environment": "addresses of its own",
    "AWS::GlobalAccelerator::CrossAccountAttachment": "addresses of its own",
    "AWS::IoT::SecurityProfile": "what is reported, not what passes",
    "AWS::MGN::NetworkMigrationDefinition": "addresses of its own",
    "AWS::MediaLive::Input": "where traffic goes",
    "AWS::MediaLive::Network": "addresses of its own",
    "AWS::ODB::OdbNetwork": "addresses of its own",
    "AWS::ODB::OdbPeeringConnection": "routes to a peer",
    "AWS::Route53GlobalResolver::AccessSource": "who resolves names with its own policy",
    "AWS::SES::ReceiptFilter": "mail, allowed from anywhere by default",
    "AWS::SecurityHub::Insight": "what is shown, not what passes",
}
"""Type → what its address ranges are, where they let nothing in."""
