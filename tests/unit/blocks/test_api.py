"""REST APIs: routes, deployments, canaries, logs, alarms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from awacs.aws import Principal
from awacs.execute_api import Invoke
from troposphere import Template

from tapgen.blocks import api, compute, frame, security

ROUTES = (api.Route("GET", "items/{id}"), api.Route("POST", "items"))


def built(
    *, release: bool = False, canary: bool = False, **more: Any
) -> tuple[Template, api.Api]:
    t = frame.start("A thing", role="primary")
    function = compute.function(
        t,
        "Function",
        name="x-fn",
        handler="items",
        description="d",
        role_arn="role",
        key_arn="key",
        retention_days=30,
        environment={},
    )
    given: dict[str, Any] = {
        "name": "x-api",
        "description": "Items",
        "function": function,
        "routes": ROUTES,
        "stage_name": "prod",
        "key_arn": "key",
        "retention_days": 30,
        "release": compute.release(t, function) if release else None,
        "canary": api.canary(t) if canary else None,
        **more,
    }
    return t, api.rest_api(t, "Api", **given)


def resources(**more: Any) -> dict[str, Any]:
    found = built(**more)[0].to_dict()["Resources"]
    assert isinstance(found, dict)
    return found


def of(found: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {k: r for k, r in found.items() if r["Type"] == f"AWS::ApiGateway::{kind}"}


def test_each_segment_of_a_path_is_one_resource() -> None:
    found = of(resources(), "Resource")
    assert {k: r["Properties"]["PathPart"] for k, r in found.items()} == {
        "ApiItems": "items",
        "ApiItemsId": "{id}",
    }
    assert found["ApiItemsId"]["Properties"]["ParentId"] == {"Ref": "ApiItems"}
    parent = found["ApiItems"]["Properties"]["ParentId"]
    assert parent == {"Fn::GetAtt": ["Api", "RootResourceId"]}


def test_the_root_can_be_a_route() -> None:
    found = of(resources(routes=[api.Route("GET", "")]), "Method")
    method = found["ApiGet"]["Properties"]
    assert method["ResourceId"] == {"Fn::GetAtt": ["Api", "RootResourceId"]}


def test_a_body_is_checked_before_the_function_is_called() -> None:
    schema = {"type": "object", "required": ["name"]}
    routes = [
        api.Route("POST", "items", authorization="AWS_IAM", body=schema),
        api.Route("PUT", "items", body=schema),
    ]
    found = resources(routes=routes)
    (validator,) = of(found, "RequestValidator")
    assert len(of(found, "Model")) == 2
    method = found["ApiItemsPost"]["Properties"]
    assert method["AuthorizationType"] == "AWS_IAM"
    assert method["RequestValidatorId"] == {"Ref": validator}
    model = found[method["RequestModels"]["application/json"]["Ref"]]["Properties"]
    text = json.loads(model["Schema"])
    assert text["required"] == ["name"]
    assert "draft-04" in text["$schema"]


def deployment(**more: Any) -> str:
    (name,) = of(resources(**more), "Deployment")
    return name


def test_every_change_of_routes_or_policy_makes_another_deployment() -> None:
    def policy(resource: str) -> Any:
        everybody = Principal("*")
        return security.document(
            security.statement("All", [Invoke], [resource], principal=everybody)
        )

    seen = [
        deployment(),
        deployment(routes=ROUTES[:1]),
        deployment(routes=[*ROUTES, api.Route("GET", "health")]),
        deployment(release=True),
        deployment(policy=policy("execute-api:/*")),
        deployment(policy=policy("execute-api:/prod/*")),
        deployment(policy=policy("execute-api:/*"), policy_values={"Cidr": "a"}),
        deployment(policy=policy("execute-api:/*"), policy_values={"Cidr": "b"}),
    ]
    assert len(set(seen)) == len(seen)
    assert deployment() == deployment(throttle=(1, 2), retention_days=7)


def test_a_deployment_waits_for_all_routes_stays_and_names_no_stage() -> None:
    found = resources()
    ((_, built),) = of(found, "Deployment").items()
    assert {*of(found, "Method"), *of(found, "Resource")} == set(built["DependsOn"])
    assert built["DeletionPolicy"] == built["UpdateReplacePolicy"] == "Retain"
    assert "StageName" not in built["Properties"]


def test_without_a_canary_the_stage_has_none() -> None:
    stage = resources()["ApiStage"]["Properties"]
    assert "CanarySetting" not in stage and "Variables" not in stage


def test_a_canary_is_another_deployment_for_a_share_of_the_requests() -> None:
    found = resources(canary=True, release=True)
    stage = found["ApiStage"]["Properties"]
    condition, canary, _ = stage["CanarySetting"]["Fn::If"]
    own = canary["DeploymentId"]["Ref"]
    assert found[own]["Condition"] == condition == "HasCanary"
    assert stage["DeploymentId"]["Fn::If"][2]["Ref"] != own
    assert canary["StageVariableOverrides"] == {"release": "canary"}


def test_a_release_is_called_by_the_stage_variable() -> None:
    found = resources(release=True)
    assert found["ApiStage"]["Properties"]["Variables"] == {"release": "live"}
    uri = found["ApiItemsPost"]["Properties"]["Integration"]["Uri"]["Fn::Sub"]
    assert ":${!stageVariables.release}/" in uri
    called = {
        r["Properties"]["FunctionName"]["Ref"]
        for r in found.values()
        if r["Type"] == "AWS::Lambda::Permission"
    }
    assert called == {"FunctionLive", "FunctionCanary"}


def test_a_plain_function_is_called_itself_by_this_api_only() -> None:
    found = resources()
    (permission,) = (
        r["Properties"]
        for r in found.values()
        if r["Type"] == "AWS::Lambda::Permission"
    )
    assert permission["FunctionName"] == {"Ref": "Function"}
    assert permission["SourceArn"]["Fn::Sub"].endswith(":${Api}/*/*")
    uri = found["ApiItemsPost"]["Properties"]["Integration"]["Uri"]["Fn::Sub"]
    assert "${Function.Arn}/invocations" in uri


def test_requests_can_be_limited_by_parameters() -> None:
    t, _ = built()
    limits = api.throttle(t)
    found = built(throttle=limits)[0].to_dict()["Resources"]["ApiStage"]
    (settings,) = found["Properties"]["MethodSettings"]
    assert settings["ThrottlingRateLimit"] == {"Ref": "RequestsPerSecond"}
    assert settings["ThrottlingBurstLimit"] == {"Ref": "Burst"}


@pytest.mark.parametrize("metric", ["4XXError", "5XXError", "Latency"])
def test_alarms_are_on_the_name_and_the_stage(metric: str) -> None:
    t, made_api = built()
    api.alarms(t, made_api, alarm_name="x-%s", topic_arn="topic")
    (alarm,) = (
        r["Properties"]
        for r in t.to_dict()["Resources"].values()
        if r["Properties"].get("MetricName") == metric
    )
    assert alarm["Dimensions"] == [
        {"Name": "ApiName", "Value": "x-api"},
        {"Name": "Stage", "Value": {"Ref": "ApiStage"}},
    ]


def test_the_outputs_name_api_stage_logs_and_function() -> None:
    t, made_api = built()
    api.outputs(t, made_api, t.resources["Function"])
    body = t.to_dict()
    values = {k: o["Value"] for k, o in body["Outputs"].items()}
    assert values["StageName"] == {"Ref": "ApiStage"}
    assert values["AccessLogGroup"] == {"Ref": "ApiAccessLogs"}
    assert values["FunctionArn"] == {"Fn::GetAtt": ["Function", "Arn"]}
    assert values["DeploymentId"]["Ref"] in body["Resources"]


def test_an_api_knows_where_it_answers() -> None:
    _, found = built()
    host = "${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
    assert (found.host, found.url) == (host, f"https://{host}/${{ApiStage}}")


def test_browsers_may_ask_before_they_call_and_read_the_errors_of_the_gateway() -> None:
    routes = [api.Route("GET", "items", "AWS_IAM"), api.Route("POST", "items")]
    found = resources(routes=routes, cors=api.Cors("${Page}", ("Content-Type", "X-A")))
    options = of(found, "Method")["ApiItemsOptions"]["Properties"]
    # A browser sends no credentials with it.
    assert options["AuthorizationType"] == "NONE"
    assert options["Integration"]["Type"] == "AWS_PROXY"
    errors = of(found, "GatewayResponse")
    kinds = {r["Properties"]["ResponseType"] for r in errors.values()}
    assert kinds == {"DEFAULT_4XX", "DEFAULT_5XX"}
    for error in errors.values():
        headers = error["Properties"]["ResponseParameters"]
        origin = headers["gatewayresponse.header.Access-Control-Allow-Origin"]
        assert origin == {"Fn::Sub": "'${Page}'"}
    (deployment,) = of(found, "Deployment").values()
    # A deployment has the errors and methods that exist before it.
    assert {*errors, "ApiItemsOptions"} <= {*deployment["DependsOn"]}
    assert not of(resources(), "GatewayResponse")
