"""Queries of CloudWatch Logs Insights that are stored by name, which ministack lacks.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services.registry import Record, Refusal, place
from tapgen.emulator.state.tracked import Tracked

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.cloudwatch_logs": {
        "error_response_json": (
            *("code", "message", "status"),
            *("extra", "message_key", "content_type"),
        ),
        "handle_request": ("method", "path", "headers", "body", "query_params"),
        "json_response": ("data", "status", "content_type"),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

# By account, region and id.
_queries: dict[tuple[str, str, str], Record] = Tracked()


def apply() -> None:
    """Answer the three operations in front of ministack's CloudWatch Logs."""
    logs: Any = import_module("ministack.services.cloudwatch_logs")
    original = logs.handle_request

    async def handle_request(
        method: str, path: str, headers: Any, body: bytes, query_params: Any
    ) -> Any:
        operation = _OPERATIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if operation is None:
            return await original(method, path, headers, body, query_params)
        try:
            return logs.json_response(operation(json.loads(body or b"{}")))
        except Refusal as refusal:
            return logs.error_response_json("ResourceNotFoundException", str(refusal))

    logs.handle_request = handle_request


def _found(identifier: str) -> tuple[str, str, str]:
    key = (*place(), identifier)
    if key not in _queries:
        raise Refusal("ResourceNotFoundException", f"No query definition {identifier}")
    return key


def _put(given: Record) -> Record:
    """Store a new query, or another one under the id of a stored one."""
    identifier = given.get("queryDefinitionId")
    key = _found(identifier) if identifier else (*place(), str(uuid.uuid4()))
    names = ("name", "queryString", "logGroupNames", "queryLanguage", "parameters")
    _queries[key] = {
        "queryDefinitionId": key[2],
        "lastModified": int(time.time() * 1000),
        **{name: given[name] for name in names if name in given},
    }
    return {"queryDefinitionId": key[2]}


def _describe(given: Record) -> Record:
    prefix = given.get("queryDefinitionNamePrefix", "")
    found = [q for key, q in _queries.items() if key[:2] == place()]
    named = [q for q in found if q["name"].startswith(prefix)]
    return {"queryDefinitions": sorted(named, key=lambda q: str(q["name"]))}


def _delete(given: Record) -> Record:
    del _queries[_found(given["queryDefinitionId"])]
    return {"success": True}


_OPERATIONS: Mapping[str, Callable[[Record], Record]] = {
    "PutQueryDefinition": _put,
    "DescribeQueryDefinitions": _describe,
    "DeleteQueryDefinition": _delete,
}
