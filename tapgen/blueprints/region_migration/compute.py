"""The servers of a region: blue and green, behind one load balancer."""

from __future__ import annotations

from typing import Any

from troposphere import Equals, GetAtt, Not, Ref, Template, ssm

from tapgen.blocks import frame, names, servers
from tapgen.blueprints.region_migration.shape import (
    BACKED_UP,
    COLOURS,
    INSTANCE_TYPES,
    WRITES,
    Shape,
    fleet,
    name,
    start,
)

CERTIFICATE_PATTERN = (
    r"^$|^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]+$"
)


def fleet_of(shape: Shape) -> Template:
    """Load balancer, target groups, Auto Scaling groups and the write switch."""
    t = start("Blue and green servers behind a load balancer", role=shape.spread)
    vpc_id = _network(t, "VpcId", "AWS::EC2::VPC::Id", "The VPC.")
    key = frame.key_arn(t)
    topic = frame.alert_topic(t)
    balancer = servers.load_balancer(
        t,
        "LoadBalancer",
        name=name("web", shape.role),
        subnet_ids=_subnets(t, "PublicSubnetIds", "Public subnets"),
        group_id=_group(
            t, "BalancerSecurityGroupId", "Security group of the load balancer"
        ),
        log_bucket=frame.log_bucket(t),
        deletion_protection=frame.parameter(
            t,
            "DeletionProtection",
            description="Whether the load balancer has deletion protection.",
            AllowedValues=["true", "false"],
        ),
    )
    port, path = _app_parameters(t)
    targets = {
        colour: servers.target_group(
            t,
            f"{colour.title()}Targets",
            name=fleet(colour, shape.role),
            vpc_id=vpc_id,
            port=port,
            health_path=path,
        )
        for colour in COLOURS
    }
    listener = _listeners(t, balancer, targets)
    _fleets(t, shape, targets, key, port, path)
    servers.balancer_alarms(
        t,
        balancer=balancer,
        colours=targets,
        name=name("%s", shape.role),
        topic_arn=topic,
        lost=frame.parameter(
            t,
            "LostRequests",
            type="Number",
            description="Alarm when at least this many requests a minute get no answer.",
            MinValue=1,
            MaxValue=frame.MOST,
        ),
    )
    _write_switch(t)
    _outputs(t, balancer, targets, listener)
    return t


def _network(t: Template, title: str, type_name: str, description: str) -> Ref:
    return frame.parameter(
        t, title, group=frame.WIRING, type=type_name, description=description
    )


def _subnets(t: Template, title: str, what: str) -> Ref:
    return _network(
        t, title, "List<AWS::EC2::Subnet::Id>", f"{what}, in two zones at least."
    )


def _group(t: Template, title: str, what: str) -> Ref:
    return _network(t, title, "AWS::EC2::SecurityGroup::Id", f"{what}.")


def _app_parameters(t: Template) -> tuple[Ref, Ref]:
    port = frame.parameter(
        t,
        "AppPort",
        type="Number",
        description="Port that the application listens on.",
        MinValue=1024,
        MaxValue=65535,
    )
    path = frame.parameter(
        t,
        "HealthPath",
        description="Path that answers 200 while a server is healthy.",
        pattern=r"^/[\w./-]*$",
        constraint="a path such as /health",
    )
    return port, path


def _listeners(t: Template, balancer: Any, targets: dict[str, Any]) -> Any:
    certificate = frame.parameter(
        t,
        "CertificateArn",
        description="ARN of the certificate; empty to serve without one.",
        Default="",
        pattern=CERTIFICATE_PATTERN,
        constraint="the ARN of a certificate of this region, or nothing",
    )
    t.add_condition("HasCertificate", Not(Equals(certificate, "")))
    return servers.listeners(
        t,
        balancer,
        weighted=[
            (
                group,
                servers.weight_parameter(
                    t,
                    f"{colour.title()}Weight",
                    description=f"Share of the requests that {colour} gets.",
                ),
            )
            for colour, group in targets.items()
        ],
        certificate_arn=certificate,
        has_certificate="HasCertificate",
    )


