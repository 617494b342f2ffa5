"""Start the engine in AWS, and wake it before its time."""

from __future__ import annotations

import json

from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError
from tapgen.model import Target

_TAKEN = "ExecutionAlreadyExists"
TRIES = 100
"""How many executions of one run may have ended before, beyond the number to start with."""


def start(aws: Aws, state_machine: str, system: str, run: str, generation: int) -> str:
    """Start an execution that advances a run; return its name.

    A name is used once in 90 days, except for an execution that still runs: then nothing is
    started, and that one goes on ("StartExecution",
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).
    Raises AwsError.
    """
    client = aws.client("stepfunctions", _target(aws, state_machine))
    for number in range(generation, generation + TRIES):
        name = f"{run}-{number}"
        given = {"system": system, "run": run, "turn": 0, "generation": number}
        try:
            ask(
                client,
                "start_execution",
                stateMachineArn=state_machine,
                name=name,
                input=json.dumps(given),
            )
        except AwsError as error:
            if error.code != _TAKEN:
                raise
            continue
        return name
    raise AwsError("states:StartExecution", _TAKEN, f"run {run} has no free name")


def wake(aws: Aws, function: str, admin: Target, system: str, run: str) -> None:
    """Begin a turn of a run now, without waiting for it: somebody has answered a gate, or
    asks the run to stop. Raises AwsError."""
    event = {"do": "advance", "system": system, "run": run}
    ask(
        aws.client("lambda", admin),
        "invoke",
        FunctionName=function,
        InvocationType="Event",
        Payload=json.dumps(event).encode(),
    )


def _target(aws: Aws, arn: str) -> Target:
    return Target(aws.account, arn.split(":")[3])
