"""REST APIs in front of a function: routes, a stage with a canary, logs and alarms.

    made = api.rest_api(
        t,
        "Api",
        name=name("api", names.THIS_ROLE),
        description="Validates payments",
        function=function,
        routes=[
            api.Route("POST", "validate", authorization="AWS_IAM"),
            api.Route("GET", "health"),
        ],
        stage_name="prod",
        key_arn=Ref("KmsKeyArn"),
        retention_days=Ref("LogRetentionDays"),
    )
    api.alarms(t, made, alarm_name=name("api-%s", ROLE), topic_arn=Ref("AlertTopicArn"))

What a stage serves is a deployment: a snapshot of routes and policy that never changes.
Its logical id carries a hash of what it was taken of, so that every change makes a new
one, and old ones stay for the way back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from awacs.aws import PolicyDocument
from troposphere import (
    Equals,
    GetAtt,
    If,
    Not,
    NoValue,
    Ref,
    Sub,
    Tags,
    Template,
    apigateway,
    awslambda,
    encode_to_dict,
)

from tapgen.blocks import compute, frame, monitoring, names, security

ACCESS_LOG = json.dumps(
    {
        "requestId": "$context.requestId",
        "requestTime": "$context.requestTime",
        "sourceIp": "$context.identity.sourceIp",
        "caller": "$context.identity.caller",
        "httpMethod": "$context.httpMethod",
        "resourcePath": "$context.resourcePath",
        "path": "$context.path",
        "protocol": "$context.protocol",
        "status": "$context.status",
        "responseLength": "$context.responseLength",
        "responseLatency": "$context.responseLatency",
        "integrationLatency": "$context.integrationLatency",
        "integrationError": "$context.integrationErrorMessage",
        "traceId": "$context.xrayTraceId",
        "canary": "$context.isCanaryRequest",
    }
)
"""A line of the access log: one JSON object with the facts of a request."""

EXECUTION_LOGS = "API-Gateway-Execution-Logs_"
"""What the log groups begin with that API Gateway writes errors to; it names them."""

RELEASE = "release"
"""The stage variable with the alias that is called, where a function has aliases."""


@dataclass(frozen=True)
class Route:
    """A method of a path, such as `GET` of `items/{id}`.

    `authorization` is `NONE` or `AWS_IAM`. `body` is the JSON Schema (draft 4) that
    requests must match before they reach the function.
    """

    method: str
    path: str
    authorization: str = "NONE"
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Canary:
    """The conditions and parameters of a canary; `canary` adds them to a template."""

    percent: Ref
    condition: str
    stable_deployment: Ref
    has_stable_deployment: str
    stable_version: Ref
    has_stable_version: str


@dataclass(frozen=True)
class Api:
    """A REST API that was added to a template."""

    rest_api: Any
    deployment: Any
    stage: Any
    access_logs: Any
    name: str

    @property
    def url(self) -> str:
        """Where the stage answers, without a custom domain, as text for `Fn::Sub`."""
        return f"https://{self.host}/${{{self.stage.title}}}"

    @property
    def host(self) -> str:
        """The host of the API's own endpoint, as text for `Fn::Sub`."""
        domain = "execute-api.${AWS::Region}.${AWS::URLSuffix}"
        return f"${{{self.rest_api.title}}}.{domain}"


def log_group_name(api: str) -> str:
    """The access log of an API, by the API's name."""
    return f"/aws/apigateway/{api}"


def logging_role(t: Template, title: str, *, name: str) -> Any:
    """Add the role by which API Gateway writes logs: AWS's own policy.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
    """
    return security.service_role(
        t,
        title,
        name=name,
        service="apigateway.amazonaws.com",
        description="Lets API Gateway write its logs",
        managed=["service-role/AmazonAPIGatewayPushToCloudWatchLogs"],
        # API Gateway checks the role without saying for which API: no source to ask for.
        when=(),
    )


def account(t: Template, title: str, *, name: str) -> Any:
    """Add the setting by which API Gateway may log, which a region has only once.

    It takes the role from another part, and stays when the stack goes: other APIs of
    the region log by it, too. The output `SetBy` is `name`, of whoever set it.
    """
    role = frame.role_arn(
        t, "ApiLoggingRoleArn", "ARN of the role by which API Gateway writes logs."
    )
    made = t.add_resource(
        apigateway.Account(
            title,
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            CloudWatchRoleArn=role,
        )
    )
    frame.output(
        t,
        "SetBy",
        names.sub(name),
        description="The environment that set it, and takes its role along when it goes",
    )
    return made


