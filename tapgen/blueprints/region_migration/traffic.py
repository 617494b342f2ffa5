"""Traffic to a region: static addresses with dials, and DNS names with weights."""

from __future__ import annotations

from typing import Any

from troposphere import And, Equals, GetAtt, If, Not, Ref, Sub, Template, route53

from tapgen.blocks import dns, frame, names, servers
from tapgen.blueprints.region_migration.shape import (
    CODE,
    REDIRECTED,
    ROLES,
    Shape,
    name,
    start,
)

DATABASE_TTL = 30
"""The TTL of the database's record, in seconds."""

# Host names of load balancers may contain capitals.
HOST_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9.-]+$"

# The hosted zone id of every accelerator's host name.
# https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html
_ACCELERATOR_ZONE = "Z2BJ6XQ5FK7U4H"

ZONE_NAME = f"{CODE}-${{{names.SUFFIX}}}.internal"


def accelerator(shape: Shape) -> Template:
    """Two static addresses, and a traffic dial for each region."""
    t = start("Global Accelerator with a traffic dial for each region", role=shape.home)
    endpoints = [
        servers.Endpoint(
            title=f"{role.title()}Endpoints",
            region=Ref(frame.region_parameter(role)),
            balancer_arn=frame.arn(
                t,
                f"{role.title()}AlbArn",
                f"ARN of the load balancer in the {role} region.",
                r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:loadbalancer/"
                r"app/[\w-]+/[0-9a-z]+$",
                "load balancer",
            ),
            dial=_dial(t, role),
        )
        for role in shape.regions
    ]
    path = frame.parameter(
        t,
        "HealthPath",
        description="Path that answers 200 while a server is healthy.",
        pattern=r"^/[\w./-]*$",
        constraint="a path such as /health",
    )
    frame.flag(
        t,
        "Tls",
        description="Whether the load balancers serve HTTPS.",
        condition="HasTls",
    )
    accelerator = servers.accelerator(
        t,
        "Accelerator",
        name=name("front"),
        endpoints=endpoints,
        port=If("HasTls", 443, 80),
        protocol=If("HasTls", "HTTPS", "HTTP"),
        health_path=path,
    )
    frame.outputs(
        t,
        ("AcceleratorArn", Ref(accelerator), "ARN of the accelerator"),
        (
            "AcceleratorDns",
            GetAtt(accelerator, "DnsName"),
            "Host name of the accelerator",
        ),
        (
            "AcceleratorIps",
            servers.addresses(accelerator),
            "The two static IP addresses of the accelerator",
        ),
        *(
            (
                f"{role.title()}EndpointGroupArn",
                Ref(f"{role.title()}Endpoints"),
                f"Endpoint group of the {role} region",
            )
            for role in shape.regions
        ),
    )
    return t


def _dial(t: Template, role: str) -> Ref:
    return frame.parameter(
        t,
        f"{role.title()}Dial",
        type="Number",
        description=f"Traffic dial of the {role} region, in percent.",
        MinValue=0,
        MaxValue=100,
    )


def names_of(shape: Shape) -> Template:
    """A private hosted zone with weighted records for application and database.

    With a domain, also its record for the accelerator, which a migration never changes.
    """
    t = start("DNS records with weights for each region", role=shape.home)
    zone = dns.private_zone(
        t,
        "PrivateZone",
        name=names.sub(ZONE_NAME),
        vpcs=[
            (_vpc_id(t, role), Ref(frame.region_parameter(role)))
            for role in shape.roles
        ],
    )
    for role in shape.regions:
        _records(t, shape, zone, role)
    _public_name(t)
    frame.outputs(
        t,
        ("PrivateZoneId", Ref(zone), "Id of the private hosted zone"),
        ("AppName", Sub(f"app.{ZONE_NAME}"), "Private domain name of the application"),
        ("DatabaseName", Sub(f"db.{ZONE_NAME}"), "Private domain name of the database"),
    )
    return t


def _vpc_id(t: Template, role: str) -> Ref:
    # Not of a VPC type: CloudFormation would not find the VPC of another region.
    return frame.wired(
        t,
        f"{role.title()}VpcId",
        f"VPC of the {role} region.",
        r"^vpc-[0-9a-f]+$",
        "the id of a VPC",
    )


def _records(t: Template, shape: Shape, zone: Any, role: str) -> None:
    what = role.title()
    weights = {
        thing: dns.weight(
            t,
            f"{thing}{what}Weight",
            description=f"Weight of the {role} region's {text}.",
        )
        for thing, text in (("App", "servers"), ("Db", "database"))
    }
    hosts = {
        thing: frame.wired(
            t,
            f"{what}{thing}",
            f"{text} in the {role} region.",
            pattern,
            constraint,
        )
        for thing, text, pattern, constraint in (
            ("AlbDns", "DNS name of the load balancer", HOST_PATTERN, "a host name"),
            (
                "AlbZone",
                "Hosted zone id of the load balancer",
                f"^{dns.ZONE_PATTERN}$",
                "a hosted zone id",
            ),
            ("RdsEndpoint", "Host name of the database", HOST_PATTERN, "a host name"),
        )
    }
    check = None
    if not shape.removed:
        # It fails while an operator has sent callers to the other region: the switch is
        # there, and counts nothing, so that it neither moves nor returns by itself.
        (other,) = {*ROLES} - {role}
        check = dns.alarm_check(
            t,
            f"{what}Check",
            name=name("app", role),
            alarm=name(REDIRECTED, other),
            region=Ref(frame.region_parameter(other)),
            without_data="LastKnownStatus",
        )
    dns.weighted(
        t,
        f"App{what}",
        zone=Ref(zone),
        domain=Sub(f"app.{ZONE_NAME}"),
        identifier=role,
        weight=weights["App"],
        to=dns.Alias(hosts["AlbDns"], hosts["AlbZone"]),
        check=check,
        evaluated=True,
    )
    dns.weighted_name(
        t,
        f"Database{what}",
        zone=Ref(zone),
        domain=Sub(f"db.{ZONE_NAME}"),
        identifier=role,
        weight=weights["Db"],
        host=hosts["RdsEndpoint"],
        ttl=DATABASE_TTL,
    )


def _public_name(t: Template) -> None:
    host = frame.wired(
        t,
        "AcceleratorDns",
        "Host name of the accelerator.",
        HOST_PATTERN,
        "a host name",
    )
    domain = frame.parameter(
        t,
        "DomainName",
        description="Public domain name of the application; empty for none.",
        Default="",
        pattern=f"^$|^{dns.DOMAIN_PATTERN}$",
        constraint="a domain in lower case, such as app.example.com, or nothing",
    )
    zone = dns.zone(t, optional=True)
    t.add_condition("HasDomain", And(Not(Equals(domain, "")), Not(Equals(zone, ""))))
    t.add_resource(
        route53.RecordSetType(
            "PublicName",
            Condition="HasDomain",
            HostedZoneId=zone,
            Name=domain,
            Type="A",
            AliasTarget=route53.AliasTarget(
                DNSName=host, HostedZoneId=_ACCELERATOR_ZONE, EvaluateTargetHealth=False
            ),
        )
    )
