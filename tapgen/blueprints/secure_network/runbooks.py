"""The name in front of the database, the switch that moves it, and the procedures."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Template

from tapgen.blocks import dns, frame, monitoring, names
from tapgen.blueprints import runbooks as documents
from tapgen.blueprints.secure_network import operators
from tapgen.blueprints.secure_network.shape import (
    DATABASE_NAME,
    METRICS,
    SWITCH_ALARM,
    SWITCH_METRIC,
    SWITCH_ROLE,
    ZONE,
    name,
)
from tapgen.procedures import secure_network
from tapgen.procedures.traffic import Switch

TTL = 30
"""Seconds that clients may keep the address behind the name."""

PROCEDURES = secure_network.procedures(
    source_arn=names.arn(
        "rds", f"db:{name('db', 'primary')}", region="${PrimaryRegion}"
    ),
    replica=name("db", "dr"),
    stack="${ReplicaStackId}",
    snapshot=name("before-promotion"),
    lag_alarm=name("db-lag", "dr"),
    switch=Switch(
        namespace=METRICS,
        metric=SWITCH_METRIC,
        alarm=SWITCH_ALARM,
        role=SWITCH_ROLE,
        region="${DrRegion}",
    ),
)
"""What an operator does when the primary region, or its database, is lost."""

OUTPUTS = tuple(documents.title(procedure.name) for procedure in PROCEDURES)
"""The outputs with the names of the runbooks."""


def switch(t: Template) -> None:
    """Add the switch with which an operator moves the name of the database.

    It keeps the last value of its metric, and works without the primary region.
    """
    monitoring.switch(
        t,
        "DatabaseNameMovedAlarm",
        name=SWITCH_ALARM,
        description="An operator has moved the name of the database to this region",
        namespace=names.sub(METRICS),
        metric=SWITCH_METRIC,
        topic_arn=Ref("AlertTopicArn"),
    )


def database_name() -> Template:
    """The private zone of both VPCs, and the name that leads to the writer in it.

    It follows the switch alone: a check of the database would send writers to a replica.
    Nobody has to change a record, which Route 53 takes in us-east-1 only.
    """
    t = frame.start("Private name of the database", role=frame.GLOBAL)
    zone = dns.private_zone(
        t,
        "PrivateZone",
        name=names.sub(ZONE),
        vpcs=[
            (_vpc_id(t, role), Ref(frame.region_parameter(role)))
            for role in ("primary", "dr")
        ],
    )
    check = dns.alarm_check(
        t,
        "SwitchCheck",
        name=name("db-name", "primary"),
        alarm=SWITCH_ALARM,
        region=Ref(frame.region_parameter(SWITCH_ROLE)),
        # The switch keeps its last value; before the first, it is healthy.
        without_data="LastKnownStatus",
    )
    for role in ("primary", "dr"):
        prefix = role.title()
        dns.failover_name(
            t,
            f"Database{prefix}",
            zone=Ref(zone),
            domain=names.sub(DATABASE_NAME),
            first=role == "primary",
            identifier=role,
            host=dns.host(
                t,
                f"{prefix}DatabaseEndpoint",
                f"Host of the database in the {frame.role_label(role)} region.",
            ),
            ttl=TTL,
            check=check if role == "primary" else None,
        )
    frame.outputs(
        t,
        ("PrivateZoneId", Ref(zone), "Id of the private hosted zone"),
        ("DatabaseName", names.sub(DATABASE_NAME), "Private name of the database"),
        (
            "SwitchCheckId",
            GetAtt(check, "HealthCheckId"),
            "Health check that fails while the name is moved",
        ),
    )
    return t


def _vpc_id(t: Template, role: str) -> Any:
    # Not of a VPC type: CloudFormation would not find the VPC of another region.
    return frame.wired(
        t,
        f"{role.title()}VpcId",
        f"VPC of the {frame.role_label(role)} region.",
        r"^vpc-[0-9a-f]+$",
        "the id of a VPC",
    )


def runbooks() -> Template:
    """The runbooks of the recovery region."""
    t = frame.start("Runbooks for the loss of the primary region", role="dr")
    operators.stack_id(t)
    role = frame.role_arn(t, "RunbookRoleArn", "ARN of the role that runbooks use.")
    documents.add(
        t,
        PROCEDURES,
        name=lambda procedure: name(procedure, "dr"),
        conditions={"dr": ""},
        role_arn=lambda _: role,
    )
    for title, procedure in zip(OUTPUTS, PROCEDURES, strict=True):
        frame.output(t, title, Ref(title), description=f"Runbook of {procedure.name}")
    return t
