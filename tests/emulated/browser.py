"""A real browser that sees the embedded AWS where AWS's own host names are.

Debian's package `chromium`, or what the variable BROWSER names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from html import unescape
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
LONGEST = 600
"""Seconds for a start on a slow machine; nothing is judged by the time."""

TRIES = 3
"""A browser that could not run the page to its end starts again."""


def find() -> str | None:
    """Return the path of a browser, None if there is none."""
    named = os.environ.get("BROWSER")
    return (
        shutil.which(named)
        if named
        else next(filter(None, map(shutil.which, NAMES)), None)
    )


def show(url: str, server: str, folder: Path) -> str:
    """Return the text of the element `out` of a page once it has loaded and run.

    `server` is the URL of the embedded AWS.
    """
    program = find()
    assert program is not None
    address = server.removeprefix("http://")
    command = [
        program,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        f"--user-data-dir={folder / 'browser'}",
        f"--host-resolver-rules=MAP *.amazonaws.com {address}",
        # Time goes on only while no request is under way.
        "--virtual-time-budget=30000",
        "--dump-dom",
        url,
    ]
    said = ""
    for _ in range(TRIES):
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
        said = done.stdout + done.stderr
        text = done.stdout.partition('<pre id="out">')[2].partition("</pre>")[0]
        if text:
            return unescape(text)
    raise AssertionError(said)
