"""Read a document as a user does: write its files, type its commands, compare what it
shows.

Blocks of code in a document, by their language:

- `sh` is run; `# exit 2` at the end of a line is the exit code where it is not 0
- `text` is what the commands before it print; `…` stands for lines that are left out
- `yaml`, `python` and others whose first line is `# path/to/file` are written there
- `console` is for a real account, and is not run
"""

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
from tests.emulated import forks
from tests.emulated.conftest import share_lint_results

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCUMENTED_PORT = 4599

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.(?:yaml|yml|py))\n")
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
            elif shown := FILE.match(text):
                self.write(shown[1], text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

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
            timeout=600,
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
        "PATH": os.pathsep.join(
            [str(forks.script().parent), str(BIN), os.environ["PATH"]]
        ),
        "HOME": str(folder),  # nobody's AWS configuration
        "AWS_PAGER": "",
    }


def files(document: Path) -> dict[str, str]:
    """Path → text of the files that a document shows: their first line says which."""
    shown = [text for _, text in FENCE.findall(document.read_text())]
    return {m[1]: text for text in shown if (m := FILE.match(text))}


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
    """Run a document's commands in `folder`, and return what they print.

    The folder gets the `stacksets/` of this repository, unless the document writes its
    own files: then it starts empty.

    AssertionError for the first command that ends otherwise than documented, and for
    the first line shown that is not printed.
    """
    document = ROOT / name
    if not files(document):
        shutil.copytree(ROOT / "stacksets", folder / "stacksets")
    share_lint_results(folder)
    reader = Reader(folder)
    try:
        reader.read(document)
    finally:
        lifecycle.stop(folder / ".tapgen")
    return reader.printed
