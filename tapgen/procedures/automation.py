"""A step of a procedure as steps of a Systems Manager runbook.

A runbook makes its calls in its own region: what has to be asked for elsewhere is a
script, which says where it connects to.
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapgen.model.procedures import Argument, Call, Check, Pause, Script, Step

RUNTIME = "python3.11"
LONGEST_SCRIPT = 600
"""How long Systems Manager lets a script run, in seconds.
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-executeScript.html
"""


def parameters(arguments: tuple[Argument, ...]) -> dict[str, Any]:
    """Return the parameters of a runbook."""
    return {
        a.name: {
            "type": "String",
            "allowedValues": list(a.allowed),
            "description": a.description,
        }
        for a in arguments
    }


def steps(step: Step, source: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return what a step is in a runbook: readings before, the act, readings after.

    `source` returns the code of a handler. Texts stay texts for `Fn::Sub`.
    """
    acts: list[Any] = [*step.before, *_acts(step), *step.after]
    return [_one(step, act, source) for act in acts]


def _acts(step: Step) -> list[Any]:
    return [] if step.act is None else [step.act]


def _one(step: Step, act: Any, source: Callable[[str], str]) -> dict[str, Any]:
    match act:
        case Check():
            return _reading(act)
        case Script():
            return _script(act, source)
        case Pause():
            inputs = {"Duration": f"PT{act.minutes}M"}
            return {"name": step.name, "action": "aws:sleep", "inputs": inputs}
    return _call(step, act)


def _call(step: Step, call: Call) -> dict[str, Any]:
    call_step: dict[str, Any] = {
        "name": step.name,
        "action": "aws:executeAwsApi",
        "inputs": _inputs(call),
    }
    if step.saves:
        call_step["outputs"] = [
            {"Name": name, "Selector": selector, "Type": "String"}
            for name, selector in step.saves.items()
        ]
    return call_step


def _inputs(call: Call, **more: Any) -> Mapping[str, Any]:
    return {"Service": call.service, "Api": call.action, **more, **call.arguments}


def _reading(reading: Check) -> dict[str, Any]:
    """Return a step that waits for a value, or stops the runbook without it."""
    how: dict[str, Any] = (
        {
            "action": "aws:waitForAwsResourceProperty",
            "timeoutSeconds": reading.seconds,
        }
        if reading.seconds
        else {"action": "aws:assertAwsResourceProperty", "onFailure": "Abort"}
    )
    inputs = _inputs(
        reading.call,
        PropertySelector=reading.selector,
        DesiredValues=list(reading.wanted),
    )
    return {"name": reading.name, **how, "inputs": inputs}


def _script(script: Script, source: Callable[[str], str]) -> dict[str, Any]:
    """Return a step that is tried again when it raises; then the runbook fails."""
    return {
        "name": script.name,
        "action": "aws:executeScript",
        "timeoutSeconds": LONGEST_SCRIPT,
        "maxAttempts": script.attempts,
        "onFailure": "Abort",
        "inputs": {
            "Runtime": RUNTIME,
            "Handler": "handler",
            "Script": source(script.handler),
            "InputPayload": dict(script.payload),
        },
    }
