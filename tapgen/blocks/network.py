"""A VPC in tiers: public, private (out through NAT) and isolated subnets.

Each tier reserves room for four zones, so that no subnet ever has to move: the VPC is
divided into sixteen subnets, used or not. Adding a zone or a tier later changes no
existing subnet.

    vpc = network.vpc(t, "Vpc", name=name("vpc", names.THIS_ROLE), zones=2)
    public, _ = network.public_tier(t, vpc, public_addresses=False)
    private, routes, gateways = network.private_tier(t, vpc, public=public)
    web = network.security_group(
        t, "Web", vpc=vpc, name=name("web"), description="Web tier", egress=[]
    )
    frame.output(t, "PrivateSubnetIds", network.ids(private), description="Subnets")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import (
    Cidr,
    Equals,
    GetAtt,
    GetAZs,
    If,
    Join,
    Not,
    Ref,
    Select,
    Tags,
    Template,
    ec2,
)

from tapgen.blocks import explained, frame, names
from tapgen.frozen import dataclass

MAX_ZONES = 4
"""Zones that each tier has room for."""

GRID_BITS = 4
"""A VPC is divided into two to the power of this many subnets."""

TIERS = ("public", "private", "isolated")

ANYWHERE = "0.0.0.0/0"
# A rule to the machine itself stands for "no egress": EC2 adds an egress rule to
# everywhere to a group without one.
NOWHERE = "127.0.0.1/32"


@dataclass(frozen=True)
class Vpc:
    """A VPC in a template, with its zones and subnet ranges."""

    resource: Any
    attachment: Any
    zones: tuple[Any, ...]
    cidrs: Any
    name: str

    @property
    def id(self) -> Ref:
        """The id of the VPC."""
        return Ref(self.resource)


def vpc(t: Template, title: str, *, name: str, zones: int) -> Vpc:
    """Add a VPC with an internet gateway.

    It adds the parameters `VpcCidr`, `SubnetBits` and, for each zone, `Zone<n>`, which
    overrides AWS's choice of a zone that lacks something.
    """
    cidr = frame.parameter(
        t,
        "VpcCidr",
        label="Address range",
        description="Address range of the VPC; must not overlap connected networks.",
        pattern=frame.CIDR_PATTERN,
        constraint="an IPv4 range such as 10.20.0.0/16",
    )
    bits = frame.parameter(
        t,
        "SubnetBits",
        type="Number",
        description="Host bits of each subnet's address range: 8 for a /24 subnet.",
        MinValue=4,
        MaxValue=12,
    )
    resource = t.add_resource(
        ec2.VPC(
            title,
            CidrBlock=cidr,
            EnableDnsSupport=True,
            EnableDnsHostnames=True,
            Tags=tags(name),
        )
    )
    gateway = t.add_resource(ec2.InternetGateway("InternetGateway", Tags=tags(name)))
    attachment = t.add_resource(
        ec2.VPCGatewayAttachment(
            "InternetGatewayAttachment",
            VpcId=Ref(resource),
            InternetGatewayId=Ref(gateway),
        )
    )
    return Vpc(
        resource=resource,
        attachment=attachment,
        zones=tuple(_zone(t, number) for number in range(1, zones + 1)),
        cidrs=Cidr(cidr, len(TIERS) * MAX_ZONES, bits),
        name=name,
    )


def vpc_id(t: Template, description: str) -> Ref:
    """Add the parameter for a VPC of another template."""
    return frame.parameter(
        t,
        "VpcId",
        group=frame.WIRING,
        label="VPC",
        type="AWS::EC2::VPC::Id",
        description=description,
    )


def list_outputs(t: Template, *given: tuple[str, Sequence[Any], str]) -> None:
    """Add outputs with the ids of several resources each, and a description."""
    for title, resources, what in given:
        value = ids(resources)
        frame.output(t, title, value, description=f"{what}, comma-separated")


def subnet_ids(t: Template, description: str) -> Ref:
    """Add the parameter for subnets of a VPC in another template."""
    return frame.parameter(
        t,
        "SubnetIds",
        group=frame.WIRING,
        label="Subnets",
        type="List<AWS::EC2::Subnet::Id>",
        description=description,
    )


def group_id(
    t: Template,
    description: str,
    *,
    title: str = "SecurityGroupId",
    label: str = "Security group",
) -> Ref:
    """Add the parameter for a security group in another template."""
    return frame.parameter(
        t,
        title,
        group=frame.WIRING,
        label=label,
        type="AWS::EC2::SecurityGroup::Id",
        description=description,
    )


def elsewhere(vpc_id: Ref, name: str) -> Vpc:
    """Return a VPC of another template, by the parameter for its id."""
    return Vpc(vpc_id.data["Ref"], None, (), None, name)


def _zone(t: Template, number: int) -> Any:
    chosen = frame.parameter(
        t,
        f"Zone{number}",
        label=f"Zone {number}",
        description=f"Availability Zone {number}; empty to let AWS choose.",
        Default="",
        pattern=r"^$|^[a-z]{2}(-[a-z]+)+-\d[a-z]$",
        constraint="a zone of this region, such as eu-central-1a, or nothing",
    )
    t.add_condition(f"HasZone{number}", Not(Equals(chosen, "")))
    return If(f"HasZone{number}", chosen, Select(number - 1, GetAZs("")))


def tags(name: str, thing: str = "") -> Tags:
    """Return the tag that names a network resource in the console."""
    return Tags(Name=names.sub(f"{name}-{thing}" if thing else name))


def subnets(
    t: Template, vpc: Vpc, tier: str, *, public_addresses: bool = False
) -> list[Any]:
    """Add the subnets of a tier, one in each zone.

    `public_addresses` gives instances in these subnets a public address.
    """
    first = TIERS.index(tier) * MAX_ZONES
    return [
        t.add_resource(
            ec2.Subnet(
                f"{tier.title()}Subnet{number}",
                VpcId=vpc.id,
                CidrBlock=Select(first + number - 1, vpc.cidrs),
                AvailabilityZone=zone,
                MapPublicIpOnLaunch=public_addresses,
                Tags=tags(vpc.name, f"{tier}-{number}"),
            )
        )
        for number, zone in enumerate(vpc.zones, 1)
    ]


def route_table(
    t: Template,
    title: str,
    *,
    vpc: Vpc,
    thing: str,
    subnets: Mapping[str, Any],
    default: Mapping[str, Any] | None = None,
) -> Any:
    """Add a route table, its subnets (association's title -> subnet) and default route.

    `default` is the target of 0.0.0.0/0, as a property of a route (`GatewayId`, …).
    """
    table = t.add_resource(
        ec2.RouteTable(title, VpcId=vpc.id, Tags=tags(vpc.name, thing))
    )
    if default is not None:
        t.add_resource(
            ec2.Route(
                f"{title}DefaultRoute",
                **(
                    {"Metadata": explained.metadata("way out")}
                    if "GatewayId" in default
                    else {}
                ),
                # EC2 refuses a route to a gateway that is not attached yet.
                DependsOn=[vpc.attachment.title],
                RouteTableId=Ref(table),
                DestinationCidrBlock=ANYWHERE,
                **default,
            )
        )
    for association, subnet in subnets.items():
        t.add_resource(
            ec2.SubnetRouteTableAssociation(
                association, SubnetId=Ref(subnet), RouteTableId=Ref(table)
            )
        )
    return table


def public_tier(
    t: Template, vpc: Vpc, *, public_addresses: bool
) -> tuple[list[Any], Any]:
    """Add the public subnets and their route table, with a route to the internet
    gateway."""
    tier = subnets(t, vpc, "public", public_addresses=public_addresses)
    table = route_table(
        t,
        "PublicRoutes",
        vpc=vpc,
        thing="public",
        subnets={f"{s.title}Routes": s for s in tier},
        default={"GatewayId": Ref("InternetGateway")},
    )
    return tier, table


def private_tier(
    t: Template, vpc: Vpc, *, public: Sequence[Any], in_each_zone: str = ""
) -> tuple[list[Any], list[Any], list[Any]]:
    """Add private subnets, each with the NAT gateway of its own zone.

    Returns the subnets, their route tables and the NAT gateways. With one gateway per
    zone the loss of a zone cuts no other zone off, and no traffic pays to cross zones.
    Unless the condition named `in_each_zone` is true, all zones share the first
    gateway: cheaper, but it fails with its zone.
    """
    tier = subnets(t, vpc, "private")
    tables: list[Any] = []
    gateways: list[Any] = []
    for number, (subnet, outside) in enumerate(zip(tier, public, strict=True), 1):
        optional = {"Condition": in_each_zone} if in_each_zone and gateways else {}
        address = t.add_resource(
            ec2.EIP(
                f"NatAddress{number}",
                DependsOn=[vpc.attachment.title],
                Domain="vpc",
                Tags=tags(vpc.name, f"nat-{number}"),
                **optional,
            )
        )
        gateway = t.add_resource(
            ec2.NatGateway(
                f"NatGateway{number}",
                DependsOn=[vpc.attachment.title],
                AllocationId=GetAtt(address, "AllocationId"),
                SubnetId=Ref(outside),
                Tags=tags(vpc.name, f"nat-{number}"),
                **optional,
            )
        )
        way_out: Any = Ref(gateway)
        if optional:
            way_out = If(in_each_zone, way_out, Ref(gateways[0]))
        table = route_table(
            t,
            f"PrivateRoutes{number}",
            vpc=vpc,
            thing=f"private-{number}",
            subnets={f"{subnet.title}Routes": subnet},
            default={"NatGatewayId": way_out},
        )
        tables.append(table)
        gateways.append(gateway)
    return tier, tables, gateways


def isolated_tier(t: Template, vpc: Vpc) -> tuple[list[Any], Any]:
    """Add subnets for data; their route table has no route out of the VPC."""
    tier = subnets(t, vpc, "isolated")
    table = route_table(
        t,
        "IsolatedRoutes",
        vpc=vpc,
        thing="isolated",
        subnets={f"{s.title}Routes": s for s in tier},
    )
    return tier, table


def security_group(
    t: Template,
    title: str,
    *,
    vpc: Vpc,
    name: str,
    description: str,
    ingress: Sequence[Any] = (),
    egress: Sequence[Any],
) -> Any:
    """Add a security group with all rules given; an empty `egress` allows nothing out.

    Two groups refer to each other in `egress`, or with `from_group`, which adds a
    separate resource: groups that name each other in their own rules are a cycle.
    """
    closed = [rule(None, to=NOWHERE, description="No way out")]
    rules = {"SecurityGroupIngress": list(ingress)} if ingress else {}
    return t.add_resource(
        ec2.SecurityGroup(
            title,
            # No GroupName: a group with a fixed name could not be replaced, and even a
            # new description replaces it.
            GroupDescription=description,
            VpcId=vpc.id,
            SecurityGroupEgress=list(egress) or closed,
            Tags=tags(name),
            **rules,
        )
    )


def rule(port: Any, *, description: str, to: Any = None, to_group: Any = None) -> Any:
    """Return a rule for one TCP port, or for all traffic if `port` is None.

    The peer is an address range or another group.
    """
    where: dict[str, Any] = {"IpProtocol": "-1"}
    if port is not None:
        where = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    if to_group is None:
        where["CidrIp"] = to
    else:
        where["DestinationSecurityGroupId"] = GetAtt(to_group, "GroupId")
    return ec2.SecurityGroupRule(Description=description, **where)


def from_range(
    t: Template, title: str, *, group: Any, cidr: Any, port: Any, description: str
) -> Any:
    """Allow addresses into a group of this template, or into one whose id is a
    parameter."""
    return t.add_resource(
        ec2.SecurityGroupIngress(
            title,
            GroupId=group_of(group),
            CidrIp=cidr,
            Description=description,
            IpProtocol="tcp",
            FromPort=port,
            ToPort=port,
        )
    )


def from_group(
    t: Template, title: str, *, group: Any, source: Any, port: Any, description: str
) -> Any:
    """Allow the members of one group into another, at one port.

    Each is a group of this template, or the parameter for a group's id.
    """
    return t.add_resource(
        ec2.SecurityGroupIngress(
            title,
            GroupId=group_of(group),
            SourceSecurityGroupId=group_of(source),
            Description=description,
            IpProtocol="tcp",
            FromPort=port,
            ToPort=port,
        )
    )


def group_of(group: Any) -> Any:
    """Return the id of a group of this template, or the parameter that is one."""
    return group if isinstance(group, Ref) else GetAtt(group, "GroupId")


def flow_log(
    t: Template, title: str, *, vpc: Vpc, log_group: Any, role_arn: Any
) -> Any:
    """Add a flow log of all traffic of a VPC, aggregated each minute."""
    return t.add_resource(
        ec2.FlowLog(
            title,
            ResourceType="VPC",
            ResourceId=vpc.id,
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            # By name: the Arn attribute of a log group ends in `:*`, which EC2 refuses.
            LogGroupName=Ref(log_group),
            DeliverLogsPermissionArn=role_arn,
            MaxAggregationInterval=60,
            Tags=tags(vpc.name),
        )
    )


def ids(resources: Sequence[Any]) -> Any:
    """Return the ids of resources as one text, for a parameter of a list type."""
    return Join(",", [Ref(resource) for resource in resources])
