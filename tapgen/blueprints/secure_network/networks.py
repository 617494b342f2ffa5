"""The VPC of a region: subnets, gateways, security groups, flow log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import GetAtt, Ref, Template

from tapgen.blocks import database, flows, frame, names, network, vpc_endpoints
from tapgen.blueprints.secure_network.shape import METRICS, Shape, name

WEB_PORTS = (80, 443)


def vpc(shape: Shape) -> Template:
    """The VPC and its security groups."""
    t = frame.start("VPC, subnets and security groups", role=shape.spread)
    vpc = network.vpc(t, "Vpc", name=name("vpc", shape.role), zones=shape.zones)
    public, public_routes = network.public_tier(
        t,
        vpc,
        # In the ideal profile only load balancers use them, with their own addresses.
        public_addresses=not shape.ideal,
    )
    if shape.ideal:
        web = _tiers_of_groups(t, vpc)
        _tiers_of_subnets(t, vpc, public, public_routes)
        _flow_log(t, vpc)
    else:
        web = _web_group(
            t,
            vpc,
            "primary",
            [network.rule(None, to=network.ANYWHERE, description="Anything out")],
        )
        _private_logs(t, vpc, public, web)
    frame.output(t, "VpcId", vpc.id, description="Id of the VPC")
    frame.output(
        t,
        "SubnetIds",
        network.ids(public),
        description="Public subnets, comma-separated",
    )
    frame.output(
        t,
        "SecurityGroupId",
        GetAtt(web, "GroupId"),
        description="Security group of the web tier",
    )
    return t


def _web_group(t: Template, vpc: network.Vpc, role: str, egress: Sequence[Any]) -> Any:
    allowed = frame.parameter(
        t,
        "AllowedCidr",
        label="Allowed addresses",
        description="Address range that may reach the web tier.",
        pattern=frame.CIDR_PATTERN,
        constraint="an IPv4 range such as 203.0.113.0/24",
    )
    return network.security_group(
        t,
        "WebSecurityGroup",
        vpc=vpc,
        name=name("web", role),
        description="Web tier: HTTP and HTTPS from the allowed addresses",
        ingress=[
            network.rule(port, to=allowed, description="From the allowed addresses")
            for port in WEB_PORTS
        ],
        egress=egress,
    )


def _private_logs(
    t: Template, vpc: network.Vpc, public: Sequence[Any], web: Any
) -> None:
    """Add an interface endpoint for CloudWatch Logs.

    Without NAT gateways and flow logs it is also the only source of a metric on dropped
    packets.
    """
    endpoint = vpc_endpoints.interface(
        t,
        "LogsEndpoint",
        vpc=vpc,
        service="logs",
        subnets=public,
        group=web,
        policy=vpc_endpoints.own_account("logs"),
    )
    network.from_group(
        t,
        "WebToLogsEndpoint",
        group=web,
        source=web,
        port=443,
        description="Members reach the endpoint, which is one of them",
    )
    frame.output(
        t,
        "LogsEndpointId",
        Ref(endpoint),
        description="Endpoint of CloudWatch Logs inside the VPC",
    )


def _tiers_of_groups(t: Template, vpc: network.Vpc) -> Any:
    """Add the security groups; each allows traffic only from the tier before it.

    Egress rules are part of a group; ingress rules are separate resources, so that no
    two groups depend on each other.
    """
    role = names.THIS_ROLE
    port = frame.parameter(
        t,
        "AppPort",
        type="Number",
        description="Port that the application tier listens on.",
        MinValue=1024,
        MaxValue=65535,
    )
    services = network.rule(443, to=network.ANYWHERE, description="HTTPS out")
    db = network.security_group(
        t,
        "DatabaseSecurityGroup",
        vpc=vpc,
        name=name("database", role),
        description="Database tier: PostgreSQL from the application, nothing out",
        egress=[],
    )
    app = network.security_group(
        t,
        "AppSecurityGroup",
        vpc=vpc,
        name=name("app", role),
        description="Application tier: from the web tier only",
        egress=[
            services,
            network.rule(database.PORT, to_group=db, description="To the database"),
        ],
    )
    web = _web_group(
        t,
        vpc,
        role,
        [services, network.rule(port, to_group=app, description="To the application")],
    )
    ssh = network.security_group(
        t,
        "SshSecurityGroup",
        vpc=vpc,
        name=name("ssh", role),
        description="Bastion: reached over Session Manager, so nothing in",
        egress=[
            services,
            network.rule(22, to_group=app, description="SSH to the application"),
        ],
    )
    for title, group, source, number, description in (
        ("WebToApp", app, web, port, "From the web tier"),
        ("SshToApp", app, ssh, 22, "SSH from the bastion only"),
        ("AppToDatabase", db, app, database.PORT, "From the application tier"),
    ):
        network.from_group(
            t, title, group=group, source=source, port=number, description=description
        )
    for title, group, tier in (
        ("AppSecurityGroupId", app, "application tier"),
        ("DatabaseSecurityGroupId", db, "database tier"),
        ("SshSecurityGroupId", ssh, "bastion"),
    ):
        frame.output(
            t,
            title,
            GetAtt(group, "GroupId"),
            description=f"Security group of the {tier}",
        )
    return web


def _tiers_of_subnets(
    t: Template, vpc: network.Vpc, public: Sequence[Any], public_routes: Any
) -> None:
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
    topic = frame.alert_topic(t)
    flows.nat_alarms(t, gateways, name=name("nat-%s", names.THIS_ROLE), topic_arn=topic)
    network.list_outputs(
        t,
        ("PrivateSubnetIds", private, "Private subnets"),
        ("IsolatedSubnetIds", isolated, "Isolated subnets"),
        ("NatGatewayIds", gateways, "NAT gateways"),
    )


def _flow_log(t: Template, vpc: network.Vpc) -> None:
    group = flows.flow_log(t, vpc=vpc, name=name("flow", names.THIS_ROLE))
    flows.count_rejected(
        t,
        group,
        alarm_name=name("rejected-packets", names.THIS_ROLE),
        metrics=METRICS,
        topic_arn=Ref("AlertTopicArn"),
    )
    flows.queries(
        t,
        group,
        name=name("flow-%s", names.THIS_ROLE),
        cidr=Ref("VpcCidr"),
        port=database.PORT,
    )
    frame.output(
        t, "FlowLogGroupName", Ref(group), description="Log group of the flow log"
    )
