"""The `settings` block of a serverless_api."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tapgen.blocks import compute, dns, firewall
from tapgen.blueprints.serverless_api.shape import (
    AUDIENCE_PATTERN,
    ISSUER_PATTERN,
    MOST_SKEW,
    ORIGIN_PATTERN,
    ROLES,
    TEAM_PATTERN,
    USER_POOL_PATTERN,
)
from tapgen.blueprints.values import PUBLIC_PREFIX, Email, Range, RetentionDays

_CERTIFICATE = r"arn:aws[a-z-]*:acm:([a-z0-9-]+):\d{12}:certificate/[\w-]+"


CERTIFICATES_REGION = "us-east-1"
"""The only region whose certificates CloudFront takes.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html
"""


def _certificate(arn: str) -> str:
    if not re.fullmatch(_CERTIFICATE, arn):
        raise ValueError(
            f"{arn!r} is not a certificate of ACM; give an ARN such as"
            " arn:aws:acm:us-east-1:111111111111:certificate/1234abcd"
        )
    return arn


def _domain(name: str) -> str:
    if not re.fullmatch(dns.DOMAIN_PATTERN, name):
        raise ValueError(
            f"{name!r} is not a domain; give one in lower case such as api.example.com"
        )
    return name


def _hosted_zone(zone: str) -> str:
    if not re.fullmatch(dns.ZONE_PATTERN, zone):
        raise ValueError(
            f"{zone!r} is not a hosted zone; give its id, such as Z0123456789ABCDEFGHIJ"
        )
    return zone


class Certificates(BaseModel):
    """An ACM certificate for the domain in each region."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(description="ARN of the certificate in the source region")
    target: str = Field(description="ARN of the certificate in the target region")

    @field_validator("source", "target")
    @classmethod
    def _arn(cls, arn: str) -> str:
        return _certificate(arn)


class Domain(BaseModel):
    """A custom domain for the API, and the weights of both regions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Domain name of the API, in both regions")
    hosted_zone_id: str = Field(description="Id of the hosted zone of the domain name")
    certificates: Certificates = Field(description="A certificate for each region")
    blue_weight: int = Field(
        default=100,
        ge=0,
        le=dns.MOST_WEIGHT,
        description="Weight of the source region (blue)",
    )
    green_weight: int = Field(
        default=0,
        ge=0,
        le=dns.MOST_WEIGHT,
        description="Weight of the target region (green)",
    )

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return _domain(name)

    @field_validator("hosted_zone_id")
    @classmethod
    def _zone(cls, zone: str) -> str:
        return _hosted_zone(zone)

    @model_validator(mode="after")
    def _weights(self) -> Domain:
        if self.blue_weight == self.green_weight == 0:
            raise ValueError(
                "blue_weight and green_weight are both 0, which Route 53 treats as equal"
                " shares; give one of them at least 1"
            )
        return self


class WebsiteDomain(BaseModel):
    """A custom domain for the website, which CloudFront serves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Domain name of the website")
    hosted_zone_id: str = Field(description="Id of the hosted zone of the domain name")
    certificate: str = Field(
        description="ARN of its certificate, in us-east-1 for CloudFront"
    )

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return _domain(name)

    @field_validator("hosted_zone_id")
    @classmethod
    def _zone(cls, zone: str) -> str:
        return _hosted_zone(zone)

    @field_validator("certificate")
    @classmethod
    def _arn(cls, arn: str) -> str:
        _certificate(arn)
        if arn.split(":")[3] != CERTIFICATES_REGION:
            raise ValueError(
                f"{arn!r} is in {arn.split(':')[3]}; CloudFront takes certificates of"
                " us-east-1 only: give one there"
            )
        return arn


class Stable(BaseModel):
    """A region's stable deployment and version, for requests outside the canary."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str = Field(
        default="",
        pattern="^$|^[1-9][0-9]*$",
        description="Version of the function, quoted; by default the newest",
    )
    deployment: str = Field(
        default="",
        pattern="^$|^[a-z0-9]{6,32}$",
        description="Deployment of the API; by default the newest",
    )


class Canary(BaseModel):
    """A canary: a share of the requests gets the newest version first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    percent: int = Field(
        default=0, ge=0, le=100, description="Percentage of requests; 0 for no canary"
    )
    stable: Mapping[Literal["source", "target"], Stable] = Field(
        default_factory=dict,
        description="Version, deployment or both for all other requests, by region role",
    )

    @model_validator(mode="after")
    def _differs(self) -> Canary:
        for role in ROLES if self.percent else ():
            given = self.stable.get(cast(Literal["source", "target"], role), Stable())
            if not (given.version or given.deployment):
                raise ValueError(
                    f"stable.{role} is missing: all requests would get the newest;"
                    " give the version or deployment for the other requests, from the"
                    " outputs of part api"
                )
        return self


