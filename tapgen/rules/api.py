"""API Gateway: stages, deployments, canaries and access logs."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.rules.base import DOCS, TEMPLATE_REFERENCE, Found, ResourceRule
from tapgen.rules.values import absent, get, present, text
from tapgen.rules.view import Place, Resource
from tapgen.template.values import equal, references

_DEPLOYMENT = "AWS::ApiGateway::Deployment"
_API = """\
Resources:
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties: {{Name: orders}}
  Get:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: GET
      AuthorizationType: AWS_IAM
      Integration: {{Type: MOCK}}
  Deployment:
    Type: AWS::ApiGateway::Deployment
{after}\
    Properties:
      RestApiId: !Ref Api
{deployment}\
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties:
      RestApiId: !Ref Api
      StageName: prod
      DeploymentId: !Ref Deployment
{stage}\
"""


def _example(
    after: str = "    DependsOn: [Get]\n", deployment: str = "", stage: str = ""
) -> str:
    return _API.format(after=after, deployment=deployment, stage=stage)


class StageTwice(ResourceRule):
    id = "E9551"
    shortdesc = "A deployment and a stage resource create the same stage"
    description = (
        "Deployment.StageName creates a stage. A Stage resource with the same name"
        " then fails with 'Stage already exists', or the two overwrite each other."
        " Remove StageName from the deployment."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-apigateway-deployment.html"
    at = "Resources/Deployment/Properties/StageName"
    bad = _example(deployment="      StageName: prod\n")
    good = _example()
    types = (_DEPLOYMENT,)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        name = text(it.properties, "StageName")
        api = get(it.properties, "RestApiId")
        for stage in it.place.of("AWS::ApiGateway::Stage"):
            mine = text(stage.properties, "StageName")
            if name and name == mine and equal(api, get(stage.properties, "RestApiId")):
                yield ("StageName",), (
                    f"{stage.id} also creates stage {name!r}; remove StageName from"
                    " the deployment"
                )


class CanaryWithoutDeployment(ResourceRule):
    id = "E9552"
    shortdesc = "A canary has no deployment of its own"
    description = (
        "A canary is a second deployment that receives part of the traffic."
        " CanarySetting without DeploymentId is rejected. Set DeploymentId to the"
        " deployment that the canary tests."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}aws-properties-apigateway-stage-canarysetting.html"
    )
    at = "Resources/Stage/Properties/CanarySetting"
    bad = _example(stage="      CanarySetting: {PercentTraffic: 10}\n")
    good = _example(
        stage="      CanarySetting: {PercentTraffic: 10, DeploymentId: next}\n"
    )
    types = ("AWS::ApiGateway::Stage",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        canary = get(it.properties, "CanarySetting")
        if present(it.properties, "CanarySetting") and absent(canary, "DeploymentId"):
            yield ("CanarySetting",), "needs DeploymentId, the deployment that it tests"


class LogWithoutRequest(ResourceRule):
    id = "E9553"
    shortdesc = "An access log format has no request ID"
    description = (
        "API Gateway rejects an access log format without $context.requestId or"
        " $context.extendedRequestId. Add one of them."
    )
    source_url = f"{DOCS}apigateway/latest/developerguide/set-up-logging.html"
    _log = """\
      AccessLogSetting:
        DestinationArn: !Sub arn:aws:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:api
        Format: '{{"status": "$context.status"{more}}}'
"""
    at = "Resources/Stage/Properties/AccessLogSetting/Format"
    bad = _example(stage=_log.format(more=""))
    good = _example(stage=_log.format(more=', "id": "$context.requestId"'))
    types = ("AWS::ApiGateway::Stage", "AWS::ApiGatewayV2::Stage")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        version_2 = it.type.startswith("AWS::ApiGatewayV2")
        setting = "AccessLogSettings" if version_2 else "AccessLogSetting"
        form = text(it.properties, setting, "Format")
        ids = ("$context.requestId", "$context.extendedRequestId")
        if form is not None and not any(one in form for one in ids):
            yield (setting, "Format"), "the format must contain $context.requestId"


class DeploymentBeforeMethods(ResourceRule):
    id = "E9554"
    shortdesc = "A deployment does not depend on the methods of its API"
    description = (
        "CloudFormation creates the deployment as soon as the API exists. The"
        " deployment fails with 'The REST API doesn't contain any methods', or its"
        " snapshot lacks the methods that are created later. List every method in"
        " DependsOn."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-apigateway-deployment.html"
    at = "Resources/Deployment"
    bad = _example(after="")
    good = _example()
    types = (_DEPLOYMENT,)

    def check(self, view: object) -> Iterator[Found]:
        for path, message in super().check(view):  # type: ignore[arg-type]
            yield path[:2], message

    def check_resource(self, it: Resource) -> Iterator[Found]:
        api = get(it.properties, "RestApiId")
        before = dependencies(it)
        missing = [
            method.id
            for method in it.place.of("AWS::ApiGateway::Method")
            if method.certain or it.certain or _same_condition(method, it)
            if equal(api, get(method.properties, "RestApiId"))
            if method.id not in before
        ]
        if missing and not _depends_on_unknown_type(it.place, before):
            yield (), (
                f"may be created before {', '.join(sorted(missing))}; add DependsOn"
            )


def _same_condition(one: Resource, other: Resource) -> bool:
    return bool(one.attributes.get("Condition") == other.attributes.get("Condition"))


def _depends_on_unknown_type(place: Place, before: set[str]) -> bool:
    """Return whether it depends on a custom resource or the like, which may depend on
    the methods."""
    kinds = {it.id: it.type for it in place.of()}
    return any(not kinds.get(name, "AWS::").startswith("AWS::") for name in before)


def dependencies(it: Resource) -> set[str]:
    """Return the resources created before this one: by DependsOn or a reference."""
    found: set[str] = set()
    by_id = {other.id: other for other in it.place.of()}
    todo = [it.id]
    while todo:
        resource = by_id.get(todo.pop())
        if resource is None:
            continue
        needs = resource.attributes.get("DependsOn") or []
        names = {needs} if isinstance(needs, str) else {str(n) for n in needs}
        for reference in references(dict(resource.properties)):
            names.add(reference.partition(".")[0])
        todo += names - found
        found |= names
    return found


class CanaryOfTheSameDeployment(ResourceRule):
    id = "W9555"
    shortdesc = "A canary has the same deployment as its stage"
    description = (
        "If the stage and its canary have the same deployment, all traffic gets the"
        " same version and the canary tests nothing. Create a new deployment for the"
        " canary, with a logical ID made from its content, and keep the deployment of"
        " the stage until the canary is promoted."
    )
    source_url = f"{DOCS}apigateway/latest/developerguide/canary-release.html"
    at = "Resources/Stage/Properties/CanarySetting/DeploymentId"
    _canary = "      CanarySetting: {{PercentTraffic: 10, DeploymentId: {0}}}\n"
    bad = _example(stage=_canary.format("!Ref Deployment"))
    good = _example(stage=_canary.format("next"))
    types = ("AWS::ApiGateway::Stage",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        canary = get(it.properties, "CanarySetting", "DeploymentId")
        if not isinstance(canary, str | dict) or "Fn::If" in canary:
            return
        overrides = get(it.properties, "CanarySetting", "StageVariableOverrides")
        if present({"it": overrides}, "it"):
            return  # other variables make it another version
        if equal(canary, get(it.properties, "DeploymentId")):
            yield ("CanarySetting", "DeploymentId"), (
                "the stage already has this deployment; give the canary another one"
            )
