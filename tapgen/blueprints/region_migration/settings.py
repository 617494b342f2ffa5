"""The `settings` block of a region_migration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tapgen.blocks import dns, frame, network, servers
from tapgen.blueprints.region_migration.shape import INSTANCE_TYPES
from tapgen.blueprints.values import (
    PUBLIC_PREFIX,
    SMALLEST_SUBNET,
    Database,
    Email,
    Principal,
    Range,
    RetentionDays,
    VpcRange,
)

Role = Literal["source", "target"]

START_SCRIPT = """\
# Answers every visitor, and the health check, until your own script takes this place.
mkdir -p /srv/app
echo "Served by $(hostname)" > /srv/app/index.html
test "$HEALTH_PATH" = / || install -D /dev/null "/srv/app$HEALTH_PATH"
systemd-run --unit=app --property=DynamicUser=yes --property=Restart=always \\
  python3 -m http.server "$PORT" --directory /srv/app
"""

_ARN = r"arn:aws[a-z-]*:%s:[a-z0-9-]*:\d{12}:%s"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _matching(value: str, pattern: str, what: str) -> str:
    if not re.fullmatch(pattern, value):
        raise ValueError(f"{value!r} is not {what}")
    return value


class Existing(_Model):
    """The existing resources of the source region."""

    bucket: str = Field(description="Bucket to migrate; versioned")
    bucket_key_arn: str = Field(description="ARN of its encryption key")
    database_arn: str = Field(description="ARN of the database instance to migrate")
    database_key_arn: str = Field(description="ARN of its encryption key")
    database_host: str = Field(description="Host name of the instance")
    secret_name: str = Field(
        description="Name of its secret, which has a copy in the target region"
    )
    secret_key_arn: str = Field(
        default="",
        description="ARN of the key that this copy is encrypted with, if it is one of"
        " your own",
    )
    load_balancer_arn: str = Field(description="ARN of the load balancer in use")
    load_balancer_host: str = Field(description="Host name of the load balancer")
    load_balancer_zone: str = Field(description="Hosted zone id of the load balancer")

    @model_validator(mode="after")
    def _forms(self) -> Existing:
        balancer = _ARN % ("elasticloadbalancing", r"loadbalancer/app/[\w-]+/[0-9a-f]+")
        for name, pattern, what in (
            ("bucket", frame.BUCKET_PATTERN, "the name of a bucket"),
            ("bucket_key_arn", frame.KEY_ARN_PATTERN, "the ARN of a key"),
            ("database_arn", _ARN % ("rds", r"db:[a-z][a-z0-9-]*"), "a database's ARN"),
            ("database_key_arn", frame.KEY_ARN_PATTERN, "the ARN of a key"),
            ("database_host", dns.HOST_PATTERN, "a host name"),
            ("secret_name", r"[\w/+=.@-]+", "the name of a secret"),
            ("secret_key_arn", f"|{frame.KEY_ARN_PATTERN}", "the ARN of a key"),
            ("load_balancer_arn", balancer, "the ARN of an application load balancer"),
            ("load_balancer_host", dns.HOST_PATTERN, "a host name"),
            ("load_balancer_zone", dns.ZONE_PATTERN, "the id of a hosted zone"),
        ):
            try:
                _matching(getattr(self, name), pattern, what)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return self


class Fleet(_Model):
    """The blue and green servers of one region."""

    # Global Accelerator holds a load balancer for unhealthy while one of its target
    # groups has no healthy target, also one with a weight of 0.
    blue_min: int = Field(
        default=2, ge=1, le=100, description="Minimum number of blue servers"
    )
    green_min: int = Field(
        default=1, ge=1, le=100, description="Minimum number of green servers"
    )
    most: int = Field(
        default=6, ge=1, le=200, description="Maximum number of servers of each colour"
    )
    blue_weight: int = Field(
        default=100,
        ge=0,
        le=servers.MAX_WEIGHT,
        description="Share of the requests that blue gets",
    )
    green_weight: int = Field(
        default=0,
        ge=0,
        le=servers.MAX_WEIGHT,
        description="Share of the requests that green gets",
    )

    @model_validator(mode="after")
    def _possible(self) -> Fleet:
        if self.most <= max(self.blue_min, self.green_min):
            raise ValueError(
                f"most {self.most} leaves no room for an update one server at a time;"
                f" give {max(self.blue_min, self.green_min) + 1} at least"
            )
        if not self.blue_weight + self.green_weight:
            raise ValueError(
                "blue_weight and green_weight are both 0: no server gets requests; give"
                " one of them a share"
            )
        return self


class Servers(_Model):
    """The servers in both regions."""

    instance_type: str = Field(
        default="t3.small",
        description="Instance type",
        json_schema_extra={"enum": list(INSTANCE_TYPES)},
    )
    volume_gib: int = Field(default=20, ge=8, le=16384, description="Disk, in GiB")
    port: int = Field(
        default=8080, ge=1024, le=65535, description="Port the application listens on"
    )
    health_path: str = Field(
        default="/health", description="Path that answers 200 while a server is healthy"
    )
    blue_image: str = Field(
        default=servers.LATEST_IMAGE,
        description="SSM parameter with the AMI id of the blue servers",
    )
    green_image: str = Field(
        default=servers.LATEST_IMAGE,
        description="SSM parameter with the AMI id of the green servers",
    )
    start_script: str = Field(
        default=START_SCRIPT,
        description="Shell script that a new server runs, with PORT and HEALTH_PATH set",
    )
    source: Fleet = Field(default=Fleet(), description="The source region's servers")
    target: Fleet = Field(default=Fleet(), description="The target region's servers")

    @field_validator("instance_type")
    @classmethod
    def _type(cls, name: str) -> str:
        if name not in INSTANCE_TYPES:
            raise ValueError(
                f"{name!r} is not offered; give one of {', '.join(INSTANCE_TYPES)}"
            )
        return name

    @field_validator("health_path")
    @classmethod
    def _path(cls, path: str) -> str:
        return _matching(path, r"/[\w./-]*", "a path such as /health")

    @field_validator("blue_image", "green_image")
    @classmethod
    def _image(cls, parameter: str) -> str:
        return _matching(
            parameter,
            r"/?[\w.-]+(/[\w.-]+)*(:\d+)?",
            "the name of an SSM parameter; give one that holds the id of an image",
        )

    @field_validator("start_script")
    @classmethod
    def _script(cls, script: str) -> str:
        most = 8192
        if len(script.encode()) > most:
            raise ValueError(
                f"the script has {len(script.encode())} bytes, {most} are allowed; keep"
                " the rest in the data bucket and fetch it"
            )
        if "END_OF_SCRIPT" in script:
            raise ValueError("END_OF_SCRIPT ends the script in its template; remove it")
        return script


class Traffic(_Model):
    """Weights and dials for requests and connections, which a migration changes step by
    step."""

    source_dial: int = Field(
        default=100,
        ge=0,
        le=100,
        description="Traffic dial of the source region, in percent",
    )
    target_dial: int = Field(
        default=0,
        ge=0,
        le=100,
        description="Traffic dial of the target region, in percent",
    )
    app_source_weight: int = Field(
        default=100, ge=0, le=255, description="Weight of the source's servers in DNS"
    )
    app_target_weight: int = Field(
        default=0, ge=0, le=255, description="Weight of the target's servers in DNS"
    )
    db_source_weight: int = Field(
        default=100, ge=0, le=255, description="Weight of the source's database in DNS"
    )
    db_target_weight: int = Field(
        default=0, ge=0, le=255, description="Weight of the target's database in DNS"
    )
    lost_requests: int = Field(
        default=1,
        ge=1,
        le=frame.MOST,
        description="Requests a minute without an answer, three minutes in a row, for an"
        " alarm",
    )
    source_writes: Literal["allowed", "paused"] = Field(
        default="allowed", description="Whether the source's application may write"
    )
    target_writes: Literal["allowed", "paused"] = Field(
        default="paused", description="Whether the target's application may write"
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Traffic:
        for first, second in (
            ("source_dial", "target_dial"),
            ("app_source_weight", "app_target_weight"),
            ("db_source_weight", "db_target_weight"),
        ):
            if not getattr(self, first) + getattr(self, second):
                raise ValueError(f"{first} and {second} are both 0; give one a share")
        return self


class Promotion(_Model):
    """The two switches of the replica; set them in two rollouts, in this order."""

    promoted: bool = Field(
        default=False,
        description="Whether the replica is promoted, which also gives it backups",
    )
    standby: bool = Field(
        default=False,
        description="Whether the promoted instance has a standby, as database.multi_az"
        " says",
    )

    @model_validator(mode="after")
    def _order(self) -> Promotion:
        if self.standby and not self.promoted:
            raise ValueError(
                "standby is for a promoted replica; set promoted: true first, in a"
                " rollout of its own"
            )
        return self


class Backups(_Model):
    """The retention of AWS Backup."""

    days: int = Field(default=35, ge=1, le=3650, description="Days a backup is kept")
    copy_days: int = Field(
        default=35,
        ge=1,
        le=3650,
        description="Days the copy in the other region is kept",
    )
    bucket_days: int = Field(
        default=365,
        ge=120,
        le=3650,
        description="Days that objects in the backup bucket are kept",
    )


class Settings(_Model):
    """The `settings` of a region_migration."""

    existing: Existing | None = Field(
        default=None,
        description="Existing resources of the source region; by default tapgen creates the source, too",
    )
    vpc_cidr: VpcRange | None = Field(
        default=None, description="Address range of the source region's VPC"
    )
    target_vpc_cidr: VpcRange = Field(
        description="Address range of the target region's VPC"
    )
    zones: int = Field(
        default=2,
        ge=2,
        le=network.MAX_ZONES,
        description="Number of Availability Zones",
    )
    allowed_cidr: Range = Field(description="Address range that may reach the servers")
    allow_public: bool = Field(
        default=False, description="Whether allowed_cidr may be the whole internet"
    )
    certificate_arns: Mapping[Role, str] = Field(
        default_factory=dict,
        description="Certificate of each region's load balancer, by region role",
    )
    allow_http: bool = Field(
        default=False, description="Whether to serve without certificates, on port 80"
    )
    domain: str = Field(
        default="",
        description="Public domain name for the accelerator, in hosted_zone_id",
    )
    hosted_zone_id: str = Field(
        default="", description="Id of the hosted zone of the public name"
    )
    alert_email: Email = Field(
        default="", description="Email address that receives alarms"
    )
    operators: tuple[Principal, ...] = Field(
        default=("role/migration-team",),
        min_length=1,
        description="Roles and users of the account that may carry out the migration",
    )
    log_retention_days: RetentionDays = Field(
        default=90, description="Days that log groups keep their events"
    )
    access_log_days: int = Field(
        default=400, ge=91, le=3650, description="Days that access logs are kept"
    )
    noncurrent_version_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days for which replaced and deleted objects can be restored",
    )
    replication_time_control: bool = Field(
        default=True,
        description="Whether S3 guarantees replication in 15 minutes, at extra cost",
    )
    reverse_replication: bool = Field(
        default=True,
        description="Whether objects are also replicated back to the source, until it is"
        " removed",
    )
    home: Role = Field(
        default="target",
        description="Region role of roles, names, accelerator, primary key and secret:"
        " target, or source where they were created there",
    )
    source: Literal["kept", "leaving", "removed"] = Field(
        default="kept",
        description="What becomes of the source region after the migration: leaving ends"
        " its protection and the replication to it, removed deletes what is there",
    )
    rejected_packets_alarm: int = Field(
        default=10_000,
        ge=1,
        le=frame.MOST,
        description="Alarm when more packets than this are rejected in five minutes",
    )
    deletion_protection: bool = Field(
        default=True, description="Whether load balancers have deletion protection"
    )
    servers: Servers = Field(default=Servers(), description="The servers")
    database: Database = Field(default=Database(), description="The database")
    traffic: Traffic = Field(default=Traffic(), description="Where traffic goes")
    promotion: Promotion = Field(
        default=Promotion(), description="Promotion of the replica, step by step"
    )
    backups: Backups = Field(default=Backups(), description="Retention of backups")

    @field_validator("domain")
    @classmethod
    def _domain(cls, name: str) -> str:
        return _matching(name, f"|{dns.DOMAIN_PATTERN}", "a domain in lower case")

    @field_validator("hosted_zone_id")
    @classmethod
    def _zone(cls, zone: str) -> str:
        return _matching(zone, f"|{dns.ZONE_PATTERN}", "the id of a hosted zone")

    @field_validator("certificate_arns")
    @classmethod
    def _certificates(cls, given: Mapping[Role, str]) -> Mapping[Role, str]:
        for arn in given.values():
            _matching(
                arn, _ARN % ("acm", "certificate/[0-9a-f-]+"), "a certificate's ARN"
            )
        return given

    @model_validator(mode="after")
    def _together(self) -> Settings:
        problems = [
            *self._addresses(),
            *self._tls(),
            *self._order(),
            *self._leaving(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _addresses(self) -> Iterator[str]:
        if IPv4Network(self.allowed_cidr).prefixlen <= PUBLIC_PREFIX:
            if not self.allow_public:
                yield (
                    f"allowed_cidr {self.allowed_cidr!r} allows the internet; give"
                    " the addresses of your users, or set allow_public: true"
                )
        if self.existing is None and self.vpc_cidr is None:
            yield "vpc_cidr is missing: the system creates a VPC in the source; give its range"
        if self.existing is not None and self.vpc_cidr is not None:
            yield "vpc_cidr has no effect: with existing there is no new VPC in the source"
        if self.vpc_cidr is not None:
            here, there = IPv4Network(self.vpc_cidr), IPv4Network(self.target_vpc_cidr)
            if here.overlaps(there):
                yield (
                    f"vpc_cidr {here} and target_vpc_cidr {there} overlap; give two"
                    " that do not, so that the networks can be joined"
                )

    def _tls(self) -> Iterator[str]:
        wanted = {"target"} if self.existing is not None else {"source", "target"}
        if self.certificate_arns and set(self.certificate_arns) != wanted:
            yield f"certificate_arns needs exactly {', '.join(sorted(wanted))}"
        if not self.certificate_arns and not self.allow_http:
            yield (
                "certificate_arns is missing: give the ARN of a certificate in each"
                " region, or set allow_http: true"
            )
        if bool(self.domain) != bool(self.hosted_zone_id):
            yield "domain and hosted_zone_id go together; give both or neither"

    def _order(self) -> Iterator[str]:
        if not self.promotion.promoted:
            if self.traffic.db_target_weight:
                yield (
                    "traffic.db_target_weight sends writers to a replica; set"
                    " promotion.promoted: true first, in a rollout of its own"
                )
        elif self.traffic.db_source_weight:
            for role in self.writers():
                yield (
                    f"traffic.{role}_writes is allowed, but db_source_weight"
                    f" {self.traffic.db_source_weight} still leads writers to the old"
                    " database, from which nothing is replicated after the promotion;"
                    f" set {role}_writes: paused, then db_source_weight: 0 and"
                    " db_target_weight, and allow writes in the rollout after that"
                )
        yield from self._served_where_writes_are_paused()

    def _leaving(self) -> Iterator[str]:
        """What still needs the source region that is left."""
        if self.source == "kept":
            return
        traffic = self.traffic
        wanted: dict[str, tuple[object, object]] = {
            "promotion.promoted": (self.promotion.promoted, True),
            "traffic.source_dial": (traffic.source_dial, 0),
            "traffic.app_source_weight": (traffic.app_source_weight, 0),
            "traffic.db_source_weight": (traffic.db_source_weight, 0),
            "traffic.source_writes": (traffic.source_writes, "paused"),
        }
        for name, (given, needed) in wanted.items():
            if given != needed:
                other = name.partition(".")[2].replace("source", "target")
                too = f" and {other} to 100" * (getattr(traffic, other, None) == 0)
                yield (
                    f"source is {self.source}, but {name} is {str(given).lower()}; set it"
                    f" to {str(needed).lower()}{too} first, in a rollout of its own"
                )
        if self.source == "removed" and self.home == "source":
            yield (
                "source is removed, but home is source: roles, names, accelerator, the"
                " primary key and the secret are there; set source: leaving"
            )

    def replicates_back(self) -> bool:
        """Return whether objects are also replicated to the source."""
        return self.reverse_replication and self.source == "kept"

    def read_only(self) -> bool:
        """Return whether the source's database must take no writes: while they are
        paused, and after the promotion, from which on nothing replicates them."""
        return self.promotion.promoted or not self.writers()

    def writers(self) -> list[Role]:
        """Return the region roles whose application may write.

        With `existing` the switch of the source is a statement about an application that
        the user pauses.
        """
        traffic = self.traffic
        switches: dict[Role, str] = {
            "source": traffic.source_writes,
            "target": traffic.target_writes,
        }
        return [role for role, switch in switches.items() if switch == "allowed"]

    def _served_where_writes_are_paused(self) -> Iterator[str]:
        """Users in one region who cannot write, while those in the other one can.

        Where no region may write, all of them wait for the promotion.
        """
        traffic, writers = self.traffic, self.writers()
        shares: dict[Role, dict[str, int]] = {
            "source": {
                "source_dial": traffic.source_dial,
                "app_source_weight": traffic.app_source_weight,
            },
            "target": {
                "target_dial": traffic.target_dial,
                "app_target_weight": traffic.app_target_weight,
            },
        }
        database = "promoted" if self.promotion.promoted else "source's"
        for role in shares if len(writers) == 1 else ():
            for name, share in shares[role].items():
                if share and role not in writers:
                    yield (
                        f"traffic.{name} {share} sends users to servers whose writes are"
                        f" paused, while {writers[0]}_writes is allowed; set {name}: 0,"
                        f" or {role}_writes: allowed: db. leads them to the {database}"
                        " database"
                    )

    def prefix(self) -> int:
        """Return the prefix length of every subnet."""
        given = [r for r in (self.vpc_cidr, self.target_vpc_cidr) if r is not None]
        narrowest = max(IPv4Network(text).prefixlen for text in given)
        return min(SMALLEST_SUBNET, max(24, narrowest + network.GRID_BITS))
