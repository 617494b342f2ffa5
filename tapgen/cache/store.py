"""Texts stored in a folder, each with what it depends on, so that nothing is done twice.

Every file begins with a digest of its name, of what it depends on and of its text. A text
is returned only where all of these match, so a damaged file counts as missing. The
folder can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tapgen.frozen import dataclass


@dataclass(frozen=True)
class Store:
    """A folder of texts by name, each name with the last text that was stored."""

    folder: Path

    def get(self, name: str, about: str = "") -> str | None:
        """Return the text stored under a name for exactly this; None where there is none."""
        try:
            text = self._path(name).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            return None
        head, _, body = text.partition("\n")
        return body if head == digest(name, about, body) else None

    def put(self, name: str, text: str, about: str = "") -> None:
        """Store a text; a folder that cannot be written is ignored."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            head = digest(name, about, text)
            replace(self._path(name), f"{head}\n{text}".encode())
        except OSError:
            pass  # without a cache tapgen is slow, not wrong

    def prune(self, most: int) -> None:
        """Remove the oldest texts beyond `most`."""
        try:
            files = [(e.stat().st_mtime_ns, e.path) for e in os.scandir(self.folder)]
            for _, path in sorted(files)[: max(0, len(files) - most)]:
                os.unlink(path)
        except OSError:
            pass  # another process is pruning, or there is no folder

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def digest(*parts: str) -> str:
    """Return a hash of texts; the boundaries between them count."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", errors="surrogatepass")
        found.update(f"{len(data)}:".encode() + data)
    return found.hexdigest()


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file with these permissions completely, or leave it as it is. Raises OSError."""
    # Not by `tempfile`: importing it takes as long as writing a hundred templates.
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(draft, mode)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
