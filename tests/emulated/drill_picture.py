"""The picture in docs/how-to/bad-night.md: `make picture` records the report of a drill.

A drill of payments_dr runs against an embedded AWS of its own, and Debian's Chromium takes
the picture of its HTML.
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

PICTURE = ROOT / "docs" / "drill.png"
COMMANDS = (
    "bootstrap payments_dr --local --yes",
    "rollout payments_dr --local --yes",
    "drill payments_dr --local --yes --html drill.html",
)


def record(folder: Path) -> Path:
    """Drill in a folder; return the report."""
    shutil.copytree(ROOT / "stacksets", folder / "stacksets")
    try:
        for command in COMMANDS:
            subprocess.run(
                [sys.executable, "-m", "tapgen", *command.split()],
                cwd=folder,
                env=clean_environment(folder),
                stdin=subprocess.DEVNULL,
                check=True,
            )
    finally:
        lifecycle.stop(folder / ".tapgen")
    return folder / "drill.html"


def draw(page: Path, picture: Path) -> None:
    """Write the picture of the first screen of a page."""
    program = browser.find()
    assert program, "install chromium"
    subprocess.run(
        [
            program,
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            f"--user-data-dir={page.parent / 'browser'}",
            "--window-size=1180,1120",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=browser.LONGEST,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        draw(record(Path(folder)), PICTURE)
