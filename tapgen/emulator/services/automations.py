"""Automations of Systems Manager: documents that call services and functions, run.

Of the actions there are `aws:executeAwsApi` and `aws:invokeLambdaFunction`; a document with
another one is not started. Each step calls this embedded AWS at its port, as the document's
role or as who has started it, so what they may do is decided as for any other caller.
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.permissions.enforcing import ENFORCEMENT
from tapgen.emulator.services import documents
from tapgen.emulator.services.registry import Record, Refusal, Service, place
from tapgen.emulator.state.tracked import Tracked

NAME = "ssm-automations"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.ssm": {
        "handle_request": ("method", "path", "headers", "body", "query_params")
    },
    "ministack.services.sts": {
        "_sessions": None,
        "register_session": ("access_key", "session"),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

_executions: dict[str, Record] = Tracked()
_alive: set[str] = set()  # those that a thread of this process runs
_SERVICE_PRINCIPAL = "ssm.amazonaws.com"
_KEY = re.compile(r"Credential=([^/,\s]+)")
_VARIABLE = re.compile(r"\{\{\s*([\w:.]+)\s*\}\}")


def install() -> None:
    """Answer in front of ministack's Systems Manager; a second call changes nothing."""
    ssm: Any = import_module("ministack.services.ssm")
    if getattr(ssm.handle_request, "automations", False):
        return
    original = ssm.handle_request

    async def handle_request(
        method: str, path: str, headers: Any, body: bytes, query_params: Any
    ) -> Any:
        action = headers.get("x-amz-target", "").partition(".")[2]
        if action not in _OPERATIONS:
            return await original(method, path, headers, body, query_params)
        found = _KEY.search(headers.get("authorization", ""))
        return SERVICE.respond(action, body, {"_key": found[1] if found else ""})

    handle_request.automations = True  # type: ignore[attr-defined]
    handle_request.documents = True  # type: ignore[attr-defined]
    ssm.handle_request = handle_request


def _answer(action: str, given: Record) -> Record:
    return _OPERATIONS[action](given)


def _key(identifier: str) -> str:
    return ":".join((*place(), identifier))


def _start(given: Record) -> Record:
    found = documents.content(given["DocumentName"])
    content = json.loads(found["Content"])
    for step in content["mainSteps"]:
        if step["action"] not in _ACTIONS:
            raise Refusal(
                "UnknownOperationException", f"{step['action']} is not emulated"
            )
    known = content.get("parameters", {})
    values: Record = {name: wanted.get("default") for name, wanted in known.items()}
    for name, value in given.get("Parameters", {}).items():
        if name not in values:
            raise Refusal("InvalidParameters", f"unknown parameter: {name}")
        values[name] = value[0] if isinstance(value, list) else value
    for name, value in values.items():
        pattern = known[name].get("allowedPattern", "")
        if value is None or not re.fullmatch(pattern or ".*", str(value)):
            raise Refusal(
                "InvalidAutomationExecutionParametersException",
                f"Parameter {name} has an invalid value: {value}",
            )
    identifier, (account, region) = str(uuid.uuid4()), place()
    record = {
        "AutomationExecutionId": identifier,
        "DocumentName": given["DocumentName"],
        "DocumentVersion": found["DocumentVersion"],
        "AutomationExecutionStatus": "InProgress",
        "ExecutedBy": _arn(given["_key"], account),
        "ExecutionStartTime": time.time(),
        "Parameters": {name: [value] for name, value in values.items()},
        "Outputs": {},
        "StepExecutions": [],
    }
    keys = _keys(content.get("assumeRole", ""), given["_key"])
    variables = {
        **values,
        "automation:EXECUTION_ID": identifier,
        "global:ACCOUNT_ID": account,
        "global:REGION": region,
    }
    _executions[_key(identifier)] = record
    _alive.add(identifier)
    run = threading.Thread(
        target=_run, args=(record, content, variables, keys, region), daemon=True
    )
    run.start()
    return {"AutomationExecutionId": identifier}


def _get(given: Record) -> Record:
    identifier = given["AutomationExecutionId"]
    record = _executions.get(_key(identifier))
    if record is None:
        raise Refusal(
            "AutomationExecutionNotFoundException",
            f"There is no automation execution information for {identifier}",
        )
    interrupted = identifier not in _alive
    if record["AutomationExecutionStatus"] == "InProgress" and interrupted:
        record["AutomationExecutionStatus"] = "Failed"
        record["FailureMessage"] = "the embedded AWS ended meanwhile"
    return {"AutomationExecution": record}


def _arn(key: str, account: str) -> str:
    """Who has an access key."""
    session = import_module("ministack.services.sts")._sessions.get(key)
    return str(session["Arn"]) if session else f"arn:aws:iam::{account}:user/local"