def _fleets(
    t: Template, shape: Shape, targets: dict[str, Any], key: Any, port: Ref, path: Ref
) -> None:
    instance_type = frame.parameter(
        t,
        "InstanceType",
        description="Instance type of the servers.",
        AllowedValues=list(INSTANCE_TYPES),
    )
    volume = frame.parameter(
        t,
        "VolumeGiB",
        label="Disk (GiB)",
        type="Number",
        description="Size of a server's disk in GiB.",
        MinValue=8,
        MaxValue=16384,
    )
    profile = frame.wired(
        t,
        "InstanceProfileName",
        "Instance profile of the servers.",
        r"^[\w+=,.@-]+$",
        "the name of an instance profile",
    )
    group_id = _group(t, "ServerSecurityGroupId", "Security group of the servers")
    subnets = _subnets(t, "PrivateSubnetIds", "Private subnets")
    most = _count(t, "MaxSize", "Maximum number of servers of each colour.", 1)
    for colour, target in targets.items():
        title = f"{colour.title()}Servers"
        template = servers.launch_template(
            t,
            f"{colour.title()}Template",
            name=fleet(colour, shape.role),
            image_id=servers.image_parameter(
                t,
                f"{colour.title()}Image",
                description=f"SSM parameter with the AMI id of the {colour} servers.",
            ),
            instance_type=instance_type,
            profile_name=profile,
            group_id=group_id,
            key_arn=key,
            volume_gib=volume,
            user_data=servers.user_data(
                shape.start_script, signal=title, port=port, health_path=path
            ),
            tags=BACKED_UP,
        )
        group = servers.scaling_group(
            t,
            title,
            name=fleet(colour, shape.role),
            subnet_ids=subnets,
            template=template,
            target_group=target,
            capacity=servers.Capacity(
                _count(
                    t,
                    f"{colour.title()}MinSize",
                    f"Minimum number of {colour} servers.",
                    # An empty group is not healthy, and then the balancer is not.
                    1,
                ),
                most,
            ),
            after=[t.resources["HttpListener"]],
            tags={"Colour": colour},
        )
        servers.load_alarm(
            t,
            f"{colour.title()}CpuAlarm",
            group=group,
            name=name(f"{colour}-cpu", shape.role),
            topic_arn=Ref("AlertTopicArn"),
        )


def _count(t: Template, title: str, description: str, least: int) -> Ref:
    return frame.parameter(
        t,
        title,
        type="Number",
        description=description[0].upper() + description[1:],
        MinValue=least,
        MaxValue=200,
    )


def _write_switch(t: Template) -> None:
    """Add the switch with which a migration pauses writes; the application reads it."""
    writes = frame.parameter(
        t,
        "Writes",
        description="Whether the application of this region may write.",
        AllowedValues=["allowed", "paused"],
    )
    t.add_resource(
        ssm.Parameter(
            "WriteSwitch",
            Name=names.sub(WRITES),
            Type="String",
            Value=writes,
            AllowedPattern="^(allowed|paused)$",
            Description="Whether the application may write; it looks before it does",
        )
    )


def _outputs(
    t: Template, balancer: Any, targets: dict[str, Any], listener: Any
) -> None:
    found: list[tuple[str, Any, str]] = [
        ("AlbArn", Ref(balancer), "ARN of the load balancer"),
        ("AlbDns", GetAtt(balancer, "DNSName"), "Host name of the load balancer"),
        (
            "AlbZone",
            GetAtt(balancer, "CanonicalHostedZoneID"),
            "Hosted zone id of the load balancer",
        ),
        (
            "AlbFullName",
            GetAtt(balancer, "LoadBalancerFullName"),
            "Full name of the load balancer, for metrics",
        ),
        ("ListenerArn", listener, "Listener that forwards by weight"),
        ("WriteSwitchName", Ref("WriteSwitch"), "SSM parameter that pauses writes"),
    ]
    for colour, group in targets.items():
        what = colour.title()
        found += [
            (f"{what}TgArn", Ref(group), f"Target group of the {colour} servers"),
            (
                f"{what}TgFullName",
                GetAtt(group, "TargetGroupFullName"),
                f"Full name of the target group of the {colour} servers, for metrics",
            ),
        ]
    found += [
        ("AsgName", Ref("BlueServers"), "Auto Scaling group of the blue servers"),
        (
            "GreenAsgName",
            Ref("GreenServers"),
            "Auto Scaling group of the green servers",
        ),
    ]
    for title, value, description in found:
        frame.output(t, title, value, description=description)
