"""API Gateway: stages, deployments, canaries and access logs."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.rules.base import DOCS, TEMPLATE_REFERENCE, Found, ResourceRule
from tapgen.rules.values import absent, get, present, text
from tapgen.rules.view import Place, Resource
from tapgen.template.evaluate import references, same

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
    shortdesc = "A deployment makes the stage that a stage resource makes too"
    description = (
        "Deployment.StageName makes a stage. A Stage resource of the same name then"
        " fails with 'Stage already exists', or the two overwrite each other. Leave"
        " StageName out of the deployment."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-apigateway-deployment.html"
    at = "Resources/Deployment/Properties/StageName"
    bad = _example(deployment="      StageName: prod\n")
    good = _example()
    types = (_DEPLOYMENT,)

    def look(self, it: Resource) -> Iterator[Found]:
        name = text(it.properties, "StageName")
        api = get(it.properties, "RestApiId")
        for stage in it.place.of("AWS::ApiGateway::Stage"):
            mine = text(stage.properties, "StageName")
            if name and name == mine and same(api, get(stage.properties, "RestApiId")):
                yield ("StageName",), (
                    f"stage {name!r} is also made by {stage.id}; leave StageName out of"
                    " the deployment"
                )


class CanaryWithoutDeployment(ResourceRule):
    id = "E9552"
    shortdesc = "A canary has no deployment of its own"
    description = (
        "CanarySetting without DeploymentId is refused: a canary is a second deployment"
        " that gets part of the traffic."
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

    def look(self, it: Resource) -> Iterator[Found]:
        canary = get(it.properties, "CanarySetting")
        if present(it.properties, "CanarySetting") and absent(canary, "DeploymentId"):
            yield ("CanarySetting",), "needs DeploymentId, the deployment it tries"


class LogWithoutRequest(ResourceRule):
    id = "E9553"
    shortdesc = "An access log's format has no request id"
    description = (
        "API Gateway refuses an access log format without $context.requestId (or"
        " $context.extendedRequestId)."
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

    def look(self, it: Resource) -> Iterator[Found]:
        version_2 = it.type.startswith("AWS::ApiGatewayV2")
        setting = "AccessLogSettings" if version_2 else "AccessLogSetting"
        form = text(it.properties, setting, "Format")
        ids = ("$context.requestId", "$context.extendedRequestId")
        if form is not None and not any(one in form for one in ids):
            yield (setting, "Format"), "must contain $context.requestId"


class DeploymentBeforeMethods(ResourceRule):
    id = "E9554"
    shortdesc = "A deployment does not wait for the API's methods"
    description = (
        "CloudFormation makes the deployment as soon as the API is there: it fails with"
        " 'The REST API doesn't contain any methods', or takes a snapshot without those"
        " that come later. Name every method in DependsOn."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-apigateway-deployment.html"
    at = "Resources/Deployment"
    bad = _example(after="")
    good = _example()
    types = (_DEPLOYMENT,)

    def check(self, view: object) -> Iterator[Found]:
        for path, message in super().check(view):  # type: ignore[arg-type]
            yield path[:2], message

    def look(self, it: Resource) -> Iterator[Found]:
        api = get(it.properties, "RestApiId")
        before = waits_for(it)
        missing = [
            method.id
            for method in it.place.of("AWS::ApiGateway::Method")
            if method.certain or it.place.target is None
            if "Condition" not in method.attributes
            if same(api, get(method.properties, "RestApiId"))
            if method.id not in before
        ]
        if missing and not _waits_on_something_unknown(it.place, before):
            yield (), f"may be made before {', '.join(sorted(missing))}; add DependsOn"


def _waits_on_something_unknown(place: Place, before: set[str]) -> bool:
    """Whether it waits for a custom resource or the like, which may see to the rest."""
    kinds = {it.id: it.type for it in place.of()}
    return any(not kinds.get(name, "AWS::").startswith("AWS::") for name in before)


def waits_for(it: Resource) -> set[str]:
    """The resources made before this one: named in DependsOn or referred to."""
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
    shortdesc = "A canary tries the deployment that the stage has already"
    description = (
        "The stage and its canary have the same deployment: all traffic gets the same"
        " version, and nothing is tried. Make a new deployment (its logical id made from"
        " the content) for the canary, and keep the stage's until it is promoted."
    )
    source_url = f"{DOCS}apigateway/latest/developerguide/canary-release.html"
    at = "Resources/Stage/Properties/CanarySetting/DeploymentId"
    _canary = "      CanarySetting: {{PercentTraffic: 10, DeploymentId: {0}}}\n"
    bad = _example(stage=_canary.format("!Ref Deployment"))
    good = _example(stage=_canary.format("next"))
    types = ("AWS::ApiGateway::Stage",)

    def look(self, it: Resource) -> Iterator[Found]:
        canary = get(it.properties, "CanarySetting", "DeploymentId")
        if not isinstance(canary, str | dict) or "Fn::If" in canary:
            return
        overrides = get(it.properties, "CanarySetting", "StageVariableOverrides")
        if present({"it": overrides}, "it"):
            return  # other variables make another version of it
        if same(canary, get(it.properties, "DeploymentId")):
            yield ("CanarySetting", "DeploymentId"), (
                "the stage has this deployment already; give the canary another one"
            )
