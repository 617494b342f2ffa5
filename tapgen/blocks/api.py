"""REST APIs in front of a function: routes, a stage with a canary, logs and alarms.

    rest = api.rest_api(
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
    api.alarms(t, rest, alarm_name=name("api-%s", ROLE), topic_arn=Ref("AlertTopicArn"))

A stage serves a deployment: a snapshot of routes and policy that never changes. Its
logical id carries a hash of the snapshot's content, so that every change creates a new
deployment. Old deployments are retained for a rollback.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from awacs.aws import PolicyDocument
from troposphere import (
    Equals,
    GetAtt,
    If,
    Join,
    Not,
    NoValue,
    Ref,
    Select,
    Split,
    Sub,
    Tags,
    Template,
    apigateway,
    awslambda,
    encode_to_dict,
)

from tapgen.blocks import compute, explained, frame, monitoring, names
from tapgen.blocks.api_logs import ACCESS_LOG, log_groups
from tapgen.frozen import dataclass

RELEASE = "release"
"""The stage variable that names the alias to call, if the function has aliases."""


@dataclass(frozen=True)
class Route:
    """A method of a path, such as `GET` of `items/{id}`.

    `authorization` is `NONE`, `AWS_IAM`, `COGNITO_USER_POOLS` or `CUSTOM`. `body` is the JSON Schema (draft 4) that
    requests must match before they reach the function. `function` answers instead of the
    API's. `throttle` is requests per second, and burst, for this method alone. `part`
    takes the place of the last part of the path, where only the stack can know it.
    """

    method: str
    path: str
    authorization: str = "NONE"
    body: Mapping[str, Any] | None = None
    function: Any = None
    throttle: tuple[int, int] | None = None
    part: Any = None

    @property
    def setting(self) -> Any:
        """The path as method settings have it: `/~1items~1{id}`.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-apigateway-stage-methodsetting.html
        """
        *above, last = self.path.split("/")
        start = "".join(f"~1{part}" for part in above)
        if self.part is None:
            return f"/{start}~1{last}"
        return Join("", [f"/{start}~1", self.part])


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
class Cors:
    """What lets pages of other origins call an API from a browser.

    The function answers preflight requests, and names the origin in its answers. API
    Gateway's own errors name `origin` (text for `Fn::Sub`), as they can name only one.
    `headers` are those that pages may send.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html
    """

    origin: str
    headers: tuple[str, ...] = ("Content-Type",)


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
        """The URL of the stage, without a custom domain, as text for `Fn::Sub`."""
        return f"https://{self.host}/${{{self.stage.title}}}"

    @property
    def host(self) -> str:
        """The host of the API's own endpoint, as text for `Fn::Sub`."""
        domain = "execute-api.${AWS::Region}.${AWS::URLSuffix}"
        return f"${{{self.rest_api.title}}}.{domain}"


def unguessed() -> Any:
    """Return a part of a path that no stranger guesses: the UUID in the stack's id, the
    same as long as the stack is there."""
    return Select(2, Split("/", Ref("AWS::StackId")))