def _keys(role: str, caller: str) -> dict[str, str]:
    """The keys that steps call with: of a role, else those of the caller."""
    sts = import_module("ministack.services.sts")
    if not role:
        session = sts._sessions.get(caller, {})
        secret = session.get("SecretAccessKey", "local")
        return _named(caller, secret, session.get("SessionToken"))
    if _SERVICE_PRINCIPAL not in ENFORCEMENT.roles.trusted(role):
        raise Refusal(
            "InvalidAutomationExecutionParametersException",
            "The defined assume role is unable to be assumed.",
        )
    key = f"ASIA{secrets.token_hex(8).upper()}"
    secret, token = secrets.token_hex(20), secrets.token_hex(32)
    account, name = role.split(":")[4], role.rpartition("/")[2]
    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/Automation",
            "UserId": f"{name}:Automation",
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    return _named(key, secret, token)


def _named(key: str, secret: str, token: str | None) -> dict[str, str]:
    more = {"aws_session_token": token} if token else {}
    return {"aws_access_key_id": key, "aws_secret_access_key": secret, **more}


# Steps -------------------------------------------------------------------------------


def _run(
    record: Record,
    content: Record,
    variables: Record,
    keys: Mapping[str, str],
    region: str,
) -> None:
    """Take the steps, one after the other; the first that fails is the last."""
    connection = {**keys, "region_name": region}
    status = "Success"
    for step in content["mainSteps"]:
        done = {"StepName": step["name"], "Action": step["action"], "Outputs": {}}
        record["StepExecutions"].append(done)
        try:
            inputs = _resolved(step.get("inputs", {}), variables)
            answer = _ACTIONS[step["action"]](inputs, connection)
            found = {
                one["Name"]: _selected(answer, one["Selector"])
                for one in step.get("outputs", ())
            } or answer
        except Exception as error:  # whatever the call or the answer is like
            done |= {"StepStatus": "Failed", "FailureMessage": str(error)}
            record["FailureMessage"] = f"Step {step['name']} fails: {error}"
            status = "Failed"
            break
        done["StepStatus"] = "Success"
        for name, value in found.items():
            variables[f"{step['name']}.{name}"] = value
            done["Outputs"][name] = [_text(value)]
    for name in content.get("outputs", ()):
        if name in variables:
            record["Outputs"][name] = [_text(variables[name])]
    record["ExecutionEndTime"] = time.time()
    record["AutomationExecutionStatus"] = status


def _resolved(value: Any, variables: Mapping[str, Any]) -> Any:
    match value:
        case dict():
            return {key: _resolved(one, variables) for key, one in value.items()}
        case list():
            return [_resolved(one, variables) for one in value]
        case str():
            whole = _VARIABLE.fullmatch(value)
            if whole:
                return variables[whole[1]]
            return _VARIABLE.sub(lambda found: _text(variables[found[1]]), value)
    return value


def _selected(answer: Any, selector: str) -> Any:
    for name in selector.removeprefix("$").strip(".").split("."):
        answer = answer[name]
    return answer


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _client(service: str, connection: Mapping[str, str]) -> Any:
    import boto3
    from botocore.config import Config

    # A function may take fifteen minutes, and is called once.
    config = Config(read_timeout=960, retries={"total_max_attempts": 1})
    url = os.environ["AWS_ENDPOINT_URL"]
    session = boto3.session.Session()
    return session.client(service, endpoint_url=url, config=config, **connection)


def _call_service(inputs: Record, connection: Mapping[str, str]) -> Any:
    """https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-executeAwsApi.html"""
    import botocore

    service, api = inputs.pop("Service"), inputs.pop("Api")
    operation = botocore.xform_name(api)
    return getattr(_client(service, connection), operation)(**inputs)


def _invoke(inputs: Record, connection: Mapping[str, str]) -> Any:
    """https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-lamb.html"""
    payload = inputs.get("Payload") or json.dumps(inputs.get("InputPayload", {}))
    answer = _client("lambda", connection).invoke(
        FunctionName=inputs["FunctionName"],
        InvocationType=inputs.get("InvocationType", "RequestResponse"),
        Payload=payload,
    )
    found = {
        "StatusCode": answer["StatusCode"],
        "Payload": answer["Payload"].read().decode(),
    }
    if answer.get("FunctionError"):
        found["FunctionError"] = answer["FunctionError"]
    return found


_ACTIONS = {
    "aws:executeAwsApi": _call_service,
    "aws:invokeLambdaFunction": _invoke,
}
_OPERATIONS = {
    "GetAutomationExecution": _get,
    "StartAutomationExecution": _start,
}

SERVICE = Service(NAME, _answer)