def canary(t: Template) -> Canary:
    """Add the parameters of a canary, which is off while its percentage is 0.

    A canary serves the newest deployment and version of a function to a share of the
    requests. The rest gets the stable ones, by default the newest as well.
    """
    percent = frame.parameter(
        t,
        "CanaryPercent",
        type="Number",
        description="Share of the requests that the canary serves; 0 for no canary.",
        MinValue=0,
        MaxValue=100,
    )
    deployment = frame.parameter(
        t,
        "StableDeployment",
        description="Id of the deployment that others get; empty for the newest.",
        Default="",
        pattern="^$|^[a-z0-9]{6,32}$",
        constraint="the id of a deployment of the API, or nothing",
    )
    version = frame.parameter(
        t,
        "StableVersion",
        description="Version of the function that others get; empty for the newest.",
        Default="",
        pattern="^$|^[1-9][0-9]*$",
        constraint="the number of a version of the function, or nothing",
    )
    t.add_condition("HasCanary", Not(Equals(percent, "0")))
    t.add_condition("HasStableDeployment", Not(Equals(deployment, "")))
    t.add_condition("HasStableVersion", Not(Equals(version, "")))
    return Canary(
        percent,
        "HasCanary",
        deployment,
        "HasStableDeployment",
        version,
        "HasStableVersion",
    )


def throttle(t: Template) -> tuple[Ref, Ref]:
    """The parameters for requests per second, and at once, that an API takes."""
    rate = frame.parameter(
        t,
        "RequestsPerSecond",
        type="Number",
        description="Requests that the API takes in a second; more are refused.",
        MinValue=1,
        MaxValue=10000,
    )
    burst = frame.parameter(
        t,
        "Burst",
        type="Number",
        description="Requests that the API takes at once; more are refused.",
        MinValue=1,
        MaxValue=5000,
    )
    return rate, burst


def rest_api(
    t: Template,
    title: str,
    *,
    name: str,
    description: str,
    function: Any,
    routes: Sequence[Route],
    stage_name: str,
    key_arn: Any,
    retention_days: Any,
    release: compute.Release | None = None,
    canary: Canary | None = None,
    policy: PolicyDocument | None = None,
    policy_values: Mapping[str, str] | None = None,
    throttle: tuple[Any, Any] = (100, 200),
    after: Sequence[str] = (),
) -> Api:
    """Add a regional REST API whose routes all call one function, and its stage.

    With `release` the stage calls the function's `live` alias, and its canary the
    `canary` alias. `policy` is the resource policy; as a deployment keeps the policy it
    was made with, `policy_values` are the values of the parameters in it, so that a
    new value makes a new deployment. `throttle` are requests per second, and at once.
    `after` are what the stage waits for (the account's logging role).
    """
    optional = {} if policy is None else {"Policy": encode_to_dict(policy)}
    made = t.add_resource(
        apigateway.RestApi(
            title,
            Name=names.sub(name),
            Description=description,
            EndpointConfiguration=apigateway.EndpointConfiguration(Types=["REGIONAL"]),
            Tags=Tags(Name=names.sub(name)),
            **optional,
        )
    )
    _let_in(t, title, made, function, release)
    methods = _routes(t, title, made, routes, _uri(function, release))
    seen = [
        optional,
        dict(policy_values or {}),
        {each.title: encode_to_dict(each) for each in methods},
    ]
    deployment = _deployment(t, title, made, methods, seen)
    served: Any = Ref(deployment)
    stage: dict[str, Any] = {}
    if release is not None:
        stage["Variables"] = {RELEASE: compute.LIVE}
    if canary is not None:
        served = If(canary.has_stable_deployment, canary.stable_deployment, served)
        stage["CanarySetting"] = _canary(t, title, made, methods, canary, seen, release)
    logs = _logs(t, title, made, name, stage_name, key_arn, retention_days)
    rate, burst = throttle
    return Api(
        rest_api=made,
        deployment=deployment,
        stage=t.add_resource(
            apigateway.Stage(
                f"{title}Stage",
                DependsOn=[logs[1].title, *after],
                RestApiId=Ref(made),
                DeploymentId=served,
                StageName=stage_name,
                TracingEnabled=True,
                AccessLogSetting=apigateway.AccessLogSetting(
                    DestinationArn=GetAtt(logs[0], "Arn"), Format=ACCESS_LOG
                ),
                MethodSettings=[
                    apigateway.MethodSetting(
                        ResourcePath="/*",
                        HttpMethod="*",
                        MetricsEnabled=True,
                        LoggingLevel="ERROR",
                        # Requests and answers in full, personal data and all: never.
                        DataTraceEnabled=False,
                        ThrottlingRateLimit=rate,
                        ThrottlingBurstLimit=burst,
                    )
                ],
                Tags=Tags(Name=names.sub(name)),
                **stage,
            )
        ),
        access_logs=logs[0],
        name=name,
    )


