"""`tapgen local account`: an organization to rehearse with."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.emulated.test_cli import Shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("accounts"))
    shell.run("local", "start")
    yield shell
    shell.run("local", "stop")


def test_accounts_join_and_move_and_the_status_shows_where_they_are(
    shell: Shell,
) -> None:
    first = shell.run("local", "account", "Workloads/Prod").stdout.strip()
    account = shell.run("local", "account", "/", "--output", "json").stdout
    second = json.loads(account)["account"]
    assert f"000000000000  {first}  Workloads/Prod" in members(shell)
    assert f"000000000000  {second}  /" in members(shell)
    moved = shell.run("local", "account", "Sandbox", second).stdout.strip()
    assert moved == second
    assert f"000000000000  {second}  Sandbox" in members(shell)
    status = json.loads(shell.run("local", "status", "--output", "json").stdout)
    assert {m["account"] for m in status["members"]} == {first, second}


def members(shell: Shell) -> str:
    """What the status says of accounts: the last that it says."""
    shown = shell.run("local", "status").stdout
    assert "members            2\n" in shown
    return shown.partition("members  ")[2]


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ([""], 64, "UNIT '' is not a unit; give a path of names, or /"),
        (["Sandbox", "mine"], 64, "ACCOUNT must have 12 digits, not 'mine'"),
        (["a//b"], 64, "UNIT 'a//b' is not a unit; give a path of names, or /"),
        (["New", "999999999999"], 1, "the organization has no account 999999999999"),
    ],
)
def test_what_is_no_unit_or_account_is_refused(
    shell: Shell, given: list[str], code: int, message: str
) -> None:
    assert message in shell.run("local", "account", *given, expect=code).stderr
