"""VPC peering between two regions: connection, routes, and rules by address range.

In the region that requests the connection:

    peering.connection(t, name=name("peering", "primary"), peer_region=Ref("DrRegion"))

In both regions, each for its own side:

    peering.routes(t, vpc=name("vpc"), zones=3, port=database.PORT, client="Function")

Within an account CloudFormation also accepts the connection. Both sides need routes.
Security groups cannot refer to groups of another region, so the rules use addresses.
Peering needs no role, hence no statements.
"""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Select, Template, ec2

from tapgen.blocks import frame, names, network


def connection(t: Template, *, name: str, peer_region: Any) -> Any:
    """Add the connection from this region's VPC to one of another region, and an
    output.

    The parameters `VpcId` and `PeerVpcId` select the VPCs.
    """
    vpc_id = network.vpc_id(t, "The VPC of this region.")
    # CloudFormation would look up a parameter of an AWS type in this region.
    peer = frame.wired(
        t,
        "PeerVpcId",
        "The VPC of the other region.",
        "^vpc-[0-9a-f]+$",
        "the id of a VPC",
        label="VPC of the peer",
    )
    peering = t.add_resource(
        ec2.VPCPeeringConnection(
            "Peering",
            VpcId=vpc_id,
            PeerVpcId=peer,
            PeerRegion=peer_region,
            Tags=network.tags(name),
        )
    )
    frame.output(
        t, "PeeringId", Ref(peering), description="Id of the peering connection"
    )
    return peering


def routes(t: Template, *, vpc: str, zones: int, port: int, client: str) -> None:
    """Add one side's routes to its peer, and allow clients to reach the database there.

    `client` names the members of a security group (`Server`). They may connect to the
    other region's database at `port`, and the clients there to this region's database.
    The security groups are parameters, and so are the route tables: one for each of the
    `zones` of the private subnets, then that of the isolated ones. Parts that need the
    routes take the output `JoinedVpc`, the name of this region's VPC.
    """
    peering_id = frame.wired(
        t,
        "PeeringId",
        "The connection between the VPCs.",
        "^pcx-[0-9a-f]+$",
        "the id of a peering connection",
        label="Peering",
    )
    tables = frame.parameter(
        t,
        "RouteTableIds",
        group=frame.WIRING,
        label="Route tables",
        type="CommaDelimitedList",
        description="Route tables of the private subnets, then of the isolated ones.",
        pattern="^rtb-[0-9a-f]+$",
        constraint="ids of route tables, such as rtb-0123456789abcdef0",
    )
    peer = frame.parameter(
        t,
        "PeerCidr",
        label="Addresses of the peer",
        description="Address range of the other VPC.",
        pattern=frame.CIDR_PATTERN,
        constraint="an IPv4 range such as 10.1.0.0/16",
    )
    private = [f"PrivateToPeer{number}" for number in range(1, zones + 1)]
    for place, title in enumerate([*private, "IsolatedToPeer"]):
        t.add_resource(
            ec2.Route(
                title,
                RouteTableId=Select(place, tables),
                DestinationCidrBlock=peer,
                VpcPeeringConnectionId=peering_id,
            )
        )
    for who, kind, description in (
        (client, ec2.SecurityGroupEgress, "To the other region's database"),
        (
            "Database",
            ec2.SecurityGroupIngress,
            f"From the other region's {client.lower()}s",
        ),
    ):
        t.add_resource(
            kind(
                f"{who}Peer",
                GroupId=network.group_id(
                    t,
                    f"Security group of the {who.lower()}.",
                    title=f"{who}SecurityGroupId",
                    label=f"Security group: {who.lower()}",
                ),
                CidrIp=peer,
                Description=description,
                IpProtocol="tcp",
                FromPort=port,
                ToPort=port,
            )
        )
    frame.output(
        t,
        "JoinedVpc",
        names.sub(vpc),
        description="Name of the VPC that has routes to the other VPC",
    )
