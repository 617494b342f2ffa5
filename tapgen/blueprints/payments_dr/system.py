"""Build the parts of a payments_dr from a config, and connect their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from troposphere import Template

from tapgen.blocks import names
from tapgen.blueprints.encoding import Recipe, recipe
from tapgen.blueprints.parts import Part, assemble
from tapgen.blueprints.payments_dr import (
    application,
    data,
    foundation,
    networks,
    operations,
    roles,
    runbooks,
)
from tapgen.blueprints.payments_dr.shape import OTHER, ROLES, Shape, finish
from tapgen.config import Config
from tapgen.errors import BlueprintError
from tapgen.knowledge.consistency import STRONG, witness
from tapgen.model import AtFirst, Output, Precondition, System, Value

if TYPE_CHECKING:  # at run time it is the checker's, which is quick to import
    from tapgen.blueprints.payments_dr.settings import Domain, Settings

TAGS = {"Project": "PaymentProcessing", "Purpose": "DisasterRecovery"}
"""Tags of every stack set, besides those that all systems have."""

By = dict[str, dict[str, Value]]

# Outputs that parts take from each other. Regions are region roles.
_KEYS: Mapping[str, Value] = {
    "primary": Output("keys", "KmsKeyArn", region="primary"),
    "dr": Output("keys-dr", "KmsKeyArn", region="dr"),
}
_BOTH_KEYS: Mapping[str, Value] = {
    "PrimaryKeyArn": _KEYS["primary"],
    "DrKeyArn": _KEYS["dr"],
}
_TOPIC = Output("messages", "AlertTopicArn")
_LOG_BUCKET = Output("logs", "LogBucketName")


def _text(value: bool | int | str) -> str:
    """Return a setting as the text of a parameter."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _role(output: str) -> Output:
    return Output("roles", output, region="primary")


def _own_keys() -> By:
    return {role: {"KmsKeyArn": key} for role, key in _KEYS.items()}


def build(config: Config) -> System:
    """Return the system of a config.

    Raises BlueprintError if a name is too long or a certificate is in another region
    than its API.
    """
    settings = cast("Settings", config.settings)
    if settings.domain is not None:
        _check_certificates(config, settings.domain)
    if settings.consistency == "strong":
        _check_consistency(config)
    shape = Shape(
        instances=settings.database.instances,
        baseline=config.account_baseline == "create",
    )
    tags = {**TAGS, **config.tags}
    areas: tuple[Callable[[Shape, Settings], Iterator[Part]], ...] = (
        _foundation,
        _network,
        partial(_data, config),
        _database,
        _application,
        _backup,
        _rehearsals,
    )
    parts = [part for area in areas for part in area(shape, settings)]
    parts.append(_cost(settings, tags["Project"]))
    tagged = (replace(p, template=recipe(_tagged, p.template, p.role)) for p in parts)
    system = assemble(replace(config, tags=tags), tagged)
    return replace(
        system,
        procedures=runbooks.PROCEDURES,
        preconditions=(_secondary_first(settings),),
    )


def _secondary_first(settings: Settings) -> Precondition:
    """The order of an upgrade of the database: the secondary cluster before the primary.

    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-upgrade.html
    """
    version = settings.database.aurora_version
    return Precondition(
        "database",
        "AuroraVersion",
        version,
        (("database-dr", "AuroraVersion", version),),
        "Aurora upgrades the secondary cluster of a global database first: set"
        f" database.dr_aurora_version to {version!r} too, or leave it out",
        ordered=True,
    )


def _tagged(untagged: Recipe, role: str) -> Template:
    return finish(untagged(), role)


def _check_certificates(config: Config, domain: Domain) -> None:
    for role, arn in domain.certificates.items():
        region = arn.split(":")[3]
        if region != config.regions[role]:
            raise BlueprintError(
                f"{config.path}: settings.domain.certificates.{role}: {arn!r} is in"
                f" {region}; give one in {config.regions[role]}, the API's region"
            )


