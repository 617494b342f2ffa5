"""The application's logs, and the dashboard of a region."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Template

from tapgen.blocks import frame, monitoring
from tapgen.blueprints.region_migration.data import replication_metrics
from tapgen.blueprints.region_migration.shape import (
    COLOURS,
    METRICS,
    Shape,
    fleet,
    name,
    source_bucket,
    start,
)


def observability(shape: Shape) -> Template:
    """The application's log group, its errors, and the dashboard."""
    t = start("Application logs and dashboard", role=shape.spread)
    source_bucket(t, shape)
    group = monitoring.application_log(
        t,
        name=name("app", shape.role),
        alarm_name=name("app-errors", shape.role),
        metrics=METRICS,
    )
    board = monitoring.dashboard(
        t,
        "Dashboard",
        name=name("migration", shape.role),
        widgets=[
            *([] if shape.removed else _replication_graphs(shape)),
            *_database_graphs(shape),
            *_server_graphs(t, shape),
        ],
    )
    frame.output(
        t, "LogGroupName", Ref(group), description="Log group of the application"
    )
    frame.output(t, "DashboardName", Ref(board), description="Name of the dashboard")
    return t


def _at(role: str, **more: Any) -> dict[str, Any]:
    """The options of a metric from a region role's region in a graph."""
    return {"region": f"${{{frame.region_parameter(role)}}}", **more}


def _replication_graphs(shape: Shape) -> list[dict[str, Any]]:
    replication = ["RuleId", replication_metrics(shape)["RuleId"]]
    buckets = [
        "SourceBucket",
        shape.data,
        "DestinationBucket",
        name("data", "target", unique=True),
    ]
    return [
        monitoring.graph(
            f"Replication: {title}",
            [["AWS/S3", metric, *buckets, *replication, _at(role, label=metric)]],
            region=f"${{{frame.region_parameter(role)}}}",
            statistic=statistic,
            period=300,
        )
        for title, metric, role, statistic in (
            ("bytes to come", "BytesPendingReplication", "target", "Maximum"),
            ("failed objects", "OperationsFailedReplication", "source", "Sum"),
        )
    ]


def _database_graphs(shape: Shape) -> list[dict[str, Any]]:
    def instance(metric: str, role: str) -> list[Any]:
        identifier = ["DBInstanceIdentifier", name("db", role)]
        return ["AWS/RDS", metric, *identifier, _at(role, label=role)]

    lag = monitoring.graph(
        "Replica behind (seconds)",
        [instance("ReplicaLag", "target")],
        region="${TargetRegion}",
        statistic="Maximum",
        period=60,
    )
    return [
        *([] if shape.removed else [lag]),
        monitoring.graph(
            "Database connections",
            [instance("DatabaseConnections", role) for role in shape.roles],
            region="${TargetRegion}",
            statistic="Average",
            period=60,
        ),
    ]


def _server_graphs(t: Template, shape: Shape) -> list[dict[str, Any]]:
    balancer = frame.wired(
        t,
        "AlbFullName",
        "Full name of the load balancer in this region, for metrics.",
        r"^app/[\w-]+/[0-9a-z]+$",
        "the full name of a load balancer",
    )
    groups = {
        colour: frame.wired(
            t,
            f"{colour.title()}TgFullName",
            f"Full name of the target group of the {colour} servers, for metrics.",
            r"^targetgroup/[\w-]+/[0-9a-z]+$",
            "the full name of a target group",
        )
        for colour in COLOURS
    }
    whole = ["LoadBalancer", f"${{{balancer.data['Ref']}}}"]
    one = {
        colour: ["TargetGroup", f"${{{group.data['Ref']}}}", *whole]
        for colour, group in groups.items()
    }

    def by_colour(*metrics: str) -> list[list[Any]]:
        return [
            [
                "AWS/ApplicationELB",
                metric,
                *one[colour],
                {"label": f"{colour} {metric}"},
            ]
            for metric in metrics
            for colour in COLOURS
        ]

    here = "${AWS::Region}"
    return [
        monitoring.graph(
            "Healthy and unhealthy servers",
            by_colour("HealthyHostCount", "UnHealthyHostCount"),
            region=here,
            statistic="Maximum",
            period=60,
        ),
        monitoring.graph(
            "Requests by colour",
            by_colour("RequestCount"),
            region=here,
            statistic="Sum",
            period=60,
        ),
        monitoring.graph(
            "Errors",
            [
                *by_colour("HTTPCode_Target_5XX_Count"),
                ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", *whole],
                [METRICS, "AppErrors"],
            ],
            region=here,
            statistic="Sum",
            period=60,
        ),
        monitoring.graph(
            "Server processors (%)",
            [
                ["AWS/EC2", "CPUUtilization", "AutoScalingGroupName"]
                + [fleet(colour, shape.role), {"label": colour}]
                for colour in COLOURS
            ],
            region=here,
            statistic="Average",
            period=300,
        ),
    ]
