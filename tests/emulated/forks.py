"""Processes of tapgen for tests, without the time that importing it takes.

Two thirds of a short command are imports, and tests run hundreds of commands. Here one
process imports tapgen, and forks for each command: with the arguments, the folder, the
environment and the files of a script named `tapgen` that asks for it. Where a test is
about the process itself (signals, what is imported) it starts a real one.
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

# What asks. Without `site` and `socket`, which are most of the time of its start.
SCRIPT = """\
#!{python} -ISE
import _socket, os, sys
server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
asked = ascii([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
files = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)
server.sendmsg([len(asked).to_bytes(4, "big")], [rights])
server.sendall(asked)
ended = server.recv(1)
sys.exit(ended[0] if ended else "the process that forks has gone")
"""

NOT_OF_COMMANDS = ("tapgen.__main__", "tapgen.emulator", "tapgen.handlers")
LATER = ("boto3.s3.inject", "botocore.client", "botocore.httpsession", "orjson")
CALLED = ("cloudformation", "cloudwatch", "ec2", "iam", "lambda", "s3", "ssm", "sts")


ending = ExitStack()
"""Ends the process and removes the script."""


@cache
def script() -> Path:
    """The script that runs tapgen."""
    return ending.enter_context(_forking())


@contextmanager
def _forking() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tapgen-") as folder:
        address, script = Path(folder) / "socket", Path(folder) / "tapgen"
        script.write_text(SCRIPT.format(python=sys.executable, address=str(address)))
        script.chmod(0o700)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
            listener.listen()
            number = listener.fileno()
            command = [sys.executable, "-W", "error", __file__, str(number)]
            server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[number])
        with server:  # the end of its input is its end
            yield script


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
    head, files, _, _ = socket.recv_fds(asking, 4, 3)
    asked = asking.makefile("rb").read(int.from_bytes(head, "big"))
    if not (pid := os.fork()):
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        return ast.literal_eval(asked.decode())
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


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        arguments, folder, environment = serve(listener)
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
    sys.argv = ["tapgen", *arguments]
    sys.path[0] = folder
    code = cli.main()
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