def _foundation(shape: Shape, settings: Settings) -> Iterator[Part]:
    yield Part("keys", "primary", recipe(foundation.keys), ("KmsKeyArn",))
    yield Part(
        "keys-dr",
        "dr",
        recipe(foundation.keys_dr),
        ("KmsKeyArn",),
        {"PrimaryKeyArn": _KEYS["primary"]},
    )
    yield Part(
        "logs",
        "every",
        recipe(foundation.logs),
        ("LogBucketName",),
        {"AuditRetentionDays": _text(settings.audit_retention_days)},
    )
    outputs = [
        "FunctionRoleArn",
        "HealthRoleArn",
        "ReplicationRoleArn",
        "ReverseReplicationRoleArn",
    ]
    outputs += ["MonitoringRoleArn", "BackupRoleArn", "FlowLogsRoleArn"]
    outputs += ["TrailRoleArn"]
    outputs += ["ApiLoggingRoleArn"] if shape.baseline else []
    yield Part(
        "roles", "global", recipe(roles.roles, shape), tuple(outputs), _BOTH_KEYS
    )
    yield Part(
        "operators",
        "global",
        recipe(roles.operator_roles),
        (
            *("OperatorRoleArn", "AutomationRoleArn", "RunbookRoleArn"),
            *("ExperimentRoleArn", "ScheduleRoleArn"),
        ),
        {
            **_BOTH_KEYS,
            "OperatorArns": names.anywhere(settings.operators),
            "AutomationArns": names.anywhere(settings.automation),
            "SecondFactor": _text(settings.second_factor),
            "SecondFactorBy": settings.second_factor_by,
        },
    )
    yield Part(
        "messages",
        "every",
        recipe(foundation.messages),
        ("AlertTopicArn", "AlertTopicName", "PaymentTopicArn"),
        {"AlertEmail": settings.alert_email},
        _own_keys(),
    )
    yield Part(
        "audit",
        "primary",
        recipe(foundation.audit),
        ("TrailArn",),
        {
            "LogBucketName": _LOG_BUCKET,
            "KmsKeyArn": _KEYS["primary"],
            "TrailRoleArn": _role("TrailRoleArn"),
            "TableEvents": _text(settings.table_events),
            "LogRetentionDays": _text(settings.log_retention_days),
        },
    )


def _network(shape: Shape, settings: Settings) -> Iterator[Part]:
    ranges = {"primary": settings.vpc_cidr, "dr": settings.dr_vpc_cidr}
    yield Part(
        "network",
        "every",
        recipe(networks.vpc),
        (
            *("VpcId", "PublicSubnetIds", "PrivateSubnetIds", "IsolatedSubnetIds"),
            *("RouteTableIds", "NatGatewayIds"),
            *("FunctionSecurityGroupId", "DatabaseSecurityGroupId"),
        ),
        {
            "SubnetBits": _text(32 - settings.prefix()),
            "NatInEachZone": _text(settings.nat == "per_zone"),
            "FlowLogsRoleArn": _role("FlowLogsRoleArn"),
            "LogRetentionDays": _text(settings.log_retention_days),
            "AlertTopicArn": _TOPIC,
        },
        {
            role: {"VpcCidr": ranges[role], "KmsKeyArn": key}
            for role, key in _KEYS.items()
        },
    )
    if settings.private_endpoints:
        yield Part(
            "endpoints",
            "every",
            recipe(networks.endpoints),
            ("EndpointIds",),
            {
                "VpcId": Output("network", "VpcId"),
                "SubnetIds": Output("network", "PrivateSubnetIds"),
                "FunctionSecurityGroupId": Output("network", "FunctionSecurityGroupId"),
            },
        )
    yield Part(
        "peering",
        "primary",
        recipe(networks.joined),
        ("PeeringId",),
        {
            "VpcId": Output("network", "VpcId"),
            "PeerVpcId": Output("network", "VpcId", region="dr"),
        },
    )
    yield Part(
        "routes",
        "every",
        recipe(networks.routes),
        ("JoinedVpc",),
        {
            "PeeringId": Output("peering", "PeeringId", region="primary"),
            "RouteTableIds": Output("network", "RouteTableIds"),
            "FunctionSecurityGroupId": Output("network", "FunctionSecurityGroupId"),
            "DatabaseSecurityGroupId": Output("network", "DatabaseSecurityGroupId"),
        },
        {role: {"PeerCidr": ranges[OTHER[role]]} for role in ROLES},
    )


def _check_consistency(config: Config) -> None:
    for role in ROLES:
        region = config.regions[role]
        if region not in STRONG:
            raise BlueprintError(
                f"{config.path}: settings.consistency: strong: DynamoDB does not offer"
                f" it in {region} (regions.{role}); give regions among"
                f" {', '.join(sorted(STRONG))}, or consistency: eventual"
            )


