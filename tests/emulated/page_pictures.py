"""The pictures of pages in README.md and docs/how-to/: `make picture` records the page of
a plan of payments_dr, and that of a drill.

They come from an embedded AWS of its own, and Debian's Chromium takes the pictures.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tapgen.emulator.server import lifecycle
from tests.emulated import browser
from tests.emulated.documents import ROOT, clean_environment

PICTURES = {
    "drill.html": (ROOT / "docs" / "drill.png", "1180,1160"),
    "plan.html": (ROOT / "docs" / "report.png", "1180,1225"),
}
"""Page -> its picture, and the size of the window."""

COMMANDS = (
    "bootstrap payments_dr --local --yes",
    "rollout payments_dr --local --yes",
    "drill payments_dr --local --yes --html drill.html",
)
CHANGES = {
    'max_amount: "100000"': 'max_amount: "200000"',
    "instance_class: db.r6g.large": "instance_class: db.r6g.xlarge",
    "log_retention_days: 365": "log_retention_days: 731",
}
"""What the plan changes in the shipped file."""


def record(folder: Path) -> None:
    """Write the pages of a drill and of a plan in a folder."""
    shutil.copytree(ROOT / "stacksets", folder / "stacksets")
    try:
        for command in COMMANDS:
            assert run(folder, command) == 0, command
        config = folder / "stacksets" / "payments_dr.yaml"
        text = config.read_text()
        for before, after in CHANGES.items():
            assert before in text, before
            text = text.replace(before, after)
        config.write_text(text)
        assert run(folder, "plan payments_dr --local --html plan.html") == 2
    finally:
        lifecycle.stop(folder / ".tapgen")


def run(folder: Path, command: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "tapgen", *command.split()],
        cwd=folder,
        env=clean_environment(folder),
        stdin=subprocess.DEVNULL,
    ).returncode


def draw(page: Path, picture: Path, size: str) -> None:
    """Write the picture of the first screen of a page."""
    program = browser.find()
    assert program, "install chromium"
    subprocess.run(
        [
            program,
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            f"--user-data-dir={page.parent / 'browser'}",
            f"--window-size={size}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=browser.LONGEST,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record(folder)
        for page, (picture, size) in PICTURES.items():
            draw(folder / page, picture, size)
