"""Texts kept in a folder, each with what it is about, so that nothing is done twice.

A text comes back only for exactly what it was kept about: every file begins with a
digest of its name, of what it is about and of the text. The folder can be deleted at
any time; a file that is not exactly what was written is as good as none.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kept:
    """A folder of texts by name, each name with the last text that was kept."""

    folder: Path

    def get(self, name: str, about: str = "") -> str | None:
        """The text that was kept under a name about this; None where there is none."""
        try:
            text = self._path(name).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            return None
        head, _, body = text.partition("\n")
        return body if head == digest(name, about, body) else None

    def put(self, name: str, text: str, about: str = "") -> None:
        """Keep a text; where it cannot be written, it is not kept."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(self._path(name), f"{digest(name, about, text)}\n{text}")
        except OSError:
            pass  # what is not kept is only slow

    def prune(self, most: int) -> None:
        """Remove the oldest texts beyond `most`."""
        try:
            files = [(e.stat().st_mtime_ns, e.path) for e in os.scandir(self.folder)]
            for _, path in sorted(files)[: max(0, len(files) - most)]:
                os.unlink(path)
        except OSError:
            pass  # somebody else is pruning, or there is no folder

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def digest(*parts: str) -> str:
    """A hash of texts, of each one for itself."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", errors="surrogatepass")
        found.update(f"{len(data)}:".encode() + data)
    return found.hexdigest()


def _replace(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
