"""The `settings` block of a secure_network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tapgen.blocks import monitoring, network

SMALLEST_SUBNET = 28
"""The prefix of the smallest subnet a VPC takes."""

# What a VPC may be made of without hiding a part of the internet from its instances.
_PRIVATE = [
    IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
]
# Ranges at least this wide are no longer somebody's addresses but the internet's.
_PUBLIC_PREFIX = 7


def _range(text: str) -> str:
    """An IPv4 range without host bits, or a ValueError that says what is wrong."""
    try:
        return str(IPv4Network(text))
    except ValueError as error:
        try:
            meant = f"; did you mean {IPv4Network(text, strict=False)}?"
        except ValueError:
            meant = ""
        raise ValueError(
            f"{text!r} is not an IPv4 range; give one such as 10.20.0.0/16{meant}"
        ) from error


def _vpc_range(text: str) -> str:
    given = IPv4Network(_range(text))
    if not any(given.subnet_of(private) for private in _PRIVATE):
        allowed = ", ".join(map(str, _PRIVATE))
        raise ValueError(f"{text!r} is not private; give a range within {allowed}")
    largest, smallest = 16, SMALLEST_SUBNET - network.GRID_BITS
    if not largest <= given.prefixlen <= smallest:
        raise ValueError(
            f"{text!r} cannot hold the subnets; give a prefix from /{largest} to"
            f" /{smallest}"
        )
    return text


def _retention(days: int) -> int:
    if days not in monitoring.RETENTION_DAYS:
        allowed = ", ".join(map(str, monitoring.RETENTION_DAYS))
        raise ValueError(f"{days} is not a retention of CloudWatch; give {allowed}")
    return days


VpcRange = Annotated[str, AfterValidator(_vpc_range)]


class Database(BaseModel):
    """The database of the `ideal` profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        default="app", description="Name of the database that is made at first"
    )
    postgres_version: str = Field(
        default="17",
        description="PostgreSQL version, major or full, quoted: '17' or '17.6'",
    )
    instance_class: str = Field(
        default="db.t4g.medium", description="Instance class, of source and replica"
    )
    storage_gib: int = Field(
        default=50, ge=20, le=65536, description="Size at first, in GiB"
    )
    max_storage_gib: int = Field(
        default=200,
        ge=22,
        le=65536,
        description="Size that storage may grow to, in GiB",
    )
    backup_days: int = Field(
        default=14, ge=7, le=35, description="Days back to which it can be restored"
    )
    multi_az: bool = Field(
        default=True, description="Whether a standby in another zone waits"
    )
    deletion_protection: bool = Field(
        default=True, description="Whether RDS refuses to delete it"
    )
    connections_alarm: int = Field(
        default=300, ge=1, description="Connections above which an alarm is raised"
    )

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        reserved = ("postgres", "rdsadmin", "template0", "template1", "db")
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name) or name in reserved:
            raise ValueError(
                f"{name!r} cannot name a database; give a lower-case letter, then"
                f" letters, digits and underscores, and none of {', '.join(reserved)}"
            )
        return name

    @field_validator("postgres_version")
    @classmethod
    def _version(cls, version: str) -> str:
        if not re.fullmatch(r"\d{2}(\.\d{1,2})?", version):
            raise ValueError(
                f"{version!r} is not a PostgreSQL version; give one such as '17' or"
                " '17.6'"
            )
        return version

    @field_validator("instance_class")
    @classmethod
    def _class(cls, name: str) -> str:
        if not re.fullmatch(r"db\.[a-z0-9-]+\.[a-z0-9]+", name):
            raise ValueError(
                f"{name!r} is not an instance class; give one such as db.t4g.medium or"
                " db.r6g.large"
            )
        return name

    @field_validator("max_storage_gib")
    @classmethod
    def _room(cls, most: int, info: ValidationInfo) -> int:
        first = info.data.get("storage_gib", 0)
        # RDS wants a tenth more, or storage autoscaling never acts.
        if most * 10 < first * 11:
            raise ValueError(
                f"{most} leaves no room above storage_gib {first}; give at least"
                f" {-(-first * 11 // 10)}"
            )
        return most