def canary(t: Template) -> Canary:
    """Add the parameters of a canary; a percentage of 0 turns it off.

    A canary serves a share of the requests with the newest deployment and version of a
    function. The stable ones serve the rest; by default these are the newest as well.
    """
    percent = frame.parameter(
        t,
        "CanaryPercent",
        type="Number",
        description="Percentage of requests that the canary serves; 0 for no canary.",
        MinValue=0,
        MaxValue=100,
    )
    deployment = frame.parameter(
        t,
        "StableDeployment",
        description="Deployment id for all other requests; empty for the newest.",
        Default="",
        pattern="^$|^[a-z0-9]{6,32}$",
        constraint="the id of a deployment of the API, or nothing",
    )
    version = frame.parameter(
        t,
        "StableVersion",
        description="Function version for all other requests; empty for the newest.",
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
    """Add the parameters for the throttle: requests per second, and burst."""
    rate = frame.parameter(
        t,
        "RequestsPerSecond",
        type="Number",
        description="Requests that the API accepts per second; it throttles more.",
        MinValue=1,
        MaxValue=10000,
    )
    burst = frame.parameter(
        t,
        "Burst",
        type="Number",
        description="Requests that the API accepts at once; it throttles more.",
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
    cors: Cors | None = None,
    user_pools: Any = None,
    verifier: Any = None,
    after: Sequence[str] = (),
) -> Api:
    """Add a regional REST API whose routes all call one function, and its stage.

    With `release` the stage calls the function's `live` alias, and its canary the
    `canary` alias. `policy` is the resource policy. A deployment keeps the policy that
    it was created with, so `policy_values` holds the values of the parameters in it: a
    new value creates a new deployment. `throttle` is requests per second, and burst.
    The stage is created `after` these resources (the account's logging role). With
    `cors` each path also has a method OPTIONS, without authorization, as browsers send
    preflight requests without credentials. `user_pools` are the ARNs of Cognito's user
    pools whose ID tokens routes with the authorization `COGNITO_USER_POOLS` take; they
    belong into `policy_values`, too. `verifier` is the function that judges the tokens of
    routes with the authorization `CUSTOM`.
    """
    optional = {} if policy is None else {"Policy": encode_to_dict(policy)}
    rest = t.add_resource(
        apigateway.RestApi(
            title,
            Name=names.sub(name),
            Description=description,
            EndpointConfiguration=apigateway.EndpointConfiguration(Types=["REGIONAL"]),
            Tags=Tags(Name=names.sub(name)),
            **optional,
        )
    )
    _let_in(t, title, rest, function, release)
    others = {r.function.title: r.function for r in routes if r.function is not None}
    for other in others.values():
        _let_in(t, f"{title}{other.title}", rest, other, None)
    if cors is not None:
        # No page knows a path that only the stack knows.
        paths = dict.fromkeys(route.path for route in routes if route.part is None)
        routes = [*routes, *(Route("OPTIONS", path) for path in paths)]
    authorizer = [_authorizer(t, title, rest, user_pools)] if user_pools else []
    if verifier is not None:
        authorizer = [_token_authorizer(t, title, rest, verifier)]
    methods = [
        *authorizer,
        *_routes(t, title, rest, routes, _uri(function, release), *authorizer),
    ]
    methods += _errors(t, title, rest, cors) if cors is not None else []
    seen = [
        optional,
        dict(policy_values or {}),
        {each.title: encode_to_dict(each) for each in methods},
    ]
    deployment = _deployment(t, title, rest, methods, seen)
    for each in methods:
        # After what the deployment's name is made of: it changes no deployment.
        if _is_open(each):
            each.Metadata = explained.metadata("open method")
    served: Any = Ref(deployment)
    stage: dict[str, Any] = {}
    if release is not None:
        stage["Variables"] = {RELEASE: compute.LIVE}
    if canary is not None:
        served = If(canary.has_stable_deployment, canary.stable_deployment, served)
        stage["CanarySetting"] = _canary(t, title, rest, methods, canary, seen, release)
    logs = log_groups(t, title, rest, name, stage_name, key_arn, retention_days)
    rate, burst = throttle
    return Api(
        rest_api=rest,
        deployment=deployment,
        stage=t.add_resource(
            apigateway.Stage(
                f"{title}Stage",
                Metadata=explained.metadata("API stage"),
                DependsOn=[logs[1].title, *after],
                RestApiId=Ref(rest),
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
                        # Never log full requests and answers: they hold personal data.
                        DataTraceEnabled=False,
                        ThrottlingRateLimit=rate,
                        ThrottlingBurstLimit=burst,
                    ),
                    *_own_throttles(routes),
                ],
                Tags=Tags(Name=names.sub(name)),
                **stage,
            )
        ),
        access_logs=logs[0],
        name=name,
    )


def _is_open(method: Any) -> bool:
    """Whether anybody may call a method that does more than a browser's preflight."""
    given = method.properties
    is_open: bool = given.get("AuthorizationType") == "NONE"
    return is_open and given["HttpMethod"] != "OPTIONS"


