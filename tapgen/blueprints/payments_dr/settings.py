"""The `settings` block of a payments_dr."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tapgen.blocks import compute, dns, firewall, frame, network, operators
from tapgen.blueprints.values import (
    DatabaseName,
    Email,
    Principal,
    RetentionDays,
    VpcRange,
)

Role = Literal["primary", "dr"]

_CERTIFICATE = r"arn:aws[a-z-]*:acm:([a-z0-9-]+):\d{12}:certificate/[\w-]+"
_SCHEDULE = r"(cron|rate)\([^()]+\)"


def _matching(value: str, pattern: str, what: str, example: str) -> str:
    if not re.fullmatch(pattern, value):
        raise ValueError(f"{value!r} is not {what}; give one such as {example}")
    return value


class Domain(BaseModel):
    """The domain name of the API, which leads to the healthy region."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Domain name of the API, in both regions")
    hosted_zone_id: str = Field(description="Id of the hosted zone of the domain name")
    certificates: Mapping[Role, str] = Field(
        default_factory=dict,
        description="Certificates of ACM by region role; without one it is requested"
        " and validated through the hosted zone",
    )

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        example = "payments.example.com"
        return _matching(name, dns.DOMAIN_PATTERN, "a domain in lower case", example)

    @field_validator("hosted_zone_id")
    @classmethod
    def _zone(cls, zone: str) -> str:
        example = "Z0123456789ABCDEFGHIJ"
        return _matching(zone, dns.ZONE_PATTERN, "the id of a hosted zone", example)

    @field_validator("certificates")
    @classmethod
    def _certificates(cls, given: Mapping[Role, str]) -> Mapping[Role, str]:
        for arn in given.values():
            example = "arn:aws:acm:us-east-1:111111111111:certificate/1234abcd"
            _matching(arn, _CERTIFICATE, "a certificate of ACM", example)
        return given


class Database(BaseModel):
    """The global database."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: DatabaseName = Field(
        default="payments", description="Name of the initial database"
    )
    aurora_version: str = Field(
        default="16.8",
        description="Full version of Aurora PostgreSQL, quoted, for both regions",
    )
    dr_aurora_version: str = Field(
        default="",
        description="Version of the recovery region's cluster, which is upgraded first;"
        " empty for aurora_version",
    )
    instance_class: str = Field(
        default="db.r6g.large", description="DB instance class of both clusters"
    )
    instances: int = Field(
        default=2, ge=2, le=15, description="Instances of each cluster"
    )
    backup_days: int = Field(
        default=35, ge=7, le=35, description="Days that automated backups are kept"
    )

    @field_validator("dr_aurora_version")
    @classmethod
    def _dr_version(cls, version: str) -> str:
        example = "'16.9', or nothing"
        return _matching(version, r"(\d{2}\.\d{1,2})?", "a full version", example)

    @field_validator("aurora_version")
    @classmethod
    def _version(cls, version: str) -> str:
        return _matching(version, r"\d{2}\.\d{1,2}", "a full version", "'16.8'")

    @field_validator("instance_class")
    @classmethod
    def _class(cls, name: str) -> str:
        # Global databases support only memory-optimised classes.
        # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database.configuration.requirements.html
        what = "a class that global databases run on"
        return _matching(name, r"db\.[rx][a-z0-9]+\.[a-z0-9]+", what, "db.r6g.large")


class Drills(BaseModel):
    """Failure drills."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: str = Field(
        default="cron(0 9 ? 1/3 2#1 *)",
        description="Schedule of drills (UTC): the first Monday of every quarter",
    )
    automatic: bool = Field(
        default=False,
        description="Whether the failover experiment starts automatically at that time",
    )

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, schedule: str) -> str:
        what, example = "a schedule of EventBridge", "cron(0 9 ? 1/3 2#1 *)"
        return _matching(schedule, _SCHEDULE, what, example)


