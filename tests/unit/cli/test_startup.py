"""What a command that only shows help may cost: no heavy import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.run import HEAVY, ROOT, imported


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    assert imported(arguments) == set()


def test_the_check_sees_an_import_where_there_is_one() -> None:
    assert {"troposphere", "pydantic"} <= imported(["schema"]) <= set(HEAVY)


SAY = """\
import atexit, gc, sys, threading
atexit.register(print, "taken apart")
from tapgen.cli import main
%s
sys.exit(main())
"""


def run(arguments: list[str], before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as its console script does, with Python code before it."""
    return subprocess.run(
        [sys.executable, "-c", SAY % before, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize(
    "arguments, code", [(["list"], 0), (["list", "--no-such"], 64), (["diff"], 64)]
)
def test_a_short_command_ends_at_once_with_its_code(
    arguments: list[str], code: int
) -> None:
    done = run(arguments)

    assert (done.returncode, "taken apart" in done.stdout) == (code, False)
    assert done.stdout or done.stderr


def test_a_command_with_threads_is_taken_apart() -> None:
    waiting = "threading.Thread(target=threading.Event().wait, daemon=True).start()"
    assert "taken apart" in run(["list"], waiting).stdout


def test_a_long_command_collects_garbage_and_is_taken_apart() -> None:
    check = "atexit.register(lambda: print(gc.isenabled()))"
    done = run(["local", "status"], check)

    assert ["True", "taken apart"] == done.stdout.splitlines()[-2:]