class Settings(BaseModel):
    """The `settings` of a secure_network. Those of the `ideal` profile say so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: Literal["minimal", "ideal"] = Field(
        default="ideal",
        description="minimal: the plain network and storage; ideal: for production",
    )
    vpc_cidr: VpcRange = Field(description="Addresses of the VPC in the primary region")
    dr_vpc_cidr: VpcRange | None = Field(
        default=None, description="Addresses of the VPC in the recovery region (ideal)"
    )
    subnet_prefix: int | None = Field(
        default=None,
        ge=20,
        le=SMALLEST_SUBNET,
        description="Prefix length of every subnet; by default 24 where that fits",
    )
    zones: int = Field(
        default=2,
        ge=2,
        le=network.MAX_ZONES,
        description="Availability zones to spread over",
    )
    zone_names: Mapping[Literal["primary", "dr"], tuple[str, ...]] = Field(
        default_factory=dict,
        description="The zones to use, by region role; by default AWS chooses",
    )
    allowed_cidr: str = Field(description="Addresses that may reach the web tier")
    allow_public: bool = Field(
        default=False, description="Whether allowed_cidr may be the whole internet"
    )
    app_port: int = Field(
        default=8080,
        ge=1024,
        le=65535,
        description="Port the application tier listens on (ideal)",
    )
    alert_email: str = Field(default="", description="Address that alarms are sent to")
    log_retention_days: Annotated[int, AfterValidator(_retention)] = Field(
        default=90, description="Days that log groups keep their events"
    )
    audit_retention_days: int = Field(
        default=400,
        ge=91,
        le=3650,
        description="Days that access and audit logs are kept (ideal)",
    )
    noncurrent_version_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days that replaced and deleted objects can be brought back",
    )
    replication_time_control: bool = Field(
        default=False,
        description="Whether S3 promises to replicate in 15 minutes, at a price",
    )
    rejected_packets_alarm: int = Field(
        default=10_000,
        ge=1,
        description="Packets refused in five minutes that raise an alarm (ideal)",
    )
    database: Database = Field(default=Database(), description="The database (ideal)")

    @field_validator("allowed_cidr")
    @classmethod
    def _allowed(cls, text: str) -> str:
        return _range(text)

    @field_validator("alert_email")
    @classmethod
    def _email(cls, address: str) -> str:
        if address and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", address):
            raise ValueError(
                f"{address!r} is not an e-mail address; give one, or leave it out"
            )
        return address

    @model_validator(mode="after")
    def _together(self) -> Settings:
        problems = list(self._conflicts())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _conflicts(self) -> Iterator[str]:
        if IPv4Network(self.allowed_cidr).prefixlen <= _PUBLIC_PREFIX:
            if not self.allow_public:
                yield (
                    f"allowed_cidr {self.allowed_cidr!r} lets in the internet; give"
                    " the addresses of your users, or set allow_public: true"
                )
        if self.profile == "ideal" and self.dr_vpc_cidr is None:
            yield "dr_vpc_cidr is missing: profile ideal has a VPC in both regions"
        if self.dr_vpc_cidr is not None:
            here, there = IPv4Network(self.vpc_cidr), IPv4Network(self.dr_vpc_cidr)
            if here.overlaps(there):
                yield (
                    f"vpc_cidr {here} and dr_vpc_cidr {there} overlap; give two that"
                    " do not, so that the networks can be joined"
                )
        for text in self.ranges():
            if self.prefix() - IPv4Network(text).prefixlen < network.GRID_BITS:
                yield (
                    f"subnet_prefix {self.prefix()} does not leave {text} room for its"
                    f" {2 ** network.GRID_BITS} subnets; give"
                    f" {IPv4Network(text).prefixlen + network.GRID_BITS} to"
                    f" {SMALLEST_SUBNET}"
                )
        for role, given in self.zone_names.items():
            if len(given) != self.zones or len(set(given)) != self.zones:
                yield (
                    f"zone_names.{role} has {', '.join(given) or 'none'}; give"
                    f" {self.zones} different zones, as many as zones says"
                )

    def ranges(self) -> list[str]:
        """The address ranges of the VPCs that are made."""
        both = [self.vpc_cidr, self.dr_vpc_cidr if self.profile == "ideal" else None]
        return [text for text in both if text is not None]

    def prefix(self) -> int:
        """The prefix length of every subnet."""
        if self.subnet_prefix is not None:
            return self.subnet_prefix
        narrowest = max(IPv4Network(text).prefixlen for text in self.ranges())
        return max(24, narrowest + network.GRID_BITS)