class Health(BaseModel):
    """What protects the health checks, which anybody can ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrency: int = Field(
        default=5,
        ge=0,
        le=compute.MOST_RESERVED,
        description="Reserved concurrency of the function for health checks; 0 for none"
        " of its own, in accounts with a small quota",
    )
    requests_per_address: int = Field(
        default=0,
        ge=0,
        le=firewall.MOST_REQUESTS,
        description="AWS WAF blocks an address that asks for the health more often in"
        " five minutes, at extra cost; 0 for no AWS WAF, otherwise 100 at least",
    )

    # AWS WAF takes 10 and more, in windows of one to ten minutes; five by default. A checker
    # of Route 53 asks every 10 or 30 seconds, so up to 30 times in five minutes.
    # https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based-high-level-settings.html
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html
    @field_validator("requests_per_address")
    @classmethod
    def _rate(cls, number: int) -> int:
        if 0 < number < firewall.LEAST_REQUESTS:
            raise ValueError(
                f"{number} would block Route 53's own checkers; give"
                f" {firewall.LEAST_REQUESTS} at least, or 0 for no AWS WAF"
            )
        return number


class Settings(BaseModel):
    """The `settings` of a payments_dr."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vpc_cidr: VpcRange = Field(
        default="10.0.0.0/16",
        description="Address range of the VPC in the primary region",
    )
    dr_vpc_cidr: VpcRange = Field(
        default="10.1.0.0/16",
        description="Address range of the VPC in the recovery region",
    )
    nat: Literal["per_zone", "single"] = Field(
        default="per_zone",
        description="per_zone: a NAT gateway in each zone; single: one for all of them",
    )
    private_endpoints: bool = Field(
        default=True,
        description="Whether the VPC has endpoints for AWS services, at extra cost",
    )
    domain: Domain | None = Field(
        default=None, description="Custom domain, with failover records"
    )
    consistency: Literal["eventual", "strong"] = Field(
        default="eventual",
        description="Whether both regions judge a payment id at once (strong, in some"
        " regions, with a witness in a third) or reconcile afterwards; fixed when the"
        " table is created",
    )
    currencies: tuple[str, ...] = Field(
        default=("USD", "EUR", "GBP"), description="Currencies that the API accepts"
    )
    max_amount: str = Field(default="100000", description="The largest payment, quoted")
    requests_per_second: int = Field(
        default=100,
        ge=1,
        le=10000,
        description="Requests that the API accepts per second",
    )
    burst: int = Field(
        default=200,
        ge=1,
        le=5000,
        description="Requests that it accepts at once (burst)",
    )
    health: Health = Field(
        default=Health(), description="Protection of the health checks"
    )
    concurrency: int = Field(
        default=0,
        ge=0,
        le=compute.MOST_RESERVED,
        description="Reserved concurrency of the function, in each region; 0 for none",
    )
    memory_mib: int = Field(
        default=512, ge=128, le=10240, description="Memory of the function, in MiB"
    )
    database: Database = Field(default=Database(), description="The database")
    deletion_protection: bool = Field(
        default=True, description="Whether database and table have deletion protection"
    )
    replication_lag_ms: int = Field(
        default=1000,
        ge=100,
        le=600_000,
        description="Alarm when the database replica lags more milliseconds than this",
    )
    replication_lag_dimensions: Literal["cluster", "source_region", "both"] = Field(
        default="cluster",
        description="Dimensions of Aurora's lag metric in this account; check with"
        " list-metrics",
    )
    replication_time_control: bool = Field(
        default=True,
        description="Whether S3 guarantees replication in 15 minutes, at extra cost",
    )
    reverse_replication: bool = Field(
        default=True,
        description="Whether receipts are also replicated from the recovery region to"
        " the primary one",
    )
    noncurrent_version_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days for which replaced and deleted objects can be restored",
    )
    backup_days: int = Field(
        default=35, ge=7, le=3650, description="Days that AWS Backup keeps a backup"
    )
    log_retention_days: RetentionDays = Field(
        default=365, description="Days that log groups keep their events"
    )
    audit_retention_days: int = Field(
        default=400,
        ge=91,
        le=3650,
        description="Days that access logs and the trail are kept",
    )
    table_events: bool = Field(
        default=False,
        description="Whether the trail records each call that reads or writes payments,"
        " at extra cost",
    )
    alert_email: Email = Field(
        default="", description="Email address that receives alarms"
    )
    operators: tuple[Principal, ...] = Field(
        default=("role/payments-oncall",),
        min_length=1,
        description="Roles and users of the account that may run a failover",
    )
    second_factor: bool = Field(
        default=True, description="Whether operators need a second factor"
    )
    second_factor_by: Literal["mfa", "session_tag"] = Field(
        default="session_tag",
        description="What shows it: `mfa` of IAM users, or the session tag"
        " SecondFactor=true, which the identity provider gives to sessions of roles",
    )
    automation: tuple[Principal, ...] = Field(
        default=(),
        description="Automation that may fail over, by an external id: roles and users"
        " of the account, none of them an operator",
    )
    drills: Drills = Field(default=Drills(), description="Failure drills")
    monthly_budget_usd: int = Field(
        default=3000,
        ge=1,
        le=frame.MOST,
        description="Monthly budget in US dollars",
    )
    cost_category: bool = Field(
        default=False,
        description="Whether to categorize costs by region role (in the payer account)",
    )

    @field_validator("currencies")
    @classmethod
    def _currencies(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if not given:
            raise ValueError("no currency is given; give one at least, such as USD")
        for each in given:
            _matching(each, "[A-Z]{3}", "a currency (ISO 4217)", "USD")
        return given

    @field_validator("max_amount")
    @classmethod
    def _amount(cls, text: str) -> str:
        try:
            fits = 0 < Decimal(text) <= 10**12
        except InvalidOperation:
            fits = False
        if not fits or not re.fullmatch(r"\d+(\.\d+)?", text):
            raise ValueError(
                f"{text!r} is not an amount; give one up to 1000000000000, such as"
                " '100000'"
            )
        return text

    @model_validator(mode="after")
    def _together(self) -> Settings:
        problems = list(self._conflicts())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _conflicts(self) -> Iterator[str]:
        here, there = IPv4Network(self.vpc_cidr), IPv4Network(self.dr_vpc_cidr)
        if here.overlaps(there):
            yield (
                f"vpc_cidr {here} and dr_vpc_cidr {there} overlap; give two that do"
                " not, or there is no route between them"
            )
        for both in sorted({*self.operators} & {*self.automation}):
            yield (
                f"{both} is in operators and in automation; give it in one of them, or"
                " an external id could replace its second factor"
            )
        yield from operators.unprovable(
            self.operators, self.second_factor, self.second_factor_by
        )

    def prefix(self) -> int:
        """Return the prefix length of every subnet."""
        ranges = (self.vpc_cidr, self.dr_vpc_cidr)
        narrowest = max(IPv4Network(text).prefixlen for text in ranges)
        return max(24, narrowest + network.GRID_BITS)
