"""The processes that functions run in: their environment, and the way to their answers.

ministack hands a function the whole environment of the shell that started it, and
answers custom resources on a plain port only. On AWS a function gets the variables that
Lambda defines (Lambda guide, "Defined runtime environment variables") and its own, and
helpers answer a custom resource by HTTPS, without looking at a port
(aws-cloudformation/custom-resource-helper, utils.py).

A function calls as its role, and each process has keys of its own: so it is known which
one makes a call, and a fault can kill it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import threading
from collections.abc import Container, Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tapgen.emulator.permissions.enforcing import ENFORCEMENT
from tapgen.emulator.services import node_sdk

_RUNTIME = "ministack.core.lambda_runtime"
_LAMBDA = "ministack.services.lambda_svc"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _RUNTIME: {
        "Worker": None,
        "_PYTHON_WORKER_SCRIPT": None,
        "execution_credentials": ("config",),
        "subprocess": None,
    },
    _LAMBDA: {
        "_emit_lambda_logs": (
            *("func", "request_id", "log_text", "error", "duration_ms", "log_source"),
        ),
        "_execute_function_warm": ("func", "event", "request_id"),
        "_functions": None,
        "_provided_worker_env": ("config", "code_dir", "port"),
        "execution_credentials": ("config",),
    },
    "ministack.services.sts": {"register_session": ("access_key", "session")},
}
"""Private names of ministack used here, as `private_names` describes them."""

# What the embedded AWS itself gives: its address, and its folder for temporary files.
_OURS = ("AWS_ENDPOINT_URL", "TMPDIR")

# A socket to the embedded AWS needs no TLS: it never leaves this machine.
_TO_THE_GATEWAY = """
def _reach_the_gateway(port):
    import socket, ssl
    resolve, wrap = socket.getaddrinfo, ssl.SSLContext.wrap_socket

    class Plain(socket.socket):
        def version(self):
            return "TLSv1.3"

        def getpeercert(self, binary_form=False):
            return b"" if binary_form else {}

        def selected_alpn_protocol(self):
            return None

        def unwrap(self):
            return self

    def getaddrinfo(host, service, *more, **named):
        if host in ("127.0.0.1", "localhost") and service in (443, "443", "https"):
            service = port
        return resolve(host, service, *more, **named)

    def wrap_socket(context, sock, *more, **named):
        try:
            ours = sock.getpeername()[:2] == ("127.0.0.1", port)
        except OSError:
            ours = False
        if not ours:
            return wrap(context, sock, *more, **named)
        patience = sock.gettimeout()
        plain = Plain(sock.family, sock.type, sock.proto, fileno=sock.detach())
        plain.settimeout(patience)
        return plain

    socket.getaddrinfo = getaddrinfo
    ssl.SSLContext.wrap_socket = wrap_socket


_reach_the_gateway(PORT)
"""

_spawning = threading.local()

# Access key → the worker whose process has it.
_processes: dict[str, Any] = {}

# What Lambda says of a process that has ended by itself.
# https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
_KILLED = "Error: Runtime exited with error: signal: killed"
_EXITED = "Runtime.ExitError"
# What ministack says of it.
_DIED = re.compile("Worker process died")


def apply() -> None:
    """Give functions what Lambda gives them, and let their answers arrive."""
    runtime: Any = import_module(_RUNTIME)
    functions: Any = import_module(_LAMBDA)
    port = os.environ.get("GATEWAY_PORT", "")
    if port:
        prelude = _TO_THE_GATEWAY.replace("PORT", port)
        runtime._PYTHON_WORKER_SCRIPT = prelude + runtime._PYTHON_WORKER_SCRIPT
    runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": _start})
    runtime.Worker._spawn = _remembering(runtime.Worker._spawn)
    runtime.Worker.invoke = _saying_why(runtime.Worker.invoke)
    functions._emit_lambda_logs = of_the_living(
        functions._emit_lambda_logs, functions._functions
    )
    functions._execute_function_warm = _named(functions._execute_function_warm)
    usual = runtime.execution_credentials
    for module in (runtime, functions):
        module.execution_credentials = lambda config: _credentials(config, usual)
    given = functions._provided_worker_env

    def provided(config: Any, code_dir: str, port: int) -> dict[str, str]:
        return environment(given(config, code_dir, port), config, os.environ)

    functions._provided_worker_env = provided


def _remembering(spawn: Any) -> Any:
    """Let the start of a worker's process know the function's configuration."""

    def remembering(worker: Any) -> None:
        _spawning.config, _spawning.worker = worker.config, worker
        try:
            spawn(worker)
        finally:
            del _spawning.config, _spawning.worker

    return remembering


# Who it is ---------------------------------------------------------------------------


def _credentials(config: Mapping[str, Any], usual: Any) -> dict[str, str]:
    """Return keys of the function's role; those of the account, as `usual`, where there is
    no such role."""
    arn = str(config.get("Role", ""))
    account = arn.split(":")[4] if arn.count(":") > 4 else ""
    role, name = arn.rpartition("/")[2], str(config.get("FunctionName", "function"))
    if not ENFORCEMENT.roles.exists(account, role):
        found: dict[str, str] = usual(config)
        return found
    key = f"ASIA{secrets.token_hex(8).upper()}"
    secret, token = secrets.token_hex(20), secrets.token_hex(32)
    import_module("ministack.services.sts").register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
            "UserId": f"{role}:{name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    worker = getattr(_spawning, "worker", None)
    if worker is not None:
        for former in [k for k, w in _processes.items() if w is worker]:
            del _processes[former]
        _processes[key] = worker
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
    }


def is_function(key: str) -> bool:
    """Whether an access key is that of a function's process."""
    return key in _processes