def _own_throttles(routes: Sequence[Route]) -> list[Any]:
    """Settings of single methods, which take nothing from the stage's settings."""
    return [
        apigateway.MethodSetting(
            ResourcePath=route.setting,
            HttpMethod=route.method,
            MetricsEnabled=True,
            LoggingLevel="ERROR",
            DataTraceEnabled=False,
            ThrottlingRateLimit=route.throttle[0],
            ThrottlingBurstLimit=route.throttle[1],
        )
        for route in routes
        if route.throttle is not None
    ]


def _let_in(
    t: Template, title: str, rest: Any, function: Any, release: compute.Release | None
) -> None:
    """Allow only this API to call the function, or each of its aliases."""
    called = [("", function)]
    if release is not None:
        called = [("Live", release.live), ("Canary", release.canary)]
    source = names.arn("execute-api", f"${{{rest.title}}}/*/*")
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
        # `${!` leaves the text to API Gateway, which inserts the stage variable.
        called += f":${{!stageVariables.{RELEASE}}}"
    return Sub(
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/"
        f"functions/{called}/invocations"
    )


def _routes(
    t: Template,
    title: str,
    rest: Any,
    routes: Sequence[Route],
    uri: Any,
    authorizer: Any = None,
) -> list[Any]:
    """Add the resources and methods of the routes, and the validation of bodies."""
    added: list[Any] = []
    parents: dict[str, Any] = {"": GetAtt(rest, "RootResourceId")}
    validator: Any = None
    for route in routes:
        path = ""
        for step in filter(None, route.path.split("/")):
            above, path = path, f"{path}/{step}".lstrip("/")
            if path not in parents:
                whole = path == route.path and route.part is not None
                resource = t.add_resource(
                    apigateway.Resource(
                        f"{title}{_words(path)}",
                        RestApiId=Ref(rest),
                        ParentId=parents[above],
                        PathPart=route.part if whole else step,
                    )
                )
                added.append(resource)
                parents[path] = Ref(resource)
        called = uri if route.function is None else _uri(route.function, None)
        checks: dict[str, Any] = {}
        if route.body is not None:
            validator = validator or _validator(t, title, rest)
            model = _model(t, title, rest, route)
            added += [m for m in (validator, model) if m not in added]
            checks["RequestValidatorId"] = Ref(validator)
            checks["RequestModels"] = {"application/json": Ref(model)}
        if route.authorization in ("COGNITO_USER_POOLS", "CUSTOM"):
            checks["AuthorizerId"] = Ref(authorizer)
        added.append(
            t.add_resource(
                apigateway.Method(
                    f"{title}{_words(path)}{route.method.title()}",
                    RestApiId=Ref(rest),
                    ResourceId=parents[path],
                    HttpMethod=route.method,
                    AuthorizationType=route.authorization,
                    Integration=apigateway.Integration(
                        Type="AWS_PROXY", IntegrationHttpMethod="POST", Uri=called
                    ),
                    **checks,
                )
            )
        )
    return added


def _authorizer(t: Template, title: str, rest: Any, user_pools: Any) -> Any:
    """Add the authorizer that takes ID tokens of user pools.

    REST APIs know no other issuers of tokens: those need a function
    (`_token_authorizer`).
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
    """
    return t.add_resource(
        apigateway.Authorizer(
            f"{title}Authorizer",
            Name="user-pools",
            RestApiId=Ref(rest),
            Type="COGNITO_USER_POOLS",
            IdentitySource="method.request.header.Authorization",
            ProviderARNs=user_pools,
        )
    )


def _token_authorizer(t: Template, title: str, rest: Any, verifier: Any) -> Any:
    """Add the authorizer that has a function judge each token.

    Its answers are not kept: API Gateway would let a token in that has expired since.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
    """
    authorizer = t.add_resource(
        apigateway.Authorizer(
            f"{title}TokenAuthorizer",
            Name="tokens",
            RestApiId=Ref(rest),
            Type="TOKEN",
            IdentitySource="method.request.header.Authorization",
            # What is no token does not reach the function.
            IdentityValidationExpression=r"^([Bb]earer +)?[\w-]+\.[\w-]+\.[\w-]+$",
            AuthorizerUri=_uri(verifier, None),
            AuthorizerResultTtlInSeconds=0,
        )
    )
    called = f"${{{rest.title}}}/authorizers/${{{authorizer.title}}}"
    t.add_resource(
        awslambda.Permission(
            f"{title}Invoke{verifier.title}",
            Action="lambda:InvokeFunction",
            FunctionName=Ref(verifier),
            Principal="apigateway.amazonaws.com",
            SourceArn=Sub(names.arn("execute-api", called)),
        )
    )
    return authorizer


