"""Build the parts of a serverless_api from a config, and connect their outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from tapgen.blocks.compute import CANARY, LIVE
from tapgen.blueprints.encoding import recipe
from tapgen.blueprints.parts import Part, assemble
from tapgen.blueprints.serverless_api import foundation, service, website
from tapgen.blueprints.serverless_api.shape import ROLES, Shape
from tapgen.config import Config
from tapgen.errors import BlueprintError
from tapgen.model import Output, Release, Share, Shift, System, Value

if TYPE_CHECKING:  # at run time it is the checker's, which is quick to import
    from tapgen.blueprints.serverless_api.settings import Domain, Settings

TAGS = {"Purpose": "ServerlessApi"}
"""Tags of every stack set, besides those that all systems have."""

# Outputs that parts take from each other. Regions are region roles.
_KEYS: Mapping[str, Value] = {
    "SourceKeyArn": Output("keys", "KmsKeyArn", region="source"),
    "TargetKeyArn": Output("keys-target", "KmsKeyArn", region="target"),
}
_GUARDS: Mapping[str, Mapping[str, Value]] = {
    "source": {
        "KmsKeyArn": _KEYS["SourceKeyArn"],
        "AlertTopicArn": Output("keys", "AlertTopicArn", region="source"),
    },
    "target": {
        "KmsKeyArn": _KEYS["TargetKeyArn"],
        "AlertTopicArn": Output("keys-target", "AlertTopicArn", region="target"),
    },
}


_AUTHORIZATION = {
    "none": "NONE",
    "iam": "AWS_IAM",
    "cognito": "COGNITO_USER_POOLS",
    "jwt": "CUSTOM",
}


def _text(value: bool | int | str) -> str:
    """Return a setting as the text of a parameter."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _role(output: str) -> Output:
    return Output("roles", output, region="source")


def _topic(role: str) -> dict[str, Value]:
    return {"AlertTopicArn": _GUARDS[role]["AlertTopicArn"]}


def build(config: Config) -> System:
    """Return the system of a config.

    Raises BlueprintError if a name is too long or a certificate is in another region
    than its API.
    """
    settings = cast("Settings", config.settings)
    shape = Shape(
        baseline=config.account_baseline == "create",
        cloudfront=settings.website == "cloudfront",
        allowed_cidr=settings.allowed_cidr,
        authorization=_AUTHORIZATION[settings.authorizer],
        user_pools=settings.user_pools,
        website_domain=settings.website_domain is not None,
    )
    if settings.domain is not None:
        _check_certificates(config, settings.domain)
    parts = [*_foundation(shape, settings), *_website(shape, settings)]
    parts += [_service(shape, settings), _edge(settings)]
    # Stateful resources and functions are created after their roles.
    first = {"keys", "keys-target", "roles", "cdn"}
    owner: dict[str, Value] = {
        "TeamName": settings.team,
        "Environment": settings.environment,
    }
    tags = {**TAGS, "Team": settings.team, "Environment": settings.environment}
    system = assemble(
        replace(config, tags={**tags, **config.tags}),
        [
            replace(
                part,
                values={**owner, **part.values},
                depends_on=part.depends_on if part.name in first else _after(part),
            )
            for part in parts
        ],
    )
    return replace(system, shifts=tuple(_shifts(settings)))


def _shifts(settings: Settings) -> Iterator[Shift]:
    """Return by what traffic is divided, as far as the file has it divided."""
    if settings.domain is not None:
        yield Shift(
            "dns",
            f"requests to {settings.domain.name}",
            "edge",
            {"HostedZoneId": "${HostedZoneId}", "Name": "${DomainName}"},
            (
                Share("blue", "blue", "BlueWeight", "domain.blue_weight", "source"),
                Share("green", "green", "GreenWeight", "domain.green_weight", "target"),
            ),
        )
    for role in ROLES if settings.canary.percent else ():
        yield Shift(
            "canary",
            "requests to the API of one region",
            "api",
            {
                "restApiId": Output("api", "ApiId"),
                "stageName": Output("api", "StageName"),
            },
            (
                Share("canary", "canary", "CanaryPercent", "canary.percent"),
                Share("stable", "stable"),
            ),
            role,
            Release(
                function=Output("api", "FunctionName"),
                deployment=Output("api", "DeploymentId"),
                live=LIVE,
                canary=CANARY,
                version="StableVersion",
                deployed="StableDeployment",
                setting="canary.stable",
            ),
        )


def _after(part: Part) -> tuple[str, ...]:
    return ("roles", *part.depends_on)


def _check_certificates(config: Config, domain: Domain) -> None:
    for role, arn in domain.certificates:
        region = arn.split(":")[3]
        if region != config.regions[role]:
            raise BlueprintError(
                f"{config.path}: settings.domain.certificates.{role}: {arn!r} is in"
                f" {region}; give one in {config.regions[role]}, the API's region"
            )


def _foundation(shape: Shape, settings: Settings) -> Iterator[Part]:
    email = {"AlertEmail": settings.alert_email}
    yield Part(
        "keys", "source", recipe(foundation.keys), ("KmsKeyArn", "AlertTopicArn"), email
    )
    yield Part(
        "keys-target",
        "target",
        recipe(foundation.keys_target),
        ("KmsKeyArn", "AlertTopicArn"),
        {"SourceKeyArn": _KEYS["SourceKeyArn"], **email},
    )
    outputs = ["FunctionRoleArn", "HealthRoleArn", "ReplicationRoleArn"]
    outputs += ["VerifierRoleArn"] if shape.takes_tokens else []
    outputs += ["ApiLoggingRoleArn"] if shape.baseline else []
    yield Part(
        "roles", "global", recipe(foundation.roles, shape), tuple(outputs), _KEYS
    )
    if shape.baseline:
        yield Part(
            "api-account",
            "every",
            recipe(foundation.api_account),
            ("SetBy",),
            {"ApiLoggingRoleArn": _role("ApiLoggingRoleArn")},
        )
    yield Part(
        "table",
        "source",
        recipe(foundation.items_table),
        ("TableName", "TableArn", "StreamArn"),
        {**_KEYS, "DeletionProtection": _text(settings.deletion_protection)},
    )


