"""Processes of tapgen for tests, without the time that importing it takes.

Two thirds of a short command are imports, and nearly all of the start of an embedded AWS;
tests run hundreds of both. Here one process imports tapgen, and forks for each: with the
arguments, the folder, the environment and the files of a script that asks for it, named
`tapgen` or `python`. Where a test is about the process itself (signals, what is imported)
it starts a real one.
"""

from __future__ import annotations

import ast
import atexit
import gc
import importlib
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import tapgen
from tapgen import cli
from tapgen.aws import session
from tapgen.emulator.server import lifecycle
from tapgen.emulator.wire import query_protocol
from tapgen.template import schemas
from tests.emulator import serve as serve_any
from tests.emulator import serve_schemas

ROOT = Path(__file__).parents[2]

# What asks. Without `site` and `socket`, which are most of the time of its start.
SCRIPT = """\
#!{python} -ISE
import _socket, os, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
if name == "python":
    option, name, *rest = [*arguments, "", ""]
    if option != "-m" or name not in {mains!r}:
        os.execv(sys.executable, [sys.executable, *arguments])
    arguments = arguments[2:]
files = [0, 1, 2]
listener = int(os.environ.get("{listener}", -1))
if listener > 2:
    files.append(listener)
asked = [name, arguments, os.getcwd(), dict(os.environ), os.getsid(0) == os.getpid()]
asked = ascii(asked).encode()
server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
sent = b"".join(number.to_bytes(4, sys.byteorder) for number in files)
rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, sent)
server.sendmsg([len(asked).to_bytes(4, "big")], [rights])
server.sendall(asked)
if listener > 2:
    os.close(listener)
ended = server.recv(1)
sys.exit(ended[0] if ended else "the process that forks has gone")
"""

MAINS = {
    "tapgen": cli.main,
    "tests.emulator.serve": serve_any.main,
    "tests.emulator.serve_schemas": serve_schemas.main,
}
"""What `python -m` runs in a fork, by module; other modules it runs as ever."""
NOT_OF_COMMANDS = ("tapgen.__main__", "tapgen.handlers")
LATER = (
    *("boto3.s3.inject", "botocore.client", "botocore.httpsession", "orjson"),
    *("hypercorn.asyncio", "hypercorn.config", "hypercorn.protocol.h11"),
)
CALLED = ("cloudformation", "cloudwatch", "ec2", "iam", "lambda", "s3", "ssm", "sts")


ending = ExitStack()
"""Ends the process and removes the scripts."""


def script() -> Path:
    """The script that runs tapgen."""
    return _scripts() / "tapgen"


def module(name: str, *arguments: str) -> list[str]:
    """The command `python -m`, for a module of `MAINS`."""
    return [str(_scripts() / "python"), "-m", name, *arguments]


@cache
def _scripts() -> Path:
    return ending.enter_context(_forking())


@contextmanager
def _forking() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tapgen-") as folder:
        address = str(Path(folder) / "socket")
        text = SCRIPT.format(
            python=sys.executable,
            mains=set(MAINS),
            listener=lifecycle.SOCKET_VARIABLE,
            address=address,
        )
        for name in ("tapgen", "python"):
            script = Path(folder) / name
            script.write_text(text)
            script.chmod(0o700)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen()
            number = listener.fileno()
            command = [sys.executable, "-W", "error", "-m", __name__]
            server = subprocess.Popen(
                [*command, str(number), folder],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                pass_fds=[number],
            )
        with server:  # the end of its input is its end
            yield Path(folder)


def serve(listener: socket.socket) -> Any:
    """Fork for each command. Returns what it is in the process of a command."""
    _import_everything()
    gc.freeze()  # so that no command copies what is shared
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        asking, _ = listener.accept()
        if not os.fork():
            listener.close()
            with asking:
                command = _run(asking)
            if command:
                return command
            os._exit(0)
        asking.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    sys.exit()


def _run(asking: socket.socket) -> Any:
    """Fork once more for the command, and say how it ended."""
    head, files, _, _ = socket.recv_fds(asking, 4, 4)
    asked = asking.makefile("rb").read(int.from_bytes(head, "big"))
    if not (pid := os.fork()):
        name, arguments, folder, environment, leads = ast.literal_eval(asked.decode())
        if leads:  # a session of its own
            os.setsid()
        for number, file in enumerate(files[:3]):
            os.dup2(file, number)
            os.close(file)
        for listener in files[3:]:
            environment[lifecycle.SOCKET_VARIABLE] = str(listener)
        return name, arguments, folder, environment
    for file in files:
        os.close(file)
    _, status = os.waitpid(pid, 0)
    asking.sendall(bytes([os.waitstatus_to_exitcode(status) % 256]))
    return None


def _import_everything() -> None:
    """Import all of tapgen, and what it imports only when it is needed."""
    for found in pkgutil.walk_packages(tapgen.__path__, "tapgen."):
        if not found.name.startswith(NOT_OF_COMMANDS):
            importlib.import_module(found.name)
    for name in LATER:
        importlib.import_module(name)
    nowhere = session.connect_local("http://127.0.0.1:1", "us-east-1").session
    for service in CALLED:  # reads AWS's description of it
        nowhere.client(service, "us-east-1")
    schemas.is_action("tapgen:nothing")  # reads which there are
    query_protocol.known_actions()


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest
    number, scripts = int(sys.argv[1]), Path(sys.argv[2])
    with socket.socket(fileno=number) as listener:
        name, arguments, folder, environment = serve(listener)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # The earlier ones have not noticed that they are other files now.
    sys.stdin = sys.__stdin__ = open(0, closefd=False)
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = open(
        2, "w", 1, errors="backslashreplace", closefd=False
    )
    sys.argv = [name, *arguments]
    sys.path[0] = folder
    if arguments[:2] != ["local", "serve"]:  # it starts that by `python -m`
        sys.executable = str(scripts / "python")
    code = MAINS[name]()
    if threading.active_count() == 1:
        # Nothing is left but to take apart all that was imported, which copies the memory
        # that is shared: two thirds of the time of a short command.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
