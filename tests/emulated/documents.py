"""Reading a document as a user does: typing its commands, comparing what it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tapgen.emulator.server import lifecycle

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCUMENTED_PORT = 4599

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"#\s*exit (\d+)\s*$")
# What differs between two runs of the same: times, process ids, identifiers.
CHANGING = re.compile(r"\b[0-9a-f]{8}-[-0-9a-f]{27}\b|\d+\.\d+")


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
        server = lifecycle.running(self.folder / ".tapgen")
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
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "TAPGEN_")) and name not in ("CI", "NO_COLOR")
    }
    return environment | {
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


def read(name: str, folder: Path) -> str:
    """What a document's commands print, run in `folder` as in a fresh clone.

    AssertionError for the first command that ends otherwise than documented, and for
    the first line shown that is not printed.
    """
    shutil.copytree(ROOT / "stacksets", folder / "stacksets")
    reader = Reader(folder)
    try:
        reader.read(ROOT / name)
    finally:
        lifecycle.stop(folder / ".tapgen")
    return reader.printed
