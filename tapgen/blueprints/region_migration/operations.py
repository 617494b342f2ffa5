"""The role that carries out the migration, and its plan as data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from awacs import autoscaling as scaling_actions
from awacs import cloudwatch as metric_actions
from awacs import elasticloadbalancing as balancer_actions
from awacs import globalaccelerator as accelerator_actions
from awacs import iam as iam_actions
from awacs import kms as key_actions
from awacs import rds as database_actions
from awacs import route53 as dns_actions
from awacs import s3 as bucket_actions
from awacs import ssm as switch_actions
from awacs.aws import (
    Allow,
    ArnLike,
    Bool,
    Condition,
    ForAllValuesStringEquals,
    Principal,
    Statement,
    StringEquals,
)
from awacs.sts import AssumeRole
from troposphere import GetAtt, Ref, Sub, Template, iam, ssm

from tapgen.blocks import explained, frame, names, security
from tapgen.blueprints.region_migration import runbooks
from tapgen.blueprints.region_migration.shape import (
    COLOURS,
    METRICS,
    ROLES,
    WRITES,
    Shape,
    fleet,
    name,
    source_bucket,
    start,
)
from tapgen.blueprints.region_migration.traffic import ZONE_NAME

PLAN = f"{WRITES.removesuffix('writes')}plan"
"""The SSM parameter with the migration plan."""

LARGEST_PLAN = 4096
"""The maximum size of a standard SSM parameter, in characters."""

SESSION_SECONDS = 4 * 3600
"""The session duration of the migration role, in seconds."""


def operations(shape: Shape) -> Template:
    """The migration role, and the plan."""
    t = start("IAM role and plan for the migration", role=shape.home)
    source_bucket(t, shape)
    operators = frame.principals(
        t, "OperatorArns", "ARN patterns of people that may carry out the migration."
    )
    t.add_resource(
        iam.Role(
            "MigrationRole",
            Metadata=explained.metadata("role"),
            RoleName=names.sub(name("migration")),
            **security.within(name("migration")),
            Description="Carries out the migration, step by step",
            MaxSessionDuration=SESSION_SECONDS,
            AssumeRolePolicyDocument=security.document(
                Statement(
                    Sid="Assume",
                    Effect=Allow,
                    Principal=Principal(
                        "AWS", names.sub(names.arn("iam", "root", region=""))
                    ),
                    Action=[AssumeRole],
                    Condition=Condition(ArnLike({"aws:PrincipalArn": operators})),
                )
            ),
            Policies=[
                iam.Policy(
                    PolicyName=thing,
                    PolicyDocument=security.document(*statements),
                )
                for thing, statements in (
                    ("look", _look()),
                    ("storage", _storage(t, shape)),
                    ("servers", _servers(t, shape)),
                    ("database", _database(t, shape)),
                    ("traffic", _traffic(t)),
                    ("redirect", _redirect()),
                    ("runbooks", _runbooks(shape)),
                )
            ],
        )
    )
    t.add_resource(
        ssm.Parameter(
            "MigrationPlan",
            Name=names.sub(PLAN),
            Type="String",
            Value=Sub(json.dumps(plan(shape), separators=(",", ":"))),
            Description="Phases of the migration, and what must hold before and after",
        )
    )
    frame.output(
        t,
        "MigrationRoleArn",
        GetAtt("MigrationRole", "Arn"),
        description="Role that carries out the migration",
    )
    frame.output(
        t,
        "MigrationPlanName",
        Ref("MigrationPlan"),
        description="SSM parameter with the migration plan",
    )
    return t


def _look() -> list[Statement]:
    """Read actions; these services support no resources for them.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    return [
        security.statement(
            "ReadWhereNoResourceCanBeNamed",
            [
                balancer_actions.DescribeListeners,
                balancer_actions.DescribeTargetGroups,
                balancer_actions.DescribeTargetHealth,
                scaling_actions.DescribeAutoScalingGroups,
                scaling_actions.DescribeInstanceRefreshes,
                metric_actions.GetMetricData,
            ],
            ["*"],
        ),
        security.statement(
            "ReadAlarms",
            [metric_actions.DescribeAlarms],
            [names.arn("cloudwatch", "alarm:*", region="*")],
        ),
    ]


def _storage(t: Template, shape: Shape) -> list[Statement]:
    bucket = names.bucket_arn(shape.data)
    roles = {
        title: frame.role_arn(t, f"{title}Arn", text)
        for title, text in (
            ("ReplicationRole", "ARN of the role that S3 uses to replicate."),
            ("SyncRole", "ARN of the role of the runbook sync."),
        )
    }
    jobs = names.arn("s3", "job/*", region="${SourceRegion}")
    return [
        security.statement(
            "Replication",
            [
                bucket_actions.GetReplicationConfiguration,
                bucket_actions.PutReplicationConfiguration,
            ],
            [bucket],
        ),
        security.statement(
            "WatchJobs",
            [bucket_actions.DescribeJob, bucket_actions.UpdateJobStatus],
            [jobs],
        ),
        *(
            security.statement(
                f"Pass{title}",
                [iam_actions.PassRole],
                [roles[title]],
                StringEquals({"iam:PassedToService": service}),
            )
            for title, service in (
                ("ReplicationRole", "s3.amazonaws.com"),
                ("SyncRole", "ssm.amazonaws.com"),
            )
        ),
    ]