def _let_in(
    t: Template, title: str, made: Any, function: Any, release: compute.Release | None
) -> None:
    """Lets this API, and no other, call the function, or each of its aliases."""
    called = [("", function)]
    if release is not None:
        called = [("Live", release.live), ("Canary", release.canary)]
    source = names.arn("execute-api", f"${{{made.title}}}/*/*")
    for suffix, target in called:
        t.add_resource(
            awslambda.Permission(
                f"{title}Invoke{suffix}",
                Action="lambda:InvokeFunction",
                FunctionName=Ref(target),
                Principal="apigateway.amazonaws.com",
                SourceArn=Sub(source),
            )
        )


def _uri(function: Any, release: compute.Release | None) -> Any:
    called = f"${{{function.title}.Arn}}"
    if release is not None:
        # `${!` leaves the text to API Gateway, which puts the stage's variable in.
        called += f":${{!stageVariables.{RELEASE}}}"
    return Sub(
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/"
        f"functions/{called}/invocations"
    )


def _routes(
    t: Template, title: str, made: Any, routes: Sequence[Route], uri: Any
) -> list[Any]:
    """Every resource and method of the routes, and what checks their bodies."""
    added: list[Any] = []
    parents: dict[str, Any] = {"": GetAtt(made, "RootResourceId")}
    validator: Any = None
    for route in routes:
        path = ""
        for step in filter(None, route.path.split("/")):
            above, path = path, f"{path}/{step}".lstrip("/")
            if path not in parents:
                resource = t.add_resource(
                    apigateway.Resource(
                        f"{title}{_words(path)}",
                        RestApiId=Ref(made),
                        ParentId=parents[above],
                        PathPart=step,
                    )
                )
                added.append(resource)
                parents[path] = Ref(resource)
        checks: dict[str, Any] = {}
        if route.body is not None:
            validator = validator or _validator(t, title, made)
            model = _model(t, title, made, route)
            added += [m for m in (validator, model) if m not in added]
            checks["RequestValidatorId"] = Ref(validator)
            checks["RequestModels"] = {"application/json": Ref(model)}
        added.append(
            t.add_resource(
                apigateway.Method(
                    f"{title}{_words(path)}{route.method.title()}",
                    RestApiId=Ref(made),
                    ResourceId=parents[path],
                    HttpMethod=route.method,
                    AuthorizationType=route.authorization,
                    Integration=apigateway.Integration(
                        Type="AWS_PROXY", IntegrationHttpMethod="POST", Uri=uri
                    ),
                    **checks,
                )
            )
        )
    return added


def _words(path: str) -> str:
    """`items/{id}` as `ItemsId`."""
    return "".join(
        word[:1].upper() + word[1:]
        for word in "".join(c if c.isalnum() else " " for c in path).split()
    )


def _validator(t: Template, title: str, made: Any) -> Any:
    return t.add_resource(
        apigateway.RequestValidator(
            f"{title}BodyValidator",
            Name="body",
            RestApiId=Ref(made),
            ValidateRequestBody=True,
            ValidateRequestParameters=False,
        )
    )


def _model(t: Template, title: str, made: Any, route: Route) -> Any:
    what = f"{_words(route.path)}{route.method.title()}"
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        **(route.body or {}),
    }
    return t.add_resource(
        apigateway.Model(
            f"{title}{what}Body",
            RestApiId=Ref(made),
            Name=f"{what}Body",
            ContentType="application/json",
            Schema=schema,
        )
    )


