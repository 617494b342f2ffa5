"""Artifacts, the buckets they are uploaded to, and the hash of content."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model.targets import Target


def artifact_bucket(target: Target) -> str:
    """Return the name of the artifact bucket of an account and region."""
    return f"tapgen-artifacts-{target.account}-{target.region}"


@dataclass(frozen=True)
class Artifact:
    """A file that a template refers to by bucket and key, such as a function's code.

    `path` is as the config gives it, `source` the file or folder; a folder is zipped.
    `key` contains the hash of the content. `bucket_parameter` and `key_parameter` are
    the template's parameters for the target's artifact bucket and the key; empty where
    the template itself has both. `text` is the content where `source` is not uploaded as
    it is, but what is made of it.
    """

    path: str
    source: Path
    key: str
    bytes: int
    bucket_parameter: str
    key_parameter: str
    text: str | None = None

    def values(self, target: Target) -> dict[str, str]:
        """Return the values of the two parameters at a target."""
        if not self.bucket_parameter:
            return {}
        return {
            self.bucket_parameter: artifact_bucket(target),
            self.key_parameter: self.key,
        }


@dataclass(frozen=True)
class Upload:
    """An artifact to upload to a target's bucket."""

    artifact: Artifact
    target: Target

    def __str__(self) -> str:
        size = f"{self.artifact.bytes:,} bytes"
        return f"{self.artifact.path} ({size}) to {artifact_bucket(self.target)}"


def digest(data: Any) -> str:
    """Return `sha256:` and the hash of JSON data or text, independent of key order."""
    text = data if isinstance(data, str) else json.dumps(data, sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
