"""The API of a region with its function, and the DNS records of both regions."""

from __future__ import annotations

from typing import Any

from awacs import execute_api
from awacs.aws import IpAddress, NotIpAddress, PolicyDocument, Principal
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
    ALGORITHMS,
    API,
    AUDIENCE_PATTERN,
    FUNCTION,
    HEALTH_FUNCTION,
    INDEX,
    ISSUER_PATTERN,
    ITEMS,
    MOST_SKEW,
    ORIGIN_PATTERN,
    ORIGINS,
    ORIGINS_PATTERN,
    STAGE,
    USER_POOL_PATTERN,
    VERIFIER,
    Shape,
    name,
    start,
)

HEALTH = "health"
CHECKS_THROTTLE = (20, 40)
"""Requests per second of health checks, and burst: the checkers of all regions ask twice a
minute each. Everybody may ask, so it is apart from what the stage allows."""

HEALTH_THROTTLE = (5, 10)
"""Those of everybody else who asks for the health: so few that the function stays free."""

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
    health = _health(t, key, retention)
    verifier = _verifier(t, key, retention) if shape.takes_tokens else None
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
        routes=routes(shape, health),
        stage_name=STAGE,
        key_arn=key,
        retention_days=retention,
        policy=_policy(t),
        policy_values={
            "AllowedCidr": shape.allowed_cidr,
            **({"UserPools": ",".join(shape.user_pools)} if shape.user_pools else {}),
        },
        user_pools=_user_pools(t) if shape.user_pools else None,
        verifier=verifier,
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
    others = [(health, "health", False)]
    others += [(verifier, "tokens", True)] if verifier else []
    for each, thing, refuses in others:
        compute.alarms(
            t,
            function=each,
            alarm_name=name(f"{thing}-%s", names.THIS_ROLE),
            topic_arn=topic,
            title=each.title,
            refuses=refuses,
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
    frame.output(
        t,
        "HealthPath",
        Join("/", ["", STAGE, HEALTH, api.unguessed()]),
        description="Path that health checks ask; others do not know it",
    )
    return t


def routes(shape: Shape, health: Any) -> tuple[api.Route, ...]:
    """Return the routes of the API; everybody may check its health.

    Nobody guesses the second path of the health, so that no stranger can use up its
    throttle and move DNS.
    """
    return (
        api.Route("GET", "items", shape.authorization),
        api.Route("POST", "items", shape.authorization),
        api.Route("GET", "items/{id}", shape.authorization),
        api.Route("GET", HEALTH, function=health, throttle=HEALTH_THROTTLE),
        api.Route(
            "GET",
            f"{HEALTH}/checks",
            function=health,
            throttle=CHECKS_THROTTLE,
            part=api.unguessed(),
        ),
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


def _health(t: Template, key: Ref, retention: Ref) -> Any:
    """The function that health checks ask, with a concurrency of its own."""
    return compute.function(
        t,
        "Health",
        name=HEALTH_FUNCTION,
        handler="items_health",
        description="Says whether this region can serve items",
        role_arn=frame.role_arn(
            t, "HealthRoleArn", "ARN of the role of the function for health checks."
        ),
        key_arn=key,
        retention_days=retention,
        environment={"TABLE_NAME": Ref("TableName"), "REGION": Ref("AWS::Region")},
        reserved=compute.concurrency(
            t, "HealthConcurrency", "function for health checks"
        ),
        unreserved_by_default=True,
    )


def _verifier(t: Template, key: Ref, retention: Ref) -> Any:
    """The function that judges tokens of an issuer."""
    algorithms = "|".join(ALGORITHMS)
    return compute.function(
        t,
        "Verifier",
        name=VERIFIER,
        handler="tokens",
        description="Says whether a token is good",
        role_arn=frame.role_arn(
            t, "VerifierRoleArn", "ARN of the role of the function that judges tokens."
        ),
        key_arn=key,
        retention_days=retention,
        environment={
            "ISSUER": frame.parameter(
                t,
                "Issuer",
                description="Issuer of the tokens that the API takes.",
                pattern=f"^{ISSUER_PATTERN}$",
                constraint="the HTTPS address of an issuer of OpenID Connect",
            ),
            "AUDIENCES": frame.parameter(
                t,
                "Audiences",
                description="Audiences of the tokens that the API takes.",
                pattern=f"^{AUDIENCE_PATTERN}(,{AUDIENCE_PATTERN})*$",
                constraint="audiences, with commas between",
            ),
            "ALGORITHMS": frame.parameter(
                t,
                "Algorithms",
                description="Algorithms that tokens may be signed with.",
                pattern=f"^({algorithms})(,({algorithms}))*$",
                constraint="algorithms, with commas between",
            ),
            "CLOCK_SKEW": frame.parameter(
                t,
                "ClockSkew",
                label="Clock skew (s)",
                type="Number",
                description="Seconds by which the clock of the issuer may differ.",
                MinValue=0,
                MaxValue=MOST_SKEW,
            ),
        },
    )


def _policy(t: Template) -> PolicyDocument:
    """Allow the allowed addresses, and everybody for the health check.

    Route 53 checks from its own public addresses, which change. All others are denied:
    where an authorizer or a policy of IAM allows a request, that no statement here allows
    it would not stop it.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
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
            [f"execute-api:/*/GET/{HEALTH}", f"execute-api:/*/GET/{HEALTH}/*"],
            principal=anybody,
        ),
        security.statement(
            "NoOtherAddresses",
            [execute_api.Invoke],
            ["execute-api:/*/*/items", "execute-api:/*/*/items/*"],
            NotIpAddress({"aws:SourceIp": allowed}),
            principal=anybody,
            deny=True,
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
            path=frame.wired(
                t,
                f"{prefix}HealthPath",
                f"Path of the health in the {role} region.",
                r"^/[\w./-]{1,254}$",
                "the path of a URL",
            ),
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
