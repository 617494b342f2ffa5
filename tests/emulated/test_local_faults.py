"""Rehearsing a bad day: `tapgen local fault`, and what `tapgen rollout` makes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulated.test_cli import MINIMAL, STACK_SETS, Shell


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("faults"))
    shell.config(MINIMAL)
    shell.run("local", "start")
    yield shell
    shell.run("local", "stop")


@pytest.fixture
def shell(started: Shell) -> Shell:
    """A project whose embedded AWS runs and is empty."""
    started.run("local", "reset")
    started.config(MINIMAL)
    return started


def faults(shell: Shell) -> list[dict[str, Any]]:
    shown = shell.run("local", "fault", "list", "--output", "json").stdout
    found: list[dict[str, Any]] = json.loads(shown)["faults"]
    return found


def instances(shell: Shell) -> list[str]:
    shown = shell.run("status", "--local", "--output", "json").stdout
    sets = json.loads(shown)["stack_sets"]
    return [i["status"] for s in sets for i in s["instances"]]


def operations(shell: Shell, name: str) -> list[tuple[str, str]]:
    client = shell.client("cloudformation")
    listed = client.list_stack_set_operations(StackSetName=name)["Summaries"]
    return [(o["Action"], o["Status"]) for o in listed]


def test_a_rollout_outlasts_throttling_lost_answers_and_what_takes_long(
    shell: Shell,
) -> None:
    for action in ("CreateStackSet", "CreateStackInstances", "DescribeStackSet*"):
        shell.run("local", "fault", "add", "throttle", "--action", action)
    lost = ("cut", "--when", "after", "--stack-set", "secure-network-test-storage")
    for action in ("CreateStackSet", "CreateStackInstances"):
        shell.run("local", "fault", "add", *lost, "--action", action)
    slow = ("--logical-id", "DestinationBucket", "--seconds", "2")
    shell.run("local", "fault", "add", "delay", *slow)
    often = ("--service", "sts", "--times", "3")
    shell.run("local", "fault", "add", "throttle", *often)
    begun = time.monotonic()

    done = shell.run("rollout", "--local", "--yes")

    assert "✓ done" in done.stdout
    assert time.monotonic() - begun > 2
    assert [f["fired"] for f in faults(shell)] == [1] * 6 + [3]
    assert instances(shell) == ["CURRENT"] * STACK_SETS
    # Asked for twice, started once: the retry has the same operation id.
    assert operations(shell, "secure-network-test-storage") == [("CREATE", "SUCCEEDED")]


def test_a_resource_that_fails_in_one_region_is_named_and_nothing_is_left_half_done(
    shell: Shell,
) -> None:
    shell.run("rollout", "--local", "--yes")
    shell.config(MINIMAL.replace("203.0.113.0/24", "198.51.100.0/24"))
    where = ("--region", "us-east-1", "--stack-set", "secure-network-test-network")
    kind = ("--type", "AWS::EC2::SecurityGroup*", "--reason", "no luck in us-east-1")
    shell.run("local", "fault", "add", "fail", *where, *kind)

    failed = shell.run("rollout", "--local", "--yes", expect=1)

    assert "AWS::EC2::SecurityGroup" in failed.stdout
    assert "no luck in us-east-1" in failed.stdout
    assert "000000000000/us-east-1" in failed.stdout
    assert "restored" in failed.stdout + failed.stderr
    assert instances(shell) == ["CURRENT"] * STACK_SETS
    shell.config(MINIMAL)
    assert "no changes" in shell.run("plan", "--local").stdout


def test_a_first_rollout_that_fails_goes_on_once_the_fault_is_gone(
    shell: Shell,
) -> None:
    shell.run("bootstrap", "--local", "--yes")
    kind = ("--type", "AWS::S3::Bucket", "--region", "us-west-2", "--times", "always")
    shell.run("local", "fault", "add", "fail", *kind, "--reason", "no luck")

    failed = shell.run("rollout", "--local", "--yes", expect=3)

    assert "DestinationBucket (AWS::S3::Bucket): no luck" in failed.stdout
    assert "1 fault removed" in shell.run("local", "fault", "clear").stdout
    assert "✓ done" in shell.run("rollout", "--local", "--yes").stdout
    assert instances(shell) == ["CURRENT"] * STACK_SETS


def test_a_region_that_is_away_fails_its_part_only(shell: Shell) -> None:
    away = ("--service", "s3", "--region", "us-west-2")
    shell.run("local", "fault", "add", "unavailable", *away)

    without = ("--without-region", "us-west-2")
    failed = shell.run("rollout", "--local", "--yes", *without, expect=3)

    assert "DestinationBucket" in failed.stdout
    assert "unavailable in us-west-2" in failed.stdout


def test_a_denial_ends_a_rollout_with_awss_words(shell: Shell) -> None:
    what = ("--action", "CreateStackInstances", "--times", "always")
    shell.run("local", "fault", "add", "denied", *what)

    failed = shell.run("rollout", "--local", "--yes", expect=3)

    assert "is not authorized to perform: cloudformation:CreateStack" in failed.stdout


def test_faults_of_a_file_are_set_listed_and_cleared(shell: Shell) -> None:
    path = shell.folder / "bad_day.yaml"
    path.write_text(
        "faults:\n"
        "  - effect: delay\n"
        "    seconds: 1.5\n"
        "    match: {service: s3, region: eu-*, times: always}\n"
        "  - {effect: cut, when: after, match: {action: PutObject, nth: 3}}\n"
    )

    shown = shell.run("local", "fault", "add", "--file", "bad_day.yaml").stdout

    assert "delay service=s3 region=eu-* seconds=1.5 always" in shown
    assert "cut action=PutObject nth=3 when=after 1 time" in shown
    assert shell.run("local", "fault", "list").stdout == shown
    ids = [f["id"] for f in faults(shell)]
    assert "1 fault removed" in shell.run("local", "fault", "clear", ids[0]).stdout
    assert [f["id"] for f in faults(shell)] == ids[1:]
    assert "faults             1" in shell.run("local", "status").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 64, "give either an effect, or a file of faults with --file"),
        (("throtle",), 1, "did you mean 'throttle'?"),
        (("cut", "--action", "PutObjekt"), 1, "did you mean 'PutObject'?"),
        (("cut", "--account", "12"), 1, "is not a number of 12 digits"),
        (("cut", "--seconds", "1"), 1, "key of cut 'seconds' is not known"),
        (("--file", "missing.yaml"), 1, "missing.yaml: No such file"),
        (("cut", "--file", "some.yaml"), 64, "give either an effect, or a file"),
        (("--file", "some.yaml", "--nth", "2"), 64, "cannot be used together"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    shell: Shell, arguments: tuple[str, ...], code: int, message: str
) -> None:
    refused = shell.run("local", "fault", "add", *arguments, expect=code)

    assert message in refused.stderr
    assert faults(shell) == []


def test_faults_need_an_embedded_aws_that_runs(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for arguments in (("list",), ("clear",), ("add", "cut")):
        refused = shell.run("local", "fault", *arguments, expect=1)
        assert "start it with tapgen local start" in refused.stderr