def _data(config: Config, shape: Shape, settings: Settings) -> Iterator[Part]:
    yield Part(
        "table",
        "primary",
        recipe(data.payments_table),
        ("TableName", "TableArn", "StreamArn"),
        {
            **_BOTH_KEYS,
            "DeletionProtection": _text(settings.deletion_protection),
            "Consistency": settings.consistency,
            "WitnessRegion": (
                witness([config.regions[role] for role in ROLES])
                if settings.consistency == "strong"
                else ""
            ),
        },
    )
    shared: dict[str, Value] = {
        "AlertTopicArn": _TOPIC,
        "LogBucketName": _LOG_BUCKET,
        "NoncurrentVersionDays": _text(settings.noncurrent_version_days),
        "ReplicationTimeControl": _text(settings.replication_time_control),
        "ReverseReplication": _text(settings.reverse_replication),
    }
    # The destination of a replication must exist: this way is open from the creation of
    # the second bucket, the way back once both are there.
    back = {"ReverseReplication": AtFirst("false", ("storage",))}
    for name, role, template, copier, after, first in (
        ("storage-dr", "dr", data.storage_dr, "ReverseReplicationRoleArn", (), back),
        (
            "storage",
            "primary",
            data.storage_primary,
            "ReplicationRoleArn",
            ("storage-dr",),
            {},
        ),
    ):
        yield Part(
            name,
            role,
            recipe(template),
            ("BucketName", "BucketArn"),
            {
                **shared,
                "KmsKeyArn": _KEYS[role],
                "DestinationKeyArn": _KEYS[OTHER[role]],
                "ReplicationRoleArn": _role(copier),
            },
            depends_on=after,
            at_first=first,
        )


def _database(shape: Shape, settings: Settings) -> Iterator[Part]:
    given = settings.database
    shared: dict[str, Value] = {
        "SubnetIds": Output("network", "IsolatedSubnetIds"),
        "SecurityGroupId": Output("network", "DatabaseSecurityGroupId"),
        "MonitoringRoleArn": _role("MonitoringRoleArn"),
        "AlertTopicArn": _TOPIC,
        "LogRetentionDays": _text(settings.log_retention_days),
        "AuroraVersion": given.aurora_version,
        "InstanceClass": given.instance_class,
        "BackupDays": _text(given.backup_days),
        "DeletionProtection": _text(settings.deletion_protection),
    }
    outputs = ("ClusterId", "ClusterArn", "ReaderEndpoint")
    yield Part(
        "database",
        "primary",
        recipe(data.database_primary, shape),
        (*outputs, "GlobalClusterId", "WriterEndpoint", "DatabaseSecretArn"),
        {
            **shared,
            "KmsKeyArn": _KEYS["primary"],
            "DestinationKeyArn": _KEYS["dr"],
            "DatabaseName": given.name,
        },
    )
    yield Part(
        "database-dr",
        "dr",
        recipe(data.database_dr, shape),
        outputs,
        {
            **shared,
            "AuroraVersion": given.dr_aurora_version or given.aurora_version,
            "KmsKeyArn": _KEYS["dr"],
            "LagDimensions": settings.replication_lag_dimensions,
            "GlobalClusterId": Output("database", "GlobalClusterId", region="primary"),
        },
    )


def _application(shape: Shape, settings: Settings) -> Iterator[Part]:
    if shape.baseline:
        yield Part(
            "api-account",
            "every",
            recipe(foundation.api_account),
            ("SetBy",),
            {"ApiLoggingRoleArn": _role("ApiLoggingRoleArn")},
        )
    yield _app(shape, settings)
    yield Part(
        "observe",
        "every",
        recipe(operations.observe),
        ("DashboardName", "LagAlarmName"),
        {
            "AlertTopicArn": _TOPIC,
            "ReplicationLagThresholdMs": _text(settings.replication_lag_ms),
            "LagDimensions": settings.replication_lag_dimensions,
            "Consistency": settings.consistency,
        },
    )
    yield _dns(settings)


