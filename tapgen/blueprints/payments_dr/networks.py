"""The VPC of a region, and how the two are joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import GetAtt, If, Join, NoValue, Ref, Select, Template

from tapgen.blocks import frame, monitoring, names, network
from tapgen.blueprints.payments_dr.shape import (
    HERE,
    PORT,
    ZONES,
    name,
)

# What the function and its runtime call, besides S3 and DynamoDB.
SERVICES = ("kms", "logs", "rds", "secretsmanager", "sns")

_EACH = "HasNatInEachZone"


def vpc() -> Template:
    """The VPC: three zones of public, private and isolated subnets."""
    t = frame.start("VPC, subnets and security groups", role=frame.EVERY)
    made = network.vpc(t, "Vpc", name=name("vpc", HERE), zones=ZONES)
    public, _ = network.public_tier(t, made, public_addresses=False)
    frame.flag(
        t,
        "NatInEachZone",
        description="Whether each zone has a NAT gateway, or all share the first.",
        condition=_EACH,
    )
    private, private_routes, gateways = network.private_tier(
        t, made, public=public, in_each_zone=_EACH
    )
    isolated, isolated_routes = network.isolated_tier(t, made)
    function, database = _groups(t, made)
    for service in ("s3", "dynamodb"):
        network.gateway_endpoint(
            t,
            f"{service.title()}Endpoint",
            vpc=made,
            service=service,
            tables=[*private_routes, isolated_routes],
        )
    _watch(t, gateways)
    _flow_log(t, made)
    frame.output(t, "VpcId", made.id, description="The VPC")
    for title, value, what in (
        ("PublicSubnetIds", network.ids(public), "Public subnets"),
        ("PrivateSubnetIds", network.ids(private), "Private subnets"),
        ("IsolatedSubnetIds", network.ids(isolated), "Isolated subnets"),
        (
            "RouteTableIds",
            network.ids([*private_routes, isolated_routes]),
            "Route tables of the private subnets, then of the isolated ones",
        ),
        ("NatGatewayIds", _some(gateways), "NAT gateways"),
    ):
        frame.output(t, title, value, description=f"{what}, comma-separated")
    for title, group, what in (
        ("FunctionSecurityGroupId", function, "Security group of the function"),
        ("DatabaseSecurityGroupId", database, "Security group of the database"),
    ):
        frame.output(t, title, GetAtt(group, "GroupId"), description=what)
    return t


def _some(gateways: Sequence[Any]) -> Any:
    """The ids of the gateways there are."""
    first, *others = (Ref(gateway) for gateway in gateways)
    return Join(",", [first, *(If(_EACH, other, NoValue) for other in others)])


def _groups(t: Template, made: network.Vpc) -> tuple[Any, Any]:
    """Groups of the function, and of the database it asks."""
    database = network.security_group(
        t,
        "DatabaseSecurityGroup",
        vpc=made,
        name=name("database", HERE),
        description="Database: PostgreSQL from the function, nothing out",
        egress=[],
    )
    function = network.security_group(
        t,
        "FunctionSecurityGroup",
        vpc=made,
        name=name("function", HERE),
        description="Function: nothing in",
        egress=[
            network.rule(443, to=network.ANYWHERE, description="HTTPS out"),
            network.rule(PORT, to_group=database, description="To the database"),
        ],
    )
    network.from_group(
        t,
        "FunctionToDatabase",
        group=database,
        source=function,
        port=PORT,
        description="From the function",
    )
    return function, database


def _watch(t: Template, gateways: Sequence[Any]) -> None:
    topic = frame.alert_topic(t)
    for number, gateway in enumerate(gateways, 1):
        monitoring.alarm(
            t,
            f"NatPortsAlarm{number}",
            name=name(f"nat-ports-{number}", HERE),
            description="The NAT gateway has no port left for another connection",
            namespace="AWS/NATGateway",
            metric="ErrorPortAllocation",
            dimensions={"NatGatewayId": Ref(gateway)},
            statistic="Sum",
            period=300,
            datapoints=(1, 1),
            comparison=">",
            threshold=0,
            missing="notBreaching",
            topic_arn=topic,
            condition=_EACH if number > 1 else "",
        )


def _flow_log(t: Template, made: network.Vpc) -> None:
    role = frame.role_arn(
        t, "FlowLogsRoleArn", "ARN of the role by which the VPC writes its flow log."
    )
    group = monitoring.log_group(
        t,
        "FlowLogGroup",
        name=name("flow", HERE),
        key_arn=frame.key_arn(t),
        retention_days=monitoring.retention(t),
    )
    network.flow_log(t, "FlowLog", vpc=made, log_group=group, role_arn=role)


def endpoints() -> Template:
    """The services that the function calls, at addresses inside the VPC."""
    t = frame.start("Endpoints of AWS's services", role=frame.EVERY)
    there = network.elsewhere(
        _vpc_id(t, "VpcId", "The VPC.", type="AWS::EC2::VPC::Id"), name("vpc", HERE)
    )
    subnets = frame.parameter(
        t,
        "SubnetIds",
        group=frame.WIRING,
        label="Subnets",
        type="List<AWS::EC2::Subnet::Id>",
        description="Private subnets, one in each zone.",
    )
    function = frame.parameter(
        t,
        "FunctionSecurityGroupId",
        group=frame.WIRING,
        type="AWS::EC2::SecurityGroup::Id",
        description="Security group of the function.",
    )
    group = network.security_group(
        t,
        "EndpointSecurityGroup",
        vpc=there,
        name=name("endpoints", HERE),
        description="Endpoints: HTTPS from the function, nothing out",
        egress=[],
    )
    network.from_group(
        t,
        "FunctionToEndpoints",
        group=group,
        source=function,
        port=443,
        description="From the function",
    )
    made = [
        network.interface_endpoint(
            t,
            f"{service.title()}Endpoint",
            vpc=there,
            service=service,
            subnets=subnets,
            group=group,
        )
        for service in SERVICES
    ]
    frame.output(
        t, "EndpointIds", network.ids(made), description="Endpoints, comma-separated"
    )
    return t


def _vpc_id(t: Template, title: str, description: str, **more: Any) -> Ref:
    return frame.parameter(
        t, title, group=frame.WIRING, description=description, **more
    )


def peering() -> Template:
    """The connection from the primary region's VPC to the other one."""
    t = frame.start("Peering of the VPCs", role="primary")
    made = network.peering(
        t,
        "Peering",
        name=name("peering", "primary"),
        vpc_id=_vpc_id(t, "VpcId", "The VPC here.", type="AWS::EC2::VPC::Id"),
        # A type of AWS's would be looked for in this region, where it is not.
        peer_vpc_id=_vpc_id(
            t,
            "PeerVpcId",
            "The VPC in the recovery region.",
            pattern="^vpc-[0-9a-f]+$",
            constraint="the id of a VPC",
        ),
        peer_region=Ref("DrRegion"),
    )
    frame.output(t, "PeeringId", Ref(made), description="The connection")
    return t


def routes() -> Template:
    """A region's routes to the other VPC, and what may use them: the database.

    The function of a region reaches the cluster that writes, wherever that is.
    """
    t = frame.start("Routes and rules to the other VPC", role=frame.EVERY)
    peering_id = frame.parameter(
        t,
        "PeeringId",
        group=frame.WIRING,
        label="Peering",
        description="The connection between the VPCs.",
        pattern="^pcx-[0-9a-f]+$",
        constraint="the id of a peering connection",
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
        constraint="an IPv4 range such as 10.1.0.0/16",
    )
    titles = [f"PrivateToPeer{number}" for number in range(1, ZONES + 1)]
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
        ("Function", network.to_range, "To the other region's database"),
        ("Database", network.from_range, "From the other region's function"),
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
            port=PORT,
            description=description,
        )
    frame.output(
        t,
        "JoinedVpc",
        names.sub(name("vpc", HERE)),
        description="Name of the VPC that has routes to the other one",
    )
    return t
