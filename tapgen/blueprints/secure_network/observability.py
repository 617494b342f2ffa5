"""The application's logs, and the dashboard of a region."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Select, Template

from tapgen.blocks import frame, monitoring, network
from tapgen.blueprints.secure_network.shape import (
    DATA,
    METRICS,
    REPLICA,
    RULE,
    Shape,
    name,
)


def observability(shape: Shape) -> Template:
    """The application's log group, its errors, and the dashboard."""
    t = frame.start("Application logs and dashboard", role=shape.spread)
    group = monitoring.application_log(
        t,
        name=name("app", shape.role),
        alarm_name=name("app-errors", shape.role),
        metrics=METRICS if shape.ideal else "",
    )
    if shape.ideal:
        drops = _nat_drops(t, shape)
    else:
        drops = _endpoint_drops(t)
    widgets = [*_storage_graphs(), *drops[0]]
    if shape.ideal:
        widgets += _database_graphs()
    board = monitoring.dashboard(
        t,
        "Dashboard",
        name=name("overview", shape.role),
        widgets=widgets,
        **drops[1],
    )
    frame.output(
        t, "LogGroupName", Ref(group), description="Log group of the application"
    )
    frame.output(t, "DashboardName", Ref(board), description="Name of the dashboard")
    return t


def _at(region: str, **more: Any) -> dict[str, Any]:
    """The options of a metric from a region in a graph."""
    return {"region": f"${{{region}}}", **more}


def _storage_graphs() -> list[dict[str, Any]]:
    size = {"StorageType": "StandardStorage"}
    replication = ["SourceBucket", DATA, "DestinationBucket", REPLICA, "RuleId", RULE]
    return [
        monitoring.graph(
            "Bucket size (daily)",
            [
                # S3 publishes sizes once a day, for each storage class.
                ["AWS/S3", "BucketSizeBytes", "BucketName", bucket]
                + [text for pair in size.items() for text in pair]
                + [_at(region, label=label)]
                for bucket, region, label in (
                    (DATA, "PrimaryRegion", "data"),
                    (REPLICA, "DrRegion", "replica"),
                )
            ],
            region="${PrimaryRegion}",
            statistic="Average",
            period=86400,
        ),
        monitoring.graph(
            "Replication",
            [
                ["AWS/S3", metric, *replication, _at(region, label=metric, stat=stat)]
                for metric, region, stat in (
                    ("ReplicationLatency", "DrRegion", "Maximum"),
                    ("OperationsPendingReplication", "DrRegion", "Maximum"),
                    ("OperationsFailedReplication", "PrimaryRegion", "Sum"),
                )
            ],
            region="${PrimaryRegion}",
            statistic="Maximum",
            period=300,
        ),
    ]


def _endpoint_drops(t: Template) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Add the alarm on dropped packets, for a VPC without NAT and flow logs."""
    endpoint = frame.parameter(
        t,
        "LogsEndpointId",
        group=frame.WIRING,
        label="Logs endpoint",
        description="Interface endpoint of the VPC that counts dropped packets.",
        pattern=r"^vpce-[0-9a-f]+$",
        constraint="the id of a VPC endpoint",
    )
    vpc_id = network.vpc_id(t, "The VPC.")
    dimensions = [
        *("Endpoint Type", "Interface"),
        *("Service Name", "com.amazonaws.${AWS::Region}.logs"),
        *("VPC Endpoint Id", f"${{{endpoint.data['Ref']}}}"),
        *("VPC Id", f"${{{vpc_id.data['Ref']}}}"),
    ]
    graph = monitoring.graph(
        "Packets dropped in the VPC",
        [["AWS/PrivateLinkEndpoints", "PacketsDropped", *dimensions]],
        region="${AWS::Region}",
        statistic="Sum",
        period=300,
    )
    return [graph], {}


def _nat_drops(
    t: Template, shape: Shape
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Graphs of packets dropped by NAT gateways, rejected packets, and application
    errors."""
    gateways = frame.parameter(
        t,
        "NatGatewayIds",
        group=frame.WIRING,
        label="NAT gateways",
        type="CommaDelimitedList",
        description="NAT gateways of the VPC, one for each zone.",
        pattern="^nat-[0-9a-f]+$",
        constraint="ids of NAT gateways, such as nat-0123456789abcdef0",
    )
    numbers = range(1, shape.zones + 1)
    drops = monitoring.graph(
        "Packets dropped in the VPC",
        [
            ["AWS/NATGateway", "PacketsDropCount", "NatGatewayId", f"${{Nat{n}}}"]
            for n in numbers
        ]
        + [[METRICS, "RejectedPackets", {"label": "rejected (flow log)"}]],
        region="${AWS::Region}",
        statistic="Sum",
        period=300,
    )
    errors = monitoring.graph(
        "Errors of the application",
        [[METRICS, "AppErrors"]],
        region="${AWS::Region}",
        statistic="Sum",
        period=60,
    )
    return [drops, errors], {f"Nat{n}": Select(n - 1, gateways) for n in numbers}


def _database_graphs() -> list[dict[str, Any]]:
    places = (("primary", "PrimaryRegion"), ("dr", "DrRegion"))
    load = [
        ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", name("db", role)]
        + [_at(region, label=role)]
        for role, region in places
    ]
    lag = ["AWS/RDS", "ReplicaLag", "DBInstanceIdentifier", name("db", "dr")]
    return [
        monitoring.graph(
            "Database processors (%)",
            load,
            region="${PrimaryRegion}",
            statistic="Average",
            period=300,
        ),
        monitoring.graph(
            "Replica behind (seconds)",
            [[*lag, _at("DrRegion")]],
            region="${DrRegion}",
            statistic="Maximum",
            period=60,
        ),
    ]
