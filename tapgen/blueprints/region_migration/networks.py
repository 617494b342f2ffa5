"""The VPC of a region, and the peering of both VPCs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import GetAtt, If, Join, NoValue, Ref, Select, Sub, Template

from tapgen.blocks import database, flows, frame, names, network, peering, vpc_endpoints
from tapgen.blueprints.region_migration.shape import METRICS, Shape, name, start

WEB_PORTS = (80, 443)


def vpc(shape: Shape) -> Template:
    """The VPC and its security groups."""
    t = start("VPC, subnets and security groups", role=shape.spread)
    vpc = network.vpc(t, "Vpc", name=name("vpc", shape.role), zones=shape.zones)
    public, public_routes = network.public_tier(t, vpc, public_addresses=False)
    private, private_routes, gateways = network.private_tier(t, vpc, public=public)
    isolated, isolated_routes = network.isolated_tier(t, vpc)
    vpc_endpoints.gateway(
        t,
        "S3Endpoint",
        vpc=vpc,
        service="s3",
        tables=[public_routes, *private_routes, isolated_routes],
        policy=vpc_endpoints.for_servers(),
    )
    _groups(t, vpc, shape)
    nat = [f"NatAddress{number}" for number, _ in enumerate(gateways, 1)]
    _from_servers(
        t,
        "Nat",
        t.resources["BalancerSecurityGroup"],
        [Sub(f"${{{address}}}/32") for address in nat],
    )
    topic = frame.alert_topic(t)
    flows.nat_alarms(t, gateways, name=name("nat-%s", shape.role), topic_arn=topic)
    group = flows.flow_log(t, vpc=vpc, name=name("flow", shape.role))
    flows.count_rejected(
        t,
        group,
        alarm_name=name("rejected-packets", shape.role),
        metrics=METRICS,
        topic_arn=topic,
    )
    frame.output(t, "VpcId", vpc.id, description="Id of the VPC")
    frame.output(
        t,
        "NatAddresses",
        Join(",", [Ref(address) for address in nat]),
        description="Public addresses of the NAT gateways, comma-separated",
    )
    tables = [*private_routes, isolated_routes]
    network.list_outputs(
        t,
        ("PublicSubnetIds", public, "Public subnets"),
        ("PrivateSubnetIds", private, "Private subnets"),
        ("IsolatedSubnetIds", isolated, "Isolated subnets"),
        ("RouteTableIds", tables, "Route tables, private ones first"),
    )
    return t


_MEMBERS = {"Database": "database", "Server": "servers", "Balancer": "load balancer"}


def _groups(t: Template, vpc: network.Vpc, shape: Shape) -> None:
    """Add the security groups; each allows traffic only from the tier before it.

    Global Accelerator preserves client addresses, so the load balancer's group allows
    them with and without the accelerator. Servers call the application by its private
    name, which leads to the public addresses of a load balancer.
    """
    frame.flag(
        t,
        "Tls",
        description="Whether the load balancers serve HTTPS.",
        condition="HasTls",
    )
    allowed = frame.parameter(
        t,
        "AllowedCidr",
        label="Allowed addresses",
        description="Address range that may reach the servers.",
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
    db = _group(t, vpc, shape, "Database", "PostgreSQL from the servers, nothing out")
    server = _group(
        t,
        vpc,
        shape,
        "Server",
        "Servers: from the load balancer only",
        egress=[
            network.rule(443, to=network.ANYWHERE, description="HTTPS out"),
            If(
                "HasTls",
                NoValue,
                network.rule(80, to=network.ANYWHERE, description="HTTP out"),
            ),
            network.rule(database.PORT, to_group=db, description="To the database"),
        ],
    )
    balancer = _group(
        t,
        vpc,
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


def _from_servers(
    t: Template, title: str, balancer: Any, ranges: Sequence[Any]
) -> None:
    """Allow servers into the load balancer, by the addresses of the NAT gateways."""
    for number, cidr in enumerate(ranges, 1):
        for port in WEB_PORTS:
            network.from_range(
                t,
                f"{title}{number}ToBalancer{port}",
                group=balancer,
                cidr=cidr,
                port=port,
                description="From servers, through a NAT gateway",
            )


def _group(
    t: Template,
    vpc: network.Vpc,
    shape: Shape,
    title: str,
    description: str,
    **rules: Any,
) -> Any:
    group = network.security_group(
        t,
        f"{title}SecurityGroup",
        vpc=vpc,
        name=name(title.lower(), shape.role),
        description=description,
        **{"egress": [], **rules},
    )
    frame.output(
        t,
        f"{title}SecurityGroupId",
        GetAtt(group, "GroupId"),
        description=f"Security group of the {_MEMBERS[title]}",
    )
    return group


def joined(shape: Shape) -> Template:
    """The peering connection from the source VPC to the target VPC.

    Servers need it to reach the database in the other region, which takes the writes
    during a part of the migration.
    """
    t = start("Peering connection between the VPCs", role="source")
    peering.connection(
        t, name=name("peering", "source"), peer_region=Ref("TargetRegion")
    )
    return t


def routes(shape: Shape) -> Template:
    """A region's routes to the other VPC, and the rules that allow its servers.

    They may reach database and load balancer.
    """
    t = start("Routes and security group rules to the other VPC", role=frame.EVERY)
    peering.routes(
        t,
        vpc=name("vpc", names.THIS_ROLE),
        zones=shape.zones,
        port=database.PORT,
        client="Server",
    )
    addresses = frame.parameter(
        t,
        "PeerNatAddresses",
        group=frame.WIRING,
        type="CommaDelimitedList",
        description="Public addresses of the NAT gateways in the other region.",
        pattern=frame.IPV4_PATTERN,
        constraint="IPv4 addresses, such as 198.51.100.7",
    )
    _from_servers(
        t,
        "PeerNat",
        network.group_id(
            t,
            "Security group of the load balancer.",
            title="BalancerSecurityGroupId",
            label="Security group: balancer",
        ),
        [Join("/", [Select(n, addresses), "32"]) for n in range(shape.zones)],
    )
    return t
