"""Executions of state machines of Step Functions that run: find and stop them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError, NotFound
from tapgen.frozen import dataclass
from tapgen.model import Target


@dataclass(frozen=True)
class Execution:
    """An execution, by ARN, and what it was started with."""

    arn: str
    given: Mapping[str, Any]


def running(aws: Aws, target: Target, machine: str) -> list[Execution]:
    """Return the executions of a state machine, by its ARN, that run; none where there is
    no such machine.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
    """
    client = aws.client("stepfunctions", target)
    found: list[Execution] = []
    token: dict[str, str] = {}
    while True:
        try:
            answer = ask(
                client,
                "list_executions",
                stateMachineArn=machine,
                statusFilter="RUNNING",
                **token,
            )
        except AwsError as error:
            if isinstance(error, NotFound) or error.code == "StateMachineDoesNotExist":
                return []
            raise
        for one in answer.get("executions", ()):
            arn = one["executionArn"]
            whole = ask(client, "describe_execution", executionArn=arn)
            found.append(Execution(arn, json.loads(whole.get("input") or "{}")))
        if not answer.get("nextToken"):
            return found
        token = {"nextToken": answer["nextToken"]}


def stop(aws: Aws, target: Target, execution: Execution, cause: str) -> None:
    """Stop an execution; one that has ended meanwhile is none.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
    """
    client = aws.client("stepfunctions", target)
    try:
        ask(client, "stop_execution", executionArn=execution.arn, cause=cause)
    except AwsError as error:
        if error.code not in ("ExecutionDoesNotExist", "ValidationException"):
            raise
