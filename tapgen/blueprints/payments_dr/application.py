"""The payments API of a region, and DNS failover to the healthy region."""

from __future__ import annotations

import json
from typing import Any

from troposphere import (
    And,
    Condition,
    Equals,
    GetAtt,
    If,
    Join,
    Not,
    Ref,
    Template,
    awslambda,
)
from troposphere import certificatemanager as acm
from troposphere import events

from tapgen.blocks import (
    api,
    api_domain,
    compute,
    dns,
    firewall,
    frame,
    monitoring,
    names,
    network,
    table,
)
from tapgen.blueprints.payments_dr.shape import (
    GLOBAL_DATABASE,
    HERE,
    IS_EVENTUAL,
    OVERRIDE_ALARM,
    OVERRIDE_ROLE,
    REGIONS,
    ROLES,
    STAGE,
    consistency,
    database,
    function,
    health_function,
    name,
)

HEALTH = "health"
_HAS_DOMAIN = "HasDomain"
_NEEDS_CERTIFICATE = "NeedsCertificate"

# API Gateway checks this before the function; the function checks more (currencies,
# digits, card numbers) and explains it.
_PAYMENT = {
    "type": "object",
    "required": ["paymentId", "customerId", "amount", "currency"],
    "properties": {
        **dict.fromkeys(("paymentId", "customerId", "currency"), {"type": "string"}),
        "amount": {"type": ["string", "number"]},
    },
}

CHECKS_THROTTLE = (20, 40)
"""Requests per second of health checks, and burst: the checkers of three regions, some in
each, ask twice a minute."""

HEALTH_THROTTLE = (5, 10)
"""Those of everybody else who asks for the health: so few that the function stays free."""


def _routes(health: Any) -> list[api.Route]:
    """The methods of the API.

    Those of the health have no authorization: Route 53's checkers cannot sign. Nobody
    guesses the second one, so that no stranger can use up its throttle and move DNS.
    """
    return [
        api.Route("POST", "validate", authorization="AWS_IAM", body=_PAYMENT),
        api.Route("GET", HEALTH, function=health, throttle=HEALTH_THROTTLE),
        api.Route(
            "GET",
            f"{HEALTH}/checks",
            function=health,
            throttle=CHECKS_THROTTLE,
            part=api.unguessed(),
        ),
        api.Route("GET", "status", authorization="AWS_IAM"),
    ]


def app() -> Template:
    """A region's function and REST API: the same template in both."""
    t = frame.start("Payments function and REST API", role=frame.EVERY)
    key = frame.key_arn(t)
    retention = monitoring.retention(t)
    table_name = table.name_parameter(t, "Table of the payments.")
    function = _function(t, key, retention, table_name)
    health = _health(t, key, retention, table_name)
    served = api.rest_api(
        t,
        "Api",
        name=name("api", HERE),
        description="Validates and records payments",
        function=function,
        routes=_routes(health),
        stage_name=STAGE,
        key_arn=key,
        retention_days=retention,
        throttle=api.throttle(t),
    )
    domain = _domain(t, served)
    firewall.limit(
        t,
        served,
        name=name("api", HERE),
        rule="health",
        parameter="HealthRequestsPerAddress",
        what="Requests for the health",
        path=f"/{HEALTH}",
    )
    _reconcile(t, function)
    topic = frame.alert_topic(t)
    compute.alarms(
        t, function=function, alarm_name=name("function-%s", HERE), topic_arn=topic
    )
    api.alarms(t, served, alarm_name=name("api-%s", HERE), topic_arn=topic)
    compute.alarms(
        t,
        function=health,
        alarm_name=name("health-%s", HERE),
        topic_arn=topic,
        title="Health",
    )
    api.outputs(t, served, function)
    frame.output(
        t,
        "HealthPath",
        Join("/", ["", STAGE, HEALTH, api.unguessed()]),
        description="Path that health checks ask; others do not know it",
    )
    api_domain.domain_outputs(t, domain, "DomainTarget", when=_HAS_DOMAIN)
    return t


