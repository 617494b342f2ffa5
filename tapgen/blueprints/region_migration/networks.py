"""The VPC of a region and the way to the other one."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Select, Template

from tapgen.blocks import database, flows, frame, names, network
from tapgen.blueprints.region_migration.shape import METRICS, Shape, name, start

WEB_PORTS = (80, 443)


def vpc(shape: Shape) -> Template:
    """The VPC and its security groups."""
    t = start("VPC, subnets and security groups", role=shape.spread)
    made = network.vpc(t, "Vpc", name=name("vpc", shape.role), zones=shape.zones)
    public, public_routes = network.public_tier(t, made, public_addresses=False)
    private, private_routes, gateways = network.private_tier(t, made, public=public)
    isolated, isolated_routes = network.isolated_tier(t, made)
    network.gateway_endpoint(
        t,
        "S3Endpoint",
        vpc=made,
        service="s3",
        tables=[public_routes, *private_routes, isolated_routes],
    )
    _groups(t, made, shape)
    topic = frame.alert_topic(t)
    flows.nat_alarms(t, gateways, name=name("nat-%s", shape.role), topic_arn=topic)
    flows.flow_log(
        t,
        vpc=made,
        name=name("flow", shape.role),
        alarm_name=name("rejected-packets", shape.role),
        metrics=METRICS,
        topic_arn=topic,
    )
    frame.output(t, "VpcId", made.id, description="The VPC")
    tables = [*private_routes, isolated_routes]
    for title, resources, what in (
        ("PublicSubnetIds", public, "Public subnets"),
        ("PrivateSubnetIds", private, "Private subnets"),
        ("IsolatedSubnetIds", isolated, "Isolated subnets"),
        ("RouteTableIds", tables, "Route tables, private ones first"),
    ):
        frame.output(
            t, title, network.ids(resources), description=f"{what}, comma-separated"
        )
    return t


def _groups(t: Template, made: network.Vpc, shape: Shape) -> None:
    """Security groups, each letting in only the one before it.

    Global Accelerator keeps the addresses of visitors, so the balancer's group is for
    them, whichever way they come.
    """
    allowed = frame.parameter(
        t,
        "AllowedCidr",
        label="Allowed addresses",
        description="Addresses that may reach the servers.",
        pattern=frame.CIDR_PATTERN,
        constraint="an IPv4 range such as 203.0.113.0/24",
    )
    port = frame.parameter(
        t,
        "AppPort",
        type="Number",
        description="Port that the application listens on.",
        MinValue=1024,
        MaxValue=65535,
    )
    db = _group(t, made, shape, "Database", "PostgreSQL from the servers, nothing out")
    server = _group(
        t,
        made,
        shape,
        "Server",
        "Servers: from the load balancer only",
        egress=[
            network.rule(443, to=network.ANYWHERE, description="HTTPS out"),
            network.rule(database.PORT, to_group=db, description="To the database"),
        ],
    )
    balancer = _group(
        t,
        made,
        shape,
        "Balancer",
        "Load balancer: HTTP and HTTPS from the allowed addresses",
        ingress=[
            network.rule(number, to=allowed, description="From the allowed addresses")
            for number in WEB_PORTS
        ],
        egress=[network.rule(port, to_group=server, description="To the servers")],
    )
    for title, group, source, number, description in (
        ("BalancerToServer", server, balancer, port, "From the load balancer"),
        ("ServerToDatabase", db, server, database.PORT, "From the servers"),
    ):
        network.from_group(
            t, title, group=group, source=source, port=number, description=description
        )


def _group(
    t: Template,
    made: network.Vpc,
    shape: Shape,
    title: str,
    description: str,
    **rules: Any,
) -> Any:
    group = network.security_group(
        t,
        f"{title}SecurityGroup",
        vpc=made,
        name=name(title.lower(), shape.role),
        description=description,
        **{"egress": [], **rules},
    )
    frame.output(
        t,
        f"{title}SecurityGroupId",
        GetAtt(group, "GroupId"),
        description=f"Security group: {title.lower()}",
    )
    return group


def peering(shape: Shape) -> Template:
    """The connection from the source's VPC to the target's.

    Without it servers could only reach the database of their own region, and during a
    migration the one that takes writes is in the other.
    """
    t = start("Peering of the VPCs", role="source")
    here = frame.parameter(
        t,
        "VpcId",
        group=frame.WIRING,
        label="VPC",
        type="AWS::EC2::VPC::Id",
        description="The VPC of the source region.",
    )
    # A type of AWS's would be looked for in this region, where it is not.
    there = frame.wired(
        t,
        "PeerVpcId",
        "VPC of the target region.",
        r"^vpc-[0-9a-f]+$",
        "the id of a VPC",
    )
    made = network.peering(
        t,
        "Peering",
        name=name("peering", "source"),
        vpc_id=here,
        peer_vpc_id=there,
        peer_region=Ref("TargetRegion"),
    )
    frame.output(t, "PeeringId", Ref(made), description="The connection")
    return t


def routes(shape: Shape) -> Template:
    """A region's routes to the other VPC, and what may use them: the database."""
    t = start("Routes and rules to the other VPC", role=frame.EVERY)
    peering_id = frame.wired(
        t,
        "PeeringId",
        "The connection between the VPCs.",
        r"^pcx-[0-9a-f]+$",
        "the id of a peering connection",
    )
    tables = frame.parameter(
        t,
        "RouteTableIds",
        group=frame.WIRING,
        label="Route tables",
        type="CommaDelimitedList",
        description="Route tables of the private subnets, then of the isolated ones.",
    )
    peer = frame.parameter(
        t,
        "PeerCidr",
        label="Addresses of the peer",
        description="Address range of the other VPC.",
        pattern=frame.CIDR_PATTERN,
        constraint="an IPv4 range such as 10.31.0.0/16",
    )
    titles = [f"PrivateToPeer{number}" for number in range(1, shape.zones + 1)]
    network.to_peer(
        t,
        tables={
            title: Select(place, tables)
            for place, title in enumerate([*titles, "IsolatedToPeer"])
        },
        peer_cidr=peer,
        peering_id=peering_id,
    )
    for title, add, description in (
        ("Server", network.to_range, "To the other region's database"),
        ("Database", network.from_range, "From the other region's servers"),
    ):
        group_id = frame.parameter(
            t,
            f"{title}SecurityGroupId",
            group=frame.WIRING,
            type="AWS::EC2::SecurityGroup::Id",
            description=f"Security group of the {title.lower()}.",
        )
        add(
            t,
            f"{title}Peer",
            group_id=group_id,
            cidr=peer,
            port=database.PORT,
            description=description,
        )
    frame.output(
        t,
        "JoinedVpc",
        names.sub(name("vpc", names.THIS_ROLE)),
        description="Name of the VPC that has routes to the other one",
    )
    return t
