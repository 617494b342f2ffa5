"""Stages of REST APIs as API Gateway serves them: stage variables and canaries.

ministack calls the function that an integration names literally. On AWS the name may
hold stage variables (`${stageVariables.release}`), and a stage with a canary serves a
share of the requests with the canary's variables instead of its own. Routes are those
of the API itself here, not those of the deployment that a request falls to.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

_MODULE = "ministack.services.apigateway_v1"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _MODULE: {
        "_apply_stage_patch": ("stage", "patch_ops"),
        "_invoke_lambda_proxy_v1": (
            *("integration", "api_id", "stage_name", "stage", "resource"),
            *("request_path", "method", "headers", "body", "query_params"),
            *("path_params", "owner_account_id", "owner_region"),
            *("binary_media_types", "authorizer_context", "caller_identity"),
        ),
        "_stages_v1": None,
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

_VARIABLE = re.compile(r"\$\{stageVariables\.(\w+)\}")


def apply() -> None:
    """Put stage variables into integrations, and let canaries take their share."""
    gateway: Any = import_module(_MODULE)
    invoke, patch = gateway._invoke_lambda_proxy_v1, gateway._apply_stage_patch

    async def invoke_by_stage(
        integration: Mapping[str, Any],
        api_id: str,
        stage_name: str,
        stage: Mapping[str, Any],
        *rest: Any,
        **more: Any,
    ) -> Any:
        variables = _variables(stage)
        uri = _VARIABLE.sub(
            lambda found: str(variables.get(found[1], "")), integration.get("uri", "")
        )
        return await invoke(
            {**integration, "uri": uri},
            api_id,
            stage_name,
            {**stage, "variables": variables},
            *rest,
            **more,
        )

    def patch_stage(stage: dict[str, Any], patch_ops: list[dict[str, Any]]) -> None:
        # One by one: an operation may copy what the one before it has written.
        for operation in patch_ops:
            patch(stage, [_literal(stage, operation)])

    invoke_by_stage.__signature__ = inspect.signature(invoke)  # type: ignore[attr-defined]
    patch_stage.__signature__ = inspect.signature(patch)  # type: ignore[attr-defined]
    gateway._invoke_lambda_proxy_v1 = invoke_by_stage
    gateway._apply_stage_patch = patch_stage


def _variables(stage: Mapping[str, Any]) -> dict[str, Any]:
    """The stage variables that a request gets: the stage's own or the canary's."""
    own = dict(stage.get("variables") or {})
    canary = stage.get("canarySettings") or {}
    # Not for security: it only divides requests.
    if random.random() * 100 < float(canary.get("percentTraffic") or 0):
        return own | dict(canary.get("stageVariableOverrides") or {})
    return own


def _literal(stage: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation of UpdateStage as ministack reads it: without `copy`, typed.

    `copy` is how a canary is promoted.
    https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
    """
    converted = dict(operation)
    if converted.get("op") == "copy":
        source: Any = stage
        for step in str(converted.pop("from")).strip("/").split("/"):
            source = (source or {}).get(step)
        converted |= {"op": "replace", "value": source}
    if converted.get("path") == "/canarySettings/percentTraffic":
        converted["value"] = float(converted["value"])
    return converted
