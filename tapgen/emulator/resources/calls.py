"""Calls of the emulated AWS from inside it, as the current account and region.

Requests are written and answers read with botocore's own models, and passed to
ministack's service modules. So a handler of ours works as an SDK does, without the
network and without knowing how ministack stores its records.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Coroutine, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlencode

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize

Answer = dict[str, Any]

# botocore's name of a service -> ministack's, where they differ.
_SERVICES = {
    "cloudwatch": "monitoring",
    "elbv2": "elasticloadbalancing",
    "stepfunctions": "states",
}
# ministack reads the new binary protocol only with a library that it does not require.
_PROTOCOLS = {"cloudwatch": "query"}


class CallError(Exception):
    """A call that the emulated service refused, with AWS's code and message."""

    def __init__(self, service: str, code: str, message: str, status: int) -> None:
        super().__init__(f"{message} (Service: {service}, Status Code: {status})")
        self.service = service
        self.code = code
        self.message = message
        self.status = status


def call(service: str, operation: str, /, **parameters: Any) -> Answer:
    """Call `operation` and return its answer without metadata.

    Parameters are fitted to the operation (see `fitted`); those that are None are left
    out. Raises CallError when the service refuses.
    """
    model = described(service).operation_model(operation)
    given = {name: value for name, value in parameters.items() if value is not None}
    if model.input_shape is not None:
        given = fitted(given, model.input_shape)
    request = _serializer(service).serialize_to_request(given, model)
    status, headers, body = _send(service, request)
    answer: Answer = _parser(service).parse(
        {"status_code": status, "headers": headers, "body": body}, model.output_shape
    )
    answer.pop("ResponseMetadata", None)
    if status >= 300:
        error = answer.get("Error") or {}
        raise CallError(
            described(service).service_id,
            error.get("Code") or str(status),
            error.get("Message") or body.decode(errors="replace"),
            status,
        )
    return answer


def fitted(value: Any, shape: Any) -> Any:
    """Return a template's value in the form of an API shape.

    Members are matched without regard to case (AWS Config writes `roleARN` where
    CloudFormation writes `RoleARN`) and unknown ones left out; numbers and booleans may
    be given as text, policies as objects.
    """
    match shape.type_name:
        case "structure":
            members = {name.lower(): name for name in shape.members}
            return {
                members[name.lower()]: fitted(
                    item, shape.members[members[name.lower()]]
                )
                for name, item in value.items()
                if name.lower() in members
            }
        case "list":
            items = value if isinstance(value, list) else [value]
            return [fitted(item, shape.member) for item in items]
        case "map":
            return {str(key): fitted(item, shape.value) for key, item in value.items()}
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
        case "boolean":
            return truth(value)
        case "string":
            return _text(value)
    return value


def fitted_to(service: str, operation: str, parameters: Mapping[str, Any]) -> Answer:
    """`parameters` as `operation` takes them, without calling it."""
    shape = described(service).operation_model(operation).input_shape
    result: Answer = fitted(parameters, shape)
    return result


def truth(value: Any) -> bool:
    """A template's boolean, which may be given as text."""
    return str(value).lower() == "true"


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def _loader() -> Any:
    return botocore.loaders.Loader()


@cache
def described(service: str) -> Any:
    """Return botocore's model of a service."""
    return botocore.model.ServiceModel(
        _loader().load_service_model(service, "service-2"), service
    )


def _protocol(service: str) -> str:
    return _PROTOCOLS.get(service) or str(described(service).protocol)


@cache
def _serializer(service: str) -> Any:
    return botocore.serialize.create_serializer(_protocol(service), False)


@cache
def _parser(service: str) -> Any:
    return botocore.parsers.create_parser(_protocol(service))


def _send(
    service: str, request: Mapping[str, Any]
) -> tuple[int, dict[str, Any], bytes]:
    path, _, query = request["url_path"].partition("?")
    parameters = parse_qs(query, keep_blank_values=True)
    for name, value in (request.get("query_string") or {}).items():
        parameters[name] = value if isinstance(value, list) else [str(value)]
    body = request["body"]
    if isinstance(body, dict):
        body = urlencode(body, doseq=True)
    if isinstance(body, str):
        body = body.encode()
    headers = {name.lower(): str(v) for name, v in request["headers"].items()}
    headers["host"] = "127.0.0.1"
    status, answered, content = _deliver(
        service, request["method"], path, headers, body, parameters
    )
    if isinstance(content, str):
        content = content.encode()
    return status, {name.lower(): v for name, v in answered.items()}, content


def _deliver(service: str, *request: Any) -> Any:
    if service == "rds":
        # Its entry switches to a worker thread, which a handler cannot wait for: stacks
        # run on the event loop. Nothing blocks there without a Docker daemon.
        from ministack.services import rds

        return rds._handle_request_sync(*request)
    from ministack.app import SERVICE_HANDLERS

    return _finished(SERVICE_HANDLERS[_SERVICES.get(service, service)](*request))


def _finished(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never really waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise RuntimeError(
        f"a service waited inside a handler ({threading.current_thread().name})"
    )