def _reconcile(t: Template, function: Any) -> None:
    """Start the reconciliation of claims every minute, in each region.

    With strong consistency no id is claimed twice, so there is nothing to reconcile.
    """
    rule = t.add_resource(
        events.Rule(
            "Reconciliation",
            Condition=IS_EVENTUAL,
            Name=names.sub(name("reconcile", HERE)),
            Description="Finds payments that both regions accepted",
            State="ENABLED",
            ScheduleExpression="rate(1 minute)",
            Targets=[
                events.Target(
                    Id="function",
                    Arn=GetAtt(function, "Arn"),
                    Input=json.dumps({"task": "reconcile"}),
                )
            ],
        )
    )
    t.add_resource(
        awslambda.Permission(
            "ReconciliationInvoke",
            Condition=IS_EVENTUAL,
            Action="lambda:InvokeFunction",
            FunctionName=Ref(function),
            Principal="events.amazonaws.com",
            SourceArn=GetAtt(rule, "Arn"),
        )
    )


def _health(t: Template, key: Ref, retention: Ref, table_name: Ref) -> Any:
    """The function that health checks ask, with a concurrency of its own."""
    return compute.function(
        t,
        "Health",
        name=health_function(HERE),
        handler="health",
        description="Says whether this region takes payments",
        role_arn=frame.role_arn(
            t, "HealthRoleArn", "ARN of the role of the function for health checks."
        ),
        key_arn=key,
        retention_days=retention,
        environment={
            "DYNAMODB_TABLE": table_name,
            "REGION": Ref("AWS::Region"),
            "REGION_ROLE": Ref(names.ROLE),
        },
        subnet_ids=Ref("SubnetIds"),
        security_group_ids=[Ref("SecurityGroupId")],
        reserved=compute.concurrency(
            t, "HealthConcurrency", "function for health checks"
        ),
    )


def _function(t: Template, key: Ref, retention: Ref, table_name: Ref) -> Any:
    return compute.function(
        t,
        "Function",
        name=function(HERE),
        handler="payments",
        description="Validates and records payments",
        role_arn=frame.role_arn(
            t, "FunctionRoleArn", "ARN of the role of the function."
        ),
        key_arn=key,
        retention_days=retention,
        memory=compute.memory(t),
        environment=_environment(t, table_name),
        subnet_ids=network.subnet_ids(t, "Private subnets, one in each zone."),
        security_group_ids=[network.group_id(t, "Security group of the function.")],
        reserved=compute.concurrency(t, "Concurrency", "function"),
        unreserved_by_default=True,
    )


def _environment(t: Template, table_name: Ref) -> dict[str, Any]:
    """The function's environment; names only, never a secret."""
    return {
        "DYNAMODB_TABLE": table_name,
        "SNS_TOPIC_ARN": frame.arn(
            t,
            "PaymentTopicArn",
            "ARN of the topic in this region that payments are published to.",
            frame.TOPIC_ARN_PATTERN,
            "topic",
        ),
        "REGION": Ref("AWS::Region"),
        "REGION_ROLE": Ref(names.ROLE),
        "BUCKET_NAME": frame.wired(
            t,
            "BucketName",
            "Bucket for receipts.",
            frame.BUCKET_PATTERN,
            "the name of a bucket",
        ),
        "CLUSTER_ID": names.sub(database(HERE)),
        "GLOBAL_CLUSTER_ID": names.sub(GLOBAL_DATABASE),
        "CONSISTENCY": consistency(t, IS_EVENTUAL),
        "MAX_AMOUNT": frame.parameter(
            t,
            "MaxAmount",
            description="The largest payment, in any currency.",
            pattern=r"^\d{1,13}(\.\d+)?$",
            constraint="an amount such as 100000",
        ),
        "CURRENCIES": frame.parameter(
            t,
            "Currencies",
            description="Currencies that the API accepts.",
            pattern="^[A-Z]{3}(,[A-Z]{3})*$",
            constraint="codes of ISO 4217, comma-separated",
        ),
    }


def _domain(t: Template, served: api.Api) -> Any:
    """Add the API's custom domain, if one is given, with this region's certificate."""
    domain, zone = dns.domain(t, optional=True), dns.zone(t, optional=True)
    given = api_domain.certificate(
        t, description="ARN of the certificate in this region; empty to request one."
    )
    t.add_condition(_HAS_DOMAIN, Not(Equals(domain, "")))
    t.add_condition(_NEEDS_CERTIFICATE, And(Condition(_HAS_DOMAIN), Equals(given, "")))
    requested = t.add_resource(
        acm.Certificate(
            "Certificate",
            Condition=_NEEDS_CERTIFICATE,
            DomainName=domain,
            ValidationMethod="DNS",
            # CloudFormation creates the validation record, and waits.
            DomainValidationOptions=[
                acm.DomainValidationOption(DomainName=domain, HostedZoneId=zone)
            ],
        )
    )
    return api_domain.custom_domain(
        t,
        "Domain",
        domain=domain,
        certificate_arn=If(_NEEDS_CERTIFICATE, Ref(requested), given),
        api=served,
        when=_HAS_DOMAIN,
    )


