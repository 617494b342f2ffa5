"""All roles of the system, in two parts, because IAM is global."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from awacs import cloudwatch, dynamodb, route53, ssm
from awacs.aws import (
    ArnLike,
    Condition,
    ForAllValuesStringEquals,
    Statement,
    StringEquals,
)
from troposphere import Equals, GetAtt, Join, Not, Ref, Template

from tapgen.blocks import (
    api_logs,
    aurora,
    backup,
    compute,
)
from tapgen.blocks import database as postgres
from tapgen.blocks import (
    drills,
    flows,
    frame,
    monitoring,
    names,
    operators,
    protection,
    security,
    storage,
)
from tapgen.blueprints.payments_dr.shape import (
    METRICS,
    REGIONS,
    ROLES,
    TRAIL,
    Shape,
    buckets,
    database_arn,
    experiment,
    function,
    global_database_arn,
    health_function,
    key_parameters,
    name,
    payments,
    topic_arn,
)

FENCE = "#fence"
"""The id of the table's items that close regions for payments."""

EXTERNAL_ID = name("failover")
"""The external id with which automation assumes the operators' role."""


def roles(shape: Shape) -> Template:
    """One role for each service that runs the system."""
    t = frame.start("IAM roles, one for each service", role=frame.GLOBAL)
    primary_key, dr_key = key_parameters(t)
    _function_role(t, primary_key, dr_key)
    _health_role(t, primary_key, dr_key)
    _replication_roles(t, primary_key, dr_key)
    postgres.monitoring_role(t, "MonitoringRole", name=name("db-monitoring"))
    _give(t, "MonitoringRole", "Lets RDS publish operating system metrics")
    backup.role(t, "BackupRole", name=name("backup"))
    what = "Lets AWS Backup back up and restore what is tagged for it"
    _give(t, "BackupRole", what)
    flows.role(
        t,
        "FlowLogsRole",
        name=name("flow-logs"),
        groups={name("flow", role): REGIONS[role] for role in ROLES},
    )
    _give(t, "FlowLogsRole", "Lets the VPCs write their flow logs")
    protection.trail_role(t, "TrailRole", name=name("trail"), group=TRAIL)
    _give(t, "TrailRole", "Lets CloudTrail write its log group")
    if shape.baseline:
        api_logs.logging_role(t, "ApiLoggingRole", name=name("api-logging"))
        _give(t, "ApiLoggingRole", "Lets API Gateway write its logs")
    return t


def operator_roles() -> Template:
    """The roles for failover and drills: of people, runbooks, experiments."""
    t = frame.start("IAM roles for failover and drills", role=frame.GLOBAL)
    primary_key, dr_key = key_parameters(t)
    _operator_roles(t, primary_key, dr_key)
    _drill_roles(t, primary_key, dr_key)
    return t


def _give(t: Template, title: str, what: str, when: str = "") -> None:
    arn = GetAtt(title, "Arn")
    frame.output(t, f"{title}Arn", arn, description=what, condition=when)


def _function_role(t: Template, primary_key: Ref, dr_key: Ref) -> None:
    """Add the function's role: the same permissions in both regions."""
    regions = [REGIONS[role] for role in ROLES]
    functions = [function(role) for role in ROLES]
    clusters = [database_arn(role) for role in ROLES]
    what = "What the function behind the payments API may do"
    security.service_role(
        t,
        "FunctionRole",
        name=name("validate"),
        service="lambda.amazonaws.com",
        description=what,
        allow=[
            *payments(primary_key, dr_key).allow(
                "UsePayments",
                [
                    dynamodb.GetItem,
                    dynamodb.PutItem,
                    dynamodb.Query,
                    dynamodb.UpdateItem,
                ],
            ),
            *_objects(primary_key, dr_key),
            *monitoring.publish_to(
                [topic_arn("payments", role) for role in ROLES],
                [primary_key, dr_key],
                regions,
            ),
            *aurora.describe(global_database_arn(), clusters),
            *compute.write_logs(functions, regions),
            compute.trace(),
            *compute.attach_to_vpc(functions, regions),
        ],
        kinds=["role in a VPC"],
        # Lambda sends no source when it assumes a role for a function.
        when=(),
    )
    _give(t, "FunctionRole", what)


def _health_role(t: Template, primary_key: Ref, dr_key: Ref) -> None:
    """Add the role of the function for health checks, which anybody may call."""
    regions = [REGIONS[role] for role in ROLES]
    functions = [health_function(role) for role in ROLES]
    what = "What the function behind the health checks may do"
    security.service_role(
        t,
        "HealthRole",
        name=name("health"),
        service="lambda.amazonaws.com",
        description=what,
        allow=[
            *payments(primary_key, dr_key).allow(
                "SeeClosedRegions",
                [dynamodb.GetItem],
                ForAllValuesStringEquals({"dynamodb:LeadingKeys": [FENCE]}),
            ),
            *compute.write_logs(functions, regions),
            compute.trace(),
            *compute.attach_to_vpc(functions, regions),
        ],
        kinds=["role in a VPC"],
        when=(),
    )
    _give(t, "HealthRole", what)


def _objects(primary_key: Ref, dr_key: Ref) -> Iterator[Statement]:
    """Allow reading and putting objects in both regions."""
    for role, bucket in buckets(primary_key, dr_key).items():
        yield from bucket.read(f"Read{role.title()}")
        yield from bucket.put(f"Put{role.title()}")


def _replication_roles(t: Template, primary_key: Ref, dr_key: Ref) -> None:
    both = buckets(primary_key, dr_key)
    for title, thing, source, to in (
        ("ReplicationRole", "replication", both["primary"], both["dr"]),
        ("ReverseReplicationRole", "replication-back", both["dr"], both["primary"]),
    ):
        what = "Lets S3 copy objects from one region to the other"
        storage.replication_role(
            t,
            title,
            name=name(thing),
            description=what,
            source=source,
            destination=to,
        )
        _give(t, title, what)


