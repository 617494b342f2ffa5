"""Build the parts of a region_migration from a config, and connect their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from tapgen.blocks import frame, names
from tapgen.blueprints.encoding import recipe
from tapgen.blueprints.parts import Part, assemble
from tapgen.blueprints.region_migration import (
    compute,
    data,
    foundation,
    migration,
    networks,
    observability,
    operations,
    runbooks,
    traffic,
)
from tapgen.blueprints.region_migration.shape import COLOURS, ROLES, WRITES, Shape
from tapgen.config import Config
from tapgen.errors import BlueprintError
from tapgen.model import (
    AtFirst,
    Output,
    Permission,
    Precondition,
    Share,
    Shift,
    System,
    Value,
)
from tapgen.model.procedures import Call, Check

if TYPE_CHECKING:  # at run time it is the checker's, which is quick to import
    from tapgen.blueprints.region_migration.settings import Settings

GIB = 2**30

Values = dict[str, Value]


def _text(value: bool | int | str) -> str:
    """Return a setting as the text of a parameter."""
    return str(value).lower() if isinstance(value, bool) else str(value)


TAGS = {"Purpose": "RegionMigration"}
"""Tags of every stack set, besides those that all systems have."""

# Outputs that parts take from each other. Regions are region roles.
SOURCE_KEY = Output("keys", "KmsKeyArn", region="source")
TARGET_KEY = Output("keys-target", "KmsKeyArn", region="target")
_GUARDS: Mapping[str, Mapping[str, Value]] = {
    "source": {
        "KmsKeyArn": SOURCE_KEY,
        "AlertTopicArn": Output("keys", "AlertTopicArn", region="source"),
    },
    "target": {
        "KmsKeyArn": TARGET_KEY,
        "AlertTopicArn": Output("keys-target", "AlertTopicArn", region="target"),
    },
}
_LOGS = Output("logs", "LogBucketName")


def _role(settings: Settings, output: str) -> Output:
    return _at_home(settings, "roles", output)


def _at_home(settings: Settings, part: str, output: str) -> Output:
    return Output(part, output, region=settings.home)


def _place(shape: Shape, *roles: str) -> str:
    """Return the region role of a part with these, or with all that the system has."""
    return frame.EVERY if (roles or shape.regions) == ROLES else "target"


def _only(role: str, *wanted: str) -> Values:
    return {name: _GUARDS[role][name] for name in wanted}


def _everywhere(*wanted: str) -> dict[str, Values]:
    return {role: _only(role, *wanted) for role in ROLES}


def build(config: Config) -> System:
    """Return the system of a config.

    Raises BlueprintError if a name is too long, or a certificate or the key of the
    secret's copy is in another region.
    """
    settings = cast("Settings", config.settings)
    _certificates_at_home(config, settings)
    _secret_key_at_home(config, settings)
    shape = Shape(
        builds_source=settings.existing is None,
        zones=settings.zones,
        start_script=settings.servers.start_script,
        home=settings.home,
        removed=settings.source == "removed",
    )
    _administered_elsewhere(config, settings)
    system = assemble(
        replace(config, tags={**TAGS, **config.tags}),
        [
            *_keys_and_roles(shape, settings),
            *_backups(shape, settings),
            *_network(shape, settings),
            *_storage(shape, settings),
            *_databases(shape, settings),
            _servers(shape, settings),
            *_traffic(shape, settings),
            _observability(shape, settings),
            *_migrating(shape, settings),
        ],
    )
    return replace(
        system,
        permissions=(*system.permissions, *_permissions(settings)),
        preconditions=tuple(_preconditions(config, settings)),
        procedures=() if shape.removed else runbooks.procedures(shape),
        shifts=() if shape.removed else tuple(_shifts(shape)),
        migration=migration.migration(shape, both_ways=settings.reverse_replication),
    )


def _shifts(shape: Shape) -> Iterator[Shift]:
    """Return by what traffic is divided. Nothing divides what is written: `db.` leads to one
    database."""
    yield Shift(
        "dns",
        "callers of app. inside the VPCs",
        "dns",
        {
            "HostedZoneId": Output("dns", "PrivateZoneId"),
            "Name": Output("dns", "AppName"),
        },
        _sides(shape, "App{}Weight", "app_{}_weight", lambda role: role),
    )
    yield Shift(
        "accelerator",
        "users of the static addresses",
        "accelerator",
        {},
        _sides(
            shape,
            "{}Dial",
            "{}_dial",
            lambda role: Output("accelerator", f"{role.title()}EndpointGroupArn"),
        ),
    )
    for role in shape.roles:
        blue, green = (
            Share(
                colour,
                Output("servers", f"{colour.title()}TgArn"),
                f"{colour.title()}Weight",
                f"servers.{role}.{colour}_weight",
            )
            for colour in COLOURS
        )
        yield Shift(
            "targets",
            "requests to the servers of one region",
            "servers",
            {"ListenerArn": Output("servers", "ListenerArn")},
            (blue, green),
            role,
        )


def _sides(
    shape: Shape, parameter: str, setting: str, id: Callable[[str], Value]
) -> tuple[Share, Share]:
    """Return the two regions as the sides of a shift. One whose servers may not write gets
    no users."""
    read = Call("ssm", "GetParameter", {"Name": WRITES})
    writes = Check("WritesAreAllowed", read, "$.Parameter.Value", ("allowed",))
    source, target = (
        Share(
            role,
            id(role),
            parameter.format(role.title()),
            f"traffic.{setting.format(role)}",
            role,
            (writes,) if role in shape.roles else (),
        )
        for role in ROLES
    )
    return source, target


def _preconditions(config: Config, settings: Settings) -> Iterator[Precondition]:
    """Return the order of the steps, which no single config shows.

    One rollout would open the switch before it moves the name `db.`, and promote the
    replica between the two: what is written meanwhile would be lost.
    """
    yield from _users_first(config, settings)
    yield from _source_last(config, settings)
    promoted = ("database-target", "Promoted", "true")
    if not settings.promotion.promoted:
        yield Precondition(
            "database-target",
            "Promoted",
            "false",
            (),
            "a promotion cannot be undone, as RDS would create an empty replica in its"
            " place: set promotion.promoted: true again",
        )
        return
    yield Precondition(
        "database-target",
        "Promoted",
        "true",
        (),
        "RDS would create an empty database, and no replica: set promotion.promoted: false"
        " and roll that out, then promote it",
        created=True,
    )
    yield Precondition(
        "database-target",
        "Promoted",
        "true",
        (("servers", "Writes", "paused"),),
        "what is written during the promotion would be lost: set source_writes and"
        " target_writes to paused, roll that out, and wait until the replica has replayed"
        " the last LSN of its source",
    )
    yield Precondition(
        "servers",
        "Writes",
        "allowed",
        (promoted, ("dns", "DbSourceWeight", "0")),
        "what is written meanwhile would go to the old database: roll out the promotion"
        " and the weights of db. with writes paused, then allow writes in a rollout of"
        " its own",
    )


def _source_last(config: Config, settings: Settings) -> Iterator[Precondition]:
    """Return that nothing leaves the source region while it is needed, and that what an
    account has once is not created again in another region, as its names are taken."""
    here = config.regions["source"]
    if settings.home != "source":
        yield Precondition(
            "roles",
            "",
            "",
            (),
            "roles, names, accelerator, the primary key and the secret were created in"
            f" {here}, and cannot move by a rollout: set home: source",
            region=here,
        )
    if settings.source == "removed":
        yield Precondition(
            "logs",
            "",
            "",
            (
                ("database-target", "Promoted", "true"),
                ("storage-target", "ReverseReplication", "false"),
                ("accelerator", "SourceDial", "0"),
                ("dns", "AppSourceWeight", "0"),
                ("dns", "DbSourceWeight", "0"),
            ),
            "set source: leaving first, in a rollout of its own",
            region=here,
        )


def _users_first(config: Config, settings: Settings) -> Iterator[Precondition]:
    """Return that users leave a region before its writes are paused, while the other one
    takes writes: a rollout changes the switches before dials and weights."""
    writers = settings.writers()
    for role in ROLES:
        if len(writers) == 1 and role not in writers:
            yield Precondition(
                "servers",
                "Writes",
                "paused",
                (
                    ("accelerator", f"{role.title()}Dial", "0"),
                    ("dns", f"App{role.title()}Weight", "0"),
                ),
                f"users there could not write until it changes: set {role}_dial: 0 and"
                f" app_{role}_weight: 0 first, in a rollout of its own",
                region=config.regions[role],
            )


def _permissions(settings: Settings) -> Iterator[Permission]:
    """Return the permissions that the replica of an existing database needs.

    RDS also calls the source region, on the caller's behalf.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html
    """
    if settings.existing is not None:
        yield Permission(
            "rds:CreateDBInstanceReadReplica", settings.existing.database_arn
        )


def _administered_elsewhere(config: Config, settings: Settings) -> None:
    region = config.admin.region
    if settings.source == "removed" and region == config.regions["source"]:
        raise BlueprintError(
            f"{config.path}: settings.source: removed, but admin.region is {region}: the"
            " stack sets themselves are in the region that is left; give them another"
            " region first"
        )


def _certificates_at_home(config: Config, settings: Settings) -> None:
    for role, arn in settings.certificate_arns.items():
        region = arn.split(":")[3]
        if region != config.regions[role]:
            raise BlueprintError(
                f"{config.path}: settings.certificate_arns.{role}: {arn!r} is in"
                f" {region}; a load balancer in {config.regions[role]} takes only"
                " certificates of its own region"
            )


def _secret_key_at_home(config: Config, settings: Settings) -> None:
    arn = settings.existing.secret_key_arn if settings.existing else ""
    if arn and arn.split(":")[3] != config.regions["target"]:
        raise BlueprintError(
            f"{config.path}: settings.existing.secret_key_arn: {arn!r} is in"
            f" {arn.split(':')[3]}; the copy of the secret in {config.regions['target']}"
            " is encrypted with a key of its own region"
        )


def _existing_bucket(settings: Settings) -> Values:
    if settings.existing is None or settings.source == "removed":
        return {}
    return {"SourceBucketName": settings.existing.bucket}


def _source_bucket_key(settings: Settings) -> Value:
    """Return the key that the bucket to migrate is encrypted with."""
    existing = settings.existing
    return SOURCE_KEY if existing is None else existing.bucket_key_arn


def _keys_and_roles(shape: Shape, settings: Settings) -> Iterator[Part]:
    email: Values = {"AlertEmail": settings.alert_email}
    outputs = ("KmsKeyArn", "AlertTopicArn")
    keys = {
        "source": ("keys", foundation.keys, TARGET_KEY),
        "target": ("keys-target", foundation.keys_target, SOURCE_KEY),
    }
    for role in shape.regions:
        part, template, other = keys[role]
        primary: Values = {} if role == shape.home else {"PrimaryKeyArn": other}
        yield Part(part, role, recipe(template, shape), outputs, {**primary, **email})
    values: Values = {"TargetKeyArn": TARGET_KEY}
    if not shape.removed:
        values["SourceKeyArn"] = _source_bucket_key(settings)
    if settings.existing is not None:
        values |= {
            **_existing_bucket(settings),
            "DatabaseSecretName": settings.existing.secret_name,
            "SecretKeyArn": settings.existing.secret_key_arn or TARGET_KEY,
        }
    replication = (
        *("ReplicationRoleArn", "ReverseReplicationRoleArn"),
        *("BatchRoleArn", "SyncRoleArn"),
    )
    yield Part(
        "roles",
        shape.home,
        recipe(foundation.roles, shape),
        (
            *(() if shape.removed else replication),
            *("MonitoringRoleArn", "FlowLogsRoleArn"),
            *("BackupRoleArn", "InstanceProfileName"),
        ),
        values,
    )
    yield Part(
        "logs",
        _place(shape),
        recipe(foundation.logs, shape),
        ("LogBucketName",),
        {"AccessLogDays": _text(settings.access_log_days)},
    )


def _backups(shape: Shape, settings: Settings) -> Iterator[Part]:
    yield Part(
        "vaults",
        _place(shape),
        recipe(foundation.vaults, shape),
        ("VaultName", "VaultArn"),
        {},
        _everywhere("KmsKeyArn"),
    )
    by_role = _everywhere("AlertTopicArn")
    values: Values = {
        "VaultName": Output("vaults", "VaultName"),
        "BackupRoleArn": _role(settings, "BackupRoleArn"),
        "BackupRetentionDays": _text(settings.backups.days),
    }
    if not shape.removed:
        values["CopyRetentionDays"] = _text(settings.backups.copy_days)
        for role, other in (ROLES, ROLES[::-1]):
            by_role[role]["OtherVaultArn"] = Output("vaults", "VaultArn", region=other)
    yield Part(
        "backups",
        _place(shape, *shape.roles),
        recipe(foundation.backups, shape),
        ("PlanId",),
        values,
        by_role,
    )


def _network(shape: Shape, settings: Settings) -> Iterator[Part]:
    by_role = _everywhere("KmsKeyArn", "AlertTopicArn")
    by_role["source"]["VpcCidr"] = settings.vpc_cidr or ""
    by_role["target"]["VpcCidr"] = settings.target_vpc_cidr
    yield Part(
        "network",
        _place(shape, *shape.roles),
        recipe(networks.vpc, shape),
        (
            *("VpcId", "PublicSubnetIds", "PrivateSubnetIds", "IsolatedSubnetIds"),
            *("BalancerSecurityGroupId", "ServerSecurityGroupId"),
            *("DatabaseSecurityGroupId", "RouteTableIds", "NatAddresses"),
        ),
        {
            "SubnetBits": _text(32 - settings.prefix()),
            "AllowedCidr": settings.allowed_cidr,
            "AppPort": _text(settings.servers.port),
            "RejectedPacketsAlarm": _text(settings.rejected_packets_alarm),
            "LogRetentionDays": _text(settings.log_retention_days),
            "FlowLogsRoleArn": _role(settings, "FlowLogsRoleArn"),
            "Tls": _text(bool(settings.certificate_arns)),
        },
        by_role,
    )
    if settings.vpc_cidr is None or shape.removed:
        return
    yield Part(
        "peering",
        "source",
        recipe(networks.joined, shape),
        ("PeeringId",),
        {
            "VpcId": Output("network", "VpcId"),
            "PeerVpcId": Output("network", "VpcId", region="target"),
        },
    )
    groups = (f"{who}SecurityGroupId" for who in ("Balancer", "Server", "Database"))
    nat = {role: Output("network", "NatAddresses", region=role) for role in shape.roles}
    yield Part(
        "routes",
        "every",
        recipe(networks.routes, shape),
        ("JoinedVpc",),
        {
            "PeeringId": Output("peering", "PeeringId", region="source"),
            **{output: Output("network", output) for output in groups},
            "RouteTableIds": Output("network", "RouteTableIds"),
        },
        {
            "source": {
                "PeerCidr": settings.target_vpc_cidr,
                "PeerNatAddresses": nat["target"],
            },
            "target": {
                "PeerCidr": settings.vpc_cidr,
                "PeerNatAddresses": nat["source"],
            },
        },
    )


def _storage(shape: Shape, settings: Settings) -> Iterator[Part]:
    existing = _existing_bucket(settings)
    shared: Values = {
        "NoncurrentVersionDays": _text(settings.noncurrent_version_days),
        "LogBucketName": _LOGS,
    }
    target: Values = {
        **_only("target", "KmsKeyArn"),
        **shared,
        **existing,
        "BackupBucketDays": _text(settings.backups.bucket_days),
    }
    # The bucket that is migrated is created last, as it replicates to the other one.
    back = {"ReverseReplication": AtFirst("false", ("storage",))}
    replicated: Values = {
        "ReplicationTimeControl": _text(settings.replication_time_control),
        "ReverseReplication": _text(settings.replicates_back()),
    }
    if not shape.removed:
        target |= {
            **_only("target", "AlertTopicArn"),
            **replicated,
            "SourceKeyArn": _source_bucket_key(settings),
            "ReplicationRoleArn": _role(settings, "ReverseReplicationRoleArn"),
        }
    yield Part(
        "storage-target",
        "target",
        recipe(data.storage_target, shape),
        ("TargetBucketName", "TargetBucketArn", "BackupBucketName"),
        target,
        at_first=back if shape.builds_source and not shape.removed else {},
    )
    if shape.removed:
        return
    values: Values = {**_only("source", "AlertTopicArn"), **existing}
    if shape.builds_source:
        values |= {
            **_GUARDS["source"],
            **shared,
            **replicated,
            "TargetBucketArn": Output(
                "storage-target", "TargetBucketArn", region="target"
            ),
            "TargetKeyArn": TARGET_KEY,
            "ReplicationRoleArn": _role(settings, "ReplicationRoleArn"),
        }
    yield Part(
        "storage",
        "source",
        recipe(data.storage_source, shape),
        ("SourceBucketName",),
        values,
    )


_DATABASE = ("RdsIdentifier", "RdsArn", "RdsEndpoint", "RdsPort")


def _databases(shape: Shape, settings: Settings) -> Iterator[Part]:
    given = settings.database
    shared: Values = {
        "SubnetIds": Output("network", "IsolatedSubnetIds"),
        "SecurityGroupId": Output("network", "DatabaseSecurityGroupId"),
        "MonitoringRoleArn": _role(settings, "MonitoringRoleArn"),
        "LogRetentionDays": _text(settings.log_retention_days),
        "PostgresVersion": given.postgres_version,
        "InstanceClass": given.instance_class,
        "MaxStorageGiB": _text(given.max_storage_gib),
        "DeletionProtection": _text(given.deletion_protection),
        "BackupDays": _text(given.backup_days),
        "MultiAz": _text(given.multi_az),
        # A tenth of the initial storage.
        "FreeStorageLimit": _text(given.storage_gib * GIB // 10),
        "ConnectionsLimit": _text(given.connections_alarm),
    }
    at_home = shape.home == "source"
    if shape.builds_source and not at_home:
        keys: Values = {} if shape.removed else {"SourceKeyArn": SOURCE_KEY}
        yield Part(
            "secret",
            "target",
            recipe(data.secret_of, shape),
            ("SecretArn",),
            {"KmsKeyArn": TARGET_KEY, **keys},
        )
    if shape.builds_source and not shape.removed:
        protected = given.deletion_protection and settings.source == "kept"
        yield Part(
            "database",
            "source",
            recipe(data.database_source, shape),
            (*_DATABASE, "SecretArn") if at_home else _DATABASE,
            {
                **_GUARDS["source"],
                **shared,
                **({"TargetKeyArn": TARGET_KEY} if at_home else {}),
                "DeletionProtection": _text(protected),
                "DatabaseName": given.name,
                "ReadOnly": _text(settings.read_only()),
                "StorageGiB": _text(given.storage_gib),
            },
            depends_on=() if at_home else ("secret",),
        )
    replicated: Values = {}
    if not shape.removed:
        replicated["SourceDbArn"] = _source_database(settings)
    yield Part(
        "database-target",
        "target",
        recipe(data.database_target, shape),
        _DATABASE,
        {
            **_GUARDS["target"],
            **shared,
            **replicated,
            "Promoted": _text(settings.promotion.promoted),
            "Standby": _text(settings.promotion.standby),
        },
    )


def _source_database(settings: Settings) -> Value:
    if settings.existing is not None:
        return settings.existing.database_arn
    return Output("database", "RdsArn", region="source")


def _servers(shape: Shape, settings: Settings) -> Part:
    given = settings.servers
    by_role = _everywhere("KmsKeyArn", "AlertTopicArn")
    certificates: dict[str, str] = {
        str(role): arn for role, arn in settings.certificate_arns.items()
    }
    for role, here, writes in (
        ("source", given.source, settings.traffic.source_writes),
        ("target", given.target, settings.traffic.target_writes),
    ):
        by_role[role] |= {
            "CertificateArn": certificates.get(role, ""),
            "BlueMinSize": _text(here.blue_min),
            "GreenMinSize": _text(here.green_min),
            "MaxSize": _text(here.most),
            "BlueWeight": _text(here.blue_weight),
            "GreenWeight": _text(here.green_weight),
            "Writes": writes,
            "DeletionProtection": _text(
                settings.deletion_protection
                and not (role == "source" and settings.source != "kept")
            ),
        }
    network = ("VpcId", "PublicSubnetIds", "PrivateSubnetIds")
    groups = ("BalancerSecurityGroupId", "ServerSecurityGroupId")
    return Part(
        "servers",
        _place(shape, *shape.roles),
        recipe(compute.fleet_of, shape),
        (
            *("AlbArn", "AlbDns", "AlbZone", "AlbFullName", "ListenerArn"),
            *("WriteSwitchName", "BlueTgArn", "BlueTgFullName"),
            *("GreenTgArn", "GreenTgFullName", "AsgName", "GreenAsgName"),
        ),
        {
            **{output: Output("network", output) for output in (*network, *groups)},
            "LogBucketName": _LOGS,
            "InstanceProfileName": _role(settings, "InstanceProfileName"),
            "AppPort": _text(given.port),
            "HealthPath": given.health_path,
            "InstanceType": given.instance_type,
            "VolumeGiB": _text(given.volume_gib),
            "BlueImage": given.blue_image,
            "GreenImage": given.green_image,
            "LostRequests": _text(settings.traffic.lost_requests),
        },
        by_role,
    )


def _from_each(shape: Shape, part: str, output: str) -> dict[str, Value]:
    """Return the output of a part in each of its regions, by prefixed name."""
    return {
        f"{role.title()}{output}": Output(part, output, region=role)
        for role in shape.roles
    }


def _traffic(shape: Shape, settings: Settings) -> Iterator[Part]:
    given = settings.traffic
    existing = None if shape.removed else settings.existing
    balancers = _from_each(shape, "servers", "AlbArn")
    names: Values = {
        **_from_each(shape, "network", "VpcId"),
        **_from_each(shape, "servers", "AlbDns"),
        **_from_each(shape, "servers", "AlbZone"),
        "TargetRdsEndpoint": Output("database-target", "RdsEndpoint", region="target"),
    }
    if existing is None and not shape.removed:
        names["SourceRdsEndpoint"] = Output("database", "RdsEndpoint", region="source")
    if existing is not None:
        balancers["SourceAlbArn"] = existing.load_balancer_arn
        names |= {
            "SourceAlbDns": existing.load_balancer_host,
            "SourceAlbZone": existing.load_balancer_zone,
            "SourceRdsEndpoint": existing.database_host,
        }
    shares = {
        "Dial": {"source": given.source_dial, "target": given.target_dial},
        "App": {"source": given.app_source_weight, "target": given.app_target_weight},
        "Db": {"source": given.db_source_weight, "target": given.db_target_weight},
    }
    yield Part(
        "accelerator",
        shape.home,
        recipe(traffic.accelerator, shape),
        (
            *("AcceleratorArn", "AcceleratorDns", "AcceleratorIps"),
            *(f"{role.title()}EndpointGroupArn" for role in shape.regions),
        ),
        {
            **balancers,
            **{
                f"{role.title()}Dial": _text(shares["Dial"][role])
                for role in shape.regions
            },
            "HealthPath": settings.servers.health_path,
            "Tls": _text(bool(settings.certificate_arns)),
        },
    )
    yield Part(
        "dns",
        shape.home,
        recipe(traffic.names_of, shape),
        ("PrivateZoneId", "AppName", "DatabaseName"),
        {
            **names,
            **{
                f"{thing}{role.title()}Weight": _text(shares[thing][role])
                for thing in ("App", "Db")
                for role in shape.regions
            },
            "AcceleratorDns": _at_home(settings, "accelerator", "AcceleratorDns"),
            "DomainName": settings.domain,
            "HostedZoneId": settings.hosted_zone_id,
        },
        # The health checks watch the alarms there.
        depends_on=() if shape.removed else ("runbooks",),
    )


def _observability(shape: Shape, settings: Settings) -> Part:
    balancer = ("AlbFullName", "BlueTgFullName", "GreenTgFullName")
    return Part(
        "observability",
        _place(shape, *shape.roles),
        recipe(observability.observability, shape),
        ("LogGroupName", "DashboardName"),
        {
            **_existing_bucket(settings),
            **{output: Output("servers", output) for output in balancer},
            "LogRetentionDays": _text(settings.log_retention_days),
        },
        _everywhere("KmsKeyArn", "AlertTopicArn"),
    )


def _migrating(shape: Shape, settings: Settings) -> Iterator[Part]:
    """What only a migration needs, and not what it leaves behind."""
    if not shape.removed:
        yield _runbooks(shape, settings)
        yield _operations(shape, settings)


def _runbooks(shape: Shape, settings: Settings) -> Part:
    return Part(
        "runbooks",
        "every",
        recipe(runbooks.runbooks, shape),
        ("ResumeWritesRunbook",),
        {
            **_existing_bucket(settings),
            **(
                {}
                if settings.existing is None
                else {"SourceDbArn": _source_database(settings)}
            ),
            "BatchRoleArn": _role(settings, "BatchRoleArn"),
            "SyncRoleArn": _role(settings, "SyncRoleArn"),
        },
        _everywhere("AlertTopicArn"),
    )


def _operations(shape: Shape, settings: Settings) -> Part:
    return Part(
        "operations",
        shape.home,
        recipe(operations.operations, shape),
        ("MigrationRoleArn", "MigrationPlanName"),
        {
            **_existing_bucket(settings),
            "OperatorArns": names.anywhere(settings.operators),
            **_from_each(shape, "servers", "ListenerArn"),
            "ReplicationRoleArn": _role(settings, "ReplicationRoleArn"),
            "SyncRoleArn": _role(settings, "SyncRoleArn"),
            "SourceDbArn": _source_database(settings),
            "SourceKeyArn": (
                SOURCE_KEY
                if settings.existing is None
                else settings.existing.database_key_arn
            ),
            "TargetKeyArn": TARGET_KEY,
            "PrivateZoneId": _at_home(settings, "dns", "PrivateZoneId"),
            **{
                output: _at_home(settings, "accelerator", output)
                for output in ("SourceEndpointGroupArn", "TargetEndpointGroupArn")
            },
        },
    )
