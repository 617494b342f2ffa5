"""AWS's protocols at the port: the action of a request, and the form of errors.

SDKs decide by the form of an error whether to retry. So a refusal has the form and the
code that the service itself uses in the protocol of the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4
from xml.sax.saxutils import escape

from tapgen.emulator.wire import cbor

# The service in a signature -> what botocore calls it, where they differ.
SIGNED_AS: Mapping[str, tuple[str, ...]] = {
    "apigateway": ("apigateway", "apigatewayv2"),
    "elasticfilesystem": ("efs",),
    "elasticloadbalancing": ("elbv2", "elb"),
    "elasticmapreduce": ("emr",),
    "email": ("ses", "sesv2"),
    "es": ("opensearch", "es"),
    "monitoring": ("cloudwatch",),
    "ses": ("sesv2", "ses"),
    "states": ("stepfunctions",),
}

CREDENTIAL = re.compile(
    r"Credential=(?P<key>[^/,\s]+)/[0-9]{8}/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/"
)
_CBOR_PATH = re.compile(r"/service/[^/]+/operation/(?P<action>[A-Za-z0-9]+)")
_FORM = b"application/x-www-form-urlencoded"
_REST_XML = frozenset({"s3", "route53", "cloudfront", "s3-outposts"})


@dataclass(frozen=True)
class Signature:
    """Who signed a request for what; empty where it is not signed."""

    key: str = ""
    region: str = ""
    service: str = ""


@dataclass(frozen=True)
class Call:
    """A request for an action; `action` is empty when it is not known."""

    service: str
    action: str
    protocol: str
    account: str
    region: str
    stack_set: str = ""

    @property
    def services(self) -> frozenset[str]:
        """Every name of the service."""
        return frozenset({self.service, *SIGNED_AS.get(self.service, ())})


@dataclass(frozen=True)
class Refusal:
    """An error, before it is written in a protocol."""

    code: str
    message: str
    status: int


def signature(scope: Any) -> Signature:
    """Who signed a request, from its header or, when presigned, its query string."""
    for name, value in scope["headers"]:
        if name.lower() == b"authorization":
            text = value.decode("latin-1")
            break
    else:
        query = unquote(scope["query_string"].decode("latin-1"))
        text = query.replace("X-Amz-Credential", "Credential")
    found = CREDENTIAL.search(text)
    if found is None:
        return Signature()
    return Signature(unquote(found["key"]), found["region"], found["service"].lower())


def is_form(scope: Any) -> bool:
    """Whether the body of a request is a form, which then names the action."""
    return _header(scope, b"content-type").startswith(_FORM)


def identify(scope: Any, signed: Signature, account: str, body: bytes) -> Call:
    """Return the action of a request; `body` is read only when it is a form."""
    service = signed.service
    given = dict(_pairs(scope["query_string"]))
    if is_form(scope):
        given.update(_pairs(body))
    target = _header(scope, b"x-amz-target").decode("latin-1")
    in_cbor = _CBOR_PATH.fullmatch(scope["path"])
    if target:
        version = "1.1" if b"1.1" in _header(scope, b"content-type") else "1.0"
        action, protocol = target.rpartition(".")[2], f"json-{version}"
    elif in_cbor:
        action, protocol = in_cbor["action"], "cbor"
    elif "Action" in given or is_form(scope):
        action = given.get("Action", "")
        protocol = "ec2" if service == "ec2" else "query"
    else:
        headers = {k.decode("latin-1").lower() for k, _ in scope["headers"]}
        action = _rest_action(service, scope["method"], scope["path"], given, headers)
        protocol = "rest-xml" if service in _REST_XML else "rest-json"
    name = given.get("StackSetName", "").partition(":")[0]
    return Call(service, action, protocol, account, signed.region, name)


def _header(scope: Any, name: bytes) -> bytes:
    for key, value in scope["headers"]:
        if key.lower() == name:
            return bytes(value)
    return b""


def _pairs(text: bytes) -> list[tuple[str, str]]:
    return parse_qsl(text.decode("utf-8", "replace"), keep_blank_values=True)


# Actions of the services that are known by method and path


@dataclass(frozen=True)
class _Route:
    action: str
    method: str
    path: re.Pattern[str]
    query: Mapping[str, str | None]
    headers: frozenset[str]
    fixed: int  # characters of the path that are no parameters

    def fits(
        self, method: str, path: str, query: Mapping[str, str], headers: set[str]
    ) -> bool:
        return (
            method == self.method
            and self.headers <= headers
            and all(
                key in query and value in (None, query[key])
                for key, value in self.query.items()
            )
            and self.path.fullmatch(path) is not None
        )


def _rest_action(
    service: str, method: str, path: str, query: Mapping[str, str], headers: set[str]
) -> str:
    fitting = [r for r in _routes(service) if r.fits(method, path, query, headers)]
    best = max(
        fitting,
        key=lambda r: (len(r.query) + len(r.headers), r.fixed),
        default=None,
    )
    return best.action if best else ""


@cache
def _routes(service: str) -> tuple[_Route, ...]:
    """The routes of a service, from botocore's models; none when it has none."""
    found = []
    for name in SIGNED_AS.get(service, (service,)):
        model = model_of(name)
        for action in model.operation_names if model else ():
            operation = model.operation_model(action)
            found.append(_route(operation))
    return tuple(found)


