"""Upload artifacts to the buckets that templates read them from.

The key is the hash of the content, so an object that exists is never written again.
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
    """Return the uploads whose object does not exist, or whose bucket cannot be read, as
    before bootstrap. Raises Unreachable when AWS does not answer."""

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
    """Upload the missing artifacts; `on_upload` gets each before it begins.

    Raises TemplateError when a file has changed since the plan, AwsError when a bucket
    is missing or not writable.
    """
    for upload in missing(aws, wanted):
        on_upload(upload)
        ArtifactBucket(aws, upload.target).put(
            upload.artifact.key,
            artifacts.content(upload.artifact),
            kind="application/octet-stream",
        )
