"""The documents are true: their commands run, their output is what is printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from tapgen.cli import COMMANDS, tapgen
from tapgen.emulator import life

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCUMENTED_PORT = 4599

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"#\s*exit (\d+)\s*$")
# What differs between two runs of the same: times, process ids, identifiers.
CHANGING = re.compile(r"\b[0-9a-f]{8}-[-0-9a-f]{27}\b|\d+\.\d+")
SECTION = re.compile(r"^(#{2,3}) (.+?)\n(.*?)(?=^#{2,3} |\Z)", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"(?<![-\w])(-[a-z]|--[a-z][-a-z]+)\b")


@dataclass
class Reader:
    """Somebody who types what a document says, in a folder like a clone."""

    folder: Path
    printed: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def read(self, document: Path) -> None:
        for language, text in FENCE.findall(document.read_text()):
            if language == "sh":
                for line in text.splitlines():
                    self.follow(line)
            elif language == "text":
                self.compare(text)

    def follow(self, line: str) -> None:
        first = line.split()[0]
        if first == "make":
            for recipe in recipes(line.split()[1]):
                self.run(recipe, 0)
        elif first == "source":
            assert line == "source .venv/bin/activate"
        elif first == "export":
            pairs = self.here(line).split()[1:]
            self.environment |= dict(pair.split("=", 1) for pair in pairs)
        else:
            assert first in ("tapgen", "aws", "sed", "eval"), line
            expected = CODE.search(line)
            self.run(line, int(expected[1]) if expected else 0)

    def here(self, line: str) -> str:
        """A line with the port that the embedded AWS really has."""
        server = life.running(self.folder / ".tapgen")
        return line.replace(str(DOCUMENTED_PORT), str(server.port)) if server else line

    def run(self, line: str, expected: int) -> None:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=clean_environment(self.folder) | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        self.printed += done.stdout
        assert done.returncode == expected, f"{line}\n{done.stdout}"

    def compare(self, shown: str) -> None:
        """Every line that a document shows has been printed, in that order."""
        printed = iter(map(plain, self.printed.splitlines()))
        for line in shown.splitlines():
            if line != "…":
                assert plain(line) in printed, f"not printed (there): {line}"


def plain(line: str) -> str:
    """A line without what changes from run to run, and without alignment."""
    return " ".join(CHANGING.sub("0", line).split())


def clean_environment(folder: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "TAPGEN_")) and name not in ("CI", "NO_COLOR")
    }
    return kept | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),  # nobody's AWS configuration
        "AWS_PAGER": "",
    }


def recipes(target: str) -> Iterator[str]:
    """The tapgen commands that a make target of a ready clone runs."""
    shown = subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/.ready", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    for line in shown.stdout.splitlines():
        if line.startswith(".venv/bin/tapgen "):
            yield line.removeprefix(".venv/bin/")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    shutil.copytree(ROOT / "stacksets", tmp_path / "stacksets")
    yield Reader(tmp_path)
    life.stop(tmp_path / ".tapgen")


@pytest.mark.parametrize("name", ["README.md", "docs/commands.md", "docs/local.md"])
def test_a_document_says_what_happens(reader: Reader, name: str) -> None:
    reader.read(ROOT / name)

    assert reader.printed


def sections() -> dict[str, str]:
    """Headline -> text of docs/commands.md; those of commands are `tapgen …`."""
    text = (ROOT / "docs" / "commands.md").read_text()
    return {title: body for _, title, body in SECTION.findall(text)}


def commands() -> dict[str, click.Command]:
    """Every command that is not hidden, by what is typed."""
    context = click.Context(tapgen)
    found = {}
    for name in COMMANDS:
        command = tapgen.get_command(context, name)
        assert command is not None
        found[f"tapgen {name}"] = command
        if isinstance(command, click.Group):
            for inner, its in command.commands.items():
                if not its.hidden:
                    found[f"tapgen {name} {inner}"] = its
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
    table = set(re.findall(r"^\| \[`(tapgen \w+)`\]", page(), re.MULTILINE))
    assert table == {f"tapgen {name}" for name in COMMANDS}


def page() -> str:
    return (ROOT / "docs" / "commands.md").read_text()


@pytest.mark.parametrize("name", commands())
def test_the_commands_page_has_the_options_of(name: str) -> None:
    real = options(commands()[name])
    # Options of other programs are in their own examples.
    text = re.sub(r"^sed .*$", "", sections()[name], flags=re.MULTILINE)
    mentioned = set(OPTION.findall(text))
    others = {o for other in commands().values() for o in options(other)}

    if not isinstance(commands()[name], click.Group):
        assert mentioned - others == set(), "no such option"
        assert real - mentioned - shared_options() == set(), "not documented"


def test_the_options_that_several_commands_have_are_real() -> None:
    every = [options(command) for command in commands().values()]

    for option in shared_options() - {"--version"}:
        assert sum(option in real for real in every) > 1, option


PAGES = ["README.md", "CONTRIBUTING.md"]
PAGES += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_the_links_of_a_document_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for link in re.findall(
        r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", document.read_text()
    ):
        assert not link or (document.parent / link).exists(), link


@pytest.mark.parametrize("target", ["help", "rollout", "test", "templates", "lint"])
def test_a_make_target_exists(target: str) -> None:
    list(recipes(target))
