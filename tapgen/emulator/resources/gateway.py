"""Stages of REST APIs, with what ministack's own handler leaves out of them."""

from __future__ import annotations

import importlib
from typing import Any

from tapgen.emulator.resources.calls import truth
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    original,
)

_STAGE = "AWS::ApiGateway::Stage"


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [Kind(_STAGE, _make_stage, _delete_stage, _change_stage)]


def _make_stage(request: Request) -> Created:
    # A stage may leave its name to CloudFormation ("StageName: Required: No").
    name = request.name("StageName", longest=128)
    properties = {**request.properties, "StageName": name}
    make = original(_STAGE)["create"]
    created: Created = make(request.logical_id, properties, request.stack)
    _settle(properties)
    return created


def _change_stage(physical_id: str, old: Properties, new: Properties) -> Attributes:
    old, new = ({**p, "StageName": physical_id} for p in (old, new))
    _, attributes = original(_STAGE)["update"](physical_id, old, new, "")
    _settle(new)
    found: Attributes = attributes
    return found


def _delete_stage(physical_id: str, properties: Properties) -> None:
    named = {**properties, "StageName": physical_id}
    original(_STAGE)["delete"](physical_id, named)


def _settle(properties: Properties) -> None:
    """Store the access log and the canary of a stage, for GetStage."""
    stages = importlib.import_module("ministack.services.apigateway_v1")._stages_v1
    stage = stages[properties["RestApiId"]][properties["StageName"]]
    log = properties.get("AccessLogSetting") or {}
    stage["accessLogSettings"] = {
        name: log[given]
        for given, name in (("DestinationArn", "destinationArn"), ("Format", "format"))
        if given in log
    }
    canary = properties.get("CanarySetting")
    if canary is None:
        stage.pop("canarySettings", None)
    else:
        stage["canarySettings"] = _canary(canary, stage)


def _canary(given: Properties, stage: Properties) -> dict[str, Any]:
    return {
        # Without one of its own API Gateway takes the stage's: a canary of nothing.
        "deploymentId": given.get("DeploymentId") or stage["deploymentId"],
        "percentTraffic": float(given.get("PercentTraffic", 0)),
        "stageVariableOverrides": dict(given.get("StageVariableOverrides") or {}),
        "useStageCache": truth(given.get("UseStageCache", False)),
    }
