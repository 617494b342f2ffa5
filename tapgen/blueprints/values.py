"""Field types that the settings of several blueprints share."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from tapgen.blocks import database, monitoring, network

SMALLEST_SUBNET = 28
"""The prefix length of the smallest subnet in a VPC."""

# The ranges for a VPC that hide no part of the internet from its instances.
_PRIVATE = [
    IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
]
PUBLIC_PREFIX = 7
"""Ranges at least this wide count as the public internet."""


def ipv4_range(text: str) -> str:
    """Return an IPv4 range without host bits. Raises ValueError with the reason."""
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
    given = IPv4Network(ipv4_range(text))
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


def _email(address: str) -> str:
    if address and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", address):
        raise ValueError(
            f"{address!r} is not an e-mail address; give one, or leave it out"
        )
    return address


def _principal(text: str) -> str:
    # A comma would begin another one.
    if not re.fullmatch(r"(role|user)/[\w+=.@/-]{1,512}", text):
        raise ValueError(
            f"{text!r} is not a role or user of the account; give one such as"
            " role/oncall"
        )
    return text


def _database_name(name: str) -> str:
    reserved = ("postgres", "rdsadmin", "template0", "template1", "db")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name) or name in reserved:
        raise ValueError(
            f"{name!r} cannot name a database; give a lower-case letter, then"
            f" letters, digits and underscores, and none of {', '.join(reserved)}"
        )
    return name


Range = Annotated[str, AfterValidator(ipv4_range)]
"""An IPv4 range without host bits."""

VpcRange = Annotated[str, AfterValidator(_vpc_range)]
"""A private IPv4 range that holds the subnets of a VPC."""

RetentionDays = Annotated[int, AfterValidator(_retention)]
"""A retention period that CloudWatch Logs supports, in days."""

Email = Annotated[str, AfterValidator(_email)]
"""An email address, or empty."""


Principal = Annotated[str, AfterValidator(_principal)]
"""A role or user of the account, with its path: `role/oncall`."""

DatabaseName = Annotated[str, AfterValidator(_database_name)]
"""The name of a database in PostgreSQL."""


class Database(BaseModel):
    """A PostgreSQL database, its standby and its replica."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: DatabaseName = Field(
        default="app", description="Name of the initial database"
    )
    postgres_version: str = Field(
        default="17",
        description="PostgreSQL version, major or full, quoted: '17' or '17.6'",
    )
    instance_class: str = Field(
        default="db.t4g.medium", description="Instance class of source and replica"
    )
    storage_gib: int = Field(
        default=50,
        ge=20,
        le=database.MOST_STORAGE_GIB,
        description="Initial storage size, in GiB",
    )
    max_storage_gib: int = Field(
        default=200,
        ge=22,
        le=database.MOST_STORAGE_GIB,
        description="Maximum size for storage autoscaling, in GiB",
    )
    backup_days: int = Field(
        default=14, ge=7, le=35, description="Days that automated backups are kept"
    )
    multi_az: bool = Field(
        default=True, description="Whether it has a standby in another zone (Multi-AZ)"
    )
    deletion_protection: bool = Field(
        default=True, description="Whether it has deletion protection"
    )
    connections_alarm: int = Field(
        default=300,
        ge=1,
        le=database.MOST_CONNECTIONS,
        description="Alarm when there are more connections than this",
    )

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
        # RDS requires a tenth more for storage autoscaling.
        if most * 10 < first * 11:
            raise ValueError(
                f"{most} leaves no room above storage_gib {first}; give at least"
                f" {-(-first * 11 // 10)}"
            )
        return most
