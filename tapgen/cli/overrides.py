"""Overrides that were read before, in the folder of this project and in the artifact bucket.

It only spares reading again (`aws.remembered`): without it, everything is read.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tapgen.aws import remembered
from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.errors import AwsError
from tapgen.frozen import dataclass


@dataclass(frozen=True)
class OverridesStore:
    """A file for each stack set in `folder`; what a run elsewhere has left is in the
    bucket."""

    folder: Path
    bucket: ArtifactBucket

    def read(self, name: str) -> bytes | None:
        """Return what was kept under a name."""
        try:
            return self._path(name).read_bytes()
        except OSError:
            pass
        try:
            return self.bucket.get(remembered.key(name))
        except AwsError:
            return None

    def write(self, name: str, body: bytes) -> None:
        """Keep it, completely or not at all, for this user only: parameter values are
        nobody else's business."""
        path = self._path(name)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with open(os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                file.write(body)
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink()

    def _path(self, name: str) -> Path:
        admin = self.bucket.target
        return self.folder / f"{admin.account}-{admin.region}-{name}.json"