def _route(operation: Any) -> _Route:
    path, _, fixed_query = operation.http["requestUri"].partition("?")
    query: dict[str, str | None] = {}
    for item in filter(None, fixed_query.split("&")):
        key, _, value = item.partition("=")
        query[key] = value or None
    headers = set()
    shape = operation.input_shape
    for name in shape.required_members if shape is not None else ():
        member = shape.members[name].serialization
        if member.get("location") == "querystring":
            query.setdefault(member["name"], None)
        elif member.get("location") == "header":
            headers.add(member["name"].lower())
    parts = re.split(r"(\{[^}]+\})", path.rstrip("/") or "/")
    pattern = "".join(
        (
            (".+" if part.endswith("+}") else "[^/]+")
            if part.startswith("{")
            else re.escape(part)
        )
        for part in parts
    )
    return _Route(
        operation.name,
        operation.http["method"],
        re.compile(f"{pattern}/?"),
        query,
        frozenset(headers),
        sum(len(part) for part in parts if not part.startswith("{")),
    )


@cache
def _loader() -> Any:
    from botocore.loaders import Loader

    return Loader()


@cache
def services() -> frozenset[str]:
    """Every service of botocore, and every name that requests are signed for."""
    known: list[str] = _loader().list_available_services("service-2")
    return frozenset({*known, *SIGNED_AS})


@cache
def model_of(service: str) -> Any:
    """botocore's model of a service; None when it has none."""
    from botocore.exceptions import UnknownServiceError
    from botocore.model import ServiceModel

    try:
        data = _loader().load_service_model(service, "service-2")
    except UnknownServiceError:
        return None
    return ServiceModel(data, service)


def actions(service: str) -> frozenset[str]:
    """Every action of a service, which may be named as requests are signed."""
    models = map(model_of, SIGNED_AS.get(service, (service,)))
    return frozenset(
        name for model in models if model for name in model.operation_names
    )


# Errors


def throttled(call: Call) -> Refusal:
    """The service's answer to too many requests."""
    if call.service == "ec2":
        return Refusal("RequestLimitExceeded", "Request limit exceeded.", 503)
    if call.service == "s3":
        return Refusal("SlowDown", "Please reduce your request rate.", 503)
    if call.service in ("lambda", "apigateway"):
        return Refusal("TooManyRequestsException", "Rate exceeded", 429)
    if call.protocol in ("query", "rest-xml"):
        return Refusal("Throttling", "Rate exceeded", 400)
    status = 429 if call.protocol == "rest-json" else 400
    return Refusal("ThrottlingException", "Rate exceeded", status)


_INTERNAL = {
    "dynamodb": ("InternalServerError", "The request processing has failed."),
    "ec2": ("InternalError", "An internal error has occurred"),
    "lambda": ("ServiceException", "An internal error occurred."),
    "s3": ("InternalError", "We encountered an internal error. Please try again."),
}


