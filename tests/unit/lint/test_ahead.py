"""What is done in a process beside this one: it is waited for, or it is gone."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tapgen.lint import ahead

ROOT = Path(__file__).parents[3]
# In a process without other threads: else nothing would be forked.
GOES = """\
import os, signal
from tapgen.lint import ahead

reader, writer = os.pipe()

def says(text, then=lambda: None):
    return lambda: (print("unseen"), os.write(writer, text), then())

with ahead.beside(says(b"done")) as wait:
    wait()
    print(os.read(reader, 4).decode())
with ahead.beside(says(b"here", signal.pause)):
    print(os.read(reader, 4).decode())
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("gone")
"""
# The parent is killed; its child, which alone holds the pipe then, closes it by its end.
KILLED = """\
import os, signal, sys
from tapgen.lint import ahead

reader, writer = os.pipe()
ends, held = os.pipe()
if parent := os.fork():
    os.close(writer), os.close(held)
    os.read(reader, 4)  # the child of the child runs
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    print("ended" if not os.read(ends, 1) else "goes on")
    sys.exit()
with ahead.beside(lambda: (os.write(writer, b"here"), signal.pause())):
    signal.pause()
"""
KEPT = """\
import sys
from tapgen.cli.lint import lint_beside, lint_passes
from tests import make

queue = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySecond": 1}}
system = make.system(make.stack_set(text=make.template(resources={"Jobs": queue})))
with lint_beside(system) as wait:
    wait()
    print("cfnlint" in sys.modules)
    print(lint_passes(system), "cfnlint" in sys.modules)
"""


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_work_is_waited_for_or_ended_in_silence(tmp_path: Path) -> None:
    assert run(GOES, tmp_path).split() == ["done", "here", "gone"]


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_work_ends_where_this_process_is_killed(tmp_path: Path) -> None:
    assert run(KILLED, tmp_path).split() == ["ended"]


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_a_check_finds_what_was_found_beside_it(tmp_path: Path) -> None:
    assert run(KEPT, tmp_path).split() == ["False", "False", "False"]


def test_nothing_is_done_where_other_threads_run() -> None:
    held = threading.Event()
    other = threading.Thread(target=held.wait)
    other.start()

    with ahead.beside(lambda: pytest.fail("this is another process")) as wait:
        wait()
        held.set()
    other.join()