def _errors(t: Template, title: str, rest: Any, cors: Cors) -> list[Any]:
    """Let pages read API Gateway's own errors, such as 403 and 429.

    They are part of a deployment, like methods.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """
    header = "gatewayresponse.header."
    return [
        t.add_resource(
            apigateway.GatewayResponse(
                f"{title}Errors{kind}",
                RestApiId=Ref(rest),
                ResponseType=f"DEFAULT_{kind}",
                ResponseParameters={
                    f"{header}Access-Control-Allow-Origin": Sub(f"'{cors.origin}'"),
                    f"{header}Access-Control-Allow-Headers": (
                        f"'{','.join(cors.headers)}'"
                    ),
                    f"{header}Vary": "'Origin'",
                },
            )
        )
        for kind in ("4XX", "5XX")
    ]


def _words(path: str) -> str:
    """Return `items/{id}` as `ItemsId`."""
    return "".join(
        word[:1].upper() + word[1:]
        for word in "".join(c if c.isalnum() else " " for c in path).split()
    )


def _validator(t: Template, title: str, rest: Any) -> Any:
    return t.add_resource(
        apigateway.RequestValidator(
            f"{title}BodyValidator",
            Name="body",
            RestApiId=Ref(rest),
            ValidateRequestBody=True,
            ValidateRequestParameters=False,
        )
    )


def _model(t: Template, title: str, rest: Any, route: Route) -> Any:
    what = f"{_words(route.path)}{route.method.title()}"
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        **(route.body or {}),
    }
    return t.add_resource(
        apigateway.Model(
            f"{title}{what}Body",
            RestApiId=Ref(rest),
            Name=f"{what}Body",
            ContentType="application/json",
            Schema=schema,
        )
    )


def _deployment(
    t: Template, title: str, rest: Any, methods: Sequence[Any], seen: Any
) -> Any:
    text = json.dumps(seen, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return t.add_resource(
        apigateway.Deployment(
            # Without StageName: with one it cannot be created while a canary runs.
            f"{title}Deployment{digest}",
            DependsOn=[each.title for each in methods],
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            RestApiId=Ref(rest),
            Description=f"definition {digest}",
        )
    )


def _canary(
    t: Template,
    title: str,
    rest: Any,
    methods: Sequence[Any],
    canary: Canary,
    seen: Any,
    release: compute.Release | None,
) -> Any:
    """Return the canary of the stage, on a deployment of its own.

    Without its own deployment API Gateway takes the stage's, and the canary tests
    nothing.
    """
    deployment = _deployment(t, f"{title}Canary", rest, methods, seen)
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


def outputs(t: Template, api: Api, function: Any) -> None:
    """Add outputs about an API and its function."""
    frame.outputs(
        t,
        ("ApiUrl", names.sub(api.url), "Address of the API in this region"),
        ("ApiHost", names.sub(api.host), "Host of the API, for health checks"),
        ("ApiId", Ref(api.rest_api), "Id of the API"),
        ("ApiName", names.sub(api.name), "Name of the API, a dimension of its metrics"),
        ("StageName", Ref(api.stage), "Stage of the API"),
        ("DeploymentId", Ref(api.deployment), "Newest deployment of the API"),
        ("AccessLogGroup", Ref(api.access_logs), "Log group of the requests"),
        ("FunctionName", Ref(function), "Function behind the API"),
        ("FunctionArn", GetAtt(function, "Arn"), "ARN of the function"),
    )


def alarms(
    t: Template, api: Api, *, alarm_name: str, topic_arn: Any, title: str = "Api"
) -> None:
    """Add alarms on client errors, server errors and latency of an API's stage.

    `alarm_name` has a `%s` for the metric. Error thresholds are shares of requests.
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
