"""Signals that end a command, and output that nobody reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tapgen.cli import process

GOES_ON = """
import sys
from tapgen.cli import process
process.tolerate_lost_readers()
sys.stdin.read()
for number in range(2000):
    print("progress" * 10, flush=True)
    print("progress" * 10, file=sys.stderr)
sys.exit(3)
"""


def test_a_command_goes_on_to_its_own_exit_code_when_nobody_reads_its_output() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", GOES_ON],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin and child.stdout and child.stderr
    child.stdout.close()
    child.stderr.close()
    child.stdin.close()

    assert child.wait(120) == 3


def test_a_full_disk_is_not_taken_for_a_lost_reader() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as file:
        stream = process.tolerant(file)
        stream.write("text")
        with pytest.raises(OSError):
            stream.flush()
        # Nothing is left to write when it is closed.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), file.fileno())
        stream.flush()


def test_a_character_that_the_encoding_lacks_is_an_escape(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w", encoding="latin-1") as file:
        stream = process.tolerant(file)
        print("✓ done", file=stream, flush=True)

    assert (tmp_path / "out").read_text() == "\\u2713 done\n"


def test_a_stream_that_is_no_file_stays_as_it_is() -> None:
    stream = object()

    assert process.tolerant(stream) is stream


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_each_signal_that_asks_to_end_is_an_interrupt(number: int) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), process.handled(process.interrupt):
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    received: list[Any] = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with process.handled(lambda number, frame: received.append(number)):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert received == []
