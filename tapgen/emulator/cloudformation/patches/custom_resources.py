"""Custom resources whose function fails, or never answers.

On AWS the stack of a function that fails waits for its ServiceTimeout, an hour unless
the template says less. ministack waits, too, although it knows of the failure. Here
nothing waits for what cannot come: the resource fails at once, with the error of the
function. Lambda calls a function that failed twice more (Lambda guide, "Retry behavior:
asynchronous invocation"), so it is called again first.

A ServiceToken may also be a topic, to which CloudFormation publishes the request
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources.html).
Who answers is not known then, so the stack waits for the ServiceTimeout, as on AWS.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded

_MODULE = f"{CFN}.custom_resource"
_LAMBDA = "ministack.services.lambda_svc"
_TOPICS = "ministack.services.sns"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _MODULE: {
        "_pending": None,
        "deliver_response": ("token", "response"),
        "invoke_custom_resource": (
            *("request_type", "logical_id", "props", "stack_name", "stack_id"),
            *("resource_type", "physical_id", "old_props"),
        ),
        "_lock": None,
        "_normalise_resource_properties": ("value",),
        "_response_url": ("token",),
        "register_token": ("token",),
    },
    _TOPICS: {"_publish": ("params",)},
    _LAMBDA: {"_execute_function_with_config_scope": ("func", "event")},
}
"""Private names of ministack used here, as `private_names` describes them."""

_ANSWERS = re.compile(r"/_ministack/cfn-response/([^/?]+)$")
_ATTEMPTS = 3
_SERVICE_TIMEOUT = 3600  # seconds
_LONGEST = 4096  # bytes of an answer (CloudFormation guide, custom resource reference)

# As AWS words it (aws/aws-cdk#24358 and other public logs).
_NO_ANSWER = (
    "CloudFormation did not receive a response from your Custom Resource. Please check "
    "your logs for requestId [{}]. If you are using the Python cfn-response module, you "
    "may need to update your Lambda function's CloudFormation template to use the "
    "latest version."
)

# The request of the custom resource that this thread waits for.
_current = threading.local()


def apply() -> None:
    """Let a failure of the function reach the stack."""
    functions = loaded(_LAMBDA)
    functions._execute_function_with_config_scope = _reporting(
        functions._execute_function_with_config_scope
    )
    module = loaded(_MODULE)
    module.deliver_response = _bounded(module.deliver_response)
    module.invoke_custom_resource = _worded(module.invoke_custom_resource)


def _reporting(execute: Any) -> Any:
    def executing(func: Any, event: Any) -> Any:
        token = _token(event)
        if token is None:
            return execute(func, event)
        _current.request = event.get("RequestId", "")
        answer = _attempts(execute, func, event, token)
        if _failed(answer) and _waits(token):
            body = answer.get("body") or {}
            error = f"{body.get('errorType')}: {body.get('errorMessage')}"
            name = (func.get("config") or func).get("FunctionName", "")
            words = _NO_ANSWER.format(event.get("RequestId", ""))
            reason = (
                f"{words} The function {name} failed: {error} (on AWS the stack waits "
                "for its ServiceTimeout first, an hour by default)"
            )
            loaded(_MODULE)._pending[token]["failure"] = reason
            failure = {"Status": "FAILED", "Reason": reason}
            loaded(_MODULE).deliver_response(token, failure)
        return answer

    return executing


def _attempts(execute: Any, func: Any, event: Any, token: str) -> Any:
    """Call a function until it does not fail, or has answered.

    One that could not start, or took its whole time, would only do so again.
    """
    for _ in range(_ATTEMPTS):
        answer = execute(func, event)
        if not _failed(answer) or not _waits(token):
            break
        if (answer.get("body") or {}).get("errorType") != "Runtime.HandlerError":
            break
    return answer


def _failed(answer: Any) -> bool:
    return isinstance(answer, Mapping) and bool(answer.get("error"))


def _token(event: Any) -> str | None:
    """The token of the answer that a custom resource waits for, None for other events."""
    url = event.get("ResponseURL") if isinstance(event, Mapping) else None
    found = _ANSWERS.search(url) if isinstance(url, str) else None
    return found[1] if found and found[1] in loaded(_MODULE)._pending else None


def _waits(token: str) -> bool:
    entry = loaded(_MODULE)._pending.get(token)
    return entry is not None and entry["result"] is None


def _bounded(deliver: Any) -> Any:
    """Refuse an answer that AWS does not read: too long, or without its parts."""

    def delivering(token: str, response: Any) -> bool:
        wrong = _wrong(response)
        entry = loaded(_MODULE)._pending.get(token) or {}
        if wrong and "failure" not in entry:
            response = {"Status": "FAILED", "Reason": wrong}
        return bool(deliver(token, response))

    return delivering


def _wrong(response: Any) -> str:
    status = response.get("Status") if isinstance(response, Mapping) else None
    if status not in ("SUCCESS", "FAILED"):
        return "Invalid response status: it must be SUCCESS or FAILED"
    if len(json.dumps(response).encode()) > _LONGEST:
        return "Response object is too long."
    if status == "SUCCESS" and not response.get("PhysicalResourceId"):
        return "Invalid PhysicalResourceId"
    return ""


def _worded(invoke: Any) -> Any:
    """Ask a topic, too, and say of an answer that never came what AWS says."""

    def invoking(
        request_type: str,
        logical_id: str,
        props: Any,
        stack_name: str,
        stack_id: str,
        resource_type: str,
        physical_id: str | None = None,
        old_props: Any = None,
    ) -> Any:
        topic = str(props.get("ServiceToken", ""))
        is_topic = topic.split(":")[2:3] == ["sns"]
        ask = _ask_topic if is_topic else invoke
        try:
            return ask(
                *(request_type, logical_id, props, stack_name, stack_id),
                *(resource_type, physical_id, old_props),
            )
        except TimeoutError as error:
            request = getattr(_current, "request", "")
            raise TimeoutError(_NO_ANSWER.format(request)) from error

    return invoking


def _ask_topic(
    request_type: str,
    logical_id: str,
    props: Any,
    stack_name: str,
    stack_id: str,
    resource_type: str,
    physical_id: str | None,
    old_props: Any,
) -> tuple[str, Any]:
    """Publish the request, and wait for the answer; as ministack asks a function."""
    module = loaded(_MODULE)
    token, request = str(uuid.uuid4()), str(uuid.uuid4())
    _current.request = request
    plain = module._normalise_resource_properties
    message = {
        "RequestType": request_type,
        "RequestId": request,
        "StackId": stack_id,
        "ResponseURL": module._response_url(token),
        "ResourceType": resource_type,
        "LogicalResourceId": logical_id,
        "TopicArn": props["ServiceToken"],
        "ResourceProperties": plain(props),
    }
    if physical_id is not None:
        message["PhysicalResourceId"] = physical_id
    if old_props is not None:
        message["OldResourceProperties"] = plain(old_props)
    answered = module.register_token(token)
    published = {
        "TopicArn": props["ServiceToken"],
        "Subject": "AWS CloudFormation custom resource request",
        "Message": json.dumps(message),
    }
    try:
        status, _, body = loaded(_TOPICS)._publish(published)
        if status >= 400:
            raise ValueError(f"the topic refused the request: {body!r}")
        answered.wait(float(props.get("ServiceTimeout") or _SERVICE_TIMEOUT))
    finally:
        with module._lock:
            entry = module._pending.pop(token, None)
    result = (entry or {}).get("result")
    if result is None:
        raise TimeoutError
    if result["Status"] == "FAILED":
        raise RuntimeError(result.get("Reason", "Custom resource reported FAILED"))
    return result["PhysicalResourceId"], result.get("Data") or {}