def failed(call: Call) -> Refusal:
    """The service's own failure, status 500."""
    code, message = _INTERNAL.get(
        call.service,
        (
            "InternalFailure",
            "The request processing has failed because of an unknown error, "
            "exception or failure.",
        ),
    )
    return Refusal(code, message, 500)


def unavailable(call: Call) -> Refusal:
    """The service is away, status 503."""
    code = "Unavailable" if call.service == "ec2" else "ServiceUnavailable"
    message = "The request has failed due to a temporary failure of the server."
    return Refusal(code, message, 503)


def expired(call: Call) -> Refusal:
    """The session's credentials have expired."""
    if call.service == "ec2":
        return Refusal("RequestExpired", "Request has expired.", 400)
    if call.service == "s3":
        return Refusal("ExpiredToken", "The provided token has expired.", 400)
    message = "The security token included in the request is expired"
    if call.protocol in ("query", "rest-xml"):
        return Refusal("ExpiredToken", message, 403)
    return Refusal(
        "ExpiredTokenException", message, 403 if call.protocol == "rest-json" else 400
    )


def denied(call: Call, caller: str) -> Refusal:
    """No policy of the `caller`, an ARN, allows the action."""
    if call.service == "ec2":
        message = "You are not authorized to perform this operation."
        return Refusal("UnauthorizedOperation", message, 403)
    name = _POLICY_PREFIX.get(call.service, call.service)
    action = f"{name}:{call.action}"
    resource = "*"
    if call.stack_set:
        place = f"{call.region}:{call.account}"
        resource = f"arn:aws:cloudformation:{place}:stackset/{call.stack_set}:*"
    message = (
        f"User: {caller} is not authorized to perform: {action} on resource: "
        f"{resource} because no identity-based policy allows the {action} action"
    )
    if call.protocol in ("query", "rest-xml"):
        return Refusal("AccessDenied", message, 403)
    status = 403 if call.protocol == "rest-json" else 400
    return Refusal("AccessDeniedException", message, status)


# The service in a signature -> in policies, where they differ.
_POLICY_PREFIX = {"monitoring": "cloudwatch", "email": "ses"}

Form = tuple[int, dict[str, str], bytes]


def formed(call: Call, refusal: Refusal) -> Form:
    """Status, headers and body of an error in the protocol of the call."""
    request_id = str(uuid4())
    headers = {"x-amzn-requestid": request_id}
    if call.protocol == "cbor":
        content = {"__type": refusal.code, "message": refusal.message}
        headers["content-type"] = "application/cbor"
        headers["smithy-protocol"] = "rpc-v2-cbor"
        return refusal.status, headers, cbor.dumps(content)
    if call.protocol in ("json-1.0", "json-1.1", "rest-json"):
        version = call.protocol.removeprefix("json-")
        kind = "json" if call.protocol == "rest-json" else f"x-amz-json-{version}"
        headers["content-type"] = f"application/{kind}"
        headers["x-amzn-errortype"] = refusal.code
        content = {"__type": refusal.code, "message": refusal.message}
        return refusal.status, headers, json.dumps(content).encode()
    headers["content-type"] = "text/xml"
    if call.service == "s3":
        headers["x-amz-request-id"] = request_id
    return refusal.status, headers, "".join(_xml(call, refusal, request_id)).encode()


def _xml(call: Call, refusal: Refusal, request_id: str) -> Iterator[str]:
    error = (
        f"<Code>{escape(refusal.code)}</Code>"
        f"<Message>{escape(refusal.message)}</Message>"
    )
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    if call.protocol == "ec2":
        yield f"<Response><Errors><Error>{error}</Error></Errors>"
        yield f"<RequestID>{request_id}</RequestID></Response>"
    elif call.service == "s3":
        yield f"<Error>{error}<RequestId>{request_id}</RequestId>"
        yield f"<HostId>{request_id}</HostId></Error>"
    else:
        kind = "Receiver" if refusal.status >= 500 else "Sender"
        yield f"<ErrorResponse><Error><Type>{kind}</Type>{error}</Error>"
        yield f"<RequestId>{request_id}</RequestId></ErrorResponse>"