class Jwt(BaseModel):
    """The tokens (JWT) of an issuer of OpenID Connect that callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(
        description="Address of the issuer, exactly as its tokens have it in iss"
    )
    audiences: tuple[str, ...] = Field(
        min_length=1, description="Audiences of the tokens, of which one must match"
    )
    algorithms: tuple[Literal["RS256", "ES256"], ...] = Field(
        default=("RS256",),
        min_length=1,
        description="Algorithms that tokens may be signed with: RS256, ES256",
    )
    clock_skew_seconds: int = Field(
        default=60,
        ge=0,
        le=MOST_SKEW,
        description="Seconds by which the clock of the issuer may differ",
    )

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, issuer: str) -> str:
        if not re.fullmatch(ISSUER_PATTERN, issuer):
            raise ValueError(
                f"{issuer!r} is not an issuer; give its address over HTTPS without a"
                " query, such as https://login.example.com/tenant"
            )
        return issuer

    @field_validator("audiences")
    @classmethod
    def _audiences(cls, audiences: tuple[str, ...]) -> tuple[str, ...]:
        for audience in audiences:
            if not re.fullmatch(AUDIENCE_PATTERN, audience):
                raise ValueError(
                    f"{audience!r} is not an audience; give a name or an address"
                    " without commas and spaces, such as https://api.example.com"
                )
        return audiences


class Settings(BaseModel):
    """The `settings` of a serverless_api."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    team: str = Field(description="The team that owns the system")
    environment: Literal["dev", "staging", "prod"] = Field(
        description="Environment of the system"
    )
    allowed_cidr: Range = Field(description="Address range that may call the API")
    allow_public: bool = Field(
        default=False, description="Whether allowed_cidr may be the whole internet"
    )
    website: Literal["public", "cloudfront"] = Field(
        default="public",
        description="public: S3 serves everybody; cloudfront: private buckets behind CloudFront",
    )
    website_domain: WebsiteDomain | None = Field(
        default=None, description="Custom domain of the website, with cloudfront"
    )
    cors_origins: list[str] = Field(
        default_factory=list,
        description="Origins besides the website's whose pages may call the API",
    )
    authorizer: Literal["none", "iam", "cognito", "jwt"] = Field(
        default="none",
        description="iam: signed requests; cognito: ID tokens of user_pools; jwt: tokens"
        " of an issuer of OpenID Connect",
    )
    user_pools: tuple[str, ...] = Field(
        default=(), description="ARNs of the user pools whose users may call (cognito)"
    )
    jwt: Jwt | None = Field(
        default=None, description="The tokens that callers send (jwt)"
    )
    alert_email: Email = Field(
        default="", description="Email address that receives alarms"
    )
    log_retention_days: RetentionDays = Field(
        default=90, description="Days that log groups keep their events"
    )
    noncurrent_version_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days for which replaced and deleted pages can be restored",
    )
    replication_time_control: bool = Field(
        default=False,
        description="Whether S3 guarantees replication in 15 minutes, at extra cost",
    )
    deletion_protection: bool = Field(
        default=True, description="Whether the table has deletion protection"
    )
    concurrency: int = Field(
        default=0,
        ge=0,
        le=compute.MOST_RESERVED,
        description="Reserved concurrency of the function, in each region; 0 for none",
    )
    health_concurrency: int = Field(
        default=0,
        ge=0,
        le=compute.MOST_RESERVED,
        description="Reserved concurrency of the function for health checks; 0 for none",
    )
    memory_mib: int = Field(
        default=256, ge=128, le=10240, description="Memory of the function, in MiB"
    )
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
    requests_per_address: int = Field(
        default=0,
        ge=0,
        le=firewall.MOST_REQUESTS,
        description="AWS WAF blocks an address that sends more requests in five minutes,"
        " at extra cost; 0 for no AWS WAF, otherwise 100 at least",
    )
    canary: Canary = Field(
        default=Canary(),
        description="Canary: a share of the requests gets the newest version first",
    )
    domain: Domain | None = Field(
        default=None, description="Custom domain, with weighted records"
    )

    @field_validator("requests_per_address")
    @classmethod
    def _rate(cls, number: int) -> int:
        if 0 < number < firewall.LEAST_REQUESTS:
            raise ValueError(
                f"{number} would block Route 53's own checkers; give"
                f" {firewall.LEAST_REQUESTS} at least, or 0 for no AWS WAF"
            )
        return number

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not re.fullmatch(ORIGIN_PATTERN, origin):
                raise ValueError(
                    f"{origin!r} is not an origin; give scheme and host in lower case, and"
                    " a port if it is not the default, such as https://www.example.com"
                )
        return origins

    @field_validator("user_pools")
    @classmethod
    def _pools(cls, pools: tuple[str, ...]) -> tuple[str, ...]:
        for pool in pools:
            if not re.fullmatch(USER_POOL_PATTERN.strip("^$"), pool):
                raise ValueError(
                    f"{pool!r} is not a user pool; give its ARN, such as"
                    " arn:aws:cognito-idp:us-east-1:111111111111:userpool/us-east-1_Ab1"
                )
        return pools

    @field_validator("team")
    @classmethod
    def _team(cls, team: str) -> str:
        if not re.fullmatch(TEAM_PATTERN.strip("^$"), team):
            raise ValueError(
                f"{team!r} is not a team name; give a lower-case letter, then 1 to 30"
                " letters, digits and hyphens"
            )
        return team

    @model_validator(mode="after")
    def _known(self) -> Settings:
        if (self.authorizer == "cognito") != bool(self.user_pools):
            raise ValueError(
                "authorizer: cognito and user_pools need each other; give both, or"
                " neither"
            )
        if (self.authorizer == "jwt") != (self.jwt is not None):
            raise ValueError(
                "authorizer: jwt and jwt need each other; give both, or neither"
            )
        return self

    @model_validator(mode="after")
    def _served(self) -> Settings:
        if self.website_domain is not None and self.website != "cloudfront":
            raise ValueError(
                "website_domain needs website: cloudfront; a website endpoint of S3"
                " answers for a domain only from a bucket of its name, and two regions"
                " cannot have a bucket of the same name"
            )
        return self

    @model_validator(mode="after")
    def _closed(self) -> Settings:
        wide = IPv4Network(self.allowed_cidr).prefixlen <= PUBLIC_PREFIX
        if wide and not self.allow_public:
            raise ValueError(
                f"allowed_cidr {self.allowed_cidr!r} allows the internet; give the"
                " addresses of your users, or set allow_public: true"
            )
        return self
