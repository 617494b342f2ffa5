"""Brings artifacts to the buckets that templates take them from.

The key is the hash of the content: what is there under it is what is wanted, and is
never written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.session import Aws
from tapgen.errors import AwsError, Unreachable
from tapgen.model import Upload
from tapgen.system import artifacts


def missing(aws: Aws, wanted: Iterable[Upload]) -> tuple[Upload, ...]:
    """Those that are not there yet, or whose bucket nobody may look into yet, as
    before bootstrap; Unreachable when AWS is."""

    def is_there(upload: Upload) -> bool:
        try:
            return ArtifactBucket(aws, upload.target).has(upload.artifact.key)
        except Unreachable:
            raise
        except AwsError:
            return False

    every = list(wanted)
    with ThreadPoolExecutor(8) as pool:
        there = list(pool.map(is_there, every))
    return tuple(u for u, known in zip(every, there, strict=True) if not known)


def put(
    aws: Aws, wanted: Iterable[Upload], on_upload: Callable[[Upload], None]
) -> None:
    """Upload what is not there yet, telling each before it begins.

    Raises TemplateError when a file has changed since it was planned, AwsError when a
    bucket is missing or may not be written.
    """
    for upload in missing(aws, wanted):
        on_upload(upload)
        ArtifactBucket(aws, upload.target).put(
            upload.artifact.key,
            artifacts.content(upload.artifact),
            kind="application/octet-stream",
        )