def _regions(shape: Shape) -> list[tuple[str, str]]:
    """Return each region role with resources, and its region."""
    return [(role, f"${{{frame.region_parameter(role)}}}") for role in shape.roles]


def _servers(t: Template, shape: Shape) -> list[Statement]:
    listeners = [
        frame.arn(
            t,
            f"{role.title()}ListenerArn",
            f"ARN of the listener in the {role} region.",
            r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:listener/app/.+$",
            "listener",
        )
        for role in shape.roles
    ]
    groups = [
        names.arn(
            "autoscaling",
            f"autoScalingGroup:*:autoScalingGroupName/{fleet(colour, role)}",
            region=region,
        )
        for role, region in _regions(shape)
        for colour in COLOURS
    ]
    switches = [
        names.arn("ssm", f"parameter{WRITES}", region=region)
        for _, region in _regions(shape)
    ]
    return [
        security.statement("TurnWeights", [balancer_actions.ModifyListener], listeners),
        security.statement(
            "ScaleColours",
            [
                scaling_actions.CancelInstanceRefresh,
                scaling_actions.RollbackInstanceRefresh,
                scaling_actions.StartInstanceRefresh,
                scaling_actions.UpdateAutoScalingGroup,
            ],
            groups,
        ),
        security.statement(
            "PauseWrites",
            [switch_actions.GetParameter, switch_actions.PutParameter],
            switches,
        ),
    ]


def _database(t: Template, shape: Shape) -> list[Statement]:
    source = frame.arn(
        t,
        "SourceDbArn",
        "ARN of the database that is migrated.",
        r"^arn:aws[a-z-]*:rds:[a-z0-9-]+:\d{12}:db:[a-z][a-z0-9-]*$",
        "database instance",
    )
    target = names.arn("rds", f"db:{name('db', 'target')}", region="${TargetRegion}")
    snapshots = [
        names.arn("rds", f"snapshot:{name('*')}", region=f"${{{region}}}")
        for region in map(frame.region_parameter, ROLES)
    ]
    keys = [
        frame.other_key(
            t,
            f"{role.title()}KeyArn",
            f"ARN of the key of the database in the {role} region.",
        )
        for role in ROLES
    ]
    via = [
        names.sub(f"rds.${{{region}}}.${{AWS::URLSuffix}}")
        for region in map(frame.region_parameter, ROLES)
    ]
    return [
        security.statement(
            "Promote",
            [
                database_actions.ModifyDBInstance,
                database_actions.PromoteReadReplica,
            ],
            [target],
        ),
        security.statement(
            "Snapshot",
            [
                database_actions.AddTagsToResource,
                database_actions.CreateDBSnapshot,
                database_actions.DescribeDBSnapshots,
            ],
            [source, target, *snapshots],
        ),
        security.statement(
            "Look", [database_actions.DescribeDBInstances], [source, target]
        ),
        # Only requests for a grant carry its purpose.
        security.statement(
            "EncryptSnapshots",
            [key_actions.CreateGrant],
            keys,
            StringEquals({"kms:ViaService": via}),
            Bool({"kms:GrantIsForAWSResource": "true"}),
        ),
        security.statement(
            "ReadKeysOfSnapshots",
            [key_actions.DescribeKey],
            keys,
            StringEquals({"kms:ViaService": via}),
        ),
    ]


def _traffic(t: Template) -> list[Statement]:
    groups = [
        frame.arn(
            t,
            f"{role.title()}EndpointGroupArn",
            f"ARN of the accelerator's endpoint group of the {role} region.",
            r"^arn:aws[a-z-]*:globalaccelerator::\d{12}:accelerator/.+/endpoint-group/"
            r"[\w-]+$",
            "endpoint group",
        )
        for role in ROLES
    ]
    zone_id = frame.wired(
        t,
        "PrivateZoneId",
        "Private hosted zone with the names of application and database.",
        r"^Z[A-Z0-9]+$",
        "the id of a hosted zone",
    )
    zone = names.arn(
        "route53", f"hostedzone/${{{zone_id.data['Ref']}}}", region="", account=""
    )
    changes = names.arn("route53", "change/*", region="", account="")
    records: Sequence[Any] = [
        names.sub(f"{thing}.{ZONE_NAME}") for thing in ("app", "db")
    ]
    return [
        security.statement(
            "TurnDials",
            [
                accelerator_actions.DescribeEndpointGroup,
                accelerator_actions.UpdateEndpointGroup,
            ],
            groups,
        ),
        security.statement(
            "MoveNames",
            [dns_actions.ChangeResourceRecordSets],
            [zone],
            ForAllValuesStringEquals(
                {"route53:ChangeResourceRecordSetsNormalizedRecordNames": records}
            ),
        ),
        security.statement("ReadNames", [dns_actions.ListResourceRecordSets], [zone]),
        security.statement("AwaitChanges", [dns_actions.GetChange], [changes]),
    ]


