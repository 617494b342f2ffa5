"""Artifacts: files that templates refer to by bucket and key.

A key contains the hash of the content. A folder becomes a zip whose bytes depend only on
its files' names, contents and executable bits, so unchanged folders are not uploaded or
deployed again.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import lru_cache
from pathlib import Path

from tapgen.errors import TemplateError
from tapgen.model import Artifact

LARGEST = 250 * 1024 * 1024
"""The maximum size in bytes: Lambda's limit for a package; it is read into memory."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip
_SKIPPED = frozenset({"__pycache__", ".git", ".DS_Store"})


def artifact(
    path: str, base: Path, bucket_parameter: str, key_parameter: str
) -> Artifact:
    """Return the artifact of a file or folder at a path relative to `base`.

    Raises TemplateError where it cannot be read.
    """
    source = base / path
    content = read(source)
    suffix = ".zip" if source.is_dir() else "".join(source.suffixes[-1:])
    return Artifact(
        path=path,
        source=source,
        key=f"artifacts/{hashlib.sha256(content).hexdigest()}{suffix}",
        bytes=len(content),
        bucket_parameter=bucket_parameter,
        key_parameter=key_parameter,
    )


def of_text(text: str, path: str, source: Path) -> Artifact:
    """Return the artifact of a JSON text that is made of a file at a path."""
    data = text.encode()
    key = f"artifacts/{hashlib.sha256(data).hexdigest()}.json"
    return Artifact(path, source, key, len(data), "", "", text)


def content(found: Artifact) -> bytes:
    """Return the bytes to upload; TemplateError when they no longer match the key."""
    if found.text is not None:
        return found.text.encode()
    data = read(found.source)
    if hashlib.sha256(data).hexdigest() not in found.key:
        raise TemplateError(
            f"{found.path}: the file has changed since the plan was made; plan again"
        )
    return data


def read(source: Path) -> bytes:
    """Return the bytes of a file, or of a zipped folder; TemplateError when unreadable."""
    try:
        if source.is_dir():
            return _zipped(source, _stamp(source))
        if source.stat().st_size > LARGEST:
            raise TemplateError(
                f"{source}: larger than {LARGEST:,} bytes; make it smaller"
            )
        return source.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TemplateError(
            f"{source}: cannot be read: {reason}; build it first, or check the path"
        ) from error


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not _SKIPPED & {*path.relative_to(folder).parts}
    )


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return names, times and sizes of files: they change whenever a file changes."""
    facts = ((path, path.stat()) for path in _files(folder))
    return tuple((str(p), s.st_mtime_ns, s.st_size) for p, s in facts)


@lru_cache(maxsize=8)
def _zipped(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> bytes:
    if not stamp:
        raise TemplateError(f"{folder}: the folder is empty; build its content first")
    if sum(size for *_, size in stamp) > LARGEST:
        raise TemplateError(f"{folder}: larger than {LARGEST:,} bytes; make it smaller")
    buffer = io.BytesIO()
    # Not compressed: the output of zlib depends on its version.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in _files(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            entry.create_system = 3  # Unix, on whatever system this runs
            executable = path.stat().st_mode & 0o100
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()
