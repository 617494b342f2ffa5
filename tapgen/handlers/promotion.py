"""Promotes a read replica by the parameter of its stack that is for this.

A step of a runbook. A promotion by RDS itself would leave a stack behind that still wants
a replica: CloudFormation then promotes once more, which RDS refuses. The stack is in the
region of the replica, so nothing here needs another region, nor StackSets: their next
operation finds the parameter as the config has it by then. Systems Manager stops a script
after ten minutes, so this gives up before; the step is then tried again.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-rds-dbinstance.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import boto3

TRIES = 35
PAUSE = 15  # seconds
PROMOTED = "Promoted"
CREATED = "CREATE_COMPLETE"


def handler(event: Mapping[str, str], context: Any) -> dict[str, str]:
    """The entry point that Systems Manager calls; `event` is the step's payload."""
    return promote(event, boto3.client("cloudformation"), time.sleep)


def promote(
    asked: Mapping[str, str], stacks: Any, sleep: Callable[[float], None]
) -> dict[str, str]:
    """Promote the replica of the stack `Stack`, and wait until that is done.

    Does nothing where it is promoted already. Raises RuntimeError when the stack cannot
    be updated or goes back, TimeoutError when it takes too long.
    """
    name = asked["Stack"]
    begun = False
    for _ in range(TRIES):
        stack = stacks.describe_stacks(StackName=name)["Stacks"][0]
        status = stack["StackStatus"]
        given = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
        busy = status.endswith("_IN_PROGRESS")
        promoted = given[PROMOTED] == "true"
        if promoted and (status.startswith("UPDATE_COMPLETE") or status == CREATED):
            return {"Stack": name, "Status": status}
        if busy:
            sleep(PAUSE)
            continue
        if begun or status.endswith("_FAILED"):
            raise RuntimeError(f"{name} is in {status}: read its events")
        begun = True
        stacks.update_stack(
            StackName=name,
            UsePreviousTemplate=True,
            Parameters=[
                (
                    {"ParameterKey": key, "ParameterValue": "true"}
                    if key == PROMOTED
                    else {"ParameterKey": key, "UsePreviousValue": True}
                )
                for key in given
            ],
        )
    raise TimeoutError(f"{name} is still being updated")
