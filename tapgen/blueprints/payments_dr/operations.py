"""Alarms, backups, costs and drills."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, If, Ref, Template

from tapgen.blocks import (
    aurora,
    backup,
    budget,
    drills,
    frame,
    monitoring,
    names,
    table,
)
from tapgen.blueprints.payments_dr import runbooks
from tapgen.blueprints.payments_dr.data import INDEXES
from tapgen.blueprints.payments_dr.shape import (
    BACKED_UP,
    DATA,
    HERE,
    IS_EVENTUAL,
    METRICS,
    OVERRIDE_ALARM,
    OVERRIDE_METRIC,
    PAYMENTS,
    REGIONS,
    REPLICA,
    ROLES,
    RULE,
    STAGE,
    consistency,
    database,
    experiment,
    function,
    is_dr,
    name,
)

# --- Alarms and dashboard --------------------------------------------------------------


def observe() -> Template:
    """Replication alarms, the operator's switch, and the dashboard."""
    t = frame.start("Replication alarms and dashboard", role=frame.EVERY)
    frame.is_primary(t)
    topic = frame.alert_topic(t)
    aurora.lag_alarm(
        t,
        measured=aurora.lag_dimensions(
            t,
            identifier=database(HERE),
            source=If(frame.IS_PRIMARY, Ref("DrRegion"), Ref("PrimaryRegion")),
        ),
        name=name("db-lag", HERE),
        threshold=frame.parameter(
            t,
            "ReplicationLagThresholdMs",
            label="Lag (ms)",
            type="Number",
            description="Alarm when the database lags behind by more milliseconds than this.",
            MinValue=100,
            MaxValue=600000,
        ),
        topic_arn=topic,
    )
    table.alarms(
        t,
        table=PAYMENTS,
        alarm_name=name("table-%s", HERE),
        topic_arn=topic,
        indexes=INDEXES,
    )
    consistency(t, IS_EVENTUAL)
    table.lag_alarm(
        t,
        "TableLagAlarm",
        name=name("table-lag", HERE),
        table=PAYMENTS,
        to=If(frame.IS_PRIMARY, Ref("DrRegion"), Ref("PrimaryRegion")),
        topic_arn=topic,
        condition=IS_EVENTUAL,
    )
    _override(t, topic)
    board = monitoring.dashboard(
        # Dashboard names are unique in an account, over all regions.
        t,
        "Dashboard",
        name=f"{name('overview', HERE)}-${{AWS::Region}}",
        widgets=_widgets(),
    )
    frame.output(t, "DashboardName", Ref(board), description="Name of the dashboard")
    frame.output(
        t,
        "LagAlarmName",
        Ref("ReplicationLagAlarm"),
        description="Alarm on replication lag; it goes off in a drill",
    )
    return t


def _override(t: Template, topic: Ref) -> None:
    """Add the switch with which an operator sends traffic to the recovery region.

    It keeps the last value of its metric, and works without the primary region.
    """
    monitoring.switch(
        t,
        "FailoverRequestedAlarm",
        name=OVERRIDE_ALARM,
        description="An operator sends traffic to the recovery region",
        namespace=names.sub(METRICS),
        metric=OVERRIDE_METRIC,
        topic_arn=topic,
        condition=is_dr(t),
    )


def _widgets() -> list[dict[str, Any]]:
    here = "${AWS::Region}"
    api = ["ApiName", name("api", HERE), "Stage", STAGE]
    run = ["FunctionName", function(HERE)]
    items = ["TableName", PAYMENTS]
    copied = ["SourceBucket", DATA, "DestinationBucket", REPLICA, "RuleId", RULE]
    # For all possible dimensions of the lag.
    sought = f'Namespace="AWS/RDS" MetricName="{aurora.LAG_METRIC}"'
    search = {"expression": f"SEARCH('{sought}', 'Maximum', 60)"}
    graphs = [
        ("Requests", "AWS/ApiGateway", ("Count", "4XXError", "5XXError"), api, "Sum"),
        ("Latency (p95)", "AWS/ApiGateway", ("Latency",), api, "p95"),
        ("Function", "AWS/Lambda", ("Invocations", "Errors", "Throttles"), run, "Sum"),
        ("Duration (p99)", "AWS/Lambda", ("Duration",), run, "p99"),
        (
            "Table",
            "AWS/DynamoDB",
            ("ReadThrottleEvents", "WriteThrottleEvents"),
            items,
            "Sum",
        ),
    ]
    simple = [
        monitoring.graph(
            title,
            [[namespace, metric, *dimensions] for metric in metrics],
            region=here,
            statistic=statistic,
            period=60,
        )
        for title, namespace, metrics, dimensions, statistic in graphs
    ]
    return [
        *simple,
        monitoring.graph(
            "Table behind (ms)",
            [
                ["AWS/DynamoDB", "ReplicationLatency", *items]
                + ["ReceivingRegion", REGIONS[to], {"region": REGIONS[role]}]
                for role, to in zip(ROLES, reversed(ROLES), strict=True)
            ],
            region=here,
            statistic="Average",
            period=60,
        ),
        monitoring.graph(
            "Database behind (ms)",
            [[{**search, "region": REGIONS[role]}] for role in ROLES],
            region=here,
            statistic="Maximum",
            period=60,
        ),
        monitoring.graph(
            "Objects behind (s)",
            [
                ["AWS/S3", "ReplicationLatency", *copied, {"region": REGIONS["dr"]}],
            ],
            region=here,
            statistic="Maximum",
            period=300,
        ),
    ]


# --- Backup ----------------------------------------------------------------------------


def backup_dr() -> Template:
    """The destination vault of backups, created before the plan."""
    t = frame.start("Backup vault for copies", role="dr")
    _vault(t, "dr")
    return t


