"""What the operating system does to a command: signals, and outputs nobody reads."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
)
"""Signals that ask a command to end: Ctrl-C, a cancelled job, a lost terminal."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What is wrong where a file or a disk takes no more output."""

_NOBODY_READS = (errno.EPIPE, errno.EIO)


@contextmanager
def handled(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Let `handler` take the signals that ask to end.

    A signal that whoever started tapgen had ignored stays ignored, as `nohup` does with
    SIGHUP. Only the main thread can take signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in taken}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def interrupt(number: int, frame: Any) -> None:
    """Raise KeyboardInterrupt for any signal, so that each ends a command as Ctrl-C does."""
    raise KeyboardInterrupt


def leave(code: int) -> None:
    """End the process at once: Python would first take apart every object there is.

    Returns where other threads still run, or where something must be done at the end.
    """
    if threading.active_count() > 1 or "multiprocessing" in sys.modules:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def tolerate_lost_readers() -> None:
    """Let commands run to their end and return their own exit code when the reader of
    their output has gone, as in `tapgen … | head`, and print as an escape what its
    encoding does not have."""
    sys.stdout = tolerant(sys.stdout)
    sys.stderr = tolerant(sys.stderr)


def tolerant(stream: Any) -> Any:
    """Return a stream that writes to the same file, and to nothing once nobody reads it;
    the stream itself when it is not one of a process."""
    if type(stream) is not io.TextIOWrapper:
        return stream  # a test or an editor has replaced it, or it is closed
    stream.flush()
    return _Tolerant(
        stream.buffer,
        encoding=stream.encoding,
        errors="backslashreplace" if stream.errors == "strict" else stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Tolerant(io.TextIOWrapper):
    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            _discard(self, error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            _discard(self, error)


def _discard(stream: TextIO, error: OSError) -> None:
    """Discard a stream that nobody reads any more; raise `error` if it means something
    else."""
    if error.errno not in _NOBODY_READS:
        raise error
    discard(stream)


def discard(stream: TextIO) -> None:
    """Send what is still written to a stream nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
