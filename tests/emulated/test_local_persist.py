"""`tapgen local start --persist` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.emulated.test_cli import MINIMAL, STACK_SETS, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.run("local", "stop")


def test_a_rollout_outlasts_stop_kill_and_start(shell: Shell) -> None:
    shell.config(MINIMAL)
    shell.run("local", "start", "--persist")
    shell.run("rollout", "--local", "--yes")
    stopped = shell.run("local", "stop").stdout
    assert "its state is stored: continue with tapgen local start --persist" in stopped

    plain = shell.run("local", "start")
    assert "an earlier run stored its state" in plain.stderr
    assert "no changes" not in shell.run("plan", "--local", expect=2).stdout
    refused = shell.run("local", "start", "--persist", expect=1).stderr
    assert "runs without --persist: stop it first" in refused
    assert "stored" not in shell.run("local", "stop").stdout

    shell.run("local", "start", TAPGEN_LOCAL_PERSIST="1")
    assert "no changes" in shell.run("plan", "--local").stdout
    pid = json.loads(shell.run("local", "status", "--output", "json").stdout)["pid"]
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}").exists() and alive(pid):
        time.sleep(0.02)

    shown = shell.run("status", "--local", "--output", "json")
    assert "starting the embedded AWS with its stored state" in shown.stderr
    sets = json.loads(shown.stdout)["stack_sets"]
    found = [i["status"] for s in sets for i in s["instances"]]
    assert found == ["CURRENT"] * STACK_SETS


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


def test_a_state_of_an_earlier_version_is_refused_in_one_sentence(
    shell: Shell, tmp_path: Path
) -> None:
    shell.run("local", "start", "--persist")
    shell.run("local", "stop")
    (path,) = tmp_path.rglob("state.db")
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE about SET value = '1' WHERE name = 'format'")

    refused = shell.run("local", "start", "--persist", expect=1).stderr

    assert "Traceback" not in refused
    assert refused.count("was saved by another version") == 1
    assert refused.count("delete it with tapgen local reset") == 1
    shell.run("local", "reset")
    shell.run("local", "start", "--persist")


def test_a_reset_deletes_the_stored_state_also_when_nothing_runs(shell: Shell) -> None:
    shell.run("local", "start", "--persist")
    shell.client("s3").create_bucket(Bucket="forgotten")
    shell.run("local", "stop")

    assert "empty again" in shell.run("local", "reset").stdout

    assert "is not running" in shell.run("local", "reset", expect=1).stderr
    shell.run("local", "start", "--persist")
    assert shell.client("s3").list_buckets()["Buckets"] == []
