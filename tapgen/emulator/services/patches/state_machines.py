"""State machines of Step Functions that wait by the clock, act as their role, are hit by
faults, and report what became of their executions.

ministack waits in real time, lets a state machine call whatever its definition names, and
answers a second start of the same execution with an error. What it does not do either: an
execution that runs does not survive the end of the process; it has failed afterwards, with
the error States.ServiceRestart.
"""

from __future__ import annotations

import inspect
import json
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.faults.model import Fault
from tapgen.emulator.permissions.enforcing import ENFORCEMENT, Actor, acting
from tapgen.emulator.services import clock
from tapgen.emulator.wire.protocols import Call

_MACHINES = "ministack.services.stepfunctions"
PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _MACHINES: {
        "_ExecutionError": None,
        "_call_lambda": ("func_ref", "event"),
        "_emit_execution_status_event": ("execution",),
        "_executions": None,
        "_invoke_nested_start_execution": ("resource", "input_data"),
        "_parse_ts": ("v",),
        "_resolve_state_machine_arn": ("arn",),
        "_run_execution": ("exec_arn",),
        "_scaled_sleep": ("seconds",),
        "_sleep_until": ("iso_ts",),
        "_start_execution": ("data",),
        "_state_machines": None,
    },
    "ministack.services.lambda_svc": {
        "_execution_record_for_config": ("func", "config"),
        "_execute_function_with_config_scope": ("func", "event"),
        "_get_func_record_for_ref": None,
    },
    "ministack.services.cloudwatch": {"record_metric": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

_moved = threading.Condition()
_LOOK = 0.2  # seconds after which a wait looks whether its execution was stopped

Hits = Callable[[Call], list[Fault]]
_faults: list[Hits] = []

# How Step Functions names what keeps it from a function, or from an answer.
# https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
_THROTTLED = "Lambda.TooManyRequestsException"
_NO_SERVICE = "Lambda.ServiceException"
_NO_ANSWER = "Lambda.SdkClientException"
_NOT_ALLOWED = "Lambda.AWSLambdaException"


def know(hits: Hits) -> None:
    """Let faults hit the calls of functions that state machines make: `hits` gives those
    that a call meets."""
    _faults[:] = [hits]


def apply() -> None:
    """Put the corrections in place."""
    machines: Any = import_module(_MACHINES)
    machines._scaled_sleep = _wait
    machines._sleep_until = _wait_until
    machines._run_execution = _as_role(machines._run_execution)
    machines._start_execution = _once(machines._start_execution)
    machines._call_lambda = _call
    machines._invoke_nested_start_execution = _nested(
        machines._invoke_nested_start_execution
    )
    machines._emit_execution_status_event = _reported(
        machines._emit_execution_status_event
    )
    clock.watch(_look_again)


# Waiting -----------------------------------------------------------------------------


def _look_again() -> None:
    with _moved:
        _moved.notify_all()


def _wait(seconds: float) -> None:
    """Wait until the clock has gone forward by `seconds`, or the execution has ended."""
    execution = _running.get(threading.get_ident())
    end = clock.now() + seconds
    with _moved:
        while clock.now() < end and not (
            execution and execution["status"] != "RUNNING"
        ):
            left = _LOOK if clock.stands() else min(_LOOK, end - clock.now())
            _moved.wait(max(left, 0.001))


def _wait_until(stamp: str) -> None:
    at = import_module(_MACHINES)._parse_ts(stamp)
    if at is not None:
        _wait(at.timestamp() - clock.now())


# Executions --------------------------------------------------------------------------

# By the thread that runs it.
_running: dict[int, Mapping[str, Any]] = {}


def _as_role(run: Callable[[str], None]) -> Callable[[str], None]:
    def as_role(exec_arn: str) -> None:
        machines = import_module(_MACHINES)
        execution = machines._executions.get(exec_arn)
        machine = machines._state_machines.get((execution or {}).get("stateMachineArn"))
        if execution:
            _running[threading.get_ident()] = execution
        try:
            with acting(_actor(machine, execution)):
                run(exec_arn)
        finally:
            _running.pop(threading.get_ident(), None)

    as_role.__signature__ = inspect.signature(run)  # type: ignore[attr-defined]
    return as_role


def _actor(machine: Any, execution: Any) -> Actor | None:
    """The session of a state machine's role; None where nobody is checked, or the role
    does not exist."""
    role = (machine or {}).get("roleArn", "")
    account, name = role.split(":")[4] if ":" in role else "", role.rpartition("/")[2]
    if not (ENFORCEMENT.checks and name and ENFORCEMENT.roles.exists(account, name)):
        return None
    return Actor(account, name, execution["name"], via="")


def _refuse(action: str, arn: str, error: str) -> None:
    """Raise the error of an execution whose role may not call an action."""
    refused = ENFORCEMENT.refusal([(action, (arn,), [{}])])
    if refused:
        raise import_module(_MACHINES)._ExecutionError(error, refused[1])


def _once(start: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Answer a second start with the same name and input as the first one.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """

    def once(data: Any) -> Any:
        machines = import_module(_MACHINES)
        arn = machines._resolve_state_machine_arn(data.get("stateMachineArn", ""))
        name = data.get("name")
        if arn and name:
            place = f"{arn.replace(':stateMachine:', ':execution:')}:{name}"
            there = machines._executions.get(place)
            same = there and there["input"] == data.get("input", "{}")
            if same and there["status"] == "RUNNING":
                answer = {"executionArn": place, "startDate": there["startDate"]}
                return import_module("ministack.core.responses").json_response(answer)
        return start(data)

    once.__signature__ = inspect.signature(start)  # type: ignore[attr-defined]
    return once


def _nested(start: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    def nested(resource: str, input_data: Any) -> Any:
        machine = input_data.get("StateMachineArn", "")
        denied = "StepFunctions.AWSStepFunctionsException"
        _refuse("states:StartExecution", machine, denied)
        machines = import_module(_MACHINES)
        try:
            return start(resource, input_data)
        except machines._ExecutionError as error:
            if error.error != "ExecutionAlreadyExists":
                raise
            name = "StepFunctions.ExecutionAlreadyExistsException"
            raise machines._ExecutionError(name, error.cause) from None

    nested.__signature__ = inspect.signature(start)  # type: ignore[attr-defined]
    return nested


def _reported(emit: Callable[[Any], None]) -> Callable[[Any], None]:
    """Report the metrics of an execution, which alarms watch.

    https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    """

    def reported(execution: Any) -> None:
        emit(execution)
        metric = _METRICS.get(execution["status"])
        if metric and not execution.get("sync"):
            of = {"StateMachineArn": execution["stateMachineArn"]}
            record = import_module("ministack.services.cloudwatch").record_metric
            record("AWS/States", metric, 1, "Count", of)

    reported.__signature__ = inspect.signature(emit)  # type: ignore[attr-defined]
    return reported


_METRICS = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


# Functions ---------------------------------------------------------------------------


def _call(func_ref: Any, event: Any) -> Any:
    """Invoke a function as the state machine's role, where no fault keeps it from that."""
    functions = import_module("ministack.services.lambda_svc")
    failed = import_module(_MACHINES)._ExecutionError
    func, config, name = functions._get_func_record_for_ref(func_ref)
    if not func or not config:
        raise failed("Lambda.ResourceNotFoundException", f"Function not found: {name}")
    _refuse("lambda:InvokeFunction", config["FunctionArn"], _NOT_ALLOWED)
    late = _hit(config["FunctionArn"], failed)
    record = functions._execution_record_for_config(func, config)
    result = functions._execute_function_with_config_scope(record, event)
    if late:
        raise failed(_NO_ANSWER, "the answer of the function was lost")
    if not result.get("error"):
        body = result.get("body")
        return json.loads(body) if isinstance(body, (str, bytes)) and body else body
    body = result.get("body")
    if result.get("throttle"):
        raise failed(_THROTTLED, json.dumps(body))
    error = body.get("errorType") if isinstance(body, dict) else None
    raise failed(error or "Lambda.Unknown", json.dumps(body))


def _hit(arn: str, failed: Any) -> bool:
    """Let faults hit a call; return whether its answer is to be lost."""
    _, _, _, region, account, *_ = arn.split(":")
    call = Call("lambda", "Invoke", "rest-json", account, region)
    for fault in _faults[0](call) if _faults else []:
        if fault.effect == "delay":
            time.sleep(fault.seconds or 0)
        elif fault.effect == "cut" and fault.when == "after":
            return True
        else:
            name = _OF_EFFECTS.get(fault.effect, _NO_SERVICE)
            raise failed(name, fault.reason or f"a fault: {fault.effect}")
    return False


_OF_EFFECTS = {
    "throttle": _THROTTLED,
    "cut": _NO_ANSWER,
    "denied": _NOT_ALLOWED,
    "expired": _NOT_ALLOWED,
}