def _deployment(
    t: Template, title: str, made: Any, methods: Sequence[Any], seen: Any
) -> Any:
    text = json.dumps(seen, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return t.add_resource(
        apigateway.Deployment(
            # Never with a StageName: then it could not be made while a canary runs.
            f"{title}Deployment{digest}",
            DependsOn=[each.title for each in methods],
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            RestApiId=Ref(made),
            Description=f"definition {digest}",
        )
    )


def _canary(
    t: Template,
    title: str,
    made: Any,
    methods: Sequence[Any],
    canary: Canary,
    seen: Any,
    release: compute.Release | None,
) -> Any:
    """The canary of the stage, on a deployment of its own.

    Without one of its own API Gateway takes the stage's: a canary of nothing.
    """
    deployment = _deployment(t, f"{title}Canary", made, methods, seen)
    deployment.Condition = canary.condition
    overrides: dict[str, Any] = {}
    if release is not None:
        overrides["StageVariableOverrides"] = {RELEASE: compute.CANARY}
    return If(
        canary.condition,
        apigateway.StageCanarySetting(
            DeploymentId=Ref(deployment),
            PercentTraffic=canary.percent,
            UseStageCache=False,
            **overrides,
        ),
        NoValue,
    )


def _logs(
    t: Template,
    title: str,
    made: Any,
    name: str,
    stage_name: str,
    key_arn: Any,
    retention_days: Any,
) -> tuple[Any, Any]:
    """The log groups for accesses and for errors.

    API Gateway would make the second one itself, unencrypted and for ever.
    """
    access, errors = (
        monitoring.log_group(
            t,
            f"{title}{what}Logs",
            name=group,
            key_arn=key_arn,
            retention_days=retention_days,
        )
        for what, group in (
            ("Access", log_group_name(name)),
            ("Execution", f"{EXECUTION_LOGS}${{{made.title}}}/{stage_name}"),
        )
    )
    return access, errors


def certificate(t: Template, *, description: str) -> Ref:
    """The parameter for the certificate of a custom domain, empty for none."""
    return frame.parameter(
        t,
        "CertificateArn",
        description=description,
        Default="",
        pattern=f"^$|{frame.CERTIFICATE_PATTERN}",
        constraint="the ARN of a certificate, or nothing",
    )


def custom_domain(
    t: Template, title: str, *, domain: Any, certificate_arn: Any, api: Api, when: str
) -> Any:
    """Add a regional custom domain for the API, where the condition `when` holds.

    The same name in every region is what lets DNS move traffic between them; the
    certificate is one of the stack's own region.
    """
    made = t.add_resource(
        apigateway.DomainName(
            title,
            Condition=when,
            DomainName=domain,
            RegionalCertificateArn=certificate_arn,
            SecurityPolicy="TLS_1_2",
            EndpointConfiguration=apigateway.EndpointConfiguration(Types=["REGIONAL"]),
        )
    )
    t.add_resource(
        apigateway.BasePathMapping(
            f"{title}Mapping",
            Condition=when,
            DomainName=Ref(made),
            RestApiId=Ref(api.rest_api),
            Stage=Ref(api.stage),
        )
    )
    return made


def domain_outputs(t: Template, domain: Any, title: str, *, when: str) -> None:
    """Add the outputs that `dns.alias` takes in another template, from `title` on."""
    frame.outputs(
        t,
        (title, GetAtt(domain, "RegionalDomainName"), "Host that records point at"),
        (
            f"{title}Zone",
            GetAtt(domain, "RegionalHostedZoneId"),
            "Its zone, for records",
        ),
        condition=when,
    )


def outputs(t: Template, api: Api, function: Any) -> None:
    """Add what others, and people, need to know of an API and its function."""
    frame.outputs(
        t,
        ("ApiUrl", names.sub(api.url), "Address of the API in this region"),
        ("ApiHost", names.sub(api.host), "Its host, for health checks"),
        ("ApiId", Ref(api.rest_api), "Id of the API"),
        ("ApiName", names.sub(api.name), "Its name, a dimension of its metrics"),
        ("StageName", Ref(api.stage), "Stage of the API"),
        ("DeploymentId", Ref(api.deployment), "Newest deployment of the API"),
        ("AccessLogGroup", Ref(api.access_logs), "Log group of the requests"),
        ("FunctionName", Ref(function), "Function behind the API"),
        ("FunctionArn", GetAtt(function, "Arn"), "ARN of the function"),
    )


def alarms(
    t: Template, api: Api, *, alarm_name: str, topic_arn: Any, title: str = "Api"
) -> None:
    """Alarms on refused and failed requests and on latency of an API's stage.

    `alarm_name` has a `%s` for what each is about. The rates are shares of requests.
    """
    shared: dict[str, Any] = {
        "namespace": "AWS/ApiGateway",
        # Names, not ids: that is how API Gateway publishes them.
        "dimensions": {"ApiName": names.sub(api.name), "Stage": Ref(api.stage)},
        "comparison": ">",
        "missing": "notBreaching",
        "topic_arn": topic_arn,
    }
    monitoring.alarm(
        t,
        f"{title}ClientErrorsAlarm",
        name=alarm_name % "4xx",
        description="More than one request in twenty is refused",
        metric="4XXError",
        statistic="Average",
        period=300,
        datapoints=(3, 3),
        threshold=0.05,
        **shared,
    )
    monitoring.alarm(
        t,
        f"{title}ServerErrorsAlarm",
        name=alarm_name % "5xx",
        description="More than one request in a hundred fails",
        metric="5XXError",
        statistic="Average",
        period=60,
        datapoints=(3, 5),
        threshold=0.01,
        **shared,
    )
    monitoring.alarm(
        t,
        f"{title}LatencyAlarm",
        name=alarm_name % "latency",
        description="One request in twenty takes longer than a second",
        metric="Latency",
        statistic="p95",
        period=60,
        datapoints=(3, 5),
        threshold=1000,
        **shared,
    )
