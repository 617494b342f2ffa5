"""docs/commands.md has every command and option there is, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from tapgen.cli import COMMANDS, tapgen
from tests.emulated.documents import ROOT, read

SECTION = re.compile(r"^(#{2,4}) (.+?)\n(.*?)(?=^#{2,4} |\Z)", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"(?<![-\w])(-[a-z]|--[a-z][-a-z]+)\b")


def test_the_examples_run(tmp_path: Path) -> None:
    assert read("docs/commands.md", tmp_path)


def page() -> str:
    return (ROOT / "docs" / "commands.md").read_text()


def sections() -> dict[str, str]:
    """Headline -> text of docs/commands.md; those of commands are `tapgen …`."""
    return {title: body for _, title, body in SECTION.findall(page())}


def commands() -> dict[str, click.Command]:
    """Every command that is not hidden, by what is typed."""
    context = click.Context(tapgen)
    found = {}
    for name in COMMANDS:
        command = tapgen.get_command(context, name)
        assert command is not None
        found |= nested(f"tapgen {name}", command)
    return found


def nested(name: str, command: click.Command) -> dict[str, click.Command]:
    found = {name: command}
    if isinstance(command, click.Group):
        for inner, its in command.commands.items():
            if not its.hidden:
                found |= nested(f"{name} {inner}", its)
    return found


def options(command: click.Command) -> set[str]:
    with click.Context(command) as context:
        return {
            name
            for parameter in command.get_params(context)
            if isinstance(parameter, click.Option)
            for name in parameter.opts
        } | {"-h", "--help"}


def shared_options() -> set[str]:
    return set(OPTION.findall(sections()["Options that several commands have"]))


def test_the_commands_page_has_every_command_and_no_other() -> None:
    documented = {title for title in sections() if title.startswith("tapgen ")}

    assert documented == set(commands())
    table = set(re.findall(r"^\| \[`(tapgen [\w-]+)`\]", page(), re.MULTILINE))
    assert table == {f"tapgen {name}" for name in COMMANDS}


@pytest.mark.parametrize("name", commands())
def test_the_commands_page_has_the_options_of(name: str) -> None:
    real = options(commands()[name])
    # Options of other programs are in their own examples.
    text = re.sub(r"^sed .*$", "", sections()[name], flags=re.MULTILINE)
    mentioned = set(OPTION.findall(text))

    assert mentioned - real == set(), "no such option"
    assert real - mentioned - shared_options() == set(), "not documented"


def test_the_options_that_several_commands_have_are_real() -> None:
    every = [options(command) for command in commands().values()]

    for option in shared_options() - {"--version"}:
        assert sum(option in real for real in every) > 1, option
