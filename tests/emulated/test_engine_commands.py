"""Commands with a run that the engine in AWS advances: it is started, stopped, approved,
followed, and taken from the engine to a terminal."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulated import forks
from tests.emulated.test_cli import Shell

SYSTEM = """\
blueprint: custom
suffix: test
stack_sets:
  here: {template: here.json, regions: [us-east-1]}
rollout: {engine: aws, gates: [{approve: true}]}
"""
TEMPLATE = {"Resources": {"Here": {"Type": "AWS::SNS::Topic"}}}
SHIPPED = Path(__file__).parents[2] / "stacksets"
# What each shipped system changes last when its log groups are retained for longer.
LAST = {
    "secure_network": "AppLogGroup",
    "serverless_api": "ApiAccessLogs",
    "region_migration": "AppLogGroup",
    "payments_dr": "ApiAccessLogs",
}
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:tapgen-engine"
PATIENCE = 600.0  # seconds


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    shell.config(SYSTEM, "notes").with_name("here.json").write_text(
        json.dumps(TEMPLATE)
    )
    yield shell
    shell.run("local", "stop")


def test_a_rollout_goes_to_aws_and_comes_back(shell: Shell) -> None:
    plan = shell.run("plan", "notes", "--local", "--output", "json", expect=2)
    turns = json.loads(plan.stdout)["engine"]["turns"]
    assert 0 < turns["low"] <= turns["high"]
    begun = shell.run("rollout", "notes", "--local", "--yes", "--output", "json")
    run = json.loads(begun.stdout)["run"]
    assert f"run {run} goes on in AWS (execution {run}-1)" in begun.stderr
    seen = shell.run("watch", "notes", "--local", "--once")
    assert "it goes on in AWS; stop it" in seen.stdout
    said = shell.run("resume", "notes", "--local")
    assert f"run {run} is advanced in AWS already" in said.stderr
    states = shell.client("stepfunctions")
    for one in states.list_executions(stateMachineArn=MACHINE)["executions"]:
        states.stop_execution(executionArn=one["executionArn"])
    said = shell.run("resume", "notes", "--local", "--output", "json")
    again = json.loads(said.stdout)["execution"]
    assert f"nobody called the engine for run {run}; execution {again}" in said.stderr

    assert "is stopped: interrupted" in shell.run("stop", "notes", "--local").stderr
    said = shell.run("resume", "notes", "--local", "--engine", "aws")
    assert f"run {run} goes on in AWS" in said.stderr
    until_approved(shell)
    ended = shell.run(
        "watch", "notes", "--local", "--output", "json", "--progress=lines"
    )
    assert json.loads(ended.stdout)["run"]["result"] == "done"

    shell.config(SYSTEM.replace("[us-east-1]", "[us-east-1, us-west-2]"), "notes")
    waiting = shell.start(
        *("rollout", "notes", "--local", "--yes", "--wait", "--output", "json")
    )
    until_open(shell, run)
    here = shell.start("resume", "notes", "--local", "--engine", "local")
    assert here.stderr
    said_here = next(line for line in here.stderr if "going on with run" in line)
    assert "forward" in said_here  # it has the run, before anybody approves
    until_approved(shell)
    out, err = here.communicate(timeout=PATIENCE)
    assert here.returncode == 0, out + err
    assert "no changes" in shell.run("plan", "notes", "--local").stdout
    out, err = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 0 and "over: done" in err, err
    assert json.loads(out)["run"]

    # Killed before the first event, who starts a run leaves only a lock.
    s3 = shell.client("s3")
    held = json.loads(s3.get_object(**lock(shell))["Body"].read())
    empty = {**held, "open": True, "engine": MACHINE, "run": "20260101t000000000z-a"}
    s3.put_object(**lock(shell), Body=json.dumps(empty).encode())
    seen = shell.run("watch", "notes", "--local", "--once", expect=1)
    assert "has not begun anything" in seen.stderr
    assert "it is closed" in shell.run("resume", "notes", "--local").stderr

    # Killed at its very end, the last turn leaves the lock of a run that has ended.
    held |= {"open": True, "engine": MACHINE}
    s3.put_object(**lock(shell), Body=json.dumps(held).encode())
    gone = shell.run("bootstrap", "notes", "--local", "--engine", "--remove", "--yes")
    assert "changed: tapgen-engine" in gone.stdout


@pytest.mark.skipif("TAPGEN_SOAK" not in os.environ, reason="make soak runs it")
@pytest.mark.parametrize("name", LAST)
def test_a_shipped_system_is_rolled_out_and_restored_in_aws(
    shell: Shell, name: str
) -> None:
    here = (name, "--local")
    in_aws = ("rollout", *here, "--engine", "aws", "--yes", "--wait")
    text = (SHIPPED / f"{name}.yaml").read_text()
    shell.config(text, name)
    shell.run(*in_aws)
    assert "no changes" in shell.run("plan", *here).stdout

    longer = re.sub(r"(?m)^(  log_retention_days:) \d+", r"\1 180", text, count=1)
    shell.config(longer, name)
    fault = ("--logical-id", LAST[name], "--reason", "no logs today")
    shell.run("local", "fault", "add", "fail", *fault)
    assert "over: restored" in shell.run(*in_aws, expect=1).stderr
    assert "no logs today" in shell.run("explain", *here).stdout
    shell.config(text, name)
    assert "no changes" in shell.run("plan", *here).stdout

    shell.run("local", "fault", "clear")
    shell.config(longer, name)
    shell.run(*in_aws)
    assert "no changes" in shell.run("plan", *here).stdout


def until_open(shell: Shell, before: str) -> None:
    """Wait until the engine in AWS has another run than the one before."""
    s3, end = shell.client("s3"), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        run = json.loads(s3.get_object(**lock(shell))["Body"].read())["run"]
        first = f"runs/notes-test/{run}/000001.json"
        found = s3.list_objects_v2(Bucket=lock(shell)["Bucket"], Prefix=first)
        if run != before and found["KeyCount"]:
            return
        time.sleep(0.2)
    raise AssertionError("no run is open")


def lock(shell: Shell) -> dict[str, str]:
    """Where the lock of the system is."""
    found = [one["Name"] for one in shell.client("s3").list_buckets()["Buckets"]]
    bucket = next(n for n in found if n.endswith("-us-east-1"))
    return {"Bucket": bucket, "Key": "runs/notes-test/open.json"}


def until_approved(shell: Shell) -> None:
    """Approve the gate, once the run waits at it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        process = shell.start(
            "approve", "notes", "--local", command=[str(forks.script())]
        )
        _, err = process.communicate(timeout=PATIENCE)
        if process.returncode == 0:
            return
        assert "no rollout waits for an approval" in err, err
    raise AssertionError("no gate waits")
