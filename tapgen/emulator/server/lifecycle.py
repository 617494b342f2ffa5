"""Start, find, query and stop the embedded AWS of one project.

The process itself is in `process`. Both use the project's folder (`.tapgen/`):
`local.json` (where it listens, readable by the owner only, as it has the token),
`local.log`, `local.lock`, and `state/` with --persist.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tapgen.emulator.server.proof import CONTROL, TOKEN_HEADER, instance, proof

HOST = "127.0.0.1"
DEFAULT_PORT = 4599
LAST_PORT = 65535
STATE = "state"
"""The folder of the saved state."""
_LAST_PID = 2**31 - 1  # of a signed 32-bit number, which the system takes
PATIENCE = 60
"""Seconds in which the embedded AWS starts, answers and ends, on however busy a machine."""
TOKEN_VARIABLE = "TAPGEN_LOCAL_TOKEN"
"""Environment variable that hands the token to the command that `start` spawns."""
SOCKET_VARIABLE = "TAPGEN_LOCAL_SOCKET"
"""Environment variable with the listening socket that the command inherits."""

PERMISSIONS_VARIABLE = "TAPGEN_LOCAL_PERMISSIONS"
"""Environment variable with the mode of permissions: off, warn or on."""
PERSIST_VARIABLE = "TAPGEN_LOCAL_PERSIST"
"""Environment variable that turns saving of state on."""


class EmulatorError(Exception):
    """The embedded AWS cannot start, stop or answer; the message is for users."""


@dataclass(frozen=True)
class Server:
    """A running embedded AWS."""

    url: str
    port: int
    pid: int
    token: str = field(repr=False)
    log: Path
    folder: Path
    persist: bool = False


def running(folder: Path) -> Server | None:
    """The embedded AWS of a project, None when it does not run.

    A stale process file (the process has ended, or another program has its port) is
    removed. EmulatorError when the process runs but does not answer, when the folder is
    a file, or when the process file cannot be removed.
    """
    folder = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise EmulatorError(
            f"{folder} is a file, but the embedded AWS needs a folder there: move it away"
        )
    found = recorded(folder)
    if not found:
        _remove(folder / "local.json")
        return None
    server = Server(
        url=f"http://{HOST}:{found['port']}",
        port=found["port"],
        pid=found["pid"],
        token=found["token"],
        log=folder / "local.log",
        folder=folder,
        persist=found.get("persist") is True,
    )
    if _alive(server.pid) and _is_ours(server):
        return server
    _remove(folder / "local.json")
    return None


def instance_of(folder: Path) -> str:
    """Return what identifies the embedded AWS of a project now; empty without one. After
    a restart it is another one."""
    token = recorded(folder).get("token")
    return instance(token) if token else ""


def start(
    folder: Path,
    command: Sequence[str],
    port: int | None = None,
    timeout: float = PATIENCE,
    persist: bool | None = None,
) -> Server:
    """Start the embedded AWS of a project in the background, unless it runs.

    `command` is run with `--port PORT --folder FOLDER` appended, in a session of its
    own, with the token in the environment variable TOKEN_VARIABLE; it must call
    `process.serve` with them. Without `port`, the first free one from 4599 on is taken.
    With `persist` state is saved; when it is None, PERSIST_VARIABLE decides.
    EmulatorError when the port is taken or the process does not come up within
    `timeout` seconds.
    """
    folder = folder.resolve()
    persist = wants_persistence() if persist is None else persist
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            server = running(folder)
            if server is not None:
                return _same(server, port, persist)
            with _bound(port) as listener:
                return _spawn(folder, command, listener, timeout, persist)
    except OSError as error:
        raise EmulatorError(
            f"cannot use {folder} for the embedded AWS: {error.strerror or error}"
        ) from error


def wants_persistence() -> bool:
    """Whether the environment variable turns saving of state on."""
    given = os.environ.get(PERSIST_VARIABLE, "").strip().lower()
    return given not in ("", "0", "false", "no", "off")


def _same(server: Server, port: int | None, persist: bool) -> Server:
    if persist and not server.persist:
        raise EmulatorError(
            "the embedded AWS of this project already runs without --persist: stop it "
            "first with tapgen local stop; its state is lost"
        )
    if port in (None, server.port):
        return server
    raise EmulatorError(
        f"the embedded AWS of this project already runs on port {server.port}, not "
        f"{port}: stop it first with tapgen local stop"
    )


@contextmanager
def _bound(port: int | None) -> Iterator[socket.socket]:
    """A listening socket on `port`, or on the first free one."""
    listener: socket.socket | None = None
    if port is not None:
        listener = listen(port)
    else:
        for candidate in range(DEFAULT_PORT, LAST_PORT + 1):
            with suppress(EmulatorError):
                listener = listen(candidate)
                break
    if listener is None:
        raise EmulatorError(f"no port from {DEFAULT_PORT} on is free")
    with listener:
        yield listener


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1:`port`; EmulatorError when it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Also while connections of a server that has ended are still open.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise EmulatorError(
            f"port {port} is already in use or not allowed ({error}): choose another "
            "with --port, or stop the program that uses it"
        ) from error
    return listener


def _spawn(
    folder: Path,
    command: Sequence[str],
    listener: socket.socket,
    timeout: float,
    persist: bool,
) -> Server:
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(32)
    log = folder / "local.log"
    number = os.dup(listener.fileno())
    os.set_inheritable(number, True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    arguments = [*command, "--port", str(port), "--folder", str(folder)]
    try:
        # Not subprocess: it complains when its process outlives it, as ours must.
        pid = os.posix_spawnp(
            arguments[0],
            arguments,
            {
                **os.environ,
                TOKEN_VARIABLE: token,
                SOCKET_VARIABLE: str(number),
                PERSIST_VARIABLE: "1" if persist else "0",
            },
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(number)
    listener.close()  # once the process has ended, a connection must be refused
    url = f"http://{HOST}:{port}"
    server = Server(url, port, pid, token, log, folder, persist)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = recorded(folder)
        if found.get("token") == token and _is_ours(server):
            return replace(server, pid=found["pid"])  # `command` may start another one
        if not _alive(pid):
            raise EmulatorError(f"the embedded AWS did not start:\n{_tail(log)}")
        time.sleep(0.02)
    _end(pid)
    raise EmulatorError(
        f"the embedded AWS did not start within {timeout:g} s:\n{_tail(log)}"
    )


def stop(folder: Path) -> bool:
    """Stop the embedded AWS of a project; False when it did not run."""
    folder = folder.resolve()
    if not folder.is_dir():
        return False
    with _locked(folder):
        server = running(folder)
        if server is None:
            return False
        with suppress(EmulatorError):
            _ask(server, "POST", "shutdown")
        if not ended(server.pid, PATIENCE):
            _end(server.pid)
        (folder / "local.json").unlink(missing_ok=True)
        return True


def reset(folder: Path) -> None:
    """Empty all state of the running embedded AWS; EmulatorError when none runs."""
    _ask(_must_run(folder), "POST", "reset")


def has_state(folder: Path) -> bool:
    """Whether a project has saved state of its embedded AWS."""
    return (folder / STATE / "state.db").exists()


def forget(folder: Path) -> bool:
    """Delete the saved state of an embedded AWS that does not run.

    False when there is none.
    """
    if not has_state(folder):
        return False
    with _locked(folder):
        shutil.rmtree(folder / STATE)
    return True


def status(folder: Path) -> dict[str, Any]:
    """Return what the running embedded AWS has; EmulatorError when none runs.

    `url`, `port`, `pid`, `uptime` in seconds, `memory` in bytes, the numbers of
    `stack_sets`, `stack_instances` and `stacks`, the resources that are `shape_only`,
    the accounts that are `members` of organizations, how `permissions` are enforced, the
    `refused_calls`, and how many were `undecided_calls`.
    """
    return _ask(_must_run(folder), "GET", "status")


def enforce(folder: Path, permissions: str) -> None:
    """Change how the running embedded AWS enforces permissions: off, warn or on."""
    _ask(_must_run(folder), "POST", "settings", body={"permissions": permissions})


def move_clock(folder: Path, seconds: float) -> str:
    """Move the clock of the running embedded AWS forward; return its time."""
    body = {"forward": seconds}
    return str(_ask(_must_run(folder), "POST", "clock", body=body)["clock"])


def release_clock(folder: Path) -> str:
    """Let the running embedded AWS show the real time again; return it."""
    return str(_ask(_must_run(folder), "POST", "clock", body={"real": True})["clock"])


def faults(folder: Path) -> list[dict[str, Any]]:
    """The faults of the running embedded AWS, with how often each matched and fired."""
    found: list[dict[str, Any]] = _ask(_must_run(folder), "GET", "faults")["faults"]
    return found


def add_faults(folder: Path, given: Any) -> list[dict[str, Any]]:
    """Set faults from data, as `faults.parsing.parse_all` takes it; return all faults.

    EmulatorError when none runs or when a fault is invalid; then none is set.
    """
    server = _must_run(folder)
    answer = _ask(server, "POST", "faults", body=given)
    found: list[dict[str, Any]] = answer["faults"]
    return found


def clear_faults(folder: Path, id_: str | None = None) -> int:
    """Remove one fault, or all; return how many were removed."""
    route = "faults" if id_ is None else f"faults?{urlencode({'id': id_})}"
    return int(_ask(_must_run(folder), "DELETE", route)["removed"])


def _must_run(folder: Path) -> Server:
    server = running(folder)
    if server is None:
        raise EmulatorError(
            "the embedded AWS is not running: start it with tapgen local start"
        )
    return server


def _is_ours(server: Server) -> bool:
    """Whether the listener on the port knows the token, without sending it.

    EmulatorError when something accepts the connection but does not answer.
    """

    nonce = secrets.token_hex(16)
    try:
        answer = _request(server, "GET", f"identity?nonce={nonce}")
    except TimeoutError as error:
        raise EmulatorError(
            f"process {server.pid} on port {server.port} does not answer: wait, or end "
            f"it with kill {server.pid}"
        ) from error
    except (OSError, HTTPException, ValueError):
        return False
    expected = proof(server.token, nonce)
    return answer is not None and answer.get("proof") == expected


def _ask(server: Server, method: str, route: str, body: Any = None) -> dict[str, Any]:
    try:
        answer = _request(server, method, route, body)
    except (OSError, HTTPException, ValueError) as error:
        raise EmulatorError(
            f"the embedded AWS on port {server.port} does not answer ({error}): see its "
            f"log, {server.log}"
        ) from error
    if answer is None:
        raise EmulatorError(
            f"the embedded AWS on port {server.port} did not accept {route}: see its "
            f"log, {server.log}"
        )
    if "error" in answer:
        raise EmulatorError(answer["error"])
    return answer


def _request(
    server: Server, method: str, route: str, body: Any = None
) -> dict[str, Any] | None:
    """The answer of a control route; None when it is not one of ours.

    It has `error` when the request was invalid.
    """

    connection = HTTPConnection(HOST, server.port, timeout=PATIENCE)
    # The token is sent only to a listener that has proven that it knows it.
    known = not route.startswith("identity")
    headers = {TOKEN_HEADER: server.token} if known else {}
    try:
        sent = None if body is None else json.dumps(body).encode()
        connection.request(method, CONTROL + route, body=sent, headers=headers)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    if response.status not in (200, 400):
        return None
    answer = json.loads(content)
    return answer if isinstance(answer, dict) else None


# Processes and files


def _alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours that has ended is no process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended, and its parent has not asked how.

    In a container that parent is the first process, which may ask late or never.
    """
    with suppress(OSError, IndexError):  # other systems have no /proc
        stat = Path(f"/proc/{pid}/stat").read_text()
        # The name before it may have anything in it (proc_pid_stat(5)).
        return stat.rpartition(")")[2].split()[0] == "Z"
    return False


