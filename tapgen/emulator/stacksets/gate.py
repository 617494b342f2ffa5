"""The account gate: a function of the target account that may refuse an operation.

See "Prevent failed StackSets deployments using target account gates" in the user guide
and `AccountGateResult` in the API reference.
"""

from __future__ import annotations

import json
from typing import Any

from tapgen.emulator.stacksets.model import StackSet
from tapgen.emulator.wire.inner import Inner, Place, members, text
from tapgen.emulator.wire.query_protocol import ServiceError

FUNCTION = "AWSCloudFormationStackSetAccountGate"
PATH = f"/2015-03-31/functions/{FUNCTION}"

GateResult = dict[str, str]


async def check(inner: Inner, stack_set: StackSet, place: Place) -> GateResult:
    """Return the answer of a place's gate: SUCCEEDED, FAILED or SKIPPED, with the reason."""
    arn = f"arn:aws:lambda:{place.region}:{place.account}:function:{FUNCTION}"
    found = await inner.request(place, "lambda", "GET", PATH, b"", {})
    if found.status == 404:
        return _result("SKIPPED", f"Function not found: {arn}")
    if not await _permitted(inner, stack_set, place, arn):
        # "lacks permissions to invoke the function. CloudFormation proceeds"
        role = stack_set.execution_role
        return _result("SKIPPED", f"{role} is not authorized to invoke {arn}")
    answer = await inner.request(
        place,
        "lambda",
        "POST",
        f"{PATH}/invocations",
        b"{}",
        {"content-type": "application/json"},
    )
    status = _status(answer.body) if answer.status == 200 else None
    if status in ("SUCCEEDED", "FAILED"):
        return _result(status, f"Account gate function {arn} returned {status}")
    said = answer.body[:200].decode(errors="replace")
    return _result("FAILED", f"Account gate function {arn} failed: {said}")


def refuse(result: GateResult) -> None:
    """ServiceError when the gate does not let the operation in."""
    if result["Status"] == "FAILED":
        raise ServiceError(
            "AccountGateFailed", f"Account gate check failed: {result['StatusReason']}"
        )


def _result(status: str, reason: str) -> GateResult:
    return {"Status": status, "StatusReason": reason}


def _status(body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer.get("Status") if isinstance(answer, dict) else None


async def _permitted(inner: Inner, stack_set: StackSet, place: Place, arn: str) -> bool:
    """Whether the execution role may invoke the function."""
    if stack_set.permission_model != "SELF_MANAGED":
        return True  # the roles that CloudFormation creates may
    role = f"arn:aws:iam::{place.account}:role/{stack_set.execution_role}"
    answer = await inner.query(
        place,
        "iam",
        "SimulatePrincipalPolicy",
        PolicySourceArn=role,
        ActionNames=["lambda:InvokeFunction"],
        ResourceArns=[arn],
    )
    decisions = [
        text(result, "EvalDecision") for result in members(answer, "EvaluationResults")
    ]
    return bool(decisions) and set(decisions) == {"allowed"}