def _vault(t: Template, role: str) -> Any:
    vault = backup.vault(
        t,
        "Vault",
        name=name("vault", role),
        key_arn=frame.key_arn(t),
        least_days=LEAST_BACKUP_DAYS,
    )
    backup.failed_alarms(
        t,
        vault=Ref(vault),
        name=name("%s-failed", role),
        topic_arn=frame.alert_topic(t),
    )
    frame.output(
        t, "VaultArn", GetAtt(vault, "BackupVaultArn"), description="ARN of the vault"
    )
    return vault


LEAST_BACKUP_DAYS = 7
"""The shortest retention that the settings allow, and the vaults demand."""


def backup_primary() -> Template:
    """The vault, the plan with copies to the other region, and its selection."""
    t = frame.start("Daily backups, copied to the recovery region", role="primary")
    _daily(t, Ref(_vault(t, "primary")), "dr")
    return t


def backup_plan_dr() -> Template:
    """The plan of the recovery region, with copies to the primary one.

    After a loss of the primary region, backups go on here. It stands apart from the
    vault, because each plan copies to the vault of the other.
    """
    t = frame.start("Daily backups, copied to the primary region", role="dr")
    plan = _daily(t, names.sub(name("vault", "dr")), "primary")
    frame.output(t, "PlanId", Ref(plan), description="Backup plan")
    return t


def _daily(t: Template, vault: Any, to: str) -> Any:
    """Add the plan of a region, whose backups are copied to a vault of the other."""
    days = frame.parameter(
        t,
        "BackupDays",
        type="Number",
        description="Days that a backup and its copy are kept.",
        MinValue=LEAST_BACKUP_DAYS,
        MaxValue=3650,
    )
    plan = backup.plan(
        t,
        "Plan",
        name=name("daily"),
        vault_name=vault,
        copy_to=backup.vault_parameter(
            t,
            f"{to.title()}VaultArn",
            description=f"ARN of the vault in the {frame.role_label(to)} region.",
        ),
        days=days,
        copy_days=days,
    )
    backup.selection(
        t,
        "Tagged",
        plan=plan,
        name=name("tagged"),
        role_arn=frame.role_arn(
            t, "BackupRoleArn", "ARN of the role that AWS Backup uses."
        ),
        tag=names.sub(BACKED_UP),
    )
    return plan


# --- Costs -----------------------------------------------------------------------------


def cost() -> Template:
    """The monthly budget, and the cost category if requested."""
    t = frame.start("Budget and cost category", role=frame.GLOBAL)
    frame.parameter(
        t,
        "ProjectTag",
        description="Value of the tag Project on the system's costs.",
        pattern=r"^[\w .:/=+@-]{1,256}$",
        constraint="the value of a tag",
    )
    monthly = budget.monthly(
        t,
        "Budget",
        name=name("monthly"),
        limit=frame.parameter(
            t,
            "MonthlyBudgetUsd",
            label="Budget (USD)",
            type="Number",
            description="Monthly budget in US dollars.",
            MinValue=1,
            MaxValue=frame.MOST,
        ),
        tag=("Project", "${ProjectTag}"),
        topic_arn=frame.alert_topic(t),
    )
    frame.flag(
        t,
        "CostCategory",
        description="Whether to categorize costs by region role; needs the payer account.",
        condition="HasCostCategory",
    )
    budget.cost_category(
        t,
        "ByRegionRole",
        name=name("by-region-role"),
        tag="DR-Role",
        otherwise="none",
        condition="HasCostCategory",
    )
    frame.output(t, "BudgetName", Ref(monthly), description="Name of the budget")
    return t


# --- Drills ----------------------------------------------------------------------------


def rehearsals() -> Template:
    """The experiment of a region, the drill schedule, and the runbooks."""
    t = frame.start(
        "Failover experiment, drill schedule and runbooks", role=frame.EVERY
    )
    due = frame.parameter(
        t,
        "DrillSchedule",
        description="Schedule of the drills, in UTC.",
        pattern=r"^(cron|rate)\([^()]+\)$",
        constraint="a schedule of EventBridge, such as cron(0 9 ? 1/3 2#1 *)",
    )
    schedule_role = _role(t, "ScheduleRoleArn", "schedules")
    failover = drills.fail_over(
        t,
        "Experiment",
        name=experiment(HERE),
        cluster_arn=names.arn("rds", f"cluster:{database(HERE)}"),
        role_arn=_role(t, "ExperimentRoleArn", "experiments"),
        # Impact on clients; the database's own alarms go off as expected.
        stop_alarm_arn=names.arn("cloudwatch", f"alarm:{name('api-5xx', HERE)}"),
    )
    drills.reminder(
        t,
        "DrillReminder",
        name=name("drill", HERE),
        schedule=due,
        topic_arn=frame.alert_topic(t),
        role_arn=schedule_role,
        message=f"A drill is due: run the runbook {runbooks.document('drill')}",
    )
    drills.start(
        t,
        "ExperimentStart",
        name=name("experiment", HERE),
        schedule=due,
        experiment=failover,
        role_arn=schedule_role,
        state=frame.parameter(
            t,
            "AutomaticExperiment",
            description="Whether the experiment starts automatically when a drill is due.",
            AllowedValues=["ENABLED", "DISABLED"],
        ),
        # A secondary cluster has no writer to lose.
        condition=frame.IS_PRIMARY,
    )
    runbooks.add(t, _role(t, "RunbookRoleArn", "runbooks"))
    frame.output(
        t, "ExperimentId", Ref(failover), description="Id of the experiment's template"
    )
    return t


def _role(t: Template, title: str, who: str) -> Ref:
    return frame.role_arn(t, title, f"ARN of the role that {who} use.")