def ended(pid: int, timeout: float) -> bool:
    """Wait for the end of a process, at most `timeout` seconds; return whether it came."""
    deadline = time.monotonic() + timeout
    while _alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _end(pid: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if ended(pid, 3):
            return


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from starting or stopping at the same time."""
    with open(folder / "local.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def recorded(folder: Path) -> dict[str, Any]:
    """Return what the process file has; nothing when it is missing or damaged."""
    try:
        found = json.loads((folder / "local.json").read_text())
        whole = (
            isinstance(found["port"], int)
            and 0 < found["port"] <= LAST_PORT
            and isinstance(found["pid"], int)
            and 0 < found["pid"] <= _LAST_PID
            and isinstance(found["token"], str)
            and found["token"].isascii()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(found) if whole else {}


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise EmulatorError(
            f"cannot remove the stale file {path}: {error.strerror or error}"
        ) from error


def record(server: Server) -> None:
    """Write the process file atomically, readable by its owner only."""
    path = server.folder / "local.json"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    shown = ("port", "pid", "token", "persist")
    with os.fdopen(number, "w") as file:
        json.dump({name: getattr(server, name) for name in shown}, file)
    temporary.replace(path)


def withdraw(server: Server) -> None:
    """Remove the process file, unless it is another process's."""
    if recorded(server.folder).get("pid") == server.pid:
        (server.folder / "local.json").unlink(missing_ok=True)


def _tail(log: Path, lines: int = 15) -> str:
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "(there is no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
