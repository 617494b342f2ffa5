"""Stages keep canary and access log, and serve by their variables."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import urlopen

import pytest

from tapgen.emulator.server import lifecycle
from tests.emulator.places import Place, of

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@pytest.fixture
def unsigned(server: lifecycle.Server) -> Place:
    """The account of calls that nobody signs, such as those of an API."""
    return Place(server.url, "000000000000")


def function(says: str) -> dict[str, Any]:
    text = f"def handler(e, c): return {{'statusCode': 200, 'body': '{says}'}}"
    return of(
        "Lambda::Function",
        Runtime="python3.13",
        Handler="index.handler",
        Role={"Fn::GetAtt": ["Role", "Arn"]},
        Code={"ZipFile": text},
    )


def api(**stage: Any) -> dict[str, Any]:
    """An API whose stage variable names the function that answers."""
    uri = (
        "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
        "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:"
        "${!stageVariables.answers}/invocations"
    )
    rest = {"RestApiId": {"Ref": "Api"}}
    return {
        "Role": of("IAM::Role", AssumeRolePolicyDocument=TRUST),
        "Old": function("old"),
        "New": function("new"),
        "Api": of("ApiGateway::RestApi", Name="api"),
        "Get": of(
            "ApiGateway::Method",
            **rest,
            ResourceId={"Fn::GetAtt": ["Api", "RootResourceId"]},
            HttpMethod="GET",
            AuthorizationType="NONE",
            Integration={
                "Type": "AWS_PROXY",
                "IntegrationHttpMethod": "POST",
                "Uri": {"Fn::Sub": uri},
            },
        ),
        "First": {**of("ApiGateway::Deployment", **rest), "DependsOn": "Get"},
        "Second": {**of("ApiGateway::Deployment", **rest), "DependsOn": "Get"},
        "Stage": of(
            "ApiGateway::Stage",
            **rest,
            StageName="v1",
            DeploymentId={"Ref": "First"},
            Variables={"answers": {"Ref": "Old"}},
            **stage,
        ),
    }


def canary(percent: int) -> dict[str, Any]:
    return {
        "DeploymentId": {"Ref": "Second"},
        "PercentTraffic": str(percent),
        "StageVariableOverrides": {"answers": {"Ref": "New"}},
    }


def answers(place: Place, stack: str) -> str:
    api_id = place.ids(stack)["Api"]
    url = f"{place.url}/restapis/{api_id}/v1/_user_request_/"
    with urlopen(url) as answer:
        return str(answer.read().decode())


def test_a_stage_calls_what_its_variable_names(unsigned: Place) -> None:
    unsigned.create("plain", api())
    assert answers(unsigned, "plain") == "old"


def test_a_canary_answers_its_share_until_it_is_promoted(unsigned: Place) -> None:
    stack = "canary"
    unsigned.create(stack, api(CanarySetting=canary(100)))
    gateway, ids = unsigned.client("apigateway"), unsigned.ids(stack)
    where = {"restApiId": ids["Api"], "stageName": "v1"}
    settings = gateway.get_stage(**where)["canarySettings"]
    assert settings["deploymentId"] == ids["Second"]
    assert float(settings["percentTraffic"]) == 100
    assert answers(unsigned, stack) == "new"

    def patch(op: str, path: str, **more: str) -> Any:
        return gateway.update_stage(
            **where, patchOperations=[{"op": op, "path": path, **more}]
        )

    patch("replace", "/canarySettings/percentTraffic", value="0")
    assert answers(unsigned, stack) == "old"
    patch("copy", "/deploymentId", **{"from": "/canarySettings/deploymentId"})
    overrides = "/canarySettings/stageVariableOverrides"
    patch("copy", "/variables", **{"from": overrides})
    stage = patch("remove", "/canarySettings")
    assert stage["deploymentId"] == ids["Second"]
    assert "canarySettings" not in stage
    assert answers(unsigned, stack) == "new"


def test_an_update_of_the_stage_sets_and_drops_the_canary(place: Place) -> None:
    log = {"DestinationArn": "arn:aws:logs:x", "Format": json.dumps({"id": "$x"})}
    place.create("stage", api(AccessLogSetting=log))
    gateway = place.client("apigateway")
    where = {"restApiId": place.ids("stage")["Api"], "stageName": "v1"}
    assert gateway.get_stage(**where)["accessLogSettings"] == {
        "destinationArn": log["DestinationArn"],
        "format": log["Format"],
    }
    place.update("stage", api(CanarySetting=canary(10)))
    stage = gateway.get_stage(**where)
    assert float(stage["canarySettings"]["percentTraffic"]) == 10
    assert stage["accessLogSettings"] == {}
    place.update("stage", api())
    assert "canarySettings" not in gateway.get_stage(**where)
    assert place.ids("stage")["Stage"] == "v1"
