"""Build the parts of a secure_network from a config, and connect their outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from tapgen.blocks import names
from tapgen.blueprints.encoding import recipe
from tapgen.blueprints.parts import Part, assemble
from tapgen.blueprints.secure_network import (
    data,
    foundation,
    networks,
    observability,
    operators,
    runbooks,
)
from tapgen.blueprints.secure_network.shape import Shape
from tapgen.config import Config
from tapgen.errors import BlueprintError
from tapgen.model import AtFirst, Output, Precondition, System, Value

if TYPE_CHECKING:  # at run time it is the checker's, which is quick to import
    from tapgen.blueprints.secure_network.settings import Settings

GIB = 2**30


def _text(value: bool | int | str) -> str:
    """Return a setting as the text of a parameter."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _zones(config: Config, settings: Settings, role: str) -> dict[str, Value]:
    """Return the zones for a region role, as parameters."""
    given = settings.zone_names.get(cast(Literal["primary", "dr"], role), ())
    for zone in given:
        if not re.fullmatch(re.escape(config.regions[role]) + "[a-z]", zone):
            raise BlueprintError(
                f"{config.path}: settings.zone_names.{role}: {zone!r} is not a zone of"
                f" {config.regions[role]}; give ones such as {config.regions[role]}a"
            )
    return {f"Zone{number}": zone for number, zone in enumerate(given, 1)}


TAGS = {"Purpose": "SecureNetwork"}
"""Tags of every stack set, besides those that all systems have."""

# Outputs that parts take from each other. Regions are region roles.
KEY = Output("keys", "KmsKeyArn", region="primary")
DR_KEY = Output("keys-dr", "DestinationKmsKeyArn", region="dr")
_GUARDS: Mapping[str, Mapping[str, Value]] = {
    "primary": {
        "KmsKeyArn": KEY,
        "AlertTopicArn": Output("keys", "AlertTopicArn", region="primary"),
    },
    "dr": {
        "KmsKeyArn": DR_KEY,
        "AlertTopicArn": Output("keys-dr", "AlertTopicArn", region="dr"),
    },
}


def _role(output: str) -> Output:
    return Output("roles", output, region="primary")


def _only(role: str, *wanted: str) -> dict[str, Value]:
    return {name: _GUARDS[role][name] for name in wanted}


def _everywhere(*wanted: str) -> dict[str, dict[str, Value]]:
    return {role: _only(role, *wanted) for role in _GUARDS}


def build(config: Config) -> System:
    """Return the system of a config.

    Raises BlueprintError if a name is too long or a zone is in another region.
    """
    settings = cast("Settings", config.settings)
    shape = Shape(
        ideal=settings.profile == "ideal",
        zones=settings.zones,
        baseline=config.account_baseline == "create",
    )
    parts = [*_keys_and_roles(shape, settings)]
    parts += _network(config, shape, settings)
    parts += _storage(shape, settings)
    if shape.ideal:
        parts += _database(shape, settings)
        parts.append(_audit(shape, settings))
    parts.append(_observability(shape, settings))
    system = assemble(replace(config, tags={**TAGS, **config.tags}), parts)
    if not shape.ideal:
        # Parts give up outputs before those that use them; no order leads there.
        smaller = Precondition(
            "network",
            "",
            "",
            (),
            "minimal does not take the place of ideal: set profile: ideal again, or create"
            " a system with another suffix, and tapgen destroy this one",
            region=config.regions["dr"],
        )
        return replace(system, preconditions=(smaller,))
    return replace(
        system,
        preconditions=tuple(_preconditions(settings)),
        procedures=runbooks.PROCEDURES,
    )


def _preconditions(settings: Settings) -> Iterator[Precondition]:
    """Return the order of the states of the databases that begin as replicas."""
    states = [("database-dr", "dr_database", settings.dr_database)]
    if settings.primary_database != "original":
        states.append(("database-back", "primary_database", settings.primary_database))
    for part, setting, state in states:
        if state == "replica":
            yield Precondition(
                part,
                "Promoted",
                "false",
                ((part, "Promoted", "false"),),
                "a promotion cannot be undone, as RDS would create an empty replica in"
                f" its place: set {setting}: promoted again",
            )
        yield Precondition(
            part,
            "Promoted",
            "true",
            (),
            "RDS would create an empty database, and no replica: set"
            f" {setting}: replica and roll that out, then promote it",
            created=True,
        )
        yield Precondition(
            part,
            "Standby",
            "true",
            ((part, "Promoted", "true"),),
            "together with the promotion, it would keep writes waiting: roll out"
            f" {setting}: promoted first",
        )


