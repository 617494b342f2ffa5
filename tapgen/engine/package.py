"""The package of the function: a zip with the modules that `turn` needs, and no others.

Which ones these are is read from their `import` statements. The same code gives the same
bytes, whenever and wherever it is packed.
"""

from __future__ import annotations

import ast
import hashlib
import io
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tapgen

HANDLER = "tapgen.engine.turn.handle"
"""What Lambda calls ("Define Lambda function handler in Python",
https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html)."""

LEFT_OUT = {
    "tapgen.engine.package": "the function packs nothing",
    "tapgen.rollout.planned": "compiles plans, which needs all of the planner",
    "tapgen.template.decode": "reads YAML, for which the standard library has no parser",
}
"""Modules that others import only when they are used, and the function never does."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip
_ROOT = Path(tapgen.__file__).parent


@cache
def archive() -> bytes:
    """Return the zip to deploy. It is not compressed, since the output of zlib depends on
    its version."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for path in modules().values():
            name = (Path("tapgen") / path.relative_to(_ROOT)).as_posix()
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, on whatever system this runs
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, path.read_bytes().replace(b"\r\n", b"\n"))
    return buffer.getvalue()


def key() -> str:
    """Return the key of the zip in the artifact bucket, by its content."""
    return f"artifacts/{hashlib.sha256(archive()).hexdigest()}.zip"


@cache
def modules() -> dict[str, Path]:
    """Return the files of the package by the names of their modules, sorted."""
    found: dict[str, Path] = {}
    left = [HANDLER.rpartition(".")[0]]
    while left:
        name = left.pop()
        path = _file(name)
        if name in found or name in LEFT_OUT or path is None:
            continue
        found[name] = path
        left += _imports(path)
    return dict(sorted(found.items()))


def _imports(path: Path) -> Iterator[str]:
    """Yield what a file imports of tapgen, with the packages around it; perhaps also names
    inside of modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "tapgen":
                yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))


def _file(name: str) -> Path | None:
    """Return the file of a module or package of tapgen; None for any other name."""
    path = _ROOT.joinpath(*name.split(".")[1:])
    for one in (path / "__init__.py", path.with_suffix(".py")):
        if one.is_file() and one != _ROOT.with_suffix(".py"):
            return one
    return None