_HAS_AUTOMATION = "HasAutomation"


def _operator_roles(t: Template, primary_key: Ref, dr_key: Ref) -> None:
    """Add the roles for failover in either direction, and for nothing else.

    People assume theirs with a second factor, and automation, if there is any, with an
    external id.
    Systems Manager assumes the one for runbooks, which allows what their steps call, in
    both regions. The first two may also start runbooks, for which people need nothing
    else, and see how they go.
    """
    named = frame.principals(
        t, "OperatorArns", "ARN patterns of people that may run a failover."
    )
    # Never those of people: an external id is no secret, so people who may assume both
    # roles would need no second factor.
    automation = frame.principals(
        t,
        "AutomationArns",
        "ARN patterns of automation that may run a failover; empty for none.",
        optional=True,
    )
    t.add_condition(_HAS_AUTOMATION, Not(Equals(Join("", automation), "")))
    person = operators.people(t, named)
    move = operators.policy(
        t,
        "OperatorPolicy",
        name=name("operator"),
        description="Moves payments from one region to the other",
        allow=_operations(primary_key, dr_key),
    )
    start = operators.policy(
        t,
        "StarterPolicy",
        name=name("starter"),
        description="Starts runbooks, and sees how they go",
        allow=[
            *operators.start(
                name("*"), [REGIONS[role] for role in ROLES], name("runbook")
            ),
            *_sight(primary_key, dr_key),
        ],
    )
    what = "Fails payments over from one region to the other"

    def role(title: str, thing: str, when: str = "", **more: Any) -> None:
        operators.role(t, title, name=name(thing), description=what, when=when, **more)
        _give(t, title, "Role for failover", when)

    role(
        "OperatorRole",
        "operator",
        who=operators.ACCOUNT,
        condition=person,
        policies=[move, start],
        actions=operators.TAGGED,
    )
    machine = ArnLike({"aws:PrincipalArn": automation})
    external = StringEquals({"sts:ExternalId": names.sub(EXTERNAL_ID)})
    role(
        "AutomationRole",
        "automation",
        when=_HAS_AUTOMATION,
        who=operators.ACCOUNT,
        condition=Condition([machine, external]),
        policies=[move, start],
    )
    role(
        "RunbookRole",
        "runbook",
        who=operators.RUNBOOKS,
        condition=Condition(security.own_account()),
        policies=[move],
    )


def _sight(primary_key: Ref, dr_key: Ref) -> list[Statement]:
    """Allow seeing what a failover depends on, and which regions are closed."""
    fence = ForAllValuesStringEquals({"dynamodb:LeadingKeys": [FENCE]})
    return [
        security.statement(
            "ReadWhereNoResourceCanBeNamed",
            [cloudwatch.GetMetricData, ssm.DescribeAutomationExecutions],
            ["*"],
        ),
        # Read only: changing a health check depends on Route 53's control plane in a
        # single region, and their ids are unknown here.
        security.statement(
            "SeeHealthChecks",
            [route53.GetHealthCheck, route53.GetHealthCheckStatus],
            [names.arn("route53", "healthcheck/*", region="", account="")],
        ),
        *payments(primary_key, dr_key).allow(
            "SeeClosedRegions", [dynamodb.GetItem], fence
        ),
    ]


def _operations(primary_key: Ref, dr_key: Ref) -> list[Statement]:
    """Allow what the runbooks call."""
    regions = [REGIONS[role] for role in ROLES]
    clusters = [database_arn(role) for role in ROLES]
    metrics = StringEquals({"cloudwatch:namespace": names.sub(METRICS)})
    fence = ForAllValuesStringEquals({"dynamodb:LeadingKeys": [FENCE]})
    return [
        *aurora.move(global_database_arn(), clusters),
        security.statement(
            "RingAlarms",
            [cloudwatch.SetAlarmState],
            [names.arn("cloudwatch", f"alarm:{name('*')}", region=r) for r in regions],
        ),
        security.statement(
            "SeeAlarms",
            [cloudwatch.DescribeAlarms],
            [names.arn("cloudwatch", "alarm:*", region=r) for r in regions],
        ),
        # Metrics are no resources; a condition limits writing to the system's
        # namespace.
        security.statement(
            "AskForFailover", [cloudwatch.PutMetricData], ["*"], metrics
        ),
        *payments(primary_key, dr_key).allow(
            "CloseRegions", [dynamodb.GetItem, dynamodb.PutItem], fence
        ),
    ]


def _drill_roles(t: Template, primary_key: Ref, dr_key: Ref) -> None:
    regions = [REGIONS[role] for role in ROLES]
    what = "Lets FIS fail the database's writer over"
    security.service_role(
        t,
        "ExperimentRole",
        name=name("experiment"),
        service="fis.amazonaws.com",
        description=what,
        allow=drills.fail_over_statements(
            [database_arn(role) for role in ROLES], regions
        ),
    )
    _give(t, "ExperimentRole", what)
    what = "Lets schedules remind of drills and start experiments"
    experiments = ("Name", [names.sub(experiment(role)) for role in ROLES])
    security.service_role(
        t,
        "ScheduleRole",
        name=name("schedule"),
        service="scheduler.amazonaws.com",
        description=what,
        allow=[
            *monitoring.publish_to(
                [topic_arn("alerts", role) for role in ROLES],
                [primary_key, dr_key],
                regions,
            ),
            *drills.start_statements(experiments, regions),
        ],
    )
    _give(t, "ScheduleRole", what)