def _keys_and_roles(shape: Shape, settings: Settings) -> Iterator[Part]:
    email = {"AlertEmail": settings.alert_email}
    yield Part(
        "keys",
        "primary",
        recipe(foundation.keys, shape),
        ("KmsKeyId", "KmsKeyArn", "AlertTopicArn"),
        email,
    )
    yield Part(
        "keys-dr",
        "dr",
        recipe(foundation.keys_dr, shape),
        ("DestinationKmsKeyArn", "AlertTopicArn"),
        {"PrimaryKeyArn": KEY, **email},
    )
    outputs = ["ReplicationRoleArn"]
    if shape.ideal:
        outputs += ["FlowLogsRoleArn", "MonitoringRoleArn", "InstanceProfileName"]
        outputs += ["TrailRoleArn", "ReverseReplicationRoleArn"]
        outputs += ["ConfigRoleArn"] if shape.baseline else []
    yield Part(
        "roles",
        "global",
        recipe(foundation.roles, shape),
        tuple(outputs),
        {"SourceKeyArn": KEY, "DestinationKeyArn": DR_KEY},
    )
    if shape.ideal:
        yield Part(
            "logs",
            "every",
            recipe(foundation.logs, shape),
            ("LogBucketName",),
            {"AuditRetentionDays": _text(settings.audit_retention_days)},
        )
        yield Part(
            "audit-bucket",
            "primary",
            recipe(foundation.audit_bucket, shape),
            ("AuditBucketName",),
            {
                "AuditRetentionDays": _text(settings.audit_retention_days),
                "LockMode": settings.audit_lock.upper(),
                "LockDays": _text(settings.lock_days()),
                "LogBucketName": Output("logs", "LogBucketName"),
            },
        )


def _network(config: Config, shape: Shape, settings: Settings) -> Iterator[Part]:
    outputs = ["VpcId", "SubnetIds", "SecurityGroupId"]
    values: dict[str, Value] = {
        "SubnetBits": _text(32 - settings.prefix()),
        "AllowedCidr": settings.allowed_cidr,
    }
    by_role: dict[str, dict[str, Value]] = {
        "primary": {
            "VpcCidr": settings.vpc_cidr,
            **_zones(config, settings, "primary"),
        }
    }
    if shape.ideal:
        values |= {
            "AppPort": _text(settings.app_port),
            "RejectedPacketsAlarm": _text(settings.rejected_packets_alarm),
            "LogRetentionDays": _text(settings.log_retention_days),
            "FlowLogsRoleArn": _role("FlowLogsRoleArn"),
        }
        by_role["dr"] = {
            "VpcCidr": settings.dr_vpc_cidr or "",
            **_zones(config, settings, "dr"),
        }
        for role, guards in _everywhere("KmsKeyArn", "AlertTopicArn").items():
            by_role[role] |= guards
        outputs += ["AppSecurityGroupId", "DatabaseSecurityGroupId"]
        outputs += ["SshSecurityGroupId", "PrivateSubnetIds", "IsolatedSubnetIds"]
        outputs += ["NatGatewayIds", "FlowLogGroupName"]
    else:
        outputs.append("LogsEndpointId")
    yield Part(
        "network",
        shape.spread,
        recipe(networks.vpc, shape),
        tuple(outputs),
        values,
        by_role,
    )


def _storage(shape: Shape, settings: Settings) -> Iterator[Part]:
    shared: dict[str, Value] = {
        "NoncurrentVersionDays": _text(settings.noncurrent_version_days)
    }
    time_control = _text(settings.replication_time_control)
    back: dict[str, Value] = {}
    if shape.ideal:
        shared["LogBucketName"] = Output("logs", "LogBucketName")
        shared["ReverseReplication"] = _text(settings.reverse_replication)
        back = {
            "SourceKeyArn": KEY,
            "ReplicationRoleArn": _role("ReverseReplicationRoleArn"),
            "ReplicationTimeControl": time_control,
        }
    yield Part(
        "storage-dr",
        "dr",
        recipe(data.storage_dr, shape),
        ("DestinationBucketName", "DestinationBucketArn")
        + (("BackupBucketName",) if shape.ideal else ()),
        {**_GUARDS["dr"], **shared, **back},
        # The destination of a replication must exist, and this bucket is the first.
        at_first=(
            {"ReverseReplication": AtFirst("false", ("storage",))}
            if shape.ideal
            else {}
        ),
    )
    yield Part(
        "storage",
        "primary",
        recipe(data.storage_primary, shape),
        ("PrimaryBucketName", "PrimaryBucketArn"),
        {
            **_GUARDS["primary"],
            **shared,
            "DestinationBucketArn": Output(
                "storage-dr", "DestinationBucketArn", region="dr"
            ),
            "DestinationKeyArn": DR_KEY,
            "ReplicationRoleArn": _role("ReplicationRoleArn"),
            "ReplicationTimeControl": time_control,
        },
    )