def kill(key: str, reason: str | None = None) -> None:
    """Kill the process of a function by its access key. Its caller gets `reason`: such as
    "Task timed out after 900.00 seconds" for a timeout, by default that it was killed.
    """
    worker = _processes.get(key)
    if worker is not None and worker._proc is not None:
        worker.tapgen_killed = reason or _KILLED
        worker._proc.kill()


def _saying_why(invoke: Any) -> Any:
    """Let the answer of a process that was killed say so."""

    def saying_why(worker: Any, *given: Any, **named: Any) -> Any:
        worker.tapgen_killed = ""
        result = invoke(worker, *given, **named)
        if _DIED.fullmatch(str(result.get("error", ""))):
            if worker._proc is not None:
                worker._proc.wait()  # the next call starts another one
            result = {**result, "error": worker.tapgen_killed or _KILLED}
        return result

    return saying_why


def _named(execute: Any) -> Any:
    """Name the error of a process that has ended as Lambda does."""

    def named(func: Any, event: Any, request_id: str) -> Any:
        result = execute(func, event, request_id)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict):
            if "Runtime exited" in str(body.get("errorMessage")):
                body["errorType"] = _EXITED
        return result

    return named


def of_the_living(emit: Any, functions: Container[str]) -> Any:
    """Let `emit` write the logs of functions that there still are. It would make the log
    group again that was deleted with a function while that ran, and the next stack could
    not create its own; on AWS, the roles of functions may write into log groups only
    (`compute.write_logs`)."""

    def emitting(func: Mapping[str, Any], *given: Any, **named: Any) -> None:
        config = func.get("config") or func
        if config.get("FunctionName") in functions:
            emit(func, *given, **named)

    return emitting


# Its process -------------------------------------------------------------------------


def _start(command: list[str], **given: Any) -> Any:
    config = getattr(_spawning, "config", None)
    if config is None:
        return subprocess.Popen(command, **given)
    program = shutil.which(command[0])
    if program is None:
        runtime = config.get("Runtime", "")
        raise RuntimeError(
            f"functions of runtime {runtime} need {command[0]}, and it is not installed "
            "on this machine"
        )
    given["env"] = environment(given["env"], config, os.environ)
    if command[0] == "node":
        node_sdk.provide(Path(given["cwd"]), Path.cwd())
    return subprocess.Popen([program, *command[1:]], **given)


def environment(
    given: Mapping[str, str], config: Mapping[str, Any], shell: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a function's process, without that of the `shell`.

    `given` is ministack's: the shell's, the function's own variables and some of those
    that Lambda defines.
    """
    own = (config.get("Environment") or {}).get("Variables") or {}
    name = config.get("FunctionName", "")
    logs = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
    defined = {
        "_HANDLER": config.get("Handler", ""),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', '')}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": logs,
        "HOME": given.get("LAMBDA_TASK_ROOT", ""),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "TZ": ":UTC",
    }
    added = {
        name: value
        for name, value in given.items()
        if name in own or name in _OURS or shell.get(name) != value
    }
    return {**defined, **added}
