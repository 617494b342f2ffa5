"""The AWS SDK for JavaScript, which Lambda's Node.js runtimes bring along.

"The runtime includes the AWS SDK for JavaScript v3" (Lambda guide, "Building Lambda
functions with Node.js"). Here the user's npm puts the packages that a function names
into the project's folder, once.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

_NAMED = re.compile(r"""["'`](@aws-sdk/[a-z0-9-]+|@smithy/[a-z0-9-]+|aws-sdk)["'`/]""")
_SOURCES = (".js", ".mjs", ".cjs")
_PATIENCE = 120  # seconds that npm may take
_installing = threading.Lock()


def provide(code: Path, folder: Path) -> None:
    """Put the packages of the SDK that the code names within its reach.

    `code` is where a function is unpacked; `folder` keeps the packages for all. Those
    that the function brings itself stay. RuntimeError when npm cannot get them.
    """
    modules = code / "node_modules"
    wanted = sorted(name for name in set(_named(code)) if not (modules / name).exists())
    if not wanted:
        return
    library = folder / "node"
    with _installing:
        missing = [name for name in wanted if not _installed(library, name)]
        if missing:
            _install(missing, library)
    for name in wanted:
        link = modules / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(_at(library, name).resolve())


def _named(code: Path) -> Iterator[str]:
    for path in code.rglob("*"):
        if path.suffix in _SOURCES and "node_modules" not in path.parts:
            yield from _NAMED.findall(path.read_text(errors="replace"))


def _at(library: Path, name: str) -> Path:
    return library / "node_modules" / name


def _installed(library: Path, name: str) -> bool:
    return (_at(library, name) / "package.json").exists()


def _install(names: list[str], library: Path) -> None:
    npm = shutil.which("npm")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
    reason = "npm is not installed on this machine"
    if npm is not None:
        library.mkdir(parents=True, exist_ok=True)
        try:
            done = subprocess.run(
                [npm, "install", *options, "--prefix", str(library), *names],
                cwd=library,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            reason = f"npm has not finished after {_PATIENCE} seconds"
        else:
            if done.returncode == 0:
                return
            reason = f"npm failed ({'; '.join(done.stderr.split(chr(10))[:3])})"
    raise RuntimeError(
        "Lambda's Node.js runtimes include the AWS SDK for JavaScript, and the embedded "
        f"AWS gets it with npm: {reason}; run npm install --prefix .tapgen/node "
        f"{' '.join(names)}, or bundle the packages with the function"
    )
