"""The API of a region with its function, and the DNS records of both regions."""

from __future__ import annotations

from typing import Any

from awacs import execute_api
from awacs.aws import IpAddress, PolicyDocument, Principal
from troposphere import Equals, GetAtt, If, Join, Not, Ref, Template

from tapgen.blocks import (
    api,
    api_domain,
    compute,
    dns,
    firewall,
    frame,
    monitoring,
    names,
    security,
    table,
)
from tapgen.blueprints.serverless_api.shape import (
    API,
    FUNCTION,
    INDEX,
    ITEMS,
    ORIGIN_PATTERN,
    ORIGINS,
    ORIGINS_PATTERN,
    STAGE,
    USER_POOL_PATTERN,
    Shape,
    name,
    start,
)

HEALTH = "health"
HEALTH_THROTTLE = (20, 40)
"""Requests per second of health checks, and burst: the checkers of all regions ask twice a
minute each. Everybody may ask, so it is apart from what the stage allows."""

# Headers that signed requests have besides Content-Type.
_SIGNED = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")
_HAS_DOMAIN = "HasDomain"


def service(shape: Shape) -> Template:
    """A region's function and REST API, the same in both regions."""
    t = start("Function and REST API", role=frame.EVERY)
    frame.is_primary(t, "source")
    key = frame.key_arn(t)
    topic = frame.alert_topic(t)
    retention = monitoring.retention(t)
    canary = api.canary(t)
    function = _function(t, key, retention)
    release = compute.release(
        t,
        function,
        settings=("MemorySize", *ORIGINS),
        stable_version=canary.stable_version,
        has_stable=canary.has_stable_version,
    )
    rest_api = api.rest_api(
        t,
        "Api",
        name=API,
        description="Items, stored in both regions",
        function=function,
        release=release,
        canary=canary,
        routes=routes(shape),
        stage_name=STAGE,
        key_arn=key,
        retention_days=retention,
        policy=_policy(t),
        policy_values={
            "AllowedCidr": shape.allowed_cidr,
            **({"UserPools": ",".join(shape.user_pools)} if shape.user_pools else {}),
        },
        user_pools=_user_pools(t) if shape.user_pools else None,
        throttle=api.throttle(t),
        cors=api.Cors("${WebsiteOrigin}", ("Content-Type", *_SIGNED)),
    )
    _domain(t, rest_api)
    firewall.limit(
        t,
        rest_api,
        name=name("api", names.THIS_ROLE),
        rule="api",
        parameter="RequestsPerAddress",
        what="Requests",
    )
    compute.alarms(
        t,
        function=function,
        alarm_name=name("fn-%s", names.THIS_ROLE),
        topic_arn=topic,
    )
    api.alarms(t, rest_api, alarm_name=name("api-%s", names.THIS_ROLE), topic_arn=topic)
    _table_alarms(t, topic)
    _dashboard(t, rest_api)
    api.outputs(t, rest_api, function)
    frame.output(
        t,
        "FunctionVersion",
        GetAtt("FunctionVersion", "Version"),
        description="Newest version of the function",
    )
    return t


def routes(shape: Shape) -> tuple[api.Route, ...]:
    """Return the routes of the API; everybody may check its health."""
    return (
        api.Route("GET", "items", shape.authorization),
        api.Route("POST", "items", shape.authorization),
        api.Route("GET", "items/{id}", shape.authorization),
        api.Route("GET", HEALTH, throttle=HEALTH_THROTTLE),
    )


def _user_pools(t: Template) -> Ref:
    """Add the parameter for the pools whose users may call the API."""
    return frame.parameter(
        t,
        "UserPoolArns",
        type="CommaDelimitedList",
        description="ARNs of the user pools of Cognito whose users may call the API.",
        pattern=USER_POOL_PATTERN,
        constraint="ARNs of user pools, with commas between",
    )


def _origins(t: Template) -> Any:
    """Add the parameters for the pages that may call the API; return them as one text."""
    for title, whose in zip(ORIGINS, ("The website", "Its copy", "More"), strict=True):
        more = title == "MoreOrigins"
        frame.parameter(
            t,
            title,
            description=(
                "Other origins whose pages may call the API, with commas between."
                if more
                else f"{whose}: origin whose pages may call the API."
            ),
            **({"Default": ""} if title != "WebsiteOrigin" else {}),
            pattern=ORIGINS_PATTERN if more else f"^(|{ORIGIN_PATTERN})$",
            constraint="origins such as https://www.example.com, without a path",
        )
    return Join(",", [Ref(title) for title in ORIGINS])


def _function(t: Template, key: Ref, retention: Ref) -> Any:
    return compute.function(
        t,
        "Function",
        name=FUNCTION,
        handler="items",
        description="Takes and gives items",
        role_arn=frame.role_arn(
            t, "FunctionRoleArn", "ARN of the role of the function."
        ),
        key_arn=key,
        retention_days=retention,
        memory=compute.memory(t),
        environment={
            "TABLE_NAME": table.name_parameter(t, "Name of the table of the items."),
            "REGION": Ref("AWS::Region"),
            "ALLOWED_ORIGINS": _origins(t),
        },
        reserved=compute.concurrency(t, "Concurrency", "function"),
        unreserved_by_default=True,
    )


