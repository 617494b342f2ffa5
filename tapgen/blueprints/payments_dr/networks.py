"""The VPC of a region, and the peering of both VPCs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import GetAtt, If, Join, NoValue, Ref, Template

from tapgen.blocks import flows, frame, network, peering, vpc_endpoints
from tapgen.blueprints.payments_dr.shape import (
    HERE,
    PORT,
    ZONES,
    name,
)

# Services that the function and its runtime call, besides S3 and DynamoDB.
SERVICES = ("kms", "logs", "rds", "secretsmanager", "sns")

_EACH = "HasNatInEachZone"


def vpc() -> Template:
    """The VPC: three zones of public, private and isolated subnets."""
    t = frame.start("VPC, subnets and security groups", role=frame.EVERY)
    vpc = network.vpc(t, "Vpc", name=name("vpc", HERE), zones=ZONES)
    public, _ = network.public_tier(t, vpc, public_addresses=False)
    frame.flag(
        t,
        "NatInEachZone",
        description="Whether each zone has a NAT gateway, or all share the first.",
        condition=_EACH,
    )
    private, private_routes, gateways = network.private_tier(
        t, vpc, public=public, in_each_zone=_EACH
    )
    isolated, isolated_routes = network.isolated_tier(t, vpc)
    function, database = _groups(t, vpc)
    for service in ("s3", "dynamodb"):
        vpc_endpoints.gateway(
            t,
            f"{service.title()}Endpoint",
            vpc=vpc,
            service=service,
            tables=[*private_routes, isolated_routes],
            policy=vpc_endpoints.own_account(service),
        )
    flows.nat_alarms(
        t,
        gateways,
        name=name("nat-%s", HERE),
        topic_arn=frame.alert_topic(t),
        in_each_zone=_EACH,
    )
    flows.flow_log(t, vpc=vpc, name=name("flow", HERE))
    frame.output(t, "VpcId", vpc.id, description="Id of the VPC")
    network.list_outputs(
        t,
        ("PublicSubnetIds", public, "Public subnets"),
        ("PrivateSubnetIds", private, "Private subnets"),
        ("IsolatedSubnetIds", isolated, "Isolated subnets"),
        (
            "RouteTableIds",
            [*private_routes, isolated_routes],
            "Route tables of the private subnets, then of the isolated ones",
        ),
    )
    frame.output(
        t,
        "NatGatewayIds",
        _some(gateways),
        description="NAT gateways, comma-separated",
    )
    for title, group, what in (
        ("FunctionSecurityGroupId", function, "Security group of the function"),
        ("DatabaseSecurityGroupId", database, "Security group of the database"),
    ):
        frame.output(t, title, GetAtt(group, "GroupId"), description=what)
    return t


def _some(gateways: Sequence[Any]) -> Any:
    """Return the ids of the gateways that exist."""
    first, *others = (Ref(gateway) for gateway in gateways)
    return Join(",", [first, *(If(_EACH, other, NoValue) for other in others)])


def _groups(t: Template, vpc: network.Vpc) -> tuple[Any, Any]:
    """Add the security groups of the function and the database."""
    database = network.security_group(
        t,
        "DatabaseSecurityGroup",
        vpc=vpc,
        name=name("database", HERE),
        description="Database: PostgreSQL from the function, nothing out",
        egress=[],
    )
    function = network.security_group(
        t,
        "FunctionSecurityGroup",
        vpc=vpc,
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


def endpoints() -> Template:
    """Interface endpoints for the services that the function calls."""
    t = frame.start("VPC endpoints for AWS services", role=frame.EVERY)
    there = network.elsewhere(network.vpc_id(t, "The VPC."), name("vpc", HERE))
    subnets = network.subnet_ids(t, "Private subnets, one in each zone.")
    function = network.group_id(
        t,
        "Security group of the function.",
        title="FunctionSecurityGroupId",
        label="Security group: function",
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
    added = [
        vpc_endpoints.interface(
            t,
            f"{service.title()}Endpoint",
            vpc=there,
            service=service,
            subnets=subnets,
            group=group,
            policy=vpc_endpoints.own_account(service),
        )
        for service in SERVICES
    ]
    frame.output(
        t, "EndpointIds", network.ids(added), description="Endpoints, comma-separated"
    )
    return t


def joined() -> Template:
    """The connection from the primary region's VPC to the other one."""
    t = frame.start("Peering connection between the VPCs", role="primary")
    peering.connection(t, name=name("peering", "primary"), peer_region=Ref("DrRegion"))
    return t


def routes() -> Template:
    """A region's routes to the other VPC, and the rules for the database.

    The function of a region reaches the writing cluster in either region.
    """
    t = frame.start(
        "Routes and security group rules to the other VPC", role=frame.EVERY
    )
    peering.routes(t, vpc=name("vpc", HERE), zones=ZONES, port=PORT, client="Function")
    return t