def _database(shape: Shape, settings: Settings) -> Iterator[Part]:
    given = settings.database
    shared: dict[str, Value] = {
        "SubnetIds": Output("network", "IsolatedSubnetIds"),
        "SecurityGroupId": Output("network", "DatabaseSecurityGroupId"),
        "MonitoringRoleArn": _role("MonitoringRoleArn"),
        "LogRetentionDays": _text(settings.log_retention_days),
        "PostgresVersion": given.postgres_version,
        "InstanceClass": given.instance_class,
        "MaxStorageGiB": _text(given.max_storage_gib),
        "DeletionProtection": _text(given.deletion_protection),
        # A tenth of the initial storage.
        "FreeStorageLimit": _text(given.storage_gib * GIB // 10),
        "ConnectionsLimit": _text(given.connections_alarm),
    }
    yield Part(
        "database",
        "primary",
        recipe(data.database_primary, shape),
        (
            *("DatabaseIdentifier", "DatabaseArn", "DatabaseEndpoint"),
            *("DatabasePort", "DatabaseSecretArn"),
        ),
        {
            **_GUARDS["primary"],
            **shared,
            "DestinationKeyArn": DR_KEY,
            "DatabaseName": given.name,
            "StorageGiB": _text(given.storage_gib),
            "BackupDays": _text(given.backup_days),
            "MultiAz": _text(given.multi_az),
        },
    )
    yield Part(
        "database-dr",
        "dr",
        recipe(data.database_dr, shape),
        ("ReplicaIdentifier", "ReplicaArn", "ReplicaEndpoint", "ReplicaStackId"),
        {
            **_GUARDS["dr"],
            **shared,
            "SourceDatabaseArn": Output("database", "DatabaseArn", region="primary"),
            "Promoted": _text(settings.dr_database != "replica"),
            "Standby": _text(settings.dr_database == "multi_az"),
            "BackupDays": _text(given.backup_days),
            "MultiAz": _text(given.multi_az),
        },
    )
    if settings.primary_database != "original":
        yield Part(
            "database-back",
            "primary",
            recipe(data.database_back, shape),
            ("ReplicaIdentifier", "ReplicaArn", "ReplicaEndpoint", "ReplicaStackId"),
            {
                **_GUARDS["primary"],
                **shared,
                "SourceDatabaseArn": Output("database-dr", "ReplicaArn", region="dr"),
                "Promoted": _text(settings.primary_database != "replica"),
                "Standby": _text(settings.primary_database == "multi_az"),
                "BackupDays": _text(given.backup_days),
                "MultiAz": _text(given.multi_az),
            },
        )
    yield Part(
        "database-name",
        "global",
        recipe(runbooks.database_name),
        ("PrivateZoneId", "DatabaseName", "SwitchCheckId"),
        {
            "PrimaryVpcId": Output("network", "VpcId", region="primary"),
            "DrVpcId": Output("network", "VpcId", region="dr"),
            # Whose data are old must not take writes again, whoever releases the name.
            "PrimaryDatabaseEndpoint": (
                Output("database", "DatabaseEndpoint", region="primary")
                if settings.primary_database == "original"
                else Output("database-back", "ReplicaEndpoint", region="primary")
            ),
            "DrDatabaseEndpoint": Output("database-dr", "ReplicaEndpoint", region="dr"),
        },
    )
    stack = Output("database-dr", "ReplicaStackId", region="dr")
    yield Part(
        "operators",
        "global",
        recipe(operators.roles),
        operators.OUTPUTS,
        {
            "ReplicaStackId": stack,
            "MonitoringRoleArn": _role("MonitoringRoleArn"),
            "DestinationKeyArn": DR_KEY,
            "OperatorArns": names.anywhere(settings.operators),
            "SecondFactor": _text(settings.second_factor),
            "SecondFactorBy": settings.second_factor_by,
        },
    )
    yield Part(
        "runbooks",
        "dr",
        recipe(runbooks.runbooks),
        runbooks.OUTPUTS,
        {
            "ReplicaStackId": stack,
            "RunbookRoleArn": Output("operators", "RunbookRoleArn", region="primary"),
        },
    )


def _audit(shape: Shape, settings: Settings) -> Part:
    values: dict[str, Value] = {
        "AuditBucketName": Output("audit-bucket", "AuditBucketName", region="primary"),
        "LogRetentionDays": _text(settings.log_retention_days),
        "TrailRoleArn": _role("TrailRoleArn"),
    }
    if shape.baseline:
        values["ConfigRoleArn"] = _role("ConfigRoleArn")
        values["LogBucketName"] = Output("logs", "LogBucketName")
    return Part(
        "audit",
        "every",
        recipe(foundation.audit, shape),
        ("TrailArn",),
        values,
        _everywhere("KmsKeyArn", "AlertTopicArn"),
    )


def _observability(shape: Shape, settings: Settings) -> Part:
    values: dict[str, Value] = {"LogRetentionDays": _text(settings.log_retention_days)}
    if shape.ideal:
        values["NatGatewayIds"] = Output("network", "NatGatewayIds")
        by_role = _everywhere("KmsKeyArn", "AlertTopicArn")
    else:
        values["LogsEndpointId"] = Output("network", "LogsEndpointId")
        values["VpcId"] = Output("network", "VpcId")
        by_role = {"primary": _only("primary", "KmsKeyArn")}
    return Part(
        "observability",
        shape.spread,
        recipe(observability.observability, shape),
        ("LogGroupName", "DashboardName"),
        values,
        by_role,
    )