def _policy(t: Template) -> PolicyDocument:
    """Allow the allowed addresses, and everybody for the health check.

    Route 53 checks from its own public addresses, which change.
    """
    allowed = frame.parameter(
        t,
        "AllowedCidr",
        label="Allowed addresses",
        description="Address range that may call the API.",
        pattern=frame.CIDR_PATTERN,
        constraint="an IPv4 range, such as 203.0.113.0/24",
    )
    anybody = Principal("*")
    return security.document(
        security.statement(
            "AllowedAddresses",
            [execute_api.Invoke],
            ["execute-api:/*"],
            IpAddress({"aws:SourceIp": allowed}),
            principal=anybody,
        ),
        security.statement(
            "HealthChecks",
            [execute_api.Invoke],
            [f"execute-api:/*/GET/{HEALTH}"],
            principal=anybody,
        ),
    )


def _domain(t: Template, rest_api: api.Api) -> None:
    """Add the API's custom domain, if one is given."""
    domain = dns.domain(t, optional=True)
    t.add_condition(_HAS_DOMAIN, Not(Equals(domain, "")))
    certificate = api_domain.certificate(
        t,
        description="ARN of the domain's ACM certificate in this region; empty for none.",
    )
    named = api_domain.custom_domain(
        t,
        "Domain",
        domain=domain,
        certificate_arn=certificate,
        api=rest_api,
        when=_HAS_DOMAIN,
    )
    api_domain.domain_outputs(t, named, "CustomDomainTarget", when=_HAS_DOMAIN)


def _table_alarms(t: Template, topic: Ref) -> None:
    """Add alarms on the table in this region."""
    table.alarms(
        t,
        table=ITEMS,
        alarm_name=name("table-%s", names.THIS_ROLE),
        topic_arn=topic,
        indexes=[INDEX],
    )
    table.lag_alarm(
        t,
        "TableLagAlarm",
        name=name("table-lag", names.THIS_ROLE),
        table=ITEMS,
        to=If(frame.IS_PRIMARY, Ref("TargetRegion"), Ref("SourceRegion")),
        topic_arn=topic,
    )


def _dashboard(t: Template, rest_api: api.Api) -> None:
    shown = ["ApiName", API, "Stage", STAGE]
    run = ["FunctionName", FUNCTION]
    graphs = [
        ("Requests", "AWS/ApiGateway", ("Count", "4XXError", "5XXError"), shown, "Sum"),
        ("Latency", "AWS/ApiGateway", ("Latency", "IntegrationLatency"), shown, "p95"),
        ("Function", "AWS/Lambda", ("Invocations", "Errors", "Throttles"), run, "Sum"),
        ("Duration", "AWS/Lambda", ("Duration",), run, "p99"),
        (
            "Table",
            "AWS/DynamoDB",
            ("ReadThrottleEvents", "WriteThrottleEvents"),
            ["TableName", ITEMS],
            "Sum",
        ),
    ]
    board = monitoring.dashboard(
        t,
        "Dashboard",
        name=name("overview", names.THIS_ROLE),
        widgets=[
            monitoring.graph(
                title,
                [[namespace, metric, *dimensions] for metric in metrics],
                region="${AWS::Region}",
                statistic=statistic,
                period=60,
            )
            for title, namespace, metrics, dimensions, statistic in graphs
        ],
    )
    frame.output(t, "DashboardName", Ref(board), description="Name of the dashboard")


def edge() -> Template:
    """Health checks of both APIs, and weighted records."""
    t = start("Health checks and weighted records", role=frame.GLOBAL)
    topic = frame.alert_topic(t)
    zone = dns.zone(t, optional=True)
    domain = dns.domain(t, optional=True)
    t.add_condition(_HAS_DOMAIN, Not(Equals(domain, "")))
    measured = dns.in_metrics_region(t)
    for role, colour in (("source", "blue"), ("target", "green")):
        prefix = role.title()
        check = dns.https_check(
            t,
            f"{prefix}Check",
            name=name("api", role),
            host=dns.host(
                t, f"{prefix}ApiHost", f"Host of the API in the {role} region."
            ),
            path=f"/{STAGE}/{HEALTH}",
        )
        dns.check_alarm(
            t,
            f"{prefix}CheckAlarm",
            check=check,
            name=name("health", role),
            topic_arn=topic,
            condition=measured,
        )
        dns.weighted(
            t,
            f"{colour.title()}Record",
            zone=zone,
            domain=domain,
            identifier=colour,
            weight=dns.weight(
                t,
                f"{colour.title()}Weight",
                description=f"Weight of the {role} region ({colour}).",
            ),
            to=dns.alias(t, role),
            check=check,
            condition=_HAS_DOMAIN,
        )
        frame.output(
            t,
            "HealthCheckId" if role == "source" else f"{prefix}HealthCheckId",
            Ref(check),
            description=f"Health check of the API in the {role} region",
        )
    frame.output(
        t,
        "DomainUrl",
        names.sub("https://${DomainName}"),
        description="Address of the API; DNS selects the region",
        condition=_HAS_DOMAIN,
    )
    return t
