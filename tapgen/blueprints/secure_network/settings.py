"""The `settings` block of a secure_network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tapgen.blocks import frame, network, operators
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


class Settings(BaseModel):
    """The `settings` of a secure_network; those only for profile `ideal` say so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: Literal["minimal", "ideal"] = Field(
        default="ideal",
        description="minimal: network and storage only; ideal: for production",
    )
    vpc_cidr: VpcRange = Field(
        description="Address range of the VPC in the primary region"
    )
    dr_vpc_cidr: VpcRange | None = Field(
        default=None,
        description="Address range of the VPC in the recovery region (ideal)",
    )
    subnet_prefix: int | None = Field(
        default=None,
        ge=20,
        le=SMALLEST_SUBNET,
        description="Prefix length of every subnet; by default 24 if that fits",
    )
    zones: int = Field(
        default=2,
        ge=2,
        le=network.MAX_ZONES,
        description="Number of Availability Zones",
    )
    zone_names: Mapping[Literal["primary", "dr"], tuple[str, ...]] = Field(
        default_factory=dict,
        description="The zones to use, by region role; by default AWS chooses",
    )
    allowed_cidr: Range = Field(description="Address range that may reach the web tier")
    allow_public: bool = Field(
        default=False, description="Whether allowed_cidr may be the whole internet"
    )
    app_port: int = Field(
        default=8080,
        ge=1024,
        le=65535,
        description="Port the application tier listens on (ideal)",
    )
    alert_email: Email = Field(
        default="", description="Email address that receives alarms"
    )
    log_retention_days: RetentionDays = Field(
        default=90, description="Days that log groups keep their events"
    )
    audit_retention_days: int = Field(
        default=400,
        ge=91,
        le=3650,
        description="Days that access and audit logs are kept (ideal)",
    )
    audit_lock: Literal["governance", "compliance"] = Field(
        default="governance",
        description="Lock of the trail's files; nobody can end compliance early (ideal)",
    )
    audit_lock_days: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="Days of that lock; by default audit_retention_days (ideal)",
    )
    noncurrent_version_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days for which replaced and deleted objects can be restored",
    )
    replication_time_control: bool = Field(
        default=False,
        description="Whether S3 guarantees replication in 15 minutes, at extra cost",
    )
    reverse_replication: bool = Field(
        default=True,
        description="Whether objects are also replicated from the recovery region to the"
        " primary one (ideal)",
    )
    rejected_packets_alarm: int = Field(
        default=10_000,
        ge=1,
        le=frame.MOST,
        description="Alarm when more packets than this are rejected in five minutes (ideal)",
    )
    database: Database = Field(default=Database(), description="The database (ideal)")
    operators: tuple[Principal, ...] = Field(
        default=("role/network-oncall",),
        min_length=1,
        description="Roles and users of the account that may start the runbooks (ideal)",
    )
    second_factor: bool = Field(
        default=True, description="Whether operators need a second factor (ideal)"
    )
    second_factor_by: Literal["mfa", "session_tag"] = Field(
        default="session_tag",
        description="What shows it: `mfa` of IAM users, or the session tag"
        " SecondFactor=true, which the identity provider gives to sessions of roles",
    )
    dr_database: Literal["replica", "promoted", "multi_az"] = Field(
        default="replica",
        description="Database in the recovery region: each state in a rollout of its own (ideal)",
    )

    primary_database: Literal["original", "replica", "promoted", "multi_az"] = Field(
        default="original",
        description="The way back: a new database in the primary region that follows the"
        " promoted one, then takes over (ideal)",
    )

    @model_validator(mode="after")
    def _together(self) -> Settings:
        problems = [*self._conflicts(), *self._longer_lock(), *self._no_source()]
        problems += operators.unprovable(
            self.operators, self.second_factor, self.second_factor_by
        )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _conflicts(self) -> Iterator[str]:
        if IPv4Network(self.allowed_cidr).prefixlen <= PUBLIC_PREFIX:
            if not self.allow_public:
                yield (
                    f"allowed_cidr {self.allowed_cidr!r} allows the internet; give"
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

    def _no_source(self) -> Iterator[str]:
        if self.primary_database != "original" and self.dr_database == "replica":
            yield (
                f"primary_database: {self.primary_database} needs a database to follow"
                " in the recovery region: it comes after dr_database: promoted"
            )

    def _longer_lock(self) -> Iterator[str]:
        if self.lock_days() > self.audit_retention_days:
            yield (
                f"audit_lock_days {self.lock_days()} is longer than audit_retention_days"
                f" {self.audit_retention_days}; S3 could not delete what expires: give at"
                " most as many"
            )

    def lock_days(self) -> int:
        """Return the days for which nobody can delete the trail's files."""
        given = self.audit_lock_days
        return self.audit_retention_days if given is None else given

    def ranges(self) -> list[str]:
        """Return the address ranges of the VPCs that are created."""
        both = [self.vpc_cidr, self.dr_vpc_cidr if self.profile == "ideal" else None]
        return [text for text in both if text is not None]

    def prefix(self) -> int:
        """Return the prefix length of every subnet."""
        if self.subnet_prefix is not None:
            return self.subnet_prefix
        narrowest = max(IPv4Network(text).prefixlen for text in self.ranges())
        return max(24, narrowest + network.GRID_BITS)
