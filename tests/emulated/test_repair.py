"""`tapgen repair` as a user runs it, after a day on which everything went wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulated.test_cli import Shell

PARTS = ("rollback", "creation", "deletion", "gone", "closed")
CONFIG = """\
blueprint: custom
suffix: test
regions: {main: us-east-1}
rollout: {on_failure: stop}
stack_sets:
"""
TEMPLATE = """\
Parameters:
  Text: {Type: String}
Resources:
  First:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: !Ref Text}
  Second:
    Type: AWS::SNS::Topic
    DependsOn: First
    Properties: {DisplayName: !Ref Text}
"""


@pytest.fixture
def shell(tmp_path: Any) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    (shell.folder / "stacksets").mkdir()
    (shell.folder / "stacksets" / "topics.yaml").write_text(TEMPLATE)
    shell.run("local", "start")
    yield shell
    shell.run("local", "stop")


def describe(shell: Shell, text: str, *parts: str, other: str = "") -> None:
    """Write the file of the system; the part `closed` is in the other account."""
    lines = [CONFIG]
    for part in parts:
        place = f', accounts: ["{other}"]' if part == "closed" else ""
        value = text if part == "rollback" else "old"
        lines.append(
            f"  {part}: {{template: topics.yaml, parameters: {{Text: {value}}}{place}}}\n"
        )
    shell.config("".join(lines), "shop")


def faults(shell: Shell, *found: tuple[str, dict[str, Any]]) -> None:
    """Let resources fail: a reason, and what it matches; denied without a reason."""
    lines = [
        (
            {"effect": "fail", "match": match, "reason": reason}
            if reason
            else {"effect": "denied", "match": match}
        )
        for reason, match in found
    ]
    path = shell.folder / "faults.yaml"
    path.write_text(json.dumps(lines))
    shell.run("local", "fault", "add", "--file", str(path))


def stack_of(shell: Shell, part: str) -> Any:
    found = shell.client("cloudformation").describe_stack_instance(
        StackSetName=f"shop-test-{part}",
        StackInstanceAccount="000000000000",
        StackInstanceRegion="us-east-1",
    )
    return found["StackInstance"]


def status_of(shell: Shell, part: str) -> str:
    id = stack_of(shell, part)["StackId"]
    stack = shell.client("cloudformation").describe_stacks(StackName=id)
    return str(stack["Stacks"][0]["StackStatus"])


def repair(shell: Shell, *options: str, expect: int = 0) -> dict[str, Any]:
    line = ("repair", "shop", "--local", "--yes", "--output", "json", *options)
    found: dict[str, Any] = json.loads(shell.run(*line, expect=expect).stdout)
    return found


def go_wrong(shell: Shell, other: str) -> str:
    """Let each part hang in its way; return the run that stays open."""
    rollout = ("rollout", "shop", "--local", "--yes")
    describe(shell, "old", "rollback", "deletion", "gone", "closed", other=other)
    shell.run("bootstrap", "shop", "--local", "--yes")
    shell.run(*rollout)
    updated, created, deleted = ({"stack_set": f"shop-test-{p}"} for p in PARTS[:3])
    first, second = {"logical_id": "First"}, {"logical_id": "Second"}
    stack = {"action": "delete", "type": "AWS::CloudFormation::Stack"}
    faults(
        shell,
        ("it stays", created | stack),
        ("no topic", created | second),
        ("no topic", updated | second),
        ("it is locked", updated | first | {"nth": 2, "times": 2}),
    )
    describe(shell, "new", *PARTS, other=other)
    said = shell.run(*rollout, expect=3).stdout
    faults(
        shell,
        ("it is used", deleted | first | {"action": "delete"}),
        ("", {"account": other, "times": "always"}),
    )
    client = shell.client("cloudformation")
    client.delete_stack(StackName=stack_of(shell, "gone")["StackId"])
    client.delete_stack_instances(
        StackSetName="shop-test-deletion",
        Accounts=["000000000000"],
        Regions=["us-east-1"],
        RetainStacks=False,
    )
    while stack_of(shell, "deletion")["Status"] != "INOPERABLE":
        pass  # the deletion fails in the background
    shell.client("organizations").close_account(AccountId=other)
    (run,) = re.findall("run (.*) stays open", said)
    return str(run)


def test_each_instance_that_hangs_is_repaired_in_its_way(shell: Shell) -> None:
    made = shell.run("local", "account", "Apps", "--output", "json").stdout
    other = json.loads(made)["account"]
    run = go_wrong(shell, other)
    assert status_of(shell, "rollback") == "UPDATE_ROLLBACK_FAILED"
    assert status_of(shell, "creation") == "ROLLBACK_COMPLETE"
    assert status_of(shell, "deletion") == "DELETE_FAILED"

    refused = shell.run("repair", "shop", "--local", "--yes", expect=1).stderr
    assert f"tapgen repair shop --local --supersede {run}" in refused
    one = repair(shell, "--only", "gone", "--supersede", run)
    assert [(r["part"], r["way"]) for r in one["repairs"]] == [("gone", "forget")]
    plan = shell.run("plan", "shop", "--local", expect=1).stderr
    assert "hangs in UPDATE_ROLLBACK_FAILED" in plan
    assert "is INOPERABLE: deleting it failed" in plan
    found = repair(shell, expect=1)
    assert {r["part"]: r["way"] for r in found["repairs"]} == {
        "rollback": "continue",
        "creation": "empty",
        "deletion": "release",
        "closed": "leave",
    }
    (failed,) = found["failures"]
    assert "hangs in UPDATE_ROLLBACK_FAILED again (First: it is locked)" in failed
    assert repair(shell, "--skip", "rollback.First")["failures"] == []

    assert status_of(shell, "rollback") == "UPDATE_ROLLBACK_COMPLETE"
    left = shell.client("cloudformation").describe_stacks()["Stacks"]
    kept = [s for s in left if s["StackStatus"] == "DELETE_FAILED"]
    assert [s["StackName"].split("-")[3] for s in kept] == ["deletion"]
    describe(shell, "new", *PARTS[:-1])
    shell.run("rollout", "shop", "--local", "--yes")
    for part in PARTS[:-1]:
        assert stack_of(shell, part)["Status"] == "CURRENT"