# --- DNS ------------------------------------------------------------------------------


def failover_records() -> Template:
    """Health checks of both regions, and the records that follow them.

    The database counts for nothing here: payments do not touch it. An outage needs no
    change of a record.
    """
    t = frame.start("Health checks and failover records", role=frame.GLOBAL)
    topic = frame.alert_topic(t)
    zone, domain = dns.zone(t, optional=True), dns.domain(t, optional=True)
    t.add_condition(_HAS_DOMAIN, Not(Equals(domain, "")))
    measured = dns.in_metrics_region(t)
    checks = {role: _region_check(t, role, measured, topic) for role in ROLES}
    for role in ROLES:
        first = role == "primary"
        dns.failover(
            t,
            f"{role.title()}Record",
            zone=zone,
            domain=domain,
            identifier=role,
            first=first,
            to=dns.alias(t, role),
            # The secondary record always answers: there is no third.
            check=checks[role] if first else None,
            condition=_HAS_DOMAIN,
        )
        frame.output(
            t,
            f"{role.title()}HealthCheckId",
            Ref(checks[role]),
            description=f"Id of the health check of the {frame.role_label(role)} region",
        )
    frame.output(
        t,
        "FailoverFqdn",
        domain,
        description="Domain name of the API; DNS selects the region",
        condition=_HAS_DOMAIN,
    )
    return t


def _region_check(t: Template, role: str, measured: str, topic: Ref) -> Any:
    """Add the check of a region, which moves traffic, and its alarm.

    The primary region is healthy while two of three are so: its API answers; no operator
    has sent traffic to the recovery region; the API there does not answer. So a request
    moves traffic only while the recovery region can take it: when that region is lost or
    closed, the name goes back by itself, and no switch has to be turned there. Route 53
    has no nested conditions, so they are counted.

    The check of the database stands beside it: it shows, and moves no traffic.
    """
    prefix = role.title()
    dns.alarm_check(
        t,
        f"{prefix}DatabaseCheck",
        name=name("check-db", role),
        alarm=name("db-alive", role),
        region=names.sub(REGIONS[role]),
        # A lost cluster publishes no data at all.
        without_data="Unhealthy",
    )
    dns.host(
        t,
        f"{prefix}ApiHost",
        f"Host of the API in the {frame.role_label(role)} region.",
    )
    frame.wired(
        t,
        f"{prefix}HealthPath",
        f"Path of the health in the {frame.role_label(role)} region.",
        r"^/[\w./-]{1,254}$",
        "the path of a URL",
    )
    parts = [_api_check(t, f"{prefix}ApiCheck", name("check-api", role), role)]
    if role == "primary":
        parts += _redirections(t)
    check = dns.calculated_check(
        t,
        f"{prefix}Check",
        name=name("check", role),
        checks=parts,
        healthy=len(parts) // 2 + 1,
    )
    dns.check_alarm(
        t,
        f"{prefix}CheckAlarm",
        check=check,
        name=name("unwell", role),
        topic_arn=topic,
        condition=measured,
    )
    return check


def _api_check(
    t: Template, title: str, called: str, role: str, inverted: bool = False
) -> Any:
    return dns.https_check(
        t,
        title,
        name=called,
        host=Ref(f"{role.title()}ApiHost"),
        path=Ref(f"{role.title()}HealthPath"),
        regions=dns.CHECKER_REGIONS,
        inverted=inverted,
    )


def _redirections(t: Template) -> list[Any]:
    """Return the checks that are healthy while traffic is not, or cannot be, redirected."""
    switch = dns.alarm_check(
        t,
        "PrimaryOverrideCheck",
        name=name("check-override", "primary"),
        alarm=OVERRIDE_ALARM,
        region=names.sub(REGIONS[OVERRIDE_ROLE]),
        # The switch keeps its last value; before the first, it is healthy.
        without_data="LastKnownStatus",
    )
    called = name("check-lost", OVERRIDE_ROLE)
    return [switch, _api_check(t, "DrLostCheck", called, OVERRIDE_ROLE, inverted=True)]