def _redirect() -> list[Statement]:
    """Allow turning the switches that health checks watch, in both regions.

    Metrics are no resources: a condition limits this to the namespace of the system.
    """
    return [
        security.statement(
            "TurnSwitches",
            [metric_actions.PutMetricData],
            ["*"],
            StringEquals({"cloudwatch:namespace": names.sub(METRICS)}),
        )
    ]


def _runbooks(shape: Shape) -> list[Statement]:
    """Allow starting the runbooks, which then use the caller's role."""
    documents = [
        names.arn(
            "ssm",
            f"{kind}/{runbooks.document(procedure.name, role)}{version}",
            region=f"${{{frame.region_parameter(role)}}}",
        )
        for role in ROLES
        for procedure in runbooks.procedures(shape)
        if role in procedure.roles
        for kind, version in (("automation-definition", ":*"), ("document", ""))
    ]
    executions = [
        names.arn("ssm", "automation-execution/*", region=f"${{{region}}}")
        for region in map(frame.region_parameter, ROLES)
    ]
    return [
        security.statement(
            "StartRunbooks", [switch_actions.StartAutomationExecution], documents
        ),
        security.statement(
            "WatchRunbooks", [switch_actions.GetAutomationExecution], executions
        ),
    ]


def plan(shape: Shape) -> dict[str, Any]:
    """Return the phases of the migration: entry and exit criteria, and parameters to
    change.

    `gates` are alarms that must be OK before the phase ends. `turns` are the parameters
    to change, in order, each as part and name.
    """

    def phase(
        title: str,
        criteria: dict[str, tuple[str, str]],
        gates: Sequence[str] = (),
        turns: Sequence[str] = (),
    ) -> dict[str, Any]:
        steps: dict[str, Any] = {"phase": title}
        for thing, (before, after) in criteria.items():
            steps[thing] = {"entry": before, "exit": after}
        return {**steps, "gates": list(gates), "turns": list(turns)}

    target = [name(f"{c}-unhealthy", "target") for c in COLOURS]
    lag, failed = name("db-lag", "target"), name("replication-failed", "source")
    behind = name("replication-latency", "target")
    return {
        "system": name(""),
        "phases": [
            phase(
                "prepare",
                {
                    "s3": ("source versioned", "rule enabled, target encrypted"),
                    "ec2": ("image in target region", "all targets healthy"),
                    "rds": ("source has backups", "replica replicating"),
                },
                gates=target,
            ),
            phase(
                "sync",
                {
                    "s3": ("rule enabled", "batch job complete, 0 failed, 0 pending"),
                    "ec2": ("targets healthy", "smoke test on target passes"),
                    "rds": ("replica replicating", "ReplicaLag < 5 s"),
                },
                gates=[failed, behind, lag],
            ),
            phase(
                "shift",
                {
                    "s3": ("0 pending", "writers use target bucket"),
                    "ec2": ("targets healthy", "target takes all requests, no 5XX"),
                    "rds": (
                        "ReplicaLag < 5 s",
                        "snapshot taken, writes paused, last LSN replayed",
                    ),
                },
                gates=[*target, lag],
                turns=[
                    "servers.Writes",
                    "accelerator.TargetDial",
                    "accelerator.SourceDial",
                    "dns.AppTargetWeight",
                    "dns.AppSourceWeight",
                ],
            ),
            phase(
                "promote",
                {
                    "s3": ("writers use target bucket", "final delta replicated"),
                    "ec2": ("writes paused", "writes allowed in target"),
                    "rds": (
                        "last LSN replayed, no backup runs",
                        "own master, backups on",
                    ),
                },
                gates=[name("db-cpu", "target"), name("db-storage", "target")],
                turns=[
                    "servers.Writes",
                    "database-target.Promoted",
                    "dns.DbTargetWeight",
                    "dns.DbSourceWeight",
                    "servers.Writes",
                    "database-target.Standby",
                ],
            ),
            phase(
                "decommission",
                {
                    "s3": ("0 pending both ways", "rules removed, source retained"),
                    "ec2": ("24 h without requests", "source removed"),
                    "rds": ("24 h without connections", "final snapshot, source gone"),
                },
                gates=[name("backup-failed", "target")],
            ),
        ],
    }