def _app(shape: Shape, settings: Settings) -> Part:
    buckets = {"primary": "storage", "dr": "storage-dr"}
    by_role: By = {
        role: {
            "KmsKeyArn": key,
            "BucketName": Output(buckets[role], "BucketName", region=role),
        }
        for role, key in _KEYS.items()
    }
    values: dict[str, Value] = {
        "FunctionRoleArn": _role("FunctionRoleArn"),
        "HealthRoleArn": _role("HealthRoleArn"),
        "AlertTopicArn": _TOPIC,
        "PaymentTopicArn": Output("messages", "PaymentTopicArn"),
        "TableName": Output("table", "TableName", region="primary"),
        "SubnetIds": Output("network", "PrivateSubnetIds"),
        "SecurityGroupId": Output("network", "FunctionSecurityGroupId"),
        "LogRetentionDays": _text(settings.log_retention_days),
        "MemorySize": _text(settings.memory_mib),
        "Consistency": settings.consistency,
        "RequestsPerSecond": _text(settings.requests_per_second),
        "Burst": _text(settings.burst),
        "Concurrency": _text(settings.concurrency),
        "HealthConcurrency": _text(settings.health.concurrency),
        "HealthRequestsPerAddress": _text(settings.health.requests_per_address),
        "MaxAmount": settings.max_amount,
        "Currencies": ",".join(settings.currencies),
    }
    if settings.domain is not None:
        values["DomainName"] = settings.domain.name
        values["HostedZoneId"] = settings.domain.hosted_zone_id
        given = {str(k): v for k, v in settings.domain.certificates.items()}
        for role in ROLES:
            # Also if there is none, or one region would get the other's value.
            by_role[role]["CertificateArn"] = given.get(role, "")
    return Part(
        "app",
        "every",
        recipe(application.app),
        (
            *("ApiUrl", "ApiHost", "ApiId", "ApiName", "StageName", "DeploymentId"),
            *("AccessLogGroup", "FunctionName", "FunctionArn", "HealthPath"),
            *("DomainTarget", "DomainTargetZone"),
        ),
        values,
        by_role,
        # A stage cannot log before the account setting exists, and the function needs
        # its network in both regions.
        depends_on=(
            "routes",
            *(("api-account",) if shape.baseline else ()),
            *(("endpoints",) if settings.private_endpoints else ()),
        ),
    )


def _dns(settings: Settings) -> Part:
    values: dict[str, Value] = {"AlertTopicArn": _TOPIC}
    for role in ROLES:
        values[f"{role.title()}ApiHost"] = Output("app", "ApiHost", region=role)
        values[f"{role.title()}HealthPath"] = Output("app", "HealthPath", region=role)
    if settings.domain is not None:
        values["DomainName"] = settings.domain.name
        values["HostedZoneId"] = settings.domain.hosted_zone_id
        for role in ROLES:
            for given in ("DomainTarget", "DomainTargetZone"):
                values[f"{role.title()}{given}"] = Output("app", given, region=role)
    return Part(
        "dns",
        "global",
        recipe(application.failover_records),
        ("PrimaryHealthCheckId", "DrHealthCheckId", "FailoverFqdn"),
        values,
        # Health checks need their alarms.
        depends_on=("database", "database-dr", "observe"),
    )


def _backup(shape: Shape, settings: Settings) -> Iterator[Part]:
    for name, role, template in (
        ("backup-dr", "dr", operations.backup_dr),
        ("backup", "primary", operations.backup_primary),
    ):
        values: dict[str, Value] = {
            "KmsKeyArn": _KEYS[role],
            "AlertTopicArn": _TOPIC,
        }
        if role == "primary":
            values["BackupDays"] = _text(settings.backup_days)
            values["DrVaultArn"] = Output("backup-dr", "VaultArn", region="dr")
            values["BackupRoleArn"] = _role("BackupRoleArn")
        yield Part(name, role, recipe(template), ("VaultArn",), values)
    yield Part(
        "backup-plan-dr",
        "dr",
        recipe(operations.backup_plan_dr),
        ("PlanId",),
        {
            "BackupDays": _text(settings.backup_days),
            "PrimaryVaultArn": Output("backup", "VaultArn", region="primary"),
            "BackupRoleArn": _role("BackupRoleArn"),
        },
        depends_on=("backup-dr",),
    )


def _rehearsals(shape: Shape, settings: Settings) -> Iterator[Part]:
    yield Part(
        "drills",
        "every",
        recipe(operations.rehearsals),
        ("ExperimentId",),
        {
            "DrillSchedule": settings.drills.schedule,
            "AutomaticExperiment": (
                "ENABLED" if settings.drills.automatic else "DISABLED"
            ),
            "ScheduleRoleArn": Output("operators", "ScheduleRoleArn", region="primary"),
            "ExperimentRoleArn": Output(
                "operators", "ExperimentRoleArn", region="primary"
            ),
            "RunbookRoleArn": Output("operators", "RunbookRoleArn", region="primary"),
            "AlertTopicArn": _TOPIC,
        },
        # The experiment needs the alarm that stops it.
        depends_on=("app", "database", "database-dr"),
    )


def _cost(settings: Settings, project: str) -> Part:
    return Part(
        "cost",
        "global",
        recipe(operations.cost),
        ("BudgetName",),
        {
            "ProjectTag": project,
            "MonthlyBudgetUsd": _text(settings.monthly_budget_usd),
            "CostCategory": _text(settings.cost_category),
            "AlertTopicArn": _TOPIC,
        },
    )