def _website(shape: Shape, settings: Settings) -> Iterator[Part]:
    shared: dict[str, Value] = {
        "NoncurrentVersionDays": _text(settings.noncurrent_version_days)
    }
    outputs: tuple[str, ...] = ("BucketName", "BucketArn")
    if shape.cloudfront:
        yield Part(
            "cdn",
            "global",
            recipe(website.cdn, shape),
            ("WebsiteUrl", "DistributionId", "DistributionArn"),
            _website_domain(settings),
        )
        shared["DistributionArn"] = Output("cdn", "DistributionArn", region="source")
    else:
        outputs += ("WebsiteUrl",)
    yield Part(
        "website-target",
        "target",
        recipe(website.website_target, shape),
        outputs,
        {**_topic("target"), **shared},
    )
    yield Part(
        "website",
        "source",
        recipe(website.website, shape),
        outputs,
        {
            **_topic("source"),
            **shared,
            "DestinationBucketArn": Output(
                "website-target", "BucketArn", region="target"
            ),
            "ReplicationRoleArn": _role("ReplicationRoleArn"),
            "ReplicationTimeControl": _text(settings.replication_time_control),
        },
    )


def _website_domain(settings: Settings) -> dict[str, Value]:
    given = settings.website_domain
    if given is None:
        return {}
    return {
        "DomainName": given.name,
        "CertificateArn": given.certificate,
        "HostedZoneId": given.hosted_zone_id,
    }


def _website_origins(shape: Shape) -> dict[str, Value]:
    """Return the origins of the website: CloudFront's, or those of both buckets."""
    if shape.cloudfront:
        return {"WebsiteOrigin": Output("cdn", "WebsiteUrl", region="source")}
    return {
        "WebsiteOrigin": Output("website", "WebsiteUrl", region="source"),
        "WebsiteCopyOrigin": Output("website-target", "WebsiteUrl", region="target"),
    }


def _service(shape: Shape, settings: Settings) -> Part:
    values: dict[str, Value] = {
        "FunctionRoleArn": _role("FunctionRoleArn"),
        "HealthRoleArn": _role("HealthRoleArn"),
        "HealthConcurrency": _text(settings.health_concurrency),
        "TableName": Output("table", "TableName", region="source"),
        "LogRetentionDays": _text(settings.log_retention_days),
        "MemorySize": _text(settings.memory_mib),
        "Concurrency": _text(settings.concurrency),
        "AllowedCidr": settings.allowed_cidr,
        "RequestsPerSecond": _text(settings.requests_per_second),
        "Burst": _text(settings.burst),
        "RequestsPerAddress": _text(settings.requests_per_address),
        "CanaryPercent": _text(settings.canary.percent),
        "MoreOrigins": ",".join(settings.cors_origins),
        **_website_origins(shape),
    }
    if settings.user_pools:
        values["UserPoolArns"] = ",".join(settings.user_pools)
    if settings.jwt is not None:
        values |= {
            "VerifierRoleArn": _role("VerifierRoleArn"),
            "Issuer": settings.jwt.issuer,
            "Audiences": ",".join(settings.jwt.audiences),
            "Algorithms": ",".join(settings.jwt.algorithms),
            "ClockSkew": _text(settings.jwt.clock_skew_seconds),
        }
    by_role = {region: dict(guards) for region, guards in _GUARDS.items()}
    for role, stable in settings.canary.stable.items():
        # Each region has its own versions and deployments.
        by_role[role]["StableVersion"] = stable.version
        by_role[role]["StableDeployment"] = stable.deployment
    if settings.domain is not None:
        values["DomainName"] = settings.domain.name
        for region, certificate in settings.domain.certificates:
            by_role[region]["CertificateArn"] = certificate
    return Part(
        "api",
        "every",
        recipe(service.service, shape),
        (
            *("ApiUrl", "ApiHost", "ApiId", "ApiName", "StageName", "DeploymentId"),
            *("FunctionName", "FunctionArn", "FunctionVersion", "AccessLogGroup"),
            *("DashboardName", "CustomDomainTarget", "CustomDomainTargetZone"),
            "HealthPath",
        ),
        values,
        by_role,
        # A stage cannot log before the account setting exists.
        depends_on=("api-account",) if shape.baseline else (),
    )


def _edge(settings: Settings) -> Part:
    domain = settings.domain
    values: dict[str, Value] = {
        **_topic("source"),
        "BlueWeight": _text(domain.blue_weight if domain else 100),
        "GreenWeight": _text(domain.green_weight if domain else 0),
    }
    for role in ("source", "target"):
        values[f"{role.title()}ApiHost"] = Output("api", "ApiHost", region=role)
        values[f"{role.title()}HealthPath"] = Output("api", "HealthPath", region=role)
    if domain is not None:
        values["DomainName"] = domain.name
        values["HostedZoneId"] = domain.hosted_zone_id
        for role in ("source", "target"):
            for given in ("DomainTarget", "DomainTargetZone"):
                values[f"{role.title()}{given}"] = Output(
                    "api", f"Custom{given}", region=role
                )
    return Part(
        "edge",
        "global",
        recipe(service.edge),
        ("HealthCheckId", "TargetHealthCheckId", "DomainUrl"),
        values,
    )
